"""`bridle wrappers parse`: what a wrapper reads in a model's text."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from bridle.cli import output
from bridle.cli.files import load_tools, read_text
from bridle.cli.screen import visible

if TYPE_CHECKING:
    from bridle.messages import JSON, Finish, ToolCall, ToolSpec
    from bridle.wrappers import Reading

__all__ = ["parse"]

ANY = "any"


@click.command("parse")
@click.argument("name")
@click.option("--tools", "tools_file", required=True, metavar="FILE", help="JSON: tools in OpenAI's shape.")
@click.option(
    "--finish",
    type=click.Choice(["stop", "length"]),
    default="stop",
    show_default=True,
    help="Why the text ended; with length a call that is cut off is refused as such.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def parse(name: str, tools_file: str, finish: Finish, as_json: bool) -> int:
    """Read a model's text from standard input, as the wrapper NAME does.

    `any` asks for no dialect in particular. Ends with 0 when a call or text was read, and with 1 when there
    was something like a call that must not be made, or nothing.

    \b
    bridle wrappers parse hermes --tools lamp.json < answer.txt
    """
    from bridle.messages import as_tools

    tools = as_tools(load_tools(tools_file))
    if sys.stdin and sys.stdin.isatty():
        end = "Ctrl-Z and Enter" if sys.platform == "win32" else "Ctrl-D"
        output.print_note(f"Reading the model's text from standard input; end it with {end}.")
    reading = _read(name, read_text("-", "the text on"), tools, finish)
    if as_json:
        output.print_json(_as_json(reading))
    else:
        _print(reading)
    return 0 if (reading.calls or reading.text) and not reading.refusals else 1


def _read(name: str, raw: str, tools: tuple[ToolSpec, ...], finish: Finish) -> Reading:
    from bridle.wrappers import get_wrapper, read_calls

    if name == ANY:
        return read_calls(raw, tools, {"finish_reason": finish})
    return get_wrapper(name).read(raw, tools, finish)


def _as_json(reading: Reading) -> dict[str, JSON]:
    return {
        "calls": [{"name": call.name, "arguments": dict(call.arguments)} for call in reading.calls],
        "text": reading.text,
        "thoughts": reading.thoughts,
        "repairs": [
            {"what": one.what, "where": one.where, "before": one.before, "after": one.after}
            for one in reading.repairs
        ],
        "refusals": [{"reason": one.reason, "text": one.text} for one in reading.refusals],
    }


def _print(reading: Reading) -> None:
    """Calls and text to standard output, all that was done to get them to standard error."""
    if reading.thoughts:
        output.print_note(f"thoughts: {reading.thoughts}")
    if reading.text:
        click.echo(_shown(reading.text))
    for call in reading.calls:
        click.echo(_shown(_call_line(call)))
    for repair in reading.repairs:
        output.print_note(
            f"repaired at character {repair.where}: {repair.what}, {repair.before!r} became {repair.after!r}"
        )
    for refusal in reading.refusals:
        output.print_note(f"not a call: {refusal.reason}")
    if not (reading.text or reading.calls or reading.refusals):
        output.print_note("there is no call and no text")


def _call_line(call: ToolCall) -> str:
    return f"{call.name} {json.dumps(dict(call.arguments), ensure_ascii=False)}"


def _shown(text: str) -> str:
    return visible(text) if sys.stdout.isatty() else text
