"""Other readers with the signature of `parse_calls`, to compare with."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

TAGS = re.compile(r"</?tool_call>")
NAMES = ("name", "function", "tool", "action")
ARGUMENTS = ("arguments", "params", "parameters", "args", "action_input")


def strict(raw: str, tools: Sequence[Mapping[str, object]], meta: Mapping[str, object]) -> list[Any] | None:
    """Read with `json.loads` what stands between the tags, or the whole text."""
    try:
        return _calls([json.loads(part) for part in TAGS.split(raw) if part.strip()])
    except ValueError:
        return None


def json_repair_calls(
    raw: str, tools: Sequence[Mapping[str, object]], meta: Mapping[str, object]
) -> list[Any] | None:
    """Read with json_repair what stands between the tags, or the whole text."""
    from json_repair import loads  # type: ignore[import-not-found]

    return _calls([loads(part) for part in TAGS.split(raw) if part.strip()])


def json_repair_known(
    raw: str, tools: Sequence[Mapping[str, Any]], meta: Mapping[str, object]
) -> list[Any] | None:
    """Read with json_repair, and keep the calls of functions that exist."""
    names = {tool["function"]["name"] for tool in tools}
    return [call for call in json_repair_calls(raw, tools, meta) or [] if call["name"] in names] or None


def _calls(value: Any) -> list[Any] | None:
    if isinstance(value, list):
        return [call for item in value for call in _calls(item) or []] or None
    if not isinstance(value, dict):
        return None
    name = next((value[key] for key in NAMES if key in value), None)
    if isinstance(name, dict):
        return _calls(name)
    arguments = next((value[key] for key in ARGUMENTS if key in value), {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return None
    if isinstance(name, str) and isinstance(arguments, dict):
        return [{"name": name, "arguments": arguments}]
    return None
