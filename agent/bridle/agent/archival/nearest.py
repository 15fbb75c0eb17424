"""The nearest passages that a search may show: there still, and within its limits, however few those are."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bridle.agent.archival.filters import Filter

if TYPE_CHECKING:
    from bridle.agent.archival.base import VectorIndex, Vectors
    from bridle.agent.store.database import Database

__all__ = ["NEAREST", "nearest"]

NEAREST = 100
"""So many passages are found by meaning, whatever page is asked for: pages must not depend on each other."""
FEW = 4000
"""Where the limits leave no more passages than this, each of them is compared."""


def nearest(store: Database, index: VectorIndex, asked: Vectors, limits: Filter) -> dict[int, float]:
    """The cosines of the `NEAREST` passages within the limits."""
    if limits.condition:
        with store.reading() as connection:
            left = limits.ids(connection, FEW + 1)
        if len(left) <= FEW:
            best = sorted(index.cosines(asked, left).items(), key=lambda one: (-one[1], one[0]))
            return dict(best[:NEAREST])
    k = NEAREST
    while True:
        # What the index has and the text has not (a passage was deleted just now) does not take a place.
        found = index.search(asked, limits.archives, k)
        with store.reading() as connection:
            shown = _within(connection, limits, [one for one, _ in found])
        kept = [(one, cosine) for one, cosine in found if one in shown]
        if len(kept) >= NEAREST or len(found) < k:
            return dict(kept[:NEAREST])
        k *= 4


def _within(connection: sqlite3.Connection, limits: Filter, ids: Sequence[int]) -> set[int]:
    listed = ", ".join(str(int(one)) for one in ids)
    query = f"SELECT p.id FROM passages p WHERE p.id IN ({listed}) {limits.condition}"
    return {row[0] for row in connection.execute(query, limits.values)}
