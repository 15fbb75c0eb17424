"""The part of `bridle.endpoints.http` that touches requests and urllib3; imported with the first session.

It adds one thing to them: the sockets of a session are known, so that a call can be ended from another thread
while it waits for the first byte.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import partial
from typing import Any, cast
from weakref import WeakSet

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.response import HTTPResponse

__all__ = ["body_chunks", "watched_session"]

CHUNK_BYTES = 1 << 16


def watched_session(sockets: WeakSet[socket.socket]) -> requests.Session:
    """Open a session that notes each of its sockets in `sockets`."""
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _WatchedAdapter(sockets))
    return session


class _WatchedAdapter(HTTPAdapter):
    def __init__(self, sockets: WeakSet[socket.socket]) -> None:
        self._watched = sockets
        super().__init__(pool_connections=2, pool_maxsize=2, max_retries=0)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> HTTPConnectionPool:
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        assert isinstance(pool, HTTPConnectionPool)
        plain = cast("type[HTTPConnection]", pool.ConnectionCls)  # the protocol it is typed as lacks `sock`
        if not hasattr(plain, "watched_by_bridle"):
            vars(pool)["ConnectionCls"] = _watched(plain, self._watched)
        return pool


def _watched(plain: type[HTTPConnection], sockets: WeakSet[socket.socket]) -> type[HTTPConnection]:
    def connect(self: HTTPConnection) -> None:
        plain.connect(self)
        # TLS to a server through TLS to a proxy has no socket of its own.
        if isinstance(self.sock, socket.socket):  # pragma: no branch
            sockets.add(self.sock)

    return type("Watched" + plain.__name__, (plain,), {"connect": connect, "watched_by_bridle": True})


def body_chunks(response: requests.Response) -> Iterator[bytes]:
    """Yield a body as it arrives, without waiting for a buffer to fill.

    `iter_content` would wait for the end of a body that has neither a length nor chunks.
    """
    raw = cast("HTTPResponse", response.raw)  # requests leaves it untyped
    if raw.chunked or "content-length" in raw.headers:
        yield from raw.stream(CHUNK_BYTES, decode_content=True)
        return
    yield from iter(partial(raw.read1, CHUNK_BYTES, decode_content=True), b"")
