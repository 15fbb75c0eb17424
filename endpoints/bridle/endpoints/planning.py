"""How one question for calls is put on each rung: which route, what holds the answer, and what reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bridle.endpoints.asking import Question
from bridle.endpoints.base import Endpoint, Request
from bridle.endpoints.budget import fitted
from bridle.endpoints.ladder import Rung
from bridle.endpoints.made_grammars import GrammarCache
from bridle.endpoints.reading_back import reader_of
from bridle.grammars import Bounds, Grammar, Mode, call_grammar
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
from bridle.wrappers.toollists import ToolListing, list_tools, marked

__all__ = ["PlainReader", "Plan", "claimed", "held", "plan_for"]

THOUGHTS_KEY = "inner_thoughts"
_MADE = GrammarCache()


@dataclass(frozen=True, slots=True)
class Plan:
    """How one question will be put: the request, what holds the answer, and how to read it."""

    request: Request
    report: ConstraintReport
    reader: StreamReader
    primed: str = ""
    native: bool = False
    """Does the server take the calls out of the text?"""


class PlainReader:
    """Takes the whole answer as text: for answers that a schema or a grammar of the caller's own shapes."""

    def __init__(self) -> None:
        self._text: list[str] = []

    def feed(self, fragment: str) -> list[Delta]:
        self._text.append(fragment)
        return [Delta(text=fragment)] if fragment else []

    def close(self, finish: str = "stop") -> tuple[list[Delta], Reading]:
        return [], Reading(text="".join(self._text))


def plan_for(endpoint: Endpoint, question: Question, rung: Rung) -> Plan:
    """Put a question in the way of one rung.

    Raises:
        InputError: for a constraint that the endpoint cannot hold, and for an impossible combination.
        SchemaError: for a schema that is invalid or cannot be held.
        BudgetError: where `max_tokens` is below what the shortest answer needs.
    """
    supports = endpoint.supports
    if rung == "grammar":
        return _on_prompt(endpoint, question, lambda bounds: _turn(question, bounds))
    if rung == "schema":
        return _by_schema(endpoint, question, on_prompt=supports.prompt_schema and supports.prompt)
    if rung in ("tool", "tools"):
        return _by_tools(endpoint, question, forced=rung == "tool")
    if rung == "json":
        return _by_json(question)
    if supports.prompt and not (supports.chat and question.guessed):
        return _on_prompt(endpoint, question, None)
    return _on_chat(question)


def _turn(question: Question, bounds: Bounds) -> Grammar:
    """The grammar of the whole turn."""
    wishes, wrapper = question.wishes, question.wrapper
    shape, gap, opened = wrapper.syntax.shape, wrapper.syntax.gap_always, wrapper.opens_thinking
    mode: Mode = "call" if question.mode == "call" else "text_or_call"

    def make() -> Grammar:
        return call_grammar(
            question.allowed,
            shape,
            mode,
            only=question.only,
            bounds=bounds,
            loosen=wishes.loosen,
            parallel=wishes.parallel,
            think=wishes.think,
            thoughts=wishes.thoughts,
            quotes=question.quotes,
            fields=wishes.fields,
            opened=opened,
            gap=gap,
            stop=wrapper.stop,
        )

    return _MADE.get(
        make, question.allowed, wishes.thoughts, question.quotes,
        shape, mode, question.only, bounds, wishes.loosen, wishes.parallel, wishes.think, wishes.fields,
        opened, gap, wrapper.stop,
    )  # fmt: skip


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
        request, report = held(endpoint, question, request, "grammar", make)
    return Plan(request, report, wrapper.reader(question.tools), wrapper.prime if prime else "")


def held(
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


def _on_chat(question: Question) -> Plan:
    """The server renders the messages itself: tools are told in the system turn, calls stand as text."""
    syntax = question.wrapper.syntax
    return Plan(Request(messages=_as_chat(question, None)), ConstraintReport(), syntax.reader(question.tools))


def _by_schema(endpoint: Endpoint, question: Question, *, on_prompt: bool) -> Plan:
    """The whole answer is one JSON value that says which function is called with what."""
    syntax, wrapper = MemGPT("outer", JsonLayout()), question.wrapper
    quoted = [enumerated(tool, question.quotes) for tool in question.allowed]
    profile = endpoint.supports.schema_profile
    (plain, _), (schema, said) = (
        to_json_schema(quoted, form, thoughts_key=THOUGHTS_KEY, only=question.only, bounds=question.bounds)
        for form in ("generic", profile)
    )
    reader = reader_of(syntax.reader(question.tools), plain, profile)
    messages = _as_chat(question, syntax)
    request = Request(messages=messages)
    if on_prompt:
        closing = wrapper.syntax.shape.think_close if wrapper.opens_thinking else ""
        request = Request(
            prompt=(*wrapper.render(messages), *marked(closing, wrapper.control)),
            control=wrapper.control,
            stop=wrapper.stop,
        )
    return Plan(replace(request, schema=schema), claimed(said), reader)


def _by_tools(endpoint: Endpoint, question: Question, *, forced: bool) -> Plan:
    """The server shows the tools to its model in its own way, and takes the calls out of the text."""
    supports, only = endpoint.supports, question.only
    allowed = [tool for tool in question.allowed if only is None or tool.name == only or not forced]
    choice = "auto"
    if forced:
        choice = only if only is not None and supports.named else "required"
    request = Request(
        messages=question.messages,
        tools=tuple(enumerated(tool, question.quotes) for tool in allowed),
        tool_choice=choice,
    )
    report = ConstraintReport("tool", "", "claimed") if forced else ConstraintReport()
    reader = question.wrapper.syntax.reader(question.tools)
    return Plan(request, report, reader, native=True)


def _by_json(question: Question) -> Plan:
    """The answer is some JSON object, and the model has been told which."""
    syntax = MemGPT("outer", JsonLayout())
    request = Request(messages=_as_chat(question, syntax), json_mode=True)
    return Plan(request, ConstraintReport(), syntax.reader(question.tools))


def claimed(said: Report) -> ConstraintReport:
    """What a server is said to hold of a schema; what it holds more tightly than that is no loss."""
    weakened = tuple(f"{pointer} {keyword}" for pointer, keyword in said.lost)
    return ConstraintReport("schema", "", "claimed", weakened)


def _as_chat(question: Question, held: MemGPT | None) -> tuple[Message, ...]:
    syntax = held or question.wrapper.syntax
    listing = ToolListing("memgpt") if held else question.wrapper.format.tools
    listed = list_tools(listing, question.tools, "outer" if held else question.wrapper.thoughts)
    return _in_turns(plain_chat(question.messages, question.tools, syntax, listed))


def _in_turns(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Join turns of the user that follow each other: the templates of Mistral, Gemma and Llama 2 refuse them.

    A result stands in such a turn, and what the user says next would be another one.
    """
    out: list[Message] = []
    for message in messages:
        if out and message.role == out[-1].role == "user":
            out[-1] = replace(out[-1], content=f"{out[-1].content}\n\n{message.content}")
        else:
            out.append(message)
    return tuple(out)
