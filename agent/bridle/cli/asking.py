"""Questions to a person, or to lines in a pipe: each with a default, asked again until the answer will do."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import click

from bridle.cli.output import print_error
from bridle.errors import BridleError, InputError

__all__ = ["Questions"]


class Questions:
    """Asks on standard error, and reads standard input. With `defaults` nothing is asked."""

    def __init__(self, *, defaults: bool = False) -> None:
        self._defaults = defaults

    def text(
        self, question: str, default: str = "", *, shown: str = "", check: Callable[[str], str] | None = None
    ) -> str:
        """Ask for a text; nothing means the default, which is `shown` in other words where these are given.

        `check` returns the answer as it is to be kept, or raises a `BridleError` that is shown.
        """

        if self._defaults:
            return check(default) if check is not None else default
        shown = shown or default
        asked = f"{question} [{shown}]" if shown else question
        while True:
            with _told_at_the_end():
                answer = str(click.prompt(asked, default="", show_default=False, err=True))
            answer = answer.strip() or default
            try:
                return check(answer) if check is not None else answer
            except BridleError as error:
                print_error(error.message, error.hint)

    def choice(self, question: str, choices: Sequence[str], default: str) -> str:
        """Ask for one of some words, in any case of its letters."""

        def checked(answer: str) -> str:
            if answer.lower() not in choices:
                raise InputError(f"{answer!r} is not one of {', '.join(choices)}", hint="write one of them")
            return answer.lower()

        return self.text(f"{question} ({', '.join(choices)})", default, check=checked)

    def confirmed(self, question: str) -> bool:
        """Ask for a yes; nothing means yes."""

        def checked(answer: str) -> str:
            if answer.lower() not in ("y", "yes", "n", "no"):
                raise InputError(f"{answer!r} is no answer to this", hint="write y or n")
            return answer.lower()

        return self.text(question, "y", shown="Y/n", check=checked).startswith("y")


@contextmanager
def _told_at_the_end() -> Generator[None, None, None]:
    """Say what is missing where the input ends; Ctrl-C needs no words."""
    try:
        yield
    except click.Abort as error:
        click.echo(err=True)
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise InputError(
            "the input ended before the last question", hint="with --yes all defaults are taken"
        ) from error
