"""How the available functions are told to a model, as text for the system turn.

`memgpt`: names, descriptions and parameter descriptions, indented (the layout of MemGPT 0.3.25, our words).
`signatures`: one line each, `name(parameter: type, optional?: type) - description`, for small models and
windows.
`hermes`: JSON objects between `<tools>` marks, as Hermes and Qwen were trained.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, cast

from bridle.messages import JSON, ToolSpec, tool_to_dict

__all__ = ["TOOL_LISTS", "ToolList", "list_tools", "type_text"]

ToolList = Literal["memgpt", "signatures", "hermes"]

_THOUGHTS = {
    "inner": "    inner_thoughts: What you think to yourself before acting; the user never sees it.\n",
    "outer": "",
    "none": "",
}


def list_tools(style: ToolList, tools: Sequence[ToolSpec], thoughts: str = "none") -> str:
    """Write the tools in one of the styles; the empty string when there are none."""
    return TOOL_LISTS[style](tools, thoughts) if tools else ""


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


def _hermes(tools: Sequence[ToolSpec], thoughts: str) -> str:
    listed = "\n".join(json.dumps(tool_to_dict(tool), ensure_ascii=False) for tool in tools)
    return (
        "# Tools\n\nYou can call functions to help with the user's request. Their signatures stand between"
        f" the XML tags:\n<tools>\n{listed}\n</tools>\n\nTo call a function, write a JSON object with its"
        " name and its arguments between these XML tags:\n<tool_call>\n"
        '{"name": <function-name>, "arguments": <arguments-object>}\n</tool_call>'
    )


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
    "hermes": _hermes,
}
