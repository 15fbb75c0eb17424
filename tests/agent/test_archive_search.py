"""Searching by words: what is found, in which order, on which page, within which limits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from archives import drafts
from bridle.agent.archival import Draft, Found, Passage, Results
from bridle.agent.archival.archive import Archive
from bridle.agent.archival.conversations import Said, conversation_drafts
from bridle.agent.archival.excerpts import excerpt
from bridle.agent.archival.fusion import fuse
from bridle.agent.archival.hashing import HashingEmbedder
from bridle.agent.archival.rendering import render_results
from bridle.agent.store import Store
from bridle.errors import InputError
from project import run_python


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Store(tmp_path) as store:
        yield Archive(store)


@pytest.fixture(params=["words", "words and meaning"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    """An archive without an embedder, and one with."""
    embedder = HashingEmbedder(64) if request.param != "words" else None
    with Store(tmp_path) as store, Archive(store, embedder=embedder) as one:
        yield one


def ids(results: Results) -> list[int]:
    return [found.passage.id for found in results.found]


def test_the_passage_with_the_rarest_words_comes_first(archive: Archive) -> None:
    source = archive.create_source("s")
    stored = archive.add(
        source, [Draft("a dog is a dog"), Draft("the dog barks loudly"), Draft("a cat"), Draft("dog")]
    )
    results = archive.search([source], "Why did the dog bark?")
    assert ids(results)[0] == stored[1]
    assert (results.total, results.found[0].text_score, results.warning) == (3, 1.0, "")
    assert all(found.vector_score is None for found in results.found)
    assert all(one.score >= two.score for one, two in zip(results.found, results.found[1:], strict=False))


def test_a_question_in_words_nobody_wrote_finds_nothing(archive: Archive) -> None:
    source = archive.create_source("s")
    archive.add(source, drafts(3))
    assert archive.search([source], "zebra") == Results((), 0, 0)
    assert archive.search([], "book") == archive.search([], "") == Results((), 0, 0)


def test_beginnings_of_words_count_where_no_word_does(archive: Archive) -> None:
    source = archive.create_source("s")
    archive.add(source, [Draft("the mitochondrion"), Draft("a mite")])
    assert archive.search([source], "mito").total == 1


@pytest.mark.parametrize("query", ["", "   "])
def test_an_empty_query_finds_the_newest(archive: Archive, query: str) -> None:
    source = archive.create_source("s")
    stored = archive.add(source, drafts(7))
    results = archive.search([source], query)
    assert (ids(results), results.total) == (stored[:1:-1], 7)
    assert ids(archive.search([source], query, page=1)) == stored[1::-1]


@pytest.mark.parametrize("query", ["???", '"', "%", " \U0001f98a "])
def test_marks_find_what_holds_them_and_nothing_else(archive: Archive, query: str) -> None:
    source = archive.create_source("s")
    archive.add(source, drafts(7))
    assert archive.search([source], query).total == 0
    (one,) = archive.add(source, [Draft(f"a {query.strip()} b")])
    assert ids(archive.search([source], query)) == [one]


@pytest.mark.parametrize(
    "query",
    ['"', "NEAR(a b)", "owner:r1 AND text", "a* OR b^", "'; DROP TABLE passages; --", "{text}: x", "\0"],
)
def test_what_means_something_to_the_index_is_plain_text(archive: Archive, query: str) -> None:
    source = archive.create_source("s")
    archive.add(source, [Draft("text that is near a table")])
    archive.search([source], query)
    assert archive.status().passages == 1


@pytest.mark.parametrize("query", ["r1", "owner r1", "r2"])
def test_the_words_that_mark_owners_are_not_found(archive: Archive, query: str) -> None:
    first, second = archive.create_source("a"), archive.create_source("b")
    archive.add(first, [Draft("something")])
    archive.add(second, [Draft("something else")])
    assert archive.search([first], query).total == 0
    assert archive.search([first, second], query).total == 0


def test_date_and_the_turn_before_are_searched_and_not_shown(archive: Archive) -> None:
    source = archive.create_source("talk")
    said = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
    turns = [
        Said("Ada", "We have a new dog.", said),
        Said("Bo", "What is its name?", said, {"id": "D1:2"}),
        Said("Ada", "Rex.", said),
        Said("Ada", "Rex."),
    ]
    stored = archive.add(source, conversation_drafts(turns))
    assert len(set(stored)) == 4
    for query in ("2023-05-08", "8 May 2023", "What happened in May 2023?"):
        assert archive.search([source], query).total == 3, query
    found = archive.search([source], "name of the dog")
    assert found.found[0].passage.text == "Bo: What is its name?"
    assert found.found[0].passage.locator == {"id": "D1:2"}
    assert stored[2] in ids(found)
    assert "2023" not in found.found[0].passage.text


def test_pages_hold_everything_once_and_tell_the_total(either: Archive) -> None:
    source = either.create_source("s")
    stored = either.add(source, [*drafts(1203), Draft("something else")])
    first = either.search([source], "book number7", size=100)
    assert first.found[0].passage.id == stored[7]
    pages = [either.search([source], "book number7", page=page, size=100) for page in range(14)]
    seen = [one for page in pages for one in ids(page)]
    assert len(seen) == len(set(seen)) == first.total
    assert {page.total for page in pages} == {first.total}
    assert set(stored[:1203]) <= set(seen)
    assert [len(page.found) for page in pages[:12]] == [100] * 12
    assert pages[13].found == ()
    assert ids(either.search([source], "book number7", page=10**12)) == []


def test_a_page_of_any_size_has_the_same_order(either: Archive) -> None:
    source = either.create_source("s")
    either.add(source, drafts(300))
    whole = ids(either.search([source], "passage number3 number4", size=200))
    small = [
        one
        for page in range(8)
        for one in ids(either.search([source], "passage number3 number4", page=page, size=25))
    ]
    assert whole == small


@pytest.mark.parametrize(("page", "size"), [(-1, 5), (0, 0)])
def test_a_page_that_cannot_be_is_refused(archive: Archive, page: int, size: int) -> None:
    with pytest.raises(InputError, match="no page"):
        archive.search([1], "x", page=page, size=size)


def test_limits_hold_before_the_best_are_chosen(either: Archive) -> None:
    good, other = either.create_source("good"), either.create_source("other")
    with either.store.writing() as connection:
        files = [
            connection.execute(
                "INSERT INTO files (archive_id, path, status) VALUES (?, ?, 'loaded') RETURNING id",
                (good, path),
            ).fetchone()[0]
            for path in ("a.txt", "b.txt")
        ]
    day = 86_400 * 10**9
    noise = [Draft("alpha alpha alpha", locator={"row": at}, created_ns=day) for at in range(300)]
    either.add(other, noise)
    either.add(good, noise, file_id=files[1])
    late = int(datetime(2024, 2, 29, 12).timestamp()) * 10**9
    (a,) = either.add(good, [Draft("once alpha in a long text", created_ns=late)], file_id=files[0])
    for where in (
        {"file": "a.txt"},
        {"file": ["a.txt", "none.txt"], "source": "good"},
        {"since": "2024-02-29"},
        {"since": date(2024, 2, 29), "until": "2024-02-29"},
        {"since": datetime(2024, 2, 29, 12), "until": datetime(2024, 2, 29, 12)},
    ):
        results = either.search([good, other], "alpha", where=where)
        assert (ids(results), results.total) == ([a], 1), where
    assert either.search([good, other], "", where={"file": "a.txt"}).total == 1
    assert either.search([good, other], "alpha", where={"source": ["other"]}).total == 300
    assert either.search([good], "alpha", where={"source": "other"}).total == 0
    assert either.search([good, other], "alpha", where={"until": "2024-02-28"}).total == 600
    assert len(either.search([good, other], "alpha", where={"until": "2024-02-28"}, size=50).found) == 50


@pytest.mark.parametrize(
    ("where", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"source": "nothing"}, "nothing"),
        ({"source": 5}, "5"),
        ({"file": []}, "file"),
        ({"since": "yesterday"}, "yesterday"),
        ({"until": "2024-02-30"}, "2024-02-30"),
    ],
)
def test_a_limit_that_means_nothing_is_named(archive: Archive, where: dict[str, object], named: str) -> None:
    with pytest.raises(InputError, match=named):
        archive.search([archive.create_source("s")], "x", where=where)


def test_a_cosine_below_zero_does_not_count() -> None:
    assert [one.score for one in fuse({1: 0.5}, {1: -0.9, 2: -1.0}, 1.0)] == [0.5, 0.0]


def test_results_are_shown_with_their_places() -> None:
    found = [
        Found(Passage(1, "a  long\ntext", "papers", "in/paper.pdf", {"page": 3}), 2.0),
        Found(Passage(2, "x" * 50), 1.0),
        Found(Passage(3, "y", "table", "", {"row": 7, "cells": ["a"]}), 1.0),
    ]
    assert render_results(Results(tuple(found), 12, 1, "by text alone"), 20).splitlines() == [
        "3 of 12:",
        "- [paper.pdf, page 3] a long text",
        f"- {'x' * 19}…",
        "- [table, row 7] y",
        "(by text alone)",
    ]
    assert render_results(Results((), 0)) == "No results."
    assert render_results(Results((), 1, 4)) == "No results on page 4; there is 1 result."
    assert render_results(Results((), 12, 4)) == "No results on page 4; there are 12 results."


@pytest.mark.parametrize("most_chars", [30, 60, 120, 240])
@pytest.mark.parametrize("place", [0, 3, 50, 97, 100])
def test_of_a_long_passage_the_part_is_shown_that_was_asked_for(
    archive: Archive, most_chars: int, place: int
) -> None:
    source = archive.create_source("s")
    filler = ["lorem ipsum dolor sit amet"] * 100
    archive.add(source, [Draft(" ".join([*filler[:place], "the dog barked", *filler[place:]]))])
    results = archive.search([source], "Which dogs bark?")
    (line,) = render_results(results, most_chars).splitlines()[1:]
    shown = line.removeprefix("- [s] ")
    assert "dog barked" in shown
    assert len(shown) <= most_chars


def test_a_passage_without_spaces_is_cut_all_the_same() -> None:
    assert excerpt("x" * 100, ["dog"], 20) == "x" * 19 + "…"
    assert excerpt("x" * 50 + "dog" + "y" * 50, ["dog"], 20) == "x" * 19 + "…"
    assert len(excerpt("世" * 100, ["世"], 20)) == 20
    assert excerpt("short", ["dog"], 20) == "short"


def test_searching_by_words_needs_no_numpy(tmp_path: Path) -> None:
    program = f"""
import sys
sys.modules["numpy"] = None
from pathlib import Path
from bridle.agent.archival import Draft
from bridle.agent.archival.archive import Archive
from bridle.agent.archival.hashing import HashingEmbedder
from bridle.agent.store import Store
with Store(Path({str(tmp_path)!r})) as store:
    with Archive(store) as archive:
        source = archive.create_source("s")
        archive.add(source, [Draft("a dog")])
        print(archive.search([source], "dog").total)
    with Archive(store, embedder=HashingEmbedder()) as archive:
        archive.add(source, [Draft("a second dog")])
        print(archive.search([source], "dog").total, archive.status().waiting, archive.status().warning)
        archive.pump()
        print(archive.warning)
"""
    done = run_python("-c", program)
    lines = done.stdout.splitlines()
    assert (done.returncode, lines[:1], lines[1][:4]) == (0, ["1"], "2 2 "), done.stderr
    assert "numpy" in lines[2]


def test_nothing_heavy_is_imported_for_a_search_by_words() -> None:
    heavy = ["numpy", "requests", "openai", "llama_cpp"]
    done = run_python(
        "-c", f"import bridle.agent.archival.archive, sys; print(set({heavy!r}) & set(sys.modules))"
    )
    assert done.stdout.strip() == "set()", done.stderr
