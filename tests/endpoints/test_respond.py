"""One question to endpoints of every ability: what is sent, held, read, and reported."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridle.endpoints import Answer, Sampling, Supports, respond
from bridle.endpoints.budget import Fit, usual_chars
from bridle.endpoints.scripted import Scripted
from bridle.errors import BudgetError, FormatError, GrammarError, InputError, SchemaError
from bridle.grammars import Grammar, choice_grammar, matches
from bridle.messages import JSON, Delta, ToolCall, ToolSpec
from servers.refusing import BY_GRAMMAR, TOOLS

USER: list[dict[str, object]] = [{"role": "user", "content": "1 + 2?"}]
GRAMMAR = Supports(prompt=True, grammar=True, proven=True, tokenize=True)
PROMPT = Supports(prompt=True)
SCHEMA = Supports(prompt=True, chat=True, json_schema=True)
CHAT = Supports(chat=True)


def test_a_grammar_holds_the_whole_turn_where_there_is_one() -> None:
    endpoint = Scripted([BY_GRAMMAR], supports=GRAMMAR)
    completion = respond(endpoint, USER, TOOLS, tool_choice="required")
    assert completion.message.calls == (ToolCall("add", {"a": 1, "b": 2}),)
    assert completion.message.thoughts == "Easy."
    report = completion.constraint
    assert (report.asked, report.proof, report.weakened) == ("grammar", "proven", ())
    assert report.longest is not None
    assert report.longest > len(BY_GRAMMAR)
    assert completion.wrapper == "chatml"
    assert "default" in completion.wrapper_reason
    prompt = "".join(segment.text for segment in endpoint.requests[0].prompt)
    assert prompt.endswith("<|im_start|>assistant\n")
    assert "Available functions:" in prompt


def test_without_a_grammar_the_prompt_begins_the_call() -> None:
    begun = '{\n  "function":'
    endpoint = Scripted([BY_GRAMMAR.removeprefix(begun)], supports=PROMPT)
    completion = respond(endpoint, USER, TOOLS, tool_choice="required")
    assert completion.message.calls == (ToolCall("add", {"a": 1, "b": 2}),)
    assert completion.raw == BY_GRAMMAR
    assert (completion.constraint.asked, completion.constraint.proof) == ("off", "unverified")
    assert endpoint.requests[0].prompt[-1].text.endswith(begun)


def test_a_schema_holds_the_call_on_the_chat_route() -> None:
    answer = '{"inner_thoughts": "Easy.", "function": "add", "params": {"a": 1, "b": 2}}'
    endpoint = Scripted([answer], supports=SCHEMA)
    completion = respond(endpoint, USER, TOOLS, tool_choice="required")
    assert completion.message.calls == (ToolCall("add", {"a": 1, "b": 2}),)
    assert (completion.constraint.asked, completion.constraint.proof) == ("schema", "claimed")
    request = endpoint.requests[0]
    assert request.prompt == ()
    assert '"add"' in json.dumps(request.schema)
    assert request.messages[0].role == "system"
    assert "Available functions:" in request.messages[0].content


def test_the_chat_route_shows_past_calls_and_results_as_text() -> None:
    history: list[dict[str, object]] = [
        {"role": "system", "content": "Be brief."},
        *USER,
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}],
        },
        {"role": "tool", "content": "3"},
    ]
    endpoint = Scripted(["It is 3."], supports=CHAT)
    completion = respond(endpoint, history, TOOLS)
    roles = [message.role for message in endpoint.requests[0].messages]
    assert roles == ["system", "user", "assistant", "user"]
    assert '"function": "add"' in endpoint.requests[0].messages[2].content
    assert endpoint.requests[0].messages[3].content == "FUNCTION RETURN: 3"
    assert completion.message.content == "It is 3."


def test_auto_may_answer_in_text_under_a_grammar() -> None:
    endpoint = Scripted(["It is 3."], supports=GRAMMAR)
    completion = respond(endpoint, USER, TOOLS)
    assert (completion.message.content, completion.message.calls) == ("It is 3.", ())
    assert completion.constraint.proof == "proven"
    assert completion.refusals == ()


def test_none_lists_no_tools_and_asks_for_text() -> None:
    endpoint = Scripted(["It is 3."], supports=GRAMMAR)
    respond(endpoint, USER, TOOLS, tool_choice="none")
    assert endpoint.requests[0].grammar is None
    assert "Available" not in "".join(segment.text for segment in endpoint.requests[0].prompt)


def test_a_named_function_is_the_only_one() -> None:
    other = BY_GRAMMAR.replace('"add"', '"say"').replace('"a": 1,\n    "b": 2', '"text": "3"')
    completion = respond(Scripted([other], supports=GRAMMAR), USER, TOOLS, tool_choice="say")
    assert [call.name for call in completion.message.calls] == ["say"]
    unheld = Scripted([BY_GRAMMAR.removeprefix('{\n  "function":')], supports=PROMPT)
    completion = respond(unheld, USER, TOOLS, tool_choice="say", retries=0)
    assert completion.message.calls == ()
    assert "only say may be called" in completion.refusals[0].reason


def test_narrower_tools_bind_the_constraint_and_not_the_prompt() -> None:
    narrow = ToolSpec(
        "say",
        "",
        {"type": "object", "properties": {"text": {"type": "string", "enum": ["x"]}}, "required": ["text"]},
    )
    endpoint = Scripted(["no matter"], supports=GRAMMAR, grammar_checked=False)
    respond(endpoint, USER, TOOLS, allowed=[narrow], tool_choice="required")
    grammar, prompt = endpoint.requests[0].grammar, endpoint.requests[0].prompt
    assert grammar is not None
    assert grammar.longest_bytes < 2000
    assert "add" in "".join(segment.text for segment in prompt)


def test_an_endpoint_that_breaks_its_promise_is_found_out() -> None:
    endpoint = Scripted(["Sorry, no."], supports=GRAMMAR, grammar_checked=False)
    completion = respond(endpoint, USER, TOOLS, tool_choice="required")
    assert completion.constraint.proof == "violated"
    assert "call one of add, say" in completion.refusals[0].reason


def test_a_call_that_is_cut_off_is_no_call() -> None:
    endpoint = Scripted(
        [Answer(BY_GRAMMAR[:-9], "length", "length")], supports=GRAMMAR, grammar_checked=False
    )
    completion = respond(endpoint, USER, TOOLS, tool_choice="required")
    assert completion.message.calls == ()
    assert completion.finish == "length"
    assert "token limit" in completion.refusals[0].reason


def test_deltas_arrive_while_the_answer_does() -> None:
    deltas: list[Delta] = []
    endpoint = Scripted([BY_GRAMMAR], supports=GRAMMAR)
    respond(endpoint, USER, TOOLS, tool_choice="required", on_delta=deltas.append)
    assert [delta.call_name for delta in deltas if delta.call_name] == ["add"]
    assert deltas[-1].call == ToolCall("add", {"a": 1, "b": 2})


def test_a_schema_of_ones_own_shapes_the_whole_answer() -> None:
    schema: dict[str, JSON] = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
    }
    for supports, proof in ((GRAMMAR, "proven"), (SCHEMA, "claimed")):
        completion = respond(Scripted(['{"n": 3}'], supports=supports), USER, schema=schema)
        assert completion.message.content == '{"n": 3}'
        assert (completion.constraint.asked, completion.constraint.proof) == ("schema", proof)
    with pytest.raises(InputError, match="cannot hold a JSON Schema"):
        respond(Scripted([]), USER, schema=schema)


def test_a_grammar_of_ones_own_is_checked_before_it_is_sent() -> None:
    endpoint = Scripted(["yes"], supports=GRAMMAR)
    completion = respond(endpoint, USER, gbnf='root ::= "yes" | "no"')
    assert completion.message.content == "yes"
    assert endpoint.requests[0].gbnf == 'root ::= "yes" | "no"'
    with pytest.raises(GrammarError):
        respond(endpoint, USER, gbnf="root ::= undefined")
    with pytest.raises(InputError, match="cannot hold a grammar"):
        respond(Scripted([]), USER, gbnf='root ::= "x"')
    with pytest.raises(InputError, match="more than one is given"):
        respond(endpoint, USER, gbnf='root ::= "x"', schema={})


def test_the_callers_sampling_goes_through() -> None:
    endpoint = Scripted(["a", "b"])
    respond(endpoint, USER, temperature=0.7, seed=5, max_tokens=9)
    respond(endpoint, USER, sampling=Sampling(top_k=3))
    assert endpoint.requests[0].sampling == Sampling(temperature=0.7, seed=5)
    assert endpoint.requests[0].max_tokens == 9
    assert endpoint.requests[1].sampling == Sampling(top_k=3)


def test_a_schema_that_cannot_be_enforced_is_weakened_openly_or_refused() -> None:
    odd = ToolSpec(
        "f", "", {"type": "object", "properties": {"x": {"type": "string", "pattern": r"^(a|b)\1$"}}}
    )
    endpoint = Scripted(["x"], supports=GRAMMAR, grammar_checked=False)
    completion = respond(endpoint, USER, [odd], tool_choice="required")
    assert any("pattern" in keyword for keyword in completion.constraint.weakened)
    with pytest.raises(SchemaError) as caught:
        respond(endpoint, USER, [odd], tool_choice="required", loosen=False)
    assert "/properties/x" in caught.value.pointer


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tool_choice": "fly"}, "'fly'"),
        ({"tool_choice": "required", "constraint": "grammar"}, "cannot hold a grammar"),
        ({"tool_choice": "required", "constraint": "schema"}, "cannot hold a JSON Schema"),
        ({"constraint": "regex"}, "constraint is 'regex'"),
        ({"schema": {"type": "object"}}, "an answer cannot be a call and fit a schema"),
        ({"gbnf": 'root ::= "x"', "tool_choice": "required"}, "an answer cannot be a call and fit"),
        ({"schema": {}, "tool_choice": "none", "constraint": "off"}, "constraint is 'off'"),
    ],
)
def test_what_cannot_be_is_said(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        respond(Scripted(["x"]), USER, TOOLS, **options)


def test_an_unknown_wrapper_is_named() -> None:
    with pytest.raises(FormatError, match="chatlm"):
        respond(Scripted(["x"]), USER, wrapper="chatlm")


def test_required_without_tools_is_an_error() -> None:
    with pytest.raises(InputError, match="there are none"):
        respond(Scripted(["x"]), USER, tool_choice="required")


@pytest.mark.parametrize(
    "reference", ["#/nope", "#nope", "http://127.0.0.1:9/s.json", "https://example.com/s.json"]
)
def test_a_reference_out_of_a_tools_schema_is_refused_and_nothing_is_fetched(reference: str) -> None:
    tool = ToolSpec("f", "", {"type": "object", "properties": {"x": {"items": {"$ref": reference}}}})
    endpoint = Scripted(["x"])
    with pytest.raises(SchemaError, match=f"tool 'f': .*{reference}"):
        respond(endpoint, USER, [tool])
    assert not endpoint.requests


def test_references_inside_a_tools_schema_are_followed() -> None:
    parameters: dict[str, JSON] = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/n"}, "b": {"$ref": "#named"}, "c": {"enum": [{"$ref": "#/x"}]}},
        "$defs": {"n": {"type": "integer"}, "m": {"$anchor": "named", "type": "string"}},
    }
    text = '{"function": "f", "params": {"a": 1, "b": "x", "c": {"$ref": "#/x"}}}'
    completion = respond(Scripted([text]), USER, [ToolSpec("f", "", parameters)])
    assert completion.message.calls == (ToolCall("f", {"a": 1, "b": "x", "c": {"$ref": "#/x"}}),)


def test_a_schema_without_end_ends() -> None:
    tool = ToolSpec("f", "", {"type": "object", "$ref": "#"})
    completion = respond(Scripted(['{"function": "f", "params": {}}']), USER, [tool], retries=0)
    assert "refers to itself without end" in completion.refusals[0].reason


def test_a_parameter_may_be_anything() -> None:
    tool = ToolSpec("f", "", {"type": "object", "properties": {"x": True, "y": False}})
    completion = respond(Scripted(['{"function": "f", "params": {"x": [1]}}']), USER, [tool], retries=0)
    assert completion.message.calls == (ToolCall("f", {"x": [1]}),)


@pytest.mark.parametrize(
    ("messages", "tools", "says"),
    [
        ("hi", (), "messages are 'hi'"),
        ({"role": "user", "content": "hi"}, (), "messages are {'role'"),
        ([None], (), "a message is None"),
        (USER, {"name": "f"}, "tools are {'name'"),
        (USER, [3], "a tool is 3"),
    ],
)
def test_what_is_no_list_of_messages_or_tools_is_named(messages: Any, tools: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        respond(Scripted(["x"]), messages, tools)


def test_a_schema_that_is_nested_too_deeply_is_named() -> None:
    parameters: dict[str, JSON] = {"type": "object"}
    for _ in range(400):
        parameters = {"type": "object", "properties": {"x": parameters}}
    with pytest.raises(SchemaError, match=r"tool 'f': .*too deep"):
        respond(Scripted(["x"]), USER, [ToolSpec("f", "", parameters)])


CLAIMED = Supports(prompt=True, grammar=True)


def test_a_server_gets_a_grammar_whose_answers_end_in_time() -> None:
    def asked(max_tokens: int | None, fit: Fit = "likely") -> tuple[Grammar, bool | None]:
        endpoint = Scripted([BY_GRAMMAR], supports=CLAIMED)
        completion = respond(endpoint, USER, TOOLS, tool_choice="required", max_tokens=max_tokens, fit=fit)
        grammar = endpoint.requests[0].grammar
        assert grammar is not None
        assert completion.constraint.longest == grammar.longest_bytes
        return grammar, completion.constraint.fits

    whole, fits = asked(None)
    assert fits is None
    likely, fits = asked(200)
    assert fits is False
    assert usual_chars(likely) <= 400 < usual_chars(whole)
    always, fits = asked(900, "always")
    assert fits is True
    assert always.longest_bytes <= 900 < likely.longest_bytes
    assert asked(whole.longest_bytes) == (whole, True)


def test_a_limit_that_no_answer_keeps_is_refused_before_anything_is_sent() -> None:
    counting = Scripted([BY_GRAMMAR], supports=CLAIMED, window=4096)
    with pytest.raises(BudgetError) as found:
        respond(counting, USER, TOOLS, tool_choice="required", max_tokens=5)
    assert found.value.given == 5
    assert found.value.needed > 5
    assert str(found.value.needed) in str(found.value)
    with pytest.raises(BudgetError, match="longest"):
        respond(counting, USER, TOOLS, tool_choice="required", max_tokens=100, fit="always")
    assert counting.requests == []


def test_an_answer_is_one_of_a_few_texts() -> None:
    endpoint = Scripted(["Ana"], supports=GRAMMAR)
    completion = respond(endpoint, USER, grammar=choice_grammar(["Ana", "Bo"]), max_tokens=4)
    assert completion.message.content == "Ana"
    assert (completion.constraint.longest, completion.constraint.fits) == (3, True)


def test_limits_of_time_and_of_fields_reach_the_endpoint() -> None:
    endpoint = Scripted([BY_GRAMMAR], supports=GRAMMAR)
    respond(endpoint, USER, TOOLS, max_seconds=2.5, field_tokens={"text": 9}, think=True, parallel=2)
    request = endpoint.requests[0]
    assert (request.max_seconds, dict(request.field_tokens)) == (2.5, {"text": 9})
    with pytest.raises(InputError, match="parallel is 0"):
        respond(endpoint, USER, TOOLS, parallel=0)


def test_several_calls_and_thinking_are_held_where_the_syntax_has_them() -> None:
    call = '<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": 2}}\n</tool_call>'
    endpoint = Scripted([f"<think>\nEasy.\n</think>\n\n{call}\n{call}"], supports=GRAMMAR)
    completion = respond(
        endpoint, USER, TOOLS, tool_choice="required", wrapper="hermes", parallel=2, think=True
    )
    assert completion.message.calls == (ToolCall("add", {"a": 1, "b": 2}),) * 2
    assert completion.message.thoughts == "Easy."
    grammar = endpoint.requests[0].grammar
    assert grammar is not None
    assert not matches(grammar, f"{call}\n{call}\n{call}")


NOTE = ToolSpec(
    "note",
    "",
    {
        "type": "object",
        "properties": {"who": {"type": "string", "x-quoted-from": "user"}},
        "required": ["who"],
    },
)


def note(who: str) -> str:
    return f'<tool_call>\n{{"name": "note", "arguments": {{"who": "{who}"}}}}\n</tool_call>'


def test_a_quoted_string_is_held_to_the_words_of_the_conversation() -> None:
    said = [{"role": "user", "content": "Zbyněk called."}]
    endpoint = Scripted([note("Zbyněk")], supports=GRAMMAR)
    completion = respond(endpoint, said, [NOTE], tool_choice="required", wrapper="hermes")
    assert completion.message.calls == (ToolCall("note", {"who": "Zbyněk"}),)
    grammar = endpoint.requests[0].grammar
    assert grammar is not None
    assert not matches(grammar, note("Zbynek"))
    prompt = "".join(segment.text for segment in endpoint.requests[0].prompt)
    assert '"who"' in prompt
    assert "x-quoted-from" not in prompt


def test_what_is_no_quote_is_refused_where_nothing_held_it() -> None:
    said = [{"role": "user", "content": "Zbyněk called."}]
    answers = [note("Zbynek"), note("Ana")]
    endpoint = Scripted(answers, supports=PROMPT)
    completion = respond(endpoint, said, [NOTE], wrapper="hermes", retries=0)
    assert completion.message.calls == ()
    assert "'Zbyněk'" in completion.refusals[0].reason
    completion = respond(endpoint, said, [NOTE], wrapper="hermes", quotes={"user": ["Ana"]})
    assert completion.message.calls == (ToolCall("note", {"who": "Ana"}),)


def test_a_server_with_schemas_is_not_told_of_quotes() -> None:
    answer = '{"inner_thoughts": "x", "function": "note", "params": {"who": "Ana"}}'
    endpoint = Scripted([answer], supports=SCHEMA)
    completion = respond(endpoint, USER, [NOTE], tool_choice="required", constraint="schema", retries=0)
    assert "x-quoted-from" not in json.dumps(endpoint.requests[0].schema)
    assert completion.message.calls == ()
    assert "not said so" in completion.refusals[0].reason


def test_what_a_schema_demands_is_checked_after_reading() -> None:
    schema: dict[str, JSON] = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
    completion = respond(Scripted(["[1, 1]"], supports=GRAMMAR), USER, schema=schema, retries=0)
    assert completion.constraint.proof == "violated"
    assert "non-unique" in completion.refusals[0].reason
    assert respond(Scripted(["[1, 2]"], supports=GRAMMAR), USER, schema=schema).refusals == ()
    completion = respond(Scripted(["sorry"], supports=SCHEMA), USER, schema=schema, retries=0)
    assert "not JSON" in completion.refusals[0].reason


def test_a_tool_that_demands_what_it_does_not_declare_is_refused() -> None:
    odd = ToolSpec("x", "", {"type": "object", "properties": {"a": {}}, "required": ["b"]})
    with pytest.raises(SchemaError, match="'x' requires 'b', which is not among its properties"):
        respond(Scripted([]), USER, [odd])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"grammar": 'root ::= "a"'}, "gbnf"),
        ({"grammar": ["a", "b"]}, "for_choice"),
        ({"quotes": ["Ana"]}, "by name"),
        ({"quotes": {"user": "Ana"}}, "a list"),
    ],
)
def test_values_of_another_kind_are_named(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        respond(Scripted([]), USER, **options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"sampling": Sampling(top_p=2.0)}, r"top_p is 2\.0"),
        ({"sampling": Sampling(presence_penalty=float("inf"))}, "presence_penalty is inf"),
        ({"seed": -3}, "seed is -3"),
        ({"max_tokens": -1}, "max_tokens is -1"),
        ({"retries": -1}, "retries is -1"),
    ],
)
def test_numbers_that_cannot_be_are_refused_before_anything_is_asked(
    options: dict[str, Any], says: str
) -> None:
    endpoint = Scripted(["x"])
    with pytest.raises(InputError, match=says):
        respond(endpoint, USER, **options)
    assert endpoint.requests == []
