"""Core memory: edits are exact, atomic and within limits; and the functions as a state narrows them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.agent.functions import FUNCTIONS, narrow, wants_heartbeat
from bridle.agent.memory import Block, Core, EditError

CORE = Core(
    (Block("persona", "My name is Sam."), Block("human", "Name: Ada\nCity: Bonn\nCity of birth: Bonn", 60))
)
lines = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=20)


def test_a_line_is_added_at_the_end() -> None:
    assert CORE.append("persona", " I like tea. ").block("persona").lines == (
        "My name is Sam.",
        "I like tea.",
    )
    assert CORE.block("persona").lines == ("My name is Sam.",)


@pytest.mark.parametrize(
    ("block", "content", "reason"),
    [
        ("boss", "x", "there is no block 'boss'; the blocks are persona, human"),
        ("human", "  ", "the content is empty"),
        ("human", "Name: Ada", "is in the block 'human' already"),
        ("human", "x" * 30, "would have 71 characters, its limit is 60"),
    ],
)
def test_what_cannot_be_added_is_refused(block: str, content: str, reason: str) -> None:
    with pytest.raises(EditError, match=reason):
        CORE.append(block, content)


def test_a_line_is_changed_or_deleted() -> None:
    changed = CORE.replace("human", "City: Bonn", "City: Oslo")
    assert changed.block("human").lines == ("Name: Ada", "City: Oslo", "City of birth: Bonn")
    assert CORE.replace("human", "City: Bonn", "").block("human").lines == (
        "Name: Ada",
        "City of birth: Bonn",
    )
    assert CORE.replace("human", "Ada", "Eve").block("human").lines[0] == "Name: Eve"


@pytest.mark.parametrize(
    ("old", "reason"),
    [
        ("", "old_content is empty"),
        ("Boss", "'Boss' is not in the block 'human'; its lines are 'Name: Ada'; 'City: Bonn'"),
        ("Bonn", "'Bonn' is 2 times in the block 'human'"),
    ],
)
def test_what_cannot_be_replaced_is_refused(old: str, reason: str) -> None:
    with pytest.raises(EditError, match=reason):
        CORE.replace("human", old, "x")


@given(st.lists(st.tuples(st.sampled_from(["append", "replace"]), lines, lines), max_size=20))
def test_no_block_ever_exceeds_its_limit(edits: list[tuple[str, str, str]]) -> None:
    core = CORE
    for kind, first, second in edits:
        before = core
        try:
            core = core.append("human", first) if kind == "append" else core.replace("human", first, second)
        except EditError:
            assert core is before
        assert all(len(block.value) <= block.limit for block in core.blocks)
        assert core.block("persona") == CORE.block("persona")


@given(lines.filter(str.strip))
def test_what_was_added_can_be_taken_away(line: str) -> None:
    longer = Core((Block("human", "Name: Ada", 600),))
    if line.strip() not in longer.block("human").lines:
        assert longer.append("human", line).replace("human", line, "") == longer


def test_narrowing_names_what_exists() -> None:
    by_name = {tool.name: tool for tool in narrow(CORE)}
    assert list(by_name) == [tool.name for tool in FUNCTIONS]
    assert by_name["core_memory_append"].properties["name"]["enum"] == ["persona", "human"]
    assert by_name["core_memory_replace"].properties["old_content"]["enum"] == [
        "My name is Sam.",
        "Name: Ada",
        "City: Bonn",
        "City of birth: Bonn",
    ]
    assert "enum" not in FUNCTIONS[1].properties["name"]
    assert "enum" not in FUNCTIONS[2].properties["old_content"]


def test_without_lines_there_is_nothing_to_replace() -> None:
    empty = Core((Block("human"),))
    assert "core_memory_replace" not in [tool.name for tool in narrow(empty)]


def test_a_heartbeat_is_wished_for_by_true_alone() -> None:
    assert wants_heartbeat({"request_heartbeat": True})
    assert not wants_heartbeat({"request_heartbeat": "true"})
    assert not wants_heartbeat({})
