"""`bridle chat`: talk to an agent at a terminal, or feed it lines from a file or a pipe.

Replies go to standard output; everything else (where the state lies, thoughts, functions) to standard
error. With `--json` standard output holds one JSON object per turn, written when the turn is stored.
"""

from __future__ import annotations

from typing import Any

import click

from bridle.cli.chat.options import SHARED, ChatOptions, with_options
from bridle.cli.connecting import EndpointCommand

__all__ = ["command"]


@click.command("chat", cls=EndpointCommand)
@click.option(
    "--agent", default="default", show_default=True, metavar="NAME", help="Which agent; made when it is new."
)
@with_options(SHARED)
def command(**given: Any) -> None:
    """Talk to an agent that remembers.

    What it remembers is kept, and the next start goes on with it. At the prompt, /help lists the commands.
    Without a terminal, each line of standard input is a message.
    """
    from bridle.cli.chat.conversing import converse

    converse(ChatOptions(**given))
