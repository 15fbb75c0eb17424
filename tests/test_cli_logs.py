"""`bridle logs` and `bridle replay`: what was asked is listed, shown, and asked again in another way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridle.cli import main
from bridle.endpoints.config import config_file

CALL = '{"function": "lamp", "params": {"inner_thoughts": "Dark.", "on": true}}'
REST = CALL.removeprefix('{"function":')
TOOL = {
    "name": "lamp",
    "parameters": {"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]},
}


@pytest.fixture
def asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A script that `bridle ask` was asked with once, and may be asked with again."""
    script, tools = tmp_path / "answers.txt", tmp_path / "tools.json"
    script.write_text(f"{REST}\n{REST}\n", "utf-8")
    tools.write_text(json.dumps([TOOL]), "utf-8")
    options = ["--tools", str(tools), "--tool-choice", "required", "--endpoint", f"scripted:{script}"]
    assert main(["ask", "It is dark", *options]) == 0
    capsys.readouterr()
    return script


def test_what_was_asked_is_listed(asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["logs"]) == 0
    shown = capsys.readouterr().out
    assert f"scripted:{asked}" in shown
    assert "It is dark" in shown
    assert 'lamp("on": true)' in shown
    assert main(["logs", "--json"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["id"] == 1
    assert main(["logs", "--failed"]) == 0
    assert capsys.readouterr().out == ""


def test_nothing_yet_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["logs"]) == 0
    assert "nothing is recorded yet" in capsys.readouterr().err


@pytest.mark.usefixtures("asked")
def test_one_is_shown_in_full_and_in_parts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["logs", "show", "1"]) == 0
    shown = capsys.readouterr().out
    for part in (
        "rung       text",
        "wrapper    chatml",
        "call       ",
        "--- prompt",
        "It is dark",
        "--- answer",
    ):
        assert part in shown
    assert main(["logs", "show", "1", "--prompt"]) == 0
    assert capsys.readouterr().out.startswith("<|im_start|>")
    assert main(["logs", "show", "1", "--answer"]) == 0
    assert "inner_thoughts" in capsys.readouterr().out
    assert main(["logs", "show", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["asked"]["tool_choice"] == "required"


def test_a_number_that_is_not_there_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["logs", "show", "9"]) == 2
    assert "nothing is recorded under 9" in capsys.readouterr().err
    assert main(["replay", "9"]) == 2


@pytest.mark.usefixtures("asked")
def test_a_question_is_asked_again_of_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "1"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("then  [")
    assert "the same" in shown
    assert main(["logs", "--json"]) == 0
    assert [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()] == [2, 1]


@pytest.mark.usefixtures("asked")
def test_a_question_is_asked_again_of_another_endpoint_and_in_another_way(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--endpoint", "embedded", "--wrapper", "hermes", "--constraint", "grammar", "--times", "2"]
    assert main(["replay", "1", *options]) == 0
    shown = capsys.readouterr().out
    assert "grammar, proven" in shown
    assert "; hermes" in shown
    assert "2 of 2 answers are valid" in shown


@pytest.mark.usefixtures("asked")
def test_a_recorded_answer_is_read_again_without_asking(
    asked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked.unlink()
    assert main(["replay", "1", "--reread", "--wrapper", "hermes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["calls"] == [{"name": "lamp", "arguments": {"on": True}}]


@pytest.mark.usefixtures("asked")
def test_it_can_be_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["logs", "clear", "--yes"]) == 0
    assert "1 request forgotten" in capsys.readouterr().err
    assert main(["logs", "path"]) == 0
    assert "recorder.db" in capsys.readouterr().out


def test_what_has_no_text_cannot_be_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "none.txt"
    empty.write_text("", "utf-8")
    assert main(["ask", "Hello", "--endpoint", f"scripted:{empty}"]) == 1
    capsys.readouterr()
    assert main(["replay", "1", "--reread"]) == 2
    assert "number 1 holds no text" in capsys.readouterr().err


@pytest.mark.usefixtures("asked")
def test_what_is_listed_shown_and_compared_has_a_line_for_each_thing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["logs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:9] for line in lines[1:]] == ["       > ", "       < "]
    assert main(["logs", "show", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["number", "when", "endpoint", "wrapper", "rung"]
    assert lines.index("--- prompt") < lines.index("--- answer")
    assert main(["replay", "1", "--reread"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["then", "now"]
    assert main(["replay", "1"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["then", "now", "the"]


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    "option", [["--endpoint", "embedded"], ["--model", "m"], ["--constraint", "off"], ["--times", "2"]]
)
def test_an_option_without_effect_on_reading_again_is_refused(
    option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "1", "--reread", *option]) == 2
    assert f"{option[0]} would have no effect" in capsys.readouterr().err


@pytest.mark.usefixtures("asked")
def test_it_is_said_that_nothing_is_recorded_now(capsys: pytest.CaptureFixture[str]) -> None:
    config = config_file()
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("schema = 1\n[recorder]\nenabled = false\n", "utf-8")
    assert main(["logs"]) == 0
    shown = capsys.readouterr()
    assert "recording is off" in shown.err
    assert "It is dark" in shown.out
