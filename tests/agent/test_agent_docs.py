"""The examples of docs/agent.md run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent_scripts import WRAPPER, append, say, written
from project import ROOT

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "agent.md").read_text("utf-8"), re.DOTALL)


def test_there_are_examples() -> None:
    assert len(BLOCKS) == 2


@pytest.mark.parametrize(
    ("block", "output"), [(BLOCKS[0], "Hello, Ada.\nAda.\n"), (BLOCKS[1], "You live in Bergen.")]
)
def test_an_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str], block: str, output: str) -> None:
    first = [append("Name: Ada"), say("Hello, Ada."), say("Ada.")]
    calls = first if block is BLOCKS[0] else [say("You live in Bergen.")]
    script = tmp_path / "answers.txt"
    script.write_text("".join(written(one)[len(WRAPPER.prime) :] + "\n" for one in calls), "utf-8")
    code = block.replace('"embedded"', f'"scripted:{script}", wrapper="chatml-compact"')
    assert code != block
    exec(compile(code, "docs/agent.md", "exec"), {})
    assert capsys.readouterr().out == output
