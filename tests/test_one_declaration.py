"""One declaration, four uses: what a syntax writes, reads and shows as its shape agree by the grammar."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.grammars import Bounds, call_grammar, matches, sample
from bridle.messages import ToolCall, ToolSpec
from bridle.wrappers import CallSyntax, Hermes, JsonLayout, MemGPT
from strategies import tool_sets_with_calls

SYNTAXES: list[CallSyntax] = [
    MemGPT(),
    MemGPT("outer"),
    MemGPT("outer", JsonLayout()),
    MemGPT("none", JsonLayout()),
    Hermes(),
]
every_syntax = pytest.mark.parametrize("syntax", SYNTAXES, ids=repr)
SMALL = Bounds(string_chars=12, thoughts_chars=12, array_items=3, text_chars=30)
ROOMY = Bounds(string_chars=400, thoughts_chars=60)


@every_syntax
@given(case=tool_sets_with_calls(), seed=st.integers(0, 2**32))
def test_whatever_the_grammar_holds_is_read_as_a_valid_call(
    syntax: CallSyntax, case: tuple[tuple[ToolSpec, ...], tuple[ToolCall, ...]], seed: int
) -> None:
    tools, _ = case
    grammar = call_grammar(tools, syntax.shape, "call", bounds=SMALL)
    text = sample(grammar, random.Random(seed))
    reading = syntax.read(text, tools)
    assert len(reading.calls) == 1, (text, reading)
    assert len(text.encode()) <= grammar.longest_bytes


@every_syntax
@given(case=tool_sets_with_calls(), thoughts=st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_every_written_call_is_held_by_the_grammar(
    syntax: CallSyntax, case: tuple[tuple[ToolSpec, ...], tuple[ToolCall, ...]], thoughts: str
) -> None:
    tools, calls = case
    grammar = call_grammar(tools, syntax.shape, "call", bounds=ROOMY)
    written = thoughts if not isinstance(syntax, Hermes) else ""
    text = syntax.write(calls[:1], written, "", tools)
    assert matches(grammar, text), text


@every_syntax
@given(case=tool_sets_with_calls(), seed=st.integers(0, 2**32))
def test_text_or_a_call_is_read_as_text_or_a_call(
    syntax: CallSyntax, case: tuple[tuple[ToolSpec, ...], tuple[ToolCall, ...]], seed: int
) -> None:
    tools, _ = case
    grammar = call_grammar(tools, syntax.shape, "text_or_call", bounds=SMALL)
    reading = syntax.read(sample(grammar, random.Random(seed)), tools)
    assert reading.refusals == ()
    assert len(reading.calls) <= 1
