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
from bridle.wrappers.reading.marks import CALL_CLOSE, OTHER_TURN, TURN_END, pattern
from bridle.wrappers.reading.quoting import CLOSERS, Style, has_odd_escapes, unescape
from bridle.wrappers.reading.source import Source, Unreadable
from bridle.wrappers.values import GEMMA_QUOTE, unescape_mark

__all__ = ["KEY", "LONELY_KEY", "MARK", "Place", "read_string", "skip_blanks"]

MARK = re.compile(rf"{pattern((*CALL_CLOSE, *TURN_END, *OTHER_TURN))}|```|<\||</\w|>>>\w")
"""What stands after a call and never inside one, outside of its strings."""
KEY = re.compile(
    r"""\s*(?:(?:"(?="\w))?"((?:[^"\\\n]|\\.){0,200})""?|'([^'\n]{0,200})'|“([^”\n]{0,200})”|"?([\w$.\-]{1,80})["']?)\s*(?::|=>)"""
)
_BLANKS = re.compile(r"[\s\ufeff]*(?:(?://[^\n]*|#[^\n]*|/\*[^*]{0,500}+\*/)[\s\ufeff]*)*")
LONELY_KEY = re.compile(r"""\s*"([\w.$\-]{1,80})"\s*(?=[\[{"\d]|true|false|null|-\d)""")
"""A key whose colon is missing."""
_INNER_KEY = re.compile(r"""["'](\w{1,60})["']\s*:""")
_STRANGE_KEY = re.compile(r"""\s*,\s*"[A-Za-z_]\w{0,60}"\s*:""")
_KEYWORD = re.compile(r"\s*([^\W\d]\w*)\s*=")
_GEMMA_END = "}<tool_call|>"
_NEXT_MEMBER = re.compile(r"""["']\s*[\]})]*\s*,\s*["']{0,2}(\w{1,60})["']{0,2}(?:\s*[:=]|[{\[])""")
"""Inside a string, what looks like its end and the key of the next value."""
_NEXT_OBJECT = re.compile(r"""["'][\s\]}]*,\s*\{\s*["']\w{1,60}["']\s*:""")
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
        if style == "python" or _ends(text, end, place, 0):
            notes.append(Repair("triple quotes", at, opening * 3, opening)) if style == "json" else None
            return unescape(text[at + 3 : found], style), end
    start, inner = at + 1, 0
    if place.depth >= 0 and (found_key := _INNER_KEY.match(text, at)) and place.where == "object":
        raise Unreadable(f"the key {found_key.group(1)!r} stands where a value should be")
    reading = _TO_QUOTE[closing]
    here = start
    while True:
        found_quote = reading.match(text, here)
        here = found_quote.end() if found_quote else here
        if here >= source.size or text[here] != closing:
            break
        verdict = _ends(text, here + 1, place, inner) if place.depth >= 0 else not _stops(text, here)
        if not verdict and inner and _new_key(text, here + 1, place):
            source.steps -= (here - start) // 500
            verdict = _balanced(text[start:here])
        if verdict:
            return _finish(text, at, here, inner, style, notes, place)
        if not inner and (end := _forgotten(text, start, here, place)) > 0:
            notes.append(Repair("missing quote", end, "", closing))
            return unescape(text[start:end], style), end
        inner += 1
        here += 1
        source.steps -= 1
        if source.steps < 0:
            break
    raise Unreadable("it ends inside a string", cut=True)


def _marked(source: Source, start: int) -> tuple[str, int]:
    end = source.find(GEMMA_QUOTE, start)
    if end < 0 and (end := source.find(_GEMMA_END, start)) > start and source.text[end - 1] not in '>|"':
        return source.text[start:end], end
    if end < 0:
        raise Unreadable("it ends inside a string", cut=True)
    return unescape_mark(source.text[start:end], GEMMA_QUOTE), end + len(GEMMA_QUOTE)


def _without_double(raw: str) -> str | None:
    """A string whose one inner quote only repeats the quote at its beginning or its end; `6"` are inches."""
    if raw.startswith('"'):
        return raw[1:]
    return raw[:-1] if raw.endswith('"') and not raw[-2:-1].isdigit() else None


def _finish(
    text: str, at: int, end: int, inner: int, style: Style, notes: list[Repair], place: Place
) -> tuple[str, int]:
    raw = text[at + 1 : end]
    if inner == 1 and (doubled := _without_double(raw)) is not None:
        notes.append(Repair("quote given twice", at, raw[:80], doubled[:80]))
        return unescape(doubled, style), end + 1
    if inner and any(place.is_key(found.group(1)) for found in _NEXT_MEMBER.finditer(raw)):
        raise Unreadable("a string seems to hold what should follow it")
    if inner and _NEXT_OBJECT.search(raw):
        raise Unreadable("a string seems to hold what should follow it")
    if inner % 2 and place.where == "list":
        raise Unreadable("the quotes in a list do not come in pairs")
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
    value = before[:-1].rstrip()
    if value.endswith(("}", "]")) and not _balanced(value):
        raise Unreadable("a string does not end before the bracket behind it")
    return start + len(value)


def _stops(text: str, quote: int) -> bool:
    """Whether the text stops at a quote that reads as if it opened something."""
    return text[quote - 1] in " (=,[{:" and not text[quote + 1 : quote + 100].strip()


def _new_key(text: str, after: int, place: Place) -> bool:
    """Whether a comma and a key in quotes follow, of which the tool knows nothing."""
    found = _STRANGE_KEY.match(text, after) if place.where == "object" else None
    return found is not None


def _balanced(raw: str) -> bool:
    """Whether all quotes and brackets in `raw` come in pairs, so that a value may end after it."""
    pairs = (("(", ")"), ("[", "]"), ("{", "}"))
    return raw.count('"') % 2 == 0 and all(raw.count(one) == raw.count(other) for one, other in pairs)


def _key(found: re.Match[str]) -> str:
    return next(group for group in found.groups() if group is not None)


def _ends(text: str, after: int, place: Place, inner: int) -> bool:
    """Whether the quote before `after` can close the string that `inner` quotes have been passed in."""
    at = _after_value(text, after)
    if at >= len(text):
        return not inner and not _stops(text, after - 1)
    char = text[at]
    if MARK.match(text, at):
        return True
    new_line = "\n" in text[after:at]
    if place.where == "call":
        return _ends_argument(text, at, place)
    if char == ",":
        return _ends_at_comma(text, skip_blanks(text, at + 1), place, inner)
    if char == "}" or (char == "]" and place.where == "list"):
        return _ends_at_bracket(text, at, place, new_line, inner)
    found = KEY.match(text, at) if place.where == "object" and char in "\"'" else None
    return found is not None and (place.is_key(_key(found)) or (new_line and not inner))


def _after_value(text: str, after: int) -> int:
    """The first place after a value that is not blank; a comment counts as blank if a line follows it."""
    blank = _BLANK.match(text, after)
    at = blank.end() if blank else after
    if at > after and text.startswith(("//", "#", "/*"), at):
        end = skip_blanks(text, at)
        return end if end < len(text) and "\n" in text[at:end] else at
    return at


def _ends_argument(text: str, at: int, place: Place) -> bool:
    if text[at] in ")]}\"'":
        return True
    if text[at] == ",":
        return bool(_ARGUMENT.match(text, at + 1) or _LIST_VALUE.match(text, at + 1))
    found = _KEYWORD.match(text, at)
    return found is not None and place.is_key(found.group(1))


def _ends_at_comma(text: str, at: int, place: Place, inner: int) -> bool:
    """Whether a string ends before a comma that `at` follows."""
    if at >= len(text):
        return not inner
    if place.where == "list":
        return bool(_LIST_VALUE.match(text, at)) or text[at] == "]"
    found = KEY.match(text, at)
    if found:
        return place.is_key(_key(found)) or not inner
    lonely = LONELY_KEY.match(text, at)
    if lonely and not inner and place.is_key(lonely.group(1)):
        return True
    return text[at] in "}]" and _ends_at_bracket(text, at, place, "\n" in text[at - 1 : at], inner)


def _ends_at_bracket(text: str, at: int, place: Place, new_line: bool, inner: int) -> bool:
    run = _CLOSERS.match(text, at)
    after = run.end() if run else at
    brackets = sum(char in "}]" for char in text[at:after])
    if after >= len(text):
        return True
    char = text[after]
    if MARK.match(text, after) or (new_line and char not in "\"'"):
        return True
    if char in "{[":
        return brackets >= place.depth or "\n" in text[at:after]
    if char == ";":
        rest = skip_blanks(text, after + 1)
        return rest >= len(text) or text[rest] in "{["
    if char == ",":
        rest = skip_blanks(text, after + 1)
        bracket = rest >= len(text) or text[rest] in "{[}]"
        listed = place.where == "list" or not inner
        return bool(KEY.match(text, rest) or bracket or (listed and _LIST_VALUE.match(text, rest)))
    if char in "\"'":
        found = KEY.match(text, after)
        return found is not None and not inner and place.is_key(_key(found))
    return brackets >= place.depth
