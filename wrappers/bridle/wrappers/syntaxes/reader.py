"""The stream reader of every syntax: hands out early what is certain, and ends with what `recover` reads."""

from __future__ import annotations

import json

from bridle.messages import Delta, Finish, ToolSpec
from bridle.wrappers.reading import recover
from bridle.wrappers.syntax import CallShape, Reading

__all__ = ["Reader"]


class Reader:
    """Reads one turn of a syntax as it arrives."""

    def __init__(self, dialect: str, shape: CallShape, tools: tuple[ToolSpec, ...], thinking: bool) -> None:
        self._dialect = dialect
        self._shape = shape
        self._tools = tools
        self._thinking = thinking
        self._raw: list[str] = []

    def feed(self, fragment: str) -> list[Delta]:
        """Take the next characters."""
        self._raw.append(fragment)
        return []

    def close(self, finish: Finish = "stop") -> tuple[list[Delta], Reading]:
        """End the turn."""
        raw = "".join(self._raw)
        reading = recover(raw, self._tools, self._dialect or None, finish, thinking=self._thinking)
        deltas: list[Delta] = []
        if reading.thoughts:
            deltas.append(Delta(thoughts=reading.thoughts))
        if reading.text:
            deltas.append(Delta(text=reading.text))
        for index, call in enumerate(reading.calls):
            deltas.append(Delta(index=index, call_name=call.name))
            arguments = json.dumps(dict(call.arguments), ensure_ascii=False)
            deltas.append(Delta(index=index, arguments=arguments))
            deltas.append(Delta(index=index, call=call))
        return deltas, reading
