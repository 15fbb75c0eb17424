"""Write a prompt by a format's marks: which turns there are, what stands in each, where tools are listed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias, cast

from bridle.messages import Message, ToolSpec
from bridle.wrappers.formats import Format, Turn
from bridle.wrappers.segments import Segment
from bridle.wrappers.syntax import CallSyntax
from bridle.wrappers.toollists import marked

__all__ = ["Layout", "marked", "past_turn", "without_old_thoughts"]

Words: TypeAlias = Sequence[Segment]
"""What stands in a turn: text of a message, and a list of tools with the control text in it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A format at work on one prompt. `listed` is the list of tools, empty when there are none."""

    format: Format
    syntax: CallSyntax
    tools: Sequence[ToolSpec]
    listed: Words
    roles: bool = False

    def segments(self, messages: Sequence[Message]) -> list[Segment]:
        """Write the conversation, without what starts the answer."""
        form = self.format
        start = next((i for i, m in enumerate(messages) if m.role != "system"), len(messages))
        head = self._head(messages[:start])
        rest = without_old_thoughts(messages[start:], form.history_thoughts)
        opening = [self._turn(form.turns["system"], words) for words in head] if form.system_role else []
        if self.listed and form.tools_place == "turn":
            at = 0 if form.tools_first else len(opening)
            opening.insert(at, self._turn(form.turn("tools", "system"), self.listed))
        out = [Segment(form.bos, control=True), *(segment for turn in opening for segment in turn)]
        out.append(Segment(form.body, control=True))
        return out + self._body(rest, [] if form.system_role else head)

    def _head(self, messages: Sequence[Message]) -> list[Words]:
        """The texts of the leading system turns, the list of tools in the first where it belongs there."""
        form = self.format
        head: list[Words] = [self._text(message) for message in messages]
        default = form.default_system
        if self.listed and form.default_system_tools is not None:
            default = form.default_system_tools
        in_system = self.listed if form.tools_place == "system" else ()
        if not head and (default or in_system):
            head = [marked(default, form.control)]
        if in_system:
            parts = (in_system, head[0]) if form.tools_first else (head[0], in_system)
            head[0] = self._joined([part for part in parts if _any(part)], form.tools_join)
        return head

    def _body(self, rest: Sequence[Message], lead: Sequence[Words]) -> list[Segment]:
        """The turns after the opening; `lead` is what stands before the first user's text."""
        before = self._before(rest, lead)
        if -1 in before:
            rest, before = [Message("user"), *rest], {0: before[-1]}
        out: list[Segment] = []
        group, inside = self.format.turn("tool_group"), False
        for index, message in enumerate(rest):
            if (message.role == "tool") != inside:
                out.append(_control(group.close if inside else group.open))
                inside = not inside
            out += self._message(message, before.get(index, ()))
        return [*out, _control(group.close)] if inside else out

    def _before(self, rest: Sequence[Message], lead: Sequence[Words]) -> dict[int, Words]:
        """What stands before the text of which user turn; at -1 when there is no such turn."""
        form = self.format
        users = [i for i, message in enumerate(rest) if message.role == "user"]
        out: dict[int, Words] = {}
        if self.listed and form.tools_place in ("first_user", "last_user"):
            at = -1 if not users else users[-1] if form.tools_place == "last_user" else users[0]
            out[at] = (*self.listed, Segment(form.tools_join if users else ""))
        if any(_any(words) for words in lead):
            at = users[0] if users else -1
            end = Segment(form.system_join if users or at in out else "")
            inner = form.turn("inner_system")
            around = [self._turn(inner, words) for words in lead]
            out[at] = (*self._joined(around, form.system_join), end, *out.get(at, ()))
        return out

    def _joined(self, parts: Sequence[Words], between: str) -> list[Segment]:
        out: list[Segment] = []
        for index, part in enumerate(parts):
            out += [Segment(between), *part] if index else part
        return out

    def _message(self, message: Message, before: Words) -> list[Segment]:
        form = self.format
        words = self._text(message)
        match message.role:
            case "system":
                return self._turn(form.turn("later_system", "system"), words)
            case "assistant":
                turn = form.turn("calls", "assistant") if message.calls else form.turns["assistant"]
                if "assistant" in form.strip:
                    message = replace(message, content=words[0].text)
                return self._turn(turn, past_turn(self.syntax, message, self.tools, form.control))
            case "user":
                text = words[0].text
                event = self.roles and _is_event(text)
                turn = form.turn("event", "user") if event else form.turns["user"]
                return self._turn(turn, (*before, Segment(self._user(text))))
            case _:
                turn = form.turn("plain_tool", "tool") if self.roles else form.turns["tool"]
                quoted = (Segment(json.dumps(words[0].text, ensure_ascii=False)),)
                return self._turn(turn, quoted if form.tool_json else words)

    def _turn(self, turn: Turn, words: Words) -> list[Segment]:
        return [_control(turn.open), *words, _control(turn.close)]

    def _text(self, message: Message) -> tuple[Segment]:
        strip = message.role in self.format.strip
        return (Segment(message.content.strip() if strip else message.content),)

    def _user(self, text: str) -> str:
        how = self.format.user_json
        value = _json_object(text) if how != "keep" else None
        if value is None:
            return text
        if how == "message":
            inner = value.get("message")
            return inner if isinstance(inner, str) else text
        return json.dumps(value, ensure_ascii=False, indent=self.format.json_indent)


@lru_cache(maxsize=256)
def _control(text: str) -> Segment:
    return Segment(text, control=True)


def _any(words: Words) -> bool:
    return any(segment.text for segment in words)


def past_turn(
    syntax: CallSyntax, message: Message, tools: Sequence[ToolSpec], control: Sequence[str]
) -> tuple[Segment, ...]:
    """An assistant turn as it stands in the history. Only the syntax's own marks can be control text."""
    ids = message.extra.get("call_ids")
    known = tuple(str(one) for one in ids) if isinstance(ids, list) else ()
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
