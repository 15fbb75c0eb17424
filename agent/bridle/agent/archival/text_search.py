"""Full-text search of passages: any of the words, ranked by BM25 over the text and its context.

The common words of a question are left out, and what is left is joined by OR: a model asks in sentences, and
no passage has all of their words. Where no passage has any of them, beginnings of words count. Whatever else
stands in a query (quotes, `*`, operators) is plain text without effect. It needs no numpy and no embedder.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from bridle.agent.archival.filters import Filter
from bridle.agent.store.words import match_text, words

__all__ = ["TextHits", "find_text", "newest"]


@dataclass(frozen=True, slots=True)
class TextHits:
    """The best passages by their words, with scores above 0 and up to 1, and how many there are in all.

    `searched` is False when the query has no words.
    """

    scores: dict[int, float] = field(default_factory=dict[int, float])
    total: int = 0
    match: str = ""
    searched: bool = True

    def also(self, connection: sqlite3.Connection, ids: Sequence[int]) -> int:
        """Count which of these passages, none of which is in `scores`, have one of the words too."""
        if not ids or len(self.scores) >= self.total:
            return 0
        listed = ", ".join(map(str, ids))
        # The plus keeps SQLite from searching once for each id: 1 ms in place of 14, of 100,000 passages.
        query = f"SELECT count(*) FROM passages_text WHERE passages_text MATCH ? AND +rowid IN ({listed})"
        return int(connection.execute(query, (self.match,)).fetchone()[0])


def find_text(connection: sqlite3.Connection, query: str, limits: Filter, at_most: int) -> TextHits:
    """Find the best `at_most` passages for the words of a query; nothing for a query without words."""
    wanted = words(query)
    if not wanted:
        return TextHits(searched=False)
    if not limits.archives:
        return TextHits()
    owners = [] if _is_all(connection, limits) else [f"r{archive}" for archive in limits.archives]
    hits = TextHits()
    for beginnings in (False, True):
        match = match_text(wanted, owners, beginnings=beginnings)
        hits = _best(connection, match, limits, at_most)
        if hits.total:
            break
    return hits


def newest(
    connection: sqlite3.Connection, limits: Filter, offset: int, at_most: int, *, marks: str = ""
) -> tuple[list[int], int]:
    """The newest passages, for a query without words, and how many there are.

    Of a query of marks alone, those that hold it as it stands.
    """
    if not limits.archives:
        return [], 0
    archives = ", ".join(map(str, limits.archives))
    tail = f"FROM passages p WHERE p.archive_id IN ({archives}) {limits.condition}"
    values: tuple[object, ...] = tuple(limits.values)
    if marks:
        tail, values = f"{tail} AND instr(p.text, ?) > 0", (*values, marks)
    (total,) = connection.execute(f"SELECT count(*) {tail}", values).fetchone()
    page = f"SELECT p.id {tail} ORDER BY p.id DESC LIMIT ? OFFSET ?"
    rows = connection.execute(page, (*values, at_most, min(offset, 2**62)))
    return [row[0] for row in rows], int(total)


def _is_all(connection: sqlite3.Connection, limits: Filter) -> bool:
    """Whether no other archive has passages: a search without owners takes half the time of one with all."""
    rows = connection.execute("SELECT id FROM archives").fetchall()
    others = [row[0] for row in rows if row[0] not in limits.archives]
    query = "SELECT EXISTS (SELECT 1 FROM passages WHERE archive_id = ?)"
    return not any(connection.execute(query, (one,)).fetchone()[0] for one in others)


def _best(connection: sqlite3.Connection, match: str, limits: Filter, at_most: int) -> TextHits:
    joined = "JOIN passages p ON p.id = f.rowid" if limits.condition else ""
    tail = f"FROM passages_text f {joined} WHERE f.passages_text MATCH ? {limits.condition}"
    values = (match, *limits.values)
    (total,) = connection.execute(f"SELECT count(*) {tail}", values).fetchone()
    if not total:
        return TextHits()
    # Lower is better in SQLite's bm25, and below zero. The first weight takes `owner` out of the score.
    rows = connection.execute(
        f"SELECT f.rowid, bm25(passages_text, 0, 1, 1) AS score {tail} ORDER BY score, f.rowid DESC LIMIT ?",
        (*values, at_most),
    ).fetchall()
    best = min(rows[0][1], -1e-12)
    return TextHits({row: max(score / best, 0.0) for row, score in rows}, int(total), match)
