"""End a text at the first of its stop strings, however the text arrives.

Servers are told the stop strings too; but some return the stop string, some take only a few of them, and what
a stream has shown cannot be taken back.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["StopCutter"]


class StopCutter:
    """Take fragments and hand on what surely stands before the stop string that is complete first.

    >>> cutter = StopCutter(["</s>"])
    >>> cutter.feed("good <"), cutter.feed("/s"), cutter.feed("> rest"), cutter.found
    ('good ', '', '', True)
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.found = False
        self._stops = tuple(stop for stop in stops if stop)
        self._beginnings = frozenset(stop[:n] for stop in self._stops for n in range(1, len(stop)))
        self._longest = max(map(len, self._beginnings), default=0)
        self._parts: list[str] = []
        self._held = ""

    @property
    def text(self) -> str:
        """All that has been handed on."""
        return "".join(self._parts)

    def feed(self, fragment: str) -> str:
        """Take the next fragment and return the text that can be shown; nothing follows a stop string."""
        if self.found:
            return ""
        self._held += fragment
        ends = [(at + len(stop), at) for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if ends:
            self.found = True
            return self._hand_on(min(ends)[1])
        return self._hand_on(len(self._held) - self._doubtful())

    def close(self) -> str:
        """Return what was held back, since nothing follows it."""
        return "" if self.found else self._hand_on(len(self._held))

    def _hand_on(self, n_chars: int) -> str:
        shown, self._held = self._held[:n_chars], self._held[n_chars:]
        self._parts.append(shown)
        return shown

    def _doubtful(self) -> int:
        """Count the characters at the end that may be the beginning of a stop string."""
        for n_chars in range(min(self._longest, len(self._held)), 0, -1):
            if self._held[-n_chars:] in self._beginnings:
                return n_chars
        return 0
