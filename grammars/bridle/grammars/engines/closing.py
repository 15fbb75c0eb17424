"""Closing plans: the tokens that end an answer from where it stands, as few as can be found cheaply.

The grammar's own rules tell the shortest text that ends an answer (`following.py`); the vocabulary spells it;
the matcher, which has the last word, verifies it. A plan that it does not take is not a plan.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from itertools import islice

from bridle.grammars.distances import furthest
from bridle.grammars.engines.base import Matcher
from bridle.grammars.following import Follower
from bridle.grammars.ir import Grammar
from bridle.grammars.places import State

__all__ = ["Plans", "Spell"]

Spell = Callable[[bytes], tuple[int, ...] | None]
"""Returns tokens whose bytes are a text; None where the vocabulary has none."""
_TRIED = 8  # ways to the end, where the one that looks shortest is too long
_REMEMBERED = 20_000


class Plans:
    """Finds closing plans for the answers of one grammar in one vocabulary; `size` counts a token's bytes."""

    def __init__(self, grammar: Grammar, spell: Spell, size: Callable[[int], int]) -> None:
        self._spell = spell
        self._size = size
        self._spelled: dict[bytes, tuple[int, ...] | None] = {}
        self._grammar = grammar
        self.follower = Follower(grammar, self._count)
        self.longest = grammar.longest_bytes
        self.furthest_bytes = furthest(grammar)

    @cached_property
    def furthest(self) -> int:
        """So many tokens are enough to end an answer wherever it stands, where every byte has its token."""
        return furthest(self._grammar, self._distance)

    def find(
        self, state: State, matcher: Matcher, room: int, before: tuple[int, ...] = ()
    ) -> tuple[int, ...] | None:
        """Return a plan of at most `room` tokens from a state, which the matcher comes to by `before`.

        None means that there is none, or that it does not begin with what the matcher allows.
        """
        for text in islice(self.follower.ends(state), _TRIED):
            tokens = self.spelled(text)
            if tokens is not None and len(tokens) <= room and matcher.ends_with((*before, *tokens)):
                return tokens
        return None

    def shortest(self, matcher: Matcher) -> tuple[int, ...] | None:
        """Return the shortest plan for an answer that has not begun; None where the vocabulary has none."""
        found: tuple[int, ...] | None = None
        for text in islice(self.follower.ends(self.follower.start()), _TRIED):
            tokens = self.spelled(text)
            if tokens is None or (found is not None and len(tokens) >= len(found)):
                continue
            if matcher.ends_with(tokens):
                found = tokens
        return found

    def spelled(self, text: bytes) -> tuple[int, ...] | None:
        """Return the tokens that spell a text."""
        if not text:
            return ()
        if text not in self._spelled:
            if len(self._spelled) > _REMEMBERED:
                self._spelled.clear()
            self._spelled[text] = self._spell(text)
        return self._spelled[text]

    def _distance(self, text: bytes) -> tuple[int, int]:
        """Return how many tokens spell a text, and how many its rest at most, begun anywhere."""
        tokens = self.spelled(text)
        if tokens is None:
            return len(text), len(text)
        # What is left of a token that has been begun takes a token for each byte.
        count = len(tokens)
        left = [size - 1 + count - place for place, size in enumerate(map(self._size, tokens), 1)]
        return count, max(count, *left)

    def _count(self, text: bytes) -> int:
        tokens = self.spelled(text)
        return len(text) if tokens is None else len(tokens)
