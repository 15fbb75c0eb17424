"""The ladder for "emit a valid call": what can hold one, the strongest first, and when to step down.

The rungs: a *grammar* of the whole turn on the prompt route; a JSON *schema* of the call; the server told to
call a *tool*; native *tools* that it may call; any *json* object; *text*. A rung that the server declines, or
that it takes and does not hold, is left for the next one, and that is remembered for the endpoint and its
model, so that it is not tried again. On the lower rungs nothing makes an answer valid: there the model is
asked again, with the reason, a bounded number of times.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from bridle.endpoints.asking import Question
from bridle.endpoints.base import Endpoint, Remembers, Supports
from bridle.errors import (
    AuthError,
    BridleError,
    ConstraintRejected,
    ContentFiltered,
    InputError,
    ModelNotFound,
    RateLimited,
    RequestRefused,
    SchemaError,
    ServerBusy,
    UnsupportedParameter,
)

__all__ = [
    "HELD",
    "Rung",
    "digest",
    "forget",
    "has_held",
    "is_lasting",
    "refused",
    "remember",
    "rungs",
    "steps_down",
    "untried",
]

Rung = Literal["grammar", "schema", "tool", "tools", "json", "text"]
HELD: frozenset[Rung] = frozenset({"grammar", "schema", "tool"})
"""The rungs on which somebody promises that the answer is a call."""

_OTHER_REASONS = (AuthError, ContentFiltered, ModelNotFound, RateLimited, ServerBusy)
_CONSTRAINED = ("grammar", "schema", "format", "structured", "guided", "tool", "ebnf", "regex")
"""What the name of a parameter that carries a constraint has in it, on any server."""


def rungs(endpoint: Endpoint, question: Question) -> tuple[Rung, ...]:
    """List the rungs that a question may be put on, in the order in which they are tried.

    Raises:
        InputError: where the caller asks for one that this endpoint does not have.
    """
    supports = endpoint.supports
    there = _there(supports, question)
    wanted = question.wishes.constraint
    if question.mode == "text":
        return ("text",)
    if wanted == "off":
        return ("text",)
    if wanted != "auto":
        if wanted not in there:
            raise _not_there(endpoint, question, wanted)
        return (wanted,)
    if question.preferred == "off":
        return ("text",)
    if question.preferred in there:
        there = there[there.index(question.preferred) :]
    elif question.preferred and question.preferred not in _there(supports, replace(question, mode="call")):
        raise _not_there(endpoint, question, question.preferred)
    if supports.proven:
        return there[:1]
    return untried(endpoint, question, there) or ("text",)


def untried(endpoint: Endpoint, question: Question, there: Iterable[Rung]) -> tuple[Rung, ...]:
    """Leave out the rungs that an endpoint's server is known not to hold with its present model."""
    known = refused(endpoint)
    if not known:
        return tuple(there)
    for_these = digest(question)
    return tuple(
        rung
        for rung in there
        if _key(endpoint, rung) not in known and f"{_key(endpoint, rung)} {for_these}" not in known
    )


def digest(question: Question) -> str:
    """Name what the rungs of a question are made for: its tools, or the caller's own schema."""
    wishes = question.wishes
    made_for = [
        [[tool.name, dict(tool.parameters)] for tool in question.allowed],
        None if wishes.schema is None else dict(wishes.schema),
        question.only,
    ]
    text = json.dumps(made_for, sort_keys=True, default=repr)
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=6).hexdigest()


def _there(supports: Supports, question: Question) -> tuple[Rung, ...]:
    call, chat = question.mode == "call", supports.chat
    forced = supports.named or supports.forced if question.only else supports.forced
    has: dict[Rung, bool] = {
        "grammar": supports.grammar and supports.prompt,
        "schema": call and (_prompt_schema(supports) or (supports.json_schema and chat)),
        "tool": call and chat and supports.tools and forced,
        "tools": chat and supports.tools,
        "json": call and chat and supports.json_mode,
        "text": True,
    }
    return tuple(rung for rung, is_there in has.items() if is_there)


def _prompt_schema(supports: Supports) -> bool:
    return supports.prompt_schema and supports.prompt


def _not_there(endpoint: Endpoint, question: Question, wanted: str) -> InputError:
    what = {
        "grammar": "hold a grammar",
        "schema": "hold a JSON Schema here",
        "tool": "be made to call a tool here",
        "tools": "take native tools",
        "json": "be held to JSON here",
    }[wanted]
    needs = "" if question.mode == "call" else "; most need tool_choice required or a function's name"
    there = ", ".join(_there(endpoint.supports, question))
    return InputError(
        f"the endpoint {endpoint.name!r} cannot {what}", hint=f"it has: {there}; or use auto{needs}"
    )


def refused(endpoint: Endpoint) -> dict[str, str]:
    """What an endpoint's server is known not to hold, and why; a new dict where it keeps none."""
    return endpoint.refused if isinstance(endpoint, Remembers) else {}


def _key(endpoint: Endpoint, rung: Rung) -> str:
    return f"{rung} {endpoint.model}"


def remember(endpoint: Endpoint, question: Question, rung: Rung, reason: str) -> None:
    """Note that an endpoint's server does not hold a rung for these tools with its present model.

    One schema may be too much for a server that holds others. Only where it has held none, and has declined
    two, is the rung given up for all.
    """
    if rung == "text":
        return
    known, key = refused(endpoint), _key(endpoint, rung)
    others = [one for one in known if one.startswith(f"{key} ") and one != f"{key} {digest(question)}"]
    if others and key not in _held(endpoint):
        known[key] = reason
    known[f"{key} {digest(question)}"] = reason


def has_held(endpoint: Endpoint, rung: Rung) -> None:
    """Note that an endpoint's server has held a rung with its present model."""
    if rung in HELD:
        _held(endpoint).add(_key(endpoint, rung))


def _held(endpoint: Endpoint) -> set[str]:
    return endpoint.held if isinstance(endpoint, Remembers) else set()


def forget(endpoint: Endpoint) -> None:
    """Forget it all, as when the server has been restarted with other settings."""
    refused(endpoint).clear()
    _held(endpoint).clear()


def steps_down(error: BridleError) -> bool:
    """Whether an error says that the constraint was declined, or may say so, and not something else.

    A server's words are its own. Other reasons of a refusal are known; what is left is taken to be the
    constraint, and when it is not, the next rung fails in the same way and is heard.
    """
    if isinstance(error, ConstraintRejected):
        return True
    if isinstance(error, UnsupportedParameter):
        named = str(error.facts.get("parameter", "")).lower()
        return not named or any(word in named for word in _CONSTRAINED)
    if isinstance(error, SchemaError):
        return True
    status = error.facts.get("status")
    return (
        isinstance(error, RequestRefused)
        and not isinstance(error, _OTHER_REASONS)
        and status in (200, 400, 422, 500, 501)
    )


def is_lasting(error: BridleError) -> bool:
    """Whether a constraint that was declined would be declined the next time, too.

    A schema that could not be written, a strict caller's wish and a server that failed over one request say
    nothing about the next question.
    """
    status = error.facts.get("status")
    if isinstance(error, UnsupportedParameter):
        return status is not None
    return isinstance(error, ConstraintRejected) or status in (400, 422, 501)
