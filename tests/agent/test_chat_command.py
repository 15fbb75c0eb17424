"""`bridle chat` and `bridle agents`: scripts, pipes, JSON, the terminal, errors, and the next process."""
# pyright: reportPrivateUsage=false

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent_scripts import NOW, append, call, say, scripted, written
from bridle.agent import Agent, AskedAgain, Calling, Finished, Progress, Saying, Step, Store, Thinking, Turn
from bridle.agent.state import Noted
from bridle.cli import agents, chat, main
from bridle.cli.chat.opening import introduce
from bridle.cli.screen import Screen, visible
from bridle.endpoints.base import Answer, Request, Supports
from bridle.endpoints.config import home
from bridle.endpoints.scripted import Scripted
from bridle.errors import Unreachable
from chat_sessions import chat_with, open_terminal, script_of, session_on, talked
from project import PARTS, ROOT, run_bridle

SEARCH = call("archival_memory_search", query="boss", request_heartbeat=True)


def bridle(*args: str) -> int:
    return main(list(args))


def test_a_script_is_said_line_by_line(tmp_path: Path) -> None:
    script = tmp_path / "said.txt"
    script.write_text("I live in Bergen\n\n   \nwho is my boss?\n", "utf-8")
    answers = [append("Lives in: Bergen"), say("Got it."), SEARCH, say("I don't know.")]
    result = chat_with(tmp_path, answers, "--script", str(script))
    assert result.exit_code == 0
    assert result.stdout == "Got it.\nI don't know.\n"
    lines = result.stderr.splitlines()
    assert lines[0] == f"Agent default (new), kept in {home() / 'bridle.db'}"
    assert lines[1].startswith("Endpoint scripted:")
    assert lines[2] == "Wrapper chatml-compact: given"
    assert [re.sub(r" \(\d+ ms\)", "", line) for line in lines[3:]] == [
        "> I live in Bergen",
        "  hm",
        '  ✓ core_memory_append(name="human", content="Lives in: Bergen")',
        "  hm",
        "> who is my boss?",
        "  hm",
        '  ✓ archival_memory_search(query="boss") → No results.',
        "  hm",
    ]


def test_json_has_one_line_per_turn_and_nothing_else(tmp_path: Path) -> None:
    result = chat_with(tmp_path, [SEARCH, say("I ü")], "--json", stdin="who is my boss?\r\n\n")
    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    turn = json.loads(line)
    took = [step.pop("ms") for step in turn["steps"]]
    assert all(isinstance(ms, float) and 0 < ms < 60_000 for ms in took)
    assert turn["seconds"] >= sum(took) / 1000 - 0.001
    assert turn["tokens"].pop("prompt") > turn["tokens"].pop("completion") > 0
    assert {name: turn[name] for name in turn if name != "seconds"} == {
        "user": "who is my boss?",
        "reply": "I ü",
        "steps": [
            {
                "thoughts": "hm",
                "call": {"name": SEARCH.name, "arguments": dict(SEARCH.arguments)},
                "result": "No results.",
            },
            {
                "thoughts": "hm",
                "call": {"name": "send_message", "arguments": {"message": "I ü"}},
                "result": "OK",
            },
        ],
        "cancelled": False,
        "tokens": {"cached": 0},
        "warnings": [],
        "notes": [],
    }


def test_a_pipe_may_hold_commands_and_a_script_may_not(tmp_path: Path) -> None:
    result = chat_with(
        tmp_path, [append("Name: Ada"), say("ok")], stdin="I am Ada\n/memory\n/help\n/fly\n/exit\nx\n"
    )
    assert result.exit_code == 0
    assert result.stdout == "ok\n"
    for text in (
        "[human] 9 of 600 characters, about 3 tokens\n  Name: Ada\n",
        "[stored] 2 messages",
        "/pop [n] ",
        "Ctrl-C",
        "no command /fly",
    ):
        assert text in result.stderr
    script = tmp_path / "said.txt"
    script.write_bytes(b"\xef\xbb\xbf/exit\n/etc/hosts is a file\n")
    result = chat_with(tmp_path, [say("1"), say("2")], "--script", str(script))
    assert result.stdout == "1\n2\n"
    assert "> /exit" in result.stderr


def test_a_script_may_come_from_standard_input(tmp_path: Path) -> None:
    assert chat_with(tmp_path, [say("1")], "--script", "-", stdin="/exit\n").stdout == "1\n"


@pytest.mark.parametrize(
    ("content", "text"), [(None, "cannot be read: No such file or directory"), (b"\xff\xfe", "is not UTF-8")]
)
def test_a_bad_script_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, text: str
) -> None:
    script = tmp_path / "said.txt"
    if content is not None:
        script.write_bytes(content)
    assert bridle("chat", "--script", str(script), "--endpoint", script_of(tmp_path, [])) == 2
    assert f"error: the script {script} {text}" in capsys.readouterr().err


def test_what_fails_is_one_line_and_what_was_said_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "said.txt"
    script.write_text("one\ntwo\n", "utf-8")
    spec = script_of(tmp_path, [say("1")])
    given = ["chat", "--wrapper", "chatml-compact", "--endpoint", spec]
    assert bridle(*given, "--script", str(script), "--json") == 1
    out, err = capsys.readouterr()
    assert [json.loads(line)["reply"] for line in out.splitlines()] == ["1"]
    assert err.splitlines()[-2].startswith("error: the script")
    with Store(home()) as store:
        assert store.counts("default").messages == 3


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (["--endpoint", "scripted:missing.txt"], 2, "missing.txt cannot be read"),
        (["--endpoint", "odd"], 2, "'odd' is no endpoint"),
        (["--wrapper", "chatlm"], 2, "there is no wrapper 'chatlm'"),
        (["--agent", "a\nb"], 2, "'a\\nb' cannot name an agent"),
        (["--model", "big"], 2, "the model 'big' cannot be chosen"),
    ],
)
def test_wrong_options_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], args: list[str], code: int, text: str
) -> None:
    spec = script_of(tmp_path, [])
    assert bridle("chat", "--endpoint", spec, *args) == code
    err = capsys.readouterr().err
    assert text in err
    assert "Traceback" not in err


def test_a_home_or_a_database_that_cannot_be_used_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = script_of(tmp_path, [])
    file = tmp_path / "file"
    file.write_text("x", "utf-8")
    monkeypatch.setenv("BRIDLE_HOME", str(file))
    monkeypatch.setenv("BRIDLE_CONFIG", str(tmp_path / "config.toml"))
    assert bridle("chat", "--endpoint", spec) == 1
    assert f"error: {file / 'bridle.db'} cannot be written" in capsys.readouterr().err
    monkeypatch.setenv("BRIDLE_HOME", str(tmp_path))
    (tmp_path / "bridle.db").write_text("no database" * 100, "utf-8")
    assert bridle("chat", "--endpoint", spec) == 1
    err = capsys.readouterr().err
    assert f"error: {tmp_path / 'bridle.db'} is not a sound database" in err
    assert "hint: it was not touched" in err


def test_the_configured_endpoint_and_wrapper_are_taken(tmp_path: Path) -> None:
    spec = script_of(tmp_path, [say("hello")])
    home().mkdir(parents=True)
    (home() / "config.toml").write_text(
        "schema = 1\n[default]\nendpoint = 'mine'\n"
        f"[endpoints.mine]\nkind = 'scripted'\npath = '{spec.partition(':')[2]}'\n"
        "wrapper = 'chatml-compact'\n",
        "utf-8",
    )
    result = CliRunner().invoke(chat.command, [], input="hi\n")
    assert (result.stdout, result.exit_code) == ("hello\n", 0)
    assert "Wrapper chatml-compact" in result.stderr


def test_the_help_lists_the_kinds_of_endpoints() -> None:
    text = CliRunner().invoke(chat.command, ["--help"]).stdout
    assert "KIND[:MODEL]@URL" in text
    assert "scripted" in text
    assert "--offline" in text


class Stub(Scripted):
    """The embedded model, as far as the introduction can see."""

    @property
    def name(self) -> str:
        return "embedded"


def test_the_embedded_model_is_introduced_honestly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(home()) as store:
        agent = Agent.open(store, "ada", Stub([]), wrapper="chatml-compact")
        introduce(session_on(agent), is_new=True)
        err = capsys.readouterr().err
        assert "Endpoint embedded (scripted)" in err
        (line,) = [line for line in err.splitlines() if "tiny" in line]
        for text in ("made by this project", "English", "nothing else", "--endpoint http://127.0.0.1:1234"):
            assert text in line


def test_a_new_process_remembers_what_the_last_one_was_told(tmp_path: Path) -> None:
    told = script_of(
        tmp_path, [append("Name: Ada"), say("Hello, Ada."), append("Lives in: Bergen"), say("Noted.")]
    )
    given = ["--wrapper", "chatml-compact", "--json"]
    first = run_bridle("chat", "--endpoint", told, *given, stdin="I am Ada\nI live in Bergen\n")
    assert (first.returncode, len(first.stdout.splitlines())) == (0, 2), first.stderr
    recall = call("conversation_search", query="Ada", request_heartbeat=True)
    asked = script_of(tmp_path, [recall, say("You live in Bergen.")])
    second = run_bridle("chat", "--endpoint", asked, *given, stdin="where do I live?\n")
    assert "Agent default (2 turns so far)" in second.stderr
    (turn,) = [json.loads(line) for line in second.stdout.splitlines()]
    assert turn["reply"] == "You live in Bergen."
    assert "user: I am Ada" in turn["steps"][0]["result"]
    with Store(home()) as store:
        state = store.load("default")
    assert state is not None
    assert state.core.block("human").lines == ("Name: Ada", "Lives in: Bergen")


@pytest.mark.parametrize("lines", [1, 5, 12])
def test_a_killed_chat_loses_no_turn_that_it_printed(tmp_path: Path, lines: int) -> None:
    turns = 200
    answers = [one for number in range(turns) for one in (append(f"{number}"), say(f"reply {number}"))]
    script = tmp_path / "said.txt"
    script.write_text("".join(f"message {number}\n" for number in range(turns)), "utf-8")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "bridle.cli", "chat", "--json", "--wrapper", "chatml-compact"),
            *("--endpoint", script_of(tmp_path, answers), "--script", str(script)),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in PARTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    head = [process.stdout.readline() for _ in range(lines)]
    time.sleep(lines / 500)
    process.kill()
    rest = process.stdout.read().splitlines(keepends=True)
    process.stdout.close()
    process.wait(timeout=60)
    printed = [json.loads(line) for line in [*head, *rest] if line.endswith(b"\n")]
    assert len(printed) >= lines
    with Store(home()) as store:
        state = store.load("default")
        assert state is not None
        logged = store.messages("default")
        for turn in printed:
            (said,) = (one for one in logged if one.text == turn["reply"])
            assert said.role == "assistant"
            assert turn["reply"] in [hit.text for hit in store.find_messages("default", turn["reply"]).hits]
        assert state.turn >= len(printed)
        noted = state.core.block("human").lines
        assert list(noted) == [str(number) for number in range(len(noted))]
        assert len(noted) in (state.turn, state.turn - 1)
        counts = store.counts("default")
        assert counts.messages in (2 * state.turn, 2 * state.turn - 1)
        assert (counts.messages == 2 * state.turn) == (not state.is_open)
    again = chat_with(tmp_path, [say("here")], stdin="hello\n")
    assert again.stdout == "here\n"
    assert ("was not answered: message" in again.stderr) == state.is_open


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as opened:
        yield opened


def agent_on(store: Store, endpoint: Scripted) -> Agent:
    return Agent.open(store, "ada", endpoint, wrapper="chatml-compact", clock=lambda: NOW)


def test_at_the_terminal(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    agent = agent_on(
        store,
        scripted(
            [append("a"), say("Hello.\x1b[2J"), Unreachable("it is down", hint="start it"), say("Yes.")]
        ),
    )
    talked(agent, ["hi", "", KeyboardInterrupt, "/memory", "are you there?", "and now?"])
    out, err = capsys.readouterr()
    assert out == "Hello.\\x1b[2J\nYes.\n"
    for text in (
        "/exit or Ctrl-D leaves",
        "[human] 1 of 600",
        "error: it is down\nhint: start it",
    ):
        assert text in err
    talked(agent, ["/exit", "never said"])
    assert agent.state.turn == 3


class Pressing(Scripted):
    """Somebody presses Ctrl-C while it answers."""

    presses = 1

    def complete(
        self,
        request: Request,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        presses, self.presses = self.presses, 0
        for _ in range(presses):
            signal.raise_signal(signal.SIGINT)
        return super().complete(request, on_text, should_stop)


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_stops_the_answer_and_not_the_conversation(
    store: Store, capsys: pytest.CaptureFixture[str], presses: int
) -> None:
    texts = [*[written(say("never heard"))][presses - 1 :], written(say("Hello."))]
    endpoint = Pressing(texts, supports=Supports(prompt=True, grammar=True), grammar_checked=False)
    endpoint.presses = presses
    before = signal.getsignal(signal.SIGINT)
    agent = agent_on(store, endpoint)
    talked(agent, ["one", "two"])
    out, err = capsys.readouterr()
    assert out == "Hello.\n"
    assert "(stopped)" in err
    assert signal.getsignal(signal.SIGINT) is before
    assert (agent.state.turn, agent.state.is_open) == (2, False)


@pytest.mark.parametrize("keys", [[KeyboardInterrupt] * 2, [EOFError]])
def test_ctrl_c_twice_and_ctrl_d_leave(
    store: Store, capsys: pytest.CaptureFixture[str], keys: list[type[BaseException]]
) -> None:
    agent = agent_on(store, scripted([]))
    talked(agent, [KeyboardInterrupt, "/stats", *keys, "never said"])
    assert capsys.readouterr().err.count("/exit or Ctrl-D leaves, and so does Ctrl-C once more.") == len(keys)
    assert agent.state.turn == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_in_a_real_terminal(tmp_path: Path) -> None:
    spec = script_of(tmp_path, [append("Lives in: Bergen"), say("Got it, you live in Bergen.")])
    with open_terminal("chat", "--wrapper", "chatml-compact", "--endpoint", spec) as terminal:
        assert "Agent default (new), kept in" in terminal.wait_for("/help lists the commands.")
        terminal.type("I live in Bergen\r")
        assert "✓ core_memory_append" in terminal.wait_for("you live in Bergen.")
        terminal.type("/exit\r")
        assert terminal.ended() == 0


def show(screen: Screen, *events: Progress) -> None:
    for event in events:
        screen.show(event)


def test_the_screen_shows_each_word_once(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(streaming=True)
    step = Step("t", say("Hi there."), "OK")
    show(screen, Thinking("I "), Thinking("know"), Saying("Hi "), Saying("there."), Finished(step))
    screen.end(Turn("u", "Hi there.", (step,)))
    show(screen, Saying("half of an"), AskedAgain(("it was cut off",)), Thinking("again"), Saying("whole"))
    screen.end(Turn("u", "Fixed sentence."))
    screen.show(Finished(Step("", SEARCH, "Failed: " + "long " * 50)))
    screen.show(Finished(Step("", SEARCH, "5 of 6:\n- " + "x" * 200)))
    screen.show(Saying("cut"))
    screen.end(Turn("u", "", cancelled=True))
    screen.show(AskedAgain(()))
    out, err = capsys.readouterr()
    assert out == "Hi there.\nhalf of an\nwhole\nFixed sentence.\ncut\n"
    assert err.splitlines()[:3] == ["  I know", "  ✗ asked again: it was cut off", "  again"]
    assert "  (stopped)" in err
    assert err.count("long ") == 49
    assert "x" * 200 not in err
    assert err.splitlines()[-1] == "  ✗ asked again: there was no call"


def test_the_screen_tells_of_memory_and_of_times(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(streaming=True)
    show(screen, Thinking("I look"), Calling(SEARCH))
    assert capsys.readouterr().err == "  I look\n"
    show(screen, Finished(Step("", SEARCH, "No results."), 0.0421))
    show(screen, Saying("room"), Noted("2 older messages are no longer shown\x1b[2J"))
    screen.end(Turn("u", "room"))
    out, err = capsys.readouterr()
    assert out == "room\nroom\n"
    assert err.splitlines() == [
        '  ✓ archival_memory_search(query="boss") (42 ms) → No results.',
        "  (2 older messages are no longer shown\\x1b[2J)",
    ]


def test_an_ascii_terminal_gets_ascii_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    from bridle.cli.screen import mark

    monkeypatch.setattr(sys, "stderr", types.SimpleNamespace(encoding="ascii"))
    assert (mark(True), mark(False)) == ("+", "-")


def test_control_characters_are_shown_and_not_obeyed() -> None:
    assert visible("a\tb\nc\r\x1b[31m\u202e é😀\u200d") == "a\tb\nc\\r\\x1b[31m\\u202e é😀\u200d"


def test_agents_are_listed_and_deleted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bridle("agents", "list") == 0
    assert "no agents yet" in capsys.readouterr().err
    assert not home().exists()
    assert bridle("agents", "delete", "ada", "--yes") == 2
    assert "error: there is no agent 'ada'\nhint: the agents are: none" in capsys.readouterr().err
    for name in ("ada", "bob"):
        chat_with(tmp_path, [say("ok")], "--agent", name, stdin="hi\n")
    assert bridle("agents", "list") == 0
    assert [line.split(", last")[0] for line in capsys.readouterr().out.splitlines()] == [
        "ada: 1 turn, 2 messages, 0 notes",
        "bob: 1 turn, 2 messages, 0 notes",
    ]
    assert bridle("agents", "list", "--json") == 0
    facts = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["name"], one["turns"], one["messages"], one["notes"]) for one in facts] == [
        ("ada", 1, 2, 0),
        ("bob", 1, 2, 0),
    ]
    assert bridle("agents", "delete", "eve") == 2
    assert "the agents are: ada, bob" in capsys.readouterr().err
    assert bridle("agents", "delete", "ada", "--yes") == 0
    assert CliRunner().invoke(agents.command, ["delete", "bob"], input="n\n").exit_code == 1
    result = CliRunner().invoke(agents.command, ["delete", "bob"], input="y\n")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "Delete bob with 2 messages and 0 notes?" in result.stderr
    capsys.readouterr()
    assert bridle("agents", "list", "--json") == 0
    assert capsys.readouterr().out == ""


def test_without_a_standard_input_there_must_be_a_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert bridle("chat", "--endpoint", script_of(tmp_path, [])) == 2
    assert "give --script FILE" in capsys.readouterr().err
    assert not (home() / "bridle.db").exists()


def test_a_name_that_no_text_can_be_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bridle("chat", "--agent", "\udcff", "--endpoint", script_of(tmp_path, [])) == 2
    assert "cannot name an agent" in capsys.readouterr().err


def test_a_home_that_is_a_file_is_not_a_home_without_agents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "home"
    file.write_text("mine", "utf-8")
    monkeypatch.setenv("BRIDLE_HOME", str(file))
    for args in (["list"], ["delete", "x", "--yes"]):
        assert bridle("agents", *args) == 1
        assert f"error: {file / 'bridle.db'} cannot be written" in capsys.readouterr().err
    assert file.read_text("utf-8") == "mine"


@pytest.mark.parametrize("piped", [False, True])
def test_only_a_line_feed_ends_a_message(tmp_path: Path, piped: bool) -> None:
    said = "\ufeffone\u2028two\x0bthree\x85four\r\nfive\n"
    file = tmp_path / "said.txt"
    file.write_bytes(said.encode())
    args = ["--json"] if piped else ["--json", "--script", str(file)]
    result = chat_with(tmp_path, [say("a"), say("b")], *args, stdin=said if piped else "")
    users = [json.loads(line)["user"] for line in result.stdout.splitlines()]
    assert users == ["one\u2028two\x0bthree\x85four", "five"]
