"""The opposite of a case: alternatives of which each breaks one of its demands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bridle.grammars.schema_cases import ArrayPart, Case, Contains, ObjectPart
from bridle.messages import JSON

__all__ = ["Inexact", "negated"]


class Inexact(Exception):
    """A keyword cannot be written as alternatives that mean exactly the same."""


def negated(case: Case, values: tuple[JSON, ...] | None, kinds: frozenset[str]) -> list[Case]:
    """Return cases that together hold for exactly the values of some types that `case` does not hold for.

    `values` are those that a case with an enum or a constant admits, None for any other case.

    Raises:
        Inexact: when there are no such cases.
    """
    if values is not None:
        return [Case(kinds=kinds, excluded=tuple((value, "") for value in values))]
    found: list[Case] = []
    if missing := kinds - case.kinds:
        found.append(Case(kinds=missing))
    if len(case.excluded) > 0:
        found.append(Case(values=tuple(value for value, _ in case.excluded)))
    breakers = {"string": _strings, "number": _numbers, "array": _arrays, "object": _objects}
    for kind, broken in breakers.items():
        if kind in case.kinds & kinds:
            found += [replace(one, kinds=frozenset([kind])) for one in broken(case)]
    return found


def _strings(case: Case) -> Iterator[Case]:
    if case.least_chars:
        yield Case(most_chars=case.least_chars - 1)
    if case.most_chars is not None:
        yield Case(least_chars=case.most_chars + 1)
    for demand in case.texts:
        yield Case(texts=(replace(demand, positive=not demand.positive),))


def _numbers(case: Case) -> Iterator[Case]:
    if case.step is not None:
        raise Inexact("numbers that are no multiple cannot be written")
    if case.whole:
        yield Case(broken=True)
    if case.broken:
        yield Case(whole=True)
    if case.low is not None:
        yield Case(high=(case.low[0], not case.low[1]))
    if case.high is not None:
        yield Case(low=(case.high[0], not case.high[1]))


def _arrays(case: Case) -> Iterator[Case]:
    if case.unique:
        raise Inexact("items that are not unique cannot be written")
    if case.least_items:
        yield Case(most_items=case.least_items - 1)
    if case.most_items is not None:
        yield Case(least_items=case.most_items + 1)
    for part in case.arrays:
        yield from _items(part)
    for wanted in case.contains:
        yield from _found(wanted)


def _items(part: ArrayPart) -> Iterator[Case]:
    for i, schema in enumerate(part.prefix):
        if schema is not True:
            before: tuple[JSON, ...] = (True,) * i
            wrong = ArrayPart((*before, _opposite(schema, part.pointer, "items")), True, part.pointer, False)
            yield Case(least_items=i + 1, arrays=(wrong,))
    if part.rest is False:
        yield Case(least_items=len(part.prefix) + 1)
    elif part.rest is not True and part.rest != {}:
        if part.prefix:
            raise Inexact("items behind the first ones cannot be negated")
        yield Case(contains=(Contains(_opposite(part.rest, part.pointer, "items"), 1, None, part.pointer),))


def _found(wanted: Contains) -> Iterator[Case]:
    if wanted.least > 1:
        yield Case(contains=(replace(wanted, least=0, most=wanted.least - 1),))
    elif wanted.least == 1:
        none = _opposite(wanted.schema, wanted.pointer, "contains")
        yield Case(arrays=(ArrayPart((), none, wanted.pointer, False),))
    if wanted.most is not None:
        yield Case(contains=(replace(wanted, least=wanted.most + 1, most=None),))


def _objects(case: Case) -> Iterator[Case]:
    if case.names:
        raise Inexact("names of members cannot be negated")
    if case.least_members:
        yield Case(most_members=case.least_members - 1)
    if case.most_members is not None:
        yield Case(least_members=case.most_members + 1)
    for name in case.required:
        yield Case(objects=(ObjectPart({name: False}, {}, True, False, ""),))
    for part in case.objects:
        if part.patterns or (part.others is not True and part.others != {}):
            raise Inexact("members that are not named cannot be negated")
        for name, schema in part.properties.items():
            if schema is not True and schema != {}:
                wrong = {name: _opposite(schema, part.pointer, "properties")}
                yield Case(required=(name,), objects=(ObjectPart(wrong, {}, True, False, part.pointer),))


def _opposite(schema: JSON, pointer: str, keyword: str) -> JSON:
    if schema is False:
        return True
    return {"not": schema, "\0for": [pointer, keyword]}
