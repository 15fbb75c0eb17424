"""What the functions that need the store do, inside the transaction of their step; the result is text for
the model."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bridle.agent.search import Page, read_days, render_page
from bridle.agent.state import AgentState
from bridle.agent.store import Transaction
from bridle.errors import InputError
from bridle.messages import JSON, ToolCall

__all__ = ["run_tool"]


def run_tool(transaction: Transaction, state: AgentState, call: ToolCall, now: datetime) -> str:
    """Insert or search; a failure is a text that begins with `Failed:`, never an exception.

    A search of the conversation leaves the turn that is being answered out: it would find the question.
    """
    given = call.arguments
    try:
        if call.name == "archival_memory_insert":
            return _insert(transaction, _text(given, "content"), now)
        page = _find(transaction, state, call.name, given)
    except InputError as error:
        return f"Failed: {error.message}"
    return render_page(page, state.profile.string_chars)


def _insert(transaction: Transaction, content: str, now: datetime) -> str:
    if not content.strip():
        raise InputError("the content is empty; write what should be kept")
    transaction.insert(content.strip(), now)
    return "OK"


def _find(transaction: Transaction, state: AgentState, name: str, given: Mapping[str, JSON]) -> Page:
    number = _page(given)
    if name == "archival_memory_search":
        return transaction.find_passages(_text(given, "query"), number)
    if name == "conversation_search":
        return transaction.find_messages(_text(given, "query"), number, state.turn)
    if name == "conversation_search_date":
        days = read_days(_text(given, "start_date"), _text(given, "end_date"))
        return transaction.find_messages_by_day(days, number, state.turn)
    raise InputError(f"there is no function {name!r} here")


def _text(given: Mapping[str, JSON], key: str) -> str:
    return str(given.get(key, ""))


def _page(given: Mapping[str, JSON]) -> int:
    number = given.get("page", 0)
    if not isinstance(number, int | float) or number < 0 or number != int(number):
        raise InputError(f"there is no page {number!r}; pages are counted from 0")
    return int(number)
