"""An answer that is arriving over HTTP: waiting for its parts with a deadline, and giving up on it.

The exchange runs on a thread of its own and hands over what it gets; the caller waits, looks at the clock and
asks whether to stop. Giving up shuts the socket down, which ends the thread.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, cast

from bridle.endpoints.http_errors import bad_body, from_foreign, is_foreign
from bridle.endpoints.sse import Event, EventFramer
from bridle.errors import BadResponse, Cancelled, EndpointError, Unreachable
from bridle.messages import JSON

if TYPE_CHECKING:
    import requests

    from bridle.endpoints.http import Http

__all__ = ["POLL_S", "Exchange", "Reply"]

POLL_S = 0.05
"""How often `should_stop` is asked while nothing arrives."""
LAST_BYTES_S = 0.1
"""How long a server may take to end a stream after it said that the stream is done."""


class Reply:
    """An answer that is arriving. Leaving the `with` block ends the exchange, wherever it stands."""

    def __init__(
        self,
        http: Http,
        url: str,
        exchange: Exchange,
        should_stop: Callable[[], bool] | None,
        until: float | None,
    ) -> None:
        self.url = url
        self._http = http
        self._exchange = exchange
        self._should_stop = should_stop
        self._until = until
        self._begun = False
        try:
            head = self._next()
        except BaseException:
            self.close()
            raise
        assert isinstance(head, _Head)
        self.status = head.status
        self.headers = head.headers

    def __enter__(self) -> Reply:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def streams(self) -> bool:
        """Whether the body is a stream of events; else it is one document."""
        return self.headers.get("content-type", "").startswith("text/event-stream")

    def close(self) -> None:
        """End the exchange; a body that has not been read to its end costs the connection."""
        if not self._exchange.over:
            self._http.abort()
        self._exchange.give_up()

    def finish(self) -> None:
        """Read the little that stands after the end of the last event, so that the connection can be kept."""
        try:
            while not self._exchange.over:
                self._exchange.take(LAST_BYTES_S)
        except Empty:
            return

    def chunks(self) -> Iterator[bytes]:
        """Yield the body's bytes as they arrive."""
        size = 0
        while isinstance(chunk := self._next(), bytes):
            self._begun = True
            size += len(chunk)
            if size > self._http.limit_bytes:
                raise BadResponse(
                    f"{self.url} sent more than {self._http.limit_bytes} bytes",
                    hint="ask for fewer tokens",
                    url=self.url,
                )
            yield chunk

    def events(self) -> Iterator[Event]:
        """Yield the events of a stream; the very last may be cut short when the stream was."""
        framer = EventFramer()
        for chunk in self.chunks():
            yield from framer.feed(chunk)
        yield from framer.close()

    def text(self, limit: int | None = None) -> str:
        """Read the body as text without the key in it, up to about `limit` bytes."""
        body = bytearray()
        for chunk in self.chunks():
            body += chunk
            if limit is not None and len(body) >= limit:
                break
        return self._http.clean(body.decode("utf-8", "replace"))

    def json(self) -> JSON:
        """Read the body as one JSON value."""
        text = self.text()
        try:
            return cast("JSON", json.loads(text))  # json's own types are what JSON spells out
        except (ValueError, RecursionError) as error:
            raise bad_body(self.status, self.url, text) from error

    def _next(self) -> _Head | bytes | None:
        limits = self._http.timeouts
        now = time.monotonic()
        patience_s = limits.idle_s if self._begun else limits.first_byte_s
        late = now + patience_s
        until = late if self._until is None else min(late, self._until)
        while True:
            if self._should_stop is not None and self._should_stop():
                raise Cancelled(f"the request to {self.url} was stopped", url=self.url)
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise self._too_late(patience_s if until == late else limits.total_s or 0.0)
            try:
                item = self._exchange.take(left_s if self._should_stop is None else min(left_s, POLL_S))
            except Empty:
                continue
            if isinstance(item, Exception):
                raise self._foreign(item) from item
            return item

    def _foreign(self, error: Exception) -> Exception:
        if not is_foreign(error):
            return error
        ours = from_foreign(error, self.url, self._http.start_hint)
        if self._begun:
            ours.facts.pop("dropped", None)
        return ours

    def _too_late(self, waited_s: float) -> EndpointError:
        if self._begun:
            return BadResponse(
                f"{self.url} stopped in the middle of its answer: nothing for {waited_s:g} s",
                hint="look at the server's log, or allow more time",
                retryable=True,
                url=self.url,
            )
        return Unreachable(
            f"{self.url} accepted the request and did not answer within {waited_s:g} s",
            hint="the model may still be loading, or the prompt is long: allow more time",
            url=self.url,
        )


@dataclass(frozen=True, slots=True)
class _Head:
    status: int
    headers: Mapping[str, str]


class Exchange:
    """One request on a thread: its head, the body's chunks, then None; or an exception in their place."""

    def __init__(self, transmit: Callable[[], requests.Response]) -> None:
        self.over = False
        self._given_up = False
        self._items: SimpleQueue[_Head | bytes | Exception | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(transmit,), daemon=True, name="bridle-http")
        self._thread.start()

    def take(self, timeout_s: float) -> _Head | bytes | Exception | None:
        """Return the next item; raises `queue.Empty` when there is none in time."""
        item = self._items.get(timeout=timeout_s)
        self.over = self.over or item is None or isinstance(item, Exception)
        return item

    def give_up(self) -> None:
        """Let the thread end; one that is still connecting ends by itself later and sends nothing on."""
        self._given_up = True
        self._thread.join(timeout=1.0)

    def _run(self, transmit: Callable[[], requests.Response]) -> None:
        from bridle.endpoints.http_session import body_chunks

        try:
            # A socket that is shut down but not closed swallows what the server sends: it would never notice.
            with transmit() as response:
                if self._given_up:
                    return
                headers = {name.lower(): value for name, value in response.headers.items()}
                self._items.put(_Head(response.status_code, headers))
                for chunk in body_chunks(response):
                    self._items.put(chunk)
            self._items.put(None)
        except Exception as error:  # noqa: BLE001 - it is raised again where the caller waits
            self._items.put(error)
