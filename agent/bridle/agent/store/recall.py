"""Find what was said: full text ranked by BM25, or by day. Results come in pages, with the true
total.

A message is found by its own words, by what was said just before it, and by its day.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from bridle.agent.store.passages import day_words
from bridle.agent.store.ranking import find_best
from bridle.agent.store.words import words
from bridle.errors import InputError

__all__ = [
    "PAGE_SIZE",
    "Hit",
    "Page",
    "context_of",
    "count_of",
    "owner_of",
    "page_lines",
    "read_days",
    "render_page",
    "search_messages",
    "search_messages_by_day",
]

PAGE_SIZE = 5
MOST_BEFORE = 1000
"""How many characters of the message before are searched with a message."""
_ROLES = frozenset({"user", "assistant", "tool", "event", "summary", "system"})

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Hit:
    """One message, with who said it (a role, or a name) and on which day, as YYYY-MM-DD."""

    text: str
    role: str = ""
    day: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """The hits on one page, counted from 0, and how many there are on all of them."""

    hits: tuple[Hit, ...]
    total: int
    number: int


def owner_of(agent_id: int) -> str:
    """The word that marks an agent's messages in the index."""
    return f"g{agent_id}"


def context_of(day: str, who: str, before: str, said_before: str) -> str:
    """What is searched with a message, although it is not in its text: its day, who speaks, and what was said
    before it, by whom. Roles are left out: half of all messages are the user's.

    >>> context_of("2026-11-20", "Ada", "assistant", "Do you like tea?")
    '2026-11-20 Friday 20 November 2026 Ada Do you like tea?'
    """
    names = ("" if name in _ROLES else name for name in (who, before))
    parts = (day_words(day), *names, said_before[:MOST_BEFORE])
    return " ".join(part for part in parts if part)


def search_messages(
    connection: sqlite3.Connection, agent_id: int, query: str, page: int, before_turn: int | None
) -> Page:
    """Find what was said before a turn, the best first; for an empty query, the newest first.

    A query of marks alone finds the messages that hold it as it stands.
    """
    searched, owner = words(query), owner_of(agent_id)
    below = _first_of(connection, agent_id, before_turn)
    if searched:
        ids, total = find_best(connection, "messages_text", owner, searched, _span(page), below)
    else:
        if query.strip():
            return _holding(connection, agent_id, query.strip(), page, below)
        shown = "FROM messages WHERE agent_id = ? AND hidden = 0 AND"
        rows = connection.execute(
            f"SELECT id {shown} id < ? ORDER BY turn DESC, id DESC LIMIT ? OFFSET ?",
            (agent_id, below, *_limits(page)),
        )
        ids = [row[0] for row in rows]
        (later,) = connection.execute(
            f"SELECT count(*) {shown} turn >= ?", (agent_id, _turn(before_turn))
        ).fetchone()
        total = count_of(connection, owner) + count_of(connection, f"{owner}t") - later
    return _page(connection, ids, total, page)


def _holding(connection: sqlite3.Connection, agent_id: int, marks: str, page: int, below: int) -> Page:
    tail = "FROM messages WHERE agent_id = ? AND hidden = 0 AND id < ? AND instr(text, ?) > 0"
    values = (agent_id, below, marks)
    (total,) = connection.execute(f"SELECT count(*) {tail}", values).fetchone()
    rows = connection.execute(
        f"SELECT id {tail} ORDER BY turn DESC, id DESC LIMIT ? OFFSET ?", (*values, *_limits(page))
    )
    return _page(connection, [row[0] for row in rows], total, page)


def search_messages_by_day(
    connection: sqlite3.Connection, agent_id: int, days: tuple[str, str], page: int, before_turn: int | None
) -> Page:
    """Find what was said before a turn on the days from the first to the last of `days`, in its order."""
    tail = "FROM messages WHERE agent_id = ? AND hidden = 0 AND id < ? AND day BETWEEN ? AND ?"
    values = (agent_id, _first_of(connection, agent_id, before_turn), *days)
    (total,) = connection.execute(f"SELECT count(*) {tail}", values).fetchone()
    rows = connection.execute(
        f"SELECT id {tail} ORDER BY day, id LIMIT ? OFFSET ?", (*values, *_limits(page))
    )
    return _page(connection, [row[0] for row in rows], total, page)


def count_of(connection: sqlite3.Connection, owner: str) -> int:
    """How many rows an owner has in the index."""
    row = connection.execute("SELECT number FROM totals WHERE owner = ?", (owner,)).fetchone()
    return int(row[0]) if row else 0


def _turn(turn: int | None) -> int:
    return 2**62 if turn is None else min(turn, 2**62)  # SQLite counts in 64 bits


def _first_of(connection: sqlite3.Connection, agent_id: int, turn: int | None) -> int:
    """The id of the first message of a turn; messages before it have lower ones."""
    row = connection.execute(
        "SELECT id FROM messages WHERE agent_id = ? AND turn >= ? AND hidden = 0 ORDER BY turn, id LIMIT 1",
        (agent_id, _turn(turn)),
    ).fetchone()
    return int(row[0]) if row else 2**62


def read_days(start: str, end: str) -> tuple[str, str]:
    """Check two days as a model wrote them.

    Raises:
        InputError: for what is no day of the calendar, and for a range that is empty.

    >>> read_days("2024-02-29", " 2024-03-01")
    ('2024-02-29', '2024-03-01')
    """
    days = (_day(start), _day(end))
    if days[0] > days[1]:
        raise InputError(f"the first day {days[0]} is after the last day {days[1]}")
    return days


def _day(text: str) -> str:
    text = text.strip()
    if not _DAY.fullmatch(text):
        raise InputError(f"{text!r} is not a date; write YYYY-MM-DD")
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise InputError(f"{text!r} is not a date; {error}") from error


def render_page(page: Page, most_chars: int = 400) -> str:
    r"""Write a page as the model sees it: a count, then one line for each hit, cut to `most_chars`.

    >>> render_page(Page((Hit("I like tea", "user", "2026-11-03"),), 7, 1))
    '1 of 7:\n- [2026-11-03] user: I like tea'
    """
    if not page.hits:
        if not page.total:
            return "No results."
        return f"No results on page {page.number}; there {_are(page.total)}."
    return "\n".join((f"{len(page.hits)} of {page.total}:", *page_lines(page, most_chars)))


def page_lines(page: Page, most_chars: int = 400) -> list[str]:
    """Write the hits of a page, one line each, cut to `most_chars`."""
    return [_line(hit, most_chars) for hit in page.hits]


def _line(hit: Hit, most_chars: int) -> str:
    text = " ".join(hit.text.split())
    text = text if len(text) <= most_chars else text[: most_chars - 1] + "…"
    return f"- [{hit.day}] {hit.role}: {text}" if hit.role else f"- {text}"


def _are(total: int) -> str:
    return "is 1 result" if total == 1 else f"are {total} results"


def _span(page: int) -> tuple[int, int]:
    return min(page * PAGE_SIZE, 2**62), PAGE_SIZE


def _limits(page: int) -> tuple[int, int]:
    offset, size = _span(page)
    return size, offset


def _page(connection: sqlite3.Connection, ids: Sequence[int], total: int, page: int) -> Page:
    rows = connection.execute(
        "SELECT id, text, iif(name = '', role, name), day FROM messages"
        f" WHERE id IN ({', '.join(map(str, ids))})"
    )
    hits = {row: Hit(text, role, day) for row, text, role, day in rows}
    return Page(tuple(hits[one] for one in ids), total, page)
