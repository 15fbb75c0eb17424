"""`bridle chat` and `bridle run` in a pseudo-terminal: keys, history, completion, toolbar, plain lines."""

from __future__ import annotations

import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_scripts import append, call, say, written
from bridle.agent import Store
from bridle.agent.archival import Draft
from bridle.agent.archival.archive import Archive
from bridle.cli.chat.history import FILE_NAME
from bridle.endpoints.config import home
from bridle.messages import ToolCall
from chat_sessions import open_terminal, script_of
from servers.fake import ModelServer, Response, Seen, Server, events

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")

READY = "/help lists the commands."
UP = "\x1b[A"
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7])[;m]")


class Halting(list[bytes]):
    """Pieces of an answer, of which the last comes when the server ends."""

    def __init__(self, server: Server, pieces: list[bytes]) -> None:
        super().__init__(pieces)
        self._server = server

    def __iter__(self) -> Iterator[bytes]:
        *most, last = super().__iter__()
        yield from most
        self._server.hold(60)
        yield last


def chat_args(folder: Path, *answers: ToolCall) -> list[str]:
    spec = script_of(folder, answers)
    return ["chat", "--agent", "ada", "--wrapper", "chatml-compact", "--endpoint", spec]


@pytest.fixture(params=["prompt_toolkit", "readline"])
def editor(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The environment of a program that has this line editor."""
    if request.param == "prompt_toolkit":
        pytest.importorskip("prompt_toolkit")
        return {}
    pytest.importorskip("readline")
    hidden = tmp_path / "hidden"
    (hidden / "prompt_toolkit").mkdir(parents=True)
    (hidden / "prompt_toolkit" / "__init__.py").write_text("raise ImportError('it is not there')\n", "utf-8")
    return {"PYTHONPATH": str(hidden)}


def test_ctrl_c_ends_an_answer_and_not_the_conversation(editor: dict[str, str]) -> None:
    server = ModelServer("webui")
    usual = server.routes["POST /v1/completions"]

    def halting(seen: Seen) -> Response:
        server.routes["POST /v1/completions"] = usual
        return events(Halting(server, list(usual(seen).chunks)[:-4]))

    try:
        server.text = written(say("A long story begins."))
        server.routes["POST /v1/completions"] = halting
        spec = f"webui@{server.url}"
        with open_terminal("chat", "--wrapper", "chatml-compact", "--endpoint", spec, env=editor) as terminal:
            terminal.wait_for(READY)
            terminal.type("tell me a story\r")
            terminal.wait_for("A long")
            terminal.type("\x03")
            terminal.wait_for("(stopped)")
            server.text = written(say("Here I am."))
            terminal.type("are you there?\r")
            terminal.wait_for("Here I am.")
            terminal.wait_for_prompt()
            if not editor:  # CPython's readline loses a signal that comes just before it waits
                terminal.type("\x03")
                terminal.wait_for("so does Ctrl-C once more.")
                terminal.wait_for_prompt()
            terminal.type("\x04" if editor else "\x03")
            assert terminal.ended() == 0
    finally:
        server.close()
    with Store(home()) as store:
        said = [one.text for one in store.messages("default") if one.role in ("user", "assistant")]
    assert said == ["tell me a story", "are you there?", "Here I am."]


def test_ctrl_c_drops_a_half_typed_line_and_the_program_goes_on(
    tmp_path: Path, editor: dict[str, str]
) -> None:
    with open_terminal(*chat_args(tmp_path, say("Hello.")), env=editor) as terminal:
        terminal.wait_for(READY)
        terminal.wait_for_prompt()
        for half in ("one ha", "two hal"):
            terminal.type(half)
            terminal.wait_for(half[-2:])
            terminal.press_ctrl_c()
        terminal.type("hi\r")
        terminal.wait_for("Hello.")
        terminal.wait_for_prompt()
        terminal.type("\x04")
        assert terminal.ended() == 0
    assert "so does Ctrl-C once more." not in terminal.seen
    with Store(home()) as store:
        assert [one.text for one in store.messages("ada") if one.role == "user"] == ["hi"]


def test_what_was_typed_is_there_the_next_time_and_after_a_heartbeat(
    tmp_path: Path, editor: dict[str, str]
) -> None:
    args = chat_args(tmp_path, call("pause_heartbeats", minutes=60), say("I looked around."), say("Nice."))
    args += ["--profile", "full", "--heartbeat", "0.02"]
    with open_terminal(*args, env=editor) as terminal:
        terminal.wait_for(READY)
        terminal.type("I live in B")
        terminal.wait_for("I live in B")
        terminal.wait_for("I looked around.")
        terminal.type("ergen\r")
        terminal.wait_for("Nice.")
        terminal.wait_for_prompt()
        terminal.type("\x04")
        assert terminal.ended() == 0
    assert stat.S_IMODE((home() / FILE_NAME).stat().st_mode) == 0o600
    with open_terminal(*chat_args(tmp_path, say("Again.")), env=editor) as terminal:
        terminal.wait_for(READY)
        terminal.type(UP)
        terminal.wait_for("I live in Bergen")
        terminal.type("\r")
        terminal.wait_for("Again.")
        terminal.type("/exit\r")
        assert terminal.ended() == 0
    with Store(home()) as store:
        assert [one.text for one in store.messages("ada") if one.role == "user"] == ["I live in Bergen"] * 2


def test_the_tab_key_completes_a_command_and_a_source_is_chosen_by_its_number(
    tmp_path: Path, editor: dict[str, str]
) -> None:
    with Store(home()) as store, Archive(store) as archive:
        for name in ("letters", "papers"):
            archive.add(archive.create_source(name, ""), [Draft("Memory has tiers.")])
    with open_terminal(*chat_args(tmp_path), env=editor) as terminal:
        terminal.wait_for(READY)
        terminal.wait_for_prompt()
        terminal.type("/sta\t")
        terminal.wait_for("ts")  # a line editor may draw only what it has added
        terminal.type("\r")
        terminal.wait_for("0 turns in this conversation, 0 with ada")
        terminal.type("/attach\r")
        terminal.wait_for("Which source")
        terminal.type("7\r")
        terminal.wait_for("'7' is not one of them")
        terminal.wait_for("Which source")
        terminal.type("/stats\r")
        terminal.wait_for_prompt()
        terminal.type("/attach\r")
        terminal.wait_for("Which source")
        terminal.type("2\r")
        terminal.wait_for("Attached 1 passage and 0 documents from papers")
        terminal.type("/exit\r")
        assert terminal.ended() == 0


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}])
def test_the_toolbar_tells_what_is_talked_to_and_how_fast(tmp_path: Path, env: dict[str, str]) -> None:
    pytest.importorskip("prompt_toolkit")
    answers = [append("Name: Ada"), say("Hello.")]
    with open_terminal(*chat_args(tmp_path, *answers), env=env) as terminal:
        terminal.wait_for("ada | scripted | chatml-compact | ")
        terminal.type("I am Ada\r")
        terminal.wait_for("  ✓ core_memory_append" if env else "\x1b[2m  ✓ core_memory_append")
        terminal.wait_for("Hello.")
        terminal.wait_for(" tokens/s")
        terminal.type("/exit\r")
        assert terminal.ended() == 0
    assert not env or not COLOUR.search(terminal.seen)
    assert not env or "\x1b[2m  " not in terminal.seen


@pytest.mark.parametrize(("flag", "term"), [("--strip-ui", "xterm"), ("--no-stream", "dumb")])
def test_plain_lines_have_no_colours_and_a_narrow_terminal_breaks_between_words(
    tmp_path: Path, flag: str, term: str
) -> None:
    args = [*chat_args(tmp_path, append("Name: Ada"), say("Hello, Ada.\x1b[31m")), flag]
    with open_terminal(*args, env={"TERM": term}, columns=30) as terminal:
        terminal.wait_for("commands.")
        terminal.type("I am Ada\r")
        assert "  hm" in terminal.wait_for("Hello, Ada.\\x1b[31m")
        terminal.type("/help\r")
        shown = terminal.wait_for("Ctrl-D leaves.").replace("\r", "")
        assert max(len(line) for line in shown.splitlines()) <= 30
        terminal.wait_for_prompt()
        terminal.type("\x04")
        assert terminal.ended() == 0
    assert "\x1b" not in terminal.seen
    assert "tokens/s" not in terminal.seen


def test_the_first_run_makes_an_agent_that_speaks_first_and_the_next_one_asks(tmp_path: Path) -> None:
    args = [
        "run",
        "--wrapper",
        "chatml-compact",
        "--profile",
        "full",
        "--persona",
        "sam_pov",
        "--human",
        "basic",
    ]
    args += ["--endpoint", script_of(tmp_path, [say("Greetings!")])]
    with open_terminal(*args) as terminal:
        shown = terminal.wait_for("Press Enter to begin")
        for text in ("-> persona: sam_pov", "-> human: basic", "(new), kept in"):
            assert text in shown
        terminal.type("\r")
        terminal.wait_for("Greetings!")
        terminal.type("/exit\r")
        assert terminal.ended() == 0
    with Store(home()) as store:
        (first,) = [info.name for info in store.agents()]
    with open_terminal(*args) as terminal:
        terminal.wait_for("Would you like to select an existing agent?")
        terminal.type("\r")
        assert f"Agent {first} (1 turn so far)" in terminal.wait_for(READY)
        assert "--persona, --human is for new agents" in terminal.seen.replace("\r\n", " ")
        terminal.type("/exit\r")
        assert terminal.ended() == 0
