"""The call syntaxes as data: what each writes, as what segments, and what a format's own table may say."""

from __future__ import annotations

import json

import pytest

from bridle.errors import FormatError
from bridle.messages import Delta, ToolCall, ToolSpec
from bridle.wrappers import CallSyntax, Hermes, JsonLayout, MemGPT, Segment
from bridle.wrappers.segments import join
from bridle.wrappers.syntaxes import SYNTAXES, Declared, make_syntax, syntax_from_table

SAY = ToolSpec(
    "say",
    "",
    {
        "type": "object",
        "properties": {"text": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["text"],
    },
)
NOW = ToolSpec("now", "", {"type": "object", "properties": {}})
TOOLS = (SAY, NOW)
CALLS = (ToolCall("say", {"text": 'a "b"', "n": 2}), ToolCall("now", {}))
FIRST = '{"text": "a \\"b\\"", "n": 2}'

SAID, NOTHING = f'{{"name": "say", "arguments": {FIRST}}}', '{"name": "now", "arguments": {}}'

WRITTEN = {
    "hermes": f"<think>\nHm.\n</think>\n\nHi.\n<tool_call>\n{SAID}\n</tool_call>"
    '\n<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>',
    "json": f'Hi.\n{{"name": "say", "arguments": {FIRST}}}',
    "json_list": f"Hi.\n[{SAID}, {NOTHING}]",
    "llama3_json": f'Hi.\n{{"name": "say", "parameters": {FIRST}}}',
    "qwen_xml": "<think>\nHm.\n</think>\n\nHi.\n\n<tool_call>\n<function=say>\n"
    '<parameter=text>\na "b"\n</parameter>\n<parameter=n>\n2\n</parameter>\n</function>\n</tool_call>\n'
    "<tool_call>\n<function=now>\n</function>\n</tool_call>",
    "pythonic": 'Hi.\n[say(text="a \\"b\\"", n=2), now()]',
    "llama4": 'Hi.<|python_start|>[say(text="a \\"b\\"", n=2), now()]<|python_end|>',
    "lfm2": '<think>Hm.</think>Hi.<|tool_call_start|>[say(text="a \\"b\\"", n=2), now()]<|tool_call_end|>',
    "mistral": f'Hi.[TOOL_CALLS][{{"name": "say", "arguments": {FIRST}, "id": "abcdefghi"}}, '
    '{"name": "now", "arguments": {}, "id": "f:7"}]',
    "mistral_args": f"[THINK]Hm.[/THINK]Hi.[TOOL_CALLS]say[CALL_ID]abcdefghi[ARGS]{FIRST}"
    "[TOOL_CALLS]now[CALL_ID]f:7[ARGS]{}",
    "functionary31": f"Hi.<function=say>{FIRST}</function><function=now>{{}}</function>",
    "functionary32": f"all\nHi.>>>say\n{FIRST}>>>now\n{{}}",
    "firefunction": f"Hi. functools[{SAID}, {NOTHING}]",
    "command_r": 'Hi.\nAction:\n```json\n[\n    {\n        "tool_name": "say",\n        "parameters": {\n'
    '            "text": "a \\"b\\"",\n            "n": 2\n        }\n    },\n    {\n'
    '        "tool_name": "now",\n'
    '        "parameters": {}\n    }\n]```',
    "command_r7b": "<|START_THINKING|>Hm.\nHi.<|END_THINKING|><|START_ACTION|>[\n"
    f'    {{"tool_call_id": "0", "tool_name": "say", "parameters": {FIRST}}},\n'
    '    {"tool_call_id": "7", "tool_name": "now", "parameters": {}}\n]<|END_ACTION|>',
    "gemma4": '<|channel>thought\nHm.\n<channel|>Hi.<|tool_call>call:say{text:<|"|>a "b"<|"|>,n:2}'
    "<tool_call|><|tool_call>call:now{}<tool_call|>",
    "phi4": f"Hi.<|tool_call|>[{SAID}, {NOTHING}]<|/tool_call|>",
    "granite": f"<think>\nHm.\n</think>\n\nHi.<|tool_call|>[{SAID}, {NOTHING}]",
    "deepseek_v3": "<think>\nHm.\n</think>\n\nHi.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function"
    f"<｜tool▁sep｜>say\n```json\n{FIRST}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n"
    "```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "deepseek_v31": f"<think>Hm.</think>Hi.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>say"
    f"<｜tool▁sep｜>{FIRST}<｜tool▁call▁end｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{{}}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "glm": "\n<think>Hm.</think>\nHi.\n<tool_call>say\n<arg_key>text</arg_key>\n"
    '<arg_value>a "b"</arg_value>\n<arg_key>n</arg_key>\n<arg_value>2</arg_value>\n</tool_call>\n'
    "<tool_call>now\n</tool_call>",
    "harmony": "<|channel|>analysis<|message|>Hm.\nHi.<|end|><|start|>assistant to=functions.say"
    f"<|channel|>commentary json<|message|>{FIRST}<|call|>",
    "kimi": "<think>Hm.</think>Hi.<|tool_calls_section_begin|><|tool_call_begin|>functions.say:0"
    f"<|tool_call_argument_begin|>{FIRST}<|tool_call_end|><|tool_call_begin|>functions.now:7"
    "<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
    "minimax_m1": "<think>\nHm.\n</think>\n\nHi.\n<tool_calls>\n"
    f'{{"name": "say", "arguments": {FIRST}}}\n{{"name": "now", "arguments": {{}}}}\n</tool_calls>',
    "minimax": '<think>\nHm.\n</think>\n\nHi.\n<minimax:tool_call>\n<invoke name="say">\n'
    '<parameter name="text">a "b"</parameter>\n<parameter name="n">2</parameter>\n</invoke>\n'
    '<invoke name="now">\n</invoke>\n</minimax:tool_call>',
    "smollm2": f"Hi.\n<tool_call>[{SAID}, {NOTHING}]</tool_call>",
    "memgpt": f'{{"function": "say", "params": {{"inner_thoughts": "Hm.\\nHi.", {FIRST[1:]}}}',
}


def calls_for(syntax: CallSyntax) -> tuple[ToolCall, ...]:
    return CALLS if syntax.shape.parallel else CALLS[:1]


@pytest.mark.parametrize("name", SYNTAXES)
def test_each_family_is_written_as_it_was_trained(name: str) -> None:
    syntax = make_syntax(name, "inner", JsonLayout())
    text = syntax.write(calls_for(syntax), "Hm.", "Hi.", TOOLS, ["abcdefghi", "f:7"])
    assert text == WRITTEN[name]
    assert syntax.dialect == name


@pytest.mark.parametrize("name", SYNTAXES)
def test_what_is_written_with_text_and_thoughts_is_read_back(name: str) -> None:
    syntax = make_syntax(name, "inner", JsonLayout())
    calls = calls_for(syntax)
    reading = syntax.read(syntax.write(calls, "Hm.", "Hi.", TOOLS), TOOLS)
    assert reading.calls == calls
    assert "Hi." in reading.text + reading.thoughts
    assert ("Hm." in reading.thoughts) == (bool(syntax.shape.think_open) or name == "memgpt")
    alone = syntax.write([], "", "Hi.", TOOLS)
    assert syntax.read(alone, TOOLS).text == "Hi."


@pytest.mark.parametrize("name", SYNTAXES)
def test_a_message_is_handed_on_while_it_is_written(name: str) -> None:
    """After half of a long string has arrived, about half of it has been handed on."""
    syntax = make_syntax(name, "inner", JsonLayout())
    message = "word " * 100
    written = syntax.write([ToolCall("say", {"text": message})], "Hm.", "", TOOLS)
    reader = syntax.reader(TOOLS)
    deltas: list[Delta] = []
    for char in written[: written.index("word") + 250]:
        deltas += reader.feed(char)
    assert [delta.call_name for delta in deltas if delta.call_name] == ["say"]
    given = "".join(delta.arguments for delta in deltas)
    assert json.loads(given + '"}')["text"] in message
    assert given.count("word") >= 48


@pytest.mark.parametrize("name", SYNTAXES)
def test_segments_are_the_written_text_and_only_markup_is_control(name: str) -> None:
    syntax = make_syntax(name, "inner", JsonLayout())
    call = ToolCall("say", {"text": "<tool_call> say", "n": 2})
    text = syntax.write([call], "", "", TOOLS)
    control = (
        "<tool_call>",
        "</tool_call>",
        "<|tool_call|>",
        "[TOOL_CALLS]",
        "<｜tool▁call▁end｜>",
        "say",
        '<|"|>',
    )
    segments = syntax.segments([call], "", "", TOOLS, (), control)
    assert "".join(segment.text for segment in segments) == text
    assert {segment.text for segment in segments if segment.control} <= set(control) - {"say"}
    assert sum("<tool_call> say" in segment.text for segment in segments if not segment.control) == 1


def test_without_control_strings_a_turn_is_one_segment() -> None:
    turn = MemGPT("outer", JsonLayout()).segments(CALLS[:1], "Hm.", "", TOOLS, (), ("<|im_end|>",))
    assert join(turn) == (Segment(MemGPT("outer", JsonLayout()).write(CALLS[:1], "Hm.", "", TOOLS)),)


def test_marks_inside_text_and_thoughts_are_broken() -> None:
    text = Hermes().write([], "a </think> b", "<tool_call>x", ())
    assert text.count("</think>") == 1
    assert "<tool_call>" not in text
    reading = Hermes().read(text, TOOLS)
    assert (reading.thoughts.replace("\u2060", ""), reading.text.replace("\u2060", "")) == (
        "a </think> b",
        "<tool_call>x",
    )


def test_syntaxes_are_values_with_a_name() -> None:
    assert make_syntax("memgpt", "outer", JsonLayout(2)) == MemGPT("outer")
    assert make_syntax("hermes", "inner", JsonLayout()) == Hermes()
    assert repr(MemGPT("outer")) == "MemGPT('outer', JsonLayout(indent=2))"
    assert repr(make_syntax("kimi", "none", JsonLayout())) == "kimi"
    assert len({make_syntax(name, "inner", JsonLayout()) for name in SYNTAXES}) == len(SYNTAXES)


def test_a_layout_spreads_the_object_of_the_families_that_have_one() -> None:
    written = make_syntax("json", "none", JsonLayout(2)).write(CALLS[1:], "", "", TOOLS)
    assert written == '{\n  "name": "now",\n  "arguments": {}\n}'


TABLE = {
    "call": "<<${name}|${members}>>",
    "members": {"open": "<", "middle": "=", "close": "</>"},
    "trigger": "<<",
    "dialect": "json",
}


def test_a_format_may_bring_its_own_calls() -> None:
    syntax = syntax_from_table(TABLE, "my.toml")
    assert syntax.write(CALLS[:1], "", "", TOOLS) == '<<say|<text=a "b"</><n=2</>>>'
    spread = syntax_from_table(
        {"call": "{${line}${quoted_name}: ${arguments}${end}}", "trigger": "{", "indent": 1}, ""
    )
    assert spread.write(CALLS[1:], "", "", TOOLS) == '{\n "now": {}\n}'


def test_a_table_may_change_a_known_syntax() -> None:
    syntax = syntax_from_table({"like": "mistral", "open": "[TOOL_CALLS] ["}, "my.toml")
    assert syntax.write(CALLS[1:], "", "", TOOLS) == '[TOOL_CALLS] [{"name": "now", "arguments": {}}]'
    assert syntax.dialect == "mistral"
    inner = syntax_from_table(
        {"like": "glm", "members": {"close": "</arg_value>"}, "empty_thoughts": False}, ""
    )
    assert inner.write(CALLS[:1], "", "", TOOLS).endswith("<arg_value>2</arg_value></tool_call>")
    assert isinstance(inner, Declared)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": 1}, ("'calls.colour'", "keys are call, trigger")),
        ({"gap": 1}, ("calls.gap is 1", "a string")),
        ({"parallel": "yes"}, ("calls.parallel is 'yes'", "true or false")),
        ({"indent": 9}, ("calls.indent is 9", "1 to 8")),
        ({"members": "x"}, ("calls.members is 'x'", "a table")),
        ({"members": {"colour": "x"}}, ("'calls.members.colour'", "open, middle")),
        ({"members": {"open": 1}}, ("calls.members.open is 1", "a string")),
        ({"members": {"values": "yaml"}}, ("calls.members.values is 'yaml'", "raw, python, gemma")),
        ({"like": "nothing"}, ("calls.like is 'nothing'", "hermes")),
        ({"dialect": "nothing"}, ("calls.dialect is 'nothing'", "hermes")),
        ({"trigger": ""}, ("calls.trigger is missing", "like")),
        ({"call": "${name} ${colour}"}, ("'${colour}'", "quoted_name")),
        ({"also": "${colour}"}, ("calls.also has the unknown place", "quoted_name")),
        ({"call": "${name}"}, ("calls.call is '${name}'", "${arguments} and ${members}")),
        ({"call": "${arguments}"}, ("calls.call is", "${name} and ${quoted_name}")),
    ],
)
def test_a_bad_table_is_refused_with_what_is_allowed(
    change: dict[str, object], words: tuple[str, str]
) -> None:
    with pytest.raises(FormatError) as caught:
        syntax_from_table({**TABLE, **change}, "my.toml")
    assert str(caught.value).startswith("my.toml: ")
    assert words[0] in str(caught.value)
    assert words[1] in str(caught.value) + str(caught.value.hint)
