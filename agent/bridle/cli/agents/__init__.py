"""`bridle agents`: which agents there are, to make, copy and move them, and to be rid of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bridle.cli import output
from bridle.cli.agents.making import create, fork, rename
from bridle.cli.agents.moving import export, import_agents
from bridle.cli.agents.shelves import humans, personas, presets
from bridle.cli.deleting import check_sure, yes_option
from bridle.cli.existing import existing_store, store_of, time_text

if TYPE_CHECKING:
    from bridle.agent.describing import Description
    from bridle.agent.store import AgentInfo

__all__ = ["command"]


@click.group("agents")
def command() -> None:
    """List, make, copy, rename, move and delete agents.

    \b
    bridle agents create ada --persona sam_pov --block project="Bees, due in May"
    bridle agents export ada -o ada.json      everything that belongs to it, in one file
    bridle agents import ~/.memgpt            agents of MemGPT, or a .af file, or what export wrote
    """


for one in (create, fork, rename, export, import_agents, personas, humans, presets):
    command.add_command(one)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per agent.")
def list_agents(as_json: bool) -> None:
    """List the agents that are stored here."""
    from bridle.agent.describing import describe

    with existing_store() as store:
        found = [(one, describe(store, one.name).notes) for one in store.agents()] if store else []
    for info, notes in found:
        if as_json:
            output.print_json(_facts(info, notes))
        else:
            click.echo(_line(info, notes))
    if not found and not as_json:
        output.print_note("There are no agents yet; `bridle chat` makes one.")


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show_agent(name: str, as_json: bool) -> None:
    """Show what the agent NAME is and has."""
    from bridle.agent.describing import describe

    with store_of(name) as store:
        found = describe(store, name)
    if as_json:
        output.print_json(_described(found))
        return
    for line in _report(found):
        click.echo(output.printable(line))


@command.command("delete")
@click.argument("name")
@yes_option
def delete_agent(name: str, yes: bool) -> None:
    """Delete the agent NAME with its memory and its conversation, for ever."""
    from bridle.agent.describing import describe

    with store_of(name) as store:
        found = describe(store, name)
        if not yes:
            check_sure(
                f"Delete {output.printable(name)} with {output.counted(found.said, 'message')}"
                f" and {output.counted(found.notes, 'note')}?"
            )
        store.delete(name)
    output.print_note(f"The agent {name} is deleted.")


def _facts(info: AgentInfo, notes: int) -> dict[str, object]:
    return {
        "name": info.name,
        "turns": info.turns,
        "messages": info.counts.messages,
        "notes": notes,
        "created": time_text(info.created_ns),
        "last_used": time_text(info.updated_ns),
    }


def _line(info: AgentInfo, notes: int) -> str:
    numbers = ((info.turns, "turn"), (info.counts.messages, "message"), (notes, "note"))
    counts = ", ".join(output.counted(count, noun) for count, noun in numbers)
    return f"{output.printable(info.name)}: {counts}, last used {time_text(info.updated_ns)}"


def _described(found: Description) -> dict[str, object]:
    state = found.state
    return {
        "name": state.name,
        "created": time_text(found.created_ns),
        "last_used": time_text(found.updated_ns),
        "turns": state.turn,
        "messages": found.said,
        "notes": found.notes,
        "sources": dict(found.attached),
        "blocks": [
            {
                "label": block.label,
                "chars": len(block.value),
                "limit": block.limit,
                "edits": block.edits,
                "shared_with": list(block.shared_with),
            }
            for block in found.blocks
        ],
        "profile": state.profile.name,
        "system": state.system,
        "context_messages": len(state.history),
        "summary": state.summary,
        "paused_until": None if state.paused_until is None else state.paused_until.isoformat(),
        "is_open": state.is_open,
    }


def _report(found: Description) -> list[str]:
    state = found.state
    counts = ((state.turn, "turn"), (found.said, "message"), (found.notes, "note"))
    lines = [
        f"{state.name}: {', '.join(output.counted(count, noun) for count, noun in counts)}",
        f"created      {time_text(found.created_ns)}",
        f"last used    {time_text(found.updated_ns)}",
        f"profile      {state.profile.name}; `bridle chat` chooses it by the model",
        f"instructions {'its own' if state.system else 'those of the profile'}",
        f"in context   {output.counted(len(state.history), 'message')}"
        + (", and a summary of what was before" if state.summary else ""),
    ]
    for block in found.blocks:
        shared = f", shared with {', '.join(block.shared_with)}" if block.shared_with else ""
        edits = output.counted(block.edits, "edit")
        lines.append(
            f"block        {block.label}: {len(block.value)} of {block.limit} characters, {edits}{shared}"
        )
    for source, passages in found.attached.items():
        lines.append(f"source       {source}: {output.counted(passages, 'passage')}")
    if state.is_open:
        lines.append("unanswered   its last turn did not end; `bridle chat` says what was asked")
    return lines
