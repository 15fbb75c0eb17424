"""What every index of vectors checks in the same way."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest

from bridle.agent.archival import Entry, VectorIndex
from bridle.agent.archival.chroma import ChromaIndex
from bridle.agent.archival.exact import best, check_space, distinct, is_here, unit
from bridle.agent.archival.milvus import MilvusIndex
from bridle.agent.archival.postgres import PostgresIndex
from bridle.errors import InputError, MissingExtra

Opens = Callable[..., VectorIndex]


@pytest.mark.parametrize(
    ("opens", "uri", "package", "extra"),
    [
        (MilvusIndex, "~/x.db", "milvus_lite", "milvus"),
        (MilvusIndex, "http://localhost:19530", "pymilvus", "milvus"),
        (PostgresIndex, "postgresql://localhost/x", "psycopg", "postgres"),
        (ChromaIndex, "~/chroma", "chromadb", "chroma"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    opens: Opens, uri: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=package) as told:
        opens(uri, space="one", dimensions=8)
    assert f"pip install '.[{extra}]'" in told.value.hint


def test_the_last_entry_of_an_id_counts_and_rows_have_length_one() -> None:
    kept, rows = distinct([Entry(1, 1, "old", [1.0, 0.0]), Entry(1, 2, "new", [3.0, 4.0])], 2)
    assert [(entry.archive, entry.text) for entry in kept] == [(2, "new")]
    assert rows.tolist() == [pytest.approx([0.6, 0.8])]


def test_a_row_of_zeros_is_like_nothing() -> None:
    assert unit(np.zeros(3, np.float32), 3).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(number: float) -> None:
    with pytest.raises(InputError, match="infinite or none"):
        distinct([Entry(1, 1, "text", [number, 1.0])], 2)
    with pytest.raises(InputError, match="infinite or none"):
        unit(np.asarray([number, 1.0], np.float32), 2)


def test_equal_ones_are_told_by_their_ids_whatever_the_last_bit_says() -> None:
    nearly = np.nextafter(np.float32(0.5), np.float32(1))
    assert [one for one, _ in best([2, 1], [float(nearly), 0.5], 2)] == [1, 2]
    assert best([7], [1.0000001], 1) == [(7, 1.0)]


@pytest.mark.parametrize("space", ["ab", "Upper", "1one", "with-dash", "a" * 61, 'x"; DROP TABLE y'])
def test_a_name_that_some_server_would_not_take_is_refused(space: str) -> None:
    with pytest.raises(InputError, match="is no name of an index"):
        check_space(space)


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("", True),
        ("LOCALHOST", True),
        ("a.localhost", True),
        ("127.8.8.8", True),
        ("[::1]", True),
        ("/tmp", True),
        ("10.0.0.1", False),
        ("localhost.example.com", False),
    ],
)
def test_this_machine_is_known_without_a_name_server(host: str, here: bool) -> None:
    assert is_here(host) is here
