"""A file of version 1 becomes one of this version: all of it is there, with a copy of the old one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent_scripts import NOW
from bridle.agent.prompt import COMPACT
from bridle.agent.state import new_state
from bridle.agent.store import FILE_NAME, SCHEMA_VERSION, Counts, Store
from bridle.errors import StoreCorrupt, StoreError
from store_killing import check_file
from store_scripts import grow, make_version_1, rows


def table_names(home: Path) -> list[tuple[object, ...]]:
    return rows(home, "SELECT type, name, tbl_name FROM sqlite_master ORDER BY 1, 2")


def test_everything_of_an_older_file_is_there(tmp_path: Path) -> None:
    make_version_1(tmp_path, turns=10)
    with Store(tmp_path) as store:
        for name in ("ada", "bob"):
            state = store.load(name)
            fresh = new_state(name, COMPACT)
            assert state == replace(fresh, turn=10, revision=11, core=fresh.core.append("human", "Fact 9"))
            assert store.counts(name) == Counts(20, 10)
            edits = store.history(name)
            assert [edit.after for edit in edits] == [f"Fact {turn}" for turn in range(10)]
            assert {(edit.label, edit.by) for edit in edits} == {("human", "agent")}
            log = store.messages(name)
            assert [one.turn for one in log] == [turn for turn in range(10) for _ in range(2)]
            assert (log[0].role, log[0].text, log[0].at) == ("user", f"{name} asks question0", NOW)
        assert store.undo("ada").before == "Fact 8"
    check_file(tmp_path)


def test_older_messages_are_found_by_their_day_and_by_what_was_said_before(tmp_path: Path) -> None:
    make_version_1(tmp_path, turns=10)
    with Store(tmp_path) as store:
        day = f"{NOW + timedelta(days=3):%-d %B}"
        hits = store.find_messages("ada", f"question3 on {day}").hits[:2]
        assert [hit.text for hit in hits] == ["ada asks question3", "reply3 to ada"]
        assert store.find_messages("ada", "bob").total == 0
        assert store.find_messages_by_day("ada", ("2026-11-21", "2026-11-22")).total == 4


def test_a_migrated_file_has_the_tables_of_a_new_one(tmp_path: Path) -> None:
    make_version_1(tmp_path / "old")
    for home in ("old", "new"):
        Store(tmp_path / home).close()
    assert table_names(tmp_path / "old") == table_names(tmp_path / "new")
    assert rows(tmp_path / "old", "PRAGMA user_version") == [(SCHEMA_VERSION,)]


def test_a_migrated_agent_goes_on(tmp_path: Path) -> None:
    make_version_1(tmp_path)
    with Store(tmp_path) as store:
        state = store.load("bob")
        assert state is not None
        assert grow(store, state, "a new message").revision == 12
        assert store.find_messages("bob", "new").total == 1
        assert store.fork("bob", "eve").turn == 10
        assert store.delete("ada")
    check_file(tmp_path)


def test_the_copy_is_the_old_file_and_private(tmp_path: Path) -> None:
    make_version_1(tmp_path)
    old = rows(tmp_path, "SELECT * FROM messages")
    Store(tmp_path).close()
    copy = tmp_path / f"{FILE_NAME}.v1.bak"
    assert copy.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("SELECT * FROM messages").fetchall() == old
    assert sorted(file.name for file in tmp_path.iterdir()) == [FILE_NAME, copy.name]


def test_a_copy_in_the_place_of_the_file_is_migrated_again(tmp_path: Path) -> None:
    make_version_1(tmp_path)
    Store(tmp_path).close()
    (tmp_path / f"{FILE_NAME}.v1.bak").rename(tmp_path / FILE_NAME)
    with Store(tmp_path) as store:
        assert store.counts("ada") == Counts(20, 10)


def test_a_copy_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    copy = tmp_path / f"{FILE_NAME}.v1.bak"
    copy.write_bytes(b"something else")
    make_version_1(tmp_path)
    Store(tmp_path).close()
    assert copy.read_bytes() == b"something else"
    assert (tmp_path / f"{FILE_NAME}.v1.bak2").stat().st_size > 10_000


def test_a_migration_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_version_1(tmp_path)
    before = rows(tmp_path, "SELECT * FROM agents")
    with monkeypatch.context() as patch:
        patch.setattr("bridle.agent.store.migrations.STATEMENTS", ("CREATE TABLE meta (x)", "nonsense"))
        with pytest.raises(StoreError, match="nonsense"):
            Store(tmp_path)
    assert rows(tmp_path, "PRAGMA user_version") == [(1,)]
    assert rows(tmp_path, "SELECT * FROM agents") == before
    with Store(tmp_path) as store:
        assert store.counts("ada") == Counts(20, 10)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == [FILE_NAME, f"{FILE_NAME}.v1.bak"]  # the second copy was the same, and is not kept


def test_an_older_state_that_cannot_be_read_is_kept_and_the_others_are_migrated(tmp_path: Path) -> None:
    make_version_1(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection, connection:
        connection.execute("UPDATE agents SET state = '{' WHERE name = 'ada'")
    with Store(tmp_path) as store:
        with pytest.raises(StoreCorrupt, match="agent 'ada'"):
            store.load("ada")
        assert store.messages("ada", newest=1)[0].text == "reply9 to ada"
        assert store.load("bob") is not None
    assert rows(tmp_path, "SELECT state FROM agents WHERE name = 'ada'") == [("{",)]


def test_a_database_of_another_program_with_our_version_is_not_touched(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.execute("CREATE TABLE agents (x)")
        connection.execute("PRAGMA user_version = 1")
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(StoreCorrupt, match="database of another program"):
        Store(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]
