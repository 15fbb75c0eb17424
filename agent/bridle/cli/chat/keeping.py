"""Slash commands about what is stored: where, what was said, and copies of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from bridle.cli.chat.session import note
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.cli.chat.session import Session

__all__ = ["dump", "dump_raw", "export", "fork", "save"]


def save(session: Session, given: str) -> None:
    """Say that there is nothing to save."""
    note(f"Everything is saved already, step by step, in {session.agent.store.path}")


def dump(session: Session, given: str) -> None:
    """Show what was said, oldest first."""
    agent = session.agent
    logged = agent.store.messages(agent.state.name, newest=int(given) if given else None)
    for one in logged:
        who = f"{one.role} {one.name}" if one.name else one.role
        first, *rest = one.text.splitlines() or [""]
        note(f"{one.at:%Y-%m-%d %H:%M} {who}: {first}")
        for line in rest:
            note(f"  {line}")
    if not logged:
        note("Nothing has been said yet.")


def dump_raw(session: Session, given: str) -> None:
    """Print the conversation as the model is shown it, one JSON object per message, on standard output."""
    from bridle.messages import message_to_dict

    history = session.agent.state.history
    for message in history[-int(given) :] if given else history:
        _print_raw(json.dumps(message_to_dict(message)))


def _print_raw(line: str) -> None:
    """Write a line of JSON; it is ASCII, so that a terminal obeys nothing in it."""
    print(line, flush=True)


def fork(session: Session, given: str) -> None:
    """Copy the agent under another name; the conversation goes on with the one before."""
    agent = session.agent
    agent.store.fork(agent.state.name, given)
    note(f"{given} is a copy of {agent.state.name} as it is now: bridle chat --agent {given}")


def export(session: Session, given: str) -> None:
    """Write the agent to a file."""
    from bridle.agent.exporting import export_agent, write_document
    from bridle.cli.version import bridle_version

    path, name = Path(given).expanduser(), session.agent.state.name
    text = write_document(export_agent(session.agent.store, name), f"bridle {bridle_version()}")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise InputError(f"{path} is there already", hint="name another file, or remove that one") from error
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", hint="name another file") from error
    note(f"{name} is written to {path}; bridle agents import {path} reads it")
