"""Choosing the next token from logits, on numpy, with a generator of our own: the same seed, the same choice.

The order is llama.cpp's: repetition penalty, then top-k, top-p and min-p on the model's own probabilities
(temperature 1), then the temperature. No step sorts the vocabulary as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bridle.endpoints.abilities import check_sampling
from bridle.endpoints.base import Sampling
from bridle.errors import EndpointError

__all__ = ["FloatArray", "Sampler"]

FloatArray = NDArray[np.float32]
_ROW = 64
_FIRST_GUESS = 256
"""So many tokens usually hold the probability that top-p asks for."""
_BLOCK = 512
"""Weights are searched block by block: a cumulative sum over 128k of them takes four times as long."""


class Sampler:
    """Chooses tokens by one `Sampling`. Keeps its own random state, so use one per answer."""

    def __init__(self, sampling: Sampling, n_vocab: int) -> None:
        check_sampling(sampling)
        self._sampling = sampling
        self._random = np.random.default_rng(sampling.seed)
        self._scratch = np.zeros(-(-n_vocab // _BLOCK) * _BLOCK, dtype=np.float32)
        # Below a millionth, dividing by the temperature overflows, and no other token has a chance anyway.
        self.greedy = sampling.temperature < 1e-6
        self.truncates = not self.greedy and (
            0 < sampling.top_k < n_vocab or sampling.top_p < 1 or sampling.min_p > 0
        )
        self.penalises = sampling.repeat_penalty != 1 and sampling.repeat_last > 0

    def penalise(self, logits: FloatArray, past: Sequence[int]) -> None:
        """Make the last `repeat_last` tokens of `past` less likely, in place."""
        if not self.penalises or not past:
            return
        penalty = self._sampling.repeat_penalty
        recent = np.unique(np.asarray(past[-self._sampling.repeat_last :], dtype=np.intp))
        values = logits[recent]
        logits[recent] = np.where(values > 0, values / penalty, values * penalty)

    def choose(self, logits: FloatArray) -> int:
        """Return a token; one with a logit of minus infinity is never chosen.

        Raises:
            EndpointError: when no token is left, or the logits are not numbers.
        """
        best = int(logits.argmax())
        top = float(logits[best])
        if not math.isfinite(top):
            raise _no_token(top)
        if self.greedy:
            return best
        if self.truncates:
            kept = self._kept(logits, top)
            weights = np.exp((logits[kept] - top) / self._sampling.temperature)
            return int(kept[self._draw(weights)])
        n_vocab = len(logits)
        weights = self._scratch[:n_vocab]
        np.subtract(logits, top, out=weights)
        weights *= np.float32(1 / self._sampling.temperature)
        np.exp(weights, out=weights)
        return self._draw(self._scratch) if n_vocab > _BLOCK else self._draw(weights)

    def _kept(self, logits: FloatArray, top: float) -> NDArray[np.intp]:
        """Return the tokens that top-k, top-p and min-p leave, in this order."""
        rules = self._sampling
        if 0 < rules.top_k < len(logits):
            kept = _likeliest(logits, rules.top_k)
        elif rules.top_p < 1:
            kept = np.flatnonzero(logits > -np.inf)
        else:
            return np.flatnonzero(logits >= top + math.log(rules.min_p))
        if rules.top_p < 1:
            kept = _nucleus(kept, logits[kept], top, rules.top_p)
        if rules.min_p > 0:
            kept = kept[logits[kept] >= top + math.log(rules.min_p)]
        return kept

    def _draw(self, weights: FloatArray) -> int:
        """Return an index with a probability in proportion to its weight."""
        u = self._random.random()
        if len(weights) % _BLOCK or len(weights) <= _BLOCK:
            return _search(weights, u * float(weights.sum(dtype=np.float64)))
        blocks = weights.reshape(-1, _BLOCK)
        sums = blocks.sum(axis=1, dtype=np.float64)
        ends = np.cumsum(sums)
        target = u * float(ends[-1])
        block = min(int(np.searchsorted(ends, target, side="right")), int(np.flatnonzero(sums)[-1]))
        return block * _BLOCK + _search(blocks[block], target - float(ends[block] - sums[block]))


def _search(weights: FloatArray, target: float) -> int:
    ends = np.cumsum(weights, dtype=np.float64)
    place = int(np.searchsorted(ends, target, side="right"))
    # Rounding can put the target at the very end: then it means the last weight that is not zero.
    return place if place < len(weights) else int(np.flatnonzero(weights)[-1])


def _likeliest(logits: FloatArray, count: int) -> NDArray[np.intp]:
    """Return the `count` likeliest tokens, or fewer when others are masked."""
    if count >= len(logits):
        return np.flatnonzero(logits > -np.inf)
    near = np.flatnonzero(logits >= max(_least_of_likeliest(logits, count), float(np.finfo(np.float32).min)))
    if len(near) <= count:
        return near
    return near[np.argpartition(logits[near], len(near) - count)[len(near) - count :]]


def _least_of_likeliest(logits: FloatArray, count: int) -> float:
    """Return a bound that at least `count` logits reach: as many groups have their highest value above it.

    Groups are columns, which numpy compares side by side: 26 µs for 128,256 tokens, 130 with rows, and 1,130
    for partitioning the whole vocabulary. Columns that are masked whole would make the partition slow.
    """
    groups = len(logits) // _ROW
    peaks = logits[: groups * _ROW].reshape(_ROW, groups).max(axis=0)
    peaks = peaks[peaks > -np.inf]
    if count > len(peaks):
        return -math.inf
    return float(np.partition(peaks, len(peaks) - count)[len(peaks) - count])


def _nucleus(kept: NDArray[np.intp], logits: FloatArray, top: float, top_p: float) -> NDArray[np.intp]:
    """Return the fewest of the likeliest tokens that together have the probability `top_p`."""
    weights = np.exp(logits - top)
    total = float(weights.sum(dtype=np.float64))
    count = _FIRST_GUESS
    near = _likeliest(logits, count)
    while count < len(kept) and float(weights[near].sum(dtype=np.float64)) < top_p * total:
        count *= 8
        near = _likeliest(logits, count)
    order = near[np.argsort(-weights[near])]
    enough = int(np.searchsorted(np.cumsum(weights[order], dtype=np.float64), top_p * total)) + 1
    return kept[order[:enough]]


def _no_token(top: float) -> EndpointError:
    if top == -math.inf:
        return EndpointError(
            "no token of this model's vocabulary can continue the answer under the grammar",
            hint="it lacks a character that the grammar demands; loosen the grammar or use another model",
        )
    return EndpointError(
        f"the model's output is {top!r}, not a number",
        hint="the weights are damaged or overflow; get the file again or use another quantisation",
    )
