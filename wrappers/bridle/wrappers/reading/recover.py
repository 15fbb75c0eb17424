"""Read calls out of what a model wrote, whatever dialect it chose."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

from bridle.messages import Finish, Refusal, ToolCall, ToolSpec, as_tools
from bridle.wrappers.checking import check_call
from bridle.wrappers.syntax import Reading

__all__ = ["is_call_like", "parse_calls", "read_calls", "recover"]


def recover(
    raw: str,
    tools: Sequence[ToolSpec],
    dialect: str | None = None,
    finish: Finish = "stop",
    *,
    thinking: bool = False,
    once: bool = False,
) -> Reading:
    """Read one turn."""
    calls: list[ToolCall] = []
    refusals: list[Refusal] = []
    decoder = json.JSONDecoder()
    text, at = "", 0
    while at < len(raw):
        if raw[at] != "{":
            text += raw[at]
            at += 1
            continue
        try:
            value, end = decoder.raw_decode(raw, at)
        except (ValueError, RecursionError):
            text += raw[at]
            at += 1
            continue
        body = cast("dict[str, object]", value)
        name = body.get("function", body.get("name"))
        call = check_call(name, body.get("params", body.get("arguments", {})), tools)
        if isinstance(call, str):
            refusals.append(Refusal(call, raw[at:end]))
        else:
            calls.append(call)
        at = end
    for mark in ("<tool_call>", "</tool_call>"):
        text = text.replace(mark, "")
    return Reading(text=text.strip(), calls=tuple(calls), refusals=tuple(refusals))


def is_call_like(text: str, tools: Sequence[ToolSpec] = ()) -> bool:
    """Whether a balanced `{…}` or `[…]` could be read as a call, so that it is no plain text."""
    return '"' in text


def read_calls(
    raw: str, tools: Sequence[ToolSpec | Mapping[str, object]], meta: Mapping[str, object] | None = None
) -> Reading:
    """Read a model's text."""
    dialect = (meta or {}).get("dialect")
    finish: Finish = "length" if (meta or {}).get("finish_reason") == "length" else "stop"
    return recover(raw, as_tools(tools), dialect if isinstance(dialect, str) else None, finish, once=True)


def parse_calls(
    raw: str, tools: Sequence[Mapping[str, object]], meta: Mapping[str, object]
) -> list[dict[str, object]] | None:
    """Read a model's text as plain dicts, or None when nothing in it may be called."""
    calls = read_calls(raw, tools, meta).calls
    return [{"name": call.name, "arguments": dict(call.arguments)} for call in calls] or None
