"""Core memory as it is kept: blocks that belong to one agent or to several, and every edit of them.

An undo puts back what was there before the newest edit that is not undone yet, and is itself an entry in the
history; so a second undo goes one edit further back.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bridle.agent.memory import Block, Core
from bridle.agent.state import Edited, clean_text
from bridle.errors import InputError

__all__ = [
    "Editor",
    "StoredEdit",
    "add_block",
    "add_core",
    "add_edit",
    "core_of",
    "given_core",
    "history",
    "remove_block",
    "set_limit",
    "share_block",
    "store_core",
    "undo",
    "write_block",
]

Editor = Literal["agent", "user", "undo", "import"]
"""Who made an edit."""
LABEL_CHARS = 50


@dataclass(frozen=True, slots=True)
class StoredEdit:
    """One edit of a block, as the history keeps it. `turn` is 0 for what no turn has done."""

    id: int
    label: str
    turn: int
    before: str
    after: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _Row:
    """A stored block of an agent. `is_shared` is whether another agent has it, too."""

    id: int
    label: str
    value: str
    limit: int
    is_shared: bool


def core_of(connection: sqlite3.Connection, agent_id: int) -> Core:
    """The core memory of an agent, as it is now."""
    return Core(tuple(Block(row.label, row.value, row.limit) for row in _rows(connection, agent_id)))


def given_core(connection: sqlite3.Connection, agent_id: int, core: Core) -> Core:
    """The core memory that a step begins with: as it is stored now, with the limits of `core` for the blocks
    that are the agent's alone (its profile may have set them)."""
    limits = {block.label: block.limit for block in core.blocks}
    return Core(
        tuple(
            Block(
                row.label,
                row.value,
                row.limit if row.is_shared else max(limits.get(row.label, row.limit), len(row.value)),
            )
            for row in _rows(connection, agent_id)
        )
    )


def add_core(connection: sqlite3.Connection, agent_id: int, core: Core) -> None:
    """Store the blocks of a new agent."""
    for block in core.blocks:
        _add(connection, agent_id, block)


def store_core(
    connection: sqlite3.Connection, agent_id: int, given: Core, core: Core, edited: Collection[str] = ()
) -> Core:
    """Store what a step changed of core memory and return it as it is now.

    `given` is what the step was given, and `edited` names blocks that it changed, be it back to what was
    given. Blocks that it left alone are left alone here, too: another agent may
    have written to a shared one. The limit of a shared block belongs to the block, not to an agent's profile.
    """
    rows = {row.label: row for row in _rows(connection, agent_id)}
    for block in given.blocks:
        if block.label not in core.labels and block.label in rows:
            _detach(connection, agent_id, rows[block.label])
    old = {block.label: block for block in given.blocks}
    for block in core.blocks:
        row = rows.get(block.label)
        if row is not None:
            is_changed = block.label in edited or block != old.get(block.label)
            value = clean_text(block.value) if is_changed else row.value
            limit = row.limit if row.is_shared else max(block.limit, len(value))
            if (value, limit) != (row.value, row.limit):
                _update(connection, row.id, value, limit)
        elif block.label not in old:
            _add(connection, agent_id, block)
    return core_of(connection, agent_id)


def add_edit(connection: sqlite3.Connection, agent_id: int, edit: Edited, turn: int) -> None:
    """Keep what an edit by the agent changed, without doing it."""
    row = _row(connection, agent_id, edit.label)
    _keep(connection, agent_id, row, clean_text(edit.before), clean_text(edit.after), "agent", turn, edit.at)


def add_block(connection: sqlite3.Connection, agent_id: int, block: Block) -> None:
    """Give an agent a new block of its own.

    Raises:
        InputError: for a label that it has, or that cannot be one, and for a text beyond the limit.
    """
    label = block.label
    if label != label.strip() or not 0 < len(label) <= LABEL_CHARS or not label.isprintable() or "<" in label:
        raise InputError(
            f"{label!r} cannot be the label of a block",
            hint=f"use 1 to {LABEL_CHARS} printable characters, without `<` and without spaces at the ends",
        )
    if label in core_of(connection, agent_id).labels:
        raise InputError(f"there is a block {label!r} already", hint="choose another label")
    _check_length(block.label, block.value, block.limit)
    _add(connection, agent_id, block)


def share_block(connection: sqlite3.Connection, owner_id: int, label: str, agent_id: int) -> None:
    """Give a block of one agent to another one, too: from then on it is one block, and both write to it.

    Raises:
        InputError: when the first has no such block, or the second has one of that label.
    """
    row = _row(connection, owner_id, label)
    if label in core_of(connection, agent_id).labels:
        raise InputError(
            f"the other agent has a block {label!r} already", hint="remove it there first, or rename one"
        )
    connection.execute(
        "INSERT INTO agent_blocks VALUES (?, ?, ?)", (agent_id, row.id, _next_position(connection, agent_id))
    )


def remove_block(connection: sqlite3.Connection, agent_id: int, label: str) -> None:
    """Take a block from an agent; with its last agent the block goes, and its history.

    Raises:
        InputError: when there is no such block.
    """
    _detach(connection, agent_id, _row(connection, agent_id, label))


def write_block(
    connection: sqlite3.Connection, agent_id: int, label: str, value: str, by: Editor
) -> StoredEdit | None:
    """Put a text in the place of a block's; None when it is the same.

    Raises:
        InputError: when there is no such block, or the text is longer than its limit.
    """
    row, value = _row(connection, agent_id, label), clean_text(value)
    if value == row.value:
        return None
    _check_length(label, value, row.limit)
    _update(connection, row.id, value, row.limit)
    return _keep(connection, agent_id, row, row.value, value, by, 0, _now())


def set_limit(connection: sqlite3.Connection, agent_id: int, label: str, limit: int) -> None:
    """Set how long a block may become, in characters.

    Raises:
        InputError: when there is no such block, or it is longer already.
    """
    row = _row(connection, agent_id, label)
    if limit < 1:
        raise InputError(f"{limit} is no limit of a block", hint="give a number of characters, 1 or more")
    _check_length(label, row.value, limit)
    _update(connection, row.id, row.value, limit)


def history(connection: sqlite3.Connection, agent_id: int, label: str | None) -> tuple[StoredEdit, ...]:
    """All edits of an agent's blocks, or of one of them, in their order.

    Raises:
        InputError: when there is no such block.
    """
    return tuple(edit for _, edit in _edits(connection, agent_id, label, "ASC"))


def undo(connection: sqlite3.Connection, agent_id: int, label: str | None) -> StoredEdit:
    """Undo the newest edit that is not undone, of one block or of all, and return that edit.

    Raises:
        InputError: when there is none, or no such block.
    """
    undone: dict[int, int] = {}
    for block, edit in _edits(connection, agent_id, label, "DESC"):
        if edit.by == "undo":
            undone[block] = undone.get(block, 0) + 1
        elif undone.get(block):
            undone[block] -= 1
        else:
            row = _row(connection, agent_id, edit.label)
            _update(connection, row.id, edit.before, max(row.limit, len(edit.before)))
            _keep(connection, agent_id, row, row.value, edit.before, "undo", 0, _now())
            return edit
    where = "core memory" if label is None else f"the block {label!r}"
    raise InputError(f"there is no edit of {where} to undo")


def _rows(connection: sqlite3.Connection, agent_id: int) -> list[_Row]:
    rows = connection.execute(
        "SELECT b.id, label, value, max_chars,"
        " EXISTS (SELECT 1 FROM agent_blocks o WHERE o.block_id = b.id AND o.agent_id <> a.agent_id)"
        " FROM agent_blocks a JOIN blocks b ON b.id = a.block_id WHERE a.agent_id = ?"
        " ORDER BY position, b.id",
        (agent_id,),
    )
    return [_Row(number, label, value, limit, bool(shared)) for number, label, value, limit, shared in rows]


def _row(connection: sqlite3.Connection, agent_id: int, label: str) -> _Row:
    rows = _rows(connection, agent_id)
    for row in rows:
        if row.label == label:
            return row
    known = ", ".join(row.label for row in rows) or "none"
    raise InputError(f"there is no block {label!r}", hint=f"the blocks are: {known}")


def _add(connection: sqlite3.Connection, agent_id: int, block: Block) -> None:
    cursor = connection.execute(
        "INSERT INTO blocks (label, value, max_chars, updated_ns) VALUES (?, ?, ?, ?)",
        (block.label, clean_text(block.value), block.limit, time.time_ns()),
    )
    connection.execute(
        "INSERT INTO agent_blocks VALUES (?, ?, ?)",
        (agent_id, cursor.lastrowid, _next_position(connection, agent_id)),
    )


def _next_position(connection: sqlite3.Connection, agent_id: int) -> int:
    (position,) = connection.execute(
        "SELECT coalesce(max(position) + 1, 0) FROM agent_blocks WHERE agent_id = ?", (agent_id,)
    ).fetchone()
    return int(position)


def _detach(connection: sqlite3.Connection, agent_id: int, row: _Row) -> None:
    connection.execute("DELETE FROM agent_blocks WHERE agent_id = ? AND block_id = ?", (agent_id, row.id))
    if not row.is_shared:
        connection.execute("DELETE FROM edits WHERE block_id = ?", (row.id,))
        connection.execute("DELETE FROM blocks WHERE id = ?", (row.id,))


def _update(connection: sqlite3.Connection, block_id: int, value: str, limit: int) -> None:
    connection.execute(
        "UPDATE blocks SET value = ?, max_chars = ?, updated_ns = ? WHERE id = ?",
        (value, limit, time.time_ns(), block_id),
    )


def _keep(
    connection: sqlite3.Connection,
    agent_id: int,
    row: _Row,
    before: str,
    after: str,
    by: Editor,
    turn: int,
    at: datetime,
) -> StoredEdit:
    cursor = connection.execute(
        "INSERT INTO edits (block_id, agent_id, turn, label, before, after, made_by, created_ns)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (row.id, agent_id, turn, row.label, before, after, by, int(at.timestamp() * 1_000_000) * 1000),
    )
    return StoredEdit(int(cursor.lastrowid or 0), row.label, turn, before, after, by, at)


def _edits(
    connection: sqlite3.Connection, agent_id: int, label: str | None, order: Literal["ASC", "DESC"]
) -> list[tuple[int, StoredEdit]]:
    rows = _rows(connection, agent_id) if label is None else [_row(connection, agent_id, label)]
    labels: Mapping[int, str] = {row.id: row.label for row in rows}
    found = connection.execute(
        "SELECT id, block_id, turn, before, after, made_by, created_ns FROM edits"
        f" WHERE block_id IN ({', '.join('?' * len(labels))}) ORDER BY id {order}",
        tuple(labels),
    )
    return [
        (block, StoredEdit(number, labels[block], turn, before, after, by, _at(ns)))
        for number, block, turn, before, after, by, ns in found
    ]


def _check_length(label: str, value: str, limit: int) -> None:
    if len(value) > limit:
        raise InputError(
            f"the block {label!r} would have {len(value)} characters, its limit is {limit}",
            hint="shorten the text, or raise the limit",
        )


def _now() -> datetime:
    return datetime.now().astimezone()


def _at(ns: int) -> datetime:
    return datetime.fromtimestamp(ns / 1e9).astimezone()
