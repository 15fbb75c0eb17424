"""Keep the bytes that servers send while somebody wants them; nothing is kept otherwise."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["Tap", "tap", "tapped"]

MOST_BYTES = 1 << 20
"""More than this of one answer is not kept: an answer of 100,000 tokens has less, but for its framing."""


class Tap:
    """What has arrived, from its beginning up to a limit."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._room = MOST_BYTES

    @property
    def raw(self) -> bytes:
        """What has been kept."""
        return b"".join(self._chunks)

    def take(self, chunk: bytes) -> None:
        """Keep a chunk, or as much of it as there is room for."""
        if self._room > 0:
            self._chunks.append(chunk[: self._room])
            self._room -= len(self._chunks[-1])


_tap: ContextVar[Tap | None] = ContextVar("tap", default=None)


@contextmanager
def tapped() -> Generator[Tap, None, None]:
    """Keep what arrives inside the block, in this thread or task."""
    one = Tap()
    token = _tap.set(one)
    try:
        yield one
    finally:
        _tap.reset(token)


def tap(chunk: bytes) -> None:
    """Hand over what has arrived."""
    if (one := _tap.get()) is not None:
        one.take(chunk)
