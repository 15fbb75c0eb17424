"""The real servers: one of each kind for the whole session, started when the first test asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from servers.real import RealServer
from servers.real_kinds import Kind


@pytest.fixture(scope="session")
def real_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Kind], RealServer]]:
    """Give a function that returns the running server of a kind."""
    running: dict[str, RealServer] = {}
    with ExitStack() as ends:

        def started(kind: Kind) -> RealServer:
            if kind.name not in running:
                log = tmp_path_factory.mktemp(kind.name) / "log.txt"
                running[kind.name] = ends.enter_context(kind.start(log, *kind.options))
            return running[kind.name]

        yield started
