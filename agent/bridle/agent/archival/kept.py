"""Which vectors there are: of what embedder, in what index. Both are noted in the agents' database.

The note is what a search goes by: with another embedder, or another index, vectors take no part until
`bridle memory reembed` has made them anew. It changes in one transaction, when the new ones are complete.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
import uuid
from dataclasses import dataclass

from bridle.errors import EmbedderMismatch

__all__ = ["SQLITE", "Space", "check_same", "home_id", "read_kept", "register", "set_kept"]

SQLITE = "sqlite"
"""The name of the index in the database itself."""
_KEPT, _HOME = "vectors", "home"
_HINT = "run `bridle memory reembed`, or set [embedding] and [archival] back as they were"


@dataclass(frozen=True, slots=True)
class Space:
    """The place of one embedder's vectors in one index.

    `name` is unique among all homes and embedders: what an index outside keeps them under. `index` is the
    index's own name, and `embedder` the id that the database knows the fingerprint by.
    """

    name: str
    embedder: int
    fingerprint: str
    dimensions: int
    index: str = ""


def read_kept(connection: sqlite3.Connection) -> Space | None:
    """The space whose vectors are complete, but for what waits in the outbox; None when there are none."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (_KEPT,)).fetchone()
    if row is None:
        return None
    noted = json.loads(row[0])
    fingerprint, dimensions = connection.execute(
        "SELECT fingerprint, dimensions FROM embedders WHERE id = ?", (noted["embedder"],)
    ).fetchone()
    name = _space_name(home_id(connection), fingerprint)
    return Space(name, noted["embedder"], fingerprint, dimensions, noted["index"])


def set_kept(connection: sqlite3.Connection, space: Space) -> None:
    """Note, inside the caller's transaction, that this space is complete."""
    noted = json.dumps({"embedder": space.embedder, "index": space.index})
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (_KEPT, noted))


def register(connection: sqlite3.Connection, fingerprint: str, dimensions: int) -> Space:
    """Give an embedder its place, inside the caller's transaction; the same one as before if it had one."""
    connection.execute(
        "INSERT INTO embedders (fingerprint, dimensions, created_ns) VALUES (?, ?, ?)"
        " ON CONFLICT (fingerprint) DO NOTHING",
        (fingerprint, dimensions, time.time_ns()),
    )
    connection.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING", (_HOME, uuid.uuid4().hex)
    )
    (row,) = connection.execute("SELECT id FROM embedders WHERE fingerprint = ?", (fingerprint,)).fetchone()
    return Space(_space_name(home_id(connection), fingerprint), row, fingerprint, dimensions)


def home_id(connection: sqlite3.Connection) -> str:
    """What tells this home from others that use the same server; empty before the first embedder."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (_HOME,)).fetchone()
    return str(row[0]) if row else ""


def check_same(kept: Space, configured: Space) -> None:
    """Refuse to compare vectors with those of another embedder, or to miss those in another index.

    Raises:
        EmbedderMismatch: which names both.
    """
    if kept.fingerprint != configured.fingerprint:
        raise EmbedderMismatch(
            f"the stored vectors are of {kept.fingerprint!r}, and the embedder is {configured.fingerprint!r}",
            hint=_HINT,
        )
    if kept.index != configured.index:
        raise EmbedderMismatch(
            f"the stored vectors of {kept.fingerprint!r} are in {kept.index}, and the index is "
            f"{configured.index}",
            hint=_HINT,
        )


def _space_name(home: str, fingerprint: str) -> str:
    return f"bridle_{home[:12]}_{hashlib.sha256(fingerprint.encode()).hexdigest()[:12]}"
