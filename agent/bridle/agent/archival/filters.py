"""What a search is limited to besides its archives: files and a time, before the best are chosen."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import cast

from bridle.errors import InputError

__all__ = ["KEYS", "Filter", "read_filter"]

KEYS = ("source", "file", "since", "until")
"""What `where` may name: sources, files by their whole path, and the first and the last moment."""


@dataclass(frozen=True, slots=True)
class Filter:
    """The archives that are searched, and a condition on the rows of `passages` (as `p`) with its values."""

    archives: tuple[int, ...]
    condition: str = ""
    values: tuple[object, ...] = ()

    def ids(self, connection: sqlite3.Connection, at_most: int) -> list[int]:
        """The passages that are left, the first `at_most` of them."""
        archives = ", ".join(map(str, self.archives))
        query = f"SELECT p.id FROM passages p WHERE p.archive_id IN ({archives}) {self.condition} LIMIT ?"
        return [row[0] for row in connection.execute(query, (*self.values, at_most))]


def read_filter(
    connection: sqlite3.Connection, archives: Sequence[int], where: Mapping[str, object] | None
) -> Filter:
    """Read what a caller limits a search to.

    `source` and `file` are a name or several, `since` and `until` days (both inclusive) or moments.

    Raises:
        InputError: for a key that is not of `KEYS`, a source that does not exist, and what is no date.
    """
    where = where or {}
    if unknown := sorted(set(where) - set(KEYS)):
        raise InputError(f"where has {unknown[0]!r}", hint=f"it can have {', '.join(KEYS)}")
    left = sorted(set(map(int, archives)))
    if "source" in where:
        named = _sources(connection, _names("source", where["source"]))
        left = [archive for archive in left if archive in named]
    conditions, values = list[str](), list[object]()
    if "file" in where:
        files = _names("file", where["file"])
        marks = ", ".join("?" * len(files))
        conditions.append(f"AND p.file_id IN (SELECT id FROM files WHERE path IN ({marks}))")
        values += files
    for key, compared in (("since", ">="), ("until", "<")):
        if key in where:
            conditions.append(f"AND p.created_ns {compared} ?")
            values.append(_moment_ns(key, where[key]))
    return Filter(tuple(left), " ".join(conditions), tuple(values))


def _names(key: str, value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    names = list(cast("Sequence[object]", value)) if isinstance(value, list | tuple) else []
    found = [name for name in names if isinstance(name, str)]
    if not found or len(found) != len(names):
        raise InputError(f"where[{key!r}] is {value!r}", hint="give a name, or a list of them")
    return found


def _sources(connection: sqlite3.Connection, names: Sequence[str]) -> set[int]:
    found = dict(connection.execute("SELECT name, id FROM archives WHERE kind = 'source'").fetchall())
    if missing := [name for name in names if name not in found]:
        known = ", ".join(sorted(found)) or "none"
        raise InputError(f"there is no source {missing[0]!r}", hint=f"the sources are: {known}")
    return {found[name] for name in names}


def _moment_ns(key: str, value: object) -> int:
    """The moment in nanoseconds since 1970; of a day its beginning, or its end for `until`."""
    try:
        at = value if isinstance(value, date) else _parsed(str(value))
    except ValueError as error:
        raise InputError(f"where[{key!r}] is {value!r}: {error}", hint="write YYYY-MM-DD") from error
    if not isinstance(at, datetime):
        at = datetime.combine(at + timedelta(days=key == "until"), time())
    elif key == "until":
        at += timedelta(microseconds=1)
    return int(at.timestamp() * 1_000_000) * 1000


def _parsed(text: str) -> date:
    text = text.strip()
    return date.fromisoformat(text) if len(text) == len("2026-11-20") else datetime.fromisoformat(text)
