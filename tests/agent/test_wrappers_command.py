"""`bridle wrappers list | show | use | render | parse`, in process: output, refusals, exit codes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from bridle.cli import main
from bridle.cli.wrappers import WRAPPER_COMMANDS
from bridle.endpoints.config import load_config
from bridle.wrappers import builtin_formats, user_folder, wrapper_names
from cli_runs import LAMP, MINE, TALK, Captured, Stdin, in_terminal, one_error, saved
from project import run_python


@pytest.fixture
def tools(tmp_path: Path) -> str:
    return saved(tmp_path / "lamp.json", json.dumps([LAMP]))


@pytest.fixture
def talk(tmp_path: Path) -> str:
    return saved(tmp_path / "talk.json", json.dumps(TALK))


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
    assert "colour" in shown
    assert "\x1b[2J" not in shown
    assert "\\x1b[2J" in shown


@pytest.mark.parametrize("columns", ["60", "80", "99", "100", "200"])
def test_no_name_is_cut_in_a_narrow_terminal(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = in_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["wrappers", "list"]) == 0
    shown = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    words = set(shown.replace(",", " ").split())
    assert set(wrapper_names()) <= words
    assert max(map(len, shown.splitlines())) <= int(columns)


def test_at_a_terminal_it_is_told_where_the_text_comes_from(
    tools: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    stdin = Stdin(b"hello")
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", stdin)
    assert main(["wrappers", "parse", "any", "--tools", tools]) == 0
    shown = capsys.readouterr()
    assert shown.out == "hello\n"
    assert shown.err.startswith("Reading the model's text from standard input; end it with Ctrl-")


def test_all_of_a_wrapper_is_shown(capsys: Captured) -> None:
    assert main(["wrappers", "show", "llama3-hints-grammar"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("llama3-hints-grammar: ")
    for part in ("<|eot_id|>", "memgpt", "A call looks like this:", '"function": "lamp"', "Tools are listed"):
        assert part in shown
    assert "assistant<|end_header_id|>\\n\\n" in shown


def test_another_name_stands_for_a_format_with_options(capsys: Captured) -> None:
    assert main(["wrappers", "show", "chatml-noforce-roles", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["means"] == "chatml with thoughts = outer, hints = false, roles = true"
    assert "chatml" in facts["aliases"]
    assert "chatml-noforce-roles" not in facts["aliases"]
    assert main(["wrappers", "show", "chatml", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["means"] == ""
    assert "chatml" not in facts["aliases"]


@pytest.mark.parametrize(("name", "says"), [("hermes", "it has none"), ("smollm3", "enable_thinking")])
def test_a_variable_that_a_wrapper_lacks_is_refused(
    name: str, says: str, talk: str, capsys: Captured
) -> None:
    assert main(["wrappers", "render", name, "--messages", talk, "--set", "colour=3"]) == 2
    one_error(capsys, name, "'colour'", says)


def test_a_variable_may_be_written_as_in_python(talk: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    written: list[bytes] = []
    for value in ("true", "True", "false", "False"):
        options = ["--messages", talk, "--set", f"enable_thinking={value}"]
        assert main(["wrappers", "render", "smollm3", *options]) == 0
        written.append(capfdbinary.readouterr().out)
    assert written[0] == written[1] != written[2] == written[3]


def test_what_was_not_kept_is_not_forgotten(capsys: Captured) -> None:
    assert main(["wrappers", "use", "auto", "--model", "m"]) == 0
    assert "Nothing was kept for the model m" in capsys.readouterr().err
    assert not load_config().file.exists()


def test_ones_own_formats_lie_beside_the_config_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert user_folder() == load_config().file.parent / "formats"
    monkeypatch.delenv("BRIDLE_HOME")
    assert user_folder() == load_config().file.parent / "formats"


def test_a_home_that_there_is_not_is_named(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setenv("BRIDLE_HOME", "~nobody-of-this-name/x")
    assert main(["wrappers", "list"]) == 2
    one_error(capsys, "BRIDLE_HOME is '~nobody-of-this-name/x'", "whole path")


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
    assert main(["wrappers", "use", "template", "--model", "m"]) == 0
    assert load_config().wrappers["m"] == "template"
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


def test_the_list_of_tools_is_shown_as_a_template_writes_it(capsys: Captured) -> None:
    assert main(["wrappers", "show", "mistral-v3", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["layout"] == "template"
    assert facts["tools"].startswith("[AVAILABLE_TOOLS]")
    assert '"name": "lamp"' in facts["tools"]
    assert "attic" not in facts["tools"]


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("hermes", "<|im_start|>system\nYou are", "</tool_call><|im_end|>"),
        ("granite3", "<|start_of_role|>available_tools", "]<|end_of_text|>"),
        ("kimi-k2", "<|im_system|>tool_declare", "}}]<|im_end|>"),
        ("glm4.7", "<|system|>\n# Tools", "</tool_call>"),
        ("command-r7b", "# System Preamble", "]\n```"),
        ("llama3.1", "Environment: ipython\n…\nYou can call", "}"),
    ],
)
def test_the_list_of_tools_is_cut_at_lines_and_turns(
    name: str, start: str, end: str, capsys: Captured
) -> None:
    assert main(["wrappers", "show", name, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["tools"]
    assert shown.startswith(start)
    assert shown.endswith(end)
    assert "You look after a house" not in shown


def test_a_template_that_fails_lists_no_tools(tmp_path: Path, capsys: Captured) -> None:
    saved(tmp_path / "t.jinja", "{{ nothing.at.all }}")
    path = saved(tmp_path / "mine.toml", 'template = "t.jinja"\n' + MINE)
    assert main(["wrappers", "show", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tools"] == ""


@pytest.mark.parametrize("args", [["--help"], *([name, "--help"] for name in WRAPPER_COMMANDS)])
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    code = (
        "import sys; from bridle.cli import main; main(['wrappers', *sys.argv[1:]]);"
        "heavy = {'requests', 'jinja2', 'jsonschema', 'rich', 'platformdirs', 'bridle.wrappers'};"
        "print('LOADED', *sorted(heavy & set(sys.modules)))"
    )
    done = run_python("-c", code, *args)
    assert done.stderr == ""
    assert done.stdout.partition("LOADED")[2].split() == []
