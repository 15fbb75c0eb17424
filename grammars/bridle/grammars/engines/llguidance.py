"""The default engine: llguidance masks in microseconds, and tells which tokens are forced.

Its tokenizer is built from llama.cpp's vocabulary here and not by `llguidance.llamacpp`, because tokens like
`<tool_call>`, which a model was trained to write in its turn, must count as their text (see `marks.py`), and
all tokens that end an answer must not. Everything that llguidance reports as an error is a `GrammarError`.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Collection, Sequence

from bridle.errors import GrammarError, MissingExtra
from bridle.grammars.engines.base import BitArray, FloatArray, Matcher, Recent
from bridle.grammars.engines.marks import TOKENIZE, is_call_mark, tokenize_with
from bridle.grammars.engines.masks import Mask
from bridle.grammars.engines.native import (
    LlamaCpp,
    MatcherOfLlguidance,
    llama_cpp,
    llguidance,
    read_tokens,
)
from bridle.grammars.ir import Grammar
from bridle.grammars.lark import to_lark

try:
    import numpy as np
except ImportError as error:
    raise MissingExtra("numpy is not installed", extra="llama") from error

__all__ = ["LlguidanceEngine"]

_KEPT = 8  # compiled grammars; each holds a lexer with its states, some hundred kilobytes
_SPECIAL = b"\xff"  # llguidance's sign for a token that no text makes
_OWN_MARK = re.compile(rb"</?[A-Za-z_]+>")
_SLICES = [
    r"[^\"\\\x00-\x1F\x7F<{\[`]{1,30}",
    r"[^\"\\\x00-\x1F\x7F]{1,10}",
    r"[^\"\\\x00-\x1F\x7F]{1,30}",
]
"""Sets of tokens that llguidance allows or refuses as a whole; they do not change the language. The first is
what free text before a call holds (70 instead of 1,130 µs per mask with 128,256 tokens), the others what JSON
strings hold, near their bound and far from it. Sets without a bound, which llguidance has by default, are
never whole in our grammars, all of which are finite: they cost time and memory and save nothing."""
_ERROR_CHARS = 300  # llguidance lists every special token in some of its messages


class LlguidanceEngine:
    """Holds grammars for the vocabulary at the pointer `vocab`; `ends` are all tokens that end an answer."""

    name = "llguidance"

    def __init__(self, vocab: int, n_vocab: int, ends: Collection[int]) -> None:
        self._n_vocab = n_vocab
        self._ends = frozenset(ends)
        self._tokenizer, self._kept = _tokenizer(vocab, n_vocab, ends)
        self._compiled: Recent[MatcherOfLlguidance] = Recent(_KEPT)

    def matcher(self, grammar: Grammar | str) -> Matcher:
        """Start an answer that `grammar` holds; GBNF text needs llama.cpp's own engine."""
        if isinstance(grammar, str):
            raise GrammarError(
                "llguidance does not read GBNF text", hint="use the engine 'gbnf' for a grammar of your own"
            )
        compiled = self._compiled.get(grammar.key, lambda: self._compile(grammar))
        return _LlguidanceMatcher(compiled.deep_copy(), self._n_vocab, self._ends)

    def _compile(self, grammar: Grammar) -> MatcherOfLlguidance:
        make = llguidance().LLMatcher
        matcher = make(self._tokenizer, make.grammar_from_lark(to_lark(grammar)), log_level=0)
        _check(matcher)
        return matcher


class _LlguidanceMatcher:
    """One answer. Where llguidance has stopped, it knows no token any more, not even those that end."""

    def __init__(self, matcher: MatcherOfLlguidance, n_vocab: int, ends: frozenset[int]) -> None:
        self._matcher = matcher
        self._n_vocab = n_vocab
        self._ends = ends
        self._ended = False
        self._mask: Mask | None = None  # made when first needed: copies that only ask `allows` need none
        self._mask_is_new = False
        self._allowed: int | None = None  # asked about last, and not yet accepted

    def forced(self) -> list[int]:
        """See `Matcher`."""
        tokens = self._matcher.compute_ff_tokens()
        # A vocabulary that lacks a character spells it with a token that is no text; then nothing is forced.
        if tokens:
            tokens = tokens[: self._matcher.validate_tokens(tokens)]
        _check(self._matcher)
        return tokens

    def allows(self, token: int) -> bool:
        """See `Matcher`."""
        if self.done:
            return token in self._ends and not self._ended
        if not 0 <= token < self._n_vocab:
            return False
        allowed = self._matcher.validate_tokens([token]) == 1
        _check(self._matcher)
        if allowed:
            self._allowed = token
        return allowed

    def ends_with(self, tokens: Sequence[int]) -> bool:
        """See `Matcher`."""
        if self.done:
            return not tokens and not self._ended
        if not self._ends.isdisjoint(tokens) or (
            tokens and not 0 <= min(tokens) <= max(tokens) < self._n_vocab
        ):
            return False
        count = self._matcher.validate_tokens([*tokens, *list(self._ends)[:1]])
        _check(self._matcher)
        return count == len(tokens) + 1

    def allowed(self) -> BitArray | None:
        """See `Matcher`."""
        return None if self.done else self._next_mask().bits()

    def mask_into(self, logits: FloatArray) -> None:
        """See `Matcher`."""
        if self.done:
            kept = [] if self._ended else [(end, logits[end]) for end in self._ends]
            logits[:] = -np.inf
            for end, logit in kept:
                logits[end] = logit
            return
        self._next_mask().apply(logits)

    def _next_mask(self) -> Mask:
        """Return the mask of the next token, which is computed once per token."""
        if self._mask is None:
            self._mask = Mask(self._n_vocab)
        if not self._mask_is_new:
            self._matcher.unsafe_compute_mask_ptr(self._mask.address, self._mask.size_bytes)
            _check(self._matcher)
            self._mask_is_new = True
        return self._mask

    def accept(self, token: int) -> None:
        """See `Matcher`."""
        if token != self._allowed and not self.allows(token):
            raise GrammarError(f"the grammar does not allow the token {token} here")
        self._allowed, self._mask_is_new = None, False
        if token in self._ends:
            self._ended = True
        else:
            self._matcher.consume_token(token)
            _check(self._matcher)

    def clone(self) -> Matcher:
        """See `Matcher`."""
        copy = _LlguidanceMatcher(self._matcher.deep_copy(), self._n_vocab, self._ends)
        copy._ended = self._ended
        return copy

    @property
    def done(self) -> bool:
        """See `Matcher`."""
        return self._ended or self._matcher.is_stopped()

    @property
    def accepting(self) -> bool:
        """See `Matcher`."""
        return not self._ended and (self._matcher.is_stopped() or self._matcher.is_accepting())


def _check(matcher: MatcherOfLlguidance) -> None:
    if not matcher.is_error():
        return
    message = matcher.get_error()
    if message.startswith("NoExtension"):
        raise GrammarError(
            "no token of this model's vocabulary can continue the answer under the grammar",
            hint="it lacks a character that the grammar demands; loosen the grammar or use another model",
        )
    first_line = message.split("\n", 1)[0]
    raise GrammarError(f"llguidance: {first_line[:_ERROR_CHARS]}", hint="simplify the schema or its bounds")


def _tokenizer(vocab: int, n_vocab: int, ends: Collection[int]) -> tuple[object, object]:
    """Return llguidance's tokenizer, and what must live as long as it does."""
    lib = llama_cpp()
    pieces, attributes = read_tokens(lib, vocab, n_vocab)
    tokens, own = _spelled(lib, pieces, attributes, frozenset(ends))
    tokenize = TOKENIZE(tokenize_with(lib, vocab, own)) if own else lib.llama_tokenize
    make = llguidance().LLTokenizer
    try:
        made = make.from_llamacpp(
            tokens=tokens,
            vocab_ptr=vocab,
            tokenize_fptr=ctypes.cast(tokenize, ctypes.c_void_p).value,
            eos_token=sorted(ends),
            slices=_SLICES,
        )
    except ValueError as error:
        raise GrammarError(
            f"llguidance cannot work with this model's vocabulary of {n_vocab} tokens, "
            f"{len(ends)} of which end an answer: {error}",
            hint="use the engine 'gbnf', or a model file that names its end tokens and bytes",
        ) from error
    return made, tokenize


def _spelled(
    lib: LlamaCpp, pieces: list[bytes], attributes: Sequence[int], ends: frozenset[int]
) -> tuple[list[bytes], dict[bytes, int]]:
    """Return all tokens as llguidance takes them, and those control tokens that are marks of calls."""
    control, defined = lib.LLAMA_TOKEN_ATTR_CONTROL, lib.LLAMA_TOKEN_ATTR_USER_DEFINED
    tokens, own = list(pieces), dict[bytes, int]()
    for token, bits in enumerate(attributes):
        if not bits & (control | defined) and token not in ends:
            continue
        piece = pieces[token]
        marked = bits & defined and piece[:1] == b"<" and piece[-1:] == b">"
        special = bits & control or (marked and not _OWN_MARK.fullmatch(piece))
        if token in ends or (special and not is_call_mark(piece)):
            tokens[token] = _SPECIAL + piece
        elif bits & control:
            own[piece] = token
    return tokens, own
