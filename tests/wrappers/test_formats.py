"""Format files: what is refused and how; names, aliases and detection."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from bridle.errors import FormatError
from bridle.messages import Message
from bridle.wrappers import builtin_formats, detect, get_wrapper, load_format, wrapper_names
from own_syntaxes import PLAIN_FORMAT


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_of_ones_own_is_a_wrapper(tmp_path: Path) -> None:
    wrapper = get_wrapper(write(tmp_path, PLAIN_FORMAT))
    segments = wrapper.render([Message("user", "hi")])
    assert "".join(segment.text for segment in segments) == "U:hi\nA:"


@pytest.mark.parametrize(
    ("change", "to", "says"),
    [
        ('title = "Mine"', "colour = 1", "unknown key 'colour'"),
        ('name = "mine"', "", "'name' is missing"),
        ('name = "mine"', "name = 3", "name is 3"),
        ('stop = ["U:"]', 'stop = "U:"', "stop is 'U:'"),
        ('stop = ["U:"]', 'stop = [""]', "stop is ['']"),
        ("special = []", 'special = []\nsyntax = "xml"', "syntax is 'xml'"),
        ("special = []", "special = []\njson_indent = 9", "json_indent is 9"),
        ('[turn.tool]\nopen = "T:"\nclose = "\\n"', "", "[turn.tool] is None"),
        ("[turn.tool]", "[turn.robot]", "[turn.tool] is None"),
        ('[turn.tool]\nopen = "T:"', "[turn.tool]\nopen = 1", "turn.tool.open is 1"),
        ("generation", "= =", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_key_and_value(tmp_path: Path, change: str, to: str, says: str) -> None:
    assert change in PLAIN_FORMAT
    path = write(tmp_path, PLAIN_FORMAT.replace(change, to, 1))
    with pytest.raises(FormatError) as caught:
        load_format(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_turn_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, PLAIN_FORMAT + '[turn.robot]\nopen = "R:"\nclose = ""\n')
    with pytest.raises(FormatError, match="robot"):
        load_format(path)


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = PLAIN_FORMAT.replace("special = []", "special = 1\ncolour = 1").replace('title = "Mine"', "")
    with pytest.raises(FormatError, match="unknown key 'colour'") as caught:
        load_format(write(tmp_path, text + "[turn.robot]\n"))
    problems = cast("tuple[str, ...]", caught.value.facts["problems"])
    for says in ("'colour'", "'title' is missing", "special is 1", "unknown turn 'robot'"):
        assert sum(says in problem for problem in problems) == 1
    assert len(problems) == 4


def test_turns_may_not_be_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, PLAIN_FORMAT.split("[turn.system]", maxsplit=1)[0])
    with pytest.raises(FormatError, match=r"\[turn\.ROLE\]"):
        load_format(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"nowhere\.toml"):
        get_wrapper(tmp_path / "nowhere.toml")


def test_an_unknown_name_brings_the_nearest_ones() -> None:
    with pytest.raises(FormatError, match="did you mean chatml"):
        get_wrapper("chatlm")


@pytest.mark.parametrize("name", wrapper_names())
def test_every_name_is_a_wrapper(name: str) -> None:
    wrapper = get_wrapper(name)
    assert wrapper.name == name
    assert wrapper.stop
    assert all(mark in wrapper.control for mark in wrapper.format.marks)


@pytest.mark.parametrize("name", sorted(builtin_formats()))
def test_a_format_that_is_detected_has_marks_that_it_writes(name: str) -> None:
    form = builtin_formats()[name]
    assert all(mark.strip() for mark in form.detect)
    assert len(set(form.detect)) == len(form.detect)


@pytest.mark.parametrize("template", [None, "", "{{ messages }}"])
def test_without_a_known_template_chatml_is_taken_and_the_reason_says_so(template: str | None) -> None:
    found = detect(template)
    assert found.format == "chatml"
    assert "default" in found.reason
    assert found.confidence < 0.2


def test_aliases_only_set_where_thoughts_stand() -> None:
    assert get_wrapper("chatml-noforce").thoughts == "outer"
    assert get_wrapper("chatml-grammar").thoughts == "inner"
    assert get_wrapper("chatml", thoughts="none").thoughts == "none"


def test_the_file_in_the_docs_works(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "wrappers.md").read_text(encoding="utf-8")
    example = page.split("```toml\n", 1)[1].split("```", 1)[0]
    assert example.count("\n") <= 30
    wrapper = get_wrapper(write(tmp_path, example))
    flat = "".join(segment.text for segment in wrapper.render([Message("user", "hi"), Message("tool", "4")]))
    assert flat == "<|user|>hi<|end|><|user|>RESULT: 4<|end|><|bot|>"


def test_the_docs_list_every_format() -> None:
    page = (Path(__file__).parents[2] / "docs" / "wrappers.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in page for name in builtin_formats())
