"""Sees to it that an answer can always be ended in time, and that single fields of it do not grow too long.

After each token there is a plan that ends the answer within the tokens left. Far from the limit this needs
no work: from nowhere in a grammar is it further to the end than `Plans.furthest`. Nearer to it a plan is kept
that the matcher has verified, and a token after which there would be none is refused.

Where a string has to end, it ends at a word: the guard remembers where the last word ended, and text from
there on is not told before it is certain (`told`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bridle.endpoints.llamacpp.landing import ends_word
from bridle.errors import BudgetError, GrammarError
from bridle.grammars.engines.base import Matcher
from bridle.grammars.engines.closing import Plans
from bridle.grammars.following import TURN_TEXT
from bridle.grammars.places import State

__all__ = ["Guard"]

_HELD = 12  # tokens of an unfinished word, or of what follows the last one, that are taken back at most
_NEAR = 16  # tokens to spare from which on the ends of words are remembered


class Guard:
    """Watches one answer of at most `most` tokens. `piece` gives the bytes of a token.

    `sure` says that every byte has a token of its own. `fields` are the most tokens of single fields by name.
    With `timed` the answer may have to be ended at any moment.

    Raises:
        BudgetError: when the shortest answer takes more than `most` tokens.
        GrammarError: when the vocabulary does not spell any short answer.
    """

    def __init__(
        self,
        plans: Plans,
        matcher: Matcher,
        most: int,
        piece: Callable[[int], bytes],
        *,
        sure: bool = True,
        fields: Mapping[str, int] | None = None,
        timed: bool = False,
    ) -> None:
        self._plans, self._follower = plans, plans.follower
        self._most = most
        self._piece = piece
        self._fields = dict(fields or {})
        self._timed = timed
        if most >= plans.longest:
            self._far = 0
        elif not sure:
            self._far = most + 1
        else:
            self._far = plans.furthest_bytes if most >= plans.furthest_bytes else plans.furthest
        self._pieces: list[bytes] = []
        self._states: list[State] = [self._follower.start()]
        self._counted: list[str] = []
        self._used = dict.fromkeys(self._fields, 0)
        self._over: list[str] = []
        self._string_start = 0
        self._word_end: int | None = None
        self._plan: tuple[int, ...] | None = None
        self._next: tuple[int, tuple[int, ...] | None] | None = None
        self._ahead: tuple[State, bytes, State] | None = None
        if most < self._far:
            self._plan = plans.shortest(matcher)
            if self._plan is None:
                raise GrammarError(
                    f"no answer that the grammar allows can be promised within {most} tokens",
                    hint="the model's vocabulary does not spell it; give more tokens, or another call syntax",
                )
            if len(self._plan) > most:
                raise _too_small(len(self._plan), most)

    @property
    def left(self) -> int:
        """How many more tokens the answer may have."""
        return self._most - len(self._pieces)

    @property
    def told(self) -> int:
        """How many tokens of the answer are certain to stay in it."""
        return len(self._pieces) if self._word_end is None else self._word_end

    @property
    def in_string(self) -> bool:
        """Is this inside free text that has begun?"""
        return bool(self._pieces) and self._follower.free(self._state())

    @property
    def in_text(self) -> bool:
        """Is this inside text that is no part of a call, and that might go on?"""
        state = self._state()
        if not self._follower.free(state):
            return False
        return self._follower.may_end(state) or TURN_TEXT in self._follower.fields(state)

    def admits(self, token: int, matcher: Matcher) -> bool:
        """Tell whether an answer may go on with a token that its grammar allows."""
        piece = self._piece(token)
        self._over = self._fields_over(piece)
        if self._over:
            return False
        left = self.left - 1
        plan: tuple[int, ...] | None = None
        if self._plan and self._plan[0] == token:
            plan = self._plan[1:]
        elif self._is_near(left):
            plan = self._plans.find(self._after(piece), matcher, left, (token,))
            if plan is None:
                return False
        self._next = token, plan
        return True

    def took(self, token: int) -> None:
        """Go on after a token."""
        piece = self._piece(token)
        watches = self._watches
        before = self._state() if watches else ()
        tail = self._pieces[-1] if self._pieces else b""
        self._pieces.append(piece)
        if self._next is not None and self._next[0] == token:
            self._plan = self._next[1]
        else:
            # What is left of a plan is one; to spell the rest anew may take more tokens.
            self._plan = self._plan[1:] if self._plan and self._plan[0] == token else None
        self._next = None
        if watches:
            after = self._state()
            self._count(before, after, piece)
            self._remember(before, after, tail, piece)

    def way_out(self, matcher: Matcher) -> tuple[int, ...]:
        """Return tokens that lead out of what must end; none where the whole answer may end at once."""
        state, plan = self._state(), self.plan(matcher)
        for name in self._over:
            text = self._follower.end_of(state, name)
            tokens = self._plans.spelled(text) if text else None
            if tokens is None:
                tokens = self._until(plan, lambda after: name not in self._follower.fields(after))  # noqa: B023
            if len(tokens) <= self.left:
                return tokens
        if self._follower.free(state):
            return self._until(plan, lambda after: not self._follower.free(after))
        return plan[:1]

    def plan(self, matcher: Matcher) -> tuple[int, ...]:
        """Return the tokens that end the answer from here; none where it may end at once."""
        if self._plan is None:
            self._plan = self._plans.find(self._state(), matcher, max(self.left, 0))
        return self._plan or ()

    def loose(self, token: int | None = None) -> int:
        """Return how many of the last tokens to take back for a string to end at a word, not with `token`."""
        if self._word_end is None:
            return 0
        if token is not None and ends_word(self._pieces[-1], self._piece(token)):
            return 0
        return len(self._pieces) - self._word_end

    def stays(self) -> None:
        """Take nothing back that has been written so far."""
        self._word_end = None

    def take_back(self, count: int) -> None:
        """Forget the last tokens."""
        size = len(self._pieces) - count
        for name in self._counted[size:]:
            if name:
                self._used[name] -= 1
        del self._pieces[size:], self._counted[size:], self._states[size + 1 :]
        self._plan = self._next = self._word_end = None

    @property
    def _watches(self) -> bool:
        return bool(self._fields) or self._timed or self._is_near(self.left - 1 - _NEAR)

    def _is_near(self, left: int) -> bool:
        """Can it be further to the end than `left` tokens? The exact distance is measured when it matters."""
        if left < self._far and self._far == self._plans.furthest_bytes:
            self._far = self._plans.furthest
        return left < self._far

    def _state(self) -> State:
        """Where in the grammar the answer stands."""
        done = len(self._states) - 1
        if done < len(self._pieces):
            if self._ahead is not None and self._ahead[0] is self._states[-1]:
                _, piece, state = self._ahead
                if piece == self._pieces[done]:
                    self._states.append(state)
            for piece in self._pieces[len(self._states) - 1 :]:
                self._states.append(self._follower.advance(self._states[-1], piece))
        return self._states[-1]

    def _after(self, piece: bytes) -> State:
        """The state that a piece leads to."""
        state = self._state()
        if self._ahead is None or self._ahead[0] is not state or self._ahead[1] != piece:
            self._ahead = state, piece, self._follower.advance(state, piece)
        return self._ahead[2]

    def _full_fields(self, state: State) -> list[str]:
        inside = self._follower.fields(state)
        return [name for name in inside if name in self._used and self._used[name] >= self._fields[name]]

    def _until(self, plan: tuple[int, ...], over: Callable[[State], bool]) -> tuple[int, ...]:
        """Return the beginning of a plan up to where something is over."""
        state = self._state()
        for count, token in enumerate(plan, 1):
            state = self._follower.advance(state, self._piece(token))
            if over(state):
                return plan[:count]
        return plan

    def _fields_over(self, piece: bytes) -> list[str]:
        """Return the fields that have had all their tokens, and that a piece would go on with."""
        if not self._fields:
            return []
        inside = self._follower.fields(self._after(piece))
        return [name for name in self._full_fields(self._state()) if name in inside]

    def _count(self, before: State, after: State, piece: bytes) -> None:
        """Count a token of a field, but not one that only opens it."""
        inside = [name for name in self._follower.fields(after) if name in self._used]
        free = self._follower.free
        opens = free(after) and not free(before) and not piece[-1:].isalnum()
        name = "" if not inside or opens else inside[-1]
        if name:
            self._used[name] += 1
        self._counted += [""] * (len(self._pieces) - 1 - len(self._counted))
        self._counted.append(name)

    def _remember(self, before: State, after: State, tail: bytes, piece: bytes) -> None:
        """Note where the last word of a string ended, while that may be asked for soon."""
        count, free = len(self._pieces), self._follower.free
        if not free(after) or not free(before) or self._follower.may_end(after):
            self._word_end, self._string_start = None, count
        elif count > self._string_start + 1 and ends_word(tail, piece) and self._is_tight(after):
            self._word_end = count - 1
        elif self._word_end is None and self._follower.in_char(after) and self._is_tight(after):
            # A character that would be cut is better left out.
            self._word_end = None if self._follower.in_char(before) else count - 1
        elif self._word_end is not None and count - self._word_end > _HELD:
            self._word_end = None

    def _is_tight(self, state: State) -> bool:
        distance = self._far if self._plan is None else len(self._plan)
        if self._timed or (self._far and self.left - distance < _NEAR):
            return True
        names = self._follower.fields(state) if self._fields else ()
        return any(name in self._used and self._fields[name] - self._used[name] < _NEAR for name in names)


def _too_small(needed: int, given: int) -> BudgetError:
    return BudgetError(
        f"max_tokens is {given}, and the shortest answer that the grammar allows takes {needed}",
        needed=needed,
        given=given,
        hint=f"give max_tokens of at least {needed}, or ask for something shorter",
    )
