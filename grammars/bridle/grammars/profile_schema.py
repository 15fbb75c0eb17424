"""Rewrites a JSON Schema for one server, and notes what becomes of each keyword.

What a server ignores is taken out and noted as weakened; what it fails on is said in another way where there
is one, so that whatever the server holds is valid for the schema. Where the rewritten schema refuses values
that the schema allows, there is a sign: `x-order` for a fixed order of members, `x-closed` for members that
the schema neither names nor forbids, `x-narrowed` for other values, and `x-null` for a member that is
written as null instead of left out. How strings, numbers and arrays are rewritten is in `profile_values.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from bridle.errors import SchemaError
from bridle.grammars.profile_drafts import brought_up
from bridle.grammars.profile_servers import Server
from bridle.grammars.profile_strict import SHOWN, or_null
from bridle.grammars.profile_values import Notes, ValueRewriter, either, types_of
from bridle.grammars.quote_rules import QUOTED_FROM
from bridle.grammars.schema_keywords import ANNOTATIONS, TYPES, limit, pointer_to, written_types
from bridle.grammars.schema_merge import Impossible, Schema, Source
from bridle.messages import JSON

__all__ = ["Rewriter"]

_HELD = frozenset((
    "type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "nullable",
    "minLength", "maxLength", "pattern", "format",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "items", "prefixItems", "minItems", "maxItems",
    "properties", "required", "additionalProperties", "patternProperties", "propertyNames",
    "minProperties", "maxProperties", "unevaluatedProperties", "unevaluatedItems",
))  # fmt: skip
"""Keywords that the writers below note themselves."""
_OF_TYPE = {
    "uniqueItems": "array", "contains": "array", "additionalItems": "array", "dependentRequired": "object",
    "dependentSchemas": "object", "dependencies": "object",
}  # fmt: skip
_NOT_ALNUM = re.compile("[^a-zA-Z0-9]+")


class Rewriter:
    """Rewrites one whole schema for one server; `notes` tell what became of it."""

    def __init__(self, root: Schema | bool, server: Server) -> None:
        self.notes = Notes()
        self._root = brought_up(root)
        self._server = server
        self._source = Source(self._root)
        self._values = ValueRewriter(server, self.notes, self.schema)
        self._defs: dict[str, JSON] = {}
        self._names: dict[str, str] = {}

    def whole(self) -> dict[str, JSON]:
        """Return the whole schema, rewritten.

        Raises:
            SchemaError: for a schema that nothing satisfies, or whose references lead nowhere.
        """
        found = self.schema(self._root, "")
        return {**found, "$defs": self._defs} if self._defs else found

    def schema(self, schema: JSON | Schema, pointer: str) -> dict[str, JSON]:
        """Return one part, rewritten."""
        if schema is False:
            raise Impossible("nothing satisfies a schema that is false", pointer=pointer)
        if not isinstance(schema, Mapping):
            return self._any(pointer)
        shown: dict[str, JSON] = {key: schema[key] for key in SHOWN if isinstance(schema.get(key), str)}
        if QUOTED_FROM in schema:
            self.notes.weaken(pointer, QUOTED_FROM)
        restricting = [keyword for keyword in schema if _restricts(keyword)]
        if restricting == ["$ref"]:
            self.notes.hold(pointer, "$ref")
            return {"$ref": f"#/$defs/{self._definition(str(schema['$ref']), pointer)}"}
        if not restricting:
            return {**shown, **self._any(pointer)}
        return {**shown, **self._flat(self._merged(schema, pointer), pointer)}

    def _definition(self, place: str, pointer: str) -> str:
        """Return the name under which the target of a reference stands, and rewrite it the first time."""
        if place not in self._names:
            # llama.cpp makes a rule's name of it, in which all but letters and digits are alike.
            plain = _NOT_ALNUM.sub("", place.rpartition("/")[2]) or "root"
            name, count = plain, 1
            while name in self._names.values():
                name, count = f"{plain}x{count}", count + 1
            self._names[place] = name
            target, _ = self._source.flat({"$ref": place}, pointer)
            self._defs[name] = {}  # keeps its place before what it refers to
            self._defs[name] = self.schema(target, place[1:])
        return self._names[place]

    def _merged(self, schema: Schema, pointer: str) -> Schema:
        """Merge `$ref` and `allOf` with what stands beside them."""
        for keyword in ("$ref", "allOf"):
            if keyword in schema:
                self.notes.hold(pointer, keyword)
        try:
            return self._source.flat(schema, pointer)[0]
        except Impossible:
            raise
        except SchemaError:
            if "allOf" not in schema:
                raise
            self.notes.weaken(pointer, "allOf")
            return self._source.flat({k: v for k, v in schema.items() if k != "allOf"}, pointer)[0]

    def _flat(self, schema: Schema, pointer: str) -> dict[str, JSON]:
        if "enum" in schema or "const" in schema:
            return self._enum(schema, pointer)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return self._branches(schema, keyword, pointer)
        kinds = written_types(schema)
        for keyword in schema:
            if _restricts(keyword) and keyword not in _HELD:
                self._unheld(schema, keyword, kinds, pointer)
        wanted = [kind for kind in kinds if not (kind == "integer" and "number" in kinds)]
        if kinds is TYPES:
            return self._any(pointer)
        self.notes.hold(pointer, *(keyword for keyword in schema if keyword in _HELD))
        if "type" not in schema:
            self.notes.weaken(pointer, "x-narrowed")  # keywords of one type are taken to mean that type
        if schema.get("nullable") is True and "null" not in wanted:
            wanted.append("null")
        return either(self._possible([self._writer(kind, schema, pointer) for kind in wanted], pointer))

    def _writer(self, kind: str, schema: Schema, pointer: str) -> Callable[[], dict[str, JSON]]:
        writers: Mapping[str, Callable[[Schema, str], dict[str, JSON]]] = {
            "object": self._object,
            "array": self._values.array,
            "string": self._values.string,
            "integer": self._values.integer,
            "number": self._values.number,
        }
        if kind in writers:
            return lambda: writers[kind](schema, pointer)
        return lambda: {"type": kind}

    def _unheld(self, schema: Schema, keyword: str, kinds: Sequence[str], pointer: str) -> None:
        """Note a keyword that no server here holds, unless it says nothing here."""
        value, kind = schema[keyword], _OF_TYPE.get(keyword, "")
        says_nothing = {
            "uniqueItems": value is False or limit(schema, "maxItems", 2) <= 1,
            "if": "then" not in schema and "else" not in schema,
            "not": False,
            "contains": limit(schema, "minContains", 1) == 0,
        }.get(keyword, value is True or value == {})
        if says_nothing or (kind and kind not in kinds):
            self.notes.hold(pointer, keyword)
        else:
            self.notes.weaken(pointer, keyword)

    def _any(self, pointer: str) -> dict[str, JSON]:
        if self._server.any_value:
            return {}
        self.notes.weaken(pointer, "x-narrowed")
        return either([{"type": kind} for kind in ("string", "number", "boolean", "null")])

    def _enum(self, schema: Schema, pointer: str) -> dict[str, JSON]:
        listed = [schema["const"]] if "const" in schema else cast("list[JSON]", schema["enum"])
        values = [value for value in listed if self._allows(schema, value, pointer)]
        if schema.get("nullable") is True and None not in values:
            values.append(None)
        if not values:
            raise Impossible("no value of the enum satisfies the schema around it", pointer=pointer)
        self.notes.hold(pointer, *(keyword for keyword in schema if _restricts(keyword)))
        body: dict[str, JSON] = {"const": values[0]} if len(values) == 1 else {"enum": values}
        return body if self._server.any_value else {"type": types_of(values), **body}

    def _allows(self, schema: JSON | Schema, value: JSON, pointer: str) -> bool:
        """Check a value; one that cannot be checked passes, which is noted."""
        try:
            return self._source.allows(schema, value)
        except SchemaError:
            self.notes.weaken(pointer, "pattern")
            return True

    def _branches(self, schema: Schema, keyword: str, pointer: str) -> dict[str, JSON]:
        around = {k: v for k, v in schema.items() if k != keyword and k not in ANNOTATIONS}
        branches = cast("list[JSON]", schema[keyword])
        merged: list[JSON] = [{"allOf": [around, branch]} if around else branch for branch in branches]
        if keyword == "oneOf" and not self._exclusive(merged, pointer):
            self.notes.weaken(pointer, keyword)
        self.notes.hold(pointer, keyword)
        writers = [
            lambda branch=branch, i=i: self.schema(branch, pointer_to(pointer, keyword, i))
            for i, branch in enumerate(merged)
        ]
        return either(self._possible(writers, pointer))

    def _possible(
        self, writers: Sequence[Callable[[], dict[str, JSON]]], pointer: str
    ) -> list[dict[str, JSON]]:
        found: list[dict[str, JSON]] = []
        reason = Impossible("no alternative can be satisfied", pointer=pointer)
        for write in writers:
            try:
                found.append(write())
            except Impossible as error:
                reason = error
        if not found:
            raise reason
        return found

    def _exclusive(self, branches: Sequence[JSON], pointer: str) -> bool:
        flat: list[Schema] = []
        for branch in branches:
            if not isinstance(branch, Mapping):
                return branch is False or len(branches) == 1
            try:
                flat.append(self._source.flat(branch, pointer)[0])
            except Impossible:
                continue
        return all(
            self._source.exclude(one, other, pointer) for i, one in enumerate(flat) for other in flat[i + 1 :]
        )

    def _object(self, schema: Schema, pointer: str) -> dict[str, JSON]:
        declared, required = self._declared(schema, pointer)
        least = max(limit(schema, "minProperties", 0), len(required))
        if least > limit(schema, "maxProperties", least):
            raise Impossible(f"{least} members are required, and fewer allowed", pointer=pointer)
        members = self._members(declared, required, pointer)
        extra = schema.get("additionalProperties", schema.get("unevaluatedProperties"))
        if (
            not declared
            and "properties" not in schema
            and (extra is not False or "patternProperties" in schema)
        ):
            return self._map(schema, extra, pointer)
        if len(members) > 1:
            self.notes.weaken(pointer, "x-order")
        body: dict[str, JSON] = {"type": "object", "properties": members, "required": list(required)}
        if extra is None and least > len(members):
            extra = True
        closed = extra is None or extra is False or not self._server.maps
        if not closed:
            found = self.schema(extra, pointer_to(pointer, "additionalProperties"))
            body["additionalProperties"] = found or True
            if "patternProperties" in schema:
                self.notes.weaken(pointer, "patternProperties")
        else:
            body["additionalProperties"] = False
            if extra is not False or "patternProperties" in schema:
                self.notes.weaken(pointer, "x-closed")
        if closed and least > len(members):
            raise Impossible(f"there are no more than {len(members)} members", pointer=pointer)
        self._member_counts(schema, body, (len(required), len(members) if closed else None), pointer)
        if self._server.all_required:
            self._require_all(body, declared, pointer)
        return self._empty() if closed and not members else body

    def _members(
        self, declared: Mapping[str, JSON], required: Sequence[str], pointer: str
    ) -> dict[str, JSON]:
        """Rewrite the members, but for optional ones that cannot be."""
        members: dict[str, JSON] = {}
        for name, inner in declared.items():
            try:
                members[name] = self.schema(inner, pointer_to(pointer, "properties", name))
            except Impossible:
                if name in required:
                    raise
        return members

    def _declared(self, schema: Schema, pointer: str) -> tuple[dict[str, JSON], list[str]]:
        """Return all members that are named anywhere, in order, and which of them must come."""
        extra = schema.get("additionalProperties", schema.get("unevaluatedProperties", True))
        declared = dict(cast("Mapping[str, JSON]", schema.get("properties", {})))
        listed = cast("list[str]", schema.get("required", []))
        declared |= {name: extra for name in listed if name not in declared}
        patterns = cast("Mapping[str, JSON]", schema.get("patternProperties", {}))
        named = cast("Mapping[str, JSON]", schema.get("properties", {}))
        for name, inner in declared.items():
            also = [part for pattern, part in patterns.items() if self._finds(pattern, name, pointer)]
            if also:
                declared[name] = {"allOf": [*([inner] if name in named else []), *also]}
        names = schema.get("propertyNames", True)
        bad = [name for name in declared if names is not True and not self._allows(names, name, pointer)]
        if any(name in listed for name in bad):
            raise Impossible(f"the name {bad[0]!r} is required and not allowed", pointer=pointer)
        declared = {name: inner for name, inner in declared.items() if name not in bad}
        wanted = set(listed)
        return declared, [name for name in declared if name in wanted]

    def _finds(self, pattern: str, name: str, pointer: str) -> bool:
        try:
            return re.search(pattern, name) is not None
        except re.error:
            self.notes.weaken(pointer, "patternProperties")
            return False

    def _map(self, schema: Schema, extra: JSON, pointer: str) -> dict[str, JSON]:
        """Write an object whose members no schema names."""
        for keyword in ("patternProperties", "propertyNames"):
            if schema.get(keyword) not in (None, True, {}):
                self.notes.weaken(pointer, keyword)
        if not self._server.maps:
            self.notes.weaken(pointer, "x-closed")
            if limit(schema, "minProperties", 0) > 0:
                self.notes.weaken(pointer, "minProperties")
            return self._empty()
        body: dict[str, JSON] = {"type": "object", "additionalProperties": True}
        if extra is False:
            extra = {"anyOf": list(cast("Mapping[str, JSON]", schema["patternProperties"]).values())}
        if extra is not None and extra is not True:
            body["additionalProperties"] = self.schema(extra, pointer_to(pointer, "additionalProperties"))
        self._member_counts(schema, body, (0, None), pointer)
        return body

    def _member_counts(
        self, schema: Schema, body: dict[str, JSON], there: tuple[int, int | None], pointer: str
    ) -> None:
        """Write how many members there may be, unless those that are there say so."""
        least, most = there
        if limit(schema, "minProperties", 0) > least:
            self._count(body, schema, "minProperties", pointer)
        if "maxProperties" in schema and (most is None or most > limit(schema, "maxProperties", 0)):
            self._count(body, schema, "maxProperties", pointer)

    def _count(self, body: dict[str, JSON], schema: Schema, keyword: str, pointer: str) -> None:
        if self._server.member_counts:
            body[keyword] = schema[keyword]
        else:
            self.notes.weaken(pointer, keyword)

    def _require_all(self, body: dict[str, JSON], declared: Mapping[str, JSON], pointer: str) -> None:
        """Make each optional member a required one that may be null."""
        members = cast("dict[str, JSON]", body["properties"])
        required = set(cast("list[str]", body["required"]))
        for name in members:
            if name not in required:
                members[name] = or_null(cast("dict[str, JSON]", members[name]))
                if not self._allows(declared[name], None, pointer):
                    self.notes.weaken(pointer_to(pointer, "properties", name), "x-null")
        body["required"] = list(members)

    def _empty(self) -> dict[str, JSON]:
        if self._server.empty_constant:
            return {"const": {}}
        return {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


def _restricts(keyword: str) -> bool:
    return keyword not in ANNOTATIONS and not keyword.startswith("x-")
