"""The kinds of vector index that the contract suite runs on: how a test opens each, and why it cannot here.

Run as a program, it is a process that writes until it is killed: `vector_indexes.py KIND FOLDER`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridle.agent.archival import Entry, VectorIndex
from bridle.agent.archival.chroma import ChromaIndex
from bridle.agent.archival.kept import register
from bridle.agent.archival.milvus import MilvusIndex
from bridle.agent.archival.postgres import PostgresIndex
from bridle.agent.archival.vectors import SqliteVectors
from bridle.agent.store import Store
from documented import programs
from servers.postgres import URI, missing_postgres, postgres

__all__ = ["DIMENSIONS", "KINDS", "IndexKind", "Rows", "needs", "unit_rows"]

DIMENSIONS = 32
Rows = NDArray[np.float32]


@dataclass(frozen=True)
class IndexKind:
    """`open(folder, space, dimensions)`; two calls with the same folder and space open the same index.

    `missing()` says why it cannot run here, empty when it can. `shared` is whether two processes may have it
    open at the same time.
    """

    open: Callable[[Path, str, int], VectorIndex]
    missing: Callable[[], str] = lambda: ""
    shared: bool = True


class _WithStore(SqliteVectors):
    """Vectors in a database of their own, which is closed with them."""

    def __init__(self, folder: Path, space: str, dimensions: int) -> None:
        self._store = Store(folder)
        with self._store.writing() as connection:
            embedder = register(connection, space, dimensions).embedder
        super().__init__(self._store, embedder, dimensions)

    def close(self) -> None:
        super().close()
        self._store.close()


def needs(name: str) -> Callable[[], str]:
    """What `missing` is for a kind that needs a package."""
    return lambda: "" if importlib.util.find_spec(name) else f"needs {name}, which is not installed"


def _milvus(folder: Path, space: str, dimensions: int) -> VectorIndex:
    return MilvusIndex(str(folder / "milvus.db"), space=space, dimensions=dimensions)


def _chroma(folder: Path, space: str, dimensions: int) -> VectorIndex:
    return ChromaIndex(str(folder / "chroma"), space=space, dimensions=dimensions)


def _postgres(folder: Path, space: str, dimensions: int) -> VectorIndex:
    """All tests share one server, so a table's name has the folder in it; a child process is told the URI."""
    place = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    uri = os.environ.get(URI) or postgres().uri
    return PostgresIndex(uri, space=f"t_{place}_{space}", dimensions=dimensions)


def _of_the_page(folder: Path, space: str, dimensions: int) -> VectorIndex:
    """The store that the documentation shows how to write."""
    names: dict[str, Any] = {}
    exec(programs("docs/archival.md")[1], names)
    index: VectorIndex = names["LinesIndex"](str(folder), space=space, dimensions=dimensions)
    return index


def _missing_postgres() -> str:
    return needs("psycopg")() or missing_postgres()


KINDS: Mapping[str, IndexKind] = {
    "sqlite": IndexKind(_WithStore),
    "milvus": IndexKind(_milvus, needs("milvus_lite"), shared=False),
    "postgres": IndexKind(_postgres, _missing_postgres),
    "chroma": IndexKind(_chroma, needs("chromadb")),
    "docs/archival.md": IndexKind(_of_the_page),
}


def unit_rows(count: int, dimensions: int = DIMENSIONS, seed: int = 0) -> Rows:
    """Random vectors of length 1."""
    rows = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def write_until_killed(kind: str, folder: Path) -> None:
    """Upsert ten entries at a time, and say after each ten which was the last of them."""
    index = KINDS[kind].open(folder, "killed", DIMENSIONS)
    rows = unit_rows(10_000)
    for start in range(0, len(rows), 10):
        index.upsert([Entry(at, 1, f"text {at}", rows[at]) for at in range(start, start + 10)])
        print(start + 9, flush=True)


if __name__ == "__main__":
    write_until_killed(sys.argv[1], Path(sys.argv[2]))
