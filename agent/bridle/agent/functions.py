"""The eight functions of a memory agent: MemGPT's names and parameters, described in our own words.

`narrow` is what makes constraints aware of the agent's state: it returns the same functions with only those
values that make sense now (block names, lines that exist), or fewer functions. The prompt always lists the
full ones, so that its beginning never changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bridle.agent.grounding import answer_schema, fact_schema, query_schema
from bridle.agent.memory import Core
from bridle.messages import JSON, ToolSpec

__all__ = ["FUNCTIONS", "SEARCHES", "narrow", "wants_heartbeat"]

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


def narrow(
    core: Core, *, reply_only: bool = False, line_edits: bool = False, said: str = ""
) -> tuple[ToolSpec, ...]:
    """The functions that make sense in this state, with the values that exist.

    Block names become an enum. With `line_edits`, `old_content` becomes one of the lines that exist (an edit
    is left out when there is no line). With `said`, the user's message, facts and queries are quoted from it.
    With `reply_only` just `send_message` remains: the last step of a turn.
    """
    if reply_only:
        message = {"message": answer_schema(core)} if said else {}
        return (_limited(FUNCTIONS[0], message),)
    lines = tuple(line for block in core.blocks for line in block.lines)
    out: list[ToolSpec] = []
    for tool in FUNCTIONS:
        if tool.name == "core_memory_replace" and line_edits and not lines:
            continue
        limits: dict[str, dict[str, JSON] | None] = {}
        if "name" in tool.properties:
            limits["name"] = {"enum": list[JSON](core.labels)}
        if line_edits:
            limits["old_content"] = {"enum": list[JSON](dict.fromkeys(lines))}
        if said:
            limits["message"] = answer_schema(core)
            limits["query"] = query_schema(said)
            limits["new_content"] = fact_schema(said, may_be_empty=True)
            if tool.name == "core_memory_append":
                limits["content"] = fact_schema(said)
        out.append(_limited(tool, limits))
    return tuple(out)


def _limited(tool: ToolSpec, limits: Mapping[str, dict[str, JSON] | None]) -> ToolSpec:
    properties: dict[str, JSON] = {
        key: limits.get(key) or dict(schema) for key, schema in tool.properties.items()
    }
    return replace(tool, parameters={**tool.parameters, "properties": properties})
