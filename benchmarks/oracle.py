"""Makes a model with random weights write a given text, so that every way of decoding writes the same tokens.

Whatever the model's logits are, the next token of the text gets one far above them, right after the model was
evaluated and before anything is sampled. So all the work of sampling is done, and its outcome is known.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from bridle.endpoints.llamacpp.cache import Cache
from bridle.endpoints.llamacpp.sampling import FloatArray
from bridle.endpoints.llamacpp.vocab import Vocabulary
from bridle.wrappers import Segment

__all__ = ["OracleCache", "script", "their_llama"]

_ABOVE, _FAR_ABOVE = 30.0, 45.0
"""So much more than the likeliest that sampling at temperature 1 finds it, and no more: with differences
that no model has, `exp` underflows and takes another time."""


def script(vocabulary: Vocabulary, text: str) -> list[int]:
    """Return the text's tokens as they follow a line break: some vocabularies begin a text with a blank."""
    tokens = vocabulary.encode((Segment("\n" + text),))
    start = next(
        i for i in range(len(tokens)) if b"".join(map(vocabulary.piece, tokens[: i + 1])).endswith(b"\n")
    )
    return tokens[start + 1 :]


class OracleCache:
    """Stands before a `Cache` for one answer of our loop. `wrong` is a token that the model prefers instead.

    A constraint has to refuse it every time: the hardest case for it.
    """

    def __init__(
        self, cache: Cache, prompt_tokens: int, wanted: Sequence[int], wrong: int | None = None
    ) -> None:
        self._cache = cache
        self._start = prompt_tokens
        self._wanted = wanted
        self._wrong = wrong

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def evaluate(
        self, tokens: Sequence[int], should_stop: Callable[[], bool] | None = None
    ) -> FloatArray | None:
        """See `Cache`."""
        logits = self._cache.evaluate(tokens, should_stop)
        place = len(self._cache.tokens) - self._start
        if logits is not None and place < len(self._wanted):
            top = logits.max()
            logits[self._wanted[place]] = top + _ABOVE
            if self._wrong is not None:
                logits[self._wrong] = top + _FAR_ABOVE
        return logits

    def as_cache(self) -> Cache:
        """Return itself as what the loop takes."""
        return cast("Cache", self)


def their_llama(path: str, n_ctx: int) -> Any:
    """Return a `llama_cpp.Llama` whose next answer is what its method `write` was told."""
    import llama_cpp

    class Oracle(llama_cpp.Llama):  # type: ignore[misc, name-defined]
        wanted: Sequence[int] = ()
        start: int | None = None

        def write(self, tokens: Sequence[int]) -> None:
            """Say what the next answer is, to whatever prompt."""
            self.wanted, self.start = tokens, None

        def eval(self, tokens: Sequence[int]) -> None:
            """Evaluate, and raise the next token's logit in llama.cpp's own buffer."""
            super().eval(tokens)
            if self.start is None:
                self.start = self.n_tokens
            place = self.n_tokens - self.start
            if 0 <= place < len(self.wanted):
                pointer = llama_cpp.llama_get_logits_ith(self._ctx.ctx, -1)
                row = ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float * self.n_vocab())).contents
                logits = np.frombuffer(row, dtype=np.float32)
                logits[self.wanted[place]] = logits.max() + _ABOVE

    return Oracle(path, n_ctx=n_ctx, n_batch=512, n_threads=1, n_threads_batch=1, verbose=False)
