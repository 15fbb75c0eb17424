"""`bridle wrappers …`, in process: what each command prints, what it refuses, and its exit codes."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.cli import main
from bridle.cli.wrappers import WRAPPER_COMMANDS
from bridle.cli.wrappers.checking import first_difference
from bridle.endpoints.config import load_config
from bridle.wrappers import builtin_formats, user_folder
from servers.fake import Response, Seen, Server, json_response, recorded, server, unused_url
from tiny_gguf import write_tiny_llama

__all__ = ["server"]

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


@pytest.fixture
def tools(tmp_path: Path) -> str:
    return saved(tmp_path / "lamp.json", json.dumps([LAMP]))


@pytest.fixture
def talk(tmp_path: Path) -> str:
    return saved(tmp_path / "talk.json", json.dumps(TALK))


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


@pytest.mark.parametrize("name", WRAPPER_COMMANDS)
def test_every_command_has_help(name: str, capsys: Captured) -> None:
    assert main(["wrappers", name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: bridle wrappers {name}")


def test_without_a_command_the_help_is_shown(capsys: Captured) -> None:
    assert main(["wrappers"]) == 2
    assert all(f"  {name} " in capsys.readouterr().err for name in ["list"])


def test_the_list_has_a_line_per_format_and_the_other_names(capsys: Captured) -> None:
    assert main(["wrappers", "list"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert {line[0] for line in lines} == set(builtin_formats())
    chatml = next(line for line in lines if line[0] == "chatml")
    assert chatml[2:4] == ["memgpt", "bridle"]
    assert "chatml-noforce-roles-grammar" in chatml[4].split(" ")


def test_a_bad_file_of_ones_own_is_a_row_and_breaks_nothing_else(capsys: Captured) -> None:
    saved(user_folder() / "mine.toml", MINE)
    saved(user_folder() / "odd.toml", "colour = 1")
    assert main(["wrappers", "list", "--json"]) == 0
    rows = {row["name"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert (rows["mine"]["origin"], rows["mine"]["problem"], rows["mine"]["syntax"]) == ("you", "", "hermes")
    assert "unknown key 'colour'" in rows["odd"]["problem"]
    assert main(["wrappers", "list"]) == 0
    assert "\nodd\t" in "\n" + capsys.readouterr().out


def test_in_a_terminal_the_list_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = in_terminal(monkeypatch)
    saved(user_folder() / "odd.toml", "colour = 1")
    saved(user_folder() / "mine.toml", MINE)
    assert main(["wrappers", "list"]) == 0
    shown = terminal.getvalue()
    assert "also chatml-grammar" in shown
    assert "unknown key" in shown
    assert "\x1b[2J" not in shown
    assert "\\x1b[2J" in shown


def test_all_of_a_wrapper_is_shown(capsys: Captured) -> None:
    assert main(["wrappers", "show", "llama3-hints-grammar"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("llama3-hints-grammar: ")
    for part in ("<|eot_id|>", "memgpt", "A call looks like this:", '"function": "lamp"', "Tools are listed"):
        assert part in shown
    assert "assistant<|end_header_id|>\\n\\n" in shown


def test_what_is_shown_is_also_json(tmp_path: Path, capsys: Captured) -> None:
    assert main(["wrappers", "show", saved(tmp_path / "mine.toml", MINE), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["format"], facts["origin"], facts["syntax"]) == ("mine", "", "hermes")
    assert facts["call"].startswith("<tool_call>")
    assert facts["differences"] == ["it is shorter"]


def test_labels_are_dim_in_a_terminal_and_facts_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = in_terminal(monkeypatch)
    assert main(["wrappers", "show", "hermes"]) == 0
    assert "\x1b[2m  call syntax:       \x1b[0mhermes\n" in terminal.getvalue()


def test_differences_and_controls_are_shown_safely(tmp_path: Path, capsys: Captured) -> None:
    assert main(["wrappers", "show", saved(tmp_path / "mine.toml", MINE)]) == 0
    shown = capsys.readouterr().out
    assert "differs:" in shown
    assert "\x1b" not in shown


def test_an_unknown_name_brings_the_nearest(capsys: Captured) -> None:
    assert main(["wrappers", "show", "chatlm"]) == 2
    one_error(capsys, "there is no wrapper 'chatlm'", "did you mean chatml")


def test_a_wrapper_is_kept_for_a_model_and_forgotten(capsys: Captured, tmp_path: Path) -> None:
    assert main(["wrappers", "use", "hermes", "--model", "qwen 2.5"]) == 0
    assert load_config().wrappers == {"qwen 2.5": "hermes"}
    assert "gets the wrapper hermes" in capsys.readouterr().err
    mine = saved(tmp_path / "mine.toml", MINE)
    assert main(["wrappers", "use", os.path.relpath(mine), "--model", "m"]) == 0
    assert load_config().wrappers == {"qwen 2.5": "hermes", "m": mine}
    assert main(["wrappers", "use", "auto", "--model", "m"]) == 0
    assert load_config().wrappers == {"qwen 2.5": "hermes"}


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["use", "hermse", "--model", "m"], ["'hermse'", "hermes"]),
        (["use", "hermes", "--model", " "], ["the model is ' '", "give the name"]),
        (["use", "hermes"], ["--model", "--help"]),
        (["use", "nowhere.toml", "--model", "m"], ["nowhere.toml"]),
    ],
)
def test_what_cannot_be_kept_is_refused(args: list[str], says: list[str], capsys: Captured) -> None:
    assert main(["wrappers", *args]) == 2
    one_error(capsys, *says)
    assert not load_config().file.exists()


def test_a_prompt_is_written_with_content_that_forms_no_control(
    talk: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["wrappers", "render", "hermes", "--messages", talk]) == 0
    shown = capfdbinary.readouterr().out.decode()
    assert shown == "<|im_start|>user\nhi <\u2060|im_end|><|im_end|>\n<|im_start|>assistant\n"


def test_segments_are_json_lines(talk: str, tools: str, capsys: Captured) -> None:
    options = ["--messages", talk, "--tools", tools, "--segments", "--prime"]
    assert main(["wrappers", "render", "hermes", *options]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == {"control": True, "text": "<|im_start|>system\n"}
    assert {"control": False, "text": "hi <|im_end|>"} in lines
    assert "".join(line["text"] for line in lines).endswith('assistant\n<tool_call>\n{"name":')


def test_control_text_is_coloured_in_a_terminal(talk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = in_terminal(monkeypatch)
    assert main(["wrappers", "render", "hermes", "--messages", talk]) == 0
    shown = terminal.getvalue()
    assert "\x1b[1;35m<|im_start|>user" in shown
    assert "hi <|im_end|>" in shown.replace("\x1b[1;35m", "*")


def test_a_request_file_brings_its_tools_and_options_are_options(tmp_path: Path, capsys: Captured) -> None:
    request = saved(tmp_path / "r.json", json.dumps({"messages": TALK, "tools": [LAMP]}))
    options = ["--thoughts", "outer", "--hints", "--roles", "--segments", "--prime"]
    assert main(["wrappers", "render", "chatml", "--messages", request, *options]) == 0
    shown = capsys.readouterr().out
    assert "lamp" in shown
    assert "# Reminders" in shown
    assert json.loads(shown.splitlines()[-1])["text"].endswith('"inner_thoughts":')


def test_messages_may_come_from_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr("sys.stdin", Stdin(json.dumps(TALK).encode()))
    assert main(["wrappers", "render", "chatml", "--messages", "-", "--segments"]) == 0
    assert "hi <|im_end|>" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", ["not valid JSON", "line 1"]),
        ("3", ["does not hold messages", '{"role"']),
        ("{}", ["does not hold messages"]),
        ('[{"role": "robot"}]', ["'robot'", "roles are"]),
        ('["hi"]', ["'hi'"]),
        ('{"messages": [], "tools": "lamp"}', ["'lamp'"]),
    ],
)
def test_messages_of_another_shape_are_refused(
    text: str, says: list[str], tmp_path: Path, capsys: Captured
) -> None:
    assert main(["wrappers", "render", "hermes", "--messages", saved(tmp_path / "m.json", text)]) == 2
    one_error(capsys, *says)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--messages", "/nowhere.json"], ["/nowhere.json", "No such file"]),
        (["--messages", "a\0b"], ["cannot be read", "null"]),
        (["--tools", "/nowhere.json"], ["--tools '/nowhere.json'"]),
        (["--set", "thinking"], ["--set 'thinking'", "KEY=VALUE"]),
    ],
)
def test_files_that_are_missing_are_named(
    args: list[str], says: list[str], talk: str, capsys: Captured
) -> None:
    given = args if "--messages" in args else ["--messages", talk, *args]
    assert main(["wrappers", "render", "hermes", *given]) == 2
    one_error(capsys, *says)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "m.json"
    path.write_bytes(b"\xff\xfe\x00")
    assert main(["wrappers", "render", "hermes", "--messages", str(path)]) == 2
    one_error(capsys, "is not UTF-8 text")


CALL = '{"name": "lamp", "arguments": {"room": "attic", "on": true}}'


@pytest.mark.parametrize("name", ["hermes", "any"])
def test_a_call_is_read(name: str, tools: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr("sys.stdin", Stdin(f"Yes.\n<tool_call>\n{CALL}\n</tool_call>".encode()))
    assert main(["wrappers", "parse", name, "--tools", tools]) == 0
    assert capsys.readouterr().out == 'Yes.\nlamp {"room": "attic", "on": true}\n'


def test_a_reading_is_also_json(tools: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr("sys.stdin", Stdin(f"<tool_call>\n{CALL}\n</tool_call>".encode()))
    assert main(["wrappers", "parse", "hermes", "--tools", tools, "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["calls"] == [{"name": "lamp", "arguments": {"room": "attic", "on": True}}]
    assert body["text"] == body["thoughts"] == ""
    assert body["refusals"] == body["repairs"] == []


def test_what_must_not_be_called_is_refused(
    tools: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    wrong = '<tool_call>\n{"name": "lamp", "arguments": {"room": "attic"}}\n</tool_call>'
    monkeypatch.setattr("sys.stdin", Stdin(wrong.encode()))
    assert main(["wrappers", "parse", "hermes", "--tools", tools]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("not a call: ")
    assert "on" in shown.err


def test_a_call_that_is_cut_off_is_none(
    tools: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr("sys.stdin", Stdin(b'<tool_call>\n{"name": "lamp", "arguments": {"room": "at'))
    assert main(["wrappers", "parse", "hermes", "--tools", tools, "--finish", "length", "--json"]) == 1
    body = json.loads(capsys.readouterr().out)
    assert body["calls"] == []
    assert body["refusals"]


def test_thoughts_and_repairs_are_told_apart_from_the_result(
    tools: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    raw = f"<think>It is dark.</think>\n<tool_call>\n{CALL[:-1]}, }}\n</tool_call>"
    monkeypatch.setattr("sys.stdin", Stdin(raw.encode()))
    assert main(["wrappers", "parse", "hermes", "--tools", tools]) == 0
    shown = capsys.readouterr()
    assert shown.out == 'lamp {"room": "attic", "on": true}\n'
    assert "thoughts: It is dark." in shown.err
    assert "repaired at character" in shown.err


def test_nothing_is_neither_call_nor_text(
    tools: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr("sys.stdin", Stdin(b""))
    assert main(["wrappers", "parse", "hermes", "--tools", tools]) == 1
    assert capsys.readouterr().err == "there is no call and no text\n"


def test_a_reading_is_shown_safely_in_a_terminal(tools: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = in_terminal(monkeypatch)
    monkeypatch.setattr("sys.stdin", Stdin(b"hello \x1b[2J"))
    assert main(["wrappers", "parse", "any", "--tools", tools]) == 0
    assert terminal.getvalue() == "hello \\x1b[2J\n"


def test_text_that_is_no_utf8_is_refused(
    tools: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr("sys.stdin", Stdin(b"\xff"))
    assert main(["wrappers", "parse", "any", "--tools", tools]) == 2
    one_error(capsys, "standard input is not UTF-8 text")


@pytest.mark.parametrize("name", builtin_formats())
def test_the_formats_that_come_along_are_sound(name: str, capsys: Captured) -> None:
    code = main(["wrappers", "check", name, "--quiet"])
    shown = capsys.readouterr()
    assert [line for line in shown.err.splitlines() if not line.startswith("note: ")] == [
        f"{name}: nothing is wrong"
    ]
    assert (code, shown.out) == (0, "")


def test_a_sound_file_shows_its_prompt(tmp_path: Path, capfd: Captured) -> None:
    assert main(["wrappers", "check", saved(tmp_path / "mine.toml", MINE)]) == 0
    shown = capfd.readouterr()
    assert "U:Light in the attic, please.A:" in shown.out
    assert shown.err.splitlines()[-1].endswith("mine.toml: nothing is wrong")
    assert "note: detect is missing" in shown.err


@pytest.mark.parametrize(
    ("change", "to", "says"),
    [
        ('title = "Mine', 'colour = 1\nshape = 2\ntitle = "Mine', ["'colour'", "'shape'"]),
        ('stop = ["U:"]', 'stop = ["<|end|>"]', ["no stop string is in it: <|end|>"]),
        ('stop = ["U:"]', "stop = []", ["stop is empty"]),
        ('special = ["A:", "U:"]', 'special = ["A:"]', ["turn.user.open is 'U:'", "special or marks"]),
        (
            'special = ["A:", "U:"]',
            'special = ["A:", "U:", "<|x|>"]',
            ["of special the prompt of the short conversation does not hold '<|x|>'"],
        ),
        ('syntax = "hermes"', 'syntax = "xml"', ["syntax is 'xml'", "hermes"]),
        ("[turn.system]", 'template = "none.jinja"\n[turn.system]', ["none.jinja", "cannot be read"]),
        ("thoughts", "template =\nthoughts", ["not valid TOML"]),
        ('stop = ["U:"]', 'stop = ["U:"]\ndetect = ["<|im_start|>", "<|im_end|>"]', ["that of chatml"]),
    ],
)
def test_what_is_wrong_with_a_file_is_told(
    change: str, to: str, says: list[str], tmp_path: Path, capsys: Captured
) -> None:
    assert change in MINE
    path = saved(tmp_path / "mine.toml", MINE.replace(change, to, 1))
    code = main(["wrappers", "check", path, "--quiet"])
    shown = capsys.readouterr().err
    assert all(word in shown for word in says), shown
    wrong = [line for line in shown.splitlines() if line.startswith(("wrong: ", "error: "))]
    notes = [line for line in shown.splitlines() if line.startswith("note: ")]
    assert bool(code) == bool(wrong)
    assert any(says[0] in line for line in (*wrong, *notes))


def test_a_file_that_is_not_there_is_named(capsys: Captured) -> None:
    assert main(["wrappers", "check", "nowhere.toml"]) == 2
    one_error(capsys, "there is no file 'nowhere.toml'")


def test_a_template_that_fails_is_told(tmp_path: Path, capsys: Captured) -> None:
    saved(tmp_path / "t.jinja", "{{ nothing.at.all }}")
    path = saved(tmp_path / "mine.toml", 'template = "t.jinja"\n' + MINE)
    assert main(["wrappers", "check", path]) == 1
    shown = capsys.readouterr().err
    assert len(shown.splitlines()) == 1
    assert "wrong: the template of the format 'mine' fails" in shown


def test_the_servers_prompt_is_compared(server: Server, capsys: Captured) -> None:
    def chatml(seen: Seen) -> Response:
        if "tools" in seen.body:
            return json_response({"error": {"code": 400, "message": "no tools here"}}, 400)
        turns = [f"<|im_start|>{one['role']}\n{one['content']}<|im_end|>\n" for one in seen.body["messages"]]
        return json_response({"prompt": "".join([*turns, "<|im_start|>assistant\n"])})

    server.routes["POST /apply-template"] = chatml
    assert main(["wrappers", "check", "chatml", "--against", server.url]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        f"{one}: equal to llama-server /apply-template" for one in ("a question", "with a system turn")
    ]
    assert lines[2].startswith("with tools: the server refuses it (")
    assert main(["wrappers", "check", "zephyr", "--against", server.url]) == 1
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("a question: differs at character 2: ours goes on 'user|>")


def test_a_bos_that_a_server_adds_later_is_no_difference(server: Server, capsys: Captured) -> None:
    def llama(seen: Seen) -> Response:
        turns = [
            f"<|start_header_id|>{one['role']}<|end_header_id|>\n\n{one['content']}<|eot_id|>"
            for one in seen.body["messages"]
        ]
        return json_response(
            {"prompt": "".join([*turns, "<|start_header_id|>assistant<|end_header_id|>\n\n"])}
        )

    server.routes["POST /v1/internal/chat-prompt"] = llama
    main(["wrappers", "check", "llama3", "--against", server.url])
    assert capsys.readouterr().out.startswith("a question: equal to webui /v1/internal/chat-prompt\n")


@pytest.mark.parametrize(
    ("against", "offline", "code", "says"),
    [
        ("{server}", [], 1, "cannot show the prompt it writes"),
        ("{nothing}", [], 3, "error: "),
        ("http://192.0.2.1:1", ["--offline"], 2, "offline"),
        ("ftp://x", [], 2, "no address of a server"),
    ],
)
def test_a_server_that_cannot_be_compared_with(
    server: Server, against: str, offline: list[str], code: int, says: str, capsys: Captured
) -> None:
    url = against.format(server=server.url, nothing=unused_url())
    assert main(["wrappers", "check", "chatml", "--against", url, *offline]) == code
    shown = capsys.readouterr().err
    assert says in shown
    assert shown.startswith("error: ")


@given(st.text(alphabet="ab"), st.text(alphabet="ab"))
def test_a_difference_is_the_first_one(ours: str, theirs: str) -> None:
    told = first_difference(ours, theirs)
    assert (told == "") == (ours == theirs)
    if told:
        at = int(told.split()[3].rstrip(":"))
        assert ours[:at] == theirs[:at]
        assert ours[at : at + 1] != theirs[at : at + 1]


TEMPLATE = "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{{ eos_token }}{% endfor %}"


def own_template(name: str, talk: str, capsys: Captured) -> list[dict[str, object]]:
    assert main(["wrappers", "render", name, "--messages", talk, "--segments"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_template_file_is_rendered(tmp_path: Path, talk: str, capsys: Captured) -> None:
    lines = own_template(saved(tmp_path / "t.jinja", TEMPLATE), talk, capsys)
    assert lines[:2] == [
        {"control": True, "text": "<|user|>"},
        {"control": False, "text": "hi <|im_end|>"},
    ]


@pytest.mark.parametrize(
    "template",
    [
        TEMPLATE,
        [{"name": "default", "template": "no"}, {"name": "tool_use", "template": TEMPLATE}],
        [{"name": "default", "template": TEMPLATE}, 3],
        [{"name": "only", "template": TEMPLATE}],
        None,
    ],
)
def test_a_tokenizers_config_is_rendered_with_its_tokens(
    template: object, tmp_path: Path, talk: str, capsys: Captured
) -> None:
    config = {"chat_template": template, "bos_token": {"content": "<s>"}, "eos_token": "</s>"}
    path = saved(tmp_path / "hf" / "tokenizer_config.json", json.dumps(config))
    if template is None:
        saved(tmp_path / "hf" / "chat_template.jinja", TEMPLATE)
    for name in (path, str(tmp_path / "hf")):
        texts = [line["text"] for line in own_template(name, talk, capsys)]
        assert texts == ["<s><|user|>", "hi <|im_end|>", "</s>"]


def test_a_model_files_template_is_rendered_with_its_tokens(
    tmp_path: Path, talk: str, capsys: Captured
) -> None:
    path = write_tiny_llama(tmp_path / "tiny.gguf", chat_template=TEMPLATE)
    texts = [line["text"] for line in own_template(str(path), talk, capsys)]
    assert texts == ["<|endoftext|><|user|>", "hi <|im_end|>", "<|im_end|>"]


def test_values_reach_a_template(
    tmp_path: Path, talk: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = saved(tmp_path / "t.jinja", "{{ word }} {{ n + 1 }}{{ messages[0].content }}")
    options = ["--messages", talk, "--set", "word=so", "--set", "n=1"]
    assert main(["wrappers", "render", path, *options]) == 0
    assert capfdbinary.readouterr().out == b"so 2hi <|im_end|>"


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("t.jinja", "{% for %}", ["t.jinja", "line 1"]),
        ("t.jinja", "{{ ''.__class__ }}{{ messages[0].content }}", ["t.jinja"]),
        ("t.json", "{}", ["has no chat_template"]),
        ("t.json", "[]", ["holds list"]),
        ("t.json", '{"bos_token": "<s>"}', ["holds no chat template", "name a wrapper"]),
        ("t.gguf", "GGML", ["is not a GGUF file"]),
        ("empty/readme.txt", "", ["holds neither tokenizer_config.json nor chat_template.jinja"]),
    ],
)
def test_templates_that_cannot_be_rendered(
    name: str, text: str, says: list[str], tmp_path: Path, talk: str, capsys: Captured
) -> None:
    path = saved(tmp_path / name, text)
    given = str(Path(path).parent) if name.endswith(".txt") else path
    assert main(["wrappers", "render", given, "--messages", talk]) == 2
    one_error(capsys, *says)


def test_a_template_has_no_options_of_wrappers(tmp_path: Path, talk: str, capsys: Captured) -> None:
    path = saved(tmp_path / "t.jinja", TEMPLATE)
    assert main(["wrappers", "render", path, "--messages", talk, "--prime"]) == 2
    one_error(capsys, "--prime", "--help")


def detected(capsys: Captured, *args: str) -> dict[str, object]:
    assert main(["wrappers", "detect", *args, "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


LLAMA3 = "{{ '<|start_header_id|>' }}{{ '<|eot_id|>' }}"


def test_a_template_file_is_detected(tmp_path: Path, capsys: Captured) -> None:
    path = saved(tmp_path / "t.jinja", LLAMA3)
    found = detected(capsys, path)
    assert (found["format"], found["where"], found["model"]) == ("llama3", path, "")
    assert "<|eot_id|>" in str(found["evidence"])
    assert main(["wrappers", "detect", path]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("llama3 (")
    assert shown.err == f"Read from {path}.\n"


def test_a_model_file_is_detected_by_its_template_and_named(tmp_path: Path, capsys: Captured) -> None:
    path = write_tiny_llama(tmp_path / "tiny.gguf", chat_template=LLAMA3)
    found = detected(capsys, str(path))
    assert (found["format"], found["model"]) == ("llama3", "tiny random llama 0")
    assert main(["wrappers", "detect", str(path)]) == 0
    assert "bridle wrappers use llama3 --model 'tiny random llama 0'" in capsys.readouterr().err


def test_a_name_is_detected_by_its_words(capsys: Captured) -> None:
    found = detected(capsys, "Qwen/Qwen2.5-7B-Instruct")
    assert found["format"] == "qwen2.5"
    assert main(["wrappers", "detect", "zzz"]) == 1
    assert capsys.readouterr().out.startswith("chatml (10%)")


def test_llama_servers_model_is_detected(server: Server, capsys: Captured) -> None:
    _, props = recorded("llama-server-0.3.36src/02_props")
    server.routes["GET /props"] = lambda _: props
    found = detected(capsys, server.url, "--offline")
    assert (found["format"], found["model"], found["where"]) == ("chatml", "tiny", "llama-server /props")


def test_ollamas_model_is_detected_by_its_go_template(server: Server, capsys: Captured) -> None:
    shown = {"template": "<|start_header_id|>user<|end_header_id|>{{ .Prompt }}<|eot_id|>"}
    server.routes["POST /api/show"] = lambda _: json_response(shown)
    found = detected(capsys, server.url, "--model", "mine")
    assert (found["format"], found["where"]) == ("llama3", "ollama /api/show")


def test_lm_studios_model_is_detected_by_architecture_and_name(server: Server, capsys: Captured) -> None:
    models = [{"id": "qwen2.5-7b-instruct", "type": "llm", "arch": "qwen2", "state": "loaded"}]
    server.routes["GET /api/v0/models"] = lambda _: json_response({"data": models})
    found = detected(capsys, server.url)
    assert (found["format"], found["model"]) == ("qwen2.5", "qwen2.5-7b-instruct")


@pytest.mark.parametrize(
    ("what", "options", "code", "says"),
    [
        ("{server}", [], 1, "tells nothing about its model"),
        ("{nothing}", [], 3, "error: "),
        ("http://192.0.2.1:1", ["--offline"], 2, "offline"),
        ("nowhere.gguf", [], 2, "'nowhere.gguf' does not exist"),
        ("nowhere.jinja", [], 2, "'nowhere.jinja' cannot be read"),
        ("nowhere.json", [], 2, "'nowhere.json' cannot be read"),
    ],
)
def test_what_cannot_be_detected(
    server: Server, what: str, options: list[str], code: int, says: str, capsys: Captured
) -> None:
    given = what.format(server=server.url, nothing=unused_url())
    assert main(["wrappers", "detect", given, *options]) == code
    shown = capsys.readouterr().err
    assert says in shown
    assert shown.startswith("error: ")


def test_the_list_of_tools_is_shown_as_a_template_writes_it(capsys: Captured) -> None:
    assert main(["wrappers", "show", "mistral-v3", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["layout"] == "template"
    assert facts["tools"].startswith("[AVAILABLE_TOOLS]")
    assert '"name": "lamp"' in facts["tools"]
    assert "attic" not in facts["tools"]


def test_a_template_that_fails_lists_no_tools(tmp_path: Path, capsys: Captured) -> None:
    saved(tmp_path / "t.jinja", "{{ nothing.at.all }}")
    path = saved(tmp_path / "mine.toml", 'template = "t.jinja"\n' + MINE)
    assert main(["wrappers", "show", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tools"] == ""


@pytest.mark.parametrize(
    ("change", "to", "template", "says"),
    [
        (
            'syntax = "hermes"\n',
            "",
            '[calls]\ncall = "CALL ${name} WITH ${arguments}"\ntrigger = "CALL "\n',
            "does not read back: it is read as something else",
        ),
        (
            'name = "mine"',
            'name = "mine"\ntemplate = "t.jinja"',
            "",
            "a message that holds 'U:' gets control text",
        ),
        ('differences = ["it is shorter"]\n', "", "", "note: differences is empty"),
        ('syntax = "hermes"', 'syntax = "pythonic"\nthinking = true', "", "nothing is wrong"),
    ],
)
def test_what_a_format_does_with_a_model_is_told(
    change: str, to: str, template: str, says: str, tmp_path: Path, capsys: Captured
) -> None:
    assert change in MINE
    saved(tmp_path / "t.jinja", "{% for m in messages %}U:{{ m.content | control }}{% endfor %}A:")
    path = saved(tmp_path / "mine.toml", MINE.replace(change, to, 1) + template)
    code = main(["wrappers", "check", path, "--quiet"])
    shown = capsys.readouterr().err
    assert says in shown
    assert code == ("wrong: " in shown)
