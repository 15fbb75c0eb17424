"""Break a text that comes in pieces between its words, at the edge of a terminal.

The terminal itself breaks a word that is wider than a line. What goes to a pipe does not come here.
"""

from __future__ import annotations

import re
import shutil

__all__ = ["Flow"]

LEAST_COLUMNS = 20
_PARTS = re.compile(r"\n|[ \t]+|[^ \t\n]+")


class Flow:
    """Holds the last word back until it is whole; `columns` 0 takes the width that the terminal has."""

    def __init__(self, columns: int = 0) -> None:
        self._columns = columns
        self._column = 0
        self._gap = ""
        self._word = ""

    def take(self, text: str) -> str:
        r"""Return what can be written now that this text has come; its only control characters are \t and \n.

        >>> flow = Flow(9)
        >>> flow.take("one tw"), flow.take("o thr"), flow.take("ee "), flow.end()
        ('one', ' two', '\nthree', '')
        """
        from rich.cells import cell_len

        written: list[str] = []
        for part in _PARTS.findall(text):
            if part == "\n":
                written += [self.end(), part]
            elif part[0] in " \t":
                written.append(self._place())
                self._gap += part
            else:
                self._word += part
                if cell_len(self._word) > self._width():
                    written.append(self._place())
        return "".join(written)

    def end(self) -> str:
        """Return what is held back; a new line begins afterwards."""
        rest = self._place()
        self._column, self._gap = 0, ""
        return rest

    def _place(self) -> str:
        """Put the word behind the gap, or on a line of its own; a word goes on where there is no gap."""
        from rich.cells import cell_len

        if not self._word:
            return ""
        width, gap, word = self._width(), self._gap, self._word
        self._gap = self._word = ""
        if gap and self._column and self._column + _gap_cells(gap) + cell_len(word) > width:
            gap, self._column = "\n", 0
        else:
            self._column += _gap_cells(gap)
        self._column = (self._column + cell_len(word) - 1) % width + 1
        return gap + word

    def _width(self) -> int:
        return self._columns or max(shutil.get_terminal_size().columns, LEAST_COLUMNS)


def _gap_cells(gap: str) -> int:
    """How many columns blanks take at most; a tab takes up to eight."""
    return len(gap.expandtabs(8))
