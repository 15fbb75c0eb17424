"""Write a prompt by a format's marks: which turns there are, what stands in each, where tools are listed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import cast

from bridle.messages import Message, ToolSpec
from bridle.wrappers.formats import Format, Turn
from bridle.wrappers.segments import Segment
from bridle.wrappers.syntax import CallSyntax

__all__ = ["Layout", "marked", "past_turn", "without_old_thoughts"]


@dataclass(frozen=True, slots=True)
class Layout:
    """A format at work on one prompt. `listed` is the list of tools as text, empty when there are none."""

    format: Format
    syntax: CallSyntax
    tools: Sequence[ToolSpec]
    listed: str
    roles: bool = False

    def segments(self, messages: Sequence[Message]) -> list[Segment]:
        """Write the conversation, without what starts the answer."""
        form = self.format
        head, rest = self._split(messages)
        out = [Segment(form.bos, control=True)]
        if form.system_role:
            for message in head:
                out += self._turn(form.turns["system"], self._text(message))
        if self.listed and form.tools_place == "turn":
            out += self._turn(form.turn("tools", "system"), self.listed)
        out.append(Segment(form.body, control=True))
        for is_tool, group in groupby(rest, key=lambda message: message.role == "tool"):
            turns = [segment for message in group for segment in self._message(message)]
            around = form.turn("tool_group") if is_tool else Turn("", "")
            out += [Segment(around.open, control=True), *turns, Segment(around.close, control=True)]
        return out

    def _split(self, messages: Sequence[Message]) -> tuple[list[Message], list[Message]]:
        """The leading system turns with the tools among them, and the rest."""
        form = self.format
        start = next((i for i, m in enumerate(messages) if m.role != "system"), len(messages))
        head = list(messages[:start])
        rest = list(without_old_thoughts(messages[start:], form.history_thoughts))
        in_system = self.listed if form.tools_place == "system" else ""
        default = form.default_system
        if self.listed and form.default_system_tools is not None:
            default = form.default_system_tools
        if not head and (default or in_system):
            head = [Message("system", default)]
        if in_system:
            head[0] = replace(head[0], content=self._with_tools(self._text(head[0])))
        lead = "" if form.system_role else form.system_join.join(self._text(message) for message in head)
        place = form.tools_place
        if self.listed and place in ("first_user", "last_user"):
            rest = self._before_user(rest, self.listed, form.tools_join, last=place == "last_user")
        if lead:
            rest = self._before_user(rest, lead, form.system_join)
        return head, rest

    def _with_tools(self, text: str) -> str:
        parts = (self.listed, text) if self.format.tools_first else (text, self.listed)
        return self.format.tools_join.join(part for part in parts if part)

    def _before_user(self, rest: list[Message], text: str, join: str, *, last: bool = False) -> list[Message]:
        places = [i for i, message in enumerate(rest) if message.role == "user"]
        if not places:
            return [Message("user", text), *rest]
        at = places[-1 if last else 0]
        return [*rest[:at], replace(rest[at], content=text + join + self._text(rest[at])), *rest[at + 1 :]]

    def _message(self, message: Message) -> list[Segment]:
        form = self.format
        text = self._text(message)
        match message.role:
            case "system":
                return self._turn(form.turn("later_system", "system"), text)
            case "assistant":
                turn = form.turn("calls", "assistant") if message.calls else form.turns["assistant"]
                written = past_turn(self.syntax, replace(message, content=text), self.tools, form.special)
                return [Segment(turn.open, control=True), *written, Segment(turn.close, control=True)]
            case "user":
                event = self.roles and _is_event(text)
                return self._turn(
                    form.turn("event", "user") if event else form.turns["user"], self._user(text)
                )
            case _:
                return self._turn(form.turn("plain_tool", "tool") if self.roles else form.turns["tool"], text)

    def _turn(self, turn: Turn, text: str) -> list[Segment]:
        return [Segment(turn.open, control=True), Segment(text), Segment(turn.close, control=True)]

    def _text(self, message: Message) -> str:
        return message.content.strip() if message.role in self.format.strip else message.content

    def _user(self, text: str) -> str:
        how = self.format.user_json
        value = _json_object(text) if how != "keep" else None
        if value is None:
            return text
        if how == "message":
            inner = value.get("message")
            return inner if isinstance(inner, str) else text
        return json.dumps(value, ensure_ascii=False, indent=2)


def marked(text: str, control: Sequence[str]) -> list[Segment]:
    """Text of a format as segments: the strings in `control` are control text, all else is not.

    >>> [segment.text for segment in marked("<s>a", ["<s>"]) if segment.control]
    ['<s>']
    """
    if not control:
        return [Segment(text)]
    pattern = "|".join(re.escape(mark) for mark in sorted(control, key=len, reverse=True))
    pieces = re.split(f"({pattern})", text)
    return [Segment(piece, control=i % 2 == 1) for i, piece in enumerate(pieces) if piece]


def past_turn(
    syntax: CallSyntax, message: Message, tools: Sequence[ToolSpec], control: Sequence[str]
) -> tuple[Segment, ...]:
    """An assistant turn as it stands in the history. Only the syntax's own marks can be control text."""
    ids = message.extra.get("call_ids")
    known = tuple(str(one) for one in ids) if isinstance(ids, list) else ()
    if not hasattr(syntax, "segments"):
        return (Segment(syntax.write(message.calls, message.thoughts, message.content, tools)),)
    return syntax.segments(message.calls, message.thoughts, message.content, tools, known, control)


def without_old_thoughts(messages: Sequence[Message], which: str) -> Sequence[Message]:
    """The messages without the thoughts that the format leaves out of the history."""
    if which == "keep":
        return messages
    last = max((i for i, message in enumerate(messages) if message.role == "user"), default=-1)
    since = last if which == "current" else len(messages)
    return [replace(m, thoughts="") if m.thoughts and i <= since else m for i, m in enumerate(messages)]


def _json_object(text: str) -> dict[str, object] | None:
    if not text.startswith("{"):
        return None
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _is_event(text: str) -> bool:
    """Whether a user turn is one of MemGPT's packages that no user wrote: a heartbeat, a login, an alert."""
    value = _json_object(text)
    return value is not None and value.get("type") not in (None, "user_message")
