"""`bridle grammar accepts`: does a text fit a grammar, a schema or a turn, and where does it not?"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from bridle.cli import output
from bridle.cli.files import STDIN, read_text
from bridle.cli.grammar.inputs import (
    DIALECTS,
    THE_FILE,
    Kind,
    as_mode,
    kind_of,
    quotes_of,
    quotes_option,
    read_schema,
    read_tools,
    turn_grammar,
    turn_options,
    wrapper_of,
)
from bridle.errors import GrammarError

if TYPE_CHECKING:
    from bridle.grammars.gbnf_dialects import Dialect
    from bridle.grammars.gbnf_matching import GbnfMatcher, Reach
    from bridle.grammars.report import Entry
    from bridle.messages import JSON

__all__ = ["Options", "Recogniser", "accepts", "listed_characters"]

SHOWN_CHARS = 30  # of the text before the place where it stops
LISTED = 8  # ranges of characters that may follow


class Options(TypedDict):
    """What `bridle grammar accepts` was given."""

    file: str
    text: str | None
    wrapper: str | None
    mode: str
    only: str | None
    parallel: int
    think: bool
    dialect: Dialect | None
    quotes: tuple[str, ...]
    as_json: bool


@dataclass(frozen=True, slots=True)
class Recogniser:
    """What tells whether texts fit, the keywords that it does not hold, and the schema if it is of one."""

    kind: Kind
    matcher: GbnfMatcher
    weakened: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    schema: Mapping[str, JSON] | bool | None = None


@click.command("accepts")
@click.argument("file", metavar="FILE")
@click.option("--text", metavar="TEXT", help="The text; default: standard input.")
@turn_options
@click.option("--dialect", type=click.Choice(DIALECTS), help="How the GBNF is read; default: llama.cpp.")
@quotes_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def accepts(**options: Unpack[Options]) -> int:
    """Say whether a text fits FILE: a GBNF grammar, a JSON Schema, or tools. Ends with 0 for yes, 1 for no.

    A schema means what JSON Schema says: objects are open unless they are closed. The text must be spelled
    as json.dumps(value, ensure_ascii=False) does. Of tools it is a whole turn, which the options describe. A
    line break at the end of standard input does not count where it does not fit.

    \b
    bridle grammar accepts person.json --text '{"name": "Ada", "age": 36}'
    bridle grammar accepts lamp.json --wrapper hermes < answer.txt
    """
    if options["file"] == STDIN and options["text"] is None:
        raise click.UsageError("FILE and the text cannot both be standard input: give --text TEXT")
    recogniser = _recogniser(options)
    reach, text = _reach(recogniser.matcher, options["text"])
    if options["as_json"]:
        output.print_json(_as_json(recogniser, reach, text))
    else:
        _print(recogniser, reach, text)
    return 0 if reach.accepted else 1


def _recogniser(options: Options) -> Recogniser:
    file = options["file"]
    text = read_text(file, THE_FILE)
    kind = kind_of(file, text)
    if kind != "tools":
        given = {
            "--wrapper": options["wrapper"] is not None,
            "--mode": options["mode"] != "call",
            "--only": options["only"] is not None,
            "--parallel": options["parallel"] > 1,
            "--think": options["think"],
        }
        for option in (option for option in given if given[option]):
            raise click.UsageError(f"{option} is for tools, and {file!r} holds {_WORDS[kind]}")
    if kind != "gbnf" and options["dialect"] is not None:
        raise click.UsageError(f"--dialect is for GBNF, and {file!r} holds {_WORDS[kind]}")
    if kind == "gbnf":
        return _of_gbnf(file, text, options["dialect"] or "llama.cpp")
    return _of_schema(file, text, options) if kind == "schema" else _of_tools(file, text, options)


_WORDS: Mapping[Kind, str] = {"gbnf": "a GBNF grammar", "schema": "a JSON Schema", "tools": "tools"}


def _of_gbnf(file: str, text: str, dialect: Dialect) -> Recogniser:
    from bridle.grammars import check_gbnf
    from bridle.grammars.gbnf_matching import GbnfMatcher

    try:
        check_gbnf(text, dialect=dialect)
        return Recogniser("gbnf", GbnfMatcher(text, dialect))
    except GrammarError as error:
        raise GrammarError(
            f"the file {file!r} is no sound GBNF grammar: {error.message}", line=error.line, hint=error.hint
        ) from error


def _of_schema(file: str, text: str, options: Options) -> Recogniser:
    from bridle.grammars import to_gbnf
    from bridle.grammars.gbnf_matching import GbnfMatcher
    from bridle.grammars.open_schema import open_grammar

    schema = read_schema(file, text)
    weakened: dict[Entry, None] = {}
    grammar = open_grammar(schema, lambda pointer, keyword, _: weakened.setdefault((pointer, keyword)))
    entries = tuple(f"#{pointer} {keyword}" for pointer, keyword in weakened)
    return Recogniser("schema", GbnfMatcher(to_gbnf(grammar)), entries, (), schema)


def _of_tools(file: str, text: str, options: Options) -> Recogniser:
    from bridle.grammars import to_gbnf
    from bridle.grammars.gbnf_matching import GbnfMatcher

    wrapper, note = wrapper_of(options["wrapper"])
    grammar = turn_grammar(
        read_tools(file, text),
        wrapper,
        as_mode(options["mode"]),
        only=options["only"],
        parallel=options["parallel"],
        think=options["think"],
        loosen=True,
        quotes=quotes_of(options["quotes"]),
    )
    return Recogniser("tools", GbnfMatcher(to_gbnf(grammar)), grammar.weakened, (note,) if note else ())


def _reach(matcher: GbnfMatcher, given: str | None) -> tuple[Reach, str]:
    """How far the text goes; a file's last line break is left out where that lets it fit."""
    if given is not None:
        return matcher.follow(given), given
    if sys.stdin and sys.stdin.isatty():
        end = "Ctrl-Z and Enter" if sys.platform == "win32" else "Ctrl-D"
        output.print_note(f"Reading the text from standard input; end it with {end}.")
    text = read_text(STDIN, "the text on")
    reach = matcher.follow(text)
    bare = text.removesuffix("\n").removesuffix("\r")
    return (reach, text) if reach.accepted or bare == text else (matcher.follow(bare), bare)


def _print(recogniser: Recogniser, reach: Reach, text: str) -> None:
    click.echo("yes" if reach.accepted else output.printable(_refusal(reach, text)))
    for note in recogniser.notes:
        output.print_note(f"note: {note}")
    for entry in recogniser.weakened if reach.accepted else ():
        output.print_note(f"not enforced: {entry}")
    for note in _doubts(recogniser, reach, text):
        output.print_note(f"note: {note}")


def _refusal(reach: Reach, text: str) -> str:
    """Where a text stops fitting, and what could stand there."""
    n_chars = reach.n_chars
    place = f"no, after {n_chars} character{'s' * (n_chars != 1)}"
    if "\n" in text[:n_chars]:
        line = text.count("\n", 0, n_chars) + 1
        place += f" (line {line}, column {n_chars - text.rfind(chr(10), 0, n_chars)})"
    before = text[max(0, n_chars - SHOWN_CHARS) : n_chars]
    behind = f"behind {before!r}" if before else "at the beginning"
    can = listed_characters(reach.allowed)
    if n_chars == len(text):
        return f"{place}: the text ends too early, {behind}; {can} can follow"
    other = f"{can} can" if can else "the text can only end"
    return f"{place}: {text[n_chars]!r} cannot stand {behind}; {other}"


def listed_characters(ranges: Sequence[tuple[int, int]]) -> str:
    """Name the characters of some ranges, or the first of many; empty for none.

    >>> listed_characters(((48, 57), (125, 125)))
    "'0' to '9' or '}'"
    """
    named: list[str] = []
    for first, last in ranges[:LISTED]:
        named += [repr(chr(first))] if first == last else [f"{chr(first)!r} to {chr(last)!r}"]
    if len(ranges) > LISTED:
        named.append("others")
    return " or ".join(part for part in (", ".join(named[:-1]), *named[-1:]) if part)


def _doubts(recogniser: Recogniser, reach: Reach, text: str) -> list[str]:
    """Where a grammar and its schema do not say the same of a text."""
    if recogniser.schema is None:
        return []
    from bridle.grammars.schema_keywords import validator_of

    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return []
    spelled = json.dumps(value, ensure_ascii=False)
    valid = validator_of(recogniser.schema).is_valid(value)
    if reach.accepted and not valid:
        return ["the schema itself refuses the value, by what is not enforced"]
    if not reach.accepted and recogniser.matcher.matches(spelled):
        return [f"the same value is accepted when it is spelled {_cut(spelled)}"]
    return []


def _cut(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:199]}…"


def _as_json(recogniser: Recogniser, reach: Reach, text: str) -> dict[str, object]:
    rest = text[reach.n_chars : reach.n_chars + 1]
    return {
        "accepts": reach.accepted,
        "as": recogniser.kind,
        "characters": reach.n_chars,
        "found": rest,
        "allowed": [[chr(first), chr(last)] for first, last in reach.allowed[:LISTED]],
        "weakened": list(recogniser.weakened),
        "notes": [*recogniser.notes, *_doubts(recogniser, reach, text)],
    }
