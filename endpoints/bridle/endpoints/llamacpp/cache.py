"""The model's window: which tokens it has seen, so that a prompt which begins like the last one is cheap.

Tokens are listed here only once they have been evaluated; whatever else is in llama.cpp's memory (after an
error, after an interrupt) is removed before the next prompt.
"""

from __future__ import annotations

import ctypes
import math
import os
import time
from collections.abc import Callable, Sequence

import numpy as np

from bridle.endpoints.llamacpp.costs import SIZES, BatchCosts
from bridle.endpoints.llamacpp.native import Model, last_log_lines
from bridle.endpoints.llamacpp.sampling import FloatArray
from bridle.errors import EndpointError

__all__ = ["Cache", "clock_for"]

_CALIBRATION_S = 1.0
"""Sizes that would take longer than this to measure are estimated from the smaller ones."""
_ROUNDS = 3


class Cache:
    """Evaluates tokens in order and keeps what it knows. `n_vocab` is the number of logits.

    `clock` times batches. Where the caller's own thread does all the work, its CPU time tells more than the
    time on the wall, which other programs disturb.
    """

    def __init__(
        self,
        model: Model,
        n_vocab: int,
        window: int,
        batch_tokens: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._clock = clock
        self._model = model
        self._n_vocab = n_vocab
        self._window = window
        self._room = (ctypes.c_int32 * batch_tokens)()
        self._row: tuple[int, FloatArray] | None = None
        self.tokens: list[int] = []
        self.costs: BatchCosts | None = None

    def reuse(self, prompt: Sequence[int]) -> int:
        """Keep what the memory has in common with `prompt`, forget the rest; return how many tokens are kept.

        At least one token of the prompt is left to evaluate, since its logits are needed.
        """
        common = _common(self.tokens, prompt)
        self._cut(min(common, len(prompt) - 1))
        return len(self.tokens)

    def evaluate(
        self, tokens: Sequence[int], should_stop: Callable[[], bool] | None = None
    ) -> FloatArray | None:
        """Evaluate `tokens` after those known so far; return the last one's logits, or None when stopped.

        The array is llama.cpp's own buffer: it may be written to, and holds until the next call.
        """
        sizes = self.costs.split(len(tokens)) if self.costs else (len(tokens),)
        start = 0
        for size in sizes:
            end = start + size
            while start < end:
                if start and should_stop is not None and should_stop():
                    return None
                step = min(len(self._room), end - start)
                self._decode(tokens[start : start + step])
                start += step
        return self._logits()

    def calibrate(self) -> BatchCosts:
        """Measure what batches cost, once; the memory is as before, but for its end when it is full."""
        if self.costs is None:
            self._cut(max(0, min(len(self.tokens), self._window - SIZES[-1])))
            self.costs = BatchCosts(self._measured())
        return self.costs

    def _measured(self) -> dict[int, float]:
        """Return the least seconds of each size. Sizes take turns, so that a disturbance hits all of them."""
        seconds: dict[int, float] = {}
        end = time.perf_counter() + _CALIBRATION_S
        for _ in range(_ROUNDS):
            for size in SIZES:
                fits = size <= min(len(self._room), self._window)
                if fits and (not seconds or time.perf_counter() < end):
                    seconds[size] = min(self._timed(size), seconds.get(size, math.inf))
        return seconds

    def _timed(self, size: int) -> float:
        known = len(self.tokens)
        # Different tokens: a mixture of experts would send equal ones the same way.
        tokens = [(7 * i + 1) % self._n_vocab for i in range(size)]
        began = self._clock()
        self._decode(tokens)
        self._logits()
        took = self._clock() - began
        self._cut(known)
        return took

    def _cut(self, length: int) -> None:
        """Forget all tokens from `length` on; all of them where the model cannot forget a part."""
        lib, memory = self._model.lib, self._model.memory
        if length <= 0 or not lib.llama_memory_seq_rm(memory, 0, length, -1):
            lib.llama_memory_clear(memory, False)
            length = 0
        del self.tokens[length:]

    def _decode(self, tokens: Sequence[int]) -> None:
        count = len(tokens)
        self._room[:count] = list(tokens)
        batch = self._model.lib.llama_batch_get_one(self._room, count)
        status = self._model.lib.llama_decode(self._model.context, batch)
        if status != 0:
            known = len(self.tokens)
            self._cut(0)
            raise EndpointError(
                f"llama.cpp could not evaluate {count} tokens after {known} (status {status})",
                hint="give a smaller context_tokens or close other programs that use the memory",
                status=status,
                log=last_log_lines(),
            )
        self.tokens.extend(tokens)

    def _logits(self) -> FloatArray:
        pointer = self._model.lib.llama_get_logits_ith(self._model.context, -1)
        if not pointer:
            raise EndpointError(
                "llama.cpp returned no logits", hint="this file is not a chat model", log=last_log_lines()
            )
        address = ctypes.addressof(pointer.contents)
        if self._row is None or self._row[0] != address:
            buffer = (ctypes.c_float * self._n_vocab).from_address(address)
            self._row = address, np.frombuffer(memoryview(buffer), dtype=np.float32)
        return self._row[1]


def clock_for(threads: int, gpu_layers: int) -> Callable[[], float]:
    """Return what tells best how long a model takes that runs so; see `Cache`."""
    # The CPU time of a thread is counted in steps of 16 ms on Windows.
    alone = threads == 1 and gpu_layers == 0 and os.name == "posix"
    return time.thread_time if alone else time.perf_counter


def _common(known: Sequence[int], prompt: Sequence[int]) -> int:
    """Return how many tokens two sequences begin with in common."""
    shorter = min(len(known), len(prompt))
    for place in range(shorter):
        if known[place] != prompt[place]:
            return place
    return shorter
