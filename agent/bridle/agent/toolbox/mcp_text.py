"""What MCP servers send, as values of ours: their tools, and the results of calls.

The format is that of the Model Context Protocol, 2024-11-05 to 2026-07-28, as its JSON writes it (the Python
package renamed its attributes between its versions 1 and 2, but not the JSON).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Sequence
from typing import Any

from bridle.agent.toolbox.base import check_parameters
from bridle.agent.toolbox.held import not_held
from bridle.endpoints.json_paths import list_at, text_at, value_at
from bridle.errors import EndpointError, InputError
from bridle.messages import JSON, ToolSpec, tool_from_dict
from bridle.wrappers.checking import check_references

__all__ = ["McpFailed", "called", "read_result", "read_tools", "wire"]

_log = logging.getLogger(__name__)
MOST_NAME_CHARS = 64


class McpFailed(EndpointError):
    """The server ran the tool, and says that it failed."""


def wire(value: Any) -> JSON:
    """Return a value of the package as the JSON that stands for it."""
    dumped: JSON = value.model_dump(by_alias=True, mode="json", exclude_none=True)
    return dumped


def read_tools(server: str, listed: Sequence[JSON]) -> list[ToolSpec]:
    """Read the tools of a server. One whose schema is no schema is left out, and the log says so."""
    found: list[ToolSpec] = []
    for one in listed:
        try:
            spec = tool_from_dict(one if isinstance(one, dict) else {})
            check_references(spec.parameters)
            check_parameters(spec)
            not_held(spec)
        except InputError as error:
            name = text_at(one, "name")
            _log.warning("the tool %r of the MCP server %s is left out: %s", name, server, error.message)
            continue
        description = spec.description or text_at(one, "title") or text_at(one, "annotations", "title")
        found.append(ToolSpec(spec.name, description, spec.parameters))
    return found


def called(name: str, server: str, taken: Collection[str]) -> str:
    """Name a tool for models: as its server does, or with the server in front where that is taken.

    >>> called("a.b", "s", ()), called("read", "files", ("read",))
    ('a_b', 'files__read')
    """
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    plain = plain if re.match(r"[A-Za-z_]", plain) else f"_{plain}"
    short = plain[:MOST_NAME_CHARS]
    if short not in taken:
        return short
    return f"{re.sub(r'[^A-Za-z0-9_-]', '_', server)}__{plain}"[:MOST_NAME_CHARS]


def read_result(result: JSON) -> str:
    """Read the result of a call as text; pictures and sounds are named only.

    Raises:
        McpFailed: when the server says that the tool failed.
    """
    parts = [_part(one) for one in list_at(result, "content")]
    text = "\n".join(part for part in parts if part)
    structured = value_at(result, "structuredContent")
    if not text and structured is not None:
        text = json.dumps(structured, ensure_ascii=False)
    if value_at(result, "isError") is True:
        raise McpFailed(text or "the server does not say why")
    return text or "OK"


def _part(part: JSON) -> str:
    kind = text_at(part, "type")
    if kind == "text":
        return text_at(part, "text")
    if kind == "resource":
        return text_at(part, "resource", "text") or f"({text_at(part, 'resource', 'uri')})"
    if kind == "resource_link":
        return f"({text_at(part, 'uri')})"
    return f"({kind or 'something'} that cannot be shown as text)"
