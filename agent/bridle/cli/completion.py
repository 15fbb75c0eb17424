"""`bridle completion SHELL`: the script that teaches a shell to complete bridle's commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from bridle.errors import InputError

__all__ = ["command"]


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print a completion script for SHELL.

    \b
    bash:  bridle completion bash >> ~/.bashrc
    zsh:   bridle completion zsh >> ~/.zshrc
    fish:  bridle completion fish > ~/.config/fish/completions/bridle.fish
    """
    completer = get_completion_class(shell)
    if completer is None:
        raise InputError(f"the installed click has no completion for {shell!r}", hint="pip install -U click")
    root = ctx.find_root()
    click.echo(completer(root.command, {}, "bridle", "_BRIDLE_COMPLETE").source())
