"""Core memory in tables: blocks of one agent or of several, their limits, their history, and undo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent_scripts import NOW
from bridle.agent.memory import Block, Core
from bridle.agent.prompt import COMPACT, FULL
from bridle.agent.state import AgentState, Edited, new_state, with_profile
from bridle.agent.store import Store
from bridle.errors import InputError
from store_scripts import rows


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as opened:
        for name in ("ada", "bob"):
            opened.create(new_state(name, COMPACT))
        yield opened


def state_of(store: Store, name: str) -> AgentState:
    state = store.load(name)
    assert state is not None
    return state


def value(store: Store, name: str, label: str = "human") -> str:
    return state_of(store, name).core.block(label).value


def append(store: Store, state: AgentState, line: str, label: str = "human", turn: int = 1) -> AgentState:
    """A step in which the agent appends to a block, as it finds it then."""
    with store.transaction(state) as step:
        before, core = step.state.core.block(label).value, step.state.core.append(label, line)
        step.edited(Edited(label, before, core.block(label).value, NOW), turn)
        return step.save(replace(step.state, core=core))


def test_blocks_keep_their_order_and_any_label(store: Store) -> None:
    for label in ("zebra", "Ziele für 2027", "目標", "a"):
        store.add_block("ada", label, f"about {label}", 50)
    core = state_of(store, "ada").core
    assert core.labels == ("persona", "human", "zebra", "Ziele für 2027", "目標", "a")
    assert core.block("目標") == Block("目標", "about 目標", 50)
    assert state_of(store, "bob").core == COMPACT.core()


@pytest.mark.parametrize("label", ["", " ", "a\nb", "x" * 51, " human", "<b>", "a\x1b"])
def test_a_label_that_cannot_be_one_is_refused(store: Store, label: str) -> None:
    with pytest.raises(InputError, match="cannot be the label of a block"):
        store.add_block("ada", label)


def test_what_does_not_fit_or_does_not_exist_is_named(store: Store) -> None:
    with pytest.raises(InputError, match="there is a block 'human' already"):
        store.add_block("ada", "human")
    with pytest.raises(InputError, match="'diary' would have 6 characters, its limit is 5"):
        store.add_block("ada", "diary", "x" * 6, 5)
    store.write_block("ada", "human", "x" * 600)
    with pytest.raises(InputError, match="'human' would have 601 characters, its limit is 600"):
        store.write_block("ada", "human", "x" * 601)
    with pytest.raises(InputError, match="'human' would have 600 characters, its limit is 599"):
        store.set_limit("ada", "human", 599)
    with pytest.raises(InputError, match="0 is no limit"):
        store.set_limit("ada", "human", 0)
    for act in (
        lambda: store.write_block("ada", "diary", ""),
        lambda: store.set_limit("ada", "diary", 9),
        lambda: store.remove_block("ada", "diary"),
        lambda: store.share_block("diary", "ada", "bob"),
        lambda: store.history("ada", "diary"),
        lambda: store.undo("ada", "diary"),
    ):
        with pytest.raises(InputError, match="there is no block 'diary'") as caught:
            act()
        assert caught.value.hint == "the blocks are: persona, human"
    with pytest.raises(InputError, match="there is no agent 'eve'"):
        store.share_block("human", "ada", "eve")
    assert value(store, "ada") == "x" * 600


def test_a_limit_holds_for_the_agent_too(store: Store) -> None:
    store.set_limit("ada", "human", 5)
    with pytest.raises(InputError, match="its limit is 5"):
        append(store, state_of(store, "ada"), "too long")
    store.set_limit("ada", "human", 8)
    append(store, state_of(store, "ada"), "too long")
    assert value(store, "ada") == "too long"


def test_a_step_writes_only_the_blocks_that_it_changed(store: Store) -> None:
    before = state_of(store, "ada")
    store.write_block("ada", "persona", "I am Ada.")
    store.add_block("ada", "diary", "Monday")
    with store.transaction(before) as step:  # by one who has not seen that
        after = step.save(replace(before, core=before.core.append("human", "Name: Ada")))
    assert after == state_of(store, "ada")
    assert [block.value for block in after.core.blocks] == ["I am Ada.", "Name: Ada", "Monday"]


def test_a_step_can_add_and_remove_blocks(store: Store) -> None:
    state = state_of(store, "ada")
    blocks = (*(block for block in state.core.blocks if block.label != "persona"), Block("diary", "x", 9))
    with store.transaction(state) as step:
        after = step.save(replace(state, core=Core(blocks)))
    assert after.core == Core(blocks) == state_of(store, "ada").core


def test_a_block_that_was_removed_meanwhile_does_not_come_back(store: Store) -> None:
    store.add_block("ada", "diary", "x")
    before = state_of(store, "ada")
    store.remove_block("ada", "diary")
    with store.transaction(before) as step:
        assert step.state.core.labels == ("persona", "human")
        after = step.save(before)
    assert after.core.labels == ("persona", "human")


def test_a_profile_sets_the_limits_of_an_agents_own_blocks(store: Store) -> None:
    store.share_block("persona", "ada", _third(store))
    larger = with_profile(state_of(store, "ada"), FULL)
    with store.transaction(larger) as step:
        assert [block.limit for block in step.state.core.blocks] == [600, 2000]
        step.save(step.state)
    assert [block.limit for block in state_of(store, "ada").core.blocks] == [600, 2000]


def _third(store: Store) -> str:
    store.create(replace(new_state("cid", COMPACT), core=Core((Block("human", "", 600),))))
    return "cid"


def test_a_shared_block_is_one_block(store: Store) -> None:
    store.add_block("ada", "team", "We meet on Monday", 300)
    store.share_block("team", "ada", "bob")
    ada, bob = state_of(store, "ada"), state_of(store, "bob")
    ada = append(store, ada, "We drink tea", "team")
    bob = append(store, bob, "We like cats", "team")
    ada = append(store, ada, "We are two", "team")
    wanted = "We meet on Monday\nWe drink tea\nWe like cats\nWe are two"
    assert value(store, "ada", "team") == value(store, "bob", "team") == wanted
    assert ada.core.block("team") == Block("team", wanted, 300)
    assert [edit.after.count("\n") for edit in store.history("bob", "team")] == [1, 2, 3]
    assert store.undo("bob").after == wanted
    assert value(store, "ada", "team") == wanted.removesuffix("\nWe are two")


def test_agents_that_share_a_block_from_two_stores_lose_nothing(tmp_path: Path, store: Store) -> None:
    store.add_block("ada", "team", limit=9000)
    store.share_block("team", "ada", "bob")
    with Store(tmp_path) as other:
        states = {"ada": state_of(store, "ada"), "bob": state_of(other, "bob")}
        for number in range(40):
            for name, opened in (("ada", store), ("bob", other)):
                states[name] = append(opened, states[name], f"{name} {number}", "team")
        assert value(store, "ada", "team").splitlines() == [
            f"{name} {number}" for number in range(40) for name in ("ada", "bob")
        ]


def test_a_shared_block_outlives_its_first_agent_and_is_shared_with_a_fork(
    tmp_path: Path, store: Store
) -> None:
    store.add_block("ada", "team", "one")
    store.share_block("team", "ada", "bob")
    store.fork("ada", "eve")
    store.write_block("eve", "team", "two")
    store.write_block("eve", "human", "Name: Eve")
    assert (value(store, "bob", "team"), value(store, "ada")) == ("two", "")
    assert store.delete("ada")
    store.remove_block("eve", "team")
    assert value(store, "bob", "team") == "two"
    assert [edit.after for edit in store.history("bob", "team")] == ["two"]
    store.remove_block("bob", "team")
    assert rows(tmp_path, "SELECT count(*) FROM blocks WHERE label = 'team'") == [(0,)]
    assert rows(tmp_path, "SELECT count(*) FROM edits WHERE label = 'team'") == [(0,)]


def test_a_label_is_had_once(store: Store) -> None:
    with pytest.raises(InputError, match="the other agent has a block 'human' already"):
        store.share_block("human", "ada", "bob")


def test_the_history_says_what_was_changed_when_and_by_whom(store: Store) -> None:
    append(store, state_of(store, "ada"), "Name: Ada", turn=7)
    edit = store.write_block("ada", "human", "Name: Bo")
    store.write_block("ada", "persona", "I am Sam.", "import")
    assert store.write_block("ada", "human", "Name: Bo") is None
    by_agent, by_user, imported = store.history("ada")
    assert (by_agent.by, by_agent.turn, by_agent.label, by_agent.at) == ("agent", 7, "human", NOW)
    assert (by_agent.before, by_agent.after) == ("", "Name: Ada")
    assert by_user == edit
    assert (by_user.by, by_user.turn, by_user.before, by_user.after) == ("user", 0, "Name: Ada", "Name: Bo")
    assert (imported.by, imported.label) == ("import", "persona")
    assert store.history("ada", "human") == (by_agent, by_user)
    assert store.history("bob") == ()


def test_undo_goes_back_one_edit_at_a_time(store: Store) -> None:
    for text in ("one", "two", "three"):
        store.write_block("ada", "human", text)
    assert store.undo("ada").after == "three"
    assert store.undo("ada").after == "two"
    assert value(store, "ada") == "one"
    store.write_block("ada", "human", "four")
    assert [store.undo("ada").after for _ in range(2)] == ["four", "one"]
    assert value(store, "ada") == ""
    with pytest.raises(InputError, match="there is no edit of core memory to undo"):
        store.undo("ada")
    assert [edit.by for edit in store.history("ada")] == ["user"] * 3 + ["undo"] * 2 + ["user"] + ["undo"] * 2


def test_undo_is_of_one_block_or_of_the_newest_edit_of_all(store: Store) -> None:
    store.write_block("ada", "persona", "I am Ada.")
    store.write_block("ada", "human", "Name: Bo")
    assert store.undo("ada", "persona").label == "persona"
    assert store.undo("ada").label == "human"
    assert state_of(store, "ada").core == COMPACT.core()
    with pytest.raises(InputError, match="there is no edit of the block 'human' to undo"):
        store.undo("ada", "human")


def test_undo_brings_back_what_is_longer_than_the_limit_is_now(store: Store) -> None:
    store.write_block("ada", "human", "x" * 500)
    store.write_block("ada", "human", "short")
    store.set_limit("ada", "human", 10)
    store.undo("ada")
    assert state_of(store, "ada").core.block("human") == Block("human", "x" * 500, 500)


def test_an_undone_edit_is_seen_by_the_next_step(store: Store) -> None:
    state = append(store, state_of(store, "ada"), "Name: Ada")
    store.undo("ada")
    assert append(store, state, "City: Bonn").core.block("human").lines == ("City: Bonn",)


def test_an_edit_back_to_what_the_step_was_given_is_an_edit(store: Store) -> None:
    given = store.load("ada")
    assert given is not None
    first = given.core.block("human").value
    store.write_block("ada", "human", f"{first}\nPet: cat")
    with store.transaction(given) as transaction:
        core = transaction.state.core.replace("human", "Pet: cat", "")
        now = f"{first}\nPet: cat".strip()
        transaction.edited(Edited("human", now, first, NOW), 1)
        transaction.save(replace(transaction.state, core=core))
    found = store.load("ada")
    assert found is not None
    assert found.core.block("human").value == first


def test_edits_of_a_deleted_agent_in_a_shared_block_are_nobodys(store: Store) -> None:
    store.add_block("ada", "team", "", 500)
    store.share_block("team", "ada", "bob")
    append(store, state_of(store, "ada"), "Bob cooks.", "team")
    assert store.delete("ada")
    assert rows(store.home, "SELECT agent_id FROM edits WHERE label = 'team'") == [(None,)]
    assert [edit.after for edit in store.history("bob", "team")] == ["Bob cooks."]
