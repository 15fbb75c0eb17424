"""Vectors made anew, and indexes brought in line with the text, which is the only thing that cannot be lost.

What is missing is found by comparing ids, so a process that is killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bridle.agent.archival.kept import Space, set_kept
from bridle.agent.archival.outbox import Batches, OnProgress, embed_into, existing
from bridle.errors import IndexUnavailable

if TYPE_CHECKING:
    from bridle.agent.archival.base import Embedder, VectorIndex
    from bridle.agent.store.database import Database

__all__ = ["announce_all", "reembed", "remove_others", "repair"]

_AT_ONCE = 2000


def reembed(
    store: Database,
    embedder: Embedder,
    index: VectorIndex,
    space: Space,
    on_progress: OnProgress | None = None,
) -> int:
    """Fill the index with this embedder's vectors, then let searches use them; return how many were made."""
    made = 0
    while True:
        newest = _newest(store)
        made += _fill(store, embedder, index, on_progress)
        with store.writing() as connection:
            (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM passages").fetchone()
            if last <= newest:  # ids only grow: none has come since
                set_kept(connection, space)
                connection.execute("DELETE FROM outbox")
                break
    _remove_orphans(store, index)
    return made


def repair(
    store: Database, embedder: Embedder, index: VectorIndex, on_progress: OnProgress | None = None
) -> int:
    """Make the vectors that are missing and remove those without text; return how many were made.

    An index that cannot even be read is cleared first.
    """
    try:
        announced = _last_announced(store)
        _remove_orphans(store, index)
    except IndexUnavailable:
        announce_all(store)
        announced = _last_announced(store)
        index.clear()
    made = _fill(store, embedder, index, on_progress)
    with store.writing() as connection:
        connection.execute("DELETE FROM outbox WHERE id <= ?", (announced,))
    return made


def announce_all(store: Database) -> None:
    """Put every passage into the outbox, so that an index that is cleared now is filled whatever happens."""
    with store.writing() as connection:
        connection.execute("DELETE FROM outbox")
        connection.execute(
            "INSERT INTO outbox (passage_id, archive_id, action)"
            " SELECT id, archive_id, 'upsert' FROM passages ORDER BY id"
        )


def remove_others(store: Database, embedder: int | None) -> None:
    """Remove the vectors of all other embedders from the database; None removes all."""
    others = "SELECT id FROM vectors WHERE embedder_id IS NOT ? LIMIT ?"
    query = f"DELETE FROM vectors WHERE id IN ({others})"
    removed = 1
    while removed:
        with store.writing() as connection:
            removed = connection.execute(query, (embedder, _AT_ONCE)).rowcount


def _fill(store: Database, embedder: Embedder, index: VectorIndex, on_progress: OnProgress | None) -> int:
    """Embed all passages that the index has not got."""
    there = set(index.ids())
    missing = [one for one in _passage_ids(store) if one not in there]
    batches, done = Batches(), 0
    while done < len(missing):
        some = missing[done : done + batches.size]
        embed_into(store, embedder, index, some)
        batches.done()
        done += len(some)
        if on_progress:
            on_progress(done, len(missing))
    return done


def _remove_orphans(store: Database, index: VectorIndex) -> None:
    gone = set(index.ids())
    with store.reading() as connection:
        gone -= existing(connection, gone)
    if gone:
        index.delete(sorted(gone))


def _last_announced(store: Database) -> int:
    with store.reading() as connection:
        return int(connection.execute("SELECT coalesce(max(id), 0) FROM outbox").fetchone()[0])


def _newest(store: Database) -> int:
    with store.reading() as connection:
        return int(connection.execute("SELECT coalesce(max(id), 0) FROM passages").fetchone()[0])


def _passage_ids(store: Database) -> Iterator[int]:
    last = 0
    while True:
        with store.reading() as connection:
            rows = connection.execute(
                "SELECT id FROM passages WHERE id > ? ORDER BY id LIMIT ?", (last, _AT_ONCE)
            ).fetchall()
        if not rows:
            return
        yield from (row[0] for row in rows)
        last = rows[-1][0]
