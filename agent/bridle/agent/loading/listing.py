"""What a source was loaded from: its files, pages and queries, with how each of them is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridle.agent.archival.archive import Archive

__all__ = ["SourceFile", "source_files"]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file, page or query. `status` is loaded, failed, or loading (also after a load that was killed)."""

    address: str
    status: str
    passages: int
    documents: int
    size: int
    error: str
    loaded_ns: int


def source_files(archive: Archive, name: str) -> tuple[SourceFile, ...]:
    """Return what the source `name` was loaded from, by address; nothing when there is no such source."""
    with archive.store.reading() as connection:
        rows = connection.execute(
            "SELECT f.path, f.status, (SELECT count(*) FROM passages WHERE file_id = f.id), f.documents,"
            " f.size, f.error, f.loaded_ns FROM files f JOIN archives a ON a.id = f.archive_id"
            " WHERE a.kind = 'source' AND a.name = ? ORDER BY f.path",
            (name,),
        ).fetchall()
    return tuple(SourceFile(*row) for row in rows)
