"""Archives by name, what is in them, and who may search them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from archives import drafts
from bridle.agent.archival import Draft
from bridle.agent.archival.archive import Archive
from bridle.agent.prompt import COMPACT
from bridle.agent.state import new_state
from bridle.agent.store import Store
from bridle.errors import InputError


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as one:
        one.create(new_state("sam", COMPACT))
        one.create(new_state("ada", COMPACT))
        yield one


@pytest.fixture
def archive(store: Store) -> Archive:
    return Archive(store)


def texts(archive: Archive, agent: str, query: str = "") -> list[str]:
    return [found.passage.text for found in archive.search_for(agent, query).found]


def test_a_source_is_found_by_its_name(archive: Archive) -> None:
    papers = archive.create_source("papers", "what I read")
    assert archive.create_source("papers") == papers == archive.source("papers")
    assert archive.source("other") is None
    assert [(source.name, source.description) for source in archive.sources()] == [("papers", "what I read")]


@pytest.mark.parametrize("name", ["", "  "])
def test_a_source_needs_a_name(archive: Archive, name: str) -> None:
    with pytest.raises(InputError, match="name"):
        archive.create_source(name)


def test_an_agent_searches_its_own_notes_and_what_is_attached(archive: Archive) -> None:
    papers = archive.create_source("papers")
    archive.add(papers, [Draft("Memory has tiers.")])
    archive.add(archive.own("sam"), [Draft("Sam likes memory.")])
    archive.add(archive.own("ada"), [Draft("Ada forgets memory.")])
    assert texts(archive, "sam", "memory") == ["Sam likes memory."]
    assert archive.attach("sam", "papers")
    assert not archive.attach("sam", "papers")
    assert sorted(texts(archive, "sam", "memory")) == ["Memory has tiers.", "Sam likes memory."]
    assert (archive.attached("sam"), archive.attached("ada")) == (("papers",), ())
    assert archive.sources()[0].attached == ("sam",)
    assert archive.detach("sam", "papers")
    assert not archive.detach("sam", "papers")
    assert texts(archive, "sam", "memory") == ["Sam likes memory."]


def test_what_is_loaded_later_is_found_by_those_who_attached_before(archive: Archive) -> None:
    papers = archive.create_source("papers")
    archive.attach("sam", "papers")
    archive.add(papers, [Draft("a late passage")])
    assert texts(archive, "sam", "late") == ["a late passage"]


@pytest.mark.parametrize("agent", ["sma", "nobody at all"])
def test_a_name_that_does_not_exist_is_named_with_those_that_do(archive: Archive, agent: str) -> None:
    with pytest.raises(InputError, match=agent) as caught:
        archive.own(agent)
    assert "sam" in caught.value.hint
    with pytest.raises(InputError, match="there is no source 'paper'") as caught:
        archive.attach("sam", "paper")
    assert "none" in caught.value.hint


def test_a_deleted_source_is_gone_from_everywhere(archive: Archive, store: Store) -> None:
    papers = archive.create_source("papers")
    archive.add(papers, drafts(1200))
    archive.attach("sam", "papers")
    archive.delete_source("papers")
    assert (archive.sources(), archive.attached("sam"), texts(archive, "sam", "passage")) == ((), (), [])
    assert archive.status().passages == 0
    with store.reading() as connection:
        assert connection.execute("SELECT count(*) FROM passages_text_docsize").fetchone() == (0,)
    with pytest.raises(InputError):
        archive.delete_source("papers")


def test_the_same_text_from_the_same_place_is_stored_once(archive: Archive) -> None:
    papers = archive.create_source("papers")
    first = archive.add(papers, [Draft("a", locator={"page": 1}), Draft("a", locator={"page": 2})])
    again = archive.add(papers, [Draft("a", "with words", {"page": 2}), Draft("b"), Draft("b")])
    assert first[0] != first[1]
    assert again[0] == first[1]
    assert again[1] == again[2]
    assert archive.status().passages == 3
    assert archive.search([papers], "words").total == 1


def test_passages_are_given_back_as_they_were_stored(archive: Archive, store: Store) -> None:
    papers = archive.create_source("papers")
    with store.writing() as connection:
        file = connection.execute(
            "INSERT INTO files (archive_id, path, status) VALUES (?, 'a/b.pdf', 'loaded') RETURNING id",
            (papers,),
        ).fetchone()[0]
    ids = archive.add(papers, [Draft("世界 🙂", "ctx", {"page": 3}, 5), Draft("two")], file_id=file)
    two, one = archive.get([ids[1], 99, ids[0]])
    assert (one.text, one.archive, one.file, one.locator, one.created_ns) == (
        "世界 🙂",
        "papers",
        "a/b.pdf",
        {"page": 3},
        5,
    )
    assert two.created_ns > 0
    assert archive.delete([ids[0], 99]) == 1
    assert archive.get(ids) == [two]


def test_what_cannot_be_stored_is_named_and_nothing_is(archive: Archive) -> None:
    papers = archive.create_source("papers")
    with pytest.raises(InputError, match="no text"):
        archive.add(papers, [Draft("good"), Draft(" \n", locator={"page": 4})])
    with pytest.raises(InputError, match="no archive 77"):
        archive.add(77, [Draft("good")])
    with pytest.raises(InputError, match="no file 7"):
        archive.add(papers, [Draft("good")], file_id=7)
    assert archive.status().passages == 0


def test_half_a_character_is_stored_as_a_mark(archive: Archive) -> None:
    papers = archive.create_source("papers")
    (one,) = archive.get(archive.add(papers, [Draft("half \ud83d", "\udc00")]))
    assert one.text.startswith("half ")
    one.text.encode()


def test_another_process_sees_it_at_once(archive: Archive, tmp_path: Path) -> None:
    papers = archive.create_source("papers")
    with Store(tmp_path) as other:
        archive.add(papers, [Draft("quick")])
        assert Archive(other).search([papers], "quick").total == 1
