"""Arguments that are written one by one, turned into JSON text while they arrive.

What is not certain is left to the end of the turn: a reader that stops here has handed out a beginning of
the arguments' JSON, and the rest follows from the call that was read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from bridle.messages import ToolSpec
from bridle.wrappers.streams import Expected, compact
from bridle.wrappers.syntax import Members
from bridle.wrappers.syntaxes.literals import LiteralStream, MarkedText, json_text
from bridle.wrappers.values import admits_only_strings, bare_mark, read_name, read_raw

__all__ = ["MemberStream"]

_LONGEST_KEY = 300
_BARE_KEY = re.compile(r"[\w.$-]+")


class MemberStream:
    """Reads `Members` up to `end`, which it leaves; hands on the arguments as one JSON object."""

    def __init__(self, members: Members, end: str, tool: ToolSpec, hand_on: Callable[[str], None]) -> None:
        self.done = False
        self._members = members
        self._end = (bare_mark(end).split() or [""])[0]
        self.failed = not self._end or not compact(members.middle)
        self._tool = tool
        self._hand_on = hand_on
        self._key: str | None = None
        self._count = 0
        self._gap: Expected | None = None
        self._middle: Expected | None = None
        self._value: _Value | None = None
        self._held = ""

    def feed(self, text: str) -> str:
        """Take characters; return what does not belong to the members."""
        text = self._held + text
        self._held = ""
        while text and not self._is_over():
            before = (text, self._gap, self._key, self._middle, self._value)
            text = self._step(text)
            after = (text, self._gap, self._key, self._middle, self._value)
            if after == before and not self._is_over():
                self._held, text = text, ""
        return text

    def _is_over(self) -> bool:
        return self.done or self.failed

    def _step(self, text: str) -> str:
        if self._value is not None:
            return self._in_value(self._value, text)
        if self._middle is not None:
            return self._in_middle(self._middle, text)
        if self._key is not None:
            return self._in_key(text)
        return self._in_gap(text)

    def _in_gap(self, text: str) -> str:
        """Before a member, or at the end."""
        if self._gap is None:
            text = text.lstrip()
            if text and not self._lead():
                self._end_here() if text[0] == self._end[0] else self._begin_key()
            elif text:
                self._gap = Expected(self._end, self._lead())
            return text
        text = self._gap.feed(text)
        self.failed = self._gap.failed
        if self._gap.found == 0:
            self._end_here()
            return self._end + text
        if self._gap.found == 1:
            self._begin_key()
        return text

    def _lead(self) -> str:
        return compact((self._members.between if self._count else "") + self._members.open)

    def _begin_key(self) -> None:
        self._key, self._gap = "", None

    def _end_here(self) -> None:
        self._hand_on("}" if self._count else "{}")
        self.done = True

    def _in_key(self, text: str) -> str:
        stop = compact(self._members.middle)[0]
        at = text.find(stop)
        if at < 0:
            self.failed = len(text) > _LONGEST_KEY or text.lstrip()[:1] in ("*", '"', "'", "<")
            return text
        self._key = read_name(text[:at])
        if self._members.values != "raw":
            self._key = self._key.strip()
            # a key in quotes or after stars comes with the whole call
            self.failed = not _BARE_KEY.fullmatch(self._key)
        self._middle = Expected(self._members.middle)
        return text[at:]

    def _in_middle(self, middle: Expected, text: str) -> str:
        text = middle.feed(text)
        if middle.failed:
            self.failed = True
        elif middle.found is not None:
            key = self._key or ""
            self._hand_on(f"{', ' if self._count else '{'}{json_text(key)}: ")
            self._value = _value(self._members, key, self._tool, self._hand_on)
        return text

    def _in_value(self, value: _Value, text: str) -> str:
        text = value.feed(text)
        self.failed = value.failed
        if value.done:
            self._count += 1
            self._key = self._middle = self._value = None
        return text


def _value(members: Members, key: str, tool: ToolSpec, hand_on: Callable[[str], None]) -> _Value:
    if members.values == "raw":
        return _RawValue(members, key, tool, hand_on)
    return LiteralStream(members.values, hand_on)


class _Value(Protocol):
    """One value while it arrives; `feed` returns what comes after it."""

    done: bool
    failed: bool

    def feed(self, text: str) -> str: ...


class _RawValue:
    """Text up to the closing mark: a growing string where only strings are admitted."""

    def __init__(self, members: Members, key: str, tool: ToolSpec, hand_on: Callable[[str], None]) -> None:
        self.done = False
        self._hand_on = hand_on
        mark = bare_mark(members.close)
        self.failed = not mark.startswith("<")
        self._marked = MarkedText(mark)
        self._lead = members.middle.endswith("\n")
        self._trail = members.close.startswith("\n")
        self._key, self._tool = key, tool
        self._grows = admits_only_strings(tool.properties.get(key, {}))
        self._pieces: list[str] = []
        self._newline = ""
        self._begun = False

    def feed(self, text: str) -> str:
        plain, rest = self._marked.feed(text)
        if self._lead and plain:
            self._lead = False
            plain = plain.removeprefix("\n")
        plain = self._newline + plain
        self._newline = ""
        if self._trail and plain.endswith("\n"):
            self._newline, plain = "\n", plain[:-1]
        self._take(plain)
        if self._marked.done:
            self.done = True
            self._finish()
        return rest

    def _take(self, plain: str) -> None:
        if not self._grows:
            self._pieces.append(plain)
        elif plain:
            self._hand_on(("" if self._begun else '"') + json_text(plain)[1:-1])
            self._begun = True

    def _finish(self) -> None:
        if self._grows:
            self._hand_on('"' if self._begun else '""')
        else:
            self._hand_on(json_text(read_raw("".join(self._pieces), self._key, self._tool)))
