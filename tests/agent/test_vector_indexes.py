"""The contract of vector indexes, run on every kind that this machine has."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bridle.agent.archival import Entry, VectorIndex
from bridle.errors import InputError
from project import PARTS, ROOT
from vector_indexes import DIMENSIONS, KINDS, IndexKind, Rows, unit_rows

Opens = Callable[..., VectorIndex]
ROWS = unit_rows(60)
PLACES = os.pathsep.join(str(ROOT / part) for part in (*PARTS, "tests"))


@pytest.fixture(params=KINDS)
def name(request: pytest.FixtureRequest) -> str:
    """Each kind; one that cannot run here is skipped with its reason."""
    kind: str = request.param
    if reason := KINDS[kind].missing():
        pytest.skip(reason)
    return kind


@pytest.fixture
def kind(name: str) -> IndexKind:
    return KINDS[name]


@pytest.fixture
def opens(kind: IndexKind, tmp_path: Path) -> Iterator[Opens]:
    """Open an index of this kind; all are closed at the end."""
    opened: list[VectorIndex] = []

    def opening(space: str = "one", dimensions: int = DIMENSIONS) -> VectorIndex:
        opened.append(kind.open(tmp_path, space, dimensions))
        return opened[-1]

    yield opening
    for index in opened:
        index.close()


@pytest.fixture
def index(opens: Opens) -> VectorIndex:
    """An index with 60 entries: ids 1 to 60, by turns of the archives 1, 2 and 3."""
    one = opens()
    one.upsert(entries(ROWS))
    return one


def entries(rows: Rows, first: int = 1, archive: int | None = None) -> list[Entry]:
    return [
        Entry(first + at, archive or 1 + at % 3, f"text {first + at}", row) for at, row in enumerate(rows)
    ]


def expected(rows: Rows, asked: Rows, k: int, among: Sequence[int]) -> list[int]:
    """The ids of the k nearest among these places, best first."""
    cosines = {at + 1: float(rows[at] @ asked) for at in among}
    return sorted(cosines, key=lambda one: (-cosines[one], one))[:k]


def ids_of(found: Sequence[tuple[int, float]]) -> list[int]:
    return [one for one, _ in found]


def test_the_nearest_come_first_with_their_cosines(index: VectorIndex) -> None:
    found = index.search(ROWS[7], [1, 2, 3], 10)
    assert ids_of(found) == expected(ROWS, ROWS[7], 10, range(60))
    assert [cosine for _, cosine in found] == pytest.approx(
        [float(ROWS[one - 1] @ ROWS[7]) for one in ids_of(found)], abs=1e-4
    )


def test_only_the_archives_that_are_asked_for_are_searched(index: VectorIndex) -> None:
    assert ids_of(index.search(ROWS[0], [2], 60)) == expected(ROWS, ROWS[0], 60, range(1, 60, 3))
    both = sorted([*range(0, 60, 3), *range(2, 60, 3)])
    assert ids_of(index.search(ROWS[0], [3, 1], 60)) == expected(ROWS, ROWS[0], 60, both)
    assert index.search(ROWS[0], [], 5) == []
    assert index.search(ROWS[0], [99], 5) == []


@pytest.mark.parametrize(
    ("count", "dimensions"), [(1000, 32), pytest.param(10_000, 384, marks=pytest.mark.slow)]
)
def test_a_filter_that_keeps_one_in_a_hundred_finds_all_there_are(
    opens: Opens, count: int, dimensions: int
) -> None:
    rows, asked = unit_rows(count, dimensions, seed=1), unit_rows(20, dimensions, seed=2)
    index = opens("many", dimensions)
    for start in range(0, count, 1000):
        index.upsert(
            [Entry(1 + at, 1 + at % 100, f"text {at}", rows[at]) for at in range(start, start + 1000)]
        )
    found, right = 0, 0
    for number, question in enumerate(asked):
        archive = 1 + number * 5 % 100
        wanted = expected(rows, question, 10, range(archive - 1, count, 100))
        found += len(set(ids_of(index.search(question, [archive], 10))) & set(wanted))
        right += len(wanted)
    assert found / right == 1.0


def test_equal_ones_come_in_the_order_of_their_ids(opens: Opens) -> None:
    index = opens()
    same = np.repeat(ROWS[:1], 30, axis=0)
    index.upsert([Entry(one, 1, "same", row) for one, row in zip(range(30, 0, -1), same, strict=True)])
    assert ids_of(index.search(ROWS[0], [1], 10)) == list(range(1, 11))
    assert ids_of(index.search(ROWS[0], [1], 25)) == list(range(1, 26))


def test_a_longer_list_begins_with_the_shorter_one(index: VectorIndex) -> None:
    lists = [ids_of(index.search(ROWS[3], [1, 2], k)) for k in (0, 1, 5, 20, 40, 100)]
    assert [len(found) for found in lists] == [0, 1, 5, 20, 40, 40]
    assert all(longer[: len(shorter)] == shorter for shorter, longer in pairwise(lists))


def test_an_entry_takes_the_place_of_one_with_its_id(index: VectorIndex) -> None:
    index.search(ROWS[0], [1, 2, 3], 1)
    new = unit_rows(1, seed=9)[0]
    index.upsert([Entry(4, 2, "new", new)])
    assert index.count() == 60
    ((nearest, cosine),) = index.search(new, [1, 2, 3], 1)
    assert (nearest, round(cosine, 3)) == (4, 1.0)
    assert 4 not in ids_of(index.search(ROWS[3], [1], 60))
    assert 4 in ids_of(index.search(ROWS[3], [2], 60))


def test_what_is_deleted_is_not_found(index: VectorIndex) -> None:
    index.search(ROWS[0], [1, 2, 3], 1)
    index.delete([1, 2, 3, 1000])
    index.delete([])
    assert index.count() == 57
    assert sorted(index.ids()) == list(range(4, 61))
    assert ids_of(index.search(ROWS[0], [1, 2, 3], 60)) == expected(ROWS, ROWS[0], 60, range(3, 60))


def test_entries_are_counted_in_all_and_by_archive(index: VectorIndex) -> None:
    assert (index.count(), index.count([1]), index.count([2, 3]), index.count([9])) == (60, 20, 40, 0)
    assert index.count([]) == 0
    assert sorted(index.ids()) == list(range(1, 61))


def test_an_index_can_be_cleared_and_filled_again(index: VectorIndex) -> None:
    index.clear()
    assert (index.count(), list(index.ids()), index.search(ROWS[0], [1, 2, 3], 5)) == (0, [], [])
    index.upsert(entries(ROWS[:3]))
    assert ids_of(index.search(ROWS[1], [1, 2, 3], 1)) == [2]


def test_an_empty_index_answers(opens: Opens) -> None:
    index = opens()
    index.upsert([])
    assert (index.count(), list(index.ids()), index.search(ROWS[0], [1], 5)) == (0, [], [])
    assert index.cosines(ROWS[0], [1, 2]) == {}


def test_cosines_are_told_of_the_entries_that_are_there(index: VectorIndex) -> None:
    found = index.cosines(ROWS[5], [2, 6, 30, 61, 1000])
    assert found == pytest.approx({one: float(ROWS[one - 1] @ ROWS[5]) for one in (2, 6, 30)}, abs=1e-4)
    assert index.cosines(ROWS[5], []) == {}


def test_a_text_in_any_script_is_taken(opens: Opens) -> None:
    index = opens()
    texts = ["Grüße, 世界 🙂", "שלום", "", "x" * 70_000, "quotes ' \" \\ and a \0 in between", "🙂" * 20_000]
    index.upsert([Entry(at + 1, 1, text, ROWS[at]) for at, text in enumerate(texts)])
    assert [index.search(ROWS[at], [1], 1)[0][0] for at in range(len(texts))] == [1, 2, 3, 4, 5, 6]


def test_vectors_are_taken_as_lists_of_numbers_too(opens: Opens) -> None:
    index = opens()
    index.upsert([Entry(1, 1, "text", [float(number) for number in ROWS[0]])])
    ((nearest, cosine),) = index.search(ROWS[0], [1], 1)
    assert (nearest, round(cosine, 3)) == (1, 1.0)


def test_two_spaces_do_not_know_each_other(index: VectorIndex, opens: Opens) -> None:
    other = opens("two")
    other.upsert(entries(ROWS[:5], first=100, archive=1))
    assert (index.count(), other.count()) == (60, 5)
    assert set(ids_of(other.search(ROWS[0], [1], 60))) == set(range(100, 105))
    other.clear()
    assert (index.count(), other.count()) == (60, 0)


def test_a_vector_of_another_length_is_refused(index: VectorIndex) -> None:
    with pytest.raises(InputError, match=str(DIMENSIONS)):
        index.upsert([Entry(100, 1, "text", unit_rows(1, DIMENSIONS + 1)[0])])
    with pytest.raises(InputError, match=str(DIMENSIONS)):
        index.search(unit_rows(1, DIMENSIONS - 1)[0], [1], 1)
    assert index.count() == 60


def test_what_was_written_is_there_when_it_is_opened_again(kind: IndexKind, tmp_path: Path) -> None:
    with closing(kind.open(tmp_path, "again", DIMENSIONS)) as index:
        index.upsert(entries(ROWS))
        index.delete([5])
        index.upsert([Entry(6, 9, "moved", ROWS[5])])
    with closing(kind.open(tmp_path, "again", DIMENSIONS)) as index:
        assert sorted(index.ids()) == [one for one in range(1, 61) if one != 5]
        assert ids_of(index.search(ROWS[5], [9], 5)) == [6]
        assert ids_of(index.search(ROWS[6], [1, 2, 3, 9], 1)) == [7]


def test_a_second_one_that_is_open_sees_what_the_first_writes(kind: IndexKind, opens: Opens) -> None:
    if not kind.shared:
        pytest.skip("it is for one process at a time")
    first, second = opens(), opens()
    first.upsert(entries(ROWS[:30]))
    assert second.count() == 30
    assert ids_of(second.search(ROWS[7], [1, 2, 3], 1)) == [8]
    first.upsert(entries(ROWS[30:], first=31))
    assert ids_of(second.search(ROWS[40], [1, 2, 3], 1)) == [41]
    first.delete([41])
    first.upsert([Entry(42, 1, "again", ROWS[0])])
    assert ids_of(second.search(ROWS[40], [1, 2, 3], 60)) == ids_of(first.search(ROWS[40], [1, 2, 3], 60))
    assert 41 not in ids_of(second.search(ROWS[40], [1, 2, 3], 60))


def test_what_was_acknowledged_survives_a_kill(name: str, kind: IndexKind, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tests" / "vector_indexes.py"), name, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": PLACES}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(5)]
        process.kill()
        acknowledged += [int(line) for line in process.stdout if line.endswith("\n")]
    with closing(kind.open(tmp_path, "killed", DIMENSIONS)) as index:
        there = set(index.ids())
        assert there >= set(range(acknowledged[-1] + 1))
        assert ids_of(index.search(unit_rows(10_000)[17], [1], 1)) == [17]
        index.upsert([Entry(50_000, 1, "after", ROWS[0])])
        assert 50_000 in set(index.ids())
