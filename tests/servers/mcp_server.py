"""A small MCP server, run as a program of its own: `python mcp_server.py stdio`, `http PORT` or `sse PORT`.

It is written with the package's own server (FastMCP in its version 1, MCPServer in 2).
"""

from __future__ import annotations

import os
import sys
import time
from importlib import import_module
from typing import Any, Literal


def add(first: int, second: int = 1) -> int:
    """Add two numbers."""
    return first + second


def color(name: Literal["red", "blue"], tags: list[str]) -> str:
    """Paint it."""
    return f"{name} {','.join(tags)}"


def fail(why: str) -> str:
    """Fail."""
    raise ValueError(why)


def slow(seconds: float) -> str:
    """Take time."""
    time.sleep(seconds)
    return "done"


def die() -> str:
    """End the server."""
    os._exit(3)


def environment() -> str:
    """Show the names of the environment."""
    return " ".join(sorted(os.environ))


def build(name: str, **settings: Any) -> Any:
    """Make the server, with whatever class this version of the package has."""
    try:
        kind: Any = import_module("mcp.server.mcpserver").MCPServer
        server = kind(name)
    except ImportError:
        kind = import_module("mcp.server.fastmcp").FastMCP
        server = kind(name, **settings)
    for function in (add, color, fail, slow, die, environment):
        server.tool()(function)
    return server


def main() -> None:
    how, port = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0
    if how == "broken":
        sys.exit("this server does not want to")
    if how == "silent":
        time.sleep(60)
    server = build("small", port=port)
    if how == "stdio":
        server.run()
        return
    transport = "streamable-http" if how == "http" else "sse"
    try:
        server.run(transport=transport, port=port)
    except TypeError:  # version 1 has the port from before
        server.run(transport=transport)


if __name__ == "__main__":
    main()
