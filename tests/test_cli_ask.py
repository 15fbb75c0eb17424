"""`bridle ask`, in process: what it prints, what it refuses, and its exit codes."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from bridle.cli import main
from bridle.endpoints.base import Answer
from bridle.endpoints.scripted import Scripted

SWITCH = {"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]}
LAMP = {
    "type": "function",
    "function": {"name": "lamp", "description": "Switch a lamp.", "parameters": SWITCH},
}
# What a scripted model adds to the beginning of a call that the prompt ends with.
REST = ' "lamp",\n  "params": {\n    "inner_thoughts": "Dark.",\n    "on": true\n  }\n}'


class Stdin(io.TextIOWrapper):
    """Standard input as a pipe."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8")


@pytest.fixture
def tools(tmp_path: Path) -> str:
    path = tmp_path / "lamp.json"
    path.write_text(json.dumps([LAMP]), encoding="utf-8")
    return str(path)


def script(folder: Path, *answers: object) -> str:
    path = folder / "answers.jsonl"
    path.write_text("".join(json.dumps(answer) + "\n" for answer in answers), encoding="utf-8")
    return f"scripted:{path}"


def test_text_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "Hi?", "--endpoint", script(tmp_path, "Hello.")]) == 0
    assert capsys.readouterr().out == "Hello.\n"


def test_the_question_may_come_from_a_pipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Stdin("Grüße?\n".encode()))
    assert main(["ask", "--endpoint", script(tmp_path, "Ja.")]) == 0
    assert capsys.readouterr().out == "Ja.\n"


def test_a_call_is_printed(tmp_path: Path, tools: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--tools", tools, "--tool-choice", "required", "--endpoint", script(tmp_path, REST)]
    assert main(["ask", "It is dark", *options]) == 0
    assert capsys.readouterr().out == 'lamp {"on": true}\n'


def test_a_models_own_template_can_be_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "Hi?", "--endpoint", script(tmp_path, "Hello."), "--wrapper", "template"]) == 2
    assert "does not tell the model's chat template" in capsys.readouterr().err


def test_json_has_everything(tmp_path: Path, tools: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--tools", tools, "--tool-choice", "lamp", "--json", "--system", "Be quick."]
    assert main(["ask", "It is dark", *options, "--endpoint", script(tmp_path, REST)]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["calls"] == [{"name": "lamp", "arguments": {"on": True}}]
    assert body["thoughts"] == "Dark."
    assert body["raw"] == '{\n  "function":' + REST
    assert body["constraint"] == {
        "asked": "off",
        "engine": "",
        "proof": "unverified",
        "weakened": [],
        "longest_bytes": None,
        "fits": None,
    }
    assert body["cost"] is None
    assert body["wrapper"] == "chatml"
    assert body["text"] == ""


def test_an_answer_that_is_no_call_is_incomplete(
    tmp_path: Path, tools: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = REST.replace("true", '"yes"')
    options = ["--tools", tools, "--tool-choice", "required", "--endpoint", script(tmp_path, wrong)]
    assert main(["ask", "It is dark", *options]) == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert "'yes' is not of type 'boolean'" in said.err


def test_a_cut_off_answer_is_incomplete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    endpoint = script(tmp_path, "One two three four five six")
    assert main(["ask", "Count", "--max-tokens", "2", "--endpoint", endpoint]) == 4
    said = capsys.readouterr()
    assert said.out == "One two\n"
    assert "cut off" in said.err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--endpoint", "nowhere"], "'nowhere' is no endpoint"),
        (["--wrapper", "chatlm"], "there is no wrapper 'chatlm'"),
        (["--tools", "missing.json"], "'missing.json' cannot be read"),
        (["--schema", "missing.json"], "'missing.json' cannot be read"),
        (["--schema", "a", "--grammar", "b"], "cannot be given together"),
        (["--schema", ""], "'' cannot be read"),
        (["--grammar", ""], "'' cannot be read"),
        (["--endpoint", ""], "'' is no endpoint"),
        (["--tools", "~nobody-of-that-name/t.json"], "'~nobody-of-that-name/t.json' cannot be read"),
        (["--endpoint", "~nobody-of-that-name/x.gguf"], "'~nobody-of-that-name/x.gguf' does not exist"),
        (["--tool-choice", "required"], "there are none"),
        (["--temperature", "-1"], "-1"),
        (["--max-tokens", "0"], "0"),
    ],
)
def test_wrong_input_is_named_and_ends_with_2(
    options: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    default = [] if "--endpoint" in options else ["--endpoint", script(tmp_path, "Hello.")]
    assert main(["ask", "Hi?", *default, *options]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not valid JSON: line 1"),
        ("[" * 100_000, "cannot be read"),
        (f"[{'1' * 5000}]", "cannot be read"),
        ("3", "does not hold tools"),
        ("[3]", "does not hold tools"),
        ('[{"function": {"name": ""}}]', "has the name ''"),
        ('[{"name": "f", "parameters": {"type": "array"}}]', "type 'array'"),
        (
            '[{"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "intger"}}}}]',
            "intger",
        ),
    ],
)
def test_a_wrong_tools_file_is_refused(
    text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tools.json"
    path.write_text(json.dumps([{"name": "lamp", key: SWITCH}]), encoding="utf-8")
    options = ["--tools", str(path), "--tool-choice", "lamp", "--json"]
    assert main(["ask", "It is dark", *options, "--endpoint", script(tmp_path, REST)]) == 0
    assert json.loads(capsys.readouterr().out)["calls"] == [{"name": "lamp", "arguments": {"on": True}}]
