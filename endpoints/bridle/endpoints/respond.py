"""Ask any endpoint once, with tools, and get back a `Completion`: the one call that the rest is built on.

It picks a wrapper, writes the prompt, decides what can be constrained and how strongly, asks, and reads the
answer. The strongest constraint that the endpoint can hold is taken: a grammar of the whole turn on the
prompt route, else a JSON Schema of the call on the chat route, else nothing but the beginning of a call and
the reader. What was used, and how far it can be trusted, is in `Completion.constraint`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from bridle.endpoints.base import Answer, Endpoint, Request, Sampling
from bridle.endpoints.choose import choose_wrapper
from bridle.errors import InputError, SchemaError
from bridle.grammars import Bounds, Grammar, call_grammar, call_schema, check_gbnf, schema_grammar
from bridle.grammars.schema_keywords import check_schema
from bridle.messages import (
    JSON,
    Completion,
    ConstraintReport,
    Delta,
    Message,
    Proof,
    Refusal,
    ToolSpec,
    as_messages,
    as_tools,
)
from bridle.wrappers import JsonLayout, MemGPT, Reading, StreamReader, Wrapper
from bridle.wrappers.checking import check_references
from bridle.wrappers.plain_chat import plain_chat
from bridle.wrappers.syntaxes.exact import read_exact
from bridle.wrappers.toollists import ToolListing, list_tools

__all__ = ["ConstraintChoice", "respond"]

ConstraintChoice = Literal["auto", "off", "grammar", "schema"]
Mode = Literal["text", "text_or_call", "call"]

THOUGHTS_KEY = "inner_thoughts"


@dataclass(frozen=True, slots=True)
class _Plan:
    """How one question will be put: the request, what holds the answer, and how to read it."""

    request: Request
    report: ConstraintReport
    reader: StreamReader
    primed: str = ""


@dataclass(frozen=True, slots=True)
class _Question:
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


def respond(
    endpoint: Endpoint,
    messages: Iterable[Message | Mapping[str, object]],
    tools: Iterable[ToolSpec | Mapping[str, object]] = (),
    *,
    tool_choice: str = "auto",
    allowed: Sequence[ToolSpec] | None = None,
    thoughts: Mapping[str, JSON] | None = None,
    wrapper: str | Path | Wrapper = "auto",
    constraint: ConstraintChoice = "auto",
    schema: Mapping[str, JSON] | None = None,
    gbnf: str | None = None,
    max_tokens: int | None = None,
    sampling: Sampling | None = None,
    temperature: float = 0.0,
    seed: int | None = None,
    bounds: Bounds | None = None,
    loosen: bool = True,
    on_delta: Callable[[Delta], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Completion:
    """Ask for one assistant turn.

    Args:
        endpoint: what `connect` returned.
        messages: the conversation, as `Message` or as dicts in OpenAI's shape.
        tools: what may be called; listed in the prompt.
        tool_choice: "auto" (text or a call), "none" (text), "required" (a call), or the name of the one
        function.
        allowed: narrower versions of some of the tools (same names) that the constraint holds the call to.
        thoughts: a JSON Schema that a grammar holds the thoughts before a call to.
        wrapper: a wrapper, its name, a format file, or "auto": what the config file keeps for the model, else
            what its chat template, metadata and name mean.
        constraint: "auto" takes the strongest that the endpoint can hold; "grammar" and "schema" ask for one;
            "off" asks for none.
        schema: hold the whole answer to this JSON Schema instead of to calls; needs no tools.
        gbnf: hold the whole answer to this GBNF grammar instead.
        max_tokens: limit of the answer in tokens; None is what the model's window leaves.
        sampling: all sampling options; without it `temperature` and `seed` are taken.
        bounds: lengths that make every constrained answer finite.
        loosen: record schema keywords that cannot be enforced instead of refusing them; they are checked
        after
            reading all the same.
        on_delta: called with each piece of the answer as it arrives.
        should_stop: asked between tokens; True cancels, and the completion says so.

    Raises:
        InputError: for wrong messages, tools, schemas, grammars, or an impossible combination.
        EndpointError: and its kinds, when the model cannot be asked.
    """
    question = _question(endpoint, messages, tools, tool_choice, allowed, thoughts, wrapper, bounds, loosen)
    found, reason = question
    plan = _plan(endpoint, found, constraint, schema, gbnf)
    chosen = sampling or Sampling(temperature=temperature, seed=seed)
    request = replace(plan.request, max_tokens=max_tokens, sampling=chosen)
    start = time.perf_counter()
    feed = _Feed(plan.reader, on_delta)
    feed.take(plan.primed)
    answer = endpoint.complete(request, feed.take, should_stop)
    reading = feed.close(answer)
    doubtful = reading.refusals or not reading.calls
    if plan.request.grammar is not None and doubtful and answer.finish == "stop":
        reading = feed.held(plan.primed + answer.text, found, reading)
    return _completion(answer, reading, plan, found, reason, time.perf_counter() - start)


class _Feed:
    """Hands fragments to the reader and its deltas to the caller."""

    def __init__(self, reader: StreamReader, on_delta: Callable[[Delta], None] | None) -> None:
        self._reader = reader
        self._on_delta = on_delta

    def take(self, fragment: str) -> None:
        self._tell(self._reader.feed(fragment))

    def close(self, answer: Answer) -> Reading:
        deltas, reading = self._reader.close("length" if answer.finish != "stop" else "stop")
        self._tell(deltas)
        return reading

    def held(self, text: str, question: _Question, read: Reading) -> Reading:
        """Read an answer that a grammar held by the shape that the grammar was made of, if it holds calls.

        Text before the call may hold what looks like the beginning of another one.
        """
        wrapper = question.wrapper
        reading = read_exact(text, wrapper.syntax.shape, question.tools, wrapper.opens_thinking)
        if reading is None or not reading.calls:
            return read
        for index, call in enumerate(reading.calls if reading.calls != read.calls else ()):
            self._tell([Delta(index=index, call_name=call.name), Delta(index=index, call=call)])
        return reading

    def _tell(self, deltas: list[Delta]) -> None:
        if self._on_delta is not None:
            for delta in deltas:
                self._on_delta(delta)


class _PlainReader:
    """Takes the whole answer as text: for answers that a schema or a grammar of the caller's own shapes."""

    def __init__(self) -> None:
        self._text: list[str] = []

    def feed(self, fragment: str) -> list[Delta]:
        self._text.append(fragment)
        return [Delta(text=fragment)] if fragment else []

    def close(self, finish: str = "stop") -> tuple[list[Delta], Reading]:
        return [], Reading(text="".join(self._text))


def _question(
    endpoint: Endpoint,
    messages: Iterable[Message | Mapping[str, object]],
    tools: Iterable[ToolSpec | Mapping[str, object]],
    tool_choice: str,
    allowed: Sequence[ToolSpec] | None,
    thoughts: Mapping[str, JSON] | None,
    wrapper: str | Path | Wrapper,
    bounds: Bounds | None,
    loosen: bool,
) -> tuple[_Question, str]:
    specs = as_tools(tools)
    for tool in specs:
        _check_tool(tool)
    found, reason = choose_wrapper(endpoint, wrapper)
    mode, only = _mode(tool_choice, specs)
    return _Question(
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


def _plan(
    endpoint: Endpoint,
    question: _Question,
    constraint: ConstraintChoice,
    schema: Mapping[str, JSON] | None,
    gbnf: str | None,
) -> _Plan:
    if constraint not in get_args(ConstraintChoice):
        raise InputError(
            f"constraint is {constraint!r}", hint=f"it must be one of {', '.join(get_args(ConstraintChoice))}"
        )
    if schema is not None or gbnf is not None:
        if question.mode != "text":
            raise InputError(
                "an answer cannot be a call and fit a schema or grammar of your own",
                hint="leave the tools out, or the schema or grammar; or set tool_choice to none",
            )
        if constraint == "off":
            raise InputError(
                "constraint is 'off', and a schema or grammar is given", hint="leave one of them out"
            )
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


def _on_prompt(endpoint: Endpoint, question: _Question, grammar: Grammar | None) -> _Plan:
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
    return _Plan(request, report, wrapper.reader(question.tools), wrapper.prime if prime else "")


def _on_chat(question: _Question, *, hold: bool) -> _Plan:
    """The server renders the messages itself: tools are told in the system turn, calls stand as JSON text."""
    held = MemGPT("outer", JsonLayout()) if hold else None
    messages = _as_chat(question, held)
    report, schema = ConstraintReport(), None
    if hold:
        schema = call_schema(question.allowed, THOUGHTS_KEY, only=question.only)
        report = ConstraintReport("schema", "", "claimed")
    reader = (held or question.wrapper.syntax).reader(question.tools)
    return _Plan(Request(messages=messages, schema=schema), report, reader)


def _as_chat(question: _Question, held: MemGPT | None) -> tuple[Message, ...]:
    syntax = held or question.wrapper.syntax
    listing = ToolListing("memgpt") if held else question.wrapper.format.tools
    listed = list_tools(listing, question.tools, "outer" if held else question.wrapper.thoughts)
    return plain_chat(question.messages, question.tools, syntax, listed)


def _plan_value(
    endpoint: Endpoint, question: _Question, schema: Mapping[str, JSON] | None, gbnf: str | None
) -> _Plan:
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
        return _Plan(replace(request, gbnf=gbnf), ConstraintReport("gbnf", "", proof), _PlainReader())
    assert schema is not None
    if supports.grammar and supports.prompt:
        grammar = schema_grammar(schema, JsonLayout(), question.bounds, loosen=question.loosen)
        report = ConstraintReport("schema", "", proof, grammar.weakened, grammar.longest_bytes)
        return _Plan(replace(request, grammar=grammar), report, _PlainReader())
    if supports.json_schema and supports.chat:
        chat = Request(messages=question.messages, schema=schema)
        return _Plan(chat, ConstraintReport("schema", "", "claimed"), _PlainReader())
    raise InputError(
        f"the endpoint {endpoint.name!r} cannot hold a JSON Schema",
        hint="use LM Studio, a web UI or a GGUF in process",
    )


def _completion(
    answer: Answer, reading: Reading, plan: _Plan, question: _Question, reason: str, seconds: float
) -> Completion:
    report = replace(plan.report, engine=answer.engine)
    refusals = list(reading.refusals)
    if question.mode == "call" and not reading.calls and answer.finish == "stop":
        if report.asked != "off":
            report = replace(report, proof="violated")
        if not refusals and not isinstance(plan.reader, _PlainReader):
            names = ", ".join(tool.name for tool in question.allowed)
            refusals.append(Refusal(f"there is no call; call one of {names}", reading.text))
    calls = reading.calls
    if question.only is not None and any(call.name != question.only for call in calls):
        refusals += [
            Refusal(f"only {question.only} may be called now, not {call.name}")
            for call in calls
            if call.name != question.only
        ]
        calls = tuple(call for call in calls if call.name == question.only)
    return Completion(
        message=Message("assistant", reading.text, reading.thoughts, calls),
        raw=plan.primed + answer.text,
        finish=answer.finish,
        finish_reason=answer.finish_reason,
        usage=answer.usage,
        constraint=report,
        repairs=reading.repairs,
        refusals=tuple(refusals),
        dropped=answer.dropped,
        wrapper=question.wrapper.name,
        wrapper_reason=reason,
        seconds=seconds,
    )
