"""`bridle run`: the same conversation as `bridle chat`, with the flags and the first run of MemGPT."""

from __future__ import annotations

from typing import Any

import click

from bridle.cli.chat.options import OF_MEMGPT, SHARED, ChatOptions, with_options
from bridle.cli.connecting import EndpointCommand

__all__ = ["command"]


@click.command("run", cls=EndpointCommand)
@click.option("--agent", metavar="NAME", help="Which agent; without one, choose one or have a new one made.")
@with_options(OF_MEMGPT)
@with_options(SHARED)
def command(**given: Any) -> None:
    """Choose an agent, or make one that speaks first, and talk to it.

    The flags are those of MemGPT's `run`, and those of `bridle chat`. At the prompt, /help lists the
    commands.
    """
    from bridle.cli.chat.conversing import converse

    converse(ChatOptions(**given), first_run=True)
