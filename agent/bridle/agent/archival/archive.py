"""Archival memory in one place: archives and sources, their passages, and how they are searched.

The text is searched by SQLite's full-text index, always. Where an embedder is set, vectors add their part;
when they cannot, a search goes on by text alone and its results say why. Nothing here needs numpy until
vectors are compared.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bridle.agent.archival import passages, rebuilding, sources
from bridle.agent.archival.base import Draft, Embedder, Found, Passage, Results, VectorIndex
from bridle.agent.archival.filters import Filter, read_filter
from bridle.agent.archival.fusion import Ranked, fuse
from bridle.agent.archival.kept import SQLITE, Space, check_same, read_kept, register, set_kept
from bridle.agent.archival.nearest import nearest
from bridle.agent.archival.outbox import OnProgress, pump, waiting
from bridle.agent.archival.sources import SourceInfo
from bridle.agent.archival.text_search import TextHits, find_text, newest
from bridle.agent.state import clean_text
from bridle.errors import (
    EmbedderMismatch,
    EmbedderUnavailable,
    IndexUnavailable,
    InputError,
    MissingExtra,
)

if TYPE_CHECKING:
    from bridle.agent.store.database import Database

__all__ = ["Archive", "OpensIndex", "Status"]

PAGE_SIZE = 5
CANDIDATES = 1000
"""So many of the best by words are compared by meaning too."""

OpensIndex = Callable[["Database", Space], VectorIndex]
"""What makes the index of one embedder's vectors."""
_SOFT = (EmbedderMismatch, EmbedderUnavailable, IndexUnavailable, MissingExtra)
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


class Archive:
    """Archival memory of one home. Use it from one thread at a time, and close it before the store."""

    def __init__(
        self, store: Database, *, embedder: Embedder | None = None, index: OpensIndex | None = None
    ) -> None:
        """Use the tables of an open store. Without an `index`, vectors are kept there too."""
        self._store = store
        self._embedder = embedder
        self._open_index = index or _sqlite_vectors
        self._indexes: dict[str, VectorIndex] = {}
        self.warning = ""
        """Why vectors took no part in what was done last; empty when they did, or none are set."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close embedder and index; the store stays open."""
        if self._embedder is not None:
            self._embedder.close()
        for index in self._indexes.values():
            index.close()
        self._indexes.clear()

    # Archives and sources

    def own(self, agent: str) -> int:
        """The id of an agent's own archive.

        Raises:
            InputError: for an agent that does not exist.
        """
        with self._store.reading() as connection:
            return sources.own(connection, agent)

    def source(self, name: str) -> int | None:
        """The id of a source; None when there is none of that name."""
        with self._store.reading() as connection:
            query = "SELECT id FROM archives WHERE kind = 'source' AND name = ?"
            row = connection.execute(query, (name,)).fetchone()
        return int(row[0]) if row else None

    def sources(self) -> tuple[SourceInfo, ...]:
        """All sources, by name."""
        with self._store.reading() as connection:
            return sources.list_sources(connection)

    def create_source(self, name: str, description: str = "") -> int:
        """Make a source and return its id; one that is there stays as it is, but for a new description."""
        with self._store.writing() as connection:
            return sources.add_source(connection, clean_text(name), clean_text(description))

    def delete_source(self, name: str) -> None:
        """Delete a source with all that it holds.

        Raises:
            InputError: for a source that does not exist.
        """
        with self._store.writing() as connection:
            sources.remove_source(connection, name)
        self.pump()

    def attach(self, agent: str, source: str) -> bool:
        """Let an agent search a source; False when it does so already.

        Raises:
            InputError: for an agent or a source that does not exist.
        """
        with self._store.writing() as connection:
            return sources.set_attached(connection, agent, source, attached=True)

    def detach(self, agent: str, source: str) -> bool:
        """Take a source off an agent; False when it was not attached. Errors are those of `attach`."""
        with self._store.writing() as connection:
            return sources.set_attached(connection, agent, source, attached=False)

    def attached(self, agent: str) -> tuple[str, ...]:
        """The sources that an agent searches, by name."""
        with self._store.reading() as connection:
            return sources.attached_names(connection, agent)

    # Passages

    def add(self, archive_id: int, drafts: Iterable[Draft], *, file_id: int | None = None) -> list[int]:
        """Store passages in one transaction and return their ids, in the order of the drafts.

        The same text from the same place is stored once: its id comes again, with the new context. Vectors
        are made afterwards; when that fails, the text is safe and `warning` says why.

        Raises:
            InputError: for a draft without text, and for an archive or a file that does not exist.
        """
        with self._store.writing() as connection:
            path = passages.path_of(connection, archive_id, file_id)
            ids = [passages.insert(connection, archive_id, file_id, path, draft) for draft in drafts]
        self.pump()
        return ids

    def delete(self, ids: Iterable[int]) -> int:
        """Delete passages and return how many there were."""
        with self._store.writing() as connection:
            removed = sources.delete_passages(connection, ids)
        self.pump()
        return removed

    def get(self, ids: Sequence[int]) -> list[Passage]:
        """The passages of these ids, in this order; ids that are not there are left out."""
        with self._store.reading() as connection:
            found = passages.read(connection, ids)
        return [found[one] for one in ids if one in found]

    # Searching

    def search_for(
        self, agent: str, query: str, page: int = 0, *, where: Mapping[str, object] | None = None
    ) -> Results:
        """Search what an agent may see: its own notes and the sources that are attached.

        Raises:
            InputError: for an agent that does not exist, and as `search` does.
        """
        with self._store.reading() as connection:
            archives = sources.attached_archives(connection, agent)
        return self.search(archives, query, page=page, where=where)

    def search(
        self,
        archives: Sequence[int],
        query: str,
        *,
        page: int = 0,
        size: int = PAGE_SIZE,
        where: Mapping[str, object] | None = None,
    ) -> Results:
        """Find passages by words and, where vectors are kept, by meaning: one page, the best first.

        `where` limits by `source`, `file`, `since` and `until` before the best are chosen. A query without
        words finds the newest. Pages do not overlap while nothing is written.

        Raises:
            InputError: for a page or a size that cannot be, and a `where` that means nothing.
        """
        if page < 0 or size < 1:
            raise InputError(f"there is no page {page} of {size}", hint="pages are counted from 0")
        self.warning = ""
        with self._store.reading() as connection:
            limits = read_filter(connection, archives, where)
            at_most = max(CANDIDATES, min((page + 1) * size, 2**31) + CANDIDATES // 2)
            hits = find_text(connection, query, limits, at_most)
        cosines = self._cosines(query, limits, hits) if query.strip() and limits.archives else {}
        with self._store.reading() as connection:
            ranked, total = self._ranked(connection, limits, hits, cosines, page * size, size)
            there = passages.read(connection, [one.id for one in ranked])
        found = [
            Found(there[one.id], one.score, one.by_words, one.cosine) for one in ranked if one.id in there
        ]
        return Results(tuple(found), total, page, self.warning)

    def _ranked(
        self,
        connection: sqlite3.Connection,
        limits: Filter,
        hits: TextHits,
        cosines: Mapping[int, float],
        offset: int,
        size: int,
    ) -> tuple[list[Ranked], int]:
        """One page of what was found, and how many there are."""
        if not hits.searched and not cosines:
            ids, total = newest(connection, limits, offset, size)
            return [Ranked(one, 0.0) for one in ids], total
        others = [one for one in cosines if one not in hits.scores]
        total = hits.total + len(others) - hits.also(connection, others)
        ranked = fuse(hits.scores, cosines, self._embedder.weight if self._embedder else 0.0)
        return ranked[offset : offset + size], total

    def _cosines(self, query: str, limits: Filter, hits: TextHits) -> dict[int, float]:
        """The cosines of the nearest passages and of the best by words; nothing where vectors cannot help."""
        try:
            comparing = self._comparing()
            if comparing is None:
                return {}
            embedder, index = comparing
            asked = embedder.query(query)
            found = nearest(self._store, index, asked, limits)
            return found | index.cosines(
                asked, [one for one in list(hits.scores)[:CANDIDATES] if one not in found]
            )
        except _SOFT as error:
            self.warning = f"by text alone: {error}"
            return {}

    # Vectors

    def pump(self, limit: int | None = None, on_progress: OnProgress | None = None) -> int:
        """Give the index what waits, at most `limit` passages, and return how many those were.

        What cannot be done now keeps waiting, and `warning` says why.
        """
        self.warning = ""
        if self._embedder is None:
            return 0
        try:
            with self._store.reading() as connection:
                if not waiting(connection):
                    return 0
            index = self._adopted(self._embedder)
            return pump(self._store, self._embedder, index, limit, on_progress)
        except _SOFT as error:
            self.warning = str(error)
            return 0

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
        rebuilding.rebuild_text(self._store)
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
                vectors = self._index(kept).count()
            configured = self._embedder.fingerprint if self._embedder else ""
            self._comparing()
        except _SOFT as error:
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

    def _comparing(self) -> tuple[Embedder, VectorIndex] | None:
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
        space, index = self._registered(embedder)
        with self._store.writing() as connection:
            kept = read_kept(connection)
            if kept is None:
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
