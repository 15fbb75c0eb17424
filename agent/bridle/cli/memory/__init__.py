"""`bridle memory`: look into an agent's memory, search it, edit it, and take edits back."""

from __future__ import annotations

import click

from bridle.cli.memory.blocks import block
from bridle.cli.memory.changing import edit, undo
from bridle.cli.memory.comparing import diff
from bridle.cli.memory.history import log
from bridle.cli.memory.indexing import reembed, reindex, status
from bridle.cli.memory.moving import export, import_memory
from bridle.cli.memory.searching import search
from bridle.cli.memory.showing import show

__all__ = ["command"]


@click.group("memory")
def command() -> None:
    """Look into an agent's memory, search it, edit it, and take edits back.

    \b
    bridle memory show ada                         what always stands in front of it
    bridle memory search ada bees                  blocks, conversation, notes and sources
    bridle memory log ada                          every edit: who, when, in which turn
    bridle memory edit ada --block human --append "Lives in Bonn"
    bridle memory undo ada                         take the newest edit back
    """


for one in (
    show,
    log,
    diff,
    undo,
    search,
    edit,
    block,
    export,
    import_memory,
    status,
    reindex,
    reembed,
):
    command.add_command(one)
