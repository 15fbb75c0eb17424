"""The values and the seams of archival memory: what is stored, what makes vectors, and what compares them.

To add a store of vectors, write one class with the methods of `VectorIndex` and its line in
`bridle.agent.archival.indexes.INDEXES`; the contract suite in `tests/agent/test_vector_indexes.py` then runs
on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from bridle.messages import JSON

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors: TypeAlias = NDArray[np.float32]

__all__ = ["Draft", "Embedder", "Entry", "Found", "Passage", "Results", "VectorIndex"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A passage that is to be stored.

    `context` is searched with the text but not shown: the title, the date, the turn before. `locator` says
    where in its file the text stood, such as `{"page": 3}` or `{"row": 17}`. `created_ns` is the time that
    the text belongs to, in nanoseconds since 1970; None is now.
    """

    text: str
    context: str = ""
    locator: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    created_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A stored passage. `archive` names where it is kept: empty for the agent's own notes, else a source.

    `file` is the path that it was loaded from, empty for a note.
    """

    id: int
    text: str
    archive: str = ""
    file: str = ""
    locator: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    created_ns: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that a search found. `score` is higher for better ones and compares within one search only.

    `text_score` is what words gave (0 to 1), `vector_score` the cosine (-1 to 1), None where there was none.
    """

    passage: Passage
    score: float
    text_score: float | None = None
    vector_score: float | None = None


@dataclass(frozen=True, slots=True)
class Results:
    """One page of a search, counted from 0, with the number of all that were found.

    `warning` says why vectors took no part although there should be some; empty when all is well. `query` is
    what was asked, for whoever shows a part of a passage only.
    """

    found: tuple[Found, ...]
    total: int
    page: int = 0
    warning: str = ""
    query: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """What a vector index keeps of a passage. Searches are limited by `archive`, the archive's id."""

    id: int
    archive: int
    text: str
    vector: Sequence[float] | Vectors


class Embedder(Protocol):
    """What makes a vector of a text. Two with the same `fingerprint` make the same vectors."""

    @property
    def fingerprint(self) -> str:
        """Kind, model, dimensions and prefixes, as one readable line."""
        ...

    @property
    def dimensions(self) -> int: ...

    @property
    def weight(self) -> float:
        """What a cosine counts for, where the best match of words counts 1."""
        ...

    def passages(self, texts: Sequence[str]) -> Vectors:
        """One row of length 1 for each text; a text that is too long for the model is embedded by its parts.

        Raises:
            EmbedderUnavailable: when the model cannot be asked.
        """
        ...

    def query(self, text: str) -> Vectors:
        """The vector of a question.

        Raises:
            EmbedderUnavailable: when the model cannot be asked.
        """
        ...

    def close(self) -> None: ...


class VectorIndex(Protocol):
    """Vectors of passages, compared by cosine. One index holds vectors of one embedder.

    All methods raise `IndexUnavailable` when what keeps the vectors cannot be used. An acknowledged `upsert`
    survives the death of the process, and is seen by the next `search`. Vectors have length 1.
    """

    @property
    def name(self) -> str:
        """The spec that it was opened by, without secrets."""
        ...

    def upsert(self, entries: Sequence[Entry]) -> None:
        """Add entries, or put them in the place of those with the same ids.

        Raises:
            InputError: for a vector of another length than the index was opened for.
        """
        ...

    def delete(self, ids: Sequence[int]) -> None:
        """Remove entries; ids that are not there do not matter."""
        ...

    def search(self, vector: Vectors, archives: Sequence[int], k: int) -> list[tuple[int, float]]:
        """Return ids and cosines of the `k` nearest in these archives, best first, equal ones by id.

        The limit to archives is exact: `k` are found wherever there are so many.
        """
        ...

    def cosines(self, vector: Vectors, ids: Sequence[int]) -> dict[int, float]:
        """The cosines of those of these entries that are there."""
        ...

    def count(self, archives: Sequence[int] | None = None) -> int:
        """How many entries there are, in all or in these archives."""
        ...

    def ids(self) -> Iterator[int]:
        """All ids, in any order."""
        ...

    def clear(self) -> None:
        """Remove everything that this index keeps."""
        ...

    def close(self) -> None: ...
