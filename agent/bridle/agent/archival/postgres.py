"""Vectors of archival memory in Postgres, by psycopg 3: exact search, with or without the `vector` extension.

Where the server has the extension (pgvector), cosines are computed there, and an approximate index is neither
made nor used: with one, a filter loses results. Elsewhere the rows of the archives that are asked for come as
a binary COPY and are compared here. Both are exact. The text is stored beside the vectors for whoever looks
at the table; bridle itself searches text in its own file. It makes no databases and no roles.

Measured with 10,000 vectors of 384 dimensions on Postgres 15.18, and 16.14 with pgvector, November 2026: one
archive of 100 rows 0.4 ms (extension: 0.8), all rows 25 ms (10). A sum over `unnest(real[])` in SQL took 4.4
and 320 ms for the same, a function in PL/pgSQL 4 and 300, so neither is used.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from bridle.agent.archival import postgres_table as texts
from bridle.agent.archival.base import Entry
from bridle.agent.archival.exact import (
    check_space,
    distinct,
    named,
    need_packages,
    refuse_foreign,
    unit,
)
from bridle.agent.archival.postgres_table import Table
from bridle.endpoints.effective import without_password
from bridle.errors import ConfigError, IndexUnavailable

if TYPE_CHECKING:
    import psycopg

    from bridle.agent.archival.base import Vectors

    Connection = psycopg.Connection[tuple[object, ...]]

__all__ = ["PostgresIndex"]

CONNECT_S = 5
GONE_MS = 30_000
"""How long a network may swallow what was sent before the connection counts as lost."""
BATCH = 500
"""Entries in one statement and one transaction: 750 kB at 384 dimensions."""

_SCHEME = re.compile(r"postgres(?:ql)?(?:\+\w+)?://")
"""The way of SQLAlchemy, with a driver, is what MemGPT's documents showed."""

_Result = TypeVar("_Result")


class PostgresIndex:
    """Keeps the vectors of one `space` as a table of that name. Several threads may use it at once.

    `uri` is `postgresql://user@host:port/database`, with all that libpq takes; a password is better kept in
    ~/.pgpass or PGPASSWORD. Nothing is connected before the first use. A server that was away or was started
    anew is connected again.

    Raises:
        ConfigError: for what is no such URI, and for a foreign host while `offline`.
        MissingExtra: when psycopg is not installed.
    """

    def __init__(self, uri: str, *, space: str, dimensions: int, offline: bool = False) -> None:
        self._conninfo = _read_uri(uri, offline=offline)
        self.name = f"postgres {named(uri)}"
        self._space = check_space(space)
        self._dimensions = dimensions
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._table = Table(space, dimensions)

    def upsert(self, entries: Sequence[Entry]) -> None:
        """Add entries, or put them in the place of those with the same ids.

        Raises:
            InputError: for a vector of another length than the index was opened for.
        """
        kept, vectors = distinct(entries, self._dimensions)
        for start in range(0, len(kept), BATCH):
            self._put(kept[start : start + BATCH], vectors[start : start + BATCH])

    def _put(self, entries: list[Entry], vectors: Vectors) -> None:
        ids, archives = [entry.id for entry in entries], [entry.archive for entry in entries]
        texts_of = [_storable(entry.text) for entry in entries]

        def put(connection: Connection, table: Table) -> None:
            values = (ids, archives, texts_of, [table.packed(vector) for vector in vectors])
            connection.execute(table.sql(texts.UPSERT), values)

        self._run(put)

    def delete(self, ids: Sequence[int]) -> None:
        """Remove entries; ids that are not there do not matter."""
        if ids:
            self._run(lambda connection, table: connection.execute(table.sql(texts.DELETE), (list(ids),)))

    def search(self, vector: Vectors, archives: Sequence[int], k: int) -> list[tuple[int, float]]:
        """Return ids and cosines of the `k` nearest in these archives, best first, equal ones by id."""
        question = unit(vector, self._dimensions)
        if not archives or k < 1:
            return []

        def nearest(connection: Connection, table: Table) -> list[tuple[int, float]]:
            if table.extension:
                asked = (table.packed(question), list(archives), k)
                return _pairs(connection.execute(table.sql(texts.NEAREST), asked))
            return table.compared(connection, texts.IN_ARCHIVES, list(archives), question, k)

        return self._run(nearest)

    def cosines(self, vector: Vectors, ids: Sequence[int]) -> dict[int, float]:
        """The cosines of those of these entries that are there."""
        question = unit(vector, self._dimensions)
        if not ids:
            return {}

        def compared(connection: Connection, table: Table) -> dict[int, float]:
            if table.extension:
                asked = (table.packed(question), list(ids))
                return dict(_pairs(connection.execute(table.sql(texts.COSINES), asked)))
            return dict(table.compared(connection, texts.WITH_IDS, list(ids), question, len(ids)))

        return self._run(compared)

    def count(self, archives: Sequence[int] | None = None) -> int:
        """How many entries there are, in all or in these archives."""
        some = None if archives is None else list(archives)
        query = texts.COUNT if some is None else texts.COUNT_SOME
        values = () if some is None else (some,)
        rows = self._run(lambda connection, table: connection.execute(table.sql(query), values).fetchall())
        return int(str(rows[0][0]))

    def ids(self) -> Iterator[int]:
        """All ids, in any order."""
        rows = self._run(lambda connection, table: connection.execute(table.sql(texts.IDS)).fetchall())
        return (int(str(row[0])) for row in rows)

    def clear(self) -> None:
        """Remove everything that this index keeps, the table as well."""
        with self._lock:
            self._run(lambda connection, table: connection.execute(table.sql(texts.DROP)))
            self._close()

    def close(self) -> None:
        """End the connection. Using the index again opens another one."""
        with self._lock:
            self._close()

    def _run(self, work: Callable[[Connection, Table], _Result]) -> _Result:
        """Do one piece of work. All of it can be done twice, so what an old connection lost is done again.

        Raises:
            IndexUnavailable: when the server is away or refuses.
        """
        import psycopg

        with self._lock:
            was_open = self._connection is not None
            try:
                return work(self._open(), self._table)
            except psycopg.Error as error:
                if not (was_open and self._is_lost(error)):
                    raise self._unavailable(error) from error
            self._close()
            try:
                return work(self._open(), self._table)
            except psycopg.Error as error:
                raise self._unavailable(error) from error

    def _is_lost(self, error: psycopg.Error) -> bool:
        """Whether another connection may do better: this one broke, or another process dropped the table."""
        from psycopg.errors import UndefinedTable

        broken = self._connection is None or self._connection.broken or self._connection.closed
        return broken or isinstance(error, UndefinedTable)

    def _open(self) -> Connection:
        import psycopg

        if self._connection is None:
            connection = psycopg.connect(self._conninfo, autocommit=True, prepare_threshold=None)
            try:
                self._table = Table.prepared(connection, self._space, self._dimensions)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _unavailable(self, error: psycopg.Error) -> IndexUnavailable:
        self._close()
        words = " ".join(str(error).split()) or type(error).__name__
        return IndexUnavailable(
            f"{self.name} cannot be used: {without_password(words)}",
            hint="is it running, and are database, user and password (~/.pgpass or PGPASSWORD) right? "
            "Text is still found, and what is new waits",
        )

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _pairs(rows: psycopg.Cursor[tuple[object, ...]]) -> list[tuple[int, float]]:
    return [(int(str(row[0])), float(str(row[1]))) for row in rows.fetchall()]


def _storable(text: str) -> str:
    """Postgres takes neither a zero character nor half of a pair."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")


def _read_uri(uri: str, *, offline: bool) -> str:
    match = _SCHEME.match(uri)
    if match is None:
        raise _no_uri(uri)
    need_packages("an index in Postgres", "postgres", "psycopg", "numpy")
    import psycopg
    from psycopg import conninfo

    try:
        found = conninfo.conninfo_to_dict(f"postgresql://{uri[match.end() :]}")
    except psycopg.Error as error:  # its words may have parts of the password
        raise _no_uri(uri) from error
    if not all(port.isdecimal() or not port for port in str(found.get("port", "")).split(",")):
        raise _no_uri(uri)
    if offline:
        service = str(found.get("service") or os.environ.get("PGSERVICE", ""))
        if service:
            raise ConfigError(
                f"offline: the service {service!r} may be on another host", hint="write the host into the URI"
            )
        given = [
            str(found.get(one) or os.environ.get(f"PG{one.upper()}", "")) for one in ("host", "hostaddr")
        ]
        refuse_foreign([host for some in given for host in some.split(",")], "Postgres")
    extra: dict[str, str | int | None] = {
        "connect_timeout": CONNECT_S,
        "tcp_user_timeout": GONE_MS,
        "application_name": "bridle",
    }
    return conninfo.make_conninfo("", **{**extra, **found, "client_encoding": "utf8"})


def _no_uri(uri: str) -> ConfigError:
    return ConfigError(
        f"{without_password(uri)!r} cannot be read as a connection URI of Postgres",
        hint="write postgresql://USER@HOST:PORT/DATABASE; in a password @ is %40, / is %2F, % is %25",
    )
