"""Where the lines of a conversation come from: a line editor at a terminal, a pipe, or a file.

At a terminal that is prompt_toolkit where it is installed (the extra `repl`: toolbar, completion, history),
else the terminal's own editing by `readline`. Prompts go to standard error, so that standard output holds
replies alone.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Protocol

from bridle.cli.chat.history import TypedHistory

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

__all__ = [
    "Completes",
    "GivenLines",
    "HeartbeatDue",
    "LineDropped",
    "Lines",
    "PlainLines",
    "piped_lines",
    "terminal_lines",
]

Completes = Callable[[str], Sequence[str]]
"""Gives the whole lines that the beginning of one can be continued to."""


class HeartbeatDue(Exception):
    """Nobody has written for so long that the agent is to have a step of its own."""


class LineDropped(KeyboardInterrupt):
    """Ctrl-C was pressed on a line that was half typed."""


class Lines(Protocol):
    """What gives one line after the other; `has_toolbar` says whether a toolbar is shown meanwhile."""

    has_toolbar: bool

    def read(self, prompt: str, wait_s: float | None = None) -> str:
        """Return the next line, without its end.

        Raises:
            EOFError: when there are no more.
            KeyboardInterrupt: for Ctrl-C; `LineDropped` where it is seen that something was typed.
            HeartbeatDue: at a terminal, when `wait_s` seconds have gone by; what was typed is kept.
        """
        ...


class GivenLines:
    """Lines of a file or a pipe."""

    has_toolbar = False

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)

    def read(self, prompt: str, wait_s: float | None = None) -> str:
        """Return the next line; nothing is waited for, and no prompt is shown."""
        line = next(self._lines, None)
        if line is None:
            raise EOFError
        return line.removesuffix("\n").removesuffix("\r")


def piped_lines() -> Iterator[str]:
    """Read standard input; only a line feed ends a line."""
    for line in sys.stdin.buffer:
        yield line.decode("utf-8", "replace").removeprefix("\ufeff")


def terminal_lines(
    history: TypedHistory, completes: Completes, toolbar: Callable[[int], str], *, plain: bool = False
) -> Lines:
    """Choose the line editor; `plain` takes none, nor does a terminal that cannot move its cursor."""
    if plain or os.environ.get("TERM") == "dumb" or not (sys.stderr.isatty() or sys.stdout.isatty()):
        return PlainLines()
    try:
        return _EditedLines(history, completes, toolbar)
    except ImportError:
        pass_by = _readline()
        return PlainLines() if pass_by is None else _ReadlineLines(pass_by, history, completes)


class PlainLines:
    """The terminal as it is: what is typed, line by line."""

    has_toolbar = False

    def read(self, prompt: str, wait_s: float | None = None) -> str:
        """Ask for a line."""
        sys.stderr.write(prompt)
        sys.stderr.flush()
        with _alarm(wait_s, lambda: ""):
            line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.removesuffix("\n")


class _ReadlineLines:
    """The terminal's own line editor, with history and completion by the Tab key."""

    has_toolbar = False

    def __init__(self, readline: ModuleType, history: TypedHistory, completes: Completes) -> None:
        self._readline = readline
        self._history = history
        self._typed = ""
        self._found: Sequence[str] = ()
        self._completes = completes
        for entry in history.entries:
            if "\n" not in entry:
                readline.add_history(entry)
        readline.set_auto_history(False)
        readline.set_completer_delims("")
        readline.set_completer(self._complete)
        readline.parse_and_bind("tab: complete")

    def read(self, prompt: str, wait_s: float | None = None) -> str:
        """Ask for a line, with what was typed before a heartbeat in it."""
        typed, self._typed = self._typed, ""
        self._readline.set_startup_hook(lambda: self._readline.insert_text(typed))
        with _alarm(wait_s, self._readline.get_line_buffer) as interrupted:
            try:
                line = self._ask(prompt)
            except HeartbeatDue:
                self._typed = interrupted[0]
                sys.stderr.write("\n")
                raise
            except KeyboardInterrupt:
                if not self._readline.get_line_buffer():
                    raise
                sys.stderr.write("\n")
                raise LineDropped from None
        if line.strip():
            self._history.add(line)
            self._readline.add_history(line)
        return line

    @staticmethod
    def _ask(prompt: str) -> str:
        if sys.stdout.isatty():  # readline is used only there, and must know how wide the prompt is
            return input(prompt)
        sys.stderr.write(prompt)
        sys.stderr.flush()
        return input()

    def _complete(self, text: str, state: int) -> str | None:
        if state == 0:
            self._found = self._completes(text)
        return self._found[state] if state < len(self._found) else None


def _readline() -> ModuleType | None:
    try:
        return import_module("readline")
    except ImportError:
        return None


@contextmanager
def _alarm(wait_s: float | None, typed: Callable[[], str]) -> Generator[list[str], None, None]:
    """Raise `HeartbeatDue` inside the block after so many seconds; yields a list for what was typed then.

    Without SIGALRM (Windows) nothing happens; prompt_toolkit has a clock of its own.
    """
    seen: list[str] = [""]
    if wait_s is None or not hasattr(signal, "setitimer"):
        yield seen
        return

    def ring(signum: int, frame: FrameType | None) -> None:
        seen[0] = typed()
        raise HeartbeatDue

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(wait_s, 0.001))
    try:
        yield seen
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _EditedLines:
    """prompt_toolkit's line editor, with the toolbar below it."""

    has_toolbar = True

    def __init__(self, history: TypedHistory, completes: Completes, toolbar: Callable[[int], str]) -> None:
        from bridle.cli.chat.editor import open_editor

        self._session: PromptSession[str] = open_editor(history, completes, toolbar)
        self._typed = ""

    def read(self, prompt: str, wait_s: float | None = None) -> str:
        """Ask for a line, with what was typed before a heartbeat in it."""
        from bridle.cli.chat.editor import ring_after

        typed, self._typed = self._typed, ""
        due = HeartbeatDue()
        try:
            return self._session.prompt(
                prompt,
                default=typed,
                pre_run=None if wait_s is None else lambda: ring_after(self._session, wait_s, due),
            )
        except HeartbeatDue:
            self._typed = self._session.default_buffer.text
            raise
        except KeyboardInterrupt:
            if not self._session.default_buffer.text:
                raise
            raise LineDropped from None
