"""Rank passages by words and by meaning at once: the score of words plus the weighted cosine.

Measured on LoCoMo (10 conversations, 1,982 questions, November 2026): the sum of `bm25 / max` and a weighted
cosine finds .753 of the evidence among the first ten, words alone .734, and ranks fused reciprocally with
the usual k of 60 less than words alone. The weight hardly matters from .3 to 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["Ranked", "fuse"]


class Ranked(NamedTuple):
    """A passage's place in a search; `by_words` is 0 to 1, `cosine` -1 to 1, None where there is none."""

    id: int
    score: float
    by_words: float | None = None
    cosine: float | None = None


def fuse(by_words: Mapping[int, float], cosines: Mapping[int, float], weight: float) -> list[Ranked]:
    """Rank all passages that either knows, best first; of equal ones the newest first.

    What has no cosine, or one below zero, counts as one at right angles: so what words find later in the list
    cannot move what stands before it.

    >>> [(one.id, round(one.score, 2)) for one in fuse({1: 1.0, 2: 0.5}, {2: 0.9, 3: 0.8}, 1.0)]
    [(2, 1.4), (1, 1.0), (3, 0.8)]
    """
    found = [
        Ranked(
            one,
            by_words.get(one, 0.0) + weight * max(cosines.get(one, 0.0), 0.0),
            by_words.get(one),
            cosines.get(one),
        )
        for one in by_words.keys() | cosines.keys()
    ]
    return sorted(found, key=lambda ranked: (-ranked.score, -ranked.id))
