"""`bridle grammar check`: what is wrong with a GBNF grammar, before it reaches what it could crash."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bridle.cli import output
from bridle.cli.files import STDIN, read_text
from bridle.cli.grammar.inputs import DIALECTS, THE_FILE, kind_of
from bridle.errors import GrammarError, InputError

if TYPE_CHECKING:
    from bridle.grammars.gbnf_dialects import Dialect

__all__ = ["check"]


@click.command("check")
@click.argument("file", metavar="FILE")
@click.option(
    "--dialect", type=click.Choice(DIALECTS), default="llama.cpp", show_default=True, help="Who will read it."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(file: str, dialect: Dialect, as_json: bool) -> int:
    """Check the GBNF grammar in FILE (`-` for standard input); ends with 1 if it is wrong.

    Refused is what its reader cannot parse, and what parses and then crashes or hangs llama.cpp: left
    recursion, an endless repetition of nothing, counts that are too large or run backwards.

    \b
    bridle grammar check mine.gbnf
    """
    from bridle.grammars import check_gbnf

    text = read_text(file, THE_FILE)
    found = kind_of(file, text)
    if found != "gbnf":
        what = "tools" if found == "tools" else "a JSON Schema"
        raise InputError(
            f"the file {file!r} holds {what}, no GBNF grammar",
            hint=f"to make one: `bridle grammar from-{found}`",
        )
    try:
        check_gbnf(text, dialect=dialect)
    except GrammarError as error:
        _tell(file, error, as_json)
        return 1
    if as_json:
        output.print_json({"file": file, "ok": True, "line": None, "message": "", "hint": ""})
    else:
        output.print_note(f"{_named(file)}: nothing is wrong")
    return 0


def _tell(file: str, error: GrammarError, as_json: bool) -> None:
    message = error.message.removeprefix(f"line {error.line}: ")
    if as_json:
        facts = {"line": error.line or None, "message": message, "hint": error.hint}
        output.print_json({"file": file, "ok": False, **facts})
        return
    place = f"{_named(file)}:{error.line}" if error.line else _named(file)
    click.echo(output.printable(f"{place}: {message}"))
    if error.hint:
        click.echo(output.printable(f"    {error.hint}"))


def _named(file: str) -> str:
    return "standard input" if file == STDIN else file
