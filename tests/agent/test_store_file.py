"""The file of the agents' database: who may use it, what happens when it cannot be written, and what is left
alone because it is of no use."""

from __future__ import annotations

import ast
import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridle.agent.prompt import COMPACT
from bridle.agent.state import new_state
from bridle.agent.store import FILE_NAME, SCHEMA_VERSION, Store
from bridle.errors import SchemaTooNew, StoreCorrupt, StoreError, StoreUnwritable
from project import ROOT
from store_scripts import LIMITED, grow, rows, run_script


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as opened:
        yield opened


def test_the_file_is_private_and_has_a_version(tmp_path: Path, store: Store) -> None:
    home = tmp_path / "a" / "b"
    with Store(home):
        assert (home.stat().st_mode & 0o777, (home / FILE_NAME).stat().st_mode & 0o777) == (0o700, 0o600)
    connection = sqlite3.connect(home / FILE_NAME)
    assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_of_another_kind_is_named_and_not_touched(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / FILE_NAME
    file.write_bytes(content)
    with pytest.raises(StoreCorrupt) as caught:
        Store(tmp_path)
    assert str(file) in caught.value.message
    assert "move it away" in caught.value.hint
    assert file.read_bytes() == content


def test_a_database_with_a_damaged_name_is_named(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    with Store(tmp_path) as store, store.writing() as connection:
        connection.execute("CREATE TABLE inventory (id INTEGER)")
    file.write_bytes(file.read_bytes().replace(b"inventory", b"inv\xff\xfetory"))
    with pytest.raises(StoreCorrupt, match="not a sound database"):
        Store(tmp_path)


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    with Store(tmp_path) as store:
        state = store.create(new_state("ada", COMPACT))
        for number in range(30):
            state = grow(store, state, f"{number} " + "x" * 2000)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(StoreCorrupt, match="not a sound database"):
        look(tmp_path)


def look(folder: Path) -> None:
    with Store(folder) as store:
        store.agents()
        store.load("ada")


def test_a_database_of_another_program_is_not_used(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(StoreCorrupt, match="database of another program"):
        Store(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    with Store(tmp_path):
        pass
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(SchemaTooNew, match=f"has schema {SCHEMA_VERSION + 1}; this version") as caught:
        Store(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == before
    assert "newer" in caught.value.hint


def test_an_empty_file_is_a_new_store(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).touch()
    with Store(tmp_path) as store:
        assert store.agents() == ()


@pytest.mark.parametrize("what", ["home is a file", "home is in a file", "database is a folder"])
def test_a_home_that_cannot_be_used_is_named(tmp_path: Path, what: str) -> None:
    home = tmp_path / "home"
    if what == "database is a folder":
        (home / FILE_NAME).mkdir(parents=True)
    else:
        home.touch()
    if what == "home is in a file":
        home = home / "deeper"
    with pytest.raises(StoreUnwritable, match="cannot be written") as caught:
        Store(home)
    assert str(home) in caught.value.message
    assert "BRIDLE_HOME" in caught.value.hint


def test_a_locked_file_is_named(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    state = store.create(new_state("ada", COMPACT))
    store._connection.execute("PRAGMA busy_timeout = 1")  # pyright: ignore[reportPrivateUsage]  # not 30 seconds
    other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StoreError, match="locked by another process") as caught:
            grow(store, state)
    finally:
        other.close()
    assert caught.value.retryable


def test_a_full_disk_is_named_and_nothing_is_lost(tmp_path: Path, store: Store) -> None:
    state = grow(store, store.create(new_state("ada", COMPACT)))
    with store.reading() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(StoreUnwritable, match="full") as caught:
        grow(store, state, "x" * 400_000)
    assert "make room" in caught.value.hint
    assert store.load("ada") == state
    with store.reading() as connection:
        connection.execute("PRAGMA max_page_count = 1073741823")
    grow(store, state, "x" * 400_000)
    assert rows(tmp_path, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("what", ["steps", "migration"])
def test_at_a_limit_of_the_files_size_nothing_acknowledged_is_lost(tmp_path: Path, what: str) -> None:
    process = run_script(LIMITED, what, tmp_path)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "cannot be written" in output


@pytest.mark.parametrize("what", ["home", "file"])
def test_a_read_only_home_is_named_and_left_as_it_is(what: str) -> None:
    with tempfile.TemporaryDirectory() as folder:  # other users may not look into pytest's
        process = run_script(LIMITED, f"read-only {what}", folder)
        output, _ = process.communicate(timeout=60)
        Path(folder).chmod(0o700)
    assert process.returncode == 0
    assert "cannot be written" in output
    assert "BRIDLE_HOME" in output


def test_a_forked_process_does_no_harm(tmp_path: Path) -> None:
    process = run_script(LIMITED, "fork", tmp_path)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "was opened by process" in output


def test_nothing_is_pickled() -> None:
    for file in sorted((ROOT / "agent" / "bridle" / "agent").rglob("*.py")):
        imported = {
            word.split(".")[0]
            for node in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for word in ([*(name.name for name in node.names), getattr(node, "module", None) or ""])
        }
        assert imported.isdisjoint({"pickle", "shelve", "marshal", "dill", "joblib"}), file


def test_threads_take_turns(store: Store) -> None:
    store.create(new_state("ada", COMPACT))
    store.add_block("ada", "diary", limit=100_000)

    def write(who: str) -> None:
        for number in range(20):
            with store.writing() as connection:
                (value,) = connection.execute("SELECT value FROM blocks WHERE label = 'diary'").fetchone()
                connection.execute(
                    "UPDATE blocks SET value = ? WHERE label = 'diary'", (f"{value}{who}{number} ",)
                )

    threads = [threading.Thread(target=write, args=(who,)) for who in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    loaded = store.load("ada")
    assert loaded is not None
    assert len(loaded.core.block("diary").value.split()) == 60


def test_a_mistake_in_sql_is_a_store_error(store: Store) -> None:
    with pytest.raises(StoreError, match="no such table"), store.reading() as connection:
        connection.execute("SELECT * FROM missing")


def test_a_store_is_not_carried_into_a_child(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.create(new_state("ada", COMPACT))
    monkeypatch.setattr(os, "getpid", lambda: 1)
    for use in (store.agents, lambda: store.delete("ada")):
        with pytest.raises(StoreError, match="was opened by process"):
            use()


class Contended:
    """A connection whose file another process is just turning into a write-ahead log."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)

    def execute(self, statement: str) -> None:
        if self.codes:
            error = sqlite3.OperationalError("no")
            error.sqlite_errorcode = self.codes.pop(0)
            raise error


def test_the_log_is_turned_on_when_the_other_process_is_done(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = Contended(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    with monkeypatch.context() as patch:
        patch.setattr(store, "_connection", connection)
        store._set_wal()  # pyright: ignore[reportPrivateUsage]  # a race that cannot be staged
        assert connection.codes == []
        patch.setattr(store, "_connection", Contended(sqlite3.SQLITE_READONLY))
        with pytest.raises(sqlite3.OperationalError):
            store._set_wal()  # pyright: ignore[reportPrivateUsage]


def test_a_file_that_another_process_made_first_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_wal = Store._set_wal  # pyright: ignore[reportPrivateUsage]  # the moment between look and lock

    def slowly(store: Store) -> None:
        set_wal(store)
        monkeypatch.setattr(Store, "_set_wal", set_wal)
        with Store(tmp_path) as other:
            other.create(new_state("ada", COMPACT))

    monkeypatch.setattr(Store, "_set_wal", slowly)
    with Store(tmp_path) as store:
        assert [info.name for info in store.agents()] == ["ada"]
