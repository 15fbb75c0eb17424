"""Constraints as text: of tools or of a schema, in the notation that somebody asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bridle.cli.grammar.inputs import quotes_of, turn_grammar, wrapper_of
from bridle.errors import InputError, SchemaError

if TYPE_CHECKING:
    from bridle.grammars import Grammar, Mode, Profile
    from bridle.grammars.gbnf_dialects import Dialect
    from bridle.grammars.report import Entry, Report
    from bridle.messages import JSON, ToolSpec
    from bridle.wrappers import Wrapper
    from bridle.wrappers.syntax import CallShape

__all__ = [
    "NOTATIONS",
    "SIGNS",
    "Constraint",
    "Form",
    "Notation",
    "Turn",
    "is_narrowing",
    "of_schema",
    "of_tools",
]

Notation = Literal["gbnf", "lark", "json-schema", "regex", "structural-tag"]
NOTATIONS = ("gbnf", "lark", "json-schema", "regex", "structural-tag")


SIGNS: Mapping[str, str] = {
    "x-order": "members are written in the order of the schema",
    "x-closed": "members that the schema does not name are not written",
    "x-narrowed": "some of the values that the schema allows are not written",
    "x-null": "null is written where a member could be left out, and taken out after reading",
    "x-limits": "larger than the target takes",
    "x-impossible": "no value satisfies it",
}
"""What the keywords mean that are bridle's own."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a constraint shall be written."""

    to: Notation
    dialect: Dialect
    profile: Profile
    strict: bool
    quotes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn with calls shall look like."""

    wrapper: str | None
    mode: Mode
    only: str | None
    parallel: int
    think: bool


@dataclass(frozen=True, slots=True)
class Constraint:
    """What was written: a text, or JSON. `weakened` and `narrowed` are `PLACE KEYWORD`."""

    body: str | dict[str, JSON]
    weakened: tuple[str, ...] = ()
    narrowed: tuple[str, ...] = ()
    longest_bytes: int | None = None
    notes: tuple[str, ...] = ()


def of_tools(tools: Sequence[ToolSpec], turn: Turn, form: Form) -> Constraint:
    """Write the constraint of a turn that may call tools.

    Raises:
        InputError: for what the notation cannot say, and a wrapper or tool that there is not.
        SchemaError: with `strict`, for what is not held; and for schemas that are not valid.
        GrammarError: for a grammar that becomes too large.
    """
    _check_quotes(form)
    if form.to == "json-schema":
        return _call_schema(tools, turn, form)
    wrapper, note = wrapper_of(turn.wrapper)
    notes = [note] if note else []
    notes += _unsaid(turn, wrapper)
    if form.to == "structural-tag":
        return _tag(tools, turn, form, wrapper.syntax.shape, notes)
    grammar = turn_grammar(
        tools,
        wrapper,
        turn.mode,
        only=turn.only,
        parallel=turn.parallel,
        think=turn.think,
        loosen=not form.strict,
        quotes=quotes_of(form.quotes),
    )
    return _written(grammar, form, notes)


def of_schema(schema: Mapping[str, JSON] | bool, form: Form) -> Constraint:
    """Write the constraint of one JSON value.

    Raises:
        InputError: for what the notation cannot say.
        SchemaError: with `strict`, for what is not held.
        GrammarError: for a grammar that becomes too large.
    """
    from bridle.grammars import schema_grammar, to_json_schema
    from bridle.grammars.schema_keywords import restricting

    _check_quotes(form)
    anything = schema is not False and not restricting(schema)
    notes = ["the schema restricts nothing: any JSON value fits"] if anything else []
    if form.to in ("json-schema", "structural-tag"):
        tagged = form.to == "structural-tag"
        body, report = to_json_schema(schema, "vllm" if tagged else form.profile)
        tag: dict[str, JSON] = {"type": "json_schema", "json_schema": body}
        return _reported({"type": "structural_tag", "format": tag} if tagged else body, report, form, notes)
    grammar = schema_grammar(schema, loosen=not form.strict, quotes=quotes_of(form.quotes))
    return _written(grammar, form, notes)


def is_narrowing(keyword: str) -> bool:
    """Whether an entry of a report says that texts are refused that the schema allows."""
    return keyword.startswith("x-") and keyword != "x-quoted-from"


def _check_quotes(form: Form) -> None:
    if form.quotes and form.to in ("json-schema", "structural-tag"):
        raise InputError(
            f"quotes cannot be held by {form.to}", hint="leave out --quote, or use --to gbnf, lark or regex"
        )


def _written(grammar: Grammar, form: Form, notes: Sequence[str]) -> Constraint:
    from bridle.grammars import check_gbnf, to_gbnf, to_lark, to_regex

    if form.to == "gbnf":
        body = to_gbnf(grammar, form.dialect)
        check_gbnf(body, dialect=form.dialect)
    else:
        body = to_lark(grammar) if form.to == "lark" else to_regex(grammar) + "\n"
    return Constraint(body, grammar.weakened, (), grammar.longest_bytes, tuple(notes))


def _call_schema(tools: Sequence[ToolSpec], turn: Turn, form: Form) -> Constraint:
    """The schema of one call: in the keys of the wrapper, where one is named."""
    from bridle.grammars import to_json_schema
    from bridle.wrappers import get_wrapper

    for given, option in ((turn.mode != "call", f"--mode {turn.mode}"), (turn.think, "--think")):
        if given:
            raise InputError(f"a JSON Schema cannot say {option}", hint="it holds one call; use --to gbnf")
    if turn.parallel > 1:
        raise InputError(
            f"a JSON Schema cannot say --parallel {turn.parallel}", hint="it holds one call; use --to gbnf"
        )
    shape = None if turn.wrapper is None else get_wrapper(turn.wrapper).syntax.shape
    body, report = to_json_schema(tools, form.profile, shape=shape, only=turn.only)
    return _reported(body, report, form)


def _tag(
    tools: Sequence[ToolSpec], turn: Turn, form: Form, shape: CallShape, notes: Sequence[str]
) -> Constraint:
    from bridle.grammars import structural_tag_report, to_structural_tag

    if turn.mode == "text":
        raise InputError("a structural tag holds calls", hint="--mode text holds none: use --to gbnf")
    body = to_structural_tag(
        tools,
        shape,
        turn.mode,
        only=turn.only,
        parallel=turn.parallel,
        think=turn.think,
        loosen=not form.strict,
    )
    offered = [tool for tool in tools if turn.only in (None, tool.name)]
    return _reported(body, structural_tag_report(offered, shape), form, notes)


def _reported(body: dict[str, JSON], report: Report, form: Form, notes: Sequence[str] = ()) -> Constraint:
    weakened = tuple(entry for entry in report.weakened if not is_narrowing(entry[1]))
    if weakened and form.strict:
        pointer, keyword = weakened[0]
        more = f" (and {len(weakened) - 1} more)" if len(weakened) > 1 else ""
        raise SchemaError(
            f"the keyword {keyword!r} at {pointer or 'the root'} is not enforced by {report.target}{more}",
            pointer=pointer,
            hint="remove it, or leave out --strict; `bridle grammar report` shows who enforces it",
        )
    narrowed = tuple(_told(entry) for entry in report.weakened if is_narrowing(entry[1]))
    return Constraint(body, tuple(map(_told, weakened)), narrowed, None, tuple(notes))


def _told(entry: Entry) -> str:
    place = entry[0] if "#" in entry[0] else f"#{entry[0]}"
    return f"{place} {entry[1]}"


def _unsaid(turn: Turn, wrapper: Wrapper) -> list[str]:
    """What was asked for that the wrapper's calls have no place for."""
    shape, found = wrapper.syntax.shape, list[str]()
    if turn.parallel > 1 and not shape.parallel:
        found.append(f"the wrapper {wrapper.name} writes one call per turn: --parallel changes nothing")
    if turn.think and not shape.think_open:
        found.append(f"the wrapper {wrapper.name} has no marks for thinking: --think changes nothing")
    return found
