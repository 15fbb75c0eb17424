"""How Milvus is reached: addresses are read, pymilvus is imported, and files are opened and given back.

What is kept there is the business of `bridle.agent.archival.milvus`. Read in the sources of pymilvus 3.0.2
(client/connection_manager.py, settings.py) and milvus-lite 3.2.2 (server_manager.py), November 2026.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bridle.agent.archival.exact import is_here, refuse_foreign
from bridle.agent.archival.places import host_of, path_of
from bridle.endpoints.effective import without_password
from bridle.endpoints.environment import MILVUS_TOKEN
from bridle.errors import ConfigError

__all__ = ["connect", "foreign_errors", "give_back", "read_uri"]

CONNECT_S = 5.0

_opening = threading.Lock()
_open_files: dict[str, int] = {}
"""How many indexes of this process have a file open; the last one that closes ends Milvus Lite's server."""


def read_uri(uri: str, *, offline: bool) -> tuple[str, bool]:
    """Return a file's whole path or a server's address, and whether it is a file.

    Raises:
        ConfigError: for what is neither, and for a foreign host while `offline`.
    """
    if "://" not in uri:
        if not uri.endswith(".db"):
            raise ConfigError(
                f"{uri!r} is neither a file of Milvus Lite nor a server's address",
                hint="a file's name must end in .db, as ~/milvus.db; a server is http://HOST:19530",
            )
        return path_of(uri), True
    host = host_of(uri)
    if not host or uri.endswith(".db"):
        raise ConfigError(
            f"{without_password(uri)!r} is no address of a Milvus server", hint="write http://HOST:19530"
        )
    if offline:
        refuse_foreign([host], "Milvus")
    return uri, False


def foreign_errors() -> tuple[type[Exception], ...]:
    """What pymilvus raises when a file or a server cannot be used; ValueError is of a closed channel."""
    _imported()
    library = import_module("pymilvus.exceptions").MilvusException
    return (library, import_module("grpc").RpcError, OSError, ValueError)


def connect(uri: str, told: list[BaseException], *, is_file: bool) -> Any:
    """Open a client. Why a file could not be opened is added to `told`; pymilvus raises less than it logs.

    Raises:
        one of `foreign_errors`: when it cannot be opened.
    """
    pymilvus = _imported()
    # gRPC would ask a proxy of the environment for this machine's own addresses as well.
    direct = is_file or is_here(urlsplit(uri).hostname or "")
    options = {"grpc.enable_http_proxy": 0} if direct else {}
    given: dict[str, Any] = {"dedicated": True, "timeout": CONNECT_S, "grpc_options": options}
    if not is_file:
        return pymilvus.MilvusClient(uri, token=os.environ.get(MILVUS_TOKEN, ""), **given)
    Path(uri).parent.mkdir(parents=True, exist_ok=True)
    with _opening, _Heard("milvus_lite.server_manager", told):
        client = pymilvus.MilvusClient(uri, **given)
        _open_files[uri] = _open_files.get(uri, 0) + 1
    return client


def give_back(client: Any, uri: str, *, is_file: bool) -> None:
    """Close a client, and end the server of a file that nobody in this process uses any more."""
    client.close()
    if not is_file:
        return
    from milvus_lite.server_manager import server_manager_instance  # pyright: ignore[reportMissingTypeStubs]

    with _opening:
        _open_files[uri] -= 1
        if not _open_files[uri]:
            del _open_files[uri]
            server_manager_instance.release_server(uri)


class _Heard(logging.Handler):
    """Takes what a logger is told of an error, in place of a traceback on the screen."""

    def __init__(self, logger: str, told: list[BaseException]) -> None:
        super().__init__(logging.ERROR)
        self._logger = logging.getLogger(logger)
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self._told.append(record.exc_info[1])

    def __enter__(self) -> None:
        self._propagated = self._logger.propagate
        self._logger.propagate = False
        self._logger.addHandler(self)

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)
        self._logger.propagate = self._propagated


def _imported() -> Any:
    """Import pymilvus without what it does on the side: it reads a `.env` file, and logs to the screen."""
    with _opening:
        is_new = "pymilvus" not in sys.modules
        before = dict(os.environ)
        import pymilvus  # pyright: ignore[reportMissingTypeStubs]

        for name in os.environ.keys() - before.keys() if is_new else ():
            del os.environ[name]
        for name in ("pymilvus", "pymilvus.milvus_client", "milvus_lite") if is_new else ():
            logger = logging.getLogger(name)
            logger.handlers[:] = [logging.NullHandler()]
            logger.propagate = True
    return pymilvus
