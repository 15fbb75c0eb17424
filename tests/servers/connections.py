"""Connections for tests, and a listener that speaks no HTTP."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from bridle.endpoints.transport.http import Http

__all__ = ["open_http", "raw_server"]


@contextmanager
def open_http(**settings: Any) -> Generator[Http]:
    one = Http(**settings)
    try:
        yield one
    finally:
        one.close()


@contextmanager
def raw_server(answer: bytes) -> Generator[tuple[str, list[bytes]]]:
    """A listener that reads once, sends these bytes and hangs up."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    one, _ = listener.accept()
                except OSError:
                    return
                with one:
                    asked.append(one.recv(65536))
                    one.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(2)
