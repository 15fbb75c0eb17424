"""The part of the transport that touches requests and urllib3; imported with the first session.

It adds one thing to them: each exchange reads through its own `Watch`, so that it can be ended while it waits
for a byte, in the thread that waits, whatever other exchanges of the session do. All its sockets are known,
so that the whole session can be ended, too.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from queue import Empty, SimpleQueue
from typing import Any, cast
from weakref import WeakSet, ref

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.response import HTTPResponse

from bridle.endpoints.transport.http_watch import Watch

__all__ = ["Sockets", "body_chunks", "watched_session"]

CHUNK_BYTES = 1 << 16
MOST_CONNECTIONS = 16
"""How many connections to one host are kept for later requests."""


class Sockets:
    """The sockets of a session, and for each thread the watch of its present exchange."""

    def __init__(self) -> None:
        self._open: WeakSet[socket.socket] = WeakSet()
        self._lock = threading.Lock()
        self._present = threading.local()

    @property
    def watch(self) -> Watch:
        """The watch of this thread's exchange."""
        found: object = getattr(self._present, "watch", None)
        assert isinstance(found, Watch)
        return found

    def begin(self, watch: Watch) -> None:
        """Let the requests that this thread sends from now on be read through a watch."""
        self._present.watch = watch

    def add(self, one: socket.socket) -> None:
        """Note an open socket."""
        with self._lock:
            self._open.add(one)

    def shut_down(self) -> None:
        """Shut all sockets down, so that reads on them end at once and the servers stop."""
        with self._lock:
            found = list(self._open)
            self._open.clear()
        for one in found:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it was closed already


def watched_session(sockets: Sockets, *, trust_env: bool) -> requests.Session:
    """Open a session whose sockets are watched; `trust_env` lets it read proxies from the environment.

    It keeps no cookies: they would be one thread's business in another thread's request.
    """
    session = _Session()
    session.trust_env = trust_env
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    for scheme in ("http://", "https://"):
        session.mount(scheme, _WatchedAdapter(sockets))
    return session


class _Session(requests.Session):
    """Follows no redirect and looks at none: what a server names may be no URL, which requests won't bear."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


class _WatchedAdapter(HTTPAdapter):
    def __init__(self, sockets: Sockets) -> None:
        self._watched = sockets
        super().__init__(pool_connections=4, pool_maxsize=MOST_CONNECTIONS, max_retries=0)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> HTTPConnectionPool:
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        assert isinstance(pool, HTTPConnectionPool)
        plain = cast("type[HTTPConnection]", pool.ConnectionCls)  # the protocol it is typed as lacks `sock`
        if not hasattr(plain, "watched_by_bridle"):
            vars(pool)["ConnectionCls"] = _watched(plain, self._watched)
        return pool


@dataclass
class _Slot:
    """Holds the watch of the exchange that a connection is used for."""

    watch: Watch


class _PlainSocket(socket.socket):
    """A socket that can be given a method of its own: one of the standard library has no place for it."""


def _connected(connect: Callable[[], socket.socket], watch: Watch) -> socket.socket:
    """Connect; on a thread where the caller may want to stop, because a name server cannot be polled."""
    if not watch.asks:
        return connect()
    found: SimpleQueue[socket.socket | Exception] = SimpleQueue()
    given_up = threading.Event()

    def run() -> None:
        try:
            one = connect()
        except Exception as error:  # noqa: BLE001 - it is raised again where the caller waits
            found.put(error)
            return
        found.put(one)
        if given_up.is_set():
            one.close()

    threading.Thread(target=run, daemon=True, name="bridle-connect").start()
    try:
        item = _waited_for(found, watch)
    except BaseException:
        given_up.set()
        if not found.empty() and isinstance(late := found.get(), socket.socket):  # pragma: no cover - a race
            late.close()
        raise
    if isinstance(item, Exception):
        raise item
    return item


def _waited_for(found: SimpleQueue[socket.socket | Exception], watch: Watch) -> socket.socket | Exception:
    while True:
        try:
            return found.get(timeout=watch.left_s())
        except Empty:
            continue


def _watched(plain: type[HTTPConnection], sockets: Sockets) -> type[HTTPConnection]:
    def new_socket(self: HTTPConnection) -> socket.socket:
        # This method is the one that urllib3 1 and 2 connect with, and that their SOCKS module replaces.
        new = cast("Callable[[HTTPConnection], socket.socket]", getattr(plain, "_new_conn"))  # noqa: B009
        return _connected(partial(new, self), sockets.watch)

    def connect(self: HTTPConnection) -> None:
        plain.connect(self)
        if type(self.sock) is socket.socket:
            self.sock = _own(self.sock)
        assert self.sock is not None
        self.sock.settimeout(sockets.watch.first_byte_s)  # to send may take longer than to connect
        slot = vars(self)["slot"] = _Slot(sockets.watch)
        vars(self.sock)["recv_into"] = _receiving(self.sock, slot)
        # TLS to a server through TLS to a proxy has no socket of its own.
        if isinstance(self.sock, socket.socket):  # pragma: no branch
            sockets.add(self.sock)
        if getattr(self, "cert_reqs", None) in ("CERT_NONE", ssl.CERT_NONE):
            self.is_verified = True  # else urllib3 warns of what the caller has asked for, in each request

    def request(self: HTTPConnection, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            vars(self)["slot"].watch = sockets.watch
            sockets.watch.reused = True
            self.timeout = sockets.watch.first_byte_s
        plain.request(self, *args, **kwargs)

    def getresponse(self: HTTPConnection) -> HTTPResponse:
        response = plain.getresponse(self)
        if response.status < 200:
            self.close()  # the answer to the request is still to come, and would be taken for the next one's
        return response

    members = {
        "_new_conn": new_socket,
        "connect": connect,
        "request": request,
        "getresponse": getresponse,
        "watched_by_bridle": True,
    }
    return type("Watched" + plain.__name__, (plain,), members)


def _own(one: socket.socket) -> _PlainSocket:
    timeout_s = one.gettimeout()
    own = _PlainSocket(one.family, one.type, one.proto, one.detach())
    own.settimeout(timeout_s)
    return own


def _receiving(one: socket.socket, slot: _Slot) -> Callable[..., int]:
    """Make the `recv_into` of a socket, plain or with TLS, that waits in slices and looks at its watch."""
    receive: Callable[..., int] = type(one).recv_into
    itself = cast("Callable[[], Any]", ref(one))  # not the socket: it would keep itself alive

    def recv_into(*args: Any) -> int:
        this = itself()
        while True:
            this.settimeout(slot.watch.left_s())
            try:
                return receive(this, *args)
            except TimeoutError as error:
                # With a number it is the network's own: the other side is gone. No test can make that happen.
                if error.errno is not None:  # pragma: no cover
                    raise

    return recv_into


def body_chunks(response: requests.Response) -> Iterator[bytes]:
    """Yield a body as it arrives, without waiting for a buffer to fill.

    `iter_content` would wait for the end of a body that has neither a length nor chunks.
    """
    raw = cast("HTTPResponse", response.raw)  # requests leaves it untyped
    raw.enforce_content_length = True  # the default only since urllib3 2
    if raw.chunked:
        yield from raw.stream(CHUNK_BYTES, decode_content=True)
    elif hasattr(raw, "read1"):
        yield from iter(partial(raw.read1, CHUNK_BYTES, decode_content=True), b"")
    else:  # pragma: no cover - urllib3 before 2.1, which waits for as many bytes as it is asked for
        yield from raw.stream(CHUNK_BYTES if "content-length" in raw.headers else 1, decode_content=True)
