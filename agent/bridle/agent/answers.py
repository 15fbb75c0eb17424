"""What a small model may say where it repeats: lines of core memory, and what a search has found.

Such a reply is a list of lines that exist, or quotes one line that was found; all other replies are free, but
for those that only begin like one of these.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bridle.agent.grounding import Moment, escape
from bridle.agent.memory import Core
from bridle.messages import JSON

__all__ = ["answer_schema"]

MOST_LISTED, LIST_CHARS = 4, 190
"""So many lines, and characters of them, the embedded model learnt to list."""
_MOST_CHARS = 240
_TOLD, _NOTE = "You told me: ", "Your note says: "
_LOGGED = re.compile(r"\[[^\]]*\] (user|assistant): (.+)")
_WHO = {"user": "You", "assistant": "I"}


def answer_schema(core: Core, at: Moment) -> dict[str, JSON] | None:
    """What may be said. A list of what was told is the lines that exist, in their order; where it names the
    first few only, it says how many more there are. What a search has just found is quoted whole.
    """
    lines = [line for block in core.blocks if block.label != "persona" for line in block.lines]
    said: list[str] = []
    begins: list[str] = []
    if lines:
        begins.append(_TOLD.rstrip(": ").removesuffix(" me"))
        if listed := _first_lines(lines):
            more = len(lines) - len(listed)
            rest = f" And {more} more\\." if more else ""
            said.append(f"{_TOLD}{escape('; '.join(listed))}\\.{rest}")
    quotes = _quotes(at)
    if at.found_in_documents and quotes:
        # The model was trained on notes alone; of a document it would rather say that it did not understand,
        # and of several passages it cannot tell which one answers. The first is the best that was found.
        return _one_of([escape(quotes[0][1])])
    for begin, text in quotes:
        said.append(escape(text))
        if begin not in begins:
            begins.append(begin)
    if not begins:
        return None
    return _one_of([*said, *_other_beginnings(begins)])


def _one_of(patterns: Sequence[str]) -> dict[str, JSON]:
    return {
        "type": "string",
        "pattern": f"^({'|'.join(dict.fromkeys(patterns))})$",
        "maxLength": _MOST_CHARS,
    }


def _quotes(at: Moment) -> list[tuple[str, str]]:
    """How replies that quote what was found begin, and the whole replies."""
    if at.function == "archival_memory_search":
        every = [(_NOTE.rstrip(": "), _note(line)) for line in at.found]
    elif at.function in ("conversation_search", "conversation_search_date"):
        logged = [found for line in at.found if (found := _LOGGED.fullmatch(line))]
        every = [(f"{_WHO[one[1]]} said", f'{_WHO[one[1]]} said: "{one[2]}"') for one in logged]
    else:
        every = []
    return [(begin, text) for begin, text in every if len(text) <= _MOST_CHARS]


def _note(line: str) -> str:
    return f"{_NOTE}{line}" if line.endswith((".", "!", "?", "…")) else f"{_NOTE}{line}."


def _first_lines(lines: Sequence[str]) -> list[str]:
    """The lines that a list names: the first few, without those that would make it too long."""
    listed: list[str] = []
    for line in lines[:MOST_LISTED]:
        if sum(len(one) + 2 for one in listed) + len(line) < LIST_CHARS:
            listed.append(line)
    return listed


def _other_beginnings(begins: Sequence[str]) -> list[str]:
    """Patterns of all texts that begin with none of these, and are no beginning of them.

    >>> _other_beginnings(["ab", "ac"])
    ['[^a].*', 'a[^bc].*']
    """
    places = sorted({begin[:size] for begin in begins for size in range(len(begin))})
    return [
        f"{escape(place)}[^{''.join(sorted({one[len(place)] for one in begins if _goes_on(one, place)}))}].*"
        for place in places
    ]


def _goes_on(text: str, place: str) -> bool:
    return text.startswith(place) and len(text) > len(place)
