"""Which texts hold which calls: every dialect, every fault that leaves one meaning, and what is none."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridle.errors import InputError
from bridle.messages import JSON, Finish, ToolCall, ToolSpec
from bridle.wrappers import parse_calls, read_calls
from bridle.wrappers.reading import SUSPECTS, is_call_like, recover


def tool(name: str, required: tuple[str, ...] = (), /, **properties: JSON) -> ToolSpec:
    schema: dict[str, JSON] = {"type": "object", "properties": properties, "required": list(required)}
    return ToolSpec(name, "", schema)


TEXT: JSON = {"type": "string"}
NUMBER: JSON = {"type": "integer"}
RIDE = tool(
    "book_ride", ("place",), place=TEXT, seats=NUMBER, kind={"type": "string", "enum": ["van", "bike"]}
)
SAVE = tool("save", ("file", "text"), file=TEXT, text=TEXT)
NOTE = tool("note", ("words",), words=TEXT, tags={"type": "array"}, more={"type": "object"})
NOW = tool("now")
NAMED = tool("greet", ("name",), name=TEXT)
DOTTED = tool("geo.area", ("side",), side=NUMBER)
TOOLS = (RIDE, SAVE, NOTE, NOW, NAMED, DOTTED)
BERN = ToolCall("book_ride", {"place": "Bern"})
OBJECT = '{"name": "book_ride", "arguments": {"place": "Bern"}}'


def calls(text: str, dialect: str | None = None, finish: Finish = "stop") -> tuple[ToolCall, ...]:
    return recover(text, TOOLS, dialect, finish).calls


DIALECTS = [
    OBJECT,
    '{"function": "book_ride", "params": {"place": "Bern"}}',
    f"<tool_call>\n{OBJECT}\n</tool_call>",
    f"<tool_call>[{OBJECT}]</tool_call>",
    f"<tool_calls>\n{OBJECT}\n</tool_calls>",
    f"[TOOL_CALLS] [{OBJECT}]</s>",
    '[TOOL_CALLS]book_ride[ARGS]{"place": "Bern"}',
    '[TOOL_CALLS]book_ride[CALL_ID]123456789[ARGS]{"place": "Bern"}',
    f"functools[{OBJECT}]",
    f"<|tool_call|>[{OBJECT}]<|/tool_call|>",
    f"<TOOLCALL>[{OBJECT}]</TOOLCALL>",
    "<|python_start|>[book_ride(place='Bern')]<|python_end|>",
    "<|tool_call_start|>[book_ride(place='Bern')]<|tool_call_end|>",
    '<|python_tag|>book_ride.call(place="Bern")',
    '[book_ride(place="Bern")]',
    'book_ride(place="Bern")',
    'book_ride({"place": "Bern"})',
    '```tool_code\nprint(book_ride(place="Bern"))\n```',
    '<function=book_ride>{"place": "Bern"}</function>',
    "<tool_call>\n<function=book_ride>\n<parameter=place>\nBern\n</parameter>\n</function>\n</tool_call>",
    '<invoke name="book_ride"><parameter name="place">Bern</parameter></invoke>',
    '<minimax:tool_call>\n<invoke name="book_ride">\n<parameter name="place">Bern</parameter>\n</invoke>\n'
    "</minimax:tool_call>",
    "<tool_call>book_ride\n<arg_key>place</arg_key>\n<arg_value>Bern</arg_value>\n</tool_call>",
    '<|tool_call>call:book_ride{place:<|"|>Bern<|"|>}<tool_call|>',
    ">>>book_ride\n" + '{"place": "Bern"}',
    "book_ride\n" + '{"place": "Bern"}',
    'Action: ```json\n[{"tool_name": "book_ride", "parameters": {"place": "Bern"}}]\n```',
    'Thought: a ride.\nAction: book_ride\nAction Input: {"place": "Bern"}\nObservation: done',
    "Action: book_ride\nAction Input: Bern",
    '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "book_ride", "parameters": {"place": "Bern"}}]'
    "<|END_ACTION|>",
    '<|channel|>commentary to=functions.book_ride <|constrain|>json<|message|>{"place":"Bern"}<|call|>',
    ' to=functions.book_ride<|channel|>commentary json<|message|>{"place": "Bern"}<|call|>',
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>book_ride\n```json\n"
    '{"place": "Bern"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    '<｜tool▁call▁begin｜>book_ride<｜tool▁sep｜>{"place": "Bern"}<｜tool▁call▁end｜>',
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.book_ride:0<|tool_call_argument_begin|>"
    '{"place": "Bern"}<|tool_call_end|><|tool_calls_section_end|>',
    '[call]book_ride[with]{"place": "Bern"}[done]',
    '{"tool_calls": [{"id": "1", "type": "function", "function": {"name": "book_ride",'
    ' "arguments": "{\\"place\\": \\"Bern\\"}"}}]}',
    '{"type": "function", "function": {"name": "book_ride", "arguments": {"place": "Bern"}}}',
    '{"jsonrpc": "2.0", "id": 1, "method": "book_ride", "params": {"place": "Bern"}}',
    '{"tool": "book_ride", "args": {"place": "Bern"}}',
    '{"action": "book_ride", "action_input": {"place": "Bern"}}',
    '{"tool_uses": [{"recipient_name": "functions.book_ride", "parameters": {"place": "Bern"}}]}',
    '{"thought": "hm", "action": {"name": "book_ride", "args": {"place": "Bern"}}}',
    '{"book_ride": {"place": "Bern"}}',
    '{"name": "book_ride", "place": "Bern"}',
    f"```json\n{OBJECT}\n```",
    f"```json\n[{OBJECT}]\n```",
    f"```xml\n<tool_call>\n{OBJECT}\n</tool_call>\n```",
    f"<tool_call>\n```json\n{OBJECT}\n```\n</tool_call>",
    '```\n<function=book_ride>{"place": "Bern"}</function>\n```',
    '```python\nbook_ride(place="Bern")\n```',
    '```python\n[book_ride(place="Bern")]\n```',
    '`book_ride(place="Bern")`',
    'book_ride {"place": "Bern"}',
    "book_ride(**{'place': 'Bern'})<|im_end|>",
    '[default_api.book_ride(place="Be" "rn")]',
    '<tool_call>"{\\"name\\": \\"book_ride\\", \\"arguments\\": {\\"place\\": \\"Bern\\"}}"</tool_call>',
    "<tool_call>book_ride(place='Bern')</tool_call>",
    '{"tool": {"name": "book_ride"}, "args": {"place": "Bern"}}',
    'call:book_ride{place:<|"|>Bern<|"|>}',
    'all\nSure.>>>book_ride\n{"place": "Bern"}',
    "<|channel|>commentary to=functions.book_ride<|message|>Bern<|call|>",
    '{"name": "book_ride", "arguments": {"place": "Bern"}, "id": "1"}; ',
]


@pytest.mark.parametrize("text", DIALECTS)
def test_a_call_is_found_in_any_dialect(text: str) -> None:
    reading = recover(text, TOOLS)
    assert reading.calls == (BERN,)
    assert reading.refusals == ()


FAULTS = [
    '{"name": "book_ride", "arguments": {"place": "Bern",},}',
    "{'name': 'book_ride', 'arguments': {'place': 'Bern'}}",
    "{name: 'book_ride', arguments: {place: 'Bern'}}",
    '{"name": "book_ride", "arguments": {place": "Bern"}}',
    '{"name": "book_ride", "arguments": {"place: "Bern"}}',
    '{"name": "book_ride" "arguments": {"place": "Bern"}}',
    '{"name": "book_ride", // which\n "arguments": {"place": "Bern" /* where */}}',
    '{"name": "book_ride, "arguments": {"place": "Bern"}}',
    '{"name": "book_ride", "arguments": {"place": "Bern"}',
    '{"name": "book_ride", "arguments": {"place": "Bern"',
    '{"name": "book_ride", "arguments": {"place": "Bern",\n',
    '{"name": "book_ride", "arguments": {"place": "Bern"}\nFUNCTION RETURN {"status": "OK", "place": "x"}',
    '{"name": "book_ride", "arguments": {"place": "Bern",\nAAAA AAAA AAAA',
    '<tool_call>\n"name": "book_ride", "arguments": {"place": "Bern"}}\n</tool_call>',
    '<tool_call>\n{"name": "book_ride", "arguments": {"place": "Bern"}\n</tool_call>',
    f"{OBJECT}\n</tool_call>",
    f"<tool_call>\n{OBJECT}",
    f"<tool_call><tool_call>\n{OBJECT}</tool_call></tool_call>",
    f"{OBJECT}]}}}}",
    f"\ufeff{OBJECT}",
    f"<tool_call>\n\ufeff{OBJECT}\ufeff</tool_call>",
    '{ // a ride\n "name": "book_ride", /* to */ "arguments": { # where\n "place": "Bern"}}',
    '"name": "book_ride", "arguments": {"place": "Bern"}}',
    "{&quot;name&quot;: &quot;book_ride&quot;, &quot;arguments&quot;: {&quot;place&quot;: &quot;Bern&quot;}}",
    '{"name": "book\\_ride", "arguments": {"place": "Bern"}}',
    '[book_ride(place="Bern"]',
    '>>>book_ride\n{"place": "Bern"',
    "book_ride\n<arg_key>place</arg_key>\n<arg_value>Bern</arg_value>\n</tool_call>",
    "<function=book_ride>\n<place>Bern</place>\n</function>",
    '<|tool_call>call:book_ride{place:<|"|>Bern}<tool_call|>',
    'functions.book_ride:0<|tool_call_argument_begin|>{"place": "Bern"}<|tool_call_end|>',
    '<function=book_ride{"place": "Bern"}</function>',
    "<function=book_ride>\n<parameter==place>\nBern\n</parameter>\n</function>",
    "<function=book_ride>\n<parameter=place>\nBern\n/parameter>\n</function>",
    'Action: book_ride\nAction Input: place="Bern"',
    f'{OBJECT}\nAssistant: {{"name": "now", "arguments": {{}}}}',
    f"<|im_start|>assistant\n{OBJECT}<|im_end|>",
    "{“name”: “book_ride”, “arguments”: {“place”: “Bern”}}",
    '{"name": "functions.book_ride", "arguments": {"place": "Bern"}}',
    '{"name": "BookRide", "arguments": {"place": "Bern"}}',
    '{"name": "book_ride<|channel|>commentary", "arguments": {"place": "Bern"}}',
    '{"name": "book_ride", "arguments": {"Place": "Bern"}}',
    '{"name": "book_ride", "arguments": {"place": "Bern", "colour": "red"}}',
    '{"name": "book_ride", "arguments": {"place": "Bern", "seats": null}}',
    '{"name": "book_ride", "arguments": {"place": Bern}}',
    '{"name": "book_ride", "arguments": "{\\"place\\": \\"Bern\\"}"}',
    '{"name": "book_ride", "arguments": {"arguments": {"place": "Bern"}}}',
    f'{{"name": "book_ride", "arguments": {OBJECT}}}',
    '{"name": "book_ride", "arguments": "Bern"}',
    '{"name": "book_ride", "arguments": [{"place": "Bern"}]}',
    '{\\"name\\": \\"book_ride\\", \\"arguments\\": {\\"place\\": \\"Bern\\"}}',
    '"{\\"name\\": \\"book_ride\\", \\"arguments\\": {\\"place\\": \\"Bern\\"}}"',
    '{"name": "book_ride", "arguments": {"place": "Bern", "place": "Bern"}}',
    "<tool_call>\n<function=book_ride>\n<parameter=place>\nBern\n</function>\n</tool_call>",
    "<function=book_ride>\n<parameter=place>\nBern\n</parameter>\n</function>\n</tool_call>",
    "<tool_call>\nbook_ride\n<parameter=place>\nBern\n</parameter>\n</function>",
    "<tool_call>book_ride\n<arg_key>place</arg_key>\n<arg_value>Bern\n</tool_call>",
    '<|tool_call>call:book_ride{place:<|"|>Bern<|"|>}',
    "book_ride('Bern')",
    '[book_ride(place="Bern")',
    '[book_ride(place="Bern",)]',
    'analysisA ride.assistantcommentary to=functions.book_ride json{"place":"Bern"}',
]


@pytest.mark.parametrize("text", FAULTS)
def test_a_fault_that_leaves_one_meaning_is_repaired_and_recorded(text: str) -> None:
    reading = recover(text, TOOLS)
    assert reading.calls == (BERN,)
    clean = (
        "<",
        "\ufeff",
        OBJECT,
        "[book_ride",
        "{“",
        "functions.",
        "book_ride\n<",
        "analysis",
        '{"name": "book_ride", "arguments": {"place": "Bern"}\n<',
    )
    assert reading.repairs or text.startswith(clean)


NEVER = [
    "<tool_call></tool_call>",
    "<tool_call>\nI don't know.\n</tool_call>",
    "<tool_call>\nwhat",
    '<tool_call>{"place": "Bern"}</tool_call>',
    "<tool_call>{'place': 'Bern'}</tool_call>",
    '<tool_call>"Bern"</tool_call>',
    '<tool_call>"[1]"</tool_call>',
    "<|channel|>commentary",
    "```\nbook_ride is a function\n```",
    '```json\n{"place": "Bern"}\n```',
    f"```yaml\n{OBJECT}\n```",
    f"for example [{OBJECT}]",
    "book_ride(place='Bern') and more",
    "book_ride(place=",
    "[book_ride(place='Bern' 'x' 5)]",
    "[book_ride(**5)]",
    "[book_ride(place='Bern', place='Rome')]",
    '{"tool_calls": []}',
    '{"tool_calls": [1]}',
    '{"function": "nothing"}',
    '{"name": "Ana", "age": 5}',
    '{"name": "now", "result": 5}',
    "Action: book_ride",
    "to=functions.now nothing",
    "call:nothing{}",
    ">>>nothing",
    "",
    "Hello.",
    "null",
    "[]",
    "{}",
    '"book_ride"',
    "I'd use book_ride(place='Bern') here, shall I?",
    "{Bern is a place, as they say.",
    "for { fmt.Println(x) }",
    '{"place": "Bern"}',
    'I would call book_ride with {"place": "Bern"}.',
    'The answer is {"name": "now"}.',
    f'{{"status": "ok", "data": {OBJECT}}}',
    f"For example, {OBJECT} does it.",
    f"```rust\nlet x = {OBJECT};\n```",
    f"<tool_response>\n{OBJECT}\n</tool_response>",
    '{"name": "book_rides", "arguments": {"place": "Bern"}}',
    '{"name": "ride", "arguments": {"place": "Bern"}}',
    '{"name": "book_ride", "arguments": {}}',
    '{"name": "book_ride", "arguments": {"town": "Bern"}}',
    '{"name": "book_ride", "arguments": {"place": {"type": "string"}}}',
    '{"name": "book_ride", "arguments": {"place": ["Bern"]}}',
    '{"name": "book_ride", "arguments": {"place": "Bern", "place": "Rome"}}',
    '{"name": "book_ride", "arguments": {"place": "Bern", "seats": "two"}}',
    '{"name": "book_ride", "arguments": {"place": "Bern", "kind": "car"}}',
    '{"name": "book_ride", "arguments": {"place": find_place()}}',
    '{"name": "book_ride", "arguments": {"place": "Be',
    '{"name": "book_ride", "arguments": {"place": "Be\\',
    '{"name": "book_ride", "arguments": {"place": "the \\"old\\" Be',
    '{"name": "book_ride", "arguments": {"place": "the "old" Be',
    '{"name": "book_ride", "arguments": {"place": "Bern", "seats": 2',
    '{"name": "book_ride", "arguments": {"place": "Bern", "seats"',
    '{"name": "book_ride", "arguments": {"place": "Bern", "seats":',
    '{"name": "note", "arguments": {"words": "x", "tags": ["a"',
    '{"name": "note", "arguments": {"words": "x", "more": {"a": "b"',
    "<tool_call>\n<function=book_ride>\n<parameter=place>\nBern",
    "<tool_call>book_ride\n<arg_key>place</arg_key>\n<arg_value>Bern",
    '<|tool_call>call:book_ride{place:<|"|>Bern',
    '[book_ride(place="Bern"',
    "[book_ride(place=home())]",
    '[book_ride("Bern", 2, "van", 4)]',
    f"<think>{OBJECT}</think>",
    f"<think>I will: <tool_call>{OBJECT}</tool_call>",
    f"[THINK]{OBJECT}[/THINK] No.",
    f"<|channel|>analysis<|message|>{OBJECT}<|end|><|start|>assistant<|channel|>final<|message|>No.<|return|>",
    f"<|START_THINKING|>{OBJECT}<|END_THINKING|>",
    f"<|channel>thought\n{OBJECT}<channel|>No.",
    f"{OBJECT}\n</think>\nNo.",
    '{"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}}',
    '{"function": "book_ride", "tool": "save", "arguments": {"place": "Bern"}}',
    '{"name" "note", "arguments": {"words": "x", "more": {"name": "now", "arguments": {}}}}',
    '{""name": "note", "arguments": {"words": "x", "more": {"name": "now", "arguments": {}}}}',
    '{"status"": "ok", "data": {"name": "now", "arguments": {}}}',
    '[save(file="a", text=f"{x}")]',
    "[note(tags=['a', 'b'], more={'x' 1, 'y': 'z'}, words='w')]",
    "[note(words='w', tags=['a']], more={})]",
    '{"name": "note", "arguments": {"words": "x", "tags": ["a"}], "more": {}}}',
    '{"name": "save", "arguments": {"file": "a}, "text": "b"}}',
    '{"name": "note", "arguments": {"more": {"a": 1, "words": "x"}}',
    "<function=save>\n<parameter=file>\na\n</parameter>\nparameter=text>\nb\n</parameter>\n</function>",
]


@pytest.mark.parametrize("text", NEVER)
def test_what_is_no_call_is_never_made_one(text: str) -> None:
    assert calls(text) == ()


OPEN_ENDS = [
    '{"name": "book_ride", "arguments": {"place": "Bern"}',
    '{"name": "book_ride", "arguments": {"place": "Bern"',
    '{"name": "book_ride", "arguments": {"place": "Bern",\n',
    '<tool_call>\n{"name": "book_ride", "arguments": {"place": "Bern"',
    "<tool_call>\n<function=book_ride>\n<parameter=place>\nBern",
    "<tool_call>book_ride\n<arg_key>place</arg_key>\n<arg_value>Bern",
    '<|tool_call>call:book_ride{place:<|"|>Bern<|"|>',
    'to=functions.book_ride<|message|>{"place": "Bern"',
    '[book_ride(place="Bern"',
    "Action: book_ride\nAction Input: Ber",
    "<function=book_ride>\n<parameter=place>\nBern\n</parameter>\n<par",
    "<tool_call>book_ride\n<arg_key>place</arg_key>\n<arg_value>Bern</arg_value>\n<",
    '{"name": "book_ri',
]


@pytest.mark.parametrize("text", OPEN_ENDS)
def test_at_the_token_limit_nothing_is_closed_for_the_model(text: str) -> None:
    reading = recover(text, TOOLS, finish="length")
    assert reading.calls == ()
    assert "token limit" in reading.refusals[0].reason


QUOTES = [
    'She said "stop" and left',
    'os.environ.get("HOME", "none")',
    '<h1 id="top">A "new" day?</h1>',
    'd = {"a": "b"}; print(d["a"])',
    '"quoted"',
    'one, "two", three: "four"',
    'x = "\nline "two"\n',
]


@pytest.mark.parametrize("inner", QUOTES)
def test_quotes_that_were_not_escaped_belong_to_the_text(inner: str) -> None:
    wanted = ToolCall("save", {"file": "a.py", "text": inner})
    assert calls(f'{{"name": "save", "arguments": {{"file": "a.py", "text": "{inner}"}}}}') == (wanted,)
    assert calls(f'{{"name": "save", "arguments": {{"text": "{inner}", "file": "a.py"}}}}') == (wanted,)
    assert calls(f'{{"text": "{inner}", "file": "a.py"}}', "args_only:save") == (wanted,)


@pytest.mark.parametrize("inner", ['a "b" c', "it's", 'x, "y", z'])
def test_quotes_inside_of_pythons_strings(inner: str) -> None:
    for quote in "\"'":
        wanted = ToolCall("save", {"file": "a", "text": inner})
        assert calls(f"[save(file='a', text={quote}{inner}{quote})]") == (wanted,)
        assert calls(f"[save(text={quote}{inner}{quote} file='a'), now()]") == (wanted, ToolCall("now"))


def test_calls_whose_brackets_all_are_missing_end_in_a_number_too() -> None:
    one, two = (f'{{"name": "geo.area", "arguments": {{"side": {side}' for side in (4, 25))
    assert calls(one) == ()
    assert calls(f"{one}\n{two}") == (ToolCall("geo.area", {"side": 4}), ToolCall("geo.area", {"side": 25}))


def test_escaped_underscores_and_entities_are_undone_in_values_too() -> None:
    text = '{"name": "book\\_ride", "arguments": {"place": "A\\_B"}}'
    assert calls(text) == (ToolCall("book_ride", {"place": "A_B"}),)
    assert calls('{"name": "book_ride", "arguments": {"place": "A\\_B"}}')[0].arguments == {"place": "A\\_B"}
    entities = OBJECT.replace("Bern", "A &amp; B").replace('"', "&quot;")
    assert calls(f"{entities}\n{entities}") == (ToolCall("book_ride", {"place": "A & B"}),) * 2


def test_pythons_calls_may_follow_prose_where_they_were_asked_for() -> None:
    text = "Sure!\n\nbook_ride(place='Bern')\nnow()"
    assert calls(text) == ()
    reading = recover(text, TOOLS, "pythonic")
    assert (reading.text, reading.calls) == ("Sure!", (BERN, ToolCall("now")))


def test_the_arguments_of_a_known_function_need_no_name() -> None:
    assert calls('{"place": "Bern"} ', "args_only:book_ride") == (BERN,)
    assert calls('{"place": "Bern", "kind": van"}', "args_only:book_ride")[0].arguments["kind"] == "van"
    assert calls('{"place": "Bern", "kind": vans"}', "args_only:book_ride") == ()
    assert calls(OBJECT, "args_only:book_ride") == (BERN,)
    assert calls('{"name": "Ana"}', "args_only:greet") == (ToolCall("greet", {"name": "Ana"}),)
    assert calls("", "args_only:now") == (ToolCall("now"),)
    assert calls("no idea", "args_only:now") == ()
    assert calls('{}{"place": "Bern"}', "args_only:book_ride") == (BERN,)
    assert calls('{"place": "Bern"}\n{"place": "Bern"} ok', "args_only:book_ride") == (BERN,)
    assert calls('{"place": "Bern"}{"place": "Rome"}', "args_only:book_ride") == ()
    assert calls('"{\\"place\\": \\"Bern\\"}"', "args_only:book_ride") == (BERN,)


def test_a_parameter_may_be_called_name() -> None:
    greeting = (ToolCall("greet", {"name": "Ana"}),)
    assert calls('{"name": "greet", "arguments": {"name": "Ana"}}') == greeting
    assert calls('{"arguments": {"name": "Ana"}, "name": "greet"}') == greeting
    assert calls('{"function": "greet", "name": "Ana"}') == greeting


def test_several_calls_are_found_and_bad_ones_among_them_refused() -> None:
    unknown = '{"name": "bern", "arguments": {}}'
    reading = recover(f"{unknown}; {OBJECT}", TOOLS)
    assert reading.calls == (BERN,)
    assert "the functions are book_ride, save, note" in reading.refusals[0].reason
    two = f'<tool_call>\n{OBJECT}\n{{"name": "now", "arguments": null}}\n</tool_call>'
    assert calls(two) == (BERN, ToolCall("now"))


def test_a_refusal_says_what_is_expected() -> None:
    reason = recover('{"name": "book_ride", "arguments": {"seats": "2"}}', TOOLS).refusals[0].reason
    assert "'place' is a required property" in reason
    assert 'place (string, required), seats (integer), kind ("van", "bike")' in reason


def test_marks_inside_of_values_are_part_of_them() -> None:
    text = "x</tool_call>y<think>z</think>"
    body = f'{{"name": "save", "arguments": {{"file": "a", "text": "{text}"}}}}'
    assert calls(f"<tool_call>{body}</tool_call>")[0].arguments["text"] == text
    inside = 'echo "</parameter>" > x'
    xml = (
        f"<tool_call>\n<function=note>\n<parameter=words>\n{inside}\n</parameter>\n</function>\n</tool_call>"
    )
    assert calls(xml) == (ToolCall("note", {"words": inside}),)


def test_text_and_thoughts_are_kept_apart_from_calls() -> None:
    reading = recover(f"<think>\nHm.\n</think>\n\nLet me see.\n<tool_call>\n{OBJECT}\n</tool_call>", TOOLS)
    assert (reading.thoughts, reading.text, reading.calls) == ("Hm.", "Let me see.", (BERN,))
    assert (reading.repairs, reading.refusals) == ((), ())
    reading = recover('{"function": "now", "params": {"inner_thoughts": "Hm."}}', TOOLS)
    assert (reading.thoughts, reading.calls) == ("Hm.", (ToolCall("now"),))
    muse = tool("muse", inner_thoughts=TEXT)
    reading = recover('{"function": "muse", "params": {"inner_thought": "Hm."}}', [muse])
    assert (reading.thoughts, reading.calls) == ("", (ToolCall("muse", {"inner_thoughts": "Hm."}),))


def test_a_call_that_was_only_thought_of_is_told() -> None:
    reading = recover(f"<think>I call {OBJECT}</think>", TOOLS)
    assert reading.calls == ()
    assert "a call of book_ride stands in the thinking" in reading.refusals[0].reason
    reading = recover(f"<think>I call {OBJECT}</think>Done.", TOOLS)
    assert (reading.calls, reading.refusals, reading.text) == ((), (), "Done.")
    assert reading.repairs[0].what == "call in thinking"
    assert recover(f"<think>I call {OBJECT}</think>{OBJECT}", TOOLS).repairs == ()


def test_thinking_that_the_prompt_opened_ends_at_its_mark() -> None:
    reading = recover(f"I might {OBJECT}\n</think>\n\n{OBJECT}", TOOLS, thinking=True)
    assert (reading.thoughts, reading.calls) == (f"I might {OBJECT}", (BERN,))
    reading = recover(f"still thinking {OBJECT}", TOOLS, thinking=True)
    assert (reading.thoughts, reading.text, reading.calls) == (f"still thinking {OBJECT}", "", ())


@pytest.mark.parametrize(
    "text",
    ["Just a chat.", 'Set {x} and {"y": 1}, please.', "an open { brace", "a < b > c [1] `x`", "1. {a: b}"],
)
def test_text_stays_as_it_is(text: str) -> None:
    reading = recover(text, TOOLS)
    assert (reading.text, reading.calls, reading.refusals, reading.repairs) == (text, (), (), ())


def test_nothing_after_the_end_of_the_turn_is_read() -> None:
    for leak in ("<|im_end|>\n<|im_start|>user\nok", "\nuser: ok\nassistant: ", "\nFUNCTION RETURN: "):
        reading = recover(f'{OBJECT}{leak}{{"name": "now", "arguments": {{}}}}', TOOLS)
        assert reading.calls == (BERN,)
        assert reading.repairs[0].what.startswith("text ")


def test_calls_that_repeat_one_another_count_once_only_where_that_is_asked() -> None:
    text = "\n".join([OBJECT] * 3)
    assert calls(text) == (BERN, BERN, BERN)
    reading = recover(text, TOOLS, once=True)
    assert reading.calls == (BERN,)
    assert [repair.what for repair in reading.repairs] == ["repeated call"] * 2
    assert read_calls(text, TOOLS).calls == (BERN,)


def test_only_what_may_be_a_call_is_held_back() -> None:
    assert is_call_like(OBJECT, TOOLS)
    assert is_call_like('{"name": "nothing", "arguments": {}}')
    assert not is_call_like('{"city": "Bern"}', TOOLS)
    assert not is_call_like("[1, 2]", TOOLS)
    assert all(SUSPECTS)


RIDE_DICT: dict[str, object] = {
    "type": "function",
    "function": {
        "name": "book_ride",
        "parameters": {
            "type": "dict",
            "properties": {"place": {"type": "str"}, "far": {"type": "float"}, "any": {"type": "any"}},
            "required": ["place"],
        },
    },
}


def test_tools_may_be_dicts_with_the_types_of_other_languages() -> None:
    text = '{"name": "book_ride", "arguments": {"place": "Bern", "far": "2.5", "any": [1]}}'
    found = parse_calls(text, [RIDE_DICT], {"dialect": None, "finish_reason": "stop"})
    assert found == [{"name": "book_ride", "arguments": {"place": "Bern", "far": 2.5, "any": [1]}}]
    assert parse_calls("Hi.", [RIDE_DICT], {}) is None
    assert parse_calls(text[:-2], [RIDE_DICT], {"finish_reason": "length"}) is None
    with pytest.raises(InputError):
        parse_calls("", [{"function": 1}], {})


PIECES = st.sampled_from(
    [
        *SUSPECTS,
        '"name": "now"',
        '"arguments": {',
        '{"function": "now", "params": {',
        "now(",
        "[now(",
        "}",
        '"',
        "'",
        "\\",
        "\\u12",
        ",",
        ":",
        "]",
        ")",
        "\n",
        " ",
        "1",
        "**{",
        "//",
        "/*",
        "True",
        "\ud83d",
        "<|message|>",
        "now\n{",
        "=",
        '"""',
    ]
)


@given(
    text=st.lists(st.one_of(PIECES, st.text(max_size=3)), max_size=25).map("".join),
    dialect=st.sampled_from([None, "hermes", "functionary32", "args_only:now", "json"]),
    finish=st.sampled_from(["stop", "length"]),
    thinking=st.booleans(),
)
@example(text='{"name": "now", "arguments": {"a": 1e999}}', dialect=None, finish="stop", thinking=False)
@example(text="{" * 9999, dialect=None, finish="stop", thinking=False)
@example(text='{"name": "now", "arguments": ' + '{"a":' * 9999, dialect=None, finish="stop", thinking=False)
@example(
    text='{"name": "now", "arguments": {"a": ' + "9" * 5000 + "}}",
    dialect=None,
    finish="stop",
    thinking=False,
)
def test_any_text_is_read(text: str, dialect: str | None, finish: Finish, thinking: bool) -> None:
    reading = recover(text, TOOLS, dialect, finish, thinking=thinking)
    assert {call.name for call in reading.calls} <= {one.name for one in TOOLS}
    first = min((at for mark in SUSPECTS if (at := text.find(mark)) >= 0), default=len(text))
    plain = text[:first].strip()
    if dialect is None and not thinking and "now" not in plain:
        assert reading.text.startswith(plain)


LONG = [
    *(mark for mark in SUSPECTS),
    '{"',
    '["',
    '[{"a":',
    '{"name":',
    '{"name": "now", "arguments": {',
    '{"name": "save", "arguments": {"text": "',
    '{"name": "save", "arguments": {"text": "x", ',
    "{'name': '",
    '{\\"name\\":',
    "<tool_call>{",
    "<tool_call>now\n<arg_key>a</arg_key>\n<arg_value>",
    "<function=now><parameter=a>",
    "\n<parameter=place>",
    "[now(",
    "now()\n",
    "[now()]",
    OBJECT,
    "to=functions.now {",
    "Action: now\nAction Input:",
    '<|"|>',
    "for example {",
    "&lt;/parameter>",
    '"\\',
    "\n",
    "a",
]


@pytest.mark.parametrize("piece", LONG)
def test_reading_takes_time_in_proportion_to_the_text(piece: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        start = time.process_time()
        recover(text, TOOLS)
        return time.process_time() - start

    seconds(1_000)
    assert seconds(160_000) < 16 * seconds(20_000) + 0.4


def test_a_model_that_has_lost_its_way_makes_no_thousand_calls() -> None:
    reading = recover('{"name": "now", "arguments": {}}\n' * 2000, TOOLS)
    assert len(reading.calls) < 300
    assert "more than 256 calls" in reading.refusals[-1].reason


def test_a_key_without_a_name_is_a_key_between_marks() -> None:
    inner: JSON = {"type": "object", "properties": {}}
    tool = ToolSpec("town", "", {"type": "object", "properties": {"": inner}, "required": [""]})
    raw = "<tool_call>town\n<arg_key></arg_key>\n<arg_value>{}</arg_value>\n</tool_call>"
    reading = recover(raw, [tool])
    assert reading.calls == (ToolCall("town", {"": {}}),)
    assert reading.repairs == ()
