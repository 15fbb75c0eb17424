"""Regular expressions of JSON Schema's `pattern`, as finite rules over characters.

Understood is what ECMA-262 and Python's `re` agree on: literals, classes, `.`, groups, `|`, the quantifiers,
and anchors at the ends. Where the two differ (`\\w`, `\\d`, `\\s`, `.`), only what both accept is generated.
Look-around, back references, word boundaries, flags and Unicode properties are refused. Quantifiers without
an end are cut so that the longest text still fits.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import lru_cache

from bridle.errors import SchemaError
from bridle.grammars.ir import EMPTY, Alt, Chars, Lit, Node, Repeat, Seq, alt, optional, seq

__all__ = ["check_pattern", "pattern_node"]

_Ranges = tuple[tuple[int, int], ...]
_DIGITS: _Ranges = ((48, 57),)
_WORD: _Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: _Ranges = ((9, 13), (32, 32))
_ALL_SPACE: _Ranges = (
    (9, 13), (28, 32), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A),
    (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF),
)  # fmt: skip
_CLASSES: dict[str, _Ranges] = {
    "d": _DIGITS,
    "w": _WORD,
    "s": _SPACE,
    "D": ((0, 47), (58, 127)),
    "W": ((0, 47), (58, 64), (91, 94), (96, 96), (123, 127)),
    "S": Chars(_ALL_SPACE, negated=True).allowed(),
}
_BROAD: dict[str, _Ranges] = {
    "d": (*_DIGITS, (128, 0x10FFFF)),
    "w": (*_WORD, (128, 0x10FFFF)),
    "s": _ALL_SPACE,
    "D": Chars(_DIGITS, negated=True).allowed(),
    "W": Chars(_WORD, negated=True).allowed(),
    "S": Chars(_SPACE, negated=True).allowed(),
}
"""What a class may mean anywhere, for use where it is negated."""
_CONTROLS = {"n": 10, "r": 13, "t": 9, "f": 12, "v": 11, "0": 0}
_DOT = Chars(((10, 10), (13, 13), (0x2028, 0x2029)), negated=True)
_ANY = Chars((), negated=True)
_FREE = 64  # characters beside an unanchored match: each place the match could start at is a state to follow
_SYNTAX = r"\^$.*+?()[]{}|/-"


@lru_cache(maxsize=256)
def pattern_node(pattern: str, least: int, most: int, *, pointer: str = "") -> Node:
    """Return rules for the texts of `least` to `most` characters that a pattern finds a match in.

    Raises:
        SchemaError: for a pattern that is wrong, not understood, or that no text of such a length matches.

    >>> pattern_node("^a{2}$", 0, 9)
    Repeat(item=Lit(text='a'), least=2, most=2)
    """
    check_pattern(pattern, pointer)
    low, high = 0, max(most, 1)
    best: Node | None = None
    while low <= high:  # the widest cut of quantifiers whose longest text still fits
        cut = (low + high) // 2
        node = _Parser(pattern, cut, most, pointer).whole()
        if _lengths(node)[1] <= most:
            best, low = node, cut + 1
        else:
            high = cut - 1
    if best is not None and _lengths(best)[0] < least:
        best = _at_least(best, least, most)
    if best is None:
        raise SchemaError(
            f"the pattern {pattern!r} cannot be held together with a length of {least} to {most}",
            pointer=pointer,
            hint="put the length into the pattern's quantifiers",
        )
    return best


def check_pattern(pattern: str, pointer: str) -> None:
    """Raise a `SchemaError` for what is no regular expression at all."""
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(pattern)
    except re.error as error:
        raise SchemaError(f"the pattern {pattern!r} is wrong: {error}", pointer=pointer) from error


def _lengths(node: Node) -> tuple[int, int]:
    match node:
        case Lit(text):
            return len(text), len(text)
        case Seq(items):
            sizes = [_lengths(item) for item in items]
            return sum(low for low, _ in sizes), sum(high for _, high in sizes)
        case Alt(items):
            sizes = [_lengths(item) for item in items]
            return min(low for low, _ in sizes), max(high for _, high in sizes)
        case Repeat(item, least, most):
            low, high = _lengths(item)
            return low * least, high * most
        case _:
            return 1, 1


def _at_least(node: Node, least: int, most: int) -> Node | None:
    """Raise the only repetition of single characters so that no text is shorter; None if there is none."""
    items = node.items if isinstance(node, Seq) else (node,)
    loose = [i for i, item in enumerate(items) if _lengths(item)[0] != _lengths(item)[1]]
    if len(loose) != 1:
        return None
    item = items[loose[0]]
    if not isinstance(item, Repeat) or _lengths(item.item) != (1, 1):
        return None
    fixed = sum(_lengths(other)[0] for i, other in enumerate(items) if i != loose[0])
    if not item.least <= least - fixed <= item.most or least > most:
        return None
    raised = Repeat(item.item, least - fixed, item.most)
    return seq(*items[: loose[0]], raised, *items[loose[0] + 1 :])


@dataclass(slots=True)
class _Parser:
    """A recursive descent over a pattern that `re` can compile; `cut` limits how often quantifiers repeat."""

    pattern: str
    cut: int
    most: int
    pointer: str
    at: int = 0

    def whole(self) -> Node:
        branches = [self._branch()]
        while self._take("|"):
            branches.append(self._branch())
        return alt(*branches)

    def _branch(self) -> Node:
        """One alternative at the top, where anchors may stand; where one is missing, other text may stand."""
        starts = self._take("^")
        node = self._sequence(top=True)
        ends = self._take("$")
        if ends and self._peek() not in ("", "|"):
            raise self._refuse("'$' before the end")
        if starts and ends:
            return node
        room = max(0, self.most - _lengths(node)[1])
        before = 0 if starts else min(_FREE, room if ends else room // 2)
        after = 0 if ends else min(_FREE, room - before)
        return seq(_free(before), node, _free(after))

    def _sequence(self, *, top: bool) -> Node:
        items: list[Node] = []
        while self._peek() not in ("", "|", ")"):
            if self._peek() == "$" and top:
                break
            items.append(self._quantified(self._atom()))
        return seq(*items)

    def _group(self) -> Node:
        if self._take("?") and not self._take(":"):
            if not self._take("P<"):
                raise self._refuse("a look-around, a flag or a condition")
            self.at = self.pattern.index(">", self.at) + 1
        branches = [self._sequence(top=False)]
        while self._take("|"):
            branches.append(self._sequence(top=False))
        self._take(")")
        return alt(*branches)

    def _atom(self) -> Node:
        char = self._next()
        match char:
            case "(":
                return self._group()
            case "[":
                return self._class()
            case ".":
                return _DOT
            case "\\":
                found = self._escape()
                return Lit(chr(found)) if isinstance(found, int) else Chars(found)
            case "^" | "$":
                raise self._refuse(f"{char!r} in the middle")
            case _:
                return Lit(char)

    def _quantified(self, atom: Node) -> Node:
        least, most = self._quantifier()
        if (least, most) == (1, 1):
            return atom
        cut = max(least, self.cut)
        most = cut if most is None else min(most, cut)
        if most == 0 or atom == EMPTY:
            return EMPTY
        return optional(atom) if (least, most) == (0, 1) else Repeat(atom, least, most)

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
        end = self.pattern.find("}", self.at)
        if self._peek() != "{" or end < 0:
            return None
        first, comma, last = self.pattern[self.at + 1 : end].partition(",")
        if not first and comma and (last.isdecimal() or not last):
            raise self._refuse("a quantifier without a beginning, which is read in two ways,")
        if not (first.isdecimal() and (last.isdecimal() or not last)):
            return None
        self.at = end + 1
        least = int(first)
        return least, (int(last) if last else None) if comma else least

    def _class(self) -> Node:
        negated = self._take("^")
        ranges: list[tuple[int, int]] = []
        while not self._take("]"):
            first = self._class_member(negated)
            if self._peek() == "-" and self._peek(1) not in ("]", ""):
                self.at += 1
                last = self._class_member(negated)
                assert isinstance(first, int) and isinstance(last, int)  # noqa: PT018
                ranges.append((first, last))
            else:
                ranges.extend([(first, first)] if isinstance(first, int) else first)
        chars = Chars(tuple(ranges), negated)
        if not chars.allowed():
            raise self._refuse("a class that matches nothing")
        return chars

    def _class_member(self, negated: bool) -> int | _Ranges:
        char = self._next()
        if char == "[" and self._peek() == ":":
            raise self._refuse("a POSIX class")
        if char == "\\":
            return 8 if self._take("b") else self._escape(_BROAD if negated else _CLASSES)
        return ord(char)

    def _escape(self, classes: dict[str, _Ranges] = _CLASSES) -> int | _Ranges:
        char = self._next()
        if char in classes:
            return classes[char]
        if char in _CONTROLS:
            return _CONTROLS[char]
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


def _free(room: int) -> Node:
    return Repeat(_ANY, 0, room) if room else EMPTY
