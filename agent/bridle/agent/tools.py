"""What the memory functions that need the store do; the result is text for the model.

A note is written inside the transaction of its step. Searches only read, and may have to wait for what makes
embeddings, so they run before the transaction that keeps their result.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from bridle.agent.functions import SEARCHES
from bridle.agent.state import AgentState
from bridle.agent.store import Store, Transaction
from bridle.agent.store.recall import Page, page_lines, read_days, render_page
from bridle.errors import InputError
from bridle.messages import JSON, ToolCall

if TYPE_CHECKING:
    from bridle.agent.archival.archive import Archive

__all__ = ["INSIDE", "QUOTED_CHARS", "insert_note", "search_memory"]

QUOTED_CHARS = 180
"""A passage that a small model quotes whole in its reply must leave room for the words before it."""
INSIDE = "archival_memory_insert"
"""The function that runs inside the transaction of its step."""


def insert_note(transaction: Transaction, call: ToolCall, now: datetime) -> str:
    """Keep a note; a failure is a text that begins with `Failed:`."""
    content = _text(call.arguments, "content").strip()
    if not content:
        return "Failed: the content is empty; write what should be kept"
    transaction.insert(content, now)
    return "OK"


def search_memory(store: Store, archive: Archive, state: AgentState, call: ToolCall) -> str:
    """Run one of `SEARCHES`; a failure is a text that begins with `Failed:`, never an exception.

    A search of the conversation leaves the turn that is being answered out: it would find the question.
    """
    given = call.arguments
    try:
        number = _page(given)
        if call.name == "archival_memory_search":
            return _notes(archive, state, _text(given, "query"), number)
        if call.name == "memory_search":
            return _everything(store, archive, state, _text(given, "query"), number)
        return render_page(_said(store, state, call.name, given, number), state.profile.string_chars)
    except InputError as error:
        return f"Failed: {error.message}"


def _notes(archive: Archive, state: AgentState, query: str, number: int) -> str:
    from bridle.agent.archival.rendering import render_results

    most_chars = state.profile.string_chars
    if state.profile.grounded:
        most_chars = min(most_chars, QUOTED_CHARS)
    return render_results(archive.search_for(state.name, query, number), most_chars)


def _said(store: Store, state: AgentState, name: str, given: Mapping[str, JSON], number: int) -> Page:
    if name == "conversation_search":
        return store.find_messages(state.name, _text(given, "query"), number, state.turn)
    if name == "conversation_search_date":
        days = read_days(_text(given, "start_date"), _text(given, "end_date"))
        return store.find_messages_by_day(state.name, days, number, state.turn)
    raise InputError(f"there is no function {name!r} here; the searches are {', '.join(SEARCHES)}")


def _everything(store: Store, archive: Archive, state: AgentState, query: str, number: int) -> str:
    """The notes and documents first, then what was said; the total counts both."""
    from bridle.agent.archival.rendering import result_lines

    most_chars = state.profile.string_chars
    notes = archive.search_for(state.name, query, number)
    said = store.find_messages(state.name, query, number, state.turn)
    total = notes.total + said.total
    lines = [*result_lines(notes, most_chars), *page_lines(said, most_chars)]
    if lines:
        return "\n".join([f"{len(lines)} of {total}:", *lines])
    return render_page(Page((), total, number), most_chars)


def _text(given: Mapping[str, JSON], key: str) -> str:
    return str(given.get(key, ""))


def _page(given: Mapping[str, JSON]) -> int:
    number = given.get("page", 0)
    if not isinstance(number, int | float) or number < 0 or number != int(number):
        raise InputError(f"there is no page {number!r}; pages are counted from 0")
    return int(number)
