"""Where lines come from without a real terminal, heartbeats in the loop, and what `/why` can say."""

from __future__ import annotations

import io
import os
import signal
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent_scripts import NOW, call, say, scripted
from bridle.agent import FULL, Agent, Store, Turn
from bridle.cli.chat.history import TypedHistory
from bridle.cli.chat.lines import GivenLines, HeartbeatDue, LineDropped, PlainLines, terminal_lines
from bridle.cli.chat.models import why
from bridle.cli.chat.options import ChatOptions
from bridle.cli.chat.session import Session
from bridle.cli.chat.talking import talk
from bridle.errors import StoreError
from bridle.messages import (
    Attempt,
    Completion,
    ConstraintCost,
    ConstraintReport,
    Message,
    Refusal,
    Repair,
    Usage,
)
from chat_sessions import Typed, session_on, talked


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as opened:
        yield opened


def agent_on(store: Store, *answers: object) -> Agent:
    endpoint = scripted(answers)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return Agent.open(store, "ada", endpoint, wrapper="chatml-compact", profile=FULL, clock=lambda: NOW)


def test_given_lines_end_and_keep_what_is_no_line_end() -> None:
    lines = GivenLines(["one\u2028two\r\n", "three"])
    assert [lines.read("> "), lines.read("> ")] == ["one\u2028two", "three"]
    with pytest.raises(EOFError):
        lines.read("> ")


def test_a_plain_terminal_asks_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("hello \n"))
    assert PlainLines().read("> ") == "hello "
    with pytest.raises(EOFError):
        PlainLines().read("> ")
    assert capsys.readouterr() == ("", "> > ")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs SIGALRM")
def test_a_plain_terminal_that_nobody_writes_to_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGALRM)
    read, write = os.pipe()
    with os.fdopen(read, encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(HeartbeatDue):
            PlainLines().read("> ", 0.01)
        os.write(write, b"late\n")
        assert PlainLines().read("> ", 60) == "late"
    os.close(write)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


class Readline(types.ModuleType):
    """The module, as far as lines use it: somebody types into it before each alarm."""

    def __init__(self) -> None:
        super().__init__("readline")
        self.known: list[str] = []
        self.inserted: list[str] = []
        self.hook: Callable[[], None] = lambda: None
        self.complete: Callable[[str, int], str | None] = lambda _text, _state: None

    def add_history(self, text: str) -> None:
        self.known.append(text)

    def set_startup_hook(self, hook: Callable[[], None]) -> None:
        self.hook = hook

    def insert_text(self, text: str) -> None:
        self.inserted.append(text)

    def get_line_buffer(self) -> str:
        return "half a li"

    def set_completer(self, complete: Callable[[str, int], str | None]) -> None:
        self.complete = complete

    def set_auto_history(self, wanted: bool) -> None:
        assert not wanted

    def set_completer_delims(self, text: str) -> None:
        assert text == ""

    def parse_and_bind(self, text: str) -> None:
        assert text == "tab: complete"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs SIGALRM")
def test_readline_is_taken_without_prompt_toolkit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readline = Readline()
    monkeypatch.setitem(sys.modules, "readline", readline)
    monkeypatch.setitem(sys.modules, "bridle.cli.chat.editor", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    history = TypedHistory(tmp_path / "history")
    history.add("before")
    history.add("of two\nlines")

    def typed(prompt: str = "") -> str:
        readline.hook()
        if len(readline.inserted) == 1:
            signal.raise_signal(signal.SIGALRM)
        return f"{readline.inserted[-1]}ne"

    def interrupt(prompt: str = "") -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", typed)
    lines = terminal_lines(history, lambda text: [f"{text}1", f"{text}2"], lambda _: "")
    assert readline.known == ["before"]
    with pytest.raises(HeartbeatDue):
        lines.read("> ", 60)
    assert lines.read("> ", 60) == "half a line"
    with monkeypatch.context() as pressed:
        pressed.setattr("builtins.input", interrupt)
        with pytest.raises(LineDropped):
            lines.read("> ")
        pressed.setattr(readline, "get_line_buffer", lambda: "")
        with pytest.raises(KeyboardInterrupt) as caught:
            lines.read("> ")
        assert caught.type is KeyboardInterrupt
    assert history.entries[-1] == readline.known[-1] == "half a line"
    assert [readline.complete("/a", state) for state in range(3)] == ["/a1", "/a2", None]
    monkeypatch.setitem(sys.modules, "readline", None)
    assert isinstance(terminal_lines(history, lambda _: [], lambda _: ""), PlainLines)


def test_the_agent_acts_when_a_heartbeat_is_due_unless_it_paused_them(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = agent_on(store, say("Still here."), call("pause_heartbeats", minutes=60), say("Quiet now."))
    lines: list[str | type[BaseException]] = [HeartbeatDue, "be quiet", "/exit"]
    session = session_on(agent, lines, ChatOptions(heartbeat=5))
    talk(session)
    assert capsys.readouterr().out == "Still here.\nQuiet now.\n"
    typed = session.lines
    assert isinstance(typed, Typed)
    assert all(wait == pytest.approx(300, abs=1) for wait in typed.waits[:2])
    assert [message.content for message in agent.state.history if message.role == "user"][-1:] == ["be quiet"]


def test_ctrl_c_drops_a_half_typed_line_and_leaves_only_when_pressed_twice_on_empty_ones(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    keys: list[str | type[BaseException]] = [KeyboardInterrupt, LineDropped, KeyboardInterrupt, LineDropped]
    talked(agent_on(store, say("Hi.")), [*keys, "hello", KeyboardInterrupt, KeyboardInterrupt, "never said"])
    out, err = capsys.readouterr()
    assert out == "Hi.\n"
    assert err.count("so does Ctrl-C once more.") == 3


def test_ctrl_c_in_a_pipe_ends_the_program(store: Store) -> None:
    session = session_on(agent_on(store), [KeyboardInterrupt])
    session.patient = False
    with pytest.raises(KeyboardInterrupt):
        talk(session)


@pytest.mark.parametrize("patient", [True, False])
def test_a_command_that_fails_ends_a_pipe_and_not_a_conversation(
    store: Store, capsys: pytest.CaptureFixture[str], patient: bool
) -> None:
    session = session_on(agent_on(store, StoreError("the disk is gone", hint="plug it in")), ["/heartbeat"])
    session.patient = patient
    if patient:
        talk(session)
        assert capsys.readouterr().err == "error: the disk is gone\nhint: plug it in\n\n"
    else:
        with pytest.raises(StoreError):
            talk(session)


def test_debug_lines_come_after_each_turn(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    session = session_on(agent_on(store, say("Hi.")), ["hello"])
    session.afterwards = lambda session: why(session, "")
    talk(session)
    assert "1. send_message: held as grammar" in capsys.readouterr().err


def test_why_names_everything_that_happened_to_an_answer(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    session: Session = talked(agent_on(store), [])
    completion = Completion(
        Message("assistant"),
        finish="length",
        usage=Usage(1200, 40, 1000, 10, 30),
        constraint=ConstraintReport("schema", "", "violated", weakened=("/a pattern",)),
        repairs=(Repair("closed a brace", 7, "{", "{}"),),
        refusals=(Refusal("it was cut off"),),
        dropped=("seed",),
        seconds=2.0,
        cost=ConstraintCost(rejected=3, interventions=1, nats=0.5),
        attempts=(Attempt("grammar", "refused", "no such field"), Attempt("schema", "answered")),
    )
    session.last = Turn("hi", "", completions=(completion,), notes=("2 messages left",))
    capsys.readouterr()
    why(session, "")
    assert capsys.readouterr().err.splitlines() == [
        "1. no call: held as schema (violated), finish length",
        "   1,200 prompt tokens (1,000 cached), 40 written, 30 forced; 2.00 s, 20 tokens/s",
        "   cost: 0.50 nats, 3 tokens rejected, 1 taken to close in time",
        "   repaired: closed a brace: '{' became '{}'",
        "   refused: it was cut off",
        "   asked again: grammar was refused: no such field",
        "   the endpoint cannot be told: seed",
        "   not held, checked afterwards: /a pattern",
        "(2 messages left)",
    ]
    session.last = Turn("hi", "")
    why(session, "")
    assert capsys.readouterr().err == "The model was not asked in the last turn.\n"
