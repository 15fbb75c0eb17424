"""To copy an agent within the database, and to delete one, each in one transaction."""

from __future__ import annotations

import sqlite3
import time

from bridle.agent.store.passages import add_archive, own_archive

__all__ = ["delete_agent", "fork_agent"]


def delete_agent(connection: sqlite3.Connection, agent_id: int) -> None:
    """Delete an agent with all that is its own.

    Shared blocks and sources stay.
    """
    one = (agent_id,)
    connection.execute("DELETE FROM messages WHERE agent_id = ?", one)
    blocks = connection.execute("SELECT block_id FROM agent_blocks WHERE agent_id = ?", one).fetchall()
    connection.execute("DELETE FROM agent_blocks WHERE agent_id = ?", one)
    for block in blocks:
        if not connection.execute("SELECT 1 FROM agent_blocks WHERE block_id = ?", block).fetchone():
            connection.execute("DELETE FROM edits WHERE block_id = ?", block)
            connection.execute("DELETE FROM blocks WHERE id = ?", block)
    connection.execute("UPDATE edits SET agent_id = NULL WHERE agent_id = ?", one)
    archive = own_archive(connection, agent_id)
    for table in ("vectors", "passages", "files"):
        connection.execute(f"DELETE FROM {table} WHERE archive_id = ?", (archive,))
    connection.execute("DELETE FROM agent_archives WHERE agent_id = ? OR archive_id = ?", (agent_id, archive))
    connection.execute("DELETE FROM archives WHERE id = ?", (archive,))
    connection.execute(
        "DELETE FROM totals WHERE owner IN (?, ?, ?)", (f"r{archive}", f"g{agent_id}", f"g{agent_id}t")
    )
    connection.execute("DELETE FROM agents WHERE id = ?", one)


def fork_agent(connection: sqlite3.Connection, agent_id: int, name: str) -> int:
    """Copy an agent under a new name, which must be free, and return the copy's id."""
    now = time.time_ns()
    cursor = connection.execute(
        "INSERT INTO agents (name, state, revision, last_step, created_ns, updated_ns)"
        " SELECT ?, state, revision, last_step, ?, ? FROM agents WHERE id = ?",
        (name, now, now, agent_id),
    )
    copy = int(cursor.lastrowid or 0)
    connection.execute(
        "INSERT INTO messages (agent_id, turn, step, idx, role, name, text, context, owner, day, created_ns,"
        " hidden) SELECT ?, turn, step, idx, role, name, text, context, 'g' || ?, day,"
        " created_ns, hidden FROM messages WHERE agent_id = ? ORDER BY id",
        (copy, copy, agent_id),
    )
    _fork_blocks(connection, agent_id, copy)
    _fork_archive(connection, own_archive(connection, agent_id), add_archive(connection, copy, now))
    connection.execute(
        "INSERT OR IGNORE INTO agent_archives SELECT ?, archive_id, ? FROM agent_archives"
        " JOIN archives ON archives.id = archive_id WHERE agent_id = ? AND kind = 'source'",
        (copy, now, agent_id),
    )
    return copy


def _fork_blocks(connection: sqlite3.Connection, agent_id: int, copy: int) -> None:
    """Give the copy blocks of its own with their history, but the same shared ones."""
    rows = connection.execute(
        "SELECT block_id, position, (SELECT count(*) FROM agent_blocks o WHERE o.block_id = a.block_id)"
        " FROM agent_blocks a WHERE agent_id = ?",
        (agent_id,),
    ).fetchall()
    for block, position, owners in rows:
        number = block
        if owners == 1:
            cursor = connection.execute(
                "INSERT INTO blocks (label, value, max_chars, updated_ns)"
                " SELECT label, value, max_chars, updated_ns FROM blocks WHERE id = ?",
                (block,),
            )
            number = cursor.lastrowid
            connection.execute(
                "INSERT INTO edits (block_id, agent_id, turn, label, before, after, made_by, created_ns)"
                " SELECT ?, ?, turn, label, before, after, made_by, created_ns FROM edits"
                " WHERE block_id = ? ORDER BY id",
                (number, copy, block),
            )
        connection.execute("INSERT INTO agent_blocks VALUES (?, ?, ?)", (copy, number, position))


def _fork_archive(connection: sqlite3.Connection, archive: int, copy: int) -> None:
    """Copy notes with the vectors that they have."""
    connection.execute(
        "INSERT INTO passages (archive_id, key, text, context, locator, owner, created_ns)"
        " SELECT ?, key, text, context, locator, ?, created_ns FROM passages"
        " WHERE archive_id = ? ORDER BY id",
        (copy, f"r{copy}", archive),
    )
    connection.execute(
        "INSERT INTO vectors (embedder_id, passage_id, archive_id, vector)"
        " SELECT embedder_id, new.id, new.archive_id, vector FROM passages new"
        " JOIN passages old ON old.archive_id = ? AND old.key = new.key"
        " JOIN vectors ON passage_id = old.id WHERE new.archive_id = ?",
        (archive, copy),
    )
