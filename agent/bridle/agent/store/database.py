"""The SQLite file itself: how it is opened, read and written, and what its errors mean.

Rules that come from measurements of SQLite under several processes: write transactions begin IMMEDIATE (a
deferred one fails at once when it has to wait for another writer); a live file is never unlinked or replaced;
connections are closed explicitly and never used in a forked process. The log is synchronous=NORMAL: what was
committed survives the death of the process; after a power cut the last transactions may be missing, whole.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from bridle.agent.store.migrations import back_up, upgrade
from bridle.agent.store.schema import REBUILD, SCHEMA_VERSION, STATEMENTS, TABLES, TABLES_1
from bridle.errors import SchemaTooNew, StoreCorrupt, StoreError, StoreUnwritable

__all__ = ["FILE_NAME", "Database", "mapped", "unwritable"]

FILE_NAME = "bridle.db"
WAIT_S = 30.0
"""How long to wait for another process's transaction; one takes milliseconds."""
LOG_BYTES = 64 * 2**20
"""To what the write-ahead log is cut after something large, such as the loading of documents."""

_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
_UNWRITABLE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

_inherited: list[sqlite3.Connection] = []
"""Connections that a forked process has from its parent, kept because to close one could harm the file."""


class Database:
    """The open file. Threads take turns: a second one waits until the first has left its block."""

    def __init__(self, home: Path) -> None:
        """Open the file in a home directory; both are made when they are missing, and a file of an older
        version is brought up to this one, after a copy of it was made next to it.

        Raises:
            StoreUnwritable: when that is not allowed, or the disk is full.
            StoreCorrupt: for a file that is no sound database of this program; it is left as it is.
            SchemaTooNew: for a file that a newer version has written.
            StoreError: when another process holds the file for longer than half a minute.
        """
        self.home = home
        self.path = home / FILE_NAME
        self._pid = os.getpid()
        self._lock = threading.RLock()
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))  # what is in it is private
        except OSError as error:
            raise unwritable(self.path, error) from error
        with mapped(self.path):
            self._connection = sqlite3.connect(
                self.path, timeout=WAIT_S, isolation_level=None, check_same_thread=False
            )
        try:
            with mapped(self.path):
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
        if os.getpid() == self._pid:
            self._connection.close()
        else:
            _inherited.append(self._connection)

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection, None, None]:
        """Lend the connection for reading.

        Raises:
            StoreError: and its kinds, for what SQLite reports inside the block.
        """
        self._check_process()
        with self._lock, mapped(self.path):
            yield self._connection

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection, None, None]:
        """Lend the connection for one transaction, which is undone when the block raises.

        Raises:
            StoreError: and its kinds, for what SQLite reports inside the block or at its end.
        """
        self._check_process()
        with self._lock, mapped(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def rebuild_text(self) -> None:
        """Make the full-text indexes of messages and passages, and what counts them, anew from the rows."""
        with self.writing() as connection:
            for statement in REBUILD:
                connection.execute(statement)

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise StoreError(
                f"{self.path} was opened by process {self._pid} and is used by its child {os.getpid()}",
                hint="open the store after the fork",
            )

    def _prepare(self) -> None:
        version = self._version()
        if version != SCHEMA_VERSION:
            self._set_wal()
            self._build()
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")

    def _build(self) -> None:
        """Make the tables, or those of this version from older ones, in one transaction."""
        with self.writing() as connection:
            version = self._version()
            if version == SCHEMA_VERSION:  # another process was quicker
                return
            if version:
                back_up(self.path, version)
                upgrade(connection, version)
            else:
                for statement in STATEMENTS:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _version(self) -> int:
        """The schema version of a file of ours, 0 for an empty file."""
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        tables = {row[0] for row in self._connection.execute("SELECT name FROM sqlite_master")}
        if version > SCHEMA_VERSION and "agents" in tables:
            raise SchemaTooNew(
                f"{self.path} has schema {version}; this version of bridle knows {SCHEMA_VERSION}",
                hint="a newer bridle has written it: install that one, or set BRIDLE_HOME elsewhere",
            )
        known = {1: TABLES_1, SCHEMA_VERSION: TABLES}.get(version)
        if tables >= known if known else not tables and not version:
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


@contextmanager
def mapped(path: Path) -> Generator[None, None, None]:
    """Turn SQLite's errors into ours.

    Raises:
        StoreError: and its kinds, which name the file.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _store_error(path, error) from error
    except UnicodeDecodeError as error:  # a text in a damaged page
        raise StoreCorrupt(f"{path} is not a sound database: {error}", hint=_way_out(path)) from error


def _store_error(path: Path, error: sqlite3.Error) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _CORRUPT or str(error).startswith("Could not decode to UTF-8"):
        return StoreCorrupt(f"{path} is not a sound database: {error}", hint=_way_out(path))
    if code in _FULL:
        return StoreUnwritable(
            f"{path} cannot be written: {error}",
            hint="make room on its disk; all that was acknowledged is in the file, and the rest was undone",
        )
    if code in _UNWRITABLE:
        return unwritable(path, error)
    if code in _BUSY:
        return StoreError(
            f"{path} is locked by another process: {error}",
            hint="end the other program that has it open",
            retryable=True,
        )
    return StoreError(f"{path}: {error}")


def unwritable(path: Path, error: Exception) -> StoreUnwritable:
    """The error for a file that must be written and cannot be."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return StoreUnwritable(
        f"{path} cannot be written: {reason}",
        hint="correct its permissions, or set BRIDLE_HOME to a directory of your own",
    )


def _way_out(path: Path) -> str:
    return f"it was not touched: move it away to begin anew, or put a copy of {path.name} in its place"
