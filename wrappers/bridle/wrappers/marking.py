"""Tell content from control text in what somebody else's code writes.

Each text that goes in is put between two characters that nothing else contains; what comes out between them
is content, everything else is control text. Unicode's noncharacters, meant for use inside a program, serve
as marks, and so do their escapes, which JSON and Python's `repr` write in their place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bridle.wrappers.segments import Segment, join

__all__ = ["Marks", "choose_marks", "is_word", "split_at"]

_NONCHARACTERS = [chr(code) for code in range(0xFDD6, 0xFDF0)]
_WORD = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
_CORE = re.compile(r"(\s*)(.*?)(\s*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Marks:
    """Two characters that stand around content."""

    open: str
    close: str

    def around(self, text: str) -> str:
        """All of the text between the marks."""
        return f"{self.open}{text}{self.close}" if text else text

    def inside(self, text: str) -> str:
        """The marks inside the blanks at both ends, for those who strip texts."""
        found = _CORE.fullmatch(text)
        assert found is not None
        before, core, after = found.groups()
        return before + self.around(core) + after

    def read(self, text: str) -> tuple[Segment, ...] | None:
        """Cut a text at its marks; None when they are not in pairs."""
        marks = {self.open: 1, self.close: 2, _escape(self.open): 1, _escape(self.close): 2}
        pieces = re.split("(" + "|".join(re.escape(mark) for mark in marks) + ")", text)
        out: list[Segment] = []
        inside = False
        for index, piece in enumerate(pieces):
            if index % 2 == 0:
                out.append(Segment(piece, control=not inside))
            elif (marks[piece] == 1) is inside:
                return None
            else:
                inside = not inside
        return None if inside else join(out)


def _escape(mark: str) -> str:
    return f"\\u{ord(mark):04x}"


def choose_marks(texts: Iterable[str]) -> Marks | None:
    """Two characters that none of the texts holds, nor their escapes; None when all are taken."""
    held = "\n".join(texts)
    free = (char for char in _NONCHARACTERS if char not in held and _escape(char) not in held)
    first, second = next(free, None), next(free, None)
    return Marks(first, second) if first and second else None


def is_word(text: str) -> bool:
    """Is this a name that can do no harm as control text: letters, digits, and a few signs?"""
    return _WORD.fullmatch(text) is not None


def split_at(text: str, control: Iterable[str]) -> tuple[Segment, ...]:
    """Make control segments of the given strings, wherever they stand, and content of all else."""
    longest_first = sorted({mark for mark in control if mark}, key=len, reverse=True)
    if not longest_first:
        return join([Segment(text)])
    pieces = re.split("(" + "|".join(map(re.escape, longest_first)) + ")", text)
    return join(Segment(piece, control=index % 2 == 1) for index, piece in enumerate(pieces))
