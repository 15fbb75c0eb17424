"""What can be loaded: a thing with a lasting address whose content is fetched when its turn comes."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from bridle.agent.loading.documents import Document, Findings, Reader
from bridle.agent.loading.readers import reader_for
from bridle.errors import SourceUnreadable

__all__ = ["Content", "FileItem", "Item", "TextItem", "fingerprint", "stem"]

MOST_BYTES = 256 * 1024 * 1024
"""Of a file, which is read whole."""
READING = "1"
"""To be counted up when readers or the chunker read the same bytes otherwise, so that all is read again."""


class Content(NamedTuple):
    """Fetched content. One with the same `fingerprint` would give the same documents; None: not known."""

    documents: Callable[[Findings], Iterator[Document]]
    fingerprint: str | None
    size: int
    """In bytes; 0 where it is not known."""


class Item(Protocol):
    """Something to load."""

    @property
    def address(self) -> str:
        """Where it lies: an absolute path, a URL; two items of a source never have the same."""
        ...

    @property
    def name(self) -> str:
        """What its passages are searched with: a file's name without its suffix."""
        ...

    @property
    def is_named(self) -> bool:
        """Whether somebody asked for this very thing: then it is a failure when it is of no known kind."""
        ...

    def fetch(self) -> Content | None:
        """Return the content; None for a binary file of no known kind.

        Raises:
            SourceUnreadable: when it cannot be had.
            MissingExtra: when a package that it takes is not installed.
        """
        ...


def fingerprint(data: bytes, kind: str) -> str:
    """Return the SHA-256 of bytes and of how they are read, in hexadecimal digits."""
    return hashlib.sha256(f"{READING}\0{kind}\0".encode() + data).hexdigest()


def stem(name: str) -> str:
    """Return a file's name as words.

    >>> stem("/home/ann/memgpt_research-paper.v2.pdf")
    'memgpt research-paper.v2'
    """
    return Path(name).stem.replace("_", " ")


@dataclass(frozen=True, slots=True)
class FileItem:
    """A file on this machine, read by its suffix or by `reader`."""

    path: Path
    is_named: bool = False
    reader: Reader | None = None

    @property
    def address(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        return stem(self.path.name)

    def fetch(self) -> Content | None:
        data = self._bytes()
        reader = self.reader or reader_for(self.path.suffix, data)
        if reader is None:
            return None
        kind = getattr(reader, "__name__", "")
        return Content(partial(reader, data), fingerprint(data, kind), len(data))

    def _bytes(self) -> bytes:
        try:
            about = self.path.stat()
            if not stat.S_ISREG(about.st_mode):  # a pipe would be waited for, a device has no end
                raise SourceUnreadable("it is not a regular file", hint="give a file")
            if about.st_size > MOST_BYTES:
                raise SourceUnreadable(
                    f"it has {about.st_size:,} bytes", hint=f"the limit is {MOST_BYTES:,}; split it"
                )
            return self.path.read_bytes()
        except OSError as error:
            raise SourceUnreadable(f"it cannot be read: {error.strerror}", hint="check the file") from error


@dataclass(frozen=True, slots=True)
class TextItem:
    """A text that lies in no file, such as one from a pipe; its address is made from what it says."""

    data: bytes
    reader: Reader
    name: str = "text"
    is_named: bool = True

    @property
    def address(self) -> str:
        return f"{self.name}:{hashlib.sha256(self.data).hexdigest()[:16]}"

    def fetch(self) -> Content:
        return Content(partial(self.reader, self.data), fingerprint(self.data, self.name), len(self.data))
