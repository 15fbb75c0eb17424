"""Find what was said and noted: full text ranked by BM25, or by day. Results come in pages, with the true
total.

Words of a query are joined by OR after the commonest ones are left out, because a model asks in sentences.
When no message or note holds any of them, beginnings of words count too. Whatever else stands in a query
(quotes, `%`, operators) is plain text without effect.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from bridle.errors import InputError

__all__ = [
    "PAGE_SIZE",
    "Hit",
    "Page",
    "read_days",
    "render_page",
    "search_messages",
    "search_messages_by_day",
    "search_passages",
]

PAGE_SIZE = 5
MOST_WORDS = 64
"""Of a query; FTS5's parser has a limited stack, and BM25 over more words finds nothing better."""

STOP_WORDS = frozenset(
    word
    for line in (
        "a about am an and any anyone anything are as at be been but by can could did do does doing ever",
        "for from get give got had has have he her here him his how i if in into is it its know let made",
        "make may me more most my no not of on or our out over please remember said say search she should",
        "so some tell than that the their them then there these they this those to told under up us very",
        "was we were what when where which while who whom whose why will with would you your yours",
    )
    for word in line.split()
)
_WORD = re.compile(r"[^\W_]+")
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


def search_passages(connection: sqlite3.Connection, agent_id: int, query: str, page: int) -> Page:
    """Find notes of an agent, the best first; without words in the query, the newest first."""
    return _search(connection, "passages", "'', ''", "t.agent_id = ?", (agent_id,), query, page)


def search_messages(
    connection: sqlite3.Connection, agent_id: int, query: str, page: int, before_turn: int
) -> Page:
    """Find what was said before a turn, the best first; without words in the query, the newest first."""
    where = "t.agent_id = ? AND t.turn < ?"
    return _search(connection, "messages", "t.role, t.day", where, (agent_id, before_turn), query, page)


def search_messages_by_day(
    connection: sqlite3.Connection, agent_id: int, days: tuple[str, str], page: int, before_turn: int
) -> Page:
    """Find what was said before a turn on the days from the first to the last of `days`, in its order."""
    tail = "FROM messages t WHERE t.agent_id = ? AND t.turn < ? AND t.day BETWEEN ? AND ?"
    values = (agent_id, before_turn, *days)
    return _page(connection, "t.role, t.day", tail, values, "t.id", page)


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
    lines = [f"{len(page.hits)} of {page.total}:"]
    for hit in page.hits:
        text = " ".join(hit.text.split())
        text = text if len(text) <= most_chars else text[: most_chars - 1] + "…"
        lines.append(f"- [{hit.day}] {hit.role}: {text}" if hit.role else f"- {text}")
    return "\n".join(lines)


def _are(total: int) -> str:
    return "is 1 result" if total == 1 else f"are {total} results"


def _search(
    connection: sqlite3.Connection,
    table: str,
    columns: str,
    where: str,
    values: tuple[int, ...],
    query: str,
    page: int,
) -> Page:
    words = _words(query)
    if not words:
        return _page(connection, columns, f"FROM {table} t WHERE {where}", values, "t.id DESC", page)
    tail = f"FROM {table}_text f JOIN {table} t ON t.id = f.rowid WHERE f.{table}_text MATCH ? AND {where}"
    found = Page((), 0, page)
    for write in (_exact, _beginning):
        match = " OR ".join(write(word) for word in words)
        found = _page(connection, columns, tail, (match, *values), "f.rank, t.id DESC", page)
        if found.total:
            break
    return found


_exact: Callable[[str], str] = '"{}"'.format
_beginning: Callable[[str], str] = '"{}"*'.format


def _words(query: str) -> list[str]:
    """The words that are searched for; the stop words only where there are no others."""
    words = list(dict.fromkeys(_WORD.findall(unicodedata.normalize("NFC", query).lower())))
    return ([word for word in words if word not in STOP_WORDS] or words)[:MOST_WORDS]


def _page(
    connection: sqlite3.Connection, columns: str, tail: str, values: tuple[object, ...], order: str, page: int
) -> Page:
    (total,) = connection.execute(f"SELECT count(*) {tail}", values).fetchone()
    offset = min(page * PAGE_SIZE, 2**62)  # SQLite counts in 64 bits
    rows = connection.execute(
        f"SELECT t.text, {columns} {tail} ORDER BY {order} LIMIT ? OFFSET ?", (*values, PAGE_SIZE, offset)
    )
    return Page(tuple(Hit(text, role, day) for text, role, day in rows), total, page)
