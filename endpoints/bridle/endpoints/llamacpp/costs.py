"""What evaluating several tokens at once costs on this machine with this model, and how to split a run by it.

On a GPU and for many quantisations one batch of eight costs little more than one token; for others a batch of
two costs more than two single tokens (measured: Q8_0 on a CPU, 36.7 ms against 2 x 12.4 ms). So it is
measured, once per loaded model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["SIZES", "BatchCosts"]

SIZES = (1, 2, 4, 8, 16)
"""The batch sizes that are worth measuring."""
_LONGEST = 64
"""Longer runs are rare (prompts are not split by cost) and are evaluated in one batch."""


class BatchCosts:
    """Splits runs of tokens so that their evaluation takes the least time.

    A batch never costs more than a larger one: where it was measured so, something disturbed it.

    >>> BatchCosts({1: 1.0, 2: 3.0, 4: 3.2, 8: 9.0}).split(6)
    (4, 1, 1)
    >>> BatchCosts({1: 1.0}).split(3)
    (3,)
    """

    def __init__(self, seconds: Mapping[int, float]) -> None:
        self.seconds: dict[int, float] = {}
        least = math.inf
        for size in sorted(seconds, reverse=True):
            least = min(least, seconds[size])
            self.seconds = {size: least, **self.seconds}
        self._first = [0] * (_LONGEST + 1)
        cost = [0.0, *(self._cost(size) for size in range(1, _LONGEST + 1))]
        whole = [0.0] * (_LONGEST + 1)
        for size in range(1, _LONGEST + 1):
            # Of equal choices the larger first batch: fewer calls.
            whole[size], first = min((cost[k] + whole[size - k], -k) for k in range(1, size + 1))
            self._first[size] = -first

    def split(self, n_tokens: int) -> tuple[int, ...]:
        """Return the sizes of the batches, which add up to `n_tokens`."""
        if n_tokens > _LONGEST or len(self.seconds) < 2:
            return (n_tokens,) if n_tokens else ()
        sizes: list[int] = []
        while n_tokens:
            sizes.append(self._first[n_tokens])
            n_tokens -= sizes[-1]
        return tuple(sizes)

    def _cost(self, size: int) -> float:
        """Estimate the time of one batch: between two measured sizes, or on from the last two."""
        known = list(self.seconds.items())
        if len(known) < 2:
            return 1.0
        right = next((i for i, (n, _) in enumerate(known) if n >= size), len(known) - 1)
        (n0, t0), (n1, t1) = known[max(right - 1, 0)], known[max(right, 1)]
        if size <= n0:
            return t0
        return t0 + (t1 - t0) * (size - n0) / (n1 - n0)
