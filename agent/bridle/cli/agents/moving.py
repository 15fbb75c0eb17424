"""`bridle agents export | import`: agents in files, also those of MemGPT and Letta."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridle.cli import output
from bridle.cli.existing import store_of
from bridle.cli.files import write_private
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.agent.exporting import AgentDocument, Restored
    from bridle.agent.importing import Taken

__all__ = ["export", "import_agents"]


@click.command("export")
@click.argument("name")
@click.option("-o", "--output", "path", metavar="FILE", help="Where to; default: standard output.")
@click.option("--letta", is_flag=True, help="Write an agent file (.af) of Letta instead.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def export(name: str, path: str | None, letta: bool, force: bool) -> None:
    """Write the agent NAME with everything that belongs to it into one JSON file.

    Of attached sources the file has the names. `bridle agents import` reads it.
    """
    from bridle.agent.exporting import export_agent, write_document
    from bridle.agent.exporting.letta import write_agent_file
    from bridle.cli.version import bridle_version

    with store_of(name) as store:
        document = export_agent(store, name)
    program = f"bridle {bridle_version()}"
    text, left_out = write_agent_file(document) if letta else (write_document(document, program), list[str]())
    if path is None:
        click.echo(text, nl=False)
    else:
        write_private(Path(os.path.expanduser(path)), text, force=force)
        output.print_note(f"The agent {name} is in {path}: {_counts(document)}.")
    for line in left_out:
        output.print_note(f"not in the file: {line}")


@click.command("import")
@click.argument("path", metavar="FILE|FOLDER")
@click.option("--name", metavar="NEW", help="The new agent's name, where there is one.")
@click.option("--agent", "wanted", metavar="NAME", multiple=True, help="Only this one; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Say what would be taken, and store nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per agent.")
def import_agents(path: str, name: str | None, wanted: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Take over agents from a file or a folder.

    \b
    what `bridle agents export` wrote
    an agent file of Letta (.af)
    a home of MemGPT 0.3 (~/.memgpt), or of 0.1 and 0.2, or one agent's folder in it

    What is not taken is listed. Nothing in there is run: no pickle, no code of tools.
    """
    from bridle.agent.exporting import restore_agents
    from bridle.agent.importing import take
    from bridle.agent.store import Store
    from bridle.endpoints.config import home

    taken = take(Path(os.path.expanduser(path)))
    documents = _named(_chosen(taken.agents, wanted), name)
    restored: tuple[Restored, ...] = ()
    kept = [] if dry_run else _keep_texts(taken, home())
    if not dry_run and (documents or taken.sources):
        with Store(home()) as store:
            restored = restore_agents(store, documents, taken.sources)
    _tell(taken, documents, restored, kept, dry_run, as_json)


def _chosen(documents: Sequence[AgentDocument], wanted: Sequence[str]) -> list[AgentDocument]:
    names = [document.name for document in documents]
    for name in wanted:
        if name not in names:
            raise InputError(f"there is no agent {name!r} in there", hint=f"there are: {', '.join(names)}")
    return [document for document in documents if not wanted or document.name in wanted]


def _named(documents: list[AgentDocument], name: str | None) -> list[AgentDocument]:
    """The agents under their names here; two of one name are told apart by a number."""
    if name is not None:
        if len(documents) != 1:
            there = ", ".join(document.name for document in documents) or "none"
            raise InputError(
                f"--name {name!r} is for one agent, and there are {len(documents)}",
                hint=f"choose one with --agent: {there}",
            )
        return [replace(documents[0], name=name)]
    seen: dict[str, int] = {}
    out: list[AgentDocument] = []
    for document in documents:
        seen[document.name] = number = seen.get(document.name, 0) + 1
        out.append(replace(document, name=f"{document.name} {number}") if number > 1 else document)
    return out


def _keep_texts(taken: Taken, home: Path) -> list[str]:
    """Put personas and humans into the user's own folders; a text that is there already stays."""
    lines: list[str] = []
    for (folder, name), text in taken.texts.items():
        file = home / folder / f"{_file_name(name)}.txt"
        try:
            if not _is_new(file, text):
                lines.append(f"{folder}/{name}: there is another text of that name in {file}")
        except OSError as error:
            raise InputError(f"{file} cannot be written: {error.strerror}", hint="check the path") from error
    return lines


def _is_new(file: Path, text: str) -> bool:
    """Write a text; False where there is another one already."""
    if file.exists():
        return file.read_bytes().decode("utf-8", "replace").strip() == text
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_text(text + "\n", encoding="utf-8")
    return True


def _file_name(name: str) -> str:
    """A name that is one part of a path on every system."""
    return "".join(char if char.isalnum() or char in " ._-" else "_" for char in name).strip(". ") or "text"


def _tell(
    taken: Taken,
    documents: Sequence[AgentDocument],
    restored: Sequence[Restored],
    kept: Sequence[str],
    dry_run: bool,
    as_json: bool,
) -> None:
    missing = {one.state.name: one.missing_sources for one in restored}
    verb = "would be taken" if dry_run else "is here"
    for document in documents:
        if as_json:
            output.print_json(_facts(document, missing.get(document.name, ())))
        else:
            click.echo(output.printable(f"{document.name} {verb}: {_counts(document)}"))
    if as_json:
        output.print_json({"kind": taken.kind, "left_out": [*taken.left_out, *kept]})
        return
    for source in taken.sources:
        click.echo(
            output.printable(f"source {source.name}: {output.counted(len(source.passages), 'passage')}")
        )
    for folder, name in taken.texts:
        click.echo(output.printable(f"{folder}/{name}"))
    for name, absent in missing.items():
        for one in absent:
            output.print_note(f"{name}: there is no source {one} here; load it, then attach it")
    for line in (*taken.left_out, *kept):
        output.print_note(f"not taken: {line}")


def _facts(document: AgentDocument, missing: Sequence[str]) -> dict[str, object]:
    return {
        "name": document.name,
        "blocks": [block.label for block in document.blocks],
        "messages": len(document.messages),
        "notes": len(document.notes),
        "sources": list(document.sources),
        "missing_sources": list(missing),
    }


def _counts(document: AgentDocument) -> str:
    counts = {"block": document.blocks, "message": document.messages, "note": document.notes}
    return ", ".join(output.counted(len(what), noun) for noun, what in counts.items())
