"""The one intermediate form of every constraint: a small language of rules, each of which is finite.

Emitters turn a `Grammar` into an engine's own notation, so that all engines hold the same language. A
repetition always has an upper end and rules never recurse: every sentence has a longest length, which is
known before the first token (`Grammar.longest_bytes`). What a schema means is decided in `schema.py`, what a
call looks like in `calls.py`; drawing and recognising sentences is in `sentences.py`.

An `OpenGrammar` is of the same rules, but may recurse and repeat without end: it is for recognising texts
that nobody has bounded, and is never generated from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from bridle.errors import GrammarError

__all__ = [
    "EMPTY",
    "ENDLESS",
    "Alt",
    "Chars",
    "Grammar",
    "Lit",
    "Node",
    "OpenGrammar",
    "Ref",
    "Repeat",
    "Seq",
    "alt",
    "optional",
    "seq",
]

ENDLESS = 2**31
"""The `most` of a repetition that has no end."""
_LAST_POINT = 0x10FFFF
_SURROGATES = (0xD800, 0xDFFF)


@dataclass(frozen=True, slots=True)
class Lit:
    """Exactly this text."""

    text: str


@dataclass(frozen=True, slots=True)
class Chars:
    """One code point, never a surrogate: of `ranges` (ends included), or when `negated` of none of them."""

    ranges: tuple[tuple[int, int], ...]
    negated: bool = False

    def allowed(self) -> tuple[tuple[int, int], ...]:
        """Return the code points that match, as sorted ranges that neither overlap nor touch.

        >>> Chars(((98, 99), (97, 97))).allowed()
        ((97, 99),)
        """
        taken = [*self.ranges, _SURROGATES] if self.negated else list(self.ranges)
        merged: list[tuple[int, int]] = []
        for first, last in sorted(taken):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        if self.negated:
            return _gaps(merged)
        return tuple(_without_surrogates(merged))

    def holds(self, point: int) -> bool:
        """Tell whether one code point matches."""
        if _SURROGATES[0] <= point <= _SURROGATES[1]:
            return False
        return any(first <= point <= last for first, last in self.ranges) != self.negated


@dataclass(frozen=True, slots=True)
class Seq:
    """One item after the other; no items is the empty text."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alt:
    """One of the items."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """The item `least` to `most` times; `ENDLESS` is for open grammars only."""

    item: Node
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Ref:
    """The rule of that name."""

    name: str


Node: TypeAlias = Lit | Chars | Seq | Alt | Repeat | Ref
EMPTY = Seq(())


@dataclass(frozen=True, slots=True)
class Grammar:
    """A root and the rules that it refers to. Building one checks it and measures it.

    `weakened` names the schema keywords that the rules do not express, as `POINTER KEYWORD`. `longest_bytes`
    and `shortest_bytes` bound the length of every sentence in bytes of UTF-8. `key` is the same for equal
    rules, in every process.

    Raises:
        GrammarError: for an undefined or recursive rule, a choice of nothing, or an endless repetition.

    >>> Grammar(Seq((Lit("é"), Repeat(Ref("x"), 0, 3))), {"x": Lit("ab")}).longest_bytes
    8
    """

    root: Node
    rules: Mapping[str, Node] = field(default_factory=dict[str, Node], hash=False)
    weakened: tuple[str, ...] = ()
    longest_bytes: int = field(init=False, repr=False, compare=False)
    shortest_bytes: int = field(init=False, repr=False, compare=False)
    key: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        lengths = _Lengths(self.rules)
        shortest, longest = lengths.of(self.root)
        for name in self.rules:
            lengths.of(Ref(name))
        text = repr((self.root, sorted(self.rules.items())))
        # A frozen dataclass sets what it derives this way.
        object.__setattr__(self, "shortest_bytes", shortest)
        object.__setattr__(self, "longest_bytes", longest)
        object.__setattr__(self, "key", hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())


@dataclass(frozen=True, slots=True)
class OpenGrammar:
    """A root and rules that may recurse and repeat without end.

    `tokens` are the rules that stand for one undivided piece of text each, as a lexer reads it: they refer to
    no other rules than tokens and parts of tokens. In the rest of the rules there are only references.
    """

    root: Node
    rules: Mapping[str, Node] = field(hash=False)
    tokens: frozenset[str]


def seq(*items: Node) -> Node:
    """Join items; nested sequences become flat and neighbouring texts become one.

    >>> seq(Lit("a"), Lit("b"))
    Lit(text='ab')
    """
    flat: list[Node] = []
    for item in items:
        for part in item.items if isinstance(item, Seq) else (item,):
            previous = flat[-1] if flat else None
            if isinstance(part, Lit) and isinstance(previous, Lit):
                flat[-1] = Lit(previous.text + part.text)
            elif not isinstance(part, Lit) or part.text:
                flat.append(part)
    return flat[0] if len(flat) == 1 else Seq(tuple(flat))


def alt(*items: Node) -> Node:
    """Choose between items; nested choices become flat and equal items become one.

    >>> alt(Lit("a"), Alt((Lit("b"), Lit("a"))))
    Alt(items=(Lit(text='a'), Lit(text='b')))
    """
    flat: dict[Node, None] = {}
    for item in items:
        flat.update(dict.fromkeys(item.items if isinstance(item, Alt) else (item,)))
    return next(iter(flat)) if len(flat) == 1 else Alt(tuple(flat))


def optional(item: Node) -> Node:
    """Return the item or nothing."""
    return Repeat(item, 0, 1)


def _gaps(merged: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    start = 0
    for first, last in merged:
        if start < first:
            found.append((start, first - 1))
        start = last + 1
    if start <= _LAST_POINT:
        found.append((start, _LAST_POINT))
    return tuple(found)


def _without_surrogates(merged: list[tuple[int, int]]) -> list[tuple[int, int]]:
    low, high = _SURROGATES
    found: list[tuple[int, int]] = []
    for first, last in merged:
        found.extend((a, b) for a, b in ((first, min(last, low - 1)), (max(first, high + 1), last)) if a <= b)
    return found


class _Lengths:
    """Measures nodes: (shortest, longest) in bytes. Each rule is measured once."""

    def __init__(self, rules: Mapping[str, Node]) -> None:
        self._rules = rules
        self._known: dict[str, tuple[int, int]] = {}
        self._open: set[str] = set()

    def of(self, node: Node) -> tuple[int, int]:
        match node:
            case Lit(text):
                size = len(text.encode("utf-8", "surrogatepass"))
                return size, size
            case Chars():
                return self._of_chars(node)
            case Seq(items):
                sizes = [self.of(item) for item in items]
                return sum(low for low, _ in sizes), sum(high for _, high in sizes)
            case Alt(items):
                if not items:
                    raise GrammarError("a choice has nothing to choose from")
                sizes = [self.of(item) for item in items]
                return min(low for low, _ in sizes), max(high for _, high in sizes)
            case Repeat(item, least, most):
                if not 0 <= least <= most:
                    raise GrammarError(
                        f"a repetition runs from {least} to {most}", hint="use 0 <= least <= most"
                    )
                if most >= ENDLESS:
                    raise GrammarError("a repetition has no end", hint="give it one, or build an OpenGrammar")
                low, high = self.of(item)
                return low * least, high * most
            case _:
                return self._of_rule(node.name)

    def _of_rule(self, name: str) -> tuple[int, int]:
        if name in self._known:
            return self._known[name]
        if name in self._open:
            raise GrammarError(f"rule {name!r} refers to itself", hint="expand it to a fixed depth")
        if name not in self._rules:
            raise GrammarError(f"there is no rule {name!r}", hint="define it in `rules`")
        self._open.add(name)
        self._known[name] = self.of(self._rules[name])
        self._open.discard(name)
        return self._known[name]

    def _of_chars(self, chars: Chars) -> tuple[int, int]:
        allowed = chars.allowed()
        if not allowed:
            raise GrammarError("a character class matches nothing", hint="give it at least one code point")
        if allowed[0][0] < 0 or allowed[-1][1] > _LAST_POINT:
            raise GrammarError(f"a character class leaves Unicode: {chars.ranges!r}")
        return len(chr(allowed[0][0]).encode()), len(chr(allowed[-1][1]).encode())
