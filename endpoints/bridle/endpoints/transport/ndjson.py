"""Cut a byte stream into lines of JSON, as Ollama 0.33 streams them (github.com/ndjson/ndjson-spec, 2026-08).

Each line that is not blank is an event. Nothing here reads the JSON.
"""

from __future__ import annotations

from bridle.endpoints.transport.framing import Event, LineSplitter

__all__ = ["NDJSON_TYPES", "LineFramer"]

NDJSON_TYPES = frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonlines",
        "application/jsonlines",
    }
)
"""The content types under which such a stream is sent; none of them was ever registered."""


class LineFramer:
    """Collect bytes and hand out an event for each line.

    >>> framer = LineFramer()
    >>> framer.feed(b'{"a": 1}\\r\\n\\n{"a"')
    [Event(data='{"a": 1}', name='', complete=True)]
    >>> framer.close()
    [Event(data='{"a"', name='', complete=False)]
    """

    def __init__(self, charset: str = "") -> None:
        """Take the charset that the server declared, for lines that are not UTF-8."""
        self._lines = LineSplitter(cr_ends=False, charset=charset)

    def feed(self, chunk: bytes) -> list[Event]:
        """Take the next bytes and return the lines that they complete, in order."""
        return [Event(line) for line in self._lines.feed(chunk) if not line.isspace() and line]

    def close(self) -> list[Event]:
        """Return the line that the stream ended in without a line end, if any; it may be cut short."""
        last = self._lines.close()
        return [] if not last or last.isspace() else [Event(last, complete=False)]
