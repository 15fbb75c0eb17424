"""A conversation as chat templates want it: the dicts that transformers hands to them.

Templates differ in what they accept: past arguments as an object or as JSON text, the content of a turn that
only calls as an empty text or as none, thoughts under one key or another, a system turn or not. `Profile`
says what one template wants; `bridle.wrappers.templates` finds out by trying.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bridle.messages import JSON, Message, ToolSpec, tool_to_dict

__all__ = [
    "Change",
    "Profile",
    "contents_of",
    "function_text",
    "message_values",
    "thoughts_keys",
    "tool_values",
    "unchanged",
]

Change: TypeAlias = Callable[[str, bool], str]
"""What becomes of each text of the conversation; the second argument says that it is a name, key or id."""

_SCHEMA_WORDS = frozenset(
    [
        "type",
        "properties",
        "required",
        "description",
        "enum",
        "items",
        "anyOf",
        "oneOf",
        "allOf",
        "const",
        "default",
        "title",
        "format",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "pattern",
        "additionalProperties",
        "nullable",
        "$ref",
        "$defs",
        "definitions",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "uniqueItems",
        "examples",
        "not",
        "function",
        "name",
        "parameters",
        "string",
        "number",
        "integer",
        "boolean",
        "array",
        "object",
        "null",
    ]
)
"""Words of JSON Schema, which templates compare with."""
_THOUGHTS = (
    ("reasoning_content", re.compile(r"\breasoning_content\b")),
    ("thinking", re.compile(r"(?:message|msg|turn|m)\w*(?:\.thinking\b|\[['\"]thinking['\"]\])")),
    ("reasoning", re.compile(r"(?:message|msg|turn|m)\w*(?:\.reasoning\b|\[['\"]reasoning['\"]\])")),
    ("part", re.compile(r"type(?:['\"]\])? == ['\"]thinking['\"]")),
    ("tool_plan", re.compile(r"\btool_plan\b")),
)


@dataclass(frozen=True, slots=True)
class Profile:
    """What one template wants.

    Most templates want an empty text where a turn only calls (they trim it or test whether it is true), a few
    test for none. Most want arguments as an object and write them as JSON themselves, a few join text to
    text.
    """

    arguments: Literal["object", "text"] = "object"
    empty: str | None = ""
    parts: bool = False
    """Whether content is a list of parts, `[{"type": "text", "text": …}]`."""
    system: bool = True
    """Whether there are system turns; without, their text is put before the first user's."""
    no_tools: bool = True
    """Whether no tools are none, and not an empty list."""
    thoughts: tuple[str, ...] = ()
    """The keys that past thoughts stand under."""
    functions: bool = False
    """Whether tools are wanted as JSON text in `functions`, next to the day in `datetime`."""
    given_ids: bool = True
    """Whether calls keep the ids that they came with; some templates accept only nine letters or digits."""


def unchanged(text: str, word: bool) -> str:
    """Leave every text as it is."""
    return text


def thoughts_keys(source: str) -> tuple[str, ...]:
    """The keys under which a template looks for thoughts; `part` for a part of the content."""
    found = [key for key, pattern in _THOUGHTS if pattern.search(source)]
    return tuple(found[:1] + [key for key in found[1:] if key == "tool_plan"])


def message_values(messages: Sequence[Message], profile: Profile, change: Change = unchanged) -> list[JSON]:
    """The messages as dicts, each text of them changed by `change`."""
    ids = _Ids(profile.given_ids)
    out: list[JSON] = []
    before = ""
    for message in messages:
        text = change(message.content, False)
        if message.role == "system" and not profile.system:
            before += text + "\n\n"
            continue
        if message.role == "user":
            text, before = before + text, ""
        out.append(_message(message, text, profile, change, ids))
    if before:
        out.append({"role": "user", "content": _content(before.removesuffix("\n\n"), profile)})
    return out


def _message(message: Message, text: str, profile: Profile, change: Change, ids: _Ids) -> dict[str, JSON]:
    out: dict[str, JSON] = {"role": message.role, "content": _content(text, profile)}
    if message.thoughts and "part" in profile.thoughts:
        part: dict[str, JSON] = {"type": "thinking", "thinking": change(message.thoughts, False)}
        out["content"] = [part, {"type": "text", "text": text}] if text else [part]
    elif message.thoughts:
        out |= {key: change(message.thoughts, False) for key in profile.thoughts}
    if message.role == "tool":
        call_id, name = ids.answered(message)
        out["tool_call_id"] = change(call_id, True)
        if name:
            out["name"] = change(name, True)
    elif message.name:
        out["name"] = change(message.name, True)
    if message.calls:
        if not message.content and isinstance(out["content"], str):
            out["content"] = profile.empty
        out["tool_calls"] = [
            {
                "id": change(call_id, True),
                "type": "function",
                "function": {
                    "name": change(call.name, True),
                    "arguments": _arguments(_changed(dict(call.arguments), change), profile),
                },
            }
            for call, call_id in zip(message.calls, ids.made(message), strict=True)
        ]
    return out


def _content(text: str, profile: Profile) -> JSON:
    return [{"type": "text", "text": text}] if profile.parts else text


def _arguments(arguments: JSON, profile: Profile) -> JSON:
    return arguments if profile.arguments == "object" else json.dumps(arguments, ensure_ascii=False)


class _Ids:
    """The ids of past calls: those that came with them, else `call00001`, `call00002` …

    Nine letters or digits are what the strictest family of templates accepts.
    """

    def __init__(self, given: bool) -> None:
        self._given = given
        self._count = 0
        self._known: dict[str, tuple[str, str]] = {}
        self._waiting: list[tuple[str, str]] = []

    def made(self, message: Message) -> list[str]:
        """The ids of a turn's calls."""
        listed = message.extra.get("call_ids")
        given = [str(one) for one in listed] if isinstance(listed, list) else []
        out: list[str] = []
        self._waiting = []
        for index, call in enumerate(message.calls):
            self._count += 1
            own = given[index] if index < len(given) else ""
            call_id = own if own and self._given else f"call{self._count:05d}"
            self._waiting.append((call_id, call.name))
            if own:
                self._known[own] = (call_id, call.name)
            out.append(call_id)
        return out

    def answered(self, message: Message) -> tuple[str, str]:
        """The id and the name of the function that a tool's result answers."""
        own = message.extra.get("tool_call_id")
        first = self._waiting.pop(0) if self._waiting else ("", "")
        call_id, name = self._known.get(str(own), first) if own else first
        if not call_id:
            self._count += 1
            call_id = str(own) if own and self._given else f"call{self._count:05d}"
        return call_id, message.name or name


def tool_values(tools: Sequence[ToolSpec], profile: Profile, change: Change = unchanged) -> list[JSON] | None:
    """The tools in OpenAI's shape, each text of them changed by `change`."""
    if not tools:
        return None if profile.no_tools else []
    return [_changed_tool(tool, change) for tool in tools]


def function_text(tools: Sequence[ToolSpec], change: Change = unchanged) -> str:
    """The tools as JSON text, each text in it changed by `change`."""
    functions = [_changed_tool(tool, change)["function"] for tool in tools]
    return json.dumps(functions, ensure_ascii=False, indent=4)


def _changed_tool(tool: ToolSpec, change: Change) -> dict[str, JSON]:
    function = tool_to_dict(tool)["function"]
    assert isinstance(function, dict)
    return {
        "type": "function",
        "function": {
            "name": change(tool.name, True),
            "description": change(tool.description, False),
            "parameters": _changed(function["parameters"], _but_schema_words(change)),
        },
    }


def _but_schema_words(change: Change) -> Change:
    def changed(text: str, word: bool) -> str:
        return text if text in _SCHEMA_WORDS else change(text, word)

    return changed


def _changed(value: JSON, change: Change) -> JSON:
    if isinstance(value, str):
        return change(value, False)
    if isinstance(value, list):
        return [_changed(one, change) for one in value]
    if isinstance(value, dict):
        return {change(key, True): _changed(one, change) for key, one in value.items()}
    return value


def contents_of(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> list[str]:
    """Every text of a conversation that did not come from its template."""
    found: list[str] = []

    def collect(text: str, word: bool) -> str:
        found.append(text)
        return text

    message_values(messages, Profile(thoughts=("thoughts",)), collect)
    tool_values(tools, Profile(), collect)
    return found
