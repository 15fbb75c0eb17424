"""What counts as a call and what does not, in two syntaxes, with the reason in words.

Repairs have tests of their own, in `test_recover.py`; here is what neither needs one nor can have one.
"""

from __future__ import annotations

import pytest

from bridle.messages import JSON, Delta, ToolCall, ToolSpec
from bridle.wrappers import CallSyntax, Hermes, JsonLayout, MemGPT
from bridle.wrappers.syntaxes import make_syntax

ADD = ToolSpec(
    "add",
    "Add two numbers.",
    {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
)
MUSE = ToolSpec("muse", "", {"type": "object", "properties": {"inner_thoughts": {"type": "string"}}})
TOOLS = (ADD, MUSE)
CALL = ToolCall("add", {"a": 1, "b": 2})

GOOD: list[tuple[CallSyntax, str]] = [
    (MemGPT(), '{"function": "add", "params": {"inner_thoughts": "x", "a": 1, "b": 2}}'),
    (MemGPT(), '{"function":"add","params":{"a":1,"b":2}}'),
    (MemGPT(), 'Sure!\n{"params": {"a": 1, "b": 2}, "function": "add"} done'),
    (MemGPT("outer"), '{"inner_thoughts": "x", "function": "add", "params": {"a": 1, "b": 2}}'),
    (Hermes(), '<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": 2}}\n</tool_call>'),
    (Hermes(), 'Let me see.\n<tool_call>{"arguments": {"a": 1, "b": 2}, "name": "add"}</tool_call>'),
    (Hermes(), '<think>hm {"a"}</think><tool_call>\n{"name": "add", "arguments": {"a": 1, "b": 2}}'),
]


@pytest.mark.parametrize(("syntax", "text"), GOOD)
def test_calls_are_found(syntax: CallSyntax, text: str) -> None:
    reading = syntax.read(text, TOOLS)
    assert reading.calls == (CALL,)
    assert reading.refusals == ()


BAD: list[tuple[CallSyntax, str, str]] = [
    (MemGPT(), '{"function": "sub", "params": {}}', "the functions are add, muse"),
    (MemGPT(), '{"function": "add", "params": {"a": 1}}', "'b' is a required property"),
    (MemGPT(), '{"function": "add", "params": {"a": 1, "b": "x"}}', "b: 'x' is not of type 'integer'"),
    (MemGPT(), '{"function": "add", "params": [1, 2]}', "not a JSON object"),
    (MemGPT(), '{"function": "add", "params": {"a": 1, "b": NaN}}', "NaN"),
    (MemGPT(), '{"function": "add", "params": {"a": 1, "b": 1e999}}', "1e999 is too large"),
    (MemGPT(), f'{{"function": "add", "params": {{"a": {"[" * 400}{"]" * 400}}}}}', "nested more than 200"),
    (MemGPT(), f'{{"function": "add", "params": {{"a": {"[" * 9999}{"]" * 9999}}}}}', "nested more than 200"),
    (MemGPT(), '{"function": "add", "params": {"a": 1, "a": 2, "b": 2}}', "given twice"),
    (MemGPT(), '{"function": "add", "params": {"a": 1, "b": 2', "not complete"),
    (MemGPT(), '{"function": "add" "params": {}}', "'a' is a required property"),
    (Hermes(), '<tool_call>\n{"name": "sub", "arguments": {}}\n</tool_call>', "no function 'sub'"),
    (Hermes(), "<tool_call>\nsubtract the two\n</tool_call>", "the functions are add, muse"),
    (Hermes(), '<tool_call>\n{"name": "add", "arguments": {"a": 1', "not complete"),
    (
        Hermes(),
        '<tool_call>\n{"name": "add", "arguments": {a: 1}}\n</tool_call>',
        "'b' is a required property",
    ),
]


@pytest.mark.parametrize(("syntax", "text", "reason"), BAD)
def test_what_is_wrong_is_refused_with_the_reason(syntax: CallSyntax, text: str, reason: str) -> None:
    reading = syntax.read(text, TOOLS)
    assert reading.calls == ()
    assert len(reading.refusals) == 1
    assert reason in reading.refusals[0].reason


@pytest.mark.parametrize(
    ("syntax", "text"),
    [
        (MemGPT(), "Just a chat."),
        (MemGPT(), 'Set {x} and {"y": 1}, please.'),
        (MemGPT(), "an open { brace"),
        (Hermes(), "Just a chat with < and <tool"),
        (Hermes(), 'An object {"name": "Ann", "age": 3} and [1, 2] in `code`.'),
    ],
)
def test_text_stays_text(syntax: CallSyntax, text: str) -> None:
    reading = syntax.read(text, TOOLS)
    assert (reading.text, reading.calls, reading.refusals) == (text, (), ())


def test_a_call_that_is_only_thought_is_not_a_call() -> None:
    inside = '<tool_call>{"name": "add", "arguments": {"a": 1, "b": 2}}</tool_call>'
    reading = Hermes().read(f"<think>{inside}</think>No.", TOOLS)
    assert reading.calls == ()
    assert (reading.text, reading.thoughts) == ("No.", inside)


def test_a_cut_off_call_says_that_it_was_cut_off() -> None:
    for syntax, text in ((MemGPT(), '{"function": "add", "par'), (Hermes(), '<tool_call>\n{"name"')):
        reading = syntax.read(text, TOOLS, "length")
        assert reading.calls == ()
        assert "token limit" in reading.refusals[0].reason


def test_thoughts_are_an_argument_only_where_the_tool_declares_them() -> None:
    reading = MemGPT().read('{"function": "muse", "params": {"inner_thoughts": "deep"}}', TOOLS)
    assert reading.calls == (ToolCall("muse", {"inner_thoughts": "deep"}),)
    reading = MemGPT().read('{"function": "add", "params": {"inner_thoughts": "hm", "a": 1, "b": 2}}', TOOLS)
    assert (reading.calls, reading.thoughts) == ((CALL,), "hm")


def test_a_closing_mark_inside_a_string_does_not_end_the_call() -> None:
    call = ToolCall("muse", {"inner_thoughts": '</tool_call> "}" \\'})
    text = Hermes().write([call], "", "", TOOLS)
    assert Hermes().read(text, TOOLS).calls == (call,)


def test_two_objects_are_two_calls() -> None:
    text = MemGPT("none", JsonLayout()).write([CALL, CALL], "", "", TOOLS)
    assert MemGPT("none").read(text, TOOLS).calls == (CALL, CALL)


@pytest.mark.parametrize("syntax", [MemGPT(), MemGPT("outer"), Hermes()])
def test_arguments_arrive_in_pieces_and_the_name_once(syntax: CallSyntax) -> None:
    text = syntax.write([CALL], "I add.", "", TOOLS)
    reader = syntax.reader(TOOLS)
    deltas: list[Delta] = []
    for char in text:
        deltas += reader.feed(char)
    last, reading = reader.close()
    deltas += last
    assert [delta.call_name for delta in deltas if delta.call_name] == ["add"]
    assert sum(bool(delta.arguments) for delta in deltas) > 3
    assert deltas[-1].call == reading.calls[0] == CALL
    assert "".join(delta.thoughts for delta in deltas) == reading.thoughts == "I add."


def test_a_key_given_twice_is_refused_where_it_is_declared_and_recorded_elsewhere() -> None:
    tool = ToolSpec("put", "", {"type": "object", "properties": {"map": {"type": "object"}}})
    text = '{"function": "put", "params": {"map": {"k": 1, "j": [{"l": 1, "l": 2}], "k": 3}}}'
    reading = MemGPT().read(text, [tool])
    assert reading.calls == (ToolCall("put", {"map": {"k": 3, "j": [{"l": 2}]}}),)
    assert [repair.before for repair in reading.repairs] == ["k", "l"]
    twice = '{"function": "put", "params": {"map": {}, "map": {"k": 1}}}'
    assert "'map' is given twice" in MemGPT().read(twice, [tool]).refusals[0].reason


def test_a_nullable_parameter_may_be_null() -> None:
    tool = ToolSpec("f", "", {"type": "object", "properties": {"x": {"type": "string", "nullable": True}}})
    assert MemGPT().read('{"function": "f", "params": {"x": null}}', [tool]).calls == (
        ToolCall("f", {"x": None}),
    )
    assert MemGPT().read('{"function": "f", "params": {"x": {}}}', [tool]).calls == ()


def test_nullable_is_a_word_of_schemas_only() -> None:
    number: dict[str, JSON] = {"type": "integer"}
    box: dict[str, JSON] = {"type": "object", "nullable": True, "properties": {"n": number}}
    properties: dict[str, JSON] = {
        "nullable": True,
        "box": box,
        "b": {"$ref": "#/properties/box/properties/n"},
    }
    tool = ToolSpec("f", "", {"type": "object", "properties": properties})
    for params, good in (('"b": 1, "box": null', True), ('"b": "x"', False), ('"nullable": [1]', True)):
        assert bool(MemGPT().read(f'{{"function": "f", "params": {{{params}}}}}', [tool]).calls) is good


@pytest.mark.parametrize("thinking", [False, True])
def test_thinking_that_the_prompt_began_is_thoughts(thinking: bool) -> None:
    text = 'Hm, {"a"}.\n</think>\n\nFine.' if thinking else '<think>\nHm, {"a"}.\n</think>\n\nFine.'
    reader = Hermes().reader(TOOLS, thinking=thinking)
    early = reader.feed(text)
    assert "".join(delta.thoughts for delta in early) == 'Hm, {"a"}.'
    assert "".join(delta.text for delta in early) == "Fine."
    _, reading = reader.close()
    assert (reading.thoughts, reading.text) == ('Hm, {"a"}.', "Fine.")
    assert reading == Hermes().read(text, TOOLS, thinking=thinking)


def test_brackets_in_a_text_do_not_hold_it_back() -> None:
    reader = Hermes().reader(TOOLS)
    early = reader.feed('See [1], {x} and {"y": 1}, and [a](b). More')
    assert "".join(delta.text for delta in early) == 'See [1], {x} and {"y": 1}, and [a](b). More'


def test_thoughts_that_were_shown_are_kept_when_their_call_is_none() -> None:
    reader = MemGPT("outer", JsonLayout()).reader(TOOLS)
    early = reader.feed('{"inner_thoughts": "Hm.", "function": "add", "par')
    assert [delta.thoughts or delta.call_name for delta in early] == ["Hm.", "add"]
    last, reading = reader.close("length")
    assert last == []
    assert (reading.thoughts, reading.calls) == ("Hm.", ())


def test_a_call_that_was_repaired_keeps_its_number() -> None:
    text = '<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": "2"}}\n</tool_call>'
    reader = Hermes().reader(TOOLS)
    early = reader.feed(text)
    last, reading = reader.close()
    assert reading.calls == (CALL,)
    assert [(delta.index, delta.call_name) for delta in early if delta.call_name] == [(0, "add")]
    assert last == [Delta(index=0, call=CALL)]


@pytest.mark.parametrize("before", ["", "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant"])
def test_another_way_of_a_family_to_write_calls_is_followed_too(before: str) -> None:
    syntax = make_syntax("harmony", "none", JsonLayout())
    text = (
        before + '<|channel|>commentary to=functions.add <|constrain|>json<|message|>{"a": 1, "b": 2}<|call|>'
    )
    reader = syntax.reader(TOOLS)
    deltas = [delta for char in text for delta in reader.feed(char)]
    assert "".join(delta.call_name for delta in deltas) == "add"
    assert "".join(delta.arguments for delta in deltas) == '{"a": 1, "b": 2}'
    assert "".join(delta.thoughts for delta in deltas) == ("Hm." if before else "")
    last, reading = reader.close()
    assert reading.calls == (CALL,)
    assert last == [Delta(index=0, call=CALL)]
