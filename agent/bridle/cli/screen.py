"""How a turn is shown while it happens: thoughts and functions dimmed on standard error, the reply on
standard output."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING

from bridle.cli import output
from bridle.cli.flowing import Flow

if TYPE_CHECKING:
    from rich.console import Console

    from bridle.agent import Progress, Step, Turn

__all__ = ["Screen", "mark", "visible"]

RESULT_CHARS = 100
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Screen:
    """Shows one turn after the other. Not `streaming`, a reply is written when its turn is over; not
    `styled`, or with NO_COLOR, nothing is dimmed. On a
    terminal a reply is broken between words."""

    def __init__(self, *, streaming: bool, styled: bool = True) -> None:
        self._streaming = streaming
        self._styled = styled and not os.environ.get("NO_COLOR")
        self._flow = Flow() if sys.stdout.isatty() else None
        self._thoughts = ""
        self._said = ""
        self._console: Console | None = None

    def show(self, progress: Progress) -> None:
        """Take one event of the turn."""
        from bridle.agent.progress import AskedAgain, Calling, Finished, Saying, Thinking
        from bridle.agent.state import Noted

        match progress:
            case Thinking(text):
                self._thoughts += text
            case Saying(text):
                self._flush_thoughts()
                if self._streaming:
                    self._write(text)
            case Calling():
                self._flush_thoughts()
            case Finished(step, seconds):
                self._flush_thoughts()
                if step.call.name != "send_message":
                    self._break_line()
                    self._dim(_step_line(step, seconds))
            case AskedAgain(reasons):
                self._flush_thoughts()
                self._break_line()
                self._dim(f"{mark(False)} asked again: {'; '.join(reasons) or 'there was no call'}")
            case Noted(text):
                self._flush_thoughts()
                self._break_line()
                self._dim(f"({output.printable(text)})")

    def end(self, turn: Turn) -> None:
        """Show what of a finished turn has not been shown."""
        self._flush_thoughts()
        if turn.cancelled:
            self.stop()
        elif self._said.strip() == turn.reply:
            self._break_line()
        else:
            self._break_line()
            self._write(f"{turn.reply}\n")
            self._said = ""

    def stop(self, note: str = "(stopped)") -> None:
        """End a turn that has no reply."""
        self._thoughts = ""
        self._break_line()
        if note:
            self._dim(note)

    def _write(self, text: str) -> None:
        self._said += text
        shown = visible(text)
        sys.stdout.write(shown if self._flow is None else self._flow.take(shown))
        sys.stdout.flush()

    def _break_line(self) -> None:
        if self._said:
            held = "" if self._flow is None else self._flow.end()
            sys.stdout.write(f"{held}\n")
            sys.stdout.flush()
            self._said = ""

    def _flush_thoughts(self) -> None:
        thoughts, self._thoughts = self._thoughts.strip(), ""
        if thoughts:
            self._break_line()
            self._dim(output.printable(thoughts), italic=True)

    def _dim(self, text: str, *, italic: bool = False) -> None:
        if not self._styled:
            output.print_note(f"  {text}")
            return
        if self._console is None:
            self._console = output.console(stderr=True)
        self._console.print(f"  {text}", style="dim italic" if italic else "dim")


def _step_line(step: Step, seconds: float) -> str:
    failed = step.result.startswith(("Failed", "Not done"))
    given = ", ".join(
        f"{key}={json.dumps(value, ensure_ascii=False)}"
        for key, value in step.call.arguments.items()
        if key != "request_heartbeat"
    )
    result = "" if step.result == "OK" else f" → {' '.join(step.result.split())}"
    if len(result) > RESULT_CHARS and not failed:
        result = result[: RESULT_CHARS - 1] + "…"
    took = f" ({seconds * 1000:.0f} ms)" if seconds else ""
    return output.printable(f"{mark(not failed)} {step.call.name}({given}){took}{result}")


def mark(good: bool) -> str:
    """A tick or a cross, as far as standard error can write them."""
    sign = "✓" if good else "✗"
    try:
        sign.encode(sys.stderr.encoding or "utf-8")
    except UnicodeEncodeError:
        return "+" if good else "-"
    return sign


def visible(text: str) -> str:
    r"""Make text that no terminal obeys: control characters but line breaks and tabs become escapes.

    >>> visible("a\n\x1b[2J")
    'a\n\\x1b[2J'
    """
    return _UNSAFE.sub(lambda found: found.group().encode("unicode_escape").decode(), text)
