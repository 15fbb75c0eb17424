"""`bridle memory block add | remove | limit | share`: which blocks an agent has."""

from __future__ import annotations

import click

from bridle.cli import output
from bridle.cli.deleting import check_sure, yes_option
from bridle.cli.existing import store_of

__all__ = ["block"]


@click.group("block")
def block() -> None:
    """Add, remove and share blocks of core memory, and set how long they may become."""


@block.command("add")
@click.argument("agent")
@click.argument("label")
@click.option("--text", default="", help="What it begins with.")
@click.option("--limit", type=click.IntRange(min=1), default=2000, show_default=True, help="In characters.")
def add(agent: str, label: str, text: str, limit: int) -> None:
    """Give the agent AGENT a block called LABEL. It stands in front of every answer."""
    with store_of(agent) as store:
        store.add_block(agent, label, text, limit)
    output.print_note(f"The agent {agent} has a block {label} now.")


@block.command("remove")
@click.argument("agent")
@click.argument("label")
@yes_option
def remove(agent: str, label: str, yes: bool) -> None:
    """Take the block LABEL from the agent AGENT. When nobody else has it, it is gone with its history."""
    from bridle.agent.describing import describe

    with store_of(agent) as store:
        found = describe(store, agent)
        there = next((one for one in found.blocks if one.label == label), None)
        if there is not None and not yes:  # the store says which blocks there are
            shared, chars = there.shared_with, len(there.value)
            keep = "keeps" if len(shared) == 1 else "keep"
            stays = f" {', '.join(shared)} {keep} it." if shared else " It will be gone with its history."
            question = f"Take {label} with {output.counted(chars, 'character')} from {agent}?{stays}"
            check_sure(output.printable(question))
        store.remove_block(agent, label)
    output.print_note(f"The agent {agent} has no block {label} any more.")


@block.command("limit")
@click.argument("agent")
@click.argument("label")
@click.argument("chars", type=click.IntRange(min=1))
def limit(agent: str, label: str, chars: int) -> None:
    """Let the block LABEL of the agent AGENT have at most CHARS characters."""
    with store_of(agent) as store:
        store.set_limit(agent, label, chars)
    output.print_note(f"The block {label} of {agent} may have {chars:,} characters.")


@block.command("share")
@click.argument("agent")
@click.argument("label")
@click.argument("other")
def share(agent: str, label: str, other: str) -> None:
    """Let the agent OTHER have the block LABEL of AGENT, too. Both read it and write to it."""
    with store_of(agent) as store:
        store.share_block(label, agent, other)
    output.print_note(f"{agent} and {other} share the block {label} now.")
