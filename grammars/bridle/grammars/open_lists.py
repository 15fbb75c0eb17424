"""Objects and arrays of open grammars: members in any order, items that must be there or must differ."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import combinations
from typing import cast

from bridle.errors import SchemaError
from bridle.grammars.automata import rules_of, trimmed
from bridle.grammars.ir import EMPTY, ENDLESS, Lit, Node, Repeat, alt, optional, seq
from bridle.grammars.json_text import ANY_CHAR, literal, quoted
from bridle.grammars.open_store import NOTHING, Machine, OpenStore
from bridle.grammars.regular import Automaton, TooLarge, intersection
from bridle.grammars.schema_cases import Case, conjunction
from bridle.grammars.schema_demands import item_schemas, member_schemas, other_members
from bridle.grammars.schema_names import names_automaton
from bridle.grammars.schema_negation import Inexact
from bridle.grammars.schema_reader import Reader
from bridle.messages import JSON

__all__ = ["MOST_STATES", "Lists"]

MOST_STATES = 1200
"""States of one object, times the members that may come next; ten required members make 10,240."""
_Value = Callable[[JSON], Node]


class Lists:
    """Writes the objects and arrays of one schema; `value` writes what is inside."""

    def __init__(self, store: OpenStore, reader: Reader, value: _Value) -> None:
        self._store = store
        self._reader = reader
        self._value = value

    def object(self, case: Case) -> Node:
        """Return rules for the objects of a case."""
        declared = list(
            dict.fromkeys([name for part in case.objects for name in part.properties] + list(case.required))
        )
        self._reader.leave_out_excluded(case, "object")
        members: dict[str, Node] = {}
        for name in declared:
            node = self._member(case, name)
            if node == NOTHING and name in case.required:
                return NOTHING
            if node != NOTHING:
                members[name] = node
        others = self._others(case, declared)
        least = max(case.least_members, 1 if any(one == {} for one, _ in case.excluded) else 0)
        free = [members[name] for name in members if name not in case.required] + others
        wanted = {name: members[name] for name in case.required}
        if case.most_members is not None and case.most_members < max(least, len(wanted)):
            return NOTHING
        return self._members(case, wanted, free, least, case.most_members)

    def _member(self, case: Case, name: str) -> Node:
        for schema, _ in case.names:
            if not self._reader.source.allows(schema, name):
                return NOTHING
        value = conjunction(member_schemas(case, name))
        if value is False:
            return NOTHING
        key = self._store.token("key", seq(literal(name), Lit(": ")))
        return seq(key, self._value(value))

    def _others(self, case: Case, declared: Sequence[str]) -> list[Node]:
        """Return the members that no `properties` names."""
        try:
            groups = other_members(case, declared, exact=True)
        except (SchemaError, TooLarge) as error:
            for part in case.objects:
                if part.patterns:
                    self._reader.leave_out(part.pointer, "patternProperties", str(error))
            key = self._store.token("key", seq(quoted(Repeat(self._char(), 0, ENDLESS)), Lit(": ")))
            return [seq(key, self._value(True))]
        found: list[Node] = []
        for names, value, _ in groups:
            key = NOTHING if value is False else self._key(case, names)
            if key != NOTHING:
                found.append(seq(key, self._value(value)))
        return found

    def _key(self, case: Case, names: Automaton) -> Node:
        for schema, pointer in case.names:
            try:
                names = trimmed(intersection(names, names_automaton(self._reader, schema)))
            except (Inexact, SchemaError, TooLarge) as error:
                self._reader.leave_out(pointer, "propertyNames", str(error))
        if len(names.moves) == 1 and len(names.moves[0]) == 2 and names.accepting:  # any name at all
            inside: Node | None = Repeat(self._char(), 0, ENDLESS)
        else:
            try:
                inside = rules_of(names, self._store.char, self._store.token)
            except TooLarge as error:
                for _, pointer in case.names:
                    self._reader.leave_out(pointer, "propertyNames", str(error))
                inside = Repeat(self._char(), 0, ENDLESS)
        return NOTHING if inside is None else self._store.token("key", seq(quoted(inside), Lit(": ")))

    def _char(self) -> Node:
        return self._store.token("char", ANY_CHAR)

    def _members(
        self, case: Case, wanted: dict[str, Node], free: list[Node], least: int, most: int | None
    ) -> Node:
        """Return rules for an object: all `wanted` members and any of `free`; `least` to `most` in all."""
        top = most if most is not None else least if least > len(wanted) else 0
        if not wanted:
            return self._any_of(free, least, most)
        if (1 << len(wanted)) * (top + 1) * len(wanted) > MOST_STATES * 2 and top:
            for keyword in ("minProperties", "maxProperties"):
                self._leave_out(case, keyword, "the members cannot be counted")
            top, least, most = 0, 0, None
        names = tuple(wanted)
        ordered = (1 << len(names)) * (top + 1) * len(names) > 2 * MOST_STATES
        if ordered:
            self._reader.leave_out(
                self._place(case, "required"), "x-order", "so many members have too many orders"
            )

        def steps(state: Hashable) -> list[tuple[Node, Hashable]]:
            missing, count = cast("tuple[frozenset[str], int]", state)
            if most is not None and count >= most:
                return []
            more = min(count + 1, top)
            next_ones = [name for name in names if name in missing]
            found: list[tuple[Node, Hashable]] = [(node, (missing, more)) for node in free]
            return found + [
                (wanted[name], (missing - {name}, more)) for name in (next_ones[:1] if ordered else next_ones)
            ]

        def final(state: Hashable) -> bool:
            missing, count = cast("tuple[frozenset[str], int]", state)
            return not missing and (least <= len(names) or count >= least)

        return self._store.listed("{", "}", Machine((frozenset(names), 0), steps, final))

    def _any_of(self, free: list[Node], least: int, most: int | None) -> Node:
        begin, end, comma = (self._store.text(sign) for sign in ("{", "}", ", "))
        if not free or most == 0:
            return NOTHING if least else seq(begin, end)
        member = free[0] if len(free) == 1 else self._store.rule("member", alt(*free))
        room = ENDLESS if most is None else most - 1
        items = seq(member, Repeat(seq(comma, member), max(0, least - 1), room) if room else EMPTY)
        return seq(begin, items if least else optional(items), end)

    def array(self, case: Case) -> Node:
        """Return rules for the arrays of a case."""
        least, most = case.least_items, case.most_items
        self._reader.leave_out_excluded(case, "array")
        if any(one == [] for one, _ in case.excluded):
            least = max(least, 1)
        longest = max((len(part.prefix) for part in case.arrays), default=0)
        fixed = [conjunction(item_schemas(case, i)) for i in range(longest)]
        rest = conjunction(item_schemas(case, longest))
        if case.unique and (most is None or most > 1):
            found = self._unique(case, fixed, rest, least, most)
            if found is not None:
                return found
        if case.contains:
            found = self._containing(case, fixed, rest, least, most)
            if found is not None:
                return found
        return self._items([self._value(one) for one in fixed], self._value(rest), least, most)

    def _items(self, fixed: list[Node], rest: Node, least: int, most: int | None) -> Node:
        begin, end, comma = (self._store.text(sign) for sign in ("[", "]", ", "))
        fixed = fixed if most is None else fixed[:most]
        if most == 0 or (not fixed and rest == NOTHING):
            return NOTHING if least else seq(begin, end)
        first, *others = fixed or [rest]
        used = max(1, len(fixed))
        room = ENDLESS if most is None else most - used
        tail: Node = EMPTY
        if room > 0:
            more = max(0, least - used)
            tail = Repeat(seq(comma, rest), more, room) if rest != NOTHING else NOTHING if more else EMPTY
        for i in range(len(others), 0, -1):
            part = seq(comma, others[i - 1], tail)
            tail = part if i < least else optional(part)
        items = seq(first, tail)
        return seq(begin, items if least else optional(items), end)

    def _unique(self, case: Case, fixed: list[JSON], rest: JSON, least: int, most: int | None) -> Node | None:
        """Return rules for arrays whose items all differ; None where there are too many of them."""
        values = None if fixed or case.contains else self._reader.listed(rest)
        if values is None or len(values) << len(values) > 4 * MOST_STATES:
            for pointer in case.unique:
                self._reader.leave_out(pointer, "uniqueItems", "the items are not of a few given values")
            return None
        nodes = [self._value({"const": value}) for value in values]

        def steps(state: Hashable) -> list[tuple[Node, Hashable]]:
            used = cast("frozenset[int]", state)
            if most is not None and len(used) >= most:
                return []
            return [(node, used | {i}) for i, node in enumerate(nodes) if i not in used]

        def final(state: Hashable) -> bool:
            return len(cast("frozenset[int]", state)) >= least

        return self._store.listed("[", "]", Machine(frozenset[int](), steps, final))

    def _containing(
        self, case: Case, fixed: list[JSON], rest: JSON, least: int, most: int | None
    ) -> Node | None:
        """Return rules for arrays of which some items must be found by `contains`."""
        wanted = [one for one in case.contains if one.least]
        limits = [one for one in case.contains if one.most is not None]
        top = max(most or 0, least)
        size = (top + 1) * (max(len(fixed), 1))
        for one in wanted:
            size *= one.least + 1
        for one in limits:
            size *= (one.most or 0) + 1
        if size > MOST_STATES:
            for one in case.contains:
                self._reader.leave_out(one.pointer, "contains", "its matches cannot be counted")
            return None
        parts = list(case.contains)
        goals = [one.least if one.most is None else one.most for one in parts]

        def steps(state: Hashable) -> list[tuple[Node, Hashable]]:
            count, hits = cast("tuple[int, tuple[int, ...]]", state)
            if most is not None and count >= most:
                return []
            inner = fixed[count] if count < len(fixed) else rest
            behind = min(count + 1, max(top, len(fixed)))
            found: list[tuple[Node, Hashable]] = []
            for size in range(len(parts) + 1):
                for chosen in combinations(range(len(parts)), size):
                    after = tuple(hit + (i in chosen) for i, hit in enumerate(hits))
                    if any(
                        one.most is not None and hit > one.most for one, hit in zip(parts, after, strict=True)
                    ):
                        continue
                    schemas: list[JSON] = [inner, *(parts[i].schema for i in chosen)]
                    for i, one in enumerate(parts):
                        if one.most is not None and i not in chosen:
                            schemas.append({"not": one.schema, "\0for": [one.pointer, "maxContains"]})
                    capped = tuple(min(hit, goal) for hit, goal in zip(after, goals, strict=True))
                    found.append((self._value(conjunction(schemas)), (behind, capped)))
            return found

        def final(state: Hashable) -> bool:
            count, hits = cast("tuple[int, tuple[int, ...]]", state)
            return count >= least and all(hit >= one.least for one, hit in zip(parts, hits, strict=True))

        return self._store.listed("[", "]", Machine((0, (0,) * len(parts)), steps, final))

    def exactly(self, value: JSON, write: Callable[[list[JSON]], list[Node]]) -> Node:
        """Return rules for one object or array."""
        if isinstance(value, list):
            return self._items([alt(*write([item])) for item in value], NOTHING, len(value), len(value))
        assert isinstance(value, dict)
        wanted = {
            key: seq(self._store.token("key", seq(literal(key), Lit(": "))), alt(*write([inner])))
            for key, inner in value.items()
        }
        return self._members(Case(), wanted, [], 0, None)

    def _place(self, case: Case, keyword: str) -> str:
        for schema in case.sources:
            if keyword in schema:
                return self._reader.pointer(schema)
        return ""

    def _leave_out(self, case: Case, keyword: str, why: str) -> None:
        self._reader.leave_out_of(case, keyword, why)
