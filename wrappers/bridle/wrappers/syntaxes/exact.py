"""Read a turn by the shape of its own syntax, for marks that no other reader knows.

Only what is just as the syntax writes it counts, blanks around its literals aside; the marks that end a turn
may be missing, since servers leave out what they stop at. All else is left to `recover`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from bridle.messages import JSON, Refusal, ToolCall, ToolSpec
from bridle.wrappers.checking import check_call, is_too_deep
from bridle.wrappers.streams import compact
from bridle.wrappers.syntax import Arguments, CallId, CallShape, Index, Members, Name, Part, Reading, Thoughts
from bridle.wrappers.syntaxes.written import NotWritten, blanks, find, literal, read_json, read_members
from bridle.wrappers.values import read_name, write_name

__all__ = ["opening_of", "read_exact", "thinking_of", "without_marks"]


def read_exact(
    text: str, shape: CallShape, tools: Sequence[ToolSpec], thinking: bool = False, *, final: bool = True
) -> Reading | None:
    """Read a turn that is just as `shape` writes it; None for any other. Never raises, in linear time.

    A call that the tools' schemas do not accept is a refusal. Unless `final`, no closing mark may be missing.

    >>> from bridle.wrappers.syntax import JsonLayout
    >>> shape = CallShape(("@", Name(quoted=False), ":", Arguments(), "@"), JsonLayout(), "@")
    >>> tool = ToolSpec("f", "", {"type": "object", "properties": {"x": {"type": "integer"}}})
    >>> read_exact('@f:{"x": 1}@', shape, [tool]).calls
    (ToolCall(name='f', arguments={'x': 1}),)
    """
    try:
        return _Exact(text.rstrip(), shape, tools, final).turn(thinking)
    except NotWritten:
        return None


def thinking_of(text: str, shape: CallShape, opened: bool) -> tuple[str, int]:
    """The thinking that a turn begins with, and where it ends; -1 if it does not end."""
    at = literal(text, shape.think_open, 0) if compact(shape.think_open) else -1
    if not compact(shape.think_close) or (at < 0 and not opened):
        return "", 0
    at = max(at, 0)
    begin, end = find(text, shape.think_close, at)
    return (text[at:begin].strip(), end) if begin >= 0 else (text[at:].strip(), -1)


def opening_of(shape: CallShape) -> str:
    """What tells a call from text. A bracket may stand in text too, so it is all that calls begin with."""
    first = shape.call[0]
    opening = (shape.open + (first if isinstance(first, str) else "")).strip()
    trigger = shape.trigger.strip()
    return opening if not trigger or trigger[0] in "{[" else trigger


def without_marks(text: str, shape: CallShape) -> str:
    """Free text without the marks of its place."""
    text = text.strip()
    return text.removeprefix(shape.text_open.strip()).removesuffix(shape.text_close.strip()).strip()


@dataclass(slots=True)
class _Exact:
    text: str
    shape: CallShape
    tools: Sequence[ToolSpec]
    final: bool
    calls: list[ToolCall] = field(default_factory=list[ToolCall])
    refusals: list[Refusal] = field(default_factory=list[Refusal])
    thoughts: list[str] = field(default_factory=list[str])

    def turn(self, thinking: bool) -> Reading:
        thoughts, at = thinking_of(self.text, self.shape, thinking)
        start = self._opening(at) if at >= 0 else -1
        if start < 0:
            raise NotWritten
        before = self.text[at:start].strip().removesuffix(self.shape.gap.strip())
        if self.text[self._all(start) :].strip():
            raise NotWritten
        return Reading(
            text=without_marks(before, self.shape),
            thoughts="\n".join(part for part in (thoughts, *self.thoughts) if part),
            calls=tuple(self.calls),
            refusals=tuple(self.refusals),
        )

    def _opening(self, at: int) -> int:
        opening = opening_of(self.shape)
        if opening[:1] in ("{", "["):
            return find(self.text, opening, at)[0]
        return self.text.find(opening, at) if opening else -1

    def _all(self, at: int) -> int:
        at = self._literal(self.shape.open, at)
        at = self._one(at)
        while self.shape.parallel:
            following = literal(self.text, self.shape.between, at)
            if following < 0 or following >= len(self.text):
                break
            try:
                at = self._one(following)
            except NotWritten:
                break
        return self._literal(self.shape.close, at, last=True)

    def _one(self, at: int) -> int:
        """Read one call; return where it ends."""
        name: str | None = None
        arguments: dict[str, JSON] = {}
        thoughts: list[str] = []
        begin, parts = at, self.shape.call
        key: str | None = None
        for place, part in enumerate(parts):
            match part:
                case str():
                    at = self._literal(part, at, last=name is not None and _only_literals(parts[place:]))
                case Name(quoted):
                    name, at = self._name(quoted, at, parts[place + 1 :])
                case Arguments(thoughts_key=key):
                    arguments, at = self._object(at)
                case Members():
                    arguments, at = self._members(part, at, name, parts[place + 1 :])
                case Index():
                    at = self._number(at)
                case CallId():
                    at = self._id(part, at, parts[place + 1 :])
                case Thoughts():
                    value, at = read_json(self.text, at)
                    thoughts.append(_words(value))
        tool = self._tool(name)
        if key is not None and key in arguments and not (tool and key in tool.properties):
            thoughts.append(_words(arguments.pop(key)))
        call = check_call(name, arguments, self.tools)
        if isinstance(call, ToolCall):
            self.calls.append(call)
        else:
            self.refusals.append(Refusal(call, self.text[begin:at]))
        self.thoughts += thoughts
        return at

    def _literal(self, expected: str, at: int, *, last: bool = False) -> int:
        """Pass a literal, one of the `last` also where the text ends before or in it."""
        end = literal(self.text, expected, at)
        if end >= 0:
            return end
        rest = self.text[at : at + 2 * len(expected) + 80]
        whole = at + len(rest) == len(self.text)
        if not last or not self.final or not whole or not compact(expected).startswith(compact(rest)):
            raise NotWritten
        return len(self.text)

    def _name(self, quoted: bool, at: int, after: Sequence[Part]) -> tuple[str, int]:
        if quoted:
            value, end = read_json(self.text, at)
            if not isinstance(value, str):
                raise NotWritten
            return value, end
        following = _next_literal(after)
        names = sorted(((write_name(tool.name), tool.name) for tool in self.tools), key=_size, reverse=True)
        for start in (at, blanks(self.text, at)):
            for written, name in names:
                end = start + len(written)
                if self.text.startswith(written, start) and literal(self.text, following, end) >= 0:
                    return name, end
        begin, _ = find(self.text, following, at)
        if begin < 0:
            raise NotWritten
        return read_name(self.text[at:begin].strip()), begin

    def _object(self, at: int) -> tuple[dict[str, JSON], int]:
        value, end = read_json(self.text, at)
        if not isinstance(value, dict) or is_too_deep(value):
            raise NotWritten
        return value, end

    def _members(
        self, part: Members, at: int, name: str | None, after: Sequence[Part]
    ) -> tuple[dict[str, JSON], int]:
        ending = next((one for one in after if isinstance(one, str)), self.shape.close)
        return read_members(self.text, at, part, self._tool(name), ending)

    def _tool(self, name: str | None) -> ToolSpec | None:
        return next((tool for tool in self.tools if tool.name == name), None)

    def _number(self, at: int) -> int:
        start = at = blanks(self.text, at)
        while at < len(self.text) and self.text[at] in "0123456789":
            at += 1
        if at == start:
            raise NotWritten
        return at

    def _id(self, part: CallId, at: int, after: Sequence[Part]) -> int:
        """Pass an id, which need not be there."""
        following = _next_literal(after) or self.shape.close
        start = literal(self.text, part.before, at)
        if start < 0 or (not compact(part.before) and literal(self.text, following, at) >= 0):
            return at
        begin, end = find(self.text, part.after or following, start)
        if begin < 0:
            raise NotWritten
        return end if part.after else begin


def _next_literal(parts: Sequence[Part]) -> str:
    """What the text goes on with, if that is always the same."""
    first = parts[0] if parts else ""
    return first if isinstance(first, str) else ""


def _only_literals(parts: Sequence[Part]) -> bool:
    return all(isinstance(part, str | CallId) for part in parts)


def _size(named: tuple[str, str]) -> int:
    return len(named[0])


def _words(value: JSON) -> str:
    return value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
