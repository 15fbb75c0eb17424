"""The engine that needs nothing but llama.cpp: its grammar sampler, driven one question at a time.

It is slow over a whole vocabulary (2 ms per token for 32,000 tokens, 24 ms for 262,000: measured on 0.3.36),
so that loops should ask `allows` first. llama.cpp ends the process for a grammar it cannot parse and for a
token it does not allow: grammars are checked in Python first, and tokens before they are accepted.
"""

from __future__ import annotations

import codecs
import ctypes
import weakref
from collections.abc import Collection, Sequence

from bridle.errors import GrammarError, MissingExtra
from bridle.grammars.engines.base import BitArray, FloatArray, Matcher, Recent
from bridle.grammars.engines.marks import is_call_mark
from bridle.grammars.engines.native import LlamaCpp, llama_cpp, read_tokens
from bridle.grammars.gbnf import to_gbnf
from bridle.grammars.ir import Grammar
from bridle.grammars.lint import check_gbnf

try:
    import numpy as np
    from numpy.typing import NDArray
except ImportError as error:
    raise MissingExtra("numpy is not installed", extra="llama") from error

__all__ = ["GbnfEngine"]

_KEPT = 64
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class GbnfEngine:
    """Holds grammars for the vocabulary at the pointer `vocab`; `ends` are all tokens that end an answer."""

    name = "gbnf"

    def __init__(self, vocab: int, n_vocab: int, ends: Collection[int]) -> None:
        self._lib = llama_cpp()
        self._vocab = vocab
        self._tokens = _Tokens(self._lib, vocab, n_vocab, ends)
        self._texts: Recent[bytes] = Recent(_KEPT)

    def matcher(self, grammar: Grammar | str) -> Matcher:
        """Start an answer that rules or a GBNF text hold."""
        if isinstance(grammar, str):
            text = self._texts.get("text " + grammar, lambda: _checked(grammar))
        else:
            text = self._texts.get(grammar.key, lambda: _checked(to_gbnf(grammar)))
        sampler = self._lib.llama_sampler_init_grammar(self._vocab, text, b"root")
        if not sampler:
            raise GrammarError(
                "llama.cpp does not take the grammar", hint="its own message is on standard error"
            )
        return _GbnfMatcher(self._lib, sampler, self._tokens)


class _Tokens:
    """What all matchers of a vocabulary share."""

    def __init__(self, lib: LlamaCpp, vocab: int, n_vocab: int, ends: Collection[int]) -> None:
        self.ends = frozenset(ends)
        self.pieces, attributes = read_tokens(lib, vocab, n_vocab)
        control = [i for i, bits in enumerate(attributes) if bits & lib.LLAMA_TOKEN_ATTR_CONTROL]
        own = [token for token in control if is_call_mark(self.pieces[token])]
        # To llama.cpp a control token is its text; here no text makes one, but for the marks of calls.
        self.control = frozenset(control) - self.ends - frozenset(own)
        self.control_ids = np.array(sorted(self.control), dtype=np.int32)
        self.all = np.zeros(n_vocab, dtype=_CANDIDATE)
        self.bytes, self.bytes_are_all = _byte_tokens(self.pieces)
        # llama.cpp takes overlong forms and surrogates for characters; they are no UTF-8.
        self.no_text = np.array([_is_no_text(piece) for piece in self.pieces], dtype=np.bool_)
        self.no_text[list(self.ends)] = False


class _GbnfMatcher:
    """One answer."""

    def __init__(self, lib: LlamaCpp, sampler: int, tokens: _Tokens) -> None:
        self._lib = lib
        self._sampler = sampler
        self._tokens = tokens
        self._ended = False
        self._tail = b""
        self._one = np.zeros(1, dtype=_CANDIDATE)
        # The sampler is llama.cpp's memory; it goes when the matcher does.
        weakref.finalize(self, lib.llama_sampler_free, sampler)

    def forced(self) -> list[int]:
        """See `Matcher`; this engine cannot tell."""
        return []

    def allows(self, token: int) -> bool:
        """See `Matcher`."""
        # llama.cpp ends the process for a token that the vocabulary does not have.
        if self._ended or not 0 <= token < len(self._tokens.pieces):
            return False
        if token in self._tokens.control or not self._is_text(token):
            return False
        return bool(np.isfinite(self._apply(self._one, np.array([token], dtype=np.int32))[0]))

    def ends_with(self, tokens: Sequence[int]) -> bool:
        """See `Matcher`."""
        ahead = self.clone()
        for token in tokens:
            if token in self._tokens.ends or not ahead.allows(token):
                return False
            ahead.accept(token)
        return ahead.accepting

    def allowed(self) -> BitArray | None:
        """See `Matcher`; this engine takes milliseconds to tell."""
        return None

    def mask_into(self, logits: FloatArray) -> None:
        """See `Matcher`."""
        if self._ended:
            logits[:] = -np.inf
            return
        held = self._apply(self._tokens.all, np.arange(len(self._tokens.all), dtype=np.int32))
        size = min(len(logits), len(held))
        np.putmask(logits[:size], np.isneginf(held[:size]), -np.inf)
        logits[self._tokens.control_ids] = -np.inf
        logits[size:] = -np.inf
        if not self._tail:
            np.putmask(logits[:size], self._tokens.no_text[:size], -np.inf)
            return
        for token in np.flatnonzero(np.isfinite(logits)).tolist():
            if not self._is_text(token):
                logits[token] = -np.inf

    def _is_text(self, token: int) -> bool:
        """Does UTF-8 stay valid with this token? An end may not cut a character."""
        if token in self._tokens.ends:
            return not self._tail
        return _unfinished(self._tail, self._tokens.pieces[token]) is not None

    def accept(self, token: int) -> None:
        """See `Matcher`."""
        if not self.allows(token):
            raise GrammarError(f"the grammar does not allow the token {token} here")
        if token in self._tokens.ends:
            self._ended = True
        else:
            self._lib.llama_sampler_accept(self._sampler, token)
            self._tail = _unfinished(self._tail, self._tokens.pieces[token]) or b""

    def clone(self) -> Matcher:
        """See `Matcher`."""
        sampler = self._lib.llama_sampler_clone(self._sampler)
        if not sampler:
            raise GrammarError("llama.cpp could not copy the grammar's state", hint="free some memory")
        copy = _GbnfMatcher(self._lib, sampler, self._tokens)
        copy._ended, copy._tail = self._ended, self._tail
        return copy

    @property
    def done(self) -> bool:
        """See `Matcher`."""
        if self._ended:
            return True
        if not self.accepting:
            return False
        tokens = self._tokens
        if tokens.bytes_are_all:
            return not np.isfinite(
                self._apply(np.zeros(len(tokens.bytes), dtype=_CANDIDATE), tokens.bytes)
            ).any()
        logits = np.zeros(len(tokens.all), dtype=np.float32)
        self.mask_into(logits)
        logits[list(tokens.ends)] = -np.inf
        return not np.isfinite(logits).any()

    @property
    def accepting(self) -> bool:
        """See `Matcher`."""
        return any(self.allows(token) for token in list(self._tokens.ends)[:1])

    def _apply(self, candidates: NDArray[np.void], ids: NDArray[np.int32]) -> NDArray[np.float32]:
        """Let llama.cpp strike out candidates; return their logits, minus infinity where it did."""
        candidates["id"] = ids
        candidates["logit"] = 0.0
        data = ctypes.cast(candidates.ctypes.data, self._lib.llama_token_data_p)
        array = self._lib.llama_token_data_array(data=data, size=len(candidates), selected=-1, sorted=False)
        self._lib.llama_sampler_apply(self._sampler, ctypes.byref(array))
        logits: NDArray[np.float32] = candidates["logit"]
        return logits


def _unfinished(tail: bytes, piece: bytes) -> bytes | None:
    """Return what is left of a character after `tail` and `piece`, or None where they are no UTF-8.

    >>> _unfinished(b"", b"a\\xe2"), _unfinished(b"\\xe0", b"\\x87")
    (b'\\xe2', None)
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(tail + piece)
    except UnicodeDecodeError:
        return None
    return decoder.getstate()[0]


def _is_no_text(piece: bytes) -> bool:
    """Can no text begin with these bytes?"""
    return not piece.isascii() and _unfinished(b"", piece) is None


def _checked(text: str) -> bytes:
    check_gbnf(text, tokens=False)
    return text.encode()


def _byte_tokens(pieces: Sequence[bytes]) -> tuple[NDArray[np.int32], bool]:
    """Return tokens of one byte each, and whether every byte that UTF-8 has is among them."""
    found: dict[int, int] = {}
    for token, piece in enumerate(pieces):
        if len(piece) == 1:
            found.setdefault(piece[0], token)
    wanted = {*range(1, 0xC0), *range(0xC2, 0xF5)}
    return np.array(sorted(found.values()), dtype=np.int32), wanted <= found.keys()
