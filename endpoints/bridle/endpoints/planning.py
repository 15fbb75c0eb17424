"""Decide how one question is put: which route, what holds the answer, and what reads it.

The strongest constraint that the endpoint can hold is taken: a grammar of the whole turn on the prompt route,
else a JSON Schema of the call on the chat route, else nothing but the beginning of a call and the reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from bridle.endpoints.base import Endpoint, Request
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
from bridle.wrappers import JsonLayout, MemGPT, Reading, StreamReader, Wrapper
from bridle.wrappers.checking import check_references
from bridle.wrappers.plain_chat import plain_chat
from bridle.wrappers.toollists import ToolListing, list_tools

__all__ = ["ConstraintChoice", "PlainReader", "Plan", "Question", "ask_about", "plan_for"]

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
class Question:
    """What the caller asked, with everything looked up."""

    wrapper: Wrapper
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...]
    allowed: tuple[ToolSpec, ...]
    mode: Mode
    only: str | None
    bounds: Bounds
    loosen: bool
    thoughts: Mapping[str, JSON] | None


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
    tool_choice: str,
    allowed: Sequence[ToolSpec] | None,
    thoughts: Mapping[str, JSON] | None,
    wrapper: str | Path | Wrapper,
    bounds: Bounds | None,
    loosen: bool,
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
    found, reason = choose_wrapper(endpoint, wrapper)
    mode, only = _mode(tool_choice, specs)
    return Question(
        wrapper=found,
        messages=as_messages(messages),
        tools=specs if mode != "text" else (),
        allowed=tuple(allowed) if allowed is not None else specs,
        mode=mode,
        only=only,
        bounds=bounds or Bounds(),
        loosen=loosen,
        thoughts=thoughts,
    ), reason


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


def plan_for(
    endpoint: Endpoint,
    question: Question,
    constraint: ConstraintChoice,
    schema: Mapping[str, JSON] | None,
    gbnf: str | None,
) -> Plan:
    """Choose the route and the constraint.

    Raises:
        InputError: for a constraint that the endpoint cannot hold, and for an impossible combination.
        SchemaError: for a schema that is invalid or cannot be held.
    """
    if constraint not in get_args(ConstraintChoice):
        raise InputError(
            f"constraint is {constraint!r}", hint=f"it must be one of {', '.join(get_args(ConstraintChoice))}"
        )
    if schema is not None or gbnf is not None:
        _check_value(question, constraint)
        return _plan_value(endpoint, question, schema, gbnf)
    supports = endpoint.supports
    wanted = constraint != "off" and question.mode != "text"
    if wanted and constraint in ("auto", "grammar") and supports.grammar and supports.prompt:
        grammar = call_grammar(
            question.allowed,
            question.wrapper.syntax.shape,
            question.mode if question.mode == "call" else "text_or_call",
            only=question.only,
            bounds=question.bounds,
            loosen=question.loosen,
            thoughts=question.thoughts,
            opened=question.wrapper.opens_thinking,
            gap=question.wrapper.syntax.gap_always,
            stop=question.wrapper.stop,
        )
        return _on_prompt(endpoint, question, grammar)
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


def _check_value(question: Question, constraint: ConstraintChoice) -> None:
    """Refuse a schema or grammar of the caller's own together with what it cannot go with."""
    if question.mode != "text":
        raise InputError(
            "an answer cannot be a call and fit a schema or grammar of your own",
            hint="leave the tools out, or the schema or grammar; or set tool_choice to none",
        )
    if constraint == "off":
        raise InputError(
            "constraint is 'off', and a schema or grammar is given", hint="leave one of them out"
        )


def _on_prompt(endpoint: Endpoint, question: Question, grammar: Grammar | None) -> Plan:
    wrapper = question.wrapper
    prime = grammar is None and question.mode == "call"
    request = Request(
        prompt=wrapper.render(question.messages, question.tools, prime=prime),
        control=wrapper.control,
        stop=wrapper.stop,
        grammar=grammar,
    )
    report = ConstraintReport()
    if grammar is not None:
        proof: Proof = "proven" if endpoint.supports.proven else "claimed"
        report = ConstraintReport("grammar", "", proof, grammar.weakened, grammar.longest_bytes)
    return Plan(request, report, wrapper.reader(question.tools), wrapper.prime if prime else "")


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


def _plan_value(
    endpoint: Endpoint, question: Question, schema: Mapping[str, JSON] | None, gbnf: str | None
) -> Plan:
    if schema is not None and gbnf is not None:
        raise InputError("a schema and a grammar are both given", hint="give one of them")
    wrapper, supports = question.wrapper, endpoint.supports
    prompt = wrapper.render(question.messages)
    request = Request(prompt=prompt, control=wrapper.control, stop=wrapper.stop)
    proof: Proof = "proven" if supports.proven else "claimed"
    if gbnf is not None:
        check_gbnf(gbnf)
        if not (supports.grammar and supports.prompt):
            raise InputError(
                f"the endpoint {endpoint.name!r} cannot hold a grammar",
                hint="use a web UI or a GGUF in process",
            )
        return Plan(replace(request, gbnf=gbnf), ConstraintReport("gbnf", "", proof), PlainReader())
    assert schema is not None
    if supports.grammar and supports.prompt:
        grammar = schema_grammar(schema, JsonLayout(), question.bounds, loosen=question.loosen)
        report = ConstraintReport("schema", "", proof, grammar.weakened, grammar.longest_bytes)
        return Plan(replace(request, grammar=grammar), report, PlainReader())
    if supports.json_schema and supports.chat:
        chat = Request(messages=question.messages, schema=schema)
        return Plan(chat, ConstraintReport("schema", "", "claimed"), PlainReader())
    raise InputError(
        f"the endpoint {endpoint.name!r} cannot hold a JSON Schema",
        hint="use LM Studio, a web UI or a GGUF in process",
    )
