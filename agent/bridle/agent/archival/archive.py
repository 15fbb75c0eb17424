"""Archival memory in one place: archives and sources, their passages, and how they are searched.

The text is searched by SQLite's full-text index, always. Where an embedder is set, vectors add their part;
when they cannot, a search goes on by text alone and its results say why. Nothing here needs numpy until
vectors are compared.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bridle.agent.archival import passages, sources
from bridle.agent.archival.base import Draft, Embedder, Found, Passage, Results
from bridle.agent.archival.comparing import SOFT, Comparing, OpensIndex, Status
from bridle.agent.archival.filters import Filter, read_filter
from bridle.agent.archival.fusion import Ranked, fuse
from bridle.agent.archival.nearest import nearest
from bridle.agent.archival.outbox import OnProgress
from bridle.agent.archival.sources import SourceInfo
from bridle.agent.archival.text_search import TextHits, find_text, newest
from bridle.agent.state import clean_text
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.agent.store.database import Database

__all__ = ["Archive"]

PAGE_SIZE = 5
SLOW_S, PAUSE_S = 1.0, 30.0
"""After a failure that took longer than the one, insertions do not try again for the other, in seconds: each
batch of a large load would wait for a host that does not answer."""
CANDIDATES = 500
"""So many of the best by words are compared by meaning too."""


class Archive:
    """Archival memory of one home. Use it from one thread at a time, and close it before the store."""

    def __init__(
        self, store: Database, *, embedder: Embedder | None = None, index: OpensIndex | None = None
    ) -> None:
        """Use the tables of an open store. Without an `index`, vectors are kept there too."""
        self._store = store
        self._embedder = embedder
        self._comparing = Comparing(store, embedder, index)
        self._failure = ""
        self._paused_until = 0.0
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
        self._comparing.close()

    @property
    def store(self) -> Database:
        """The database that it works on."""
        return self._store

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
        self._follow()

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
        self._follow()
        return ids

    def delete(self, ids: Iterable[int]) -> int:
        """Delete passages and return how many there were."""
        with self._store.writing() as connection:
            removed = sources.delete_passages(connection, ids)
        self._follow()
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

        `where` limits by `source`, `file`, `since` and `until` before the best are chosen. An empty query
        finds the newest, and one of marks alone what holds it as it stands. Pages do not overlap while
        nothing is written.

        Raises:
            InputError: for a page or a size that cannot be, and a `where` that means nothing.
        """
        if page < 0 or size < 1:
            raise InputError(f"there is no page {page} of {size}", hint="pages are counted from 0")
        self.warning = ""
        with self._store.reading() as connection:
            limits = read_filter(connection, archives, where)
            at_most = max(CANDIDATES, min((page + 1) * size, 2**31) + CANDIDATES)
            hits = find_text(connection, query, limits, at_most)
        cosines = self._cosines(query, limits, hits) if query.strip() and limits.archives else {}
        with self._store.reading() as connection:
            if not hits.searched and not cosines:
                ids, total = newest(connection, limits, page * size, size, marks=query.strip())
                ranked = [Ranked(one, 0.0) for one in ids]
            else:
                ranked, total = self._ranked(connection, hits, cosines, page * size, size)
            there = passages.read(connection, [one.id for one in ranked])
        found = [
            Found(there[one.id], one.score, one.by_words, one.cosine) for one in ranked if one.id in there
        ]
        return Results(tuple(found), total, page, self.warning, query)

    def _ranked(
        self,
        connection: sqlite3.Connection,
        hits: TextHits,
        cosines: Mapping[int, float],
        offset: int,
        size: int,
    ) -> tuple[list[Ranked], int]:
        """One page of what was found, and how many there are."""
        others = [one for one in cosines if one not in hits.scores]
        total = hits.total + len(others) - hits.also(connection, others)
        ranked = fuse(hits.scores, cosines, self._embedder.weight if self._embedder else 0.0)
        return ranked[offset : offset + size], total

    def _cosines(self, query: str, limits: Filter, hits: TextHits) -> dict[int, float]:
        """The cosines of the nearest passages and of the best by words; nothing where vectors cannot help."""
        try:
            pair = self._comparing.pair()
            if pair is None:
                return {}
            embedder, index = pair
            asked = embedder.query(query)
            found = nearest(self._store, index, asked, limits)
            return found | index.cosines(
                asked, [one for one in list(hits.scores)[:CANDIDATES] if one not in found]
            )
        except SOFT as error:
            self.warning = f"by text alone: {error}"
            return {}

    # Vectors

    def _follow(self) -> None:
        """Let the vectors follow the text, unless that has just failed after a long wait."""
        if time.monotonic() < self._paused_until:
            self.warning = self._failure
            return
        start = time.monotonic()
        self.pump()
        if self.warning and time.monotonic() - start > SLOW_S:
            self._failure, self._paused_until = self.warning, time.monotonic() + PAUSE_S

    def pump(self, limit: int | None = None, on_progress: OnProgress | None = None) -> int:
        """Give the index what waits, at most `limit` passages, and return how many those were.

        What cannot be done now keeps waiting, and `warning` says why.
        """
        self.warning = ""
        try:
            return self._comparing.pump(limit, on_progress)
        except SOFT as error:
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
        return self._comparing.reembed(on_progress, again=again)

    def reindex(self, on_progress: OnProgress | None = None) -> int:
        """Build the text index anew, and bring the vectors in line with the text; return how many were made.

        Raises:
            EmbedderMismatch: when the stored vectors are of another embedder, or in another index.
            EmbedderUnavailable, IndexUnavailable, MissingExtra: what was done is kept.
        """
        return self._comparing.reindex(on_progress)

    def status(self) -> Status:
        """Count passages and vectors, and say what they are of. Asks the embedder for its dimensions."""
        return self._comparing.status()
