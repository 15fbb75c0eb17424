"""From a store into a document, and back: everything of an agent in one reading, or in one transaction.

What comes back is the same document, except for vectors and for sources: they are attached where a source of
that name exists, and named where none does.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from bridle.agent.exporting.document import (
    AgentDocument,
    DocumentBlock,
    DocumentEdit,
    DocumentMessage,
    DocumentNote,
    state_body,
)
from bridle.agent.state import AgentState
from bridle.agent.state_json import to_json
from bridle.agent.store import Store
from bridle.agent.store.passages import add_archive, own_archive
from bridle.agent.store.recall import owner_of
from bridle.errors import InputError

__all__ = ["Restored", "SourceDocument", "export_agent", "restore_agents"]


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A source that comes with agents: its passages, which they share."""

    name: str
    description: str = ""
    passages: tuple[DocumentNote, ...] = ()


@dataclass(frozen=True, slots=True)
class Restored:
    """An agent that was stored, and the names of its sources that do not exist here."""

    state: AgentState
    missing_sources: tuple[str, ...] = ()


def export_agent(store: Store, name: str) -> AgentDocument:
    """Read an agent with all that belongs to it. A block that others share is a block of its own in there.

    Raises:
        InputError: when there is no such agent.
    """
    with store.reading() as connection, _snapshot(connection):
        agent_id, created_ns, updated_ns = store.described(connection, name)
        state = store.known(name)
        return AgentDocument(
            name=name,
            created_ns=created_ns,
            updated_ns=updated_ns,
            state=state_body(state),
            blocks=_blocks(connection, agent_id),
            edits=_edits(connection, agent_id),
            messages=_messages(connection, agent_id),
            notes=_notes(connection, own_archive(connection, agent_id)),
            sources=_sources(connection, agent_id),
        )


def restore_agents(
    store: Store, documents: Sequence[AgentDocument], sources: Sequence[SourceDocument] = ()
) -> tuple[Restored, ...]:
    """Store agents, all of them or none, and before them the sources that come with them.

    A source whose name exists here stays as it is.

    Raises:
        InputError: when there is an agent of one of these names, or a state cannot be read.
    """
    states = [document.agent_state() for document in documents]
    with store.writing() as connection:
        for document in documents:
            if connection.execute("SELECT 1 FROM agents WHERE name = ?", (document.name,)).fetchone():
                raise InputError(
                    f"there is an agent {document.name!r} already",
                    hint="give the new one another name with --name, or rename the old one",
                )
        for source in sources:
            _add_source(connection, source)
        return tuple(
            _add_agent(connection, document, state) for document, state in zip(documents, states, strict=True)
        )


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Generator[None]:
    """See one state of the file, whatever another process writes meanwhile."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def _blocks(connection: sqlite3.Connection, agent_id: int) -> tuple[DocumentBlock, ...]:
    rows = connection.execute(
        "SELECT label, value, max_chars, updated_ns FROM agent_blocks JOIN blocks ON blocks.id = block_id"
        " WHERE agent_id = ? ORDER BY position, blocks.id",
        (agent_id,),
    )
    return tuple(DocumentBlock(*row) for row in rows)


def _edits(connection: sqlite3.Connection, agent_id: int) -> tuple[DocumentEdit, ...]:
    rows = connection.execute(
        "SELECT blocks.label, turn, before, after, made_by, edits.created_ns FROM edits"
        " JOIN blocks ON blocks.id = edits.block_id JOIN agent_blocks a ON a.block_id = blocks.id"
        " WHERE a.agent_id = ? ORDER BY edits.id",
        (agent_id,),
    )
    return tuple(DocumentEdit(*row) for row in rows)


def _messages(connection: sqlite3.Connection, agent_id: int) -> tuple[DocumentMessage, ...]:
    rows = connection.execute(
        "SELECT turn, step, idx, role, text, day, created_ns, name, context, hidden FROM messages"
        " WHERE agent_id = ? ORDER BY id",
        (agent_id,),
    )
    return tuple(DocumentMessage(*row) for row in rows)


def _notes(connection: sqlite3.Connection, archive_id: int) -> tuple[DocumentNote, ...]:
    rows = connection.execute(
        "SELECT text, key, created_ns, context, locator FROM passages WHERE archive_id = ? ORDER BY id",
        (archive_id,),
    )
    return tuple(
        DocumentNote(text, key, at_ns, context, json.loads(locator))
        for text, key, at_ns, context, locator in rows
    )


def _sources(connection: sqlite3.Connection, agent_id: int) -> tuple[str, ...]:
    rows = connection.execute(
        "SELECT name FROM agent_archives JOIN archives ON archives.id = archive_id"
        " WHERE agent_id = ? AND kind = 'source' ORDER BY name",
        (agent_id,),
    )
    return tuple(name for (name,) in rows)


def _add_source(connection: sqlite3.Connection, source: SourceDocument) -> None:
    if connection.execute(
        "SELECT 1 FROM archives WHERE kind = 'source' AND name = ?", (source.name,)
    ).fetchone():
        return
    created_ns = min((one.at_ns for one in source.passages), default=0)
    cursor = connection.execute(
        "INSERT INTO archives (kind, name, description, created_ns) VALUES ('source', ?, ?, ?)",
        (source.name, source.description, created_ns),
    )
    _add_passages(connection, int(cursor.lastrowid or 0), source.passages)


def _add_agent(connection: sqlite3.Connection, document: AgentDocument, state: AgentState) -> Restored:
    stored = replace(state, revision=1)
    cursor = connection.execute(
        "INSERT INTO agents (name, state, revision, created_ns, updated_ns) VALUES (?, ?, 1, ?, ?)",
        (state.name, to_json(stored, with_core=False), document.created_ns, document.updated_ns),
    )
    agent_id = int(cursor.lastrowid or 0)
    archive_id = add_archive(connection, agent_id, document.created_ns)
    _add_memory(connection, agent_id, document)
    connection.executemany(
        "INSERT INTO messages (agent_id, owner, turn, step, idx, role, text, day, created_ns, name, context,"
        " hidden) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [_message_row(agent_id, one) for one in document.messages],
    )
    _add_passages(connection, archive_id, document.notes)
    missing = [name for name in document.sources if not _attach(connection, agent_id, name)]
    return Restored(stored, tuple(missing))


def _message_row(agent_id: int, one: DocumentMessage) -> tuple[str | int, ...]:
    return (
        agent_id,
        owner_of(agent_id),
        one.turn,
        one.step,
        one.index,
        one.role,
        one.text,
        one.day,
        one.at_ns,
        one.name,
        one.context,
        one.hidden,
    )


def _add_memory(connection: sqlite3.Connection, agent_id: int, document: AgentDocument) -> None:
    ids: dict[str, int] = {}
    for position, block in enumerate(document.blocks):
        cursor = connection.execute(
            "INSERT INTO blocks (label, value, max_chars, updated_ns) VALUES (?, ?, ?, ?)",
            (block.label, block.value, block.limit, block.updated_ns),
        )
        ids[block.label] = int(cursor.lastrowid or 0)
        connection.execute(
            "INSERT INTO agent_blocks VALUES (?, ?, ?)", (agent_id, ids[block.label], position)
        )
    connection.executemany(
        "INSERT INTO edits (block_id, agent_id, turn, label, before, after, made_by, created_ns)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (ids[one.block], agent_id, one.turn, one.block, one.before, one.after, one.by, one.at_ns)
            for one in document.edits
        ],
    )


def _add_passages(connection: sqlite3.Connection, archive_id: int, notes: Sequence[DocumentNote]) -> None:
    """Store passages; triggers tell whatever makes vectors."""
    connection.executemany(
        "INSERT INTO passages (archive_id, owner, key, text, context, locator, created_ns)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                archive_id,
                f"r{archive_id}",
                note.key,
                note.text,
                note.context,
                json.dumps(dict(note.locator), ensure_ascii=False),
                note.at_ns,
            )
            for note in notes
        ],
    )


def _attach(connection: sqlite3.Connection, agent_id: int, name: str) -> bool:
    """Attach a source by its name; False when there is none."""
    row = connection.execute("SELECT id FROM archives WHERE kind = 'source' AND name = ?", (name,)).fetchone()
    if row is None:
        return False
    connection.execute(
        "INSERT OR IGNORE INTO agent_archives VALUES (?, ?, ?)", (agent_id, row[0], time.time_ns())
    )
    return True
