"""Reads a schema into its cases: follows `$ref`, merges `allOf`, and takes alternatives apart.

`oneOf`, `not`, `if` and `dependent…` become alternatives too, by negation, where that is exact. Where it is
not, `note` is told which keyword is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import cast

from bridle.errors import SchemaError
from bridle.grammars.automata import is_empty
from bridle.grammars.patterns import text_automaton
from bridle.grammars.regular import TooLarge
from bridle.grammars.schema_cases import (
    KINDS,
    ArrayPart,
    Case,
    Demand,
    ObjectPart,
    Schema,
    both,
    conjunction,
    kind_of,
    narrowed,
    same,
)
from bridle.grammars.schema_demands import member_schemas, plain_case, text_rules
from bridle.grammars.schema_negation import Inexact, negated
from bridle.grammars.schema_source import Source
from bridle.messages import JSON

__all__ = ["Note", "Reader"]

_MOST_CASES = 96  # that alternatives beside alternatives may make
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_EXCLUDING = ("not", "oneOf", "if")
_ONE_VALUE = "an array or object that is not a given one cannot be written"
_HOPS = 64
_DEPTH = 3  # levels that are looked into to see that two branches exclude each other
Note = Callable[[str, str, str], None]


class Reader:
    """Finds the cases of the parts of one schema."""

    def __init__(self, source: Source, note: Note) -> None:
        self.source = source
        self._note = note
        self._known: dict[int, tuple[object, list[Case], bool]] = {}
        self._inexact = False
        self._level = 0
        self._trying = 0
        self._open: list[str] = []

    def cases(self, schema: JSON | Schema) -> list[Case]:
        """Return the cases of one part; none at all when nothing can satisfy it.

        Raises:
            SchemaError: for a reference that leads nowhere, or round in a circle.
        """
        if not isinstance(schema, Mapping):
            return [] if schema is False else [Case()]
        known = self._known.get(id(schema))
        if known is None:
            outer, self._inexact = self._inexact, False
            try:
                found = [case for case in self._read(schema) if self.possible(case)]
                known = self._known[id(schema)] = (schema, found, self._inexact)
            finally:
                self._inexact = outer or self._inexact
        if known[2] and self._trying:
            raise Inexact("a part of it cannot be written exactly")
        return known[1]

    def exactly(self, schema: JSON | Schema) -> list[Case]:
        """Return the cases of one part, or raise `Inexact` where a keyword would be left out."""
        self._trying += 1
        try:
            return self.cases(schema)
        finally:
            self._trying -= 1

    def leave_out(self, pointer: str, keyword: str, why: str) -> None:
        """Note a keyword that is left out."""
        if self._trying:
            raise Inexact(why)
        self._inexact = True
        self._note(pointer, keyword, why)

    def pointer(self, schema: Schema) -> str:
        """Return where a part stands, or for one that was made where its first piece does."""
        found = self.source.pointer(schema)
        if found is not None:
            return found
        for value in schema.values():
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, dict) and part:
                    return self.pointer(part)
        return ""

    def _read(self, schema: Schema) -> list[Case]:
        place = self.pointer(schema)
        own = narrowed(plain_case(schema, place, old=self.source.old))
        found = [] if own is None else [own]
        if any(keyword in schema for keyword in _REFERENCES):
            referred = self._referred(schema, place)
            if "$ref" in schema and self.source.old:
                return referred
            found = both(referred, found)
        steps: Sequence[tuple[str, Callable[[Schema, str], list[Case]]]] = (
            ("allOf", self._all_of),
            ("anyOf", self._any_of),
            ("oneOf", self._one_of),
            ("not", self._not),
            ("if", self._if),
            ("dependentRequired", self._dependent),
            ("dependentSchemas", self._dependent),
            ("dependencies", self._dependent),
        )
        for keyword, read in steps:
            if keyword not in schema:
                continue
            try:
                more = read(schema, keyword)
            except Inexact as error:
                more = self._any_of(schema, keyword) if keyword == "oneOf" else [Case()]
                self._left_out(schema, place, keyword, error)
            if len(found) > 1 and len(found) * len(more) > _MOST_CASES:
                self._left_out(schema, place, keyword, Inexact("it makes too many alternatives"))
                continue
            found = both(found, more)
        return self._rest(schema, place, found)

    def _left_out(self, schema: Schema, place: str, keyword: str, error: Inexact) -> None:
        origin = schema.get("\0for")
        if isinstance(origin, list):
            place, keyword = str(origin[0]), str(origin[1])
        self.leave_out(place, keyword, str(error))

    def _referred(self, schema: Schema, place: str) -> list[Case]:
        found = [Case()]
        for keyword in _REFERENCES:
            if keyword not in schema:
                continue
            reference = str(schema[keyword])
            if keyword == "$dynamicRef" and self.source.is_dynamic(reference):
                self.leave_out(place, keyword, "it may lead to several places")
                continue
            if len(self._open) > _HOPS or f"{place} {reference}" in self._open:
                raise SchemaError("references lead round in a circle", pointer=place)
            self._open.append(f"{place} {reference}")
            try:
                target = self.source.target(reference, schema)
                found = both(found, self.cases(target))
            finally:
                self._open.pop()
            where = self.source.pointer(target) if isinstance(target, dict) else None
            followed = f"#{where}" if where is not None else reference
            found = [replace(case, followed=(*case.followed, followed)) for case in found]
        return found

    def _all_of(self, schema: Schema, keyword: str) -> list[Case]:
        found = [Case()]
        for part in cast("list[JSON]", schema[keyword]):
            more = self.cases(part)
            if len(found) > 1 and len(found) * len(more) > _MOST_CASES:
                raise Inexact("it makes too many alternatives")
            found = both(found, more)
        return found

    def _any_of(self, schema: Schema, keyword: str) -> list[Case]:
        return [case for part in cast("list[JSON]", schema[keyword]) for case in self.cases(part)]

    def _one_of(self, schema: Schema, keyword: str) -> list[Case]:
        """Take each branch without those values of the others that it shares."""
        parts = cast("list[JSON]", schema[keyword])
        found = [self.cases(part) for part in parts]
        # Without its source, by which it would leave out the very values that two branches share.
        around = [replace(plain_case(schema, "", old=self.source.old), sources=())]
        shared: dict[tuple[int, int], frozenset[str]] = {}
        for i, j in combinations(range(len(parts)), 2):
            kinds = frozenset[str]().union(*map(self._kinds, both(both(around, found[i]), found[j])))
            shared |= {(i, j): kinds, (j, i): kinds} if kinds else {}
        cases: list[Case] = []
        for i, mine in enumerate(found):
            for j in range(len(parts)):
                if (i, j) in shared:
                    mine = self._without(mine, parts[j], shared[i, j])  # noqa: PLW2901 - narrowed step by step
            cases += mine
        return cases

    def _without(self, cases: list[Case], schema: JSON, kinds: frozenset[str]) -> list[Case]:
        """Leave out of cases what a schema accepts, which is of some types only."""
        others = Case(kinds=frozenset(KINDS) - kinds)
        kept = both(cases, [others]) if others.kinds else []
        kept += both(cases, self.negation(schema, kinds))
        if len(kept) > _MOST_CASES:
            raise Inexact("its branches are not clearly exclusive")
        return kept

    def _not(self, schema: Schema, keyword: str) -> list[Case]:
        return self.negation(schema[keyword])

    def negation(self, schema: JSON, kinds: frozenset[str] = frozenset(KINDS)) -> list[Case]:
        """Return the cases of all values of some types that a schema does not accept, or raise `Inexact`."""
        found = [Case(kinds=kinds)]
        for case in self.exactly(schema):
            found = both(found, negated(case, self.admitted(case), kinds))
            if len(found) > _MOST_CASES:
                raise Inexact("its negation has too many alternatives")
        return found

    def _if(self, schema: Schema, keyword: str) -> list[Case]:
        if "then" not in schema and "else" not in schema:
            return [Case()]
        holds = both(self.exactly(schema[keyword]), self.cases(schema.get("then", True)))
        return [*holds, *both(self.negation(schema[keyword]), self.cases(schema.get("else", True)))]

    def _dependent(self, schema: Schema, keyword: str) -> list[Case]:
        found = [Case()]
        for name, wanted in cast("dict[str, JSON]", schema[keyword]).items():
            none = ObjectPart({name: False}, {}, True, False, "")
            if isinstance(wanted, list):
                more = [Case(required=tuple(str(one) for one in (name, *wanted)))]
            else:
                more = both([Case(required=(name,))], self.cases(wanted))
            present = both([Case(kinds=frozenset(["object"]))], more)
            found = both(found, [Case(objects=(none,)), *present])
            if len(found) > _MOST_CASES:
                raise Inexact("it makes too many alternatives")
        return found

    def _rest(self, schema: Schema, place: str, found: list[Case]) -> list[Case]:
        """Apply what a schema says of members and items that no other keyword speaks about."""
        extra = schema.get("unevaluatedProperties")
        if extra is not None and extra is not True:
            if "anyOf" in schema:
                self.leave_out(place, "unevaluatedProperties", "several branches may hold at once")
            found = [_closed(case, extra, place) for case in found]
        items = schema.get("unevaluatedItems")
        if items is not None and items is not True:
            if "contains" in schema or "anyOf" in schema:
                self.leave_out(place, "unevaluatedItems", "what `contains` or a branch finds is evaluated")
            else:
                found = [_ended(case, items, place) for case in found]
        return found

    def admitted(self, case: Case) -> tuple[JSON, ...] | None:
        """Return the values of a case that has only some, those that all its schemas accept."""
        if case.values is None:
            return None
        return tuple(
            value for value in case.values if all(self.source.allows(part, value) for part in case.sources)
        )

    def leave_out_excluded(self, case: Case, kind: str, *, counted: bool = True) -> None:
        """Note that values of a type are not excluded; an empty one is, where what it holds is `counted`."""
        if not any(kind_of(one) == kind and (one or not counted) for one, _ in case.excluded):
            return
        self.leave_out_of(case, None, _ONE_VALUE)

    def leave_out_of(self, case: Case, keyword: str | None, why: str) -> None:
        """Note a keyword of a case as left out; where a negation made what it demands, note that."""
        found = [(schema, keyword) for schema in case.sources if keyword is not None and keyword in schema]
        if not found:
            found = [(schema, word) for schema in case.sources for word in _EXCLUDING if word in schema]
        for schema, word in found:
            self._left_out(schema, self.pointer(schema), word, Inexact(why))

    def listed(self, schema: JSON) -> list[JSON] | None:
        """Return the values of a schema that has only a few."""
        found: list[JSON] = []
        for case in self.cases(schema):
            values = self.admitted(case)
            if values is None:
                if not case.kinds <= {"boolean", "null"}:
                    return None
                flags: list[JSON] = [True, False] if "boolean" in case.kinds else []
                values = (*flags, None) if "null" in case.kinds else tuple(flags)
            excluded = [one for one, _ in case.excluded]
            found += [one for one in values if not any(same(one, other) for other in [*found, *excluded])]
        return found

    def possible(self, case: Case) -> bool:
        """Tell whether a value may be left that satisfies a case; when unsure, yes."""
        return case.values is not None or any(self._possible_kind(case, kind) for kind in case.kinds)

    def _kinds(self, case: Case) -> frozenset[str]:
        """Return the types of which a case may admit values."""
        if case.values is not None:
            return case.kinds & frozenset(map(kind_of, self.admitted(case) or ()))
        return frozenset(kind for kind in case.kinds if self._possible_kind(case, kind))

    def _possible_kind(self, case: Case, kind: str) -> bool:
        patterns = [demand for demand in case.texts if demand.keyword == "pattern"]
        if kind == "string" and len(patterns) > 1:
            return _some_text(patterns)
        if kind != "object" or self._level >= _DEPTH:
            return True
        self._level += 1
        try:
            return all(self._possible_member(case, name) for name in case.required)
        finally:
            self._level -= 1

    def _possible_member(self, case: Case, name: str) -> bool:
        value = conjunction(member_schemas(case, name))
        if not isinstance(value, dict):
            return value is not False
        try:
            return any(map(self.possible, self.exactly(value)))
        except (Inexact, SchemaError):
            return True


def _some_text(patterns: list[Demand]) -> bool:
    """Tell whether a string may match all patterns. Formats do not count: they may contradict them."""
    try:
        return not is_empty(text_automaton(tuple(text_rules(patterns)), exact=True))
    except (TooLarge, SchemaError):
        return True


def _closed(case: Case, extra: JSON, place: str) -> Case:
    if any(part.explicit for part in case.objects):
        return case
    names = {name: True for part in case.objects for name in part.properties}
    patterns = {pattern: True for part in case.objects for pattern in part.patterns}
    closing = ObjectPart(
        cast("dict[str, JSON]", names), cast("dict[str, JSON]", patterns), extra, True, place
    )
    return replace(case, objects=(*case.objects, closing))


def _ended(case: Case, extra: JSON, place: str) -> Case:
    if any(part.explicit for part in case.arrays):
        return case
    longest = max((len(part.prefix) for part in case.arrays), default=0)
    closing = ArrayPart((True,) * longest, extra, place, True)
    return replace(case, arrays=(*case.arrays, closing))
