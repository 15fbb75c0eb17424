"""`bridle wrappers check` finds prompts that lose text, end too early, or leave turns that look the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridle.cli import main
from cli_runs import MINE, Captured, saved

ALL = (
    "{% for m in messages %}{% if m.role == 'assistant' %}A:{{ m.written | control }}"
    "{% else %}U:{{ m.content }}{% endif %}{% endfor %}"
)


def checked(tmp_path: Path, capsys: Captured, text: str) -> list[str]:
    code = main(["wrappers", "check", saved(tmp_path / "mine.toml", text), "--quiet"])
    wrong = [line for line in capsys.readouterr().err.splitlines() if line.startswith("wrong: ")]
    assert code == (1 if wrong else 0)
    return wrong


@pytest.mark.parametrize(
    ("template", "says"),
    [
        (ALL + "A:", "tools are given, and the prompt does not name them"),
        ("{{ listed }}{% for m in messages %}U:{{ m.content }}{% endfor %}A:", "a past call ('cellar')"),
        (
            "{{ listed }}{% for m in messages if m.role != 'tool' %}"
            "{{ m.written if m.written else m.content }}{% endfor %}A:",
            "the result of a call ('switched 4711')",
        ),
        ("{{ listed }}" + ALL, "not with generation, which is 'A:'"),
        ("{{ listed }}" + ALL + "{{ 'A:' }}", "the format writes 'A:' as content"),
    ],
)
def test_a_template_that_loses_something_is_told(
    template: str, says: str, tmp_path: Path, capsys: Captured
) -> None:
    saved(tmp_path / "t.jinja", template)
    wrong = checked(tmp_path, capsys, 'template = "t.jinja"\n' + MINE)
    assert any(says in line for line in wrong), wrong


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({'generation = "A:"': 'generation = ""'}, "generation is empty, and the prompt ends with the turn"),
        ({'open = "A:"': 'open = "U:"'}, "cannot be told apart: 'U:'"),
        ({'open = "A:"': 'open = ""', 'open = "U:"': 'open = ""'}, "cannot be told apart: ''"),
        ({'generation = "A:"': 'generation = "<|bot|>A:"'}, "generation holds '<|bot|>'"),
        ({'thoughts = "none"': 'thoughts = "inner"'}, "thoughts is 'inner', and the call syntax has no"),
        ({'thoughts = "none"': 'thoughts = "outer"'}, "thoughts is 'outer', and the call syntax has no"),
    ],
)
def test_turns_that_cannot_work_are_told(
    changes: dict[str, str], says: str, tmp_path: Path, capsys: Captured
) -> None:
    text = MINE
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    wrong = checked(tmp_path, capsys, text)
    assert any(says in line for line in wrong), wrong


def test_thoughts_of_memgpts_syntax_have_a_place(tmp_path: Path, capsys: Captured) -> None:
    text = MINE.replace('syntax = "hermes"', 'syntax = "memgpt"').replace('"none"', '"inner"')
    assert checked(tmp_path, capsys, text) == []
