"""Look at the clock, and ask whether to stop, while an exchange waits for the network.

The limits of one exchange: until the first byte of the answer's body, between two bytes, and altogether.
Nothing here reads or writes; who does asks `left_s` how long to wait before asking again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from bridle.errors import Cancelled, TimedOut

__all__ = ["POLL_S", "OnWait", "Timeouts", "Watch"]

POLL_S = 0.05
"""How often `should_stop` is asked while nothing arrives."""
TELL_S = 1.0
"""How often a caller is told that there is still nothing."""

OnWait = Callable[[str, float], None]
"""Is told what is waited for, and for how many seconds so far."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits in seconds: to connect, until the first byte of the answer, between two bytes, and altogether.

    The first byte may take minutes: a server reads the whole prompt, or loads the model, before it answers.
    """

    connect_s: float = 5.0
    first_byte_s: float = 600.0
    idle_s: float = 120.0
    total_s: float | None = None


class Watch:
    """The limits of one exchange, and the caller's wish to end it."""

    def __init__(
        self,
        url: str,
        timeouts: Timeouts,
        should_stop: Callable[[], bool] | None = None,
        until: float | None = None,
        on_wait: OnWait | None = None,
    ) -> None:
        """Begin now. `until` is a time of `time.monotonic`, by which all must be over."""
        self.url = url
        self.begun = False
        """Whether a byte of the answer's body has arrived."""
        self.reused = False
        """Whether the request went out on a connection that had been kept from an earlier one."""
        self.failure: BaseException | None = None
        """What the caller's own functions raised: libraries on the way may take it for the network's."""
        self._timeouts = timeouts
        self._should_stop = should_stop
        self._until = until
        self._on_wait = on_wait
        self._slice_s = POLL_S if should_stop or on_wait else None
        self._since = self._start = time.monotonic()
        self._told = self._start

    @property
    def asks(self) -> bool:
        """Whether there is a caller to be asked, or told, meanwhile."""
        return self._slice_s is not None

    @property
    def first_byte_s(self) -> float:
        """How long the server may take to accept the request, and to begin to answer."""
        return self._timeouts.first_byte_s

    def arrived(self) -> None:
        """Note that something of the body has come."""
        self.begun = True
        self._since = time.monotonic()

    def hurry(self, seconds: float) -> None:
        """Allow so many seconds from now for all that is left, and let nobody stop that."""
        self._until = time.monotonic() + seconds
        self._should_stop = None

    def left_s(self) -> float:
        """Say how long may be waited before asking here again.

        Raises:
            Cancelled: when the caller wants to stop.
            TimedOut: when one of the limits is reached.
        """
        now = time.monotonic()
        if self._slice_s is not None:
            self._ask_caller(now)
        ends = self._since + (self._timeouts.idle_s if self.begun else self._timeouts.first_byte_s)
        if self._until is not None and self._until < ends:
            ends = self._until
        if now >= ends:
            raise self._late(is_total=ends == self._until)
        left_s = ends - now
        return left_s if self._slice_s is None or left_s < self._slice_s else self._slice_s

    def _ask_caller(self, now: float) -> None:
        try:
            if self._should_stop is not None and self._should_stop():
                raise Cancelled(f"the request to {self.url} was stopped", url=self.url)
            if self._on_wait is not None and not self.begun and now - self._told >= TELL_S:
                self._told = now
                self._on_wait(f"{self.url} to answer", now - self._start)
        except BaseException as error:
            self.failure = error
            raise

    def _late(self, *, is_total: bool) -> TimedOut:
        limit = "total" if is_total else "idle" if self.begun else "first_byte"
        seconds = {
            "total": self._timeouts.total_s or 0.0,
            "idle": self._timeouts.idle_s,
            "first_byte": self._timeouts.first_byte_s,
        }[limit]
        said = {
            "total": f"did not end its answer within {seconds:g} s",
            "idle": f"stopped in the middle of its answer: nothing for {seconds:g} s",
            "first_byte": f"accepted the request and did not answer within {seconds:g} s",
        }[limit]
        hint = (
            "look at the server's log, or allow more time"
            if self.begun
            else "the model may still be loading, or the prompt is long: allow more time"
        )
        return TimedOut(f"{self.url} {said}", hint=hint, limit=limit, seconds=seconds, url=self.url)
