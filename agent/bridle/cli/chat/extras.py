"""What a conversation can call besides memory: tools of the config file, of a preset, and of the options."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
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
    """Open the tools that the config file names, and those that a preset (`named`) or the options add.

    `folder` holds the files where a preset has file tools and nobody named a folder; it is made. Servers are
    closed with the stack.

    Raises:
        BridleError: as `open_tools` does.
    """
    from bridle.agent.toolbox import open_tools
    from bridle.endpoints.config import load_config

    config = load_config()
    wanted = config.tools
    files = str(options.files or wanted.files_folder)
    if not files and "files" in named:
        folder.mkdir(parents=True, exist_ok=True)
        files = str(folder)
    hosts = (*wanted.http_hosts, *options.allow_host)
    if not hosts and "http" in named:
        print_note("The preset's http_request stays off: --allow-host HOST names the hosts that it may ask.")
    servers = tuple((f"mcp{number}", one) for number, one in enumerate(options.mcp, 1))
    tools = replace(wanted, files_folder=files, http_hosts=hosts, mcp=(*wanted.mcp, *servers))
    return stack.enter_context(open_tools(replace(config, tools=tools), offline=options.offline))
