"""Make values fit a schema where only their writing is wrong, never where their meaning would change.

A number in quotes becomes a number where only a number is allowed; JSON in quotes becomes an object or a list
where only that is allowed, and stays text where text is allowed. Options are matched without regard to case
if that leaves one. Nothing is rounded, cut, filled in or guessed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence

from bridle.messages import JSON, Repair, ToolSpec
from bridle.wrappers.checking import argument_errors
from bridle.wrappers.reading.lenient import read_value
from bridle.wrappers.reading.names import same_name
from bridle.wrappers.reading.quoting import Style
from bridle.wrappers.reading.source import Known, Source, Unreadable

__all__ = ["allowed_types", "as_value", "fit_value", "fits", "only_strings", "resolve", "type_of"]

_INTEGER = re.compile(r"[+-]?\d{1,300}")
_DECIMAL = re.compile(r"[+-]?(?:\d{1,300}\.?\d{0,300}|\.\d{1,300})(?:[eE][+-]?\d{1,3})?")
_DEEPEST = 40
_TYPES = frozenset({"string", "integer", "number", "boolean", "null", "object", "array"})

Schema = Mapping[str, JSON]


def fits(value: JSON, schema: Schema, root: Schema) -> bool:
    """Whether `value` satisfies `schema`, whose references are resolved in `root`."""
    body: dict[str, JSON] = {"type": "object", "properties": {"value": dict(schema)}}
    body |= {key: root[key] for key in ("$defs", "definitions") if key in root}
    return not argument_errors(ToolSpec("", "", body), {"value": value})


def allowed_types(schema: Schema, root: Schema, depth: int = 0) -> frozenset[str]:
    """The JSON types that `schema` admits, as far as that can be said without trying values."""
    if depth > _DEEPEST:
        return _TYPES
    schema = resolve(schema, root)
    found = _TYPES
    kind = schema.get("type")
    if isinstance(kind, str):
        found = frozenset({kind})
    elif isinstance(kind, list):
        found = frozenset(str(one) for one in kind)
    options = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if isinstance(options, list) and options:
        found &= frozenset(type_of(option) for option in options)
    for keyword in ("anyOf", "oneOf"):
        branches = schema.get(keyword)
        if isinstance(branches, list) and branches:
            inner = [allowed_types(one, root, depth + 1) for one in branches if isinstance(one, dict)]
            found &= frozenset().union(*inner) if len(inner) == len(branches) else _TYPES
    return found | {"null"} if schema.get("nullable") is True else found


def only_strings(schema: Schema, root: Schema) -> bool:
    """Whether nothing but a string can satisfy `schema`."""
    return allowed_types(schema, root) == frozenset({"string"})


def type_of(value: JSON) -> str:
    """The JSON type of a value; a whole number is an integer."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return {float: "number", str: "string", list: "array", dict: "object"}[
        type(value) if type(value) in (float, str, list) else dict
    ]


def resolve(schema: Schema, root: Schema) -> Schema:
    """Follow a local `$ref` to what it names; an empty schema where it leads nowhere."""
    for _ in range(8):
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return schema
        place: JSON = dict(root)
        for step in reference[2:].split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            place = place.get(name) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            return {}
        schema = place
    return {}


def fit_value(
    value: JSON, schema: Schema, root: Schema, where: int, notes: list[Repair], depth: int = 0
) -> JSON:
    """Return `value` written as `schema` wants it, or unchanged where that would not be the same value."""
    schema = resolve(schema, root)
    if depth > _DEEPEST:
        return value
    for keyword in ("anyOf", "oneOf"):
        branches = schema.get(keyword)
        if isinstance(branches, list):
            return _fit_branch(value, [one for one in branches if isinstance(one, dict)], root, where, notes)
    types = allowed_types(schema, root)
    if isinstance(value, dict) and "object" in types:
        return _fit_object(value, schema, root, where, notes, depth)
    if isinstance(value, list) and "array" in types:
        return _fit_list(value, schema, root, where, notes, depth)
    fitted = _fit_enum(_fit_scalar(value, types), schema)
    if fitted is value:
        return value
    notes.append(Repair("value", where, _short(value), _short(fitted)))
    if isinstance(fitted, dict | list):
        return fit_value(fitted, schema, root, where, notes, depth + 1)
    return fitted


def _short(value: JSON) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (RecursionError, ValueError):
        return "…"
    return text if len(text) <= 80 else text[:79] + "…"


def _fit_branch(
    value: JSON, branches: Sequence[Schema], root: Schema, where: int, notes: list[Repair]
) -> JSON:
    """The value as the only branch wants it that can have it; unchanged if it fits one or if two differ."""
    if any(fits(value, branch, root) for branch in branches):
        return value
    results: list[tuple[JSON, list[Repair]]] = []
    for branch in branches:
        tried: list[Repair] = []
        result = fit_value(value, branch, root, where, tried, _DEEPEST // 2)
        known = any(type(result) is type(other) and result == other for other, _ in results)
        if fits(result, branch, root) and not known:
            results.append((result, tried))
    if len(results) != 1:
        return value
    notes += results[0][1]
    return results[0][0]


def _fit_object(
    value: dict[str, JSON], schema: Schema, root: Schema, where: int, notes: list[Repair], depth: int
) -> JSON:
    declared = schema.get("properties")
    members = declared if isinstance(declared, dict) else {}
    others = schema.get("additionalProperties")
    out: dict[str, JSON] = {}
    for key, inner in value.items():
        known = key if key in members else _spelled(key, members, value)
        found = members.get(known, others)
        if known != key:
            notes.append(Repair("key", where, key, known))
        out[known] = (
            fit_value(inner, found, root, where, notes, depth + 1) if isinstance(found, dict) else inner
        )
    return out


def _spelled(key: str, members: Mapping[str, JSON], value: Mapping[str, JSON]) -> str:
    return same_name(key, [name for name in members if name not in value]) or key


def _fit_list(
    value: list[JSON], schema: Schema, root: Schema, where: int, notes: list[Repair], depth: int
) -> JSON:
    items = schema.get("items")
    if not isinstance(items, dict) or "prefixItems" in schema:
        return value
    return [fit_value(inner, items, root, where, notes, depth + 1) for inner in value]


def _fit_scalar(value: JSON, types: frozenset[str]) -> JSON:
    """The same scalar as one of `types`, if it is none of them yet."""
    if isinstance(value, float) and value.is_integer() and "integer" in types and "number" not in types:
        return int(value)
    if type_of(value) in types or (
        isinstance(value, int) and "number" in types and not isinstance(value, bool)
    ):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and types <= {"string", "null"}:
        return str(value) if abs(value) < 10**300 else value
    return _fit_text(value, types) if isinstance(value, str) and "string" not in types else value


def _fit_text(value: str, types: frozenset[str]) -> JSON:
    text = value.strip()
    if types & {"integer", "number"} and _INTEGER.fullmatch(text):
        return int(text)
    if types & {"integer", "number"} and _DECIMAL.fullmatch(text):
        number = float(text)
        if "number" in types:
            return number if math.isfinite(number) else value
        return int(number) if number.is_integer() and abs(number) < 2**53 else value
    if "boolean" in types and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if "null" in types and text.lower() in ("null", "none"):
        return None
    if text[:1] in "[{(" and types & {"array", "object"}:
        found = as_value(text)
        return found if type_of(found) in types else value
    return value


def _fit_enum(value: JSON, schema: Schema) -> JSON:
    options = schema.get("enum")
    if not isinstance(options, list) or not isinstance(value, str) or value in options:
        return value
    wanted = value.strip().casefold()
    found = [option for option in options if isinstance(option, str) and option.casefold() == wanted]
    return found[0] if len(found) == 1 else value


def as_value(text: str) -> JSON:
    """The JSON value, or else the Python literal, that all of `text` is; None where it is neither."""
    source = Source(text)
    try:
        value, end = source.strict(0)
        return value if not text[end:].strip() else None
    except Unreadable:
        pass
    styles: tuple[Style, ...] = ("json", "python")
    for style in styles:
        try:
            value, reader = read_value(source, 0, Known(()), style, zone="free", final=False)
        except Unreadable:
            continue
        if not text[reader.at :].strip():
            return value
    return None
