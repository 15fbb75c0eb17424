"""Embeddings by a GGUF model in this process: encoders such as BERT's family, and generators made for it.

How the vectors of a text's tokens become one is what the file says (mean, first or last token); where it says
nothing, their mean. Rerankers are refused. Interface: llama.h of llama-cpp-python 0.3.36, November 2026.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from bridle.endpoints.llamacpp.gguf_header import read_header
from bridle.endpoints.llamacpp.native import (
    SMALL_BYTES,
    Batch,
    ContextParams,
    Handle,
    Library,
    last_log_lines,
    library,
)
from bridle.errors import ContextOverflow, ModelFileError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["EmbeddingModel"]

USUAL_WINDOW = 2048
"""Tokens; embedding models for passages are trained with 512 to 8,192, and the memory grows with it."""
_NONE, _MEAN, _RANK = 0, 1, 4


class _EmbeddingParams(ContextParams, Protocol):
    embeddings: bool
    pooling_type: int


class _Floats(Protocol):
    def __bool__(self) -> bool: ...
    def __getitem__(self, part: slice) -> list[float]: ...


class _EmbeddingLibrary(Library, Protocol):
    """What is called here and not by the generator."""

    def llama_pooling_type(self, context: Handle, /) -> int: ...
    def llama_model_n_embd(self, model: Handle, /) -> int: ...
    def llama_encode(self, context: Handle, batch: Batch, /) -> int: ...
    def llama_get_embeddings_seq(self, context: Handle, sequence: int, /) -> _Floats: ...


class EmbeddingModel:
    """A loaded model that makes one vector of a text. Use it from one thread at a time, and close it.

    Raises:
        ModelFileError: for a file that is missing, damaged, or makes no embeddings.
        MissingExtra: when llama-cpp-python is not installed.
    """

    def __init__(self, path: Path, *, window: int | None = None, threads: int | None = None) -> None:
        header = read_header(path)
        self._lib = lib = cast("_EmbeddingLibrary", library())  # the same module, seen with more functions
        self._path = str(path)
        self.model = path.stem
        self.window = min(window or USUAL_WINDOW, header.context_tokens or USUAL_WINDOW)
        params = lib.llama_model_default_params()
        params.n_gpu_layers = 0
        if os.path.getsize(path) < SMALL_BYTES:
            params.use_extra_bufts = False
        model = lib.llama_model_load_from_file(os.fsencode(path), params)
        if not model:
            raise self._refused("llama.cpp cannot load")
        self._free = weakref.finalize(self, _free, lib, None, model)
        self._encodes = lib.llama_model_has_encoder(model) and not lib.llama_model_has_decoder(model)
        self._vocab = lib.llama_model_get_vocab(model)
        self.dimensions = lib.llama_model_n_embd(model)
        self._context = self._open(model, threads or max(1, (os.cpu_count() or 2) // 2))

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row for each text, of whatever length the model gives it.

        Raises:
            ContextOverflow: for a text that is longer than the window; nothing is cut.
        """
        rows = [self._vector(self._tokens(text)) for text in texts]
        return np.array(rows, np.float32).reshape(len(texts), self.dimensions)

    def close(self) -> None:
        """Free the model. Closing twice is allowed."""
        self._free()

    def _open(self, model: Handle, threads: int) -> Handle:
        context = self._new_context(model, threads, pooling=-1)
        pooling = self._lib.llama_pooling_type(context)
        if pooling == _NONE:
            self._lib.llama_free(context)
            context = self._new_context(model, threads, pooling=_MEAN)
        self._free.detach()
        self._free = weakref.finalize(self, _free, self._lib, context, model)
        if pooling == _RANK:
            self.close()
            raise self._refused("there is a reranker, which makes no embeddings, in")
        return context

    def _new_context(self, model: Handle, threads: int, pooling: int) -> Handle:
        params = cast("_EmbeddingParams", self._lib.llama_context_default_params())
        # An encoder sees a text in one piece: the batch is as long as the window.
        params.n_ctx = params.n_batch = params.n_ubatch = self.window
        params.n_seq_max = 1
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = 0
        params.no_perf = True
        params.embeddings = True
        params.pooling_type = pooling
        context = self._lib.llama_init_from_model(model, params)
        if not context:
            self.close()
            raise self._refused(f"there is no room for a window of {self.window} tokens of")
        return context

    def _tokens(self, text: str) -> ctypes.Array[ctypes.c_int32]:
        raw = text.encode("utf-8", "replace")
        room = len(raw) + 8
        tokens = (ctypes.c_int32 * room)()
        count = self._lib.llama_tokenize(self._vocab, raw, len(raw), tokens, room, True, False)
        if not 0 <= count <= self.window:
            raise ContextOverflow(
                f"a text of {abs(count)} tokens is longer than the window of {self._path!r}",
                hint=f"give at most {self.window} tokens",
                prompt_tokens=abs(count),
                context_tokens=self.window,
            )
        return (ctypes.c_int32 * count)(*tokens[:count])

    def _vector(self, tokens: ctypes.Array[ctypes.c_int32]) -> list[float]:
        lib = self._lib
        if memory := lib.llama_get_memory(self._context):
            lib.llama_memory_clear(memory, True)
        batch = lib.llama_batch_get_one(tokens, len(tokens))
        failed = (lib.llama_encode if self._encodes else lib.llama_decode)(self._context, batch)
        found = None if failed else lib.llama_get_embeddings_seq(self._context, 0)
        if not found:
            raise self._refused("no embedding came of")
        return found[: self.dimensions]

    def _refused(self, what: str) -> ModelFileError:
        lines = last_log_lines()
        because = f": {lines[0]}" if lines else ""
        return ModelFileError(
            f"{what} model file {self._path!r}{because}",
            hint="use the GGUF file of an embedding model, such as nomic-embed-text or all-MiniLM",
            path=self._path,
            log=lines,
        )


def _free(lib: Library, context: Handle | None, model: Handle) -> None:
    if context is not None:
        lib.llama_free(context)
    lib.llama_model_free(model)
