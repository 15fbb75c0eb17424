"""What a schema demands, sorted by the type of value, without references and alternatives.

A schema is a union of cases; a case is a conjunction of demands that can be merged exactly, because what JSON
Schema can say only once (`pattern`, `additionalProperties`, `contains`) stands in lists. Each demand that may
turn out to be inexpressible knows the schema that it comes from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from math import gcd, lcm

from bridle.errors import SchemaError
from bridle.messages import JSON

__all__ = [
    "KINDS",
    "ArrayPart",
    "Case",
    "Contains",
    "Demand",
    "Impossible",
    "ObjectPart",
    "Schema",
    "both",
    "conjunction",
    "forbids",
    "kind_of",
    "merged",
    "narrowed",
    "same",
]

Schema = Mapping[str, JSON]
KINDS = ("object", "array", "string", "number", "boolean", "null")
"""The types of JSON values; integers are numbers."""


class Impossible(SchemaError):
    """No value can satisfy this part of a schema (at the depth it stands)."""


@dataclass(frozen=True, slots=True)
class Demand:
    """A pattern or a format of strings, or with `positive` false what they must not match."""

    keyword: str
    text: str
    pointer: str
    positive: bool = True


@dataclass(frozen=True, slots=True)
class ObjectPart:
    """The members that one schema speaks about, and what it says of all others (True when nothing)."""

    properties: Mapping[str, JSON]
    patterns: Mapping[str, JSON]
    others: JSON
    explicit: bool
    pointer: str

    def __hash__(self) -> int:
        return hash((self.pointer, tuple(self.properties), tuple(self.patterns)))


@dataclass(frozen=True, slots=True)
class ArrayPart:
    """What one schema says of the first items, and of all others."""

    prefix: tuple[JSON, ...]
    rest: JSON
    pointer: str
    explicit: bool

    def __hash__(self) -> int:
        return hash((self.pointer, len(self.prefix)))


@dataclass(frozen=True, slots=True)
class Contains:
    """That `least` to `most` items satisfy a schema."""

    schema: JSON
    least: int
    most: int | None
    pointer: str

    def __hash__(self) -> int:
        return hash(self.pointer)


@dataclass(frozen=True, slots=True)
class Case:
    """One way to satisfy a schema. What a field says of one type holds for values of that type only.

    `whole` is integers only, `broken` none of them; `typed` says that the schema names types; `low` and
    `high` are a bound and whether it is left out itself; `values` are the only ones, if all `sources` accept
    them; `excluded` are none, each with the place that says so; `unique` holds the places that demand unique
    items; `followed` are the references on the way here.
    """

    kinds: frozenset[str] = frozenset(KINDS)
    whole: bool = False
    broken: bool = False
    typed: bool = False
    values: tuple[JSON, ...] | None = None
    excluded: tuple[tuple[JSON, str], ...] = ()
    least_chars: int = 0
    most_chars: int | None = None
    texts: tuple[Demand, ...] = ()
    low: tuple[Decimal, bool] | None = None
    high: tuple[Decimal, bool] | None = None
    step: Fraction | None = None
    least_items: int = 0
    most_items: int | None = None
    arrays: tuple[ArrayPart, ...] = ()
    contains: tuple[Contains, ...] = ()
    unique: tuple[str, ...] = ()
    objects: tuple[ObjectPart, ...] = ()
    required: tuple[str, ...] = ()
    names: tuple[tuple[JSON, str], ...] = ()
    least_members: int = 0
    most_members: int | None = None
    speaks_of: frozenset[str] = frozenset()
    followed: tuple[str, ...] = ()
    sources: tuple[Schema, ...] = ()
    nullable: bool | None = None


def kind_of(value: JSON) -> str:
    """Return the type of a value.

    >>> kind_of(1.5), kind_of(True)
    ('number', 'boolean')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def same(one: JSON, other: JSON) -> bool:
    """Tell whether two JSON values are equal, as JSON Schema sees it: 1 is 1.0, but not true.

    >>> same([1, {"a": 2.0}], [1.0, {"a": 2}]), same(1, True)
    (True, False)
    """
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return one == other


def conjunction(parts: Sequence[JSON]) -> JSON:
    """Return a schema that means all of these.

    >>> conjunction([True, {"minLength": 1}, {"minLength": 1}])
    {'minLength': 1}
    """
    if any(part is False for part in parts):
        return False
    kept: list[JSON] = []
    for part in parts:
        if part is not True and part != {} and not any(part is one or part == one for one in kept):
            kept.append(part)
    if not kept:  # an empty schema is as good as True, and knows where it stands
        return next((part for part in parts if part == {}), True)
    return kept[0] if len(kept) == 1 else {"allOf": kept}


def both(one: Sequence[Case], other: Sequence[Case]) -> list[Case]:
    """Return the cases of two schemas at once."""
    found = [merged(left, right) for left in one for right in other]
    return [case for case in found if case is not None]


def merged(one: Case, other: Case) -> Case | None:
    """Return what both demand; None when that is clearly nothing."""
    kinds = one.kinds & other.kinds
    values = one.values if other.values is None else other.values
    if one.values is not None and other.values is not None:
        values = tuple(value for value in one.values if any(same(value, too) for too in other.values))
    case = Case(
        kinds=kinds,
        whole=one.whole or other.whole,
        broken=one.broken or other.broken,
        typed=one.typed or other.typed,
        values=values,
        excluded=one.excluded + other.excluded,
        least_chars=max(one.least_chars, other.least_chars),
        most_chars=_least(one.most_chars, other.most_chars),
        texts=tuple(dict.fromkeys(one.texts + other.texts)),
        low=_tighter(one.low, other.low, 1),
        high=_tighter(one.high, other.high, -1),
        step=_common_step(one.step, other.step),
        least_items=max(one.least_items, other.least_items),
        most_items=_least(one.most_items, other.most_items),
        arrays=one.arrays + other.arrays,
        contains=one.contains + other.contains,
        unique=tuple(dict.fromkeys(one.unique + other.unique)),
        objects=one.objects + other.objects,
        required=tuple(dict.fromkeys(one.required + other.required)),
        names=one.names + other.names,
        least_members=max(one.least_members, other.least_members),
        most_members=_least(one.most_members, other.most_members),
        speaks_of=one.speaks_of | other.speaks_of,
        followed=one.followed + other.followed,
        sources=one.sources + other.sources,
        nullable=one.nullable if other.nullable is None else other.nullable and one.nullable is not False,
    )
    return None if not kinds or values == () else narrowed(case)


def narrowed(case: Case) -> Case | None:
    """Leave out the types of which clearly no value is left."""
    gone: set[str] = set()
    if case.most_chars is not None and case.most_chars < case.least_chars:
        gone.add("string")
    if case.most_items is not None and case.most_items < case.least_items:
        gone.add("array")
    if case.most_members is not None and case.most_members < max(case.least_members, len(case.required)):
        gone.add("object")
    if any(forbids(case, name) for name in case.required):
        gone.add("object")
    if case.whole and case.broken:
        gone.add("number")
    if case.low is not None and case.high is not None:
        low, high = case.low[0], case.high[0]
        if low > high or (low == high and (case.low[1] or case.high[1])):
            gone.add("number")
    if not gone & case.kinds:
        return case
    kinds = case.kinds - gone
    return replace(case, kinds=kinds) if kinds else None


def forbids(case: Case, name: str) -> bool:
    """Tell whether an object must not have a member of this name, for a reason that is seen at once."""
    return any(part.properties.get(name) is False for part in case.objects)


def _least(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)


def _tighter(
    one: tuple[Decimal, bool] | None, other: tuple[Decimal, bool] | None, sign: int
) -> tuple[Decimal, bool] | None:
    if one is None or other is None:
        return one if other is None else other
    return max(one, other, key=lambda end: (sign * end[0], end[1]))


def _common_step(one: Fraction | None, other: Fraction | None) -> Fraction | None:
    if one is None or other is None:
        return one if other is None else other
    top = lcm(one.numerator, other.numerator)
    return Fraction(top, gcd(one.denominator, other.denominator))
