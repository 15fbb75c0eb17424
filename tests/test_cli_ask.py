"""`bridle ask`, in process: what it prints, what it refuses, and its exit codes."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from bridle.cli import main
from bridle.cli.ask import print_weakened
from bridle.endpoints.base import Answer
from bridle.endpoints.scripted import Scripted
from cli_runs import in_terminal
from servers.fake import events
from servers.kinds import make_fake

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
        "sent_as": [],
    }
    assert body["cost"] is None
    assert body["wrapper"] == "chatml"
    assert body["text"] == ""


def test_an_answer_that_is_no_call_is_incomplete(
    tmp_path: Path, tools: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = REST.replace("true", '"yes"')
    options = ["--tools", tools, "--tool-choice", "required", "--endpoint", script(tmp_path, wrong)]
    assert main(["ask", "It is dark", "--retries", "0", *options]) == 4
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
        (["--temperature", "nan"], "'nan' is no finite number"),
        (["--max-seconds", "inf"], "'inf' is no finite number"),
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
    path.write_text(text, encoding="utf-8")
    options = ["--tools", str(path), "--tool-choice", "required", "--endpoint", script(tmp_path, REST)]
    assert main(["ask", "Hi?", *options]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x89PNG\r\n", "image"),
        (b"GIF89a\1\0\1\0", "image"),
        (b"%PDF-1.4\n", "PDF"),
        (b"\xff\xfe", "not UTF-8"),
        (b" \n", "standard input is empty"),
    ],
)
def test_what_is_no_text_cannot_be_asked(
    data: bytes,
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", Stdin(data))
    assert main(["ask", "--endpoint", script(tmp_path, "x")]) == 2
    assert says in capsys.readouterr().err


def test_the_configured_endpoint_is_the_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = script(tmp_path, "Hello.").removeprefix("scripted:")
    config = tmp_path / "config.toml"
    monkeypatch.setenv("BRIDLE_CONFIG", str(config))
    config.write_text(
        f'schema = 1\n[default]\nendpoint = "mine"\n[endpoints.mine]\nkind = "scripted"\npath = "{path}"\n',
        encoding="utf-8",
    )
    assert main(["ask", "Hi?"]) == 0
    assert capsys.readouterr().out == "Hello.\n"


def test_text_that_begins_like_an_image_is_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for mark in (b"", b"\xef\xbb\xbf"):
        monkeypatch.setattr("sys.stdin", Stdin(mark + b"BMW makes what?\n"))
        assert main(["ask", "--endpoint", script(tmp_path, "Cars.")]) == 0
    assert capsys.readouterr().out == "Cars.\nCars.\n"


def test_nothing_cannot_be_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["ask", " ", "--endpoint", script(tmp_path, "x")]) == 2
    assert "TEXT is empty" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", None)
    assert main(["ask", "--endpoint", script(tmp_path, "x")]) == 2
    assert "nothing was asked" in capsys.readouterr().err


def test_a_tools_file_may_begin_with_a_byte_order_mark(
    tmp_path: Path, tools: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(tools)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    options = ["--tools", tools, "--tool-choice", "required", "--endpoint", script(tmp_path, REST)]
    assert main(["ask", "It is dark", *options]) == 0
    assert capsys.readouterr().out == 'lamp {"on": true}\n'


def test_no_terminal_obeys_an_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["ask", "Hi?", "--endpoint", script(tmp_path, "a\x1b[2Jb")]) == 0
    assert capsys.readouterr().out == "a\x1b[2Jb\n"  # a pipe gets what the model wrote
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["ask", "Hi?", "--endpoint", script(tmp_path, "a\x1b[2Jb")]) == 0
    assert capsys.readouterr().out == "a\\x1b[2Jb\n"


def test_what_the_endpoint_cannot_be_told_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def complete(*_: object) -> Answer:
        return Answer("Hello.", dropped=("seed",))

    monkeypatch.setattr(Scripted, "complete", complete)
    assert main(["ask", "Hi?", "--seed", "3", "--endpoint", script(tmp_path, "Hello.")]) == 0
    assert capsys.readouterr().err == "the endpoint cannot be told: seed\n"


CALL = '{"inner_thoughts": "Hm.", "function": "send_message", "params": {"message": "hi"}}'


@pytest.mark.parametrize(
    ("wrapper", "says"),
    [
        (
            "chatml-compact",
            "hint: the embedded model knows only the memory functions of an agent: use `bridle",
        ),
        ("hermes", "note: the embedded model was trained with chatml-compact, not hermes"),
    ],
)
def test_what_the_embedded_model_cannot_do_is_told(
    wrapper: str,
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = ["--endpoint", script(tmp_path, CALL), "--wrapper", wrapper]
    main(["ask", "hi", *options])
    assert "embedded" not in capsys.readouterr().err
    monkeypatch.setattr(Scripted, "name", "embedded")
    main(["ask", "hi", *options])
    assert says in capsys.readouterr().err


def test_an_answer_is_one_of_the_choices(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["ask", "Tea or coffee?", "--choice", "tea", "--choice", "coffee", "--json"])
    body = json.loads(capsys.readouterr().out)
    assert code == 0
    assert body["text"] in ("tea", "coffee")
    assert body["constraint"]["proof"] == "proven"
    assert body["cost"]["nats"] > 0


def test_two_ways_to_hold_an_answer_are_one_too_many(tools: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "Hi?", "--choice", "a", "--schema", tools]) == 2
    assert "--schema and --choice cannot be given together" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["parameters", "inputSchema", "input_schema"])
def test_tools_come_in_the_shapes_of_openai_mcp_and_anthropic(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tools.json"
    path.write_text(json.dumps([{"name": "lamp", key: SWITCH}]), encoding="utf-8")
    options = ["--tools", str(path), "--tool-choice", "lamp", "--json"]
    assert main(["ask", "It is dark", *options, "--endpoint", script(tmp_path, REST)]) == 0
    assert json.loads(capsys.readouterr().out)["calls"] == [{"name": "lamp", "arguments": {"on": True}}]


def test_the_name_of_a_model_that_is_not_there_is_refused_or_said_to_be_ignored(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept, refused = make_fake("llama-server"), make_fake("vllm")
    assert main(["ask", "Hi", "--model", "nosuch", "--endpoint", f"llama-server@{kept.url}"]) == 0
    assert "lists no model 'nosuch', but m: it answers with what is loaded" in capsys.readouterr().err
    assert main(["ask", "Hi", "--model", "m", "--endpoint", f"llama-server@{kept.url}"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["ask", "Hi", "--model", "nosuch", "--endpoint", f"vllm@{refused.url}"]) == 1
    said = capsys.readouterr().err
    assert "has no model 'nosuch'" in said
    assert "hint: it has m" in said
    kept.close()
    refused.close()


def test_what_a_schema_loses_is_said_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_weakened(["/properties/params x-order", " x-closed", "/a pattern"])
    assert capsys.readouterr().err.splitlines() == [
        "held more strictly than asked at /properties/params: members are written in the order of the schema",
        "held more strictly than asked: members that the schema does not name are not written",
        "not enforced at /a: pattern",
    ]


def test_an_error_has_a_line_of_its_own_below_what_was_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = make_fake("openai")
    server.routes["POST /v1/chat/completions"] = lambda _: events(
        [b'data: {"choices": [{"index": 0, "delta": {"content": "Once"}}]}\n\n'], cut=True
    )
    screen = in_terminal(monkeypatch)
    assert main(["ask", "Hi", "--retries", "0", "--endpoint", f"openai@{server.url}"]) == 1
    assert screen.getvalue() == "Once\n"
    server.close()
    unlike = in_terminal(monkeypatch)
    assert main(["ask", "Hi", "--endpoint", f"openai:m@{server.url}"]) == 3
    assert unlike.getvalue() == ""
    assert capsys.readouterr().err.count("error: ") == 2
    spoken = in_terminal(monkeypatch)
    assert main(["ask", "Hi", "--endpoint", script(tmp_path, "Hello.")]) == 0
    assert spoken.getvalue() == "Hello.\n"
