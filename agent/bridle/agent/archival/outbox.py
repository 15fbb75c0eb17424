"""From the text to the vectors: what the index has still to take in, batch by batch.

A passage that is written or deleted leaves a row in the table `outbox`, in the same transaction (triggers see
to it). `pump` embeds what waits and gives it to the index; only then the rows go. A process that is killed in
between does the last batch again, which changes nothing: what counts is whether a passage is there, not how
often it was announced.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from bridle.agent.archival.base import Entry

if TYPE_CHECKING:
    from bridle.agent.archival.base import Embedder, VectorIndex
    from bridle.agent.store.database import Database

__all__ = ["Batches", "Holds", "OnProgress", "embed_into", "existing", "pump", "waiting"]

OnProgress = Callable[[int, int], None]
"""Told (passages done, passages in all)."""
FIRST_BATCH, MOST_IN_BATCH = 32, 1024
SHORT_S = 0.5
"""A batch that took less is followed by one of twice the size: a kill costs at most one batch."""
_AT_ONCE = 500


@runtime_checkable
class Holds(Protocol):
    """An index that can say cheaply which passages it has; those are not embedded again."""

    def holding(self, ids: Sequence[int]) -> set[int]: ...


class Batches:
    """How many passages to embed next: more where it goes quickly."""

    def __init__(self) -> None:
        self.size = FIRST_BATCH
        self._since = time.monotonic()

    def done(self) -> None:
        """Say that a batch is done, and that the next one begins."""
        now = time.monotonic()
        took, self._since = now - self._since, now
        self.size = min(self.size * 2, MOST_IN_BATCH) if took < SHORT_S else max(self.size // 2, 1)


def waiting(connection: sqlite3.Connection) -> int:
    """How many rows wait."""
    return int(connection.execute("SELECT count(*) FROM outbox").fetchone()[0])


def pump(
    store: Database,
    embedder: Embedder,
    index: VectorIndex,
    limit: int | None = None,
    on_progress: OnProgress | None = None,
) -> int:
    """Give the index what waits, at most `limit` rows, and return how many those were.

    Raises:
        EmbedderUnavailable, IndexUnavailable: what was not done keeps waiting.
    """
    batches, done = Batches(), 0
    while limit is None or done < limit:
        size = batches.size if limit is None else min(batches.size, limit - done)
        with store.reading() as connection:
            rows = connection.execute(
                "SELECT id, passage_id FROM outbox ORDER BY id LIMIT ?", (size,)
            ).fetchall()
            left = waiting(connection) if on_progress else 0
        if not rows:
            break
        _take_in(store, embedder, index, {row[1] for row in rows})
        with store.writing() as connection:
            connection.executemany("DELETE FROM outbox WHERE id = ?", [(row[0],) for row in rows])
        done += len(rows)
        batches.done()
        if on_progress:
            on_progress(done, done + left - len(rows))
    return done


def _take_in(store: Database, embedder: Embedder, index: VectorIndex, ids: set[int]) -> None:
    with store.reading() as connection:
        there = existing(connection, ids)
    if gone := sorted(ids - there):
        index.delete(gone)
    if isinstance(index, Holds):
        there -= index.holding(sorted(there))
    embed_into(store, embedder, index, sorted(there))


def embed_into(store: Database, embedder: Embedder, index: VectorIndex, ids: Sequence[int]) -> None:
    """Embed passages and give them to the index; those that are deleted meanwhile are taken out again."""
    with store.reading() as connection:
        rows = _texts(connection, ids)
    if not rows:
        return
    vectors = embedder.passages([row[2] for row in rows])
    index.upsert([Entry(*row, vector) for row, vector in zip(rows, vectors, strict=True)])
    # Another process may have deleted one and told the index so before it came in here.
    with store.reading() as connection:
        gone = {row[0] for row in rows} - existing(connection, [row[0] for row in rows])
    if gone:
        index.delete(sorted(gone))


def existing(connection: sqlite3.Connection, ids: Iterable[int]) -> set[int]:
    """Which of these passages there are."""
    listed, found = list(ids), set[int]()
    for at in range(0, len(listed), _AT_ONCE):
        some = ", ".join(str(int(one)) for one in listed[at : at + _AT_ONCE])
        found.update(row[0] for row in connection.execute(f"SELECT id FROM passages WHERE id IN ({some})"))
    return found


def _texts(connection: sqlite3.Connection, ids: Sequence[int]) -> list[tuple[int, int, str]]:
    found: list[tuple[int, int, str]] = []
    for at in range(0, len(ids), _AT_ONCE):
        some = ", ".join(str(int(one)) for one in ids[at : at + _AT_ONCE])
        query = f"SELECT id, archive_id, text FROM passages WHERE id IN ({some}) ORDER BY id"
        found += connection.execute(query).fetchall()
    return found
