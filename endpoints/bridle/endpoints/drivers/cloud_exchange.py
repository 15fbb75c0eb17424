"""One request of OpenAI's package on a thread of its own, so that the caller can give it up at any moment.

The package's calls block until the answer begins. Its HTTP library reports each socket that it opens, and a
socket that is shut down ends the call at once, also while the service is still thinking.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol
from weakref import WeakSet

from bridle.endpoints.drivers.cloud_errors import answered
from bridle.endpoints.transport.http_reply import Exchange, Head

__all__ = ["Arriving", "SdkExchange", "Send", "Sockets"]


class Arriving(Protocol):
    """An answer whose body is still to come, as the package hands it over."""

    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def iter_bytes(self) -> Iterator[bytes]: ...


Send = Callable[[], AbstractContextManager[Arriving]]
"""Sends the request; the answer is closed when its block is left."""


class Sockets:
    """The open sockets of one client."""

    def __init__(self) -> None:
        self._open: WeakSet[socket.socket] = WeakSet()

    def watch(self, request: Any) -> None:
        """Have a request of httpx or httpx2 tell which sockets it opens: both know a `trace` extension."""
        request.extensions["trace"] = self._trace

    def shut_down(self) -> None:
        """Shut them down, so that reads on them end at once and the service stops."""
        for one in list(self._open):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it was closed already
        self._open.clear()

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            opened = info["return_value"].get_extra_info("socket")
            # TLS to a server through TLS to a proxy has no socket of its own.
            if isinstance(opened, socket.socket):
                self._open.add(opened)


class SdkExchange(Exchange):
    """An exchange over one client; `done` is called when the client is free for another one."""

    def __init__(self, send: Send, sockets: Sockets, done: Callable[[], None]) -> None:
        """Begin at once."""
        self._sockets = sockets
        self._done = done
        super().__init__(send)

    def give_up(self) -> None:
        """End the request; one that is still connecting ends by itself later and sends nothing on."""
        self._given_up = True
        if not self.over:
            self._sockets.shut_down()
        super().give_up()

    def _run(self, transmit: Send) -> None:
        try:
            self._receive(transmit)
        except Exception as error:  # noqa: BLE001 - it is raised again where the caller waits
            self._tell(error)
        finally:
            self._done()

    def _receive(self, send: Send) -> None:
        with send() as answer:
            headers = {name.lower(): value for name, value in answer.headers.items()}
            self._items.put(Head(answer.status_code, headers))
            for chunk in answer.iter_bytes():
                if self._given_up:
                    return
                self._items.put(chunk)
        self._items.put(None)

    def _tell(self, error: Exception) -> None:
        found = answered(error)
        if found is None:
            self._items.put(error)
            return
        self._items.put(Head(found.status, found.headers))
        self._items.put(found.body)
        self._items.put(None)
