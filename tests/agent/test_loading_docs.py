"""What docs/loading.md shows is true: its example runs, its commands are known, and its numbers are those."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from bridle.agent.loading import CHUNK_CHARS
from bridle.agent.loading.items import MOST_BYTES
from bridle.agent.loading.pipeline import BATCH
from bridle.agent.loading.web import MOST_PAGE_BYTES, MOST_REDIRECTS, PAGE_TIMEOUTS
from bridle.cli import load, sources
from project import ROOT

PAGE = (ROOT / "docs" / "loading.md").read_text("utf-8")
LINES = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
GROUPS = {"load": load.command, "sources": sources.command}
SHOWN = [line for line in LINES if line.split()[1] in GROUPS]


def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes" / "more").mkdir(parents=True)
    (tmp_path / "notes" / "more" / "a.md").write_text("# Cats\n\nThey purr.")
    (tmp_path / "notes" / "b.json").write_text("{")
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(block, "docs/loading.md", "exec"), {})
    first, second = capsys.readouterr().out.splitlines()
    assert first == "1 1 False"
    assert second.startswith(f"{tmp_path}/notes/b.json it is not JSON")


@pytest.mark.parametrize("line", SHOWN)
def test_a_command_is_as_it_is_shown(line: str) -> None:
    _, group, name, *args = shlex.split(line, comments=True)
    command = GROUPS[group].commands[name]
    with click.Context(command) as context:
        command.parse_args(context, args)


def test_the_numbers_are_those_of_the_program() -> None:
    assert f"{CHUNK_CHARS:,} characters" in PAGE
    assert f"{MOST_BYTES >> 20} MiB" in PAGE
    assert f"{MOST_PAGE_BYTES >> 20} MiB, {MOST_REDIRECTS} redirects" in PAGE
    assert PAGE_TIMEOUTS.total_s == 120
    assert f"Each {BATCH} passages" in PAGE
