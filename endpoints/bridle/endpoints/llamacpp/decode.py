"""The decode loop: forced tokens first, then a choice, until something ends the answer.

With a matcher, text that the grammar leaves no choice about is appended without asking the model, and is
evaluated together with what precedes it; after the last choice it is not evaluated at all.

The distribution is always that of "mask, then draw". Where nothing is cut off, a drawn token is checked
first and the vocabulary is masked only when the grammar refuses it: to draw again among the allowed has the
same distribution, for a fraction of the work. Top-k, top-p and min-p cut off by what is likely, and that
must be judged among the allowed tokens: with them the mask always comes first.

Near the end of its tokens an answer is guarded (`guard.py`): a token after which it could not be completed is
not taken. Where the grammar offers a choice the model chooses again, among what still fits; inside of free
text the answer's closing plan goes on.

Under a grammar, a stop string counts only where the grammar lets the answer end: a string argument may well
spell one, and cutting it there would break the call.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from bridle.endpoints.llamacpp.cache import Cache
from bridle.endpoints.llamacpp.cost import Costs
from bridle.endpoints.llamacpp.guard import Guard
from bridle.endpoints.llamacpp.sampling import FloatArray, Sampler
from bridle.endpoints.llamacpp.text import TextStream
from bridle.endpoints.llamacpp.vocab import Vocabulary
from bridle.grammars.engines.base import Matcher

__all__ = ["Ending", "Run"]

Ending = Literal["end token", "grammar", "stop string", "length", "cancelled", "max_seconds"]
"""What ended an answer."""
_TRIES = 8
"""So many tokens that no longer fit are drawn before the plan decides."""


@dataclass(slots=True)
class Run:
    """One answer in the making.

    `pending` are tokens that the model has not seen yet, `answer` those of the answer; `engine` is a name.
    `restart` makes a matcher of the same grammar. `deadline` is a time of `time.perf_counter`.
    """

    cache: Cache
    vocabulary: Vocabulary
    sampler: Sampler
    text: TextStream
    pending: list[int]
    most_tokens: int
    matcher: Matcher | None = None
    guard: Guard | None = None
    restart: Callable[[], Matcher] | None = None
    should_stop: Callable[[], bool] | None = None
    deadline: float = math.inf
    engine: str = ""
    costs: Costs = field(default_factory=Costs)
    answer: list[int] = field(default_factory=list[int])
    sampled: int = 0
    text_was_cut: bool = False
    _was_sampled: list[bool] = field(default_factory=list[bool])
    _may_end: list[bool] = field(default_factory=list[bool])
    _told: int = 0
    _masked: FloatArray | None = None

    @property
    def forced(self) -> int:
        """How many tokens of the answer the model did not choose."""
        return len(self.answer) - self.sampled

    @property
    def complete(self) -> bool:
        """Is the answer a whole sentence of its grammar, and no text that was cut?"""
        return self.matcher is not None and self.matcher.accepting and not self.text_was_cut

    def go(self) -> Ending:
        """Generate until the end, and tell what it was."""
        ending = self._until_end()
        return "stop string" if ending != "stop string" and self._tell(len(self.answer)) else ending

    def _until_end(self) -> Ending:
        if self.most_tokens <= 0:
            return self._at_limit()
        while True:
            ending = self._force()
            if ending is not None:
                return ending
            if self.should_stop is not None and self.should_stop():
                return "cancelled"
            if self._is_late():
                return self._close("max_seconds")
            logits = self.cache.evaluate(self.pending, self._interrupted)
            if logits is None:
                return self._close("max_seconds") if self._is_late() else "cancelled"
            self.pending.clear()
            if self.matcher is not None:
                self.costs.see(logits)
            self._masked = None
            ending = self._settle(self._choose(logits), logits)
            if ending is not None:
                return ending

    def _force(self) -> Ending | None:
        """Take all tokens that are the only ones the grammar allows."""
        while self.matcher is not None:
            if self.matcher.done:
                return "grammar"
            with self.costs.engine():
                tokens = self.matcher.forced()
            if not tokens:
                return None
            for token in tokens:
                if token in self.vocabulary.ends:
                    return "grammar"
                if not self._fits(token):
                    # The same text in other tokens, of which there are fewer.
                    ending = self._lead_out(token)
                    if ending is not None:
                        return ending
                    break
                ending = self._take(token)
                if ending is not None:
                    return ending
            else:
                return None
        return None

    def _settle(self, token: int, logits: FloatArray) -> Ending | None:
        """Take the token that the model chose, or what there is still room for; tell what it ends."""
        for _ in range(_TRIES):
            if token in self.vocabulary.ends or self._fits(token):
                return self._take_chosen(token)
            again = None if self.guard is None or self.guard.in_string else self._choose_other(token, logits)
            if again is None:
                break
            token = again
        return self._lead_out(token)

    def _take_chosen(self, token: int) -> Ending | None:
        if self.matcher is not None:
            self.costs.add(token, self.matcher, self._masked)
        return "end token" if token in self.vocabulary.ends else self._take(token, sampled=True)

    def _fits(self, token: int) -> bool:
        if self.guard is None or self.matcher is None:
            return True
        return self.guard.admits(token, self.matcher)

    def _lead_out(self, token: int) -> Ending | None:
        """Go on with the closing plan in place of a token, out of what must end."""
        assert self.guard is not None
        assert self.matcher is not None
        if self.guard.in_text:
            return self._close("length")
        before = self._ahead()
        self._take_back(self.guard.loose(token))
        tokens = self.guard.way_out(self.matcher)
        if not tokens and not self.matcher.accepting:
            tokens = before[len(self.answer) :]
        if not tokens and not self.matcher.accepting:
            return self._take(token)  # the vocabulary cannot spell an end
        for planned in tokens:
            ending = self._intervene(planned)
            if ending is not None:
                return ending
        return None if tokens else self._at_limit()

    def _ahead(self) -> tuple[int, ...]:
        """The answer so far and its plan: a way to the end that stays where taking back finds no other."""
        assert self.guard is not None
        assert self.matcher is not None
        return (*self.answer, *self.guard.plan(self.matcher))

    def _intervene(self, token: int) -> Ending | None:
        self.costs.interventions += 1
        ending = self._take(token)
        if self.guard is not None:
            self.guard.stays()
        return ending

    def _close(self, why: Ending) -> Ending:
        """End the answer now, by its plan where it is held to a grammar."""
        if self.guard is None or self.matcher is None:
            return why
        self.text_was_cut = self.guard.in_text
        before = self._ahead()
        self._take_back(self.guard.loose())
        plan = self.guard.plan(self.matcher)
        if not plan and not self.matcher.accepting:
            plan = before[len(self.answer) :]
        for token in plan:
            if self._intervene(token) is not None:
                break
        return why

    def _is_late(self) -> bool:
        return time.perf_counter() >= self.deadline

    def _interrupted(self) -> bool:
        return self._is_late() or (self.should_stop is not None and self.should_stop())

    def _take(self, token: int, *, sampled: bool = False) -> Ending | None:
        """Make a token part of the answer; tell what it ends, if anything."""
        self.pending.append(token)
        self.answer.append(token)
        self.sampled += sampled
        self._was_sampled.append(sampled)
        may_end = True
        if self.matcher is not None:
            may_end = self.text.stops and self.matcher.accepting
            with self.costs.engine():
                self.matcher.accept(token)
        self._may_end.append(may_end)
        if self.guard is not None:
            self.guard.took(token)
        if self._tell(len(self.answer) if self.guard is None else self.guard.told):
            return "stop string"
        if self.matcher is not None and self.matcher.done:
            return "grammar"
        return self._at_limit() if len(self.answer) >= self.most_tokens else None

    def _take_back(self, count: int) -> None:
        """Forget the last tokens of the answer, none of which has been told."""
        if count == 0 or self.guard is None or self.restart is None:
            return
        prompt_and_answer = [*self.cache.tokens, *self.pending]
        del prompt_and_answer[-count:]
        kept = self.cache.reuse(prompt_and_answer)
        self.pending[:] = prompt_and_answer[kept:]
        self.sampled -= sum(self._was_sampled[-count:])
        for values in (self.answer, self._was_sampled, self._may_end):
            del values[-count:]
        self.guard.take_back(count)
        self.matcher = self.restart()
        for token in self.answer:
            self.matcher.accept(token)

    def _at_limit(self) -> Ending:
        """What an answer without more tokens is: whole where its grammar lets it end, but for free text."""
        if self.matcher is None or not self.matcher.accepting:
            return "length"
        return "length" if self.guard is None or self.guard.in_text else "grammar"

    def _tell(self, count: int) -> bool:
        """Hand on the answer's first `count` tokens; tell whether a stop string has been met."""
        while self._told < count:
            at = self._told
            self._told += 1
            if self.text.feed(self.vocabulary.piece(self.answer[at]), may_end=self._may_end[at]):
                return True
        return False

    def _choose(self, logits: FloatArray) -> int:
        if self.sampler.penalises:
            self.sampler.penalise(logits, self.cache.tokens)
        if self.matcher is None:
            return self.sampler.choose(logits)
        if self.sampler.truncates:
            token = int(logits.argmax())
        else:
            token = self.sampler.choose(logits)
            with self.costs.engine():
                allowed = self.matcher.allows(token)
            if allowed:
                return token
        self._mask(logits)
        self.costs.rejected += float(logits[token]) == -math.inf
        return self.sampler.choose(logits)

    def _choose_other(self, token: int, logits: FloatArray) -> int | None:
        """Choose among the other tokens that the grammar allows; None where there are none."""
        if self._masked is None:
            self._mask(logits)
        logits[token] = -np.inf
        return self.sampler.choose(logits) if np.isfinite(logits.max()) else None

    def _mask(self, logits: FloatArray) -> None:
        assert self.matcher is not None
        with self.costs.engine():
            self.matcher.mask_into(logits)
        self._masked = logits
