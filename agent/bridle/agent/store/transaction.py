"""One step of an agent: everything that it writes, in one transaction."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import replace
from datetime import datetime

from bridle.agent.state import AgentState, Edited, Record, clean_text
from bridle.agent.state_json import to_json
from bridle.agent.store import blocks
from bridle.agent.store.messages import Message, add_message, forget_turn
from bridle.agent.store.passages import insert_note, own_archive
from bridle.errors import StoreError

__all__ = ["Transaction"]


class Transaction:
    """What can be written inside one step.

    `state` is what the step begins with: the one that was given, with core memory as it is now. When
    `replayed` is true, this very step is stored already, `state` is what it led to, and nothing may be
    written.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        agent_id: int,
        given: AgentState,
        state: AgentState,
        step_id: str,
        *,
        replayed: bool = False,
    ) -> None:
        self.state = state
        self.replayed = replayed
        self.saved: AgentState | None = state if replayed else None
        self._connection = connection
        self._agent_id = agent_id
        self._given = given
        self._step_id = step_id
        self._step = step_id or f"r{state.revision + 1}"
        self._messages = 0
        self._edited: set[str] = set()

    @property
    def archive_id(self) -> int:
        """The agent's own archive."""
        return own_archive(self._connection, self._agent_id)

    def record(self, said: Record, turn: int) -> None:
        """Keep a message of a turn for `conversation_search`; see `messages.is_worth_finding`."""
        self._check_open()
        message = Message(self._agent_id, turn, self._step, self._messages, said)
        add_message(self._connection, message)
        self._messages += 1

    def insert(self, text: str, at: datetime) -> int:
        """Keep a note in the agent's own archive and return the passage's id."""
        self._check_open()
        return insert_note(self._connection, self.archive_id, clean_text(text), at)

    def edited(self, edit: Edited, turn: int) -> None:
        """Keep what an edit of core memory changed; `save` stores the memory itself."""
        self._check_open()
        blocks.add_edit(self._connection, self._agent_id, edit, turn)
        self._edited.add(edit.label)

    def forget(self, turn: int, role: str | None = None) -> None:
        """Take the messages of a turn back, or only those of one role: they are found and listed no more."""
        self._check_open()
        forget_turn(self._connection, self._agent_id, turn, role)

    def save(self, state: AgentState) -> AgentState:
        """Store the state after the step; return it with its new revision and core memory as it is now."""
        self._check_open()
        core = blocks.store_core(self._connection, self._agent_id, self._given.core, state.core, self._edited)
        self.saved = replace(state, core=core, revision=self.state.revision + 1)
        self._connection.execute(
            "UPDATE agents SET state = ?, revision = ?, last_step = ?, updated_ns = ? WHERE id = ?",
            (
                to_json(self.saved, with_core=False),
                self.saved.revision,
                self._step_id,
                time.time_ns(),
                self._agent_id,
            ),
        )
        return self.saved

    def _check_open(self) -> None:
        if self.replayed:
            raise StoreError(f"the step {self._step_id!r} of {self.state.name!r} is stored already")
