"""A private Postgres of this machine for tests, started once by `postgres.sh` beside this file.

It is started when a test first needs it and ends with the process. Where the machine has no Postgres, tests
that need one are skipped with the reason and with what installs it.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

__all__ = ["PASSWORD", "URI", "Postgres", "missing_postgres", "postgres"]

SCRIPT = Path(__file__).with_name("postgres.sh")
PASSWORD = "se/cr@et:1%"
"""Of the user over the network, with all that people forget to write as %XX."""
URI = "BRIDLE_TEST_POSTGRES"
"""The variable by which child processes are told the server of this run."""
START_S = 120


class Postgres:
    """A running server. `uri` asks for no password; `address` is of the port, which asks for one."""

    def __init__(self, folder: Path, address: str) -> None:
        self._folder = folder
        self.address = address
        """`postgresql://bridle@127.0.0.1:PORT/postgres`"""
        port = address.rpartition(":")[2].partition("/")[0]
        self.uri = f"postgresql://bridle@/postgres?host={folder}&port={port}"

    def restart(self) -> None:
        """End the server as a crash does, and start it again at the same address."""
        _script("restart", self._folder)

    def stop(self) -> None:
        """End the server as a crash does, until `restart`."""
        _script("halt", self._folder)


def missing_postgres() -> str:
    """Why there is no Postgres here; empty when there is one."""
    places = [os.environ.get("BRIDLE_POSTGRES_BIN", ""), *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
    if any(shutil.which("initdb", path=place) for place in places if place) or shutil.which("initdb"):
        return ""
    return "no Postgres server on this machine: apt-get install postgresql"


def postgres() -> Postgres:
    """The server of this test run; skips the test where there is none."""
    if reason := missing_postgres():
        pytest.skip(reason)
    return _started()


@cache
def _started() -> Postgres:
    # Not in pytest's own folder: the path of a socket is short, and another user has to reach it.
    folder = Path(tempfile.mkdtemp(prefix="bridle-pg-", dir="/tmp")) / "pg"
    folder.parent.chmod(0o755)
    atexit.register(_end, folder)
    started = Postgres(folder, _script("start", folder))
    os.environ[URI] = started.uri
    return started


def _end(folder: Path) -> None:
    _script("stop", folder)
    folder.parent.rmdir()


def _script(act: str, folder: Path) -> str:
    environment = {**os.environ, "BRIDLE_POSTGRES_PASSWORD": PASSWORD}
    command = [str(SCRIPT), act, str(folder)]
    done = subprocess.run(
        command, check=False, env=environment, capture_output=True, text=True, timeout=START_S
    )
    assert done.returncode == 0, f"{SCRIPT.name} {act}: {done.stdout}{done.stderr}"
    return done.stdout.strip()
