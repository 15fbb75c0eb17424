"""What is written where: plain text in a pipe, JSON that any encoding carries, errors as one safe line."""

from __future__ import annotations

import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.cli import main, output
from project import run_python

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.characters(categories=["Cs"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


class Terminal(io.StringIO):
    """A terminal, as far as a program can see."""

    def isatty(self) -> bool:
        return True


def printed(text: str, stream: io.StringIO) -> str:
    """Print bold red text to a console whose standard output is `stream`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "xterm-256color")
        patch.setattr(sys, "stdout", stream)
        output.console().print(text, style="bold red")
    return stream.getvalue()


def test_a_terminal_gets_colours() -> None:
    assert printed("hello", Terminal()) == "\x1b[1;31mhello\x1b[0m\n"


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = printed("hello", Terminal())
    assert "hello" in shown
    assert "31" not in shown


def test_a_pipe_gets_plain_text_and_whole_lines() -> None:
    line = "[bold]:smile: " + "word " * 60 + "end"
    assert printed(line, io.StringIO()) == line + "\n"


def test_the_error_console_writes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    output.console(stderr=True).print("oh")
    assert capsys.readouterr() == ("", "oh\n")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
@given(value=JSON)
def test_any_value_is_one_json_line_in_any_encoding(encoding: str, value: object) -> None:
    raw = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding, newline="\n"))
        output.print_json(value)
        written = raw.getvalue().decode(encoding)
    assert len(written.splitlines()) == 1
    assert json.loads(written) == value


def test_readable_text_stays_readable_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json({"reply": "Grüße 🐎"})
    assert capsys.readouterr().out == '{"reply": "Grüße 🐎"}\n'


def test_what_the_encoding_lacks_is_escaped() -> None:
    code = "from bridle.cli import output; output.prepare_streams(); print('Grüße 🐎')"
    done = run_python("-c", code, env={"PYTHONIOENCODING": "ascii"})
    assert (done.stdout, done.stderr) == ("Gr\\xfc\\xdfe \\U0001f40e\n", "")


def test_a_note_is_a_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_note("state lies in /tmp/x")
    assert capsys.readouterr() == ("", "state lies in /tmp/x\n")


def test_a_long_error_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_error("<html>" * 1000)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("…")
    assert len(line) == len("error: ") + output.ERROR_LIMIT


@given(st.text())
def test_no_terminal_obeys_what_is_printable(text: str) -> None:
    shown = output.printable(text)
    assert all(char.isprintable() for char in shown)
    assert output.printable(shown).rstrip() == shown.rstrip()


@given(st.text(st.characters(categories=["L", "N", "P"], include_characters=" ")))
def test_what_is_printable_stays_as_it_is(text: str) -> None:
    assert output.printable(f"{text}.") == f"{text}."


def test_streams_that_were_closed_write_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert main(["version", "--json"]) == 0
    assert main(["nope"]) == 2
    for stream in (sys.stdout, sys.stderr):
        stream.close()


def test_notes_break_at_blanks_in_a_terminal_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "point the endpoint at http://127.0.0.1:5000/v1/completions for a real model"
    output.print_note(text)
    assert capsys.readouterr().err == f"{text}\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    output.print_note(text)
    lines = capsys.readouterr().err.splitlines()
    assert all(len(line) <= 40 for line in lines if "http" not in line)
    assert any(line.startswith("http://127.0.0.1:5000/v1/completions") for line in lines)
    assert " ".join(lines) == text
