"""What is special to vectors in Postgres: a server that goes away, its extension, and passwords."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from urllib.parse import quote

import numpy as np
import pytest

from bridle.agent.archival import Entry
from bridle.agent.archival.postgres import PostgresIndex
from bridle.errors import ConfigError, EmbedderMismatch, IndexUnavailable
from servers.postgres import PASSWORD, Postgres, missing_postgres, postgres
from vector_indexes import needs, unit_rows

_REASON = needs("psycopg")() or missing_postgres()
pytestmark = pytest.mark.skipif(bool(_REASON), reason=_REASON)

ROWS = unit_rows(200, 8)
_numbers = count()


@pytest.fixture
def server() -> Postgres:
    return postgres()


@pytest.fixture
def space() -> str:
    return f"special_{next(_numbers)}"


@pytest.fixture
def index(server: Postgres, space: str) -> Iterator[PostgresIndex]:
    with closing(opened(server.uri, space)) as one:
        one.upsert([Entry(at, at % 10, f"text {at}", row) for at, row in enumerate(ROWS)])
        yield one


def opened(uri: str, space: str = "one", dimensions: int = 8, *, offline: bool = False) -> PostgresIndex:
    return PostgresIndex(uri, space=space, dimensions=dimensions, offline=offline)


def run(uri: str, query: str) -> list[tuple[object, ...]]:
    import psycopg

    with psycopg.connect(uri, autocommit=True) as connection:
        found = connection.execute(query.encode())
        return found.fetchall() if found.description else []


def test_a_server_that_was_started_anew_is_connected_again(server: Postgres, index: PostgresIndex) -> None:
    before = index.search(ROWS[3], [3], 5)
    server.restart()
    assert index.search(ROWS[3], [3], 5) == before
    server.restart()
    index.upsert([Entry(1000, 3, "after", ROWS[3])])
    found = index.search(ROWS[3], [3], 2)
    assert [one for one, _ in found] == [3, 1000]
    assert [cosine for _, cosine in found] == pytest.approx([1.0, 1.0])


def test_a_server_that_is_away_is_told_and_used_when_it_is_back(
    server: Postgres, index: PostgresIndex
) -> None:
    server.stop()
    try:
        for _ in range(2):
            with pytest.raises(IndexUnavailable, match="is it running"):
                index.upsert([Entry(1000, 3, "while away", ROWS[3])])
    finally:
        server.restart()
    assert index.count() == 200
    index.upsert([Entry(1000, 3, "back", ROWS[3])])
    assert index.count() == 201


def test_a_table_that_another_process_dropped_is_made_again(
    server: Postgres, index: PostgresIndex, space: str
) -> None:
    with closing(opened(server.uri, space)) as other:
        other.clear()
    assert index.count() == 0
    index.upsert([Entry(1, 1, "again", ROWS[1])])
    assert index.count() == 1


def test_processes_that_begin_at_once_make_one_table(server: Postgres, space: str) -> None:
    indexes = [opened(server.uri, space) for _ in range(6)]
    threads = [
        threading.Thread(target=one.upsert, args=([Entry(at, 1, "text", ROWS[at])],))
        for at, one in enumerate(indexes)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.count() for one in indexes] == [6] * 6
    for one in indexes:
        one.close()


def test_several_threads_share_an_index(index: PostgresIndex) -> None:
    right: list[bool] = []

    def work(first: int) -> None:
        for at in range(first, 200, 4):
            index.upsert([Entry(at, at % 10, "again", ROWS[at])])
            right.append(index.search(ROWS[at], [at % 10], 1)[0][0] == at)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [True] * 200


def test_an_archive_that_is_larger_than_a_block_is_compared_whole(
    server: Postgres, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridle.agent.archival.postgres_table.BLOCK_BYTES", 999)
    with closing(opened(server.uri, space)) as index:
        index.upsert([Entry(at, 1, "text", row) for at, row in enumerate(ROWS)])
        nearest = np.argsort(-(ROWS @ ROWS[7]))[:20]
        assert [one for one, _ in index.search(ROWS[7], [1], 20)] == nearest.tolist()


def test_a_password_is_asked_for_and_never_shown(server: Postgres, space: str) -> None:
    user = "bridle"
    good = server.address.replace(user, f"{user}:{quote(PASSWORD, safe='')}", 1)
    with closing(opened(good, space)) as index:
        assert index.count() == 0
        assert index.name == f"postgres {server.address}"
    for wrong in (server.address, server.address.replace(user, f"{user}:{quote(PASSWORD[1:], safe='')}", 1)):
        with closing(opened(wrong, space)) as index:
            with pytest.raises(IndexUnavailable) as told:
                index.count()
            assert "PGPASSWORD" in told.value.hint
            assert PASSWORD[1:4] not in str(told.value)


def test_a_password_may_be_in_the_environment(
    server: Postgres, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with closing(opened(server.address.replace("postgresql://", "postgresql+pg8000://"), space)) as index:
        assert index.count() == 0


def test_a_table_of_somebody_else_or_of_other_dimensions_is_not_used(
    server: Postgres, index: PostgresIndex, space: str
) -> None:
    with pytest.raises(EmbedderMismatch, match=r"vectors of 8 dimensions.* vectors of 9 dimensions"):
        opened(server.uri, space, 9).count()
    run(server.uri, f"CREATE TABLE {space}_theirs (vector text)")
    with pytest.raises(EmbedderMismatch, match="is told as None"):
        opened(server.uri, f"{space}_theirs").count()
    assert index.count() == 200


def test_the_texts_can_be_read_in_the_table(server: Postgres, index: PostgresIndex, space: str) -> None:
    index.upsert([Entry(1, 1, "zero \0 and half a pair \ud83d, Grüße 🙂", ROWS[1])])
    rows = run(server.uri, f"SELECT text FROM {space} WHERE id = 1")
    assert rows == [("zero � and half a pair ?, Grüße 🙂",)]


@pytest.mark.parametrize("create", [True, False])
def test_the_extension_is_used_where_the_server_has_it_and_no_index_of_its_own_takes_part(
    server: Postgres, space: str, create: bool
) -> None:
    if not run(server.uri, "SELECT 1 FROM pg_available_extensions WHERE name = 'vector'"):
        pytest.skip("this Postgres has not the extension `vector`: install pgvector for it")
    run(server.uri, "DROP EXTENSION IF EXISTS vector CASCADE")
    if not create:
        run(server.uri, 'CREATE SCHEMA IF NOT EXISTS "Other place"')
        run(server.uri, 'CREATE EXTENSION vector SCHEMA "Other place"')
    rows = unit_rows(2000, 8, seed=4)
    with closing(opened(server.uri, space)) as index:
        index.upsert([Entry(at, at % 100, "text", row) for at, row in enumerate(rows)])
        kinds = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attname = 'vector'"
        ((kind,),) = run(server.uri, f"{kinds} AND attrelid = '{space}'::regclass")
        assert str(kind).endswith("vector(8)")
        schema = "public" if create else '"Other place"'
        run(server.uri, f"CREATE INDEX ON {space} USING hnsw (vector {schema}.vector_ip_ops)")
        for archive in range(0, 100, 7):
            nearest = np.argsort(-(rows[archive::100] @ rows[5]))[:10] * 100 + archive
            assert [one for one, _ in index.search(rows[5], [archive], 10)] == nearest.tolist()
        assert index.cosines(rows[5], [6, 5000]) == {6: pytest.approx(float(rows[5] @ rows[6]), abs=1e-5)}
    run(server.uri, "DROP EXTENSION vector CASCADE")


@pytest.mark.parametrize(
    "uri",
    ["mysql://me:secret@host/db", "host/db", "postgresql://me:100%secret@host/db", "postgresql://h:x/d"],
)
def test_what_is_no_uri_is_told_without_its_password(uri: str) -> None:
    with pytest.raises(ConfigError, match="Postgres") as told:
        opened(uri)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql:///db",
        "postgresql://localhost/db",
        "postgres://me@127.0.0.1:5433/db",
        "postgresql:///db?host=/run/postgresql",
    ],
)
def test_offline_this_machine_is_used(uri: str) -> None:
    assert opened(uri, offline=True).name.startswith("postgres")


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://db.example.com/db",
        "postgresql:///db?host=db.example.com",
        "postgresql://localhost,db.example.com/db",
        "postgresql://localhost/db?hostaddr=192.0.2.7",
        "postgresql:///db?service=far",
    ],
)
def test_offline_no_other_machine_is_used(uri: str) -> None:
    with pytest.raises(ConfigError, match="offline: "):
        opened(uri, offline=True)


def test_offline_hosts_of_the_environment_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example.com")
    with pytest.raises(ConfigError, match="offline: "):
        opened("postgresql:///db", offline=True)
    opened("postgresql://localhost/db", offline=True)
