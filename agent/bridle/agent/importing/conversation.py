"""A conversation of another program, as messages that recall finds and as the history that the agent goes on
with.

MemGPT and Letta keep messages in OpenAI's shape. What a user said, and what happened without a user, is
packaged as JSON text (MemGPT 0.1 to 0.3 and Letta 0.4 to 0.16, `system.py` of each):

    {"type": "user_message", "message": …, "time": "2026-11-20 08:45:16 PM UTC+0000"}    also with "name"
    {"type": "heartbeat", "reason": …}   {"type": "login", "last_login": …}
    {"type": "system_alert", "message": …}
    {"status": "OK" | "Failed", "message": …, "time": …}                                 what a function gave

Replies are calls of `send_message`; the text beside a call is a private thought. Newer agents of Letta
(`letta_v1_agent`) reply in plain text. System prompts are not taken: they are written anew for each model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from bridle.agent.exporting.document import DocumentMessage
from bridle.agent.functions import FUNCTIONS
from bridle.agent.state import Record, clean_text
from bridle.agent.store.messages import is_worth_finding
from bridle.agent.store.recall import context_of
from bridle.agent.store.schema import SHOWN, UNSEARCHED
from bridle.endpoints.json_paths import text_at, value_at
from bridle.messages import JSON, Message, ToolCall
from bridle.wrappers.checking import check_call

__all__ = [
    "Conversation",
    "ForeignCall",
    "ForeignMessage",
    "packaged_time",
    "plausible",
    "read_calls",
    "read_conversation",
]

_TIME = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [AP]M)(?: \w*([+-]\d{4}))?")
_SUMMARY = re.compile(r"summary of the previous [^:\n]*:\s*(.+)", re.DOTALL)
FIRST_YEAR = 1970
_THOUGHT_KEYS = ("inner_thoughts", "thinking")
"""Arguments in which some models were made to think."""


@dataclass(frozen=True, slots=True)
class ForeignCall:
    """A call as the other program stored it; `arguments` is JSON text or an object."""

    id: str
    name: str
    arguments: JSON


@dataclass(frozen=True, slots=True)
class ForeignMessage:
    """A message as the other program stored it. `text` of an assistant is a thought where it also calls.

    `answers` is the id of the call that a tool message answers; `shown` is whether it was in the prompt.
    """

    role: str
    text: str
    at: datetime
    name: str = ""
    thoughts: str = ""
    calls: tuple[ForeignCall, ...] = ()
    answers: str = ""
    shown: bool = False


@dataclass(slots=True)
class Conversation:
    """What could be taken: messages for recall, the history to go on with, and counts of what was not."""

    messages: list[DocumentMessage] = field(default_factory=list[DocumentMessage])
    history: list[Message] = field(default_factory=list[Message])
    summary: str = ""
    turns: int = 0
    prompts: int = 0
    thoughts: int = 0
    unshown_calls: list[str] = field(default_factory=list[str])

    def left_out(self) -> list[str]:
        """What was not taken, one line each."""
        lines: list[str] = []
        if self.prompts:
            lines.append(f"system prompts as they were shown ({self.prompts}): they are written anew")
        if self.thoughts:
            lines.append(f"private thoughts out of context ({self.thoughts}): recall has what was said")
        if self.unshown_calls:
            names = ", ".join(sorted(set(self.unshown_calls)))
            lines.append(
                f"calls in the context ({len(self.unshown_calls)}) that are none of ours: {names}; recall has"
                " their results"
            )
        return lines


def packaged_time(text: str) -> datetime | None:
    """Read the time of a packaged message; None where there is none. Without an offset it is UTC.

    >>> packaged_time('{"time": "2026-11-20 08:45:16 PM UTC+0000"}').isoformat()
    '2026-11-20T20:45:16+00:00'
    """
    found = _TIME.search(text)
    if found is None:
        return None
    try:
        at = datetime.strptime(found[1], "%Y-%m-%d %I:%M:%S %p")
        zone = datetime.strptime(found[2], "%z").tzinfo if found[2] else UTC
    except ValueError:
        return None
    return plausible(at.replace(tzinfo=zone))


def plausible(at: datetime) -> datetime | None:
    """The time, with UTC where it has no offset; None for one at which no agent can have spoken.

    >>> plausible(datetime(2024, 1, 2)), plausible(datetime(1, 1, 1))
    (datetime.datetime(2024, 1, 2, 0, 0, tzinfo=datetime.timezone.utc), None)
    """
    zoned = at if at.tzinfo else at.replace(tzinfo=UTC)
    return zoned if FIRST_YEAR <= zoned.year < 9999 else None


def read_calls(listed: JSON) -> tuple[ForeignCall, ...]:
    """Read a list of calls in OpenAI's shape; anything else is no call."""
    return tuple(
        ForeignCall(
            text_at(one, "id"), text_at(one, "function", "name"), value_at(one, "function", "arguments")
        )
        for one in (listed if isinstance(listed, list) else [])
    )


def read_conversation(messages: Iterable[ForeignMessage], *, plain_replies: bool = False) -> Conversation:
    """Take over messages in their order. With `plain_replies` an assistant's text is said, not thought."""
    reader = _Reader(Conversation(), plain_replies)
    for message in messages:
        reader.take(message)
    reader.end_step()
    return reader.into


@dataclass(slots=True)
class _Reader:
    """Goes through the messages once. `open_calls` are those in the context whose results did not come yet,
    by their ids."""

    into: Conversation
    plain_replies: bool
    open_calls: dict[str, Message] = field(default_factory=dict[str, Message])
    names: dict[str, str] = field(default_factory=dict[str, str])
    before: tuple[str, str, str] = ("", "", "")

    def take(self, message: ForeignMessage) -> None:
        if message.role == "system":
            self.into.prompts += 1
        elif message.role == "user":
            self._user(message)
        elif message.role == "assistant":
            self._assistant(message)
        else:
            self._result(message)

    def end_step(self) -> None:
        """Every call in the history has a result."""
        for call in list(self.open_calls):
            self._answer(call, "Failed: this was interrupted")

    def _user(self, message: ForeignMessage) -> None:
        self.end_step()
        kind, text, name = _unpacked(message.text)
        if kind != "user_message":
            self._event(message, kind, text)
            return
        self.into.turns += 1
        self._record(message, "user", text, message.name or name)
        if message.shown:
            self.into.history.append(Message("user", clean_text(text)))

    def _event(self, message: ForeignMessage, kind: str, text: str) -> None:
        summary = _SUMMARY.search(text)
        if summary is not None and message.shown:
            self.into.summary = clean_text(summary[1].strip())
        self._record(message, "event", text, kind)

    def _assistant(self, message: ForeignMessage) -> None:
        self.end_step()
        said = self.plain_replies and message.text.strip() and not _replies(message)
        thoughts = message.thoughts or ("" if said else message.text)
        if thoughts.strip() and not message.shown:
            self.into.thoughts += 1
        if said:
            self._reply(message, thoughts, message.text)
            thoughts = ""
        for call in message.calls:
            arguments, inner = _arguments(call)
            self.names[call.id] = call.name
            if call.name == "send_message":
                self._reply(message, inner or thoughts, text_at(arguments, "message"))
            else:
                self._call(message, call, arguments, inner or thoughts)
            thoughts = ""

    def _reply(self, message: ForeignMessage, thoughts: str, text: str) -> None:
        self._record(message, "assistant", text, "")
        if message.shown and text.strip():
            call = ToolCall("send_message", {"message": clean_text(text)})
            self.into.history.append(Message("assistant", thoughts=clean_text(thoughts), calls=(call,)))
            self.into.history.append(Message("tool", "OK", name="send_message"))

    def _call(
        self, message: ForeignMessage, call: ForeignCall, arguments: dict[str, JSON], thoughts: str
    ) -> None:
        if not message.shown:
            return
        if isinstance(check_call(call.name, arguments, FUNCTIONS), str):
            self.into.unshown_calls.append(call.name)
            return
        made = ToolCall(call.name, arguments)
        self.open_calls[call.id] = Message("assistant", thoughts=clean_text(thoughts), calls=(made,))

    def _result(self, message: ForeignMessage) -> None:
        name = message.name or self.names.get(message.answers, "")
        text = _result_text(message.text)
        if name != "send_message":
            self._record(message, "tool", text, name)
        if message.answers in self.open_calls:
            self._answer(message.answers, clean_text(text))

    def _answer(self, call: str, text: str) -> None:
        made = self.open_calls.pop(call)
        self.into.history += [made, Message("tool", text, name=made.calls[0].name)]

    def _record(self, message: ForeignMessage, role: str, text: str, name: str) -> None:
        text, name = clean_text(text), clean_text(name)
        at = message.at.astimezone()
        said = Record("tool" if role == "tool" else "user", text, at, name)
        day = f"{at:%Y-%m-%d}"
        before = self.before[1:] if self.before[0] == day else ("", "")
        self.into.messages.append(
            DocumentMessage(
                turn=self.into.turns,
                step=f"import-{len(self.into.messages)}",
                index=0,
                role=role,
                text=text,
                day=day,
                at_ns=int(at.timestamp() * 1_000_000) * 1000,
                name=name,
                context=context_of(day, name or role, *before),
                hidden=SHOWN if is_worth_finding(said) and role != "event" else UNSEARCHED,
            )
        )
        if role in ("user", "assistant") and text.strip():
            self.before = (day, name or role, text)


def _replies(message: ForeignMessage) -> bool:
    return any(call.name == "send_message" for call in message.calls)


def _arguments(call: ForeignCall) -> tuple[dict[str, JSON], str]:
    """The arguments of a call, and the thought among them."""
    given: object = call.arguments
    if isinstance(given, str):
        try:
            given = json.loads(given, strict=False)
        except (ValueError, RecursionError):
            given = {}
    arguments = dict(cast("Mapping[str, JSON]", given)) if isinstance(given, dict) else {}
    inner = next((str(arguments[key]) for key in _THOUGHT_KEYS if key in arguments), "")
    return {key: _clean(value) for key, value in arguments.items() if key not in _THOUGHT_KEYS}, inner


def _clean(value: JSON) -> JSON:
    return clean_text(value) if isinstance(value, str) else value


def _unpacked(text: str) -> tuple[str, str, str]:
    """The kind, the text and the speaker of what stands in a user message; plain text is what it is."""
    body = _object(text)
    kind = text_at(body, "type")
    if not kind:
        return "user_message", text, ""
    said = next((text_at(body, key) for key in ("message", "reason", "last_login") if text_at(body, key)), "")
    return kind, said or ("" if kind == "user_message" else text), text_at(body, "name")


def _result_text(text: str) -> str:
    body = _object(text)
    if not text_at(body, "status"):
        return text
    message = body.get("message") if isinstance(body, dict) else None
    said = "" if message in (None, "None") else str(message)
    if text_at(body, "status") == "OK":
        return said or "OK"
    return f"Failed: {said}"


def _object(text: str) -> JSON:
    if not text.lstrip().startswith("{"):
        return None
    try:
        return cast("JSON", json.loads(text, strict=False))
    except (ValueError, RecursionError):
        return None
