"""The four ways to load: files and folders, a text, pages of the web, and the rows of a query."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bridle.agent.loading.chunks import CHUNK_CHARS
from bridle.agent.loading.database import DatabaseItem, database_address
from bridle.agent.loading.files import chosen_files
from bridle.agent.loading.items import FileItem, TextItem
from bridle.agent.loading.markup import read_plain
from bridle.agent.loading.pipeline import load_items
from bridle.agent.loading.report import LoadReport, OnProgress, Outcome
from bridle.agent.loading.web import WebItem, web_address
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.agent.archival.archive import Archive

__all__ = ["load_database", "load_directory", "load_text", "load_webpages"]


def load_directory(
    archive: Archive,
    name: str,
    paths: Iterable[str | Path],
    *,
    recursive: bool = False,
    extensions: Sequence[str] = (),
    chunk_chars: int = CHUNK_CHARS,
    prune: bool = False,
    on_progress: OnProgress | None = None,
) -> LoadReport:
    """Load files, folders and patterns (`*.md`) into the source `name`.

    A file that did not change since it was loaded costs nothing but being read; of one that did, the passages
    are replaced. `extensions` limits what is taken from folders. With `prune` the passages of files that are
    no longer in the folders are deleted.

    Raises:
        InputError: for a path that does not exist, and folders without a file.
        StoreError: when the database cannot be written.
    """
    given = [os.path.expanduser(path) for path in paths]
    chosen = chosen_files(given, recursive=recursive, extensions=extensions)
    items = [FileItem(path, is_named=True) for path in chosen.named]
    items += [FileItem(path) for path in chosen.found]
    within = [Path(os.path.abspath(path)) for path in given if os.path.isdir(path)]
    report = load_items(
        archive, name, items, chunk_chars=chunk_chars, within=within, prune=prune, on_progress=on_progress
    )
    outcomes = report.outcomes + tuple(_unread(path, reason) for path, reason in chosen.unread)
    if not outcomes:
        only = f" that ends in {' or '.join(extensions)}" if extensions else ""
        hint = "give another folder" if recursive else "--recursive looks into the folders in it, too"
        raise InputError(f"{', '.join(given)} holds no file{only}", hint=hint)
    return LoadReport(report.source, outcomes, report.warning)


def _unread(folder: Path, reason: str) -> Outcome:
    return Outcome(str(folder), "failed", reason=f"it cannot be read: {reason}", hint="check the folder")


def load_text(archive: Archive, name: str, text: str | Path, *, chunk_chars: int = CHUNK_CHARS) -> LoadReport:
    """Load a text, or a file as plain text whatever it is called, into the source `name`."""
    if isinstance(text, Path):
        path = Path(os.path.abspath(os.path.expanduser(text)))
        return load_items(archive, name, [FileItem(path, True, read_plain)], chunk_chars=chunk_chars)
    data = text.encode("utf-8", "replace")
    return load_items(archive, name, [TextItem(data, read_plain)], chunk_chars=chunk_chars)


def load_webpages(
    archive: Archive,
    name: str,
    urls: Iterable[str],
    *,
    offline: bool = False,
    chunk_chars: int = CHUNK_CHARS,
    on_progress: OnProgress | None = None,
) -> LoadReport:
    """Load pages of the web into the source `name`; with `offline` only those of this machine.

    Raises:
        InputError: for what is no web address.
    """
    pages = {web_address(url): WebItem(url, offline) for url in urls}
    return load_items(archive, name, [*pages.values()], chunk_chars=chunk_chars, on_progress=on_progress)


def load_database(
    archive: Archive,
    name: str,
    uri: str,
    query: str,
    *,
    text_column: str = "",
    offline: bool = False,
    chunk_chars: int = CHUNK_CHARS,
    on_progress: OnProgress | None = None,
) -> LoadReport:
    """Load the rows of a query, a document each, into the source `name`.

    `uri` is `sqlite:///FILE` or `postgresql://USER@HOST/DATABASE`.

    Raises:
        InputError: for another kind of database.
    """
    database_address(uri)
    item = DatabaseItem(uri, query, text_column, offline)
    return load_items(archive, name, [item], chunk_chars=chunk_chars, on_progress=on_progress)
