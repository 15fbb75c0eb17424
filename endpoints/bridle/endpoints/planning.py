"""Decide how one question is put: which route, what holds the answer, and what reads it.

The strongest constraint that the endpoint can hold is taken: a grammar of the whole turn on the prompt route,
else a JSON Schema of the call on the chat route, else nothing but the beginning of a call and the reader.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bridle.endpoints.asking import Question
from bridle.endpoints.base import Endpoint, Request
from bridle.endpoints.budget import fitted
from bridle.errors import InputError
from bridle.grammars import Bounds, Grammar, call_grammar, check_gbnf, schema_grammar
from bridle.grammars.profiles import to_json_schema
from bridle.grammars.quotes import enumerated
from bridle.grammars.report import Report
from bridle.messages import (
    ConstraintReport,
    Delta,
    Message,
    Proof,
)
from bridle.wrappers import JsonLayout, MemGPT, Reading, Segment, StreamReader
from bridle.wrappers.plain_chat import plain_chat
from bridle.wrappers.toollists import ToolListing, list_tools

__all__ = ["PlainReader", "Plan", "plan_for"]

THOUGHTS_KEY = "inner_thoughts"


@dataclass(frozen=True, slots=True)
class Plan:
    """How one question will be put: the request, what holds the answer, and how to read it."""

    request: Request
    report: ConstraintReport
    reader: StreamReader
    primed: str = ""


class PlainReader:
    """Takes the whole answer as text: for answers that a schema or a grammar of the caller's own shapes."""

    def __init__(self) -> None:
        self._text: list[str] = []

    def feed(self, fragment: str) -> list[Delta]:
        self._text.append(fragment)
        return [Delta(text=fragment)] if fragment else []

    def close(self, finish: str = "stop") -> tuple[list[Delta], Reading]:
        return [], Reading(text="".join(self._text))


def plan_for(endpoint: Endpoint, question: Question) -> Plan:
    """Choose the route and the constraint.

    Raises:
        InputError: for a constraint that the endpoint cannot hold, and for an impossible combination.
        SchemaError: for a schema that is invalid or cannot be held.
        BudgetError: where `max_tokens` is below what the shortest answer needs.
    """
    wishes, supports = question.wishes, endpoint.supports
    own = [value for value in (wishes.schema, wishes.gbnf, wishes.grammar) if value is not None]
    if own:
        _check_value(question, len(own))
        return _plan_value(endpoint, question)
    constraint = wishes.constraint
    wanted = constraint != "off" and question.mode != "text"
    if wanted and constraint in ("auto", "grammar") and supports.grammar and supports.prompt:
        return _on_prompt(endpoint, question, lambda bounds: _turn(question, bounds))
    if constraint == "grammar" and wanted:
        raise InputError(
            f"the endpoint {endpoint.name!r} cannot hold a grammar",
            hint="use constraint auto, or a web UI or a GGUF in process",
        )
    hold = wanted and question.mode == "call" and supports.json_schema and supports.chat
    if hold and constraint in ("auto", "schema"):
        return _on_chat(endpoint, question, hold=True)
    if constraint == "schema" and wanted:
        raise InputError(
            f"the endpoint {endpoint.name!r} cannot hold a JSON Schema here",
            hint="it needs a chat route that does, and tool_choice required or a function's name",
        )
    if supports.prompt:
        return _on_prompt(endpoint, question, None)
    return _on_chat(endpoint, question, hold=False)


def _turn(question: Question, bounds: Bounds) -> Grammar:
    """The grammar of the whole turn."""
    wishes, wrapper = question.wishes, question.wrapper
    return call_grammar(
        question.allowed,
        wrapper.syntax.shape,
        question.mode if question.mode == "call" else "text_or_call",
        only=question.only,
        bounds=bounds,
        loosen=wishes.loosen,
        parallel=wishes.parallel,
        think=wishes.think,
        thoughts=wishes.thoughts,
        quotes=question.quotes,
        fields=wishes.fields,
        opened=wrapper.opens_thinking,
        gap=wrapper.syntax.gap_always,
        stop=wrapper.stop,
    )


def _check_value(question: Question, given: int) -> None:
    """Refuse a schema or grammar of the caller's own together with what it cannot go with."""
    if given > 1:
        raise InputError("of a schema, a grammar and a GBNF text more than one is given", hint="give one")
    if question.mode != "text":
        raise InputError(
            "an answer cannot be a call and fit a schema or grammar of your own",
            hint="leave the tools out, or the schema or grammar; or set tool_choice to none",
        )
    if question.wishes.constraint == "off":
        raise InputError(
            "constraint is 'off', and a schema or grammar is given", hint="leave one of them out"
        )


def _on_prompt(endpoint: Endpoint, question: Question, make: Callable[[Bounds], Grammar] | None) -> Plan:
    wrapper = question.wrapper
    prime = make is None and question.mode == "call"
    request = Request(
        prompt=wrapper.render(question.messages, question.tools, prime=prime),
        control=wrapper.control,
        stop=wrapper.stop,
    )
    report = ConstraintReport()
    if make is not None:
        request, report = _held(endpoint, question, request, "grammar", make)
    return Plan(request, report, wrapper.reader(question.tools), wrapper.prime if prime else "")


def _held(
    endpoint: Endpoint, question: Question, request: Request, asked: str, make: Callable[[Bounds], Grammar]
) -> tuple[Request, ConstraintReport]:
    """Add the grammar, and say who holds it. A server's must be small enough for `max_tokens`."""
    wishes = question.wishes
    proof: Proof = "proven" if endpoint.supports.proven else "claimed"
    if endpoint.supports.proven:
        grammar = make(question.bounds)
        fits = None if wishes.max_tokens is None else question.mode != "text_or_call"
    else:
        count = _counter(endpoint, request)
        grammar, fits = fitted(make, question.bounds, wishes.max_tokens, wishes.fit, count)
    report = ConstraintReport(asked, "", proof, grammar.weakened, grammar.longest_bytes, fits)
    return replace(request, grammar=grammar), report


def _counter(endpoint: Endpoint, request: Request) -> Callable[[str], int | None]:
    """Count the tokens that a text has behind a prompt."""

    def count(text: str) -> int | None:
        with_text = replace(request, prompt=(*request.prompt, Segment(text, control=True)))
        before, after = endpoint.count_tokens(request), endpoint.count_tokens(with_text)
        return None if before is None or after is None else after - before

    return count


def _on_chat(endpoint: Endpoint, question: Question, *, hold: bool) -> Plan:
    """The server renders the messages itself: tools are told in the system turn, calls stand as JSON text."""
    held = MemGPT("outer", JsonLayout()) if hold else None
    messages = _as_chat(question, held)
    reader = (held or question.wrapper.syntax).reader(question.tools)
    if not hold:
        return Plan(Request(messages=messages), ConstraintReport(), reader)
    quoted = [enumerated(tool, question.quotes) for tool in question.allowed]
    schema, said = to_json_schema(
        quoted,
        endpoint.supports.schema_profile,
        thoughts_key=THOUGHTS_KEY,
        only=question.only,
        bounds=question.bounds,
    )
    return Plan(Request(messages=messages, schema=schema), _claimed(said), reader)


def _claimed(said: Report) -> ConstraintReport:
    """What a server is said to hold of a schema."""
    weakened = tuple(f"{pointer} {keyword}" for pointer, keyword in said.weakened)
    return ConstraintReport("schema", "", "claimed", weakened)


def _as_chat(question: Question, held: MemGPT | None) -> tuple[Message, ...]:
    syntax = held or question.wrapper.syntax
    listing = ToolListing("memgpt") if held else question.wrapper.format.tools
    listed = list_tools(listing, question.tools, "outer" if held else question.wrapper.thoughts)
    return plain_chat(question.messages, question.tools, syntax, listed)


def _plan_value(endpoint: Endpoint, question: Question) -> Plan:
    wrapper, supports, wishes = question.wrapper, endpoint.supports, question.wishes
    request = Request(prompt=wrapper.render(question.messages), control=wrapper.control, stop=wrapper.stop)
    schema, own = wishes.schema, wishes.grammar
    if wishes.gbnf is not None:
        check_gbnf(wishes.gbnf)
    if supports.grammar and supports.prompt:
        if wishes.gbnf is not None:
            proof: Proof = "proven" if supports.proven else "claimed"
            return Plan(
                replace(request, gbnf=wishes.gbnf), ConstraintReport("gbnf", "", proof), PlainReader()
            )
        if own is not None:
            request, report = _held(endpoint, question, request, "grammar", lambda _: own)
            return Plan(request, report, PlainReader())
        assert schema is not None
        request, report = _held(
            endpoint,
            question,
            request,
            "schema",
            lambda bounds: schema_grammar(
                schema,
                JsonLayout(),
                bounds,
                loosen=wishes.loosen,
                quotes=question.quotes,
                fields=wishes.fields,
            ),
        )
        return Plan(request, report, PlainReader())
    if schema is not None and supports.json_schema and supports.chat:
        sent, said = to_json_schema(schema, supports.schema_profile)
        return Plan(Request(messages=question.messages, schema=sent), _claimed(said), PlainReader())
    what = "a grammar" if schema is None else "a JSON Schema"
    where = "a web UI or a GGUF in process" if schema is None else "LM Studio, a web UI or a GGUF in process"
    raise InputError(f"the endpoint {endpoint.name!r} cannot hold {what}", hint=f"use {where}")
