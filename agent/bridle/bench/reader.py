"""A model that is a program: it reads what the agent shows it and looks keys up, page after page.

It stands in for a perfect model in the test with nested pairs (`bridle.bench.nested_kv`), so that a wrong
answer is a fault of the agent, its archive, its paging or its heartbeats. It answers from the prompt alone
and keeps nothing itself; where it stands in its search is in its thoughts, as it would be with a model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridle.agent.store.recall import PAGE_SIZE
from bridle.endpoints.base import Answer, NativeCall, Request, Supports
from bridle.messages import Message, Usage

__all__ = ["Reader"]

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PAIR = re.compile(f"key ({_UUID}) has the value ({_UUID})")
_ASKED = re.compile(f"value of the key ({_UUID})")
_TOTAL = re.compile("[0-9]+ of ([0-9]+)")
_PLACE = re.compile(f"look-up ([0-9]+): ({_UUID}) on page ([0-9]+)")


@dataclass(frozen=True, slots=True)
class _Place:
    """Which look-up it is, from 1, of which key, and on which page of the results."""

    number: int
    key: str
    page: int

    def __str__(self) -> str:
        return f"look-up {self.number}: {self.key} on page {self.page}"


class Reader:
    """An endpoint that answers with one native call. It looks a key up by its own text; with `leafing` it
    searches for words that all pairs hold, and leafs through the pages until the key is there."""

    name = "reader"
    model = "reader"
    supports = Supports(chat=True, tools=True, forced=True, named=True)
    context_tokens: int | None = None
    chat_template: str | None = None

    def __init__(self, *, leafing: bool = False) -> None:
        self._leafing = leafing

    def complete(
        self,
        request: Request,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        """Answer with the next search, or with the value that is no key."""
        at = next((i for i, m in reversed(list(enumerate(request.messages))) if m.role == "user"), 0)
        asked = _ASKED.search(request.messages[at].content)
        if asked is None:
            return _say("I only look up keys.")
        may_search = any(tool.name == "archival_memory_search" for tool in request.tools)
        place = _next_place(request.messages[at:], asked[1])
        if isinstance(place, str):
            return _say(place)
        return self._search(place) if may_search else _say("I was stopped before I had the last value.")

    def count_tokens(self, request: Request) -> int | None:
        """Tell nothing: a program has no tokens."""
        return None

    def close(self) -> None:
        """Do nothing: it holds nothing."""

    def _search(self, place: _Place) -> Answer:
        # The number makes each look-up another call: one that is just like an earlier one is not run again.
        query = f"key value {place.number}" if self._leafing else place.key
        arguments: dict[str, object] = {"query": query, "page": place.page, "request_heartbeat": True}
        return _call("archival_memory_search", arguments, str(place))


def _next_place(turn: Sequence[Message], asked: str) -> _Place | str:
    """Where to look next, or the last value. `turn` begins with the question."""
    places = [(i, found) for i, m in enumerate(turn) if (found := _PLACE.search(m.thoughts))]
    if not places:
        return _Place(1, asked, 0)
    at, found = places[-1]
    place = _Place(int(found[1]), found[2], int(found[3]))
    result = next((m.content for m in turn[at:] if m.role == "tool"), "")
    pairs = dict(_PAIR.findall(result))
    if place.key in pairs:
        return _Place(place.number + 1, pairs[place.key], 0)
    if place.page < _last_page(result):
        return _Place(place.number, place.key, place.page + 1)
    return f"The last value is {place.key}." if place.number > 1 else "There is no such key."


def _last_page(result: str) -> int:
    """The number of the last page, as the first line of a result tells it: how many were found in all."""
    found = _TOTAL.match(result)
    return max(int(found[1]) - 1, 0) // PAGE_SIZE if found else 0


def _say(message: str) -> Answer:
    return _call("send_message", {"message": message}, "done")


def _call(name: str, arguments: dict[str, object], thoughts: str) -> Answer:
    call = NativeCall(name, json.dumps(arguments))
    return Answer("", "stop", "tool_calls", Usage(0, 1, sampled_tokens=1), thoughts=thoughts, calls=(call,))
