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
        self._may_end: list[bool] = []

    @property
    def stops(self) -> bool:
        """Whether there is any stop string."""
        return bool(self._stops)

    def feed(self, piece: bytes, *, may_end: bool = True) -> bool:
        """Add the bytes of one token; tell whether a stop string has been met.

        Only a stop string that begins where the answer `may_end` counts.
        """
        new = self._decoder.decode(piece)
        if not new:
            return False
        if not self._stops:
            self._give(new)
            return False
        text = self._held + new
        self._may_end += [may_end] * len(new)
        stop = self._first_stop(text)
        keep = 0 if stop is not None else self._may_begin_stop(text)
        self._held = text[len(text) - keep :]
        del self._may_end[: len(text) - keep]
        self._give(text[: len(text) - keep if stop is None else stop])
        return stop is not None

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

    def _first_stop(self, text: str) -> int | None:
        """Return where the stop string begins that is complete first: that does not depend on the pieces."""
        found: list[tuple[int, int]] = []
        for stop in self._stops:
            place = text.find(stop)
            while place >= 0 and not self._may_end[place]:
                place = text.find(stop, place + 1)
            if place >= 0:
                found.append((place + len(stop), place))
        return min(found)[1] if found else None

    def _may_begin_stop(self, text: str) -> int:
        """Return the length of the longest end of `text` that a stop string begins with."""
        longest = max((len(stop) - 1 for stop in self._stops), default=0)
        for length in range(min(longest, len(text)), 0, -1):
            end = text[len(text) - length :]
            if any(stop.startswith(end) for stop in self._stops):
                return length
        return 0
