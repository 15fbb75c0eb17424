"""What was asked and answered, as JSON that it can be asked again from, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

from bridle.endpoints.asking import Wishes
from bridle.endpoints.base import Request, Sampling
from bridle.endpoints.json_paths import integer_at, list_at, text_at, value_at
from bridle.endpoints.observing import Observation
from bridle.grammars import Bounds, to_gbnf
from bridle.messages import (
    JSON,
    Completion,
    Message,
    ToolSpec,
    as_messages,
    as_tools,
    message_to_dict,
    tool_to_dict,
)

__all__ = ["asked_again", "written"]


def written(seen: Observation) -> dict[str, JSON]:
    """Write an observation: what the caller asked, what was sent, what came back, and how it was read."""
    question, request = seen.question, seen.request
    return {
        "endpoint": seen.endpoint.name,
        "model": seen.endpoint.model,
        "wrapper": question.wrapper.name,
        "wrapper_reason": seen.wrapper_reason,
        "rung": seen.rung,
        "started": seen.started,
        "seconds": seen.seconds,
        "asked": {
            "messages": [_message(message) for message in question.messages],
            "tools": [tool_to_dict(tool) for tool in question.tools],
            "allowed": [tool_to_dict(tool) for tool in question.allowed],
            "tool_choice": question.wishes.tool_choice,
            "constraint": question.wishes.constraint,
            "schema": _copied(question.wishes.schema),
            "gbnf": _own_grammar(question.wishes),
            "thoughts": _copied(question.wishes.thoughts),
            "think": question.wishes.think,
            "parallel": question.wishes.parallel,
            "fit": question.wishes.fit,
            "loosen": question.wishes.loosen,
            "bounds": cast("JSON", asdict(question.bounds)),
            "quotes": {name: list[JSON](texts) for name, texts in question.quotes.items()},
        },
        "request": _request(request),
        "answer": _answer(seen),
        "reading": None if seen.completion is None else _reading(seen.completion),
        "error": _error(seen),
    }


def _own_grammar(wishes: Wishes) -> str | None:
    return wishes.gbnf if wishes.grammar is None else to_gbnf(wishes.grammar)


def _message(message: Message) -> JSON:
    return {**message_to_dict(message), "thoughts": message.thoughts, "extra": dict(message.extra)}


def _copied(value: Mapping[str, JSON] | None) -> JSON:
    return None if value is None else dict(value)


def _request(request: Request) -> JSON:
    return {
        "prompt": [[segment.text, segment.control] for segment in request.prompt],
        "messages": [message_to_dict(message) for message in request.messages],
        "stop": list(request.stop),
        "max_tokens": request.max_tokens,
        "max_seconds": request.max_seconds,
        "field_tokens": dict(request.field_tokens),
        "sampling": cast("JSON", asdict(request.sampling)),
        "grammar": request.gbnf or (None if request.grammar is None else to_gbnf(request.grammar)),
        "regex": request.regex,
        "schema": _copied(request.schema),
        "json_mode": request.json_mode,
        "tools": [tool_to_dict(tool) for tool in request.tools],
        "tool_choice": request.tool_choice,
    }


def _answer(seen: Observation) -> JSON:
    answer = seen.answer
    if answer is None:
        return None
    return {
        "text": answer.text,
        "thoughts": answer.thoughts,
        "calls": [cast("JSON", asdict(call)) for call in answer.calls],
        "finish": answer.finish,
        "finish_reason": answer.finish_reason,
        "usage": cast("JSON", asdict(answer.usage)),
        "engine": answer.engine,
        "dropped": list(answer.dropped),
        "cost": None if answer.cost is None else cast("JSON", asdict(answer.cost)),
        "sent": dict(answer.sent),
    }


def _reading(completion: Completion) -> JSON:
    return {
        "calls": [{"name": c.name, "arguments": dict(c.arguments)} for c in completion.message.calls],
        "text": completion.message.content,
        "thoughts": completion.message.thoughts,
        "raw": completion.raw,
        "repairs": [cast("JSON", asdict(repair)) for repair in completion.repairs],
        "refusals": [cast("JSON", asdict(refusal)) for refusal in completion.refusals],
        "constraint": cast("JSON", {**asdict(completion.constraint)}),
    }


def _error(seen: Observation) -> JSON:
    error = seen.error
    if error is None:
        return None
    facts: dict[str, JSON] = {
        name: value if isinstance(value, bool | int | float | str) else repr(value)
        for name, value in error.facts.items()
    }
    return {"kind": type(error).__name__, "message": error.message, "hint": error.hint, "facts": facts}


def asked_again(
    body: Mapping[str, JSON],
) -> tuple[tuple[Message, ...], tuple[ToolSpec, ...], dict[str, object]]:
    """Take from a recorded row what `respond` was given: the messages, the tools, and the options.

    The options are those that were recorded: sampling, limits, tool choice, and what was to hold the answer.
    """
    asked, request = dict(body), value_at(dict(body), "request")
    question = value_at(asked, "asked")
    messages = as_messages([one for one in list_at(question, "messages") if isinstance(one, dict)])
    tools = as_tools([one for one in list_at(question, "tools") if isinstance(one, dict)])
    allowed = as_tools([one for one in list_at(question, "allowed") if isinstance(one, dict)])
    sampling = value_at(request, "sampling")
    quotes, bounds = value_at(question, "quotes"), value_at(question, "bounds")
    options: dict[str, object] = {
        "tool_choice": text_at(question, "tool_choice") or "auto",
        "constraint": text_at(question, "constraint") or "auto",
        "schema": value_at(question, "schema"),
        "gbnf": value_at(question, "gbnf"),
        "thoughts": value_at(question, "thoughts"),
        "think": value_at(question, "think") is True,
        "parallel": integer_at(question, "parallel") or 1,
        "quotes": quotes if isinstance(quotes, dict) else None,
        "allowed": allowed or None,
        "fit": text_at(question, "fit") or None,
        "loosen": value_at(question, "loosen"),
        "bounds": Bounds(**cast("dict[str, Any]", bounds)) if isinstance(bounds, dict) else None,
        "max_tokens": integer_at(request, "max_tokens"),
        "max_seconds": value_at(request, "max_seconds"),
        "field_tokens": value_at(request, "field_tokens"),
        "sampling": Sampling(**cast("dict[str, Any]", sampling)) if isinstance(sampling, dict) else None,
    }
    return messages, tools, options
