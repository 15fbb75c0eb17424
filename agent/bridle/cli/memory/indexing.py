"""`bridle memory status | reindex | reembed`: the vectors of archival memory, and the text index."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from bridle.cli import output
from bridle.cli.existing import existing_store, store_of

if TYPE_CHECKING:
    from bridle.agent.archival.archive import Archive
    from bridle.agent.archival.outbox import OnProgress

__all__ = ["reembed", "reindex", "status"]

_agent = click.argument("agent", required=False)
_offline = click.option("--offline", is_flag=True, help="Connect to nothing but this machine.")
_json = click.option("--json", "as_json", is_flag=True, help="Print progress as JSON lines.")


@click.command("status")
@_agent
@_offline
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(agent: str | None, offline: bool, as_json: bool) -> None:
    """Show how many passages and vectors there are, of which embedder, and what waits.

    All agents of a home share the index; AGENT only has to exist.
    """
    with _opened(agent, offline) as archive:
        if archive is None:
            output.print_note("There is no memory yet; `bridle chat` makes it.")
            return
        found = archive.status()
    if as_json:
        output.print_json(asdict(found))
        return
    click.echo(f"passages    {found.passages:,}")
    click.echo(f"vectors     {found.vectors:,}")
    click.echo(f"waiting     {found.waiting:,}")
    for name, text in (
        ("embedder", found.embedder or "none: searches go by words"),
        ("index", found.index),
        ("configured", found.configured),
        ("warning", found.warning),
    ):
        if text:
            click.echo(output.printable(f"{name:<11} {text}"))


@click.command("reindex")
@_agent
@_offline
@_json
def reindex(agent: str | None, offline: bool, as_json: bool) -> None:
    """Build the text index anew, and make the vectors that are missing."""
    with _opened(agent, offline) as archive, _progress("reindex", as_json) as on_progress:
        made = 0 if archive is None else archive.reindex(on_progress)
    if not as_json:
        click.echo("The text index is built anew.")
    _end(made, as_json)


@click.command("reembed")
@_agent
@click.option("--again", is_flag=True, help="Also those that this embedder has made before.")
@_offline
@_json
def reembed(agent: str | None, again: bool, offline: bool, as_json: bool) -> None:
    """Make all vectors with the embedder that is configured now.

    Old ones stay in use until the new are complete; when it is stopped, the next start goes on.
    """
    with _opened(agent, offline) as archive, _progress("reembed", as_json) as on_progress:
        made = 0 if archive is None else archive.reembed(on_progress, again=again)
    _end(made, as_json)


@contextmanager
def _opened(agent: str | None, offline: bool) -> Generator[Archive | None]:
    """Archival memory with what the configuration names; None where there is none yet."""
    from bridle.agent.archival.indexes import open_archive
    from bridle.endpoints.config import load_config

    with existing_store() if agent is None else store_of(agent) as store:
        if store is None:
            yield None
            return
        with closing(open_archive(store, load_config(), offline=offline)) as archive:
            yield archive


@contextmanager
def _progress(what: str, as_json: bool) -> Generator[OnProgress | None]:
    """A bar in a terminal, lines of JSON where they are asked for, else nothing."""
    if as_json:
        yield lambda done, total: output.print_json({"event": what, "done": done, "total": total})
        return
    console = output.console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _end(made: int, as_json: bool) -> None:
    if as_json:
        output.print_json({"event": "done", "vectors": made})
    else:
        click.echo(f"{output.counted(made, 'vector')} made.")
