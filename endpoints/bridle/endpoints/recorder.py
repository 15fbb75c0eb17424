"""A local flight recorder: what was asked and answered lately, so that it can be looked at and asked again.

One SQLite file, `recorder.db`, in the home directory, readable by its owner alone. Each request to a model is
a row: the rendered prompt, the constraint, the raw bytes, how they were read, the timings. When the file
has grown beyond its limit the oldest rows go. Nothing leaves this machine, keys are never in it, and what
cannot be written is said in the log and disturbs nobody.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from bridle.endpoints.config import home, load_config
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.observing import Observation, observed_by
from bridle.endpoints.recording import written
from bridle.errors import BridleError, InputError, StoreCorrupt, StoreUnwritable
from bridle.messages import JSON

__all__ = ["FILE_NAME", "Entry", "Recorder", "recording"]

FILE_NAME = "recorder.db"
SCHEMA = 1
WAIT_S = 5.0
"""How long another process's transaction is waited for; one takes milliseconds."""
MEGABYTES = 64
"""The file's limit where none is configured."""
KEPT = 0.8
"""How much of the limit is left after the oldest rows have gone, so that this happens seldom."""
_TABLE = """
CREATE TABLE exchanges(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  started REAL NOT NULL,
  seconds REAL NOT NULL,
  endpoint TEXT NOT NULL,
  model TEXT NOT NULL,
  wrapper TEXT NOT NULL,
  rung TEXT NOT NULL,
  outcome TEXT NOT NULL,
  asked TEXT NOT NULL,
  answered TEXT NOT NULL,
  size INTEGER NOT NULL,
  body BLOB NOT NULL
)"""
_COLUMNS = "started, seconds, endpoint, model, wrapper, rung, outcome, asked, answered"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list: `started` in seconds since the epoch, `asked` and `answered` cut short."""

    id: int
    started: float
    seconds: float
    endpoint: str
    model: str
    wrapper: str
    rung: str
    outcome: str
    asked: str
    answered: str


class Recorder:
    """The file. It is made with the first row, and opened for each access alone."""

    def __init__(self, file: Path, *, megabytes: int = MEGABYTES) -> None:
        """Name the file and its limit; nothing is touched yet."""
        self.file = file
        self._most_bytes = megabytes << 20
        self._lock = threading.Lock()
        self._is_said = False

    def observe(self, seen: Observation) -> None:
        """Write a row; what goes wrong is logged, once, and goes no further."""
        try:
            self.write(seen)
        except (sqlite3.Error, OSError, BridleError, TypeError, ValueError, RecursionError) as error:
            level = logging.DEBUG if self._is_said else logging.WARNING
            self._is_said = True
            _log.log(level, "the flight recorder %s could not be written: %s", self.file, error)

    def write(self, seen: Observation) -> int:
        """Write a row and return its number.

        Raises:
            sqlite3.Error, OSError: when that cannot be done.
            BridleError, TypeError, ValueError, RecursionError: for what cannot be written as JSON.
        """
        body = written(seen)
        body["wire"] = base64.b64encode(_wire(seen)).decode("ascii")
        packed = zlib.compress(json.dumps(body, ensure_ascii=True).encode(), 1)
        row = (
            seen.started, seen.seconds, seen.endpoint.name, seen.endpoint.model, seen.question.wrapper.name,
            seen.rung, _outcome(seen), _short(_asked(seen)), _short(_answered(seen)), len(packed), packed,
        )  # fmt: skip
        with self._lock, closing(self._open()) as db, db:
            db.execute("BEGIN IMMEDIATE")
            number = db.execute(
                f"INSERT INTO exchanges({_COLUMNS}, size, body) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            ).lastrowid
            self._shrink(db)
        return number or 0

    def entries(self, limit: int = 20, *, failed: bool = False) -> list[Entry]:
        """List the newest rows, newest first; with `failed` those alone that gave no valid answer."""
        where = "WHERE outcome != 'answered'" if failed else ""
        with self._reading() as db:
            if db is None:
                return []
            found = db.execute(
                f"SELECT id, {_COLUMNS} FROM exchanges {where} ORDER BY id DESC LIMIT ?", (limit,)
            ).fetchall()
        return [Entry(*row) for row in found]

    def body(self, number: int) -> Mapping[str, JSON]:
        """Return all of one row.

        Raises:
            InputError: when there is no such row, or it has gone since.
        """
        with self._reading() as db:
            row = db and db.execute("SELECT body FROM exchanges WHERE id = ?", (number,)).fetchone()
        if not row:
            raise InputError(f"nothing is recorded under {number}", hint="`bridle logs` lists what there is")
        return cast("Mapping[str, JSON]", json.loads(zlib.decompress(row[0])))

    def size_bytes(self) -> int:
        """Return what the file and its journal take."""
        files = (self.file, self.file.with_name(self.file.name + "-wal"))
        return sum(one.stat().st_size for one in files if one.exists())

    def clear(self) -> int:
        """Forget everything, and return how many rows that were."""
        with self._reading() as db:
            if db is None:
                return 0
            with db:
                gone = db.execute("DELETE FROM exchanges").rowcount
            db.execute("VACUUM")
            return gone

    def _shrink(self, db: sqlite3.Connection) -> None:
        """Let the oldest rows go where the pages in use exceed the limit; what they leave is used again."""
        pages, free, size = (
            int(db.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        excess = (pages - free) * size - self._most_bytes
        if excess <= 0:
            return
        excess += int((1 - KEPT) * self._most_bytes)
        total = 0
        for number, row_bytes in db.execute("SELECT id, size FROM exchanges ORDER BY id").fetchall():
            total += row_bytes
            if total >= excess:
                db.execute("DELETE FROM exchanges WHERE id <= ?", (number,))
                return
        db.execute("DELETE FROM exchanges")

    def _open(self) -> sqlite3.Connection:
        if not self.file.exists():
            self.file.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.file, os.O_CREAT | os.O_WRONLY, 0o600))
        db = sqlite3.connect(self.file, timeout=WAIT_S, isolation_level=None)
        try:
            _use_wal(db)
        except sqlite3.Error:
            db.close()
            raise
        db.execute("PRAGMA synchronous = NORMAL")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            version = _create(db)
        if version != SCHEMA:
            db.close()
            raise sqlite3.DatabaseError(f"it has the schema {version}, and this version writes {SCHEMA}")
        return db

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection | None, None, None]:
        if not self.file.exists():
            yield None
            return
        try:
            with closing(self._open()) as db:
                yield db
        except sqlite3.OperationalError as error:
            raise StoreUnwritable(
                f"the flight recorder {self.file} cannot be opened: {error}", hint="look at its permissions"
            ) from error
        except sqlite3.DatabaseError as error:
            raise StoreCorrupt(
                f"the flight recorder {self.file} cannot be read: {error}", hint="remove the file"
            ) from error


def _use_wal(db: sqlite3.Connection) -> None:
    """Switch to a write-ahead log; SQLite does not wait by itself where another connection is doing so."""
    end = time.monotonic() + WAIT_S
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(0.005)


@contextmanager
def recording(directory: Path | None = None) -> Generator[Recorder | None, None, None]:
    """Record what is asked inside the block, unless the config file says `[recorder] enabled = false`.

    Raises:
        ConfigError: for a bad config file.
    """
    settings = load_config().recorder
    if settings.enabled is False:
        yield None
        return
    recorder = Recorder((directory or home()) / FILE_NAME, megabytes=settings.max_megabytes or MEGABYTES)
    with observed_by(recorder.observe):
        yield recorder


def _create(db: sqlite3.Connection) -> int:
    """Make the table, unless somebody else has just made it, and return the file's version."""
    with db:
        db.execute("BEGIN IMMEDIATE")
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        if version == 0:
            db.execute(_TABLE)
            db.execute(f"PRAGMA user_version = {SCHEMA}")
    return version or SCHEMA


def _wire(seen: Observation) -> bytes:
    """What the server sent, without the key, which some repeat."""
    if not isinstance(seen.endpoint, HttpEndpoint):
        return seen.wire
    return seen.endpoint.http.clean(seen.wire.decode("latin-1")).encode("latin-1")


def _outcome(seen: Observation) -> str:
    completion = seen.completion
    if completion is None:
        return type(seen.error).__name__ if seen.error is not None else "lost"
    if completion.finish != "stop":
        return completion.finish
    return "answered" if not completion.refusals or completion.message.calls else "invalid"


def _asked(seen: Observation) -> str:
    return next((m.content for m in reversed(seen.question.messages) if m.role in ("user", "tool")), "")


def _answered(seen: Observation) -> str:
    if seen.completion is None:
        return "" if seen.error is None else seen.error.message
    calls = ", ".join(_call_text(call.name, call.arguments) for call in seen.completion.message.calls)
    return calls or seen.completion.message.content


def _call_text(name: str, arguments: Mapping[str, JSON]) -> str:
    return f"{name}({json.dumps(dict(arguments), ensure_ascii=False)[1:-1]})"


def _short(text: str, most: int = 200) -> str:
    text = " ".join(_words(text))
    return text if len(text) <= most else text[: most - 1] + "…"


def _words(text: str) -> Iterator[str]:
    return iter(text.encode("utf-8", "replace").decode().split())
