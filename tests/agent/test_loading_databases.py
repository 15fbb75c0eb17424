"""Rows of databases: SQLite for real, Postgres where a server can be started."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bridle.agent import Store
from bridle.agent.archival.archive import Archive
from bridle.agent.loading import LoadReport, load_database, source_files
from bridle.agent.loading.database import DatabaseItem, database_address
from bridle.agent.loading.documents import Findings, Part
from bridle.errors import InputError, MissingExtra, SourceUnreadable
from servers.postgres import PASSWORD, Postgres, postgres

ALL = "SELECT * FROM people ORDER BY id"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    file = tmp_path / "my people.db"
    with closing(sqlite3.connect(file)) as made, made:
        made.execute("CREATE TABLE people (id INTEGER, name TEXT, age REAL, picture BLOB)")
        rows = [(1, "Ann", 3.5, b"\x89PNG"), (2, "Bo", None, None), (3, None, None, None)]
        made.executemany("INSERT INTO people VALUES (?, ?, ?, ?)", rows)
    return file


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Store(tmp_path / "home") as store, Archive(store) as opened:
        yield opened


def parts(item: DatabaseItem) -> list[Part]:
    return [part for document in item.fetch().documents(Findings()) for part in document.parts]


def texts(archive: Archive) -> list[str]:
    source = archive.source("people")
    assert source is not None
    return sorted(one.passage.text for one in archive.search([source], "", size=100).found)


def failure(report: LoadReport) -> str:
    (outcome,) = report.outcomes
    assert (outcome.status, bool(outcome.hint)) == ("failed", True)
    return outcome.reason


def test_a_row_is_a_document_and_bytes_are_left_out(archive: Archive, people: Path) -> None:
    report = load_database(archive, "people", f"sqlite:///{people}", ALL)
    assert (report.passages, report.documents, report.is_complete) == (3, 3, True)
    assert texts(archive) == ["id: 1\nname: Ann\nage: 3.5", "id: 2\nname: Bo", "id: 3"]


def test_a_query_is_asked_again_and_rows_that_are_gone_are_removed(archive: Archive, people: Path) -> None:
    load_database(archive, "people", f"sqlite:///{people}", ALL)
    with closing(sqlite3.connect(people)) as other, other:
        other.execute("DELETE FROM people WHERE id = 3")
        other.execute("UPDATE people SET name = 'Bob' WHERE id = 2")
    assert load_database(archive, "people", f"sqlite:///{people}", ALL).passages == 2
    assert texts(archive) == ["id: 1\nname: Ann\nage: 3.5", "id: 2\nname: Bob"]


def test_two_queries_of_a_database_stand_beside_each_other(archive: Archive, people: Path) -> None:
    for number in (1, 2):
        load_database(
            archive, "people", f"sqlite:///{people}", f"SELECT name FROM people WHERE id = {number}"
        )
    assert texts(archive) == ["name: Ann", "name: Bo"]


def test_a_text_column_is_the_text_and_the_others_are_around_it(people: Path) -> None:
    found = parts(DatabaseItem(f"sqlite:///{people}", ALL, "name"))
    assert found == [Part("Ann", {"row": 1}, "id: 1; age: 3.5"), Part("Bo", {"row": 2}, "id: 2")]


def test_a_text_column_that_is_not_there_is_refused_with_those_there_are(people: Path) -> None:
    with pytest.raises(SourceUnreadable) as caught:
        parts(DatabaseItem(f"sqlite:///{people}", ALL, "title"))
    assert caught.value.hint == "its columns are: id, name, age"


def test_columns_of_the_same_name_are_told_apart(people: Path) -> None:
    (part,) = parts(DatabaseItem(f"sqlite:///{people}", "SELECT 1 AS a, 2 AS a"))
    assert part.text == "a: 1\na 2: 2"


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM people",
        "DROP TABLE people",
        "INSERT INTO people VALUES (9, 'x', 0, NULL) RETURNING id",
        "ATTACH 'other.db' AS other",
        "PRAGMA user_version = 7",
        "VACUUM INTO 'copy.db'",
        "SELECT * FROM nowhere",
        "nonsense",
        "SELECT 1; SELECT 2",
    ],
)
def test_nothing_but_one_select_is_run(
    archive: Archive, people: Path, query: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = people.read_bytes()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert failure(load_database(archive, "people", f"sqlite:///{people}", query)).startswith("SQLite says")
    assert people.read_bytes() == before
    assert list((tmp_path / "here").iterdir()) == []


def test_a_file_is_named_from_here_or_from_the_root(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(people.parent)
    for uri in (
        "sqlite:///my%20people.db",
        "sqlite:///my people.db",
        f"sqlite:///{people}",
        f"sqlite://{people}",
        f"sqlite:///{str(people)[1:]}",
    ):
        assert len(parts(DatabaseItem(uri, ALL))) == 3


def test_a_file_that_is_missing_or_no_database_is_reported(archive: Archive, tmp_path: Path) -> None:
    assert "no file" in failure(load_database(archive, "people", "sqlite:///nowhere.db", ALL))
    (tmp_path / "text.db").write_text("words " * 100)
    uri = f"sqlite:///{tmp_path}/text.db"
    assert "not a database" in failure(load_database(archive, "people", uri, ALL))
    assert not Path("nowhere.db").exists()


@pytest.mark.parametrize(
    "uri", ["mysql://x/y", "host=x password=secret", "", "http://[", "oracle://ann:secret@x"]
)
def test_databases_of_other_kinds_are_refused_with_what_to_write(archive: Archive, uri: str) -> None:
    with pytest.raises(InputError) as caught:
        load_database(archive, "people", uri, ALL)
    assert "sqlite:///FILE or postgresql://" in caught.value.hint
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("file", ["shop.db", "/data/shop.db"])
def test_a_file_given_as_an_address_gets_the_address_to_write(archive: Archive, file: str) -> None:
    with pytest.raises(InputError) as caught:
        load_database(archive, "people", file, ALL)
    assert caught.value.hint == f"for a file write sqlite:///{file}"


def test_a_table_that_is_not_there_is_told_with_those_there_are(archive: Archive, people: Path) -> None:
    (outcome,) = load_database(archive, "people", f"sqlite:///{people}", "SELECT * FROM nope").outcomes
    assert (outcome.reason, outcome.hint) == ("SQLite says: no such table: nope", "the tables are: people")


def test_a_query_that_never_worked_is_not_kept_and_one_that_did_is(archive: Archive, people: Path) -> None:
    uri = f"sqlite:///{people}"
    for query in ("SELECT * FROM nope", ALL, "SELECT nope FROM people", "nonsense"):
        load_database(archive, "people", uri, query)
    assert [(one.address, one.status) for one in source_files(archive, "people")] == [
        (f"{uri}#{ALL}", "loaded")
    ]
    people.unlink()
    load_database(archive, "people", uri, ALL)
    (kept,) = source_files(archive, "people")
    assert (kept.status, kept.passages, "no file" in kept.error) == ("failed", 3, True)


def test_a_query_that_fails_while_it_is_read_for_the_first_time_is_not_kept(
    archive: Archive, people: Path
) -> None:
    uri = f"sqlite:///{people}"
    query = "SELECT abs(CASE WHEN id < 3 THEN id ELSE -9223372036854775807 - 1 END) FROM people ORDER BY id"
    assert "overflow" in failure(load_database(archive, "people", uri, query))
    assert source_files(archive, "people") == ()


def test_an_address_shows_the_querys_first_words_and_is_of_one_query() -> None:
    long = f"SELECT name FROM people WHERE {'age > 1 AND ' * 9}"
    items = [
        DatabaseItem("sqlite:///a.db", ALL),
        DatabaseItem("sqlite:///a.db", ALL.replace(" ", "  ")),
        DatabaseItem("sqlite:///a.db", ALL, "name"),
        DatabaseItem("sqlite:///a.db", f"{long}1"),
        DatabaseItem("sqlite:///a.db", f"{long}2"),
    ]
    addresses = [one.address for one in items]
    assert addresses[0] == f"sqlite:///a.db#{ALL}"
    assert addresses[3].startswith("sqlite:///a.db#SELECT name FROM people WHERE age > 1 AND")
    assert len(set(addresses)) == 5


def test_servers_that_only_a_setting_tells_apart_have_addresses_of_their_own() -> None:
    uris = [f"postgresql:///shop?host=/tmp/{name}&password=x" for name in ("a", "b")]
    first, second = (DatabaseItem(uri, ALL).address for uri in uris)
    assert first != second
    assert DatabaseItem(f"{uris[0]}y", ALL).address == first


def test_a_password_is_neither_kept_nor_shown(archive: Archive) -> None:
    uri = "postgresql://ann:se%40cret@127.0.0.1:9/shop?connect_timeout=1"
    report = load_database(archive, "people", uri, ALL)
    assert "Postgres says" in failure(report)
    assert "cret" not in repr(report)
    assert database_address(uri) == "postgresql://ann@127.0.0.1:9/shop"


@pytest.mark.parametrize("uri", ["postgresql://db.example.org/x", "postgresql:///x?host=127.0.0.1,192.0.2.1"])
def test_offline_asks_no_other_machine(archive: Archive, uri: str) -> None:
    assert "not this machine" in failure(load_database(archive, "people", uri, ALL, offline=True))


def test_without_psycopg_the_extra_is_named(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra) as caught:
        parts(DatabaseItem("postgresql://127.0.0.1/x", ALL))
    assert "postgres" in caught.value.hint


@pytest.fixture
def server() -> Iterator[Postgres]:
    import psycopg

    one = postgres()
    with psycopg.connect(one.uri, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS shop")
        connection.execute("CREATE TABLE shop (id int, name text, tags text[], picture bytea, at date)")
        connection.execute(
            "INSERT INTO shop SELECT n, 'thing ' || n, ARRAY['a', 'b'], 'x', '2026-11-20' FROM"
            " generate_series(1, 2500) n"
        )
        yield one
        connection.execute("DROP TABLE shop")


def test_rows_of_postgres_are_documents(archive: Archive, server: Postgres) -> None:
    report = load_database(archive, "people", server.uri, "SELECT * FROM shop ORDER BY id")
    assert (report.documents, report.is_complete) == (2500, True)
    found = archive.search([archive.source("people") or 0], "thing 1234").found[0].passage
    assert found.text == "id: 1234\nname: thing 1234\ntags: a, b\nat: 2026-11-20"
    assert found.locator == {"row": 1234}


@pytest.mark.parametrize(
    "query",
    ["DELETE FROM shop", "SELECT * FROM nowhere", "SELECT 1; DELETE FROM shop", "SELECT setval('x', 1)"],
)
def test_postgres_is_only_read(archive: Archive, server: Postgres, query: str) -> None:
    assert failure(load_database(archive, "people", server.uri, query)).startswith("Postgres says")
    assert len(parts(DatabaseItem(server.uri, "SELECT id FROM shop"))) == 2500


def test_a_wrong_password_of_postgres_is_reported_without_it(archive: Archive, server: Postgres) -> None:
    wrong = server.address.replace("bridle@", "bridle:wrong-secret@")
    reason = failure(load_database(archive, "people", wrong, "SELECT 1"))
    assert "password" in reason
    assert "wrong-secret" not in reason
    assert PASSWORD not in reason
