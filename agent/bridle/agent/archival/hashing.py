"""Vectors of hashed words and letters: deterministic, offline, without a model.

Each word, and each run of three to five letters of it, adds to one of the dimensions, with a sign; both are
taken from its CRC-32. So texts are near each other when they share words or parts of words, which finds
misspelt and inflected ones. It knows no meaning: a model finds more. It is for stores of vectors that are to
be tried or tested with nothing else at hand.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from zlib import crc32

from bridle.errors import ConfigError

if TYPE_CHECKING:
    from bridle.agent.archival.base import Vectors

__all__ = ["HashingEmbedder", "hashing_embedder"]

USUAL_DIMENSIONS = 512
MOST_DIMENSIONS = 65536
WEIGHT = 0.3
"""Less than a model's: what it adds to the same words counted by BM25 is little."""
WORD_COUNTS = 2.0
"""A whole word for as much as so many of its parts."""


def hashing_embedder(spec: str) -> HashingEmbedder:
    """Read `hashing` or `hashing:DIMENSIONS`.

    Raises:
        ConfigError: for a number of dimensions that cannot be.
    """
    _, _, wanted = spec.partition(":")
    if not wanted:
        return HashingEmbedder()
    if not (wanted.isdecimal() and 1 <= int(wanted) <= MOST_DIMENSIONS):
        raise ConfigError(
            f"the embedder {spec!r} has {wanted!r} dimensions",
            hint=f"write hashing, or hashing:N with N from 1 to {MOST_DIMENSIONS}",
        )
    return HashingEmbedder(int(wanted))


class HashingEmbedder:
    """See `bridle.agent.archival.base.Embedder`. Never unavailable."""

    def __init__(self, dimensions: int = USUAL_DIMENSIONS) -> None:
        self._dimensions = dimensions

    @property
    def fingerprint(self) -> str:
        return f"hashing words+3-5-grams {self._dimensions} unit"

    @property
    def dimensions(self) -> int:
        return self._dimensions

    @property
    def weight(self) -> float:
        return WEIGHT

    def passages(self, texts: Sequence[str]) -> Vectors:
        """Embed passages, each by itself."""
        import numpy as np

        from bridle.agent.archival.embedders import unit_rows

        rows = np.zeros((len(texts), self._dimensions), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for feature, count in Counter(_features(text)).items():
                hashed = crc32(feature.encode())
                weight = WORD_COUNTS if feature[0] == " " else 1.0
                sign = 1.0 if hashed & 0x80000000 else -1.0
                row[(hashed & 0x7FFFFFFF) % self._dimensions] += sign * weight * count**0.5
        return unit_rows(rows)

    def query(self, text: str) -> Vectors:
        """Embed a question as a passage is."""
        found: Vectors = self.passages([text])[0]
        return found

    def close(self) -> None:
        """There is nothing to close."""


def _features(text: str) -> Iterator[str]:
    """Each word, with a space before it, and the runs of letters in `<word>`."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    for word in "".join(letter if letter.isalnum() else " " for letter in folded).split():
        yield f" {word}"
        marked = f"<{word}>"
        for size in (3, 4, 5):
            for at in range(len(marked) - size + 1):
                yield marked[at : at + size]
