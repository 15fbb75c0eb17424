"""Bring items into a source: in batches, each in one transaction with its text index, and only what is new.

A load that was killed goes on when it is started again: a file whose row says `loading` is read again, the
passages that are there already are found by their keys, and what belongs to no present passage is removed
only when all the new ones are stored. One that did not change since it was loaded is not read again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bridle.agent.loading.chunks import CHUNK_CHARS, LEAST_CHUNK_CHARS
from bridle.agent.loading.documents import Document, Findings
from bridle.agent.loading.items import Content, FileItem, Item
from bridle.agent.loading.passages import drafts
from bridle.agent.loading.report import LoadProgress, LoadReport, OnProgress, Outcome
from bridle.errors import InputError, MissingExtra, SourceUnreadable, StoreError

if TYPE_CHECKING:
    from bridle.agent.archival.archive import Archive
    from bridle.agent.archival.base import Draft

__all__ = ["load_items"]

BATCH = 256
"""Passages in a transaction: some 300 kB, a tenth of a second with its index on a slow machine."""


class _Row(NamedTuple):
    id: int
    fingerprint: str
    status: str
    error: str
    documents: int


def load_items(
    archive: Archive,
    name: str,
    items: Sequence[Item],
    *,
    chunk_chars: int = CHUNK_CHARS,
    within: Sequence[Path] = (),
    prune: bool = False,
    on_progress: OnProgress | None = None,
) -> LoadReport:
    """Load items into the source `name`, which is made when the first of them can be read.

    Files of the source that lie in the folders `within` and are no longer there are told, and with `prune`
    removed. What is committed stays when this is interrupted.

    Raises:
        InputError: for a name or a size of passages that cannot be.
        StoreError: when the database cannot be written.
    """
    if chunk_chars < LEAST_CHUNK_CHARS:
        raise InputError(
            f"passages of {chunk_chars} characters are too short", hint=f"give {LEAST_CHUNK_CHARS} or more"
        )
    loading = _Loading(archive, name, chunk_chars)
    outcomes: list[Outcome] = []
    for number, item in enumerate(items, 1):

        def tell(passages: int, address: str = item.address, number: int = number) -> None:
            if on_progress is not None:
                on_progress(LoadProgress(address, number, len(items), passages))

        tell(0)
        outcomes.append(loading.load(item, tell))
    outcomes += loading.gone(within, prune)
    return LoadReport(name, tuple(outcomes), archive.warning)


class _Loading:
    """The load into one source."""

    def __init__(self, archive: Archive, name: str, chunk_chars: int) -> None:
        self._archive = archive
        self._store = archive.store
        self._name = name
        self._chunk_chars = chunk_chars
        self._archive_id = archive.source(name)
        self._failures: dict[str, str] = {}  # of before there is a source

    def load(self, item: Item, tell: Callable[[int], None]) -> Outcome:
        """Bring an item in and say what became of it; `tell` hears how many passages are stored."""
        findings = Findings()
        try:
            content = item.fetch()
            if content is None:
                return _of_no_known_kind(item)
            row = self._row(item.address)
            if row is not None and self._is_same(row, content):
                return self._unchanged(item.address, row)
            return self._take(item, content, findings, tell)
        except (SourceUnreadable, MissingExtra) as error:
            if isinstance(item, FileItem):
                self._note_failure(item.address, error.message)
            else:
                self._note_lapse(item.address, error.message)
            return Outcome(item.address, "failed", reason=error.message, hint=error.hint)

    def _take(self, item: Item, content: Content, findings: Findings, tell: Callable[[int], None]) -> Outcome:
        documents = content.documents(findings)
        first = next(documents, None)  # before anything is written: most damage shows here
        if first is None and self._row(item.address) is None:
            return Outcome(item.address, "skipped", reason="it holds no text")
        file_id = self._begin(item.address)
        cut = _Cut(item.name, self._chunk_chars, findings)
        ids: set[int] = set()
        for batch in _batches(cut.drafts(chain(() if first is None else (first,), documents))):
            ids.update(self._archive.add(self._id(), batch, file_id=file_id))
            tell(len(ids))
        self._finish(file_id, item.address, ids)
        self._close(file_id, content, cut.documents, findings)
        notes, losses = tuple(findings.notes), tuple(findings.losses)
        return Outcome(item.address, "loaded", len(ids), cut.documents, notes=notes, losses=losses)

    def gone(self, within: Sequence[Path], prune: bool) -> Iterator[Outcome]:
        """Yield the files of the source that are no longer in one of these folders; `prune` removes them."""
        if not within or self._archive_id is None:
            return
        with self._store.reading() as connection:
            rows = connection.execute(
                "SELECT id, path, documents FROM files WHERE archive_id = ? ORDER BY path", (self._id(),)
            ).fetchall()
        for file_id, address, documents in rows:
            path = Path(address)
            if not any(path.is_relative_to(folder) for folder in within) or os.path.lexists(path):
                continue
            ids = self._passages_of(file_id)
            if prune:
                self._archive.delete(ids)
                with self._store.writing() as connection:
                    connection.execute("DELETE FROM files WHERE id = ?", (file_id,))
            yield Outcome(address, "removed" if prune else "gone", len(ids), documents)

    def _id(self) -> int:
        if self._archive_id is None:
            self._archive_id = self._archive.create_source(self._name, "")
            for address, reason in self._failures.items():
                self._note_failure(address, reason)
        return self._archive_id

    def _row(self, address: str) -> _Row | None:
        if self._archive_id is None:
            return None
        with self._store.reading() as connection:
            row = connection.execute(
                "SELECT id, sha256, status, error, documents FROM files WHERE archive_id = ? AND path = ?",
                (self._archive_id, address),
            ).fetchone()
        return None if row is None else _Row(*row)

    def _fingerprint(self, content: Content) -> str:
        return f"{content.fingerprint}:{self._chunk_chars}" if content.fingerprint else ""

    def _is_same(self, row: _Row, content: Content) -> bool:
        is_known = content.fingerprint is not None and row.status == "loaded"
        return is_known and row.fingerprint == self._fingerprint(content)

    def _unchanged(self, address: str, row: _Row) -> Outcome:
        losses = tuple(row.error.split("\n")) if row.error else ()
        count = len(self._passages_of(row.id))
        return Outcome(address, "unchanged", count, row.documents, losses=losses)

    def _passages_of(self, file_id: int) -> list[int]:
        with self._store.reading() as connection:
            rows = connection.execute("SELECT id FROM passages WHERE file_id = ?", (file_id,)).fetchall()
        return [row[0] for row in rows]

    def _begin(self, address: str) -> int:
        archive_id = self._id()
        with self._store.writing() as connection:
            row = connection.execute(
                "INSERT INTO files (archive_id, path, status) VALUES (?, ?, 'loading')"
                " ON CONFLICT (archive_id, path) DO UPDATE SET status = 'loading' RETURNING id",
                (archive_id, address),
            ).fetchone()
        return int(row[0])

    def _finish(self, file_id: int, address: str, ids: set[int]) -> None:
        """Remove what an earlier version of the file had and this one has not."""
        stored = set(self._passages_of(file_id))
        if not ids <= stored:
            raise StoreError(
                f"{len(ids - stored)} passages of {address} were removed while it was loaded",
                hint="somebody else loads it at the same time; load it again when that is over",
                retryable=True,
            )
        self._archive.delete(sorted(stored - ids))

    def _close(self, file_id: int, content: Content, documents: int, findings: Findings) -> None:
        with self._store.writing() as connection:
            connection.execute(
                "UPDATE files SET sha256 = ?, size = ?, status = 'loaded', error = ?, documents = ?,"
                " loaded_ns = ? WHERE id = ?",
                (
                    self._fingerprint(content),
                    content.size,
                    "\n".join(findings.losses),
                    documents,
                    time.time_ns(),
                    file_id,
                ),
            )

    def _note_failure(self, address: str, reason: str) -> None:
        """Keep why a file failed, once the source exists; what an earlier version of it had stays."""
        if self._archive_id is None:
            self._failures[address] = reason
            return
        with self._store.writing() as connection:
            connection.execute(
                "INSERT INTO files (archive_id, path, status, error) VALUES (?, ?, 'failed', ?)"
                " ON CONFLICT (archive_id, path) DO UPDATE SET status = 'failed', error = excluded.error",
                (self._archive_id, address, reason),
            )

    def _note_lapse(self, address: str, reason: str) -> None:
        """Keep why a page or a query failed that was loaded before; any other may have been mistyped."""
        if self._archive_id is None:
            return
        with self._store.writing() as connection:
            connection.execute(
                "DELETE FROM files WHERE archive_id = ? AND path = ? AND loaded_ns = 0"
                " AND NOT EXISTS (SELECT 1 FROM passages WHERE file_id = files.id)",
                (self._archive_id, address),
            )
            connection.execute(
                "UPDATE files SET status = 'failed', error = ? WHERE archive_id = ? AND path = ?",
                (reason, self._archive_id, address),
            )


class _Cut:
    """Cuts documents into passages, and counts the documents."""

    def __init__(self, name: str, chunk_chars: int, findings: Findings) -> None:
        self.documents = 0
        self._name = name
        self._chunk_chars = chunk_chars
        self._findings = findings

    def drafts(self, documents: Iterable[Document]) -> Iterator[Draft]:
        for document in documents:
            self.documents += 1
            yield from drafts(document, self._name, self._findings.title, self._chunk_chars)


def _of_no_known_kind(item: Item) -> Outcome:
    reason = "it is a binary file of no known kind"
    hint = "give PDF, Word (.docx), HTML, Markdown, tables, code or text"
    return Outcome(item.address, "failed" if item.is_named else "skipped", reason=reason, hint=hint)


def _batches(drafted: Iterator[Draft]) -> Iterator[list[Draft]]:
    while batch := list(islice(drafted, BATCH)):
        yield batch
