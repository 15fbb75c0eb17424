"""`bridle wrappers`: which prompt formats there are, what they write, and what they read back."""

from __future__ import annotations

from collections.abc import Mapping

import click

from bridle.cli import Entry, LazyGroup

__all__ = ["WRAPPER_COMMANDS", "command"]

WRAPPER_COMMANDS: Mapping[str, Entry] = {
    "list": Entry("bridle.cli.wrappers.listing:list_wrappers", "List the wrappers."),
    "show": Entry("bridle.cli.wrappers.listing:show", "Show all of one wrapper."),
    "use": Entry("bridle.cli.wrappers.listing:use", "Keep which wrapper a model gets."),
    "render": Entry("bridle.cli.wrappers.rendering:render", "Write a conversation as a prompt."),
    "parse": Entry("bridle.cli.wrappers.reading:parse", "Read the calls in a model's text."),
    "detect": Entry("bridle.cli.wrappers.detecting:detect", "Say which wrapper a model needs, and why."),
    "check": Entry("bridle.cli.wrappers.checking:check", "Check a format, a file's or against a server's."),
}


class _WrapperGroup(LazyGroup):
    entries = WRAPPER_COMMANDS


@click.group("wrappers", cls=_WrapperGroup)
def command() -> None:
    """Prompt formats and call syntaxes: list, show, choose, try and check them."""
