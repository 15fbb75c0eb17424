"""What the keywords of one schema demand by themselves, and what demands of several mean together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import cast

from bridle.grammars.automata import is_empty, trimmed
from bridle.grammars.formats import EXACT_FORMATS, FORMATS
from bridle.grammars.patterns import TextRule, text_automaton
from bridle.grammars.regular import Automaton, complement, intersection
from bridle.grammars.schema_cases import (
    KINDS,
    ArrayPart,
    Case,
    Contains,
    Demand,
    ObjectPart,
    Schema,
    conjunction,
)
from bridle.grammars.schema_keywords import BY_TYPE, limit
from bridle.messages import JSON

__all__ = ["item_schemas", "member_schemas", "other_members", "plain_case", "text_rules"]

_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_KIND_OF = {"integer": "number"}
_WORDS = {kind: frozenset(words) for kind, words in BY_TYPE.items()}
_MEMBERS = frozenset(("properties", "patternProperties", "additionalProperties"))


def plain_case(schema: Schema, place: str, *, old: bool) -> Case:
    """Return what the keywords demand that hold no alternatives; `old` drafts spell some otherwise."""
    kinds, whole, typed = _types(schema)
    low, high = _ends(schema)
    step = schema.get("multipleOf", schema.get("divisibleBy"))
    return Case(
        kinds=kinds,
        whole=whole,
        typed=typed,
        values=_values(schema),
        least_chars=limit(schema, "minLength", 0),
        most_chars=_limit(schema, "maxLength"),
        texts=tuple(
            Demand(keyword, str(schema[keyword]), place)
            for keyword in ("pattern", "format")
            if keyword in schema
        ),
        low=low,
        high=high,
        step=None if step is None else Fraction(str(step)),
        least_items=limit(schema, "minItems", 0),
        most_items=_limit(schema, "maxItems"),
        arrays=_arrays(schema, place, old=old),
        contains=_contains(schema, place),
        unique=(place,) if schema.get("uniqueItems") is True else (),
        objects=_objects(schema, place),
        required=_required(schema),
        names=((schema["propertyNames"], place),) if schema.get("propertyNames", True) is not True else (),
        least_members=limit(schema, "minProperties", 0),
        most_members=_limit(schema, "maxProperties"),
        speaks_of=frozenset(kind for kind, words in _WORDS.items() if not words.isdisjoint(schema)),
        sources=(schema,),
        nullable=schema["nullable"] is True if "nullable" in schema else None,
    )


def member_schemas(case: Case, name: str) -> list[JSON]:
    """Return all that an object demands of the member of this name."""
    found: list[JSON] = []
    for part in case.objects:
        own = [part.properties[name]] if name in part.properties else []
        own += [schema for pattern, schema in part.patterns.items() if _found(pattern, name)]
        found += own or [part.others]
    return found


def item_schemas(case: Case, i: int) -> list[JSON]:
    """Return all that an array demands of the item with number `i`."""
    return [part.prefix[i] if i < len(part.prefix) else part.rest for part in case.arrays]


def other_members(case: Case, declared: Iterable[str], *, exact: bool) -> list[tuple[Automaton, JSON, bool]]:
    """Return the names that no `properties` declares, in groups, each with what it demands of the value.

    The third part tells whether the names match a pattern of `patternProperties`.

    Raises:
        SchemaError: for a pattern that is not understood.
        TooLarge: when there are too many groups, or they are too complicated.
    """
    start = _all_but(tuple(dict.fromkeys(declared)))
    groups: list[tuple[Automaton, frozenset[str]]] = [(start, frozenset())]
    for pattern in dict.fromkeys(pattern for part in case.objects for pattern in part.patterns):
        rule = text_automaton((TextRule(pattern),), exact=exact)
        split: list[tuple[Automaton, frozenset[str]]] = []
        for names, matched in groups:
            inside = trimmed(intersection(names, rule))
            outside = trimmed(intersection(names, complement(rule)))
            split += [(inside, matched | {pattern})] if not is_empty(inside) else []
            split += [(outside, matched)] if not is_empty(outside) else []
        groups = split
    return [(names, _value_of(case, matched), bool(matched)) for names, matched in groups]


def _value_of(case: Case, matched: frozenset[str]) -> JSON:
    found: list[JSON] = []
    for part in case.objects:
        own = [schema for pattern, schema in part.patterns.items() if pattern in matched]
        found += own or [part.others]
    return conjunction(found)


@lru_cache(maxsize=64)
def _all_but(names: tuple[str, ...]) -> Automaton:
    """Return the automaton of all texts but these: a tree of their letters, with a way out everywhere."""
    moves: list[dict[str, int]] = [{}]
    ends: set[int] = set()
    for name in names:
        state = 0
        for char in name:
            if char not in moves[state]:
                moves.append({})
                moves[state][char] = len(moves) - 1
            state = moves[state][char]
        ends.add(state)
    tree = tuple(
        tuple(
            sorted(
                (ord(char), ord(char), to) for char, to in found.items() if not "\ud800" <= char <= "\udfff"
            )
        )
        for found in moves
    )
    return trimmed(complement(Automaton(tree, frozenset(ends))))


def text_rules(demands: Sequence[Demand], *, exact: bool = True) -> Iterator[TextRule]:
    """Return the rules of patterns, and of those formats that can be written as a pattern."""
    formats = EXACT_FORMATS if exact else FORMATS
    for demand in demands:
        if demand.keyword == "pattern":
            yield TextRule(demand.text, demand.positive)
        elif demand.text in formats:
            yield TextRule(formats[demand.text], demand.positive)


@lru_cache(maxsize=4096)
def _found(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return text_automaton((TextRule(pattern),), exact=True).accepts(name)


def _types(schema: Schema) -> tuple[frozenset[str], bool, bool]:
    declared = schema.get("type")
    if declared is None:
        return frozenset(KINDS), False, False
    listed = [str(one) for one in declared] if isinstance(declared, list) else [str(declared)]
    if "any" in listed:
        return frozenset(KINDS), False, False
    kinds = frozenset(_KIND_OF.get(kind, kind) for kind in listed)
    return kinds, "integer" in listed and "number" not in listed, True


def _values(schema: Schema) -> tuple[JSON, ...] | None:
    if "const" in schema:
        return (schema["const"],)
    listed = schema.get("enum")
    return tuple(listed) if isinstance(listed, list) else None


def _limit(schema: Schema, keyword: str) -> int | None:
    return limit(schema, keyword, 0) if keyword in schema else None


def _required(schema: Schema) -> tuple[str, ...]:
    listed = schema.get("required")
    return tuple(dict.fromkeys(str(name) for name in listed)) if isinstance(listed, list) else ()


def _ends(schema: Schema) -> tuple[tuple[Decimal, bool] | None, tuple[Decimal, bool] | None]:
    if not any(keyword in schema for keyword in _BOUNDS):
        return None, None
    low = _end(schema, "minimum", "exclusiveMinimum", 1)
    return low, _end(schema, "maximum", "exclusiveMaximum", -1)


def _end(schema: Schema, closed: str, opened: str, sign: int) -> tuple[Decimal, bool] | None:
    ends: list[tuple[Decimal, bool]] = []
    for keyword in (closed, opened):
        value = schema.get(keyword)
        if isinstance(value, int | float) and not isinstance(value, bool):
            # Draft 4 says with a boolean that the other bound is left out itself.
            ends.append((Decimal(str(value)), keyword == opened or schema.get(opened) is True))
    return max(ends, key=lambda end: (sign * end[0], end[1])) if ends else None


def _arrays(schema: Schema, place: str, *, old: bool) -> tuple[ArrayPart, ...]:
    items, prefix = schema.get("items", True), schema.get("prefixItems", [])
    if isinstance(items, list):
        rest = schema.get("additionalItems", True)
        return (ArrayPart(tuple(items), rest, place, "additionalItems" in schema),)
    if "items" not in schema and not prefix:
        return ()
    first = tuple(prefix) if isinstance(prefix, list) and not old else ()
    return (ArrayPart(first, items, place, "items" in schema),)


def _contains(schema: Schema, place: str) -> tuple[Contains, ...]:
    if "contains" not in schema:
        return ()
    least, most = limit(schema, "minContains", 1), _limit(schema, "maxContains")
    return () if least == 0 and most is None else (Contains(schema["contains"], least, most, place),)


def _objects(schema: Schema, place: str) -> tuple[ObjectPart, ...]:
    if _MEMBERS.isdisjoint(schema):
        return ()
    return (
        ObjectPart(
            cast("Mapping[str, JSON]", schema.get("properties", {})),
            cast("Mapping[str, JSON]", schema.get("patternProperties", {})),
            schema.get("additionalProperties", True),
            "additionalProperties" in schema,
            place,
        ),
    )
