"""From JSON Schema (draft 2020-12) to rules: which JSON texts a constraint lets a model write.

Everything that is written is valid for the schema; the reverse need not hold. Objects have their members in
declared order and no others, whitespace is the layout's, and whatever a schema leaves open is bounded
(`Bounds`). A keyword that restricts and cannot be expressed is a `SchemaError`, or is noted in `weakened`
when the caller loosens; formats without a pattern and unknown keywords are annotations, and are always noted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from bridle.errors import SchemaError
from bridle.grammars.bounds import DEFAULT_BOUNDS, Bounds
from bridle.grammars.formats import FORMATS
from bridle.grammars.ir import Lit, Node, alt
from bridle.grammars.json_rules import ONE_LINE, JsonRules, Member, Store
from bridle.grammars.number_rules import integer_rules, number_rules
from bridle.grammars.patterns import check_pattern, pattern_node
from bridle.grammars.quote_rules import QUOTED_FROM, quote_node, unquotable
from bridle.grammars.schema_keywords import (
    ANNOTATIONS,
    EXPRESSED,
    TYPES,
    UNEXPRESSED,
    check_schema,
    is_harmless,
    limit,
    pointer_to,
    written_types,
)
from bridle.grammars.schema_merge import Impossible, Schema, Source
from bridle.messages import JSON
from bridle.wrappers.syntax import JsonLayout

__all__ = ["Frame", "SchemaRules"]

_LARGEST = 20_000  # parts of one schema, references followed; a schema of that size is a mistake


class Frame:
    """How the arguments of a call are written: as a JSON object, with the members `first` before its own."""

    def __init__(self, rules: SchemaRules, first: Sequence[Member] = ()) -> None:
        self.rules = rules
        self.first = first

    def rules_of(self, key: str) -> SchemaRules:
        """Return the rules for the value of one argument."""
        return self.rules

    def value(self, key: str, node: Node) -> Node:
        """Add what else may stand for the value of one argument."""
        return node

    def object(self, members: Sequence[tuple[str, Node, bool]], depth: int) -> Node:
        """Return rules for these members (key, value, required) in this order."""
        return self.rules.object(members, depth)

    def free_object(self, value: Node, most: int, depth: int) -> Node:
        """Return rules for at most `most` members with any keys."""
        return self.rules.free_object(value, most, depth)


class SchemaRules(JsonRules):
    """Collects the rules of any number of schemas that go into one grammar."""

    def __init__(
        self,
        layout: JsonLayout = ONE_LINE,
        bounds: Bounds = DEFAULT_BOUNDS,
        *,
        loosen: bool = False,
        store: Store | None = None,
        quotes: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(layout, bounds, store)
        self.loosen = loosen
        if quotes is not None:
            self.store.quotes = quotes

    @property
    def weakened(self) -> tuple[str, ...]:
        """What the rules do not express, as `POINTER KEYWORD`, in the order it was met."""
        return tuple(self.store.notes)

    def node(
        self, schema: Schema | bool, *, depth: int = 0, place: str = "", frame: Frame | None = None
    ) -> Node:
        """Return rules for the values of a schema that stand `depth` levels deep.

        `place` is put before pointers in `weakened`. With a `frame` the schema is that of an object, whose
        members are written as the frame says.

        Raises:
            SchemaError: for a schema that is invalid, cannot be satisfied, or cannot be expressed.
        """
        check_schema(schema)
        return _Part(self, Source(schema), place).node(schema, "", depth, frame)

    def note(self, entry: str) -> None:
        """Remember what is not expressed."""
        self.store.notes[entry] = None


class _Part:
    """Writes the rules of one schema: knows where it is and which references it is inside of."""

    def __init__(
        self, out: SchemaRules, source: Source, place: str, inside: Counter[str] | None = None
    ) -> None:
        self._out = out
        self._source = source
        self._place = place
        self._inside: Counter[str] = Counter() if inside is None else inside
        self._known: dict[object, tuple[Schema, Node | Impossible]] = {}
        self._size = 0

    def node(self, schema: JSON | Schema, pointer: str, depth: int, frame: Frame | None = None) -> Node:
        """Write one part; `frame` says how an object's members are written."""
        if schema is False:
            raise Impossible("nothing satisfies a schema that is false", pointer=pointer)
        if not isinstance(schema, Mapping):
            return self._any(pointer, depth)
        inside = tuple(sorted(self._inside.items()))
        key = (id(schema), depth if self._out.layout.indent else 0, inside, frame is not None)
        if key not in self._known:
            self._size += 1
            if self._size > _LARGEST:
                raise SchemaError("the schema is too large once its references are followed", pointer=pointer)
            try:
                found: Node | Impossible = self._followed(schema, pointer, depth, frame)
            except Impossible as error:
                found = error
            # The schema is kept with what it means, because its id may not be used for another one.
            self._known[key] = (schema, found)
        _, found = self._known[key]
        if isinstance(found, Impossible):
            raise found
        return found

    def _followed(self, schema: Schema, pointer: str, depth: int, frame: Frame | None) -> Node:
        flat, followed = self._source.flat(schema, pointer)
        if len(followed) == 1 and "$ref" in schema:
            pointer = followed[0][1:]
        self._inside.update(followed)
        try:
            if any(self._inside[place] > self._out.bounds.depth + 1 for place in followed):
                raise Impossible(
                    f"{followed[0]!r} must hold itself without end",
                    pointer=pointer,
                    hint="make a member on the way optional",
                )
            return self._flat(flat, pointer, depth, frame)
        finally:
            self._inside.subtract(followed)
            self._inside += Counter()

    def _flat(self, schema: Schema, pointer: str, depth: int, frame: Frame | None) -> Node:
        if ("enum" in schema or "const" in schema) and frame is None:
            return self._values(schema, pointer, depth)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return self._branches(schema, keyword, pointer, depth, frame)
        kinds = written_types(schema)
        self._refuse_unexpressed(schema, kinds, pointer)
        if frame is not None:
            if kinds != ("object",) or "enum" in schema or "const" in schema:
                raise SchemaError("this must be an object with members of its own", pointer=pointer)
            return self._object(schema, pointer, depth, frame)
        node = self._any(pointer, depth) if kinds is TYPES else self._kinds(schema, kinds, pointer, depth)
        return alt(node, self._out.null) if schema.get("nullable") is True else node

    def _any(self, pointer: str, depth: int) -> Node:
        self._out.note(f"{self._at(pointer)} additionalProperties")  # a key may come twice
        return self._out.any_value(depth)

    def _kinds(self, schema: Schema, kinds: Sequence[str], pointer: str, depth: int) -> Node:
        writers: Mapping[str, Callable[[], Node]] = {
            "object": lambda: self._object(schema, pointer, depth, None),
            "array": lambda: self._array(schema, pointer, depth),
            "string": lambda: self._string(schema, pointer),
            "integer": lambda: self._out.share("integer", integer_rules(schema, self._out.bounds, pointer)),
            "number": lambda: self._out.share("number", number_rules(schema, self._out.bounds, pointer)),
            "boolean": lambda: alt(self._out.true, self._out.false),
            "null": lambda: self._out.null,
        }
        wanted = [kind for kind in kinds if not (kind == "integer" and "number" in kinds)]
        return self._possible([writers[kind] for kind in wanted], pointer)

    def _possible(self, writers: Sequence[Callable[[], Node]], pointer: str) -> Node:
        """Return the choice of all parts that something satisfies."""
        found: list[Node] = []
        reason = Impossible("no alternative can be satisfied", pointer=pointer)
        for write in writers:
            try:
                found.append(write())
            except Impossible as error:
                reason = error
        if not found:
            raise reason
        return alt(*found)

    def _values(self, schema: Schema, pointer: str, depth: int) -> Node:
        listed = [schema["const"]] if "const" in schema else cast("list[JSON]", schema["enum"])
        values = [value for value in listed if self._source.allows(schema, value)]
        if schema.get("nullable") is True and None not in values:
            values.append(None)
        if not values:
            raise Impossible("no value of the enum satisfies the schema around it", pointer=pointer)
        return self._out.share("enum", alt(*(Lit(self._out.dump(value, depth)) for value in values)))

    def _branches(self, schema: Schema, keyword: str, pointer: str, depth: int, frame: Frame | None) -> Node:
        around = {k: v for k, v in schema.items() if k != keyword and k not in ANNOTATIONS}
        branches = cast("list[JSON]", schema[keyword])
        places = [pointer_to(pointer, keyword, i) for i in range(len(branches))]
        merged: list[JSON] = [{"allOf": [around, branch]} if around else branch for branch in branches]
        if keyword == "oneOf" and not self._exclusive(merged, pointer):
            self._unexpressed(pointer, keyword, "its branches are not clearly exclusive")
        writers = [
            lambda branch=branch, place=place: self.node(branch, place, depth, frame)
            for branch, place in zip(merged, places, strict=True)
        ]
        return self._possible(writers, pointer)

    def _exclusive(self, branches: Sequence[JSON], pointer: str) -> bool:
        flat: list[Schema] = []
        for branch in branches:
            if branch is False:
                continue
            if not isinstance(branch, Mapping):
                return len(branches) == 1
            try:
                flat.append(self._source.flat(branch, pointer)[0])
            except Impossible:
                continue
        return all(
            self._source.exclude(one, other, pointer) for i, one in enumerate(flat) for other in flat[i + 1 :]
        )

    def _object(self, schema: Schema, pointer: str, depth: int, frame: Frame | None) -> Node:
        declared = cast("Mapping[str, JSON]", schema.get("properties", {}))
        required = cast("list[str]", schema.get("required", []))
        extra = schema.get("additionalProperties", schema.get("unevaluatedProperties"))
        wanted = {**declared, **{name: extra is None or extra for name in required if name not in declared}}
        if not wanted and (frame is None or not frame.first):
            return self._free_object(schema, extra, pointer, depth, frame)
        members: list[tuple[str, Node, bool]] = []
        for name, inner in wanted.items():
            try:
                value = self._value(name, inner, pointer_to(pointer, "properties", name), depth + 1, frame)
            except Impossible:
                if name in required:
                    raise
                continue
            members.append((name, value, name in required))
        if frame is not None:
            return frame.object([*((key, value, True) for key, value in frame.first), *members], depth)
        return self._out.share("object", self._out.object(members, depth))

    def _free_object(
        self, schema: Schema, extra: JSON, pointer: str, depth: int, frame: Frame | None
    ) -> Node:
        """Write an object whose members no schema names."""
        write = self._out if frame is None else frame
        if extra is False or (extra is None and "properties" in schema):
            return write.object((), depth)
        most = min(self._out.bounds.object_members, limit(schema, "maxProperties", 10**9))
        self._out.note(f"{self._at(pointer)} additionalProperties")  # a key may come twice
        if extra is None or extra is True:
            value = (self._out if frame is None else frame.rules_of("")).any_value(depth + 1)
        else:
            value = self._value("", extra, pointer_to(pointer, "additionalProperties"), depth + 1, frame)
        return self._out.share("object", write.free_object(value, most, depth))

    def _value(self, key: str, schema: JSON, pointer: str, depth: int, frame: Frame | None) -> Node:
        """Write a member's value, in a frame by the rules that the frame has for it."""
        if frame is None:
            return self.node(schema, pointer, depth)
        rules = frame.rules_of(key)
        part = self if rules is self._out else _Part(rules, self._source, self._place, self._inside)
        return frame.value(key, part.node(schema, pointer, depth))

    def _array(self, schema: Schema, pointer: str, depth: int) -> Node:
        prefix = cast("list[JSON]", schema.get("prefixItems", []))
        bounds, least = self._out.bounds, limit(schema, "minItems", 0)
        if "maxItems" in schema:
            most = min(limit(schema, "maxItems", 0), max(bounds.declared_items, least))
        else:
            most = max(bounds.array_items, least, len(prefix))
        fixed: list[Node] = []
        item: Node | None = None
        try:
            for i, inner in enumerate(prefix[:most]):
                fixed.append(self.node(inner, pointer_to(pointer, "prefixItems", i), depth + 1))
            if most > len(prefix):
                rest = schema.get("items", schema.get("unevaluatedItems", True))
                item = self.node(rest, pointer_to(pointer, "items"), depth + 1)
        except Impossible:
            most = len(fixed)
        if most < least:
            raise Impossible(f"no array has {least} to {most} items", pointer=pointer)
        return self._out.share("array", self._out.array(fixed, item, least, most, depth))

    def _string(self, schema: Schema, pointer: str) -> Node:
        bounds, least = self._out.bounds, limit(schema, "minLength", 0)
        most = max(bounds.string_chars, least)
        if "maxLength" in schema:
            most = min(limit(schema, "maxLength", 0), max(bounds.declared_chars, least))
        if most < least:
            raise Impossible(f"no string has {least} to {most} characters", pointer=pointer)
        form = str(schema.get("format", ""))
        if "pattern" in schema:
            pattern = str(schema["pattern"])
            check_pattern(pattern, pointer_to(pointer, "pattern"))
        else:
            pattern = FORMATS.get(form, "")
        if form and (form not in FORMATS or "pattern" in schema):
            self._out.note(f"{self._at(pointer)} format")
        if QUOTED_FROM in schema:
            if not (why := unquotable(self._out, schema, pattern, pointer)):
                return quote_node(self._out, schema, least, most, pattern, pointer)
            self._unexpressed(pointer, QUOTED_FROM, why)
        if pattern:
            try:
                inside = pattern_node(pattern, least, most, pointer=pointer_to(pointer, "pattern"))
                return self._out.share("string", self._out.string(inside))
            except SchemaError as error:
                if "pattern" in schema:
                    self._unexpressed(pointer, "pattern", error.message)
                else:
                    self._out.note(f"{self._at(pointer)} format")
        return self._out.text(least, most, exact="maxLength" in schema)

    def _refuse_unexpressed(self, schema: Schema, kinds: Sequence[str], pointer: str) -> None:
        for keyword in schema:
            if keyword in UNEXPRESSED:
                kind = UNEXPRESSED[keyword]
                concerned = not kind or kind in kinds or (kind == "number" and "integer" in kinds)
                if concerned and not is_harmless(schema, keyword):
                    self._unexpressed(pointer, keyword, "rules cannot express it")
            elif keyword not in EXPRESSED and keyword not in ANNOTATIONS and not keyword.startswith("x-"):
                self._out.note(f"{self._at(pointer)} {keyword}")

    def _unexpressed(self, pointer: str, keyword: str, why: str) -> None:
        if not self._out.loosen:
            raise SchemaError(
                f"the keyword {keyword!r} at {self._at(pointer)} cannot be enforced: {why}",
                pointer=pointer_to(pointer, keyword),
                hint="remove it, or allow it to be loosened; values are still checked after reading",
                keyword=keyword,
            )
        self._out.note(f"{self._at(pointer)} {keyword}")

    def _at(self, pointer: str) -> str:
        return f"{self._place}#{pointer}"
