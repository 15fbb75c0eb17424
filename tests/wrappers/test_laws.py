"""The laws of every call syntax, over random tools and random calls of them.

What is written is read back; any chunking of a stream reads as one piece; reading never fails. How
syntaxes and grammars agree is in `tests/test_one_declaration.py`.
"""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.messages import Delta, ToolCall, ToolSpec
from bridle.wrappers import CallSyntax, Hermes, JsonLayout, MemGPT, Reading
from strategies import tool_sets_with_calls

SYNTAXES: list[CallSyntax] = [
    MemGPT(),
    MemGPT("inner", JsonLayout()),
    MemGPT("outer"),
    MemGPT("outer", JsonLayout()),
    MemGPT("none"),
    Hermes(),
    Hermes(JsonLayout(1)),
]
every_syntax = pytest.mark.parametrize("syntax", SYNTAXES, ids=repr)
THOUGHTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
PIECES = st.sampled_from(
    [
        "{",
        "}",
        '"',
        "\\",
        "[",
        "]",
        ",",
        ":",
        "1",
        "a",
        "<",
        "</to",
        "<tool_call>",
        "</tool_call>",
        "<think>",
        "</think>",
        '"add"',
        "\\u12",
        "\n",
        " ",
        '"function": ',
        '"name": ',
        '"params": {',
        '"arguments": {',
        "\ud83d",
    ]
)


def streamed(
    syntax: CallSyntax, tools: tuple[ToolSpec, ...], text: str, cuts: list[int]
) -> tuple[list[Delta], Reading]:
    reader = syntax.reader(tools)
    deltas: list[Delta] = []
    edges = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        deltas += reader.feed(text[start:end])
    last, reading = reader.close()
    return deltas + last, reading


@every_syntax
@given(case=tool_sets_with_calls(), thoughts=THOUGHTS)
def test_what_is_written_is_read_back(
    syntax: CallSyntax, case: tuple[tuple[ToolSpec, ...], tuple[ToolCall, ...]], thoughts: str
) -> None:
    tools, calls = case
    reading = syntax.read(syntax.write(calls, thoughts, "", tools), tools)
    assert reading.calls == calls
    assert reading.refusals == ()


@every_syntax
@given(case=tool_sets_with_calls(), thoughts=THOUGHTS, cuts=st.lists(st.integers(0, 2000), max_size=30))
def test_a_stream_reads_as_one_piece(
    syntax: CallSyntax,
    case: tuple[tuple[ToolSpec, ...], tuple[ToolCall, ...]],
    thoughts: str,
    cuts: list[int],
) -> None:
    tools, calls = case
    text = syntax.write(calls, thoughts, "", tools)
    deltas, reading = streamed(syntax, tools, text, cuts)
    assert reading == syntax.read(text, tools)
    assert "".join(delta.thoughts for delta in deltas) == reading.thoughts
    assert [delta.call for delta in deltas if delta.call] == list(calls)
    assert [delta.call_name for delta in deltas if delta.call_name] == [call.name for call in calls]
    for index, call in enumerate(calls):
        arguments = "".join(delta.arguments for delta in deltas if delta.index == index)
        assert json.loads(arguments) == call.arguments


@every_syntax
@given(
    text=st.lists(st.one_of(PIECES, st.text(max_size=3)), max_size=20).map("".join),
    cuts=st.lists(st.integers(0, 200), max_size=8),
)
def test_any_text_is_read_and_in_any_chunking_the_same(
    syntax: CallSyntax, text: str, cuts: list[int]
) -> None:
    tools = (ToolSpec("add", "", {"type": "object", "properties": {}}),)
    deltas, reading = streamed(syntax, tools, text, cuts)
    assert reading == syntax.read(text, tools)
    assert "".join(delta.text for delta in deltas) == reading.text
    assert all(call.name == "add" for call in reading.calls)


@every_syntax
@pytest.mark.parametrize("piece", ["{", '{"', "<tool_call>", "<tool_call>{", "\\", '"}', "<", "[" * 7])
def test_reading_takes_time_in_proportion_to_the_text(syntax: CallSyntax, piece: str) -> None:
    reading = syntax.read(piece * (200_000 // len(piece)), ())
    assert reading.calls == ()
