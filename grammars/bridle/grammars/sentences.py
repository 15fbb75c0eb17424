"""Sentences of a grammar: the shortest, drawn at random, and recognised without any engine.

All are ours and pure Python, so that engines can be tested against something that shares no code with them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from bridle.grammars.ir import Alt, Chars, Grammar, Lit, Node, Repeat, Seq

__all__ = ["matches", "sample", "shortest"]

_USUAL = [ord(c) for c in "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789 .,;:!?-_'\"\\/<>{}[]()|\n\tßéñΩ世界🧿"]


def sample(grammar: Grammar, rng: random.Random) -> str:
    """Draw one sentence. Repetitions are mostly short, and now and then as long as they may be.

    >>> sample(Grammar(Alt((Lit("yes"), Lit("no")))), random.Random(3)) in ("yes", "no")
    True
    """
    pieces: list[str] = []
    _draw(grammar.root, grammar.rules, rng, pieces)
    return "".join(pieces)


def shortest(grammar: Grammar) -> str:
    """Return a sentence with the fewest bytes of UTF-8; of equal ones the first.

    >>> shortest(Grammar(Seq((Repeat(Lit("ab"), 1, 2), Alt((Lit("yes"), Lit("no")))))))
    'abno'
    """
    return _Shortest(grammar.rules).of(grammar.root)


def matches(grammar: Grammar, text: str) -> bool:
    """Tell whether the whole text is a sentence of the grammar.

    >>> matches(Grammar(Repeat(Lit("ab"), 1, 2)), "abab")
    True
    """
    return len(text) in _Reader(grammar.rules, text).ends(grammar.root, {0})


class _Shortest:
    """Finds the shortest text of nodes. Each rule is looked at once."""

    def __init__(self, rules: Mapping[str, Node]) -> None:
        self._rules = rules
        self._known: dict[str, str] = {}

    def of(self, node: Node) -> str:
        match node:
            case Lit(text):
                return text
            case Chars():
                letter = next((point for point in _USUAL if point < 0x80 and node.holds(point)), None)
                return chr(node.allowed()[0][0] if letter is None else letter)
            case Seq(items):
                return "".join(self.of(item) for item in items)
            case Alt(items):
                return min((self.of(item) for item in items), key=lambda text: len(text.encode()))
            case Repeat(item, least, _):
                return self.of(item) * least
            case _:
                if node.name not in self._known:
                    self._known[node.name] = self.of(self._rules[node.name])
                return self._known[node.name]


def _draw(node: Node, rules: Mapping[str, Node], rng: random.Random, pieces: list[str]) -> None:
    match node:
        case Lit(text):
            pieces.append(text)
        case Chars():
            pieces.append(_draw_char(node, rng))
        case Seq(items):
            for item in items:
                _draw(item, rules, rng, pieces)
        case Alt(items):
            _draw(rng.choice(items), rules, rng, pieces)
        case Repeat(item, least, most):
            for _ in range(_draw_count(least, most, rng)):
                _draw(item, rules, rng, pieces)
        case _:
            _draw(rules[node.name], rules, rng, pieces)


def _draw_count(least: int, most: int, rng: random.Random) -> int:
    if rng.random() < 0.02:
        return most
    count = least
    while count < most and rng.random() < 0.7:
        count += 1
    return count


def _draw_char(chars: Chars, rng: random.Random) -> str:
    for _ in range(4):
        point = rng.choice(_USUAL)
        if chars.holds(point):
            return chr(point)
    return chr(rng.randint(*rng.choice(chars.allowed())))


class _Reader:
    """Follows all ways to read a text at once, as the set of places that each part can end at."""

    def __init__(self, rules: Mapping[str, Node], text: str) -> None:
        self._rules = rules
        self._text = text

    def ends(self, node: Node, starts: set[int]) -> set[int]:
        if not starts:
            return starts
        match node:
            case Lit(text):
                return {at + len(text) for at in starts if self._text.startswith(text, at)}
            case Chars():
                size = len(self._text)
                return {at + 1 for at in starts if at < size and node.holds(ord(self._text[at]))}
            case Seq(items):
                for item in items:
                    starts = self.ends(item, starts)
                return starts
            case Alt(items):
                return set[int]().union(*(self.ends(item, starts) for item in items))
            case Repeat(item, least, most):
                return self._repeated(item, least, most, starts)
            case _:
                return self.ends(self._rules[node.name], starts)

    def _repeated(self, item: Node, least: int, most: int, starts: set[int]) -> set[int]:
        for _ in range(least):
            starts = self.ends(item, starts)
        found = set(starts)
        for _ in range(most - least):
            # A place that was reached by fewer repetitions is not worth following again.
            starts = self.ends(item, starts) - found
            if not starts:
                break
            found |= starts
        return found
