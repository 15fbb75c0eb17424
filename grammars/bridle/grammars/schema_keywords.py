"""The keywords of JSON Schema (draft 2020-12): which restrict, which only describe; and is a schema valid."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Protocol, cast

import jsonschema
from jsonschema import exceptions
from referencing import Registry

from bridle.errors import SchemaError
from bridle.messages import JSON

__all__ = [
    "ANNOTATIONS",
    "BY_TYPE",
    "META_SCHEMAS",
    "RESTRICTING",
    "TYPES",
    "Validator",
    "as_python",
    "check_schema",
    "limit",
    "old_draft",
    "pointer_to",
    "restricting",
    "validator_of",
    "written_types",
]


class Validator(Protocol):
    """The part of jsonschema's validators that is used here."""

    def iter_errors(self, instance: object, /) -> Iterable[exceptions.ValidationError]:
        """Find all that is wrong with a value."""
        ...

    def is_valid(self, instance: object, /) -> bool:
        """Tell whether a value satisfies the schema."""
        ...

    def evolve(self, *, schema: object) -> Validator:
        """Return a validator of a part of the schema, with the references of the whole."""
        ...


class _Draft(Protocol):
    """The class of a draft's validators."""

    META_SCHEMA: Mapping[str, JSON]
    FORMAT_CHECKER: object

    def __call__(
        self, schema: object, *, registry: object = ..., format_checker: object = ...
    ) -> Validator: ...


TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")

BY_TYPE: Mapping[str, tuple[str, ...]] = {
    "string": ("minLength", "maxLength", "pattern", "format", "x-quoted-from"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "array": (
        "items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains", "unevaluatedItems",
    ),
    "object": (
        "properties", "required", "additionalProperties", "unevaluatedProperties", "minProperties",
        "maxProperties", "patternProperties", "propertyNames", "dependentRequired", "dependentSchemas",
        "dependencies",
    ),
}  # fmt: skip
"""Keywords that only restrict values of one type."""

ANNOTATIONS = frozenset(
    (
        "title",
        "description",
        "default",
        "examples",
        "example",
        "deprecated",
        "readOnly",
        "writeOnly",
        "$comment",
        "$schema",
        "$id",
        "$anchor",
        "$defs",
        "definitions",
        "$vocabulary",
        "$dynamicAnchor",
        "$recursiveAnchor",
        "contentEncoding",
        "contentMediaType",
        "contentSchema",
        "then",
        "else",
        "minContains",
        "maxContains",
        "id",
        "discriminator",
        "externalDocs",
        "xml",
        "strict",
    )
)
"""Keywords that restrict nothing by themselves (`then` and `minContains` only do beside another one)."""


RESTRICTING = frozenset(
    ["type", "enum", "const", "anyOf", "oneOf", "allOf", "not", "if", "$ref", "$dynamicRef", "$recursiveRef"]
    + [keyword for keywords in BY_TYPE.values() for keyword in keywords]
    + ["minContains", "maxContains", "additionalItems", "nullable", "then", "else"]
)
_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies")
_NO_SCHEMAS = ("enum", "const", "default", "examples", "example", "required", "dependentRequired", "type")


def restricting(schema: object) -> list[tuple[str, str]]:
    """Return all keywords that restrict, in all parts of a schema, as (JSON Pointer, keyword).

    >>> restricting({"items": {"minLength": 1, "title": "x"}})
    [('', 'items'), ('/items', 'minLength')]
    """
    return list(_restricting(schema, ""))


def _restricting(schema: object, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(schema, list):
        for i, part in enumerate(cast("list[object]", schema)):
            yield from _restricting(part, pointer_to(pointer, i))
    if not isinstance(schema, Mapping):
        return
    parts = cast("Mapping[str, object]", schema)
    yield from ((pointer, keyword) for keyword in parts if keyword in RESTRICTING)
    for keyword, value in parts.items():
        inner = pointer_to(pointer, keyword)
        if keyword in _MAPS and isinstance(value, Mapping):
            for name, part in cast("Mapping[str, object]", value).items():
                yield from _restricting(part, pointer_to(inner, name))
        elif keyword not in _NO_SCHEMAS and not keyword.startswith("x-"):
            yield from _restricting(value, inner)


def written_types(schema: Mapping[str, JSON]) -> tuple[str, ...]:
    """Return the types of value that are generated for a schema without `$ref`, `allOf` or alternatives.

    Where `type` is missing, keywords of one type mean that type. Integers are among the numbers.

    >>> written_types({"minLength": 1})
    ('string',)
    """
    declared = schema.get("type")
    if isinstance(declared, str):
        return (declared,)
    if isinstance(declared, list):
        return tuple(str(one) for one in declared)
    meant = tuple(kind for kind, keywords in BY_TYPE.items() if any(word in schema for word in keywords))
    return meant or TYPES


def pointer_to(pointer: str, *tokens: str | int) -> str:
    """Extend a JSON Pointer (RFC 6901).

    >>> pointer_to("/properties", "a/b")
    '/properties/a~1b'
    """
    return pointer + "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in tokens)


_DRAFT_HINT = "it must follow JSON Schema, draft 2020-12 unless `$schema` says otherwise"
_TYPES_HINT = (
    "types are object (not dict), array (not list or tuple), string, integer, number (not float), boolean "
    "and null; leave `type` out for any of them"
)


def check_schema(schema: JSON | Mapping[str, JSON]) -> None:
    """Raise a `SchemaError` that names the place, unless this is a valid schema of its draft.

    The draft is that of `$schema`. Without it any draft will do that the schema is valid in.
    """
    if not isinstance(schema, bool | Mapping):
        raise SchemaError(f"a schema is {schema!r}", hint="a schema is an object, true or false")
    try:
        text = json.dumps(schema)
    except (TypeError, ValueError) as error:
        raise SchemaError(f"the schema is no JSON value: {error}", hint="use JSON's types only") from error
    found = _first_error(text)
    if found is not None:
        pointer, message = found
        raise SchemaError(
            f"the schema is not valid at {pointer or 'its root'}: {message}",
            pointer=pointer,
            hint=_TYPES_HINT if pointer.endswith("/type") else _DRAFT_HINT,
        )


@lru_cache(maxsize=1024)
def _first_error(text: str) -> tuple[str, str] | None:
    """Checking takes about a millisecond, and an agent builds a grammar of the same tools in every step."""
    schema = json.loads(text)
    return _error_in(schema, _draft(text))


def _error_in(schema: object, draft: _Draft) -> tuple[str, str] | None:
    checker = draft(draft.META_SCHEMA, format_checker=draft.FORMAT_CHECKER)
    try:
        errors = [error for error in checker.iter_errors(schema) if not _is_other_pattern(error)]
    except RecursionError:
        return "", "it is too deeply nested"
    if not errors:
        return None
    # jsonschema does not say what its choice of an error is.
    choose = cast("Callable[[object], exceptions.ValidationError]", exceptions.best_match)  # pyright: ignore[reportUnknownMemberType]
    worst = choose(errors)
    return pointer_to("", *worst.absolute_path), worst.message[:200]


def _is_other_pattern(error: exceptions.ValidationError) -> bool:
    """Tell whether an error is a pattern of ECMA-262 that Python's `re` spells otherwise."""
    pattern = error.instance
    if error.validator != "format" or not isinstance(pattern, str):
        return False
    try:
        re.compile(as_python(pattern))
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def as_python(pattern: str) -> str:
    """Rewrite what only ECMA-262 knows, so that Python's `re` can tell whether a pattern is one at all.

    >>> as_python(r"^(?<a>\\p{L})$")
    '^(?P<a>a)$'
    """
    known = re.sub(r"\\[pP]\{\^?[A-Za-z_=]+\}|\\u\{[0-9A-Fa-f]+\}", "a", pattern)
    return re.sub(r"\(\?<([A-Za-z_]\w*)>", r"(?P<\1>", known).replace("[^]", "[^a]")


_DRAFTS: Sequence[_Draft] = tuple(
    # jsonschema's types do not tell that its validators are classes of this kind.
    cast("_Draft", draft)
    for draft in (
        jsonschema.Draft202012Validator,
        jsonschema.Draft201909Validator,
        jsonschema.Draft7Validator,
        jsonschema.Draft6Validator,
        jsonschema.Draft4Validator,
        jsonschema.Draft3Validator,
    )
)


def _name(draft: _Draft) -> str:
    return str(draft.META_SCHEMA.get("$id", draft.META_SCHEMA.get("id", "")))


META_SCHEMAS: Mapping[str, Mapping[str, JSON]] = {
    _name(draft).removesuffix("#"): draft.META_SCHEMA
    for draft in _DRAFTS[2:]  # newer ones are in many parts
}
"""The schemas of schemas that a reference may lead to, by their names."""


@lru_cache(maxsize=1024)
def _draft(text: str) -> _Draft:
    """Return the validator of a schema's draft: the one that it names, or the newest in which it is valid."""
    schema = cast("JSON", json.loads(text))
    named = str(schema.get("$schema", "")) if isinstance(schema, dict) else ""
    for draft in _DRAFTS:
        if named and _plain(named) == _plain(_name(draft)):
            return draft
    for draft in _DRAFTS[:-1]:  # nearly everything is valid in draft 3
        if _error_in(schema, draft) is None:
            return draft
    return _DRAFTS[0]


def _plain(name: str) -> str:
    return name.removesuffix("#").partition("://")[2]


def old_draft(schema: JSON | Mapping[str, JSON]) -> bool:
    """Tell whether `$schema` names a draft in which nothing beside a `$ref` counts."""
    if not isinstance(schema, Mapping) or "$schema" not in schema:
        return False
    return any(_plain(str(schema["$schema"])) == _plain(_name(draft)) for draft in _DRAFTS[2:])


def validator_of(schema: JSON | Mapping[str, JSON]) -> Validator:
    """Return what checks values against a schema, and fetches nothing for references that lead out of it."""
    registry: Registry[bool | Mapping[str, object]] = Registry()
    whole = cast("bool | Mapping[str, object]", schema)
    return _draft(json.dumps(schema))(whole, registry=registry)


def limit(schema: Mapping[str, JSON], keyword: str, default: int) -> int:
    """Return a keyword's whole number."""
    return int(cast("float", schema.get(keyword, default)))
