"""What stream readers hand out early: free text without blank ends, and arguments as they grow.

Each character is looked at a fixed number of times, however finely a text is cut.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bridle.messages import Delta, ToolCall, ToolSpec
from bridle.wrappers.jsonstream import Event

__all__ = ["ArgumentStream", "CallSink", "Expected", "Started", "TextStream", "compact"]


def compact(literal: str) -> str:
    """A literal without its blanks, which models set as they like."""
    return "".join(literal.split())


class Expected:
    """Waits for one of several literals; blanks count in neither."""

    def __init__(self, *literals: str) -> None:
        self._literals = [compact(literal) for literal in literals]
        self._seen = ""
        self.failed = False
        self.found: int | None = self._literals.index("") if "" in self._literals else None

    def feed(self, text: str) -> str:
        """Take characters; return what comes after the literal, or after what is none of them."""
        if self.found is not None:
            return text
        for at, char in enumerate(text):
            if char.isspace():
                continue
            self._seen += char
            if self._seen in self._literals:
                self.found = self._literals.index(self._seen)
                return text[at + 1 :]
            if not any(literal.startswith(self._seen) for literal in self._literals):
                self.failed = True
                return text[at:]
        return ""


class TextStream:
    """Collects free text; blanks at the beginning and the end of the turn are not part of it."""

    def __init__(self) -> None:
        self._solid: list[str] = []
        self._blank: list[str] = []

    @property
    def text(self) -> str:
        """All that was certain so far."""
        return "".join(self._solid)

    @property
    def pieces(self) -> int:
        """In how many pieces."""
        return len(self._solid)

    def feed(self, text: str) -> str:
        """Add characters; return what became certain to be text."""
        if not self._solid:
            text = text.lstrip()
        solid = text.rstrip()
        if not solid:
            if text:
                self._blank.append(text)
            return ""
        certain = "".join([*self._blank, solid])
        self._blank = [text[len(solid) :]]
        self._solid.append(certain)
        return certain


@dataclass(slots=True)
class Started:
    """A call that was announced, with the pieces of its arguments that were handed out."""

    name: str
    pieces: list[str] = field(default_factory=list[str])


class CallSink:
    """Takes what is certain about the calls of a turn and makes deltas of it."""

    def __init__(self, tools: Sequence[ToolSpec]) -> None:
        self.tools: Mapping[str, ToolSpec] = {tool.name: tool for tool in tools}
        self.started: list[Started] = []
        self.thoughts = TextStream()
        self._deltas: list[Delta] = []

    @property
    def said(self) -> int:
        """How much was handed out: pieces of thoughts, and calls."""
        return len(self.started) + self.thoughts.pieces

    def announce(self, name: str) -> None:
        """A call of `name` begins."""
        self.started.append(Started(name))
        self._deltas.append(Delta(index=len(self.started) - 1, call_name=name))

    def arguments(self, text: str) -> None:
        """The next piece of the JSON text of the arguments."""
        if text:
            self.started[-1].pieces.append(text)
            self._deltas.append(Delta(index=len(self.started) - 1, arguments=text))

    def think(self, text: str) -> None:
        """The next piece of the thoughts."""
        certain = self.thoughts.feed(text)
        if certain:
            self._deltas.append(Delta(thoughts=certain))

    def take(self) -> list[Delta]:
        """Hand over the deltas that were made since the last time."""
        deltas, self._deltas = self._deltas, []
        return deltas

    def finish(self, calls: Sequence[ToolCall]) -> list[Delta]:
        """The last deltas: each call that was read, after what is still missing of it.

        A call keeps the index under which it was announced; one that was not gets the next free index.
        """
        at = 0
        for call in calls:
            index = next((i for i in range(at, len(self.started)) if self.started[i].name == call.name), None)
            if index is None:
                self.announce(call.name)
                index = len(self.started) - 1
            at = index + 1
            given = "".join(self.started[index].pieces)
            whole = json.dumps(dict(call.arguments), ensure_ascii=False)
            if whole.startswith(given) and whole != given:
                self._deltas.append(Delta(index=index, arguments=whole[len(given) :]))
            self._deltas.append(Delta(index=index, call=call))
        return self.take()


class ArgumentStream:
    """Announces a call's name, then hands on its arguments as raw JSON while they arrive.

    `name_path` and `arguments_path` tell where both stand in the object. A first member `thoughts_key` of the
    arguments is left out of what is handed on. A call whose arguments come before its name is handed on
    when the name is known.
    """

    def __init__(
        self,
        sink: CallSink,
        name_path: tuple[str, ...],
        arguments_path: tuple[str, ...],
        thoughts_key: str | None = None,
    ) -> None:
        self._sink = sink
        self._name_path = name_path
        self._arguments_path = arguments_path
        self._thoughts_key = thoughts_key
        self._name: list[str] = []
        self._tool: ToolSpec | None = None
        self._seen = 0
        self._open = False
        self._waiting: list[tuple[str, int]] = []
        self._thoughts_end: int | None = None
        self._head = ""
        self._state: Literal["head", "skip", "comma", "gap", "pass"] = "head"

    @property
    def tool(self) -> ToolSpec | None:
        """The tool that is called, once its name is known."""
        return self._tool

    def feed(self, raw: str, events: Sequence[Event]) -> None:
        """Take the next characters of the object with what the scanner found in them."""
        base, self._seen = self._seen, self._seen + len(raw)
        start, end = (0 if self._open else None), len(raw)
        for event in events:
            if event.path == self._name_path:
                self._named(event)
            elif event.path == self._arguments_path and event.kind == "open":
                self._open, start = True, event.at - 1 - base
            elif event.path == self._arguments_path and event.kind == "close" and self._open:
                self._open, end = False, event.at - base
            elif self._is_thoughts(event) and self._thoughts_end is None:
                self._thoughts_end = event.at
        if start is not None:
            self._waiting.append((raw[start:end], base + start))
        if self._tool is not None:
            waiting, self._waiting = self._waiting, []
            for text, at in waiting:
                self._hand_on(self._tool, text, at)

    def _named(self, event: Event) -> None:
        self._name.append(event.text)
        if event.kind == "string_end" and self._tool is None:
            self._tool = self._sink.tools.get("".join(self._name))
            if self._tool is not None:
                self._sink.announce(self._tool.name)

    def _is_thoughts(self, event: Event) -> bool:
        key = self._thoughts_key
        return event.kind == "string_end" and event.path == (*self._arguments_path, key or "")

    def _hand_on(self, tool: ToolSpec, text: str, at: int) -> None:
        if self._state == "head":
            text, at = self._decide(tool, text, at)
        if self._state == "skip":
            end = self._thoughts_end
            if end is None or end > at + len(text):
                return
            text, self._state = text[max(0, end - at) :], "comma"
        if self._state == "comma":
            text = text.lstrip()
            if not text:
                return
            self._state = "gap" if text[0] == "," else "pass"
            text = text[1:] if text[0] == "," else "{" + text
        if self._state == "gap":
            text = text.lstrip()
            if not text:
                return
            text, self._state = "{" + text, "pass"
        self._sink.arguments(text)

    def _decide(self, tool: ToolSpec, text: str, at: int) -> tuple[str, int]:
        """Look at the first key: is it that of the thoughts?"""
        self._head += text
        key = f'"{self._thoughts_key}"'
        inside = self._head[1:].lstrip()
        if self._thoughts_key is None or self._thoughts_key in tool.properties:
            self._state = "pass"
        elif inside.startswith(key):
            self._state = "skip"
            return text, at
        elif inside and not key.startswith(inside):
            self._state = "pass"
        else:
            self._head = self._head[:1] + inside
            return "", at
        return self._head, at
