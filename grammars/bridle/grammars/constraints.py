"""Grammars for anything: one of several answers, a value of a schema or of a pydantic model, a pattern.

What these return goes wherever a `Grammar` does: `respond(grammar=…)`, an engine's `matcher`, `to_gbnf`,
`to_lark`, `to_regex`. pydantic is not imported; its models and type adapters are known by their methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from bridle.errors import InputError, SchemaError
from bridle.grammars.bounds import DEFAULT_BOUNDS, Bounds
from bridle.grammars.calls import choice_grammar, schema_grammar
from bridle.grammars.ir import Alt, Grammar, Lit
from bridle.grammars.json_rules import ONE_LINE
from bridle.grammars.patterns import pattern_node
from bridle.messages import JSON
from bridle.wrappers.syntax import JsonLayout

__all__ = ["choices_of", "for_choice", "for_regex", "for_schema", "schema_of"]


def for_choice(choices: Sequence[str]) -> Grammar:
    """Return the grammar of exactly these texts, such as the names of who may speak next.

    Raises:
        InputError: for no choice, for one that is empty or no text, or for a single text instead of several.

    >>> for_choice(["Ana", "Bob"]).longest_bytes
    3
    """
    if isinstance(choices, str):
        raise InputError(f"the choices are the one text {choices!r}", hint=f"write [{choices!r}]")
    listed = list(choices)
    for choice in cast("list[object]", listed):
        if not isinstance(choice, str):
            raise InputError(f"the choice {choice!r} is no text", hint=f"write {str(choice)!r}")
    return choice_grammar(listed)


def choices_of(grammar: Grammar) -> tuple[str, ...] | None:
    """Return the texts of a grammar that is a choice between whole texts; None for any other.

    >>> choices_of(for_choice(["Ana", "Bob"]))
    ('Ana', 'Bob')
    """
    root = grammar.root
    items = root.items if isinstance(root, Alt) else (root,)
    texts = tuple(item.text for item in items if isinstance(item, Lit))
    return texts if len(texts) == len(items) else None


def for_schema(
    schema: object,
    layout: JsonLayout = ONE_LINE,
    bounds: Bounds = DEFAULT_BOUNDS,
    *,
    loosen: bool = False,
    quotes: Mapping[str, Sequence[str]] | None = None,
) -> Grammar:
    """Return the grammar of one JSON value: of a JSON Schema, a pydantic model's class, or a `TypeAdapter`.

    `quotes` are the texts that strings with `x-quoted-from` are quoted from, by their names.

    Raises:
        InputError: for something that is none of these.
        SchemaError: for a schema that is invalid or cannot be held.

    >>> for_schema({"enum": ["a", 1]}).longest_bytes
    3
    """
    return schema_grammar(schema_of(schema), layout, bounds, loosen=loosen, quotes=quotes)


def for_regex(pattern: str, bounds: Bounds = DEFAULT_BOUNDS) -> Grammar:
    """Return the grammar of the texts that a regular expression matches as a whole.

    Quantifiers without an end are cut so that no text is longer than `Bounds.string_chars`.

    Raises:
        InputError: for an expression that is wrong, or not regular.

    >>> for_regex("[ab]{1,3}|no").longest_bytes
    3
    """
    if not isinstance(cast("object", pattern), str):
        raise InputError(f"the pattern is {pattern!r}", hint="give its text; of a compiled one, `.pattern`")
    try:
        return Grammar(pattern_node(f"^(?:{_bare(pattern)})$", 0, bounds.string_chars))
    except SchemaError as error:
        raise InputError(
            f"the expression {pattern!r} cannot be held: {error.message}", hint=error.hint
        ) from error


def _bare(pattern: str) -> str:
    """Leave out the outermost anchors, which say nothing where the whole text has to match."""
    end = pattern[: -1 if pattern.endswith("$") else None]
    slashes = len(end) - len(end.rstrip("\\"))
    return (end if slashes % 2 == 0 else pattern).removeprefix("^")


def schema_of(given: object) -> Mapping[str, JSON] | bool:
    """Return the JSON Schema of what `for_schema` takes.

    Raises:
        InputError: for something that has none.

    >>> schema_of({"type": "null"})
    {'type': 'null'}
    """
    if isinstance(given, bool):
        return given
    if isinstance(given, Mapping):
        return cast("Mapping[str, JSON]", given)
    names = ("model_json_schema",) if isinstance(given, type) else ("json_schema",)
    for name in names:
        make = getattr(given, name, None)
        if callable(make):
            return _made(make(), given)
    if isinstance(given, str):
        raise InputError("the schema is a text", hint="read it with json.loads")
    if not isinstance(given, type) and callable(getattr(given, "model_json_schema", None)):
        raise InputError(
            f"this is a value of {type(given).__name__}", hint=f"give {type(given).__name__} itself"
        )
    raise InputError(
        f"{given!r} has no JSON Schema",
        hint="give a JSON Schema, a pydantic model's class, or pydantic.TypeAdapter of any other type",
    )


def _made(schema: object, given: object) -> Mapping[str, JSON]:
    if not isinstance(schema, Mapping):
        raise InputError(f"{given!r} makes the schema {schema!r}", hint="a JSON Schema is an object")
    return cast("Mapping[str, JSON]", schema)
