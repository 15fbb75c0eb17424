"""What a step writes of archival memory: an agent's own archive, and notes in it.

Everything else about archives (sources, attaching, vectors, searching) is in `bridle.agent.archival`.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from datetime import date, datetime

from bridle.agent.prompt import WEEKDAYS
from bridle.messages import JSON

__all__ = ["add_archive", "day_words", "insert_note", "note_context", "own_archive", "passage_key"]

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def day_words(day: str) -> str:
    """Write a day so that a search finds it, whichever way it is asked for.

    >>> day_words("2026-11-20")
    '2026-11-20 Friday 20 November 2026'
    """
    at = date.fromisoformat(day)
    return f"{day} {WEEKDAYS[at.weekday()]} {at.day} {_MONTHS[at.month - 1]} {at.year}"


def note_context(created_ns: int) -> str:
    """What is searched with a note, although it is not in its text: its day."""
    return day_words(datetime.fromtimestamp(created_ns / 1e9).astimezone().date().isoformat())


def passage_key(file: str, locator: Mapping[str, JSON], text: str) -> str:
    """Name a passage by what it is: the same text from the same place is one passage, however often it is
    stored. `file` is empty for a note."""
    whole = json.dumps([file, locator, text], ensure_ascii=True, sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


def add_archive(connection: sqlite3.Connection, agent_id: int, created_ns: int) -> int:
    """Make an agent's own archive and return its id."""
    cursor = connection.execute(
        "INSERT INTO archives (kind, name, description, created_ns) VALUES ('agent', ?, '', ?)",
        (str(agent_id), created_ns),
    )
    archive = int(cursor.lastrowid or 0)
    connection.execute("INSERT INTO agent_archives VALUES (?, ?, ?)", (agent_id, archive, created_ns))
    return archive


def own_archive(connection: sqlite3.Connection, agent_id: int) -> int:
    """The id of an agent's own archive."""
    row = connection.execute(
        "SELECT id FROM archives WHERE kind = 'agent' AND name = ?", (str(agent_id),)
    ).fetchone()
    return int(row[0])


def insert_note(connection: sqlite3.Connection, archive_id: int, text: str, at: datetime) -> int:
    """Store a note and return its id; the same text keeps the one it has."""
    key = passage_key("", {}, text)
    row = connection.execute(
        "SELECT id FROM passages WHERE archive_id = ? AND key = ?", (archive_id, key)
    ).fetchone()
    if row is not None:
        return int(row[0])
    cursor = connection.execute(
        "INSERT INTO passages (archive_id, key, text, context, owner, created_ns) VALUES (?, ?, ?, ?, ?, ?)",
        (archive_id, key, text, day_words(at.date().isoformat()), f"r{archive_id}", _ns(at)),
    )
    return int(cursor.lastrowid or 0)


def _ns(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000
