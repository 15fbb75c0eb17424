"""From the options of `bridle chat` or `bridle run` to a conversation that is over."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridle.cli import output
from bridle.cli.chat.first_run import choose_agent, introduce_new, speak_first
from bridle.cli.chat.history import FILE_NAME, TypedHistory
from bridle.cli.chat.lines import GivenLines, Lines, piped_lines, terminal_lines
from bridle.cli.chat.models import why
from bridle.cli.chat.opening import begins_with, introduce, open_agent
from bridle.cli.chat.options import ChatOptions
from bridle.cli.chat.session import Session
from bridle.cli.chat.slash import completions
from bridle.cli.chat.talking import talk
from bridle.cli.screen import Screen
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.agent import Store

__all__ = ["converse"]


def converse(options: ChatOptions, *, first_run: bool = False) -> None:
    """Talk until there is nothing more to say; with `first_run` as MemGPT's `run` did.

    Raises:
        click.UsageError: where there is neither a script nor a standard input.
        BridleError: of the kind that goes with what cannot be opened or done.
    """
    if options.script is None and not sys.stdin:  # it was closed
        raise click.UsageError("there is no standard input: give --script FILE")
    said = _script_lines(options.script) if options.script is not None else None
    from bridle.agent import Store
    from bridle.endpoints.config import home
    from bridle.endpoints.observing import observed_by
    from bridle.endpoints.recorder import recording

    with ExitStack() as stack:
        stack.enter_context(recording())
        store = stack.enter_context(Store(home()))
        session = _session(stack, store, options, said, first_run=first_run)
        stack.enter_context(observed_by(session.observe))
        if session.patient:
            session.measure()
            output.print_note("/help lists the commands.")
        if first_run and not options.first and not session.agent.state.turn:
            speak_first(session)
        talk(session, commands=said is None)


def _session(
    stack: ExitStack, store: Store, options: ChatOptions, said: Iterable[str] | None, *, first_run: bool
) -> Session:
    """Open the agent, say which it is, and put the conversation together."""
    from bridle.agent.prompt import COMPACT
    from bridle.agent.state import new_state

    at_terminal = said is None and sys.stdin.isatty() and not options.as_json
    begins = begins_with(options)
    name = choose_agent(store, options, asks=at_terminal) if first_run else str(options.agent)
    new_state(name, COMPACT)  # a name that cannot name an agent is refused before anything is opened
    is_new = store.load(name) is None
    agent, entry = open_agent(stack, store, name, begins, options)
    lines: Lines = GivenLines(said if said is not None else piped_lines())
    plain = options.strip_ui
    streaming = sys.stdout.isatty() if options.stream is None else options.stream
    session = Session(
        agent=agent,
        entry=entry,
        options=options,
        lines=lines,
        screen=Screen(streaming=streaming, styled=not plain),
        patient=at_terminal,
    )
    if at_terminal:
        history = TypedHistory(store.home / FILE_NAME)
        session.lines = terminal_lines(
            history, lambda text: completions(session, text), session.toolbar, plain=plain
        )
    if options.debug:
        session.afterwards = lambda session: why(session, "")
    if first_run and is_new:
        introduce_new(session, begins)
    introduce(session, is_new=is_new)
    return session


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
