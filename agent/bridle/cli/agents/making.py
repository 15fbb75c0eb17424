"""`bridle agents create | fork | rename`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridle.agent.presets import PROFILE_NAMES
from bridle.cli import output
from bridle.cli.existing import store_of
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.agent.memory import Core
    from bridle.agent.state import AgentState

__all__ = ["create", "fork", "rename"]

BLOCK_CHARS = 2000
"""The limit of a block of one's own."""


@click.command("create")
@click.argument("name")
@click.option("--persona", metavar="P", help="Who it is: a name, a text file, or a sentence.")
@click.option("--human", metavar="H", help="What it knows of you: a name, a text file, or a sentence.")
@click.option("--preset", metavar="P", help="Persona, human and instructions in one.")
@click.option(
    "--system",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Its instructions, instead of those of the profile.",
)
@click.option("--profile", type=click.Choice(PROFILE_NAMES), default="auto", help="Its functions and limits.")
@click.option("--block", "blocks", metavar="LABEL=TEXT", multiple=True, help="Another block, or its text.")
def create(
    name: str,
    persona: str | None,
    human: str | None,
    preset: str | None,
    system: Path | None,
    profile: str,
    blocks: tuple[str, ...],
) -> None:
    """Make the agent NAME. `bridle chat --agent NAME` talks to it."""
    from bridle.agent.creating import beginning
    from bridle.agent.store import Store
    from bridle.cli.files import read_text
    from bridle.endpoints.config import home, load_config

    instructions = None if system is None else read_text(str(system), "--system")
    begin = beginning(
        home(),
        preset=preset,
        persona=persona,
        human=human,
        system=instructions,
        profile=profile,
        chat=load_config().chat,
    )
    texts = {"persona": begin.persona, "human": begin.human}
    given = [(label, text) for label, text in texts.items() if text is not None]
    state = _state(name, profile, [*given, *map(_block, blocks)], begin.system or "")
    with Store(home()) as store:
        if store.load(name) is not None:
            raise InputError(f"there is an agent {name!r} already", hint="choose another name")
        store.create(state)
    output.print_note(f"The agent {name} is made; talk to it with: bridle chat --agent {name}")
    if begin.tools:
        tools = ", ".join(begin.tools)
        output.print_note(f"Its preset uses {tools}: switch them on with bridle chat --preset {preset}")


@click.command("fork")
@click.argument("name")
@click.argument("new")
def fork(name: str, new: str) -> None:
    """Copy the agent NAME as NEW, with its conversation, memory and notes.

    Sources stay attached to both, and shared blocks are shared with the copy, too.
    """
    with store_of(name) as store:
        _check_free(new, [info.name for info in store.agents()])
        store.fork(name, new)
    output.print_note(f"The agent {new} is a copy of {name}.")


@click.command("rename")
@click.argument("name")
@click.argument("new")
def rename(name: str, new: str) -> None:
    """Give the agent NAME the name NEW."""
    with store_of(name) as store:
        _check_free(new, [info.name for info in store.agents()])
        store.rename(name, new)
    output.print_note(f"The agent {name} is called {new} now.")


def _check_free(new: str, names: Sequence[str]) -> None:
    if new in names:
        raise InputError(f"there is an agent {new!r} already", hint="choose another name, or delete that one")


def _block(given: str) -> tuple[str, str]:
    label, equals, text = given.partition("=")
    if not equals or not label.strip():
        raise InputError(f"--block {given!r} is no block", hint='write --block label="its text"')
    return label.strip(), text


def _state(name: str, profile: str, texts: Sequence[tuple[str, str]], system: str) -> AgentState:
    from dataclasses import replace

    from bridle.agent.prompt import FULL
    from bridle.agent.state import PROFILES, clean_text, new_state

    state = new_state(name, PROFILES.get(profile, FULL))
    core = state.core
    for label, text in texts:
        core = _with_block(core, label, clean_text(text))
    return replace(state, core=core, system=clean_text(system).strip())


def _with_block(core: Core, label: str, text: str) -> Core:
    from bridle.agent.memory import Block, Core

    value = "\n".join(line.strip() for line in text.splitlines() if line.strip())
    limit = next((block.limit for block in core.blocks if block.label == label), BLOCK_CHARS)
    if len(value) > limit:
        raise InputError(
            f"the text for block {label!r} has {len(value)} characters, its limit is {limit}",
            hint="shorten it, or raise the limit later with `bridle memory block limit`",
        )
    if label in core.labels:
        return Core(tuple(Block(label, value, limit) if one.label == label else one for one in core.blocks))
    return Core((*core.blocks, Block(label, value, limit)))
