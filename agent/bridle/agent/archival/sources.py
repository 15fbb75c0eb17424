"""Archives by name: an agent's own one, and loaded sources, which agents attach without copying them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from bridle.agent.store.passages import own_archive
from bridle.errors import InputError

__all__ = [
    "SourceInfo",
    "add_source",
    "agent_id",
    "attached_archives",
    "attached_names",
    "delete_passages",
    "list_sources",
    "own",
    "remove_source",
    "set_attached",
    "source_id",
]

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """A source with what it holds, and the names of the agents that it is attached to.

    `documents` counts what its files hold, such as pages or rows, and `failed` the files that were not read.
    """

    name: str
    description: str
    passages: int
    files: int
    documents: int
    failed: int
    attached: tuple[str, ...]
    created_ns: int


def agent_id(connection: sqlite3.Connection, name: str) -> int:
    """The id of an agent.

    Raises:
        InputError: when there is none of that name, with the names there are.
    """
    row = connection.execute("SELECT id FROM agents WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise _unknown(connection, "agent", name, "SELECT name FROM agents ORDER BY name")
    return int(row[0])


def source_id(connection: sqlite3.Connection, name: str) -> int:
    """The id of a source.

    Raises:
        InputError: when there is none of that name, with the names there are.
    """
    row = connection.execute("SELECT id FROM archives WHERE kind = 'source' AND name = ?", (name,)).fetchone()
    if row is None:
        query = "SELECT name FROM archives WHERE kind = 'source' ORDER BY name"
        raise _unknown(connection, "source", name, query)
    return int(row[0])


def own(connection: sqlite3.Connection, agent: str) -> int:
    """The id of an agent's own archive."""
    return own_archive(connection, agent_id(connection, agent))


def add_source(connection: sqlite3.Connection, name: str, description: str) -> int:
    """Make a source and return its id; one that is there keeps what it has.

    Raises:
        InputError: for a name that is empty.
    """
    if not name.strip():
        raise InputError(f"the source's name is {name!r}", hint="give it a name, such as --name papers")
    connection.execute(
        "INSERT INTO archives (kind, name, description, created_ns) VALUES ('source', ?, ?, ?)"
        " ON CONFLICT (kind, name) DO UPDATE SET description = excluded.description"
        " WHERE excluded.description != ''",
        (name, description, time.time_ns()),
    )
    return source_id(connection, name)


def remove_source(connection: sqlite3.Connection, name: str) -> None:
    """Delete a source with its passages and files, and take it off every agent."""
    archive = source_id(connection, name)
    ids = [row[0] for row in connection.execute("SELECT id FROM passages WHERE archive_id = ?", (archive,))]
    delete_passages(connection, ids)
    for table in ("files", "agent_archives"):
        connection.execute(f"DELETE FROM {table} WHERE archive_id = ?", (archive,))
    connection.execute("DELETE FROM archives WHERE id = ?", (archive,))


def delete_passages(connection: sqlite3.Connection, ids: Iterable[int]) -> int:
    """Delete passages and return how many there were."""
    listed, removed = [int(one) for one in ids], 0
    for at in range(0, len(listed), _AT_ONCE):
        some = ", ".join(map(str, listed[at : at + _AT_ONCE]))
        removed += connection.execute(f"DELETE FROM passages WHERE id IN ({some})").rowcount
    return removed


def list_sources(connection: sqlite3.Connection) -> tuple[SourceInfo, ...]:
    """All sources, by name."""
    query = """SELECT a.id, a.name, a.description,
        (SELECT count(*) FROM passages WHERE archive_id = a.id),
        (SELECT count(*) FROM files WHERE archive_id = a.id),
        (SELECT coalesce(sum(documents), 0) FROM files WHERE archive_id = a.id),
        (SELECT count(*) FROM files WHERE archive_id = a.id AND status = 'failed'),
        a.created_ns FROM archives a WHERE a.kind = 'source' ORDER BY a.name"""
    agents = """SELECT g.name FROM agent_archives t JOIN agents g ON g.id = t.agent_id
        WHERE t.archive_id = ? ORDER BY g.name"""
    found: list[SourceInfo] = []
    for archive, name, about, passages, files, documents, failed, created in connection.execute(
        query
    ).fetchall():
        attached = tuple(row[0] for row in connection.execute(agents, (archive,)))
        found.append(SourceInfo(name, about, passages, files, documents, failed, attached, created))
    return tuple(found)


def set_attached(connection: sqlite3.Connection, agent: str, source: str, *, attached: bool) -> bool:
    """Attach a source to an agent, or take it off; False when it was so before."""
    pair = agent_id(connection, agent), source_id(connection, source)
    if attached:
        query = "INSERT OR IGNORE INTO agent_archives (agent_id, archive_id, attached_ns) VALUES (?, ?, ?)"
        return connection.execute(query, (*pair, time.time_ns())).rowcount > 0
    query = "DELETE FROM agent_archives WHERE agent_id = ? AND archive_id = ?"
    return connection.execute(query, pair).rowcount > 0


def attached_names(connection: sqlite3.Connection, agent: str) -> tuple[str, ...]:
    """The sources that are attached to an agent, by name."""
    query = """SELECT a.name FROM agent_archives t JOIN archives a ON a.id = t.archive_id
        WHERE t.agent_id = ? AND a.kind = 'source' ORDER BY a.name"""
    return tuple(row[0] for row in connection.execute(query, (agent_id(connection, agent),)))


def attached_archives(connection: sqlite3.Connection, agent: str) -> tuple[int, ...]:
    """The ids of what an agent searches: its own archive and its sources."""
    number = agent_id(connection, agent)
    rows = connection.execute("SELECT archive_id FROM agent_archives WHERE agent_id = ?", (number,))
    return tuple(sorted({own_archive(connection, number), *(row[0] for row in rows)}))


def _unknown(connection: sqlite3.Connection, what: str, name: str, query: str) -> InputError:
    names = [row[0] for row in connection.execute(query)]
    near = get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"the {what}s are: {', '.join(names) or 'none'}"
    return InputError(f"there is no {what} {name!r}", hint=hint)
