"""How large an index of outlines would be: told from the rules, before it is built.

An index has an entry for each token that may come next in each state of a deterministic automaton. Where text
can be read in one way only, the states are the places of the rules, and the estimate is within a tenth.
Where a repetition can stand at several counts at once (`.*foo`, cut to so many characters, `[ab]*a[ab]{9}`)
the states are sets of places, of which there may be exponentially many: those are counted one by one, up to
a limit.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from bridle.grammars.following import Follower
from bridle.grammars.ir import Alt, Chars, Grammar, Lit, Node, Repeat, Seq
from bridle.grammars.places import Place, State
from bridle.grammars.sentences import sample

__all__ = ["index_entries"]

_WIDE_POINTS = 30  # a class of more than digits holds a large part of all tokens
_NARROW_SHARE = 30  # one in so many tokens is of digits alone, or the like
_TEXT_TOKENS = 20  # that begin a given text
_SAMPLES = 6  # sentences, in which ambiguity shows
_RANGES = 12  # of a class, whose ends are tried
_MOST_WORK = 500_000  # places to go on from: a second


def index_entries(grammar: Grammar, n_vocab: int, most: int) -> int:
    """Return about how many entries an index has; where it has more than `most`, some number above that.

    >>> index_entries(Grammar(Repeat(Chars((), negated=True), 0, 100)), 32_000, 10_000_000)
    3200000
    """
    entries = _at_places(grammar, n_vocab)
    if entries > most or not _is_ambiguous(grammar):
        return entries
    return _in_states(grammar, n_vocab, most)


def _at_places(grammar: Grammar, n_vocab: int) -> int:
    known: dict[str, int] = {}

    def of(node: Node) -> int:
        match node:
            case Lit(text):
                return len(text) * _TEXT_TOKENS
            case Chars():
                return _tokens(node, n_vocab)
            case Seq(items) | Alt(items):
                return sum(map(of, items))
            case Repeat(item, _, most):
                return of(item) * most
            case _:
                if node.name not in known:
                    known[node.name] = of(grammar.rules[node.name])
                return known[node.name]

    return of(grammar.root)


@lru_cache(maxsize=512)
def _tokens(node: Node, n_vocab: int) -> int:
    """Return how many tokens a place allows."""
    if not isinstance(node, Chars):
        return _TEXT_TOKENS
    points = sum(last - first + 1 for first, last in node.allowed())
    return n_vocab if points > _WIDE_POINTS else n_vocab // _NARROW_SHARE + 1


def _is_ambiguous(grammar: Grammar) -> bool:
    """Tell whether some sentence stands in one repetition at several counts at once."""
    follower = Follower(grammar)
    for seed in range(_SAMPLES):
        state = follower.start()
        for char in sample(grammar, random.Random(seed)):
            state = follower.advance(state, char.encode())
            if len(state) > 1 and max(Counter(map(_without_counts, state)).values()) > 1:
                return True
    return False


def _without_counts(place: Place | None) -> tuple[int, ...]:
    nodes: list[int] = []
    while place is not None:
        nodes.append(id(place.node))
        place = place.next
    return tuple(nodes)


def _in_states(grammar: Grammar, n_vocab: int, most: int) -> int:
    follower = Follower(grammar)
    known: set[frozenset[Place]] = set()
    waiting = [follower.start()]
    entries = work = 0
    while waiting:
        state = waiting.pop()
        if frozenset(state) in known or not state:
            continue
        known.add(frozenset(state))
        entries += max(_tokens(place.node, n_vocab) for place in state)
        characters = dict.fromkeys(_next_characters(state))
        work += len(state) * len(characters)
        if entries > most or work > _MOST_WORK:
            return max(entries, most + 1)
        waiting.extend(follower.advance(state, character) for character in characters)
    return entries


def _next_characters(state: State) -> Iterator[bytes]:
    """Yield what the state can go on with: of classes the ends of their ranges, which stand for the rest."""
    for place in state:
        if isinstance(place.node, Lit):
            yield place.node.text.encode()[place.done : place.done + 1]
        elif isinstance(place.node, Chars):
            yield from _edges(place.node)


@lru_cache(maxsize=512)
def _edges(chars: Chars) -> tuple[bytes, ...]:
    return tuple(chr(point).encode() for ends in chars.allowed()[:_RANGES] for point in ends)
