"""An agent's state in its store: how an event is taken, stored and followed, and how a person changes it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from bridle.agent.functions import MEMORY_FUNCTIONS
from bridle.agent.limits import Limits
from bridle.agent.state import (
    AgentState,
    Edited,
    Effect,
    Event,
    Interrupted,
    Record,
    RunTool,
    ToolReturned,
    with_profile,
)
from bridle.agent.step import step
from bridle.agent.store import Store, Transaction
from bridle.agent.toolbox.base import Tool, check_names
from bridle.agent.tools import INSIDE, insert_note
from bridle.errors import StoreError

__all__ = ["StoredAgent"]


class StoredAgent:
    """A state, where it is stored, and what is not stored of it. It asks no model."""

    def __init__(
        self,
        store: Store,
        state: AgentState,
        *,
        tools: Iterable[Tool],
        limits: Limits,
        window: int | None,
        clock: Callable[[], datetime],
    ) -> None:
        """Take a stored state; `window` is the model's, in tokens.

        Raises:
            InputError: for tools with names that are taken.
        """
        self.store = store
        self.tools = tuple(tools)
        check_names(self.tools, MEMORY_FUNCTIONS)
        self.limits = limits
        self._window = window
        self._clock = clock
        self.state = self._dressed(state)

    def _dressed(self, state: AgentState) -> AgentState:
        """The state with what is not stored."""
        specs = tuple(tool.spec for tool in self.tools)
        return replace(state, tools=specs, limits=self.limits, window=self._window)

    def _stored(self) -> tuple[int, int]:
        counts = self.store.counts(self.state.name)
        return counts.messages, counts.passages

    def _reload(self) -> None:
        """Take what another process may have stored since the last turn."""
        state = self.store.load(self.state.name)
        if state is None:
            raise StoreError(
                f"the agent {self.state.name!r} has been deleted", hint="start again to make a new one"
            )
        self.state = self._dressed(with_profile(state, self.state.profile))

    def _settle(self) -> None:
        """Take what is stored, and close a turn whose process died in it."""
        self._reload()
        if self.state.is_open:
            self._commit(Interrupted())

    def _commit(self, event: Event) -> tuple[Effect, ...]:
        """Take one event and store all that follows from it at once; return the effects that are left."""
        now = self._clock()
        with self.store.transaction(self.state, uuid.uuid4().hex) as transaction:
            base = self._dressed(with_profile(transaction.state, self.state.profile))
            state, effects = step(base, event, now)
            done: list[Effect] = []
            queue = list(effects)
            while queue:
                effect = queue.pop(0)
                if isinstance(effect, RunTool) and effect.call.name == INSIDE:
                    result = insert_note(transaction, effect.call, now)
                    state, more = step(state, ToolReturned(effect.call, result), now)
                    queue = [*more, *queue]
                else:
                    _write(transaction, effect, state.turn)
                    done.append(effect)
            saved = transaction.save(state)
        self.state = self._dressed(saved)
        return tuple(done)

    def _revise(
        self,
        change: Callable[[AgentState], AgentState],
        forget: Iterable[int] = (),
        rerecord: Record | None = None,
    ) -> None:
        """Change the stored state, and what searches find of some turns."""
        with self.store.transaction(self.state, uuid.uuid4().hex) as transaction:
            state = change(self._dressed(with_profile(transaction.state, self.state.profile)))
            for turn in forget:
                transaction.forget(turn)
            if rerecord is not None:
                transaction.forget(state.turn, rerecord.role)
                transaction.record(rerecord, state.turn)
            saved = transaction.save(state)
        self.state = self._dressed(saved)


def _write(transaction: Transaction, effect: Effect, turn: int) -> None:
    if isinstance(effect, Record):
        transaction.record(effect, turn)
    elif isinstance(effect, Edited):
        transaction.edited(effect, turn)
