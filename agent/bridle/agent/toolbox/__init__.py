"""What an agent can call besides its memory functions: Python functions, MCP servers, files and the web.

    from bridle.agent.toolbox import as_tool

A `Tool` is what a model sees (`spec`) and what runs (`run`). `run_tool_limited` runs it, within its time, and
gives text back whatever happens. Nothing here knows the agent; the runner asks for tools and calls them. The
names are imported when they are first used, since most agents have none of these.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridle.agent.toolbox.base import Tool, check_names, tool_from_schema
    from bridle.agent.toolbox.files import file_tools
    from bridle.agent.toolbox.mcp import mcp_tools
    from bridle.agent.toolbox.opening import open_tools
    from bridle.agent.toolbox.python_tools import as_tool
    from bridle.agent.toolbox.running import run_tool_limited
    from bridle.agent.toolbox.web import http_tool

__all__ = [
    "Tool",
    "as_tool",
    "check_names",
    "file_tools",
    "http_tool",
    "mcp_tools",
    "open_tools",
    "run_tool_limited",
    "tool_from_schema",
]

_HOMES = {
    "base": ("Tool", "check_names", "tool_from_schema"),
    "files": ("file_tools",),
    "mcp": ("mcp_tools",),
    "opening": ("open_tools",),
    "python_tools": ("as_tool",),
    "running": ("run_tool_limited",),
    "web": ("http_tool",),
}


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"bridle.agent.toolbox.{module}"), name)
    raise AttributeError(f"module 'bridle.agent.toolbox' has no attribute {name!r}")
