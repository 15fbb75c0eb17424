"""The part of llama.cpp's C interface that this driver uses, typed, with its log kept quiet.

Everything unsafe is here: `Model` owns the C objects and frees them once. It takes files that have passed
`gguf_header.read_header`. Interface: llama.h of llama-cpp-python 0.3.36, through its low-level module.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import weakref
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Protocol, cast

from bridle.errors import MissingExtra, ModelFileError

__all__ = [
    "Batch",
    "ContextParams",
    "FloatPointer",
    "Handle",
    "Library",
    "Model",
    "ModelParams",
    "last_log_lines",
    "library",
]

Handle = int
"""A pointer that only llama.cpp looks into."""
_ERROR_LEVEL, _CONTINUED = 4, 5
_BYTES = (*range(0xC0), *range(0xC2, 0xF5))
"""All that UTF-8 has."""
_USUAL_PLACE = 1024  # byte tokens are among the first, behind the special ones
_log: deque[str] = deque(maxlen=8)


class Batch(Protocol):
    """What `llama_batch_get_one` returns."""

    n_tokens: int


class ModelParams(Protocol):
    """What is set of `llama_model_params`."""

    n_gpu_layers: int
    use_extra_bufts: bool
    """Rearrange weights for the matrix units of this CPU; builds of before May 2025 know it not."""


class ContextParams(Protocol):
    """What is set of `llama_context_params`. Builds without `flash_attn_type` do not use it unasked."""

    n_ctx: int
    n_batch: int
    n_ubatch: int
    n_seq_max: int
    n_threads: int
    n_threads_batch: int
    flash_attn_type: int
    no_perf: bool


class FloatPointer(Protocol):
    """A `float *`."""

    def __bool__(self) -> bool: ...
    @property
    def contents(self) -> ctypes.c_float: ...


class Library(Protocol):
    """The functions of `llama_cpp.llama_cpp` that are called here, as their C declarations say."""

    LLAMA_VOCAB_TYPE_SPM: int
    LLAMA_TOKEN_ATTR_UNKNOWN: int
    LLAMA_TOKEN_ATTR_CONTROL: int
    LLAMA_TOKEN_ATTR_USER_DEFINED: int
    LLAMA_TOKEN_ATTR_LSTRIP: int
    LLAMA_TOKEN_ATTR_RSTRIP: int

    @property
    def llama_log_callback(self) -> Callable[[Callable[[int, bytes, int | None], None]], object]: ...
    def llama_log_set(self, callback: object, user_data: ctypes.c_void_p, /) -> None: ...
    def llama_backend_init(self) -> None: ...
    def llama_supports_gpu_offload(self) -> bool: ...
    def llama_model_default_params(self) -> ModelParams: ...
    def llama_context_default_params(self) -> ContextParams: ...
    def llama_model_load_from_file(self, path: bytes, params: ModelParams, /) -> Handle | None: ...
    def llama_init_from_model(self, model: Handle, params: ContextParams, /) -> Handle | None: ...
    def llama_free(self, context: Handle, /) -> None: ...
    def llama_model_free(self, model: Handle, /) -> None: ...
    def llama_model_has_encoder(self, model: Handle, /) -> bool: ...
    def llama_model_has_decoder(self, model: Handle, /) -> bool: ...
    def llama_model_get_vocab(self, model: Handle, /) -> Handle: ...
    def llama_get_memory(self, context: Handle, /) -> Handle | None: ...
    def llama_memory_clear(self, memory: Handle, data: bool, /) -> None: ...
    def llama_memory_seq_rm(self, memory: Handle, sequence: int, start: int, end: int, /) -> bool: ...
    def llama_batch_get_one(self, tokens: ctypes.Array[ctypes.c_int32], n: int, /) -> Batch: ...
    def llama_decode(self, context: Handle, batch: Batch, /) -> int: ...
    def llama_get_logits_ith(self, context: Handle, place: int, /) -> FloatPointer: ...
    def llama_vocab_type(self, vocab: Handle, /) -> int: ...
    def llama_vocab_n_tokens(self, vocab: Handle, /) -> int: ...
    def llama_vocab_get_attr(self, vocab: Handle, token: int, /) -> int: ...
    def llama_vocab_get_text(self, vocab: Handle, token: int, /) -> bytes | None: ...
    def llama_vocab_is_eog(self, vocab: Handle, token: int, /) -> bool: ...
    def llama_vocab_bos(self, vocab: Handle, /) -> int: ...
    def llama_vocab_get_add_bos(self, vocab: Handle, /) -> bool: ...
    def llama_tokenize(
        self,
        vocab: Handle,
        text: bytes,
        length: int,
        tokens: ctypes.Array[ctypes.c_int32],
        room: int,
        add_special: bool,
        parse_special: bool,
        /,
    ) -> int: ...
    def llama_token_to_piece(
        self,
        vocab: Handle,
        token: int,
        out: ctypes.Array[ctypes.c_char],
        room: int,
        lstrip: int,
        special: bool,
        /,
    ) -> int: ...


@cache
def library() -> Library:
    """Load llama.cpp once, and keep what it logs away from the terminal.

    Raises:
        MissingExtra: when llama-cpp-python is not installed or its library does not load.
    """
    try:
        found = cast("Library", importlib.import_module("llama_cpp.llama_cpp"))
    except (ImportError, OSError, RuntimeError) as error:
        # llama-cpp-python raises RuntimeError for a library that is there and does not load.
        raise MissingExtra(
            f"running a model in this process needs llama-cpp-python: {error}",
            extra="llama",
        ) from error
    quiet = found.llama_log_callback(_keep_log_line)
    _alive.append(quiet)
    found.llama_log_set(quiet, ctypes.c_void_p(0))
    found.llama_backend_init()
    return found


_alive: list[object] = []
"""Callbacks that C code holds: they must not be collected."""


def _keep_log_line(level: int, text: bytes, _data: int | None) -> None:
    if level == _ERROR_LEVEL:
        _log.append(text.decode("utf-8", "replace").strip())
    elif level == _CONTINUED and _log:
        _log[-1] = (_log[-1] + text.decode("utf-8", "replace")).strip()[:500]


def last_log_lines() -> tuple[str, ...]:
    """Return llama.cpp's last error lines, oldest first."""
    return tuple(_log)


SMALL_BYTES = 50_000_000
"""Smaller files gain nothing from weights that are rearranged, and some virtual machines show matrix units
(AMX) that they have not: llama.cpp ends the process at the first product then."""


class Model:
    """A loaded model and its one context. `close` frees both; so does the end of the process.

    `flash_attention` leaves it to llama.cpp whether to use that; without it, it is off.

    Raises:
        ModelFileError: when llama.cpp refuses the file, or there is no room for the context.
    """

    def __init__(
        self,
        path: str,
        *,
        context_tokens: int,
        batch_tokens: int,
        threads: int,
        gpu_layers: int = 0,
        flash_attention: bool = False,
    ) -> None:
        self.lib = lib = library()
        _log.clear()
        model_params = lib.llama_model_default_params()
        model_params.n_gpu_layers = gpu_layers
        if os.path.getsize(path) < SMALL_BYTES:
            model_params.use_extra_bufts = False
        model = lib.llama_model_load_from_file(os.fsencode(path), model_params)
        if not model:
            raise _refused(path, "llama.cpp cannot load", "use a newer llama-cpp-python, or another file")
        self._free = weakref.finalize(self, _free_all, lib, None, model)
        if lib.llama_model_has_encoder(model) or not lib.llama_model_has_decoder(model):
            self.close()
            raise _refused(path, "there is no text generator in", "use a chat model's GGUF file")
        self.vocab = lib.llama_model_get_vocab(model)
        if missing := _missing_bytes(lib, self.vocab):
            self.close()
            raise _refused(
                path,
                f"there is no token for the byte 0x{missing[0]:02X} (and {len(missing) - 1} more) in the "
                "vocabulary of",
                "llama.cpp would end the process at the first such letter; convert the model again",
            )
        params = self._context_params(context_tokens, batch_tokens, threads, flash_attention)
        self.context = self._new_context(path, model, params)
        memory = lib.llama_get_memory(self.context)
        if not memory:
            self.close()
            raise _refused(path, "there is no text generator in", "use a chat model's GGUF file")
        self.memory = memory

    def _context_params(self, context: int, batch: int, threads: int, flash_attention: bool) -> ContextParams:
        params = self.lib.llama_context_default_params()
        params.n_ctx = context
        params.n_batch = params.n_ubatch = min(batch, context)
        params.n_seq_max = 1
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = -1 if flash_attention else 0
        params.no_perf = True
        return params

    def _new_context(self, path: str, model: Handle, params: ContextParams) -> Handle:
        found = self.lib.llama_init_from_model(model, params)
        if not found:
            self.close()
            raise _refused(
                path,
                f"there is no room for a window of {params.n_ctx} tokens of",
                "give a smaller context_tokens",
            )
        self._free.detach()
        self._free = weakref.finalize(self, _free_all, self.lib, found, model)
        return found

    @property
    def closed(self) -> bool:
        return not self._free.alive

    def close(self) -> None:
        """Free the context and the model. Closing twice is allowed."""
        self._free()


def _free_all(lib: Library, context: Handle | None, model: Handle) -> None:
    if context is not None:
        lib.llama_free(context)
    lib.llama_model_free(model)


def _missing_bytes(lib: Library, vocab: Handle) -> list[int]:
    """Return the bytes that a vocabulary of SentencePiece's kind, which has to spell each, cannot."""
    if lib.llama_vocab_type(vocab) != lib.LLAMA_VOCAB_TYPE_SPM:
        return []
    size, texts, missing = lib.llama_vocab_n_tokens(vocab), set[bytes | None](), list[int]()
    for first, last in ((0, min(size, _USUAL_PLACE)), (_USUAL_PLACE, size)):
        texts.update(lib.llama_vocab_get_text(vocab, token) for token in range(first, last))
        missing = [b for b in _BYTES if b"<0x%02X>" % b not in texts and bytes([b]) not in texts]
        if not missing:
            break
    return missing


def _refused(path: str, what: str, hint: str) -> ModelFileError:
    lines = last_log_lines()
    because = f": {lines[0]}" if lines else ""
    return ModelFileError(f"{what} model file {path!r}{because}", hint=hint, path=path, log=lines)
