"""`bridle config`: which settings are in force, where each comes from, and where the file is."""

from __future__ import annotations

from dataclasses import asdict

import click

from bridle.cli import output

__all__ = ["command"]


@click.group("config")
def command() -> None:
    """Show the settings that are in force. `bridle configure` changes them."""


@command.command("show")
@click.option("--origin", is_flag=True, help="Say where each comes from: the file and line, or a variable.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(origin: bool, as_json: bool) -> None:
    """Print every setting in force; keys are masked."""
    from bridle.endpoints.effective import effective_settings

    settings = effective_settings()
    if as_json:
        output.print_json({"settings": [asdict(one) for one in settings]})
        return
    for one in settings:
        shown = "not set" if one.value is None else str(one.value)
        shown = shown.lower() if isinstance(one.value, bool) else shown
        end = f"    ({one.origin})" if origin else ""
        click.echo(output.printable(f"{one.name} = {shown}{end}"))


@command.command("path")
def path() -> None:
    """Print where the config file is, or would be."""
    from bridle.endpoints.config import config_file

    click.echo(str(config_file()))
