"""Let a person at a terminal choose one of several things, by its number or its name."""

from __future__ import annotations

from collections.abc import Sequence

from bridle.cli.asking import Questions
from bridle.cli.output import print_note
from bridle.errors import InputError

__all__ = ["choose"]


def choose(question: str, names: Sequence[str], about: Sequence[str] = (), *, default: str = "") -> str:
    """List the names with numbers, or `about` them, and ask until one is chosen; Enter means `default`.

    Without a default nothing need be chosen: Enter, Ctrl-D, and what begins with a slash give an empty text.

    Raises:
        InputError: when the input ends, and there is a default.
        KeyboardInterrupt: for Ctrl-C.
    """
    for number, line in enumerate(about or names, 1):
        print_note(f"  {number:>2}  {line}")

    def checked(answer: str) -> str:
        if answer in names:
            return answer
        if answer.isdecimal() and 1 <= int(answer) <= len(names):
            return names[int(answer) - 1]
        if not default and (not answer or answer.startswith("/")):
            return ""
        raise InputError(
            f"{answer!r} is not one of them", hint=f"write a name, or a number up to {len(names)}"
        )

    try:
        return Questions().text(question, default, check=checked)
    except InputError:
        if default:
            raise
        return ""
