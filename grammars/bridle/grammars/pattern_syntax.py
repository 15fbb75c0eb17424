"""Reads the regular expressions of JSON Schema's `pattern` into a tree.

Understood is what ECMA-262 and Python's `re` have in common, and what schemas in the wild use of each:
`\\p{L}`, `(?<name>…)`, `(?i)` at the start. Look-around is understood at the top, where it speaks about the
whole rest. Where the two differ (`\\w`, `\\d`, `\\s`, `.`), `exact` reads them as `re` does; otherwise only
what both accept is kept. Back references, possessive quantifiers and conditions are refused.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from bridle.errors import SchemaError
from bridle.grammars.char_classes import (
    BROAD,
    DOT,
    EXACT_DOT,
    NARROW,
    either_case,
    exact_class,
    property_class,
)
from bridle.grammars.ir import Chars
from bridle.grammars.regular import ANYTHING, Assertion, Both, Cat, Not, Or, Ranges, Regular, Set, Times
from bridle.grammars.schema_keywords import as_python

__all__ = ["Branch", "branches_of", "check_pattern", "whole_text"]

_CONTROLS = {"n": 10, "r": 13, "t": 9, "f": 12, "v": 11, "0": 0}
_SYNTAX = r"\^$.*+?()[]{}|/-"
_START, _END = Assertion("start"), Assertion("end")
_ASSERTIONS = (
    ("b", Assertion("word")), ("B", Assertion("inside")), ("A", _START), ("Z", _END), ("z", _END),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Look:
    """Look-around; with `over`, `item` is repeated and nowhere in it does `tree` begin."""

    tree: Regular
    positive: bool
    behind: bool = False
    over: Regular | None = None


_Item: TypeAlias = "Regular | _Look"
Branch: TypeAlias = "tuple[_Item, ...]"
"""One alternative of a pattern: what stands in it, in order."""


def check_pattern(pattern: str, pointer: str) -> None:
    """Raise a `SchemaError` for what is no regular expression at all."""
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(as_python(pattern))
    except (re.error, OverflowError, RecursionError) as error:
        raise SchemaError(
            f"the pattern {pattern!r} is wrong: {error}", pointer=pointer, hint="correct it, or leave it out"
        ) from error


@lru_cache(maxsize=64)
def branches_of(pattern: str, *, exact: bool = False, pointer: str = "") -> tuple[Branch, ...]:
    """Return the alternatives of a pattern.

    Raises:
        SchemaError: for a pattern that is wrong, or not understood.
    """
    check_pattern(pattern, pointer)
    return _Parser(pattern, exact, pointer).whole()


def whole_text(branches: tuple[Branch, ...], pattern: str, pointer: str = "") -> Regular:
    """Return the texts in which one of a pattern's branches is found.

    Raises:
        SchemaError: for look-around at a place where it cannot be understood.
    """
    try:
        return Or(tuple(_around((ANYTHING, *branch, ANYTHING)) for branch in branches))
    except _Elsewhere as error:
        raise SchemaError(
            f"the pattern {pattern!r} looks around at a place where that is not understood",
            pointer=pointer,
            hint="put look-ahead at the start, behind '^'",
        ) from error


class _Elsewhere(Exception):
    """A look-around stands where it is not understood."""


def _around(items: tuple[_Item, ...]) -> Regular:
    """Turn each look-around into what it says about everything before or behind it."""
    at = next((i for i, item in enumerate(items) if isinstance(item, _Look)), None)
    before = tuple(item for item in items[:at] if not isinstance(item, _Look))
    if at is None:
        return Cat(before)
    look, rest = items[at], _around(items[at + 1 :])
    assert isinstance(look, _Look)
    if look.over is not None:
        if items[at + 1 :] != (_END, ANYTHING) or _asserts(look.tree):
            raise _Elsewhere
        return Cat((*before, Both((look.over, Not(Cat((ANYTHING, look.tree, ANYTHING)))))))
    if look.behind:
        seen: Regular = Cat((ANYTHING, look.tree))
        return Cat((Both((Cat(before), seen if look.positive else Not(seen))), rest))
    seen = Cat((look.tree, ANYTHING))
    both = Both((rest, seen if look.positive else Not(seen)))
    if before == (ANYTHING, _START):
        return both
    if _asserts(both):
        raise _Elsewhere
    return Cat((*before, both))


def _asserts(tree: Regular) -> bool:
    """Tell whether a tree says something about what stands before it."""
    match tree:
        case Assertion(kind):
            return kind != "end"
        case Cat(items) | Or(items) | Both(items):
            return any(_asserts(item) for item in items)
        case Times(item) | Not(item):
            return _asserts(item)
        case _:
            return False


@dataclass(slots=True)
class _Parser:
    """A recursive descent over a pattern that `re` can compile."""

    pattern: str
    exact: bool
    pointer: str
    at: int = 0
    any_case: bool = False

    def whole(self) -> tuple[Branch, ...]:
        if self._take("(?i)"):
            self.any_case = True
        branches = [self._items(top=True)]
        while self._take("|"):
            branches.append(self._items(top=True))
        return tuple(branches)

    def _items(self, *, top: bool) -> Branch:
        items: list[_Item] = []
        while self._peek() not in ("", "|", ")"):
            found = self._quantified(self._atom())
            if isinstance(found, _Look) and not top and (items or found.over is not None):
                raise self._refuse("a look-around inside a group")
            items.append(found)
        return tuple(items)

    def _group(self) -> _Item:
        if self._take("?") and not self._take(":"):
            for mark, positive, behind in (
                ("=", True, False), ("!", False, False), ("<=", True, True), ("<!", False, True),
            ):  # fmt: skip
                if self._take(mark):
                    return _Look(self._closed(), positive, behind)
            if not (self._take("P<") or self._take("<")):
                raise self._refuse("a flag or a condition")
            self.at = self.pattern.index(">", self.at) + 1
        if not self.pattern.startswith("(?!", self.at):
            return self._closed()
        look, *rest = self._items(top=False)
        plain = tuple(item for item in rest if not isinstance(item, _Look))
        closed = self._take(")")
        if (
            len(plain) < len(rest)
            or not closed
            or not isinstance(look, _Look)
            or self._peek() not in ("*", "+")
        ):
            raise self._refuse("a look-around inside a group")
        return _Look(look.tree, positive=False, over=Cat(plain))

    def _closed(self) -> Regular:
        """Read alternatives up to the closing parenthesis."""
        found: list[Regular] = []
        while True:
            items = self._items(top=False)
            plain = tuple(item for item in items if not isinstance(item, _Look))
            if len(plain) != len(items):
                raise self._refuse("a look-around inside a group")
            found.append(plain[0] if len(plain) == 1 else Cat(plain))
            if not self._take("|"):
                break
        self._take(")")
        return found[0] if len(found) == 1 else Or(tuple(found))

    def _atom(self) -> _Item:
        char = self._next()
        match char:
            case "(":
                return self._group()
            case "[":
                return self._class()
            case ".":
                return Set((EXACT_DOT if self.exact else DOT).allowed())
            case "^":
                return _START
            case "$":
                return _END
            case "\\":
                return self._escaped()
            case _:
                return self._char(ord(char))

    def _escaped(self) -> _Item:
        for text, assertion in _ASSERTIONS:
            if self._take(text):
                return assertion
        found = self._escape(negated=False)
        return self._char(found) if isinstance(found, int) else Set(found)

    def _char(self, point: int) -> Regular:
        return Set(either_case(((point, point),)) if self.any_case else ((point, point),))

    def _quantified(self, atom: _Item) -> _Item:
        least, most = self._quantifier()
        if (least, most) == (1, 1):
            return atom
        if not isinstance(atom, _Look):
            return Cat(()) if isinstance(atom, Assertion) and least == 0 else Times(atom, least, most)
        if atom.over is None:
            raise self._refuse("a look-around that is repeated")
        return _Look(atom.tree, atom.positive, over=Times(atom.over, least, most))

    def _quantifier(self) -> tuple[int, int | None]:
        char = self._peek()
        if char in ("*", "+", "?"):
            self.at += 1
            found: tuple[int, int | None] = {"*": (0, None), "+": (1, None), "?": (0, 1)}[char]
        else:
            counted = self._counted()
            if counted is None:
                return 1, 1
            found = counted
        if self._take("+"):
            raise self._refuse("a possessive quantifier")
        self._take("?")  # a lazy quantifier accepts the same texts
        return found

    def _counted(self) -> tuple[int, int | None] | None:
        end = self.pattern.find("}", self.at) if self._peek() == "{" else -1
        if end < 0:
            return None
        first, comma, last = self.pattern[self.at + 1 : end].partition(",")
        if not first and comma and (last.isdecimal() or not last):
            raise self._refuse("a quantifier without a beginning, which is read in two ways,")
        if not (first.isdecimal() and (last.isdecimal() or not last)):
            return None
        self.at = end + 1
        least = int(first)
        return least, (int(last) if last else None) if comma else least

    def _class(self) -> Regular:
        negated = self._take("^")
        ranges: list[tuple[int, int]] = []
        while not self._take("]"):
            self._class_part(negated, ranges)
        found = tuple(either_case(tuple(ranges)) if self.any_case else ranges)
        allowed = Chars(found, negated).allowed()
        if not allowed:
            raise self._refuse("a class that matches nothing")
        return Set(allowed)

    def _class_part(self, negated: bool, ranges: list[tuple[int, int]]) -> None:
        first = self._class_member(negated)
        if self._peek() == "-" and self._peek(1) not in ("]", ""):
            self.at += 1
            last = self._class_member(negated)
            if not (isinstance(first, int) and isinstance(last, int)):
                raise self._refuse("a range between classes")
            ranges.append((first, last))
        else:
            ranges.extend([(first, first)] if isinstance(first, int) else first)

    def _class_member(self, negated: bool) -> int | Ranges:
        char = self._next()
        if char == "[" and self._peek() == ":":
            raise self._refuse("a POSIX class")
        if char == "\\":
            return 8 if self._take("b") else self._escape(negated=negated)
        return ord(char)

    def _escape(self, *, negated: bool) -> int | Ranges:
        char = self._next()
        if char in NARROW:
            return exact_class(char) if self.exact else (BROAD if negated else NARROW)[char]
        if char in "pP" and self._peek() == "{":
            end = self.pattern.index("}", self.at)
            name, self.at = self.pattern[self.at + 1 : end], end + 1
            ranges = property_class(name)
            if ranges is None:
                raise self._refuse(f"the property {name!r}")
            return ranges if char == "p" else Chars(ranges, negated=True).allowed()
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char == "u" and self._take("{"):
            end = self.pattern.index("}", self.at)
            point, self.at = int(self.pattern[self.at : end], 16), end + 1
            return point
        if char in "xu":
            size = 2 if char == "x" else 4
            self.at += size
            return int(self.pattern[self.at - size : self.at], 16)
        if char in _SYNTAX or not (char.isalnum() or char == "_"):
            return ord(char)
        raise self._refuse(f"the escape '\\{char}'")

    def _peek(self, ahead: int = 0) -> str:
        return self.pattern[self.at + ahead : self.at + ahead + 1]

    def _take(self, text: str) -> bool:
        if not self.pattern.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def _next(self) -> str:
        char = self._peek()
        self.at += 1
        return char

    def _refuse(self, what: str) -> SchemaError:
        return SchemaError(
            f"the pattern {self.pattern!r} has {what} at character {self.at}",
            pointer=self.pointer,
            hint="use literals, classes, groups, '|' and quantifiers, or allow the pattern to be loosened",
        )
