"""What a constraint costs an answer: counts, time, and how much of the model's own probability it leaves.

Exact at every sampled token, and cheap: the vocabulary is gone through in blocks that stay in the processor's
cache.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bridle.endpoints.llamacpp.sampling import FloatArray
from bridle.grammars.engines.base import Matcher
from bridle.messages import ConstraintCost

__all__ = ["Costs"]

_BLOCK = 32_768
_FITS = 60.0  # e to the power of this, for each token of a vocabulary, is still a float32
_LEAST = 1e-45  # the smallest probability that a float32 holds


@dataclass(slots=True)
class Costs:
    """Adds up the cost of one answer.

    `nats` counts only tokens for which the engine can cheaply tell what is allowed: all with llguidance, with
    llama.cpp's own those whose first choice was refused. Without `measure` there are no nats at all.
    """

    measure: bool = True
    rejected: int = 0
    interventions: int = 0
    nats: float = 0.0
    surprise_nats: float = 0.0
    mask_seconds: float = 0.0
    _total: float = 1.0
    _weights: FloatArray = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    _ones: FloatArray = field(default_factory=lambda: np.ones(_BLOCK, dtype=np.float32))

    @contextmanager
    def engine(self) -> Generator[None]:
        """Count the time that the engine takes."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.mask_seconds += time.perf_counter() - began

    def see(self, logits: FloatArray) -> None:
        """Take the model's own logits, before anything changes them."""
        if not self.measure:
            return
        if len(self._weights) != len(logits):
            self._weights = np.empty(len(logits), dtype=np.float32)
        top = float(logits.max())
        if not math.isfinite(top):
            return  # the sampler will say so
        self._total = 0.0
        for start in range(0, len(logits), _BLOCK):
            part = self._weights[start : start + _BLOCK]
            if 0 < top < _FITS:
                np.exp(logits[start : start + _BLOCK], out=part)
            else:
                np.subtract(logits[start : start + _BLOCK], top, out=part)
                np.exp(part, out=part)
            self._total += float(part.dot(self._ones[: len(part)]))

    def add(self, token: int, matcher: Matcher, masked: FloatArray | None) -> None:
        """Count a token that the model chose, before the matcher takes it.

        `masked` are the logits after the mask, where it was needed to choose the token.
        """
        if not self.measure:
            return
        chosen = max(float(self._weights[token]), _LEAST)
        log_total = math.log(self._total)
        self.surprise_nats += max(0.0, log_total - math.log(chosen))
        bits = self._allowed(matcher, masked)
        if bits is None:
            return
        left = 0.0
        for start in range(0, len(self._weights), _BLOCK):
            part = bits[start : start + _BLOCK].astype(np.float32)
            left += float(self._weights[start : start + _BLOCK].dot(part))
        self.nats += max(0.0, log_total - math.log(max(left, chosen)))

    def _allowed(self, matcher: Matcher, masked: FloatArray | None) -> NDArray[np.generic] | None:
        """Return a one for each token that the constraint allows; None where that would cost too much."""
        with self.engine():
            bits = matcher.allowed()
        return np.isfinite(masked) if bits is None and masked is not None else bits

    def sums(self) -> ConstraintCost:
        """Return what has been added up."""
        return ConstraintCost(
            rejected=self.rejected,
            interventions=self.interventions,
            nats=self.nats,
            surprise_nats=self.surprise_nats,
            mask_seconds=self.mask_seconds,
        )
