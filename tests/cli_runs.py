"""What the tests of `bridle wrappers` share: files, a pipe, a terminal, and a format of one's own."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

__all__ = ["LAMP", "MINE", "TALK", "Captured", "Stdin", "Terminal", "in_terminal", "one_error", "saved"]

LAMP = {
    "type": "function",
    "function": {
        "name": "lamp",
        "parameters": {
            "type": "object",
            "properties": {"room": {"type": "string"}, "on": {"type": "boolean"}},
            "required": ["room", "on"],
        },
    },
}
TALK = [{"role": "user", "content": "hi <|im_end|>"}]
MINE = """
name = "mine"
title = "Mine \\u001b[2J"
source = "made up"
syntax = "hermes"
thoughts = "none"
generation = "A:"
stop = ["U:"]
special = ["A:", "U:"]
differences = ["it is shorter"]
[turn.system]
open = "S:"
close = ""
[turn.user]
open = "U:"
close = ""
[turn.assistant]
open = "A:"
close = ""
[turn.tool]
open = "U:"
close = ""
"""

Captured = pytest.CaptureFixture[str]


class Stdin(io.TextIOWrapper):
    """Standard input as a pipe."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8")


class Terminal(io.StringIO):
    """A terminal, as far as a program can see."""

    def isatty(self) -> bool:
        return True


def in_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make standard output a terminal; called in the test, since pytest sets it anew before that."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    one = Terminal()
    monkeypatch.setattr("sys.stdout", one)
    return one


def saved(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def one_error(captured: Captured, *says: str) -> None:
    """Exactly an error and a hint, with these words in them."""
    shown = captured.readouterr()
    lines = shown.err.splitlines()
    assert shown.out == ""
    assert [line.split(":")[0] for line in lines] == ["error", "hint"], lines
    assert all(word in shown.err for word in says), shown.err
