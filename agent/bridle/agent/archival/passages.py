"""The rows of passages: written from drafts, and read as values."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence

from bridle.agent.archival.base import Draft, Passage
from bridle.agent.state import clean_text
from bridle.agent.store.passages import passage_key
from bridle.errors import InputError

__all__ = ["insert", "path_of", "read"]

_AT_ONCE = 500
_READ = """SELECT p.id, p.text, CASE a.kind WHEN 'source' THEN a.name ELSE '' END, coalesce(f.path, ''),
    p.locator, p.created_ns FROM passages p JOIN archives a ON a.id = p.archive_id
    LEFT JOIN files f ON f.id = p.file_id WHERE p.id IN ({})"""


def path_of(connection: sqlite3.Connection, archive_id: int, file_id: int | None) -> str:
    """The path of a file of an archive; empty for none.

    Raises:
        InputError: for an archive, or a file in it, that does not exist.
    """
    if connection.execute("SELECT 1 FROM archives WHERE id = ?", (archive_id,)).fetchone() is None:
        raise InputError(f"there is no archive {archive_id}", hint="`own` and `create_source` tell ids")
    if file_id is None:
        return ""
    query = "SELECT path FROM files WHERE id = ? AND archive_id = ?"
    row = connection.execute(query, (file_id, archive_id)).fetchone()
    if row is None:
        raise InputError(f"there is no file {file_id} in the archive {archive_id}")
    return str(row[0])


def insert(
    connection: sqlite3.Connection, archive_id: int, file_id: int | None, path: str, draft: Draft
) -> int:
    """Write a passage, and return its id.

    Raises:
        InputError: for a draft without text.
    """
    text = clean_text(draft.text)
    if not text.strip():
        raise InputError(f"the passage at {dict(draft.locator)!r} of {path or 'a note'} has no text")
    key = passage_key(path, draft.locator, text)
    query = "SELECT id FROM passages WHERE archive_id = ? AND key = ?"
    context = clean_text(draft.context)
    if row := connection.execute(query, (archive_id, key)).fetchone():
        connection.execute(
            "UPDATE passages SET context = ?, file_id = ? WHERE id = ? AND (context, file_id) IS NOT (?, ?)",
            (context, file_id, row[0], context, file_id),
        )
        return int(row[0])
    created = time.time_ns() if draft.created_ns is None else draft.created_ns
    locator = json.dumps(dict(draft.locator), ensure_ascii=False)
    cursor = connection.execute(
        "INSERT INTO passages (archive_id, file_id, key, text, context, locator, owner, created_ns)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (archive_id, file_id, key, text, context, locator, f"r{archive_id}", created),
    )
    return int(cursor.lastrowid or 0)


def read(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, Passage]:
    """Read those of these passages that are there."""
    found: dict[int, Passage] = {}
    for at in range(0, len(ids), _AT_ONCE):
        listed = ", ".join(str(int(one)) for one in ids[at : at + _AT_ONCE])
        for one, text, archive, file, locator, created in connection.execute(_READ.format(listed)):
            found[one] = Passage(one, text, archive, file, json.loads(locator), created)
    return found
