"""The examples of docs/agent.md run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent_scripts import WRAPPER, append, say, written
from bridle.messages import ToolCall
from project import ROOT

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "agent.md").read_text("utf-8"), re.DOTALL)


def test_there_are_examples() -> None:
    assert len(BLOCKS) == 3


@pytest.mark.parametrize(
    ("block", "answers", "output"),
    [
        (BLOCKS[0], [[append("Name: Ada"), say("Hello, Ada.")], [say("Ada.")]], "Hello, Ada.\nAda.\n"),
        (BLOCKS[1], [[say("You live in Bergen.")]], "You live in Bergen."),
        (BLOCKS[2], [[say("You are Ada.")]], "You are Ada."),
    ],
)
def test_an_example_runs(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    block: str,
    answers: list[list[ToolCall]],
    output: str,
) -> None:
    code = block
    for number, calls in enumerate(answers):
        script = tmp_path / f"answers{number}.txt"
        script.write_text("".join(written(one)[len(WRAPPER.prime) :] + "\n" for one in calls), "utf-8")
        code = code.replace('"embedded"', f'"scripted:{script}", wrapper="chatml-compact"', 1)
    assert '"embedded"' not in code
    exec(compile(code, "docs/agent.md", "exec"), {})
    assert capsys.readouterr().out == output
