"""Cut a byte stream into server-sent events (WHATWG HTML, section 9.2, read 2026-08).

Lines end at LF, CRLF or CR only. Nothing here knows what an event means; but what is seen to be two JSON
objects is two events, whatever stands between them.
"""

from __future__ import annotations

from dataclasses import replace

from bridle.endpoints.transport.framing import Event, LineSplitter

__all__ = ["DONE", "Event", "EventFramer", "begins_events", "may_begin_events"]

DONE = "[DONE]"
"""The data of the event by which OpenAI's API ends a stream."""

_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")


def begins_events(start: bytes) -> bool:
    """Whether a body's first bytes are those of such a stream, and of no JSON and no page.

    >>> begins_events(b'data: {"a": 1}'), begins_events(b'{"data": 1}')
    (True, False)
    """
    return start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(_FIELDS)


def may_begin_events(start: bytes) -> bool:
    """Whether too few bytes of a body are here to know.

    >>> may_begin_events(b"da"), may_begin_events(b"<html>")
    (True, False)
    """
    begun = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    return not begins_events(start) and any(field.startswith(begun) for field in _FIELDS)


class EventFramer:
    """Collect bytes and hand out the events that are complete; the data lines of one are joined by LF.

    >>> framer = EventFramer()
    >>> framer.feed(b": ping\\r\\ndata: a\\r")
    []
    >>> framer.feed(b"\\ndata: b\\r\\n\\r\\n")
    [Event(data='a\\nb', name='', complete=True)]
    """

    def __init__(self, charset: str = "") -> None:
        """Take the charset that the server declared, for lines that are not UTF-8."""
        self._lines = LineSplitter(cr_ends=True, charset=charset)
        self._data: list[str] = []
        self._name = ""
        self._named_late = False

    def feed(self, chunk: bytes) -> list[Event]:
        """Take the next bytes and return the events that they complete, in order."""
        found: list[Event] = []
        for line in self._lines.feed(chunk):
            if not line:
                found += self._ended()
                continue
            if self._begins_another(line):
                later = self._name if self._named_late else ""
                self._name = "" if self._named_late else self._name
                found += self._ended()
                self._name = later
            self._take(line)
        return found

    def close(self) -> list[Event]:
        """Return the event that the stream ended in without its blank line, if any; it may be cut short."""
        last = self._lines.close()
        if last:
            self._take(last)
        return [replace(event, complete=False) for event in self._ended()]

    def _ended(self) -> list[Event]:
        data, name = self._data, self._name
        self._data, self._name = [], ""
        return [Event("\n".join(data), name)] if data else []

    def _begins_another(self, line: str) -> bool:
        """Whether a line of data is the next event's: some servers leave out the blank line between two.

        Two JSON objects one after the other are none, so nothing else can be meant.
        """
        value = line.removeprefix("data:").lstrip(" ")
        if value == line or not self._data:
            return False
        whole = self._data[0].startswith("{") and self._data[-1].rstrip().endswith("}")
        return len(self._data) == 1 and whole and (value.startswith("{") or value == DONE)

    def _take(self, line: str) -> None:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name, self._named_late = value, bool(self._data)
        elif field == "error":  # llama.cpp's server until 2025 reported a failure in this field
            self._data.append(value)
            self._name = "error"
