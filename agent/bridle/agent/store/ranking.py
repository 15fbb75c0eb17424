"""Which rows of a full-text index match a query, the best first, fast also where a word is very common.

Every row that holds one of the words is found, and counted. They are ranked by BM25 over their text and, at
half the weight, their context. BM25 gives next to nothing for a word that most rows hold, and takes longest
for it: 1 to 2 µs for each row, 0.1 to 0.2 s for 100,000. So beyond `MOST_RANKED` rows only those with the
rarer words are ranked; the rows that hold nothing but common ones follow, the newest first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from bridle.agent.store.words import match_text

__all__ = ["CONTEXT_WEIGHT", "MOST_RANKED", "find_best"]

CONTEXT_WEIGHT = 0.5
"""What a word in the context counts for, where one in the text counts 1."""
MOST_RANKED = 3000


def find_best(
    connection: sqlite3.Connection,
    table: str,
    owner: str,
    searched: Sequence[str],
    span: tuple[int, int],
    below: int = 2**62,
) -> tuple[list[int], int]:
    """Find the rows of an owner, with ids below a bound, that hold one of the words.

    Where there is none, beginnings of words count, too. `span` is how many of the best to leave out, and how
    many to return after them. The number of all that match comes with them.
    """
    index = _Index(connection, table, owner, below)
    found: tuple[list[int], int] = ([], 0)
    for beginnings in (False, True):
        wanted = [word for word in searched if not beginnings or len(word) > 2 or not word.isascii()]
        if wanted:
            found = _find(index, wanted, span, beginnings=beginnings)
        if found[1]:
            break
    return found


def _find(
    index: _Index, searched: Sequence[str], span: tuple[int, int], *, beginnings: bool
) -> tuple[list[int], int]:
    match = match_text(searched, [index.owner], beginnings=beginnings)
    total = index.count(match)
    if total <= MOST_RANKED:
        return index.ranked(match, span) if total else [], total
    rare = _rarest(index, searched, beginnings=beginnings)
    if not rare:
        return index.newest(match, span), total
    rarely = match_text(rare, [index.owner], beginnings=beginnings)
    offset, size = span
    ids = index.ranked(rarely, span)
    if len(ids) < size:
        only_common = f"({match}) NOT ({rarely})"
        ids += index.newest(only_common, (max(0, offset - index.count(rarely)), size - len(ids)))
    return ids, total


def _rarest(index: _Index, searched: Sequence[str], *, beginnings: bool) -> list[str]:
    """The words that are in so few rows that all of those can be ranked."""
    counts: list[tuple[int, str]] = []
    for word in searched:
        match = match_text([word], [index.owner], beginnings=beginnings)
        counts.append((index.count_up_to(match, MOST_RANKED + 1), word))
    rare: list[str] = []
    rows = 0
    for count, word in sorted(counts):
        rows += count
        if rows <= MOST_RANKED:
            rare.append(word)
    return rare


@dataclass(frozen=True, slots=True)
class _Index:
    """A full-text table, as far as one owner's rows below a bound go."""

    connection: sqlite3.Connection
    table: str
    owner: str
    below: int

    @property
    def _tail(self) -> str:
        return f"FROM {self.table} WHERE {self.table} MATCH ? AND rowid < ?"

    def count(self, match: str) -> int:
        """How many rows match."""
        # A bound on ids costs a tenth, unless it leaves only a few rows: so those beyond it are subtracted.
        counted = f"SELECT count(*) FROM {self.table} WHERE {self.table} MATCH ?"
        (number,) = self.connection.execute(counted, (match,)).fetchone()
        (beyond,) = self.connection.execute(f"{counted} AND rowid >= ?", (match, self.below)).fetchone()
        return int(number) - int(beyond)

    def count_up_to(self, match: str, most: int) -> int:
        """How many rows match, where they are no more than `most`."""
        query = f"SELECT count(*) FROM (SELECT 1 {self._tail} LIMIT ?)"
        (number,) = self.connection.execute(query, (match, self.below, most)).fetchone()
        return int(number)

    def ranked(self, match: str, span: tuple[int, int]) -> list[int]:
        """The best rows first; equal ones, the newest first."""
        # The first weight takes `owner` out of the score. Lower is better in SQLite's bm25.
        order = f"bm25({self.table}, 0, 1, {CONTEXT_WEIGHT}), rowid DESC"
        return self._ids(match, order, span)

    def newest(self, match: str, span: tuple[int, int]) -> list[int]:
        """The newest rows first."""
        return self._ids(match, "rowid DESC", span)

    def _ids(self, match: str, order: str, span: tuple[int, int]) -> list[int]:
        offset, size = span
        query = f"SELECT rowid {self._tail} ORDER BY {order} LIMIT ? OFFSET ?"
        rows = self.connection.execute(query, (match, self.below, size, offset))
        return [row[0] for row in rows]
