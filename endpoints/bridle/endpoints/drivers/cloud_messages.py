"""A conversation and its tools in the words of OpenAI's two APIs: chat completions and responses.

Format: the types of openai 3.52.0 (`types/chat`, `types/responses`). Both want each result of a tool to
name its call, so calls without an id get one here, and results find theirs by name and order. What strict
mode takes stands in the profile `openai-strict` (`bridle.grammars.profile_servers`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bridle.endpoints.base import NativeCall
from bridle.endpoints.drivers.cloud_models import SystemRole
from bridle.endpoints.json_paths import value_at
from bridle.errors import SchemaError
from bridle.grammars.profiles import read_back, to_json_schema
from bridle.messages import JSON, Message, ToolCall, ToolSpec, message_to_dict, tool_to_dict

__all__ = ["chat_messages", "chat_tools", "input_items", "plain_calls", "response_tools", "strict_parameters"]


def chat_messages(messages: Sequence[Message], system: SystemRole) -> list[JSON]:
    """Write messages for chat completions, the instructions under the role `system`."""
    return [_chat_message(one, system) for one in _linked(messages)]


def _chat_message(linked: _Linked, system: SystemRole) -> JSON:
    message = linked.message
    written = message_to_dict(message)
    written.pop("reasoning_content", None)  # no member of the official API
    if message.role == "system":
        written["role"] = system
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": linked.ids[0], "content": message.content}
    if message.calls:
        written["tool_calls"] = [
            {"id": id, "type": "function", "function": {"name": call.name, "arguments": _arguments(call)}}
            for id, call in zip(linked.ids, message.calls, strict=True)
        ]
    return written


def input_items(messages: Sequence[Message], system: SystemRole) -> list[JSON]:
    """Write messages as the input items of the responses API."""
    items: list[JSON] = []
    for one in _linked(messages):
        message = one.message
        if message.role == "tool":
            result: JSON = {"type": "function_call_output", "call_id": one.ids[0], "output": message.content}
            items.append(result)
            continue
        if message.content or not message.calls:
            role = system if message.role == "system" else message.role
            items.append({"role": role, "content": message.content})
        calls: list[JSON] = [
            {"type": "function_call", "call_id": id, "name": call.name, "arguments": _arguments(call)}
            for id, call in zip(one.ids, message.calls, strict=True)
        ]
        items += calls
    return items


def _arguments(call: ToolCall) -> str:
    return json.dumps(dict(call.arguments), ensure_ascii=False)


def chat_tools(tools: Sequence[ToolSpec]) -> list[JSON]:
    """Write tools for chat completions, strict where their schemas allow it."""
    return [{"type": "function", "function": _function(tool)} for tool in tools]


def response_tools(tools: Sequence[ToolSpec]) -> list[JSON]:
    """Write tools for the responses API, which is strict unless told otherwise."""
    return [{"type": "function", "strict": False, **_function(tool)} for tool in tools]


def _function(tool: ToolSpec) -> dict[str, JSON]:
    function = tool_to_dict(tool)["function"]
    assert isinstance(function, dict)
    held = strict_parameters(tool)
    return function if held is None else {**function, "parameters": held, "strict": True}


def strict_parameters(tool: ToolSpec) -> dict[str, JSON] | None:
    """Write a tool's schema for OpenAI's strict mode; None where that would hold less, or forbid too much.

    Strict mode has no optional members: there they can be null, and `plain_calls` takes the nulls out again.
    Objects are closed. One that names no members may have any, and cannot be closed.
    """
    try:
        sent, report = to_json_schema(tool.parameters, "openai-strict")
    except SchemaError:
        return None
    for pointer, keyword in report.weakened:
        names = value_at(dict(tool.parameters), *_steps(pointer), "properties")
        if keyword not in ("x-order", "x-null") and not (keyword == "x-closed" and names):
            return None
    return sent


def _steps(pointer: str) -> list[str | int]:
    names = [name.replace("~1", "/").replace("~0", "~") for name in pointer.split("/")[1:]]
    return [int(name) if name.isdigit() else name for name in names]


def plain_calls(calls: Sequence[NativeCall], tools: Sequence[ToolSpec]) -> tuple[NativeCall, ...]:
    """Take the nulls that strict mode wrote for optional members out of calls; the rest stays as it is."""
    strict = {tool.name: tool for tool in tools if strict_parameters(tool) is not None}
    return tuple(_plain(call, strict[call.name]) if call.name in strict else call for call in calls)


def _plain(call: NativeCall, tool: ToolSpec) -> NativeCall:
    try:
        written: JSON = json.loads(call.arguments)
    except ValueError:
        return call  # it was cut
    plain = read_back(written, tool.parameters, "openai-strict")
    return call if plain == written else replace(call, arguments=json.dumps(plain, ensure_ascii=False))


@dataclass
class _Linked:
    """A message with the ids of its calls, or of the call that it is the result of."""

    message: Message
    ids: list[str] = field(default_factory=list[str])


def _linked(messages: Sequence[Message]) -> list[_Linked]:
    open_calls: list[tuple[str, str]] = []
    linked: list[_Linked] = []
    for place, message in enumerate(messages):
        ids: list[str] = []
        if message.calls:
            known = message.extra.get("call_ids")
            given = known if isinstance(known, list) else []
            ids = [_id(given, at) or f"call_{place}_{at}" for at in range(len(message.calls))]
            open_calls = [(id, call.name) for id, call in zip(ids, message.calls, strict=True)]
        elif message.role == "tool":
            ids = [_answered(message, open_calls) or f"call_{place}"]
            open_calls = [one for one in open_calls if one[0] != ids[0]]
        linked.append(_Linked(message, ids))
    return linked


def _id(given: Sequence[JSON], at: int) -> str:
    found = given[at] if at < len(given) else None
    return found if isinstance(found, str) else ""


def _answered(message: Message, open_calls: Sequence[tuple[str, str]]) -> str:
    """Find the call that a result belongs to: by its id, else the next one of its name, else the next one."""
    own = message.extra.get("tool_call_id")
    ids = [id for id, _ in open_calls]
    if isinstance(own, str) and (own in ids or not ids):
        return own
    return next((id for id, name in open_calls if name == message.name), ids[0] if ids else "")
