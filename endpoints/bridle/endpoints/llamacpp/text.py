"""From the bytes of tokens to text: whole characters only, and nothing from a stop string on.

Text that may turn out to be the beginning of a stop string is held back until that is settled.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable

__all__ = ["TextStream"]


class TextStream:
    """Collects the text of one answer and hands it on as it becomes certain.

    Bytes that are no UTF-8 become U+FFFD; an unfinished character at the end is dropped.
    """

    def __init__(self, stops: Iterable[str] = (), on_text: Callable[[str], None] | None = None) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._on_text = on_text
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._given: list[str] = []
        self._held = ""

    def feed(self, piece: bytes) -> bool:
        """Add the bytes of one token; tell whether a stop string has been met."""
        new = self._decoder.decode(piece)
        if not new:
            return False
        text = self._held + new
        found = [place for place in (text.find(stop) for stop in self._stops) if place >= 0]
        if found:
            self._held = ""
            self._give(text[: min(found)])
            return True
        keep = self._may_begin_stop(text)
        self._held = text[len(text) - keep :]
        self._give(text[: len(text) - keep])
        return False

    def close(self) -> str:
        """Give what was held back, and return the whole text."""
        held, self._held = self._held, ""
        self._give(held)
        return "".join(self._given)

    def _give(self, text: str) -> None:
        if text:
            self._given.append(text)
            if self._on_text is not None:
                self._on_text(text)

    def _may_begin_stop(self, text: str) -> int:
        """Return the length of the longest end of `text` that a stop string begins with."""
        longest = max((len(stop) - 1 for stop in self._stops), default=0)
        for length in range(min(longest, len(text)), 0, -1):
            end = text[len(text) - length :]
            if any(stop.startswith(end) for stop in self._stops):
                return length
        return 0
