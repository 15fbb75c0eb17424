"""Nested key-value pairs: does an agent find what it can only find by several searches, one after the other?

An archive holds pairs of UUIDs in some order; the value of some keys is a key itself. The agent is asked for
the value that a key leads to in the end. At level n that takes n + 1 look-ups, and one more to see that the
last value is no key. The shape is that of MemGPT's test (140 pairs, levels 0 to 4, 30 orderings; section
3.2.2 of https://arxiv.org/abs/2310.08560); pairs, words and scoring are our own. An answer is right when it
names the last value, and no UUID that does not belong to the way there.
"""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bridle.agent.archival.base import Draft
from bridle.agent.limits import Limits
from bridle.agent.runner import Agent
from bridle.agent.store import Store
from bridle.endpoints.base import Endpoint
from bridle.errors import ContextOverflow, InputError

__all__ = ["LEVELS", "LIMITS", "PAIRS", "Outcome", "Puzzle", "ask", "is_right", "puzzles", "read_levels"]

PAIRS = 140
LEVELS = range(6)
LIMITS = Limits(steps=600)
"""Enough to read every page of the archive for each look-up: 7 times 28 pages of 5 pairs."""
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Puzzle:
    """Pairs in the order in which they are stored, and a way through them: the key that is asked for, the
    values that are keys, and last the one that is none."""

    level: int
    ordering: int
    pairs: tuple[tuple[str, str], ...]
    path: tuple[str, ...]

    @property
    def question(self) -> str:
        """What the agent is asked."""
        return (
            f"Search the notes for the value of the key {self.path[0]}. If that value is a key, too, search"
            " for its value, and so on. Tell me the last value, which is no key."
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """The pairs as they are stored."""
        return tuple(f"key {key} has the value {value}" for key, value in self.pairs)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one puzzle went; `error` says why a turn had no reply."""

    puzzle: Puzzle
    reply: str
    searches: int
    steps: int
    error: str = ""

    @property
    def right(self) -> bool:
        """Was the answer the last value?"""
        return is_right(self.puzzle, self.reply)


def puzzles(levels: Sequence[int], orderings: int, seed: int, count: int = PAIRS) -> Iterator[Puzzle]:
    """Make one puzzle for each level and ordering; equal arguments give equal ones.

    As many ways as fit have the level's length, so that only following them tells which value is the last.

    Raises:
        InputError: for too few pairs, or a level below 0.
    """
    for level in levels:
        if level < 0 or count <= level:
            raise InputError(f"level {level} with {count} pairs", hint="give levels from 0, and more pairs")
        for ordering in range(orderings):
            yield _puzzle(level, ordering, random.Random(f"{seed} {level} {ordering}"), count)


def _puzzle(level: int, ordering: int, rng: random.Random, count: int) -> Puzzle:
    pairs: list[tuple[str, str]] = []
    ways: list[tuple[str, ...]] = []
    while len(pairs) < count:
        hops = min(level, count - len(pairs) - 1)
        way = tuple(str(uuid.UUID(int=rng.getrandbits(128), version=4)) for _ in range(hops + 2))
        ways.append(way)
        pairs += pairwise(way)
    asked = rng.choice([way for way in ways if len(way) == level + 2])
    rng.shuffle(pairs)
    return Puzzle(level, ordering, tuple(pairs), asked)


def is_right(puzzle: Puzzle, reply: str) -> bool:
    """Does a reply name the last value, and no other that does not belong to the way?"""
    named = set(_UUID.findall(reply.lower()))
    return puzzle.path[-1] in named and named <= set(puzzle.path)


def read_levels(text: str) -> tuple[int, ...]:
    """Read a range of levels, or a list.

    Raises:
        InputError: for anything else.

    >>> read_levels("0-2"), read_levels("5"), read_levels("0,3")
    ((0, 1, 2), (5,), (0, 3))
    """
    levels: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*([0-9]{1,2})(?:\s*-\s*([0-9]{1,2}))?\s*", part)
        if found is None or (found[2] and int(found[2]) < int(found[1])):
            raise InputError(f"the levels {text!r} cannot be read", hint="write 0-5, or 0,2,4")
        levels += range(int(found[1]), int(found[2] or found[1]) + 1)
    return tuple(dict.fromkeys(levels))


def ask(
    endpoint: Endpoint,
    asked: Sequence[Puzzle],
    home: Path,
    *,
    wrapper: str = "auto",
    on_outcome: Callable[[Outcome], None] | None = None,
) -> tuple[Outcome, ...]:
    """Put each puzzle to an agent of its own, in a store in `home`, and tell how it went.

    Raises:
        BridleError: what the endpoint or the store raises, but for a prompt that fits no window: that is a
            wrong answer.
    """
    outcomes: list[Outcome] = []
    with Store(home) as store:
        for number, puzzle in enumerate(asked):
            name = f"level {puzzle.level}, ordering {puzzle.ordering}, {number}"
            agent = Agent.open(store, name, endpoint, wrapper=wrapper, limits=LIMITS)
            agent.archive.add(agent.archive.own(name), [Draft(note) for note in puzzle.notes])
            outcomes.append(_ask(agent, puzzle))
            if on_outcome is not None:
                on_outcome(outcomes[-1])
    return tuple(outcomes)


def _ask(agent: Agent, puzzle: Puzzle) -> Outcome:
    try:
        turn = agent.turn(puzzle.question)
    except ContextOverflow as error:
        return Outcome(puzzle, "", 0, 0, error.message)
    searches = sum(step.call.name == "archival_memory_search" for step in turn.steps)
    return Outcome(puzzle, turn.reply, searches, len(turn.steps))
