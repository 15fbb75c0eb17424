"""The page about grammars says what is true: code runs, commands print what is shown, tables are whole."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest

from bridle.cli import main
from bridle.grammars import Bounds
from cli_runs import LAMP

PAGE = (Path(__file__).parents[2] / "docs" / "grammars.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("llama_cpp", reason="the extra llama is not installed")
    namespace: dict[str, object] = {"__name__": "page"}
    for block in blocks("python"):
        exec(block, namespace)
    shown = capsys.readouterr().out
    assert "max_tokens is 5, and the shortest answer" in shown
    assert "root ::=" in shown


def test_the_commands_print_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lamp.json").write_text(json.dumps([LAMP]), encoding="utf-8")
    (session,) = blocks("console")
    for step in session.removeprefix("$ ").split("\n$ "):
        command, _, shown = step.rstrip("\n").partition("\n")
        program, *words = shlex.split(command)
        if program == "cat":
            Path(words[0]).write_text(f"{shown}\n", encoding="utf-8")
            continue
        *words, target = (*words[:-2], words[-1]) if words[-2] == ">" else (*words, "")
        main(words)
        printed = capsys.readouterr()
        if target:
            Path(target).write_text(printed.out, encoding="utf-8")
        assert shown == ((printed.err if target else printed.out + printed.err).rstrip("\n")), command


def test_every_bound_is_listed_with_its_default() -> None:
    for field in fields(Bounds):
        assert f"| `{field.name}` | {field.default} |" in PAGE


def test_every_section_that_is_linked_is_there() -> None:
    titles = re.findall(r"^##+ (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors
