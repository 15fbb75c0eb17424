"""The laws of every call syntax, over random tools and random calls of them.

What is written is read back; any chunking of a stream reads as one piece; reading never fails and takes time
in proportion to the text. How syntaxes and grammars agree is in `tests/test_one_declaration.py`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridle.messages import JSON, Delta, ToolCall, ToolSpec
from bridle.wrappers import CallSyntax, Hermes, JsonLayout, MemGPT, Reading
from bridle.wrappers.reading import SUSPECTS
from bridle.wrappers.syntaxes import SYNTAXES, make_syntax
from own_syntaxes import OWN
from strategies import tool_sets_with_calls

Case = tuple[tuple[ToolSpec, ...], tuple[ToolCall, ...]]

ALL: list[CallSyntax] = [
    *(make_syntax(name, "inner", JsonLayout()) for name in SYNTAXES if name != "memgpt"),
    make_syntax("hermes", "none", JsonLayout(1)),
    MemGPT(),
    MemGPT("inner", JsonLayout()),
    MemGPT("outer"),
    MemGPT("outer", JsonLayout()),
    MemGPT("none"),
    *OWN,
]
every_syntax = pytest.mark.parametrize("syntax", ALL, ids=repr)
HARD = ("qwen_xml", "pythonic", "gemma4", "harmony")
ANY = st.sampled_from(ALL)
THOUGHTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
CUTS = st.lists(st.integers(0, 2000), max_size=30)


def share(test: Callable[..., None]) -> Callable[..., None]:
    """Give one syntax its share of the examples."""
    return settings(max_examples=max(10, settings().max_examples // 10))(test)


def pieces(syntax: CallSyntax) -> list[str]:
    """What a syntax's turns are made of, whole and cut in two."""
    tool = ToolSpec("add", "", {"type": "object", "properties": {"a": {"type": "integer"}}})
    turn = syntax.segments(
        [ToolCall("add", {"a": 1})] * 2, "Hm.", "Hi.", [tool], ["123456789"], list("<>[]{}()|\n:,=")
    )
    marks = [segment.text for segment in turn]
    whole = [one for one in (syntax.shape.trigger, syntax.shape.think_open, syntax.shape.think_close) if one]
    return marks + whole + [one[: len(one) // 2] for one in whole]


COMMON = [
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
    "\n",
    " ",
    '"add"',
    "add",
    "\\u12",
    "\ud83d",
    "&lt;",
]


ADD = ToolSpec(
    "add", "", {"type": "object", "properties": {"a": {"type": "integer"}, "s": {"type": "string"}, "v": {}}}
)


@st.composite
def rubble(draw: st.DrawFn) -> tuple[CallSyntax, str]:
    """Draw a syntax and text: a turn of it with a few places damaged, or pieces without order."""
    syntax = draw(ANY)
    common = st.sampled_from([*COMMON, *SUSPECTS])
    piece = st.one_of(st.sampled_from(pieces(syntax)), common, st.text(max_size=3))
    if draw(st.booleans()):
        return syntax, "".join(draw(st.lists(piece, max_size=25)))
    arguments: dict[str, JSON] = draw(
        st.sampled_from([{"a": 1, "s": "x<y"}, {"v": ["p", {"k": None}], "s": "\n"}])
    )
    said = draw(st.sampled_from(["", "Hi there.", "Set {x} [1]\n"]))
    turn = syntax.write(
        [ToolCall("add", arguments)] * draw(st.integers(0, 2)), "Hm, a {thought}.", said, [ADD]
    )
    for _ in range(draw(st.integers(0, 3))):
        at, length = draw(st.integers(0, len(turn))), draw(st.integers(0, 4))
        turn = turn[:at] + draw(piece) + turn[at + length :]
    return syntax, turn


def streamed(
    syntax: CallSyntax, tools: tuple[ToolSpec, ...], text: str, cuts: list[int], thinking: bool = False
) -> tuple[list[Delta], Reading]:
    reader = syntax.reader(tools, thinking=thinking)
    deltas: list[Delta] = []
    edges = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        deltas += reader.feed(text[start:end])
    last, reading = reader.close()
    return deltas + last, reading


def as_many(syntax: CallSyntax, calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
    return calls if syntax.shape.parallel else calls[:1]


@every_syntax
@share
@given(case=tool_sets_with_calls(), thoughts=THOUGHTS)
def test_what_is_written_is_read_back(syntax: CallSyntax, case: Case, thoughts: str) -> None:
    tools, calls = case
    calls = as_many(syntax, calls)
    text = syntax.write(calls, thoughts, "", tools)
    reading = syntax.read(text, tools)
    assert reading.calls == calls, text
    assert reading.refusals == ()
    assert reading.repairs == ()


@every_syntax
@share
@given(case=tool_sets_with_calls(), thoughts=THOUGHTS, cuts=CUTS)
def test_a_stream_reads_as_one_piece(syntax: CallSyntax, case: Case, thoughts: str, cuts: list[int]) -> None:
    tools, calls = case
    calls = as_many(syntax, calls)
    text = syntax.write(calls, thoughts, "", tools)
    deltas, reading = streamed(syntax, tools, text, cuts)
    assert reading == syntax.read(text, tools)
    assert "".join(delta.thoughts for delta in deltas) == reading.thoughts
    assert [delta.call for delta in deltas if delta.call] == list(calls)
    assert [delta.call_name for delta in deltas if delta.call_name] == [call.name for call in calls]
    for index, call in enumerate(calls):
        arguments = "".join(delta.arguments for delta in deltas if delta.index == index)
        assert json.loads(arguments) == call.arguments


@settings(max_examples=settings().max_examples * 5)
@given(case=rubble(), cuts=st.lists(st.integers(0, 200), max_size=8), thinking=st.booleans())
def test_any_text_is_read_and_in_any_chunking_the_same(
    case: tuple[CallSyntax, str], cuts: list[int], thinking: bool
) -> None:
    syntax, text = case
    deltas, reading = streamed(syntax, (ADD,), text, cuts, thinking)
    assert reading == syntax.read(text, (ADD,), thinking=thinking), text
    assert "".join(delta.text for delta in deltas) == reading.text
    assert "".join(delta.thoughts for delta in deltas) == reading.thoughts
    assert [delta.call for delta in deltas if delta.call] == list(reading.calls)
    assert all(call.name == "add" for call in reading.calls)


@every_syntax
@share
@given(
    text=st.text(st.characters(codec="ascii", categories=["L", "N", "Zs"]), min_size=1).map(str.strip),
    cuts=CUTS,
)
def test_plain_text_is_handed_on_as_it_comes(syntax: CallSyntax, text: str, cuts: list[int]) -> None:
    written = syntax.write([], "", text, ())
    reader = syntax.reader(())
    early = "".join(delta.text for delta in reader.feed(written))
    assert text.startswith(early)
    assert len(early) >= len(text) - 25
    assert syntax.read(written, ()).text == text


LONG = [
    "{",
    '{"',
    "[",
    "<",
    "</",
    "&amp;",
    "\\",
    '"}',
    " ",
    "a",
    '{"a": 1}',
    "[1]",
    "<think>",
    "<tool_call>{",
    "add(",
]


@pytest.mark.parametrize("piece", LONG)
def test_reading_takes_time_in_proportion_to_the_text(piece: str) -> None:
    """Eight times the text takes eight times as long, give or take; with a second look at all, 64 times."""
    for syntax in (Hermes(), MemGPT(), *(make_syntax(name, "none", JsonLayout()) for name in HARD)):
        lead = syntax.write([ToolCall("add", {"s": "@"})], "", "", [ADD]).partition("@")[0]
        for start in {"", lead, syntax.shape.think_open}:
            short, long = (feeding(syntax, start + piece * (size // len(piece))) for size in (4_000, 32_000))
            assert long < 24 * short + 0.05


def feeding(syntax: CallSyntax, text: str) -> float:
    """The processor's seconds for a text that arrives in small pieces."""
    reader = syntax.reader((ADD,))
    began = time.process_time()
    for at in range(0, len(text), 4):
        reader.feed(text[at : at + 4])
    return time.process_time() - began


def test_a_megabyte_is_streamed() -> None:
    syntax = make_syntax("qwen_xml", "none", JsonLayout())
    text = syntax.write([ToolCall("add", {"s": "x<&\n" * 250_000})], "", "", [ADD])
    reader = syntax.reader((ADD,))
    reader.feed(text)
    _, reading = reader.close()
    assert reading.calls == (ToolCall("add", {"s": "x<&\n" * 250_000}),)
