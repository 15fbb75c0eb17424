"""Agents in the database: to make, list, rename, copy and delete them, and to write their steps once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agent_scripts import NOW
from bridle.agent.prompt import COMPACT
from bridle.agent.state import AgentState, Edited, Record, new_state
from bridle.agent.store import FILE_NAME, Counts, Store
from bridle.errors import InputError, StaleRevision, StoreCorrupt, StoreError
from bridle.messages import Message, ToolSpec
from store_scripts import grow, rows


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as opened:
        yield opened


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
    with pytest.raises(StaleRevision, match="'ada' was changed by another process") as caught:
        grow(store, state)
    assert caught.value.retryable
    assert store.counts("ada") == Counts(1, 1)


def test_a_step_of_a_deleted_agent_is_refused(store: Store) -> None:
    state = store.create(new_state("ada", COMPACT))
    assert store.delete("ada")
    with pytest.raises(StoreError, match="was deleted by another process") as caught:
        grow(store, state)
    assert not caught.value.retryable


def test_a_deleted_agent_leaves_nothing_and_the_others_alone(tmp_path: Path, store: Store) -> None:
    for name in ("ada", "bob"):
        grow(store, store.create(new_state(name, COMPACT)), f"hello {name}")
    assert store.delete("ada")
    assert not store.delete("ada")
    assert [(info.name, info.counts) for info in store.agents()] == [("bob", Counts(1, 1))]
    assert store.counts("ada") == Counts(0, 0)
    assert store.find_messages("bob", "hello").total == 1
    assert store.find_messages("bob", "ada").total == 0
    for table in ("agents", "messages", "passages", "edits", "archives", "agent_archives"):
        assert rows(tmp_path, f"SELECT count(*) FROM {table}") == [(1,)], table
    for table in ("blocks", "agent_blocks", "totals"):
        assert rows(tmp_path, f"SELECT count(*) FROM {table}") == [(2,)], table
    assert rows(tmp_path, "SELECT action, count(*) FROM outbox GROUP BY 1") == [("delete", 1), ("upsert", 2)]


def test_the_list_tells_what_there_is(store: Store) -> None:
    state = grow(store, store.create(new_state("ada", COMPACT)))
    (info,) = store.agents()
    assert (info.name, info.turns, info.counts) == ("ada", 0, Counts(1, 1))
    assert info.created_ns <= info.updated_ns
    assert state.revision == 2


def test_edits_are_kept(store: Store) -> None:
    grow(store, store.create(new_state("ada", COMPACT)), "Lives in: Bergen")
    (edit,) = store.history("ada")
    assert (edit.turn, edit.label, edit.before, edit.after) == (0, "human", "", "Lives in: Bergen")
    assert (edit.by, edit.at) == ("agent", NOW)


def test_odd_text_is_kept(store: Store) -> None:
    text = "nul \0 half \ud800 emoji 😀 quote ' \" % _"
    grow(store, store.create(new_state("ada", COMPACT)), text)
    (hit,) = store.find_messages("ada", "emoji").hits
    assert hit.text == text.replace("\ud800", "\ufffd")


def test_history_is_stored_with_the_state(store: Store) -> None:
    state = store.create(new_state("ada", COMPACT))
    with store.transaction(state) as transaction:
        longer = AgentState("ada", COMPACT, state.core, (Message("user", "hi"),), 1, state.revision)
        saved = transaction.save(longer)
    assert store.load("ada") == saved


def test_an_agent_that_cannot_be_read_is_named_listed_and_deleted(tmp_path: Path, store: Store) -> None:
    state = store.create(new_state("b", COMPACT))
    grow(store, replace(state, turn=3))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as other, other:
        other.execute("UPDATE agents SET state = '{' WHERE name = 'b'")
    with pytest.raises(StoreCorrupt, match=r"agent 'b' in .*bridle\.db"):
        store.load("b")
    assert [(info.name, info.turns) for info in store.agents()] == [("b", 3)]
    assert store.delete("b")


def tried(store: Store, state: AgentState, step_id: str) -> tuple[AgentState, bool]:
    """A step that is written unless it is there already."""
    with store.transaction(state, step_id) as transaction:
        if transaction.replayed:
            return transaction.state, True
        transaction.record(Record("user", step_id, NOW), 1)
        return transaction.save(replace(transaction.state, turn=state.turn + 1)), False


def test_a_step_that_is_tried_again_is_written_once(store: Store) -> None:
    before = store.create(new_state("ada", COMPACT))
    after, is_replayed = tried(store, before, "step 1")
    assert not is_replayed
    assert tried(store, before, "step 1") == (after, True)
    assert tried(store, after, "step 1") == (after, True)
    assert store.counts("ada").messages == 1
    again, is_replayed = tried(store, after, "step 2")
    assert (again.revision, again.turn, is_replayed) == (3, 2, False)
    with pytest.raises(StaleRevision):
        tried(store, before, "step 1")  # it was not the last one: the agent has gone on


def test_a_step_that_is_stored_already_can_not_be_added_to(store: Store) -> None:
    before = store.create(new_state("ada", COMPACT))
    tried(store, before, "one")
    with store.transaction(before, "one") as transaction:
        for write in (
            lambda: transaction.record(Record("user", "x", NOW), 1),
            lambda: transaction.insert("x", NOW),
            lambda: transaction.edited(Edited("human", "", "x", NOW), 1),
            lambda: transaction.forget(1),
            lambda: transaction.save(transaction.state),
        ):
            with pytest.raises(StoreError, match="the step 'one' of 'ada' is stored already"):
                write()
    assert store.counts("ada") == Counts(1, 0)


def test_a_message_of_an_old_step_is_not_stored_twice(store: Store) -> None:
    state = store.create(new_state("ada", COMPACT))
    state, _ = tried(store, state, "one")
    state, _ = tried(store, state, "two")
    with pytest.raises(StoreError, match="UNIQUE"):
        tried(store, state, "one")
    assert store.load("ada") == state
    assert store.counts("ada").messages == 2


def test_a_step_begins_with_what_is_not_stored_as_it_was_given(store: Store) -> None:
    lamp = ToolSpec("lamp", "", {"type": "object"})
    state = replace(store.create(new_state("ada", COMPACT)), tools=(lamp,), window=99)
    after, _ = tried(store, state, "one")
    assert (after.tools, after.window) == ((lamp,), 99)
    replayed, _ = tried(store, state, "one")
    assert (replayed.tools, replayed.window) == ((lamp,), 99)


def test_core_memory_and_the_conversation_are_not_in_the_states_row(tmp_path: Path, store: Store) -> None:
    state = store.create(new_state("ada", COMPACT))
    sizes: set[object] = set()
    for number in range(100, 150):
        state = grow(store, state, f"something {number}")
        sizes.add(rows(tmp_path, "SELECT length(state) FROM agents")[0][0])
    assert len(sizes) == 1
    assert "core" not in str(rows(tmp_path, "SELECT state FROM agents")[0][0])


def test_the_same_note_is_kept_once(store: Store) -> None:
    state = store.create(new_state("ada", COMPACT))
    with store.transaction(state) as transaction:
        first, again, other = (transaction.insert(text, NOW) for text in ("tea", "tea", "Tea"))
        transaction.save(state)
    assert first == again != other
    assert store.counts("ada").passages == 2


def test_a_renamed_agent_goes_on_under_its_new_name(store: Store) -> None:
    state = grow(store, store.create(new_state("ada", COMPACT)))
    store.create(new_state("bob", COMPACT))
    store.rename("ada", "eve")
    assert store.load("ada") is None
    assert store.load("eve") == replace(state, name="eve")
    assert store.find_messages("eve", "hello").total == 1
    assert grow(store, replace(state, name="eve")).revision == 3
    with pytest.raises(StoreError, match="was deleted"):
        grow(store, state)


@pytest.mark.parametrize("act", ["rename", "fork"])
def test_a_name_that_cannot_be_had_changes_nothing(store: Store, act: str) -> None:
    for name in ("ada", "bob"):
        store.create(new_state(name, COMPACT))
    change = store.rename if act == "rename" else store.fork
    with pytest.raises(StoreError, match="there is an agent 'bob' already"):
        change("ada", "bob")
    with pytest.raises(InputError, match="cannot name an agent"):
        change("ada", " ")
    with pytest.raises(InputError, match="there is no agent 'eve'") as caught:
        change("eve", "new")
    assert caught.value.hint == "the agents are: ada, bob"
    assert [info.name for info in store.agents()] == ["ada", "bob"]


def test_a_fork_has_all_that_its_agent_had_and_goes_its_own_way(store: Store) -> None:
    state = grow(store, store.create(new_state("ada", COMPACT)), "the spare key")
    store.write_block("ada", "human", "Name: Ada")
    fork = store.fork("ada", "eve")
    assert fork == replace(state, name="eve", core=fork.core)
    assert fork.core.block("human").value == "Name: Ada"
    assert [edit.after for edit in store.history("eve")] == ["the spare key", "Name: Ada"]
    assert store.counts("eve") == store.counts("ada") == Counts(1, 1)
    grow(store, fork, "another lock")
    store.write_block("eve", "human", "Name: Eve")
    assert store.find_messages("eve", "key lock").total == 2
    assert store.find_messages("ada", "key lock").total == 1
    assert store.counts("ada") == Counts(1, 1)
    ada = store.load("ada")
    assert ada is not None
    assert ada.core.block("human").value == "Name: Ada"
    assert store.delete("ada")
    assert store.counts("eve") == Counts(2, 2)
    assert store.find_messages("eve", "key").hits[0].text == "the spare key"


def test_a_fork_has_the_vectors_and_the_sources_of_its_agent(tmp_path: Path, store: Store) -> None:
    grow(store, store.create(new_state("ada", COMPACT)), "the spare key")
    with store.writing() as connection:
        connection.execute("INSERT INTO embedders VALUES (1, 'small', 1, 0)")
        connection.execute(
            "INSERT INTO vectors (embedder_id, passage_id, archive_id, vector)"
            " SELECT 1, id, archive_id, x'0000803f' FROM passages"
        )
        connection.execute("INSERT INTO archives VALUES (9, 'source', 'paper', '', 0)")
        connection.execute("INSERT INTO agent_archives VALUES (1, 9, 0)")
        connection.execute(
            "INSERT INTO passages (archive_id, key, text, owner, created_ns) VALUES (9, 'k', 'page', 'r9', 0)"
        )
    store.fork("ada", "eve")
    assert store.counts("eve") == Counts(1, 2)
    found = "SELECT p.text, hex(vector) FROM vectors JOIN passages p ON p.id = passage_id ORDER BY passage_id"
    assert rows(tmp_path, found) == [("the spare key", "0000803F")] * 2
    assert store.delete("eve")
    assert rows(tmp_path, found) == [("the spare key", "0000803F")]
    assert store.counts("ada") == Counts(1, 2)
