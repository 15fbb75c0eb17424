"""What all stream readers share: free text without blank ends, and arguments as they grow."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bridle.messages import Delta, ToolCall, ToolSpec
from bridle.wrappers.jsonstream import Event
from bridle.wrappers.syntax import JsonLayout

__all__ = ["ArgumentStream", "TextStream"]

_SEPARATOR = re.compile(r"\s*(,\s*|(?=\}))")


class TextStream:
    """Collects free text; blanks at the beginning and the end of the turn are not part of it."""

    def __init__(self) -> None:
        self.text: str = ""
        self._blank: str = ""

    def feed(self, text: str) -> list[Delta]:
        """Add characters; return what is certain to be text."""
        text = self._blank + text if self.text else text.lstrip()
        solid = text.rstrip()
        self._blank = text[len(solid) :]
        self.text += solid
        return [Delta(text=solid)] if solid else []


class ArgumentStream:
    """Announces a call's name, then hands on its arguments as raw JSON while they arrive.

    `name_path` and `arguments_path` tell where both stand in the object. A first member `thoughts_key` of the
    arguments is left out of what is handed on. A call whose arguments come before its name is handed on
    whole.
    """

    def __init__(
        self,
        tools: Sequence[ToolSpec],
        name_path: tuple[str, ...],
        arguments_path: tuple[str, ...],
        thoughts_key: str | None = None,
    ) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._name_path = name_path
        self._arguments_path = arguments_path
        self._thoughts_key = thoughts_key
        self.name = ""
        self._named = False
        self._announced = False
        self._body = ""
        self._open = False
        self._closed = False
        self._sent = 0
        self._thoughts_end: int | None = None
        self._seen = 0

    def feed(self, raw: str, events: Sequence[Event], index: int) -> list[Delta]:
        """Take the next characters of the object with what the scanner found in them."""
        start, end = self._seen if self._open else None, None
        first = self._seen
        self._seen += len(raw)
        for event in events:
            if event.path == self._name_path:
                self.name += event.text
                self._named = self._named or event.kind == "string_end"
            elif event.path == self._arguments_path and event.kind == "open" and not self._open:
                self._open, start = True, event.at - 1
            elif event.path == self._arguments_path and event.kind == "close":
                self._closed, end = True, event.at
            elif self._is_thoughts(event) and self._thoughts_end is None and start is not None:
                self._thoughts_end = event.at - start + (len(self._body) if start == first else 0)
        if start is not None:
            self._body += raw[start - first : None if end is None else end - first]
        if self._closed:
            self._open = False
        return self._ready(index)

    def _is_thoughts(self, event: Event) -> bool:
        key = self._thoughts_key
        return event.kind == "string_end" and event.path == (*self._arguments_path, key or "")

    def _ready(self, index: int) -> list[Delta]:
        tool = self._tools.get(self.name) if self._named else None
        if tool is None:
            return []
        deltas: list[Delta] = []
        if not self._announced:
            self._announced = True
            deltas.append(Delta(index=index, call_name=self.name))
        body = self._without_thoughts(tool)
        if len(body) > self._sent:
            deltas.append(Delta(index=index, arguments=body[self._sent :]))
            self._sent = len(body)
        return deltas

    def _without_thoughts(self, tool: ToolSpec) -> str:
        """The part of the arguments that may be handed on so far."""
        key = f'"{self._thoughts_key}"'
        if self._thoughts_key is None or self._thoughts_key in tool.properties:
            return self._body
        inside = self._body[1:].lstrip()
        if not inside or key.startswith(inside[: len(key)]):
            if self._thoughts_end is None:
                return ""
            gap = _SEPARATOR.match(self._body, self._thoughts_end)
            return "{" + self._body[gap.end() :] if gap and gap.end() < len(self._body) else ""
        return self._body

    def finish(self, call: ToolCall, index: int) -> list[Delta]:
        """The last pieces of a call that turned out valid."""
        deltas: list[Delta] = []
        if not self._announced:
            deltas.append(Delta(index=index, call_name=call.name))
        if not self._sent:
            deltas.append(Delta(index=index, arguments=JsonLayout().dump(call.arguments)))
        deltas.append(Delta(index=index, call=call))
        return deltas
