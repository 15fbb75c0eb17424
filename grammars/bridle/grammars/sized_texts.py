"""Texts of an automaton whose length lies between two: rules that count, not a state for each length.

Most patterns are a few characters, then a class that repeats, then a few characters more. There the one
repetition takes what is left of the length. Other automata are multiplied with a counter, as far as that is
worth its price.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from bridle.grammars.automata import rules_of, trimmed
from bridle.grammars.ir import EMPTY, ENDLESS, Chars, Node, Repeat, alt, seq
from bridle.grammars.moves import Moves, apart, joined
from bridle.grammars.regular import LARGEST, Automaton, Ranges, TooLarge

__all__ = ["Leaf", "Share", "compact", "sized_rules", "within"]

_MOST_PATHS = 400  # states of a pattern, times the lengths at which they are reached before its repetition
Leaf = Callable[[Chars], Node]
Share = Callable[[str, Node], Node]


def compact(whole: Automaton) -> tuple[Automaton, Callable[[Chars], Chars]]:
    """Number the characters that an automaton cannot tell apart, and return what turns numbers back.

    Classes like `\\w` have hundreds of ranges; with a number for each class an automaton is small.
    """
    edges = [
        (first, last, state * len(whole.moves) + to)
        for state, moves in enumerate(whole.moves)
        for first, last, to in moves
    ]
    classes: dict[frozenset[int], list[tuple[int, int]]] = {}
    for first, last, does in apart(edges):
        classes.setdefault(does, []).append((first, last))
    moves_of: list[list[tuple[int, int, int]]] = [[] for _ in whole.moves]
    ranges: list[Ranges] = []
    for number, (does, found) in enumerate(classes.items()):
        ranges.append(tuple(found))
        for code in does:
            state, to = divmod(code, len(whole.moves))
            moves_of[state].append((number, number, to))

    def back(chars: Chars) -> Chars:
        return Chars(
            tuple(part for first, last in chars.ranges for i in range(first, last + 1) for part in ranges[i])
        )

    return Automaton(tuple(joined(moves) for moves in moves_of), whole.accepting), back


def sized_rules(
    whole: Automaton, least: int, most: int, leaf: Leaf, share: Share | None, *, deepest: int = LARGEST
) -> Node | None:
    """Return rules for the texts of `least` to `most` characters (or `ENDLESS`); None when there are none.

    Raises:
        TooLarge: when the rules become too many.
    """
    if share is not None and most < ENDLESS:
        # Unsuitable is a repetition of more than one character, or one behind another.
        with suppress(_Unsuitable):
            return _Counted(whole, least, most, leaf, share).node(0, 0)
    return rules_of(within(whole, least, None if most >= ENDLESS else most), leaf, share, deepest=deepest)


def within(whole: Automaton, least: int, most: int | None) -> Automaton:
    """Keep the texts of `least` to `most` characters.

    Raises:
        TooLarge: when there are too many lengths to tell apart.
    """
    top = least if most is None else most
    if len(whole.moves) * (top + 1) > LARGEST:
        raise TooLarge
    known = {(0, 0): 0}
    waiting = [(0, 0)]
    moves: list[Moves] = []
    for state, count in waiting:  # grows while it is read
        found: list[tuple[int, int, int]] = []
        if most is None or count < top:
            for first, last, to in whole.moves[state]:
                key = (to, min(count + 1, top))
                if key not in known:
                    known[key] = len(waiting)
                    waiting.append(key)
                    if len(waiting) > LARGEST:
                        raise TooLarge
                found.append((first, last, known[key]))
        moves.append(tuple(found))
    accepting = {i for i, (state, count) in enumerate(waiting) if state in whole.accepting and count >= least}
    return trimmed(Automaton(tuple(moves), frozenset(accepting)))


class _Unsuitable(Exception):
    """The automaton has other loops than one of single characters on each way through it."""


class _Counted:
    """Writes an automaton that goes through at most one loop, which is of one state."""

    def __init__(self, whole: Automaton, least: int, most: int, leaf: Leaf, share: Share) -> None:
        self._whole = whole
        self._least, self._most = least, most
        self._leaf, self._share = leaf, share
        self._known: dict[tuple[int, int], Node | None] = {}
        self._ends: dict[int, dict[int, Node]] = {}
        self._open: set[int] = set()

    def node(self, state: int, count: int) -> Node | None:
        """Return what may follow in a state after `count` characters."""
        key = (state, count)
        if key not in self._known:
            if len(self._known) > _MOST_PATHS:
                raise _Unsuitable
            self._known[key] = self._written(state, count)
        return self._known[key]

    def _written(self, state: int, count: int) -> Node | None:
        if count > self._most:
            return None
        loop, onward = self._moves(state)
        ways: list[Node] = []
        if loop:
            for size, end in self._endings(state).items():
                room = self._most - count - size
                if room >= 0:
                    times = Repeat(self._leaf(loop), max(0, self._least - count - size), room)
                    ways.append(seq(times, end) if room else end)
            return self._share("part", alt(*ways)) if ways else None
        if state in self._open:
            raise _Unsuitable
        self._open.add(state)
        for chars, to in onward:
            rest = self.node(to, count + 1)
            if rest is not None:
                ways.append(seq(self._leaf(chars), rest))
        self._open.discard(state)
        if state in self._whole.accepting and count >= self._least:
            ways.append(EMPTY)
        if not ways:
            return None
        node = alt(*ways)
        return node if node == EMPTY else self._share("part", node)

    def _endings(self, state: int) -> dict[int, Node]:
        """Return what may follow in a state that does not repeat, by its length."""
        if state in self._ends:
            return self._ends[state]
        if state in self._open:
            raise _Unsuitable
        self._open.add(state)
        ways: dict[int, list[Node]] = {0: [EMPTY]} if state in self._whole.accepting else {}
        for chars, to in self._moves(state)[1]:
            if self._moves(to)[0]:
                raise _Unsuitable
            for size, end in self._endings(to).items():
                ways.setdefault(size + 1, []).append(seq(self._leaf(chars), end))
        self._open.discard(state)
        if len(ways) > _MOST_PATHS:
            raise _Unsuitable
        found = {size: self._shared(alt(*nodes)) for size, nodes in ways.items()}
        self._ends[state] = found
        return found

    def _shared(self, node: Node) -> Node:
        return node if node == EMPTY else self._share("part", node)

    def _moves(self, state: int) -> tuple[Chars | None, list[tuple[Chars, int]]]:
        """Return the characters that lead to the same state, and all others."""
        grouped: dict[int, list[tuple[int, int]]] = {}
        for first, last, to in self._whole.moves[state]:
            grouped.setdefault(to, []).append((first, last))
        loop = grouped.pop(state, None)
        return (None if loop is None else Chars(tuple(loop))), [
            (Chars(tuple(ranges)), to) for to, ranges in grouped.items()
        ]
