"""How a question is put whose whole answer is held by the caller's own schema or grammar."""

from __future__ import annotations

from dataclasses import replace

from bridle.endpoints.asking import Question, Wishes
from bridle.endpoints.base import Endpoint, Request
from bridle.endpoints.ladder import Rung, untried
from bridle.endpoints.planning import PlainReader, Plan, claimed, held
from bridle.endpoints.reading_back import Unquoted, reader_of
from bridle.errors import InputError
from bridle.grammars import check_gbnf, choices_of, schema_grammar
from bridle.grammars.profiles import to_json_schema
from bridle.messages import JSON, ConstraintReport, Message, Proof
from bridle.wrappers import JsonLayout, StreamReader
from bridle.wrappers.toollists import marked

__all__ = ["plan_value", "value_rungs"]


def value_rungs(endpoint: Endpoint, question: Question) -> tuple[Rung, ...]:
    """List the rungs for an answer of the caller's own shape; none where no such answer was asked for.

    Raises:
        InputError: for an impossible combination, and where the endpoint cannot hold it.
    """
    wishes, supports = question.wishes, endpoint.supports
    own = [value for value in (wishes.schema, wishes.gbnf, wishes.grammar) if value is not None]
    if not own:
        return ()
    _check_value(question, len(own))
    by_schema, wanted = _schema_of(wishes) is not None, wishes.constraint
    there: dict[Rung, bool] = {
        "grammar": supports.grammar and supports.prompt,
        "schema": by_schema
        and ((supports.prompt_schema and supports.prompt) or (supports.json_schema and supports.chat)),
        "json": wishes.schema is not None and supports.json_mode and supports.chat,
    }
    anyhow = wanted in ("auto", "schema")  # a schema may well be held by a grammar
    found: list[Rung] = [rung for rung in there if there[rung] and (anyhow or wanted == rung)]
    if not found:
        what = "a JSON Schema" if by_schema else "a grammar"
        more = "LM Studio, Ollama, " if by_schema else ""
        raise InputError(
            f"the endpoint {endpoint.name!r} cannot hold {what}",
            hint=f"use {more}a web UI, llama-server or a GGUF in process",
        )
    return untried(endpoint, question, found) or tuple(found)


def plan_value(endpoint: Endpoint, question: Question, rung: Rung) -> Plan:
    """Put such a question in the way of one rung."""
    wishes = question.wishes
    if rung == "grammar":
        return _by_grammar(endpoint, question)
    schema = _schema_of(wishes)
    assert schema is not None, "only a schema has other rungs"
    plain: StreamReader = PlainReader() if wishes.schema is not None else Unquoted(PlainReader())
    if rung == "json":
        return Plan(Request(messages=_told(question, schema), json_mode=True), ConstraintReport(), plain)
    sent, said = to_json_schema(schema, endpoint.supports.schema_profile)
    request = Request(messages=question.messages)
    if endpoint.supports.prompt_schema and endpoint.supports.prompt:
        wrapper = question.wrapper
        closing = wrapper.syntax.shape.think_close if wrapper.opens_thinking else ""
        request = _prompt(question, closing)
    reader = reader_of(plain, schema, endpoint.supports.schema_profile)
    return Plan(replace(request, schema=sent), claimed(said), reader)


def _schema_of(wishes: Wishes) -> dict[str, JSON] | None:
    """The schema of the answer: the caller's own, or that of a choice between texts."""
    if wishes.schema is not None:
        return dict(wishes.schema)
    texts = None if wishes.grammar is None else choices_of(wishes.grammar)
    return None if texts is None else {"type": "string", "enum": list[JSON](texts)}


def _prompt(question: Question, closing: str = "") -> Request:
    wrapper = question.wrapper
    prompt = (*wrapper.render(question.messages), *marked(closing, wrapper.control))
    return Request(prompt=prompt, control=wrapper.control, stop=wrapper.stop)


def _by_grammar(endpoint: Endpoint, question: Question) -> Plan:
    wishes, request = question.wishes, _prompt(question)
    if wishes.gbnf is not None:
        check_gbnf(wishes.gbnf)
        proof: Proof = "proven" if endpoint.supports.proven else "claimed"
        return Plan(replace(request, gbnf=wishes.gbnf), ConstraintReport("gbnf", "", proof), PlainReader())
    own, schema = wishes.grammar, wishes.schema
    if own is not None:
        request, report = held(endpoint, question, request, "grammar", lambda _: own)
        return Plan(request, report, PlainReader())
    assert schema is not None, "one of the three is given"
    request, report = held(
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


def _told(question: Question, schema: dict[str, JSON]) -> tuple[Message, ...]:
    """The conversation with the schema in words, for a server that holds JSON and nothing more of it."""
    words = f"Answer with one JSON value of this JSON Schema, and nothing else:\n{JsonLayout().dump(schema)}"
    messages = question.messages
    if messages and messages[0].role == "system":
        first = replace(messages[0], content=f"{messages[0].content.strip()}\n\n{words}")
        return (first, *messages[1:])
    return (Message("system", words), *messages)


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
