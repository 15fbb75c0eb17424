"""Rewrites strings, numbers and arrays of a JSON Schema for one server; see `profile_schema.py`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias, cast

from bridle.errors import GrammarError, SchemaError
from bridle.grammars.formats import FORMATS
from bridle.grammars.ir import Grammar, Node
from bridle.grammars.patterns import pattern_node
from bridle.grammars.profile_servers import Server
from bridle.grammars.regex import json_pattern, to_regex
from bridle.grammars.report import Entry
from bridle.grammars.schema_keywords import limit, pointer_to
from bridle.grammars.schema_merge import Impossible, Schema
from bridle.messages import JSON

__all__ = ["Body", "Notes", "ValueRewriter", "either", "types_of"]

Body: TypeAlias = dict[str, JSON]
_FREE_CHARS = 400  # in strings with a pattern and no length: quantifiers without an end are cut there
_MOST_LEAST = 200  # characters that a string with a pattern must have: counting them takes time
_MOST_LISTED = 64  # numbers that are written as an enum
_LARGEST = 2**53  # beyond it a server's numbers may be off
_UNBOUNDED = 10**9


class Notes:
    """What became of each keyword. Once weakened, a keyword is not held."""

    def __init__(self) -> None:
        self._held: dict[Entry, None] = {}
        self._weakened: dict[Entry, None] = {}

    def hold(self, pointer: str, *keywords: str) -> None:
        """Remember keywords that the server holds."""
        self._held.update(dict.fromkeys((pointer, keyword) for keyword in keywords))

    def weaken(self, pointer: str, keyword: str) -> None:
        """Remember a keyword that it does not hold, or one of the signs."""
        self._weakened[pointer, keyword] = None

    @property
    def held(self) -> tuple[Entry, ...]:
        """All that is held."""
        return tuple(entry for entry in self._held if entry not in self._weakened)

    @property
    def weakened(self) -> tuple[Entry, ...]:
        """All that is weakened, and the signs."""
        return tuple(self._weakened)


@lru_cache(maxsize=256)
def _fitted_pattern(pattern: str, least: int, most: int, server: Server) -> tuple[str, bool] | None:
    """Return the pattern to send, and whether all texts that are meant match it; None where there is none."""
    top = min(most, max(_FREE_CHARS, least), server.longest)
    try:
        node = pattern_node(pattern, least, top)
        found = json_pattern(node) if server.inside else (f"^(?:{to_regex(Grammar(node))})$", True)
    except (SchemaError, GrammarError):
        return None
    if found is None:
        return None
    if not server.inside and (least, most) == (0, _UNBOUNDED):
        return pattern, True
    text, whole = found
    return text, whole and not _is_cut(pattern, least, most, node)


def _is_cut(pattern: str, least: int, most: int, node: Node) -> bool:
    """Tell whether there are longer texts, which were left out."""
    try:
        return pattern_node(pattern, least, min(most, 2 * _FREE_CHARS + least)) != node
    except SchemaError:
        return True


class ValueRewriter:
    """Writes values of one type; `rewrite` writes the schemas inside them."""

    def __init__(self, server: Server, notes: Notes, rewrite: Callable[[JSON, str], Body]) -> None:
        self._server = server
        self._notes = notes
        self._rewrite = rewrite

    def string(self, schema: Schema, pointer: str) -> Body:
        """Rewrite a string; its lengths go into its pattern, if it has one."""
        least, most = limit(schema, "minLength", 0), limit(schema, "maxLength", _UNBOUNDED)
        if most < least:
            raise Impossible(f"no string has {least} to {most} characters", pointer=pointer)
        form = str(schema.get("format", ""))
        sized = "minLength" in schema or "maxLength" in schema
        if form in self._server.formats and "pattern" not in schema and not sized:
            return {"type": "string", "format": form}
        pattern = str(schema["pattern"]) if "pattern" in schema else FORMATS.get(form, "")
        if form and ("pattern" in schema or form not in FORMATS):
            self._notes.weaken(pointer, "format")
        if pattern:
            body = self._patterned(pattern, least, most, pointer)
            if body is not None:
                if "pattern" not in schema:
                    self._notes.weaken(pointer, "x-narrowed")
                return body
            self._notes.weaken(pointer, "pattern" if "pattern" in schema else "format")
        return self._sized(schema, least, most, pointer)

    def _patterned(self, pattern: str, least: int, most: int, pointer: str) -> Body | None:
        """Rewrite a pattern with the lengths in it, or without the least one where that is too much."""
        body = self._fitted(pattern, least, most, pointer) if least <= _MOST_LEAST else None
        if body is None and least > 0:
            body = self._fitted(pattern, 0, most, pointer)
            if body is not None:
                self._notes.weaken(pointer, "minLength")
        return body

    def _fitted(self, pattern: str, least: int, most: int, pointer: str) -> Body | None:
        found = _fitted_pattern(pattern, least, most, self._server)
        if found is None:
            return None
        text, whole = found
        if not whole:
            self._notes.weaken(pointer, "x-narrowed")
        return {"type": "string", "pattern": text}

    def _sized(self, schema: Schema, least: int, most: int, pointer: str) -> Body:
        body: Body = {"type": "string"}
        if not self._server.lengths:
            for keyword in ("minLength", "maxLength"):
                if keyword in schema and not (keyword == "minLength" and least == 0):
                    self._notes.weaken(pointer, keyword)
            return body
        self._count(body, schema, ("minLength", "maxLength"), pointer)
        if len(body) > 1 and not self._server.escapes:
            self._notes.weaken(pointer, "x-narrowed")
        return body

    def _count(self, body: Body, schema: Schema, keywords: tuple[str, str], pointer: str) -> None:
        """Write a least and a most count, no larger than the server can take."""
        longest = self._server.longest
        lower, upper = keywords
        if limit(schema, lower, 0) > 0:
            body[lower] = min(limit(schema, lower, 0), longest)
            if limit(schema, lower, 0) > longest:
                self._notes.weaken(pointer, lower)
        if upper in schema:
            body[upper] = max(min(limit(schema, upper, 0), longest), limit(body, lower, 0))
            if limit(schema, upper, 0) > longest:
                self._notes.weaken(pointer, "x-narrowed")

    def integer(self, schema: Schema, pointer: str) -> Body:
        """Rewrite an integer: with both bounds inclusive, and multiples listed where they are few."""
        low, high = _whole_bounds(schema)
        if low is not None and high is not None and low > high:
            raise Impossible(f"no integer lies between {low} and {high}", pointer=pointer)
        step = schema.get("multipleOf", 1)
        whole = isinstance(step, int | float) and step == int(step) and step >= 1
        if whole and step != 1 and low is not None and high is not None:
            size = int(cast("float", step))
            first = -(-low // size) * size
            if high - first < size * _MOST_LISTED:
                listed: list[JSON] = list(range(first, high + 1, size))
                if not listed:
                    raise Impossible(f"no multiple of {size} lies in these bounds", pointer=pointer)
                return {"type": "integer", "enum": listed}
        body: Body = {"type": "integer"}
        if step != 1 and self._server.multiples:
            body["multipleOf"] = step
        elif step != 1:
            self._notes.weaken(pointer, "multipleOf")
        for keyword, bound in (("minimum", low), ("maximum", high)):
            if bound is not None and abs(bound) <= _LARGEST:
                body[keyword] = bound
        for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
            if keyword in schema and abs(cast("float", schema[keyword])) > _LARGEST:
                self._notes.weaken(pointer, keyword)
        return body

    def number(self, schema: Schema, pointer: str) -> Body:
        """Rewrite a number."""
        if schema.get("multipleOf") == 1:
            return self.integer(schema, pointer)
        if _is_empty(schema):
            raise Impossible("no number lies between the bounds", pointer=pointer)
        body: Body = {"type": "number"}
        for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"):
            if keyword in schema:
                holds = self._server.multiples if keyword == "multipleOf" else self._server.number_bounds
                if holds:
                    body[keyword] = schema[keyword]
                else:
                    self._notes.weaken(pointer, keyword)
        return body

    def array(self, schema: Schema, pointer: str) -> Body:
        """Rewrite an array; one with `prefixItems` gets a fixed length."""
        least, most = limit(schema, "minItems", 0), limit(schema, "maxItems", _UNBOUNDED)
        prefix = cast("list[JSON]", schema.get("prefixItems", []))
        if most < least:
            raise Impossible(f"no array has {least} to {most} items", pointer=pointer)
        if prefix:
            return self._tuple(schema, prefix, least, most, pointer)
        body: Body = {"type": "array"}
        if most > 0:
            try:
                body["items"] = self._rewrite(
                    schema.get("items", schema.get("unevaluatedItems", True)), pointer_to(pointer, "items")
                )
            except Impossible:
                most = 0
        if most < least:
            raise Impossible("no item can be written", pointer=pointer)
        if most == 0:
            return self._no_items()
        self._count(body, schema, ("minItems", "maxItems"), pointer)
        return body

    def _no_items(self) -> Body:
        if self._server.empty_constant:
            return {"const": []}
        return {"type": "array", "items": {"type": "string"}, "maxItems": 0}

    def _tuple(self, schema: Schema, prefix: list[JSON], least: int, most: int, pointer: str) -> Body:
        """Write the given places and no more, or as many as there must be."""
        rest = schema.get("items", schema.get("unevaluatedItems", True))
        size = min(max(len(prefix), least), most)
        parts: list[JSON] = []
        for i in range(size):
            place = ("prefixItems", i) if i < len(prefix) else ("items",)
            part = prefix[i] if i < len(prefix) else rest
            try:
                parts.append(self._rewrite(part, pointer_to(pointer, *place)))
            except Impossible:
                if i < least:
                    raise
                break
        if not parts:
            return self._no_items()
        if (least, most) != (len(parts), len(parts)):
            self._notes.weaken(pointer, "x-narrowed")
        if not self._server.tuples:
            self._notes.weaken(pointer, "prefixItems")
            kinds: list[JSON] = list({repr(part): part for part in parts}.values())
            items: JSON = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
            return {"type": "array", "items": items, "minItems": len(parts), "maxItems": len(parts)}
        body: Body = {"type": "array", "prefixItems": parts, "minItems": len(parts), "maxItems": len(parts)}
        return {**body, "items": False} if self._server.closed_tuples else body


def _is_empty(schema: Schema) -> bool:
    """Tell whether no number lies within bounds."""
    least = [cast("float", schema[name]) for name in ("minimum", "exclusiveMinimum") if name in schema]
    most = [cast("float", schema[name]) for name in ("maximum", "exclusiveMaximum") if name in schema]
    if not least or not most or max(least) < min(most):
        return False
    open_ends = (schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum"))
    return max(least) > min(most) or max(least) in open_ends


def _whole_bounds(schema: Mapping[str, JSON]) -> tuple[int | None, int | None]:
    """Return the least and the greatest integer within bounds, None where there is none."""
    lows = [math.ceil(cast("float", schema["minimum"]))] if "minimum" in schema else []
    highs = [math.floor(cast("float", schema["maximum"]))] if "maximum" in schema else []
    if "exclusiveMinimum" in schema:
        lows.append(math.floor(cast("float", schema["exclusiveMinimum"])) + 1)
    if "exclusiveMaximum" in schema:
        highs.append(math.ceil(cast("float", schema["exclusiveMaximum"])) - 1)
    return max(lows, default=None), min(highs, default=None)


def types_of(values: Sequence[JSON]) -> JSON:
    """Return what `type` says of these values."""
    kinds = dict.fromkeys(_type_of(value) for value in values)
    return next(iter(kinds)) if len(kinds) == 1 else list(kinds)


def _type_of(value: JSON) -> str:
    match value:
        case bool():
            return "boolean"
        case None:
            return "null"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def either(options: Sequence[Body]) -> Body:
    """Return one schema for what any of them accepts."""
    if len(options) == 1:
        return options[0]
    if all(list(option) == ["type"] for option in options):
        kinds = [option["type"] for option in options]
        return {"type": list(dict.fromkeys(cast("list[str]", kinds)))}
    return {"anyOf": list(options)}
