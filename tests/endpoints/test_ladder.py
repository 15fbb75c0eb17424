"""The ladder: which rung a question is put on, when it is left, and what is remembered and reported."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import pytest

from bridle.endpoints.base import Answer, NativeCall, Request, Supports
from bridle.endpoints.ladder import forget
from bridle.endpoints.observing import Observation, observed_by
from bridle.endpoints.responding import respond
from bridle.endpoints.scripted import Scripted
from bridle.errors import (
    AuthError,
    BridleError,
    ConstraintRejected,
    ContentFiltered,
    ContextOverflow,
    InputError,
    ModelNotFound,
    RateLimited,
    RequestRefused,
    SchemaError,
    ServerBusy,
    UnsupportedParameter,
)
from bridle.messages import JSON, Completion, Delta, Message, ToolCall, ToolSpec

ADD = ToolSpec(
    "add",
    "Add two numbers.",
    {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
)
SAY = ToolSpec(
    "say", "", {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
)
TOOLS = (ADD, SAY)
USER = (Message("user", "1 + 2?"),)
CALLED = (ToolCall("add", {"a": 1, "b": 2}),)
BY_GRAMMAR = (
    '{\n  "function": "add",\n  "params": {\n    "inner_thoughts": "Easy.",\n    "a": 1,\n    "b": 2\n  }\n}'
)
BY_SCHEMA = '{"inner_thoughts":"Easy.","function":"add","params":{"a":1,"b":2}}'
NATIVE = Answer("", calls=(NativeCall("add", '{"a": 1, "b": 2}', "c1"),))
EVERY = Supports(
    prompt=True,
    chat=True,
    grammar=True,
    json_schema=True,
    schema_profile="ollama",
    tools=True,
    forced=True,
    named=True,
    json_mode=True,
)
RUNGS = ("grammar", "schema", "tool", "tools", "json", "text")


class Server(Scripted):
    """A scripted endpoint that keeps what was refused, as one that reaches a server does."""

    def __init__(
        self, answers: Iterable[str | Answer | BridleError], supports: Supports = EVERY, model: str = "m"
    ) -> None:
        super().__init__(answers, supports=supports, grammar_checked=False)
        self.refused: dict[str, str] = {}
        self._model = model

    @property
    def model(self) -> str:
        return self._model


def no(status: int = 400, kind: Callable[..., BridleError] = ConstraintRejected) -> BridleError:
    return kind("not that", status=status)


def tried(completion: Completion) -> list[tuple[str, str]]:
    return [(attempt.rung, attempt.outcome) for attempt in completion.attempts]


def routes(server: Server) -> list[str]:
    return [_rung_of(request) for request in server.requests]


def _rung_of(request: Request) -> str:
    if request.grammar is not None:
        return "grammar"
    if request.schema is not None:
        return "schema"
    if request.tools:
        return "tools" if request.tool_choice == "auto" else "tool"
    return "json" if request.json_mode else "text"


def test_each_rung_that_is_refused_is_left_for_the_next() -> None:
    server = Server([*[no()] * 5, "Sorry.", BY_SCHEMA])
    completion = respond(server, USER, TOOLS, tool_choice="required", wrapper="chatml")
    assert tuple(routes(server)) == (*RUNGS, "text")
    assert completion.message.calls == CALLED
    assert tried(completion) == [
        *[(rung, "refused") for rung in RUNGS[:5]],
        ("text", "invalid"),
        ("text", "answered"),
    ]
    assert completion.attempts[0].reason == "not that"
    assert completion.constraint.proof == "unverified"


@pytest.mark.parametrize(
    ("rung", "answer"),
    [
        ("grammar", BY_GRAMMAR),
        ("schema", BY_SCHEMA),
        ("tool", NATIVE),
        ("tools", NATIVE),
        ("json", BY_SCHEMA),
    ],
)
def test_each_rung_answers_with_the_same_call(rung: str, answer: str | Answer) -> None:
    server = Server([*[no()] * RUNGS.index(rung), answer])
    completion = respond(server, USER, TOOLS, tool_choice="required", wrapper="chatml")
    assert completion.message.calls == CALLED
    assert completion.refusals == ()
    assert completion.attempts[-1].rung == rung
    asked, proof = completion.constraint.asked, completion.constraint.proof
    held = rung in ("grammar", "schema", "tool")
    assert (asked, proof) == ((rung, "claimed") if held else ("off", "unverified"))


def test_a_rung_that_was_refused_is_not_tried_again_with_that_model() -> None:
    server = Server([no(), BY_SCHEMA, BY_SCHEMA])
    for _ in range(2):
        respond(server, USER, TOOLS, tool_choice="required", wrapper="chatml")
    assert routes(server) == ["grammar", "schema", "schema"]
    assert server.refused == {"grammar m": "not that"}
    forget(server)
    assert server.refused == {}


def test_what_was_refused_by_one_endpoint_is_asked_of_another() -> None:
    first, second = Server([no(), BY_SCHEMA]), Server([BY_GRAMMAR])
    for server in (first, second):
        assert respond(server, USER, TOOLS, tool_choice="required", wrapper="chatml").message.calls == CALLED
    assert second.refused == {}


def test_a_constraint_that_is_not_held_is_found_out_and_left() -> None:
    server = Server(["I would add them.", BY_SCHEMA])
    completion = respond(server, USER, TOOLS, tool_choice="required", wrapper="chatml", retries=0)
    assert completion.message.calls == CALLED
    assert [(a.rung, a.outcome) for a in completion.attempts] == [
        ("grammar", "invalid"),
        ("schema", "answered"),
    ]
    assert "grammar m" in server.refused


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


@pytest.mark.parametrize("error", [AuthError, ContextOverflow, RequestRefused])
def test_what_no_rung_can_change_is_raised_at_once(error: type[BridleError]) -> None:
    server = Server([no(404, error), BY_SCHEMA])
    with pytest.raises(error):
        respond(server, USER, TOOLS, tool_choice="required")
    assert len(server.requests) == 1


def test_a_refusal_for_an_unknown_reason_is_believed_when_the_last_rung_has_it_too() -> None:
    server = Server([no(400, RequestRefused)] * 6)
    with pytest.raises(RequestRefused, match="not that"):
        respond(server, USER, TOOLS, tool_choice="required")
    assert len(server.requests) == 6
    assert server.refused == {}


@pytest.mark.parametrize(("parameter", "is_left"), [("response_format", True), ("temperature", False)])
def test_an_unsupported_parameter_leaves_the_rung_that_it_carries(parameter: str, is_left: bool) -> None:
    refusal = UnsupportedParameter("unknown", status=400, parameter=parameter)
    server = Server([refusal, BY_SCHEMA])
    if is_left:
        assert respond(server, USER, TOOLS, tool_choice="required").message.calls == CALLED
    else:
        with pytest.raises(UnsupportedParameter):
            respond(server, USER, TOOLS, tool_choice="required")


def test_a_rung_that_is_asked_for_is_the_only_one() -> None:
    server = Server([no(), BY_SCHEMA])
    with pytest.raises(ConstraintRejected):
        respond(server, USER, TOOLS, tool_choice="required", constraint="tool")
    assert routes(server) == ["tool"]
    assert server.refused == {}
    with pytest.raises(InputError, match="cannot be made to call a tool"):
        respond(Server([], Supports(chat=True)), USER, TOOLS, tool_choice="required", constraint="tool")


def test_a_named_tool_is_named_where_that_is_known_and_alone_where_it_is_not() -> None:
    for named, choice in ((True, "add"), (False, "required")):
        supports = Supports(chat=True, tools=True, forced=True, named=named)
        server = Server([NATIVE], supports)
        completion = respond(server, USER, TOOLS, tool_choice="add")
        assert completion.message.calls == CALLED
        assert server.requests[0].tool_choice == choice
        assert [tool.name for tool in server.requests[0].tools] == ["add"]


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


def test_what_the_configuration_prefers_is_where_auto_begins() -> None:
    server = Server([no(), NATIVE])
    server.wrapper, server.constraint = "", "schema"
    completion = respond(server, USER, TOOLS, tool_choice="required", wrapper="chatml")
    assert routes(server) == ["schema", "tool"]
    assert completion.message.calls == CALLED


NUMBER: dict[str, JSON] = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
}


def test_an_own_schema_that_is_declined_leaves_the_rungs_of_calls_alone() -> None:
    server = Server([no(), '{"n": 3}', BY_GRAMMAR])
    assert respond(server, USER, schema=NUMBER, wrapper="chatml").message.content == '{"n": 3}'
    assert server.refused == {}
    assert respond(server, USER, TOOLS, tool_choice="required", wrapper="chatml").message.calls == CALLED
    assert routes(server) == ["grammar", "schema", "grammar"]


def test_an_own_schema_is_not_put_on_a_rung_that_is_known_not_to_hold() -> None:
    server = Server([no(), BY_SCHEMA, '{"n": 3}'])
    respond(server, USER, TOOLS, tool_choice="required", wrapper="chatml")
    respond(server, USER, schema=NUMBER, wrapper="chatml")
    assert routes(server) == ["grammar", "schema", "schema"]


@pytest.mark.parametrize(
    "error",
    [
        RequestRefused("it fell over", status=500),
        UnsupportedParameter("strict", parameter="tool_choice"),
        SchemaError("cannot be written"),
    ],
)
def test_what_may_go_well_the_next_time_is_not_remembered(error: BridleError) -> None:
    server = Server([no(), error, NATIVE])
    completion = respond(server, USER, TOOLS, tool_choice="required", wrapper="chatml")
    assert completion.message.calls == CALLED
    assert [attempt.outcome for attempt in completion.attempts] == ["refused", "refused", "answered"]
    assert server.refused == {"grammar m": "not that"}


def test_a_prompt_that_is_too_long_is_no_matter_of_the_constraint() -> None:
    server = Server([no(400, ContextOverflow), BY_SCHEMA])
    with pytest.raises(ContextOverflow):
        respond(server, USER, TOOLS, tool_choice="required")
    assert len(server.requests) == 1


def test_thoughts_among_the_arguments_of_a_native_call_are_thoughts() -> None:
    arguments = '{"inner_thoughts": "Easy.", "a": 1, "b": 2}'
    server = Server([Answer("", calls=(NativeCall("add", arguments),))], Supports(chat=True, tools=True))
    deltas: list[Delta] = []
    message = respond(server, USER, TOOLS, on_delta=deltas.append).message
    assert (message.calls, message.thoughts) == (CALLED, "Easy.")
    assert "".join(delta.thoughts for delta in deltas) == "Easy."


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


@pytest.mark.parametrize("configured", [False, True])
def test_nothing_is_constrained_where_that_is_wanted(configured: bool) -> None:
    server = Server([BY_GRAMMAR])
    if configured:
        server.constraint = "off"
    wanted = "auto" if configured else "off"
    completion = respond(server, USER, TOOLS, tool_choice="required", wrapper="chatml", constraint=wanted)
    assert routes(server) == ["text"]
    assert completion.constraint.asked == "off"


def test_what_the_configuration_prefers_must_be_there_unless_the_question_is_of_another_sort() -> None:
    server = Server(["Three."], Supports(chat=True, json_schema=True, tools=True))
    server.constraint = "tool"
    with pytest.raises(InputError, match="cannot be made to call a tool"):
        respond(server, USER, TOOLS, tool_choice="required")
    server.constraint = "schema"  # holds calls, and here text will do
    assert respond(server, USER, TOOLS).message.content == "Three."
    assert routes(server) == ["tools"]


def test_a_server_that_can_only_be_told_a_name_is_told_it() -> None:
    supports = Supports(chat=True, tools=True, named=True)
    named, any_one = Server([NATIVE], supports), Server([NATIVE], supports)
    respond(named, USER, TOOLS, tool_choice="add")
    respond(any_one, USER, TOOLS, tool_choice="required")
    assert (named.requests[0].tool_choice, any_one.requests[0].tool_choice) == ("add", "auto")


def test_where_text_will_do_nothing_that_holds_a_call_is_asked_for() -> None:
    server = Server([no(), "Three."], EVERY)
    respond(server, USER, TOOLS, wrapper="chatml")
    assert routes(server) == ["grammar", "tools"]
    server = Server(["Three."], Supports(chat=True, json_schema=True, json_mode=True))
    respond(server, USER, TOOLS)
    assert routes(server) == ["text"]


@pytest.mark.parametrize("kind", [AuthError, ContentFiltered, ModelNotFound, RateLimited, ServerBusy])
def test_a_reason_that_is_known_is_no_matter_of_the_constraint(kind: type[BridleError]) -> None:
    server = Server([no(400, kind), BY_SCHEMA])
    with pytest.raises(kind):
        respond(server, USER, TOOLS, tool_choice="required")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "error",
    [
        UnsupportedParameter("a field is not known", status=400),
        *[RequestRefused("no", status=status) for status in (200, 400, 422, 500, 501)],
    ],
)
def test_a_refusal_that_may_mean_the_constraint_leaves_the_rung(error: BridleError) -> None:
    server = Server([error, BY_SCHEMA])
    assert respond(server, USER, TOOLS, tool_choice="required").message.calls == CALLED


def test_a_schema_that_no_grammar_can_be_made_of_is_told_to_the_caller() -> None:
    server = Server([SchemaError("cannot be written"), BY_SCHEMA])
    with pytest.raises(SchemaError):
        respond(server, USER, TOOLS, tool_choice="required", wrapper="chatml")


def test_where_nothing_holds_the_next_question_goes_one_rung_down() -> None:
    server = Server(["No."] * 3, Supports(chat=True, tools=True, json_mode=True))
    respond(server, USER, TOOLS, tool_choice="required", retries=2)
    assert routes(server) == ["tools", "json", "text"]


def test_an_answer_that_was_cut_is_neither_a_call_nor_asked_for_again() -> None:
    for answer in (
        Answer(BY_SCHEMA[:-4], "length"),
        Answer("", "length", calls=(NativeCall("add", '{"a": 1, "b": 2}'),)),
    ):
        server = Server([answer] * 2, Supports(chat=True, tools=True))
        completion = respond(server, USER, TOOLS, tool_choice="required")
        assert len(server.requests) == 1
        assert (completion.finish, completion.message.calls) == ("length", ())
