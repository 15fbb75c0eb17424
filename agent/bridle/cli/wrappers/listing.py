"""`bridle wrappers list | show | use`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from bridle.cli import output
from bridle.cli.screen import visible

if TYPE_CHECKING:
    from bridle.cli.wrappers.facts import Row
    from bridle.messages import JSON

__all__ = ["list_wrappers", "show", "use"]

WIDE = 100
"""Columns of a terminal from which on the list fits in a table."""


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per format.")
def list_wrappers(as_json: bool) -> None:
    """List the wrappers: those that come along, those of packages, and your own.

    A file of your own that cannot be used is listed with what is wrong.
    """
    from bridle.cli.wrappers.facts import rows
    from bridle.wrappers import user_folder

    found = rows()
    for row in found if as_json else ():
        output.print_json(asdict(row))
    if not as_json:
        _print_rows(found)
        output.print_note(f"Your own formats lie in {user_folder()}; `bridle wrappers show NAME` tells more.")


@click.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(name: str, as_json: bool) -> None:
    """Show all of the wrapper NAME, or of the file NAME.toml."""
    from bridle.cli.wrappers.facts import describe
    from bridle.wrappers import format_files, get_wrapper

    wrapper = get_wrapper(name)
    file = format_files().get(wrapper.format.name)
    facts = describe(wrapper, file.origin if file else "")
    if as_json:
        output.print_json(facts)
    else:
        _print_facts(facts)


@click.command("use")
@click.argument("name")
@click.option("--model", required=True, metavar="M", help="The model, as its endpoint calls it.")
def use(name: str, model: str) -> None:
    """Keep in the config file that the model M gets the wrapper NAME, wherever it runs.

    NAME may be the path of a .toml file, or `template`: the model's own chat template. `auto` forgets what
    was kept.
    """
    from bridle.endpoints.choose import OWN
    from bridle.endpoints.config import load_config, save_wrapper
    from bridle.wrappers import get_wrapper

    if name not in ("auto", OWN):
        get_wrapper(name)
    if name.lower().endswith((".toml", ".yaml", ".yml")):
        name = os.path.abspath(name)
    config = load_config()
    if name == "auto" and model.strip() and model not in config.wrappers:
        output.print_note(f"Nothing was kept for the model {model} ({config.file}).")
        return
    file = save_wrapper(model, name)
    kept = "is chosen by its own template again" if name == "auto" else f"gets the wrapper {name}"
    output.print_note(f"The model {model} {kept} ({file}).")


def _print_rows(found: Sequence[Row]) -> None:
    if sys.stdout.isatty():
        _print_table(found)
        return
    for row in found:
        about = [row.problem] if row.problem else [row.title, row.syntax, row.origin, " ".join(row.aliases)]
        click.echo("\t".join(map(output.printable, (row.name, *about))))


def _print_table(found: Sequence[Row]) -> None:
    """A table, or where that would cut names a paragraph for each."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = output.console()
    narrow = console.width < WIDE
    table = Table("name", "for", "calls", "from", box=None, pad_edge=False, header_style="bold")
    for row in found:
        about = Text(visible(row.title))
        if row.problem:
            about = Text(output.printable(row.problem), style="red")
        if row.aliases:
            about.append(f"\nalso {', '.join(row.aliases)}", style="dim")
        if narrow:
            kind = f"  {row.syntax}, {row.origin}" if row.syntax else ""
            console.print(Text.assemble((row.name, "bold"), (kind, "dim")))
            console.print(Padding(about, (0, 0, 0, 2)))
        table.add_row(Text(row.name, style="bold", no_wrap=True), about, row.syntax, row.origin)
    if not narrow:
        console.print(table)


_LABELS: Mapping[str, str] = {
    "means": "stands for",
    "source": "source",
    "origin": "comes from",
    "syntax": "call syntax",
    "thoughts_place": "thoughts",
    "layout": "written by",
    "system_role": "has system turns",
    "bos": "begins with",
    "generation": "answer follows",
    "stop": "stops at",
    "special": "special tokens",
    "marks": "marks",
    "detect": "detected by",
    "template_values": "options",
    "aliases": "other names",
}


def _print_facts(facts: Mapping[str, JSON]) -> None:
    from rich.text import Text

    console = output.console()
    console.print(Text(f"{facts['name']}: {visible(str(facts['title']))}", style="bold"))
    lines = [
        (label, _shown(facts[key]))
        for key, label in _LABELS.items()
        if facts[key] not in ("", [], {}) or key == "system_role"
    ]
    lines += [("differs", visible(line)) for line in _listed(facts["differences"])]
    for label, text in lines:
        console.print(Text.assemble((f"  {label + ':':<18} ", "dim"), text))
    for title, key in (("A call looks like this", "call"), ("Tools are listed like this", "tools")):
        text = str(facts[key])
        if text:
            console.print(Text(f"\n{title}:", style="bold"))
            console.print(Text(visible(text)), soft_wrap=True)


def _shown(value: JSON) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "  ".join(_escaped(str(one)) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} = {json.dumps(one, ensure_ascii=False)}" for key, one in value.items())
    return _escaped(str(value))


def _listed(value: JSON) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _escaped(text: str) -> str:
    """Text on one line, with line breaks that a reader sees."""
    return visible(text.replace("\n", "\\n"))
