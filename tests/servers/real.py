"""Real servers of llama.cpp on this machine, with the embedded model, for tests.

llama-cpp-python's server comes with the development extra. llama-server is a program that somebody has to
build once: `tests/servers/build_llama_server.sh` does, and tests that need it are skipped until then.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import pytest

from bridle.endpoints import embedded

__all__ = [
    "EMBEDDED",
    "LLAMA_SERVER",
    "RealServer",
    "llama_cpp_server",
    "llama_server",
    "needs_llama_server",
]

EMBEDDED = Path(embedded.__file__).with_name("bridle-embedded.gguf")
START_S = 60.0
"""How long a server may take to answer; it is about one second on an idle machine."""
LAUNCHER = Path(__file__).with_name("start_llama_cpp_server.py")


def _built() -> Path:
    """Where the program is; asked when this module is imported, since each test has a home of its own."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    built = sorted((cache / "bridle").glob("llama-server-*/llama-server"))
    usual = built[-1] if built else cache / "bridle" / "llama-server-VERSION" / "llama-server"
    return Path(os.environ.get("BRIDLE_LLAMA_SERVER") or usual)


LLAMA_SERVER = _built()

needs_llama_server = pytest.mark.skipif(
    not os.access(LLAMA_SERVER, os.X_OK),
    reason=f"no {LLAMA_SERVER}: build it with tests/servers/build_llama_server.sh",
)
"""Marks a test that needs a built llama-server."""


class RealServer:
    """A server process. What it logs goes into a file, whose new lines `told` returns."""

    def __init__(self, command: Sequence[str], port: int, log: Path, health: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._command = list(command)
        self._health = f"{self.url}{health}"
        self._log = log
        self._n_read = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and wait until it answers; also again, at the same address."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)
        end = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise AssertionError(f"{self._command[:3]} did not start:\n{self.told()[-4000:]}")
            time.sleep(0.05)

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End the process as `kill -9` does, and wait for its end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def told(self) -> str:
        """Return what was logged since this was last asked."""
        text = self._log.read_bytes()[self._n_read :].decode("utf-8", "replace")
        self._n_read = self._log.stat().st_size
        return text

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self._health, timeout=2):
                return True
        except (URLError, OSError):
            return False


@contextmanager
def llama_server(log: Path, *options: str, model: Path | None = EMBEDDED) -> Generator[RealServer]:
    """Run llama-server, without a model as a router.

    `--no-repack`: some virtual machines show AMX and end what uses it.
    """
    port = _free_port()
    command = [str(LLAMA_SERVER), "--host", "127.0.0.1", "--port", str(port), "-t", "1", "--no-repack"]
    command += [*(["-m", str(model)] if model else []), *options]
    with _running(RealServer(command, port, log, "/health")) as server:
        yield server


@contextmanager
def llama_cpp_server(log: Path, *options: str, model: Path = EMBEDDED) -> Generator[RealServer]:
    """Run llama-cpp-python's server."""
    port = _free_port()
    command = [sys.executable, str(LAUNCHER), "--model", str(model), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--n_threads", "1", "--n_threads_batch", "1", *options]
    with _running(RealServer(command, port, log, "/v1/models")) as server:
        yield server


@contextmanager
def _running(server: RealServer) -> Generator[RealServer]:
    try:
        server.start()
        yield server
    finally:
        server.kill()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
