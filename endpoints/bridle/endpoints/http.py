"""Move bytes over HTTP: one pooled session per endpoint, deadlines, careful retries, cancellation.

A call can be stopped while the server is still reading the prompt: the socket is shut down, and the server
sees it. Nothing here knows what a model is, and `requests` is imported with the first session, never with
this module.
"""

from __future__ import annotations

import ipaddress
import random
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit
from weakref import WeakSet

from bridle.endpoints.http_errors import bad_body, refusal
from bridle.endpoints.http_reply import POLL_S, Exchange, Reply
from bridle.errors import BadResponse, Cancelled, ConfigError, EndpointError, RequestRefused
from bridle.messages import JSON

if TYPE_CHECKING:
    import requests

__all__ = ["Http", "HttpCall", "Timeouts", "is_loopback"]

MAX_REDIRECTS = 3
LONGEST_WAIT_S = 60.0
"""A server that asks to wait longer (Retry-After) is not waited for."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits in seconds: to connect, until the first byte of the answer, between two bytes, and altogether.

    The first byte may take minutes: a server reads the whole prompt, or loads the model, before it answers.
    """

    connect_s: float = 5.0
    first_byte_s: float = 600.0
    idle_s: float = 120.0
    total_s: float | None = None


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One request as a value: GET without a body, else POST with a JSON body."""

    url: str
    body: Mapping[str, JSON] | None = None


def is_loopback(url: str) -> bool:
    """Say whether a URL's host is this machine, without asking a name server.

    >>> is_loopback("http://127.0.0.1:5000/v1"), is_loopback("http://192.168.0.7:5000")
    (True, False)
    """
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass
class Http:
    """One endpoint's connection. Use it from one thread at a time.

    `key` goes out as a bearer token and appears in no error and no repr; `key_env` is the name of the
    variable that would hold it. `offline` refuses every host but this machine. `retries` counts further
    attempts after an answer that says "later", or after a connection that broke before the answer began.
    """

    key: str = field(default="", repr=False)
    key_env: str = ""
    start_hint: str = ""
    timeouts: Timeouts = Timeouts()
    retries: int = 2
    limit_bytes: int = 64 << 20
    offline: bool = False
    _session: requests.Session | None = field(default=None, init=False, repr=False)
    _sockets: WeakSet[socket.socket] = field(default_factory=WeakSet[socket.socket], init=False, repr=False)

    def ask(self, call: HttpCall) -> JSON:
        """Do one call and return the JSON that came back.

        Raises:
            EndpointError: and its kinds.
        """
        with self.open(call) as reply:
            return reply.json()

    def open(self, call: HttpCall, should_stop: Callable[[], bool] | None = None) -> Reply:
        """Begin one call; the reply has a good status and its body has not been read yet.

        Raises:
            Cancelled: when `should_stop` said so.
            EndpointError: and its other kinds.
        """
        until = time.monotonic() + self.timeouts.total_s if self.timeouts.total_s else None
        attempt = 0
        while True:
            try:
                return self._follow(call, should_stop, until)
            except EndpointError as error:
                wait_s = self._wait_s(error, attempt)
                if wait_s is None:
                    raise
            _sleep(wait_s, should_stop)
            attempt += 1

    def close(self) -> None:
        """End all connections, also one that is in use."""
        self.abort()
        if self._session is not None:
            self._session.close()
            self._session = None

    def abort(self) -> None:
        """Shut the sockets down, so that reads on them end at once and the server stops generating."""
        for one in list(self._sockets):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it was closed already
        self._sockets.clear()

    def clean(self, text: str) -> str:
        """Take the key out of a text that a server sent back."""
        return text.replace(self.key, "***") if self.key else text

    def _wait_s(self, error: EndpointError, attempt: int) -> float | None:
        later = isinstance(error, RequestRefused) and error.retryable
        if attempt >= self.retries or not (later or error.facts.get("dropped")):
            return None
        asked = error.facts.get("retry_after_s")
        if isinstance(asked, float):
            return asked if asked <= LONGEST_WAIT_S else None
        return min(8.0, 0.4 * 2.0**attempt) * random.uniform(0.5, 1.0)

    def _follow(self, call: HttpCall, should_stop: Callable[[], bool] | None, until: float | None) -> Reply:
        url, key = call.url, self.key
        for _ in range(MAX_REDIRECTS + 1):
            self.check_host(url)
            reply = self._send(HttpCall(url, call.body), key, should_stop, until)
            if reply.status < 300:
                return reply
            with reply:
                target = reply.headers.get("location", "")
                if reply.status >= 400 or not target:
                    raise self._refused(reply)
            if call.body is not None and reply.status not in (307, 308):
                target = urljoin(url, target)
                raise RequestRefused(
                    f"{url} has moved to {target}", hint="use that address", url=url, status=reply.status
                )
            there = urljoin(url, target)
            if _origin(there) != _origin(url):
                key = ""
            url = there
        raise BadResponse(f"{call.url} redirects for ever", hint="check the URL", url=call.url)

    def check_host(self, url: str) -> None:
        if self.offline and not is_loopback(url):
            raise ConfigError(
                f"offline: the host {urlsplit(url).hostname!r} is not this machine",
                hint="leave offline mode, or use an endpoint on 127.0.0.1",
                url=url,
            )

    def _refused(self, reply: Reply) -> EndpointError:
        body = reply.text(limit=1 << 16)
        if reply.status < 400:
            return bad_body(reply.status, reply.url, body)
        return refusal(
            reply.status,
            reply.url,
            body,
            key_env=self.key_env,
            has_key=bool(self.key),
            wait=reply.headers.get("retry-after"),
        )

    def _send(
        self, call: HttpCall, key: str, should_stop: Callable[[], bool] | None, until: float | None
    ) -> Reply:
        session = self._open_session()
        # A proxy of the environment can't reach this machine, and its netrc holds no key for a local server.
        session.trust_env = not (self.offline or is_loopback(call.url))
        return Reply(self, call.url, Exchange(lambda: self._transmit(session, call, key)), should_stop, until)

    def _transmit(self, session: requests.Session, call: HttpCall, key: str) -> requests.Response:
        import requests

        def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
            if key:
                request.headers["Authorization"] = f"Bearer {key}"
            return request

        headers = {"Accept": "application/json, text/event-stream", "Accept-Encoding": "identity"}
        request = requests.Request(
            "GET" if call.body is None else "POST",
            call.url,
            headers=headers,
            json=None if call.body is None else dict(call.body),
            auth=authorize,
        )
        prepared = session.prepare_request(request)
        settings: dict[str, Any] = {
            **session.merge_environment_settings(prepared.url or call.url, {}, True, None, None)
        }
        limits = (self.timeouts.connect_s, self.timeouts.first_byte_s + self.timeouts.idle_s)
        return session.send(prepared, timeout=limits, allow_redirects=False, **settings)

    def _open_session(self) -> requests.Session:
        if self._session is None:
            from bridle.endpoints.http_session import watched_session

            self._session = watched_session(self._sockets)
        return self._session


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _sleep(wait_s: float, should_stop: Callable[[], bool] | None) -> None:
    end = time.monotonic() + wait_s
    while (left_s := end - time.monotonic()) > 0:
        if should_stop is not None and should_stop():
            raise Cancelled("the request was stopped while waiting to try again")
        time.sleep(min(left_s, POLL_S))
