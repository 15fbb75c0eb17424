"""`bridle chat`: talk to an agent at a terminal, or feed it lines from a file or a pipe.

Replies go to standard output; everything else (where the state lies, thoughts, functions) to standard
error. With `--json` standard output holds one JSON object per turn, written when the turn is stored.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from bridle.cli import output
from bridle.cli.connecting import EndpointCommand, open_endpoint
from bridle.cli.screen import Screen
from bridle.errors import BridleError, InputError

if TYPE_CHECKING:
    from bridle.agent import Agent, Turn

__all__ = ["command"]

EMBEDDED = "embedded"
PROMPT = "> "
HELP = """\
/memory  what the agent has in its core memory, and how much is stored
/help    this list
/exit    leave (so does Ctrl-D); Ctrl-C stops an answer
Everything else is said to the agent."""
EMBEDDED_LINE = (
    "The embedded model is a tiny one, made by this project: it understands plain English and remembers facts"
    " about you, nothing else. A real model: --endpoint http://127.0.0.1:1234 (LM Studio),"
    " --endpoint http://127.0.0.1:5000 (web UI) or --endpoint MODEL.gguf"
)


@click.command("chat", cls=EndpointCommand)
@click.option(
    "--agent", "name", default="default", show_default=True, help="Which agent; made when it is new."
)
@click.option("--endpoint", metavar="SPEC", help="The model; default: the configured one, else embedded.")
@click.option("--model", help="Which model of a server.")
@click.option(
    "--wrapper", metavar="W", help="The prompt format: a name or a .toml file; default: by the model."
)
@click.option(
    "--script",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Say the lines of this file, one message each, and leave.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per turn.")
@click.option("--offline", is_flag=True, help="Connect to nothing but this machine.")
def command(
    name: str,
    endpoint: str | None,
    model: str | None,
    wrapper: str | None,
    script: Path | None,
    as_json: bool,
    offline: bool,
) -> None:
    """Talk to an agent that remembers.

    What it remembers is kept, and the next start goes on with it. Without a terminal, each line of standard
    input is a message.
    """
    if script is None and not sys.stdin:  # it was closed
        raise click.UsageError("there is no standard input: give --script FILE")
    lines = _script_lines(script) if script is not None else None
    with ExitStack() as stack:
        agent = _open(stack, name, endpoint, model, wrapper, offline)
        _introduce(agent)
        if lines is None and sys.stdin.isatty() and not as_json:
            _talk(agent)
        else:
            _say_all(agent, lines if lines is not None else _piped_lines(), as_json, script is None)


def _open(
    stack: ExitStack, name: str, endpoint: str | None, model: str | None, wrapper: str | None, offline: bool
) -> Agent:
    from bridle.agent import Agent, Store
    from bridle.endpoints.config import home
    from bridle.endpoints.recorder import recording

    stack.enter_context(recording())
    store = stack.enter_context(Store(home()))
    opened, chosen = open_endpoint(endpoint, model=model, wrapper=wrapper, offline=offline)
    stack.callback(opened.close)
    return Agent.open(store, name, opened, wrapper=chosen)


def _introduce(agent: Agent) -> None:
    state, endpoint = agent.state, agent.endpoint
    known = f"{state.turn} turns so far" if state.turn else "new"
    output.print_note(f"Agent {state.name} ({known}), kept in {agent.store.path}")
    model = f" ({endpoint.model})" if endpoint.model not in ("", endpoint.name) else ""
    output.print_note(f"Endpoint {endpoint.name}{model}")
    output.print_note(f"Wrapper {agent.wrapper.name}: {agent.wrapper_reason}")
    if endpoint.name == EMBEDDED:
        output.print_note(EMBEDDED_LINE)
    if agent.unanswered:
        output.print_note(f"Your last message was not answered: {agent.unanswered}")


def _script_lines(script: Path) -> list[str]:
    try:
        data = sys.stdin.buffer.read() if str(script) == "-" else script.read_bytes()
        return data.decode("utf-8-sig").split("\n")
    except OSError as error:
        raise InputError(
            f"the script {script} cannot be read: {error.strerror}", hint="give a text file"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"the script {script} is not UTF-8: {error}", hint="save it as UTF-8") from error


def _piped_lines() -> Iterator[str]:
    for line in sys.stdin.buffer:
        yield line.decode("utf-8", "replace").removeprefix("\ufeff")


def _say_all(agent: Agent, lines: Iterable[str], as_json: bool, commands: bool) -> None:
    """Say each line that is not blank; in a pipe (`commands`) a line may also be one of the commands."""
    screen = Screen(streaming=False)
    for line in lines:
        text = line.strip()
        if not text:
            continue
        if commands and _is_command(text):
            if _obey(agent, text):
                return
            continue
        if as_json:
            output.print_json(_turn_facts(agent.turn(text)))
            continue
        output.print_note(f"{PROMPT}{text}")
        screen.end(agent.turn(text, screen.show))


def _turn_facts(turn: Turn) -> dict[str, object]:
    steps = [
        {
            "thoughts": step.thoughts,
            "call": {"name": step.call.name, "arguments": dict(step.call.arguments)},
            "result": step.result,
        }
        for step in turn.steps
    ]
    return {"user": turn.user, "reply": turn.reply, "steps": steps}


def _talk(agent: Agent) -> None:
    """Read and answer until the end of input; an error ends an answer, not the conversation."""
    output.print_note("/help lists the commands.")
    read = _reader()
    screen = Screen(streaming=sys.stdout.isatty())
    while True:
        try:
            text = read().strip()
        except EOFError:
            click.echo()
            return
        except KeyboardInterrupt:
            output.print_note("\n/exit or Ctrl-D leaves.")
            continue
        if _is_command(text):
            if _obey(agent, text):
                return
        elif text:
            _answer(agent, text, screen)


def _answer(agent: Agent, text: str, screen: Screen) -> None:
    try:
        with _interrupts() as interrupted:
            screen.end(agent.turn(text, screen.show, interrupted))
    except KeyboardInterrupt:
        screen.stop()
    except BridleError as error:
        screen.stop(note="")
        output.print_error(error.message, error.hint)


@contextmanager
def _interrupts() -> Generator[Callable[[], bool], None, None]:
    """Let the first Ctrl-C ask the answer to stop, and the second one stop it."""
    pressed = threading.Event()

    def press(signum: int, frame: FrameType | None) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    before = signal.signal(signal.SIGINT, press)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def _reader() -> Callable[[], str]:
    """A line editor: prompt_toolkit where it is installed, else the terminal's own with history if there is
    one."""
    try:
        from prompt_toolkit import PromptSession
    except ImportError:
        with suppress(ImportError):
            import_module("readline")  # input() uses it once it is there
        return lambda: input(PROMPT)
    session: PromptSession[str] = PromptSession()
    return lambda: session.prompt(PROMPT)


def _is_command(text: str) -> bool:
    return text.startswith("/") and text[1:].isalpha()


def _obey(agent: Agent, text: str) -> bool:
    """Do a command; True to leave."""
    if text in ("/exit", "/quit"):
        return True
    if text == "/memory":
        _show_memory(agent)
    elif text == "/help":
        click.echo(HELP, err=True)
    else:
        output.print_note(f"There is no command {text}; /help lists them.")
    return False


def _show_memory(agent: Agent) -> None:
    for block in agent.state.core.blocks:
        output.print_note(f"[{block.label}] {len(block.value)} of {block.limit} characters")
        for line in block.lines:
            output.print_note(f"  {line}")
    counts = agent.store.counts(agent.state.name)
    messages, notes = output.counted(counts.messages, "message"), output.counted(counts.passages, "note")
    output.print_note(f"[stored] {messages}, {notes}")
