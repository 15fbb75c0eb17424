"""The agents in the database: to load, make, list, rename, copy and delete them, and to write their steps.

Everything that a step changes is written in one transaction, which checks the revision of the agent's state;
so a process that is killed at any instant leaves the last complete step, and two processes cannot overwrite
each other's. A step that has an id is written once, however often it is tried.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace

from bridle.agent.memory import Block
from bridle.agent.prompt import FULL
from bridle.agent.state import AgentState, new_state
from bridle.agent.state_json import from_json, to_json
from bridle.agent.store import blocks, messages
from bridle.agent.store.blocks import Editor, StoredEdit
from bridle.agent.store.database import Database
from bridle.agent.store.forking import delete_agent, fork_agent
from bridle.agent.store.messages import Logged
from bridle.agent.store.passages import add_archive
from bridle.agent.store.recall import Page, search_messages, search_messages_by_day
from bridle.agent.store.transaction import Transaction
from bridle.errors import InputError, StaleRevision, StoreCorrupt, StoreError

__all__ = ["AgentInfo", "Counts", "Store"]


@dataclass(frozen=True, slots=True)
class Counts:
    """How much of an agent is in the store: what was said, and the passages that it can find."""

    messages: int
    passages: int


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """One line of the list of agents."""

    name: str
    turns: int
    counts: Counts
    created_ns: int
    updated_ns: int


_COUNTS = """coalesce((SELECT number FROM totals WHERE owner = 'g' || agents.id), 0),
    (SELECT coalesce(sum(number), 0) FROM agent_archives JOIN totals ON owner = 'r' || archive_id
        WHERE agent_id = agents.id)"""


class Store(Database):
    """The open file. Close it."""

    def load(self, name: str) -> AgentState | None:
        """The last committed state of an agent; None when there is no such agent."""
        with self.reading() as connection:
            row = connection.execute(
                "SELECT id, state, revision FROM agents WHERE name = ?", (name,)
            ).fetchone()
            return None if row is None else self._read(connection, name, *row)

    def known(self, name: str) -> AgentState:
        """The last committed state of an agent that is there.

        Raises:
            InputError: when there is none of that name, with those that there are.
        """
        state = self.load(name)
        if state is None:
            with self.reading() as connection:
                raise _unknown(connection, name)
        return state

    def described(self, connection: sqlite3.Connection, name: str) -> tuple[int, int, int]:
        """The id of an agent, and when it was made and last changed, in nanoseconds since 1970.

        Raises:
            InputError: when there is none of that name, with those that there are.
        """
        agent_id = _id_of(connection, name)
        times = "SELECT created_ns, updated_ns FROM agents WHERE id = ?"
        created_ns, updated_ns = connection.execute(times, (agent_id,)).fetchone()
        return agent_id, int(created_ns), int(updated_ns)

    def _read(
        self, connection: sqlite3.Connection, name: str, agent_id: int, state: str, revision: int
    ) -> AgentState:
        try:
            core = blocks.core_of(connection, agent_id)
            return replace(from_json(state, revision, core), name=name)
        except StoreCorrupt as error:
            raise StoreCorrupt(f"agent {name!r} in {self.path}: {error.message}", hint=error.hint) from error

    def create(self, state: AgentState) -> AgentState:
        """Store a new agent and return it with its revision.

        Raises:
            StoreError: when there is one of that name.
        """
        now = time.time_ns()
        stored = replace(state, revision=1)
        with self.writing() as connection:
            _check_free(connection, state.name)
            cursor = connection.execute(
                "INSERT INTO agents (name, state, revision, created_ns, updated_ns) VALUES (?, ?, 1, ?, ?)",
                (state.name, to_json(stored, with_core=False), now, now),
            )
            agent = int(cursor.lastrowid or 0)
            blocks.add_core(connection, agent, state.core)
            add_archive(connection, agent, now)
            return replace(stored, core=blocks.core_of(connection, agent))

    def agents(self) -> tuple[AgentInfo, ...]:
        """All agents, by name, also those whose state cannot be read."""
        query = f"""SELECT name, (SELECT coalesce(max(turn), 0) FROM messages WHERE agent_id = agents.id),
            created_ns, updated_ns, {_COUNTS} FROM agents ORDER BY name"""
        with self.reading() as connection:
            rows = connection.execute(query).fetchall()
        return tuple(
            AgentInfo(name, turns, Counts(said, passages), created, updated)
            for name, turns, created, updated, said, passages in rows
        )

    def delete(self, name: str) -> bool:
        """Delete an agent with all that is its own; False when there is no such agent."""
        with self.writing() as connection:
            row = connection.execute("SELECT id FROM agents WHERE name = ?", (name,)).fetchone()
            if row is None:
                return False
            delete_agent(connection, row[0])
        return True

    def rename(self, old: str, new: str) -> None:
        """Give an agent another name.

        Raises:
            InputError: for an unknown agent, and for a name that cannot name one.
            StoreError: when there is one of the new name.
        """
        new_state(new, FULL)  # what no new agent may be called
        with self.writing() as connection:
            agent = _id_of(connection, old)
            _check_free(connection, new)
            connection.execute("UPDATE agents SET name = ? WHERE id = ?", (new, agent))

    def fork(self, name: str, new: str) -> AgentState:
        """Copy an agent with its conversation, its notes and its core memory, and return the copy.

        Sources stay attached to both, and shared blocks are shared with the copy, too.

        Raises:
            InputError: for an unknown agent, and for a name that cannot name one.
            StoreError: when there is one of the new name.
        """
        new_state(new, FULL)
        with self.writing() as connection:
            agent = _id_of(connection, name)
            _check_free(connection, new)
            fork_agent(connection, agent, new)
        state = self.load(new)
        assert state is not None, "it was made just now"
        return state

    def counts(self, name: str) -> Counts:
        """How much was said with an agent, and how many passages it can find: own notes and sources."""
        with self.reading() as connection:
            row = connection.execute(f"SELECT {_COUNTS} FROM agents WHERE name = ?", (name,)).fetchone()
        return Counts(*row) if row else Counts(0, 0)

    @contextmanager
    def transaction(self, state: AgentState, step_id: str = "") -> Generator[Transaction, None, None]:
        """Write one step of an agent; `state` is the one that the step began with.

        A step that has an id is not written twice: where it was the last one, `Transaction.replayed` is true.
        Everything is undone when the block raises, or ends without `save`.

        Raises:
            StaleRevision: when the agent has been changed since that state was read.
            StoreError: when it was deleted.
        """
        with self.writing() as connection:
            row = connection.execute(
                "SELECT id, state, revision, last_step FROM agents WHERE name = ?", (state.name,)
            ).fetchone()
            if row is not None and step_id and row[3] == step_id:
                stored = _carried(state, self._read(connection, state.name, *row[:3]))
                yield Transaction(connection, row[0], state, stored, step_id, replayed=True)
                return
            if row is None or row[2] != state.revision:
                raise _moved(state, is_deleted=row is None)
            core = blocks.given_core(connection, row[0], state.core)
            transaction = Transaction(connection, row[0], state, replace(state, core=core), step_id)
            yield transaction
            if transaction.saved is None:
                raise StoreError(f"a step of the agent {state.name!r} was not saved")

    def messages(
        self, name: str, *, newest: int | None = None, before: int | None = None
    ) -> tuple[Logged, ...]:
        """The log of a conversation in its order: the `newest` messages, of those whose id is below `before`.

        Raises:
            InputError: when there is no such agent.
        """
        with self.reading() as connection:
            return messages.log(connection, _id_of(connection, name), newest, before)

    def find_messages(self, name: str, query: str, page: int = 0, before_turn: int | None = None) -> Page:
        """Search what was said before a turn, the best first; without words, the newest first.

        Raises:
            InputError: when there is no such agent.
        """
        with self.reading() as connection:
            return search_messages(connection, _id_of(connection, name), query, page, before_turn)

    def find_messages_by_day(
        self, name: str, days: tuple[str, str], page: int = 0, before_turn: int | None = None
    ) -> Page:
        """Find what was said before a turn, on the days from the first to the last of `days`, in its order.

        Raises:
            InputError: when there is no such agent.
        """
        with self.reading() as connection:
            return search_messages_by_day(connection, _id_of(connection, name), days, page, before_turn)

    def add_block(self, agent: str, label: str, value: str = "", limit: int = 2000) -> None:
        """Give an agent a new block of core memory; `limit` is in characters.

        Raises:
            InputError: for an unknown agent, a label that it has or that cannot be one, and too long a text.
        """
        with self.writing() as connection:
            blocks.add_block(connection, _id_of(connection, agent), Block(label, value, limit))

    def share_block(self, label: str, owner: str, with_agent: str) -> None:
        """Let another agent have a block of the owner, too; from then on both read and write the same.

        Raises:
            InputError: for an unknown agent or block, and when the other has a block of that label.
        """
        with self.writing() as connection:
            blocks.share_block(connection, _id_of(connection, owner), label, _id_of(connection, with_agent))

    def remove_block(self, agent: str, label: str) -> None:
        """Take a block from an agent; with its last agent the block is gone.

        Raises:
            InputError: for an unknown agent or block.
        """
        with self.writing() as connection:
            blocks.remove_block(connection, _id_of(connection, agent), label)

    def write_block(self, agent: str, label: str, value: str, by: Editor = "user") -> StoredEdit | None:
        """Put a text in the place of a block's, and keep the edit; None when nothing changes.

        Raises:
            InputError: for an unknown agent or block, and for a text that is longer than the limit.
        """
        with self.writing() as connection:
            return blocks.write_block(connection, _id_of(connection, agent), label, value, by)

    def set_limit(self, agent: str, label: str, limit: int) -> None:
        """Set how long a block may become, in characters.

        Raises:
            InputError: for an unknown agent or block, and when the block is longer already.
        """
        with self.writing() as connection:
            blocks.set_limit(connection, _id_of(connection, agent), label, limit)

    def history(self, agent: str, label: str | None = None) -> tuple[StoredEdit, ...]:
        """All edits of an agent's core memory, or of one block, in their order.

        Raises:
            InputError: for an unknown agent or block.
        """
        with self.reading() as connection:
            return blocks.history(connection, _id_of(connection, agent), label)

    def undo(self, agent: str, label: str | None = None) -> StoredEdit:
        """Undo the newest edit that is not undone, of one block or of all, and return that edit.

        Raises:
            InputError: for an unknown agent or block, and when there is no edit to undo.
        """
        with self.writing() as connection:
            return blocks.undo(connection, _id_of(connection, agent), label)


def _id_of(connection: sqlite3.Connection, name: str) -> int:
    row = connection.execute("SELECT id FROM agents WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise _unknown(connection, name)
    return int(row[0])


def _unknown(connection: sqlite3.Connection, name: str) -> InputError:
    known = [one for (one,) in connection.execute("SELECT name FROM agents ORDER BY name")]
    return InputError(f"there is no agent {name!r}", hint=f"the agents are: {', '.join(known) or 'none'}")


def _check_free(connection: sqlite3.Connection, name: str) -> None:
    if connection.execute("SELECT 1 FROM agents WHERE name = ?", (name,)).fetchone():
        raise StoreError(f"there is an agent {name!r} already", hint="choose another name")


def _moved(state: AgentState, *, is_deleted: bool) -> StoreError:
    hint = "say it again, or give each process an agent of its own with --agent"
    if is_deleted:
        return StoreError(
            f"the agent {state.name!r} was deleted by another process in the meantime", hint=hint
        )
    return StaleRevision(
        f"the agent {state.name!r} was changed by another process in the meantime", hint=hint
    )


def _carried(given: AgentState, stored: AgentState) -> AgentState:
    """A stored state with what is never stored: the fields that do not count when states are compared."""
    kept = {field.name: getattr(given, field.name) for field in fields(given) if not field.compare}
    return replace(stored, **kept)
