"""The functions of a memory agent: MemGPT's eight names and parameters, described in our own words, and a
shorter list for small models, in which lines of memory are named by their numbers.

`narrow` is what makes constraints aware of the agent's state: it returns the same functions with only those
values that make sense now (block names, lines that exist), or fewer functions. The prompt always lists the
full ones, so that its beginning never changes.
"""

from __future__ import annotations

import re
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
from bridle.agent.store.messages import SEARCHES
from bridle.agent.store.recall import PAGE_SIZE
from bridle.messages import JSON, Message, ToolSpec

__all__ = [
    "FUNCTIONS",
    "MEMORY_FUNCTIONS",
    "SEARCHES",
    "SMALL_FUNCTIONS",
    "constraint",
    "functions_of",
    "last_page",
    "line_of",
    "narrow",
    "wants_heartbeat",
]

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


SMALL_FUNCTIONS: tuple[ToolSpec, ...] = (
    _tool("send_message", "Say something to the user.", ["message"], message=_string("What to say.")),
    _tool(
        "core_memory_append",
        "Add a line to a block of core memory.",
        ["name", "content"],
        name=_block_name(),
        content=_string("The line to add."),
    ),
    _tool(
        "core_memory_replace",
        "Change or delete one line of core memory.",
        ["line", "new_content"],
        line=_string("The block and the number of the line, such as human 2."),
        new_content=_string("The new line; empty to delete it."),
    ),
    _tool(
        "archival_memory_insert",
        "Keep a note for ever.",
        ["content"],
        content=_string("The note, worded so that a search will find it."),
    ),
    _tool(
        "memory_search",
        "Search the notes, the documents and what was said before.",
        ["query"],
        query=_string("Words to search for."),
        page=PAGE,
    ),
)

MEMORY_FUNCTIONS = frozenset(tool.name for tool in (*FUNCTIONS, *SMALL_FUNCTIONS))
"""The names that no tool of somebody's own may have."""


def functions_of(profile: Profile) -> tuple[ToolSpec, ...]:
    """The functions that a profile offers."""
    return SMALL_FUNCTIONS if profile.functions == "small" else FUNCTIONS


def line_of(core: Core, label: str) -> tuple[str, str] | None:
    """The block and the text of the line that is named like `human 2`; None where there is none.

    >>> from bridle.agent.memory import Block
    >>> line_of(Core((Block("human", "Name: Ada\\nLives in: Bonn"),)), "human 2")
    ('human', 'Lives in: Bonn')
    """
    wanted = label.split()  # a model may space it otherwise, and so may the block's own label
    return next((found for name, found in _numbered_lines(core).items() if name.split() == wanted), None)


def _numbered_lines(core: Core) -> dict[str, tuple[str, str]]:
    return {
        f"{block.label} {number}": (block.label, line)
        for block in core.blocks
        for number, line in enumerate(block.lines, 1)
    }


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
    tools: Sequence[ToolSpec] = (),
) -> tuple[tuple[ToolSpec, ...], dict[str, JSON] | None]:
    """What the next answer is held to: the functions that make sense, and the schema of the thought.

    `tools` are those of somebody's own, which are offered besides the profile's.
    """
    at = moment(history, now) if profile.grounded else Moment("")
    reply_only = reply_only or at.found_in_documents  # all that this model can do with them is quote them
    allowed = narrow(
        core,
        reply_only=reply_only,
        at=at,
        functions=functions_of(profile),
        last_page=None if profile.grounded else last_page(history),
    )
    if not reply_only:
        allowed = (*allowed, *tools)
    # What a search found is thought about in words that nobody said yet.
    return allowed, None if at.function in SEARCHES else thought_schema(core, at)


def last_page(history: Sequence[Message]) -> Mapping[str, int]:
    """The number of the last page of what each search of the present turn has found; 0 for the others."""
    start = max((at for at, message in enumerate(history) if message.role == "user"), default=0)
    found: dict[str, int] = {}
    found |= dict.fromkeys(SEARCHES, 0)
    for message in history[start:]:
        if message.role == "tool" and message.name in found and (total := _TOTAL.match(message.content)):
            found[message.name] = max((int(total[1] or total[2]) - 1) // PAGE_SIZE, 0)
    return found


_TOTAL = re.compile(r"[0-9]+ of ([0-9]+)\b|No results on page [0-9]+; there (?:are|is) ([0-9]+)")
"""How the result of a search begins (`bridle.agent.store.recall.render_page`)."""


def narrow(
    core: Core,
    *,
    reply_only: bool = False,
    at: Moment | None = None,
    functions: Sequence[ToolSpec] = FUNCTIONS,
    last_page: Mapping[str, int] | None = None,
) -> tuple[ToolSpec, ...]:
    """The functions that make sense in this state, with the values that exist.

    Block names become an enum, and so do the names of numbered lines. `old_content` becomes one of the lines
    of the block that is named, of those that this turn has not written. An edit is left out where there is no
    line, or no block. With `at`, facts, queries, days and minutes are quoted from the user's message.
    `last_page` gives each search its last page. With `reply_only` just `send_message` remains: the last step
    of a turn.
    """
    at = at or Moment("")
    if reply_only:
        return (_limited(functions[0], {"message": answer_schema(core, at)} if at.said else {}),)
    limits = _limits(core, at)
    out: list[ToolSpec] = []
    for tool in functions:
        if tool.name == "core_memory_append":
            if core.blocks:
                out.append(_limited(tool, {**limits, "content": fact_schema(at.said)}))
        elif tool.name == "archival_memory_insert":
            out.append(_limited(tool, {**limits, "content": note_schema(at.said)}))
        elif tool.name == "core_memory_replace":
            out += _replacing(tool, core, limits, at)
        elif last_page is not None and tool.name in last_page:
            page: dict[str, JSON] = {"type": "integer", "minimum": 0, "maximum": last_page[tool.name]}
            out.append(_limited(tool, {**limits, "page": page}))
        else:
            out.append(_limited(tool, limits))
    return tuple(out)


def _replacing(
    tool: ToolSpec, core: Core, limits: Mapping[str, dict[str, JSON] | None], at: Moment
) -> list[ToolSpec]:
    """The function that replaces a line, where there is one: by its name, or as it stands in its block."""
    lines = {
        block.label: [line for line in dict.fromkeys(block.lines) if line not in at.written]
        for block in core.blocks
    }
    there = {label: found for label, found in lines.items() if found}
    if not there:
        return []
    if "old_content" not in tool.properties:
        return [_limited(tool, limits)]
    every = dict.fromkeys(line for found in there.values() for line in found)
    held: dict[str, dict[str, JSON] | None] = {
        "name": {"enum": list[JSON](there)},
        "old_content": {"enum": list[JSON](every)},
    }
    one = _limited(tool, {**limits, **held})
    if len(there) == 1:
        return [one]
    cases: list[JSON] = [
        {"properties": {"name": {"const": label}, "old_content": {"enum": list[JSON](found)}}}
        for label, found in there.items()
    ]
    return [replace(one, parameters={**one.parameters, "anyOf": cases})]


def _limits(core: Core, at: Moment) -> dict[str, dict[str, JSON] | None]:
    """By a parameter's name, the schema that holds it to what exists."""
    limits: dict[str, dict[str, JSON] | None] = {
        "name": {"enum": list[JSON](core.labels)},
        "line": {"enum": list[JSON](_numbered_lines(core))},
    }
    if at.said:
        limits["message"] = answer_schema(core, at)
        limits["query"] = query_schema(at.said)
        limits["new_content"] = fact_schema(at.said, core, may_be_empty=True)
        limits["start_date"] = limits["end_date"] = days_schema(at)
        limits["minutes"] = minutes_schema(at.said)
    return limits


def _limited(tool: ToolSpec, limits: Mapping[str, dict[str, JSON] | None]) -> ToolSpec:
    properties: dict[str, JSON] = {
        key: limits.get(key) or dict(schema) for key, schema in tool.properties.items()
    }
    return replace(tool, parameters={**tool.parameters, "properties": properties})
