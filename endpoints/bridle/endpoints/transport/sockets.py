"""WebSockets with the manners of `transport.http`: the same key, offline rule, limits and errors.

One socket carries text messages both ways. Nothing here knows what is in them. The package `websockets`
(15 to 17, 2025-2026) is imported with the first socket; the extra `lmstudio` installs it.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

from bridle.endpoints.transport.http import is_loopback
from bridle.endpoints.transport.http_errors import bad_body, from_foreign, refusal
from bridle.endpoints.transport.http_reply import POLL_S
from bridle.errors import (
    BadResponse,
    Cancelled,
    EndpointError,
    MissingExtra,
    RequestRefused,
    ServerCrashed,
    TimedOut,
    Unreachable,
)

if TYPE_CHECKING:
    from websockets.exceptions import ConnectionClosed, WebSocketException
    from websockets.sync.client import ClientConnection

    from bridle.endpoints.transport.http import Http

__all__ = ["Socket", "open_socket"]

CLOSE_S = 0.5
"""How long a server may take to agree that a socket is closed."""
_silent = logging.Logger("bridle.websockets", logging.CRITICAL + 1)
"""Takes the place of the package's own logger, which writes down all headers, and with them the key."""
TOO_BIG = 1009
"""The code with which we close a socket over a message that is too long (RFC 6455, section 7.4.1)."""


class Socket:
    """An open WebSocket. Use it from one thread at a time; leaving the `with` block closes it."""

    def __init__(self, url: str, http: Http, opening: AbstractContextManager[ClientConnection]) -> None:
        """Take a connection that has yet to be entered; `open_socket` makes one."""
        self.url = url
        self._http = http
        self._open = ExitStack()
        self._connection = self._open.enter_context(opening)
        self._answering = False

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether neither side has closed it, as far as is known here."""
        from websockets.protocol import State

        return self._connection.protocol.state is State.OPEN

    def send(self, text: str) -> None:
        """Send one message.

        Raises:
            ServerCrashed: when the connection is gone.
        """
        from websockets.exceptions import ConnectionClosed

        self._answering = False
        try:
            self._connection.send(text)
        except ConnectionClosed as error:
            raise self._broken(error) from error
        except OSError as error:
            raise from_foreign(error, self.url, self._http.start_hint) from error

    def receive(
        self, should_stop: Callable[[], bool] | None = None, timeout_s: float | None = None
    ) -> str | None:
        """Wait for one message; None when the server has closed the socket in good order.

        `should_stop` is asked while nothing arrives. `timeout_s` takes the place of the connection's own
        limits: the one for the first byte after each `send`, then the one between two bytes.

        Raises:
            Cancelled: when `should_stop` said so. The socket stays open.
            TimedOut: when nothing came in time. The socket stays open.
            ServerCrashed: when the connection broke.
            BadResponse: for a message that is too long or no text, and a close that names a failure.
        """
        from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

        limits = self._http.timeouts
        limit, usual_s = ("idle", limits.idle_s) if self._answering else ("first_byte", limits.first_byte_s)
        patience_s = usual_s if timeout_s is None else timeout_s
        until = time.monotonic() + patience_s
        while True:
            if should_stop is not None and should_stop():
                raise Cancelled(f"the request to {self.url} was stopped", url=self.url)
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise self._late(limit, patience_s)
            try:
                wait_s = left_s if should_stop is None else min(left_s, POLL_S)
                message = self._connection.recv(wait_s, decode=False)
            except TimeoutError:
                continue
            except ConnectionClosedOK:
                return None
            except ConnectionClosed as error:
                raise self._broken(error) from error
            self._answering = True
            return self._decoded(message)

    def close(self) -> None:
        """End the connection; a server that does not agree in time loses it all the same."""
        self._open.close()

    def _decoded(self, message: bytes) -> str:
        try:
            return message.decode()
        except UnicodeDecodeError as error:
            raise BadResponse(
                f"{self.url} sent a message that is no text",
                hint="check the kind of the endpoint",
                url=self.url,
            ) from error

    def _late(self, limit: str, waited_s: float) -> TimedOut:
        if limit == "idle":
            said, hint = "stopped in the middle of its answer", "look at the server's log, or allow more time"
        else:
            said = "took the request and did not answer"
            hint = "the model may still be loading, or the prompt is long: allow more time"
        message = f"{self.url} {said}: nothing for {waited_s:g} s"
        return TimedOut(message, hint=hint, limit=limit, seconds=waited_s, url=self.url)

    def _no_message(self, what: str) -> BadResponse:
        hint = "check the kind of the endpoint"
        return BadResponse(f"{self.url} sent a message that is {what}", hint=hint, url=self.url)

    def _broken(self, error: ConnectionClosed) -> EndpointError:
        """Tell a crash from a close for a reason, which may be ours: a message that cannot be taken."""
        if error.sent is not None and error.sent.code == TOO_BIG and not error.rcvd_then_sent:
            return self._no_message(f"longer than {self._http.limit_bytes} bytes")
        if error.rcvd is None:
            return ServerCrashed(
                f"the connection to {self.url} broke off",
                hint="the server may have crashed or restarted: look at its log",
                retryable=True,
                url=self.url,
            )
        reason = self._http.clean(error.rcvd.reason) or "without a reason"
        return BadResponse(
            f"{self.url} closed the connection with code {error.rcvd.code}: {reason}",
            hint="look at the server's log",
            url=self.url,
            code=error.rcvd.code,
        )


def open_socket(url: str, http: Http) -> Socket:
    """Open a socket to `ws://…` or `wss://…`; an address with http stands for the same with ws.

    Raises:
        MissingExtra: when the package websockets is not installed.
        ConfigError: for a foreign host while offline.
        Unreachable: when nothing listens there, or not in time.
        RequestRefused: and its kinds, when the server declines the socket with a status.
        BadResponse: for what is no such server.
    """
    connect = _connect_function()
    from websockets.exceptions import WebSocketException

    url = "ws" + url.removeprefix("http") if url.startswith(("http://", "https://")) else url
    http.check_host(url)
    try:
        return Socket(url, http, connect(url, **_settings(url, http)))
    except WebSocketException as error:
        raise _refused(error, url, http) from error
    except ssl.SSLError as error:
        hint = "a local server usually speaks http, not https; else its certificate is not trusted here"
        message = f"no secure connection to {url}: {error.reason}"
        raise Unreachable(message, hint=hint, retryable=False, url=url) from error
    except OSError as error:
        raise from_foreign(error, url, http.start_hint) from error
    except ValueError as error:
        message = f"{url} sends elsewhere: {http.clean(str(error))}"
        raise RequestRefused(message, hint="use the address that it names", url=url) from error


def _settings(url: str, http: Http) -> dict[str, Any]:
    from websockets.uri import parse_uri

    settings: dict[str, Any] = {
        "additional_headers": _headers(http),
        "compression": None,
        "logger": _silent,
        "proxy": http.proxy or True,
        "open_timeout": http.timeouts.connect_s,
        "close_timeout": CLOSE_S,
        "ping_interval": None,  # a server that computes may not answer pings for a long time
        "max_size": http.limit_bytes,
    }
    if url.startswith("wss://"):
        settings["ssl"] = _trust(http)
    if not http.proxy and (http.offline or is_loopback(url)):
        # A proxy of the environment can't reach this machine; and with a given socket no redirect leaves it.
        parts = parse_uri(url)
        plain = socket.create_connection((parts.host, parts.port), http.timeouts.connect_s)
        plain.settimeout(None)
        settings |= {"proxy": None, "sock": plain}
    return settings


def _headers(http: Http) -> dict[str, str]:
    if not http.key:
        return dict(http.headers)
    name, value = (http.key_header, http.key) if http.key_header else ("Authorization", f"Bearer {http.key}")
    return {**http.headers, name: value}


def _trust(http: Http) -> ssl.SSLContext:
    is_folder = os.path.isdir(http.ca_file)
    context = ssl.create_default_context(
        cafile=None if is_folder else http.ca_file or None, capath=http.ca_file if is_folder else None
    )
    if not http.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _connect_function() -> Callable[..., AbstractContextManager[ClientConnection]]:
    try:
        from websockets.sync.client import connect
    except ImportError as error:
        raise MissingExtra(
            "the package websockets is not installed",
            extra="lmstudio",
        ) from error
    return connect


def _refused(error: WebSocketException, url: str, http: Http) -> EndpointError:
    from websockets.exceptions import InvalidStatus, InvalidURI

    if isinstance(error, InvalidStatus):
        status, body = error.response.status_code, http.clean(error.response.body.decode("utf-8", "replace"))
        if status < 400:
            return bad_body(status, url, body)
        return refusal(status, url, body, key_env=http.key_env, has_key=bool(http.key))
    hint = (
        "check the spelling" if isinstance(error, InvalidURI) else "check that host, port and path are right"
    )
    return BadResponse(f"what listens at {url} does not speak WebSocket: {error}", hint=hint, url=url)
