"""Rules for strings that are quoted from texts: the automaton of all runs of words, one rule for each state.

All runs of n words are some n² / 2 texts. Their automaton (a suffix automaton over words, in which every
state accepts) has at most 2 n states and 3 n transitions: a text of several hundred words makes a grammar of
some kilobytes. A limit of characters is held by cutting the texts into overlapping windows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import cast

from bridle.errors import SchemaError
from bridle.grammars.ir import EMPTY, Chars, Lit, Node, Ref, Seq, alt, optional, seq
from bridle.grammars.json_rules import JsonRules
from bridle.grammars.quote_words import Word, windows, words_of
from bridle.grammars.schema_keywords import pointer_to
from bridle.grammars.schema_merge import Impossible
from bridle.messages import JSON

__all__ = ["QUOTED_FROM", "QUOTE_OR_FREE", "pieces_of", "quote_node", "runs_of", "sources_of", "unquotable"]

QUOTED_FROM = "x-quoted-from"
QUOTE_OR_FREE = "x-quote-or-free"

_ROOM = 600  # words in all windows of one string; each makes up to two rules, which take some 30 µs each
_NESTED = 12  # brackets in one rule; llguidance takes some thirty
_LISTED = 50_000  # runs that are tried against a pattern
_SPELLED = ((0, 0x20), (0x22, 0x22), (0x26, 0x26), (0x3C, 0x3C), (0x5C, 0x5C), (0x7F, 0x9F))


def sources_of(schema: Mapping[str, JSON], pointer: str = "") -> tuple[str, ...]:
    """Return the names of the texts that a string is quoted from; none where it is not.

    Raises:
        SchemaError: for an annotation that is neither a name nor a list of names.

    >>> sources_of({"x-quoted-from": ["user", "memory"]})
    ('user', 'memory')
    """
    if QUOTED_FROM not in schema:
        return ()
    found = schema[QUOTED_FROM]
    names = found if isinstance(found, list) else [found]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise SchemaError(
            f"{QUOTED_FROM} is {found!r}",
            pointer=pointer_to(pointer, QUOTED_FROM),
            hint="it must be the name of a source of texts, or a list of names",
        )
    return tuple(dict.fromkeys(cast("list[str]", names)))


def unquotable(rules: JsonRules, schema: Mapping[str, JSON], pattern: str, pointer: str) -> str:
    """Say in words why a string cannot be held to quotes; the empty string where it can be.

    Raises:
        SchemaError: for an annotation that is neither a name nor a list of names.
    """
    missing = [name for name in sources_of(schema, pointer) if name not in rules.store.quotes]
    if missing:
        return f"there are no texts called {', '.join(map(repr, missing))}"
    if pattern and schema.get(QUOTE_OR_FREE) is True:
        return "a free text with a pattern cannot be told from a quote"
    return ""


def quote_node(
    rules: JsonRules, schema: Mapping[str, JSON], least: int, most: int, pattern: str, pointer: str
) -> Node:
    """Return rules for the strings of a schema that are quoted from the texts that `rules` know.

    Raises:
        Impossible: where there is no such quote.
        SchemaError: for a pattern together with texts that are too long to try it on.
    """
    quote = _Quote(rules, schema, least, most, pattern, pointer)
    return rules.store.once("quote", quote.key, quote.node)


class _Quote:
    """One string, and in which rules it is written."""

    def __init__(
        self,
        rules: JsonRules,
        schema: Mapping[str, JSON],
        least: int,
        most: int,
        pattern: str,
        pointer: str,
    ) -> None:
        self.names = sources_of(schema, pointer)
        self.free = schema.get(QUOTE_OR_FREE) is True
        self._rules = rules
        self._least, self._most, self._exact = least, most, "maxLength" in schema
        self._pattern = pattern
        self._pointer = pointer
        marks = rules.dump("", 0)
        self._opening, self._closing = marks[: len(marks) // 2], marks[len(marks) // 2 :]

    @property
    def key(self) -> object:
        """The same for strings whose rules are the same."""
        mark: object = getattr(self._rules, "mark", "")
        bounds = self._least, self._most, self._exact, self._pattern
        return type(self._rules), mark, self.names, self.free, bounds

    def node(self) -> Node:
        """Return rules for the string, with its marks.

        Raises:
            Impossible: where nothing fits.
            SchemaError: for too many runs to try a pattern on.
        """
        texts = [text for name in self.names for text in self._rules.store.quotes[name]]
        pieces = pieces_of(texts, self._most)
        body = self._listed(pieces) if self._pattern else self._automaton(pieces)
        if self.free:
            other = self._other(pieces)
            body = other if body is None else alt(body, other)
        if body is None:
            raise Impossible(
                f"nothing in the texts of {', '.join(map(repr, self.names))} can be quoted here",
                pointer=pointer_to(self._pointer, QUOTED_FROM),
                hint="give other texts, allow free text beside them, or loosen what else the string must be",
            )
        return seq(Lit(self._opening), body, Lit(self._closing))

    def _spelled(self, text: str) -> str:
        return self._rules.dump(text, 0)[len(self._opening) : -len(self._closing) or None]

    def _automaton(self, pieces: Sequence[Sequence[Word]]) -> Node | None:
        automaton = _Automaton()
        for piece in pieces:
            automaton.add(piece)
        made: dict[tuple[int, int], Node | None] = {}
        branching = _Branching(self._rules.share)
        for state, need in automaton.met(self._least):
            endings: dict[str, list[Node]] = {}
            for word, target in automaton.edges[state].items():
                for first in _starts_of(word, first=state == 0):
                    for end in word.ends:
                        if len(first + end) >= need:
                            endings.setdefault(self._spelled(first + end), []).append(EMPTY)
                    whole = first + word.ends[-1]
                    more = made.get((target, max(0, need - len(whole))))
                    if more is not None:
                        endings.setdefault(self._spelled(whole), []).append(more)
            node = branching.of(endings)
            made[state, need] = node if node is None or state == 0 else self._rules.share("run", node)
        return made[0, self._least]

    def _listed(self, pieces: Sequence[Sequence[Word]]) -> Node | None:
        """The runs that a pattern takes, one by one."""
        runs = {run for piece in pieces for run in runs_of(piece)}
        if len(runs) > _LISTED:
            raise SchemaError(
                f"there are {len(runs)} runs of words to try the pattern {self._pattern!r} on",
                pointer=pointer_to(self._pointer, QUOTED_FROM),
                hint=f"quote from shorter texts, or limit the string's length: {_LISTED} can be tried",
            )
        both = re.compile(self._pattern), re.compile(self._pattern, re.ASCII)
        fits = [
            run
            for run in sorted(runs)
            if self._least <= len(run) <= self._most and all(one.search(run) for one in both)
        ]
        return _Branching(self._rules.share).of({self._spelled(run): [EMPTY] for run in fits})

    def _other(self, pieces: Sequence[Sequence[Word]]) -> Node:
        """Any text whose first two characters are not those of a quote, so that what begins as one is one."""
        begun: dict[str, set[str]] = {}
        for piece in pieces:
            for word, following in zip(piece, [*(one.whole for one in piece[1:]), ""], strict=True):
                for first in (word.core, word.start):
                    start = (first + word.ends[-1] + following)[:2]
                    begun.setdefault(start[0], set()).add(start[1:])
        items: list[Node] = [EMPTY] if self._least == 0 else []
        if self._most >= max(1, self._least):
            items.append(seq(self._but(begun), self._any(1)))
        if self._most >= max(2, self._least):
            plain = self._but(())
            for first, seconds in begun.items():
                if plain.holds(ord(first)):
                    items.append(seq(Lit(first), self._but(seconds), self._any(2)))
        return alt(*items)

    def _but(self, chars: Iterable[str]) -> Chars:
        """A character that no notation spells in another way, and none of these."""
        mark: object = getattr(self._rules, "mark", "")
        others = {*"".join(chars), *str(mark)[:1]}
        return Chars((*_SPELLED, *((ord(char), ord(char)) for char in sorted(others))), negated=True)

    def _any(self, taken: int) -> Node:
        """The characters behind the first few of a free text, as they stand between a string's marks."""
        if self._most == taken:
            return EMPTY
        node = self._rules.text(max(0, self._least - taken), self._most - taken, exact=self._exact)
        while isinstance(node, Ref):
            node = self._rules.rules[node.name]
        if not self._opening:
            return node
        items = node.items if isinstance(node, Seq) else (node,)
        first, last = items[0], items[-1]
        assert isinstance(first, Lit) and isinstance(last, Lit)  # noqa: PT018
        return seq(Lit(first.text[len(self._opening) :]), *items[1:-1], Lit(last.text[: -len(self._closing)]))


class _Automaton:
    """The suffix automaton of several rows of words: each way from state 0 is a run, and each run one way."""

    def __init__(self) -> None:
        self.edges: list[dict[Word, int]] = [{}]
        self._longest = [0]
        self._link = [-1]

    def add(self, row: Sequence[Word]) -> None:
        """Take another row."""
        last = 0
        for word in row:
            last = self._extended(last, word)

    def met(self, least: int) -> list[tuple[int, int]]:
        """Return each state with how many characters are wanting there, those behind others first."""
        found = {(0, least)}
        todo = [(0, least)]
        while todo:
            state, need = todo.pop()
            for word, target in self.edges[state].items():
                for first in _starts_of(word, first=state == 0):
                    pair = target, max(0, need - len(first + word.ends[-1]))
                    if pair not in found:
                        found.add(pair)
                        todo.append(pair)
        return sorted(found, key=lambda pair: (-self._longest[pair[0]], pair))

    def _extended(self, last: int, word: Word) -> int:
        known = self.edges[last].get(word)
        if known is not None and self._longest[known] == self._longest[last] + 1:
            return known
        if known is not None:
            return self._split(last, word, known)
        new = self._state(self._longest[last] + 1, {}, 0)
        at = last
        while at >= 0 and word not in self.edges[at]:
            self.edges[at][word] = new
            at = self._link[at]
        if at >= 0:
            target = self.edges[at][word]
            fits = self._longest[target] == self._longest[at] + 1
            self._link[new] = target if fits else self._split(at, word, target)
        return new

    def _split(self, at: int, word: Word, target: int) -> int:
        """Give the shorter runs that lead to `target` a state of their own."""
        copy = self._state(self._longest[at] + 1, dict(self.edges[target]), self._link[target])
        self._link[target] = copy
        while at >= 0 and self.edges[at].get(word) == target:
            self.edges[at][word] = copy
            at = self._link[at]
        return copy

    def _state(self, longest: int, edges: dict[Word, int], link: int) -> int:
        self.edges.append(edges)
        self._longest.append(longest)
        self._link.append(link)
        return len(self.edges) - 1


def _starts_of(word: Word, *, first: bool) -> tuple[str, ...]:
    """How a word may be written up to its end: as the first one of a run with or without the marks before."""
    return tuple(dict.fromkeys((word.core, word.start))) if first else (word.between + word.start,)


def pieces_of(texts: Sequence[str], most: int) -> list[list[Word]]:
    """Return the pieces of texts that hold all quotes of at most `most` characters (`windows`)."""
    rows = [row for text in dict.fromkeys(texts) for row in words_of(text)]
    size = sum(map(len, rows))
    return [
        piece for row in rows for piece in windows(row, most, max(3 * len(row), _ROOM * len(row) // size))
    ]


def runs_of(row: Sequence[Word]) -> Iterator[str]:
    """Yield all quotes of a row."""
    for at, word in enumerate(row):
        for start in _starts_of(word, first=True):
            yield from (start + end for end in word.ends)
            before = start + word.ends[-1]
            for later in row[at + 1 :]:
                yield from (before + later.between + later.start + end for end in later.ends)
                before += later.whole


class _Branching:
    """Rules for texts, each with what may follow it; what several begin with is written once."""

    def __init__(self, share: Callable[[str, Node], Node]) -> None:
        self._share = share

    def of(self, endings: Mapping[str, Sequence[Node]]) -> Node | None:
        """Return the rules; None for no texts at all."""
        return self._of(endings)[0] if endings else None

    def _of(self, endings: Mapping[str, Sequence[Node]]) -> tuple[Node, int]:
        """Return rules and how deep they are nested; a rule that gets too deep goes on in another one."""
        following, deepest = list(endings.get("", ())), 0
        groups: dict[str, list[str]] = {}
        for text in endings:
            if text:
                groups.setdefault(text[0], []).append(text)
        for texts in groups.values():
            common = _common(min(texts), max(texts))
            rest, depth = self._of({text[len(common) :]: endings[text] for text in texts})
            if depth >= _NESTED:
                rest, depth = self._share("run", rest), 0
            following.append(seq(Lit(common), rest))
            deepest = max(deepest, depth + 1)
        others = [node for node in following if node != EMPTY]
        if len(others) == len(following):
            return alt(*others), deepest
        return (optional(alt(*others)) if others else EMPTY), deepest


def _common(one: str, other: str) -> str:
    """Return what two texts begin with; of many texts in order, that of the first and the last is all's."""
    size = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    return one[:size]
