"""What the docs say of wrappers is true: their code runs, their tables and pages are those of the formats."""

from __future__ import annotations

import contextlib
import io
import re
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import click
import pytest

from bridle.cli.wrappers import WRAPPER_COMMANDS
from bridle.errors import FormatError
from bridle.messages import Message, ToolCall
from bridle.wrappers import builtin_formats, get_wrapper
from bridle.wrappers.format_file import parse_format

DOCS = Path(__file__).resolve().parent.parent / "docs"
GUIDE = (DOCS / "wrappers.md").read_text(encoding="utf-8")
MAKER = runpy.run_path(str(DOCS / "make_wrapper_pages.py"))
MEMGPT_NAMES = 20


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def part(name: str) -> str:
    return GUIDE.split(f"<!-- made: {name} -->")[1].split("<!-- end -->")[0]


def test_the_pages_are_those_of_the_formats() -> None:
    pages = cast("Callable[[], Mapping[Path, str]]", MAKER["pages"])()
    stale = [path.name for path, text in pages.items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run python docs/make_wrapper_pages.py"
    assert {path.stem for path in (DOCS / "wrappers").glob("*.md")} == set(builtin_formats())


def test_a_page_that_is_out_of_date_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main = cast("Callable[[bool], int]", MAKER["main"])
    scope = main.__globals__
    (tmp_path / "wrappers").mkdir()
    for name in ("wrappers.md", "memgpt_names.toml", "reading_examples.toml"):
        (tmp_path / name).write_bytes((DOCS / name).read_bytes())
    (tmp_path / "wrappers" / "gone.md").write_text("a format that is no more", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(scope, "DOCS", tmp_path)
        patch.setitem(scope, "_compared_with", dict)
        assert main(True) == 1
        assert "out of date: wrappers/chatml.md" in capsys.readouterr().out.replace("\\", "/")
        assert main(False) == 0
        assert main(True) == 0
    assert not (tmp_path / "wrappers" / "gone.md").exists()


def test_the_code_of_the_guide_prints_what_it_says() -> None:
    (code,) = blocks("python")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, {})
    promised = re.findall(r"print\(.*\)  # (.*)", code)
    said = out.getvalue().splitlines()
    assert said[:2] == promised[:2]
    assert "on" in said[2]
    assert "lamp" in said[2]


def test_the_format_of_the_guide_is_short_renders_and_reads_back(tmp_path: Path) -> None:
    (example,) = blocks("toml")
    assert example.count("\n") <= 30
    path = tmp_path / "mine.toml"
    path.write_text(example, encoding="utf-8")
    wrapper = get_wrapper(path)
    talk = [Message("user", "hi <|end|>"), Message("tool", "4")]
    control = [segment.text for segment in wrapper.render(talk) if segment.control]
    assert control == ["<|user|>", "<|end|><|user|>RESULT: ", "<|end|><|bot|>"]
    tools = cast("tuple[()]", MAKER["TOOLS"])
    call = ToolCall("lamp", {"room": "attic", "on": True})
    written = wrapper.syntax.write((call,), "", "", tools)
    assert wrapper.read(written, tools).calls == (call,)


def test_the_guide_explains_every_key_and_no_other() -> None:
    with pytest.raises(FormatError) as caught:
        parse_format("nothing = 1", "x.toml", str)
    keys = set(caught.value.hint.removeprefix("keys are ").split(", "))
    table = GUIDE.split("<!-- keys -->")[1].split("\n\n")[0]
    told = set(re.findall(r"^\| `\[?([a-z_]+)[^`]*`", table, re.MULTILINE))
    assert told == keys


def test_the_guide_lists_every_format_with_a_page_and_its_call() -> None:
    rows = part("formats").strip().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(builtin_formats())
    assert all(re.search(r"\]\(wrappers/[^)]+\.md\) \| `", row) for row in rows)


def test_every_name_of_memgpt_is_in_the_table_and_is_a_wrapper() -> None:
    rows = part("memgpt").strip().splitlines()[2:]
    names = [row.split("`")[1] for row in rows]
    assert len(set(names)) == MEMGPT_NAMES
    assert all(get_wrapper(name).name == name for name in names)


def test_the_examples_of_reading_show_calls_repairs_and_refusals() -> None:
    rows = [re.split(r"(?<!\\\\) \| ", row) for row in part("reading").strip().splitlines()[2:]]
    called = [row for row in rows if row[1].startswith("the call ")]
    assert {row[1] for row in called} == {'the call `lamp({"room": "attic", "on": true})`'}
    assert len([row for row in called if not row[2].startswith("none")]) >= 4
    refused = [row for row in rows if row[1].startswith("no call")]
    assert [row for row in refused if "there is no function" in row[2]]
    assert [row for row in refused if "cut off" in row[0] and "cut off" in row[2]]
    assert [row for row in refused if "<think>" in row[0]]
    assert len(called) + len(refused) == len(rows)


def test_the_commands_of_the_guide_exist() -> None:
    found = re.findall(r"^\$ bridle wrappers (\w+)(.*)$", "".join(blocks("console")), re.MULTILINE)
    assert {name for name, _ in found} == set(WRAPPER_COMMANDS)
    for name, rest in found:
        module, _, attribute = WRAPPER_COMMANDS[name].target.partition(":")
        command = getattr(__import__(module, fromlist=[attribute]), attribute)
        assert isinstance(command, click.Command)
        known = {option for one in command.params for option in one.opts}
        assert set(re.findall(r"--[a-z]+", rest)) <= known


@pytest.mark.parametrize("page", sorted((DOCS / "wrappers").glob("*.md")), ids=lambda page: page.stem)
def test_a_page_shows_source_layout_call_and_comparison(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert f"\n# {page.stem}\n" in text
    assert "| source | " in text
    assert "ompared" in text.split("## Where it differs")[1]
    assert "```" in text.split("## A call")[1]
