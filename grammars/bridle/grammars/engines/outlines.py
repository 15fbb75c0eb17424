"""The engine of Outlines: outlines_core's index over the bytes of llama.cpp's tokens.

An index lists, for every state of a regular expression, all tokens that may come next. Masks are quick, but
to build the index takes time and memory for each state times each token: a second and 150 MB for a JSON
string of 256 characters with 32,064 tokens, which llguidance compiles in milliseconds. What would be much
larger is refused beforehand.

Outlines itself reads llama.cpp's tokens as text, and so loses those that hold a part of a character. Its
index also tries the expression at every place of the answer, which doubles it with each character that a
quoted string may have, and where one alternative begins another it takes the first. Here tokens are bytes,
and U+0000, which is left out of the answers, stands before and after the expression: so that it can begin
and end in one place only.
"""

from __future__ import annotations

import importlib
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, cast

from bridle.errors import GrammarError, MissingExtra
from bridle.grammars.engines.base import BitArray, FloatArray, Matcher
from bridle.grammars.engines.index_size import index_entries
from bridle.grammars.engines.marks import is_call_mark
from bridle.grammars.engines.masks import Mask
from bridle.grammars.engines.native import llama_cpp, read_tokens
from bridle.grammars.ir import Alt, Chars, Grammar, Lit, Node, Repeat, Seq
from bridle.grammars.regex import to_regex

try:
    import numpy as np
except ImportError as error:
    raise MissingExtra("numpy is not installed", extra="llama") from error

__all__ = ["LARGEST_INDEX", "OutlinesEngine"]

LARGEST_INDEX = 30_000_000
"""Entries; each takes about 160 ns and 14 bytes: 5 seconds and 400 MB."""
_KEPT_ENTRIES = 2 * LARGEST_INDEX  # of all indexes that are kept
_EDGE = "\0"
_ERROR_CHARS = 300


class _Index(Protocol):
    def get_initial_state(self) -> int: ...
    def get_next_state(self, state: int, token: int) -> int | None: ...
    def get_allowed_tokens(self, state: int) -> list[int] | None: ...


class _Guide(Protocol):
    def advance(self, token: int, return_tokens: bool) -> object: ...
    def write_mask_into(self, address: int, words: int, word_bytes: int) -> None: ...


class _OutlinesCore(Protocol):
    def Vocabulary(self, eos: int, tokens: Mapping[bytes, Sequence[int]]) -> object: ...
    def Index(self, regex: str, vocabulary: object) -> _Index: ...
    def Guide(self, index: _Index) -> _Guide: ...


class OutlinesEngine:
    """Holds grammars for the vocabulary at the pointer `vocab`; `ends` are all tokens that end an answer.

    Raises:
        MissingExtra: when outlines is not installed.
    """

    name = "outlines"

    def __init__(
        self, vocab: int, n_vocab: int, ends: Collection[int], *, most_entries: int = LARGEST_INDEX
    ) -> None:
        self._core = _outlines_core()
        self._n_vocab = n_vocab
        self._ends = frozenset(ends)
        self._most_entries = most_entries
        tokens = _spelled(vocab, n_vocab, self._ends)
        # Two tokens more than the model has: the edge, and the one that has to end all that outlines writes.
        self._vocabulary = self._core.Vocabulary(n_vocab + 1, {**tokens, _EDGE.encode(): [n_vocab]})
        self._kept: OrderedDict[str, _Compiled] = OrderedDict()

    def matcher(self, grammar: Grammar | str) -> Matcher:
        """Start an answer that `grammar` holds; GBNF text needs llama.cpp's own engine."""
        if isinstance(grammar, str):
            raise GrammarError(
                "outlines does not read GBNF text", hint="use the engine 'gbnf' for a grammar of your own"
            )
        if grammar.key not in self._kept:
            self._kept[grammar.key] = self._compile(grammar)
        self._kept.move_to_end(grammar.key)
        while len(self._kept) > 1 and sum(one.entries for one in self._kept.values()) > _KEPT_ENTRIES:
            self._kept.popitem(last=False)
        return _OutlinesMatcher(self._kept[grammar.key])

    def _compile(self, grammar: Grammar) -> _Compiled:
        entries = index_entries(grammar, self._n_vocab, self._most_entries)
        if entries > self._most_entries:
            raise GrammarError(
                f"the index of outlines would have about {entries:,} entries or more for "
                f"{self._n_vocab:,} tokens, and {self._most_entries:,} are the most",
                hint="lower `Bounds.string_chars` or `maxLength`, simplify patterns, or use 'llguidance'",
            )
        regex = rf"\x00(?:{to_regex(_without_edge(grammar))})\x00"
        try:
            index = self._core.Index(regex, self._vocabulary)
        except ValueError as error:
            raise GrammarError(
                f"outlines: {str(error)[-_ERROR_CHARS:]}",
                hint="use the engine 'llguidance', or a model whose vocabulary has all bytes",
            ) from error
        return _Compiled(self._core, index, entries, self._n_vocab, self._ends)


class _Compiled:
    """What all matchers of a grammar share."""

    def __init__(
        self, core: _OutlinesCore, index: _Index, entries: int, n_vocab: int, ends: frozenset[int]
    ) -> None:
        self._core = core
        self._index = index
        self._closed: dict[int, bool] = {}
        self.entries = entries
        self.n_vocab = n_vocab
        self.ends = ends
        self.end_ids = np.array(sorted(ends), dtype=np.int64)
        self.first = index.get_next_state(index.get_initial_state(), n_vocab)

    def next(self, state: int | None, token: int) -> int | None:
        """Return the state behind a token, None where it is not allowed. The tokens of the end have none."""
        return None if state is None else self._index.get_next_state(state, token)

    def may_end(self, state: int | None) -> bool:
        return self.next(state, self.n_vocab) is not None

    def only(self, state: int | None) -> int | None:
        """Return the one token that may come next, the end's where only that may, None for several."""
        found = None if state is None else self._index.get_allowed_tokens(state)
        return found[0] if found is not None and len(found) == 1 else None

    def is_closed(self, state: int | None) -> bool:
        """Tell whether nothing but the end may come."""
        if state is None:
            return False
        if state not in self._closed:
            self._closed[state] = self.only(state) == self.n_vocab
        return self._closed[state]

    def guide(self) -> _Guide:
        guide = self._core.Guide(self._index)
        guide.advance(self.n_vocab, False)
        return guide


class _OutlinesMatcher:
    """One answer. A guide, which writes masks, is only led along where masks are asked for."""

    def __init__(self, compiled: _Compiled) -> None:
        self._compiled = compiled
        self._state = compiled.first
        self._tokens: list[int] = []
        self._ended = False
        self._guide: _Guide | None = None
        self._guided = 0
        self._mask: Mask | None = None
        self._mask_is_new = False

    def forced(self) -> list[int]:
        """See `Matcher`. Most text can be cut into tokens in several ways; then none is forced."""
        compiled, state, found = self._compiled, self._state, list[int]()
        if self._ended or compiled.may_end(state) or np.count_nonzero(self._next_mask().bits()) != 1:
            return found
        while (token := compiled.only(state)) is not None and token < compiled.n_vocab:
            found.append(token)
            state = compiled.next(state, token)
        return found

    def allows(self, token: int) -> bool:
        """See `Matcher`."""
        if self._ended:
            return False
        if token in self._compiled.ends:
            return self._compiled.may_end(self._state)
        return 0 <= token < self._compiled.n_vocab and self._compiled.next(self._state, token) is not None

    def ends_with(self, tokens: Sequence[int]) -> bool:
        """See `Matcher`."""
        state = None if self._ended else self._state
        for token in tokens:
            state = self._compiled.next(state, token) if 0 <= token < self._compiled.n_vocab else None
        return self._compiled.may_end(state)

    def allowed(self) -> BitArray | None:
        """See `Matcher`."""
        if self.done:
            return None
        bits = self._next_mask().bits()[: self._compiled.n_vocab]
        bits[self._compiled.end_ids] = self.accepting
        return bits

    def mask_into(self, logits: FloatArray) -> None:
        """See `Matcher`."""
        if self._ended:
            logits[:] = -np.inf
            return
        ends = self._compiled.end_ids
        kept = logits[ends] if self.accepting else -np.inf
        self._next_mask().apply(logits)
        logits[ends] = kept

    def _next_mask(self) -> Mask:
        """Return the mask of the next token, which is computed once per token."""
        if self._mask is None:
            self._mask = Mask(self._compiled.n_vocab + 2)
        if self._guide is None:
            self._guide = self._compiled.guide()
        if not self._mask_is_new:
            for token in self._tokens[self._guided :]:
                self._guide.advance(token, False)
            self._guided = len(self._tokens)
            self._guide.write_mask_into(self._mask.address, self._mask.size_bytes // 4, 4)
            self._mask_is_new = True
        return self._mask

    def accept(self, token: int) -> None:
        """See `Matcher`."""
        if not self.allows(token):
            raise GrammarError(f"the grammar does not allow the token {token} here")
        if token in self._compiled.ends:
            self._ended = True
            return
        self._state = self._compiled.next(self._state, token)
        self._tokens.append(token)
        self._mask_is_new = False

    def clone(self) -> Matcher:
        """See `Matcher`."""
        copy = _OutlinesMatcher(self._compiled)
        copy._state, copy._ended, copy._tokens = self._state, self._ended, self._tokens.copy()
        return copy

    @property
    def done(self) -> bool:
        """See `Matcher`."""
        return self._ended or self._compiled.is_closed(self._state)

    @property
    def accepting(self) -> bool:
        """See `Matcher`."""
        return not self._ended and self._compiled.may_end(self._state)


def _without_edge(grammar: Grammar) -> Grammar:
    rules = {name: _edgeless(node) for name, node in grammar.rules.items()}
    return Grammar(_edgeless(grammar.root), rules)


def _edgeless(node: Node) -> Node:
    match node:
        case Lit(text) if _EDGE in text:
            raise GrammarError(
                f"outlines cannot hold the character U+0000 in {text!r}", hint="use the engine 'llguidance'"
            )
        case Chars(ranges, True):
            return Chars((*ranges, (0, 0)), negated=True)
        case Chars():
            return Chars(tuple((max(1, low), high) for low, high in node.allowed() if high))
        case Seq(items):
            return Seq(tuple(map(_edgeless, items)))
        case Alt(items):
            return Alt(tuple(map(_edgeless, items)))
        case Repeat(item, least, most):
            return Repeat(_edgeless(item), least, most)
        case _:
            return node


def _spelled(vocab: int, n_vocab: int, ends: frozenset[int]) -> dict[bytes, list[int]]:
    """Return the tokens that are text by their bytes: no control tokens but the marks of calls."""
    lib = llama_cpp()
    pieces, attributes = read_tokens(lib, vocab, n_vocab)
    found: dict[bytes, list[int]] = {}
    for token, (piece, bits) in enumerate(zip(pieces, attributes, strict=True)):
        control = bits & lib.LLAMA_TOKEN_ATTR_CONTROL and not is_call_mark(piece)
        if piece and token not in ends and not control and 0 not in piece:
            found.setdefault(piece, []).append(token)
    return found


def _outlines_core() -> _OutlinesCore:
    try:
        # An extension module without types.
        return cast("_OutlinesCore", importlib.import_module("outlines_core"))
    except ImportError as error:
        raise MissingExtra(
            "outlines is not installed",
            extra="outlines",
        ) from error
