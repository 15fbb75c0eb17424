"""JSON Schemas for servers that hold a schema and no grammar, each in the profile of what its server holds.

`to_json_schema` writes the schema to send, and a report: what the server holds, and what has to be checked
after reading. Nothing is dropped silently. OpenAI's strict mode knows no optional members and takes one
object at the root: there, `read_back` turns a value into what the caller's schema means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bridle.errors import SchemaError
from bridle.grammars.bounds import DEFAULT_BOUNDS, Bounds
from bridle.grammars.json_schema import call_schema, shape_schema
from bridle.grammars.profile_drafts import brought_up
from bridle.grammars.profile_schema import Rewriter
from bridle.grammars.profile_servers import Profile, server_of
from bridle.grammars.profile_strict import (
    ROOT_KEY,
    check_limits,
    has_object_root,
    with_object_root,
    without_nulls,
)
from bridle.grammars.quote_rules import QUOTED_FROM
from bridle.grammars.quotes import without_quotes
from bridle.grammars.report import Entry, Report
from bridle.grammars.schema_keywords import ANNOTATIONS, check_schema, pointer_to
from bridle.grammars.schema_merge import Schema, Source
from bridle.messages import JSON, ToolSpec
from bridle.wrappers.syntax import CallShape

__all__ = ["ROOT_KEY", "Profile", "read_back", "report_of", "to_json_schema"]

_HOLD_SCHEMAS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_HOLD_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_ARE_SCHEMAS = (
    "items", "additionalProperties", "unevaluatedItems", "unevaluatedProperties", "propertyNames", "contains",
    "not", "if", "then", "else",
)  # fmt: skip


def to_json_schema(
    tools_or_schema: Sequence[ToolSpec] | Schema | bool,
    profile: Profile = "generic",
    *,
    shape: CallShape | None = None,
    thoughts_key: str | None = None,
    only: str | None = None,
    bounds: Bounds = DEFAULT_BOUNDS,
) -> tuple[dict[str, JSON], Report]:
    """Return the schema to send, and what becomes of each keyword.

    For tools it is the schema of one call: with the keys that `shape` writes, or else as `call_schema` has
    them. Pointers of the report are into that schema, or into the schema that was given.

    Raises:
        InputError: for an unknown profile, a shape whose calls are no JSON object, or when there is no tool.
        SchemaError: for a schema that is invalid, that nothing satisfies, or that is too large for a server.

    >>> to_json_schema({"type": "number", "minimum": 3}, "ollama")[0]
    {'type': 'number'}
    """
    schema = _whole(tools_or_schema, shape=shape, thoughts_key=thoughts_key, only=only, bounds=bounds)
    server = server_of(profile)
    check_schema(schema)
    if not server.rewrites:
        return _as_it_is(schema, profile)
    rewriter = Rewriter(schema, server)
    found = rewriter.whole()
    if server.object_root:
        found = with_object_root(found)
        check_limits(found)
    return found, Report(profile, rewriter.notes.held, rewriter.notes.weakened)


def _as_it_is(schema: Schema | bool, profile: str) -> tuple[dict[str, JSON], Report]:
    """Return the schema without bridle's own keywords, for a server of which nothing is known."""
    entries = list(_keywords(schema, ""))
    held = tuple(entry for entry in entries if entry[1] != QUOTED_FROM)
    weakened = tuple(entry for entry in entries if entry[1] == QUOTED_FROM)
    nothing: dict[str, JSON] = {"not": {}}
    as_object = dict(schema) if isinstance(schema, Mapping) else {} if schema else nothing
    plain = without_quotes(as_object)
    return plain if isinstance(plain, dict) else as_object, Report(profile, held, weakened)


def report_of(schema: Schema | bool, profile: Profile) -> Report:
    """Return what a server makes of each keyword; a schema that it cannot hold at all is in `refused`.

    Raises:
        InputError: for an unknown profile.
        SchemaError: for a schema that is invalid.

    >>> report_of({"type": "number", "minimum": 3}, "ollama").weakened
    (('', 'minimum'),)
    """
    check_schema(schema)
    server_of(profile)
    try:
        return to_json_schema(schema, profile)[1]
    except SchemaError as error:
        return Report(profile, refused=(_refused(error, schema),))


def _refused(error: SchemaError, schema: Schema | bool) -> Entry:
    """Return the place that an error names and, if it says so, the keyword there."""
    keyword = error.facts.get("keyword")
    holder, _, last = error.pointer.rpartition("/")
    if isinstance(keyword, str):
        return holder if last == keyword else error.pointer, keyword
    return (error.pointer, "x-limits") if error.facts.get("limit") else (error.pointer, "x-impossible")


def _whole(
    tools_or_schema: Sequence[ToolSpec] | Schema | bool,
    *,
    shape: CallShape | None = None,
    thoughts_key: str | None = None,
    only: str | None = None,
    bounds: Bounds = DEFAULT_BOUNDS,
) -> Schema | bool:
    """Return the schema that is meant, before it is rewritten: see `to_json_schema`."""
    if isinstance(tools_or_schema, bool | Mapping):
        return tools_or_schema
    if shape is not None:
        return shape_schema(tools_or_schema, shape, only=only, bounds=bounds)
    return call_schema(tools_or_schema, thoughts_key, only=only, bounds=bounds)


def read_back(value: JSON, schema: Schema | bool, profile: Profile) -> JSON:
    """Turn a value that a server wrote for a profile into one for the schema that was given.

    Where the profile makes optional members null, they are taken out, and where it puts the value into an
    object of its own, out of that; other values stay as they are. The value may still be wrong.

    >>> schema = {"type": "object", "properties": {"page": {"type": "integer"}}}
    >>> read_back({"page": None}, schema, "openai-strict")
    {}
    """
    server = server_of(profile)
    inside = server.object_root and isinstance(value, dict) and list(value) == [ROOT_KEY]
    if inside and isinstance(value, dict) and not has_object_root(Rewriter(schema, server).whole()):
        value = value[ROOT_KEY]
    if not server.all_required:
        return value
    plain = brought_up(schema)
    return without_nulls(value, plain, Source(plain))


def _keywords(schema: JSON | Schema, pointer: str) -> Iterator[Entry]:
    """Yield each keyword that restricts, with its place."""
    if not isinstance(schema, Mapping):
        return
    for keyword, value in schema.items():
        if keyword == QUOTED_FROM or (keyword not in ANNOTATIONS and not keyword.startswith("x-")):
            yield pointer, keyword
        if keyword in _HOLD_SCHEMAS and isinstance(value, Mapping):
            for name, part in value.items():
                yield from _keywords(part, pointer_to(pointer, keyword, name))
        elif keyword in _HOLD_LISTS and isinstance(value, list):
            for i, part in enumerate(value):
                yield from _keywords(part, pointer_to(pointer, keyword, i))
        elif keyword in _ARE_SCHEMAS:
            yield from _keywords(value, pointer_to(pointer, keyword))
