"""How vectors follow the text: made when they can be, made anew for another embedder, never half."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from archives import Moody, drafts, killed
from bridle.agent.archival import Draft, Entry, VectorIndex, outbox
from bridle.agent.archival.archive import Archive
from bridle.agent.archival.hashing import HashingEmbedder
from bridle.agent.archival.kept import Space
from bridle.agent.archival.vectors import SqliteVectors
from bridle.agent.store import Store
from bridle.agent.store.database import Database
from bridle.errors import EmbedderMismatch, EmbedderUnavailable, IndexUnavailable, InputError

if TYPE_CHECKING:
    from bridle.agent.archival.base import Vectors


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as one:
        yield one


@pytest.fixture(autouse=True)
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches grow however slow the machine is."""
    monkeypatch.setattr(outbox, "SHORT_S", 3600.0)


def vector_rows(store: Store) -> list[tuple[int, int]]:
    """(embedder, how many vectors) of all that are stored."""
    with store.reading() as connection:
        return connection.execute(
            "SELECT embedder_id, count(*) FROM vectors GROUP BY 1 ORDER BY 1"
        ).fetchall()


class Locked(SqliteVectors):
    """An index that another process holds, as Milvus Lite's file may be."""

    locked = True

    @property
    def name(self) -> str:
        return "locked"

    def upsert(self, entries: Sequence[Entry]) -> None:
        self._check()
        super().upsert(entries)

    def ids(self) -> Iterator[int]:
        self._check()
        return super().ids()

    def _check(self) -> None:
        if type(self).locked:
            raise IndexUnavailable("locked.db is open in another process", hint="use a server")


def locked(store: Database, space: Space) -> VectorIndex:
    return Locked(store, space.embedder, space.dimensions)


def test_a_passage_is_found_by_meaning_without_a_common_word(store: Store) -> None:
    with Archive(store, embedder=HashingEmbedder()) as archive:
        source = archive.create_source("s")
        stored = archive.add(source, [Draft("quite unrelated"), Draft("an unforgettable evening")])
        results = archive.search([source], "unvorgettable")
        assert results.found[0].passage.id == stored[1]
        assert results.found[0].text_score is None
        assert (results.found[0].vector_score or 0) > 0.3
        assert archive.status().waiting == 0


def test_words_and_meaning_add_up(store: Store) -> None:
    with Archive(store, embedder=HashingEmbedder()) as archive:
        source = archive.create_source("s")
        archive.add(source, [Draft("an old dog"), Draft("an old dogma"), Draft("a young cat")])
        best = archive.search([source], "dog").found[0]
        assert best.passage.text == "an old dog"
        assert best.score == pytest.approx(1.0 + 0.3 * (best.vector_score or 0))


def test_what_an_embedder_cannot_do_now_waits_and_words_are_searched(store: Store) -> None:
    moody = Moody(fails_after=0)
    with Archive(store, embedder=moody) as archive:
        source = archive.create_source("s")
        archive.add(source, drafts(50))
        assert "the model sleeps" in archive.warning
        assert archive.status().waiting == 50
        results = archive.search([source], "number7")
        assert (results.total, archive.warning) == (1, results.warning)
        moody.fails_after = 40
        assert archive.pump() == 0  # the first batch was done, and what failed came after it
        assert "the model sleeps" in archive.warning
        assert archive.status().waiting == 18
        assert "the model sleeps" in archive.search([source], "number7").warning
        moody.fails_after = None
        assert (archive.pump(limit=10), archive.warning) == (10, "")
        assert archive.pump() == 8
        assert archive.search([source], "number7").total == 50
        assert sorted(moody.embedded) == sorted(draft.text for draft in drafts(50))
    assert moody.closed


def test_a_load_does_not_wait_for_each_batch_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    moody = Moody(fails_after=0)
    monkeypatch.setattr("bridle.agent.archival.archive.SLOW_S", -1.0)
    with Archive(store, embedder=moody) as archive:
        source = archive.create_source("s")
        archive.add(source, drafts(5))
        moody.fails_after = None
        archive.add(source, drafts(5, first=5))
        assert "the model sleeps" in archive.warning
        assert archive.status().waiting == 10
        assert (archive.pump(), archive.warning) == (10, "")


def test_progress_is_told_with_the_whole(store: Store) -> None:
    told: list[tuple[int, int]] = []
    with Archive(store) as archive:
        archive.add(archive.create_source("s"), drafts(100))
    with Archive(store, embedder=Moody()) as archive:
        archive.pump(on_progress=lambda done, whole: told.append((done, whole)))
    assert told[0] == (32, 100)
    assert told[-1] == (100, 100)


def test_passages_of_before_the_embedder_are_taken_in(store: Store) -> None:
    with Archive(store) as archive:
        source = archive.create_source("s")
        stored = archive.add(source, drafts(40))
        archive.delete(stored[:5])
    with Archive(store, embedder=Moody()) as archive:
        archive.pump()
        assert (archive.status().vectors, archive.status().waiting) == (35, 0)


def test_what_is_deleted_loses_its_vector(store: Store) -> None:
    with Archive(store, embedder=Moody()) as archive:
        source = archive.create_source("s")
        stored = archive.add(source, drafts(10))
        archive.delete(stored[:3])
        assert archive.status().vectors == 7
        archive.delete_source("s")
        assert archive.status().vectors == 0


def test_what_is_deleted_while_it_is_embedded_leaves_no_vector(store: Store, tmp_path: Path) -> None:
    with Store(tmp_path) as other:

        class Overtaken(Moody):
            """Another process deletes a passage, and the index hears of it, before its vector arrives."""

            def passages(self, texts: Sequence[str]) -> Vectors:
                with other.writing() as connection:
                    connection.execute("DELETE FROM passages WHERE text = ?", (texts[0],))
                    connection.execute("DELETE FROM outbox")
                return super().passages(texts)

        with Archive(store, embedder=Overtaken()) as archive:
            archive.add(archive.create_source("s"), drafts(10))
            assert (archive.status().passages, archive.status().vectors) == (9, 9)


def test_what_was_deleted_but_waits_takes_no_place(store: Store) -> None:
    with Archive(store, embedder=Moody()) as archive:
        source = archive.create_source("s")
        stored = archive.add(source, drafts(300))
        with store.writing() as connection:
            connection.execute("DELETE FROM passages WHERE id <= ?", (stored[249],))
        results = archive.search([source], "passage", size=100)
        assert (results.total, len(results.found), archive.status().waiting) == (50, 50, 250)


def test_an_embedder_is_not_asked_twice_for_the_same_passage(store: Store) -> None:
    moody = Moody()
    with Archive(store, embedder=moody) as archive:
        source = archive.create_source("s")
        archive.add(source, drafts(10))
        archive.add(source, drafts(10))
        with store.writing() as connection:
            connection.execute(
                "INSERT INTO outbox (passage_id, archive_id, action)"
                " SELECT id, archive_id, 'upsert' FROM passages"
            )
        archive.pump()
        assert len(moody.embedded) == 10


def test_another_embedder_is_named_and_words_are_searched(store: Store) -> None:
    with Archive(store, embedder=Moody(64)) as archive:
        source = archive.create_source("s")
        archive.add(source, drafts(10))
    with Archive(store, embedder=Moody(32)) as archive:
        results = archive.search([source], "number7")
        assert results.total == 1
        for part in ("64 unit", "32 unit", "bridle memory reembed"):
            assert part in results.warning
        archive.add(source, drafts(1, first=10))
        assert "bridle memory reembed" in archive.warning
        assert (archive.status().vectors, archive.status().waiting) == (10, 1)
        with pytest.raises(EmbedderMismatch, match="64 unit"):
            archive.reindex()


def test_another_index_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Locked, "locked", False)
    with Archive(store, embedder=Moody()) as archive:
        source = archive.create_source("s")
        archive.add(source, drafts(3))
    with Archive(store, embedder=Moody(), index=locked) as archive:
        warning = archive.search([source], "number1").warning
        assert "in sqlite" in warning
        assert "locked" in warning


def test_new_vectors_take_the_place_of_the_old_when_they_are_complete(store: Store) -> None:
    with Archive(store, embedder=Moody(64)) as archive:
        source = archive.create_source("s")
        archive.add(source, drafts(100))
    told: list[tuple[int, int]] = []
    broken = Moody(32, fails_after=70)
    with (
        Archive(store, embedder=broken) as archive,
        pytest.raises(EmbedderUnavailable, match="the model sleeps"),
    ):
        archive.reembed(lambda done, whole: told.append((done, whole)))
    assert told == [(32, 100)]
    assert vector_rows(store) == [(1, 100), (2, 32)]
    with Archive(store, embedder=Moody(64)) as archive:
        assert archive.search([source], "number7").warning == ""
        archive.add(source, drafts(20, first=100))
    whole = Moody(32)
    with Archive(store, embedder=whole) as archive:
        assert archive.reembed() == 88
        assert len(whole.embedded) == 88
        assert archive.search([source], "number7").total == 100  # so many come by meaning
        assert (archive.status().vectors, archive.status().waiting, archive.status().warning) == (120, 0, "")
    assert vector_rows(store) == [(2, 120)]
    with Archive(store, embedder=Moody(64)) as archive:
        assert "32 unit" in archive.search([source], "number7").warning


def test_a_passage_that_comes_meanwhile_gets_its_new_vector_too(store: Store, tmp_path: Path) -> None:
    with Archive(store, embedder=Moody(64)) as archive:
        source = archive.create_source("s")
        stored = archive.add(source, drafts(100))
    with Store(tmp_path) as other, Archive(other, embedder=Moody(64)) as writer:

        def meanwhile(done: int, _whole: int) -> None:
            if done == 32:
                writer.add(source, drafts(5, first=500))
                writer.delete(stored[:2])

        with Archive(store, embedder=Moody(32)) as archive:
            assert archive.reembed(meanwhile) == 105
            assert (archive.status().vectors, archive.status().waiting) == (103, 0)
        assert "32 unit" in writer.search([source], "number7").warning
    assert vector_rows(store) == [(2, 103)]


def test_vectors_can_be_made_anew_by_the_same_embedder(store: Store) -> None:
    moody = Moody()
    with Archive(store, embedder=moody) as archive:
        archive.add(archive.create_source("s"), drafts(10))
        assert archive.reembed() == 0
        assert archive.reembed(again=True) == 10
        assert len(moody.embedded) == 20
        assert archive.status().vectors == 10


def test_without_an_embedder_only_the_text_is_indexed_anew(store: Store) -> None:
    with Archive(store) as archive:
        source = archive.create_source("s")
        archive.add(source, drafts(3))
        assert archive.reindex() == 0
        assert archive.search([source], "number1").total == 1


def test_archives_that_were_searched_long_ago_leave_the_memory(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridle.agent.archival.vectors.MOST_BYTES", 64 * 4 * 25)
    with Archive(store, embedder=Moody()) as archive:
        sources = [archive.create_source(name) for name in "abc"]
        for number, source in enumerate(sources):
            archive.add(source, drafts(10, first=number * 10))
        for _ in range(2):
            found = [archive.search([source], "numbr5").total for source in sources]
            assert found == [10, 10, 10]
        assert archive.search(sources, "numbr5").total == 30


def test_without_an_embedder_there_is_nothing_to_embed_with(store: Store) -> None:
    with Archive(store) as archive, pytest.raises(InputError, match="no embedder") as caught:
        archive.reembed()
    assert "[embedding]" in caught.value.hint


def test_a_damaged_index_is_repaired_from_the_text(store: Store) -> None:
    with Archive(store, embedder=Moody()) as archive:
        source = archive.create_source("s")
        stored = archive.add(source, drafts(10))
        with store.writing() as connection:
            connection.execute("DELETE FROM vectors WHERE passage_id IN (?, ?)", (stored[0], stored[1]))
            connection.execute("INSERT INTO vectors VALUES (NULL, 1, 9999, ?, zeroblob(256))", (source,))
            connection.execute("INSERT INTO passages_text (passages_text) VALUES ('delete-all')")
        assert archive.search([source], "number7").found[0].text_score is None
        assert archive.reindex() == 2
        assert archive.status().vectors == 10
        assert archive.search([source], "number7").found[0].text_score == 1.0


def test_what_waits_is_done_by_a_repair(store: Store) -> None:
    with Archive(store) as archive:
        source = archive.create_source("s")
        archive.delete(archive.add(source, drafts(10))[:2])
    with Archive(store, embedder=Moody()) as archive:
        assert archive.reindex() == 8
        assert (archive.status().vectors, archive.status().waiting) == (8, 0)


def test_an_index_that_cannot_be_read_is_filled_anew(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Locked, "locked", False)
    with Archive(store, embedder=Moody(), index=locked) as archive:
        archive.add(archive.create_source("s"), drafts(10))
        asked = list[int]()

        def broken_once(index: Locked) -> Iterator[int]:
            asked.append(1)
            if len(asked) == 1:
                raise IndexUnavailable("its files are damaged")
            return SqliteVectors.ids(index)

        monkeypatch.setattr(Locked, "ids", broken_once)
        assert archive.reindex() == 10
        assert (archive.status().vectors, archive.status().waiting) == (10, 0)


def test_an_index_that_is_locked_gets_everything_later(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with Archive(store, embedder=Moody(), index=locked) as archive:
        source = archive.create_source("s")
        archive.add(source, drafts(10))
        assert "open in another process" in archive.warning
        assert archive.status().waiting == 10
        monkeypatch.setattr(Locked, "locked", False)
        assert archive.pump() == 10
        assert archive.search([source], "number7").warning == ""


@pytest.mark.parametrize("rounds", [3, pytest.param(200, marks=pytest.mark.slow)])
def test_a_kill_while_passages_come_in_loses_none_that_was_acknowledged(tmp_path: Path, rounds: int) -> None:
    for seed in range(rounds):
        acknowledged = max([int(line) for line in killed("add", tmp_path, seed) if line != "ready"] or [0])
        with Store(tmp_path) as store, Archive(store, embedder=HashingEmbedder(64)) as archive:
            status = archive.status()
            assert status.passages >= acknowledged
            assert status.passages % 10 == 0
            archive.pump()
            status = archive.status()
            assert (status.vectors, status.waiting) == (status.passages, 0)
            _check_sound(store)


@pytest.mark.parametrize("rounds", [3, pytest.param(200, marks=pytest.mark.slow)])
def test_a_kill_while_vectors_are_made_anew_leaves_the_old_or_the_new(tmp_path: Path, rounds: int) -> None:
    with Store(tmp_path) as store, Archive(store, embedder=HashingEmbedder(64)) as archive:
        source = archive.create_source("book")
        archive.add(source, drafts(400))
    finished = 0
    for seed in range(rounds):
        done = "done" in killed("reembed", tmp_path, seed)
        with Store(tmp_path) as store:
            kept = 32 if done else _kept(store)
            with Archive(store, embedder=HashingEmbedder(kept)) as archive:
                results = archive.search([source], "number7")
                assert (results.warning, results.found[0].passage.text) == ("", drafts(1, 7)[0].text)
                assert archive.status().vectors == 400
            if kept == 32:
                finished += 1
                with Archive(store, embedder=HashingEmbedder(64)) as archive:
                    archive.reembed()
            _check_sound(store)
    with Store(tmp_path) as store, Archive(store, embedder=HashingEmbedder(32)) as archive:
        archive.reembed()
        assert vector_rows(store)[-1][1] == 400
    assert finished <= rounds


def _kept(store: Store) -> int:
    with Archive(store, embedder=HashingEmbedder(1)) as archive:
        return int(archive.status().embedder.split()[2])


def _check_sound(store: Store) -> None:
    with store.reading() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with store.writing() as connection:
        connection.execute("INSERT INTO passages_text (passages_text, rank) VALUES ('integrity-check', 1)")
