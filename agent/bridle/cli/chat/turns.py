"""Slash commands that act on the conversation: say it again, forget, put other words in, sum up, wake up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bridle.cli import output
from bridle.cli.files import read_text
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.cli.chat.session import Session

__all__ = [
    "heartbeat",
    "pop",
    "rethink",
    "retry",
    "rewrite",
    "several",
    "summarize",
    "swap_system",
    "warn_memory",
]

MORE_PROMPT = ". "
ASKED_FOR = "the user asked for it"


def retry(session: Session, given: str) -> None:
    """Answer what was said last once more."""
    session.answer(session.agent.retry)


def several(session: Session, given: str) -> None:
    """Say the lines that follow as one message; the end of the input ends it, too."""
    if session.patient:
        output.print_note("Several lines; // ends the message, Ctrl-C forgets it.")
    lines: list[str] = []
    while True:
        try:
            line = session.lines.read(MORE_PROMPT)
        except EOFError:
            break
        if line.strip() == "//":
            break
        lines.append(line)
    text = "\n".join(lines).strip()
    if text:
        session.say(text)


def pop(session: Session, given: str) -> None:
    """Take the newest turns back."""
    count = int(given) if given else 1
    session.agent.pop(count)
    turns = output.counted(count, "turn")
    output.print_note(f"{turns} taken back. Memory stays as it is; /undo takes back its changes.")


def rethink(session: Session, given: str) -> None:
    """Put other inner thoughts in place of the last ones."""
    session.agent.rethink(given)
    output.print_note("The agent's last thoughts are replaced; /retry answers again.")


def rewrite(session: Session, given: str) -> None:
    """Put another reply in place of the last one."""
    session.agent.rewrite(given)
    output.print_note("The agent's last reply is replaced.")


def summarize(session: Session, given: str) -> None:
    """Sum up what is older, so that there is room."""
    summary = session.agent.summarize()
    output.print_note(f"Summed up: {summary}" if summary else "There is nothing to sum up yet.")


def heartbeat(session: Session, given: str) -> None:
    """Give the agent a step without a message."""
    session.answer(lambda on_event, should_stop: session.agent.heartbeat(ASKED_FOR, on_event, should_stop))


def warn_memory(session: Session, given: str) -> None:
    """Tell the agent that its window is nearly full, so that it keeps what matters."""
    session.answer(session.agent.warn_memory)


def swap_system(session: Session, given: str) -> None:
    """Give the agent other instructions, out of a file where there is one of this name."""
    is_file = "\n" not in given and len(given) < 1000 and Path(given).is_file()
    text = (read_text(given, "/systemswap") if is_file else given).strip()
    if not is_file and given.startswith(("/", "~", "./", "../")) and len(given.split()) == 1:
        raise InputError(f"there is no file {given!r}", hint="check the path, or write the instructions out")
    if not text:
        raise InputError(f"{given!r} is empty", hint="give the new instructions, or a file that holds them")
    session.agent.swap_system(text)
    where = f" from {given}" if is_file else ""
    output.print_note(f"The agent has new instructions{where}: {output.counted(len(text), 'character')}.")
