"""Vectors of archival memory in Chroma: a folder, or a server. Search within few entries is exact.

Chroma's own index is HNSW, which finds neighbours by chance and not by proof. So up to 10,000 entries in the
archives that are asked for (of a server 3,000), their vectors are fetched and compared here; beyond, HNSW is
asked with a wide beam. The text is stored beside the vectors for whoever looks into Chroma; bridle itself
searches text in its own file.

Measured with chromadb 1.5.9, November 2026, on 10,000 random vectors of 384 dimensions, the hardest case for
HNSW: as it comes it found 53 % of the ten nearest, with the settings below 99 %; a filter that keeps 1 % is
exact and takes 4 ms, all 10,000 are exact and take 370 ms.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from bridle.agent.archival.base import Entry
from bridle.agent.archival.exact import (
    best,
    check_space,
    distinct,
    is_here,
    named,
    need_packages,
    refuse_foreign,
    unit,
)
from bridle.agent.archival.places import host_of, path_of
from bridle.endpoints.effective import without_password
from bridle.endpoints.environment import CHROMA_TOKEN
from bridle.errors import ConfigError, EmbedderMismatch, IndexUnavailable

if TYPE_CHECKING:
    from bridle.agent.archival.base import Vectors

__all__ = ["ChromaIndex"]

CONNECT_S, CALL_S = 5.0, 60.0
PORT = 8000
BATCH = 1000
EXACT, EXACT_FAR = 10_000, 3_000
"""How many entries of a folder, or of a server, are compared one by one: 0.4 s at 384 dimensions."""
BEAM = 400
"""How many candidates HNSW keeps while it looks."""
HNSW = {"space": "cosine", "ef_construction": 200, "max_neighbors": 32, "ef_search": BEAM}

_Result = TypeVar("_Result")


class ChromaIndex:
    """Keeps the vectors of one `space` as a collection. Several threads may use it at once.

    `uri` is a folder, which is made at the first use, or the address of a server. The token of a server is
    read from the variable BRIDLE_CHROMA_TOKEN. What could not be opened is tried again with the next use.

    Raises:
        ConfigError: for what is neither, and for a foreign host while `offline`.
        MissingExtra: when chromadb is not installed.
    """

    def __init__(self, uri: str, *, space: str, dimensions: int, offline: bool = False) -> None:
        self._uri, self._is_folder = _read_uri(uri, offline=offline)
        need_packages("an index in Chroma", "chroma", "chromadb", "numpy")
        self.name = f"chroma {named(self._uri)}"
        self._space = check_space(space)
        self._dimensions = dimensions
        self._lock = threading.RLock()
        self._client: Any = None  # chromadb is not checked by our type checkers
        self._collection: Any = None

    def upsert(self, entries: Sequence[Entry]) -> None:
        """Add entries, or put them in the place of those with the same ids.

        Raises:
            InputError: for a vector of another length than the index was opened for.
        """
        kept, vectors = distinct(entries, self._dimensions)
        for start in range(0, len(kept), BATCH):
            some = kept[start : start + BATCH]
            given: dict[str, Any] = {
                "ids": [str(entry.id) for entry in some],
                "embeddings": vectors[start : start + BATCH],
                "metadatas": [{"archive": entry.archive} for entry in some],
                "documents": [_storable(entry.text) for entry in some],
            }
            self._run(partial(_upserted, given))

    def delete(self, ids: Sequence[int]) -> None:
        """Remove entries; ids that are not there do not matter."""
        for start in range(0, len(ids), BATCH):
            some = [str(one) for one in ids[start : start + BATCH]]
            self._run(partial(_deleted, some))

    def search(self, vector: Vectors, archives: Sequence[int], k: int) -> list[tuple[int, float]]:
        """Return ids and cosines of the `k` nearest in these archives, best first, equal ones by id."""
        question = unit(vector, self._dimensions)
        if not archives or k < 1:
            return []
        where = _within(archives)

        def nearest(collection: Any) -> list[tuple[int, float]]:
            n_there = len(collection.get(where=where, include=[])["ids"])
            if n_there > (EXACT if self._is_folder else EXACT_FAR):
                found = self._looked_up(collection, question, where, k)
                if len(found) == min(k, n_there):
                    return found
            return best(*self._compared(collection, question, {"where": where}), k)

        return self._run(nearest)

    def cosines(self, vector: Vectors, ids: Sequence[int]) -> dict[int, float]:
        """The cosines of those of these entries that are there."""
        question = unit(vector, self._dimensions)
        found: dict[int, float] = {}
        for start in range(0, len(ids), BATCH):
            some = [str(one) for one in ids[start : start + BATCH]]
            found.update(self._run(partial(self._cosines, question, some)))
        return found

    def _cosines(self, question: Vectors, ids: list[str], collection: Any) -> list[tuple[int, float]]:
        return best(*self._compared(collection, question, {"ids": ids}), len(ids))

    def count(self, archives: Sequence[int] | None = None) -> int:
        """How many entries there are, in all or in these archives."""
        if archives is None:
            return self._run(lambda collection: int(collection.count()))
        if not archives:
            return 0
        where = _within(archives)
        return self._run(lambda collection: len(collection.get(where=where, include=[])["ids"]))

    def ids(self) -> Iterator[int]:
        """All ids, in any order."""
        found: list[str] = self._run(lambda collection: collection.get(include=[])["ids"])
        return (int(one) for one in found)

    def clear(self) -> None:
        """Remove everything that this index keeps, the collection as well."""
        with self._lock:
            self._run(lambda _: self._client.delete_collection(self._space))
            self._collection = None

    def close(self) -> None:
        """Give the folder or the connection back. Using the index again opens it again."""
        with self._lock:
            self._close()

    def _compared(
        self, collection: Any, question: Vectors, which: Mapping[str, Any]
    ) -> tuple[list[int], Vectors]:
        """Fetch vectors and compare them here."""
        import numpy as np

        found = collection.get(include=["embeddings"], **which)
        rows = np.asarray(found["embeddings"], np.float32).reshape(-1, self._dimensions)
        return [int(one) for one in found["ids"]], rows @ question

    def _looked_up(
        self, collection: Any, question: Vectors, where: Mapping[str, Any], k: int
    ) -> list[tuple[int, float]]:
        found = collection.query(
            query_embeddings=[question], n_results=max(k, BEAM), where=where, include=["distances"]
        )
        ids = [int(one) for one in found["ids"][0]]
        return best(ids, [1.0 - one for one in found["distances"][0]], k)

    def _run(self, work: Callable[[Any], _Result]) -> _Result:
        """Do one piece of work.

        Raises:
            IndexUnavailable: when the folder or the server cannot be used.
        """
        with self._lock:
            foreign = (
                import_module("chromadb.errors").ChromaError,
                import_module("httpx").HTTPError,
                ValueError,  # no server there, a folder of another version
                OSError,
            )
            try:
                if self._collection is None:
                    self._collection = self._opened()
                return work(self._collection)
            except foreign as error:
                self._close()
                raise self._unavailable(error) from error

    def _opened(self) -> Any:
        if self._client is None:
            self._client = _connect(self._uri, is_folder=self._is_folder)
        errors = import_module("chromadb.errors")
        try:
            collection = self._client.get_collection(self._space, embedding_function=None)
        except errors.NotFoundError:
            collection = self._client.get_or_create_collection(
                self._space,
                embedding_function=None,
                configuration={"hnsw": HNSW},
                metadata={"dimensions": self._dimensions},
            )
        told: Mapping[str, Any] = collection.metadata or {}
        held = told.get("dimensions")
        if held != self._dimensions:
            raise EmbedderMismatch(
                f"the collection {self._space!r} of {self.name} has vectors of {held} dimensions, "
                f"not {self._dimensions}",
                hint="`bridle memory reembed` makes all vectors anew",
            )
        return collection

    def _unavailable(self, error: BaseException) -> IndexUnavailable:
        words = " ".join(str(error).split()) or type(error).__name__
        server = f"is it running, and is {CHROMA_TOKEN} right"
        hint = "is the folder whole and writable" if self._is_folder else server
        return IndexUnavailable(
            f"{self.name} cannot be used: {without_password(words)}",
            hint=f"{hint}? Text is still found, and what is new waits",
        )

    def _close(self) -> None:
        client, self._client, self._collection = self._client, None, None
        if client is not None:
            if not self._is_folder:  # what the client's own `close` leaves open
                for one in (client._server, client._admin_client._server):
                    one._session.close()
            client.close()


def _connect(uri: str, *, is_folder: bool) -> Any:
    chromadb = import_module("chromadb")
    # No `.env` file of the folder that one happens to stand in is read.
    settings = import_module("chromadb.config").Settings(_env_file=None, anonymized_telemetry=False)
    if is_folder:
        return chromadb.PersistentClient(uri, settings=settings)
    parts = urlsplit(uri)
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    token = os.environ.get(CHROMA_TOKEN, "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    port = parts.port or (443 if is_tls else PORT)
    shown_host = f"[{host}]" if ":" in host else host
    _ask_first(f"{parts.scheme}://{shown_host}:{port}", headers, is_here=is_here(host))
    with _without_proxy() if is_here(host) else nullcontext():
        client = chromadb.HttpClient(host, port, ssl=is_tls, headers=headers, settings=settings)
    # It would wait for ever for a server that is stuck, and has no setting for that.
    client._server._session.timeout = CALL_S
    return client


def _ask_first(base: str, headers: Mapping[str, str], *, is_here: bool) -> None:
    """See that a server is there and lets us in: the client waits without limit, and leaves sockets open."""
    import requests

    with requests.Session() as session:
        session.trust_env = not is_here
        with session.get(
            f"{base}/api/v2/auth/identity", headers=dict(headers), timeout=(CONNECT_S, CALL_S)
        ) as answer:
            answer.raise_for_status()


@contextmanager
def _without_proxy() -> Generator[None]:
    """Keep this machine's own addresses from a proxy of the environment: the client asks for it when made."""
    before = {name: os.environ.get(name) for name in ("no_proxy", "NO_PROXY")}
    os.environ.update(dict.fromkeys(before, "*"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _read_uri(uri: str, *, offline: bool) -> tuple[str, bool]:
    """Return a folder's whole path or a server's address, and whether it is a folder."""
    if "://" not in uri:
        return path_of(uri), True
    host = host_of(uri)
    if not host:
        raise ConfigError(
            f"{without_password(uri)!r} is neither a folder nor the address of a Chroma server",
            hint="write a path such as ~/chroma, or http://HOST:8000",
        )
    if offline:
        refuse_foreign([host], "Chroma")
    return uri, False


def _upserted(given: Mapping[str, Any], collection: Any) -> None:
    collection.upsert(**given)


def _deleted(ids: list[str], collection: Any) -> None:
    collection.delete(ids=ids)


def _within(archives: Sequence[int]) -> Mapping[str, Any]:
    return {"archive": {"$in": [int(one) for one in archives]}}


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
