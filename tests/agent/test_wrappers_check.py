"""`bridle wrappers check`, in process: what is wrong with a format, and where a server's prompt differs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.cli import main
from bridle.cli.wrappers.checking import first_difference
from bridle.wrappers import builtin_formats
from cli_runs import MINE, Captured, one_error, saved
from servers.fake import Response, Seen, Server, json_response, server, unused_url

__all__ = ["server"]


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
    assert main(["wrappers", "check", "zephyr-7B", "--against", server.url]) == 1
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("a question: differs at character 2: ours goes on 'user|>")


def test_a_difference_that_the_format_lists_is_told(tmp_path: Path, server: Server, capsys: Captured) -> None:
    server.routes["POST /apply-template"] = lambda _: json_response({"prompt": "other"})
    path = saved(tmp_path / "mine.toml", MINE)
    assert main(["wrappers", "check", path, "--against", server.url]) == 1
    assert capsys.readouterr().err == "a known difference: it is shorter\n"


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


@pytest.mark.parametrize(
    ("change", "to", "template", "says"),
    [
        (
            'syntax = "hermes"\n',
            "",
            '[calls]\ncall = "CALL ${name} WITH ${arguments}"\ntrigger = "CALL "\n',
            "nothing is wrong",
        ),
        (
            'syntax = "hermes"\n',
            "",
            '[calls]\nopen = "«CALLS»"\ncall = "@@${name}::${members}@@"\ntrigger = "«CALLS»"\n'
            '[calls.members]\nopen = "+"\nmiddle = " is "\nclose = "%%"\n',
            "nothing is wrong",
        ),
        (
            'syntax = "hermes"\n',
            "",
            '[calls]\ncall = "CALL ${name} WITH ${members}"\ntrigger = "CALL "\n'
            '[calls.members]\nmiddle = "="\nbetween = ","\n',
            "does not read back: what begins with 'CALL' is not written as a call must be",
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
