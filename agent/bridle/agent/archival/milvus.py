"""Vectors of archival memory in Milvus: a file by Milvus Lite, or a server. Search is exact in both.

`~/x.db` is Milvus Lite, which one process can have open at a time; `http://host:19530` is a server for many.
The index is FLAT: every vector of the archives that are asked for is compared. With HNSW a filter that keeps
1 % found 67 % of what it should (10,000 vectors, ef 96), with FLAT all. The text is stored beside the vectors
for whoever looks into Milvus; bridle itself searches text in its own file.

Written for and measured with pymilvus 3.0.2 and milvus-lite 3.2.2, November 2026. Files of Milvus Lite 2
are of another kind and are not read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from bridle.agent.archival.base import Entry
from bridle.agent.archival.exact import (
    PLACES,
    best,
    check_space,
    distinct,
    named,
    need_packages,
    unit,
)
from bridle.agent.archival.milvus_connection import connect, foreign_errors, give_back, read_uri
from bridle.endpoints.effective import without_password
from bridle.endpoints.environment import MILVUS_TOKEN
from bridle.errors import EmbedderMismatch, IndexUnavailable

if TYPE_CHECKING:
    from bridle.agent.archival.base import Vectors

__all__ = ["MilvusIndex"]

CALL_S = 60.0
MOST = 16_384
"""More a server returns of no search, and no more ids are put into one query."""
BATCH_BYTES = 4 << 20
TEXT_BYTES = 65_535
"""What a text field takes; a longer text is cut there. It is whole in bridle's own file."""
LOOSE = 500
"""Milvus Lite looks in plain Python, 30 µs for each, through what it has not written out: it is made to."""
LOCKED = "Open local milvus failed"

_Result = TypeVar("_Result")


class MilvusIndex:
    """Keeps the vectors of one `space` as a collection. Several threads may use it at once.

    Nothing is opened before the first use, and what could not be opened is tried again with the next one. A
    file is held until `close`. The token of a server is read from the variable BRIDLE_MILVUS_TOKEN.

    Raises:
        ConfigError: for what is neither a file's name that ends in .db nor a server's address, and for a
            foreign host while `offline`.
        MissingExtra: when pymilvus, or for a file milvus-lite, is not installed.
    """

    def __init__(self, uri: str, *, space: str, dimensions: int, offline: bool = False) -> None:
        self._uri, self._is_file = read_uri(uri, offline=offline)
        packages = ("pymilvus", "milvus_lite", "numpy") if self._is_file else ("pymilvus", "numpy")
        need_packages("an index in Milvus", "milvus", *packages)
        self.name = f"milvus {named(self._uri)}"
        self._space = check_space(space)
        self._dimensions = dimensions
        self._lock = threading.RLock()
        self._client: Any = None  # pymilvus has no types
        self._n_loose = 0

    def upsert(self, entries: Sequence[Entry]) -> None:
        """Add entries, or put them in the place of those with the same ids.

        Raises:
            InputError: for a vector of another length than the index was opened for.
        """
        kept, vectors = distinct(entries, self._dimensions)
        rows: list[dict[str, object]] = [
            {"id": entry.id, "archive": entry.archive, "text": _storable(entry.text), "vector": vector}
            for entry, vector in zip(kept, vectors, strict=True)
        ]
        step = max(1, min(1000, BATCH_BYTES // (4 * self._dimensions + 1000)))
        for start in range(0, len(rows), step):
            self._put(rows[start : start + step])

    def _put(self, rows: list[dict[str, object]]) -> None:
        self._run(lambda client: client.upsert(self._space, rows, timeout=CALL_S))
        self._n_loose += len(rows)

    def delete(self, ids: Sequence[int]) -> None:
        """Remove entries; ids that are not there do not matter."""
        for some in _parts(ids):
            self._run(partial(self._deleted, some))
            self._n_loose += len(some)

    def _deleted(self, ids: list[int], client: Any) -> None:
        client.delete(self._space, ids=ids, timeout=CALL_S)

    def search(self, vector: Vectors, archives: Sequence[int], k: int) -> list[tuple[int, float]]:
        """Return ids and cosines of the `k` nearest in these archives, best first, equal ones by id.

        Of more than 16,384 only so many are returned: a server has that limit.
        """
        question = unit(vector, self._dimensions)
        if not archives or k < 1:
            return []
        within = _is_in("archive", archives)
        wanted = min(k, MOST)

        def nearest(client: Any) -> list[tuple[int, float]]:
            self._settle(client)
            limit = min(wanted + 8, MOST)
            while True:
                found = self._nearest(client, question, within, limit)
                # Where equal ones go on beyond the limit, those with the smallest ids may not be among them.
                goes_on = len(found) == limit and round(found[-1][1], PLACES) == round(
                    found[wanted - 1][1], PLACES
                )
                if not goes_on or limit == MOST:
                    return best([one[0] for one in found], [one[1] for one in found], wanted)
                limit = min(2 * limit, MOST)

        return self._run(nearest)

    def cosines(self, vector: Vectors, ids: Sequence[int]) -> dict[int, float]:
        """The cosines of those of these entries that are there."""
        import numpy as np

        question = unit(vector, self._dimensions)
        found: dict[int, float] = {}
        for some in _parts(ids, 1000):
            rows = self._query(_is_in("id", some), "id", "vector")
            for row in rows:
                found[int(row["id"])] = float(np.asarray(row["vector"], np.float32) @ question)
        return found

    def count(self, archives: Sequence[int] | None = None) -> int:
        """How many entries there are, in all or in these archives."""
        if archives is not None and not archives:
            return 0
        rows = self._query("" if archives is None else _is_in("archive", archives), "count(*)")
        return int(rows[0]["count(*)"])

    def ids(self) -> Iterator[int]:
        """All ids, in any order."""
        return (int(row["id"]) for row in self._query(f"id >= {-(1 << 63)}", "id"))

    def clear(self) -> None:
        """Remove everything that this index keeps, the collection as well."""
        with self._lock:
            self._run(lambda client: client.drop_collection(self._space, timeout=CALL_S))
            self._close()

    def close(self) -> None:
        """Give the file or the connection back. Using the index again opens it again."""
        with self._lock:
            self._close()

    def _query(self, where: str, *fields: str) -> list[Mapping[str, Any]]:
        def query(client: Any) -> list[Mapping[str, Any]]:
            self._settle(client)
            return list(
                client.query(
                    self._space,
                    filter=where,
                    output_fields=list(fields),
                    timeout=CALL_S,
                    consistency_level="Strong",
                )
            )

        return self._run(query)

    def _nearest(self, client: Any, question: Vectors, where: str, limit: int) -> list[tuple[int, float]]:
        (hits,) = client.search(
            self._space,
            data=[question],
            anns_field="vector",
            limit=limit,
            filter=where,
            output_fields=["id"],
            search_params={"metric_type": "COSINE", "params": {}},
            timeout=CALL_S,
            consistency_level="Strong",
        )
        return [(int(hit["id"]), float(hit["distance"])) for hit in hits]

    def _settle(self, client: Any) -> None:
        """Have Milvus Lite write out what it would look through slowly."""
        if self._is_file and self._n_loose >= LOOSE:
            client.flush(self._space, timeout=CALL_S)
            self._n_loose = 0

    def _run(self, work: Callable[[Any], _Result]) -> _Result:
        """Do one piece of work. What a lost connection may have done is done again by whoever asks again.

        Raises:
            IndexUnavailable: when the file or the server cannot be used.
        """
        with self._lock:
            if self._client is None:
                self._client = self._opened()
            try:
                return work(self._client)
            except foreign_errors() as error:
                self._close()
                raise self._unavailable(error) from error

    def _opened(self) -> Any:
        told: list[BaseException] = []
        try:
            client = connect(self._uri, told, is_file=self._is_file)
        except foreign_errors() as error:
            raise self._unavailable(error, told) from error
        try:
            self._prepare(client)
        except BaseException as error:
            give_back(client, self._uri, is_file=self._is_file)
            if isinstance(error, foreign_errors()):
                raise self._unavailable(error) from error
            raise
        self._n_loose = LOOSE  # what a former process has left is not known
        return client

    def _prepare(self, client: Any) -> None:
        """Make the collection where there is none, and load it."""
        if not client.has_collection(self._space, timeout=CALL_S):
            self._make(client)
        described = client.describe_collection(self._space, timeout=CALL_S)
        held = [int(field["params"]["dim"]) for field in described["fields"] if field["name"] == "vector"]
        if held != [self._dimensions]:
            raise EmbedderMismatch(
                f"the collection {self._space!r} of {self.name} has vectors of {held} dimensions, "
                f"not {self._dimensions}",
                hint="`bridle memory reembed` makes all vectors anew",
            )
        client.load_collection(self._space, timeout=CALL_S)

    def _make(self, client: Any) -> None:
        from pymilvus import DataType as kinds  # pyright: ignore[reportMissingTypeStubs]

        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", kinds.INT64, is_primary=True)
        schema.add_field("archive", kinds.INT64)
        schema.add_field("text", kinds.VARCHAR, max_length=TEXT_BYTES)
        schema.add_field("vector", kinds.FLOAT_VECTOR, dim=self._dimensions)
        indexes = client.prepare_index_params()
        indexes.add_index("vector", index_type="FLAT", metric_type="COSINE", params={})
        client.create_collection(
            self._space, schema=schema, index_params=indexes, consistency_level="Strong", timeout=CALL_S
        )

    def _unavailable(self, error: BaseException, told: Sequence[BaseException] = ()) -> IndexUnavailable:
        words = " ".join(str(getattr(error, "message", "") or error).split())
        reason = " ".join(str(told[0]).split()) if told else ""
        if self._is_file and LOCKED in words and (not reason or "lock" in reason):
            return IndexUnavailable(
                f"{self.name} is open in another process: {LOCKED}",
                hint="one process can have such a file open at a time: end the other one, or run a Milvus "
                "server and set its address, as http://localhost:19530. Text is still found, and what is new "
                "waits",
            )
        hint = (
            "is the file whole and writable"
            if self._is_file
            else f"is it running, and is {MILVUS_TOKEN} right"
        )
        return IndexUnavailable(
            f"{self.name} cannot be used: {without_password(reason or words)}",
            hint=f"{hint}? Text is still found, and what is new waits",
        )

    def _close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            give_back(client, self._uri, is_file=self._is_file)


def _is_in(field: str, values: Sequence[int]) -> str:
    return f"{field} in [{', '.join(str(int(one)) for one in values)}]"


def _parts(ids: Sequence[int], most: int = MOST) -> Iterator[list[int]]:
    for start in range(0, len(ids), most):
        yield list(ids[start : start + most])


def _storable(text: str) -> str:
    """Cut a text to what a field takes, between two characters."""
    return text.encode("utf-8", "replace")[:TEXT_BYTES].decode("utf-8", "ignore")
