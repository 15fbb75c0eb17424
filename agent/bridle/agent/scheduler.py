"""When an agent that nobody speaks to is given a step of its own. Whoever runs the agent keeps the clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from bridle.agent.state import AgentState

__all__ = ["next_heartbeat"]


def next_heartbeat(state: AgentState, every: timedelta | None, now: datetime) -> datetime | None:
    """Tell when the next timed heartbeat is due, counted from `now`, when something last happened.

    None means never: there are none (`every` is None), or the last message still waits for its answer. An
    agent that paused them (`pause_heartbeats`) gets none before its pause is over.

    >>> from bridle.agent.prompt import FULL
    >>> from bridle.agent.state import new_state
    >>> next_heartbeat(new_state("ada", FULL), timedelta(minutes=5), datetime(2026, 11, 20, 8))
    datetime.datetime(2026, 11, 20, 8, 5)
    """
    if every is None or state.is_open:
        return None
    due = now + every
    paused = state.paused_until
    return due if paused is None or paused <= due else paused
