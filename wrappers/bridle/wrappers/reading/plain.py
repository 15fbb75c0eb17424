"""The short way for what needs no doubt: a text that is one JSON call of a known tool, whole and valid.

Most answers that a constraint held are like that. Whatever is out of the ordinary in the slightest is left to
`recover`, which would read these the same; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridle.messages import JSON, ToolCall, ToolSpec
from bridle.wrappers.checking import load_object, repeated_keys

__all__ = ["plain_call"]

_KEYS = (("function", "params"), ("name", "arguments"), ("name", "parameters"))
_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_SIMPLE = frozenset({"type", "description", "title", "default", "examples"})
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def plain_call(raw: str, tools: Sequence[ToolSpec]) -> ToolCall | None:
    """Read `raw` if it is nothing but one call, by itself or in Hermes' marks; None when that is not certain.

    >>> plain_call('{"name": "now", "arguments": {}}', [ToolSpec("now")])
    ToolCall(name='now', arguments={})
    """
    text = raw.strip()
    if text.startswith(_OPEN) and text.endswith(_CLOSE):
        text = text[len(_OPEN) : -len(_CLOSE)].strip()
    if not (text.startswith("{") and text.endswith("}")):
        return None
    body = load_object(text)
    if isinstance(body, str) or len(body) != 2:
        return None
    for name_key, arguments_key in _KEYS:
        if name_key in body and arguments_key in body:
            return _call(body[name_key], body[arguments_key], tools)
    return None


def _call(name: JSON, arguments: JSON, tools: Sequence[ToolSpec]) -> ToolCall | None:
    tool = next((tool for tool in tools if tool.name == name), None)
    if tool is None or not isinstance(arguments, dict) or not _fits(tool, arguments):
        return None
    return ToolCall(tool.name, dict(arguments))


def _fits(tool: ToolSpec, arguments: dict[str, JSON]) -> bool:
    """Whether the arguments are certain to be valid: simple schemas, all of them declared, none missing."""
    if set(tool.parameters) - {"type", "properties", "required", "additionalProperties", "description"}:
        return False
    declared = tool.properties
    for key, value in arguments.items():
        schema = declared.get(key)
        if schema is None or not _SIMPLE.issuperset(schema):
            return False
        kinds = _TYPES.get(str(schema.get("type")), ())
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            return False
    return all(name in arguments for name in tool.required) and not repeated_keys(arguments)
