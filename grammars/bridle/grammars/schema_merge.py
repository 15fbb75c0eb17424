"""Following `$ref`, merging `allOf`, and telling whether the branches of a `oneOf` exclude each other.

A merged schema accepts what both parts accept. What cannot be merged exactly raises a `SchemaError`; parts
that contradict each other raise its kind `Impossible`, which whoever can do without the value catches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import cast

from referencing.exceptions import Unresolvable

from bridle.errors import SchemaError
from bridle.grammars.schema_cases import Impossible, Schema
from bridle.grammars.schema_keywords import ANNOTATIONS, TYPES, validator_of, written_types
from bridle.messages import JSON

__all__ = ["Impossible", "Schema", "Source", "merge"]

_HOPS = 64
_LOWER = ("minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties")
_UPPER = ("maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties")


class Source:
    """One whole schema that pointers lead into."""

    def __init__(self, root: Schema | bool) -> None:
        self.root = root
        self._validator = validator_of(root)

    def allows(self, schema: JSON | Schema, value: JSON) -> bool:
        """Check a value against a part of this schema, with all keywords."""
        try:
            return self._validator.evolve(schema=schema).is_valid(value)
        except (Unresolvable, re.error, RecursionError) as error:
            raise SchemaError(f"the schema cannot be checked: {error}"[:300]) from error

    def flat(self, schema: Schema, pointer: str) -> tuple[Schema, tuple[str, ...]]:
        """Return an equal schema without `$ref` and `allOf` at its top, and the places that were followed."""
        followed: list[str] = []
        flat = self._flat(schema, pointer, followed)
        return flat, tuple(followed)

    def _flat(self, schema: Schema, pointer: str, followed: list[str]) -> Schema:
        if "$ref" not in schema and "allOf" not in schema:
            return schema
        if len(followed) > _HOPS:
            raise SchemaError("references lead round in a circle", pointer=pointer)
        flat: Schema = {k: v for k, v in schema.items() if k not in ("$ref", "allOf")}
        if "$ref" in schema:
            place = str(schema["$ref"])
            followed.append(place)
            flat = self._joined(self._target(place, pointer), flat, pointer, followed)
        parts = schema.get("allOf")
        for part in parts if isinstance(parts, list) else []:
            flat = self._joined(flat, part, pointer, followed)
        return flat

    def _joined(self, one: JSON | Schema, other: JSON | Schema, pointer: str, followed: list[str]) -> Schema:
        both = [
            self._flat(part, pointer, followed) if isinstance(part, Mapping) else part
            for part in (one, other)
        ]
        merged = merge(both[0], both[1], pointer)
        if merged is False:
            raise Impossible("nothing satisfies a schema that is false", pointer=pointer)
        return merged if isinstance(merged, Mapping) else {}

    def _target(self, place: str, pointer: str) -> JSON | Schema:
        if not place.startswith("#") or (place != "#" and not place.startswith("#/")):
            raise SchemaError(
                f"the reference {place!r} leads out of the schema",
                pointer=f"{pointer}/$ref",
                hint="refer to a place in it, such as '#/$defs/name'",
            )
        found: JSON | Schema = self.root
        for token in place[1:].split("/")[1:]:
            key = token.replace("~1", "/").replace("~0", "~")
            if isinstance(found, Mapping) and key in found:
                found = found[key]
            elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
                found = found[int(key)]
            else:
                raise SchemaError(f"the reference {place!r} leads nowhere", pointer=f"{pointer}/$ref")
        if not isinstance(found, bool | Mapping):
            raise SchemaError(
                f"the reference {place!r} leads to {found!r}, no schema", pointer=f"{pointer}/$ref"
            )
        return found

    def exclude(self, one: Schema, other: Schema, pointer: str, depth: int = 3) -> bool:
        """Tell whether clearly no value that is generated for one of two schemas is accepted by the other."""
        return self._avoids(one, other, pointer, depth) and self._avoids(other, one, pointer, depth)

    def _avoids(self, written: Schema, checked: Schema, pointer: str, depth: int) -> bool:
        values = _values(written)
        if values is not None:
            return not any(self.allows(checked, value) for value in values)
        kinds = set(written_types(written))
        accepted = set(written_types(checked)) if "type" in checked else set(TYPES)
        accepted |= {"integer"} if "number" in accepted else set()
        if kinds.isdisjoint(accepted) and not ("number" in kinds and "integer" in accepted):
            return True
        return kinds == {"object"} and self._objects_avoid(written, checked, pointer, depth)

    def _objects_avoid(self, written: Schema, checked: Schema, pointer: str, depth: int) -> bool:
        mine, theirs = _members(written), _members(checked)
        closed = "properties" in written or written.get("additionalProperties") is False
        if closed and not set(_required(checked)) <= set(mine):
            return True
        if checked.get("additionalProperties") is False and not set(_required(written)) <= set(theirs):
            return True
        for name in _required(written):
            one, other = mine.get(name), theirs.get(name)
            if isinstance(one, Mapping) and isinstance(other, Mapping) and depth > 0:
                flat_one, _ = self.flat(one, pointer)
                flat_other, _ = self.flat(other, pointer)
                if self._avoids(flat_one, flat_other, pointer, depth - 1):
                    return True
        return False


def merge(one: JSON | Schema, other: JSON | Schema, pointer: str) -> Schema | bool:
    """Return a schema for what both accept.

    Raises:
        SchemaError: when that takes more than keywords side by side.

    >>> merge({"type": "integer", "minimum": 1}, {"type": "number", "minimum": 3}, "")
    {'type': 'integer', 'minimum': 3}
    """
    if one is False or other is False:
        return False
    if not isinstance(one, Mapping):
        return other if isinstance(other, Mapping) else True
    if not isinstance(other, Mapping):
        return one
    merged = dict(one)
    for keyword, value in other.items():
        differs = keyword in merged and merged[keyword] != value
        merged[keyword] = _both(keyword, merged[keyword], value, pointer) if differs else value
    return _closed(one, other, merged, pointer)


def _both(keyword: str, one: JSON, other: JSON, pointer: str) -> JSON:
    rule = _RULES.get(keyword)
    if rule is not None:
        return rule(one, other, pointer)
    if keyword in ANNOTATIONS or keyword == "additionalProperties":
        return other
    raise SchemaError(
        f"two values of {keyword!r} hold at once at {pointer or 'the root'}, which cannot be merged",
        pointer=pointer,
        hint="write one schema that means both",
    )


def _closed(one: Schema, other: Schema, merged: dict[str, JSON], pointer: str) -> Schema:
    """Apply each part's `additionalProperties` to the members that only the other part declares."""
    members = dict(_members(merged))
    for part, rest in ((one, other), (other, one)):
        extra = part.get("additionalProperties", True)
        for name in _members(rest):
            if name not in _members(part) and extra is not True:
                members[name] = _as_json(merge(members[name], extra, pointer))
    if members:
        merged["properties"] = members
    extras = [part["additionalProperties"] for part in (one, other) if "additionalProperties" in part]
    if len(extras) == 2:
        merged["additionalProperties"] = _as_json(merge(extras[0], extras[1], pointer))
    return merged


def _as_json(schema: Schema | bool) -> JSON:
    return schema if isinstance(schema, bool) else dict(schema)


def _types(one: JSON, other: JSON, pointer: str) -> JSON:
    sets = [[kind] if isinstance(kind, str) else cast("list[str]", kind) for kind in (one, other)]
    wide = [[*kinds, "integer"] if "number" in kinds else kinds for kinds in sets]
    both = [kind for kind in wide[0] if kind in wide[1]]
    if "number" in both:
        both = [kind for kind in both if kind != "integer"]
    if not both:
        raise Impossible(f"no value is of the types {one!r} and {other!r}", pointer=pointer)
    return both[0] if len(both) == 1 else list(both)


def _constants(one: JSON, other: JSON, pointer: str) -> JSON:
    raise Impossible(f"no value is both {one!r} and {other!r}", pointer=pointer)


def _enums(one: JSON, other: JSON, pointer: str) -> JSON:
    shared = [value for value in cast("list[JSON]", one) if value in cast("list[JSON]", other)]
    if not shared:
        raise Impossible("two enums have no value in common", pointer=pointer)
    return shared


def _union(one: JSON, other: JSON, _: str) -> JSON:
    return list(dict.fromkeys([*cast("list[str]", one), *cast("list[str]", other)]))


def _properties(one: JSON, other: JSON, pointer: str) -> JSON:
    merged = dict(cast("dict[str, JSON]", one))
    for name, schema in cast("dict[str, JSON]", other).items():
        merged[name] = _member(merged[name], schema) if name in merged else schema
    return merged


def _member(one: JSON, other: JSON) -> JSON:
    """Leave the merging to whoever writes the member, who knows its place."""
    return one if one == other else {"allOf": [one, other]}


def _greater(one: JSON, other: JSON, _: str) -> JSON:
    return max(cast("float", one), cast("float", other))


def _smaller(one: JSON, other: JSON, _: str) -> JSON:
    return min(cast("float", one), cast("float", other))


def _either(one: JSON, other: JSON, _: str) -> JSON:
    return one is True or other is True


def _neither(one: JSON, other: JSON, _: str) -> JSON:
    return one is True and other is True


_RULES: Mapping[str, Callable[[JSON, JSON, str], JSON]] = {
    "type": _types,
    "const": _constants,
    "enum": _enums,
    "required": _union,
    "properties": _properties,
    "items": lambda one, other, _: _member(one, other),
    "uniqueItems": _either,
    "nullable": _neither,
    **dict.fromkeys(_LOWER, _greater),
    **dict.fromkeys(_UPPER, _smaller),
}


def _values(schema: Schema) -> list[JSON] | None:
    if "const" in schema:
        return [schema["const"]]
    values = schema.get("enum")
    return values if isinstance(values, list) else None


def _members(schema: Schema) -> Mapping[str, JSON]:
    found = schema.get("properties")
    return found if isinstance(found, Mapping) else {}


def _required(schema: Schema) -> list[str]:
    found = schema.get("required")
    return [str(name) for name in found] if isinstance(found, list) else []
