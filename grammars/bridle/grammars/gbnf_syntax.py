"""A reader of GBNF text, so that a wrong grammar is found in Python and not by llama.cpp.

Mirrors the parser in llama.cpp's src/llama-grammar.cpp (October 2026) rule for rule, counts included, but
keeps the rules as a tree; other dialects are the same with the differences that `gbnf_dialects.py` lists.
What the rules mean is checked in `lint.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridle.errors import GrammarError
from bridle.grammars.gbnf_dialects import LARGEST_REPETITION, Dialect, notation
from bridle.grammars.ir import Chars

__all__ = ["Item", "Rule", "read_gbnf"]

_MOST_ELEMENTS = 2_000_000  # once repetitions are written out
_DEEPEST = 100  # llama.cpp's parser calls itself for each parenthesis
_DIGITS = frozenset("0123456789")
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_DEFINED = re.compile(r"[^\s\"#|(){}*+?\[\]]+[ \t]*::=")
_NAMES_HINT = (
    "a rule is 'name ::= body' on one line; names hold letters, digits and '-'; break lines inside ( )"
)


@dataclass(slots=True)
class Item:
    """A part of a sequence: a rule's name, a group of alternatives, or else characters (or a token).

    `size` counts llama.cpp's elements, `made` the rules that it counts when the item is repeated. `most` is
    None for an endless repetition; `optional` says that one of its repetitions may be of nothing, and `loops`
    that such a one is repeated without end. `chars` are the characters of a text or class, each as ranges of
    code points; `counts` are the repetitions as written.
    """

    line: int
    rule: str = ""
    group: list[list[Item]] = field(default_factory=list["list[Item]"])
    size: int = 1
    made: int = 1
    most: int | None = 1
    optional: bool = False
    repeated: bool = False
    loops: bool = False
    token: bool = False
    chars: list[tuple[tuple[int, int], ...]] = field(default_factory=list["tuple[tuple[int, int], ...]"])
    counts: list[tuple[int, int | None]] = field(default_factory=list["tuple[int, int | None]"])


@dataclass(slots=True)
class Rule:
    """A rule's alternatives and the line that it begins on."""

    line: int
    options: list[list[Item]]


def read_gbnf(text: str, dialect: Dialect = "llama.cpp") -> dict[str, Rule]:
    """Return the rules by name, in the order they stand.

    Raises:
        GrammarError: with the line of the first thing that the dialect's reader would not parse, or not
            survive.
        InputError: for an unknown dialect.
    """
    return _Parser(text, dialect).rules()


class _Parser:
    """Goes through the text once."""

    def __init__(self, text: str, dialect: Dialect) -> None:
        self._reader = notation(dialect)
        self._dialect = dialect
        self._text = text
        self._at = 0
        self._line = 1
        self._symbols: set[str] = set()
        self._made = 0
        self._written = 0
        most = self._reader.largest_text
        if len(text) > most:
            raise GrammarError(f"the grammar has {len(text)} characters", hint=f"at most {most} are read")

    def rules(self) -> dict[str, Rule]:
        rules: dict[str, Rule] = {}
        self._space(newlines=True)
        while self._peek():
            line, name = self._line, self._name()
            if name in self._reader.reserved:
                raise self._unknown(f"a rule called {name!r}", "give it another name")
            if name in rules:
                raise self._wrong(
                    f"the rule {name!r} is defined a second time", "give one of them another name"
                )
            self._space(newlines=False)
            if not self._take("::="):
                raise self._wrong(f"'::=' should stand where {self._peek()!r} does", _NAMES_HINT)
            self._space(newlines=True)
            rules[name] = Rule(line, self._options(0))
            ended = self._reader.breaks and self._begins_rule()
            if self._peek() and not (ended or self._take("\r\n") or self._take("\n") or self._take("\r")):
                raise self._wrong(f"{self._peek()!r} cannot stand here", _NAMES_HINT)
            self._space(newlines=True)
        return rules

    def _options(self, depth: int) -> list[list[Item]]:
        if depth > _DEEPEST:
            raise self._wrong("the parentheses are nested too deeply", "give inner parts a name of their own")
        options = [self._sequence(depth)]
        while self._take("|"):
            self._space(newlines=True)
            options.append(self._sequence(depth))
        return options

    def _sequence(self, depth: int) -> list[Item]:
        items: list[Item] = []
        while True:
            char = self._peek()
            if char and char in "*+?{":
                if not items:
                    raise self._wrong(
                        "there is nothing to repeat", "put a rule, a class or a group before it"
                    )
                if char == "{" and not self._reader.counts:
                    raise self._unknown("a repetition with numbers", "write the parts out, or use ? * +")
                if items[-1].repeated and not self._reader.chained:
                    raise self._unknown(
                        "a repetition of a repetition", "put parentheses around the inner one"
                    )
                self._repeat(items[-1], *self._counts(self._reader.breaks or depth > 0))
            else:
                item = None if self._begins_rule() else self._item(char, depth)
                if item is None:
                    if not items and not self._reader.empty:
                        raise self._unknown("an alternative of nothing", 'write ""')
                    return items
                self._grow(item.size)
                items.append(item)
            self._space(newlines=self._reader.breaks or depth > 0)

    def _begins_rule(self) -> bool:
        """Whether a rule is defined here, where a body may go on in the next line."""
        if not self._reader.breaks:
            return False
        start = self._text.rfind("\n", 0, self._at) + 1
        return not self._text[start : self._at].strip() and bool(_DEFINED.match(self._text, self._at))

    def _item(self, char: str, depth: int) -> Item | None:
        match char:
            case '"':
                return self._literal()
            case "[":
                return self._class()
            case "(":
                return self._group(depth)
            case "<" | "!" if self._reader.tokens:
                return self._token()
            case "." if self._reader.dot:
                self._next()
                return Item(self._line, chars=[Chars((), negated=True).allowed()])
            case _:
                return Item(self._line, rule=self._reference()) if self._reader.word(char) else None

    def _reference(self) -> str:
        name = self._name()
        if name in self._reader.reserved:
            raise self._unknown(f"a rule called {name!r}", "its macros cannot be checked here")
        return name

    def _group(self, depth: int) -> Item:
        item = Item(self._line)
        self._next()
        self._space(newlines=True)
        before = self._made
        self._made += 1
        item.group = self._options(depth + 1)
        item.made = self._made - before
        if not self._take(")"):
            raise self._wrong(f"')' should stand where {self._peek()!r} does", "close the parenthesis")
        return item

    def _literal(self) -> Item:
        item = Item(self._line, size=0)
        self._next()
        while not self._take('"'):
            if self._reader.breaks and self._peek() in ("\n", "\r"):
                raise self._unknown("a line break in a text", "write \\n")
            point = self._char(item.line, self._reader.letters)
            item.chars.append(((point, point),))
            item.size += 1
        return item

    def _class(self) -> Item:
        item = Item(self._line, size=0)
        self._next()
        letters = self._reader.class_letters
        negated = self._take("^")
        if negated and not self._reader.negated:
            raise self._unknown("a class of all but some characters", "name those that are allowed")
        ranges: list[tuple[int, int]] = []
        while not self._take("]"):
            first = last = self._char(item.line, letters)
            item.size += 1
            if self._peek() == "-" and self._peek(1) != "]":
                self._next()
                last = self._char(item.line, letters)
                if last < first:
                    raise self._wrong("a range ends before it begins", "write the lower end first")
                item.size += 1
            ranges.append((first, last))
        item.chars.append(Chars(tuple(ranges), negated).allowed())
        if item.size == 0:
            raise self._wrong("a class names no character", "write at least one between [ and ]")
        return item

    def _token(self) -> Item:
        item = Item(self._line, token=True)
        self._take("!")
        end = self._text.find(">", self._at)
        name = self._text[self._at + 1 : end]
        numbered = name[:1] == "["
        number = name[1:-1]
        known = name[-1:] == "]" and number.isdecimal() and number.isascii() and len(number) < 10
        if self._peek() != "<" or end < 0 or not name or "\n" in name or (numbered and not known):
            raise self._wrong("this is no token", "write <name> or <[number]>")
        self._at = end + 1
        return item

    def _char(self, line: int, letters: Mapping[str, int]) -> int:
        """Read one character of a text or class, which began on that line."""
        if not self._peek():
            raise GrammarError(
                f"line {line}: a text or class has no end", line=line, hint='close it with " or ]'
            )
        char = self._next()
        if char == "\0" or "\ud800" <= char <= "\udfff":
            raise self._wrong(f"U+{ord(char):04X} cannot stand in a grammar", "remove it")
        if char != "\\":
            return ord(char)
        kind = self._next()
        size = self._reader.hex.get(kind, 0)
        if size:
            digits = self._text[self._at : self._at + size]
            if len(digits) == size and _HEX_DIGITS.issuperset(digits) and int(digits, 16) <= 0x10FFFF:
                self._at += len(digits)
                return int(digits, 16)
            raise self._wrong(f"'\\{kind}' needs {size} hexadecimal digits of a character")
        if kind not in letters:
            there = " ".join(f"\\{letter}" for letter in (*letters, *self._reader.hex))
            raise self._wrong(f"the escape '\\{kind}' is unknown", f"there are {there}")
        return letters[kind]

    def _counts(self, newlines: bool) -> tuple[int, int | None]:
        """Read a repetition; return its least and most, None for no end."""
        mark = self._next()
        if mark != "{":
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[mark]
        self._space(newlines)
        least = self._number()
        most: int | None = least
        self._space(newlines)
        if self._take(","):
            self._space(newlines)
            most = self._number() if self._peek() in _DIGITS else None
            self._space(newlines)
        if not self._take("}"):
            raise self._wrong(f"'}}' should stand where {self._peek()!r} does", "write {n}, {n,} or {m,n}")
        return least, most

    def _number(self) -> int:
        start = self._at
        while self._peek() in _DIGITS:
            self._next()
        digits = self._text[start : self._at]
        if not digits:
            raise self._wrong("a number should stand here", "write {n}, {n,} or {m,n}")
        if len(digits) > 9 or int(digits) > LARGEST_REPETITION:
            raise self._wrong(
                f"a repetition of {digits[:20]} is too large", f"the largest is {LARGEST_REPETITION}"
            )
        return int(digits)

    def _repeat(self, item: Item, least: int, most: int | None) -> None:
        """Apply a repetition, with the arithmetic that llama.cpp limits it by."""
        item.loops = item.loops or (most is None and item.optional)
        item.repeated = True
        item.counts.append((least, most))
        if item.size == 0:
            raise self._wrong("there is nothing to repeat", "an empty text cannot be repeated")
        if most is not None and most < least:
            raise self._wrong(f"a repetition runs from {least} to {most}", "write the lower number first")
        count = most or max(1, least)
        item.made *= count
        if item.made > LARGEST_REPETITION:
            raise self._wrong(
                f"{count} repetitions make {item.made} rules",
                f"the most are {LARGEST_REPETITION}; give the group a name and repeat that",
            )
        extra = 1 if most is None else most - least
        self._made += extra
        self._grow(max(0, least - 1) * item.size + extra * (item.size + 3))
        item.size = least * item.size + (1 if extra else 0)
        item.optional = item.optional or least == 0
        item.most = None if most is None or item.most is None else item.most * most

    def _grow(self, elements: int) -> None:
        self._written += elements
        if self._written > _MOST_ELEMENTS:
            raise self._wrong("the grammar becomes too large", "repeat a rule's name instead of long parts")

    def _name(self) -> str:
        start = self._at
        while self._peek() and self._reader.word(self._peek()):
            self._next()
        name = self._text[start : self._at]
        if not name or (name[0] in _DIGITS and not self._reader.digit_first):
            raise self._wrong(f"a name should stand where {self._peek()!r} does", _NAMES_HINT)
        if name not in self._symbols:
            self._symbols.add(name)
            self._made += 1
        return name

    def _space(self, newlines: bool) -> None:
        while True:
            char = self._peek()
            if char == "#":
                while self._peek() not in ("", "\r", "\n"):
                    self._next()
            elif char and (char in " \t" or (newlines and char in "\r\n")):
                self._next()
            else:
                return

    def _peek(self, ahead: int = 0) -> str:
        return self._text[self._at + ahead : self._at + ahead + 1]

    def _next(self) -> str:
        char = self._peek()
        self._at += 1
        if char == "\n":
            self._line += 1
        return char

    def _take(self, text: str) -> bool:
        if not self._text.startswith(text, self._at):
            return False
        for _ in text:
            self._next()
        return True

    def _unknown(self, what: str, hint: str) -> GrammarError:
        return self._wrong(f"the dialect of {self._dialect} does not know {what}", hint)

    def _wrong(self, what: str, hint: str = "") -> GrammarError:
        return GrammarError(f"line {self._line}: {what}", line=self._line, hint=hint)
