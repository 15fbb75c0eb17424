"""The state of an agent as text: the one form in which it is stored and exported.

JSON. It leaves out what belongs to the row that it is stored in (the revision), and core memory where a table
keeps its blocks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import cast, get_args

from bridle.agent.memory import Block, Core
from bridle.agent.prompt import FULL
from bridle.agent.state import PROFILES, AgentState
from bridle.errors import StoreCorrupt
from bridle.messages import JSON, Message, Role, ToolCall

__all__ = ["from_json", "to_json"]

_ROLES: Mapping[str, Role] = {role: role for role in get_args(Role)}


def to_json(state: AgentState, *, with_core: bool = True) -> str:
    """Write a state as JSON. The revision is not part of it: it belongs to the row that the text is stored
    in, and so does core memory where a table keeps its blocks."""
    core: list[JSON] = [{"label": b.label, "value": b.value, "limit": b.limit} for b in state.core.blocks]
    body: dict[str, JSON] = {
        "name": state.name,
        "profile": state.profile.name,
        **({"core": core} if with_core else {}),
        "history": [_message_out(message) for message in state.history],
        "turn": state.turn,
        "system": state.system,
        "summary": state.summary,
        "evicted": state.evicted,
        "warned": state.warned,
        "prompt_tokens": state.prompt_tokens,
        "open": state.is_open,
        "at": _time_out(state.at),
        "steps": state.steps,
        "asks": state.asks,
        "tokens": state.tokens,
        "notes": [_message_out(message) for message in state.notes],
        "reply_only": state.reply_only,
        "pending": None if state.pending is None else _call_out(state.pending),
        "paused_until": _time_out(state.paused_until),
    }
    return json.dumps(body)


def from_json(text: str, revision: int, core: Core | None = None) -> AgentState:
    """Read what `to_json` wrote; `core` is the memory that it does not hold itself.

    A profile that is not known here becomes `FULL`.

    Raises:
        StoreCorrupt: for any other text.
    """
    try:
        body = json.loads(text)
        return AgentState(
            name=str(body["name"]),
            profile=PROFILES.get(body["profile"], FULL),
            core=core or _core_in(body["core"]),
            history=tuple(_message_in(one) for one in body["history"]),
            turn=int(body["turn"]),
            revision=revision,
            system=str(body.get("system", "")),
            summary=str(body.get("summary", "")),
            evicted=int(body.get("evicted", 0)),
            warned=bool(body.get("warned", False)),
            prompt_tokens=int(body.get("prompt_tokens", 0)),
            is_open=bool(body["open"]),
            at=_time_in(body["at"]),
            steps=int(body["steps"]),
            asks=int(body["asks"]),
            tokens=int(body.get("tokens", 0)),
            notes=tuple(_message_in(one) for one in body["notes"]),
            reply_only=bool(body["reply_only"]),
            pending=None if body["pending"] is None else _call_in(body["pending"]),
            paused_until=_time_in(body["paused_until"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreCorrupt(
            f"the stored state of an agent cannot be read: {error!r}",
            hint="delete the agent with `bridle agents delete NAME`, or restore the database from a copy",
        ) from error


def _time_out(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _time_in(text: object) -> datetime | None:
    return None if text is None else datetime.fromisoformat(str(text))


def _core_in(blocks: list[dict[str, str]]) -> Core:
    return Core(tuple(Block(str(b["label"]), str(b["value"]), int(b["limit"])) for b in blocks))


def _call_out(call: ToolCall) -> JSON:
    return {"name": call.name, "arguments": dict(call.arguments)}


def _call_in(body: Mapping[str, object]) -> ToolCall:
    arguments = body["arguments"]
    if not isinstance(arguments, dict):
        raise TypeError(f"arguments are {arguments!r}")
    return ToolCall(str(body["name"]), cast("dict[str, JSON]", arguments))  # from json.loads


def _message_out(message: Message) -> JSON:
    body: dict[str, JSON] = {"role": message.role, "content": message.content}
    if message.thoughts:
        body["thoughts"] = message.thoughts
    if message.calls:
        body["calls"] = [_call_out(call) for call in message.calls]
    if message.name is not None:
        body["name"] = message.name
    return body


def _message_in(body: Mapping[str, object]) -> Message:
    role, calls, name = _ROLES[str(body["role"])], body.get("calls", []), body.get("name")
    if not isinstance(calls, list):
        raise TypeError(f"calls are {calls!r}")
    return Message(
        role=role,
        content=str(body["content"]),
        thoughts=str(body.get("thoughts", "")),
        calls=tuple(_call_in(one) for one in cast("list[Mapping[str, object]]", calls)),
        name=None if name is None else str(name),
    )
