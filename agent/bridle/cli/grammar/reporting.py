"""`bridle grammar report`: for each keyword of a schema and each target, is it enforced?"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import click

from bridle.cli import output
from bridle.cli.files import read_text
from bridle.cli.grammar.inputs import PROFILES, THE_FILE, kind_of, read_schema, read_tools
from bridle.cli.grammar.notations import SIGNS, is_narrowing
from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.grammars.report import Report
    from bridle.messages import JSON

__all__ = ["TARGETS", "Column", "report"]

TARGETS = ("llguidance", "gbnf", *PROFILES)
ALL = "all"

Status = Literal["enforced", "weakened", "narrowed", "refused"]
Row = tuple[str, str]
"""A place and a keyword, as they are shown."""

MARKS: Mapping[str, tuple[str, str, str]] = {
    "enforced": ("✓", "+", "green"),
    "weakened": ("~", "~", "yellow"),
    "narrowed": ("<", "<", "cyan"),
    "refused": ("✗", "x", "red"),
}
"""How each status is shown: a character, the one of a poorer encoding, and a colour."""

MEANINGS: Mapping[str, str] = {
    "enforced": "enforced",
    "weakened": "not enforced: checked after reading",
    "narrowed": "held more tightly than the schema says",
    "refused": "refused: the target cannot take the schema",
}


@dataclass(frozen=True, slots=True)
class Column:
    """What one target makes of each row."""

    target: str
    status: Mapping[Row, Status]


@click.command("report")
@click.argument("schema", metavar="SCHEMA")
@click.option(
    "--target",
    "targets",
    type=click.Choice([*TARGETS, ALL]),
    multiple=True,
    metavar="T",
    help=f"{', '.join(TARGETS)} or all; may be given again. Default: all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per target.")
def report(schema: str, targets: tuple[str, ...], as_json: bool) -> None:
    """Say for each keyword of a JSON Schema and each target whether it is enforced.

    SCHEMA is a file of a JSON Schema, or of tools, `-` for standard input. llguidance and gbnf hold it in
    process, the other targets are servers that are sent a JSON Schema. What is not enforced is checked after
    reading. In a pipe each line is PLACE, KEYWORD, TARGET and what becomes of it.

    \b
    bridle grammar report person.json
    bridle grammar report person.json --target lmstudio --target gbnf
    """
    wanted = TARGETS if not targets or ALL in targets else tuple(dict.fromkeys(targets))
    schemas = _schemas(schema)
    columns = [_column(schemas, target) for target in wanted]
    if as_json:
        for column in columns:
            output.print_json(_as_json(column))
        return
    rows = _rows(columns, _places(schemas))
    if sys.stdout.isatty():
        _print_table(columns, rows)
    else:
        for row in rows:
            for column in columns:
                if row in column.status:
                    shown = map(output.printable, (*row, column.target, column.status[row]))
                    click.echo("\t".join(shown))


def _schemas(path: str) -> dict[str, Mapping[str, JSON] | bool]:
    """The schemas of a file, by the names of their tools; that of no tool has none."""
    text = read_text(path, THE_FILE)
    kind = kind_of(path, text)
    if kind == "gbnf":
        raise InputError(f"the file {path!r} is no JSON", hint="give a JSON Schema, or a list of tools")
    if kind == "schema":
        return {"": read_schema(path, text)}
    from bridle.grammars.json_schema import closed_parameters

    return {tool.name: closed_parameters(tool) for tool in read_tools(path, text)}


def _places(schemas: Mapping[str, Mapping[str, JSON] | bool]) -> list[str]:
    """The places of all keywords, in the order of the file."""
    from bridle.grammars.schema_keywords import restricting

    return [f"{name}#{pointer}" for name, schema in schemas.items() for pointer, _ in restricting(schema)]


def _column(schemas: Mapping[str, Mapping[str, JSON] | bool], target: str) -> Column:
    found: dict[Row, Status] = {}
    for name, schema in schemas.items():
        told = _report_of(schema, target)
        for status, entries in (
            ("enforced", told.enforced),
            ("weakened", told.weakened),
            ("refused", told.refused),
        ):
            for pointer, keyword in entries:
                narrowed = status == "weakened" and is_narrowing(keyword)
                # One of the three above.
                found[f"{name}#{pointer}", keyword] = "narrowed" if narrowed else cast("Status", status)
    return Column(target, found)


def _report_of(schema: Mapping[str, JSON] | bool, target: str) -> Report:
    from bridle.grammars import enforcement
    from bridle.grammars.profiles import report_of

    for profile in PROFILES:
        if profile == target:
            return report_of(schema, profile)
    return enforcement(schema, "gbnf" if target == "gbnf" else "llguidance")


def _rows(columns: Sequence[Column], places: Sequence[str]) -> list[Row]:
    """All rows, sorted by where their places stand in the schema."""
    rows = dict.fromkeys(row for column in columns for row in column.status)
    order = {place: i for i, place in enumerate(dict.fromkeys((*places, *(place for place, _ in rows))))}
    return sorted(rows, key=lambda row: order[row[0]])


def _as_json(column: Column) -> dict[str, object]:
    found: dict[str, object] = {"target": column.target}
    for wanted in MARKS:
        found[wanted] = [list(row) for row, status in column.status.items() if status == wanted]
    return found


def _print_table(columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """Targets that make the same of everything share a column."""
    from rich.table import Table
    from rich.text import Text

    console = output.console()
    groups: list[tuple[list[str], Column]] = []
    for column in columns:
        same = next((names for names, one in groups if one.status == column.status), None)
        if same is None:
            groups.append(([column.target], column))
        else:
            same.append(column.target)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("place and keyword", overflow="fold", vertical="bottom")
    for names, _ in groups:
        table.add_column("\n".join(names), no_wrap=True, vertical="bottom")
    plain = not _can_show("✓✗")
    for row in rows:
        place = Text.assemble((f"{output.printable(row[0])} ", "dim"), output.printable(row[1]))
        cells = [_cell(column.status.get(row), plain) for _, column in groups]
        table.add_row(place, *(Text(mark, style=style) for mark, style in cells))
    console.print(table)
    for line in _legend(columns, plain):
        console.print(Text(line, style="dim"))


def _legend(columns: Sequence[Column], plain: bool) -> list[str]:
    seen = {status for column in columns for status in column.status.values()}
    keywords = {keyword for column in columns for _, keyword in column.status}
    marks = [f"{_cell(status, plain)[0]} {MEANINGS[status]}" for status in MEANINGS if status in seen]
    signs = [f"{sign}: {meaning}" for sign, meaning in SIGNS.items() if sign in keywords]
    sent = "generic: sent as it is; what its server holds is not known"
    return ["; ".join(marks), *signs, *([sent] if any(one.target == "generic" for one in columns) else [])]


def _cell(status: str | None, plain: bool) -> tuple[str, str]:
    if status is None:
        return "", ""
    mark, poorer, style = MARKS[status]
    return (poorer if plain else mark), style


def _can_show(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
