"""The JSON Schema of "one call of one of these tools", for servers that hold a schema but no grammar."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

from bridle.errors import InputError
from bridle.grammars.bounds import DEFAULT_BOUNDS, Bounds
from bridle.grammars.schema_keywords import check_schema, pointer_to
from bridle.messages import JSON, ToolSpec
from bridle.wrappers.syntax import Arguments, CallId, CallShape, Name, Thoughts

__all__ = ["call_schema", "closed_parameters", "shape_schema"]

_VALUES = ("enum", "const", "default", "examples", "example")


def call_schema(
    tools: Sequence[ToolSpec],
    thoughts_key: str | None,
    *,
    only: str | None = None,
    name_key: str = "function",
    arguments_key: str = "params",
    bounds: Bounds = DEFAULT_BOUNDS,
) -> dict[str, JSON]:
    """Return the schema of an object that names a function and holds its arguments, thoughts first.

    References inside a tool's schema are moved to where it stands now.

    Raises:
        InputError: when there is no such tool.
        SchemaError: for a tool whose schema is invalid.

    >>> call_schema([ToolSpec("now")], None)["properties"]["function"]
    {'type': 'string', 'const': 'now'}
    """
    offered = [tool for tool in tools if only is None or tool.name == only]
    if not offered:
        raise InputError("no tool can be called" if only is None else f"no tool is called {only!r}")
    branches: list[JSON] = []
    for i, tool in enumerate(offered):
        check_schema(tool.parameters)
        above = pointer_to("#", "anyOf", i) if len(offered) > 1 else "#"
        arguments = _moved(dict(tool.parameters), pointer_to(above, "properties", arguments_key))
        branches.append(_branch(tool, arguments, thoughts_key, name_key, arguments_key, bounds))
    return {"anyOf": branches} if len(branches) > 1 else _as_object(branches[0])


def shape_schema(
    tools: Sequence[ToolSpec], shape: CallShape, *, only: str | None = None, bounds: Bounds = DEFAULT_BOUNDS
) -> dict[str, JSON]:
    """Return `call_schema` with the keys that a call syntax writes, if its calls are JSON objects.

    Raises:
        InputError: for a syntax that a JSON Schema cannot describe, or when there is no such tool.
        SchemaError: for a tool whose schema is invalid.

    >>> from bridle.wrappers.syntaxes import MemGPT
    >>> list(shape_schema([ToolSpec("now")], MemGPT("outer").shape)["properties"])
    ['inner_thoughts', 'function', 'params']
    """
    keys = _keys(shape)
    if list(keys) not in (["name", "arguments"], ["thoughts", "name", "arguments"]):
        raise InputError(
            "calls of this syntax are no JSON objects of a name and arguments, which a schema could describe",
            hint="ask for MemGPT's calls with the thoughts outside, or use an endpoint that holds grammars",
        )
    return call_schema(
        tools,
        keys.get("thoughts"),
        only=only,
        name_key=keys["name"],
        arguments_key=keys["arguments"],
        bounds=bounds,
    )


def closed_parameters(tool: ToolSpec) -> dict[str, JSON]:
    """Return the schema of a tool's arguments, in which parameters that it does not declare are not allowed.

    >>> closed_parameters(ToolSpec("now"))
    {'type': 'object', 'properties': {}, 'additionalProperties': False}
    """
    return _closed(dict(tool.parameters))


def _keys(shape: CallShape) -> dict[str, str]:
    """Return the keys of a shape's object by what stands there, in order; none where it is no such object."""
    stand_ins: list[str] = []
    for part in shape.call:
        match part:
            case str():
                stand_ins.append(part)
            case Name(quoted=True):
                stand_ins.append('"name"')
            case Arguments(thoughts_key=None):
                stand_ins.append('"arguments"')
            case Thoughts():
                stand_ins.append('"thoughts"')
            case CallId():
                pass
            case _:
                return {}
    try:
        body: object = json.loads("".join([shape.open, *stand_ins, shape.close]))
    except ValueError:
        return {}
    pairs = cast("dict[str, object]", body) if isinstance(body, dict) else {}
    return {str(stands): key for key, stands in pairs.items()}


def _branch(
    tool: ToolSpec,
    arguments: JSON,
    thoughts_key: str | None,
    name_key: str,
    arguments_key: str,
    bounds: Bounds,
) -> JSON:
    members: dict[str, JSON] = {}
    if thoughts_key is not None:
        members[thoughts_key] = {"type": "string", "maxLength": bounds.thoughts_chars}
    members[name_key] = {"type": "string", "const": tool.name}
    members[arguments_key] = _closed(_as_object(arguments))
    return {
        "type": "object",
        "properties": members,
        "required": list(members),
        "additionalProperties": False,
    }


def _closed(schema: Mapping[str, JSON]) -> dict[str, JSON]:
    closed: dict[str, JSON] = {"type": "object", **schema}
    if not any(keyword in schema for keyword in ("$ref", "allOf", "anyOf", "oneOf", "additionalProperties")):
        closed.setdefault("properties", {})
        closed["additionalProperties"] = False
    return closed


def _moved(schema: JSON, place: str) -> JSON:
    """Rewrite references to a schema's own places, now that it stands at `place`."""
    if isinstance(schema, list):
        return [_moved(item, place) for item in schema]
    if not isinstance(schema, dict):
        return schema
    moved: dict[str, JSON] = {}
    for key, value in schema.items():
        if key == "$ref" and isinstance(value, str) and value.startswith("#"):
            moved[key] = place + value[1:]
        else:
            moved[key] = value if key in _VALUES else _moved(value, place)
    return moved


def _as_object(schema: JSON) -> dict[str, JSON]:
    return schema if isinstance(schema, dict) else {}
