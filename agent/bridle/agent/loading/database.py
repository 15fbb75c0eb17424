"""Rows of a database, a document for each: SQLite by Python's own module, Postgres by psycopg 3 (extra
`postgres`). Both are only read: SQLite is opened so and allows nothing but SELECT, Postgres gets a read-only
transaction and a cursor on its side, so that a large result is never in memory as a whole.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from bridle.agent.loading.documents import Document, Findings, Part
from bridle.agent.loading.items import Content
from bridle.agent.loading.rows import row_text
from bridle.agent.loading.text import clean
from bridle.errors import InputError, MissingExtra, SourceUnreadable
from bridle.messages import JSON

__all__ = ["DatabaseItem", "database_address"]

_POSTGRES = ("postgresql", "postgres")
_CONNECT_S = 10
_HEAD_CHARS = 300
_SHOWN_CHARS = 60
_ALLOWED = (
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
)


def database_address(uri: str) -> str:
    """Return the address of a database without its password.

    >>> database_address("postgresql://ann:secret@db.example.org:5432/shop?sslmode=require")
    'postgresql://ann@db.example.org:5432/shop'
    >>> database_address("sqlite:////data/shop.db")
    'sqlite:////data/shop.db'

    Raises:
        InputError: for an address of another kind of database.
    """
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise InputError("the address of the database cannot be read", hint=_WAY) from error
    if parts.scheme == "sqlite":
        return uri
    if not parts.scheme and uri and not set(uri) & set("@="):  # no login and no password stands in it
        raise InputError(f"{uri!r} is no address of a database", hint=f"for a file write sqlite:///{uri}")
    if parts.scheme not in _POSTGRES:
        raise InputError(f"databases of {parts.scheme or 'no scheme'!r} cannot be read", hint=_WAY)
    login, at, host = parts.netloc.rpartition("@")
    return urlunsplit(("postgresql", f"{login.partition(':')[0]}{at}{host}", parts.path, "", ""))


_WAY = "write sqlite:///FILE or postgresql://USER@HOST/DATABASE"


@dataclass(frozen=True, slots=True)
class DatabaseItem:
    """The result of a query. With `text_column` that column is the text, and the others are its context."""

    uri: str
    query: str
    text_column: str = ""
    offline: bool = False
    is_named: bool = True

    @property
    def address(self) -> str:
        """The database and the query's first words, with a hash where these do not say all."""
        words = " ".join(self.query.split())
        where = [pair for pair in parse_qsl(urlsplit(self.uri).query) if "password" not in pair[0]]
        if words != self.query.strip() or len(words) > _SHOWN_CHARS or self.text_column or where:
            asked = hashlib.sha256(repr((self.text_column, self.query, where)).encode()).hexdigest()[:8]
            words = f"{words[:_SHOWN_CHARS].rstrip()}… {asked}"
        return f"{database_address(self.uri)}#{words}"

    @property
    def name(self) -> str:
        return Path(unquote(urlsplit(self.uri).path)).stem.replace("_", " ")

    def fetch(self) -> Content:
        """Return the rows, which are asked for when they are read; what they are is not known before."""
        return Content(self._documents, None, 0)

    def _documents(self, findings: Findings) -> Iterator[Document]:
        address = database_address(self.uri)
        rows = _sqlite_rows(self) if address.startswith("sqlite:") else _postgres_rows(self)
        for number, row in enumerate(rows, 1):
            part = self._part(row, number)
            if part.text:
                yield Document((part,))

    def _part(self, row: Mapping[str, object], number: int) -> Part:
        locator: dict[str, JSON] = {"row": number}
        if not self.text_column:
            return Part(clean(row_text(row)), locator)
        if self.text_column not in row:
            raise SourceUnreadable(
                f"the result has no column {self.text_column!r}", hint=f"its columns are: {', '.join(row)}"
            )
        others = {name: value for name, value in row.items() if name != self.text_column}
        heading = clean(row_text(others)).replace("\n", "; ")[:_HEAD_CHARS]
        return Part(clean(row_text({"": row[self.text_column]})).removeprefix(": "), locator, heading)


def _sqlite_rows(item: DatabaseItem) -> Iterator[Mapping[str, object]]:
    path = _sqlite_path(item.uri)
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            connection.text_factory = _text
            connection.set_authorizer(_authorize)
            cursor = _asked(connection, item.query)
            names = _unique([str(column[0]) for column in cursor.description or ()])
            for row in cursor:
                yield _values(names, row)
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise SourceUnreadable(f"SQLite says: {error}", hint="give one SELECT") from error


def _asked(connection: sqlite3.Connection, query: str) -> sqlite3.Cursor:
    """Run the query; for a table that is not there, name those that there are."""
    try:
        return connection.execute(query)
    except sqlite3.OperationalError as error:
        if not str(error).startswith("no such table"):
            raise
        rows = connection.execute(_TABLES).fetchall()
        names = ", ".join(str(row[0]) for row in rows) or "none"
        raise SourceUnreadable(f"SQLite says: {error}", hint=f"the tables are: {names}") from error


_TABLES = (
    "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
    " AND name NOT LIKE 'sqlite_%' ORDER BY name"
)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _authorize(action: int, *_: object) -> int:
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


def _sqlite_path(uri: str) -> Path:
    """The file of `sqlite:///x`: x from here, as SQLAlchemy reads it, else /x."""
    given = unquote(uri.partition(":")[2])
    here = given.removeprefix("///") if given.startswith("///") else given.removeprefix("//")
    for path in (Path(os.path.expanduser(here)), Path(f"/{here}")):
        if path.is_file():
            return path.absolute()
    raise SourceUnreadable(f"there is no file {here!r}", hint="write sqlite:///FILE")


class _Column(Protocol):
    name: str


class _Cursor(Protocol):
    description: Sequence[_Column] | None

    def __iter__(self) -> Iterator[Sequence[object]]: ...


def _postgres_rows(item: DatabaseItem) -> Iterator[Mapping[str, object]]:
    try:
        psycopg = import_module("psycopg")
    except ImportError as error:
        raise MissingExtra("reading Postgres needs the package psycopg", extra="postgres") from error
    try:
        if item.offline:
            _check_host(import_module("psycopg.conninfo").conninfo_to_dict(item.uri))
        with psycopg.connect(item.uri, connect_timeout=_CONNECT_S) as connection:
            connection.read_only = True
            with connection.cursor(name="bridle_load") as cursor:
                cursor.execute(item.query)
                yield from _postgres_values(cursor)
    except psycopg.Error as error:
        said = str(error).strip()
        if password := urlsplit(item.uri).password:
            said = said.replace(password, "…").replace(unquote(password), "…")
        raise SourceUnreadable(f"Postgres says: {said}", hint="check --uri, and give one SELECT") from error


def _postgres_values(cursor: _Cursor) -> Iterator[Mapping[str, object]]:
    names: list[str] = []
    for row in cursor:
        names = names or _unique([column.name for column in cursor.description or ()])
        yield _values(names, row)


def _check_host(settings: Mapping[str, object]) -> None:
    from bridle.endpoints.transport.http import is_loopback

    given = settings.get("hostaddr") or settings.get("host") or os.environ.get("PGHOST", "")
    for host in str(given).split(","):
        where = f"[{host}]" if ":" in host else host
        if host and not host.startswith("/") and not is_loopback(f"postgresql://{where}"):
            raise SourceUnreadable(f"{host} is not this machine", hint="leave out --offline to read it")


def _unique(names: Sequence[str]) -> list[str]:
    """Name columns apart that a query gives the same name."""
    seen: dict[str, int] = {}
    apart: list[str] = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        apart.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return apart


def _values(names: Sequence[str], row: Sequence[object]) -> dict[str, object]:
    """A row by its columns, without what is no text: pictures and other bytes."""
    pairs = zip(names, row, strict=True)
    return {name: value for name, value in pairs if not isinstance(value, bytes | bytearray | memoryview)}
