"""When an agent that nobody speaks to has a step of its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from agent_scripts import NOW
from bridle.agent.prompt import FULL
from bridle.agent.scheduler import next_heartbeat
from bridle.agent.state import new_state

ADA = new_state("ada", FULL)
EVERY = timedelta(minutes=5)


@pytest.mark.parametrize(
    ("pause", "due"),
    [(None, 5), (-1, 5), (2, 5), (5, 5), (60, 60)],
)
def test_a_heartbeat_comes_after_its_time_and_not_within_a_pause(pause: int | None, due: int) -> None:
    paused = None if pause is None else NOW + timedelta(minutes=pause)
    found = next_heartbeat(replace(ADA, paused_until=paused), EVERY, NOW)
    assert found == NOW + timedelta(minutes=due)


def test_there_is_none_where_none_is_wanted_or_a_message_waits() -> None:
    assert next_heartbeat(ADA, None, NOW) is None
    assert next_heartbeat(replace(ADA, is_open=True), EVERY, NOW) is None
