"""OpenAI and Azure OpenAI through OpenAI's package: the one module that imports it, with the first request.

The package finds the address, signs in, and moves the bytes. What it would hide is done here: it is told not
to try again, and answers are read as they came over the wire. So what is no JSON, has no end, or holds an
error under a good status is seen: openai 1.109.1, 2.54.0 and 3.52.0 give a text, nothing, or empty members.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from os.path import isdir
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from bridle.endpoints.drivers.cloud_errors import from_sdk
from bridle.endpoints.drivers.cloud_exchange import Arriving, SdkExchange, Sockets
from bridle.endpoints.transport.http import QUICK, Http, HttpCall, is_loopback
from bridle.endpoints.transport.http_reply import Reply
from bridle.errors import AuthError, RequestRefused
from bridle.messages import JSON

if TYPE_CHECKING:
    import openai

__all__ = ["Account", "SdkHttp"]

NO_KEY = "not-needed"
"""Sent where there is no key: openai 2 and 3 refuse to be made without one."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where the service is and how to sign in, besides by a key.

    `base` is what the package puts routes behind. With an `api_version` it is Azure's older API, whose routes
    stand below a deployment. `token` returns a fresh bearer token; it is asked for each request.
    """

    base: str = ""
    api_version: str = ""
    token: Callable[[], str] | None = field(default=None, repr=False)
    organization: str | None = None
    project: str | None = None


@dataclass(eq=False)
class _Line:
    """A client of the package, which serves one request at a time, so that each can be ended alone."""

    client: openai.OpenAI
    sockets: Sockets


@dataclass
class SdkHttp(Http):
    """Connections whose requests go through OpenAI's package. Several threads may use them at once."""

    account: Account = Account()
    _free: list[_Line] = field(default_factory=list[_Line], init=False, repr=False, compare=False)
    _used: list[_Line] = field(default_factory=list[_Line], init=False, repr=False, compare=False)
    _shown: str = field(default="", init=False, repr=False, compare=False)
    _lines: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def close(self) -> None:
        """End all connections, also those that are in use."""
        super().close()
        with self._lines:
            free = list(self._free)
            self._free.clear()
        for line in free:
            line.client.close()

    def abort(self) -> None:
        """End all exchanges that are going on."""
        with self._lines:
            used = list(self._used)
        for line in used:
            line.sockets.shut_down()

    def bearer(self) -> str:
        """Ask for a token; it is kept so that it can be taken out of texts.

        Raises:
            AuthError: where there is none.
        """
        token = self.account.token() if self.account.token is not None else ""
        if not token:
            raise AuthError("the function that gives tokens gave an empty one", hint="log in again")
        self._shown = token
        return token

    def _secrets(self) -> tuple[str, ...]:
        both = (*filter(None, [self._shown]), *super()._secrets())
        return tuple(sorted(both, key=len, reverse=True))

    def _follow(self, call: HttpCall, should_stop: Callable[[], bool] | None, until: float | None) -> Reply:
        """Send a call; a service that has moved is not followed, since the key was not meant for that."""
        self.check_host(call.url)
        reply = self._send(call, self.key, should_stop, until)
        if reply.status < 300:
            return reply
        with reply:
            if reply.status >= 400:
                raise self._refused(reply)
        target = reply.headers.get("location", "an address that it does not name")
        raise RequestRefused(
            f"{call.url} has moved to {target}", hint="use that address", url=call.url, status=reply.status
        )

    def _send(
        self, call: HttpCall, key: str, should_stop: Callable[[], bool] | None, until: float | None
    ) -> Reply:
        line = self._take_line()
        exchange = SdkExchange(
            lambda: _sent(self, line.client, call), line.sockets, lambda: self._leave_line(line)
        )
        return _SdkReply(self, call.url, exchange, should_stop, until, QUICK if call.aside else None)

    def _take_line(self) -> _Line:
        with self._lines:
            line = self._free.pop() if self._free else None
        if line is None:
            sockets = Sockets()
            line = _Line(_client(self, sockets), sockets)
        with self._lines:
            self._used.append(line)
        return line

    def _leave_line(self, line: _Line) -> None:
        with self._lines:
            self._used.remove(line)
            self._free.append(line)


class _SdkReply(Reply):
    def _foreign(self, error: Exception) -> Exception:
        return from_sdk(error, self.url, begun=self._begun, start_hint=self._http.start_hint)


def _client(http: SdkHttp, sockets: Sockets) -> openai.OpenAI:
    """Make a client that tries once, follows nothing, and signs in as it is told."""
    import openai

    account, limits = http.account, http.timeouts
    timeout = openai.Timeout(limits.first_byte_s + limits.idle_s, connect=limits.connect_s)
    way: dict[str, Any] = {"proxy": http.proxy} if http.proxy else {}
    way["trust_env"] = not (http.proxy or http.offline or is_loopback(account.base))
    way["event_hooks"] = {"request": [sockets.watch]}
    settings: dict[str, Any] = {
        "timeout": timeout,
        "max_retries": 0,
        "http_client": openai.DefaultHttpxClient(
            timeout=timeout, follow_redirects=False, **way, **_trust(http)
        ),
        "organization": account.organization,
        "project": account.project,
        "default_headers": dict(http.headers),
    }
    token = None if account.token is None else http.bearer
    if not account.api_version:
        return openai.OpenAI(base_url=account.base, api_key=token or http.key or NO_KEY, **settings)
    signed: dict[str, Any] = (
        {"api_key": http.key or NO_KEY} if token is None else {"azure_ad_token_provider": token}
    )
    root = account.base.removesuffix("/openai")
    return openai.AzureOpenAI(azure_endpoint=root, api_version=account.api_version, **signed, **settings)


def _trust(http: Http) -> dict[str, Any]:
    """Say which certificates are trusted; nothing where that is left to the package."""
    if not http.verify:
        return {"verify": False}
    if not http.ca_file:
        return {}
    if isdir(http.ca_file):
        return {"verify": ssl.create_default_context(capath=http.ca_file)}
    return {"verify": ssl.create_default_context(cafile=http.ca_file)}


def _sent(http: SdkHttp, client: openai.OpenAI, call: HttpCall) -> AbstractContextManager[Arriving]:
    """Send a call by the method of the package that its route has."""
    body = dict(call.body or {})
    route = urlsplit(call.url).path
    headers = _headers(http)
    # The package's types differ from release to release; what is used of an answer is `Arriving`.
    package = cast("Any", client)
    if call.body is None:
        sent = package.models.with_streaming_response.list(extra_headers=headers)
    elif route.endswith("/embeddings"):
        named = _split(body, "model", "input", "encoding_format")
        sent = package.embeddings.with_streaming_response.create(**named, extra_headers=headers)
    elif route.endswith("/responses"):
        named = _split(body, "model", "input", "stream")
        sent = package.responses.with_streaming_response.create(**named, extra_headers=headers)
    else:
        named = _split(body, "model", "messages", "stream")
        sent = package.chat.completions.with_streaming_response.create(**named, extra_headers=headers)
    return cast("AbstractContextManager[Arriving]", sent)


def _headers(http: SdkHttp) -> dict[str, Any]:
    """With a key for Azure's older API, keep openai 1 and 2 from sending a token of the environment, too."""
    import openai

    if not http.account.api_version or http.account.token is not None:
        return {}
    return {"api-key": http.key or NO_KEY, "Authorization": openai.Omit()}


def _split(body: dict[str, JSON], *named: str) -> dict[str, Any]:
    """Give the members that every release knows by name, and all others as they are."""
    rest = {name: value for name, value in body.items() if name not in named}
    return {**{name: body[name] for name in named if name in body}, "extra_body": rest}
