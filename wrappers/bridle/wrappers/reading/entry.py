"""Reading from outside: tools as OpenAI's API has them, and what a server says of how the text ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import cast

from bridle.errors import InputError
from bridle.messages import JSON, Finish, ToolSpec, tool_from_dict
from bridle.wrappers.reading.recover import recover
from bridle.wrappers.syntax import Reading

__all__ = ["parse_calls", "read_calls"]

_TYPES: Mapping[str, str] = {
    "dict": "object", "map": "object", "float": "number", "double": "number", "int": "integer",
    "long": "integer", "str": "string", "bool": "boolean", "list": "array", "tuple": "array",
    "set": "array", "none": "null",
}  # fmt: skip
_KEPT: dict[int, tuple[Mapping[str, object], ToolSpec]] = {}
"""Tools by the identity of the dict they came as, with a copy that tells whether it has changed since."""
_MOST_KEPT = 512
_JSON_TYPES = frozenset({"object", "number", "integer", "string", "boolean", "array", "null"})


def read_calls(
    raw: str, tools: Sequence[ToolSpec | Mapping[str, object]], meta: Mapping[str, object] | None = None
) -> Reading:
    """Read a model's text: its calls, text and thoughts, what was repaired, and why something is no call.

    `tools` are in OpenAI's shape, with the types of other languages (`dict`, `float`) taken for JSON's.
    `meta` may tell the `dialect` that was asked for, the server's `finish_reason`, and `thinking`: whether
    the prompt had opened a block of thinking. Calls that repeat another exactly count once.

    Raises:
        InputError: when a tool has no name or is no object, and for a text, a list of tools or a `meta` that
            is none.

    >>> tool = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}
    >>> read_calls('{"name": "Now", "arguments": {}}', [tool]).repairs
    (Repair(what='name', where=0, before='Now', after='now'),)
    """
    _check(raw, tools, meta)
    about = meta or {}
    specs = [tool if isinstance(tool, ToolSpec) else _kept(tool) for tool in tools]
    dialect = about.get("dialect")
    finish: Finish = (
        "length" if about.get("finish_reason") in ("length", "max_tokens", "MAX_TOKENS") else "stop"
    )
    asked = dialect if isinstance(dialect, str) else None
    thinking = about.get("thinking") is True
    reading = recover(raw, specs, asked, finish, thinking=thinking, once=True)
    return reading


def parse_calls(
    raw: str, tools: Sequence[Mapping[str, object]], meta: Mapping[str, object]
) -> list[dict[str, object]] | None:
    """Read a model's text as `[{"name", "arguments"}]`, or None when nothing in it may be called.

    Thoughts stay in the arguments only where the tool's own schema declares them. See `read_calls`, which
    tells more.

    >>> parse_calls("Hello!", [], {"dialect": None, "finish_reason": "stop"}) is None
    True
    """
    calls = read_calls(raw, tools, meta).calls
    return [{"name": call.name, "arguments": dict(call.arguments)} for call in calls] or None


def _check(raw: object, tools: object, meta: object) -> None:
    if not isinstance(raw, str):
        raise InputError(
            f"the text to be read is of type {type(raw).__name__}",
            hint="it must be a string: what the model wrote",
        )
    if isinstance(tools, Mapping | ToolSpec):
        raise InputError("tools is one tool", hint="it must be a list of tools: [tool]")
    if isinstance(tools, str) or not isinstance(tools, Iterable):
        raise InputError(
            f"tools is of type {type(tools).__name__}", hint="it must be a list of tools; [] for none"
        )
    if meta is not None and not isinstance(meta, Mapping):
        raise InputError(f"meta is of type {type(meta).__name__}", hint="it must be an object or None")


def _kept(tool: Mapping[str, object]) -> ToolSpec:
    """The same as `_tool`, kept for the next text: the same few tools come with every answer."""
    _check_tool(tool)
    known = _KEPT.get(id(tool))
    if known is not None and known[0] == tool:
        return known[1]
    if len(_KEPT) >= _MOST_KEPT:
        _KEPT.clear()
    spec = _tool(tool)
    _KEPT[id(tool)] = (deepcopy(tool), spec)
    return spec


def _check_tool(tool: object) -> None:
    if not isinstance(tool, Mapping):
        raise InputError(f"a tool is {tool!r}", hint="it must be an object in OpenAI's shape")


def _tool(tool: Mapping[str, object]) -> ToolSpec:
    inner = tool.get("function", tool)
    if not isinstance(inner, Mapping):
        raise InputError(f"a tool's 'function' is {inner!r}", hint="it must be an object")
    body = cast("Mapping[str, object]", inner)
    schema = body.get("parameters", body.get("input_schema"))
    fixed = _with_json_types(cast("JSON", schema), 0) if isinstance(schema, dict) else None
    return tool_from_dict({**body, "parameters": fixed})


def _with_json_types(schema: JSON, depth: int) -> JSON:
    """The same schema with the types that JSON has; a type that means nothing there is left out."""
    if depth > 40:
        return schema
    if isinstance(schema, list):
        return [_with_json_types(one, depth + 1) for one in schema]
    if not isinstance(schema, dict):
        return schema
    out: dict[str, JSON] = {}
    for key, value in schema.items():
        if key == "type" and isinstance(value, str):
            named = _TYPES.get(value.lower(), value.lower())
            if named in _JSON_TYPES:
                out[key] = named
        elif key in ("properties", "$defs", "definitions") and isinstance(value, dict):
            out[key] = {name: _with_json_types(one, depth + 1) for name, one in value.items()}
        elif key in ("enum", "const", "default", "examples"):
            out[key] = value
        else:
            out[key] = _with_json_types(value, depth + 1)
    return out
