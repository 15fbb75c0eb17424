"""Decide how one question is put: which route, what holds the answer, and what reads it.

The strongest constraint that the endpoint can hold is taken: a grammar of the whole turn on the prompt route,
else a JSON Schema of the call on the chat route, else nothing but the beginning of a call and the reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast, get_args

from bridle.endpoints.base import Endpoint, Request
from bridle.endpoints.budget import Fit, fitted
from bridle.endpoints.choose import choose_wrapper
from bridle.errors import InputError, SchemaError
from bridle.grammars import Bounds, Grammar, call_grammar, call_schema, check_gbnf, schema_grammar
from bridle.grammars.schema_keywords import check_schema
from bridle.messages import (
    JSON,
    ConstraintReport,
    Delta,
    Message,
    Proof,
    ToolSpec,
    as_messages,
    as_tools,
)
from bridle.wrappers import JsonLayout, MemGPT, Reading, Segment, StreamReader, Wrapper
from bridle.wrappers.checking import check_references
from bridle.wrappers.plain_chat import plain_chat
from bridle.wrappers.toollists import ToolListing, list_tools

__all__ = ["ConstraintChoice", "PlainReader", "Plan", "Question", "Wishes", "ask_about", "plan_for"]

ConstraintChoice = Literal["auto", "off", "grammar", "schema"]
Mode = Literal["text", "text_or_call", "call"]

THOUGHTS_KEY = "inner_thoughts"


@dataclass(frozen=True, slots=True)
class Plan:
    """How one question will be put: the request, what holds the answer, and how to read it."""

    request: Request
    report: ConstraintReport
    reader: StreamReader
    primed: str = ""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How the caller wants a question to be held; `respond` says what each means."""

    tool_choice: str = "auto"
    allowed: Sequence[ToolSpec] | None = None
    thoughts: Mapping[str, JSON] | None = None
    constraint: ConstraintChoice = "auto"
    schema: Mapping[str, JSON] | None = None
    gbnf: str | None = None
    grammar: Grammar | None = None
    parallel: int = 1
    think: bool = False
    max_tokens: int | None = None
    fit: Fit = "likely"
    bounds: Bounds | None = None
    loosen: bool = True


@dataclass(frozen=True, slots=True)
class Question:
    """What the caller asked, with everything looked up."""

    wrapper: Wrapper
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...]
    allowed: tuple[ToolSpec, ...]
    mode: Mode
    only: str | None
    bounds: Bounds
    wishes: Wishes


class PlainReader:
    """Takes the whole answer as text: for answers that a schema or a grammar of the caller's own shapes."""

    def __init__(self) -> None:
        self._text: list[str] = []

    def feed(self, fragment: str) -> list[Delta]:
        self._text.append(fragment)
        return [Delta(text=fragment)] if fragment else []

    def close(self, finish: str = "stop") -> tuple[list[Delta], Reading]:
        return [], Reading(text="".join(self._text))


def ask_about(
    endpoint: Endpoint,
    messages: Iterable[Message | Mapping[str, object]],
    tools: Iterable[ToolSpec | Mapping[str, object]],
    wrapper: str | Path | Wrapper,
    wishes: Wishes,
) -> tuple[Question, str]:
    """Look up what the caller asked for, and say why the wrapper is this one.

    Raises:
        InputError: for wrong messages, tools or tool choice.
        SchemaError: for a tool whose schema is invalid.
        FormatError: for a wrapper that does not exist or whose file is bad.
    """
    specs = as_tools(tools)
    for tool in specs:
        _check_tool(tool)
    _check_wishes(wishes)
    found, reason = choose_wrapper(endpoint, wrapper)
    mode, only = _mode(wishes.tool_choice, specs)
    return Question(
        wrapper=found,
        messages=as_messages(messages),
        tools=specs if mode != "text" else (),
        allowed=specs if wishes.allowed is None else tuple(wishes.allowed),
        mode=mode,
        only=only,
        bounds=wishes.bounds or Bounds(),
        wishes=wishes,
    ), reason


def _check_wishes(wishes: Wishes) -> None:
    for name, value, known in (
        ("constraint", wishes.constraint, get_args(ConstraintChoice)),
        ("fit", wishes.fit, get_args(Fit)),
    ):
        if value not in known:
            raise InputError(f"{name} is {value!r}", hint=f"it must be one of {', '.join(known)}")
    if wishes.parallel < 1:
        raise InputError(f"parallel is {wishes.parallel}", hint="allow at least one call")


def _check_tool(tool: ToolSpec) -> None:
    try:
        check_schema(tool.parameters)
        check_references(tool.parameters)
    except SchemaError as error:
        raise SchemaError(
            f"tool {tool.name!r}: {error.message}", pointer=error.pointer, hint=error.hint
        ) from error
    except RecursionError as error:
        raise SchemaError(
            f"tool {tool.name!r}: its schema is nested too deeply", hint="make it flatter"
        ) from error


def _mode(tool_choice: str, tools: Sequence[ToolSpec]) -> tuple[Mode, str | None]:
    names = [tool.name for tool in tools]
    if tool_choice == "none" or (tool_choice == "auto" and not tools):
        return "text", None
    if tool_choice == "auto":
        return "text_or_call", None
    if tool_choice == "required" and tools:
        return "call", None
    if tool_choice in names:
        return "call", tool_choice
    raise InputError(
        f"tool_choice is {tool_choice!r}",
        hint=f"it must be auto, none, required or one of the tools: {', '.join(names) or 'there are none'}",
    )


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
        return _on_chat(question, hold=True)
    if constraint == "schema" and wanted:
        raise InputError(
            f"the endpoint {endpoint.name!r} cannot hold a JSON Schema here",
            hint="it needs a chat route that does, and tool_choice required or a function's name",
        )
    if supports.prompt:
        return _on_prompt(endpoint, question, None)
    return _on_chat(question, hold=False)


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
    if endpoint.supports.proven:
        grammar = make(question.bounds)
        fits, proof = None if wishes.max_tokens is None else True, cast("Proof", "proven")
    else:
        count = _counter(endpoint, request)
        grammar, fits = fitted(make, question.bounds, wishes.max_tokens, wishes.fit, count)
        proof = "claimed"
    report = ConstraintReport(asked, "", proof, grammar.weakened, grammar.longest_bytes, fits)
    return replace(request, grammar=grammar), report


def _counter(endpoint: Endpoint, request: Request) -> Callable[[str], int | None]:
    """Count the tokens that a text has behind a prompt."""

    def count(text: str) -> int | None:
        with_text = replace(request, prompt=(*request.prompt, Segment(text, control=True)))
        before, after = endpoint.count_tokens(request), endpoint.count_tokens(with_text)
        return None if before is None or after is None else after - before

    return count


def _on_chat(question: Question, *, hold: bool) -> Plan:
    """The server renders the messages itself: tools are told in the system turn, calls stand as JSON text."""
    held = MemGPT("outer", JsonLayout()) if hold else None
    messages = _as_chat(question, held)
    report, schema = ConstraintReport(), None
    if hold:
        schema = call_schema(question.allowed, THOUGHTS_KEY, only=question.only)
        report = ConstraintReport("schema", "", "claimed")
    reader = (held or question.wrapper.syntax).reader(question.tools)
    return Plan(Request(messages=messages, schema=schema), report, reader)


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
            lambda bounds: schema_grammar(schema, JsonLayout(), bounds, loosen=wishes.loosen),
        )
        return Plan(request, report, PlainReader())
    if schema is not None and supports.json_schema and supports.chat:
        chat = Request(messages=question.messages, schema=schema)
        return Plan(chat, ConstraintReport("schema", "", "claimed"), PlainReader())
    what = "a grammar" if schema is None else "a JSON Schema"
    where = "a web UI or a GGUF in process" if schema is None else "LM Studio, a web UI or a GGUF in process"
    raise InputError(f"the endpoint {endpoint.name!r} cannot hold {what}", hint=f"use {where}")
