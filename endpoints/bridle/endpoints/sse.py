"""Cut a byte stream into server-sent events (WHATWG HTML, section 9.2, read 2026-08).

Bytes may arrive in any chunking: a character or a line end may be split over two chunks. Lines end at LF,
CRLF or CR only, because U+2028 and its kind may stand inside JSON. Nothing here knows what an event means.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["DONE", "Event", "EventFramer"]

DONE = "[DONE]"
"""The data of the event by which OpenAI's API ends a stream."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its data lines joined by line feeds, and its name where the server gave one."""

    data: str
    name: str = ""
    complete: bool = True
    """False for the last event of a stream that ended without the blank line after it."""


class EventFramer:
    """Collect bytes and hand out the events that are complete.

    >>> framer = EventFramer()
    >>> framer.feed(b": ping\\r\\ndata: a\\r")
    []
    >>> framer.feed(b"\\ndata: b\\r\\n\\r\\n")
    [Event(data='a\\nb', name='', complete=True)]
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._after_cr = False
        self._data: list[str] = []
        self._name = ""

    def feed(self, chunk: bytes) -> list[Event]:
        """Take the next bytes and return the events that they complete, in order."""
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if chunk.endswith(b"\r"):
            self._after_cr = True
        self._line += chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = bytes(self._line).split(b"\n")
        self._line = bytearray(rest)
        found = (self._take(line.decode("utf-8", "replace")) for line in lines)
        return [event for event in found if event is not None]

    def close(self) -> list[Event]:
        """Return the event that the stream ended in without its blank line, if any; it may be cut short."""
        last = bytes(self._line).decode("utf-8", "replace")
        self._line = bytearray()
        if last:
            self._take(last)
        event = self._take("")
        return [] if event is None else [replace(event, complete=False)]

    def _take(self, line: str) -> Event | None:
        if not line:
            event = Event("\n".join(self._data), self._name) if self._data else None
            self._data, self._name = [], ""
            return event
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
        elif field == "error":  # llama.cpp's server until 2025 reported a failure in this field
            self._data.append(value)
            self._name = "error"
        return None
