"""Python's literals and Gemma's, turned into JSON text while they arrive; and text up to a mark."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Literal

from bridle.messages import JSON
from bridle.wrappers.values import GEMMA_QUOTE

__all__ = ["LiteralStream", "MarkedText", "PythonString", "json_text"]

_PLAIN = re.compile(r"[^<&]+")
_WORD = re.compile(r"""[^\s"'()\[\]{},:<]+""")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_WORDS = {"True": "true", "False": "false", "None": "null", "true": "true", "false": "false", "null": "null"}
_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_ESCAPE = re.compile(r"x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|[^xuU0-7]", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\n": ""}
_LONGEST_ESCAPE = 9


def json_text(value: JSON) -> str:
    """A value as JSON on one line."""
    return json.dumps(value, ensure_ascii=False)


class MarkedText:
    """Text up to a mark, with the mark's escapes undone as in `values.unescape_mark`."""

    def __init__(self, mark: str) -> None:
        self.done = False
        self._mark = mark
        self._tail = "lt;" + mark[1:]
        self._amps = -1
        self._held = ""

    def feed(self, text: str) -> tuple[str, str]:
        """Take characters; return the text in them, and what comes after the mark."""
        text = self._held + text
        self._held = ""
        out: list[str] = []
        at = 0
        while at < len(text) and not self.done:
            step = self._entity if self._amps >= 0 else self._plain
            moved = step(text, at, out)
            if moved == at:
                self._held = text[at:]
                return "".join(out), ""
            at = moved
        return "".join(out), text[at:]

    def _plain(self, text: str, at: int, out: list[str]) -> int:
        found = _PLAIN.match(text, at)
        if found:
            out.append(found.group())
            return found.end()
        if text[at] == "&":
            self._amps = 0
            return at + 1
        if text.startswith(self._mark, at):
            self.done = True
            return at + len(self._mark)
        if self._mark.startswith(text[at : at + len(self._mark)]):
            return at
        out.append("<")
        return at + 1

    def _entity(self, text: str, at: int, out: list[str]) -> int:
        """After `&` and any number of `amp;`."""
        near = text[at : at + len(self._tail)]
        if near.startswith("amp;"):
            self._amps += 1
            return at + 4
        if near == self._tail:
            amps, self._amps = self._amps, -1
            out.append("&" + "amp;" * (amps - 1) + self._tail if amps else self._mark)
            return at + len(near)
        if "amp;".startswith(near) or self._tail.startswith(near):
            return at
        out.append("&" + "amp;" * self._amps)
        self._amps = -1
        return self._plain(text, at, out)


class PythonString:
    """The inside of a Python string up to its closing quote, with its escapes undone."""

    def __init__(self, quote: str) -> None:
        self.done = False
        self._quote = quote
        self._plain = re.compile(f"[^{quote}\\\\]+")
        self._held = ""

    def feed(self, text: str) -> tuple[str, str]:
        """Take characters; return the text in them, and what comes after the quote."""
        text = self._held + text
        self._held = ""
        out: list[str] = []
        at = 0
        while at < len(text) and not self.done:
            found = self._plain.match(text, at)
            if found:
                out.append(found.group())
                at = found.end()
            elif text[at] == self._quote:
                self.done = True
                at += 1
            else:
                escape = text[at + 1 : at + 1 + _LONGEST_ESCAPE]
                short = _ESCAPE.match(escape)
                if not escape or (len(escape) < _LONGEST_ESCAPE and self._may_grow(escape, short)):
                    self._held = text[at:]
                    return "".join(out), ""
                out.append(_unescaped(short.group()) if short else "\\")
                at += 1 + (short.end() if short else 0)
        return "".join(out), text[at:]

    @staticmethod
    def _may_grow(escape: str, found: re.Match[str] | None) -> bool:
        if found is None:
            return re.fullmatch(r"[xuU][0-9a-fA-F]*", escape) is not None
        return found.group()[0] in "01234567" and found.end() == len(escape) < 3


def _unescaped(escape: str) -> str:
    if escape[0] in "xuU":
        code = int(escape[1:], 16)
        return chr(code) if code < 0x110000 else "\ufffd"
    if escape[0] in "01234567":
        return chr(int(escape, 8))
    if escape in _ESCAPES:
        return _ESCAPES[escape]
    return escape if escape in "\\\"'" else "\\" + escape


class LiteralStream:
    """One literal, up to the comma or bracket that ends it on the outside."""

    def __init__(self, style: Literal["python", "gemma"], hand_on: Callable[[str], None]) -> None:
        self.done = False
        self.failed = False
        self._hand_on = hand_on
        self._gemma = style == "gemma"
        self._string: MarkedText | PythonString | None = None
        self._closers: list[str] = []
        self._word: list[str] = []
        self._blank = False
        self._valued = False
        self._comma = False
        self._held = ""

    def feed(self, text: str) -> str:
        """Take characters; return what comes after the literal."""
        text = self._held + text
        self._held = ""
        at = 0
        while at < len(text) and not self._is_over():
            if self._string is not None:
                at = self._in_string(self._string, text, at)
                continue
            moved = self._outside(text, at)
            if moved == at and not self._is_over():
                self._held = text[at:]
                return ""
            at = moved
        return text[at:]

    def _is_over(self) -> bool:
        return self.done or self.failed

    def _in_string(self, string: MarkedText | PythonString, text: str, at: int) -> int:
        plain, rest = string.feed(text[at:])
        self._hand_on(json_text(plain)[1:-1])
        if string.done:
            self._hand_on('"')
            self._string, self._valued = None, True
        return len(text) - len(rest)

    def _outside(self, text: str, at: int) -> int:
        char = text[at]
        word = _WORD.match(text, at)
        if word:
            self.failed = self._valued or self._blank
            self._word.append(word.group())
            return word.end()
        if char.isspace():
            self._blank = bool(self._word)
            return at + 1
        if self._gemma and char == "<":
            if text.startswith(GEMMA_QUOTE, at):
                self._begin_string(MarkedText(GEMMA_QUOTE))
                return at + len(GEMMA_QUOTE)
            self.failed = not GEMMA_QUOTE.startswith(text[at:])
            return at
        if not self._gemma and char in "\"'":
            self._begin_string(PythonString(char))
            return at + 1
        return self._punctuation(char, at)

    def _begin_string(self, string: MarkedText | PythonString) -> None:
        self.failed = self._valued or bool(self._word)
        self._string = string
        self._put('"')

    def _put(self, text: str) -> None:
        self._hand_on((", " if self._comma else "") + text)
        self._comma = False

    def _punctuation(self, char: str, at: int) -> int:
        if char in ",)}" and not self._closers:
            self._flush(key=False)
            self.failed = self.failed or not self._valued
            self.done = not self.failed
            return at
        if char in _CLOSERS and (char != "(" or not self._gemma):
            self.failed = self._valued or bool(self._word)
            self._closers.append(_CLOSERS[char])
            self._put("{" if char == "{" else "[")
        elif self._closers and char == self._closers[-1]:
            self._flush(key=False)
            self._closers.pop()
            self._comma = False
            self._put("}" if char == "}" else "]")
            self._valued = True
        elif char in ",:" and self._closers:
            self._flush(key=char == ":")
            self.failed = self.failed or not self._valued
            self._comma, self._valued = char == ",", False
            if char == ":":
                self._hand_on(": ")
        else:
            self.failed = True
        return at + 1

    def _flush(self, *, key: bool) -> None:
        """Hand on the word that has come to its end."""
        if not self._word:
            return
        word, self._word, self._blank = "".join(self._word), [], False
        if key and self._gemma:
            self._put(json_text(word))
        elif word in _WORDS or _NUMBER.fullmatch(word):
            self._put(_WORDS.get(word, word))
        else:
            self.failed = True
        self._valued = True
