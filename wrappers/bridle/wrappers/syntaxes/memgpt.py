"""MemGPT's call object: `{"function": …, "params": {…}}`, with the inner thoughts inside or outside.

`inner` puts the thoughts first in `params` (what every MemGPT wrapper but "noforce" asked for); `outer` puts
them first in the object, before the function is named; `none` leaves them out. The keys are those of MemGPT
0.3.25 (github.com/letta-ai/letta, tag 0.3.25, local_llm/llm_chat_completion_wrappers, read 2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from bridle.messages import JSON, Delta, Finish, Refusal, Repair, ToolCall, ToolSpec
from bridle.wrappers.checking import check_call, key_repairs, load_object
from bridle.wrappers.jsonstream import Event, ObjectScanner
from bridle.wrappers.streams import ArgumentStream, TextStream
from bridle.wrappers.syntax import Arguments, CallShape, JsonLayout, Name, Part, Reading, Thoughts

__all__ = ["MemGPT"]

THOUGHTS_KEY = "inner_thoughts"


@dataclass(frozen=True, slots=True)
class MemGPT:
    """The syntax with its two options: where the thoughts stand, and the layout of the JSON."""

    thoughts: Literal["inner", "outer", "none"] = "inner"
    layout: JsonLayout = field(default_factory=lambda: JsonLayout(2))

    @property
    def shape(self) -> CallShape:
        """See `bridle.wrappers.syntax.CallShape`."""
        line, comma = self.layout.newline(1), self.layout.comma
        parts: list[Part] = ["{" + line]
        if self.thoughts == "outer":
            parts += [f'"{THOUGHTS_KEY}": ', Thoughts(), comma + line]
        inner = THOUGHTS_KEY if self.thoughts == "inner" else None
        parts += ['"function": ', Name(), comma + line + '"params": ', Arguments(1, inner)]
        parts.append(self.layout.newline(0) + "}")
        return CallShape(tuple(parts), self.layout, trigger="{")

    def write(self, calls: Sequence[ToolCall], thoughts: str, text: str, tools: Sequence[ToolSpec]) -> str:
        """Write the calls as objects one after the other, or the bare text where there is none.

        Text beside a call has no place in this syntax and joins the thoughts, or stands before the first
        object where thoughts have none either.
        """
        if not calls:
            return text
        thoughts = "\n".join(part for part in (thoughts, text) if part)
        lead = [text] if text and self.thoughts == "none" else []
        return "\n".join(lead + [self._write_one(call, thoughts, tools) for call in calls])

    def _write_one(self, call: ToolCall, thoughts: str, tools: Sequence[ToolSpec]) -> str:
        params: dict[str, JSON] = dict(call.arguments)
        if self.thoughts == "inner" and not _declares(tools, call.name):
            params = {THOUGHTS_KEY: thoughts, **params}
        body: dict[str, JSON] = {"function": call.name, "params": params}
        if self.thoughts == "outer":
            body = {THOUGHTS_KEY: thoughts, **body}
        return self.layout.dump(body)

    def reader(self, tools: Sequence[ToolSpec]) -> _Reader:
        """Start reading one turn."""
        return _Reader(tuple(tools))

    def read(self, text: str, tools: Sequence[ToolSpec], finish: Finish = "stop") -> Reading:
        """Read one whole turn.

        >>> tool = ToolSpec("f", "", {"type": "object", "properties": {"x": {"type": "integer"}}})
        >>> MemGPT().read('{"function": "f", "params": {"inner_thoughts": "Hm.", "x": 1}}', [tool]).calls
        (ToolCall(name='f', arguments={'x': 1}),)
        """
        reader = self.reader(tools)
        reader.feed(text)
        return reader.close(finish)[1]


def _declares(tools: Sequence[ToolSpec], name: str) -> bool:
    return any(tool.name == name and THOUGHTS_KEY in tool.properties for tool in tools)


class _Reader:
    """Reads objects out of a text. Thoughts are found inside or outside, whatever was asked for."""

    def __init__(self, tools: tuple[ToolSpec, ...]) -> None:
        self._tools = tools
        self._text = TextStream()
        self._thoughts = ""
        self._gap = ""
        self._name = ""
        self._calls: list[ToolCall] = []
        self._refusals: list[Refusal] = []
        self._repairs: list[Repair] = []
        self._scanner: ObjectScanner | None = None
        self._raw: list[str] = []
        self._arguments = ArgumentStream(tools, ("function",), ("params",), THOUGHTS_KEY)

    def feed(self, fragment: str) -> list[Delta]:
        """Take the next characters."""
        deltas: list[Delta] = []
        while fragment:
            if self._scanner is None:
                fragment = self._outside(fragment, deltas)
                continue
            used, events = self._scanner.feed(fragment)
            self._raw.append(fragment[:used])
            self._inside(fragment[:used], events, deltas)
            fragment = fragment[used:]
            if self._scanner.done:
                self._object_done(deltas)
        return deltas

    def close(self, finish: Finish = "stop") -> tuple[list[Delta], Reading]:
        """End the turn."""
        deltas: list[Delta] = []
        if self._scanner is not None:
            raw = "".join(self._raw)
            if _like_a_call(raw):
                why = "it was cut off at the token limit" if finish == "length" else "it is not complete"
                self._refusals.append(Refusal(f"the call cannot be used: {why}", raw))
            else:
                deltas += self._text.feed(raw)
            self._scanner = None
        reading = Reading(
            text=self._text.text,
            thoughts=self._thoughts,
            calls=tuple(self._calls),
            repairs=tuple(self._repairs),
            refusals=tuple(self._refusals),
        )
        return deltas, reading

    def _outside(self, fragment: str, deltas: list[Delta]) -> str:
        start = fragment.find("{")
        if start < 0:
            deltas += self._text.feed(fragment)
            return ""
        deltas += self._text.feed(fragment[:start])
        self._scanner = ObjectScanner()
        self._raw = []
        self._name = ""
        self._gap = "\n" if self._thoughts else ""
        self._arguments = ArgumentStream(self._tools, ("function",), ("params",), THOUGHTS_KEY)
        return fragment[start:]

    def _inside(self, raw: str, events: list[Event], deltas: list[Delta]) -> None:
        for event in events:
            if event.path == ("function",):
                self._name += event.text
            inner = event.path == ("params", THOUGHTS_KEY) and not _declares(self._tools, self._name)
            if event.kind == "string" and (inner or event.path == (THOUGHTS_KEY,)):
                self._thoughts += self._gap + event.text
                deltas.append(Delta(thoughts=self._gap + event.text))
                self._gap = ""
        deltas += self._arguments.feed(raw, events, len(self._calls))

    def _object_done(self, deltas: list[Delta]) -> None:
        raw, self._scanner = "".join(self._raw), None
        body = load_object(raw)
        if isinstance(body, str):
            if _like_a_call(raw):
                self._refusals.append(Refusal(f"the call cannot be used: {body}", raw))
            else:
                deltas += self._text.feed(raw)
            return
        if "function" not in body:
            deltas += self._text.feed(raw)
            return
        name, params = body["function"], body.get("params", {})
        if isinstance(params, dict) and isinstance(name, str) and not _declares(self._tools, name):
            params.pop(THOUGHTS_KEY, None)
        call = check_call(name, params, self._tools)
        if isinstance(call, str):
            self._refusals.append(Refusal(call, raw))
            return
        self._repairs += key_repairs(params, 0)
        self._calls.append(call)
        deltas += self._arguments.finish(call, len(self._calls) - 1)


def _like_a_call(raw: str) -> bool:
    return '"function"' in raw or f'"{THOUGHTS_KEY}"' in raw
