"""A text that is read once from left to right, with what keeps that linear: remembered searches and a purse.

Whatever is read successfully is not read again, so it costs what it is long. What fails is paid from a purse
that grows with the text only slowly; when it is empty, nothing doubtful is tried any more and stays text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from bridle.messages import JSON, ToolSpec
from bridle.wrappers.checking import TOO_DEEP, decoder

__all__ = ["Known", "Source", "Unreadable"]


class Unreadable(Exception):
    """A value that cannot be read: why, in words, and whether the text ended before the value did."""

    def __init__(self, why: str, *, cut: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.cut = cut
        self.at = 0


class Known:
    """The tools by name, and the keys that their parameters have."""

    def __init__(self, tools: Sequence[ToolSpec]) -> None:
        self.tools = {tool.name: tool for tool in tools}
        self.parameters = frozenset(key for tool in tools for key in tool.properties)


class Source:
    """The text with its purse."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.size = len(text)
        self.steps = 20_000 + self.size // 100
        """How many values may still be read in vain."""
        self.chars = 2_000_000 + 4 * self.size
        """How many characters may still be looked at in vain."""
        self.places = 30_000 + self.size // 100
        """At how many places may still be asked what begins there."""
        self.extent = 500_000
        """How many characters may still be looked through for the end of what is broken."""
        self.unclosed = False
        """Whether something before was whole but for its brackets, so that the end of the text may be too."""
        self._found: dict[str | tuple[str, ...], tuple[int, int]] = {}

    @property
    def poor(self) -> bool:
        """Whether nothing doubtful can be afforded any more."""
        return self.steps < 0

    def find(self, mark: str, at: int) -> int:
        """The next place of `mark` from `at` on, or -1. Searching again from further on costs nothing."""
        since, found = self._found.get(mark, (0, -2))
        if found == -2 or at < since or (found != -1 and found < at):
            found = self.text.find(mark, at)
            self._found[mark] = (at, found)
        return found

    def first(self, marks: tuple[str, ...], at: int) -> int:
        """The next place of any of `marks`, or the end of the text."""
        since, found = self._found.get(marks, (0, -1))
        if found < at or at < since:
            places = [place for mark in marks if (place := self.find(mark, at)) >= 0]
            found = min(places, default=self.size)
            self._found[marks] = (at, found)
        return found

    def strict(self, at: int) -> tuple[JSON, int]:
        """Read the strict JSON value that begins at `at`; return it with its end.

        Raises:
            Unreadable: when there is none.
        """
        if self.chars <= 0:
            raise Unreadable("there is too much in the text that cannot be read")
        try:
            return decoder().raw_decode(self.text, at)
        except json.JSONDecodeError as error:
            self.chars -= error.pos + 50
            why = f"it is not valid JSON at character {error.pos - at}: {error.msg}"
            raise Unreadable(why, cut=error.pos >= self.size) from error
        except RecursionError as error:
            self.chars -= self.size // 100 + 5_000
            raise Unreadable(TOO_DEEP) from error
        except ValueError as error:
            self.chars -= 1_000
            raise Unreadable(str(error)) from error
