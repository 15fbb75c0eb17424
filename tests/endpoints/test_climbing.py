"""What is asked on a rung, how an answer is read there, and how the model is asked again."""

from __future__ import annotations

import json

import pytest

from bridle.endpoints.base import Answer, NativeCall, Supports
from bridle.endpoints.observing import Observation, observed_by
from bridle.endpoints.responding import respond
from bridle.errors import (
    ConstraintRejected,
    InputError,
)
from bridle.grammars import for_choice
from bridle.grammars.profile_servers import Profile
from bridle.messages import JSON, Delta, Message, ToolCall, ToolSpec
from servers.refusing import (
    BY_GRAMMAR,
    BY_SCHEMA,
    CALLED,
    NATIVE,
    NUMBER,
    SAY,
    TOOLS,
    USER,
    Server,
    no,
    routes,
)


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_the_model_is_asked_again_so_often_and_no_more(retries: int) -> None:
    server = Server(["No."] * 9, Supports(chat=True))
    completion = respond(server, USER, TOOLS, tool_choice="required", retries=retries)
    assert len(server.requests) == len(completion.attempts) == retries + 1
    assert completion.message.calls == ()
    assert "call one of add, say" in completion.refusals[0].reason
    assert {attempt.outcome for attempt in completion.attempts} == {"invalid"}


def test_a_damaged_call_is_asked_for_again_also_where_text_would_do() -> None:
    server = Server(['{"function": "add", "params": {"a": "one", "b": 2}}', BY_SCHEMA], Supports(chat=True))
    completion = respond(server, USER, TOOLS)
    assert completion.message.calls == CALLED
    assert "'one'" in server.requests[1].messages[-1].content


@pytest.mark.parametrize(
    ("answer", "said"),
    [(Answer("", calls=(NativeCall("fly", "{}"),)), "fly"), (Answer(""), "(nothing)")],
)
def test_who_is_asked_again_is_shown_what_it_said_and_never_an_empty_turn(answer: Answer, said: str) -> None:
    server = Server([answer, NATIVE], Supports(chat=True, tools=True))
    completion = respond(server, USER, TOOLS, tool_choice="required", constraint="tools")
    assert completion.message.calls == CALLED
    again = server.requests[1].messages
    assert [message.role for message in again] == ["user", "assistant", "user"]
    assert said in again[1].content


@pytest.mark.parametrize(
    "supports", [Supports(chat=True, json_schema=True), Supports(chat=True, json_mode=True)]
)
def test_an_answer_that_is_nested_without_end_is_no_valid_one(supports: Supports) -> None:
    deep = ["[" * 100_000] * 2
    called = respond(Server(deep, supports), USER, TOOLS, tool_choice="required", retries=0)
    assert called.message.calls == ()
    assert called.refusals
    valued = respond(Server(deep, supports), USER, schema=NUMBER, retries=0)
    assert "not JSON" in valued.refusals[0].reason


@pytest.mark.parametrize(
    ("supports", "answer"),
    [
        (Supports(chat=True), BY_SCHEMA),
        (Supports(prompt=True), BY_GRAMMAR),
        (Supports(prompt=True, grammar=True), BY_GRAMMAR),
        (Supports(chat=True, json_schema=True), BY_SCHEMA),
        (Supports(chat=True, json_mode=True), BY_SCHEMA),
    ],
)
def test_a_call_that_may_not_be_made_now_is_none_on_any_rung(supports: Supports, answer: str) -> None:
    server = Server([answer] * 2, supports)
    completion = respond(
        server, USER, TOOLS, allowed=[SAY], tool_choice="required", wrapper="chatml", retries=0
    )
    assert completion.message.calls == ()
    assert "add may not be called now; call one of say" in completion.refusals[0].reason


@pytest.mark.parametrize(
    "supports",
    [Supports(chat=True), Supports(chat=True, json_mode=True), Supports(chat=True, json_schema=True)],
)
def test_user_and_assistant_take_turns_where_results_are_told_as_text(supports: Supports) -> None:
    server = Server([BY_SCHEMA], supports)
    asked = [
        Message("system", "Be brief."),
        Message("user", "1 + 2?"),
        Message("assistant", "", calls=CALLED),
        Message("tool", "3", name="add"),
        Message("user", "And 2 + 3?"),
    ]
    respond(server, asked, TOOLS, tool_choice="required", wrapper="chatml")
    sent = server.requests[0].messages
    assert [message.role for message in sent] == ["system", "user", "assistant", "user"]
    assert sent[-1].content == "FUNCTION RETURN: 3\n\nAnd 2 + 3?"


def test_a_valid_call_is_taken_from_a_server_that_ignored_the_constraint() -> None:
    server = Server([f"Sure!\n{BY_GRAMMAR}"])
    completion = respond(server, USER, TOOLS, tool_choice="required", wrapper="chatml")
    assert completion.message.calls == CALLED
    assert completion.constraint.proof == "violated"
    assert server.refused == {}


def test_a_call_that_the_schema_could_not_rule_out_is_asked_for_again() -> None:
    even = ToolSpec(
        "add",
        "",
        {"type": "object", "properties": {"a": {"type": "integer", "multipleOf": 2}}, "required": ["a"]},
    )
    odd = '{"inner_thoughts":"x","function":"add","params":{"a":3}}'
    right = odd.replace("3", "4")
    server = Server([odd, right], Supports(chat=True, json_schema=True, schema_profile="ollama"))
    completion = respond(server, USER, [even], tool_choice="required")
    assert completion.message.calls == (ToolCall("add", {"a": 4}),)
    assert [(a.rung, a.outcome) for a in completion.attempts] == [
        ("schema", "invalid"),
        ("schema", "answered"),
    ]
    assert completion.constraint.proof == "claimed"
    assert server.refused == {}
    again = server.requests[1].messages
    assert again[-2].content == odd
    assert "multiple of 2" in again[-1].content


def test_calls_that_the_server_overlooked_are_read_from_its_text() -> None:
    supports = Supports(chat=True, tools=True)
    server = Server(['<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": 2}}\n</tool_call>'], supports)
    completion = respond(server, USER, TOOLS, wrapper="hermes")
    assert completion.message.calls == CALLED


def test_arguments_of_a_native_call_are_checked_and_repaired_as_written_ones_are() -> None:
    supports = Supports(chat=True, tools=True)
    server = Server([Answer("", calls=(NativeCall("add", '{"a": "1", "b": 2,}'),))], supports)
    completion = respond(server, USER, TOOLS)
    assert completion.message.calls == CALLED
    assert len(completion.repairs) >= 2
    wrong = Server([Answer("", calls=(NativeCall("fly", "{}"),))] * 3, supports)
    completion = respond(wrong, USER, TOOLS, constraint="tools")
    assert completion.message.calls == ()
    assert "fly" in completion.refusals[0].reason


def test_ids_of_native_calls_travel_with_the_message() -> None:
    server = Server([NATIVE], Supports(chat=True, tools=True))
    message = respond(server, USER, TOOLS).message
    assert message.extra["call_ids"] == ["c1"]


def test_thoughts_that_the_server_took_out_are_thoughts() -> None:
    server = Server([Answer("Three.", thoughts="One and two.")], Supports(chat=True))
    deltas: list[Delta] = []
    message = respond(server, USER, on_delta=deltas.append).message
    assert (message.content, message.thoughts) == ("Three.", "One and two.")
    assert "".join(delta.thoughts for delta in deltas) == "One and two."


def test_who_shows_a_stream_is_told_when_it_is_void() -> None:
    server = Server(["No.", BY_SCHEMA], Supports(chat=True))
    deltas: list[Delta] = []
    respond(server, USER, TOOLS, tool_choice="required", on_delta=deltas.append)
    at = [delta.restart for delta in deltas].index(True)
    assert "".join(delta.text for delta in deltas[:at]) == "No."
    assert sum(delta.restart for delta in deltas) == 1
    assert [delta.call for delta in deltas[at:] if delta.call] == list(CALLED)


def test_a_model_that_nothing_is_known_of_is_asked_by_messages() -> None:
    both = Supports(prompt=True, chat=True)
    guessed, given = Server(["Three."], both), Server(["Three."], both)
    respond(guessed, USER)
    respond(given, USER, wrapper="chatml")
    assert guessed.requests[0].messages == USER
    assert given.requests[0].prompt


def test_a_schema_on_the_prompt_route_ends_what_the_prompt_began_to_think() -> None:
    server = Server([BY_SCHEMA], Supports(prompt=True, prompt_schema=True, schema_profile="ollama"))
    completion = respond(server, USER, TOOLS, tool_choice="required", wrapper="deepseek-r1")
    assert completion.message.calls == CALLED
    prompt = "".join(segment.text for segment in server.requests[0].prompt)
    assert prompt.count("<think>") == prompt.count("</think>")
    assert "Available functions" in prompt
    assert server.requests[0].schema is not None


def test_an_own_schema_goes_down_to_any_json_and_is_checked() -> None:
    schema: dict[str, JSON] = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
    }
    supports = Supports(chat=True, json_schema=True, json_mode=True)
    server = Server([no(), '{"n": "x"}', '{"n": 3}'], supports)
    completion = respond(server, USER, schema=schema)
    assert json.loads(completion.message.content) == {"n": 3}
    assert [attempt.rung for attempt in completion.attempts] == ["schema", "json", "json"]
    assert "JSON Schema" in server.requests[1].messages[0].content
    assert "'x'" in server.requests[2].messages[-1].content


def test_who_watches_sees_every_request() -> None:
    seen: list[Observation] = []
    server = Server([no(), BY_SCHEMA])
    with observed_by(seen.append):
        completion = respond(server, USER, TOOLS, tool_choice="required", wrapper="chatml")
    respond(Server([BY_GRAMMAR]), USER, TOOLS, tool_choice="required", wrapper="chatml")
    assert [one.rung for one in seen] == ["grammar", "schema"]
    assert isinstance(seen[0].error, ConstraintRejected)
    assert seen[1].completion is not None
    assert seen[1].completion.message == completion.message
    assert seen[1].request == server.requests[1]
    assert all(one.seconds >= 0 for one in seen)


def test_an_own_schema_that_is_declined_leaves_the_rungs_of_calls_alone() -> None:
    server = Server([no(), '{"n": 3}', BY_GRAMMAR])
    assert respond(server, USER, schema=NUMBER, wrapper="chatml").message.content == '{"n": 3}'
    assert server.refused == {}
    assert respond(server, USER, TOOLS, tool_choice="required", wrapper="chatml").message.calls == CALLED
    assert routes(server) == ["grammar", "schema", "grammar"]


def test_an_own_schema_is_not_put_on_a_rung_that_is_known_not_to_hold() -> None:
    server = Server([no(), BY_SCHEMA, no(), BY_SCHEMA, '{"n": 3}'])
    for tools in (TOOLS, TOOLS[:1]):
        respond(server, USER, tools, tool_choice="required", wrapper="chatml")
    respond(server, USER, schema=NUMBER, wrapper="chatml")
    assert routes(server) == ["grammar", "schema", "grammar", "schema", "schema"]


def test_thoughts_among_the_arguments_of_a_native_call_are_thoughts() -> None:
    arguments = '{"inner_thoughts": "Easy.", "a": 1, "b": 2}'
    server = Server([Answer("", calls=(NativeCall("add", arguments),))], Supports(chat=True, tools=True))
    deltas: list[Delta] = []
    message = respond(server, USER, TOOLS, on_delta=deltas.append).message
    assert (message.calls, message.thoughts) == (CALLED, "Easy.")
    assert "".join(delta.thoughts for delta in deltas) == "Easy."


def test_an_answer_that_was_cut_is_neither_a_call_nor_asked_for_again() -> None:
    for answer in (
        Answer(BY_SCHEMA[:-4], "length"),
        Answer("", "length", calls=(NativeCall("add", '{"a": 1, "b": 2}'),)),
    ):
        server = Server([answer] * 2, Supports(chat=True, tools=True))
        completion = respond(server, USER, TOOLS, tool_choice="required")
        assert len(server.requests) == 1
        assert (completion.finish, completion.message.calls) == ("length", ())


def test_a_stream_is_voided_once_however_many_rungs_are_left_after_it() -> None:
    server = Server(["No.", no(), BY_SCHEMA], Supports(chat=True, tools=True, json_mode=True))
    deltas: list[Delta] = []
    completion = respond(server, USER, TOOLS, tool_choice="required", on_delta=deltas.append)
    assert completion.message.calls == CALLED
    assert sum(delta.restart for delta in deltas) == 1


def test_what_each_request_took_is_counted() -> None:
    server = Server(["No.", BY_SCHEMA], Supports(chat=True))
    completion = respond(server, USER, TOOLS, tool_choice="required")
    assert all(attempt.usage.completion_tokens > 0 for attempt in completion.attempts)
    assert completion.seconds > 0


def test_blanks_around_a_held_answer_break_no_promise() -> None:
    server = Server([f"\n{BY_GRAMMAR}\n\n"])
    completion = respond(server, USER, TOOLS, tool_choice="required", wrapper="chatml")
    assert (completion.message.calls, completion.constraint.proof) == (CALLED, "claimed")


def test_a_server_that_is_told_to_call_and_writes_text_has_broken_its_promise() -> None:
    server = Server([BY_SCHEMA], Supports(chat=True, tools=True, forced=True))
    completion = respond(server, USER, TOOLS, tool_choice="required", wrapper="chatml")
    assert (completion.message.calls, completion.constraint.proof) == (CALLED, "violated")


def test_ids_are_kept_for_all_calls_or_for_none() -> None:
    calls = (NativeCall("add", '{"a": 1, "b": 2}', "c1"), NativeCall("say", '{"text": "x"}', ""))
    server = Server([Answer("", calls=calls)], Supports(chat=True, tools=True))
    message = respond(server, USER, TOOLS).message
    assert [call.name for call in message.calls] == ["add", "say"]
    assert "call_ids" not in message.extra


def test_a_cut_answer_is_not_blamed_for_the_call_that_it_has_not_come_to() -> None:
    server = Server([Answer("First I", "length")], Supports(chat=True))
    assert respond(server, USER, TOOLS, tool_choice="required").refusals == ()


def test_a_quote_is_looked_at_where_the_grammar_was_not_held() -> None:
    text: JSON = {"type": "string", "x-quoted-from": "user"}
    say = ToolSpec("say", "", {"type": "object", "properties": {"text": text}, "required": ["text"]})
    said = '{"function": "say", "params": {"inner_thoughts": "x", "text": "never said"}}'
    server = Server([f"Sure!\n{said}"], Supports(prompt=True, grammar=True))
    completion = respond(
        server, USER, [say], tool_choice="required", wrapper="chatml", constraint="grammar", retries=0
    )
    assert completion.constraint.proof == "violated"
    assert completion.message.calls == ()


def test_a_schema_may_be_held_by_a_grammar_and_is_told_in_the_system_turn_where_nothing_holds_it() -> None:
    held = Server(['{"n":3}'], Supports(prompt=True, grammar=True))
    assert (
        respond(held, USER, schema=NUMBER, constraint="schema", wrapper="chatml").attempts[0].rung
        == "grammar"
    )
    told = Server(['{"n": 3}'], Supports(chat=True, json_mode=True))
    respond(told, [Message("system", "Be brief."), *USER], schema=NUMBER)
    first, *others = told.requests[0].messages
    assert first.content.startswith("Be brief.\n\nAnswer with one JSON value")
    assert [message.role for message in others] == ["user"]


def test_a_constraint_of_the_configuration_that_does_not_exist_is_an_error() -> None:
    server = Server([])
    server.constraint = "magic"
    with pytest.raises(InputError, match="constraint = 'magic'"):
        respond(server, USER)


def test_an_answer_that_is_cut_under_a_grammar_is_asked_for_once_more_and_kept_shorter() -> None:
    cut = Answer(BY_GRAMMAR[:60], "length", "length")
    server = Server([cut, BY_GRAMMAR])
    completion = respond(server, USER, TOOLS, tool_choice="required", wrapper="chatml", max_tokens=400)
    assert completion.message.calls == CALLED
    assert [(one.rung, one.outcome) for one in completion.attempts] == [
        ("grammar", "invalid"),
        ("grammar", "answered"),
    ]
    first, second = (request.grammar for request in server.requests)
    assert first is not None
    assert second is not None
    assert second.longest_bytes <= 400 < first.longest_bytes


def test_an_answer_that_cannot_be_kept_shorter_stays_cut_and_says_so() -> None:
    cut = Answer(BY_GRAMMAR[:60], "length", "length")
    server = Server([cut, cut])
    always = respond(
        server, USER, TOOLS, tool_choice="required", wrapper="chatml", max_tokens=400, fit="always"
    )
    assert len(server.requests) == 1
    assert always.message.calls == ()
    assert [(one.outcome, one.reason) for one in always.attempts] == [
        ("invalid", "the answer was cut at the limit of tokens or seconds")
    ]
    assert always.refusals


def test_an_answer_that_was_cut_by_the_clock_is_not_asked_for_again() -> None:
    server = Server([Answer(BY_GRAMMAR[:60], "length", "max_seconds")])
    completion = respond(server, USER, TOOLS, tool_choice="required", wrapper="chatml", max_tokens=400)
    assert len(server.requests) == 1
    assert completion.finish == "length"


@pytest.mark.parametrize("profile", ["ollama", "openai-strict"])
def test_a_choice_is_held_by_a_schema_where_there_is_no_grammar(profile: Profile) -> None:
    supports = Supports(chat=True, json_schema=True, schema_profile=profile)
    answer = '"tea"' if profile == "ollama" else '{"answer": "tea"}'
    server = Server([answer], supports)
    completion = respond(server, USER, grammar=for_choice(["tea", "coffee"]))
    assert completion.message.content == "tea"
    assert (completion.constraint.proof, completion.refusals) == ("claimed", ())
    assert "coffee" in json.dumps(server.requests[0].schema)


def test_what_is_none_of_the_choices_is_asked_for_again_and_never_returned_as_one() -> None:
    supports = Supports(chat=True, json_schema=True, schema_profile="ollama")
    server = Server(['"beer"', "tea, please", '"tea"'], supports)
    completion = respond(server, USER, grammar=for_choice(["tea", "coffee"]))
    assert completion.message.content == "tea"
    assert [one.outcome for one in completion.attempts] == ["invalid", "invalid", "answered"]
    refused = respond(Server(['"beer"'], supports), USER, grammar=for_choice(["tea"]), retries=0)
    assert refused.refusals
    assert refused.constraint.proof == "violated"


def test_a_server_that_cannot_be_made_to_call_is_told_to_have_dropped_that() -> None:
    supports = Supports(chat=True, tools=True)
    completion = respond(Server([NATIVE], supports), USER, TOOLS, tool_choice="required")
    assert completion.dropped == ("tool_choice",)
    assert respond(Server([NATIVE], supports), USER, TOOLS).dropped == ()
