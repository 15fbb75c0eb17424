"""What a call must be besides valid: one of those that may be made now, and quoted where it says so.

A grammar has seen to that already; where none held the answer it is looked at here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from bridle.endpoints.asking import Question
from bridle.grammars.quotes import quote_errors
from bridle.grammars.schema_keywords import validator_of
from bridle.messages import Refusal, ToolCall

__all__ = ["checked_calls", "schema_error"]


def checked_calls(
    question: Question, calls: Sequence[ToolCall], *, held: bool
) -> tuple[tuple[ToolCall, ...], list[Refusal]]:
    """Return the calls that may be made, and why the others may not."""
    kept: list[ToolCall] = []
    refusals: list[Refusal] = []
    tools = {tool.name: tool for tool in question.allowed}
    for call in calls:
        wrong: list[str] = []
        if question.only is not None and call.name != question.only:
            refusals.append(Refusal(f"only {question.only} may be called now, not {call.name}"))
            continue
        if call.name not in tools:
            refusals.append(Refusal(f"{call.name} may not be called now; call one of {', '.join(tools)}"))
            continue
        if not held:
            wrong = quote_errors(tools[call.name], call.arguments, question.quotes)
        if wrong:
            refusals.append(Refusal(f"wrong arguments for {call.name}: {'; '.join(wrong)}"))
        else:
            kept.append(call)
    return tuple(kept), refusals


def schema_error(question: Question, text: str) -> str:
    """Say why an answer that was asked for by a schema does not satisfy it; empty where it does."""
    schema = question.wishes.schema
    if schema is None:
        return ""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"the answer is not JSON: {error}"
    found = next(iter(validator_of(schema).iter_errors(value)), None)
    if found is None:
        return ""
    place = "/".join(str(part) for part in found.absolute_path)
    return f"{place}: {found.message}" if place else found.message
