"""Grammars of a turn: calls in the order of the shape, and free text that cannot be taken for a call."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.errors import InputError, SchemaError
from bridle.grammars import (
    Bounds,
    Grammar,
    Mode,
    call_grammar,
    call_schema,
    choice_grammar,
    matches,
    sample,
    shape_schema,
)
from bridle.grammars.free_text import text_unlike, text_without
from bridle.grammars.schema_keywords import validator_of
from bridle.messages import JSON, ToolSpec
from bridle.wrappers import Hermes, MemGPT
from bridle.wrappers.syntax import Arguments, CallId, CallShape, Index, JsonLayout, Name, Thoughts
from bridle.wrappers.syntaxes import SYNTAXES, make_syntax

INNER = CallShape(
    ('{"function": ', Name(), ', "params": ', Arguments(1, "thoughts"), "}"), JsonLayout(), trigger="{"
)
OUTER = CallShape(
    ('<call>{"why": ', Thoughts(), ', "name": ', Name(), ', "args": ', Arguments(1), "}</call>"),
    JsonLayout(),
    trigger="<call>",
    parallel=True,
    text_first=True,
    gap="\n",
)
TAGGED = CallShape(("<fn=", Name(quoted=False), ">", Arguments(), "</fn>"), JsonLayout(2), trigger="<fn=")
NUMBERED = CallShape(
    ('{"id": ', Index(), CallId(', "was": "', '"'), ', "name": ', Name(), ', "args": ', Arguments(1), "}"),
    JsonLayout(),
    trigger="[TOOLS]",
    between=", ",
    parallel=True,
    text_first=True,
    gap=" ",
    open="[TOOLS][",
    close="]<end>",
    text_open="<text>",
    text_close="</text>",
    think_open="<think>\n",
    think_close="\n</think>\n",
)
NOW = ToolSpec("clock.now")
ADD = ToolSpec(
    "add",
    "",
    {"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a"]},
)
THINK = ToolSpec(
    "think", "", {"type": "object", "properties": {"thoughts": {"enum": ["hm"]}}, "required": ["thoughts"]}
)
TOOLS = (NOW, ADD, THINK)


def test_thoughts_are_the_first_argument_unless_the_tool_has_them() -> None:
    grammar = call_grammar(TOOLS, INNER, "call")
    for text in (
        '{"function": "clock.now", "params": {"thoughts": "it is\\n\\"late\\""}}',
        '{"function": "add", "params": {"thoughts": "", "a": 1}}',
        '{"function": "add", "params": {"thoughts": "", "a": 1, "b": -2}}',
        '{"function": "think", "params": {"thoughts": "hm"}}',
    ):
        assert matches(grammar, text), text
    for text in (
        '{"function": "clock.now", "params": {}}',
        '{"function": "clock.now", "params": {"thoughts": "", "a": 1}}',
        '{"function": "add", "params": {"a": 1, "thoughts": ""}}',
        '{"function": "add", "params": {"thoughts": ""}}',
        '{"function": "think", "params": {"thoughts": "other"}}',
        '{"function": "other", "params": {"thoughts": ""}}',
        '{"function":"add", "params": {"thoughts": "", "a": 1}}',
        "add",
    ):
        assert not matches(grammar, text), text


def test_thoughts_go_before_the_function() -> None:
    grammar = call_grammar(TOOLS, OUTER, "call")
    assert matches(grammar, '<call>{"why": "x", "name": "clock.now", "args": {}}</call>')
    assert matches(grammar, '<call>{"why": "x", "name": "add", "args": {"a": 1}}</call>')
    assert not matches(grammar, '<call>{"name": "clock.now", "args": {}}</call>')
    assert not matches(grammar, '<call>{"why": "x", "name": "clock.now", "args": {"a": 1}}</call>')


def test_names_may_stand_bare_and_arguments_indented() -> None:
    grammar = call_grammar(TOOLS, TAGGED, "call")
    assert matches(grammar, '<fn=add>{\n  "a": 1,\n  "b": 2\n}</fn>')
    assert matches(grammar, "<fn=clock.now>{}</fn>")


def test_one_function_can_be_forced() -> None:
    grammar = call_grammar(TOOLS, INNER, "call", only="add")
    assert matches(grammar, '{"function": "add", "params": {"thoughts": "", "a": 1}}')
    assert not matches(grammar, '{"function": "clock.now", "params": {"thoughts": ""}}')


def test_calls_follow_one_another_where_the_shape_knows_how() -> None:
    one = '<call>{"why": "", "name": "clock.now", "args": {}}</call>'
    grammar = call_grammar(TOOLS, OUTER, "call", parallel=3)
    assert [n for n in range(6) if matches(grammar, "\n".join([one] * n))] == [1, 2, 3]
    assert not matches(call_grammar(TOOLS, OUTER, "call"), f"{one}\n{one}")
    inner = '{"function": "clock.now", "params": {"thoughts": ""}}'
    assert not matches(call_grammar(TOOLS, INNER, "call", parallel=3), f"{inner}\n{inner}")


def test_text_goes_before_a_call_only_where_the_shape_lets_it() -> None:
    call = '<call>{"why": "", "name": "clock.now", "args": {}}</call>'
    grammar = call_grammar(TOOLS, OUTER, "text_or_call")
    for text in ("Hello.", call, f"I look.\n{call}", "1 < 2 <b> <<", "a <ca"):
        assert matches(grammar, text), text
    for text in ("", f"I look. {call}", f"{call} done", "so <call> it", f"<call>\n{call}"):
        assert not matches(grammar, text), text
    inner = call_grammar(TOOLS, INNER, "text_or_call")
    assert matches(inner, 'Hello {"function"}')
    assert matches(inner, '{"function": "clock.now", "params": {"thoughts": ""}}')
    assert not matches(inner, '{"function": "clock.now", "params": {"thoughts": ""}}{')
    assert not matches(inner, "  {}")


def test_calls_stand_between_marks_and_have_numbers() -> None:
    one, two, three = (f'{{"id": {i}, "name": "clock.now", "args": {{}}}}' for i in range(3))
    grammar = call_grammar([NOW], NUMBERED, "call", parallel=2)
    for text in (f"[TOOLS][{one}]<end>", f"[TOOLS][{one}, {two}]<end>"):
        assert matches(grammar, text), text
    for text in (
        one,
        f"[TOOLS][{two}]<end>",
        f"[TOOLS][{one}, {one}]<end>",
        f"[TOOLS][{one}, {two}, {three}]<end>",
    ):
        assert not matches(grammar, text), text


def test_text_and_thinking_stand_between_their_marks() -> None:
    call = '[TOOLS][{"id": 0, "name": "clock.now", "args": {}}]<end>'
    grammar = call_grammar([NOW], NUMBERED, "text_or_call", think=True)
    for text in (
        "<text>Hello.</text>",
        call,
        f"<text>So.</text> {call}",
        f"<think>\nHm < 2.\n</think>\n{call}",
    ):
        assert matches(grammar, text), text
    for text in ("Hello.", "<text>a</text>b</text>", f" {call}", f"<think>\n[TOOLS]\n</think>\n{call}"):
        assert not matches(grammar, text), text
    assert matches(grammar, "<think>\n\n</think>\n<text>Hello.</text>")
    assert not matches(call_grammar([NOW], NUMBERED, "text_or_call"), f"<think>\nHm.\n</think>\n{call}")
    assert matches(
        call_grammar([], NUMBERED, "text", think=True), "<think>\nHm.\n</think>\n<text>Hello.</text>"
    )
    none = call_grammar([NOW], NUMBERED, "call", think=True, bounds=Bounds(thinking_chars=0))
    assert matches(none, call)
    assert not matches(none, f"<think>\n\n</think>\n{call}")


def test_the_gap_may_come_without_text() -> None:
    call = '[TOOLS][{"id": 0, "name": "clock.now", "args": {}}]<end>'
    for mode in ("call", "text_or_call"):
        assert matches(call_grammar([NOW], NUMBERED, mode, gap=True), f" {call}")
        assert matches(call_grammar([NOW], NUMBERED, mode, gap=True), call)
        assert not matches(call_grammar([NOW], NUMBERED, mode), f" {call}")
        assert call_grammar([NOW], INNER, mode, gap=True) == call_grammar([NOW], INNER, mode)


def test_a_turn_ends_before_the_mark_that_the_model_is_stopped_at() -> None:
    grammar = call_grammar([NOW], NUMBERED, "text_or_call", stop=["<end>", "</text>", ">"])
    assert matches(grammar, '[TOOLS][{"id": 0, "name": "clock.now", "args": {}}]')
    assert matches(grammar, "<text>So.</text>")  # a call may come behind it
    assert matches(call_grammar([NOW], NUMBERED, "text", stop=["</text>"]), "<text>So.")
    assert matches(call_grammar([NOW], TAGGED, "call", stop=["</fn>"]), "<fn=clock.now>{}")
    assert matches(
        call_grammar([NOW], INNER, "call", stop=["</fn>"]),
        '{"function": "clock.now", "params": {"thoughts": ""}}',
    )
    several = call_grammar([NOW], OUTER, "call", stop=["</call>"], parallel=2)
    assert matches(several, '<call>{"why": "", "name": "clock.now", "args": {}}</call>')
    bare = CallShape((Name(), Arguments()), JsonLayout(), trigger='"')
    assert matches(call_grammar([NOW], bare, "call", stop=["}"]), '"clock.now"{}')


def test_bare_names_are_escaped() -> None:
    grammar = call_grammar([ToolSpec('a<b>&"c"')], TAGGED, "call")
    assert matches(grammar, "<fn=a&lt;b&gt;&amp;&quot;c&quot;>{}</fn>")


@pytest.mark.parametrize("mode", ["text", "text_or_call"])
@pytest.mark.parametrize("shape", [INNER, OUTER, TAGGED])
def test_without_tools_there_is_text(mode: Mode, shape: CallShape) -> None:
    grammar = call_grammar([], shape, mode)
    assert matches(grammar, "Just words.")
    assert not matches(grammar, "")
    assert not matches(grammar, shape.trigger)


def test_there_must_be_something_to_call() -> None:
    with pytest.raises(InputError, match="no tools"):
        call_grammar([], INNER, "call")
    with pytest.raises(InputError, match="no tool is called 'x'") as caught:
        call_grammar(TOOLS, INNER, "call", only="x")
    assert "clock.now, add, think" in caught.value.hint
    with pytest.raises(InputError, match="'x'"):
        call_grammar([], INNER, "text_or_call", only="x")


def test_a_wrong_schema_names_the_tool_and_the_place() -> None:
    bad = ToolSpec("bad", "", {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}})
    with pytest.raises(SchemaError, match="tool 'bad'") as caught:
        call_grammar([NOW, bad], INNER, "call")
    assert caught.value.pointer == "/properties/a/uniqueItems"
    assert caught.value.facts["tool"] == "bad"
    grammar = call_grammar([NOW, bad], INNER, "call", loosen=True)
    assert "bad#/properties/a uniqueItems" in grammar.weakened


def test_missing_parameters_mean_none() -> None:
    for parameters in ({}, {"type": "object"}, {"description": "nothing"}):
        grammar = call_grammar([ToolSpec("f", "", dict(parameters))], TAGGED, "call")
        assert matches(grammar, "<fn=f>{}</fn>")
        assert not matches(grammar, '<fn=f>{\n  "a": 1\n}</fn>')
    free = ToolSpec("f", "", {"additionalProperties": {"type": "null"}})
    assert matches(call_grammar([free], TAGGED, "call"), '<fn=f>{\n  "a": null\n}</fn>')


def test_bounds_limit_thoughts_and_text() -> None:
    bounds = Bounds(thoughts_chars=3, text_chars=5)
    grammar = call_grammar([NOW], OUTER, "text_or_call", bounds=bounds)
    assert matches(grammar, '<call>{"why": "abc", "name": "clock.now", "args": {}}</call>')
    assert not matches(grammar, '<call>{"why": "abcd", "name": "clock.now", "args": {}}</call>')
    assert matches(grammar, "12345")
    assert not matches(grammar, "123456")


def test_a_shape_without_places_is_one_text() -> None:
    grammar = call_grammar([NOW], CallShape(("<stop>",), JsonLayout(), trigger="<"), "call")
    assert matches(grammar, "<stop>")


MARKS = ["<tool_call>", "[[", "```json", "{", "[TOOL_CALLS]", "<|python_tag|>", "ab", "aba"]


@pytest.mark.parametrize("mark", MARKS)
@given(seed=st.integers(0, 2**32), text=st.text("<tool_ca[{`aby |\n", min_size=1, max_size=14))
def test_free_text_cannot_be_taken_for_a_call(mark: str, seed: int, text: str) -> None:
    without, unlike = Grammar(text_without(mark, 40)), Grammar(text_unlike(mark, 40))
    rng = random.Random(seed)
    drawn, other = sample(without, rng), sample(unlike, rng)
    assert drawn
    assert mark not in drawn
    assert other.strip()
    assert not other.lstrip().startswith(mark)
    if matches(without, text):
        assert mark not in text
    if matches(unlike, text):
        assert text.strip()
        assert not text.lstrip().startswith(mark)


@pytest.mark.parametrize("mark", MARKS)
def test_ordinary_text_is_held(mark: str) -> None:
    for make in (text_without, text_unlike):
        grammar = Grammar(make(mark, 400))
        for text in ("Hello!", "Grüße,\n\n1 * 2 = 2; x | y, 日本 🧿.", "z" * 400):
            assert matches(grammar, text), (mark, text)


def test_a_choice_is_one_of_its_texts() -> None:
    grammar = choice_grammar(["yes", "no", "yes"])
    assert [text for text in ("yes", "no", "maybe", "") if matches(grammar, text)] == ["yes", "no"]
    for choices in ([], ["a", ""]):
        with pytest.raises(InputError):
            choice_grammar(choices)


def test_the_schema_of_a_call_accepts_calls_and_nothing_else() -> None:
    schema = call_schema(TOOLS, "inner")
    check = validator_of(schema)
    assert check.is_valid({"inner": "", "function": "add", "params": {"a": 1}})
    assert check.is_valid({"inner": "", "function": "clock.now", "params": {}})
    invalid: list[dict[str, JSON]] = [
        {"function": "add", "params": {"a": 1}},
        {"inner": "", "function": "add", "params": {}},
        {"inner": "", "function": "add", "params": {"a": 1, "c": 2}},
        {"inner": "", "function": "clock.now", "params": {"a": 1}},
        {"inner": "", "function": "other", "params": {}},
        {"inner": "x" * 999, "function": "clock.now", "params": {}},
    ]
    for wrong in invalid:
        assert not check.is_valid(wrong), wrong
    assert list(json.loads(json.dumps(schema))["anyOf"][1]["properties"]) == ["inner", "function", "params"]


def test_the_schema_of_one_call_has_its_own_keys() -> None:
    schema = call_schema(TOOLS, None, only="add", name_key="name", arguments_key="arguments")
    assert schema["required"] == ["name", "arguments"]
    with pytest.raises(InputError, match="'x'"):
        call_schema(TOOLS, None, only="x")
    with pytest.raises(InputError, match="no tool"):
        call_schema([], None)
    with pytest.raises(SchemaError):
        call_schema([ToolSpec("f", "", {"type": "nothing"})], None)


def test_the_schema_of_a_syntax_has_the_keys_that_it_writes() -> None:
    outer = shape_schema(TOOLS, MemGPT("outer").shape)
    assert outer == call_schema(TOOLS, "inner_thoughts")
    llama = make_syntax("llama3_json", "inner", JsonLayout()).shape
    assert shape_schema(TOOLS, llama, only="add") == call_schema(
        TOOLS, None, only="add", name_key="name", arguments_key="parameters"
    )


def test_a_syntax_that_is_no_json_has_no_schema() -> None:
    json_like = {"json", "llama3_json"}
    for name in set(SYNTAXES) - json_like:
        with pytest.raises(InputError, match="no JSON objects") as caught:
            shape_schema(TOOLS, make_syntax(name, "inner", JsonLayout()).shape)
        assert caught.value.hint
    with pytest.raises(InputError, match="no JSON objects"):
        shape_schema(TOOLS, Hermes().shape)
    was = CallShape(
        ('{"name": ', Name(), CallId(', "id": "', '"'), ', "x": ', Arguments(), "}"), JsonLayout(), "{"
    )
    assert shape_schema([NOW], was)["required"] == ["name", "x"]
    for listed in (('[{"a": 1}]',), ('{"name": ', Name(), "}"), ("<f>",)):
        with pytest.raises(InputError, match="no JSON objects"):
            shape_schema(TOOLS, CallShape(listed, JsonLayout(), trigger="<"))


def test_references_still_lead_to_their_places() -> None:
    tree = ToolSpec(
        "plant",
        "",
        {
            "type": "object",
            "properties": {"tree": {"$ref": "#/$defs/t"}, "note": {"enum": [{"$ref": "#"}]}},
            "$defs": {"t": {"type": "array", "items": {"$ref": "#/$defs/t"}}},
        },
    )
    others: list[tuple[ToolSpec, ...]] = [(), (NOW,)]
    for other in others:
        check = validator_of(call_schema((*other, tree), None))
        nested: JSON = [[], [[]]]
        assert check.is_valid({"function": "plant", "params": {"tree": nested, "note": {"$ref": "#"}}})
        assert not check.is_valid({"function": "plant", "params": {"tree": [[1]]}})
    free = ToolSpec("f", "", {"$ref": "#/$defs/o", "$defs": {"o": {"type": "object"}}})
    assert validator_of(call_schema([free], None)).is_valid({"function": "f", "params": {"a": 1}})


def test_thinking_that_the_prompt_has_opened_is_closed_before_the_call() -> None:
    grammar = call_grammar([NOW], NUMBERED, "call", opened=True)
    call = sample(call_grammar([NOW], NUMBERED, "call"), random.Random(1))
    assert matches(grammar, f"Hm.\n</think>\n{call}")
    assert matches(grammar, f"\n</think>\n{call}")
    assert not matches(grammar, call)
    assert not matches(grammar, f"<think>\nHm.\n</think>\n{call}<think>")
