"""The command line: the table of commands, and the one place where an error becomes a line and an exit code.

A command is imported when it is run, not before: `bridle --help` shows the table below and loads nothing but
click. To add a command, write a module with a `click.Command` and add its line to `COMMANDS`.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem

from bridle.cli import output
from bridle.errors import BridleError

__all__ = ["COMMANDS", "Entry", "LazyGroup", "cli", "main"]

INTERRUPTED = 130  # what a shell reports for a program ended by Ctrl-C


class Entry(NamedTuple):
    """Where a command lies (`module:attribute`) and what the table of commands says about it."""

    target: str
    help: str


COMMANDS: Mapping[str, Entry] = {
    "chat": Entry("bridle.cli.chat:command", "Talk to an agent that remembers."),
    "ask": Entry("bridle.cli.ask:command", "Ask a model once; get text or valid tool calls."),
    "discover": Entry("bridle.cli.discover:command", "Find the model servers that run here."),
    "configure": Entry("bridle.cli.configure:command", "Set up endpoint, model, wrapper and memory."),
    "config": Entry("bridle.cli.config:command", "Show the settings in force and where they come from."),
    "run": Entry("bridle.cli.run:command", "Choose or make an agent and talk to it, with MemGPT's flags."),
    "load": Entry("bridle.cli.load:command", "Load documents, pages and databases as sources."),
    "attach": Entry("bridle.cli.sources:attach_source", "Let an agent search a source."),
    "sources": Entry("bridle.cli.sources:command", "List, attach, detach and delete sources."),
    "agents": Entry("bridle.cli.agents:command", "List, make, copy, rename, move and delete agents."),
    "memory": Entry("bridle.cli.memory:command", "Look into an agent's memory, search, edit and undo."),
    "tools": Entry("bridle.cli.tools:command", "List what agents can call, and where it comes from."),
    "bench": Entry("bridle.cli.bench:command", "Measure memory and retrieval."),
    "wrappers": Entry("bridle.cli.wrappers:command", "List, show, try and choose prompt formats."),
    "grammar": Entry("bridle.cli.grammar:command", "Make, check and try constraints on what is written."),
    "doctor": Entry("bridle.cli.doctor:command", "Prove what a server honours, and what to use it with."),
    "logs": Entry("bridle.cli.logs:command", "Show what was asked and answered lately."),
    "replay": Entry("bridle.cli.replay:command", "Ask a recorded question again in another way."),
    "version": Entry("bridle.cli.version:command", "Show versions, and what is installed."),
    "completion": Entry("bridle.cli.completion:command", "Print the completion script of a shell."),
}


class LazyGroup(click.Group):
    """A group whose commands are lines of a table until one of them is run."""

    entries: Mapping[str, Entry] = COMMANDS

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the table's order, which is the order of a person's first day."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command; None when the table has no such name."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.target} is {command!r}, not a click command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant; where there is none, name the nearest one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0].lower(), self.entries, n=1)
            if args[0].startswith("-") or not near:
                raise
            message = f"No such command {args[0]!r}. Did you mean {near[0]!r}?"
            raise click.UsageError(message, error.ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.entries.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the names of commands without importing them, so that the Tab key is quick."""
        names = [
            CompletionItem(name, help=entry.help)
            for name, entry in self.entries.items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 endpoint unreachable, 4 incomplete.",
)
@click.option("--version", is_flag=True, help="Print the version and exit.")
@click.pass_context
def cli(ctx: click.Context, version: bool) -> None:
    """Valid tool calls from local language models, and a memory agent on top.

    Start with `bridle chat`: it needs no server, no download and no GPU.
    """
    if version:
        from bridle.cli.version import bridle_version

        click.echo(f"bridle {bridle_version()}")
        ctx.exit()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command (`argv` without the program's name; default `sys.argv[1:]`) and return its exit code.

    A command returns nothing or its exit code. What goes wrong for a known reason becomes one line on
    standard error, and a hint; what is a fault of this program keeps its traceback.
    """
    output.prepare_streams()
    try:
        result: object = cli.main(
            args=None if argv is None else list(argv), prog_name="bridle", standalone_mode=False
        )
        sys.stdout.flush()
    except BridleError as error:
        output.print_error(error.message, error.hint)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        output.print_error(error.format_message(), _usage_hint(error))
        return error.exit_code
    except click.Abort as error:
        return INTERRUPTED if isinstance(error.__cause__, KeyboardInterrupt) else 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        output.drop_stdout()
        return 1
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        output.drop_stdout()
        output.print_error(f"standard output cannot be written: {error.strerror}", "make room on that disk")
        return 1
    return result if isinstance(result, int) else 0


def _usage_hint(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{context.command_path} --help" if context else ""
