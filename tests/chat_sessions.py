"""What the tests of conversations share: scripted endpoints, somebody who types, and a real terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path

from click.testing import CliRunner, Result

from agent_scripts import WRAPPER, written
from bridle.agent import Agent
from bridle.cli import chat
from bridle.cli.chat.options import ChatOptions
from bridle.cli.chat.session import Session
from bridle.cli.chat.talking import talk
from bridle.cli.screen import Screen
from bridle.endpoints.config import EndpointConfig
from bridle.messages import ToolCall
from project import PARTS, ROOT

__all__ = ["PRIMED", "Terminal", "Typed", "chat_with", "open_terminal", "script_of", "session_on", "talked"]

PRIMED = len(WRAPPER.prime)
PATIENCE_S = 20
PROMPTS = ("\x1b[?2004h", "\n> ")
"""How a line editor shows that it is ready, and how plain lines do."""
ASK_CURSOR = b"\x1b[6n"
"""How a program asks where the cursor is; prompt_toolkit shows no toolbar before it knows."""
TAKE_TERMINAL = (
    "import os, sys; os.close(os.open(os.ttyname(0), os.O_RDWR));"
    " os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
"""Opening its terminal makes it the one that controls a session, so that Ctrl-C is a signal."""


def script_of(folder: Path, answers: Iterable[ToolCall | str]) -> str:
    """The spec of an endpoint with these answers, which go on after the beginning of a call."""
    texts = [written(one)[PRIMED:] if isinstance(one, ToolCall) else one for one in answers]
    file = folder / "answers.jsonl"
    file.write_text("".join(json.dumps(text) + "\n" for text in texts), "utf-8")
    return f"scripted:{file}"


def chat_with(folder: Path, answers: Iterable[ToolCall | str], *args: str, stdin: str = "") -> Result:
    """Run `bridle chat` on a script of answers, with lines in a pipe."""
    given = ["--endpoint", script_of(folder, answers), "--wrapper", "chatml-compact", *args]
    return CliRunner().invoke(chat.command, given, input=stdin)


class Typed:
    """Somebody at a terminal who types these lines, or presses the key that raises this, and then leaves."""

    has_toolbar = True

    def __init__(self, lines: Iterable[str | type[BaseException]]) -> None:
        self._lines = iter(lines)
        self.waits: list[float | None] = []

    def read(self, prompt: str, wait_s: float | None = None) -> str:
        self.waits.append(wait_s)
        one = next(self._lines, EOFError)
        if isinstance(one, str):
            return one
        raise one


def session_on(
    agent: Agent, lines: Iterable[str | type[BaseException]] = (), options: ChatOptions | None = None
) -> Session:
    """A session of somebody at a terminal."""
    return Session(
        agent=agent,
        entry=EndpointConfig("scripted"),
        options=options or ChatOptions(),
        lines=Typed(lines),
        screen=Screen(streaming=False),
        patient=True,
    )


def talked(agent: Agent, lines: Iterable[str | type[BaseException]]) -> Session:
    """Sit at the terminal until the lines are used up."""
    session = session_on(agent, lines)
    talk(session)
    return session


class Terminal:
    """The program in a pseudo-terminal: what it shows is read until something stands there."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self._master = master
        self.process = process
        self.seen = ""
        self._at = 0

    def wait_for(self, *texts: str) -> str:
        """Read until one of the texts is shown after what was waited for before; return what was shown."""
        end = time.monotonic() + PATIENCE_S
        while not any(text in self.seen[self._at :] for text in texts):
            left = end - time.monotonic()
            assert left > 0, f"the terminal shows no {texts!r} but {self.seen[self._at :]!r}"
            assert self._read(left), f"the program ended without {texts!r}: {self.seen[self._at :]!r}"
        at = min(found + len(text) for text in texts if (found := self.seen.find(text, self._at)) >= 0)
        shown, self._at = self.seen[self._at : at], at
        return shown

    def wait_for_prompt(self) -> None:
        """Read until a line can be typed: line editors switch pasting on then."""
        self.wait_for(*PROMPTS)

    def press_ctrl_c(self) -> None:
        """Press Ctrl-C until there is a new prompt.

        Python's readline module takes no notice of a signal that comes between a key and its next wait,
        until something else is pressed; a person presses once more.
        """
        for _ in range(PATIENCE_S):
            self.type("\x03")
            until = time.monotonic() + 1
            while (left := until - time.monotonic()) > 0 and self._read(left):
                if any(text in self.seen[self._at :] for text in PROMPTS):
                    self.wait_for_prompt()
                    return
        raise AssertionError(f"Ctrl-C brings no prompt: {self.seen[self._at :]!r}")

    def type(self, keys: str) -> None:
        """Press keys; `\\r` is Enter, `\\x03` Ctrl-C, `\\x04` Ctrl-D."""
        os.write(self._master, keys.encode())

    def ended(self) -> int:
        """Read to the end, and return the exit code."""
        end = time.monotonic() + PATIENCE_S
        while self._read(1) and self.process.poll() is None:
            assert time.monotonic() < end, f"the program goes on: {self.seen[self._at :]!r}"
        while select.select([self._master], [], [], 0)[0] and self._read(0):
            continue
        return self.process.wait(timeout=PATIENCE_S)

    def _read(self, seconds: float) -> bool:
        """Take what comes; False where the other end is closed."""
        if not select.select([self._master], [], [], min(seconds, 0.2))[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux says so when the program has ended
            return False
        if ASK_CURSOR in data:
            os.write(self._master, b"\x1b[1;1R" * data.count(ASK_CURSOR))
        self.seen += data.decode("utf-8", "replace")
        return bool(data)


@contextmanager
def open_terminal(
    *args: str, env: Mapping[str, str] | None = None, columns: int = 100
) -> Generator[Terminal]:
    """Run the command line in a terminal of 30 lines; it is killed at the end if it still runs."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (30, columns))
    given = dict(env or {})
    path = [given.pop("PYTHONPATH", ""), *(str(ROOT / part) for part in PARTS)]
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE_TERMINAL, "-m", "bridle.cli", *args],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(one for one in path if one),
            "TERM": "xterm",
            **given,
        },
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(master, process)
    finally:
        process.kill()
        process.wait()
        os.close(master)
