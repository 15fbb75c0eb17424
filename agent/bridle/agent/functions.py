"""The eight functions of a memory agent: MemGPT's names and parameters, described in our own words.

`narrow` is what makes constraints aware of the agent's state: it returns the same functions with only those
values that make sense now (block names, lines that exist), or fewer functions. The prompt always lists the
full ones, so that its beginning never changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bridle.agent.answers import answer_schema
from bridle.agent.grounding import (
    Moment,
    days_schema,
    fact_schema,
    minutes_schema,
    moment,
    note_schema,
    query_schema,
    thought_schema,
)
from bridle.agent.memory import Core
from bridle.agent.prompt import Profile
from bridle.messages import JSON, Message, ToolSpec

__all__ = ["FUNCTIONS", "SEARCHES", "constraint", "narrow", "wants_heartbeat"]

HEARTBEAT: dict[str, JSON] = {
    "type": "boolean",
    "description": "True to go on with another step after this function; false to wait for the next event.",
}
PAGE: dict[str, JSON] = {
    "type": "integer",
    "minimum": 0,
    "description": "Which page of results, from 0. Leave it out for the first.",
}


def _tool(name: str, description: str, required: Sequence[str], /, **properties: JSON) -> ToolSpec:
    parameters: dict[str, JSON] = {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
    }
    return ToolSpec(name, description, parameters)


def _string(description: str, /, **more: JSON) -> dict[str, JSON]:
    return {"type": "string", "description": description, **more}


def _block_name() -> dict[str, JSON]:
    return _string("The block of core memory, such as persona or human.")


FUNCTIONS: tuple[ToolSpec, ...] = (
    _tool("send_message", "Say something to the user.", ["message"], message=_string("What to say.")),
    _tool(
        "core_memory_append",
        "Add a line to a block of core memory.",
        ["name", "content", "request_heartbeat"],
        name=_block_name(),
        content=_string("The line to add."),
        request_heartbeat=HEARTBEAT,
    ),
    _tool(
        "core_memory_replace",
        "Change or delete a line of core memory.",
        ["name", "old_content", "new_content", "request_heartbeat"],
        name=_block_name(),
        old_content=_string("The line as it stands there now, exactly."),
        new_content=_string("The new line; empty to delete the old one."),
        request_heartbeat=HEARTBEAT,
    ),
    _tool(
        "archival_memory_insert",
        "Keep a note for ever.",
        ["content", "request_heartbeat"],
        content=_string("The note, worded so that a search will find it."),
        request_heartbeat=HEARTBEAT,
    ),
    _tool(
        "archival_memory_search",
        "Search the notes.",
        ["query", "request_heartbeat"],
        query=_string("Words to search for."),
        page=PAGE,
        request_heartbeat=HEARTBEAT,
    ),
    _tool(
        "conversation_search",
        "Search what was said before.",
        ["query", "request_heartbeat"],
        query=_string("Words to search for."),
        page=PAGE,
        request_heartbeat=HEARTBEAT,
    ),
    _tool(
        "conversation_search_date",
        "Find what was said between two days.",
        ["start_date", "end_date", "request_heartbeat"],
        start_date=_string("The first day, as YYYY-MM-DD.", format="date"),
        end_date=_string("The last day, as YYYY-MM-DD.", format="date"),
        page=PAGE,
        request_heartbeat=HEARTBEAT,
    ),
    _tool(
        "pause_heartbeats",
        "Take no timed steps for a while.",
        ["minutes"],
        minutes={"type": "integer", "minimum": 1, "maximum": 360, "description": "How many minutes."},
    ),
)


SEARCHES = ("archival_memory_search", "conversation_search", "conversation_search_date")
"""The functions that bring something back which was not in the prompt."""


def wants_heartbeat(arguments: Mapping[str, JSON]) -> bool:
    """Did the call ask for another step?"""
    return arguments.get("request_heartbeat") is True


def constraint(
    profile: Profile,
    core: Core,
    history: Sequence[Message],
    now: datetime | None = None,
    *,
    reply_only: bool = False,
) -> tuple[tuple[ToolSpec, ...], dict[str, JSON] | None]:
    """What the next answer is held to: the functions that make sense, and the schema of the thought."""
    at = moment(history, now) if profile.grounded else Moment("")
    allowed = narrow(core, reply_only=reply_only, line_edits=profile.line_edits, at=at)
    # What a search found is thought about in words that nobody said yet.
    return allowed, None if at.function in SEARCHES else thought_schema(core, at)


def narrow(
    core: Core, *, reply_only: bool = False, line_edits: bool = False, at: Moment | None = None
) -> tuple[ToolSpec, ...]:
    """The functions that make sense in this state, with the values that exist.

    Block names become an enum. With `line_edits`, `old_content` becomes one of the lines that exist and that
    this turn has not written (an edit is left out when there is none). With `at`, facts, queries, days and
    minutes are quoted from the user's message. With `reply_only` just `send_message` remains: the last step
    of a turn.
    """
    at = at or Moment("")
    if reply_only:
        return (_limited(FUNCTIONS[0], {"message": answer_schema(core, at)} if at.said else {}),)
    lines = [line for block in core.blocks for line in block.lines if line not in at.written]
    limits: dict[str, dict[str, JSON] | None] = {"name": {"enum": list[JSON](core.labels)}}
    if line_edits:
        limits["old_content"] = {"enum": list[JSON](dict.fromkeys(lines))}
    if at.said:
        limits["message"] = answer_schema(core, at)
        limits["query"] = query_schema(at.said)
        limits["new_content"] = fact_schema(at.said, core, may_be_empty=True)
        limits["start_date"] = limits["end_date"] = days_schema(at)
        limits["minutes"] = minutes_schema(at.said)
    out: list[ToolSpec] = []
    for tool in FUNCTIONS:
        if tool.name == "core_memory_append":
            out.append(_limited(tool, {**limits, "content": fact_schema(at.said)}))
        elif tool.name == "archival_memory_insert":
            out.append(_limited(tool, {**limits, "content": note_schema(at.said)}))
        elif tool.name != "core_memory_replace" or lines or not line_edits:
            out.append(_limited(tool, limits))
    return tuple(out)


def _limited(tool: ToolSpec, limits: Mapping[str, dict[str, JSON] | None]) -> ToolSpec:
    properties: dict[str, JSON] = {
        key: limits.get(key) or dict(schema) for key, schema in tool.properties.items()
    }
    return replace(tool, parameters={**tool.parameters, "properties": properties})
