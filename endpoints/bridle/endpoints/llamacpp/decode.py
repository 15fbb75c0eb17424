"""The decode loop: forced tokens first, then a choice, until something ends the answer.

With a matcher, text that the grammar leaves no choice about is appended without asking the model, and is
evaluated together with what precedes it; after the last choice it is not evaluated at all.

The distribution is always that of "mask, then draw". Where nothing is cut off, a drawn token is checked
first and the vocabulary is masked only when the grammar refuses it: to draw again among the allowed has the
same distribution, for a fraction of the work. Top-k, top-p and min-p cut off by what is likely, and that
must be judged among the allowed tokens: with them the mask always comes first.

Under a grammar, a stop string counts only where the grammar lets the answer end: a string argument may well
spell one, and cutting it there would break the call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bridle.endpoints.llamacpp.cache import Cache
from bridle.endpoints.llamacpp.sampling import FloatArray, Sampler
from bridle.endpoints.llamacpp.text import TextStream
from bridle.endpoints.llamacpp.vocab import Vocabulary
from bridle.grammars.engines.base import Matcher

__all__ = ["Ending", "Run"]

Ending = Literal["end token", "grammar", "stop string", "length", "cancelled"]
"""What ended an answer."""


@dataclass(slots=True)
class Run:
    """One answer in the making. `pending` are tokens that the model has not seen yet; `engine` is a name."""

    cache: Cache
    vocabulary: Vocabulary
    sampler: Sampler
    text: TextStream
    pending: list[int]
    most_tokens: int
    matcher: Matcher | None = None
    should_stop: Callable[[], bool] | None = None
    engine: str = ""
    sampled: int = 0
    forced: int = 0

    def go(self) -> Ending:
        """Generate until the end, and tell what it was."""
        if self.most_tokens <= 0:
            return "length"
        while True:
            ending = self._force()
            if ending is not None:
                return ending
            if self.should_stop is not None and self.should_stop():
                return "cancelled"
            logits = self.cache.evaluate(self.pending, self.should_stop)
            if logits is None:
                return "cancelled"
            self.pending.clear()
            token = self._choose(logits)
            if token in self.vocabulary.ends:
                return "end token"
            self.sampled += 1
            ending = self._take(token)
            if ending is not None:
                return ending

    def _force(self) -> Ending | None:
        """Take all tokens that are the only ones the grammar allows."""
        if self.matcher is None:
            return None
        if self.matcher.done:
            return "grammar"
        for token in self.matcher.forced():
            if token in self.vocabulary.ends:
                return "grammar"
            self.forced += 1
            ending = self._take(token)
            if ending is not None:
                return ending
        return None

    def _take(self, token: int) -> Ending | None:
        """Make a token part of the answer; tell what it ends, if anything."""
        self.pending.append(token)
        may_end = True
        if self.matcher is not None:
            may_end = self.text.stops and self.matcher.accepting
            self.matcher.accept(token)
        if self.text.feed(self.vocabulary.piece(token), may_end=may_end):
            return "stop string"
        if self.matcher is not None and self.matcher.done:
            return "grammar"
        return "length" if self.sampled + self.forced >= self.most_tokens else None

    def _choose(self, logits: FloatArray) -> int:
        if self.sampler.penalises:
            self.sampler.penalise(logits, self.cache.tokens)
        if self.matcher is None:
            return self.sampler.choose(logits)
        if not self.sampler.truncates:
            token = self.sampler.choose(logits)
            if self.matcher.allows(token):
                return token
        self.matcher.mask_into(logits)
        return self.sampler.choose(logits)
