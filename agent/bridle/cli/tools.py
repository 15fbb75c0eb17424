"""`bridle tools`: what an agent of this home can call, where it comes from, and how far calls are held."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from bridle.cli import output

if TYPE_CHECKING:
    from bridle.agent.toolbox import Tool
    from bridle.messages import JSON, ToolSpec

__all__ = ["command"]

MEMORY = "memory"


@click.command("tools")
@click.option(
    "--mcp", "servers", multiple=True, metavar="COMMAND", help="Look at an MCP server: a command or a URL."
)
@click.option("--offline", is_flag=True, help="Refuse everything that is not this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per function.")
def command(servers: tuple[str, ...], offline: bool, as_json: bool) -> None:
    """List the functions that agents have: those of memory, and those of [tools] in the config file.

    MCP servers are started to ask them. What a grammar cannot hold of a function's parameters while a model
    writes is named; it is checked before the function is called.
    """
    from bridle.agent.functions import FUNCTIONS
    from bridle.agent.toolbox import mcp_tools, open_tools
    from bridle.endpoints.config import load_config

    with ExitStack() as stack:
        tools: tuple[Tool, ...]
        if servers:
            named = {f"mcp{number}" if number else "mcp": one for number, one in enumerate(servers)}
            tools = stack.enter_context(mcp_tools(named, offline=offline))
            memory: tuple[ToolSpec, ...] = ()
        else:
            tools = stack.enter_context(open_tools(load_config(), offline=offline))
            memory = FUNCTIONS
        known = [(spec, MEMORY) for spec in memory] + [(tool.spec, tool.source) for tool in tools]
        for spec, source in known:
            if as_json:
                output.print_json(_facts(spec, source))
            else:
                click.echo(output.printable(_line(spec, source)))
    if len(known) == len(FUNCTIONS) and memory and not as_json:
        output.print_note("There are no other ones; see [tools] in docs/tools.md.")


def _facts(spec: ToolSpec, source: str) -> dict[str, JSON]:
    from bridle.agent.toolbox.held import not_held

    loosened = not_held(spec)
    return {
        "name": spec.name,
        "source": source,
        "description": spec.description,
        "parameters": dict(spec.parameters),
        "exact": not loosened,
        "not_held": list(loosened),
    }


def _line(spec: ToolSpec, source: str) -> str:
    from bridle.agent.toolbox.held import not_held

    required = spec.parameters.get("required")
    needed = required if isinstance(required, list) else []
    parameters = ", ".join(name if name in needed else f"{name}?" for name in spec.properties)
    loosened = not_held(spec)
    end = f"  [checked afterwards: {', '.join(loosened)}]" if loosened else ""
    told = spec.description.partition("\n")[0]
    return f"{spec.name}({parameters})  {source}  {told}{end}".rstrip()
