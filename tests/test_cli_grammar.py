"""`bridle grammar`, in process: what it makes and refuses, what it says of wrong input, and exit codes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import jsonschema
import pytest

from bridle.cli import main
from bridle.cli.grammar import GRAMMAR_COMMANDS, inputs
from bridle.cli.grammar.accepting import listed_characters
from bridle.cli.grammar.notations import NOTATIONS, SIGNS, Notation
from bridle.cli.grammar.reporting import TARGETS
from bridle.grammars import Mode, Profile, call_grammar, check_gbnf, profiles, to_gbnf
from bridle.grammars.gbnf_dialects import Dialect
from bridle.grammars.gbnf_matching import GbnfMatcher
from bridle.messages import JSON, as_tools
from bridle.wrappers import get_wrapper
from cli_runs import LAMP, Captured, Stdin, in_terminal, one_error, saved

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 40},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}
CALL = '<tool_call>\n{"name": "lamp", "arguments": {"room": "attic", "on": true}}\n</tool_call>'
DIAL = {
    "name": "dial",
    "parameters": {
        "type": "object",
        "properties": {"who": {"type": "string", "x-quoted-from": "user"}},
        "required": ["who"],
    },
}


@pytest.fixture
def tools(tmp_path: Path) -> str:
    return saved(tmp_path / "lamp.json", json.dumps([LAMP]))


@pytest.fixture
def person(tmp_path: Path) -> str:
    return saved(tmp_path / "person.json", json.dumps(PERSON))


def written(captured: Captured, *args: str) -> tuple[str, str]:
    """Run a command that works; return what it wrote to both streams."""
    assert main(["grammar", *args]) == 0
    shown = captured.readouterr()
    return shown.out, shown.err


def as_object(captured: Captured, *args: str) -> Mapping[str, JSON]:
    """Run a command with --json, whatever its exit code."""
    main(["grammar", *args, "--json"])
    shown = captured.readouterr()
    assert shown.err == ""
    found: JSON = json.loads(shown.out)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("name", GRAMMAR_COMMANDS)
def test_every_command_has_help(name: str, capsys: Captured) -> None:
    assert main(["grammar", name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: bridle grammar {name}")
    assert max(map(len, shown.splitlines())) <= 80


def test_without_a_command_the_help_is_shown(capsys: Captured) -> None:
    assert main(["grammar"]) == 2
    shown = capsys.readouterr().err
    assert all(f"  {name} " in shown for name in GRAMMAR_COMMANDS)


def test_the_options_have_all_names_that_there_are() -> None:
    assert get_args(Dialect) == inputs.DIALECTS
    assert get_args(Profile) == inputs.PROFILES
    assert get_args(Notation) == NOTATIONS
    assert tuple(map(inputs.as_mode, inputs.MODES)) == get_args(Mode)


# from-tools


def test_gbnf_of_tools_is_what_holds_a_model_with_this_wrapper(tools: str, capsys: Captured) -> None:
    out, err = written(capsys, "from-tools", tools, "--wrapper", "hermes")
    hermes = get_wrapper("hermes")
    assert out == to_gbnf(call_grammar(as_tools([LAMP]), hermes.syntax.shape, "call", stop=hermes.stop))
    assert GbnfMatcher(out).matches(CALL)
    assert re.fullmatch(r"the longest sentence has [\d,]+ bytes\n", err)


@pytest.mark.parametrize("key", ["inputSchema", "input_schema"])
def test_tools_may_be_written_as_mcp_and_anthropic_do(
    key: str, tools: str, tmp_path: Path, capsys: Captured
) -> None:
    inner = LAMP["function"]
    assert isinstance(inner, dict)
    theirs = {"tools": [{"name": "lamp", key: inner["parameters"]}]}
    file = saved(tmp_path / "theirs.json", json.dumps(theirs))
    ours = written(capsys, "from-tools", tools, "--wrapper", "hermes")
    assert written(capsys, "from-tools", file, "--wrapper", "hermes") == ours
    assert main(["grammar", "from-schema", file]) == 2
    one_error(capsys, "holds tools", "from-tools")


def test_without_a_wrapper_the_default_is_taken_and_named(tools: str, capsys: Captured) -> None:
    out, err = written(capsys, "from-tools", tools)
    assert '\\"function\\": \\"lamp\\"' in out
    assert "note: the wrapper is chatml, the default; name another with --wrapper" in err


@pytest.mark.parametrize("dialect", inputs.DIALECTS)
def test_a_dialect_is_one_that_its_reader_takes(dialect: Dialect, tools: str, capsys: Captured) -> None:
    out, _ = written(capsys, "from-tools", tools, "--wrapper", "hermes", "--dialect", dialect)
    check_gbnf(out, dialect=dialect)
    assert GbnfMatcher(out, dialect).matches(CALL)


def test_a_regex_of_tools_matches_calls(tools: str, capsys: Captured) -> None:
    out, _ = written(capsys, "from-tools", tools, "--wrapper", "hermes", "--to", "regex")
    assert re.fullmatch(out.removesuffix("\n"), CALL)
    assert not re.fullmatch(out.removesuffix("\n"), CALL.replace("lamp", "lump"))


def test_lark_of_tools_begins_with_start(tools: str, capsys: Captured) -> None:
    out, _ = written(capsys, "from-tools", tools, "--wrapper", "hermes", "--to", "lark")
    assert out.startswith("start: ROOT\nROOT: ")


def test_a_mode_a_tool_and_several_calls_can_be_asked_for(tmp_path: Path, capsys: Captured) -> None:
    off = {"name": "off", "parameters": {"type": "object"}}
    both = saved(tmp_path / "both.json", json.dumps({"tools": [LAMP, off]}))
    options = ["--wrapper", "hermes", "--only", "lamp", "--parallel", "2", "--mode", "text-or-call"]
    matcher = GbnfMatcher(written(capsys, "from-tools", both, *options)[0])
    assert matcher.matches("Well.")
    assert matcher.matches(f"{CALL}\n{CALL}")
    assert not matcher.matches(f"{CALL}\n{CALL}\n{CALL}")
    assert not matcher.matches('<tool_call>\n{"name": "off", "arguments": {}}\n</tool_call>')


def test_thinking_may_come_first(tools: str, capsys: Captured) -> None:
    out, _ = written(capsys, "from-tools", tools, "--wrapper", "qwen3", "--think")
    assert "<think>" in out
    assert "<think>" not in written(capsys, "from-tools", tools, "--wrapper", "qwen3")[0]


def test_what_a_wrapper_has_no_place_for_is_noted(tools: str, capsys: Captured) -> None:
    _, err = written(capsys, "from-tools", tools, "--wrapper", "chatml", "--parallel", "3", "--think")
    assert "chatml writes one call per turn: --parallel changes nothing" in err
    assert "chatml has no marks for thinking: --think changes nothing" in err


def test_a_profile_means_a_json_schema(tools: str, capsys: Captured) -> None:
    out, err = written(capsys, "from-tools", tools, "--profile", "openai-strict")
    schema = json.loads(out)
    jsonschema.validate({"function": "lamp", "params": {"room": "attic", "on": True}}, schema)
    assert schema["properties"]["params"]["required"] == ["room", "on"]
    order = "members are written in the order of the schema (x-order)"
    assert err == f"narrower than the schema: #/properties/params, #: {order}\n"


def test_many_places_that_are_narrower_are_counted(tmp_path: Path, capsys: Captured) -> None:
    inner = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
    many = saved(
        tmp_path / "many.json", json.dumps([{"name": f"t{i}", "parameters": inner} for i in range(40)])
    )
    _, err = written(capsys, "from-tools", many, "--profile", "lmstudio")
    (line,) = err.splitlines()
    assert line.startswith("narrower than the schema: #/anyOf/0/properties/params, #/anyOf/0, #/anyOf/1/")
    assert " and 77 more: members are" in line
    narrowed = as_object(capsys, "from-tools", many, "--profile", "lmstudio")["narrowed"]
    assert isinstance(narrowed, list)
    assert len(narrowed) == 80


def test_a_json_schema_has_the_keys_of_a_wrapper_that_is_named(tools: str, capsys: Captured) -> None:
    found = as_object(capsys, "from-tools", tools, "--to", "json-schema", "--wrapper", "llama3.1")
    assert found["profile"] == "generic"
    constraint = found["constraint"]
    assert isinstance(constraint, dict)
    assert isinstance(constraint["properties"], dict)
    assert list(constraint["properties"]) == ["name", "parameters"]


def test_a_structural_tag_has_the_mark_that_calls_begin_with(tools: str, capsys: Captured) -> None:
    options = ["--wrapper", "hermes", "--to", "structural-tag", "--mode", "text-or-call"]
    tag = json.loads(written(capsys, "from-tools", tools, *options)[0])
    assert tag["format"]["triggers"] == ["<tool_call>"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--wrapper", "nonsense"], "'nonsense'"),
        (["--only", "lump"], "'lump'"),
        (["--to", "json-schema", "--mode", "text"], "--mode text"),
        (["--to", "json-schema", "--think"], "--think"),
        (["--to", "json-schema", "--parallel", "2"], "--parallel 2"),
        (["--to", "json-schema", "--wrapper", "qwen3-coder"], "no JSON objects"),
        (["--to", "structural-tag", "--mode", "text"], "structural tag"),
        (["--to", "structural-tag", "--mode", "text-or-call"], "mark"),
        (["--to", "json-schema", "--quote", "user=Ana"], "json-schema"),
        (["--quote", "Ana"], "'Ana'"),
        (["--quote", "user=@nowhere.txt"], "'nowhere.txt'"),
        (["--to", "lark", "--dialect", "webui"], "--dialect is for --to gbnf"),
        (["--to", "gbnf", "--profile", "vllm"], "--profile is for --to json-schema"),
        (["--dialect", "webui", "--profile", "vllm"], "give one"),
        (["--to", "ebnf"], "ebnf"),
    ],
)
def test_what_cannot_be_said_is_refused(options: list[str], says: str, tools: str, capsys: Captured) -> None:
    assert main(["grammar", "from-tools", tools, *options]) == 2
    one_error(capsys, says)


def test_strings_are_quoted_from_texts_that_are_given(tmp_path: Path, capsys: Captured) -> None:
    dial = saved(tmp_path / "dial.json", json.dumps(DIAL))
    said = saved(tmp_path / "said.txt", "Call Zbyněk Vaněček.")
    call = '<tool_call>\n{"name": "dial", "arguments": {"who": "%s"}}\n</tool_call>'
    for text in ("Call Zbyněk Vaněček.", f"@{said}"):
        out, err = written(capsys, "from-tools", dial, "--wrapper", "hermes", "--quote", f"user={text}")
        matcher = GbnfMatcher(out)
        assert (matcher.matches(call % "Zbyněk Vaněček"), matcher.matches(call % "Zbynek")) == (True, False)
        assert "not enforced" not in err
    out, err = written(capsys, "from-tools", dial, "--wrapper", "hermes")
    assert GbnfMatcher(out).matches(call % "Zbynek")
    assert "not enforced: dial#/properties/who x-quoted-from" in err
    assert main(["grammar", "from-tools", dial, "--strict"]) == 2
    one_error(capsys, "'dial'", "x-quoted-from", "'user'")


# from-schema


@pytest.mark.parametrize("to", NOTATIONS)
def test_a_schema_can_be_written_in_every_notation(to: str, person: str, capsys: Captured) -> None:
    found = as_object(capsys, "from-schema", person, "--to", to)
    assert (found["to"], found["constraint"] != "") == (to, True)
    text, _ = written(capsys, "from-schema", person, "--to", to)
    body = found["constraint"]
    assert text == (body if isinstance(body, str) else json.dumps(body, indent=2, ensure_ascii=False) + "\n")


def test_what_is_not_enforced_is_noted_or_with_strict_an_error(person: str, capsys: Captured) -> None:
    _, err = written(capsys, "from-schema", person, "--profile", "ollama")
    assert "not enforced: #/properties/tags uniqueItems\n" in err
    assert "narrower than the schema: #: members are written in the order of the schema (x-order)\n" in err
    found = as_object(capsys, "from-schema", person, "--profile", "ollama")
    assert found["weakened"] == ["#/properties/tags uniqueItems"]
    assert main(["grammar", "from-schema", person, "--profile", "ollama", "--strict"]) == 2
    one_error(capsys, "'uniqueItems' at /properties/tags", "ollama", "--strict")
    assert main(["grammar", "from-schema", person, "--strict"]) == 2
    one_error(capsys, "uniqueItems", "/properties/tags")


@pytest.mark.parametrize("body", ["true", "{}", '{"title": "Anything"}'])
def test_a_schema_that_says_nothing_is_noted(body: str, tmp_path: Path, capsys: Captured) -> None:
    file = saved(tmp_path / "s.json", body)
    for options in (["--to", "lark"], ["--profile", "vllm"]):
        assert "restricts nothing: any JSON value fits" in written(capsys, "from-schema", file, *options)[1]
    typo = saved(tmp_path / "typo.json", '{"properti": {"a": {"type": "string"}}}')
    assert "not enforced: # properti\n" in written(capsys, "from-schema", typo, "--to", "lark")[1]


def test_a_file_gets_utf8_whatever_the_terminal_writes(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    schema = saved(tmp_path / "s.json", json.dumps({"enum": ["世界"]}))
    assert main(["grammar", "from-schema", schema]) == 0
    assert capfdbinary.readouterr().out.decode() == 'root ::= "\\"世界\\""\n'


def test_a_terminal_obeys_nothing_that_a_schema_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = saved(tmp_path / "s.json", json.dumps({"title": "\x9b2J", "enum": ["\x9b2J"]}))
    terminal = in_terminal(monkeypatch)
    assert main(["grammar", "from-schema", schema, "--to", "json-schema"]) == 0
    assert "\\x9b2J" in terminal.getvalue()
    assert "\x9b" not in terminal.getvalue()


def test_a_schema_may_come_from_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr("sys.stdin", Stdin(b'{"const": 3}'))
    assert written(capsys, "from-schema", "-")[0] == 'root ::= "3"\n'


# wrong files


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        (b"", "it is empty"),
        (b"\x00\xff\xfe", "not UTF-8"),
        (b'{"type": ', "line 1, column 10"),
        (b"root ::= x", "not valid JSON"),
        (b"[" * 100_000, "cannot be read"),
        (b"3", "does not hold tools"),
        (b'["lamp"]', "does not hold tools"),
        (b"[]", "empty list"),
        (json.dumps(PERSON).encode(), "from-schema"),
        (b'[{"name": "lamp", "parameters": {"type": "array"}}]', "'array'"),
        (b'[{"name": "lamp", "parameters": {"properties": {"a": {"type": "strng"}}}}]', "/properties/a/type"),
        (b'[{"name": "lamp"}, {"name": "lamp"}]', "two tools are called 'lamp'"),
    ],
)
def test_a_file_that_holds_no_tools_is_one_error(
    content: bytes | None, says: str, tmp_path: Path, capsys: Captured
) -> None:
    file = tmp_path / "tools.json"
    if content is not None:
        file.write_bytes(content)
    assert main(["grammar", "from-tools", str(file), "--wrapper", "hermes"]) == 2
    one_error(capsys, says)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        (b" \n", "it is empty"),
        (b"\x89PNG\r\n", "not UTF-8"),
        (b'"text"', "holds a text"),
        (b"null", "holds null"),
        (b"7", "holds a number"),
        (b"[1]", "holds a list"),
        (b'{"type": "strng"}', "/type"),
        (b'{"properties": 3}', "/properties"),
        (b'{"name": "x", "schema": {"type": "string"}}', "under 'schema'"),
        (b'{"json_schema": {"schema": {}}}', "under 'json_schema'"),
    ],
)
@pytest.mark.parametrize("command", ["from-schema", "report"])
def test_a_file_that_holds_no_schema_is_one_error(
    command: str, content: bytes | None, says: str, tmp_path: Path, capsys: Captured
) -> None:
    file = tmp_path / "schema.json"
    if content is not None:
        file.write_bytes(content)
    assert main(["grammar", command, str(file)]) == 2
    one_error(capsys, says)


@pytest.mark.parametrize("body", [[LAMP], LAMP, {"tools": [LAMP]}, LAMP["function"]])
def test_tools_are_no_schema(body: object, tmp_path: Path, capsys: Captured) -> None:
    file = saved(tmp_path / "tools.json", json.dumps(body))
    assert main(["grammar", "from-schema", file]) == 2
    one_error(capsys, file, "holds tools", "from-tools")
    assert main(["grammar", "report", file, "--target", "gbnf"]) == 0


def test_a_folder_is_no_file(tmp_path: Path, capsys: Captured) -> None:
    for command in GRAMMAR_COMMANDS:
        assert main(["grammar", command, str(tmp_path)]) == 2
        one_error(capsys, repr(str(tmp_path)), "cannot be read")


# check


def test_a_sound_grammar_ends_with_0(tmp_path: Path, capsys: Captured) -> None:
    file = saved(tmp_path / "a.gbnf", 'root ::= "a" | b\nb ::= [0-9]+\n')
    assert written(capsys, "check", file) == ("", f"{file}: nothing is wrong\n")
    assert as_object(capsys, "check", file) == {
        "file": file, "ok": True, "line": None, "message": "", "hint": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "says", "way_out"),
    [
        ("root ::= x", 1, "the rule 'x' is not defined", "add 'x ::= …'"),
        ('root ::= x\nx ::= x "a" | ""', 2, "begins with itself", "'*' or '+'"),
        ('root ::= "a"\nx ::= ("b"?)*', 2, "endless repetition", "at least a character"),
        ('root ::= "a"{3,2}', 1, "a repetition runs from 3 to 2", ""),
        ('root ::= "a', 1, "", ""),
        ("", None, "there is no rule called 'root'", "root ::= …"),
        ("x ::= [a-", 1, "", ""),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_the_way_out(
    text: str, line: int | None, says: str, way_out: str, tmp_path: Path, capsys: Captured
) -> None:
    file = saved(tmp_path / "a.gbnf", text)
    assert main(["grammar", "check", file]) == 1
    shown = capsys.readouterr()
    first, *rest = shown.out.splitlines()
    assert first.startswith(f"{file}:{line}: " if line else f"{file}: ")
    assert says in first
    assert way_out in "\n".join(rest)
    assert shown.err == ""
    found = as_object(capsys, "check", file)
    assert (found["ok"], found["line"]) == (False, line)
    assert first.endswith(str(found["message"]))


def test_a_dialect_is_checked_by_its_own_rules(tmp_path: Path, capsys: Captured) -> None:
    file = saved(tmp_path / "a.gbnf", 'root ::= "a" | "b"\n')
    assert main(["grammar", "check", file]) == 0
    capsys.readouterr()
    assert main(["grammar", "check", file, "--dialect", "webui"]) == 1
    assert "webui follows only the first alternative of 'root'" in capsys.readouterr().out


def test_a_grammar_may_come_from_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr("sys.stdin", Stdin(b"root ::= x\n"))
    assert main(["grammar", "check", "-"]) == 1
    assert capsys.readouterr().out.startswith("standard input:1: ")


def test_a_grammar_is_no_json(tools: str, person: str, tmp_path: Path, capsys: Captured) -> None:
    broken = saved(tmp_path / "broken.json", '{"a": ')
    odd = saved(tmp_path / "odd.json", "[1]")
    for file, says in ((tools, "from-tools"), (person, "from-schema"), (broken, "column 7"), (odd, "a list")):
        assert main(["grammar", "check", file]) == 2
        one_error(capsys, file, says)
    assert main(["grammar", "check", saved(tmp_path / "nul.gbnf", "")]) == 1


# accepts


def test_a_schema_accepts_what_it_allows_and_tells_where_not(person: str, capsys: Captured) -> None:
    assert main(["grammar", "accepts", person, "--text", '{"name": "Ada", "age": 36}']) == 0
    assert capsys.readouterr().out == "yes\n"
    assert main(["grammar", "accepts", person, "--text", '{"name": "Ada", "age": x}']) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("no, after 23 characters: 'x' cannot stand behind '")
    assert shown.endswith("'0' to '9' can\n")
    assert main(["grammar", "accepts", person, "--text", '{"name": "Ada", "age": 36']) == 1
    assert "the text ends too early" in capsys.readouterr().out


def test_another_spelling_of_an_accepted_value_is_named(person: str, capsys: Captured) -> None:
    assert main(["grammar", "accepts", person, "--text", '{"name":"Ada","age":36}']) == 1
    shown = capsys.readouterr()
    assert shown.out.startswith("no, after 8 characters: '\"' cannot stand")
    assert 'is accepted when it is spelled {"name": "Ada", "age": 36}' in shown.err


def test_what_only_the_schema_refuses_is_told(person: str, capsys: Captured) -> None:
    text = '{"name": "Ada", "age": 36, "tags": ["a", "a"]}'
    assert main(["grammar", "accepts", person, "--text", text]) == 0
    shown = capsys.readouterr()
    assert shown.out == "yes\n"
    assert "not enforced: #/properties/tags uniqueItems\n" in shown.err
    assert "the schema itself refuses the value, by what is not enforced" in shown.err
    found = as_object(capsys, "accepts", person, "--text", text.replace('"a"]', '"b"]'))
    assert (found["accepts"], found["as"], found["notes"]) == (True, "schema", [])


def test_a_grammar_accepts_its_sentences(tmp_path: Path, capsys: Captured) -> None:
    file = saved(tmp_path / "a.gbnf", 'root ::= [a-z]+ "\\n" "z"{2}\n')
    assert main(["grammar", "accepts", file, "--text", "ab\nzz"]) == 0
    capsys.readouterr()
    assert main(["grammar", "accepts", file, "--text", "ab\nzx"]) == 1
    assert capsys.readouterr().out == (
        "no, after 4 characters (line 2, column 2): 'x' cannot stand behind 'ab\\nz'; 'z' can\n"
    )
    assert main(["grammar", "accepts", file, "--text", "ab\nzzz"]) == 1
    assert capsys.readouterr().out.endswith("the text can only end\n")
    found = as_object(capsys, "accepts", file, "--text", "")
    assert (found["characters"], found["found"], found["allowed"]) == (0, "", [["a", "z"]])


def test_a_turn_is_accepted_as_the_options_describe_it(tools: str, capsys: Captured) -> None:
    hermes = ["accepts", tools, "--wrapper", "hermes"]
    assert main(["grammar", *hermes, "--text", CALL]) == 0
    assert main(["grammar", *hermes, "--text", "Well."]) == 1
    assert main(["grammar", *hermes, "--text", "Well.", "--mode", "text-or-call"]) == 0
    assert main(["grammar", *hermes, "--text", f"{CALL}\n{CALL}"]) == 1
    assert main(["grammar", *hermes, "--text", f"{CALL}\n{CALL}", "--parallel", "2"]) == 0
    capsys.readouterr()
    assert main(["grammar", *hermes, "--text", CALL.replace("true", "yes")]) == 1
    assert "'y' cannot stand" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "code"),
    [(b"ab", 0), (b"ab\n", 0), (b"ab\r\n", 0), (b"ab\n\n", 1), (b"", 1), (b"\xef\xbb\xbfab", 0)],
)
def test_a_last_line_break_of_standard_input_does_not_count(
    text: bytes, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    file = saved(tmp_path / "a.gbnf", 'root ::= "ab"\n')
    monkeypatch.setattr("sys.stdin", Stdin(text))
    assert main(["grammar", "accepts", file]) == code
    assert capsys.readouterr().err == ""


def test_a_last_line_break_that_fits_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    file = saved(tmp_path / "a.gbnf", 'root ::= "ab\\n"\n')
    monkeypatch.setattr("sys.stdin", Stdin(b"ab\n"))
    assert main(["grammar", "accepts", file]) == 0
    assert main(["grammar", "accepts", file, "--text", "ab"]) == 1


def test_at_a_terminal_it_is_told_where_the_text_comes_from(
    person: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    stdin = Stdin(b"3")
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", stdin)
    assert main(["grammar", "accepts", person]) == 1
    assert capsys.readouterr().err.startswith("Reading the text from standard input; end it with Ctrl-")


def test_options_that_a_file_has_no_use_for_are_refused(
    person: str, tools: str, tmp_path: Path, capsys: Captured
) -> None:
    grammar = saved(tmp_path / "a.gbnf", 'root ::= "ab"\n')
    for file, option, says in (
        (person, ["--wrapper", "hermes"], "--wrapper is for tools"),
        (grammar, ["--mode", "text"], "--mode is for tools"),
        (tools, ["--dialect", "webui"], "--dialect is for GBNF"),
    ):
        assert main(["grammar", "accepts", file, "--text", "x", *option]) == 2
        one_error(capsys, says)
    assert main(["grammar", "accepts", "-"]) == 2
    one_error(capsys, "give --text TEXT")


def test_a_grammar_that_is_wrong_accepts_nothing(tmp_path: Path, capsys: Captured) -> None:
    file = saved(tmp_path / "a.gbnf", "root ::= x\n")
    assert main(["grammar", "accepts", file, "--text", "x"]) == 2
    one_error(capsys, file, "line 1", "'x' is not defined")


def test_many_characters_are_not_all_listed() -> None:
    assert listed_characters([]) == ""
    assert listed_characters([(97, 97)]) == "'a'"
    assert listed_characters([(i, i) for i in range(97, 117, 2)]).endswith("'o' or others")


# report


def test_in_a_pipe_each_line_is_a_keyword_and_a_target(person: str, capsys: Captured) -> None:
    out, err = written(capsys, "report", person)
    lines = [line.split("\t") for line in out.splitlines()]
    assert {line[2] for line in lines} == set(TARGETS)
    assert ["#/properties/tags", "uniqueItems", "ollama", "weakened"] in lines
    assert ["#/properties/age", "maximum", "gbnf", "enforced"] in lines
    assert ["#", "x-order", "lmstudio", "narrowed"] in lines
    assert (lines[0][:2], err) == (["#", "type"], "")


def test_one_target_can_be_asked_for(person: str, capsys: Captured) -> None:
    found = as_object(capsys, "report", person, "--target", "vllm")
    assert found["target"] == "vllm"
    assert found["weakened"] == [["#/properties/tags", "uniqueItems"]]
    assert found["refused"] == []
    out, _ = written(capsys, "report", person, "--target", "vllm", "--target", "gbnf")
    assert {line.split("\t")[2] for line in out.splitlines()} == {"vllm", "gbnf"}


def test_a_schema_that_a_target_refuses_is_reported_as_such(tmp_path: Path, capsys: Captured) -> None:
    odd = saved(tmp_path / "odd.json", json.dumps({"$ref": "https://example.com/x.json"}))
    out, _ = written(capsys, "report", odd, "--target", "gbnf", "--target", "openai-strict")
    lines = [line.split("\t") for line in out.splitlines()]
    assert {line[3] for line in lines if line[2] == "gbnf"} <= {"refused", "weakened"}
    assert len(lines) >= 2


def test_the_schemas_of_tools_are_reported_by_their_names(tools: str, capsys: Captured) -> None:
    out, _ = written(capsys, "report", tools, "--target", "gbnf")
    assert "lamp#/properties/room\ttype\tgbnf\tenforced\n" in out
    assert "lamp#\tadditionalProperties\tgbnf\tenforced\n" in out  # a call has declared parameters only


def test_a_grammar_has_no_report(tmp_path: Path, capsys: Captured) -> None:
    assert main(["grammar", "report", saved(tmp_path / "a.gbnf", 'root ::= "a"')]) == 2
    one_error(capsys, "is no JSON")


@pytest.mark.parametrize("columns", ["60", "80", "120"])
def test_in_a_terminal_the_report_is_a_table(
    columns: str, person: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = in_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["grammar", "report", person]) == 0
    shown = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert all(target in shown for target in TARGETS)
    assert max(map(len, shown.splitlines())) <= int(columns)
    assert "✓ enforced" in shown
    words = " ".join(shown.split())
    assert "~ not enforced: checked after reading" in words
    assert "x-order: members are written in the order of the schema" in words
    assert "generic: sent as it is" in words


def test_every_sign_of_the_reports_is_explained() -> None:
    folder = Path(profiles.__file__).parent
    sources = "".join(file.read_text(encoding="utf-8") for file in folder.glob("*.py"))
    signs = set(re.findall(r'"(x-[a-z]+)"', sources))
    assert signs == set(SIGNS)
