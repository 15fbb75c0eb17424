"""The tools that a conversation switches on besides memory: files in one folder, the web, MCP servers."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bridle.cli.output import print_note

if TYPE_CHECKING:
    from bridle.agent.toolbox import Tool
    from bridle.cli.chat.options import ChatOptions

__all__ = ["chosen_tools"]


def chosen_tools(
    stack: ExitStack, named: tuple[str, ...], options: ChatOptions, folder: Path
) -> tuple[Tool, ...]:
    """Make the tools that a preset (`named`) or the options switch on; all are off otherwise.

    `folder` holds the files where none was given; it is made. Servers are closed with the stack.

    Raises:
        InputError: for a folder that is none, a host that is none, and two tools of one name.
        BridleError: for an MCP server that cannot be started or reached.
    """
    tools: list[Tool] = []
    if options.files is not None or "files" in named:
        from bridle.agent.toolbox.files import file_tools

        if options.files is None:
            folder.mkdir(parents=True, exist_ok=True)
        tools += file_tools(options.files or folder)
    if options.allow_host:
        from bridle.agent.toolbox.web import http_tool

        tools.append(http_tool(options.allow_host, offline=options.offline))
    elif "http" in named:
        print_note("The preset's http_request stays off: --allow-host HOST names the hosts that it may ask.")
    for server in options.mcp:
        from bridle.agent.toolbox.mcp import mcp_tools

        tools += stack.enter_context(mcp_tools(server, offline=options.offline))
    return tuple(tools)
