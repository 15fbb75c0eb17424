"""Indexes outside the agents' database follow its text: after a kill in between, and after they were lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from archives import drafts
from bridle.agent.archival.archive import Archive
from bridle.agent.archival.base import VectorIndex
from bridle.agent.archival.hashing import HashingEmbedder
from bridle.agent.archival.indexes import INDEXES, index_opener
from bridle.agent.archival.kept import Space
from bridle.agent.store import Store
from bridle.agent.store.database import Database
from project import PARTS, ROOT
from servers.postgres import postgres
from vector_indexes import KINDS

OpensIndex = Callable[[Database, Space], VectorIndex]
PLACES = os.pathsep.join(str(ROOT / part) for part in (*PARTS, "tests"))
KILLED = """
import os, signal, sys
from pathlib import Path
from archives import drafts
from bridle.agent.archival.archive import Archive
from bridle.agent.archival.hashing import HashingEmbedder
from bridle.agent.archival.indexes import index_opener
from bridle.agent.store import Store

kind, uri, home, when = sys.argv[1:]
opening = index_opener(kind, uri, Path(home))

def opened(database, space):
    index = opening(database, space)
    upsert = index.upsert

    def dying(entries):
        if any("number50 " in entry.text for entry in entries):
            if when == "after":
                upsert(entries)
            os.kill(os.getpid(), signal.SIGKILL)
        upsert(entries)

    index.upsert = dying
    return index

store = Store(Path(home))
archive = Archive(store, embedder=HashingEmbedder(64), index=opened)
source = archive.create_source("s")
archive.add(source, drafts(40))
archive.add(source, drafts(40, 40))
"""


@pytest.fixture(params=INDEXES)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if reason := KINDS[name].missing():
        pytest.skip(reason)
    return name


@pytest.fixture
def uri(kind: str) -> str:
    """Empty is the kind's own file in the home directory."""
    return "" if INDEXES[kind].file else postgres().uri


def opened(kind: str, uri: str, home: Path) -> OpensIndex:
    return index_opener(kind, uri, home)


@pytest.mark.parametrize(
    ("kind", "when"),
    [
        ("milvus", "before"),
        ("postgres", "before"),
        ("postgres", "after"),
        ("chroma", "after"),
        pytest.param("milvus", "after", marks=pytest.mark.slow),
        pytest.param("chroma", "before", marks=pytest.mark.slow),
    ],
    indirect=["kind"],
)
def test_a_kill_between_text_and_vectors_leaves_nothing_out(
    kind: str, uri: str, when: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", KILLED, kind, uri, str(tmp_path), when]
    environment = {**os.environ, "PYTHONPATH": PLACES}
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with (
        Store(tmp_path) as store,
        Archive(store, embedder=HashingEmbedder(64), index=opened(kind, uri, tmp_path)) as archive,
    ):
        before = archive.status()
        assert before.passages == 80
        assert before.waiting > 0
        archive.pump()
        after = archive.status()
        assert (after.vectors, after.waiting, after.warning) == (80, 0, "")
        source = archive.source("s")
        assert source is not None
        (best, *_) = archive.search([source], "number77").found
        assert best.passage.text == "passage number77 of a book"
        assert best.vector_score is not None


def test_an_index_that_was_lost_is_built_anew_from_the_text(kind: str, uri: str, tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        with Archive(store, embedder=HashingEmbedder(64), index=opened(kind, uri, tmp_path)) as archive:
            source = archive.create_source("s")
            archive.add(source, drafts(100))
            assert archive.status().vectors == 100
        _lose(kind, uri, store)
        with Archive(store, embedder=HashingEmbedder(64), index=opened(kind, uri, tmp_path)) as archive:
            assert archive.status().vectors == 0
            assert archive.search([source], "number7").found[0].passage.text == "passage number7 of a book"
            assert archive.reindex() == 100
            assert archive.status().vectors == 100
            assert archive.search([source], "number7").found[0].vector_score is not None


def _lose(kind: str, uri: str, store: Store) -> None:
    if INDEXES[kind].file:
        shutil.rmtree(store.home / INDEXES[kind].file)
        return
    import psycopg

    with psycopg.connect(uri, autocommit=True) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE tablename LIKE 'bridle%'")
        for (table,) in tables.fetchall():
            connection.execute(f'DROP TABLE "{table}"'.encode())


def test_homes_and_archives_that_share_a_server_do_not_see_each_other(
    kind: str, uri: str, tmp_path: Path
) -> None:
    place = uri or str(tmp_path / INDEXES[kind].file)
    with (
        Store(tmp_path / "a") as store_a,
        Store(tmp_path / "b") as store_b,
        Archive(store_a, embedder=HashingEmbedder(64), index=opened(kind, place, store_a.home)) as first,
        Archive(store_b, embedder=HashingEmbedder(64), index=opened(kind, place, store_b.home)) as second,
    ):
        mine, other = first.create_source("mine"), first.create_source("other")
        theirs = second.create_source("theirs")
        first.add(mine, drafts(20))
        first.add(other, drafts(20, 100))
        second.add(theirs, drafts(30, 200))
        assert (first.status().vectors, second.status().vectors) == (40, 30)
        shown = [one.passage.text for one in first.search([mine], "passage of a book", size=100).found]
        assert sorted(shown) == sorted(draft.text for draft in drafts(20))
        first.delete_source("mine")
        first.pump()
        assert (first.status().vectors, second.status().vectors) == (20, 30)


def test_vectors_move_to_another_kind_of_index_and_back(kind: str, uri: str, tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        with Archive(store, embedder=HashingEmbedder(64)) as archive:
            source = archive.create_source("s")
            archive.add(source, drafts(30))
        with Archive(store, embedder=HashingEmbedder(64), index=opened(kind, uri, tmp_path)) as archive:
            assert "bridle memory reembed" in archive.search([source], "number7").warning
            assert archive.reembed() == 30
            assert archive.search([source], "number7").warning == ""
            assert archive.status().index.startswith(kind)
        with Archive(store, embedder=HashingEmbedder(64)) as archive:
            assert archive.reembed() == 30
            assert archive.search([source], "number7").warning == ""
