"""What OpenAI's strict mode asks of a schema beyond keywords: its root, its unions, its size, its nulls.

The limits are those of the guide to Structured Outputs (2026-11). That objects of a union "must not share
identical first keys" is the API's own error message: there, a member with one value goes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from bridle.errors import SchemaError
from bridle.grammars.schema_keywords import pointer_to
from bridle.grammars.schema_merge import Impossible, Schema, Source
from bridle.messages import JSON

__all__ = [
    "ROOT_KEY",
    "SHOWN",
    "check_limits",
    "has_object_root",
    "or_null",
    "with_object_root",
    "without_nulls",
]

ROOT_KEY = "answer"
"""The member that holds the value where the root has to be an object and the value is none."""
SHOWN = ("title", "description")
"""Keywords that a rewritten schema keeps, for people and models to read."""
_MOST_PROPERTIES, _DEEPEST, _MOST_CHARS, _MOST_VALUES = 5000, 10, 120_000, 1000
_LONG_ENUM, _LONG_ENUM_CHARS = 250, 15_000


def has_object_root(schema: Schema) -> bool:
    """Tell whether a rewritten schema is that of one object with members."""
    return schema.get("type") == "object" and "properties" in schema


def with_object_root(schema: dict[str, JSON]) -> dict[str, JSON]:
    """Return the schema, inside an object if it is not one, with unions whose objects begin differently."""
    told_apart = cast("dict[str, JSON]", _told_apart(schema))
    if has_object_root(told_apart):
        return told_apart
    body: dict[str, JSON] = {key: value for key, value in told_apart.items() if key != "$defs"}
    defs: dict[str, JSON] = {"$defs": told_apart["$defs"]} if "$defs" in told_apart else {}
    return {
        "type": "object",
        "properties": {ROOT_KEY: body},
        "required": [ROOT_KEY],
        "additionalProperties": False,
        **defs,
    }


def _told_apart(schema: JSON) -> JSON:
    if isinstance(schema, list):
        return [_told_apart(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: value if key in ("enum", "const") else _told_apart(value) for key, value in schema.items()}
    options = found.get("anyOf")
    if isinstance(options, list):
        firsts = [next(iter(_properties(option)), None) for option in options]
        named = [first for first in firsts if first is not None]
        if len(set(named)) < len(named):
            found["anyOf"] = [_constant_first(option) for option in options]
    return found


def _properties(schema: JSON) -> Mapping[str, JSON]:
    found = schema.get("properties") if isinstance(schema, dict) else None
    return found if isinstance(found, dict) else {}


def _constant_first(schema: JSON) -> JSON:
    members = _properties(schema)
    constant = next((k for k, v in members.items() if isinstance(v, dict) and "const" in v), None)
    if constant is None or not isinstance(schema, dict):
        return schema
    ordered: dict[str, JSON] = {constant: members[constant], **members}
    return {**schema, "properties": ordered, "required": list(ordered)}


def or_null(body: dict[str, JSON]) -> dict[str, JSON]:
    """Return a schema for what a rewritten one accepts, and for null."""
    shown = {key: body[key] for key in SHOWN if key in body}
    rest = {key: value for key, value in body.items() if key not in SHOWN}
    null: dict[str, JSON] = {"type": "null"}
    if list(rest) == ["anyOf"]:
        options = cast("list[JSON]", rest["anyOf"])
        return {**shown, "anyOf": options if null in options else [*options, null]}
    if list(rest) == ["type"]:
        kinds = rest["type"] if isinstance(rest["type"], list) else [rest["type"]]
        return {**shown, "type": list(dict.fromkeys([*cast("list[str]", kinds), "null"]))}
    return {**shown, "anyOf": [rest, null]}


def check_limits(schema: Schema) -> None:
    """Raise a `SchemaError` for a schema that is larger than OpenAI takes, with both numbers."""
    members = [name for part in _parts(schema) for name in _properties(dict(part))]
    names = [*members, *cast("Mapping[str, JSON]", schema.get("$defs", {}))]
    enums = [cast("list[JSON]", part["enum"]) for part in _parts(schema) if "enum" in part]
    values = [value for listed in enums for value in listed]
    constants = [part["const"] for part in _parts(schema) if "const" in part]
    chars = sum(map(len, names)) + sum(len(str(value)) for value in [*values, *constants])
    _limit("properties", len(members), _MOST_PROPERTIES)
    _limit("levels of nesting", _depth(schema), _DEEPEST)
    _limit("characters in names and values", chars, _MOST_CHARS)
    _limit("values in enums", len(values), _MOST_VALUES)
    for listed in enums:
        if len(listed) > _LONG_ENUM:
            size = sum(len(str(value)) for value in listed)
            _limit(f"characters in an enum of {len(listed)} values", size, _LONG_ENUM_CHARS)


def _limit(what: str, size: int, most: int) -> None:
    if size > most:
        raise SchemaError(
            f"the schema has {size} {what}",
            hint=f"OpenAI takes at most {most}; offer fewer tools",
            limit=most,
        )


def _parts(schema: JSON | Schema) -> Iterator[Schema]:
    """Yield a schema and all those inside it."""
    if isinstance(schema, list):
        for part in schema:
            yield from _parts(part)
    elif isinstance(schema, Mapping):
        yield schema
        for key in ("properties", "$defs"):
            inner = schema.get(key)
            for part in inner.values() if isinstance(inner, Mapping) else ():
                yield from _parts(part)
        for key in ("items", "anyOf"):
            yield from _parts(schema.get(key))


def _depth(schema: JSON | Schema) -> int:
    if not isinstance(schema, Mapping):
        return 0
    inner = [*_properties(dict(schema)).values(), schema.get("items")]
    beside = [*_listed(schema, "anyOf"), *cast("Mapping[str, JSON]", schema.get("$defs", {})).values()]
    own = 1 if "properties" in schema or "items" in schema else 0
    return max([own + max(map(_depth, inner), default=0), *map(_depth, beside)])


def _listed(schema: Schema, keyword: str) -> list[JSON]:
    found = schema.get(keyword)
    return found if isinstance(found, list) else []


def without_nulls(value: JSON, schema: JSON | Schema, source: Source, pointer: str = "") -> JSON:
    """Take out the members that are null and optional, and that the schema does not let be null."""
    if not isinstance(schema, Mapping) or not isinstance(value, dict | list):
        return value
    try:
        flat, _ = source.flat(schema, pointer)
    except SchemaError:
        return value
    for keyword in ("anyOf", "oneOf"):
        if keyword in flat:
            return _of_branches(value, flat, keyword, source, pointer)
    if isinstance(value, list):
        prefix, items = _listed(flat, "prefixItems"), flat.get("items", True)
        places = [prefix[i] if i < len(prefix) else items for i in range(len(value))]
        return [without_nulls(one, place, source) for one, place in zip(value, places, strict=True)]
    members, required = _properties(dict(flat)), _listed(flat, "required")
    kept: dict[str, JSON] = {}
    for name, one in value.items():
        inner = members.get(name, True)
        if one is None and name in members and name not in required and not source.allows(inner, None):
            continue
        kept[name] = without_nulls(one, inner, source, pointer_to(pointer, "properties", name))
    return kept


def _of_branches(value: JSON, schema: Schema, keyword: str, source: Source, pointer: str) -> JSON:
    """Read a value by the first branch that it then satisfies."""
    around: JSON = {key: part for key, part in schema.items() if key != keyword}
    for branch in _listed(schema, keyword):
        merged: dict[str, JSON] = {"allOf": [around, branch]}
        try:
            found = without_nulls(value, merged, source, pointer)
        except Impossible:
            continue
        if source.allows(merged, found):
            return found
    return value
