"""Find the calls in a JSON value, however its keys are named.

`{"name", "arguments"}`, `{"function", "params"}`, `{"action", "action_input"}`, OpenAI's `tool_calls`,
JSON-RPC and whatever mixes them are one thing: a member that names a function and a member that holds its
arguments. A value that has neither is data, not a call.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridle.messages import JSON, ToolSpec
from bridle.wrappers.checking import repeated_unlike
from bridle.wrappers.reading.heard import Heard
from bridle.wrappers.reading.keys import ARGUMENT_KEYS, BESIDE_KEYS, NAME_KEYS, THOUGHT_KEYS, WRAPPER_KEYS
from bridle.wrappers.reading.names import tool_name
from bridle.wrappers.reading.source import Known

__all__ = ["calls_in", "looks_like_schema"]

_KEYS = frozenset((*NAME_KEYS, *WRAPPER_KEYS))
_SCHEMA_KEYS = ("properties", "description", "required", "$schema")


def calls_in(value: JSON, known: Known, *, sure: bool, depth: int = 0) -> list[Heard]:
    """Every call in `value`; none where it is data.

    `sure` says that the value stands where only a call can stand, so that a name alone is one too.
    """
    if depth > 4:
        return []
    if isinstance(value, list):
        found = [calls_in(one, known, sure=sure, depth=depth + 1) for one in value]
        if not all(found) and not sure:
            return []
        return [call for calls in found for call in calls]
    if not isinstance(value, dict) or (_KEYS.isdisjoint(value) and known.tools.keys().isdisjoint(value)):
        return []
    return _wrapped(value, known, sure, depth) or _named(value, known, sure) or _keyed(value, known)


def _wrapped(value: Mapping[str, JSON], known: Known, sure: bool, depth: int) -> list[Heard]:
    for key in WRAPPER_KEYS:
        inner = value.get(key)
        if not isinstance(inner, dict | list) or not inner or key in known.tools:
            continue
        found = calls_in(inner, known, sure=True, depth=depth + 1)
        if found:
            _hand_down(value, key, found)
            return found
    return []


def _hand_down(value: Mapping[str, JSON], key: str, found: list[Heard]) -> None:
    """Give the only call inside a wrapper what stands beside it: thoughts, and sometimes the arguments."""
    found[0].thoughts = found[0].thoughts or _thoughts(value)
    if len(found) == 1 and found[0].arguments is None and not found[0].spare:
        holder = next((one for one in ARGUMENT_KEYS if one in value and one != key), None)
        if holder:
            found[0].arguments, found[0].flat = value[holder], False


def _named(value: dict[str, JSON], known: Known, sure: bool) -> list[Heard]:
    names = {key: name for key in NAME_KEYS if isinstance(name := value.get(key), str)}
    if not names:
        return []
    holders = [key for key in ARGUMENT_KEYS if key in value]
    key = _naming_key(names, known, bool(holders))
    if key is None:
        return [Heard(" / ".join(names.values()), problem="it names two functions")]
    meant = tool_name(names[key], known.tools)
    if not holders and not (sure or key != "name" or meant):
        return []
    holder = _holder(holders, value, meant, known)
    spare = {
        one: inner for one, inner in value.items() if one not in (key, holder) and one not in THOUGHT_KEYS
    }
    flat = holder is None
    if flat and not sure and not (meant and _is_flat(spare, meant, known)):
        bare = key == "name" and not spare.keys() <= set(BESIDE_KEYS)
        return [] if bare or not meant else [_heard(value, key, None, spare, flat=False)]
    if not meant and not sure and not _call_like(key, holder):
        return []
    return [_heard(value, key, holder, spare, flat=flat)]


def _heard(
    value: dict[str, JSON], key: str, holder: str | None, spare: dict[str, JSON], *, flat: bool
) -> Heard:
    arguments = value[holder] if holder else None
    if holder in {"action_input", "input"}:
        spare = {**spare, str(holder): arguments}
    twice = [one for one in repeated_unlike(value) if one in (key, holder)]
    return Heard(
        name=str(value[key]),
        arguments=arguments,
        spare=spare,
        thoughts=_thoughts(value),
        problem=f"the key {twice[0]!r} is given twice" if twice else "",
        flat=flat,
        alone=key == "name" and holder is None and spare.keys() <= set(BESIDE_KEYS),
    )


def _naming_key(names: Mapping[str, str], known: Known, held: bool) -> str | None:
    """The key that names the function; None where two keys name different ones."""
    meant = {key: tool for key, name in names.items() if (tool := tool_name(name, known.tools))}
    if not meant:
        return next(iter(names))
    if len(set(meant.values())) > 1:
        first = next(iter(meant))
        declared = known.tools[meant[first]].properties
        beside = [key for key in meant if key != first and key not in declared]
        return None if beside and held else first
    return next(iter(meant))


def _holder(holders: list[str], value: Mapping[str, JSON], meant: str | None, known: Known) -> str | None:
    """The key that holds the arguments: one that the tool itself has as a parameter only if no other does."""
    declared = known.tools[meant].properties if meant else ToolSpec("").properties
    objects = [key for key in holders if isinstance(value[key], dict)]
    for key in [*objects, *holders]:
        if key not in declared or isinstance(value[key], dict):
            return key
    return None


def _is_flat(spare: Mapping[str, JSON], meant: str, known: Known) -> bool:
    """Whether the members beside a name are the parameters of the function that it names."""
    tool = known.tools[meant]
    given = [key for key in spare if key not in BESIDE_KEYS or key in tool.properties]
    return all(key in tool.properties for key in given) and all(key in spare for key in tool.required)


def _call_like(key: str, holder: str | None) -> bool:
    return holder in (
        "params",
        "arguments",
        "parameters",
        "args",
        "action_input",
        "kwargs",
        "tool_input",
    ) or (key in ("function", "tool_name", "function_name") and holder is not None)


def _keyed(value: Mapping[str, JSON], known: Known) -> list[Heard]:
    """Calls whose name is the key of their arguments: only where every key is the name of a tool."""
    if not value or not all(key in known.tools and isinstance(inner, dict) for key, inner in value.items()):
        return []
    return [Heard(key, inner, keyed=True) for key, inner in value.items()]


def _thoughts(value: Mapping[str, JSON]) -> str:
    found = [inner for key in THOUGHT_KEYS if isinstance(inner := value.get(key), str) and inner]
    return "\n".join(found)


def looks_like_schema(arguments: Mapping[str, JSON]) -> bool:
    """Whether the arguments are a function's declaration repeated, not values for it."""
    return arguments.get("type") == "object" and any(key in arguments for key in _SCHEMA_KEYS)
