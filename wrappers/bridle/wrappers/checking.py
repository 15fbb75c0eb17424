"""Decide whether something read is a call of one of the tools: strict JSON, known name, valid arguments.

A reason is written so that it can be shown to the model when it is asked again.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol, TypeAlias, cast

from jsonschema import Draft202012Validator, ValidationError, validators
from jsonschema.exceptions import UnknownType
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012, Schema

from bridle.errors import SchemaError
from bridle.messages import JSON, Repair, ToolCall, ToolSpec

__all__ = [
    "DEEPEST",
    "TOO_DEEP",
    "argument_errors",
    "check_call",
    "check_references",
    "decoder",
    "is_too_deep",
    "key_repairs",
    "load_object",
    "plain",
    "repeated_keys",
    "repeated_unlike",
]

_NO_OTHERS: Registry[Schema] = Registry()
"""Where a schema's references look outside it: nothing is there, and nothing is fetched."""


DEEPEST = 200
TOO_DEEP = f"it is nested more than {DEEPEST} levels deep"


class _Repeating(dict[str, JSON]):
    """A JSON object that names a key more than once; the last value counts, as in `json.loads`."""

    repeated: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    """Those of them whose values differ."""


def load_object(text: str) -> dict[str, JSON] | str:
    """Parse `text` as one strict JSON object, or say in words what is wrong with it.

    NaN, Infinity, numbers beyond a float and what is nested without end are refused, and so is a key that
    the object itself gives twice. Objects further inside may repeat a key, since no grammar can prevent that
    in a map with free keys: see `repeated_keys`.

    >>> load_object('{"a": 1}')
    {'a': 1}
    >>> load_object('{"a": 1, "a": 2}')
    "the key 'a' is given twice"
    """
    try:
        value: object = decoder().decode(text)
    except json.JSONDecodeError as error:
        return f"it is not valid JSON at character {error.pos}: {error.msg}"
    except ValueError as error:
        return str(error)
    except RecursionError:
        return TOO_DEEP
    if is_too_deep(value):
        return TOO_DEEP
    if not isinstance(value, dict):
        return "it is not a JSON object"
    if isinstance(value, _Repeating):
        return f"the key {value.repeated[0]!r} is given twice"
    return cast("dict[str, JSON]", value)


@lru_cache(maxsize=1)
def decoder() -> json.JSONDecoder:
    """What reads strict JSON: it refuses NaN and endless numbers, and notes the keys given twice."""
    return json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_pairs)


def is_too_deep(value: object) -> bool:
    """Whether lists and objects are nested deeper than any function that follows them can go."""
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return False
    return True


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large a number")
    return number


def _no_constant(name: str) -> JSON:
    raise ValueError(f"{name} is not a JSON number")


def _pairs(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    out = _Repeating(plain)
    names = [key for key, _ in pairs]
    out.repeated = tuple(key for key, count in Counter(names).items() if count > 1)
    differing = {key for key, value in pairs if not _same(value, plain[key])}
    out.unlike = tuple(key for key in out.repeated if key in differing)
    return out


def _same(one: JSON, other: JSON) -> bool:
    try:
        return type(one) is type(other) and one == other
    except RecursionError:
        return False


def repeated_unlike(value: JSON) -> tuple[str, ...]:
    """The keys that the object `value` itself gives more than once, with values that differ."""
    return value.unlike if isinstance(value, _Repeating) else ()


def repeated_keys(value: JSON) -> list[str]:
    """The keys that objects anywhere inside `value` give more than once."""
    inner: list[JSON] = []
    found: list[str] = []
    if isinstance(value, dict):
        inner = list(value.values())
        found = list(value.repeated) if isinstance(value, _Repeating) else []
    elif isinstance(value, list):
        inner = value
    return found + [key for one in inner for key in repeated_keys(one)]


def check_call(name: object, arguments: object, tools: Sequence[ToolSpec]) -> ToolCall | str:
    """Make a call of `name` with `arguments`, or say why it is none of `tools`."""
    known = {tool.name: tool for tool in tools}
    if not isinstance(name, str) or name not in known:
        return f"there is no function {name!r}; the functions are {', '.join(known) or 'none'}"
    if not isinstance(arguments, dict):
        return f"the arguments of {name} are not a JSON object"
    given = cast("dict[str, JSON]", arguments)
    twice = set(given.repeated) if isinstance(given, _Repeating) else set[str]()
    wrong = [f"{key!r} is given twice" for key in known[name].properties if key in twice]
    wrong += argument_errors(known[name], given)
    if wrong:
        return f"wrong arguments for {name}: {'; '.join(wrong)}"
    return ToolCall(name, cast("dict[str, JSON]", plain(given)))


def key_repairs(arguments: object, where: int) -> list[Repair]:
    """The record of keys that were given more than once, of which the last value counts."""
    keys = repeated_keys(cast("JSON", arguments))
    return [Repair("repeated key", where, key, "the last value counts") for key in keys]


def plain(value: JSON) -> JSON:
    """The same value made of ordinary dicts."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def argument_errors(tool: ToolSpec, arguments: Mapping[str, JSON]) -> list[str]:
    """What the tool's schema has against the arguments; parameters it does not declare count as well."""
    schema = tool.parameters
    wrong: list[str] = []
    if "additionalProperties" not in schema and "$ref" not in schema and not _composed(schema):
        patterns = schema.get("patternProperties")
        extra = [key for key in arguments if key not in tool.properties] if not patterns else []
        wrong += [f"it has no parameter {key!r}" for key in extra]
    try:
        validator = _validator(json.dumps(dict(schema), sort_keys=True))
        errors = sorted(validator.iter_errors(dict(arguments)), key=lambda error: error.message)
    except RecursionError:
        return [*wrong, "they are nested too deeply, or their schema refers to itself without end"]
    except (UnknownType, re.error, Unresolvable, TypeError, ValueError) as fault:
        why = _short(str(fault))
        return [*wrong, f"they cannot be checked, because the function's schema is faulty: {why}"]
    for error in errors[:5]:
        place = "/".join(str(part) for part in error.absolute_path)
        wrong.append((f"{place}: " if place else "") + _short(error.message))
    return wrong


def check_references(schema: Mapping[str, JSON]) -> None:
    """Follow every `$ref` once. Nothing is fetched: what is not inside the schema does not exist.

    Raises:
        SchemaError: naming the first reference that leads nowhere.
    """
    resource = DRAFT202012.create_resource(dict(schema))
    queue = [(resource, _NO_OTHERS.resolver_with_root(resource))]
    while queue:
        one, resolver = queue.pop()
        shape = cast("dict[str, object]", one.contents) if isinstance(one.contents, dict) else {}
        for keyword in ("$ref", "$dynamicRef"):
            reference = shape.get(keyword)
            try:
                if isinstance(reference, str):
                    resolver.lookup(reference)
            except Unresolvable as error:
                raise SchemaError(
                    f"{keyword} {reference!r} leads nowhere",
                    hint="put what it refers to under $defs of the same schema",
                ) from error
        queue += [(inner, resolver.in_subresource(inner)) for inner in one.subresources()]


def _composed(schema: Mapping[str, JSON]) -> bool:
    return any(key in schema for key in ("anyOf", "oneOf", "allOf"))


def _short(text: str, most: int = 200) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


class _Validator(Protocol):
    """The part of jsonschema's validators that is used here, with its types."""

    def iter_errors(self, instance: object) -> Iterable[ValidationError]: ...


@lru_cache(maxsize=512)
def _validator(schema: str) -> _Validator:
    return _WITH_NULLABLE(json.loads(schema), registry=_NO_OTHERS)


def _unless_null(check: _Check) -> _Check:
    """Let no keyword refuse null where the schema says `nullable`, a word of OpenAPI 3.0."""

    def checked(validator: object, value: object, instance: object, schema: Mapping[str, object]) -> _Errors:
        if instance is None and schema.get("nullable") is True:
            return ()
        return check(validator, value, instance, schema)

    return checked


_Errors: TypeAlias = Iterable[ValidationError] | None
_Check: TypeAlias = Callable[[Any, Any, Any, Any], _Errors]
_extend = cast("Callable[..., Callable[..., _Validator]]", validators.extend)  # pyright: ignore[reportUnknownMemberType]
_WITH_NULLABLE = _extend(
    Draft202012Validator,
    {keyword: _unless_null(check) for keyword, check in Draft202012Validator.VALIDATORS.items()},
)
