"""Where a string ends whose own quotes were not escaped, and what stands in it.

A quote closes a string when what follows could follow a value: the end of the object, or a comma and a key
that the tool has. With quotes inside that were passed over, only a key that the tool knows counts, and a
string that the text ends in is cut off, never complete.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bridle.messages import Repair
from bridle.wrappers.reading.marks import CALL_CLOSE, TURN_END, pattern
from bridle.wrappers.reading.quoting import CLOSERS, Style, has_odd_escapes, unescape
from bridle.wrappers.reading.source import Source, Unreadable
from bridle.wrappers.values import GEMMA_QUOTE, unescape_mark

__all__ = ["KEY", "MARK", "Place", "read_string", "skip_blanks"]

MARK = re.compile(rf"{pattern((*CALL_CLOSE, *TURN_END))}|```|<\||</\w")
"""What stands after a call and never inside one, outside of its strings."""
KEY = re.compile(
    r"""\s*(?:"((?:[^"\\\n]|\\.){0,200})"|'([^'\n]{0,200})'|“([^”\n]{0,200})”|"?([\w$.\-]{1,80})["']?)\s*(?::|=>)"""
)
_BLANKS = re.compile(r"\s*(?:(?://[^\n]*|#[^\n]*|/\*(?:[^*]|\*(?!/)){0,2000}\*/)\s*)*")
_BLANK = re.compile(r"\s*")
_CLOSERS = re.compile(r"[\s}\]]*")
_LIST_VALUE = re.compile(r"""\s*(?:["'“{\[\d-]|true|false|null|True|False|None|<\|"\|>)""")
_ARGUMENT = re.compile(r"\s*(?:[^\W\d]\w*\s*=|\*\*\{|\))")
_TO_QUOTE = {quote: re.compile(rf"(?:[^{quote}\\]++|\\.)*+", re.DOTALL) for quote in {*CLOSERS.values()}}
Where = Literal["object", "list", "call"]


@dataclass(slots=True)
class Place:
    """Where a value stands: in what, how many brackets are open, and which keys may come after it.

    A `depth` of -1 says that quotes inside strings are escaped: the first other one ends a string.
    """

    where: Where
    depth: int
    is_key: Callable[[str], bool]
    """Whether the tool has such a key and it was not given yet."""
    final: bool
    """Whether the model ended its turn by itself."""


def skip_blanks(text: str, at: int) -> int:
    """The first place from `at` on that is neither blank nor comment."""
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def read_string(source: Source, at: int, place: Place, style: Style, notes: list[Repair]) -> tuple[str, int]:
    """Read the string whose opening quote stands at `at`; return it with the place after its closing quote.

    Raises:
        Unreadable: when it does not end.
    """
    text = source.text
    if text.startswith(GEMMA_QUOTE, at):
        return _marked(source, at + len(GEMMA_QUOTE))
    opening = text[at]
    closing = CLOSERS[opening]
    if text.startswith(opening * 3, at) and (found := source.find(opening * 3, at + 3)) > 0:
        end = found + 3
        if style == "python" or _ends(text, end, place, 0) == "yes":
            notes.append(Repair("triple quotes", at, opening * 3, opening)) if style == "json" else None
            return unescape(text[at + 3 : found], style), end
    start, inner, weak = at + 1, 0, -1
    reading = _TO_QUOTE[closing]
    here = start
    while True:
        found_quote = reading.match(text, here)
        here = found_quote.end() if found_quote else here
        if here >= source.size:
            break
        verdict = "yes" if place.depth < 0 else _ends(text, here + 1, place, inner)
        if verdict == "yes":
            return _finish(text, at, here, inner, style, notes)
        if verdict == "weak" and weak < 0 and not inner and place.final:
            weak = here
        if not inner and (end := _forgotten(text, start, here, place)) > 0:
            notes.append(Repair("missing quote", end, "", closing))
            return unescape(text[start:end], style), end
        inner += 1
        here += 1
    if weak > 0:
        return _finish(text, at, weak, 0, style, notes)
    raise Unreadable("it ends inside a string", cut=True)


def _marked(source: Source, start: int) -> tuple[str, int]:
    end = source.find(GEMMA_QUOTE, start)
    if end < 0:
        raise Unreadable("it ends inside a string", cut=True)
    return unescape_mark(source.text[start:end], GEMMA_QUOTE), end + len(GEMMA_QUOTE)


def _finish(text: str, at: int, end: int, inner: int, style: Style, notes: list[Repair]) -> tuple[str, int]:
    raw = text[at + 1 : end]
    value = unescape(raw, style)
    short = raw if len(raw) <= 80 else raw[:79] + "…"
    if inner:
        notes.append(Repair("quotes inside a string", at, short, "escaped"))
    if style == "json":
        if text[at] != '"':
            notes.append(Repair("other quotes", at, text[at], '"'))
        if any(char < " " for char in raw):
            notes.append(Repair("control characters in a string", at, short, "escaped"))
        if "\\" in raw and has_odd_escapes(raw):
            notes.append(Repair("unknown escape in a string", at, short, "kept as it stands"))
    return value, end + 1


def _forgotten(text: str, start: int, here: int, place: Place) -> int:
    """Where the string really ended, if the quote at `here` opens the next key; else -1."""
    before = text[start:here].rstrip()
    if place.where != "object" or not before.endswith(","):
        return -1
    found = KEY.match(text, here)
    if not found or text[here] not in "\"'" or not place.is_key(_key(found)):
        return -1
    return start + len(before[:-1].rstrip())


def _key(found: re.Match[str]) -> str:
    return next(group for group in found.groups() if group is not None)


def _ends(text: str, after: int, place: Place, inner: int) -> Literal["yes", "weak", "no"]:
    """Whether the quote before `after` can close the string that `inner` quotes have been passed in."""
    at = _after_value(text, after)
    if at >= len(text):
        return "no" if inner else "yes"
    if MARK.match(text, at) or (place.where == "object" and text[at] == ";"):
        return "yes"
    new_line = "\n" in text[after:at]
    char = text[at]
    if place.where == "call":
        return _ends_argument(text, at)
    if char == ",":
        return _ends_at_comma(text, at, place, inner)
    if char == "}" or (char == "]" and place.where == "list"):
        return _ends_at_bracket(text, at, place, new_line, inner)
    found = KEY.match(text, at) if place.where == "object" and char in "\"'" else None
    if found and (place.is_key(_key(found)) or (new_line and not inner)):
        return "yes"
    return "weak" if new_line else "no"


def _after_value(text: str, after: int) -> int:
    """The first place after a value that is not blank; a comment counts as blank if a line follows it."""
    blank = _BLANK.match(text, after)
    at = blank.end() if blank else after
    if at > after and text.startswith(("//", "#", "/*"), at):
        end = skip_blanks(text, at)
        return end if end < len(text) and "\n" in text[at:end] else at
    return at


def _ends_argument(text: str, at: int) -> Literal["yes", "no"]:
    if text[at] in ")]}" or text[at] in "\"'":
        return "yes"
    if text[at] == ",":
        return "yes" if _ARGUMENT.match(text, at + 1) or _LIST_VALUE.match(text, at + 1) else "no"
    return "no"


def _ends_at_comma(text: str, at: int, place: Place, inner: int) -> Literal["yes", "weak", "no"]:
    if place.where == "list":
        closed = _CLOSERS.match(text, at + 1)
        return "yes" if _LIST_VALUE.match(text, at + 1) or (closed and "]" in closed.group()) else "no"
    found = KEY.match(text, at + 1)
    if found:
        quoted = found.group(4) is None
        if place.is_key(_key(found)) or (not inner and (quoted or place.where == "object")):
            return "yes"
        return "no"
    after = skip_blanks(text, at + 1)
    if after >= len(text):
        return "no" if inner else "yes"
    if text[after] in "}]":
        return _ends_at_bracket(text, after, place, "\n" in text[at:after], inner)
    return "weak" if "\n" in text[at:after] else "no"


def _ends_at_bracket(
    text: str, at: int, place: Place, new_line: bool, inner: int
) -> Literal["yes", "weak", "no"]:
    run = _CLOSERS.match(text, at)
    after = run.end() if run else at
    brackets = sum(char in "}]" for char in text[at:after])
    if after >= len(text):
        return "yes"
    char = text[after]
    if char in "{[;" or MARK.match(text, after) or (new_line and char not in "\"'"):
        return "yes"
    if char == ",":
        found = KEY.match(text, after + 1)
        rest = skip_blanks(text, after + 1)
        bracket = rest >= len(text) or text[rest] in "{[}]"
        listed = place.where == "list" or not inner
        return "yes" if found or bracket or (listed and _LIST_VALUE.match(text, rest)) else "no"
    if char in "\"'":
        found = KEY.match(text, after)
        return "yes" if found and not inner and place.is_key(_key(found)) else "no"
    if brackets >= place.depth or text[at:after].count("\n"):
        return "yes" if brackets >= place.depth else "weak"
    return "no"
