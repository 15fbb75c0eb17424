"""The short way of reading gives what the long way gives, or nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.messages import ToolCall, ToolSpec
from bridle.wrappers import Reading, parse_calls
from bridle.wrappers.reading.plain import plain_call
from bridle.wrappers.reading.recover import long_way
from bridle.wrappers.syntax import JsonLayout
from bridle.wrappers.syntaxes import SYNTAXES, make_syntax
from strategies import tool_sets_with_calls

SAY = ToolSpec(
    "say", "", {"type": "object", "properties": {"text": {"type": "string"}, "n": {"type": "integer"}}}
)
NAMES = ("hermes", "json", "llama3_json", "memgpt")


@given(case=tool_sets_with_calls(max_calls=1), name=st.sampled_from(NAMES), indent=st.booleans())
def test_both_ways_read_the_same(
    case: tuple[tuple[ToolSpec, ...], tuple[ToolCall, ...]], name: str, indent: bool
) -> None:
    tools, calls = case
    assert name in SYNTAXES
    text = make_syntax(name, "none", JsonLayout(2 if indent else None)).write(calls, "", "", tools)
    short = plain_call(text, tools)
    assert short is None or Reading(calls=(short,)) == long_way(text, tools, name)


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "say", "arguments": {"text": 3}}',
        '{"name": "say", "arguments": {"n": true}}',
        '{"name": "say", "arguments": {"other": "x"}}',
        '{"name": "shout", "arguments": {}}',
        '{"name": "say", "arguments": {"n": 1, "n": 2}}',
        '{"name": "say", "arguments": "{}"}',
        '{"name": "say", "arguments": {}, "id": "1"}',
        '{"name": "say", "arguments": {}} {"name": "say", "arguments": {}}',
        '{"name": "say", "arguments": {}',
        "<tool_call>[]</tool_call>",
        "say",
        "",
    ],
)
def test_what_is_not_plain_goes_the_long_way(text: str) -> None:
    assert plain_call(text, [SAY]) is None


def test_a_tool_that_changed_is_seen_as_it_is_now() -> None:
    tool = {"name": "say", "parameters": {"type": "object", "properties": {"text": {"type": "string"}}}}
    raw = json.dumps({"name": "say", "arguments": {"text": "hi"}})
    meta = {"dialect": None, "finish_reason": "stop"}
    assert parse_calls(raw, [tool], meta) == [{"name": "say", "arguments": {"text": "hi"}}]
    tool["name"] = "shout"
    assert parse_calls(raw, [tool], meta) is None
