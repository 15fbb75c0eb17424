"""Hermes' calls: `<tool_call>` around `{"name": …, "arguments": …}`, free text before, several calls allowed.

Source: the model card and function-calling repository of NousResearch's Hermes 2 Pro
(github.com/NousResearch/ Hermes-Function-Calling, read 2026-11); Qwen2.5 and Qwen3 were trained on the same
form. Thinking stands in `<think>` … `</think>`; a call in there is not a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from bridle.messages import Delta, Finish, Refusal, Repair, ToolCall, ToolSpec
from bridle.wrappers.checking import check_call, key_repairs, load_object
from bridle.wrappers.jsonstream import ObjectScanner
from bridle.wrappers.segments import neutralise
from bridle.wrappers.streams import ArgumentStream, TextStream
from bridle.wrappers.syntax import Arguments, CallShape, JsonLayout, Name, Reading

__all__ = ["Hermes"]

OPEN, CLOSE = "<tool_call>", "</tool_call>"
THINK, THOUGHT = "<think>", "</think>"


@dataclass(frozen=True, slots=True)
class Hermes:
    """The syntax; the JSON stands on one line unless the layout says otherwise."""

    layout: JsonLayout = field(default_factory=JsonLayout)

    @property
    def shape(self) -> CallShape:
        """See `bridle.wrappers.syntax.CallShape`."""
        line = self.layout.newline(1)
        return CallShape(
            call=(
                f'{OPEN}\n{{{line}"name": ',
                Name(),
                f'{self.layout.comma}{line}"arguments": ',
                Arguments(1),
                f"{self.layout.newline(0)}}}\n{CLOSE}",
            ),
            layout=self.layout,
            trigger=OPEN,
            parallel=True,
            text_first=True,
            gap="\n",
        )

    def write(self, calls: Sequence[ToolCall], thoughts: str, text: str, tools: Sequence[ToolSpec]) -> str:
        """Write thoughts, text and calls in this order; marks inside the first two are broken."""
        marks = (OPEN, CLOSE, THINK, THOUGHT)
        pieces = [f"{THINK}\n{neutralise(thoughts, marks)}\n{THOUGHT}\n"] if thoughts else []
        if text:
            pieces.append(neutralise(text, marks))
        for call in calls:
            body = self.layout.dump({"name": call.name, "arguments": dict(call.arguments)})
            pieces.append(f"{OPEN}\n{body}\n{CLOSE}")
        return "\n".join(pieces)

    def reader(self, tools: Sequence[ToolSpec]) -> _Reader:
        """Start reading one turn."""
        return _Reader(tuple(tools))

    def read(self, text: str, tools: Sequence[ToolSpec], finish: Finish = "stop") -> Reading:
        """Read one whole turn.

        >>> tool = ToolSpec("f", "", {"type": "object", "properties": {"x": {"type": "integer"}}})
        >>> Hermes().read('<tool_call>\\n{"name": "f", "arguments": {"x": 1}}\\n</tool_call>', [tool]).calls
        (ToolCall(name='f', arguments={'x': 1}),)
        """
        reader = self.reader(tools)
        reader.feed(text)
        return reader.close(finish)[1]


class _Reader:
    """Goes through text, thinking, and calls; a mark that may still be growing is held back."""

    def __init__(self, tools: tuple[ToolSpec, ...]) -> None:
        self._tools = tools
        self._text = TextStream()
        self._thoughts = TextStream()
        self._calls: list[ToolCall] = []
        self._refusals: list[Refusal] = []
        self._repairs: list[Repair] = []
        self._held = ""
        self._state: Literal["text", "think", "gap", "object", "skip"] = "text"
        self._raw: list[str] = []
        self._scanner = ObjectScanner()
        self._arguments = self._new_arguments()

    def _new_arguments(self) -> ArgumentStream:
        return ArgumentStream(self._tools, ("name",), ("arguments",))

    def feed(self, fragment: str) -> list[Delta]:
        """Take the next characters."""
        deltas: list[Delta] = []
        rest = self._held + fragment
        self._held = ""
        while rest:
            before = (rest, self._state)
            rest = self._step(rest, deltas)
            if (rest, self._state) == before:
                self._held = rest
                break
        return deltas

    def _step(self, rest: str, deltas: list[Delta]) -> str:
        match self._state:
            case "text":
                return self._in_text(rest, deltas)
            case "think":
                return self._in_think(rest, deltas)
            case "gap":
                return self._in_gap(rest)
            case "object":
                return self._in_object(rest, deltas)
            case _:
                return self._in_skip(rest)

    def _in_text(self, rest: str, deltas: list[Delta]) -> str:
        plain, mark, after = _split(rest, (OPEN, THINK, CLOSE))
        deltas += self._text.feed(plain)
        if mark == OPEN:
            self._state, self._raw = "gap", []
        elif mark == THINK:
            self._state = "think"
        return after

    def _in_think(self, rest: str, deltas: list[Delta]) -> str:
        plain, mark, after = _split(rest, (THOUGHT,))
        deltas += [Delta(thoughts=delta.text) for delta in self._thoughts.feed(plain)]
        if mark:
            self._state = "text"
        return after

    def _in_gap(self, rest: str) -> str:
        """Between the opening mark and the object."""
        found = rest.lstrip()
        if not found:
            return ""
        if found[0] != "{":
            self._state = "skip"
            return rest
        self._scanner, self._arguments, self._state = ObjectScanner(), self._new_arguments(), "object"
        return found

    def _in_object(self, rest: str, deltas: list[Delta]) -> str:
        used, events = self._scanner.feed(rest)
        self._raw.append(rest[:used])
        deltas += self._arguments.feed(rest[:used], events, len(self._calls))
        if self._scanner.done:
            self._state = "text"
            self._object_done(deltas)
        return rest[used:]

    def _in_skip(self, rest: str) -> str:
        """Inside marks that hold no object: it is given up at the closing mark."""
        plain, mark, after = _split(rest, (CLOSE,))
        self._raw.append(plain)
        if mark:
            self._refuse("there is no JSON object in it")
            self._state = "text"
        return after

    def _refuse(self, why: str) -> None:
        self._refusals.append(Refusal(f"the call cannot be used: {why}", "".join(self._raw)))

    def _object_done(self, deltas: list[Delta]) -> None:
        body = load_object("".join(self._raw))
        if isinstance(body, str):
            self._refuse(body)
            return
        call = check_call(body.get("name"), body.get("arguments", {}), self._tools)
        if isinstance(call, str):
            self._refusals.append(Refusal(call, "".join(self._raw)))
            return
        self._repairs += key_repairs(body.get("arguments", {}), 0)
        self._calls.append(call)
        deltas += self._arguments.finish(call, len(self._calls) - 1)

    def close(self, finish: Finish = "stop") -> tuple[list[Delta], Reading]:
        """End the turn. Text that only looked like the beginning of a mark is text after all."""
        deltas: list[Delta] = []
        held, self._held = self._held, ""
        if self._state == "text":
            deltas += self._text.feed(held)
        elif self._state == "think":
            deltas += [Delta(thoughts=delta.text) for delta in self._thoughts.feed(held)]
        else:
            self._raw.append(held)
            self._refuse("it was cut off at the token limit" if finish == "length" else "it is not complete")
        reading = Reading(
            self._text.text,
            self._thoughts.text,
            tuple(self._calls),
            tuple(self._repairs),
            tuple(self._refusals),
        )
        return deltas, reading


def _split(text: str, marks: tuple[str, ...]) -> tuple[str, str, str]:
    """Text before the first mark, the mark, and what follows; without one, hold back what may become one."""
    places = [(text.find(mark), mark) for mark in marks if mark in text]
    if places:
        at, mark = min(places)
        return text[:at], mark, text[at + len(mark) :]
    start = max(text.rfind("<", max(0, len(text) - max(map(len, marks)))), 0)
    tail = text[start:]
    if tail and any(mark.startswith(tail) for mark in marks):
        return text[:start], "", tail
    return text, "", ""
