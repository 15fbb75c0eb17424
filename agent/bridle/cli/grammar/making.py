"""`bridle grammar from-tools | from-schema`: a constraint as text, to be sent to whatever holds it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from bridle.cli import output
from bridle.cli.grammar.inputs import (
    DIALECTS,
    PROFILES,
    Command,
    as_mode,
    quotes_option,
    read_schema,
    read_tools,
    turn_options,
)
from bridle.cli.grammar.notations import NOTATIONS, SIGNS, Form, Turn, of_schema, of_tools
from bridle.cli.screen import visible

if TYPE_CHECKING:
    from bridle.cli.grammar.notations import Constraint, Notation
    from bridle.grammars import Profile
    from bridle.grammars.gbnf_dialects import Dialect

__all__ = ["FormOptions", "SchemaOptions", "ToolsOptions", "from_schema", "from_tools"]

SHOWN_PLACES = 3  # of those that one note is about


class FormOptions(TypedDict):
    """How the constraint shall be written, as it was given."""

    to: Notation | None
    dialect: Dialect | None
    profile: Profile | None
    strict: bool
    quotes: tuple[str, ...]


class ToolsOptions(FormOptions):
    """What `from-tools` was given."""

    file: str
    wrapper: str | None
    mode: str
    only: str | None
    parallel: int
    think: bool
    as_json: bool


class SchemaOptions(FormOptions):
    """What `from-schema` was given."""

    file: str
    as_json: bool


def _form_options(command: Command) -> Command:
    options = (
        click.option(
            "--to",
            type=click.Choice(NOTATIONS),
            metavar="NOTATION",
            help=f"{', '.join(NOTATIONS[:-1])} or {NOTATIONS[-1]}; default: gbnf.",
        ),
        click.option(
            "--dialect",
            type=click.Choice(DIALECTS),
            metavar="D",
            help=f"Who reads the GBNF: {', '.join(DIALECTS)}.",
        ),
        click.option(
            "--profile",
            type=click.Choice(PROFILES),
            metavar="P",
            help=f"Who holds the JSON Schema: {', '.join(PROFILES)}.",
        ),
        click.option("--strict", is_flag=True, help="Fail where something is not enforced."),
        quotes_option,
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command("from-tools")
@click.argument("file", metavar="FILE")
@turn_options
@_form_options
def from_tools(**options: Unpack[ToolsOptions]) -> None:
    """Write the constraint of a turn that may call tools.

    FILE is JSON: tools as OpenAI, MCP or Anthropic write them; `-` is standard input. The constraint goes to
    standard output; what it does not enforce, and only a check after reading can, is noted on standard
    error. A JSON Schema is that of one call: with the wrapper's keys, if one is named.

    \b
    bridle grammar from-tools lamp.json --wrapper hermes > lamp.gbnf
    bridle grammar from-tools lamp.json --profile lmstudio
    """
    form = _form(options)
    turn = Turn(
        options["wrapper"],
        as_mode(options["mode"]),
        options["only"],
        options["parallel"],
        options["think"],
    )
    _print(of_tools(read_tools(options["file"]), turn, form), form, options["as_json"])


@click.command("from-schema")
@click.argument("file", metavar="FILE")
@_form_options
def from_schema(**options: Unpack[SchemaOptions]) -> None:
    """Write the constraint of one JSON value.

    FILE is a JSON Schema; `-` is standard input. The constraint goes to standard output; what it does
    not enforce, and only a check after reading can, is noted on standard error.

    \b
    bridle grammar from-schema person.json > person.gbnf
    bridle grammar from-schema person.json --profile ollama
    """
    form = _form(options)
    _print(of_schema(read_schema(options["file"]), form), form, options["as_json"])


def _form(options: FormOptions) -> Form:
    """What was asked for; a dialect or a profile says which notation is meant."""
    to, dialect, profile = options["to"], options["dialect"], options["profile"]
    for value, option, meant in ((dialect, "--dialect", "gbnf"), (profile, "--profile", "json-schema")):
        if value is not None and to not in (None, meant):
            raise click.UsageError(f"{option} is for --to {meant}, not for --to {to}")
    if dialect is not None and profile is not None:
        raise click.UsageError("--dialect is for --to gbnf, and --profile for --to json-schema: give one")
    implied: Notation = "gbnf" if profile is None else "json-schema"
    return Form(
        to or implied,
        dialect or "llama.cpp",
        profile or "generic",
        options["strict"],
        options["quotes"],
    )


def _print(made: Constraint, form: Form, as_json: bool) -> None:
    if as_json:
        output.print_json(
            {
                "to": form.to,
                "dialect": form.dialect if form.to == "gbnf" else None,
                "profile": form.profile if form.to == "json-schema" else None,
                "constraint": made.body,
                "weakened": list(made.weakened),
                "narrowed": list(made.narrowed),
                "longest_bytes": made.longest_bytes,
                "notes": list(made.notes),
            }
        )
        return
    body = made.body
    _write(body if isinstance(body, str) else json.dumps(body, indent=2, ensure_ascii=False) + "\n")
    for note in made.notes:
        output.print_note(f"note: {note}")
    for entry in made.weakened:
        output.print_note(f"not enforced: {entry}")
    for line in _narrowed(made.narrowed):
        output.print_note(f"narrower than the schema: {line}")
    if made.longest_bytes is not None:
        output.print_note(f"the longest sentence has {made.longest_bytes:,} bytes")


def _narrowed(entries: Sequence[str]) -> list[str]:
    """One line for each of bridle's own keywords, since many tools have many places."""
    places: dict[str, list[str]] = {}
    for entry in entries:
        place, _, keyword = entry.rpartition(" ")
        places.setdefault(keyword, []).append(place)
    lines: list[str] = []
    for keyword, found in places.items():
        more = f" and {len(found) - SHOWN_PLACES:,} more" if len(found) > SHOWN_PLACES else ""
        lines.append(f"{', '.join(found[:SHOWN_PLACES])}{more}: {SIGNS.get(keyword, keyword)} ({keyword})")
    return lines


def _write(text: str) -> None:
    """Show a constraint in a terminal; a pipe gets it as it is, whatever the terminal's encoding."""
    if sys.stdout.isatty():
        sys.stdout.write(visible(text))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()
