"""Decide whether something read is a call of one of the tools: strict JSON, known name, valid arguments.

A reason is written so that it can be shown to the model when it is asked again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import cast

from jsonschema import Draft202012Validator

from bridle.messages import JSON, ToolCall, ToolSpec

__all__ = ["argument_errors", "check_call", "load_object"]


def load_object(text: str) -> dict[str, JSON] | str:
    """Parse `text` as one strict JSON object, or say in words what is wrong with it.

    NaN, Infinity and repeated keys are not JSON that can be trusted, so they are refused.

    >>> load_object('{"a": 1}')
    {'a': 1}
    >>> load_object('{"a": 1, "a": 2}')
    "the key 'a' is given twice"
    """
    try:
        value: object = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_distinct)
    except json.JSONDecodeError as error:
        return f"it is not valid JSON at character {error.pos}: {error.msg}"
    except (ValueError, RecursionError) as error:
        return str(error)
    if not isinstance(value, dict):
        return "it is not a JSON object"
    return cast("dict[str, JSON]", value)


def _no_constant(name: str) -> JSON:
    raise ValueError(f"{name} is not a JSON number")


def _distinct(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    out: dict[str, JSON] = {}
    for key, value in pairs:
        if key in out:
            raise ValueError(f"the key {key!r} is given twice")
        out[key] = value
    return out


def check_call(name: object, arguments: object, tools: Sequence[ToolSpec]) -> ToolCall | str:
    """Make a call of `name` with `arguments`, or say why it is none of `tools`."""
    known = {tool.name: tool for tool in tools}
    if not isinstance(name, str) or name not in known:
        return f"there is no function {name!r}; the functions are {', '.join(known) or 'none'}"
    if not isinstance(arguments, dict):
        return f"the arguments of {name} are not a JSON object"
    given = cast("dict[str, JSON]", arguments)
    wrong = argument_errors(known[name], given)
    if wrong:
        return f"wrong arguments for {name}: {'; '.join(wrong)}"
    return ToolCall(name, given)


def argument_errors(tool: ToolSpec, arguments: Mapping[str, JSON]) -> list[str]:
    """What the tool's schema has against the arguments; parameters it does not declare count as well."""
    schema = tool.parameters
    wrong: list[str] = []
    if "additionalProperties" not in schema and "$ref" not in schema and not _composed(schema):
        patterns = schema.get("patternProperties")
        extra = [key for key in arguments if key not in tool.properties] if not patterns else []
        wrong += [f"it has no parameter {key!r}" for key in extra]
    validator = _validator(json.dumps(dict(schema), sort_keys=True))
    errors = cast("list[object]", sorted(validator.iter_errors(dict(arguments)), key=str))
    for error in errors[:5]:
        place = "/".join(str(part) for part in getattr(error, "absolute_path", ()))
        message = str(getattr(error, "message", error))
        wrong.append((f"{place}: " if place else "") + _short(message))
    return wrong


def _composed(schema: Mapping[str, JSON]) -> bool:
    return any(key in schema for key in ("anyOf", "oneOf", "allOf"))


def _short(text: str, most: int = 200) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


@lru_cache(maxsize=512)
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema))
