"""What a command writes: people's text by rich, machines' text as JSON lines, errors as one line and a hint.

Results go to standard output; notes and errors to standard error, so that a pipe carries results only. In a
pipe, or with `NO_COLOR`, there are no colours and no line is wrapped.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "console",
    "counted",
    "drop_stdout",
    "prepare_streams",
    "print_error",
    "print_json",
    "print_note",
    "printable",
]

ERROR_LIMIT = 1000  # characters; a server's whole page is no help


def prepare_streams() -> None:
    """Make the standard streams write every character: what the encoding lacks is written as an escape.

    A stream that was closed before the start becomes one that writes to nothing.
    """
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as long as we run
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def drop_stdout() -> None:
    """Point standard output at nothing: its reader is gone, and Python flushes once more at exit."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


def console(*, stderr: bool = False) -> Console:
    """Return a rich console on standard output or error; what is printed to it is text, never markup."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False, soft_wrap=not stream.isatty())


def print_json(value: object) -> None:
    """Write one JSON line to standard output and flush it, so that a reader has it at once."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # a narrow encoding, or half of a surrogate pair from a model
        text = json.dumps(value)
    for char in "\x85\u2028\u2029":  # some readers take them for the end of the line
        text = text.replace(char, f"\\u{ord(char):04x}")
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_note(text: str) -> None:
    """Write a line for people to standard error, in a terminal on as many as it takes."""
    sys.stderr.write(f"{_wrapped(printable(text))}\n")


def print_error(message: str, hint: str = "") -> None:
    """Write `error: …`, and `hint: …` where there is one, to standard error."""
    shown = printable(message)
    if len(shown) > ERROR_LIMIT:
        shown = shown[: ERROR_LIMIT - 1] + "…"
    sys.stderr.write(f"{_wrapped(f'error: {shown}')}\n")
    if hint:
        sys.stderr.write(f"{_wrapped(f'hint: {printable(hint)}')}\n")


def counted(count: int, noun: str) -> str:
    """Write a number and what it counts.

    >>> counted(1, "note"), counted(2, "note")
    ('1 note', '2 notes')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _wrapped(text: str) -> str:
    """Break lines at blanks, not in a word or an address, where a terminal would break them anywhere."""
    if not sys.stderr.isatty():
        return text
    width = max(shutil.get_terminal_size().columns, 20)
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


def printable(text: str) -> str:
    r"""Return `text` as one line that no terminal obeys: control characters become escapes.

    >>> printable("  a\n  b\x1b[2J")
    '  a b\\x1b[2J'
    """
    first, *rest = text.strip("\r\n").splitlines() or [""]
    line = " ".join([first.rstrip(), *(part.strip() for part in rest)]).replace("\t", " ")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)
