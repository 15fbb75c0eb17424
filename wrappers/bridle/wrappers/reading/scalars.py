"""Strings, numbers and words that are almost JSON, or Python's, or Gemma's."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Literal

from bridle.messages import JSON, Repair
from bridle.wrappers.reading.keys import ARGUMENT_KEYS, NAME_KEYS, THOUGHT_KEYS
from bridle.wrappers.reading.quoting import Style, unescape
from bridle.wrappers.reading.source import Known, Source, Unreadable
from bridle.wrappers.reading.strings import KEY, MARK, Place, Where, read_string, skip_blanks

__all__ = ["DEEPEST", "Scalars", "Zone"]

Zone = Literal["call", "arguments", "free"]
"""What an object is: a call with its name, the arguments of one, or a value inside them."""

DEEPEST = 60
_NUMBER = re.compile(r"[+-]?(?:\d[\d_]*)?\.?\d*(?:[eE][+-]?\d+)?")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,16}")
_STRICT_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_AFTER_WORD = re.compile(r"\s*[,}\])]|\s+$|\s*\n")
_AFTER_NUMBER = re.compile(r"\s*[,;}\])]|\s+$|\s*\n|\s+[\"'{\[]|\s*(?://|#|/\*)")
_WORD = re.compile(r"[^\s,{}\[\]()\"'<>`=:;|\\][^,{}\[\]()\"'\n<>`;|\\]*")
_PREFIX = re.compile(r"[rRbBuUfF]{1,2}(?=[\"'])")
_CALL = re.compile(r"\s*[\w.]+\s*\(")
LITERALS: Mapping[str, JSON] = {
    "true": True, "false": False, "null": None, "True": True, "False": False, "None": None,
    "TRUE": True, "FALSE": False, "NULL": None, "nil": None, "undefined": None,
}  # fmt: skip
STRICT_LITERALS = frozenset({"true", "false", "null"})


class Scalars:
    """What `Lenient` reads values without brackets by, and what it knows of where it is."""

    def __init__(
        self,
        source: Source,
        at: int,
        known: Known,
        style: Style = "json",
        *,
        zone: Zone = "call",
        tool: str = "",
    ) -> None:
        self.source = source
        self.text = source.text
        self.at = at
        self.known = known
        self.style: Style = style
        self.final = True
        self.exact = False
        """Whether every quote that no backslash precedes ends its string."""
        self.notes: list[Repair] = []
        self.open: list[JSON] = []
        self._start = at
        self._tool = tool
        self._zone: Zone = zone
        self._around: Zone = zone
        """What the object is whose members are being read."""
        self._brackets: list[str] = []
        self._rest = -1
        """Where something began that belongs to no object any more."""
        self._bare_keys = False

    def _char(self) -> str:
        if self.at >= self.source.size:
            raise Unreadable("it is not complete", cut=True)
        return self.text[self.at]

    def _skip(self) -> None:
        if self.style == "json":
            end = skip_blanks(self.text, self.at)
            if end > self.at and not self.text[self.at : end].isspace():
                self._note("comment", self.at, self.text[self.at : end].strip(), "")
            self.at = end
            return
        while self.at < self.source.size and self.text[self.at].isspace():
            self.at += 1

    def _note(self, what: str, where: int, before: str, after: str) -> None:
        self.notes.append(Repair(what, where, before[:80], after))

    def _string(self, where: Where, given: Mapping[str, JSON]) -> str:
        depth = -1 if self.exact else len(self._brackets)
        place = Place(where, depth, lambda key: self._is_key(key, given))
        value, self.at = read_string(self.source, self.at, place, self.style, self.notes)
        while self.style == "python" and where != "object" and self._char_is("\"'"):
            more, self.at = read_string(self.source, self.at, place, self.style, self.notes)
            value += more
        return value

    def _char_is(self, chars: str) -> bool:
        self._skip()
        return self.at < self.source.size and self.text[self.at] in chars

    def _is_key(self, key: str, given: Mapping[str, JSON]) -> bool:
        if key in given:
            return False
        if self._around == "free":
            return True
        tool = self.known.tools.get(self._tool)
        declared = tool.properties if tool else self.known.parameters
        if key in declared or key in THOUGHT_KEYS:
            return True
        return self._around == "call" and (key in NAME_KEYS or key in ARGUMENT_KEYS)

    def tool_has_any(self) -> bool:
        """Whether the function whose arguments these are has parameters, or is not known."""
        tool = self.known.tools.get(self._tool)
        return tool is None or bool(tool.properties)

    def tool_has(self, key: str) -> bool:
        """Whether the function whose arguments these are has such a parameter."""
        tool = self.known.tools.get(self._tool)
        return tool is not None and key in tool.properties

    def _scalar(self, where: Where, given: Mapping[str, JSON]) -> JSON:
        prefix = _PREFIX.match(self.text, self.at)
        if prefix and self.style == "python":
            return self._prefixed(prefix, where, given)
        number = self._number()
        if number is not None:
            return number
        found = _WORD.match(self.text, self.at)
        word = found.group() if found else ""
        end = self.at + len(word)
        if word in LITERALS or word.rstrip() in LITERALS:
            return self._literal(word.rstrip())
        if not word or word.startswith("..."):
            raise Unreadable(f"there is no value at character {self.at - self._start}")
        if self.text.startswith("(", end):
            raise Unreadable(f"{word}(…) stands where a value should be; only plain values can be given")
        return self._bare_word(word, end)

    def _prefixed(self, prefix: re.Match[str], where: Where, given: Mapping[str, JSON]) -> str:
        if set(prefix.group().lower()) & {"f", "b"}:
            raise Unreadable(f'{prefix.group()}"…" stands where a plain value should be')
        self.at = prefix.end()
        if "r" not in prefix.group().lower():
            return self._string(where, given)
        self.style = "gemma"
        try:
            return self._string(where, given)
        finally:
            self.style = "python"

    def _number(self) -> int | float | None:
        found = _HEX.match(self.text, self.at) or _NUMBER.match(self.text, self.at)
        written = found.group() if found else ""
        if not written.strip("+-._eE"):
            if self.text.startswith(("NaN", "Infinity", "-Infinity"), self.at):
                raise Unreadable("NaN and Infinity are not JSON numbers")
            return None
        end = self.at + len(written)
        if end >= self.source.size and not (self.source.unclosed and self.final and written[-1].isdigit()):
            raise Unreadable("it ends inside a number", cut=True)
        if end < self.source.size and not (_AFTER_NUMBER.match(self.text, end) or MARK.match(self.text, end)):
            return None
        try:
            number = _make_number(written)
        except ValueError as error:
            raise Unreadable(f"{written[:40]} is not a number") from error
        if math.isinf(number):
            raise Unreadable(f"{written[:40]} is too large a number")
        if self.style == "json" and not _STRICT_NUMBER.fullmatch(written):
            self._note("number", self.at, written, json.dumps(number))
        self.at = end
        return number

    def _literal(self, word: str) -> JSON:
        if self.style == "json" and word not in STRICT_LITERALS:
            self._note("literal", self.at, word, json.dumps(LITERALS[word]))
        elif self.style == "python" and word in STRICT_LITERALS:
            self._note("literal", self.at, word, repr(LITERALS[word]))
        self.at += len(word)
        return LITERALS[word]

    def _bare_word(self, word: str, end: int) -> str:
        if end >= self.source.size:
            raise Unreadable("it ends inside a value", cut=True)
        if self.style == "python":
            raise Unreadable(f"{word.strip()[:40]} is not a literal")
        quoted = self.text[end] in "\"'" and _AFTER_WORD.match(self.text, end + 1) is not None
        if not quoted and not (_AFTER_WORD.match(self.text, end) or MARK.match(self.text, end)):
            raise Unreadable(f"there is no value at character {self.at - self._start}")
        if " " in word.strip() and ("[" in self._brackets[-1:] or word[0] in "0123456789+-."):
            raise Unreadable(f"the value at character {self.at - self._start} is not in quotes")
        if self.text[end] == "," and not (KEY.match(self.text, end + 1) or "[" in self._brackets[-1:]):
            raise Unreadable(f"the value at character {self.at - self._start} is not in quotes")
        if _CALL.match(word):
            raise Unreadable(f"{word} stands where a value should be")
        self._note("missing quotes", self.at, word, json.dumps(word.strip(), ensure_ascii=False))
        self.at = end + quoted
        return unescape(word.strip(), "json")


def _make_number(written: str) -> int | float:
    if written.lower().startswith("0x"):
        return int(written, 16)
    text = written.replace("_", "")
    return float(text) if any(char in text for char in ".eE") else int(text)
