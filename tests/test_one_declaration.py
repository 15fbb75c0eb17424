"""One declaration, four uses: what a syntax writes, reads and shows as its shape agree by the grammar."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridle.grammars import Bounds, call_grammar, matches, sample
from bridle.grammars.schema_keywords import validator_of
from bridle.messages import JSON, ToolCall, ToolSpec
from bridle.wrappers import CallSyntax, JsonLayout, MemGPT
from bridle.wrappers.syntax import Arguments, Members, Thoughts
from bridle.wrappers.syntaxes import SYNTAXES, make_syntax
from bridle.wrappers.values import admits_only_strings
from own_syntaxes import OWN
from strategies import tool_sets_with_calls

Case = tuple[tuple[ToolSpec, ...], tuple[ToolCall, ...]]

ALL: list[CallSyntax] = [
    *(make_syntax(name, "inner", JsonLayout()) for name in SYNTAXES if name != "memgpt"),
    make_syntax("hermes", "none", JsonLayout(2)),
    MemGPT(),
    MemGPT("outer"),
    MemGPT("outer", JsonLayout()),
    MemGPT("none", JsonLayout()),
    *OWN,
]
every_syntax = pytest.mark.parametrize("syntax", ALL, ids=repr)
SMALL = Bounds(string_chars=12, thoughts_chars=12, thinking_chars=12, array_items=3, text_chars=30)
ROOMY = Bounds(string_chars=400, thoughts_chars=60, thinking_chars=60)


def share(test: Callable[..., None]) -> Callable[..., None]:
    """Give one syntax its share of the examples: all of them together make five laws of the usual count."""
    return settings(max_examples=max(10, settings().max_examples // 10))(test)


@every_syntax
@share
@given(case=tool_sets_with_calls(), seed=st.integers(0, 2**32), think=st.booleans())
def test_whatever_the_grammar_holds_is_read_as_a_valid_call(
    syntax: CallSyntax, case: Case, seed: int, think: bool
) -> None:
    tools, _ = case
    grammar = call_grammar(tools, syntax.shape, "call", bounds=SMALL, think=think)
    text = sample(grammar, random.Random(seed))
    reading = syntax.read(text, tools)
    assert len(reading.calls) == 1, (text, reading)
    assert reading.refusals == ()
    check(reading.calls, tools)
    assert len(text.encode()) <= grammar.longest_bytes


@every_syntax
@share
@given(case=tool_sets_with_calls(), seed=st.integers(0, 2**32), most=st.integers(2, 3))
def test_several_calls_are_read_as_so_many(syntax: CallSyntax, case: Case, seed: int, most: int) -> None:
    tools, _ = case
    grammar = call_grammar(tools, syntax.shape, "call", bounds=SMALL, parallel=most)
    reading = syntax.read(sample(grammar, random.Random(seed)), tools)
    assert 1 <= len(reading.calls) <= (most if syntax.shape.parallel else 1)
    assert reading.refusals == ()
    check(reading.calls, tools)


@every_syntax
@share
@given(case=tool_sets_with_calls(), thoughts=st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_every_written_call_is_held_by_the_grammar(syntax: CallSyntax, case: Case, thoughts: str) -> None:
    tools, calls = case
    count = len(calls) if syntax.shape.parallel else 1
    written = thoughts if has_thoughts(syntax) else ""
    known = {tool.name: tool for tool in tools}
    held = [call for call in calls if not is_left_out(syntax, call, known[call.name])][:count]
    if held:
        text = syntax.write(held, written, "", tools)
        grammar = call_grammar(
            tools, syntax.shape, "call", bounds=ROOMY, parallel=count, think=True, gap=True
        )
        assert matches(grammar, text), text


@every_syntax
@share
@given(case=tool_sets_with_calls(), seed=st.integers(0, 2**32))
def test_text_or_a_call_is_read_as_text_or_a_call(syntax: CallSyntax, case: Case, seed: int) -> None:
    tools, _ = case
    grammar = call_grammar(tools, syntax.shape, "text_or_call", bounds=SMALL)
    reading = syntax.read(sample(grammar, random.Random(seed)), tools)
    assert reading.refusals == ()
    assert len(reading.calls) <= 1


def check(calls: tuple[ToolCall, ...], tools: tuple[ToolSpec, ...]) -> None:
    known = {tool.name: tool for tool in tools}
    for call in calls:
        assert validator_of(known[call.name].parameters).is_valid(dict(call.arguments)), call


def has_thoughts(syntax: CallSyntax) -> bool:
    return any(
        isinstance(part, Thoughts) or (isinstance(part, Arguments) and part.thoughts_key is not None)
        for part in syntax.shape.call
    )


def is_left_out(syntax: CallSyntax, call: ToolCall, tool: ToolSpec) -> bool:
    """Tell whether a call may be missing from the grammar, for a string in it without quotation marks.

    Left out are strings with U+0000, some with what marks and escapes begin with, and some of those whose
    schema admits other values than strings, which may be written as JSON only.
    """
    members = [part for part in syntax.shape.call if isinstance(part, Members)]
    if not members or members[0].values == "python":
        return False
    if members[0].values == "raw":
        for key, value in call.arguments.items():
            if isinstance(value, str) and not admits_only_strings(tool.properties[key]):
                return True
    return any(set(text) & set("\0<&") for text in strings(dict(call.arguments)))


def strings(value: JSON) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in strings(one)]
