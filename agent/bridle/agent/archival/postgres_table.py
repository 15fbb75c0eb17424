"""The table of a vector index in Postgres: how it is made, what is said to it, and how its rows are read.

When to connect, and what to do when a server is away, is the business of `bridle.agent.archival.postgres`.
The binary forms are those of Postgres 15 (COPY: chapter "File Formats", Binary Format) and pgvector 0.8
(src/vector.c, vector_recv), read in November 2026.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridle.agent.archival.exact import best
from bridle.errors import EmbedderMismatch, IndexUnavailable

if TYPE_CHECKING:
    import numpy as np
    import psycopg
    from numpy.typing import NDArray
    from psycopg import sql

    from bridle.agent.archival.base import Vectors

    Connection = psycopg.Connection[tuple[object, ...]]

__all__ = [
    "COSINES",
    "COUNT",
    "COUNT_SOME",
    "DELETE",
    "DROP",
    "IDS",
    "IN_ARCHIVES",
    "NEAREST",
    "UPSERT",
    "WITH_IDS",
    "Packed",
    "Table",
]

BLOCK_BYTES = 8 << 20
"""How much of an archive is held here at a time while it is compared."""
COPY_HEAD_BYTES = 19

UPSERT = """
INSERT INTO {table} AS held (id, archive, text, vector)
SELECT * FROM unnest(%b::bigint[], %b::bigint[], %b::text[], %b::{kind}[])
ON CONFLICT (id) DO UPDATE SET archive = excluded.archive, text = excluded.text, vector = excluded.vector
"""
# Ordered by an expression and not by the bare operator: no approximate index takes part, whoever made it.
NEAREST = """
SELECT id, -(vector {product} %b::{kind})::real AS cosine FROM {table}
WHERE archive = ANY(%b::bigint[]) ORDER BY cosine DESC, id LIMIT %b
"""
COSINES = "SELECT id, -(vector {product} %b::{kind})::real FROM {table} WHERE id = ANY(%b::bigint[])"
_COPY = "COPY (SELECT id, vector FROM {table} WHERE"
DELETE = "DELETE FROM {table} WHERE id = ANY(%b::bigint[])"
COUNT = "SELECT count(*) FROM {table}"
COUNT_SOME = "SELECT count(*) FROM {table} WHERE archive = ANY(%b::bigint[])"
IDS = "SELECT id FROM {table}"
DROP = "DROP TABLE {table}"
IN_ARCHIVES = "archive = ANY(%s)"
WITH_IDS = "id = ANY(%s)"
_BINARY = "TO STDOUT (FORMAT BINARY)"
_TABLE = """
SELECT obj_description(c.oid, 'pg_class'), format_type(a.atttypid, NULL) <> 'bytea'
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'vector'
WHERE c.oid = to_regclass(%(table)s)
"""
_MAKE = (
    "CREATE TABLE {table} (id bigint PRIMARY KEY, archive bigint NOT NULL, text text NOT NULL, "
    "vector {column} NOT NULL)",
    "CREATE INDEX {index} ON {table} (archive)",
    "COMMENT ON TABLE {table} IS {says}",
)
_STORED_PLAINLY = "ALTER TABLE {table} ALTER COLUMN vector SET STORAGE EXTERNAL"
"""Numbers do not get smaller by being compressed."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A vector in the binary form of its type."""

    data: bytes


class Table:
    """A table as one connection sees it. `extension` is the schema of pgvector's type; empty for bytes."""

    def __init__(self, name: str, dimensions: int, extension: str = "") -> None:
        self.name = name
        self.dimensions = dimensions
        self.extension = extension

    @classmethod
    def prepared(cls, connection: Connection, name: str, dimensions: int) -> Table:
        """Make the table where there is none, one process at a time, and see how it stores vectors.

        Raises:
            EmbedderMismatch: for a table of another number of dimensions, or of somebody else.
        """
        says = f"bridle: vectors of {dimensions} dimensions"
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (name,))
            made = connection.execute(_TABLE, {"table": name}).fetchone()
            if made is None:
                table = cls(name, dimensions, _extension(connection, create=True))
                for statement in _MAKE if table.extension else (*_MAKE, _STORED_PLAINLY):
                    connection.execute(table.sql(statement, says=says))
            elif made[0] != says:
                raise EmbedderMismatch(
                    f"the table {name!r} is told as {made[0]!r}, not as {says!r}",
                    hint="`bridle memory reembed` makes all vectors anew; or drop that table",
                )
            else:
                table = cls(name, dimensions, _extension(connection) if made[1] else "")
        _teach(connection, table.extension)
        return table

    def sql(self, text: str, **literals: str) -> sql.Composed:
        """Fill one of this module's texts with quoted names and values."""
        from psycopg import sql

        kind = sql.Identifier(self.extension, "vector") if self.extension else sql.SQL("bytea")
        sized = sql.SQL("{}({})").format(kind, sql.Literal(self.dimensions))
        return sql.SQL(text).format(  # pyright: ignore[reportArgumentType]
            table=sql.Identifier(self.name),
            index=sql.Identifier(f"{self.name}_a"),
            kind=kind,
            column=sized if self.extension else kind,
            product=sql.SQL("OPERATOR({}.<#>)").format(sql.Identifier(self.extension)),
            **{name: sql.Literal(value) for name, value in literals.items()},
        )

    def packed(self, vector: Vectors) -> Packed:
        """A vector as the server takes it: pgvector's has its length in front, and is big-endian."""
        if self.extension:
            return Packed(struct.pack(">HH", self.dimensions, 0) + vector.astype(">f4").tobytes())
        return Packed(vector.astype("<f4").tobytes())

    def compared(
        self, connection: Connection, where: str, values: list[int], question: Vectors, k: int
    ) -> list[tuple[int, float]]:
        """Read rows in blocks and compare them here: for vectors that are stored as bytes."""
        import numpy as np

        row = np.dtype([("", "V6"), ("id", ">i8"), ("", "V4"), ("vector", "<f4", (self.dimensions,))])
        ids: list[NDArray[np.int64]] = []
        cosines: list[Vectors] = []
        query = self.sql(f"{_COPY} {where}) {_BINARY}")
        for block in _blocks(connection, query, values, row.itemsize):
            rows = np.frombuffer(block, row)
            ids.append(rows["id"].astype(np.int64))
            # Not by `@`: OpenBLAS spreads that over all cores, which costs more where others work on them.
            cosines.append(np.einsum("ij,j->i", np.ascontiguousarray(rows["vector"]), question))
        return best(np.concatenate(ids), np.concatenate(cosines), k) if ids else []


def _extension(connection: Connection, *, create: bool = False) -> str:
    """The schema of the `vector` extension; empty where it is not in the database and cannot be made."""
    import psycopg

    query = "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'vector'"
    found = connection.execute(query).fetchone()
    if found is None and create:
        offered = "SELECT 1 FROM pg_available_extensions WHERE name = 'vector'"
        if connection.execute(offered).fetchone() is None:
            return ""
        try:
            with connection.transaction():
                connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except psycopg.Error:  # not allowed to; bytes are as exact
            return ""
        found = connection.execute(query).fetchone()
    return str(found[0]).strip('"') if found else ""


def _teach(connection: Connection, extension: str) -> None:
    """Tell psycopg which type packed vectors have; it knows bytea of itself."""
    from psycopg.adapt import Dumper
    from psycopg.pq import Format
    from psycopg.sql import Identifier
    from psycopg.types import TypeInfo

    known = connection.adapters.types["bytea"]
    kind = TypeInfo.fetch(connection, Identifier(extension, "vector")) if extension else known
    if kind is None:
        raise IndexUnavailable(
            "the type `vector` is not found", hint="is its schema in the search_path of the user?"
        )
    kind.register(connection)
    number = kind.oid

    class PackedDumper(Dumper):
        format = Format.BINARY
        oid = number

        def dump(self, obj: Packed) -> bytes:
            return obj.data

    connection.adapters.register_dumper(Packed, PackedDumper)


def _blocks(
    connection: Connection, query: sql.Composed, values: list[int], row_bytes: int
) -> Iterator[bytes]:
    """Yield whole rows of a binary COPY, a few megabytes at a time; each row here has the same length."""
    held = bytearray()
    skip = COPY_HEAD_BYTES
    with connection.cursor() as cursor, cursor.copy(query, (values,)) as copied:
        for piece in copied:
            held += piece
            if skip and len(held) >= skip:
                del held[:skip]
                skip = 0
            if len(held) >= BLOCK_BYTES:
                whole = len(held) // row_bytes * row_bytes
                yield bytes(held[:whole])
                del held[:whole]
    whole = len(held) // row_bytes * row_bytes  # what is left is the mark of the end
    if whole:
        yield bytes(held[:whole])
