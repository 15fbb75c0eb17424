"""The time that an answer over HTTP may take: asked about wherever the caller is asked whether to stop."""

from __future__ import annotations

import time
from collections.abc import Callable

from bridle.errors import InputError

__all__ = ["Deadline"]


class Deadline:
    """Stops an answer when its time is over, or when the caller says so.

    Raises:
        InputError: for a time that is not above zero.
    """

    def __init__(self, seconds: float | None, should_stop: Callable[[], bool] | None) -> None:
        if seconds is not None and not seconds > 0:
            raise InputError(f"max_seconds is {seconds!r}", hint="give seconds above 0, or None for no limit")
        self._end = None if seconds is None else time.monotonic() + seconds
        self._should_stop = should_stop
        self.watched = seconds is not None or should_stop is not None
        self.passed = False

    def is_over(self) -> bool:
        """Say whether to stop; `passed` says that it was the time."""
        if self._should_stop is not None and self._should_stop():
            return True
        self.passed = self._end is not None and time.monotonic() >= self._end
        return self.passed
