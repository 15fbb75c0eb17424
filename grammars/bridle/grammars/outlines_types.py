"""Grammars from what Outlines takes as an output type: its terms, and the Python types that it reads.

    for_outlines(types.email), for_outlines(either("none", types.date)), for_outlines(Literal["a", "b"])

Terms become rules of our own, so that every engine and every server can hold them. JSON is written as
elsewhere in bridle, on one line; quantifiers without an end are cut, as all rules are finite.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable
from typing import Any

from bridle.errors import InputError, MissingExtra
from bridle.grammars.bounds import DEFAULT_BOUNDS, Bounds
from bridle.grammars.constraints import for_regex, for_schema
from bridle.grammars.ir import Alt, Grammar, Lit, Node, Ref, Repeat, Seq, alt, optional, seq

__all__ = ["for_outlines"]


def for_outlines(wanted: object, bounds: Bounds = DEFAULT_BOUNDS) -> Grammar:
    """Return the grammar of the texts that an Outlines term, or a type that Outlines knows, stands for.

    A quantifier without an end runs to `Bounds.array_items` times or about `Bounds.string_chars` characters,
    whichever is more.

    Raises:
        InputError: for a context-free grammar, and for what Outlines does not know.
        SchemaError: for a JSON Schema that cannot be held.
        MissingExtra: when outlines is not installed.
    """
    try:
        dsl: Any = importlib.import_module("outlines.types.dsl")
    except ImportError as error:
        raise MissingExtra(
            f"outlines cannot be used: {error}",
            extra="outlines",
        ) from error
    terms = _Terms(dsl, bounds)
    return Grammar(terms.node(wanted), terms.rules, tuple(terms.weakened))


class _Terms:
    """Turns terms into nodes. Schemas bring rules, each under names of its own."""

    def __init__(self, dsl: Any, bounds: Bounds) -> None:
        self._dsl = dsl
        self._bounds = bounds
        self.rules: dict[str, Node] = {}
        self.weakened: list[str] = []
        self._schemas = 0

    def node(self, wanted: object) -> Node:
        dsl, term = self._dsl, self._term(wanted)
        match term:
            case dsl.String():
                return Lit(term.value)
            case dsl.Regex():
                return for_regex(term.pattern, self._bounds).root
            case dsl.JsonSchema():
                return self._json(term)
            case dsl.Choice():
                return self._either(term.items)
            case dsl.Alternatives():
                return self._either(term.terms)
            case dsl.Sequence():
                return seq(*map(self.node, term.terms))
            case dsl.Optional():
                return optional(self.node(term.term))
            case dsl.CFG():
                raise InputError(
                    "Outlines writes context-free grammars in Lark's notation, which is not read here",
                    hint="give a JsonSchema, a Regex or a Choice, or write it as GBNF: respond(gbnf=...)",
                )
            case _:
                return self._repeated(term)

    def _term(self, wanted: object) -> Any:
        if wanted is dict:  # Outlines has a context-free grammar for it
            return self._dsl.JsonSchema({"type": "object"})
        try:
            return self._dsl.python_types_to_terms(wanted)
        except (TypeError, ValueError, RecursionError, NotImplementedError) as error:
            raise InputError(
                f"Outlines knows no type {wanted!r}: {error}",
                hint="give a term of outlines.types, a pydantic model, Literal, Enum, int, bool or the like",
            ) from error

    def _either(self, items: Iterable[object]) -> Node:
        nodes = [self.node(item) for item in items]
        if not nodes:
            raise InputError("there is nothing to choose from", hint="give one choice or more")
        return alt(*nodes)

    def _repeated(self, term: Any) -> Node:
        dsl = self._dsl
        match term:
            case dsl.QuantifyExact():
                least, most = term.count, term.count
            case dsl.QuantifyBetween():
                least, most = term.min_count, term.max_count
            case dsl.QuantifyMaximum():
                least, most = 0, term.max_count
            case dsl.QuantifyMinimum():
                least, most = term.min_count, None
            case dsl.KleenePlus():
                least, most = 1, None
            case dsl.KleeneStar():
                least, most = 0, None
            case _:
                raise InputError(f"{type(term).__name__} is an unknown term of Outlines", hint="give a Regex")
        item = self.node(term.term)
        return Repeat(item, least, self._end(item, least) if most is None else most)

    def _end(self, item: Node, least: int) -> int:
        longest = max(1, Grammar(item, self.rules).longest_bytes)
        return max(least, self._bounds.array_items, self._bounds.string_chars // longest)

    def _json(self, term: Any) -> Node:
        if term.whitespace_pattern is not None:
            raise InputError(
                f"the JsonSchema has the whitespace pattern {term.whitespace_pattern!r}",
                hint="leave whitespace_pattern out: JSON is written on one line here",
            )
        made = for_schema(json.loads(term.schema), bounds=self._bounds)
        self._schemas += 1
        self.rules |= {
            _name(rule, self._schemas): _renamed(made.rules[rule], self._schemas) for rule in made.rules
        }
        self.weakened += made.weakened
        return _renamed(made.root, self._schemas)


def _name(rule: str, schema: int) -> str:
    """Return a name that tells the rule from those of other schemas in the same grammar."""
    return rule if schema == 1 else f"schema-{schema}-{rule}"


def _renamed(node: Node, schema: int) -> Node:
    match node:
        case Ref(name):
            return Ref(_name(name, schema))
        case Seq(items):
            return Seq(tuple(_renamed(item, schema) for item in items))
        case Alt(items):
            return Alt(tuple(_renamed(item, schema) for item in items))
        case Repeat(item, least, most):
            return Repeat(_renamed(item, schema), least, most)
        case _:
            return node
