"""The ladder: which rung a question is put on, when it is left, and what is remembered and reported."""

from __future__ import annotations

from typing import Literal

import pytest

from bridle.endpoints.base import Answer, Supports
from bridle.endpoints.ladder import forget
from bridle.endpoints.responding import respond
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
from bridle.messages import ToolCall, ToolSpec
from servers.refusing import (
    ADD,
    BY_GRAMMAR,
    BY_SCHEMA,
    CALLED,
    EVERY,
    NATIVE,
    RUNGS,
    SAY,
    TOOLS,
    USER,
    Server,
    no,
    routes,
    tried,
)


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
    assert list(server.refused.values()) == ["not that"]
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
    assert [key.split()[:2] for key in server.refused] == [["grammar", "m"]]


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


def test_what_the_configuration_prefers_is_where_auto_begins() -> None:
    server = Server([no(), NATIVE])
    server.wrapper, server.constraint = "", "schema"
    completion = respond(server, USER, TOOLS, tool_choice="required", wrapper="chatml")
    assert routes(server) == ["schema", "tool"]
    assert completion.message.calls == CALLED


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
    assert list(server.refused.values()) == ["not that"]


def test_a_prompt_that_is_too_long_is_no_matter_of_the_constraint() -> None:
    server = Server([no(400, ContextOverflow), BY_SCHEMA])
    with pytest.raises(ContextOverflow):
        respond(server, USER, TOOLS, tool_choice="required")
    assert len(server.requests) == 1


@pytest.mark.parametrize("configured", [False, True])
def test_nothing_is_constrained_where_that_is_wanted(configured: bool) -> None:
    server = Server([BY_GRAMMAR])
    if configured:
        server.constraint = "off"
    wanted: Literal["auto", "off"] = "auto" if configured else "off"
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


def test_where_our_own_decoder_holds_the_call_there_is_one_rung_and_one_try() -> None:
    own = Supports(prompt=True, chat=True, grammar=True, proven=True, json_mode=True)
    refused = Server([no(), BY_GRAMMAR], own)
    with pytest.raises(ConstraintRejected):
        respond(refused, USER, TOOLS, tool_choice="required", wrapper="chatml")
    assert routes(refused) == ["grammar"]
    broken = Server(["No."] * 3, own)
    completion = respond(broken, USER, TOOLS, tool_choice="required", wrapper="chatml")
    assert routes(broken) == ["grammar"]
    assert completion.constraint.proof == "violated"


MUL = ToolSpec("mul", "", ADD.parameters)
BY_GRAMMAR_MUL = BY_GRAMMAR.replace('"add"', '"mul"')
BY_SCHEMA_MUL = BY_SCHEMA.replace('"add"', '"mul"')


def ask(server: Server, *tools: ToolSpec) -> list[ToolCall]:
    completion = respond(server, USER, tools, tool_choice="required", wrapper="chatml")
    return list(completion.message.calls)


def test_one_tool_that_is_too_much_does_not_cost_the_others_their_rung() -> None:
    server = Server([no(), BY_SCHEMA, BY_GRAMMAR_MUL, BY_SCHEMA])
    assert [call.name for tool in (ADD, MUL, ADD) for call in ask(server, tool)] == ["add", "mul", "add"]
    assert routes(server) == ["grammar", "schema", "grammar", "schema"]


def test_a_rung_that_two_questions_were_refused_and_none_was_held_is_given_up() -> None:
    server = Server([no(), BY_SCHEMA, no(), BY_SCHEMA_MUL, BY_SCHEMA])
    ask(server, ADD)
    ask(server, MUL)
    ask(server, ADD, MUL)
    assert routes(server) == ["grammar", "schema", "grammar", "schema", "schema"]


def test_a_rung_that_has_held_is_never_given_up_for_all() -> None:
    server = Server([BY_GRAMMAR, no(), BY_SCHEMA_MUL, no(), BY_SCHEMA, BY_GRAMMAR])
    for tools in ((ADD,), (MUL,), (ADD, MUL), (ADD, SAY)):
        ask(server, *tools)
    assert routes(server) == ["grammar", "grammar", "schema", "grammar", "schema", "grammar"]
