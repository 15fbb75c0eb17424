"""Decide whether what was heard is a call of one of the tools, and say in words why it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from bridle.messages import JSON, Refusal, Repair, ToolCall, ToolSpec
from bridle.wrappers.checking import (
    TOO_DEEP,
    argument_errors,
    is_too_deep,
    key_repairs,
    plain,
    repeated_unlike,
)
from bridle.wrappers.reading.coerce import allowed_types, as_value, fit_value, fits, only_strings
from bridle.wrappers.reading.envelope import calls_in, looks_like_schema
from bridle.wrappers.reading.expected import expected
from bridle.wrappers.reading.heard import Heard
from bridle.wrappers.reading.keys import ARGUMENT_KEYS, BESIDE_KEYS, NAME_KEYS, THOUGHT_KEYS
from bridle.wrappers.reading.names import fold, same_name, tool_name
from bridle.wrappers.reading.source import Known
from bridle.wrappers.values import fits as fits_tool
from bridle.wrappers.values import read_raw

__all__ = ["Verdict", "judge"]


class Verdict:
    """A call or a refusal, with the thoughts that stood in it and what was repaired."""

    def __init__(self, heard: Heard, where: int, text: str) -> None:
        self.heard = heard
        self.where = where
        self.text = text
        self.call: ToolCall | None = None
        self.refusal: Refusal | None = None
        self.thoughts = [heard.thoughts] if heard.thoughts else []
        self.notes: list[Repair] = []

    def refuse(self, why: str) -> Verdict:
        """End with a refusal."""
        self.refusal = Refusal(why, self.text)
        return self

    def note(self, what: str, before: str, after: str) -> None:
        """Record one change."""
        self.notes.append(Repair(what, self.where, before, after))


def judge(heard: Heard, known: Known, where: int, text: str) -> Verdict:
    """Check what was heard at `where`, which reads `text`, against the tools."""
    verdict = Verdict(heard, where, text)
    if heard.problem:
        return verdict.refuse(f"the call cannot be used: {heard.problem}")
    name = heard.name if heard.name in known.tools else tool_name(heard.name, known.tools)
    if name is None:
        return verdict.refuse(
            f"there is no function {heard.name!r}; the functions are {', '.join(known.tools) or 'none'}"
        )
    if name != heard.name:
        verdict.note("name", heard.name, name)
    if heard.keyed:
        verdict.note("name as the key", name, "name and arguments")
    tool = known.tools[name]
    arguments = _arguments(verdict, tool)
    if arguments is None:
        return verdict
    if is_too_deep(arguments):
        return verdict.refuse(f"the call cannot be used: {TOO_DEEP}")
    return _check(verdict, tool, arguments, known)


def _check(verdict: Verdict, tool: ToolSpec, given: dict[str, JSON], known: Known) -> Verdict:
    twice = [key for key in repeated_unlike(given) if key in tool.properties]
    if verdict.heard.loose and (astray := _astray(tool, given)):
        return verdict.refuse(f"the call cannot be used: a bracket is missing, before or behind {astray}")
    if verdict.heard.loose:
        given = _lifted(verdict, tool, given)
    arguments, thoughts = _without_thoughts(tool, given)
    if not twice and not argument_errors(tool, arguments) and not _misplaced(verdict.heard, tool, arguments):
        verdict.notes += key_repairs(given, verdict.where)
        return _accept(verdict, tool, arguments, thoughts)
    if looks_like_schema(arguments) and "properties" not in tool.properties:
        return verdict.refuse(f"this is the declaration of {tool.name}, not a call of it: give values")
    arguments = _unwrapped(verdict, tool, arguments, known)
    fitted, thoughts = _without_thoughts(tool, _fitted(verdict, tool, arguments, thoughts))
    wrong = [f"{key!r} is given twice" for key in twice] + argument_errors(tool, fitted)
    if wrong:
        return verdict.refuse(f"wrong arguments for {tool.name}: {'; '.join(wrong)}{expected(tool)}")
    verdict.notes += key_repairs(given, verdict.where)
    return _accept(verdict, tool, fitted, thoughts)


def _accept(verdict: Verdict, tool: ToolSpec, arguments: dict[str, JSON], thoughts: list[str]) -> Verdict:
    root = tool.parameters
    whole = {key: _whole(value, tool.properties.get(key, {}), root) for key, value in arguments.items()}
    verdict.thoughts += thoughts
    verdict.call = ToolCall(tool.name, cast("dict[str, JSON]", plain(whole)))
    return verdict


def _whole(value: JSON, schema: Mapping[str, JSON], root: Mapping[str, JSON]) -> JSON:
    """5 for 5.0 where only whole numbers are allowed."""
    if isinstance(value, float) and value.is_integer() and "number" not in allowed_types(schema, root):
        return int(value)
    return value


# Where the arguments are


def _arguments(verdict: Verdict, tool: ToolSpec) -> dict[str, JSON] | None:
    """The arguments as an object; None, with the refusal made, where they are none."""
    heard = verdict.heard
    if heard.raw is not None:
        return {key: _from_raw(tool, key, text) for key, text in heard.raw.items()}
    if heard.flat:
        return _beside(verdict, tool)
    given = heard.arguments
    if heard.places:
        placed = _placed(verdict, tool)
        if placed is None:
            return None
        given = {**placed, **(given if isinstance(given, dict) else {})}
    found = _object(verdict, given)
    if found is not None:
        return found
    single = _single(verdict, tool, given)
    if single is None:
        verdict.refuse(f"the arguments of {tool.name} are not a JSON object{expected(tool)}")
    return single


def _beside(verdict: Verdict, tool: ToolSpec) -> dict[str, JSON]:
    """The arguments that stand beside the name."""
    spare = verdict.heard.spare
    used = {key: value for key, value in spare.items() if key not in BESIDE_KEYS or key in tool.properties}
    if used:
        verdict.note("arguments beside the name", ", ".join(used), "arguments")
    return used


def _object(verdict: Verdict, given: JSON) -> dict[str, JSON] | None:
    """The object that arguments are, perhaps in quotes or in a list; nothing at all is an empty one."""
    text = given
    for _ in range(3):
        if not isinstance(given, str):
            break
        given = as_value(given.strip()) if given.strip() else {}
    if isinstance(text, str):
        if not isinstance(given, dict):
            return None
        verdict.note("arguments in quotes", text[:80], "an object")
    if given is None or given == []:
        return {}
    if isinstance(given, list) and len(given) == 1 and isinstance(given[0], dict):
        verdict.note("arguments in a list", "[…]", "{…}")
        given = given[0]
    return given if isinstance(given, dict) else None


def _single(verdict: Verdict, tool: ToolSpec, text: JSON) -> dict[str, JSON] | None:
    """A value alone in the arguments' place, where the tool has only one parameter that it can be."""
    if not isinstance(text, str):
        return None
    holder = next((key for key in ("action_input", "input") if key in tool.properties), None)
    if holder is None or verdict.heard.spare.get(holder) != text:
        if verdict.heard.repaired and "action_input" not in verdict.heard.spare:
            return None
        if '{"' in text:
            return None
        wanted = tool.required if len(tool.required) == 1 else tuple(tool.properties)
        if len(wanted) != 1 or not only_strings(tool.properties.get(wanted[0], {}), tool.parameters):
            return None
        holder = wanted[0]
    verdict.note("a value alone", text[:80], f"the argument {holder}")
    return {holder: text}


def _placed(verdict: Verdict, tool: ToolSpec) -> dict[str, JSON] | None:
    """Arguments without names, in the order of the parameters; only if the required ones come first."""
    places = verdict.heard.places
    names = list(tool.properties)
    if len(places) == 1 and isinstance(one := places[0], dict) and all(key in tool.properties for key in one):
        return one
    clear = len(names) == 1 or set(names[: len(tool.required)]) == set(tool.required)
    if len(places) > len(names) or not clear:
        verdict.refuse(f"the arguments of {tool.name} need their names{expected(tool)}")
        return None
    verdict.note("arguments without names", f"{len(places)}", ", ".join(names[: len(places)]))
    return dict(zip(names, places, strict=False))


def _from_raw(tool: ToolSpec, key: str, text: str) -> JSON:
    """A value that was written as plain text, as the parameter's schema has it."""
    name = same_name(key, tool.properties) or key
    value = read_raw(text, name, tool)
    if isinstance(value, str) and name in tool.properties and not fits_tool(value, name, tool):
        found = as_value(text.strip()) if text.strip() else None
        return text.strip() if found is None else found
    return value


# What becomes of them


def _misplaced(heard: Heard, tool: ToolSpec, arguments: Mapping[str, JSON]) -> bool:
    """Whether an argument stands beside the arguments instead of among them."""
    return not heard.flat and any(
        key in tool.properties and key not in arguments and key not in BESIDE_KEYS and key not in NAME_KEYS
        for key in heard.spare
        if key not in ("action_input", "input") or heard.spare[key] is not heard.arguments
    )


def _without_thoughts(tool: ToolSpec, given: Mapping[str, JSON]) -> tuple[dict[str, JSON], list[str]]:
    """The arguments without the thoughts that the tool does not declare, and those thoughts."""
    spelled = {fold(name) for name in tool.properties}
    thoughts = [key for key in THOUGHT_KEYS if key in given and key not in tool.properties]
    thoughts = [
        key
        for key in thoughts
        if key == "inner_thoughts" or (isinstance(given[key], str) and not _near_thoughts(key, spelled))
    ]
    kept = {key: value for key, value in given.items() if key not in thoughts}
    return kept, [value for key in thoughts if isinstance(value := given[key], str) and value]


def _near_thoughts(key: str, spelled: set[str]) -> bool:
    """Whether the tool declares thoughts that `key` is another spelling of."""
    return any(fold(form) in spelled for form in (key, key + "s", key.removesuffix("s")))


def _astray(tool: ToolSpec, given: Mapping[str, JSON]) -> str:
    """A parameter that stands inside an argument which may have any members, as it may well do."""
    declared = tool.properties
    free = [value for key, value in given.items() if key in declared and "properties" not in declared[key]]
    inside = [key for value in free if isinstance(value, dict) for key in value]
    return next((key for key in inside if key in tool.properties and key not in given), "")


def _lifted(verdict: Verdict, tool: ToolSpec, given: dict[str, JSON]) -> dict[str, JSON]:
    """The arguments, with those that a missing brace left inside of another one taken out of it."""
    out = dict(given)
    for key, value in given.items():
        declared = tool.properties.get(key, {}).get("properties")
        if not isinstance(value, dict) or not isinstance(declared, dict):
            continue
        strays = [one for one in value if one not in declared and one in tool.properties and one not in given]
        if strays:
            verdict.note("argument inside of another", ", ".join(strays), key)
            out[key] = {one: inner for one, inner in value.items() if one not in strays}
            out |= {one: value[one] for one in strays}
    return out


def _unwrapped(verdict: Verdict, tool: ToolSpec, arguments: dict[str, JSON], known: Known) -> dict[str, JSON]:
    """The arguments inside arguments that hold the whole call once more, or one object around them."""
    for _ in range(2):
        strange = [key for key in arguments if key not in tool.properties]
        if not strange or len(strange) != len(arguments):
            break
        inner = calls_in(arguments, known, sure=False)
        same = len(inner) == 1 and tool_name(inner[0].name, known.tools) == tool.name
        held: JSON = inner[0].arguments if same else None
        if len(strange) == 1 and strange[0] in (*ARGUMENT_KEYS, "properties", tool.name):
            held = arguments[strange[0]]
            held = as_value(held) if isinstance(held, str) else held
        if not isinstance(held, dict) or (held and not any(_declares(tool, key) for key in held)):
            break
        verdict.note("arguments inside arguments", ", ".join(strange), "arguments")
        arguments = held
    return arguments


def _declares(tool: ToolSpec, key: str) -> bool:
    return same_name(key, tool.properties) is not None or key in (*ARGUMENT_KEYS, *NAME_KEYS)


def _fitted(
    verdict: Verdict, tool: ToolSpec, arguments: Mapping[str, JSON], thoughts: list[str]
) -> dict[str, JSON]:
    root = tool.parameters
    out: dict[str, JSON] = {}
    for key, value in arguments.items():
        name = _parameter(tool, key, arguments)
        if name is None and not _open(tool):
            verdict.note("invented parameter", key, "")
            continue
        if name is not None and name != key:
            verdict.note("parameter", key, name)
        schema = tool.properties.get(name or key)
        out[name or key] = value if schema is None else _one(verdict, schema, value, root)
    for key, value in verdict.heard.spare.items():
        named = not verdict.heard.flat and key not in NAME_KEYS and key not in BESIDE_KEYS
        if named and key in tool.properties and key not in out and value is not verdict.heard.arguments:
            verdict.note("argument beside the arguments", key, key)
            out[key] = _one(verdict, tool.properties[key], value, root)
    for key in [key for key, value in out.items() if value is None and key not in tool.required]:
        if key in tool.properties and not fits(None, tool.properties[key], root):
            verdict.note("null for nothing", key, "")
            del out[key]
    return out


def _one(verdict: Verdict, schema: Mapping[str, JSON], value: JSON, root: Mapping[str, JSON]) -> JSON:
    return (
        value if fits(value, schema, root) else fit_value(value, schema, root, verdict.where, verdict.notes)
    )


def _parameter(tool: ToolSpec, key: str, arguments: Mapping[str, JSON]) -> str | None:
    """The declared parameter that `key` spells and that is not given itself."""
    if key in tool.properties:
        return key
    free = [name for name in tool.properties if name not in arguments]
    found = same_name(key, free)
    if found is None and key in THOUGHT_KEYS:
        found = next(
            (name for name in free if name in THOUGHT_KEYS and _near_thoughts(key, {fold(name)})), None
        )
    if found is not None and sum(fold(other) == fold(found) for other in arguments) > 1:
        return None
    return found


def _open(tool: ToolSpec) -> bool:
    """Whether the tool's schema itself allows parameters that it does not name."""
    others = tool.parameters.get("additionalProperties")
    composed = any(key in tool.parameters for key in ("patternProperties", "anyOf", "oneOf", "allOf", "$ref"))
    return bool(others) or composed
