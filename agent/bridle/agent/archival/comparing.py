"""The part of archival memory that compares vectors: an embedder, an index, and whether they fit each other.

It opens the index when it is first needed, and checks each time that the stored vectors are of this embedder,
because another process may have made them anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridle.agent.archival import rebuilding
from bridle.agent.archival.base import Embedder, VectorIndex
from bridle.agent.archival.kept import SQLITE, Space, check_same, read_kept, register, set_kept
from bridle.agent.archival.outbox import OnProgress, pump, waiting
from bridle.errors import (
    EmbedderMismatch,
    EmbedderUnavailable,
    IndexUnavailable,
    InputError,
    MissingExtra,
)

if TYPE_CHECKING:
    from bridle.agent.store.database import Database

__all__ = ["SOFT", "Comparing", "OpensIndex", "Status"]

OpensIndex = Callable[["Database", Space], VectorIndex]
"""What makes the index of one embedder's vectors."""
SOFT = (EmbedderMismatch, EmbedderUnavailable, IndexUnavailable, MissingExtra)
"""What keeps vectors out of a search and does not end it."""


@dataclass(frozen=True, slots=True)
class Status:
    """How archival memory is doing. `embedder` is what the stored vectors are of, `index` where they are.

    `waiting` counts what the index has still to take in. `warning` says why vectors take no part.
    """

    passages: int
    vectors: int
    waiting: int
    embedder: str = ""
    index: str = ""
    configured: str = ""
    warning: str = ""


class Comparing:
    """The embedder and the index of an archive."""

    def __init__(self, store: Database, embedder: Embedder | None, index: OpensIndex | None) -> None:
        self._store = store
        self._embedder = embedder
        self._open_index = index or _sqlite_vectors
        self._indexes: dict[str, VectorIndex] = {}

    def close(self) -> None:
        """Close both; the store stays open."""
        if self._embedder is not None:
            self._embedder.close()
        for index in self._indexes.values():
            index.close()
        self._indexes.clear()

    def pump(self, limit: int | None, on_progress: OnProgress | None) -> int:
        """Give the index what waits; see `bridle.agent.archival.outbox`."""
        if self._embedder is None:
            return 0
        with self._store.reading() as connection:
            if not waiting(connection):
                return 0
        index = self._adopted(self._embedder)
        return pump(self._store, self._embedder, index, limit, on_progress)

    def reembed(self, on_progress: OnProgress | None = None, *, again: bool = False) -> int:
        """Make the vectors anew with the embedder that is set, and return how many were made.

        Old ones stay until the new are complete. A process that is killed goes on where it was. With
        `again`, also those that this embedder has made before.

        Raises:
            InputError: when no embedder is set.
            EmbedderUnavailable, IndexUnavailable, MissingExtra: what was done is kept.
        """
        embedder = self._set_embedder()
        space, index = self._registered(embedder)
        if again:
            rebuilding.announce_all(self._store)
            index.clear()
        with self._store.reading() as connection:
            old = read_kept(connection)
        made = rebuilding.reembed(self._store, embedder, index, space, on_progress)
        rebuilding.remove_others(self._store, space.embedder if space.index == SQLITE else None)
        if old is not None and old.index == space.index and old.name != space.name:
            self._index(old).clear()
        return made

    def reindex(self, on_progress: OnProgress | None = None) -> int:
        """Build the text index anew, and bring the vectors in line with the text; return how many were made.

        Raises:
            EmbedderMismatch: when the stored vectors are of another embedder, or in another index.
            EmbedderUnavailable, IndexUnavailable, MissingExtra: what was done is kept.
        """
        self._store.rebuild_text()
        if self._embedder is None:
            return 0
        index = self._adopted(self._embedder)
        return rebuilding.repair(self._store, self._embedder, index, on_progress)

    def status(self) -> Status:
        """Count passages and vectors, and say what they are of. Asks the embedder for its dimensions."""
        with self._store.reading() as connection:
            (passages,) = connection.execute("SELECT count(*) FROM passages").fetchone()
            kept, left = read_kept(connection), waiting(connection)
        vectors, configured, warning = 0, "", ""
        try:
            if kept is not None:
                index = self._index(kept)
                vectors = index.count() if index.name == kept.index else 0
            configured = self._embedder.fingerprint if self._embedder else ""
            self.pair()
        except SOFT as error:
            warning = str(error)
        stored = (kept.fingerprint, kept.index) if kept else ("", "")
        return Status(passages, vectors, left, *stored, configured, warning)

    def _set_embedder(self) -> Embedder:
        if self._embedder is None:
            raise InputError(
                "no embedder is set, so there are no vectors to make",
                hint="name one in the config file, under [embedding] as endpoint, or run `bridle configure`",
            )
        return self._embedder

    def pair(self) -> tuple[Embedder, VectorIndex] | None:
        """The embedder and the index to search with; None when there is no embedder or are no vectors."""
        if self._embedder is None:
            return None
        with self._store.reading() as connection:
            kept = read_kept(connection)
        if kept is None:
            return None
        return self._embedder, self._checked(kept, self._embedder)

    def _adopted(self, embedder: Embedder) -> VectorIndex:
        """The index to write to; the first embedder's vectors become the ones that are kept."""
        with self._store.reading() as connection:
            kept = read_kept(connection)
        if kept is None:
            space, index = self._registered(embedder)
            with self._store.writing() as connection:
                kept = read_kept(connection)
                if kept is None:  # no other process was quicker
                    set_kept(connection, space)
                    return index
        return self._checked(kept, embedder)

    def _registered(self, embedder: Embedder) -> tuple[Space, VectorIndex]:
        fingerprint, dimensions = embedder.fingerprint, embedder.dimensions
        with self._store.writing() as connection:
            space = register(connection, fingerprint, dimensions)
        index = self._index(space)
        return Space(space.name, space.embedder, fingerprint, dimensions, index.name), index

    def _checked(self, kept: Space, embedder: Embedder) -> VectorIndex:
        index = self._index(kept)
        configured = Space(kept.name, kept.embedder, embedder.fingerprint, embedder.dimensions, index.name)
        check_same(kept, configured)
        return index

    def _index(self, space: Space) -> VectorIndex:
        if space.name not in self._indexes:
            self._indexes[space.name] = self._open_index(self._store, space)
        return self._indexes[space.name]


def _sqlite_vectors(store: Database, space: Space) -> VectorIndex:
    try:
        from bridle.agent.archival.vectors import SqliteVectors
    except ImportError as error:
        raise MissingExtra(f"comparing vectors needs numpy: {error}", extra="llama") from error
    return SqliteVectors(store, space.embedder, space.dimensions)
