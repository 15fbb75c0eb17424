"""The conversation as it is kept: every message with its turn and its day, what is searched with it, and what
is not worth finding.

A search finds what both sides said, and what functions brought to light. It does not find what functions say
about themselves (`OK`, failures), nor what the searches found: those would find themselves again for ever.
Such messages stand in the log of the conversation all the same.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from bridle.agent.state import Record, clean_text
from bridle.agent.store.recall import context_of, owner_of
from bridle.agent.store.schema import FORGOTTEN, SHOWN, UNSEARCHED

__all__ = ["SEARCHES", "Logged", "Message", "add_message", "forget_turn", "is_worth_finding", "log"]

SEARCHES = ("archival_memory_search", "conversation_search", "conversation_search_date", "memory_search")
"""The functions that bring something back which was not in the prompt."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is to be stored. `idx` counts the messages of its step."""

    agent_id: int
    turn: int
    step: str
    idx: int
    said: Record


@dataclass(frozen=True, slots=True)
class Logged:
    """A stored message, as the log of a conversation lists it. `name` is the function or the speaker."""

    id: int
    turn: int
    role: str
    name: str
    text: str
    at: datetime


def is_worth_finding(said: Record) -> bool:
    """Whether a search may find a message.

    Everything that was said is; of the functions' results only those that tell something new.
    """
    if said.role != "tool":
        return bool(said.text.strip())
    text = said.text.strip()
    return said.name not in SEARCHES and text not in ("", "OK", "None") and not text.startswith("Failed:")


def add_message(connection: sqlite3.Connection, message: Message) -> None:
    """Store a message, and index it where it is worth finding."""
    said, day = message.said, f"{message.said.at:%Y-%m-%d}"
    text, name = clean_text(said.text), clean_text(said.name)
    before = _said_before(connection, message.agent_id, day)
    connection.execute(
        "INSERT INTO messages (agent_id, turn, step, idx, role, name, text, context, owner, day, created_ns,"
        " hidden) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            message.agent_id,
            message.turn,
            message.step,
            message.idx,
            said.role,
            name,
            text,
            context_of(day, name or said.role, *before),
            owner_of(message.agent_id),
            day,
            int(said.at.timestamp() * 1_000_000) * 1000,
            SHOWN if is_worth_finding(said) else UNSEARCHED,
        ),
    )


def _said_before(
    connection: sqlite3.Connection, agent_id: int, day: str, below: int = 2**62
) -> tuple[str, str]:
    """Who spoke before a message on the same day, and what was said; two empty texts for nobody."""
    row = connection.execute(
        "SELECT role, name, text, day FROM messages WHERE agent_id = ? AND hidden = 0"
        " AND role IN ('user', 'assistant') AND id < ? ORDER BY turn DESC, id DESC LIMIT 1",
        (agent_id, below),
    ).fetchone()
    if row is None or row[3] != day:
        return ("", "")
    return (row[1] or row[0], row[2])


def forget_turn(connection: sqlite3.Connection, agent_id: int, turn: int, role: str | None = None) -> None:
    """Hide the messages of a turn, or those of one role, and their words in what is searched with others."""
    connection.execute(
        "UPDATE messages SET hidden = ? WHERE agent_id = ? AND turn = ? AND role = coalesce(?, role)",
        (FORGOTTEN, agent_id, turn, role),
    )
    same = connection.execute(
        "SELECT id, day, role, name FROM messages WHERE agent_id = ? AND turn = ? AND hidden = 0 ORDER BY id",
        (agent_id, turn),
    ).fetchall()
    after = connection.execute(
        "SELECT id, day, role, name FROM messages WHERE agent_id = ? AND turn > ? AND hidden = 0"
        " ORDER BY turn, id LIMIT 1",
        (agent_id, turn),
    ).fetchall()
    for number, day, spoke, name in (*same, *after):
        context = context_of(day, name or spoke, *_said_before(connection, agent_id, day, number))
        connection.execute("UPDATE messages SET context = ? WHERE id = ?", (context, number))


def log(
    connection: sqlite3.Connection, agent_id: int, newest: int | None, before: int | None
) -> tuple[Logged, ...]:
    """Messages in their order: the `newest` of those whose id is below `before`."""
    rows = connection.execute(
        "SELECT id, turn, role, name, text, created_ns FROM messages WHERE agent_id = ? AND id < ?"
        " AND hidden <> ? ORDER BY turn DESC, id DESC LIMIT ?",
        (agent_id, 2**62 if before is None else before, FORGOTTEN, -1 if newest is None else newest),
    ).fetchall()
    return tuple(
        Logged(number, turn, role, name, text, datetime.fromtimestamp(ns / 1e9).astimezone())
        for number, turn, role, name, text, ns in reversed(rows)
    )
