"""The parts of llama.cpp's C interface and of llguidance that the engines use: typed, loaded when needed."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Sequence
from itertools import repeat
from typing import Protocol, cast

from bridle.errors import MissingExtra

__all__ = [
    "LlamaCpp",
    "Llguidance",
    "MatcherOfLlguidance",
    "llama_cpp",
    "llguidance",
    "read_tokens",
    "token_bytes",
]

_USUAL_BYTES = 256


class LlamaCpp(Protocol):
    """llama.h through llama-cpp-python's low-level module. `vocab` and `sampler` are pointers."""

    LLAMA_TOKEN_ATTR_CONTROL: int
    LLAMA_TOKEN_ATTR_USER_DEFINED: int
    llama_token_data_p: type[ctypes.c_void_p]
    llama_token_data_array: type[ctypes.Structure]
    llama_tokenize: ctypes.c_void_p

    def llama_vocab_get_attr(self, vocab: int, token: int) -> int: ...
    def llama_token_to_piece(
        self, vocab: int, token: int, buffer: object, size: int, left_strip: int, special: bool
    ) -> int: ...
    def llama_sampler_init_grammar(self, vocab: int, text: bytes, root: bytes) -> int | None: ...
    def llama_sampler_apply(self, sampler: int, candidates: object) -> None: ...
    def llama_sampler_accept(self, sampler: int, token: int) -> None: ...
    def llama_sampler_clone(self, sampler: int) -> int | None: ...
    def llama_sampler_free(self, sampler: int) -> None: ...


class MatcherOfLlguidance(Protocol):
    """An `LLMatcher`. It never raises: after an error it stays in it."""

    def is_error(self) -> bool: ...
    def get_error(self) -> str: ...
    def deep_copy(self) -> MatcherOfLlguidance: ...
    def is_accepting(self) -> bool: ...
    def is_stopped(self) -> bool: ...
    def compute_ff_tokens(self) -> list[int]: ...
    def consume_token(self, token: int, /) -> bool: ...
    def validate_tokens(self, tokens: list[int], /) -> int: ...
    def unsafe_compute_mask_ptr(self, address: int, size_bytes: int, /) -> None: ...


class _MakeMatcher(Protocol):
    def __call__(self, tokenizer: object, grammar: str, *, log_level: int) -> MatcherOfLlguidance: ...
    def grammar_from_lark(self, lark: str) -> str: ...


class _MakeTokenizer(Protocol):
    def from_llamacpp(
        self,
        *,
        tokens: Sequence[bytes],
        vocab_ptr: int,
        tokenize_fptr: int | None,
        eos_token: list[int],
        slices: list[str],
    ) -> object: ...


class Llguidance(Protocol):
    """The package `llguidance`."""

    LLMatcher: _MakeMatcher
    LLTokenizer: _MakeTokenizer


def llama_cpp() -> LlamaCpp:
    """Return llama-cpp-python's low-level module.

    Raises:
        MissingExtra: when it is not installed.
    """
    # The module's functions have these types in C; ctypes cannot say so.
    return cast("LlamaCpp", _load("llama_cpp.llama_cpp", "llama-cpp-python"))


def llguidance() -> Llguidance:
    """Return the package.

    Raises:
        MissingExtra: when it is not installed.
    """
    # It is an extension module whose stubs lack what it takes from llama.cpp.
    return cast("Llguidance", _load("llguidance", "llguidance"))


def token_bytes(lib: LlamaCpp, vocab: int, token: int) -> bytes:
    """Return the bytes of a token's text."""
    size = 32
    while True:
        buffer = ctypes.create_string_buffer(size)
        written = lib.llama_token_to_piece(vocab, token, buffer, size, 0, True)
        if written >= 0:
            return buffer.raw[:written]
        size = -written


def read_tokens(lib: LlamaCpp, vocab: int, n_vocab: int) -> tuple[list[bytes], list[int]]:
    """Return the bytes and llama.cpp's attribute bits of all tokens, with one buffer for all of them."""
    buffer = ctypes.create_string_buffer(_USUAL_BYTES)
    read, pieces = lib.llama_token_to_piece, list[bytes]()
    for token in range(n_vocab):
        written = read(vocab, token, buffer, _USUAL_BYTES, 0, True)
        pieces.append(buffer.raw[:written] if written >= 0 else token_bytes(lib, vocab, token))
    return pieces, list(map(lib.llama_vocab_get_attr, repeat(vocab), range(n_vocab)))


def _load(module: str, package: str) -> object:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f"{package} is not installed",
            extra="llama",
        ) from error
