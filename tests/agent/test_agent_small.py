"""The profile for small models: fewer functions, numbered lines, and which model gets it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent_scripts import NOW, WRAPPER, answer, call, say, written
from bridle.agent.functions import FUNCTIONS, SMALL_FUNCTIONS, constraint, last_page, line_of, narrow
from bridle.agent.memory import Core
from bridle.agent.prompt import COMPACT, FULL, SMALL, memory_text, memory_turn
from bridle.agent.sizing import billions, profile_for, size_in
from bridle.agent.state import AgentState, Did, ModelAnswered, UserSaid, new_state
from bridle.agent.step import step
from bridle.endpoints.base import Supports
from bridle.endpoints.scripted import Scripted
from bridle.grammars import call_grammar, matches
from bridle.messages import JSON, Message, ToolCall, ToolSpec
from bridle.wrappers import get_wrapper

KNOWN = SMALL.core().append("human", "Name: Ada").append("human", "Lives in: Bonn")


def state_with(core: Core) -> AgentState:
    return step(replace(new_state("small", SMALL), core=core), UserSaid("hi", NOW), NOW)[0]


def result_of(state: AgentState, one: ToolCall) -> tuple[AgentState, str]:
    after, effects = step(state, ModelAnswered(answer(one)), NOW)
    (done,) = [effect.step for effect in effects if isinstance(effect, Did)]
    return after, done.result


def tool(tools: tuple[ToolSpec, ...], name: str) -> dict[str, JSON]:
    (found,) = [one for one in tools if one.name == name]
    return {key: dict(schema) for key, schema in found.properties.items()}


def test_lines_of_memory_are_shown_with_their_numbers() -> None:
    assert "[human]\n1. Name: Ada\n2. Lives in: Bonn\n[time]" in memory_text(SMALL, KNOWN, NOW)
    first = memory_text(SMALL, KNOWN, NOW)
    turn = memory_turn([Message("system", first), Message("user", "x")], first)
    assert turn.content.startswith("[time]")


def test_a_line_is_changed_and_deleted_by_its_number() -> None:
    state = state_with(KNOWN)
    state, result = result_of(state, call("core_memory_replace", line="human 2", new_content="City: Oslo"))
    assert state.core.block("human").lines == ("Name: Ada", "City: Oslo")
    assert result.startswith("OK")
    state, result = result_of(state, call("core_memory_replace", line="human 1", new_content=""))
    assert state.core.block("human").lines == ("City: Oslo",)
    assert "1. City: Oslo" in result


@pytest.mark.parametrize("line", ["human 3", "human 0", "human", "humn 1", ""])
def test_a_line_that_is_not_there_is_answered_with_those_that_are(line: str) -> None:
    state, result = result_of(state_with(KNOWN), call("core_memory_replace", line=line, new_content="x"))
    assert result.startswith("Failed: ")
    assert "persona 1 to 1, human 1 to 2" in result
    assert state.core == KNOWN


def test_the_constraint_names_the_lines_and_pages_that_exist() -> None:
    allowed, _ = constraint(SMALL, KNOWN, [Message("user", "hi")])
    assert [one.name for one in allowed] == [one.name for one in SMALL_FUNCTIONS]
    assert tool(allowed, "core_memory_replace")["line"] == {"enum": ["persona 1", "human 1", "human 2"]}
    assert tool(allowed, "memory_search")["page"] == {"type": "integer", "minimum": 0, "maximum": 0}
    empty = Core(tuple(replace(block, value="") for block in KNOWN.blocks))
    names = [one.name for one in constraint(SMALL, empty, [Message("user", "hi")])[0]]
    assert "core_memory_replace" not in names


@pytest.mark.parametrize(
    ("result", "last"),
    [
        ("5 of 12:\n- a", 2),
        ("5 of 10:\n- a", 1),
        ("1 of 1:\n- a", 0),
        ("No results.", 0),
        ("No results on page 7; there are 12 results.", 2),
        ("Failed: no", 0),
    ],
)
def test_the_last_page_is_that_of_what_the_turn_has_found(result: str, last: int) -> None:
    found = Message("tool", result, name="memory_search")
    assert last_page([Message("user", "hi"), found])["memory_search"] == last
    assert last_page([found, Message("user", "hi")])["memory_search"] == 0


def test_a_block_and_its_lines_are_named_together() -> None:
    """Two of three edits on random weights named a line of another block while the two were held apart."""
    (edit,) = [one for one in narrow(KNOWN) if one.name == "core_memory_replace"]
    assert tool((edit,), edit.name)["name"] == {"enum": ["persona", "human"]}
    grammar = call_grammar([edit], WRAPPER.syntax.shape, "call")
    mine, yours = SMALL.persona, "Lives in: Bonn"
    for label, line, right in (
        ("persona", mine, True), ("human", yours, True), ("human", mine, False), ("persona", yours, False),
    ):  # fmt: skip
        made = call(edit.name, name=label, old_content=line, new_content="x", request_heartbeat=True)
        assert matches(grammar, written(made)) == right
    only = narrow(Core((KNOWN.blocks[0], replace(KNOWN.blocks[1], value=""))))
    assert tool(only, "core_memory_replace")["name"] == {"enum": ["persona"]}
    assert tool(only, "core_memory_append")["name"] == {"enum": ["persona", "human"]}


def test_every_line_has_a_name_of_its_own() -> None:
    assert line_of(KNOWN, "human  2") == ("human", "Lives in: Bonn")
    assert line_of(KNOWN, "human 9") is None


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("Llama-3.2-3B-Instruct-Q4_K_M.gguf", 3.0),
        ("qwen2.5:0.5b", 0.5),
        ("smollm2:360m", 0.36),
        ("gemma-3n-e4b", 4.0),
        ("Mixtral-8x7B", None),
        ("gpt-4o", None),
        ("phi-4-mini", None),
        ("qwen3-30b-a3b", 30.0),
        ("", None),
    ],
)
def test_the_size_is_read_from_a_models_name(name: str, size: float | None) -> None:
    assert size_in(name) == size


class Told(Scripted):
    """A model with a file that says something."""

    def __init__(self, metadata: dict[str, JSON], window: int | None = None) -> None:
        super().__init__([], window=window, supports=Supports(prompt=True))
        self.metadata = metadata


@pytest.mark.parametrize(
    ("metadata", "window", "profile"),
    [
        ({"general.parameter_count": 3_200_000_000}, None, SMALL),
        ({"general.parameter_count": 8_000_000_000}, None, FULL),
        ({"general.size_label": "1.7B"}, 32768, SMALL),
        ({"general.size_label": "7B"}, 2048, SMALL),
        ({"general.parameter_count": 4_500_000_000}, None, SMALL),
        ({}, 4095, SMALL),
        ({}, 4096, FULL),
        ({}, 8192, FULL),
        ({}, None, FULL),
    ],
)
def test_the_profile_goes_by_the_models_size_and_window(
    metadata: dict[str, JSON], window: int | None, profile: object
) -> None:
    assert profile_for(Told(metadata, window), get_wrapper("chatml")) is profile
    assert profile_for(Told(metadata, window), get_wrapper("chatml-compact")) is COMPACT


def test_the_size_of_a_name_counts_where_the_file_says_nothing() -> None:
    assert billions(Told({})) is None
    assert billions(Told({"general.size_label": "E4B"})) == 4.0


def test_functions_of_other_profiles_are_unknown_here(tmp_path: Path) -> None:
    state, result = result_of(
        state_with(KNOWN), call("conversation_search", query="x", request_heartbeat=True)
    )
    assert "there is no function 'conversation_search'" in result
    assert "memory_search" in result
    assert {one.name for one in FUNCTIONS} - {one.name for one in SMALL_FUNCTIONS} == {
        "archival_memory_search",
        "conversation_search",
        "conversation_search_date",
        "pause_heartbeats",
    }
    assert step(state, ModelAnswered(answer(say("ok"))), NOW)[0].is_open is False
