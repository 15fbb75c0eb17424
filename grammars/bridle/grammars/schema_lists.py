"""Writes objects and arrays as bounded rules: members in declared order, others where they are named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from bridle.errors import SchemaError
from bridle.grammars.automata import rules_of, trimmed
from bridle.grammars.ir import Alt, Lit, Node, alt, seq
from bridle.grammars.json_rules import JsonRules
from bridle.grammars.json_text import escaped, quoted
from bridle.grammars.patterns import cut_to_fit
from bridle.grammars.regular import Automaton, TooLarge, intersection
from bridle.grammars.schema_cases import Case, Impossible, Schema, conjunction
from bridle.grammars.schema_demands import item_schemas, member_schemas, other_members
from bridle.grammars.schema_names import names_automaton
from bridle.grammars.schema_negation import Inexact
from bridle.grammars.schema_reader import Reader
from bridle.grammars.schema_source import Source
from bridle.grammars.sized_texts import within
from bridle.messages import JSON

if TYPE_CHECKING:
    from collections import Counter

    from bridle.grammars.schema import Frame, SchemaRules

__all__ = ["ListWriter"]

_MOST_COUNTED = 600  # members, times how many there may be, that are counted
_ORDERS = 4  # different items of an array that are written in any order


class _Writer(Protocol):
    """Who writes what is inside."""

    out: SchemaRules
    source: Source
    reader: Reader
    place: str
    inside: Counter[str]

    def node(self, schema: JSON | Schema, depth: int, frame: Frame | None = None) -> Node: ...
    def with_rules(self, rules: SchemaRules) -> _Writer: ...
    def at(self, pointer: str) -> str: ...
    def unexpressed(self, case: Case, keyword: str, why: str) -> None: ...
    def leave_out(self, pointer: str, keyword: str, why: str) -> None: ...


class ListWriter:
    """Writes the objects and arrays of one schema."""

    def __init__(self, writer: _Writer) -> None:
        self._writer = writer
        self._out = writer.out

    def object(self, case: Case, pointer: str, depth: int, frame: Frame | None) -> Node:
        """Write the objects of a case."""
        self._writer.reader.leave_out_excluded(case, "object", counted=frame is None or bool(case.required))
        if any(one == {} for one, _ in case.excluded):
            case = replace(case, least_members=max(case.least_members, 1))
        declared = dict.fromkeys(name for part in case.objects for name in part.properties)
        wanted = [*declared, *(name for name in case.required if name not in declared)]
        plain = frame is None and type(self._out).string is JsonRules.string
        patterns = any(part.patterns for part in case.objects)
        others = patterns or any(isinstance(part.others, Mapping) and part.others for part in case.objects)
        if not wanted and (frame is None or not frame.first) and not (plain and (patterns or case.names)):
            return self._free_object(case, pointer, depth, frame)
        members: list[tuple[str, Node, bool]] = []
        for name in wanted:
            try:
                members.append((name, self._member(case, name, depth + 1, frame), name in case.required))
            except Impossible:
                if name in case.required:
                    raise
        if frame is not None:
            self._check_counts(case, len(members))
            return frame.object([*((key, value, True) for key, value in frame.first), *members], depth)
        more = self._others(case, wanted, depth + 1) if plain and (others or not wanted) else []
        required = sum(must for _, _, must in members)
        most = len(members) + len(more) if case.most_members is None else case.most_members
        if case.least_members <= required and most >= len(members) + len(more) and not more:
            return self._out.share("object", self._out.object(members, depth))
        return self._counted(case, members, more, depth, pointer)

    def _member(self, case: Case, name: str, depth: int, frame: Frame | None) -> Node:
        value = conjunction(member_schemas(case, name))
        for schema, pointer in case.names:
            if not self._writer.source.allows(schema, name):
                raise Impossible(f"a member cannot be called {name!r}", pointer=pointer)
        return self._value(name, value, depth, frame)

    def _value(self, key: str, schema: JSON, depth: int, frame: Frame | None) -> Node:
        """Write a member's value, in a frame by the rules that the frame has for it."""
        writer = self._writer
        if frame is None:
            return writer.node(schema, depth)
        rules = frame.rules_of(key)
        if rules is writer.out:
            return frame.value(key, writer.node(schema, depth))
        return frame.value(key, writer.with_rules(rules).node(schema, depth))

    def _check_counts(self, case: Case, members: int) -> None:
        if case.least_members > len(case.required):
            self._writer.unexpressed(case, "minProperties", "the members are not counted here")
        if case.most_members is not None and case.most_members < members:
            self._writer.unexpressed(case, "maxProperties", "the members are not counted here")

    def _others(self, case: Case, declared: Sequence[str], depth: int) -> list[Node]:
        """Return members that no `properties` names: some of each group of names that means the same."""
        named = any(isinstance(part.others, Mapping) and part.others for part in case.objects)
        patterns = any(part.patterns for part in case.objects)
        try:
            groups = other_members(case, declared, exact=False)
        except (SchemaError, TooLarge) as error:
            for part in case.objects:
                if part.patterns:
                    self._writer.leave_out(part.pointer, "patternProperties", str(error))
            return []
        found: list[Node] = []
        for names, value, matched in groups:
            if value is False or (patterns and not named and not matched):
                continue
            for schema, pointer in case.names:
                try:
                    names = trimmed(  # noqa: PLW2901 - narrowed step by step
                        intersection(names, names_automaton(self._writer.reader, schema, exact=False))
                    )
                except (Inexact, SchemaError, TooLarge) as error:
                    self._writer.leave_out(pointer, "propertyNames", str(error))
            try:
                found.append(seq(self._key(names), Lit(": "), self._writer.node(value, depth)))
            except (Impossible, TooLarge):
                continue
        self._out.note(
            f"{self._writer.at(case.objects[0].pointer if case.objects else '')} additionalProperties"
        )
        return found

    def _key(self, names: Automaton) -> Node:
        most = self._out.bounds.key_chars
        node = rules_of(names, lambda chars: chars)
        found = None if node is None else cut_to_fit(node, most)
        if found is None:
            node = rules_of(within(names, 0, most), escaped, self._out.share)
            if node is None:
                raise Impossible("no name is left for another member")
            return self._out.share("key", quoted(node))
        return self._out.share("key", self._out.string(found))

    def _counted(
        self, case: Case, members: list[tuple[str, Node, bool]], more: list[Node], depth: int, pointer: str
    ) -> Node:
        """Write an object whose members are counted; members of any name come last."""
        out, room = self._out, self._out.bounds.object_members
        inner = out.layout.newline(depth + 1)
        items = [(seq(Lit(inner), out.lead(key), value), must) for key, value, must in members]
        if more:
            other = out.share("member", seq(Lit(inner), alt(*more)))
            items += [(other, False)] * min(room, case.most_members or room)
        least, most = case.least_members, case.most_members
        if more and least > 1 + sum(must for _, _, must in members):
            self._writer.unexpressed(case, "minProperties", "a key may come twice")
        if least > len(items):
            raise Impossible(f"no object has {least} members", pointer=pointer)
        if len(items) * (max(least, most or 0) + 1) > _MOST_COUNTED:
            for keyword in ("minProperties", "maxProperties"):
                self._writer.unexpressed(case, keyword, "so many members cannot be counted")
            self._writer.reader.leave_out_excluded(case, "object", counted=bool(case.required))
            least, most = 0, None
        close = out.layout.newline(depth) + "}"
        return out.share("object", _Counted(out, items, least, most, close).whole())

    def _free_object(self, case: Case, pointer: str, depth: int, frame: Frame | None) -> Node:
        """Write an object whose members no schema names."""
        write = self._out if frame is None else frame
        closed = any(part.others is False for part in case.objects)
        spoken = any(not part.explicit for part in case.objects)
        if case.names:
            self._writer.unexpressed(case, "propertyNames", "names are not written here")
        if closed or (spoken and not any(part.explicit for part in case.objects)):
            if case.least_members:
                raise Impossible("an object without members has too few", pointer=pointer)
            return write.object((), depth)
        most = min(self._out.bounds.object_members, 10**9 if case.most_members is None else case.most_members)
        least = case.least_members
        if least > 1 or (least and frame is not None):
            self._writer.unexpressed(case, "minProperties", "a key may come twice")
        if most < least:
            raise Impossible(f"no object has {least} to {most} members", pointer=pointer)
        self._out.note(f"{self._writer.at(pointer)} additionalProperties")  # a key may come twice
        schema = conjunction([part.others for part in case.objects])
        if schema is True or schema == {}:
            value = (self._out if frame is None else frame.rules_of("")).any_value(depth + 1)
        else:
            value = self._value("", schema, depth + 1, frame)
        node = write.free_object(value, most, depth)
        if least and frame is None:
            node = alt(*(item for item in (node.items if isinstance(node, Alt) else ()) if item != Lit("{}")))
        return self._out.share("object", node)

    def array(self, case: Case, pointer: str, depth: int) -> Node:
        """Write the arrays of a case."""
        bounds, least = self._out.bounds, case.least_items
        self._writer.reader.leave_out_excluded(case, "array")
        if any(one == [] for one, _ in case.excluded):
            least = max(least, 1)
        longest = max((len(part.prefix) for part in case.arrays), default=0)
        if case.most_items is not None:
            most = min(case.most_items, max(bounds.declared_items, least))
        else:
            most = max(bounds.array_items, least, longest)
        rest = conjunction(item_schemas(case, longest))
        if case.unique and most > 1:
            found = self._unique(case, rest, longest, least, most, depth)
            if found is not None:
                return found
        wanted = [conjunction(item_schemas(case, i)) for i in range(min(longest, most))]
        for one in case.contains:
            least = max(least, len(wanted) + one.least)
            wanted += [conjunction([rest, one.schema])] * one.least
        for one in case.contains:
            if one.most is not None:
                other: JSON = {"not": one.schema, "\0for": [one.pointer, "maxContains"]}
                rest = conjunction([rest, other])
                wanted[:longest] = [conjunction([item, other]) for item in wanted[:longest]]
        fixed: list[Node] = []
        item: Node | None = None
        try:
            for schema in wanted:
                fixed.append(self._writer.node(schema, depth + 1))
            if most > len(wanted):
                item = self._writer.node(rest, depth + 1)
        except Impossible:
            most = len(fixed)
        if most < least:
            raise Impossible(f"no array has {least} to {most} items", pointer=pointer)
        return self._out.share("array", self._out.array(fixed, item, least, most, depth))

    def _unique(self, case: Case, rest: JSON, longest: int, least: int, most: int, depth: int) -> Node | None:
        """Write an array of different items, where they are of a few given values."""
        values = None if longest or case.contains else self._writer.reader.listed(rest)
        if values is None or len(values) * (len(values) + 1) > _MOST_COUNTED:
            for pointer in case.unique:
                self._writer.leave_out(pointer, "uniqueItems", "the items are not of a few given values")
            return None
        out = self._out
        inner, close = out.layout.newline(depth + 1), out.layout.newline(depth) + "]"
        items: list[Node] = [seq(Lit(inner + out.dump(value, depth + 1))) for value in values]
        if least > len(items):
            raise Impossible(f"there are not {least} different items")
        if len(items) > _ORDERS:
            pairs = [(item, False) for item in items]
            return out.share("array", _Counted(out, pairs, least, most, close, "[").whole())
        return out.share("array", _any_order(items, least, most, out.comma, close))


class _Counted:
    """Writes items in their order, some of them optional, `least` to `most` of them."""

    def __init__(
        self,
        out: JsonRules,
        items: Sequence[tuple[Node, bool]],
        least: int,
        most: int | None,
        close: str,
        begin: str = "{",
    ) -> None:
        self._out, self._items, self._close, self._begin = out, items, close, begin
        self._least = least
        self._most = len(items) if most is None else min(most, len(items))
        self._known: dict[tuple[int, int], Node | None] = {}

    def whole(self) -> Node:
        found = self._from(0, 0)
        if found is None:
            raise Impossible("the members that must be there are too many")
        return found

    def _from(self, i: int, count: int) -> Node | None:
        """Return rules for the items from number `i` on, after `count` of them."""
        key = (i, count)
        if key not in self._known:
            found = self._written(i, count)
            shared = (
                found if found is None or isinstance(found, Lit) or i == 0 else self._out.share("rest", found)
            )
            self._known[key] = shared
        return self._known[key]

    def _written(self, i: int, count: int) -> Node | None:
        if i == len(self._items):
            if count < self._least:
                return None
            return Lit(self._begin + self._close.strip("\n ")) if count == 0 else Lit(self._close)
        item, must = self._items[i]
        ways: list[Node] = []
        if count < self._most:
            rest = self._from(i + 1, count + 1)
            lead = Lit(self._begin if count == 0 else self._out.comma)
            ways += [] if rest is None else [seq(lead, item, rest)]
        if not must:
            rest = self._from(i + 1, count)
            ways += [] if rest is None else [rest]
        return alt(*ways) if ways else None


def _any_order(items: Sequence[Node], least: int, most: int, comma: str, close: str) -> Node:
    """Return rules for different items in any order."""

    def rest(left: tuple[Node, ...], count: int) -> Node:
        ways: list[Node] = [Lit(close)] if count >= least else []
        if count < most:
            for i, item in enumerate(left):
                ways.append(seq(Lit(comma), item, rest((*left[:i], *left[i + 1 :]), count + 1)))
        return alt(*ways)

    empty = [Lit("[]")] if least == 0 else []
    firsts = [
        seq(Lit("["), item, rest((*items[:i], *items[i + 1 :]), 1))
        for i, item in enumerate(items)
        if most > 0
    ]
    return alt(*empty, *firsts)
