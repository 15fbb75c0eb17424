"""Find what was said and noted: full text ranked by BM25, or by day. Results come in pages, with the true
total.

Words of a query are joined by OR after the commonest ones are left out, because a model asks in sentences.
When no message or note holds any of them, beginnings of words count too. Whatever else stands in a query
(quotes, `%`, operators) is plain text without effect.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from datetime import date

from bridle.agent.store.passages import day_words
from bridle.agent.store.words import match_text, words
from bridle.errors import InputError

__all__ = [
    "PAGE_SIZE",
    "Hit",
    "Page",
    "context_of",
    "owner_of",
    "page_lines",
    "read_days",
    "render_page",
    "search_messages",
    "search_messages_by_day",
    "search_passages",
]

PAGE_SIZE = 5
MOST_BEFORE = 1000
"""How many characters of the message before are searched with a message."""
CONTEXT_WEIGHT = 0.5
"""What a word in the context counts for, where one in the text counts 1."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Hit:
    """One message (with who said it and on which day, as YYYY-MM-DD) or one note (with neither)."""

    text: str
    role: str = ""
    day: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """The hits on one page, counted from 0, and how many there are on all of them."""

    hits: tuple[Hit, ...]
    total: int
    number: int


def owner_of(agent_id: int, role: str = "user") -> str:
    """The word that marks a message in the index: what functions gave is kept apart from what was said."""
    return f"{'t' if role == 'tool' else 'g'}{agent_id}"


def context_of(day: str, who: str, before: str, said_before: str) -> str:
    """What is searched with a message, although it is not in its text: its day, who speaks, and what was said
    before it, by whom.

    >>> context_of("2026-11-20", "assistant", "user", "I like tea")
    '2026-11-20 Friday 20 November 2026 assistant user: I like tea'
    """
    head = f"{day_words(day)} {who}"
    return f"{head} {before}: {said_before[:MOST_BEFORE]}" if said_before else head


def search_passages(connection: sqlite3.Connection, archive_id: int, query: str, page: int) -> Page:
    """Find notes of an archive, the best first; without words in the query, the newest first."""
    plain = ("FROM passages t WHERE t.archive_id = ?", (archive_id,))
    return _search(connection, _PASSAGES, f"r{archive_id}", 2**62, plain, query, page)


def search_messages(
    connection: sqlite3.Connection, agent_id: int, query: str, page: int, before_turn: int
) -> Page:
    """Find what was said before a turn, the best first; without words in the query, the newest first."""
    below = _first_of(connection, agent_id, before_turn)
    plain = ("FROM messages t WHERE t.agent_id = ? AND t.hidden = 0 AND t.id < ?", (agent_id, below))
    return _search(connection, _MESSAGES, owner_of(agent_id), below, plain, query, page)


def search_messages_by_day(
    connection: sqlite3.Connection, agent_id: int, days: tuple[str, str], page: int, before_turn: int
) -> Page:
    """Find what was said before a turn on the days from the first to the last of `days`, in its order."""
    tail = "FROM messages t WHERE t.agent_id = ? AND t.hidden = 0 AND t.id < ? AND t.day BETWEEN ? AND ?"
    values = (agent_id, _first_of(connection, agent_id, before_turn), *days)
    return _page(connection, _MESSAGES, tail, values, "t.day, t.id", page)


def _first_of(connection: sqlite3.Connection, agent_id: int, turn: int) -> int:
    """The id of the first message of a turn; messages before it have lower ones."""
    row = connection.execute(
        "SELECT id FROM messages WHERE agent_id = ? AND turn >= ? AND hidden = 0 ORDER BY turn, id LIMIT 1",
        (agent_id, min(turn, 2**62)),
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


@dataclass(frozen=True, slots=True)
class _Table:
    """What is searched, and which of its columns make a hit."""

    name: str
    columns: str


_MESSAGES = _Table("messages", "t.text, t.role, t.day")
_PASSAGES = _Table("passages", "t.text, '', ''")


def _search(
    connection: sqlite3.Connection,
    table: _Table,
    owner: str,
    below: int,
    plain: tuple[str, tuple[int, ...]],
    query: str,
    page: int,
) -> Page:
    searched = words(query)
    if not searched:
        return _page(connection, table, *plain, "t.id DESC", page)
    tail = (
        f"FROM {table.name}_text f JOIN {table.name} t ON t.id = f.rowid"
        f" WHERE f.{table.name}_text MATCH ? AND f.rowid < ?"
    )
    order = f"bm25({table.name}_text, 0, 1, {CONTEXT_WEIGHT}), t.id DESC"
    found = Page((), 0, page)
    for beginnings in (False, True):
        match = match_text(searched, [owner], beginnings=beginnings)
        found = _page(connection, table, tail, (match, below), order, page)
        if found.total:
            break
    return found


def _page(
    connection: sqlite3.Connection,
    table: _Table,
    tail: str,
    values: tuple[object, ...],
    order: str,
    page: int,
) -> Page:
    (total,) = connection.execute(f"SELECT count(*) {tail}", values).fetchone()
    offset = min(page * PAGE_SIZE, 2**62)  # SQLite counts in 64 bits
    rows = connection.execute(
        f"SELECT {table.columns} {tail} ORDER BY {order} LIMIT ? OFFSET ?", (*values, PAGE_SIZE, offset)
    )
    return Page(tuple(Hit(text, role, day) for text, role, day in rows), total, page)
