"""Where agents are kept: one SQLite file, `bridle.db`, with all of their state, conversation, notes and
edits.

Everything that a step changes is written in one transaction, which checks the revision of the agent's
state; so a process that is killed at any instant leaves the last complete step, and two processes cannot
overwrite each other's. Rules that come from measurements of SQLite under several processes: write
transactions begin IMMEDIATE (a deferred one fails at once when it has to wait for another writer); a live
file is never unlinked or replaced; connections are closed explicitly and never carried into a forked
process.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from bridle.agent import search
from bridle.agent.schema import SCHEMA_VERSION, TABLES, create_statements
from bridle.agent.search import Page
from bridle.agent.state import AgentState, Edited, Record, clean_text, from_json, to_json
from bridle.errors import StoreCorrupt, StoreError, StoreUnwritable

__all__ = ["FILE_NAME", "AgentInfo", "Counts", "Store", "Transaction"]

FILE_NAME = "bridle.db"
WAIT_S = 30.0
"""How long to wait for another process's transaction; one takes milliseconds."""

_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_UNWRITABLE = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@dataclass(frozen=True, slots=True)
class Counts:
    """How much of an agent is in the store."""

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


class Store:
    """The open file. Use it from one thread at a time, and close it."""

    def __init__(self, home: Path) -> None:
        """Open the file in a home directory; both are made when they are missing.

        Raises:
            StoreUnwritable: when that is not allowed.
            StoreCorrupt: for a file that is no sound database of this program; it is left as it is.
            StoreError: for a file that a newer version has written.
        """
        self.path = home / FILE_NAME
        self._pid = os.getpid()
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))  # what is in it is private
        except OSError as error:
            raise _unwritable(self.path, error) from error
        with _mapped(self.path):
            self._connection = sqlite3.connect(
                self.path, timeout=WAIT_S, isolation_level=None, check_same_thread=False
            )
        try:
            with _mapped(self.path):
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. What was committed is safe without it."""
        self._connection.close()

    def load(self, name: str) -> AgentState | None:
        """The last committed state of an agent; None when there is no such agent."""
        with self._reading() as connection:
            row = connection.execute("SELECT state, revision FROM agents WHERE name = ?", (name,)).fetchone()
        try:
            return None if row is None else from_json(row[0], row[1])
        except StoreCorrupt as error:
            raise StoreCorrupt(f"agent {name!r} in {self.path}: {error.message}", hint=error.hint) from error

    def create(self, state: AgentState) -> AgentState:
        """Store a new agent and return it with its revision.

        Raises:
            StoreError: when there is one of that name.
        """
        now = time.time_ns()
        stored = replace(state, revision=1)
        with self._writing() as connection:
            if connection.execute("SELECT 1 FROM agents WHERE name = ?", (state.name,)).fetchone():
                raise StoreError(f"there is an agent {state.name!r} already", hint="choose another name")
            connection.execute(
                "INSERT INTO agents (name, state, revision, created_ns, updated_ns) VALUES (?, ?, 1, ?, ?)",
                (state.name, to_json(stored), now, now),
            )
        return stored

    def agents(self) -> tuple[AgentInfo, ...]:
        """All agents, by name, also those whose state cannot be read."""
        query = """SELECT name, (SELECT coalesce(max(turn), 0) FROM messages WHERE agent_id = agents.id),
            created_ns, updated_ns,
            (SELECT count(*) FROM messages WHERE agent_id = agents.id),
            (SELECT count(*) FROM passages WHERE agent_id = agents.id) FROM agents ORDER BY name"""
        with self._reading() as connection:
            rows = connection.execute(query).fetchall()
        return tuple(
            AgentInfo(name, turns, Counts(messages, passages), created, updated)
            for name, turns, created, updated, messages, passages in rows
        )

    def delete(self, name: str) -> bool:
        """Delete an agent with all that it has; False when there is no such agent."""
        with self._writing() as connection:
            row = connection.execute("SELECT id FROM agents WHERE name = ?", (name,)).fetchone()
            if row is None:
                return False
            for table in ("messages", "passages", "edits"):
                connection.execute(f"DELETE FROM {table} WHERE agent_id = ?", row)
            connection.execute("DELETE FROM agents WHERE id = ?", row)
        return True

    def counts(self, name: str) -> Counts:
        """How many messages and notes an agent has in store."""
        query = """SELECT (SELECT count(*) FROM messages WHERE agent_id = agents.id),
            (SELECT count(*) FROM passages WHERE agent_id = agents.id) FROM agents WHERE name = ?"""
        with self._reading() as connection:
            row = connection.execute(query, (name,)).fetchone()
        return Counts(*row) if row else Counts(0, 0)

    @contextmanager
    def transaction(self, state: AgentState) -> Generator[Transaction, None, None]:
        """Write one step of an agent; `state` is the one that the step began with.

        Everything is undone when the block raises, or ends without `save`.

        Raises:
            StoreError: when the agent has been changed or deleted since that state was read.
        """
        with self._writing() as connection:
            row = connection.execute(
                "SELECT id, revision FROM agents WHERE name = ?", (state.name,)
            ).fetchone()
            if row is None or row[1] != state.revision:
                what = "deleted" if row is None else "changed"
                raise StoreError(
                    f"the agent {state.name!r} was {what} by another process in the meantime",
                    hint="say it again, or give each process an agent of its own with --agent",
                    retryable=row is not None,
                )
            transaction = Transaction(connection, row[0], state)
            yield transaction
            if transaction.saved is None:
                raise StoreError(f"a step of the agent {state.name!r} was not saved")

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection, None, None]:
        self._check_process()
        with _mapped(self.path):
            yield self._connection

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection, None, None]:
        self._check_process()
        with _mapped(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise StoreError(
                f"{self.path} was opened by process {self._pid} and is used by its child {os.getpid()}",
                hint="open the store after the fork",
            )

    def _prepare(self) -> None:
        version = self._version()
        if version == SCHEMA_VERSION:
            return
        self._set_wal()
        with self._writing() as connection:
            if self._version() == SCHEMA_VERSION:  # another process was quicker
                return
            for statement in create_statements():
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _version(self) -> int:
        """The schema version of a file of ours, 0 for an empty file."""
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        tables = {row[0] for row in self._connection.execute("SELECT name FROM sqlite_master")}
        if version > SCHEMA_VERSION and "agents" in tables:
            raise StoreError(
                f"{self.path} has schema {version}; this version of bridle knows {SCHEMA_VERSION}",
                hint="a newer bridle has written it: install that one, or set BRIDLE_HOME elsewhere",
            )
        if tables >= TABLES if version == SCHEMA_VERSION else not tables and not version:
            return int(version)
        raise StoreCorrupt(f"{self.path} is a database of another program", hint=_way_out(self.path))

    def _set_wal(self) -> None:
        """Turn on the write-ahead log; two processes that do so at the same time do not wait by
        themselves."""
        until = time.monotonic() + WAIT_S
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in _BUSY or time.monotonic() > until:
                    raise
                time.sleep(0.01)


class Transaction:
    """What can be written and found inside one step."""

    def __init__(self, connection: sqlite3.Connection, agent_id: int, state: AgentState) -> None:
        self._connection = connection
        self._agent_id = agent_id
        self._state = state
        self.saved: AgentState | None = None

    def record(self, said: Record, turn: int) -> None:
        """Keep a message of a turn for `conversation_search`."""
        self._connection.execute(
            "INSERT INTO messages (agent_id, turn, role, text, day, created_ns) VALUES (?, ?, ?, ?, ?, ?)",
            (self._agent_id, turn, said.role, clean_text(said.text), f"{said.at:%Y-%m-%d}", _ns(said.at)),
        )

    def insert(self, text: str, at: datetime) -> None:
        """Keep a note."""
        self._connection.execute(
            "INSERT INTO passages (agent_id, text, created_ns) VALUES (?, ?, ?)",
            (self._agent_id, clean_text(text), _ns(at)),
        )

    def edited(self, edit: Edited, turn: int) -> None:
        """Keep what an edit of core memory changed."""
        self._connection.execute(
            "INSERT INTO edits (agent_id, turn, block, before, after, created_ns) VALUES (?, ?, ?, ?, ?, ?)",
            (self._agent_id, turn, edit.label, clean_text(edit.before), clean_text(edit.after), _ns(edit.at)),
        )

    def save(self, state: AgentState) -> AgentState:
        """Store the state after the step and return it with its new revision."""
        self.saved = replace(state, revision=self._state.revision + 1)
        self._connection.execute(
            "UPDATE agents SET state = ?, revision = ?, updated_ns = ? WHERE id = ?",
            (to_json(state), self.saved.revision, time.time_ns(), self._agent_id),
        )
        return self.saved

    def find_passages(self, query: str, page: int) -> Page:
        """Search the notes."""
        return search.search_passages(self._connection, self._agent_id, query, page)

    def find_messages(self, query: str, page: int, before_turn: int) -> Page:
        """Search what was said before a turn."""
        return search.search_messages(self._connection, self._agent_id, query, page, before_turn)

    def find_messages_by_day(self, days: tuple[str, str], page: int, before_turn: int) -> Page:
        """Find what was said before a turn, on the days from the first to the last of `days`."""
        return search.search_messages_by_day(self._connection, self._agent_id, days, page, before_turn)


def _ns(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000


@contextmanager
def _mapped(path: Path) -> Generator[None, None, None]:
    """Turn SQLite's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise _store_error(path, error) from error


def _store_error(path: Path, error: sqlite3.Error) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _CORRUPT:
        return StoreCorrupt(f"{path} is not a sound database: {error}", hint=_way_out(path))
    if code in _UNWRITABLE:
        return _unwritable(path, error)
    if code in _BUSY:
        return StoreError(
            f"{path} is locked by another process: {error}",
            hint="end the other program that has it open",
            retryable=True,
        )
    return StoreError(f"{path}: {error}")


def _unwritable(path: Path, error: Exception) -> StoreUnwritable:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return StoreUnwritable(
        f"{path} cannot be written: {reason}",
        hint="correct its permissions, or set BRIDLE_HOME to a directory of your own",
    )


def _way_out(path: Path) -> str:
    return f"it was not touched: move it away to begin anew, or put a copy of {path.name} in its place"
