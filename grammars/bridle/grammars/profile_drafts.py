"""Brings a schema of any draft into the form that servers read: draft 2020-12, with references by pointer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from bridle.grammars.schema_merge import Schema
from bridle.grammars.schema_source import Source
from bridle.messages import JSON

__all__ = ["brought_up"]

_VALUES = frozenset(("enum", "const", "default", "examples", "example"))
_BOUNDS = (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum"))


def brought_up(schema: Schema | bool) -> Schema | bool:
    """Return an equal schema of draft 2020-12 whose references are pointers into it.

    Raises:
        SchemaError: for a reference that leads nowhere, or out of the schema.

    >>> brought_up({"type": "array", "items": [{"type": "null"}], "additionalItems": False})
    {'type': 'array', 'prefixItems': [{'type': 'null'}], 'items': False}
    """
    source = Source(schema)
    return cast("Schema | bool", _brought(schema, source))


def _brought(part: JSON | Schema, source: Source) -> JSON:
    if isinstance(part, list):
        return [_brought(one, source) for one in part]
    if not isinstance(part, Mapping):
        return part
    found: dict[str, JSON] = {}
    for key, value in part.items():
        if key in _VALUES:
            found[key] = value
        elif key == "$ref" and isinstance(value, str):
            pointer = source.pointer(source.target(value, part))
            found[key] = value if pointer is None else f"#{pointer}"
        elif key not in ("$id", "id", "$anchor", "$schema") or not isinstance(value, str):
            found[key] = _brought(value, source)
    if source.old and isinstance(found.get("$ref"), str):
        return {"$ref": found["$ref"], **{k: v for k, v in found.items() if k in ("$defs", "definitions")}}
    return _spelled(found)


def _spelled(schema: dict[str, JSON]) -> JSON:
    """Spell what older drafts spell otherwise."""
    if isinstance(schema.get("items"), list):
        rest = {"items": schema["additionalItems"]} if "additionalItems" in schema else dict[str, JSON]()
        renamed = {
            "prefixItems" if k == "items" else k: v for k, v in schema.items() if k != "additionalItems"
        }
        schema = {**renamed, **rest}
    for exclusive, inclusive in _BOUNDS:
        said = schema.get(exclusive)
        if isinstance(said, bool):
            schema = {key: value for key, value in schema.items() if key != exclusive}
            if said and inclusive in schema:
                schema[exclusive] = schema.pop(inclusive)
    return schema
