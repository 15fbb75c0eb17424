"""Move bytes over HTTP: pooled connections per endpoint, deadlines, careful retries, cancellation.

A call can be stopped while the server is still reading the prompt: its connection is closed, and the server
sees it. Nothing here knows what a model is, and `requests` is imported with the first session, never with
this module.
"""

from __future__ import annotations

import ipaddress
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin, urlsplit

from bridle.endpoints.transport.http_errors import bad_body, refusal
from bridle.endpoints.transport.http_reply import DirectExchange, Reply
from bridle.endpoints.transport.http_retries import Patience
from bridle.endpoints.transport.http_watch import OnWait, Timeouts, Watch
from bridle.endpoints.transport.secrets import is_secret, masked
from bridle.errors import BadResponse, Cancelled, ConfigError, EndpointError, RequestRefused
from bridle.messages import JSON

if TYPE_CHECKING:
    import requests

    from bridle.endpoints.transport.http_session import Sockets

__all__ = ["QUICK", "Http", "HttpCall", "Timeouts", "is_loopback"]

MAX_REDIRECTS = 3
REFUSAL_BYTES = 1 << 16
"""How much of a body that explains an error is read."""

QUICK = Timeouts(3.0, 5.0, 5.0)
"""How long what is only nice to know is waited for."""

_ACCEPT = "application/json, text/event-stream, application/x-ndjson"
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One request as a value: GET without a body, else POST with a JSON body.

    `aside` is for a neighbour of the endpoint's own service: it is asked quickly, once, and as a stranger.
    A `foreign` call carries neither the key nor the endpoint's extra headers.
    """

    url: str
    body: Mapping[str, JSON] | None = None
    aside: bool = False
    foreign: bool = False


def is_loopback(url: str) -> bool:
    """Say whether a URL's host is this machine, without asking a name server.

    >>> is_loopback("http://127.0.0.1:5000/v1"), is_loopback("http://192.168.0.7:5000")
    (True, False)
    """
    host = _host(url)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass
class Http:
    """One endpoint's connections. Several threads may use it at once.

    `key` goes out as a bearer token, or as it is in the header that `key_header` names; it appears in no
    error and no repr, and neither do the values of the extra `headers`. `key_env` is the name of the variable
    that would hold the key. `offline` refuses every host but this machine. `retries` counts further attempts
    after an answer that says "later", or after a connection that broke before the answer began; at 0 a call
    is made just once. A server that is loading its model is waited for up to `loading_s` seconds, and
    `on_wait` is told of every wait. `proxy` is used for all calls; without it the environment's, but not for
    this machine. `ca_file` holds the certificates that are trusted; `verify` False trusts any.

    Raises:
        ConfigError: for headers, a proxy or a file that cannot be.
    """

    key: str = field(default="", repr=False)
    key_env: str = ""
    start_hint: str = ""
    timeouts: Timeouts = field(default_factory=Timeouts)
    retries: int = 2
    limit_bytes: int = 64 << 20
    offline: bool = False
    key_header: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    proxy: str = field(default="", repr=False)
    ca_file: str = ""
    verify: bool = True
    loading_s: float = 300.0
    on_wait: OnWait | None = field(default=None, repr=False, compare=False)
    _sessions: dict[bool, requests.Session] = field(
        default_factory=dict[bool, "requests.Session"], init=False, repr=False, compare=False
    )
    _sockets: Sockets | None = field(default=None, init=False, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)
    _n_closed: int = field(default=0, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, value in self._own_headers().items():
            if not _HEADER_NAME.fullmatch(name) or not (value.isascii() and value.isprintable()):
                raise ConfigError(
                    f"the header {name!r}, or its value, has a character that no header may have",
                    hint="give its name and value as plain text on one line",
                )
        if self.proxy and not _host(self.proxy):
            raise ConfigError("the proxy is no URL", hint="write http://HOST:PORT")
        if self.ca_file and not os.path.exists(self.ca_file):
            raise ConfigError(
                f"there is no file of certificates {self.ca_file!r}", hint="give a PEM file of authorities"
            )

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
            Cancelled: when `should_stop` said so, or the connection was closed meanwhile.
            EndpointError: and its other kinds.
        """
        until = time.monotonic() + self.timeouts.total_s if self.timeouts.total_s else None
        retries = 0 if call.aside else self.retries
        patience = Patience(call.url, retries, self.loading_s, should_stop, until, self.on_wait)
        n_closed = self._n_closed
        while True:
            try:
                return self._follow(call, should_stop, until)
            except EndpointError as error:
                if self._n_closed != n_closed and not isinstance(error, Cancelled):
                    raise Cancelled(f"the connection to {call.url} was closed", url=call.url) from error
                patience.wait(error)

    def close(self) -> None:
        """End all connections, also those that are in use."""
        self._n_closed += 1
        self.abort()
        with self._lock:
            sessions = list(self._sessions.values())
            self._sessions.clear()
        for session in sessions:
            session.close()

    def abort(self) -> None:
        """Shut all sockets down, so that reads on them end at once and the server stops generating."""
        if self._sockets is not None:
            self._sockets.shut_down()

    def clean(self, text: str) -> str:
        """Take the key and other secrets out of a text that a server sent back."""
        return masked(text, self._secrets())

    def check_host(self, url: str) -> None:
        """Refuse a host that is not this machine while offline.

        Raises:
            ConfigError: for such a host.
        """
        for one in filter(None, (url, self.proxy)):
            if self.offline and not is_loopback(one):
                raise ConfigError(
                    f"offline: the host {_host(one)!r} is not this machine",
                    hint="leave offline mode, or use an endpoint on 127.0.0.1",
                    url=url,
                )

    def _secrets(self) -> tuple[str, ...]:
        password = urlsplit(self.proxy).password or ""
        all_of_them = (self.key, *self.headers.values(), password, unquote(password))
        return tuple(sorted(filter(is_secret, all_of_them), key=len, reverse=True))

    def _own_headers(self) -> dict[str, str]:
        """The headers that belong to the endpoint alone, the key among them."""
        headers = dict(self.headers)
        if self.key and self.key_header:
            headers[self.key_header] = self.key
        elif self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        return headers

    def _follow(self, call: HttpCall, should_stop: Callable[[], bool] | None, until: float | None) -> Reply:
        here = replace(call, foreign=call.foreign or call.aside)
        for _ in range(MAX_REDIRECTS + 1):
            self.check_host(here.url)
            reply = self._send(here, "" if here.foreign else self.key, should_stop, until)
            if 200 <= reply.status < 300:
                return reply
            with reply:
                target = reply.headers.get("location", "")
                if not 300 <= reply.status < 400 or not target:
                    raise self._refused(reply)
            target = self._target(here.url, target)
            if call.body is not None and reply.status not in (307, 308):
                raise RequestRefused(
                    f"{here.url} has moved to {target}",
                    hint="use that address",
                    url=here.url,
                    status=reply.status,
                )
            leaves = _origin(target) != _origin(here.url)
            here = replace(here, url=target, foreign=here.foreign or leaves)
        raise BadResponse(f"{call.url} redirects for ever", hint="check the URL", url=call.url)

    def _target(self, url: str, location: str) -> str:
        """The address that a redirect names; it may be anything."""
        try:
            target = urljoin(url, location)
            _origin(target)
        except ValueError as error:
            raise BadResponse(
                f"{url} redirects to {self.clean(location)[:80]!r}, which is no URL: {error}",
                hint="check that host, port and path are those of a model server's API",
                url=url,
            ) from error
        return target

    def _refused(self, reply: Reply) -> EndpointError:
        body = reply.text(limit=REFUSAL_BYTES)
        if reply.status < 400:
            return bad_body(reply.status, reply.url, body)
        return refusal(
            reply.status,
            reply.url,
            body,
            key_env=self.key_env,
            has_key=bool(self.key),
            headers=reply.headers,
        )

    def _send(
        self, call: HttpCall, key: str, should_stop: Callable[[], bool] | None, until: float | None
    ) -> Reply:
        from bridle.endpoints.transport.http_session import body_chunks

        timeouts = QUICK if call.aside else self.timeouts
        exchange = DirectExchange(lambda watch: self._transmit(call, key, timeouts, watch), body_chunks)
        return Reply(self, call.url, exchange, should_stop, until, timeouts)

    def _transmit(self, call: HttpCall, key: str, timeouts: Timeouts, watch: Watch) -> requests.Response:
        import requests

        # A proxy of the environment can't reach this machine, and its netrc holds no key for a local server.
        session = self._session(trust_env=not (self.proxy or self.offline or is_loopback(call.url)))
        own = {} if call.foreign else self._own_headers()
        request = requests.Request(
            "GET" if call.body is None else "POST",
            call.url,
            headers={"Accept": _ACCEPT, "Accept-Encoding": "identity"} | own,
            json=None if call.body is None else dict(call.body),
            auth=_unchanged,
        )
        prepared = session.prepare_request(request)
        proxies = {"http": self.proxy, "https": self.proxy} if self.proxy else {}
        settings: dict[str, Any] = {
            **session.merge_environment_settings(
                prepared.url or call.url, proxies, True, self._trusted(), None
            )
        }
        limits = (timeouts.connect_s, timeouts.first_byte_s)
        assert self._sockets is not None
        self._sockets.begin(watch)
        return session.send(prepared, timeout=limits, allow_redirects=False, **settings)

    def _trusted(self) -> bool | str | None:
        """What requests calls `verify`; None leaves it to its defaults and the environment."""
        if not self.verify:
            return False
        return self.ca_file or None

    def _session(self, *, trust_env: bool) -> requests.Session:
        with self._lock:
            if trust_env not in self._sessions:
                from bridle.endpoints.transport.http_session import Sockets, watched_session

                self._sockets = self._sockets or Sockets()
                self._sessions[trust_env] = watched_session(self._sockets, trust_env=trust_env)
            return self._sessions[trust_env]


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add nothing: without this, requests would look for a login in the URL and in netrc."""
    return request


def _host(url: str) -> str:
    """The host of a URL; empty where it names none, or one that cannot be."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or usual
