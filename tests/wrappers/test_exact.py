"""Turns of made-up syntaxes, read by their own shapes: what counts, what may be missing, and what is none."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.messages import JSON, ToolCall, ToolSpec
from bridle.wrappers import JsonLayout
from bridle.wrappers.syntax import Arguments, CallId, CallShape, Members, Name, Part
from bridle.wrappers.syntaxes import Declared, syntax_from_table
from bridle.wrappers.syntaxes.exact import read_exact
from bridle.wrappers.syntaxes.turns import read_turn
from bridle.wrappers.syntaxes.written import NotWritten, read_members, read_value
from own_syntaxes import OWN, OWN_TABLES

PROPERTIES: dict[str, JSON] = {"a": {"type": "integer"}, "s": {"type": "string"}, "v": {}, "a b": {}}
ADD = ToolSpec("add", "", {"type": "object", "properties": PROPERTIES})
ODD = ToolSpec(" b::c", "", {"type": "object", "properties": {"why": {"type": "string"}}})
TOOLS = (ADD, ODD)
CALL = ToolCall("add", {"a": 1, "s": "x", "a b": [True, None, {"k": "é\n"}, []]})
BY_NAME: dict[str, Declared] = {syntax.label: syntax for syntax in OWN}
every_own = pytest.mark.parametrize("syntax", OWN, ids=repr)


def named(*parts: Part, text_close: str = "") -> CallShape:
    whole = parts or ("@", Name(quoted=False), ":", Arguments(), "@")
    return CallShape(whole, JsonLayout(), trigger="@", text_close=text_close)


@every_own
def test_calls_text_and_thoughts_come_back(syntax: Declared) -> None:
    calls = (CALL, ToolCall(" b::c", {"why": "why?"}))[: 2 if syntax.shape.parallel else 1]
    said = "Yes {so} [it] is." if syntax.shape.text_first else ""
    thought = "Hm, so." if syntax.label in ("own_named", "own_object", "own_lines") else ""
    written = syntax.write(calls, thought, said, TOOLS, ("one:3",))
    reading = syntax.read(written, TOOLS)
    assert (reading.calls, reading.text, reading.thoughts) == (calls, said, thought)
    assert (reading.repairs, reading.refusals) == ((), ())


@every_own
def test_the_marks_at_the_end_may_be_missing_unless_the_text_was_cut(syntax: Declared) -> None:
    written = syntax.write([CALL], "", "", TOOLS)
    without = written[:-1]
    assert syntax.read(without, TOOLS).calls == (CALL,)
    assert syntax.read(without, TOOLS, "length").calls == ()
    assert syntax.read(written, TOOLS, "length").calls == (CALL,)


@every_own
def test_blanks_between_the_parts_count_for_nothing(syntax: Declared) -> None:
    call = ToolCall("add", {"a": 1})
    written = syntax.write([call], "", "", TOOLS)
    wide = written.replace(syntax.shape.trigger, syntax.shape.trigger + " \n", 1)
    assert syntax.read(f"\n {wide} \n\n", TOOLS).calls == (call,)


@every_own
def test_text_alone_loses_the_marks_of_its_place(syntax: Declared) -> None:
    written = syntax.write([], "", "It is on.", TOOLS)
    assert syntax.read(written, TOOLS).text == "It is on."


@every_own
def test_a_call_that_the_schema_does_not_accept_is_refused_with_the_reason(syntax: Declared) -> None:
    reading = syntax.read(syntax.write([ToolCall("add", {"a": "x"})], "", "", TOOLS), TOOLS)
    assert reading.calls == ()
    assert "wrong arguments for add" in reading.refusals[0].reason


@every_own
def test_an_unknown_function_is_refused_by_its_name(syntax: Declared) -> None:
    reading = syntax.read(syntax.write([ToolCall("sub", {})], "", "", TOOLS), TOOLS)
    assert reading.calls == ()
    assert reading.refusals[0].reason.startswith("there is no function 'sub'")


@every_own
@given(at=st.integers(0, 200), piece=st.text("@~<{}[]()\"'«:;,=\n 1aé", max_size=3), cut=st.integers(0, 4))
def test_a_damaged_turn_never_fails_and_never_invents(
    syntax: Declared, at: int, piece: str, cut: int
) -> None:
    written = syntax.write([CALL], "Hm.", "", TOOLS)
    damaged = written[: at % len(written)] + piece + written[at % len(written) + cut :]
    for call in syntax.read(damaged, TOOLS).calls:
        assert call.name in ("add", " b::c")


def test_what_has_the_mark_and_is_no_call_is_refused() -> None:
    syntax = BY_NAME["own_named"]
    reading = syntax.read('Yes. «CALLS»@@add::{"a": 1@@«END»', TOOLS)
    assert reading.calls == ()
    assert "'«CALLS»' is not written as a call must be" in reading.refusals[0].reason
    assert syntax.read("Yes. {CALLS}", TOOLS).refusals == ()


def test_other_ways_of_writing_are_understood_too() -> None:
    other = '<tool_call>\n{"name": "add", "arguments": {"a": 2}}\n</tool_call>'
    for syntax in OWN:
        assert syntax.read(other, TOOLS).calls == (ToolCall("add", {"a": 2}),)


@pytest.mark.parametrize("opened", [False, True])
def test_thinking_ends_at_its_own_mark(opened: bool) -> None:
    syntax = BY_NAME["own_named"]
    lead = "" if opened else "((HM "
    call = 'Yes.\n«CALLS»@@add::{"a": 1}@@«END»'
    for answer, calls in ((call, (ToolCall("add", {"a": 1}),)), ("Yes.", ())):
        reading = syntax.read(f"{lead}is it so? HM)){answer}", TOOLS, thinking=opened)
        assert (reading.thoughts, reading.text, reading.calls) == ("is it so?", "Yes.", calls)
    endless = syntax.read(f"{lead}is it {call}", TOOLS, thinking=opened)
    assert (endless.thoughts, endless.text, endless.calls) == (f"is it {call}", "", ())


def test_thinking_in_marks_that_others_know_is_read_as_theirs() -> None:
    table = {**OWN_TABLES["own_named"], "think_open": "<think>", "think_close": "</think>"}
    syntax = syntax_from_table(table, "my.toml")
    reading = syntax.read("<think>is it so?</think>Yes.", TOOLS)
    assert (reading.thoughts, reading.text) == ("is it so?", "Yes.")


def test_a_stream_hands_on_text_and_arguments_early() -> None:
    syntax = BY_NAME["own_named"]
    reader = syntax.reader(TOOLS)
    deltas = [delta for char in 'So it is.\n«CALLS»@@add::{"a": 1' for delta in reader.feed(char)]
    assert "".join(delta.text for delta in deltas) == "So it is."
    assert [delta.call_name for delta in deltas if delta.call_name] == ["add"]
    assert "".join(delta.arguments for delta in deltas).startswith('{"a": ')


@pytest.mark.parametrize(
    "text",
    ["", "f", "@", "@f", "@f:", "@f:[1]@", "@f:{}@x", "@f:{}@@f:{}@", "@f:{'a':1}@", "@f:" + '{"a":' * 5000],
)
def test_what_is_not_just_so_is_none(text: str) -> None:
    tool = ToolSpec("f", "", {"type": "object"})
    assert read_exact(text, named(), [tool]) is None


def test_an_id_need_not_be_there() -> None:
    shape = named("@", Name(quoted=False), CallId("#", ""), ":", Arguments(), CallId("", "#"), "@")
    for text in ("@add#x7:{}@", "@add:{}@", "@add#1:{}1#@"):
        reading = read_exact(text, shape, TOOLS)
        assert reading is not None
        assert reading.calls == (ToolCall("add"),)
    assert read_exact("@add#1", shape, TOOLS) is None


def test_arguments_may_stand_before_the_name() -> None:
    shape = named("@", Arguments(thoughts_key="why"), "=>", Name(quoted=True), "@", text_close="/")
    reading = read_exact('Yes./ @{"why": {"x": 1}, "a": 1}=>"add"@', shape, TOOLS)
    assert reading is not None
    assert (reading.text, reading.thoughts) == ("Yes.", '{"x": 1}')
    assert reading.calls == (ToolCall("add", {"a": 1}),)
    owned = read_exact('@{"why": "because"}=>" b::c"@', shape, TOOLS)
    assert owned is not None
    assert owned.calls == (ToolCall(" b::c", {"why": "because"}),)


def test_another_way_to_write_a_call_is_read() -> None:
    syntax = syntax_from_table({**OWN_TABLES["own_named"], "also": "%%${name}%${arguments}%%"}, "my.toml")
    assert syntax.read('%%add%{"a": 1}%%', TOOLS).calls == (ToolCall("add", {"a": 1}),)
    assert read_turn("%%", syntax.shape, TOOLS, also=syntax.also).text == "%%"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[ ]", []),
        ("{ }", {}),
        ('{\'a\': "b\'", "c": [True, None, -1.5e3]}', {"a": "b'", "c": [True, None, -1500.0]}),
        (r"'it\'s \x41'", "it's A"),
        (r'"\x41"', "A"),
    ],
)
def test_python_values_are_read(text: str, value: JSON) -> None:
    assert read_value(text + ";", 0, "python") == (value, len(text))


@pytest.mark.parametrize("text", ["", "x", "[1", "[1 2]", "{1: 2}", "{'a' 2}", "'a", "[" * 300 + "]" * 300])
def test_what_is_no_python_value_is_told(text: str) -> None:
    with pytest.raises(NotWritten):
        read_value(text, 0, "python")


def test_gemma_values_are_read() -> None:
    text = '{a.b:[<|"|>x &lt;|"|><|"|>,1],<|"|>c d<|"|>:true}'
    assert read_value(text, 0, "gemma") == ({"a.b": ['x <|"|>', 1], "c d": True}, len(text))
    for wrong in ("{+:1}", '<|"|>x'):
        with pytest.raises(NotWritten):
            read_value(wrong, 0, "gemma")


@pytest.mark.parametrize(
    ("members", "text"),
    [
        (Members("", "=", "", ",", "python"), "a=1,a=2)"),
        (Members("", "=", "", ",", "python"), "**{'x': 1, 'y': 2})"),
        (Members("", "=", "", ",", "python"), "a 1)"),
        (Members("", "=", "!", ",", "python"), "a=1)"),
        (Members("", "=", ""), "a=1)"),
        (Members("", " ", "!"), "z 1!)"),
        (Members("", "=", "", ",", "gemma"), '<|"|>a b<|"|>:1)'),
    ],
)
def test_members_that_are_not_just_so_are_told(members: Members, text: str) -> None:
    with pytest.raises(NotWritten):
        read_members(text, 0, members, ADD, ")")


def test_an_argument_that_the_schema_does_not_name_is_read_up_to_the_middle() -> None:
    members = Members("<~.", ".~>\n", "\n<~;~>\n")
    read = read_members("<~.new.~>\n12\n<~;~>\n<~.s.~>12<~;~>)", 0, members, ADD, ")")
    assert read[0] == {"new": 12, "s": "12"}


@every_own
@pytest.mark.parametrize("piece", ["@", "@ ", " ", "«CALLS»", '{"a": ', "add := ", "<~.s.~>", "a=[", "CALL "])
def test_reading_takes_time_in_proportion_to_the_text(syntax: Declared, piece: str) -> None:
    lead = syntax.write([ToolCall("add", {"s": "%"})], "", "", TOOLS).partition("%")[0]
    for start in ("", lead):
        short, long = (seconds(syntax, start + piece * (size // len(piece))) for size in (4_000, 32_000))
        assert long < 24 * short + 0.05


def seconds(syntax: Declared, text: str) -> float:
    began = time.process_time()
    read_exact(text, syntax.shape, TOOLS)
    return time.process_time() - began


def test_a_table_whose_marks_are_known_is_read_as_before() -> None:
    assert not syntax_from_table({"like": "hermes", "gap": "\n\n"}, "my.toml").exact
    own = syntax_from_table(
        {"like": "hermes", "call": "@@${name}::${arguments}@@", "trigger": "@@"}, "my.toml"
    )
    assert own.exact
    assert own.read('@@add::{"a": 1}@@', TOOLS).calls == (ToolCall("add", {"a": 1}),)


@every_own
@given(said=st.text("@~<>!«CALS»{RUN: }\"hey'", max_size=20), cuts=st.lists(st.integers(0, 99), max_size=5))
def test_marks_in_text_and_thoughts_make_no_call(syntax: Declared, said: str, cuts: list[int]) -> None:
    written = syntax.write([CALL], said, said if syntax.shape.text_first else "", TOOLS)
    reader = syntax.reader(TOOLS)
    edges = sorted({0, len(written), *(cut % len(written) for cut in cuts)})
    for start, end in pairwise(edges):
        reader.feed(written[start:end])
    reading = reader.close()[1]
    assert reading == syntax.read(written, TOOLS)
    assert reading.calls == (CALL,), written
