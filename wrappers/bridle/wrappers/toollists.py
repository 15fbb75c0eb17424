"""How the available functions are told to a model, as text for the prompt.

Most formats list them as JSON between words of their own: `open`, the items with `between` two of them,
`close`. Two lists are more than that and have a style: `memgpt`, names, descriptions and parameter
descriptions, indented (the layout of MemGPT 0.3.25, our words), and `signatures`, one line each,
`name(parameter: type, optional?: type) - description`, for small models and windows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from bridle.messages import JSON, ToolSpec, tool_to_dict

__all__ = ["HINTS", "TOOL_ITEMS", "TOOL_LISTS", "ToolItem", "ToolListing", "list_tools", "type_text"]

ToolItem = Literal["openai", "function", "name", "signature"]
"""What stands for one tool: OpenAI's object with its `function` inside, that inner object alone, the name, or
a signature."""


@dataclass(frozen=True, slots=True)
class ToolListing:
    """How tools are listed: by a `style`, or as items between words."""

    style: str = ""
    open: str = ""
    close: str = ""
    between: str = "\n"
    item: ToolItem = "openai"
    indent: int | None = None
    """Blanks by which each item's JSON is indented; on one line without it."""


HINTS = """\
# Reminders:
# - What will matter later about the user goes into core memory: core_memory_append, or core_memory_replace.
# - Longer notes are kept with archival_memory_insert and found again with archival_memory_search.
# - What was said earlier is found with conversation_search.
# - The user sees nothing but send_message. Request a heartbeat to go on after a call.
"""
"""What the option `hints` puts where the answer begins: how the memory functions are meant to be used."""

_THOUGHTS = {
    "inner": "    inner_thoughts: What you think to yourself before acting; the user never sees it.\n",
    "outer": "",
    "none": "",
}


def list_tools(listing: ToolListing, tools: Sequence[ToolSpec], thoughts: str = "none") -> str:
    """Write the tools; the empty string when there are none."""
    if not tools:
        return ""
    if listing.style:
        return TOOL_LISTS[listing.style](tools, thoughts)
    write = TOOL_ITEMS[listing.item]
    return listing.open + listing.between.join(write(tool, listing.indent) for tool in tools) + listing.close


def _memgpt(tools: Sequence[ToolSpec], thoughts: str) -> str:
    if thoughts == "outer":
        intro = (
            "Think in inner_thoughts on every turn. Then, if one of the functions below helps with the"
            " conversation, call it with the right parameters. Answer as a JSON object."
        )
    else:
        intro = (
            "Pick the function below that fits the conversation best, with the right parameters. Answer as"
            " a JSON object."
        )
    lines = [intro, "Available functions:"]
    for tool in tools:
        lines.append(f"{tool.name}:\n  description: {tool.description}\n  params:")
        if thoughts == "inner" and "inner_thoughts" not in tool.properties:
            lines.append(_THOUGHTS["inner"].rstrip("\n"))
        lines += [
            f"    {name}: {schema.get('description', type_text(schema))}"
            for name, schema in tool.properties.items()
        ]
    return "\n".join(lines)


def _signatures(tools: Sequence[ToolSpec], thoughts: str) -> str:
    return "Functions:\n" + "\n".join(_signature(tool) for tool in tools)


def _signature(tool: ToolSpec) -> str:
    required = tool.required
    inside = ", ".join(
        f"{name}{'' if name in required else '?'}: {type_text(schema)}"
        for name, schema in tool.properties.items()
    )
    about = " ".join(tool.description.split())
    return f"{tool.name}({inside})" + (f" - {about}" if about else "")


def _openai(tool: ToolSpec, indent: int | None) -> str:
    return json.dumps(tool_to_dict(tool), ensure_ascii=False, indent=indent)


def _function(tool: ToolSpec, indent: int | None) -> str:
    return json.dumps(tool_to_dict(tool)["function"], ensure_ascii=False, indent=indent)


def type_text(schema: Mapping[str, JSON]) -> str:
    """Say a schema's type in a few characters.

    >>> type_text({"type": "array", "items": {"enum": ["a", "b"]}})
    '"a"|"b"[]'
    """
    enum = schema.get("enum")
    if isinstance(enum, list):
        return "|".join(json.dumps(value, ensure_ascii=False) for value in enum)
    if "const" in schema:
        return json.dumps(schema["const"], ensure_ascii=False)
    kind = schema.get("type")
    if isinstance(kind, list):
        return "|".join(str(one) for one in kind)
    if kind == "array":
        items = schema.get("items")
        inner = type_text(cast("Mapping[str, JSON]", items)) if isinstance(items, dict) else "any"
        return f"{inner}[]"
    options = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(options, list):
        return "|".join(type_text(one) for one in options if isinstance(one, dict))
    return str(kind) if kind else "any"


TOOL_LISTS: Mapping[str, Callable[[Sequence[ToolSpec], str], str]] = {
    "memgpt": _memgpt,
    "signatures": _signatures,
}
TOOL_ITEMS: Mapping[str, Callable[[ToolSpec, int | None], str]] = {
    "openai": _openai,
    "function": _function,
    "name": lambda tool, indent: tool.name,
    "signature": lambda tool, indent: _signature(tool),
}
