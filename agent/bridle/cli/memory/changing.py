"""`bridle memory edit | undo`: what a person changes in core memory, and takes back."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from bridle.cli import output
from bridle.cli.existing import store_of
from bridle.cli.memory.comparing import difference, print_difference
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.agent.memory import Block, Core
    from bridle.agent.store import Store

__all__ = ["edit", "undo"]


@click.command("edit")
@click.argument("agent")
@click.option("--block", "label", metavar="LABEL", help="Which block; needed where there are several.")
@click.option("--set", "text", metavar="TEXT", help="Put this text in the place of what is there.")
@click.option("--append", "line", metavar="TEXT", help="Add a line.")
@click.option("--replace", "pair", nargs=2, metavar="OLD NEW", help="Change a line; NEW '' deletes it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def edit(
    agent: str,
    label: str | None,
    text: str | None,
    line: str | None,
    pair: tuple[str, str] | None,
    as_json: bool,
) -> None:
    """Change a block of the agent AGENT's core memory, by an option or in your editor ($EDITOR).

    The change is kept in the history; `bridle memory undo` takes it back.
    """
    if sum(option is not None for option in (text, line, pair)) > 1:
        raise click.UsageError("--set, --append and --replace exclude each other")
    with store_of(agent) as store:
        block = _block(store, agent, label)
        if text is None and line is None and pair is None:
            value = _edited(block)
        else:
            value = _changed(agent, block, text, line, pair)
        _check_length(agent, block, value)
        if _core(store, agent).block(block.label).value != block.value:
            raise InputError(
                f"the block {block.label!r} was changed by somebody else in the meantime",
                hint="look at it with `bridle memory show`, and edit it again",
            )
        made = store.write_block(agent, block.label, value)
    if as_json:
        facts = {"block": block.label, "before": block.value, "after": value}
        output.print_json({**facts, "changed": made is not None})
    elif made is None:
        output.print_note(f"The block {block.label} is as it was.")
    else:
        print_difference(block.label, block.value, value)


@click.command("undo")
@click.argument("agent")
@click.option("--block", "label", metavar="LABEL", help="Only of this block.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def undo(agent: str, label: str | None, as_json: bool) -> None:
    """Take back the newest edit of the agent AGENT's core memory. A second undo goes one further back."""
    with store_of(agent) as store:
        undone = store.undo(agent, label)
    if as_json:
        lines = list(difference(undone.label, undone.after, undone.before))
        output.print_json({"id": undone.id, "block": undone.label, "now": undone.before, "diff": lines})
        return
    print_difference(undone.label, undone.after, undone.before)
    turn = f" of turn {undone.turn}" if undone.turn else ""
    output.print_note(f"The edit number {undone.id}{turn} is undone.")


def _core(store: Store, agent: str) -> Core:
    state = store.load(agent)
    assert state is not None, "the store was found by it"
    return state.core


def _block(store: Store, agent: str, label: str | None) -> Block:
    core = _core(store, agent)
    if label in core.labels:
        return core.block(label)
    if label is not None:
        raise InputError(f"there is no block {label!r}", hint=f"the blocks are: {', '.join(core.labels)}")
    if len(core.blocks) != 1:
        raise InputError(f"{agent!r} has {len(core.blocks)} blocks", hint=f"--block {'|'.join(core.labels)}")
    return core.blocks[0]


def _changed(
    agent: str, block: Block, text: str | None, line: str | None, pair: tuple[str, str] | None
) -> str:
    """The block's text after the change that an option asks for, of any length."""
    from bridle.agent.memory import Core, EditError

    core = Core((replace(block, limit=sys.maxsize),))
    if pair is not None and not pair[0].strip():
        raise InputError("OLD is empty", hint="give the text to change: --replace OLD NEW")
    try:
        if line is not None:
            core = core.append(block.label, line)
        if pair is not None:
            core = core.replace(block.label, *pair)
    except EditError as error:
        hint = f"see its lines: bridle memory show {agent} --block {block.label}"
        raise InputError(error.message, hint=hint) from error
    return core.blocks[0].value if text is None else text


def _check_length(agent: str, block: Block, value: str) -> None:
    """Name the command that raises the limit; the store refuses what is too long without it."""
    if len(value) > block.limit:
        raise InputError(
            f"the block {block.label!r} would have {len(value)} characters, its limit is {block.limit}",
            hint=f"shorten it, or: bridle memory block limit {agent} {block.label} {len(value)}",
        )


def _edited(block: Block) -> str:
    """What comes back from the person's editor."""
    try:
        edited = click.edit(block.value + "\n", extension=".txt")
    except click.ClickException as error:
        raise InputError(
            error.message, hint="set EDITOR to an editor of this machine, or use --set, --append or --replace"
        ) from error
    return block.value if edited is None else edited.strip("\n")
