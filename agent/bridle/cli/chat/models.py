"""Slash commands about the model: which it is, its prompt format, what holds its answers, what they cost."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from bridle.cli import output
from bridle.cli.chat.session import note
from bridle.errors import BridleError, ConfigError, InputError

if TYPE_CHECKING:
    from bridle.cli.chat.session import Session
    from bridle.endpoints.base import Request
    from bridle.endpoints.config import EndpointConfig
    from bridle.messages import Completion

__all__ = ["grammar", "model", "model_names", "stats", "tools", "why", "wrapper", "wrapper_names"]

MOST_LINES = 60
"""Of a grammar; the whole of it is in the flight recorder."""


def model(session: Session, given: str) -> None:
    """Go on with another model, or list what there is."""
    if not given:
        _list_models(session)
        return
    from bridle.cli.connecting import open_endpoint

    entry = _entry_for(session, given)
    endpoint, chosen = open_endpoint(entry, offline=session.options.offline)
    try:
        session.use(endpoint, entry, chosen)
    except BridleError:
        endpoint.close()
        raise
    output.print_note(f"Now {_named(session)}, wrapper {session.agent.wrapper.name}")


def _entry_for(session: Session, given: str) -> EndpointConfig:
    """What `given` means: a model of the server in use, else a spec."""
    from bridle.endpoints.connect import parse_spec

    if given in _models(session):
        return replace(session.entry, model=given)
    try:
        return parse_spec(given)
    except ConfigError as error:
        there = ", ".join(_models(session))
        hint = f"{session.agent.endpoint.name} has {there}; {error.hint}" if there else error.hint
        raise InputError(error.message, hint=hint) from error


def _models(session: Session) -> list[str]:
    from bridle.endpoints.base import ListsModels

    endpoint = session.agent.endpoint
    if not isinstance(endpoint, ListsModels):
        return []
    try:
        return [one.name for one in endpoint.models() if not one.embedding]
    except BridleError:
        return []  # the next answer will say what is wrong


def _list_models(session: Session) -> None:
    from bridle.endpoints.config import load_config

    window = session.agent.endpoint.context_tokens
    note(f"{_named(session)}, window {f'{window:,} tokens' if window else 'not known'}")
    there = _models(session)
    if there:
        note(f"it has {', '.join(there)}")
    saved = load_config().endpoints
    if saved:
        note(f"saved endpoints: {', '.join(saved)}")
    note("/model SPEC or NAME goes on with another one.")


def _named(session: Session) -> str:
    endpoint = session.agent.endpoint
    return (
        f"{endpoint.name} ({endpoint.model})" if endpoint.model not in ("", endpoint.name) else endpoint.name
    )


def model_names(session: Session) -> Iterable[str]:
    """What `/model` can be given without asking a server: the saved endpoints, and the embedded model."""
    from bridle.endpoints.config import load_config

    return [*load_config().endpoints, "embedded"]


def wrapper(session: Session, given: str) -> None:
    """Go on with another prompt format, or show the one in use."""
    if given:
        session.use(session.agent.endpoint, session.entry, given)
    note(f"{session.agent.wrapper.name}: {session.agent.wrapper_reason}")


def wrapper_names(session: Session) -> Iterable[str]:
    """All wrappers."""
    from bridle.wrappers import wrapper_names as names

    return ["auto", *names()]


def tools(session: Session, given: str) -> None:
    """List the functions with what they take."""
    from bridle.agent.functions import functions_of

    agent = session.agent
    for spec in (*functions_of(agent.state.profile), *(tool.spec for tool in agent.tools)):
        takes = ", ".join(
            name if name in spec.required else f"[{name}]"
            for name in spec.properties
            if name != "request_heartbeat"
        )
        first = spec.description.strip().split("\n")[0]
        note(f"{spec.name}({takes}): {first}")


def grammar(session: Session, given: str) -> None:
    """Show what held the last answer that was to be a call."""
    if session.seen is None:
        raise InputError("the model has not been asked for a call yet", hint="say something first")
    seen = session.seen
    allowed = ", ".join(spec.name for spec in seen.question.allowed)
    note(f"rung {seen.rung}; functions that were allowed: {allowed}")
    lines = _constraint_text(seen.request).splitlines()
    for line in lines[:MOST_LINES]:
        note(f"  {line}")
    if len(lines) > MOST_LINES:
        note(f"  … {len(lines) - MOST_LINES:,} more lines: bridle logs show NUMBER --grammar")
    if not lines:
        note("Nothing was sent that holds the answer to a form; it is checked when it has come.")


def _constraint_text(request: Request) -> str:
    if request.grammar is not None:
        from bridle.grammars import to_gbnf

        return to_gbnf(request.grammar)
    if request.schema is not None:
        return json.dumps(dict(request.schema), ensure_ascii=False, indent=2)
    return request.gbnf or request.regex or ""


def why(session: Session, given: str) -> None:
    """Say of each answer of the last turn how it was held, what that cost, and what was wrong with it."""
    if session.last is None:
        raise InputError("there was no turn yet", hint="say something first")
    for number, completion in enumerate(session.last.completions, 1):
        for line in _reasons(completion):
            note(f"{number}. {line}" if line[:1] != " " else line)
    if not session.last.completions:
        note("The model was not asked in the last turn.")
    for text in session.last.notes:
        note(f"({text})")


def _reasons(completion: Completion) -> Iterable[str]:
    report, usage = completion.constraint, completion.usage
    calls = ", ".join(call.name for call in completion.message.calls) or "no call"
    by = f" by {report.engine}" if report.engine else ""
    yield f"{calls}: held as {report.asked}{by} ({report.proof}), finish {completion.finish}"
    speed = f", {usage.completion_tokens / completion.seconds:.0f} tokens/s" if completion.seconds else ""
    forced = f", {usage.forced_tokens} forced" if usage.forced_tokens else ""
    yield (
        f"   {usage.prompt_tokens:,} prompt tokens ({usage.cached_tokens:,} cached),"
        f" {usage.completion_tokens:,} written{forced}; {completion.seconds:.2f} s{speed}"
    )
    cost = completion.cost
    if cost is not None:
        yield (
            f"   cost: {cost.nats:.2f} nats, {cost.rejected} tokens rejected,"
            f" {cost.interventions} taken to close in time"
        )
    for repair in completion.repairs:
        yield f"   repaired: {repair.what}: {repair.before!r} became {repair.after!r}"
    for refusal in completion.refusals:
        yield f"   refused: {refusal.reason}"
    for attempt in completion.attempts:
        if attempt.outcome != "answered":
            yield f"   asked again: {attempt.rung} was {attempt.outcome}: {attempt.reason}"
    if completion.dropped:
        yield f"   the endpoint cannot be told: {', '.join(completion.dropped)}"
    if report.weakened:
        yield f"   not held, checked afterwards: {', '.join(report.weakened)}"


def stats(session: Session, given: str) -> None:
    """Sum up this conversation."""
    tally, state = session.tally, session.agent.state
    stopped = f", {tally.cancelled} stopped" if tally.cancelled else ""
    turns = output.counted(tally.turns, "turn")
    note(f"{turns}{stopped} in this conversation, {state.turn:,} with {state.name}")
    note(
        f"{output.counted(tally.answers, 'answer')} of the model: {tally.prompt_tokens:,} prompt tokens"
        f" ({tally.cached_tokens:,} cached), {tally.completion_tokens:,} written"
    )
    rate = tally.completion_tokens / tally.model_seconds if tally.model_seconds else 0.0
    note(f"{tally.seconds:.1f} s, {tally.model_seconds:.1f} of them the model's ({rate:.0f} tokens/s)")
    note(f"{output.counted(tally.repairs, 'repair')}, {output.counted(tally.refusals, 'refusal')}")
    if tally.functions:
        note(", ".join(f"{name} {count}" for name, count in tally.functions.most_common()))
