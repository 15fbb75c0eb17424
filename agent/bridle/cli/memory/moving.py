"""`bridle memory export | import`: blocks and notes as a text that can be edited, or as JSON."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path

import click

from bridle.cli import output
from bridle.cli.existing import store_of
from bridle.cli.files import STDIN, read_text, write_private
from bridle.errors import InputError

__all__ = ["export", "import_memory"]


@click.command("export")
@click.argument("agent")
@click.option("-o", "--output", "path", metavar="FILE", help="Where to; default: standard output.")
@click.option("--json", "as_json", is_flag=True, help="As JSON; so is a file whose name ends so.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def export(agent: str, path: str | None, as_json: bool, force: bool) -> None:
    """Write what the agent AGENT remembers (blocks and notes) as text.

    The conversation is not part of it; `bridle agents export` has everything.
    """
    from bridle.agent.archival.archive import Archive
    from bridle.agent.exporting.memory_copy import copy_memory
    from bridle.agent.exporting.memory_text import write_json, write_text

    with store_of(agent) as store:
        memory = copy_memory(store, Archive(store), agent)
    json_wanted = as_json or (path or "").lower().endswith(".json")
    text = write_json(memory) if json_wanted else write_text(memory)
    if path is None:
        click.echo(text, nl=False)
        return
    write_private(Path(os.path.expanduser(path)), text, force=force)
    counts = f"{output.counted(len(memory.blocks), 'block')} and {output.counted(len(memory.notes), 'note')}"
    output.print_note(f"{counts} of {agent} are in {path}.")


@click.command("import")
@click.argument("agent")
@click.argument("path", metavar="FILE")
@click.option("--offline", is_flag=True, help="Connect to nothing but this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def import_memory(agent: str, path: str, offline: bool, as_json: bool) -> None:
    """Put blocks and notes from FILE into the memory of the agent AGENT; `-` is standard input.

    Blocks that it has are replaced, which `bridle memory undo` takes back; notes are added. What the file
    does not name stays.
    """
    from bridle.agent.archival.indexes import open_archive
    from bridle.agent.exporting.memory_copy import put_memory
    from bridle.agent.exporting.memory_text import read_memory
    from bridle.endpoints.config import load_config

    named = "standard input" if path == STDIN else path
    text = read_text(path, "FILE")
    _check_is_no_agent(text, path)
    memory = read_memory(text, named)
    with store_of(agent) as store, closing(open_archive(store, load_config(), offline=offline)) as archive:
        changes = put_memory(store, archive, agent, memory)
        warning = archive.warning
    if as_json:
        facts = {"changed": list(changes.changed), "added": list(changes.added), "notes": changes.notes}
        output.print_json({**facts, "warning": warning})
        return
    for word, labels in (("changed", changes.changed), ("added", changes.added)):
        for label in labels:
            click.echo(output.printable(f"block {label}: {word}"))
    click.echo(f"{output.counted(changes.notes, 'new note')}")
    if warning:
        output.print_note(f"The notes are found by their words; vectors are made later: {warning}")


def _check_is_no_agent(text: str, path: str) -> None:
    """Name the other import for a whole agent."""
    from bridle.agent.exporting import is_document

    try:
        is_agent = is_document(json.loads(text))
    except (ValueError, RecursionError):
        return
    if is_agent:
        raise InputError(
            f"{path} holds a whole agent, not only a memory",
            hint=f"bridle agents import {'FILE' if path == STDIN else path}",
        )
