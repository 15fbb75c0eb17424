"""`bridle agents`: which agents there are, and how to be rid of one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from bridle.cli import output
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.agent import AgentInfo, Store

__all__ = ["command"]


@click.group("agents")
def command() -> None:
    """List and delete agents."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per agent.")
def list_agents(as_json: bool) -> None:
    """List the agents that are stored here."""
    store = _open_existing()
    if store is None:
        infos: tuple[AgentInfo, ...] = ()
    else:
        with store:
            infos = store.agents()
    for info in infos:
        if as_json:
            output.print_json(_facts(info))
        else:
            click.echo(_line(info))
    if not infos and not as_json:
        output.print_note("There are no agents yet; `bridle chat` makes one.")


@command.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete_agent(name: str, yes: bool) -> None:
    """Delete the agent NAME with its memory and its conversation, for ever."""
    store = _open_existing()
    if store is None:
        raise _unknown(name, ())
    with store:
        infos = store.agents()
        info = next((one for one in infos if one.name == name), None)
        if info is None:
            raise _unknown(name, infos)
        if not yes:
            click.confirm(
                f"Delete {output.printable(name)} with {output.counted(info.counts.messages, 'message')}"
                f" and {output.counted(info.counts.passages, 'note')}?",
                abort=True,
                err=True,
            )
        store.delete(name)
    output.print_note(f"The agent {name} is deleted.")


def _open_existing() -> Store | None:
    """The store, or None where there is none; looking makes no file."""
    from bridle.agent.store import FILE_NAME, Store
    from bridle.endpoints.config import home

    folder = home()
    try:
        (folder / FILE_NAME).stat()
    except FileNotFoundError:
        return None
    except OSError:
        return Store(folder)  # it says why the file cannot be opened
    return Store(folder)


def _unknown(name: str, infos: tuple[AgentInfo, ...]) -> InputError:
    known = ", ".join(info.name for info in infos) or "none"
    return InputError(f"there is no agent {name!r}", hint=f"the agents are: {known}")


def _facts(info: AgentInfo) -> dict[str, object]:
    return {
        "name": info.name,
        "turns": info.turns,
        "messages": info.counts.messages,
        "notes": info.counts.passages,
        "created": _time(info.created_ns),
        "last_used": _time(info.updated_ns),
    }


def _line(info: AgentInfo) -> str:
    numbers = ((info.turns, "turn"), (info.counts.messages, "message"), (info.counts.passages, "note"))
    counts = ", ".join(output.counted(count, noun) for count, noun in numbers)
    return f"{output.printable(info.name)}: {counts}, last used {_time(info.updated_ns)}"


def _time(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9).astimezone().isoformat(sep=" ", timespec="minutes")
