"""The state as a value: naming, writing and reading, other profiles, and text that UTF-8 can write."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_scripts import NOW, answer, append, call
from bridle.agent.prompt import COMPACT, FULL
from bridle.agent.state import (
    ModelAnswered,
    UserSaid,
    clean_text,
    new_state,
    with_profile,
)
from bridle.agent.state_json import from_json, to_json
from bridle.agent.step import step
from bridle.errors import InputError, StoreCorrupt
from bridle.messages import ToolCall


def test_a_new_agent_has_the_memory_of_its_profile() -> None:
    state = new_state("ada", COMPACT)
    assert state.core == COMPACT.core()
    assert (state.turn, state.revision, state.is_open, state.history) == (0, 0, False, ())


@pytest.mark.parametrize("name", ["", "  ", "x" * 81, "a\nb", "a\x1b[2J"])
def test_a_name_must_be_printable(name: str) -> None:
    with pytest.raises(InputError, match="cannot name an agent"):
        new_state(name, COMPACT)


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_a_state_is_read_as_it_was_written(said: list[str]) -> None:
    state = new_state("ada", COMPACT)
    for text in said:
        state, _ = step(state, UserSaid(text, NOW), NOW)
        for one in (
            append(text),
            call("pause_heartbeats", minutes=3),
            call("conversation_search", query=text),
        ):
            state, _ = step(state, ModelAnswered(answer(one, thoughts=text)), NOW)
            assert from_json(to_json(state), 0) == state
        state, _ = step(state, ModelAnswered(answer()), NOW)
        assert from_json(to_json(state), 0) == state


def test_the_revision_is_the_rows() -> None:
    assert from_json(to_json(new_state("ada", COMPACT)), 7).revision == 7


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "[]",
        "{}",
        "null",
        "history.role",
        "history.calls",
        "pending",
        "at",
    ],
)
def test_a_damaged_state_is_named(damage: str) -> None:
    body = json.loads(to_json(new_state("ada", COMPACT)))
    broken: dict[str, object] = {
        "history.role": {**body, "history": [{"role": "boss", "content": ""}]},
        "history.calls": {**body, "history": [{"role": "user", "content": "", "calls": 3}]},
        "pending": {**body, "pending": {"name": "f", "arguments": []}},
        "at": {**body, "at": "yesterday"},
    }
    text = json.dumps(broken[damage]) if damage in broken else damage
    with pytest.raises(StoreCorrupt, match="state of an agent cannot be read"):
        from_json(text, 0)


def test_an_unknown_profile_becomes_the_full_one() -> None:
    text = to_json(new_state("ada", COMPACT)).replace('"profile": "compact"', '"profile": "odd"')
    assert from_json(text, 0).profile is FULL


def test_another_profile_changes_limits_and_loses_nothing() -> None:
    state = with_profile(new_state("ada", COMPACT), FULL)
    assert [block.limit for block in state.core.blocks] == [2000, 2000]
    long = step(state, UserSaid("x", NOW), NOW)[0]
    long, _ = step(long, ModelAnswered(answer(append("y" * 900))), NOW)
    back = with_profile(long, COMPACT)
    assert back.core.block("human").value == "y" * 900
    assert [block.limit for block in back.core.blocks] == [600, 900]
    assert back.profile is COMPACT


def test_the_calls_of_a_turn_are_those_since_the_user_spoke() -> None:
    state = new_state("ada", COMPACT)
    assert state.turn_calls == ()
    for text in ("a", "b"):
        state, _ = step(state, UserSaid(text, NOW), NOW)
        state, _ = step(state, ModelAnswered(answer(append(text))), NOW)
    assert state.turn_calls == (append("b"),)


@given(st.text(st.characters(), max_size=20))
def test_clean_text_can_be_written_and_stays(text: str) -> None:
    cleaned = clean_text(text)
    assert cleaned.encode("utf-8").decode() == cleaned == clean_text(cleaned)
    if text.isascii():
        assert cleaned == text


def test_a_call_is_kept_with_all_kinds_of_values() -> None:
    odd = ToolCall("f", {"a": [1, 2.5, None, True, {"b": "\ud800"}]})
    state, _ = step(new_state("ada", COMPACT), UserSaid("x", NOW), NOW)
    state, _ = step(state, ModelAnswered(answer(odd)), NOW)
    assert from_json(to_json(state), 0).history[1].calls == (odd,)
