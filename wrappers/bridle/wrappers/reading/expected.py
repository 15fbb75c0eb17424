"""What a tool takes, in the words of a refusal: each parameter with its types or its allowed values."""

from __future__ import annotations

import json
from collections.abc import Mapping

from bridle.messages import JSON, ToolSpec
from bridle.wrappers.reading.coerce import allowed_types, resolve

__all__ = ["expected"]

_MOST_VALUES = 12
"""So many allowed values are named."""


def expected(tool: ToolSpec) -> str:
    """The end of a refusal: what the tool takes."""
    listed = ", ".join(
        f"{key} ({_kind(schema, tool.parameters, key in tool.required)})"
        for key, schema in tool.properties.items()
    )
    return f"; {tool.name} takes {listed or 'no arguments'}"


def _kind(schema: Mapping[str, JSON], root: Mapping[str, JSON], required: bool) -> str:
    """What a parameter may be: its values, where the schema lists them, else its types."""
    found = resolve(schema, root)
    options = found.get("enum", [found["const"]] if "const" in found else None)
    if not isinstance(options, list) or not options:
        kind = "|".join(sorted(allowed_types(schema, root))) if schema else "any"
        return f"{kind}, required" if required else kind
    if found.get("nullable") is True and None not in options:
        options = [*options, None]
    values = [json.dumps(one, ensure_ascii=False) for one in options[:_MOST_VALUES]]
    values += ["…"] if len(options) > _MOST_VALUES else []
    return ", ".join(values) + ("; required" if required else "")
