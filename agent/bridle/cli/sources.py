"""`bridle sources`: what has been loaded, and which agents search it; `bridle attach` is a part of it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from bridle.cli import output
from bridle.cli.deleting import check_sure, yes_option
from bridle.cli.existing import existing_store, time_text
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.agent.archival.archive import Archive
    from bridle.agent.archival.sources import SourceInfo
    from bridle.agent.loading import SourceFile

__all__ = ["attach_source", "command"]


@click.group("sources")
def command() -> None:
    """List, attach, detach and delete sources, which `bridle load` makes."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per source.")
def list_sources(as_json: bool) -> None:
    """List the sources, with the agents that search them."""
    with _archive() as archive:
        infos: tuple[SourceInfo, ...] = archive.sources() if archive else ()
    for info in infos:
        if as_json:
            output.print_json(_facts(info))
        else:
            click.echo(_line(info))
    if not infos and not as_json:
        output.print_note("There are no sources yet; `bridle load` makes one.")


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per file.")
def show_source(name: str, as_json: bool) -> None:
    """Show the files, pages and queries that the source NAME was loaded from."""
    from bridle.agent.loading import source_files

    with _archive() as archive:
        info = _info(archive, name)
        assert archive is not None
        files = source_files(archive, name)
    if not as_json:
        click.echo(_line(info))
    for file in files:
        if as_json:
            output.print_json(_file_facts(file))
        else:
            click.echo(f"  {_file_line(file)}")


@command.command("attach")
@click.argument("name", required=False)
@click.option("--agent", default="default", show_default=True, help="Which agent.")
@click.option("--data-source", metavar="NAME", help="The source, as MemGPT spells it.")
def attach_source(name: str | None, agent: str, data_source: str | None) -> None:
    """Let an agent search the source NAME. Nothing is copied."""
    name = name or data_source
    if name is None:
        raise click.UsageError("Missing argument 'NAME'.")
    with _archive() as archive:
        info = _info(archive, name)
        assert archive is not None
        is_new = archive.attach(agent, name)
    passages = output.counted(info.passages, "passage")
    output.print_note(
        f"The agent {agent} searches {name} now: {passages}."
        if is_new
        else f"The agent {agent} searches {name} already: {passages}."
    )


@command.command("detach")
@click.argument("name")
@click.option("--agent", default="default", show_default=True, help="Which agent.")
def detach_source(name: str, agent: str) -> None:
    """Take the source NAME off an agent. The source stays."""
    with _archive() as archive:
        _info(archive, name)
        assert archive is not None
        was_attached = archive.detach(agent, name)
    said = "no longer searches" if was_attached else "did not search"
    output.print_note(f"The agent {agent} {said} {name}.")


@command.command("delete")
@click.argument("name")
@yes_option
@click.option("--offline", is_flag=True, help="Connect to nothing but this machine.")
def delete_source(name: str, yes: bool, offline: bool) -> None:
    """Delete the source NAME with all its passages. The files that it was loaded from stay."""
    with _archive(with_index=True, offline=offline) as archive:
        info = _info(archive, name)
        assert archive is not None
        if not yes:
            attached = f", which {', '.join(info.attached)} search" if info.attached else ""
            passages = output.counted(info.passages, "passage")
            question = f"Delete {output.printable(name)} with {passages}{output.printable(attached)}?"
            check_sure(question)
        archive.delete_source(name)
        warning = archive.warning
    output.print_note(f"The source {name} is deleted.")
    if warning:
        output.print_note(f"Its vectors are deleted later: {warning}")


@contextmanager
def _archive(*, with_index: bool = False, offline: bool = False) -> Generator[Archive | None]:
    """Archival memory, or None where there is none yet; looking needs no index."""
    from bridle.agent.archival.archive import Archive
    from bridle.agent.archival.indexes import open_archive
    from bridle.endpoints.config import load_config

    with existing_store() as store:
        if store is None:
            yield None
            return
        with open_archive(store, load_config(), offline=offline) if with_index else Archive(store) as archive:
            yield archive


def _info(archive: Archive | None, name: str) -> SourceInfo:
    infos: tuple[SourceInfo, ...] = archive.sources() if archive else ()
    for info in infos:
        if info.name == name:
            return info
    known = ", ".join(info.name for info in infos)
    hint = f"the sources are: {known}" if known else "there are none yet; `bridle load` makes one"
    raise InputError(f"there is no source {name!r}", hint=hint)


def _line(info: SourceInfo) -> str:
    numbers = ((info.passages, "passage"), (info.documents, "document"), (info.files, "file"))
    counts = ", ".join(output.counted(count, noun) for count, noun in numbers)
    failed = f" ({info.failed} failed)" if info.failed else ""
    attached = f", attached to {', '.join(info.attached)}" if info.attached else ""
    return output.printable(f"{info.name}: {counts}{failed}{attached}")


def _facts(info: SourceInfo) -> dict[str, object]:
    return {
        "name": info.name,
        "description": info.description,
        "passages": info.passages,
        "documents": info.documents,
        "files": info.files,
        "failed": info.failed,
        "attached": list(info.attached),
        "created": time_text(info.created_ns),
    }


def _file_line(file: SourceFile) -> str:
    counts = f"{output.counted(file.passages, 'passage')}, {output.counted(file.documents, 'document')}"
    status = "" if file.status == "loaded" else f", {_STATUS[file.status]}"
    error = f": {file.error}" if file.error else ""
    return output.printable(f"{file.address}: {counts}{status}{error}")


_STATUS = {"loading": "not loaded to its end", "failed": "failed"}


def _file_facts(file: SourceFile) -> dict[str, object]:
    return {
        "address": file.address,
        "status": file.status,
        "passages": file.passages,
        "documents": file.documents,
        "size": file.size,
        "error": file.error,
        "loaded": time_text(file.loaded_ns) if file.loaded_ns else None,
    }
