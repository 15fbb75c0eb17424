"""Regular expressions as a tree, and the automaton that finds exactly their texts.

The tree knows what JSON Schema's patterns need beyond rules: assertions (`^`, `$`, `\\b`), intersection and
complement. An automaton works on code points, so that its size does not depend on the alphabet's. What grows
beyond `LARGEST` states is given up with `TooLarge`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from bridle.grammars.char_classes import exact_class
from bridle.grammars.ir import Chars
from bridle.grammars.moves import Moves, apart, joined

__all__ = [
    "ANYTHING",
    "LARGEST",
    "NOTHING",
    "Assertion",
    "Automaton",
    "Both",
    "Cat",
    "Not",
    "Or",
    "Ranges",
    "Regular",
    "Set",
    "Times",
    "TooLarge",
    "automaton",
    "complement",
    "intersection",
]

LARGEST = 6000  # states of one automaton; building so many takes about half a second

Ranges: TypeAlias = tuple[tuple[int, int], ...]
_Kind: TypeAlias = Literal["start", "end", "word", "inside"]


class TooLarge(Exception):
    """An automaton would be too large to be worth its price."""


@dataclass(frozen=True, slots=True)
class Set:
    """One code point of these."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Cat:
    """One after the other."""

    items: tuple[Regular, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of them; none of them at all is nothing, not even the empty text."""

    items: tuple[Regular, ...]


@dataclass(frozen=True, slots=True)
class Times:
    """The item `least` to `most` times; None is no end."""

    item: Regular
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Assertion:
    """What must be true between two characters: the text's start or end, a word's edge, or no such edge."""

    kind: _Kind


@dataclass(frozen=True, slots=True)
class Both:
    """Texts that are of all of them."""

    items: tuple[Regular, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """All other texts."""

    item: Regular


Regular: TypeAlias = Set | Cat | Or | Times | Assertion | Both | Not

_EVERY = Chars((), negated=True).allowed()
ANYTHING = Times(Set(_EVERY), 0, None)
NOTHING = Or(())


@dataclass(frozen=True, slots=True)
class Automaton:
    """A deterministic automaton that begins in state 0; where no move leads, no text is accepted."""

    moves: tuple[Moves, ...]
    accepting: frozenset[int]

    def accepts(self, text: str) -> bool:
        """Tell whether a text is of the language."""
        state = 0
        for char in text:
            point = ord(char)
            found = next((to for first, last, to in self.moves[state] if first <= point <= last), None)
            if found is None:
                return False
            state = found
        return state in self.accepting


def automaton(tree: Regular) -> Automaton:
    """Build the automaton of a tree.

    Raises:
        TooLarge: when it has more than `LARGEST` states.

    >>> automaton(Cat((Set(((97, 98),)), Assertion("end")))).accepts("b")
    True
    """
    return _Deterministic(tree).built()


@dataclass(slots=True)
class _Net:
    """An automaton that may be in several states at once: moves over characters, and over nothing."""

    chars: list[list[tuple[int, int, int]]] = field(default_factory=list["list[tuple[int, int, int]]"])
    empty: list[list[tuple[_Kind | None, int]]] = field(
        default_factory=list["list[tuple[_Kind | None, int]]"]
    )

    def state(self) -> int:
        if len(self.chars) > 4 * LARGEST:
            raise TooLarge
        self.chars.append([])
        self.empty.append([])
        return len(self.chars) - 1

    def add(self, tree: Regular, start: int) -> int:
        """Add a tree that begins in `start`; return where it ends."""
        match tree:
            case Set(ranges):
                end = self.state()
                self.chars[start] += [(first, last, end) for first, last in ranges]
                return end
            case Cat(items):
                for item in items:
                    start = self.add(item, start)
                return start
            case Or(items):
                end = self.state()
                for item in items:
                    begin = self.state()
                    self.empty[start].append((None, begin))
                    self.empty[self.add(item, begin)].append((None, end))
                return end
            case Times():
                return self._times(tree, start)
            case Assertion(kind):
                end = self.state()
                self.empty[start].append((kind, end))
                return end
            case _:
                return self._embedded(automaton(tree), start)

    def _times(self, tree: Times, start: int) -> int:
        for _ in range(tree.least):
            start = self.add(tree.item, start)
        if tree.most is None:
            loop = self.state()
            self.empty[start].append((None, loop))
            self.empty[self.add(tree.item, loop)].append((None, loop))
            end = self.state()
            self.empty[loop].append((None, end))
            return end
        end = self.state()
        for _ in range(tree.most - tree.least):
            self.empty[start].append((None, end))
            start = self.add(tree.item, start)
        self.empty[start].append((None, end))
        return end

    def _embedded(self, inner: Automaton, start: int) -> int:
        offset = len(self.chars)
        for _ in inner.moves:
            self.state()
        end = self.state()
        self.empty[start].append((None, offset))
        for state, moves in enumerate(inner.moves):
            self.chars[offset + state] = [(first, last, offset + to) for first, last, to in moves]
            if state in inner.accepting:
                self.empty[offset + state].append((None, end))
        return end


_Side: TypeAlias = Literal["start", "end", "word", "other"]


class _Deterministic:
    """Follows all states of a net at once. What an assertion needs to know is the characters beside it."""

    def __init__(self, tree: Regular) -> None:
        self._net = _Net()
        self._special = tree if isinstance(tree, Both | Not) else None
        start = self._net.state()
        self._last = start if self._special else self._net.add(tree, start)
        kinds = {kind for edges in self._net.empty for kind, _ in edges}
        self._words = bool(kinds & {"word", "inside"})
        self._asserts = bool(kinds - {None})
        self._known: dict[tuple[frozenset[int], _Side], int] = {}

    def built(self) -> Automaton:
        if isinstance(self._special, Both):
            return _intersection([automaton(item) for item in self._special.items])
        if isinstance(self._special, Not):
            return complement(automaton(self._special.item))
        start: tuple[frozenset[int], _Side] = (frozenset([0]), "start" if self._asserts else "other")
        self._known[start] = 0
        waiting: list[tuple[frozenset[int], _Side]] = [start]
        moves: list[Moves] = []
        accepting: set[int] = set()
        for kernel, before in waiting:  # grows while it is read
            if self._last in self._closure(kernel, before, "end"):
                accepting.add(len(moves))
            found: list[tuple[int, int, int]] = []
            for first, last, key in self._steps(kernel, before):
                if key not in self._known:
                    self._known[key] = len(waiting)
                    waiting.append(key)
                    if len(waiting) > LARGEST:
                        raise TooLarge
                found.append((first, last, self._known[key]))
            moves.append(joined(found))
        return Automaton(tuple(moves), frozenset(accepting))

    def _steps(
        self, kernel: frozenset[int], before: _Side
    ) -> Iterable[tuple[int, int, tuple[frozenset[int], _Side]]]:
        sides: tuple[_Side, ...] = ("word", "other") if self._words else ("other",)
        for side in sides:
            edges = [edge for state in self._closure(kernel, before, side) for edge in self._net.chars[state]]
            if self._words:
                ranges = exact_class("w" if side == "word" else "W")
                edges = [
                    (max(first, low), min(last, high), to)
                    for first, last, to in edges
                    for low, high in ranges
                    if max(first, low) <= min(last, high)
                ]
            for first, last, targets in apart(edges):
                yield first, last, (targets, side)

    def _closure(self, kernel: frozenset[int], before: _Side, after: _Side) -> set[int]:
        found, waiting = set(kernel), list(kernel)
        while waiting:
            for kind, to in self._net.empty[waiting.pop()]:
                if to not in found and _holds(kind, before, after):
                    found.add(to)
                    waiting.append(to)
        return found


def _holds(kind: _Kind | None, before: _Side, after: _Side) -> bool:
    match kind:
        case None:
            return True
        case "start":
            return before == "start"
        case "end":
            return after == "end"
        case "word":
            return (before == "word") != (after == "word")
        case _:
            return (before == "word") == (after == "word")


def complement(one: Automaton) -> Automaton:
    """Accept all texts that are not of a language."""
    sink = len(one.moves)
    moves: list[Moves] = []
    for found in (*one.moves, ()):
        free = Chars(tuple((first, last) for first, last, _ in found), negated=True).allowed()
        moves.append(joined([*found, *((first, last, sink) for first, last in free)]))
    return Automaton(tuple(moves), frozenset(range(sink + 1)) - one.accepting)


def _intersection(parts: Iterable[Automaton]) -> Automaton:
    first, *others = parts
    for other in others:
        first = intersection(first, other)
    return first


def intersection(one: Automaton, other: Automaton) -> Automaton:
    """Accept the texts of both languages."""
    known = {(0, 0): 0}
    waiting = [(0, 0)]
    moves: list[Moves] = []
    for left, right in waiting:  # grows while it is read
        found: list[tuple[int, int, int]] = []
        for first, last, to in one.moves[left]:
            for low, high, goal in other.moves[right]:
                if max(first, low) <= min(last, high):
                    key = (to, goal)
                    if key not in known:
                        known[key] = len(waiting)
                        waiting.append(key)
                        if len(waiting) > LARGEST:
                            raise TooLarge
                    found.append((max(first, low), min(last, high), known[key]))
        moves.append(joined(found))
    both = {
        i for i, (left, right) in enumerate(waiting) if left in one.accepting and right in other.accepting
    }
    return Automaton(tuple(moves), frozenset(both))
