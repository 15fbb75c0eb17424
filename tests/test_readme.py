"""What the README shows runs: its Python, and every command that it names is there."""

from __future__ import annotations

import re

import pytest

from bridle.cli import COMMANDS
from project import ROOT

README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
NAMED = sorted(
    set(
        re.findall(
            r"\bbridle ([a-z]+)", "\n".join(re.findall(r"```(?:sh|text)\n(.*?)```", README, re.DOTALL))
        )
    )
)


@pytest.mark.parametrize("block", BLOCKS, ids=["agent", "calls"])
def test_its_python_runs(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block, "README.md", "exec"), {})
    said = capsys.readouterr().out.splitlines()
    shown = re.findall(r"print\(.*?\)  # (.*)", block)
    assert said[-len(shown) :] == shown if shown else said


def test_its_commands_are_there() -> None:
    assert {"chat", "load", "run", "memory", "ask"} <= set(NAMED)
    assert set(NAMED) <= set(COMMANDS)
