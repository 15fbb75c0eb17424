"""When a call that failed is made again, and after how long: waiting with patience, never in vain.

Only what was declined for now, or whose connection broke before the answer began, is sent once more. A server
that is loading its model is asked until it has done so.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from bridle.endpoints.transport.http_watch import POLL_S, OnWait
from bridle.errors import (
    BadResponse,
    Cancelled,
    EndpointError,
    RequestRefused,
    ServerCrashed,
    TimedOut,
    Unreachable,
)

__all__ = ["Patience"]

LONGEST_WAIT_S = 60.0
"""A server that asks to wait longer (Retry-After) is not waited for."""
FIRST_WAIT_S, MOST_WAIT_S = 0.4, 8.0
LOADING_WAIT_S = 1.0
"""How often a server that is loading its model is asked."""
GATEWAY_STATUSES = (502, 503, 504)


MOST_RENEWED = 16
"""How many kept connections may turn out to be over; no more are kept."""


@dataclass
class Patience:
    """What one call may still be waited for. `until` is a time of `time.monotonic`; with no `retries` a call
    is made once, whatever happens. A kept connection that the server has ended meanwhile does not count: then
    the call is made again at once, on another one. (llama-server ends one after each stream, without a word.)
    """

    url: str
    retries: int
    loading_s: float
    should_stop: Callable[[], bool] | None = None
    until: float | None = None
    on_wait: OnWait | None = None
    _attempts: int = 0
    _renewed: int = 0
    _loading_since: float | None = None
    _crash: ServerCrashed | None = None

    def wait(self, error: EndpointError) -> None:
        """Wait until the call should be made again; raise an error where it should not, or not in time.

        Raises:
            EndpointError: the one that was given, or what it means after those before it.
            Cancelled: when the caller stopped the wait.
        """
        seconds = self._loading_wait(error) if error.facts.get("loading") else self._wait(error)
        if seconds is None:
            raise self._meant(error) from error.__cause__
        if self.until is not None and time.monotonic() + seconds > self.until:
            raise error
        self._sleep(seconds)

    def _wait(self, error: EndpointError) -> float | None:
        if error.facts.get("reused") and self._renewed < MOST_RENEWED:
            self._renewed += 1
            return 0.0
        if isinstance(error, ServerCrashed):
            self._crash = error
        if self._attempts >= self.retries or not _helps(error):
            return None
        self._attempts += 1
        asked = error.facts.get("retry_after_s")
        if isinstance(asked, float):
            return asked if asked <= LONGEST_WAIT_S else None
        return min(MOST_WAIT_S, FIRST_WAIT_S * 2.0 ** (self._attempts - 1)) * random.uniform(0.5, 1.0)

    def _loading_wait(self, error: EndpointError) -> float | None:
        now = time.monotonic()
        if self._loading_since is None:
            self._loading_since = now
        waited_s = now - self._loading_since
        if not self.retries or waited_s >= self.loading_s:
            return None
        if self.on_wait is not None:
            self.on_wait(f"{self.url} to load its model", waited_s)
        asked = error.facts.get("retry_after_s")
        wait_s = asked if isinstance(asked, float) else LOADING_WAIT_S
        return max(POLL_S, min(wait_s, self.loading_s - waited_s, LONGEST_WAIT_S))

    def _meant(self, error: EndpointError) -> EndpointError:
        if self._crash is None or not isinstance(error, Unreachable):
            return error
        return ServerCrashed(
            f"the connection to {self.url} broke while the server was at work, and now nothing listens there",
            hint="the server has crashed: look at its log, and start it again",
            url=self.url,
        )

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left_s := end - time.monotonic()) > 0:
            if self.should_stop is not None and self.should_stop():
                raise Cancelled("the request was stopped while waiting to try again", url=self.url)
            time.sleep(min(left_s, POLL_S))


def _helps(error: EndpointError) -> bool:
    if error.facts.get("dropped"):
        return True
    if not error.retryable or isinstance(error, TimedOut):
        return False
    page_of_a_gateway = isinstance(error, BadResponse) and error.facts.get("status") in GATEWAY_STATUSES
    return page_of_a_gateway or isinstance(error, RequestRefused)
