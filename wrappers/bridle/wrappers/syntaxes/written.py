"""Arguments that are written one by one, read back exactly: the other half of `values.write_member`.

Nothing is guessed here. What does not look as it is written raises `NotWritten`, and so does JSON that is
not strict.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import cast

from bridle.messages import JSON, ToolSpec
from bridle.wrappers.checking import DEEPEST, decoder
from bridle.wrappers.streams import compact
from bridle.wrappers.syntax import Members, ValueStyle
from bridle.wrappers.syntaxes.literals import PythonString
from bridle.wrappers.values import GEMMA_QUOTE, bare_mark, read_name, read_raw, unescape_mark, write_name

__all__ = ["NotWritten", "blanks", "find", "literal", "read_json", "read_members", "read_value"]

_BLANK = re.compile(r"\s*+")
_QUOTED = re.compile(r"""(?P<quote>["'])((?:[^"'\\]|\\.|(?!(?P=quote))["'])*+)(?P=quote)""", re.DOTALL)
_BARE = re.compile(r"[\w.$-]+")
_WORDS: dict[str, JSON] = {
    "True": True, "False": False, "None": None, "true": True, "false": False, "null": None,
}  # fmt: skip


class NotWritten(Exception):
    """The text is not what the syntax writes."""


def blanks(text: str, at: int) -> int:
    """Where the blanks end that begin at `at`.

    >>> blanks("a  b", 1)
    3
    """
    found = _BLANK.match(text, at)
    return found.end() if found else at


def literal(text: str, expected: str, at: int) -> int:
    """Where a literal ends that stands at `at`, blanks aside, or -1.

    >>> literal("< f >", "<f>", 0), literal("f", "<f>", 0)
    (5, -1)
    """
    if text.startswith(expected, at):
        return at + len(expected)
    found = _pattern(expected, r"\s*+").match(text, at)
    return found.end() if found else -1


def find(text: str, expected: str, at: int) -> tuple[int, int]:
    """Where a literal that is not blank begins and ends, from `at` on; -1 if it is nowhere.

    >>> find("a < f>", "<f>", 0)
    (2, 6)
    """
    found = _pattern(expected, "").search(text, at) if compact(expected) else None
    return (found.start(), found.end()) if found else (-1, -1)


@lru_cache(maxsize=1024)
def _pattern(expected: str, before: str) -> re.Pattern[str]:
    return re.compile(before + r"\s*+".join(map(re.escape, compact(expected))))


def read_json(text: str, at: int) -> tuple[JSON, int]:
    """Read one JSON value that begins at `at` or after blanks; return it and where it ends."""
    try:
        return cast("tuple[JSON, int]", decoder().raw_decode(text, blanks(text, at)))
    except (ValueError, RecursionError) as error:
        raise NotWritten from error


def read_members(
    text: str, at: int, members: Members, tool: ToolSpec | None, ending: str
) -> tuple[dict[str, JSON], int]:
    """Read arguments from `at` on, up to `ending`, which they are left before."""
    keys = sorted(tool.properties, key=len, reverse=True) if tool else []
    known = [(key, write_name(key) if members.values != "gemma" else key) for key in keys]
    out: dict[str, JSON] = {}
    while True:
        lead = (members.between if out else "") + members.open
        start = literal(text, lead, at)
        over = blanks(text, at) == len(text) or (compact(ending) and literal(text, ending, at) >= 0)
        if start < 0 or (over and compact(ending).startswith(compact(lead))):
            return out, at
        key, value, end = _member(text, start, members, tool, known)
        if key in out:
            raise NotWritten
        out[key], at = value, end


def _member(
    text: str, at: int, members: Members, tool: ToolSpec | None, known: list[tuple[str, str]]
) -> tuple[str, JSON, int]:
    if members.values == "python" and text.startswith("**{", blanks(text, at)):
        pair, end = read_value(text, blanks(text, at) + 2, "python")
        if not isinstance(pair, dict) or len(pair) != 1:
            raise NotWritten
        return *next(iter(pair.items())), end
    key, at = _key(text, at, members, known)
    if members.values == "raw":
        return key, *_raw(text, at, members, key, tool)
    value, at = read_value(text, at, members.values)
    end = literal(text, members.close, at)
    if end < 0:
        raise NotWritten
    return key, value, end


def _key(text: str, at: int, members: Members, known: list[tuple[str, str]]) -> tuple[str, int]:
    """A key and where its value begins: one that the schema knows, or any up to the literal in the middle."""
    for start in (at, blanks(text, at)):
        for key, written in known:
            if text.startswith(written, start):
                after = literal(text, members.middle, start + len(written))
                if after >= 0:
                    return key, after
    if members.values == "gemma" and text.startswith(GEMMA_QUOTE, blanks(text, at)):
        key, end = _marked(text, blanks(text, at))
        after = literal(text, members.middle, end)
    else:
        begin, _ = find(text, members.middle, at)
        if begin < 0:
            raise NotWritten
        start = begin - len(members.middle) + len(members.middle.lstrip())
        key = read_name(text[at:begin].strip())
        after = max(literal(text, members.middle, start), literal(text, members.middle, begin))
    if after < 0:
        raise NotWritten
    return key, after


def _raw(text: str, at: int, members: Members, key: str, tool: ToolSpec | None) -> tuple[JSON, int]:
    """Text up to the closing mark. Blanks in the literals around it are none of the value's."""
    mark = bare_mark(members.close)
    end = text.find(mark, at) if mark else -1
    if end < 0:
        raise NotWritten
    before, after = members.close[: members.close.find(mark)], members.middle[len(members.middle.rstrip()) :]
    inside = text[at:end]
    if after and not text.startswith(after, at - len(after)):
        inside = inside.removeprefix(after)
    inside = unescape_mark(inside.removesuffix(before), mark)
    return read_raw(inside, key, tool), end + len(mark)


def read_value(text: str, at: int, style: ValueStyle, depth: int = 0) -> tuple[JSON, int]:
    """Read one value as Python or Gemma write it; return it and where it ends.

    >>> read_value("[True, {'a': 1}]", 0, "python")[0]
    [True, {'a': 1}]
    """
    if depth > DEEPEST:
        raise NotWritten
    at = blanks(text, at)
    begins = text[at : at + 1]
    if begins == "[":
        return _list(text, at, style, depth)
    if begins == "{":
        return _object(text, at, style, depth)
    if text.startswith(GEMMA_QUOTE, at) and style == "gemma":
        return _marked(text, at)
    if begins in ("'", '"'):
        return _string(text, at)
    word = _BARE.match(text, at)
    if word and word.group() in _WORDS:
        return _WORDS[word.group()], word.end()
    return read_json(text, at)


def _list(text: str, at: int, style: ValueStyle, depth: int) -> tuple[JSON, int]:
    out: list[JSON] = []
    end = literal(text, "]", at + 1)
    while end < 0:
        value, at = read_value(text, at + 1, style, depth + 1)
        out.append(value)
        end = _next(text, at, "]")
        at = blanks(text, at)
    return out, end


def _object(text: str, at: int, style: ValueStyle, depth: int) -> tuple[JSON, int]:
    out: dict[str, JSON] = {}
    end = literal(text, "}", at + 1)
    while end < 0:
        key, after = _inner_key(text, blanks(text, at + 1), style)
        colon = literal(text, ":", after)
        if colon < 0:
            raise NotWritten
        out[key], at = read_value(text, colon, style, depth + 1)
        end = _next(text, at, "}")
        at = blanks(text, at)
    return out, end


def _next(text: str, at: int, close: str) -> int:
    """Where the brackets end, or -1 at a comma."""
    end = literal(text, close, at)
    if end < 0 and literal(text, ",", at) < 0:
        raise NotWritten
    return end


def _inner_key(text: str, at: int, style: ValueStyle) -> tuple[str, int]:
    if style == "python":
        return _string(text, at)
    if text.startswith(GEMMA_QUOTE, at):
        return _marked(text, at)
    found = _BARE.match(text, at)
    if not found:
        raise NotWritten
    return found.group(), found.end()


def _marked(text: str, at: int) -> tuple[str, int]:
    end = text.find(GEMMA_QUOTE, at + len(GEMMA_QUOTE))
    if end < 0:
        raise NotWritten
    return unescape_mark(text[at + len(GEMMA_QUOTE) : end], GEMMA_QUOTE), end + len(GEMMA_QUOTE)


def _string(text: str, at: int) -> tuple[str, int]:
    """A string in quotes: as JSON writes it, else as Python does."""
    if text.startswith('"', at):
        try:
            value, end = read_json(text, at)
            return str(value), end
        except NotWritten:
            pass
    found = _QUOTED.match(text, at)
    if not found:
        raise NotWritten
    return PythonString(found.group("quote")).feed(found.group(2) + found.group("quote"))[0], found.end()
