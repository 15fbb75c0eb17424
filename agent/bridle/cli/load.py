"""`bridle load`: bring documents, pages and rows into a source that agents can be attached to.

MemGPT's spelling of the flags works too. Progress and what went wrong go to standard error, the last line to
standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from bridle.cli import output
from bridle.errors import InputError, SourceUnreadable

if TYPE_CHECKING:
    from bridle.agent.archival.archive import Archive
    from bridle.agent.loading import LoadReport, OnProgress, Outcome

__all__ = ["ManyValues", "command"]

INCOMPLETE = 4
CHUNK_CHARS = 1200  # that of bridle.agent.loading, which is not imported for `--help`; a test compares them
_Load = Callable[["Archive", "OnProgress | None"], "LoadReport"]


class ManyValues(click.Command):
    """A command whose options `many` take several values: `--input-files A B C`."""

    many: Sequence[str] = ("--input-files", "--urls", "--input-dir")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Write `--option A B` as `--option A --option B`, which is what click knows."""
        spelled: list[str] = []
        option = ""
        for at, arg in enumerate(args):
            if arg == "--":
                spelled += args[at:]
                break
            if arg.startswith("-") and arg != "-":
                option = arg if arg in self.many else ""
                if not option:
                    spelled.append(arg)
                elif at + 1 == len(args) or (args[at + 1] != "-" and args[at + 1].startswith("-")):
                    raise click.BadOptionUsage(option, f"Option {option!r} requires an argument.", ctx)
            elif option:
                spelled += [option, arg]
            else:
                spelled.append(arg)
        return super().parse_args(ctx, spelled)


def _shared(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every way to load has."""
    for option in (
        click.option("--offline", is_flag=True, help="Connect to nothing but this machine."),
        click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object."),
        click.option(
            "--chunk-chars",
            type=click.IntRange(40),
            default=CHUNK_CHARS,
            show_default=True,
            help="The most characters of a passage.",
        ),
        click.option("--name", required=True, help="The source; made when it is new."),
    ):
        function = option(function)
    return function


@click.group("load")
def command() -> None:
    """Load documents, pages and databases as sources.

    A source is searched by the agents that it is attached to: `bridle sources attach`, or /attach in a chat.
    Loading again reads what is new or has changed; a load that was stopped goes on where it was.
    """


@command.command("directory", cls=ManyValues)
@click.option("--input-dir", "folders", multiple=True, metavar="DIR", help="Load the files of this folder.")
@click.option(
    "--input-files", "files", multiple=True, metavar="FILE…", help="Load these files; patterns work, too."
)
@click.option("--recursive", is_flag=True, help="Go into the folders of the folder.")
@click.option("--extensions", metavar=".md,.txt", help="Take only these from folders and patterns.")
@click.option("--prune", is_flag=True, help="Delete what came from files that are no longer in the folder.")
@_shared
def load_files(
    name: str,
    folders: tuple[str, ...],
    files: tuple[str, ...],
    recursive: bool,
    extensions: str | None,
    prune: bool,
    chunk_chars: int,
    as_json: bool,
    offline: bool,
) -> int:
    """Load files and folders: PDF, Word, HTML, Markdown, text, code, CSV, JSON and JSON Lines."""
    from bridle.agent.loading import load_directory

    if not folders and not files:
        raise click.UsageError("give --input-files FILE… or --input-dir DIR")
    for folder in folders:
        if not Path(folder).expanduser().exists():
            raise InputError(f"there is no folder {folder!r}", hint="check the path")
        if not Path(folder).expanduser().is_dir():
            raise InputError(f"--input-dir {folder!r} is no folder", hint="give files by --input-files")

    def load(archive: Archive, on_progress: OnProgress | None) -> LoadReport:
        return load_directory(
            archive,
            name,
            [*folders, *files],
            recursive=recursive,
            extensions=extensions.split(",") if extensions else (),
            chunk_chars=chunk_chars,
            prune=prune,
            on_progress=on_progress,
        )

    return _run(load, as_json, offline, "Loading files")


@command.command("text")
@click.argument("file", metavar="FILE|-")
@_shared
def load_plain(name: str, file: str, chunk_chars: int, as_json: bool, offline: bool) -> int:
    """Load FILE, or standard input for `-`, as plain text."""
    from bridle.agent.loading import load_text
    from bridle.cli.files import STDIN, read_text

    text = read_text(STDIN, "FILE") if file == STDIN else Path(file)
    if isinstance(text, Path) and not text.expanduser().exists():
        raise InputError(f"there is no file {file!r}", hint="check the path")
    return _run(
        lambda archive, _: load_text(archive, name, text, chunk_chars=chunk_chars),
        as_json,
        offline,
        "Loading text",
    )


@command.command("webpage", cls=ManyValues)
@click.option("--urls", multiple=True, required=True, metavar="URL…", help="The pages.")
@_shared
def load_pages(name: str, urls: tuple[str, ...], chunk_chars: int, as_json: bool, offline: bool) -> int:
    """Load pages of the web, without following their links."""
    from bridle.agent.loading import load_webpages

    def load(archive: Archive, on_progress: OnProgress | None) -> LoadReport:
        return load_webpages(
            archive, name, urls, offline=offline, chunk_chars=chunk_chars, on_progress=on_progress
        )

    return _run(load, as_json, offline, "Loading pages")


@command.command("database")
@click.option("--query", required=True, metavar="SQL", help="One SELECT; each row is a document.")
@click.option("--uri", metavar="URI", help="sqlite:///FILE or postgresql://USER@HOST/DATABASE.")
@click.option("--text-column", default="", metavar="COLUMN", help="This column alone is the text.")
@click.option("--dump-path", metavar="FILE", help="A file of SQLite.")
@click.option("--scheme", default="postgresql", show_default=True, help="The kind of database, for --host.")
@click.option("--host", help="The database's server.")
@click.option("--port", type=int, help="Its port.")
@click.option("--user", help="Who logs in.")
@click.option("--password", help="Better in the variable PGPASSWORD.")
@click.option("--dbname", help="The database.")
@_shared
def load_rows(
    name: str,
    query: str,
    uri: str | None,
    text_column: str,
    dump_path: str | None,
    scheme: str,
    host: str | None,
    port: int | None,
    user: str | None,
    password: str | None,
    dbname: str | None,
    chunk_chars: int,
    as_json: bool,
    offline: bool,
) -> int:
    """Load the rows that a query finds in SQLite or Postgres."""
    from bridle.agent.loading import load_database

    if uri is None and dump_path is not None:
        uri = f"sqlite:///{quote(str(Path(dump_path).expanduser().absolute()))}"
    elif uri is None and host is not None:
        uri = _server_uri(scheme, host, port, user, password, dbname)
    if uri is None:
        raise click.UsageError("give --uri URI, --dump-path FILE or --host HOST")
    address = uri

    def load(archive: Archive, on_progress: OnProgress | None) -> LoadReport:
        return load_database(
            archive,
            name,
            address,
            query,
            text_column=text_column,
            offline=offline,
            chunk_chars=chunk_chars,
            on_progress=on_progress,
        )

    return _run(load, as_json, offline, "Loading rows")


def _server_uri(
    scheme: str, host: str, port: int | None, user: str | None, password: str | None, dbname: str | None
) -> str:
    login = quote(user or "", safe="") + (f":{quote(password, safe='')}" if password else "")
    where = f"[{host}]" if ":" in host else host
    return f"{scheme}://{login}{'@' if login else ''}{where}{f':{port}' if port else ''}/{dbname or ''}"


def _run(load: _Load, as_json: bool, offline: bool, title: str) -> int:
    from bridle.agent.archival.indexes import open_archive
    from bridle.agent.store import Store
    from bridle.endpoints.config import home, load_config

    with (
        Store(home()) as store,
        open_archive(store, load_config(), offline=offline) as archive,
        _progress(title) as on_progress,
    ):
        try:
            report = load(archive, on_progress)
        except KeyboardInterrupt:
            output.print_note("Stopped. What is loaded is kept; the same command goes on there.")
            raise
    return _tell(report, as_json)


@contextmanager
def _progress(title: str) -> Generator[OnProgress | None]:
    """A bar in a terminal, and nothing else elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    from bridle.agent.loading import LoadProgress

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn(
            "{task.fields[passages]:,} passages of {task.fields[file]}",
            markup=False,
            table_column=Column(no_wrap=True, overflow="ellipsis"),
        ),
    )
    with Progress(*columns, console=output.console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, passages=0, file="")

        def show(at: LoadProgress) -> None:
            file = output.printable(at.address.replace("\\", "/").rpartition("/")[2])[:40]
            bar.update(task, total=at.total, completed=at.number - 1, passages=at.passages, file=file)

        yield show


def _tell(report: LoadReport, as_json: bool) -> int:
    """Print what became of each file that is worth a line, and the last line; return the exit code."""
    failed = report.having("failed")
    is_nothing = bool(failed) and not report.having("loaded", "unchanged")
    if not (is_nothing and len(failed) == 1):
        for one in report.outcomes:
            _tell_one(one)
    if unchanged := report.having("unchanged"):
        kept = output.counted(sum(one.passages for one in unchanged), "passage")
        output.print_note(f"Unchanged: {output.counted(len(unchanged), 'file')} with {kept}.")
    if report.warning:
        output.print_note(f"Found by words only for now: {report.warning}")
    if as_json:
        output.print_json(_facts(report))
    if is_nothing:
        raise _nothing_loaded(failed)
    if not as_json:
        passages = output.counted(report.passages, "passage")
        documents = output.counted(report.documents, "document")
        click.echo(f"Loaded {passages} and {documents} from {output.printable(report.source)}")
    return 0 if report.is_complete else INCOMPLETE


def _nothing_loaded(failed: Sequence[Outcome]) -> SourceUnreadable:
    first = failed[0]
    if len(failed) == 1:
        return SourceUnreadable(f"{first.address}: {first.reason}", source=first.address, hint=first.hint)
    return SourceUnreadable(f"none of {len(failed)} files could be loaded", hint="see the lines above")


def _tell_one(one: Outcome) -> None:
    for note in (*one.notes, *one.losses):
        output.print_note(f"{one.address}: {note}")
    if one.status == "skipped":
        output.print_note(f"{one.address}: skipped: {one.reason}")
    elif one.status == "failed":
        output.print_error(f"{one.address}: {one.reason}", one.hint)
    elif one.status == "gone":
        kept = output.counted(one.passages, "passage")
        output.print_note(f"{one.address}: is no longer there; {kept} kept (--prune deletes them)")
    elif one.status == "removed":
        deleted = output.counted(one.passages, "passage")
        output.print_note(f"{one.address}: is no longer there; {deleted} deleted")


def _facts(report: LoadReport) -> dict[str, object]:
    return {
        "source": report.source,
        "passages": report.passages,
        "documents": report.documents,
        "complete": report.is_complete,
        "warning": report.warning,
        "files": [
            {
                "address": one.address,
                "status": one.status,
                "passages": one.passages,
                "documents": one.documents,
                "reason": one.reason,
                "notes": list(one.notes),
                "losses": list(one.losses),
            }
            for one in report.outcomes
        ],
    }
