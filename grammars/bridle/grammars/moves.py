"""Where the states of an automaton lead: ranges of characters, each with a state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

__all__ = ["Moves", "apart", "joined"]

Moves: TypeAlias = tuple[tuple[int, int, int], ...]
"""(first code point, last one, state), sorted and apart."""


def apart(edges: Iterable[tuple[int, int, int]]) -> list[tuple[int, int, frozenset[int]]]:
    """Cut ranges that overlap into ranges apart, each with all states that it leads to."""
    listed = list(edges)
    ends: dict[int, list[tuple[bool, int]]] = {}
    for first, last, to in listed:
        ends.setdefault(first, []).append((True, to))
        ends.setdefault(last + 1, []).append((False, to))
    active: dict[int, int] = {}
    found: list[tuple[int, int, frozenset[int]]] = []
    points = sorted(ends)
    for i, point in enumerate(points):
        for begins, to in ends[point]:
            active[to] = active.get(to, 0) + (1 if begins else -1)
        targets = frozenset(to for to, count in active.items() if count)
        if targets:
            found.append((point, points[i + 1] - 1, targets))
    return found


def joined(moves: Iterable[tuple[int, int, int]]) -> Moves:
    """Sort moves and join those that touch and lead to the same state."""
    found: list[tuple[int, int, int]] = []
    for first, last, to in sorted(moves):
        if found and found[-1][2] == to and found[-1][1] + 1 == first:
            found[-1] = (found[-1][0], last, to)
        else:
            found.append((first, last, to))
    return tuple(found)
