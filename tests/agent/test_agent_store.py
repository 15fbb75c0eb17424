"""The store: what is committed stays, what is not is gone, and a file that is of no use is left alone."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agent_scripts import NOW
from bridle.agent.prompt import COMPACT
from bridle.agent.state import AgentState, Edited, Record, new_state
from bridle.agent.store import FILE_NAME, Counts, Store
from bridle.agent.store.schema import SCHEMA_VERSION
from bridle.errors import StoreCorrupt, StoreError, StoreUnwritable
from bridle.messages import Message
from project import PARTS, ROOT


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as opened:
        yield opened


def grow(store: Store, state: AgentState, text: str = "hello") -> AgentState:
    """One step that says and notes a text."""
    with store.transaction(state) as transaction:
        transaction.record(Record("user", text, NOW), state.turn)
        transaction.insert(text, NOW)
        transaction.edited(Edited("human", "", text, NOW), state.turn)
        return transaction.save(state)


def test_a_new_agent_is_found_by_the_next_process(tmp_path: Path) -> None:
    with Store(tmp_path) as first:
        assert first.load("ada") is None
        state = first.create(new_state("ada", COMPACT))
        assert state.revision == 1
    with Store(tmp_path) as second:
        assert second.load("ada") == state


def test_a_name_is_taken_once(store: Store) -> None:
    store.create(new_state("ada", COMPACT))
    with pytest.raises(StoreError, match="there is an agent 'ada' already"):
        store.create(new_state("ada", COMPACT))


def test_a_step_is_stored_as_a_whole(store: Store) -> None:
    state = grow(store, store.create(new_state("ada", COMPACT)))
    assert state.revision == 2
    assert store.load("ada") == state
    assert store.counts("ada") == Counts(1, 1)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_step_that_fails_leaves_nothing(store: Store, error: type[BaseException]) -> None:
    state = store.create(new_state("ada", COMPACT))
    with pytest.raises(error), store.transaction(state) as transaction:  # noqa: PT012  # the block is the test
        transaction.record(Record("user", "hello", NOW), 1)
        transaction.save(state)
        raise error
    assert store.load("ada") == state
    assert store.counts("ada") == Counts(0, 0)
    assert grow(store, state).revision == 2


def test_a_step_must_be_saved(store: Store) -> None:
    state = store.create(new_state("ada", COMPACT))
    with pytest.raises(StoreError, match="was not saved"), store.transaction(state) as transaction:
        transaction.insert("x", NOW)
    assert store.counts("ada") == Counts(0, 0)


def test_a_step_from_an_old_state_is_refused(tmp_path: Path, store: Store) -> None:
    state = store.create(new_state("ada", COMPACT))
    with Store(tmp_path) as other:
        grow(other, state)
    with pytest.raises(StoreError, match="'ada' was changed by another process") as caught:
        grow(store, state)
    assert caught.value.retryable
    assert store.counts("ada") == Counts(1, 1)


def test_a_step_of_a_deleted_agent_is_refused(store: Store) -> None:
    state = store.create(new_state("ada", COMPACT))
    assert store.delete("ada")
    with pytest.raises(StoreError, match="was deleted by another process") as caught:
        grow(store, state)
    assert not caught.value.retryable


def test_a_deleted_agent_leaves_nothing_and_the_others_alone(store: Store) -> None:
    for name in ("ada", "bob"):
        grow(store, store.create(new_state(name, COMPACT)), f"hello {name}")
    assert store.delete("ada")
    assert not store.delete("ada")
    assert [(info.name, info.counts) for info in store.agents()] == [("bob", Counts(1, 1))]
    assert store.counts("ada") == Counts(0, 0)
    state = store.load("bob")
    assert state is not None
    with store.transaction(state) as transaction:
        transaction.save(state)
        assert transaction.find_passages("hello", 0).total == 1
        assert transaction.find_messages("ada", 0, 9).total == 0


def test_the_list_tells_what_there_is(store: Store) -> None:
    state = grow(store, store.create(new_state("ada", COMPACT)))
    (info,) = store.agents()
    assert (info.name, info.turns, info.counts) == ("ada", 0, Counts(1, 1))
    assert info.created_ns <= info.updated_ns
    assert state.revision == 2


def test_edits_are_kept(tmp_path: Path, store: Store) -> None:
    grow(store, store.create(new_state("ada", COMPACT)), "Lives in: Bergen")
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    rows = connection.execute("SELECT turn, label, before, after FROM edits").fetchall()
    connection.close()
    assert rows == [(0, "human", "", "Lives in: Bergen")]


def test_odd_text_is_kept(store: Store) -> None:
    text = "nul \0 half \ud800 emoji 😀 quote ' \" % _"
    state = grow(store, store.create(new_state("ada", COMPACT)), text)
    with store.transaction(state) as transaction:
        (hit,) = transaction.find_passages("emoji", 0).hits
        transaction.save(state)
    assert hit.text == text.replace("\ud800", "\ufffd")


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
    with pytest.raises(StoreError, match=f"has schema {SCHEMA_VERSION + 1}; this version") as caught:
        Store(tmp_path)
    assert not isinstance(caught.value, StoreCorrupt)
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


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("what", ["home", "file"])
def test_a_read_only_home_is_named(tmp_path: Path, what: str) -> None:
    with Store(tmp_path):
        pass
    target = tmp_path if what == "home" else tmp_path / FILE_NAME
    mode = target.stat().st_mode
    target.chmod(0o500)
    try:
        with pytest.raises(StoreUnwritable, match="cannot be written"), Store(tmp_path) as store:
            store.create(new_state("ada", COMPACT))
    finally:
        target.chmod(mode)


def test_a_full_disk_is_named(store: Store) -> None:
    state = store.create(new_state("ada", COMPACT))
    store._connection.execute("PRAGMA max_page_count = 1")  # pyright: ignore[reportPrivateUsage]  # a full disk
    with pytest.raises(StoreUnwritable, match="full"):
        grow(store, state, "x" * 400_000)


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


def test_a_mistake_in_sql_is_a_store_error(store: Store) -> None:
    with pytest.raises(StoreError, match="no such table"), store.reading() as connection:
        connection.execute("SELECT * FROM missing")


def test_a_store_is_not_carried_into_a_child(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.create(new_state("ada", COMPACT))
    monkeypatch.setattr(os, "getpid", lambda: 1)
    for use in (store.agents, lambda: store.delete("ada")):
        with pytest.raises(StoreError, match="was opened by process"):
            use()


WRITER = """
import sys
from datetime import datetime
from pathlib import Path
from bridle.agent.state import Record, new_state
from bridle.agent.prompt import COMPACT
from bridle.agent.store import Store
from bridle.errors import StoreError
home, who, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = Store(home)
state = store.load("ada")
if state is None:
    try:
        state = store.create(new_state("ada", COMPACT))
    except StoreError:
        state = store.load("ada")
now, done = datetime.now().astimezone(), 0
while done < count:
    try:
        with store.transaction(state) as transaction:
            transaction.record(Record("user", f"{who} {done}", now), 1)
            state = transaction.save(state)
    except StoreError as error:
        assert "another process" in str(error), error
        state = store.load("ada")
        continue
    done += 1
    print(who, done, flush=True)
"""


def writer(home: Path, who: str, count: int) -> subprocess.Popen[str]:
    path = os.pathsep.join(str(ROOT / part) for part in PARTS)
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(home), who, str(count)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_processes_lose_no_step(tmp_path: Path) -> None:
    """Both also make the file, at the same time."""
    processes = [writer(tmp_path, who, 40) for who in ("left", "right")]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert [len(output.splitlines()) for output in outputs] == [40, 40]
    with Store(tmp_path) as store:
        state = store.load("ada")
        assert store.counts("ada") == Counts(80, 0)
    assert state is not None
    assert state.revision == 81


@pytest.mark.parametrize("lines", [1, 7, 40])
def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path: Path, lines: int) -> None:
    process = writer(tmp_path, "only", 100_000)
    assert process.stdout is not None
    for _ in range(lines):
        process.stdout.readline()
    process.kill()
    acknowledged = lines + len(process.stdout.read().splitlines())
    process.stdout.close()
    process.wait(timeout=60)
    with Store(tmp_path) as store:
        state = store.load("ada")
        assert state is not None
        kept = store.counts("ada").messages
        assert acknowledged <= kept <= acknowledged + 1
        assert state.revision == kept + 1
        assert grow(store, state).revision == kept + 2


def test_history_is_stored_with_the_state(store: Store) -> None:
    state = store.create(new_state("ada", COMPACT))
    with store.transaction(state) as transaction:
        longer = AgentState("ada", COMPACT, state.core, (Message("user", "hi"),), 1, state.revision)
        saved = transaction.save(longer)
    assert store.load("ada") == saved


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


def test_an_agent_that_cannot_be_read_is_named_listed_and_deleted(tmp_path: Path, store: Store) -> None:
    state = store.create(new_state("b", COMPACT))
    grow(store, replace(state, turn=3))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as other, other:
        other.execute("UPDATE agents SET state = '{' WHERE name = 'b'")
    with pytest.raises(StoreCorrupt, match=r"agent 'b' in .*bridle\.db"):
        store.load("b")
    assert [(info.name, info.turns) for info in store.agents()] == [("b", 3)]
    assert store.delete("b")
