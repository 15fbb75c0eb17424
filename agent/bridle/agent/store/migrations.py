"""From one schema version to the next, inside the transaction in which the file is opened.

Before that the whole file is copied (SQLite's backup API) to `bridle.db.v1.bak` beside it, where 1 is the old
version. A copy that is there already is never overwritten: the next one gets a number.
"""

from __future__ import annotations

import filecmp
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import cast

from bridle.agent.store.passages import add_archive, note_context, passage_key
from bridle.agent.store.recall import context_of, owner_of
from bridle.agent.store.schema import SCHEMA_VERSION, STATEMENTS

__all__ = ["back_up", "upgrade"]


def back_up(path: Path, version: int) -> Path:
    """Copy the database to a new file beside it and return that file's path.

    The caller holds the write lock, so that the copy has all that was ever committed.
    """
    partial = path.with_name(f"{path.name}.v{version}.bak.partial")
    partial.unlink(missing_ok=True)  # of a process that died here
    os.close(os.open(partial, os.O_RDWR | os.O_CREAT, 0o600))
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(partial)) as copy:
        source.backup(copy)
    number = 1
    while True:
        target = path.with_name(f"{path.name}.v{version}.bak{'' if number == 1 else number}")
        if not target.exists():
            partial.replace(target)
            return target
        if filecmp.cmp(partial, target, shallow=False):
            partial.unlink()
            return target
        number += 1


def upgrade(connection: sqlite3.Connection, version: int) -> None:
    """Bring the tables of an older version up to this one, one version after the other."""
    for number in range(version, SCHEMA_VERSION):
        _STEPS[number](connection)


def _from_1(connection: sqlite3.Connection) -> None:
    """Core memory leaves the state for tables, messages get their context, and notes their archive."""
    for table in ("messages", "passages"):
        for trigger in ("added", "removed", "changed"):
            connection.execute(f"DROP TRIGGER {table}_{trigger}")
        connection.execute(f"DROP TABLE {table}_text")
    for index in ("messages_by_day", "passages_by_agent", "edits_by_agent"):
        connection.execute(f"DROP INDEX {index}")
    for table in ("agents", "messages", "passages", "edits"):
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    for statement in STATEMENTS:
        connection.execute(statement)
    agents = connection.execute("SELECT id, state, created_ns, updated_ns FROM old_agents").fetchall()
    connection.execute(
        "INSERT INTO agents (id, name, state, revision, created_ns, updated_ns)"
        " SELECT id, name, state, revision, created_ns, updated_ns FROM old_agents"
    )
    for agent, state, created_ns, updated_ns in agents:
        _core_from_1(connection, agent, state, updated_ns)
        _messages_from_1(connection, agent)
        _passages_from_1(connection, agent, created_ns)
    for table in ("edits", "passages", "messages", "agents"):
        connection.execute(f"DROP TABLE old_{table}")


def _core_from_1(connection: sqlite3.Connection, agent: int, state: str, updated_ns: int) -> None:
    blocks: dict[str, int] = {}
    for position, (label, value, limit) in enumerate(_core_in(connection, agent, state)):
        block = connection.execute(
            "INSERT INTO blocks (label, value, max_chars, updated_ns) VALUES (?, ?, ?, ?)",
            (label, value, limit, updated_ns),
        ).lastrowid
        connection.execute("INSERT INTO agent_blocks VALUES (?, ?, ?)", (agent, block, position))
        blocks[label] = int(block or 0)
    edits = connection.execute(
        "SELECT turn, block, before, after, created_ns FROM old_edits WHERE agent_id = ? ORDER BY id",
        (agent,),
    )
    for turn, label, before, after, created_ns in edits:
        if label in blocks:
            connection.execute(
                "INSERT INTO edits (block_id, agent_id, turn, label, before, after, made_by, created_ns)"
                " VALUES (?, ?, ?, ?, ?, ?, 'agent', ?)",
                (blocks[label], agent, turn, label, before, after, created_ns),
            )


def _core_in(connection: sqlite3.Connection, agent: int, state: str) -> list[tuple[str, str, int]]:
    """Take core memory out of a stored state; one that cannot be read stays as it is."""
    try:
        body = json.loads(state)
        core = cast("list[dict[str, object]]", body.pop("core"))  # as version 1 wrote it
        blocks = [(str(one["label"]), str(one["value"]), int(str(one["limit"]))) for one in core]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
    connection.execute("UPDATE agents SET state = ? WHERE id = ?", (json.dumps(body), agent))
    return blocks


def _messages_from_1(connection: sqlite3.Connection, agent: int) -> None:
    before = ("", "", "")
    owner = owner_of(agent)
    rows = connection.execute(
        "SELECT id, turn, role, text, day, created_ns FROM old_messages WHERE agent_id = ? ORDER BY id",
        (agent,),
    )
    for row, turn, role, text, day, created_ns in rows:
        context = context_of(day, role, *(before[:2] if before[2] == day else ("", "")))
        connection.execute(
            "INSERT INTO messages"
            " (id, agent_id, turn, step, idx, role, text, context, owner, day, created_ns)"
            " VALUES (?, ?, ?, 'v1', ?, ?, ?, ?, ?, ?, ?)",
            (row, agent, turn, row, role, text, context, owner, day, created_ns),
        )
        before = (role, text, day)


def _passages_from_1(connection: sqlite3.Connection, agent: int, created_ns: int) -> None:
    archive = add_archive(connection, agent, created_ns)
    taken: set[str] = set()
    rows = connection.execute(
        "SELECT id, text, created_ns FROM old_passages WHERE agent_id = ? ORDER BY id", (agent,)
    )
    for row, text, at_ns in rows:
        key = passage_key("", {}, text)
        key = f"{key}-{row}" if key in taken else key  # version 1 kept the same note twice
        taken.add(key)
        connection.execute(
            "INSERT INTO passages (id, archive_id, key, text, context, owner, created_ns)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (row, archive, key, text, note_context(at_ns), f"r{archive}", at_ns),
        )


_STEPS = {1: _from_1}
"""What leads from a version to the next."""
