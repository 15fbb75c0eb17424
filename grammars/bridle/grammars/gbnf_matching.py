"""Tells whether a text is a sentence of a GBNF grammar, in pure Python.

It shares no code with any engine: the text is read into rules by `gbnf_syntax.py`, and all ways to match are
followed at once, each as a stack of what is still to come. Stacks share their tails and are followed only
once, so that the time grows with the length of the text and hardly with that of the grammar.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from bridle.errors import GrammarError
from bridle.grammars.gbnf_dialects import Dialect
from bridle.grammars.gbnf_syntax import Item, read_gbnf
from bridle.grammars.ir import Chars

__all__ = ["GbnfMatcher", "Reach"]

_MOST_STACKS = 20_000  # at one place of a text; only a grammar with very many ways to match comes near it


@dataclass(slots=True)
class _Place:
    """A character to match, a choice of ways, or a repetition of an item; and what comes behind it."""

    behind: int
    is_char: bool = False
    starts: list[int] = field(default_factory=list[int])
    lasts: list[int] = field(default_factory=list[int])
    ways: list[int] | None = None
    rule: str = ""
    item: int = -1
    least: int = 0
    most: int | None = None

    def holds(self, point: int) -> bool:
        found = bisect_right(self.starts, point) - 1
        return found >= 0 and point <= self.lasts[found]


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a text goes: so many characters can begin a sentence, behind which one of `allowed` may come.

    `accepted` says that the whole text is a sentence.
    """

    n_chars: int
    accepted: bool
    allowed: tuple[tuple[int, int], ...]


class GbnfMatcher:
    """Matches texts with the rule `root` of a grammar.

    Raises:
        GrammarError: for a grammar that cannot be read, or that has terminals of tokens.

    >>> GbnfMatcher('root ::= "a" [b-d]{2,}').matches("acdb")
    True
    """

    def __init__(self, text: str, dialect: Dialect = "llama.cpp") -> None:
        self._places: list[_Place] = [_Place(-1)]  # number 0 is the end
        self._stacks: list[tuple[int, int, int]] = [(0, 0, -1)]  # place, times done, the stack below
        self._numbers: dict[tuple[int, int, int], int] = {}
        self._ready: dict[int, frozenset[int]] = {}
        self._steps: dict[tuple[int, str], frozenset[int]] = {}
        self._sets: dict[frozenset[int], int] = {}
        self._members: list[frozenset[int]] = []
        rules = read_gbnf(text, dialect)
        self._rules = {
            name: [self._sequence(items, 0) for items in rule.options] for name, rule in rules.items()
        }
        if "root" not in self._rules:
            raise GrammarError("there is no rule called 'root'", hint="the grammar starts at 'root ::= …'")
        for place in self._places:
            if place.rule:
                if place.rule not in self._rules:
                    raise GrammarError(f"the rule {place.rule!r} is not defined")
                place.ways = self._rules[place.rule]
        begin: set[int] = set()
        for way in self._rules["root"]:
            begin |= self._expanded(self._stack(way, 0, -1))
        self._start = self._numbered(frozenset(begin))

    def matches(self, text: str) -> bool:
        """Tell whether the whole text is a sentence.

        Raises:
            GrammarError: when the grammar has too many ways to match the text.
        """
        current, n_chars = self._walk(text)
        return n_chars == len(text) and 0 in self._members[current]

    def follow(self, text: str) -> Reach:
        """Tell how far a text can be the beginning of a sentence, and what may come there.

        Raises:
            GrammarError: when the grammar has too many ways to match the text.

        >>> GbnfMatcher('root ::= "a" [b-d]{2,}').follow("abx")
        Reach(n_chars=2, accepted=False, allowed=((98, 100),))
        """
        current, n_chars = self._walk(text)
        stacks = self._members[current]
        places = [self._places[self._stacks[stack][0]] for stack in stacks if stack]
        ranges = (pair for place in places for pair in zip(place.starts, place.lasts, strict=True))
        allowed = Chars(tuple(sorted(set(ranges)))).allowed()
        return Reach(n_chars, n_chars == len(text) and 0 in stacks, allowed)

    def _walk(self, text: str) -> tuple[int, int]:
        """Return the set of stacks behind the longest beginning of a sentence, and its length."""
        current, n_chars = self._start, 0
        for char in text:
            key = (current, char)
            if key not in self._steps:
                self._steps[key] = self._step(self._members[current], ord(char))
            if not self._steps[key]:
                break
            current, n_chars = self._numbered(self._steps[key]), n_chars + 1
        return current, n_chars

    def _step(self, stacks: frozenset[int], point: int) -> frozenset[int]:
        found: set[int] = set()
        for stack in stacks:
            place, _, below = self._stacks[stack]
            if place and self._places[place].holds(point):
                found |= self._expanded(self._stack(self._places[place].behind, 0, below))
        if len(found) > _MOST_STACKS:
            raise GrammarError("the grammar has too many ways to match this text", hint="simplify it")
        return frozenset(found)

    def _numbered(self, stacks: frozenset[int]) -> int:
        if stacks not in self._sets:
            self._sets[stacks] = len(self._members)
            self._members.append(stacks)
        return self._sets[stacks]

    def _stack(self, place: int, done: int, below: int) -> int:
        """Return the number of a stack. The end of a rule is what stands below; a stack of nothing is 0."""
        if place == 0:
            return 0 if below < 0 else below
        key = (place, done, below)
        if key not in self._numbers:
            self._numbers[key] = len(self._stacks)
            self._stacks.append(key)
        return self._numbers[key]

    def _expanded(self, stack: int) -> frozenset[int]:
        """Return the stacks that begin with a character (or are the end), by following rules down."""
        if stack in self._ready:
            return self._ready[stack]
        found: set[int] = set()
        seen = {stack}
        waiting = [stack]
        while waiting:
            number = waiting.pop()
            place_number, done, below = self._stacks[number]
            place = self._places[place_number]
            if place_number == 0 or place.is_char:
                found.add(number)
                continue
            for following in self._onward(place_number, place, done, below):
                if following not in seen:
                    seen.add(following)
                    waiting.append(following)
        self._ready[stack] = frozenset(found)
        return self._ready[stack]

    def _onward(self, number: int, place: _Place, done: int, below: int) -> list[int]:
        if place.ways is not None:
            rest = self._stack(place.behind, 0, below)
            return [self._stack(way, 0, rest if rest else -1) for way in place.ways]
        found: list[int] = []
        if done >= place.least:
            found.append(self._stack(place.behind, 0, below))
        if place.most is None or done < place.most:
            times = min(done + 1, place.least) if place.most is None else done + 1
            again = self._stack(number, times, below)
            found.append(self._stack(place.item, 0, again))
        return found

    def _add(self, place: _Place) -> int:
        self._places.append(place)
        return len(self._places) - 1

    def _sequence(self, items: list[Item], behind: int) -> int:
        for item in reversed(items):
            behind = self._item(item, behind)
        return behind

    def _item(self, item: Item, behind: int) -> int:
        counts = list(item.counts)
        if not counts:
            return self._once(item, behind)
        inner = self._once(item, 0)
        for i, (least, most) in enumerate(counts):
            last = i == len(counts) - 1
            inner = self._add(_Place(behind if last else 0, item=inner, least=least, most=most))
        return inner

    def _once(self, item: Item, behind: int) -> int:
        if item.token:
            raise GrammarError(
                "a token is no text, so that no text can match it", line=item.line, hint="write its text"
            )
        if item.rule:
            return self._add(_Place(behind, rule=item.rule))
        if item.group:
            return self._add(_Place(behind, ways=[self._sequence(items, 0) for items in item.group]))
        for ranges in reversed(item.chars):
            merged = sorted(ranges)
            behind = self._add(
                _Place(behind, True, [first for first, _ in merged], [last for _, last in merged])
            )
        return behind
