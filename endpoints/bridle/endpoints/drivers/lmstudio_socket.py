"""LM Studio's websocket protocol: a session with one of its namespaces, remote calls and channels in it.

Format: the Python package `lmstudio` 1.5.0 (json_api.py, _ws_impl.py) and lmstudio-js (LMStudioClient.ts,
2026). A socket stands for a namespace, as `llm`. It begins with a greeting that carries the key; then each
call and each channel has a number, and messages of several may be mixed. What is asked is written elsewhere.
"""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Callable, Generator, Mapping
from typing import NoReturn

from bridle.endpoints.json_paths import text_at, value_at
from bridle.endpoints.transport.http import Http
from bridle.endpoints.transport.http_errors import overflow
from bridle.endpoints.transport.sockets import Socket, open_socket
from bridle.errors import (
    AuthError,
    BadResponse,
    Cancelled,
    ConstraintRejected,
    ContextOverflow,
    EndpointError,
    ModelNotFound,
    RequestRefused,
    ServerCrashed,
    StreamTruncated,
    TimedOut,
    UnsupportedParameter,
)
from bridle.messages import JSON

__all__ = ["Session", "failure"]

GREETING_S = 5.0
"""How long a server may take to answer the greeting; one that does not speak the protocol may say nothing."""
LAST_PACKETS = frozenset({"success", "alreadyLoaded", "loadSuccess"})
"""The kinds of messages behind which a channel has nothing more to say."""
NO_MODEL_CODES = frozenset(
    {
        "generic.noModelMatchingQuery",
        "generic.identifierNotFound",
        "generic.pathNotFound",
        "generic.domainMismatch",
        "generic.specificModelUnloaded",
    }
)
_TOKEN = re.compile(r"sk-lm-(?P<id>[^:]+):(?P<passkey>.+)")
_CONSTRAINT = re.compile(r"\bgrammar\b|json.?schema|structured", re.IGNORECASE)

_log = logging.getLogger(__name__)


class Session:
    """A socket to one namespace, opened when it is first needed and again when it was lost in between."""

    def __init__(self, root: str, http: Http, namespace: str = "llm") -> None:
        """Take the server's address without a path of an API; nothing is sent yet."""
        self.url = f"ws{root.removeprefix('http')}/{namespace}"
        self._http = http
        self._socket: Socket | None = None
        self._last = 0

    def open(self) -> None:
        """Open the socket and greet, unless that is done.

        Raises:
            MissingExtra: when the package websockets is not installed.
            AuthError: when the server does not take the key.
            EndpointError: and its other kinds, when there is no such server.
        """
        self._opened()

    def close(self) -> None:
        """End the connection; the next call opens another one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def call(
        self, endpoint: str, parameter: JSON = None, should_stop: Callable[[], bool] | None = None
    ) -> JSON:
        """Call a remote procedure and return its result.

        Raises:
            Cancelled: when `should_stop` said so.
            EndpointError: and its other kinds.
        """
        number = self._send("rpcCall", "callId", {"endpoint": endpoint}, "parameter", parameter)
        limits = self._http.timeouts
        until = time.monotonic() + limits.total_s if limits.total_s else None
        message = self._next("callId", number, should_stop, limits.first_byte_s, until)
        if text_at(message, "type") == "rpcResult":
            return message.get("result")
        if text_at(message, "type") == "rpcError":
            raise failure(message.get("error"), self.url, self._http)
        self._lost(message)

    def channel(
        self, endpoint: str, parameter: JSON, should_stop: Callable[[], bool] | None = None
    ) -> Generator[JSON]:
        """Open a channel and yield what the server says on it, up to the message that ends it.

        Who stops iterating before that (close the iterator), or stops by `should_stop`, cancels it. Until
        the first fragment of an answer, the limit of time is that for a first byte.

        Raises:
            Cancelled: when `should_stop` said so.
            StreamTruncated: when the channel ended before its end had come.
            EndpointError: and its other kinds.
        """
        number = self._send(
            "channelCreate", "channelId", {"endpoint": endpoint}, "creationParameter", parameter
        )
        limits = self._http.timeouts
        until = time.monotonic() + limits.total_s if limits.total_s else None
        patience_s = limits.first_byte_s
        try:
            while True:
                packet = self._packet(number, should_stop, patience_s, until)
                last = text_at(packet, "type") in LAST_PACKETS
                if last:
                    number = 0
                elif text_at(packet, "type") == "fragment":
                    patience_s = limits.idle_s
                yield packet
                if last:
                    return
        except (Cancelled, GeneratorExit):
            self._cancel(number)
            raise

    def _packet(
        self,
        number: int,
        should_stop: Callable[[], bool] | None,
        patience_s: float,
        until: float | None,
    ) -> JSON:
        message = self._next("channelId", number, should_stop, patience_s, until)
        kind = text_at(message, "type")
        if kind == "channelSend":
            packet = message.get("message")
            if text_at(packet, "type") == "error":
                raise failure(value_at(packet, "error"), self.url, self._http)
            return packet
        if kind == "channelError":
            raise failure(message.get("error"), self.url, self._http)
        if kind == "channelClose":
            hint = "the server may have failed: look at its log"
            raise StreamTruncated(f"{self.url} ended an answer before it was whole", hint=hint, url=self.url)
        self._lost(message)

    def _opened(self) -> Socket:
        if self._socket is not None and not self._socket.is_open:
            self.close()
        if self._socket is None:
            self._socket = open_socket(self.url, self._http)
            try:
                self._greet(self._socket)
            except EndpointError:
                self.close()
                raise
        return self._socket

    def _greet(self, opened: Socket) -> None:
        opened.send(json.dumps(_credentials(self._http.key)))
        text = opened.receive(timeout_s=GREETING_S)
        answer = self._parsed(text or "")
        if value_at(answer, "success") is True:
            return
        if value_at(answer, "success") is False:
            said = _words(value_at(answer, "error")) or "no reason given"
            raise AuthError(
                f"{self.url} did not let us in: {self._http.clean(said)}",
                hint=f"put a token of LM Studio into {self._http.key_env or 'LM_API_TOKEN'}",
                url=self.url,
            )
        self._lost(answer)

    def _send(self, kind: str, number_name: str, head: Mapping[str, JSON], body_name: str, body: JSON) -> int:
        opened = self._opened()
        self._last += 1
        message: dict[str, JSON] = {"type": kind, **head, number_name: self._last}
        if body is not None:
            message[body_name] = body
        try:
            opened.send(json.dumps(message, ensure_ascii=False))
        except EndpointError:
            self.close()
            raise
        return self._last

    def _next(
        self,
        number_name: str,
        number: int,
        should_stop: Callable[[], bool] | None,
        patience_s: float,
        until: float | None = None,
    ) -> dict[str, JSON]:
        """Wait for the next message of one call or channel; those of others, given up, are passed over.

        It is waited for on the socket that the call went out on: no answer comes on another one.
        """
        opened = self._socket
        assert opened is not None
        try:
            while True:
                left_s = patience_s if until is None else min(patience_s, until - time.monotonic())
                text = opened.receive(should_stop, left_s)
                if text is None:
                    hint = "it may have been stopped: look whether LM Studio is still running"
                    raise ServerCrashed(f"{self.url} closed the connection", hint=hint, url=self.url)
                message = self._parsed(text)
                if message.get("type") == "communicationWarning":
                    _log.warning("%s warns: %s", self.url, message.get("warning"))
                elif message.get(number_name) == number:
                    return message
        except TimedOut as error:
            self.close()
            if until is not None and time.monotonic() >= until:
                error.facts["limit"] = "total"
            raise
        except (ServerCrashed, BadResponse):
            self.close()
            raise

    def _cancel(self, number: int) -> None:
        if not number or self._socket is None:
            return
        message = {"type": "channelSend", "channelId": number, "message": {"type": "cancel"}}
        try:
            self._socket.send(json.dumps(message))
        except EndpointError:
            self.close()  # it is gone, and the answer with it

    def _parsed(self, text: str) -> dict[str, JSON]:
        try:
            message: JSON = json.loads(text)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            self._lost(text)
        return message

    def _lost(self, message: object) -> NoReturn:
        self.close()
        shown = self._http.clean(str(message))[:200]
        raise BadResponse(
            f"{self.url} sent what LM Studio does not send: {shown!r}",
            hint="check that host and port are those of LM Studio's server",
            url=self.url,
        )


def _credentials(key: str) -> dict[str, JSON]:
    """Write the greeting. Of a token its two halves are sent; without one we are a guest."""
    found = _TOKEN.fullmatch(key)
    return {
        "authVersion": 1,
        "clientIdentifier": found["id"] if found else f"guest:{uuid.uuid4()}",
        "clientPasskey": found["passkey"] if found else str(uuid.uuid4()),
    }


def failure(error: JSON, url: str, http: Http) -> EndpointError:
    """Make an error of ours of one that LM Studio sent (a title, perhaps a cause and a suggestion)."""
    said = http.clean(_words(error)) or "no reason given"
    code = text_at(error, "displayData", "code")
    hint = http.clean(text_at(error, "suggestion")) or "LM Studio's own words say why"
    numbers = overflow(said)
    message = f"{url}: {' '.join(said.split())[:300]}"
    if numbers is not None:
        hint = "shorten the conversation, or load the model with a larger context"
        error_found = ContextOverflow(message, hint=hint, url=url, body=said)
        error_found.facts.update(numbers)
        return error_found
    kind = RequestRefused
    if code in NO_MODEL_CODES:
        kind, hint = ModelNotFound, "ask for a model that LM Studio has, by the name that `lms ls` shows"
    elif _CONSTRAINT.search(said):
        kind = ConstraintRejected
    elif code == "generic.engineDoesNotSupportFeature":
        kind = UnsupportedParameter
    return kind(message, hint=hint, url=url, body=said, code=code)


def _words(error: JSON) -> str:
    """Join what an error says of itself, each part once."""
    if isinstance(error, str):
        return error
    parts = [text_at(error, name) for name in ("rootTitle", "title", "cause", "message")]
    return ": ".join(dict.fromkeys(part for part in parts if part))
