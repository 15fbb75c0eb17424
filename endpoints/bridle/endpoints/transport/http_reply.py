"""An answer that is arriving over HTTP: its parts in order, each waited for with a deadline.

What brings them is an exchange. `DirectExchange` reads in the thread that waits. `Exchange` runs on a thread
of its own, for libraries whose sockets cannot be watched; giving up leaves that thread to end by itself.
"""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol, cast

from bridle.endpoints.transport.framing import Event, Framer, decode
from bridle.endpoints.transport.http_errors import bad_body, from_foreign, is_foreign
from bridle.endpoints.transport.http_watch import POLL_S, Timeouts, Watch
from bridle.endpoints.transport.ndjson import NDJSON_TYPES, LineFramer
from bridle.endpoints.transport.sse import EventFramer, begins_events, may_begin_events
from bridle.endpoints.transport.surrogates import mended_json
from bridle.endpoints.transport.wire import tap
from bridle.errors import BadResponse, EndpointError, TimedOut
from bridle.messages import JSON

if TYPE_CHECKING:
    import requests

    from bridle.endpoints.transport.http import Http

__all__ = ["POLL_S", "DirectExchange", "Exchange", "Exchanging", "Head", "Reply"]

LAST_BYTES_S = 0.1
"""How long a server may take to end a stream after it said that the stream is done."""


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of an answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]


Item = Head | bytes | None
"""What arrives, in this order: the head, pieces of the body, and None for its end."""


class Exchanging(Protocol):
    """What brings an answer. `over` says that nothing more will come."""

    @property
    def over(self) -> bool: ...

    def take(self, watch: Watch) -> Item:
        """Wait for the next item; raises what the watch or the library raises."""
        ...

    def give_up(self) -> None:
        """End the exchange, wherever it stands."""
        ...


class Reply:
    """An answer that is arriving. Leaving the `with` block ends the exchange, wherever it stands."""

    def __init__(
        self,
        http: Http,
        url: str,
        exchange: Exchanging,
        should_stop: Callable[[], bool] | None,
        until: float | None,
        timeouts: Timeouts | None = None,
    ) -> None:
        """Wait for the head. `until` is a time of `time.monotonic`; `timeouts` replace the connection's."""
        self.url = url
        self._http = http
        self._exchange = exchange
        self._watch = Watch(url, timeouts or http.timeouts, should_stop, until, http.on_wait)
        self._first: bytes | None = None
        try:
            head = self._next()
        except BaseException:
            self.close()
            raise
        assert isinstance(head, Head)
        self.status = head.status
        self.headers = head.headers

    def __enter__(self) -> Reply:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        """The charset that the server declared, if any."""
        _, _, value = self.headers.get("content-type", "").lower().partition("charset=")
        return value.partition(";")[0].strip(" \"'")

    @property
    def streams(self) -> bool:
        """Whether the body is a stream of events; else it is one document.

        Where the content type says neither, the first bytes are waited for: some proxies change the type.
        """
        if self.content_type == "application/json":
            return False
        known = self.content_type == "text/event-stream" or self.content_type in NDJSON_TYPES
        if known:
            return True
        start = self._peek()
        while may_begin_events(start) and (more := self._next_chunk()):
            start = self._first = start + more
        return begins_events(start)

    def close(self) -> None:
        """End the exchange; a body that has not been read to its end costs the connection."""
        self._exchange.give_up()

    def finish(self) -> None:
        """Read the little that stands after the end of the last event, so that the connection can be kept."""
        self._watch.hurry(LAST_BYTES_S)
        try:
            while not self._exchange.over:
                self._exchange.take(self._watch)
        except TimedOut:
            return
        except Exception as error:
            if not is_foreign(error):  # the network's own errors have no common base; all else goes on
                raise

    def chunks(self) -> Iterator[bytes]:
        """Yield the body's bytes as they arrive."""
        size = 0
        chunk = self._peek()
        while chunk:
            size += len(chunk)
            if size > self._http.limit_bytes:
                raise BadResponse(
                    f"{self.url} sent more than {self._http.limit_bytes} bytes",
                    hint="ask for fewer tokens",
                    url=self.url,
                )
            self._first = b""
            tap(chunk)
            yield chunk
            chunk = self._next_chunk()

    def events(self) -> Iterator[Event]:
        """Yield the events of a stream; the very last may be cut short when the stream was."""
        lines = self.content_type in NDJSON_TYPES
        framer: Framer = LineFramer(self.charset) if lines else EventFramer(self.charset)
        for chunk in self.chunks():
            yield from framer.feed(chunk)
        yield from framer.close()

    def text(self, limit: int | None = None) -> str:
        """Read the body as text without the key in it, up to about `limit` bytes.

        With a limit it is content with what had come when the connection failed.
        """
        body = bytearray()
        try:
            for chunk in self.chunks():
                body += chunk
                if limit is not None and len(body) >= limit:
                    break
        except (BadResponse, TimedOut):
            if limit is None:
                raise
        return self._http.clean(decode(bytes(body), self.charset).removeprefix("\ufeff"))

    def json(self) -> JSON:
        """Read the body as one JSON value."""
        text = self.text()
        try:
            return cast("JSON", json.loads(mended_json(text)))  # json's own types are what JSON spells out
        except (ValueError, RecursionError) as error:
            raise bad_body(self.status, self.url, text) from error

    @property
    def _begun(self) -> bool:
        return self._watch.begun

    def _peek(self) -> bytes:
        if self._first is None:
            self._first = self._next_chunk()
        return self._first

    def _next_chunk(self) -> bytes:
        item = None if self._exchange.over else self._next()
        return item if isinstance(item, bytes) else b""

    def _next(self) -> Item:
        try:
            item = self._exchange.take(self._watch)
        except EndpointError:
            raise
        except Exception as error:  # each is raised again, as one of ours where it is the network's
            if self._watch.failure is not None:
                raise self._watch.failure from None
            raise self._foreign(error) from error
        if isinstance(item, bytes):
            self._watch.arrived()
        return item

    def _foreign(self, error: Exception) -> Exception:
        if not is_foreign(error):
            return error
        ours = from_foreign(error, self.url, self._http.start_hint, begun=self._begun)
        if ours.facts.get("dropped"):
            ours.facts["reused"] = self._watch.reused
        return ours


class DirectExchange:
    """One request over sockets that are watched, read in the thread that waits for it."""

    def __init__(
        self,
        transmit: Callable[[Watch], requests.Response],
        body: Callable[[requests.Response], Iterator[bytes]],
    ) -> None:
        """Take what sends the request and returns its head, and what yields the body then."""
        self.over = False
        self._transmit = transmit
        self._body = body
        self._response: requests.Response | None = None
        self._chunks: Iterator[bytes] = iter(())

    def take(self, watch: Watch) -> Item:
        """Wait for the next item; see `Exchanging`."""
        try:
            item = self._take(watch)
        except BaseException:
            self.over = True
            raise
        self.over = item is None
        return item

    def give_up(self) -> None:
        """Close the connection, unless the answer was read to its end."""
        self.over = True
        if self._response is not None:
            self._response.close()

    def _take(self, watch: Watch) -> Item:
        if self._response is None:
            self._response = self._transmit(watch)
            self._chunks = self._body(self._response)
            return Head(self._response.status_code, _lower(self._response.headers))
        watch.left_s()  # also where more is here already than has been taken
        return next(self._chunks, None)


class Exchange(ABC):
    """One request on a thread of its own, by a library whose sockets cannot be watched.

    A subclass's `_run` puts the head, the body's chunks and None into `_items`, or an exception in their
    place; `_given_up` says that nobody will take them any more.
    """

    def __init__(self, transmit: Callable[[], Any]) -> None:
        """Begin at once, with what sends the request."""
        self.over = False
        self._given_up = False
        self._items: SimpleQueue[Item | Exception] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(transmit,), daemon=True, name="bridle-http")
        self._thread.start()

    def take(self, watch: Watch) -> Item:
        """Wait for the next item; see `Exchanging`."""
        while True:
            try:
                item = self._items.get(timeout=watch.left_s())
            except Empty:
                continue
            self.over = self.over or item is None or isinstance(item, Exception)
            if isinstance(item, Exception):
                raise item
            return item

    def give_up(self) -> None:
        """Let the thread end; one that is still connecting ends by itself later and sends nothing on."""
        self._given_up = True
        self._thread.join(timeout=1.0)

    @abstractmethod
    def _run(self, transmit: Callable[[], Any]) -> None:
        """Do the exchange; runs on the thread."""


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
