"""`bridle agents personas | humans | presets`: what a new agent can begin with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from bridle.cli import output

if TYPE_CHECKING:
    from bridle.agent.presets import Shelved

__all__ = ["humans", "personas", "presets"]

_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")


@click.command("personas")
@click.argument("name", required=False)
@_json_option
def personas(name: str | None, as_json: bool) -> None:
    """List the personas, or show the one called NAME.

    Your own are text files in the folder `personas` of the data directory.
    """
    from bridle.agent.presets import persona_text
    from bridle.agent.presets import personas as shelf
    from bridle.endpoints.config import home

    _tell(name, shelf(home()), lambda one: persona_text(one, home()), as_json)


@click.command("humans")
@click.argument("name", required=False)
@_json_option
def humans(name: str | None, as_json: bool) -> None:
    """List what an agent can know of you at first, or show the text called NAME.

    Your own are text files in the folder `humans` of the data directory.
    """
    from bridle.agent.presets import human_text
    from bridle.agent.presets import humans as shelf
    from bridle.endpoints.config import home

    _tell(name, shelf(home()), lambda one: human_text(one, home()), as_json)


@click.command("presets")
@_json_option
def presets(as_json: bool) -> None:
    """List the presets: persona, human, instructions and tools in one name.

    Your own are TOML files in the folder `presets` of the data directory.
    """
    from bridle.agent.presets import load_preset
    from bridle.agent.presets import presets as shelf
    from bridle.endpoints.config import home

    found = shelf(home())
    _list(found, [load_preset(one.name, home()).description for one in found], as_json)


def _tell(name: str | None, shelf: Sequence[Shelved], read: Callable[[str], str], as_json: bool) -> None:
    """Show one text, or list all."""
    if name is not None:
        _show(name, read(name), as_json)
    else:
        _list(shelf, [read(one.name) for one in shelf], as_json)


def _list(shelf: Sequence[Shelved], texts: Sequence[str], as_json: bool) -> None:
    for one, text in zip(shelf, texts, strict=True):
        if as_json:
            output.print_json({"name": one.name, "own": one.own, "path": str(one.path), "text": text})
        else:
            first = text.partition("\n")[0]
            click.echo(output.printable(f"{one.name}{' (your own)' * one.own}: {first}"))


def _show(name: str, text: str, as_json: bool) -> None:
    if as_json:
        output.print_json({"name": name, "text": text})
    else:
        for line in text.splitlines():
            click.echo(output.printable(line))
