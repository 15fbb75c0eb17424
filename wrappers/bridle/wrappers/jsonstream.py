"""Follow one JSON object while it arrives: where it ends, and its strings as they grow.

This is a scanner, not a parser: it accepts some text that is not JSON. Whoever needs the value parses the
whole text with `json.loads` when `done` is set. Each character is looked at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["Event", "ObjectScanner"]

DEPTH = 4
"""How deep events go, in levels: what a reader acts on lies near the top, and paths cost their length."""

_PLAIN = re.compile(r'(?:[^"\\]|\\["\\/bfnrt])+')
_SHORT = re.compile(r"\\(.)")
_OUTSIDE = re.compile(r'[^"{}\[\],:]+')
_SCALAR = re.compile(r"[\s\d.+\-Eaeflnrstu]*")
"""What numbers, true, false and null are made of."""
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Event:
    """Something at `path`: the keys from the outermost object inwards, "[]" for a list's items.

    `string`: a decoded fragment of a string value; `string_end`: that value is complete; `open` and `close`:
    a nested object or list began or ended. `at` is the offset after the character, from the object's first
    one.
    """

    kind: Literal["string", "string_end", "open", "close"]
    path: tuple[str, ...]
    at: int
    text: str = ""


class ObjectScanner:
    """Scans from the `{` that opens an object to the `}` that closes it.

    With `strict` it stops, `broken`, at something outside of strings that no JSON has there.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.done = False
        self.broken = False
        self._strict = strict
        self._after_string = False
        self._seen = 0
        self._stack: list[str] = []
        self._path: list[str] = []
        self._events: list[Event] = []
        self._in_string = False
        self._is_key = False
        self._key = ""
        self._escape = ""
        self._high = ""

    def feed(self, text: str) -> tuple[int, list[Event]]:
        """Scan on; return how many characters belong to the object, and what happened in them."""
        self._events = []
        at = 0
        while at < len(text) and not self.done and not self.broken:
            at = self._string(text, at) if self._in_string else self._structure(text, at)
        self._seen += at
        return at, self._events

    def _emit(self, kind: Literal["string", "string_end", "open", "close"], at: int, text: str = "") -> None:
        if len(self._path) > DEPTH:
            return
        self._events.append(Event(kind, tuple(self._path), self._seen + at, text))

    def _structure(self, text: str, at: int) -> int:
        plain = _OUTSIDE.match(text, at)
        if plain:
            found = plain.group()
            self.broken = self._strict and not self._is_scalar(found)
            return at if self.broken else plain.end()
        char = text[at]
        self._after_string = False
        if char in "{[":
            if self._stack:
                self._emit("open", at + 1)
            self._stack.append(char)
            self._path.append("" if char == "{" else "[]")
            self._is_key = char == "{"
        elif char in "}]":
            self._stack.pop()
            self._path.pop()
            self._is_key = False
            if self._stack:
                self._emit("close", at + 1)
            self.done = not self._stack
        elif char == ",":
            self._is_key = self._stack[-1] == "{"
        elif char == ":":
            self._is_key = False
        else:
            self._in_string = True
            self._key = ""
        return at + 1

    def _is_scalar(self, text: str) -> bool:
        return text.isspace() or (not self._after_string and _SCALAR.fullmatch(text) is not None)

    def _string(self, text: str, at: int) -> int:
        if self._escape:
            return self._escaped(text, at)
        plain = _PLAIN.match(text, at)
        if plain:
            found = plain.group()
            if "\\" in found:
                found = _SHORT.sub(_unescaped, found)
            self._take(found, plain.end())
            return plain.end()
        if text[at] == "\\":
            self._escape = "\\"
            return at + 1
        self._flush_high(at)
        self._in_string = False
        self._after_string = True
        if self._is_key:
            self._path[-1] = self._key
        else:
            self._emit("string_end", at + 1)
        return at + 1

    def _escaped(self, text: str, at: int) -> int:
        char = text[at]
        self._escape += char
        if self._escape[1] != "u":
            self._escape = ""
            self._take(_ESCAPES.get(char, char), at + 1)
        elif len(self._escape) == 6:
            self._unicode(self._escape[2:], at + 1)
            self._escape = ""
        return at + 1

    def _unicode(self, digits: str, at: int) -> None:
        try:
            code = int(digits, 16)
        except ValueError:
            self._take("\ufffd", at)
            return
        if 0xD800 <= code < 0xDC00:
            self._flush_high(at)
            self._high = chr(code)
        elif 0xDC00 <= code < 0xE000 and self._high:
            pair = 0x10000 + ((ord(self._high) - 0xD800) << 10) + (code - 0xDC00)
            self._high = ""
            self._take(chr(pair), at)
        else:
            self._take(chr(code), at)

    def _flush_high(self, at: int) -> None:
        if self._high:
            lone, self._high = self._high, ""
            self._take(lone, at)

    def _take(self, text: str, at: int) -> None:
        self._flush_high(at)
        if self._is_key:
            self._key += text
        else:
            self._emit("string", at, text)


def _unescaped(escape: re.Match[str]) -> str:
    return _ESCAPES.get(escape.group(1), escape.group(1))
