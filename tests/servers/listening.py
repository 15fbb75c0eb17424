"""What the real HTTP servers of the tests share: a free port of this machine, a thread, and an end."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Listener"]


class Listener:
    """Serves with handlers of a class until it is closed; `url` is its root."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._released = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def is_closed(self) -> bool:
        return self._released.is_set()

    def hold(self, seconds: float) -> None:
        """Wait, but not beyond the server's own end."""
        self._released.wait(seconds)

    def close(self) -> None:
        self._released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
