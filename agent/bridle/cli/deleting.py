"""Ask a person before something is deleted. Questions with defaults are in `asking`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from bridle.errors import InputError

__all__ = ["check_sure", "yes_option"]


def yes_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that answers the question before it is asked."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(function)


def check_sure(question: str) -> None:
    """Ask on standard error; a no ends the command, as Ctrl-C does.

    Raises:
        InputError: where the input ends before an answer, as without a terminal.
    """
    try:
        is_sure = click.confirm(question, err=True)
    except click.Abort as error:
        click.echo(err=True)
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise InputError("the input ended before an answer", hint="--yes answers with yes") from error
    if not is_sure:
        raise click.Abort
