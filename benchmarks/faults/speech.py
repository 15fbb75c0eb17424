"""Calls as text in the dialects json, hermes and memgpt, with JSON written rightly or in a damaged style."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from truth import Call

DIALECTS = ("json", "hermes", "memgpt")
KEYS = {"json": ("name", "arguments"), "hermes": ("name", "arguments"), "memgpt": ("function", "params")}


@dataclass(frozen=True)
class Style:
    """How an object is written; the default is JSON."""

    opening: str = '"'
    closing: str = '"'
    key: Callable[[str], str] | None = None
    comma: str = ", "
    last: str = ""
    words: tuple[str, str, str] = ("true", "false", "null")
    after_open: str = ""
    escape: Callable[[str], str] | None = None

    def dump(self, value: Any) -> str:
        """Write a value."""
        if isinstance(value, str):
            return self.opening + self.escaped(value) + self.closing
        if isinstance(value, bool) or value is None:
            return self.words[{True: 0, False: 1, None: 2}[value]]
        if isinstance(value, dict):
            write_key = self.key or self.dump
            members = (f"{write_key(key)}: {self.dump(item)}" for key, item in value.items())
            return "{" + self.after_open + self._joined(members, self.comma) + "}"
        if isinstance(value, list):
            return "[" + self._joined(map(self.dump, value), ", ") + "]"
        return json.dumps(value)

    def escaped(self, text: str) -> str:
        """Write the inside of a string."""
        if self.escape:
            return self.escape(text)
        inside = json.dumps(text, ensure_ascii=False)[1:-1]
        return inside.replace("'", "\\'").replace('\\"', '"') if self.opening == "'" else inside

    def _joined(self, parts: Any, comma: str) -> str:
        text = comma.join(parts)
        return text + self.last if text else text


JSON = Style()


def as_object(call: Call, dialect: str) -> dict[str, Any]:
    """Return the object that says a call in a dialect."""
    name, arguments = KEYS[dialect]
    return {name: call[0], arguments: call[1]}


def frame(objects: Sequence[str], dialect: str) -> str:
    """Put objects, each as text, into what a dialect has around calls."""
    if dialect == "hermes":
        objects = [f"<tool_call>\n{text}\n</tool_call>" for text in objects]
    return "\n".join(objects)


def say(calls: Sequence[Call], dialect: str, style: Style = JSON) -> str:
    """Write calls in a dialect."""
    return frame([style.dump(as_object(call, dialect)) for call in calls], dialect)
