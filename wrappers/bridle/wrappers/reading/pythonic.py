"""Read calls that are written as Python writes them: `name(key=value, …)`, alone or in a list.

The text is never evaluated, nor parsed by Python itself: only literals are values, and a name may be any
tool's name, also one that Python would not allow.
"""

from __future__ import annotations

import re
from typing import cast

from bridle.messages import JSON, Repair
from bridle.wrappers.reading.heard import Heard
from bridle.wrappers.reading.lenient import Lenient
from bridle.wrappers.reading.patterns import Patterns
from bridle.wrappers.reading.source import Known, Source, Unreadable
from bridle.wrappers.reading.strings import skip_blanks
from bridle.wrappers.values import read_name

__all__ = ["NameFinder", "read_call", "read_list"]

_ANY_NAME = re.compile(r"[^\W\d][\w.\-/:]{0,150}+")
_KEYWORD = re.compile(r"""\s*(?:([^\W\d]\w*)|["']([^"'\n]{1,80})["'])\s*(?:=(?!=)|:)\s*""")
_GOES_ON = re.compile(r"[\])\s]*,\s*[^\W\d]\w*\s*=")
_MOST = 256
_NOT_A_KEY = frozenset({"True", "False", "None", "true", "false", "null"})


class NameFinder:
    """Finds the name of a tool, as it is or with `& < > "` written as in HTML, at one place of a text."""

    def __init__(self, known: Known, looked_for: Patterns) -> None:
        self._known = looked_for.known
        self.tools = known.tools

    def at(self, text: str, at: int, after: re.Pattern[str]) -> tuple[str, int] | None:
        """The name at `at` that `after` follows: a tool's own name, or else any word."""
        found = self._known.match(text, at)
        if not (found and after.match(text, found.end())):
            found = _ANY_NAME.match(text, at)
        if not (found and after.match(text, found.end())):
            return None
        return self.plain(found.group()), found.end()

    def plain(self, name: str) -> str:
        """A name as the tool has it: with the escapes undone, unless they belong to it."""
        return name if name in self.tools else read_name(name)


_OPEN = re.compile(r"\s*\(")


def read_list(
    source: Source, at: int, known: Known, names: NameFinder, notes: list[Repair]
) -> tuple[list[Heard], int] | None:
    """Read `[name(…), …]` at `at`; None where that does not stand here."""
    text = source.text
    here = skip_blanks(text, at + 1)
    first = names.at(text, here, _OPEN)
    if first is None:
        return None
    heard: list[Heard] = []
    while len(heard) <= _MOST:
        here = skip_blanks(text, here)
        if here >= source.size:
            notes.append(Repair("missing bracket", here, "", "]"))
            return heard, here
        if text[here] == "]":
            return heard, here + 1
        if text[here] in ",;":
            here += 1
            continue
        one = read_call(source, here, known, names, notes)
        if one is None:
            if not heard:
                return None
            notes.append(Repair("missing bracket", here, "", "]"))
            return heard, here
        heard.append(one[0])
        here = one[1]
        if one[0].problem:
            return heard, here
    return heard, source.size


def read_call(
    source: Source, at: int, known: Known, names: NameFinder, notes: list[Repair]
) -> tuple[Heard, int] | None:
    """Read `name(…)` at `at`; None where that does not stand here."""
    named = names.at(source.text, at, _OPEN)
    if named is None:
        return None
    name, end = named
    start = source.text.index("(", end) + 1
    exact = _arguments(source, start, known, name, notes, exact=True)
    return exact if not exact[0].problem else _arguments(source, start, known, name, notes, exact=False)


def _arguments(
    source: Source, start: int, known: Known, name: str, notes: list[Repair], *, exact: bool
) -> tuple[Heard, int]:
    """Read what stands between the brackets of a call, with all quotes escaped that should be, or not."""
    reader = Lenient(source, start, known, "python", zone="arguments", tool=name)
    reader.exact = exact
    arguments: dict[str, JSON] = {}
    places: list[JSON] = []
    before = source.steps
    try:
        _fill(reader, arguments, places)
    except Unreadable as error:
        return Heard(name, problem="it is not complete" if error.cut else error.why), reader.at
    source.steps = before
    notes += reader.notes
    return Heard(name, arguments, places=tuple(places)), reader.at


def _fill(reader: Lenient, arguments: dict[str, JSON], places: list[JSON]) -> None:
    text = reader.text
    comma = True
    while True:
        reader.at = skip_blanks(text, reader.at)
        if reader.at >= len(text):
            raise Unreadable("it is not complete", cut=True)
        char = text[reader.at]
        if char == ")":
            reader.at += 1
            return
        if char == ",":
            comma = True
            reader.at += 1
            continue
        if char == "]" and not comma and not _GOES_ON.match(text, reader.at):
            reader.notes.append(Repair("missing bracket", reader.at, "", ")"))
            return
        found = _KEYWORD.match(text, reader.at)
        if not comma and not (found and reader.tool_has(found.group(1) or "")):
            raise Unreadable("there is no comma between two arguments")
        if not comma:
            reader.notes.append(Repair("missing comma", reader.at, "", ","))
        comma = False
        if text.startswith("**", reader.at):
            reader.at += 2
            more = reader.value("call")
            if not isinstance(more, dict):
                raise Unreadable("what follows ** is not a dict")
            _add(arguments, more)
            continue
        if found and found.group(1) not in _NOT_A_KEY:
            reader.at = found.end()
            key = cast("str", found.group(1) or found.group(2))
            _add(arguments, {key: reader.value("call", arguments)})
            continue
        places.append(reader.value("call"))


def _add(arguments: dict[str, JSON], more: dict[str, JSON]) -> None:
    for key, value in more.items():
        if key in arguments:
            raise Unreadable(f"the argument {key!r} is given twice")
        arguments[key] = value
