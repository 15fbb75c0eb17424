"""Cut a byte stream into lines, and bytes into text: what the framers of events have in common.

Bytes may arrive in any chunking: a character or a line end may be split over two chunks. Lines never end at
U+2028, U+0085 and their kind, which may stand inside JSON (`str.splitlines` and requests would end them
there). Nothing here knows what a line means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Event", "Framer", "LineSplitter", "decode"]

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream: its data, and its name where the server gave one."""

    data: str
    name: str = ""
    complete: bool = True
    """False for the last event of a stream that ended without what ends an event."""


class Framer(Protocol):
    """Collects bytes and hands out the events that are complete."""

    def feed(self, chunk: bytes) -> Sequence[Event]:
        """Take the next bytes and return the events that they complete, in order."""
        ...

    def close(self) -> Sequence[Event]:
        """Return the event that the stream ended in, if any; it may be cut short."""
        ...


def decode(raw: bytes, charset: str = "") -> str:
    """Decode UTF-8; what is none is read by the declared charset, else U+FFFD stands for it.

    UTF-8 goes first, because servers declare Latin-1 for it, and hardly any other text is valid UTF-8.

    >>> decode("Grüße".encode(), "iso-8859-1"), decode("Grüße".encode("latin-1"), "iso-8859-1")
    ('Grüße', 'Grüße')
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        try:
            return raw.decode(charset or "utf-8", "replace")
        except LookupError:
            return raw.decode("utf-8", "replace")


class LineSplitter:
    """Collects bytes and hands out complete lines as text, in time that is linear in their number.

    Lines end at LF and CRLF; where `cr_ends`, at a lone CR, too. A byte order mark at the start is left out.
    """

    def __init__(self, *, cr_ends: bool, charset: str = "") -> None:
        self._cr_ends = cr_ends
        self._charset = charset
        self._parts: list[bytes] = []
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[str]:
        """Take the next bytes and return the lines that they complete."""
        if self._cr_ends:
            chunk = self._with_lf(chunk)
        if b"\n" not in chunk:
            self._parts.append(chunk)
            return []
        first, *others = chunk.split(b"\n")
        lines = [b"".join([*self._parts, first]), *others[:-1]]
        self._parts = [others[-1]]
        return [self._text(line) for line in lines]

    def close(self) -> str:
        """Return what came after the last line end."""
        rest = b"".join(self._parts)
        self._parts = []
        return self._text(rest) if rest else ""

    def _with_lf(self, chunk: bytes) -> bytes:
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" not in chunk:
            return chunk
        self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _text(self, line: bytes) -> str:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(BOM)
        return decode(line.removesuffix(b"\r"), self._charset)
