"""Loading files: what is stored, what a second load does, what is reported, and what is found afterwards."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridle.agent import Store
from bridle.agent.archival.archive import Archive
from bridle.agent.archival.base import Draft
from bridle.agent.archival.rendering import render_results
from bridle.agent.loading import LoadProgress, LoadReport, load_directory, load_text, pipeline, source_files
from bridle.agent.prompt import COMPACT
from bridle.agent.state import new_state
from bridle.errors import InputError, StoreError
from document_files import docx_bytes, locked_pdf, pdf_bytes

Stored = list[tuple[str, str, str]]


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Store(tmp_path / "home") as store, Archive(store) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "documents"
    made.mkdir()
    return made


def stored(archive: Archive) -> Stored:
    """Every passage: its file, its place and its text."""
    with archive.store.reading() as connection:
        rows = connection.execute(
            "SELECT f.path, p.locator, p.text FROM passages p JOIN files f ON f.id = p.file_id"
            " ORDER BY f.path, p.locator, p.text"
        )
        return [(Path(path).name, locator, text) for path, locator, text in rows]


def statuses(report: LoadReport) -> dict[str, str]:
    return {Path(one.address).name: one.status for one in report.outcomes}


def found(archive: Archive, query: str) -> str:
    ids = [one for one in (archive.source(info.name) for info in archive.sources()) if one is not None]
    return render_results(archive.search(ids, query))


def test_a_paper_is_loaded_by_its_pages_and_found_with_its_page(archive: Archive, folder: Path) -> None:
    pages = [[f"Page {n} says something about topic{n}."] for n in range(1, 14)]
    (folder / "memory_paper.pdf").write_bytes(pdf_bytes(pages))
    report = load_directory(archive, "papers", [folder / "memory_paper.pdf"])
    assert (report.passages, report.documents, report.is_complete) == (13, 13, True)
    assert found(archive, "topic7").endswith(
        "- [memory_paper.pdf, page 7] Page 7 says something about topic7."
    )


def test_every_kind_of_file_is_loaded_from_a_folder(archive: Archive, folder: Path) -> None:
    (folder / "a.pdf").write_bytes(pdf_bytes([["Foxes."]]))
    (folder / "b.docx").write_bytes(docx_bytes(["# Cats", "They purr."]))
    (folder / "c.html").write_text("<p>Dogs")
    (folder / "d.md").write_text("# Fish\n\nThey swim.")
    (folder / "e.csv").write_text("name,age\nAnn,3\nBo,4\n")
    (folder / "f.jsonl").write_text('{"x": 1}\n{"x": 2}\n')
    (folder / "g.py").write_text("def f():\n    pass\n")
    (folder / "h.unknown").write_text("plain words")
    (folder / "i.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    (folder / "j.txt").write_text(" \n")
    (folder / ".hidden").write_text("secret")
    report = load_directory(archive, "all", [folder])
    assert statuses(report) == {
        **dict.fromkeys(
            ("a.pdf", "b.docx", "c.html", "d.md", "e.csv", "f.jsonl", "g.py", "h.unknown"), "loaded"
        ),
        **dict.fromkeys(("i.png", "j.txt"), "skipped"),
    }
    assert report.is_complete
    assert (report.documents, report.passages) == (10, 10)
    assert {name: locator for name, locator, _ in stored(archive)} == {
        "a.pdf": '{"page": 1}',
        "b.docx": '{"heading": "Cats"}',
        "c.html": "{}",
        "d.md": '{"heading": "Fish", "line": 1}',
        "e.csv": '{"row": 2}',
        "f.jsonl": '{"row": 2}',
        "g.py": '{"line": 1}',
        "h.unknown": '{"line": 1}',
    }


def test_a_second_load_writes_nothing(archive: Archive, folder: Path) -> None:
    (folder / "a.txt").write_text("One. " * 900)
    first = load_directory(archive, "texts", [folder])
    before = archive.store.path.stat().st_mtime_ns, stored(archive)
    with sqlite3.connect(archive.store.path) as other:
        version = other.execute("PRAGMA data_version").fetchone()
        second = load_directory(archive, "texts", [folder])
        assert other.execute("PRAGMA data_version").fetchone() == version
    other.close()
    assert statuses(second) == {"a.txt": "unchanged"}
    assert second.outcomes[0].passages == first.passages
    assert (second.passages, second.documents, second.is_complete) == (0, 0, True)
    assert stored(archive) == before[1]


def test_of_a_changed_file_only_what_changed_is_written(archive: Archive, folder: Path) -> None:
    rows = [f"Ann{n},{n}" for n in range(600)]
    file = folder / "a.csv"
    file.write_text("\n".join(["name,age", *rows]))
    load_directory(archive, "people", [file])
    with archive.store.reading() as connection:
        ids = dict(connection.execute("SELECT locator, id FROM passages").fetchall())
    file.write_text("\n".join(["name,age", *rows[:7], "Bob,1", *rows[8:599]]))
    report = load_directory(archive, "people", [file])
    assert (report.passages, report.documents) == (599, 599)
    with archive.store.reading() as connection:
        now = dict(connection.execute("SELECT locator, id FROM passages").fetchall())
    assert len(now) == 599
    assert {place for place in now if now[place] != ids[place]} == {'{"row": 8}'}
    assert "name: Ann7 " not in found(archive, "Ann7")
    assert "Bob" in found(archive, "Bob")


def test_another_size_of_passages_replaces_them(archive: Archive, folder: Path) -> None:
    (folder / "a.txt").write_text("A sentence of words. " * 200)
    load_directory(archive, "texts", [folder])
    report = load_directory(archive, "texts", [folder], chunk_chars=100)
    texts = [text for _, _, text in stored(archive)]
    assert report.passages == len(texts)
    assert max(map(len, texts)) <= 100
    with pytest.raises(InputError, match="too short"):
        load_directory(archive, "texts", [folder], chunk_chars=5)


def test_a_file_that_became_empty_has_no_passages_any_more(archive: Archive, folder: Path) -> None:
    file = folder / "a.txt"
    file.write_text("words")
    load_directory(archive, "texts", [file])
    file.write_text("")
    report = load_directory(archive, "texts", [file])
    assert (statuses(report), stored(archive)) == ({"a.txt": "loaded"}, [])


def test_bad_files_are_reported_and_the_others_are_loaded(archive: Archive, folder: Path) -> None:
    (folder / "a.pdf").write_bytes(locked_pdf([["x"]]))
    (folder / "b.pdf").write_bytes(b"%PDF-1.4 nothing")
    (folder / "c.docx").write_bytes(b"PK")
    (folder / "d.json").write_text("{")
    (folder / "e.jsonl").write_text('{"a": 1}\nx\n')
    (folder / "f.txt").write_bytes(b"caf\xe9")
    (folder / "g.txt").write_text("good")
    report = load_directory(archive, "mixed", [folder])
    assert statuses(report) == {
        **dict.fromkeys(("a.pdf", "b.pdf", "c.docx", "d.json"), "failed"),
        **dict.fromkeys(("e.jsonl", "f.txt", "g.txt"), "loaded"),
    }
    assert not report.is_complete
    assert all(one.reason and one.hint for one in report.having("failed"))
    outcomes = {Path(one.address).name: one for one in report.outcomes}
    assert len(outcomes["e.jsonl"].losses) == 1
    assert outcomes["f.txt"].notes == ("is not UTF-8; it was read as Windows-1252",)


def test_a_loss_is_told_again_when_the_file_has_not_changed(archive: Archive, folder: Path) -> None:
    (folder / "e.jsonl").write_text('{"a": 1}\nx\n')
    load_directory(archive, "mixed", [folder])
    again = load_directory(archive, "mixed", [folder])
    assert statuses(again) == {"e.jsonl": "unchanged"}
    assert not again.is_complete
    assert "line 2" in again.outcomes[0].losses[0]


def test_a_file_that_is_damaged_later_keeps_what_it_had(archive: Archive, folder: Path) -> None:
    file = folder / "a.json"
    file.write_text('{"name": "Ann"}')
    load_directory(archive, "people", [file])
    file.write_text("{")
    report = load_directory(archive, "people", [file])
    assert statuses(report) == {"a.json": "failed"}
    assert [text for _, _, text in stored(archive)] == ["name: Ann"]
    (kept,) = source_files(archive, "people")
    assert (kept.status, kept.passages) == ("failed", 1)
    assert "not JSON" in kept.error
    file.write_text('{"name": "Ann"}')
    assert statuses(load_directory(archive, "people", [file])) == {"a.json": "loaded"}


def test_nothing_is_made_when_nothing_can_be_read(archive: Archive, folder: Path) -> None:
    (folder / "a.json").write_text("{")
    load_directory(archive, "people", [folder])
    assert archive.sources() == ()


def test_a_named_file_of_no_known_kind_is_a_failure(archive: Archive, folder: Path) -> None:
    (folder / "i.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    assert statuses(load_directory(archive, "x", [folder / "i.png"])) == {"i.png": "failed"}


def test_files_that_are_gone_are_told_and_pruned_when_asked(archive: Archive, folder: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(f"words of {name}")
    load_directory(archive, "texts", [folder])
    (folder / "a.txt").unlink()
    report = load_directory(archive, "texts", [folder])
    assert statuses(report) == {"b.txt": "unchanged", "a.txt": "gone"}
    assert len(stored(archive)) == 2
    assert report.is_complete
    assert statuses(load_directory(archive, "texts", [folder], prune=True))["a.txt"] == "removed"
    assert [name for name, _, _ in stored(archive)] == ["b.txt"]
    assert [file.address for file in source_files(archive, "texts")] == [str(folder / "b.txt")]


def test_files_of_other_folders_are_not_gone(archive: Archive, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("other")
    (folder / "a.txt").write_text("a")
    load_directory(archive, "texts", [tmp_path / "other.txt"])
    (tmp_path / "other.txt").unlink()
    assert statuses(load_directory(archive, "texts", [folder], prune=True)) == {"a.txt": "loaded"}


def test_folders_below_are_read_when_asked_and_links_to_folders_are_not(
    archive: Archive, folder: Path
) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "b.md").write_text("b")
    (folder / "sub" / "c.txt").write_text("c")
    (folder / "a.md").write_text("a")
    (folder / "sub" / "loop").symlink_to(folder)
    assert statuses(load_directory(archive, "one", [folder])) == {"a.md": "loaded"}
    assert statuses(load_directory(archive, "two", [folder], recursive=True, extensions=["md"])) == {
        "a.md": "loaded",
        "b.md": "loaded",
    }


def test_patterns_name_files(archive: Archive, folder: Path) -> None:
    for name in ("a.md", "b.md", "c.txt"):
        (folder / name).write_text(name)
    assert set(statuses(load_directory(archive, "one", [folder / "*.md"]))) == {"a.md", "b.md"}
    with pytest.raises(InputError, match="no file matches"):
        load_directory(archive, "one", [folder / "*.rst"])


def test_a_path_that_is_not_there_is_refused_before_anything_is_loaded(
    archive: Archive, folder: Path
) -> None:
    (folder / "a.md").write_text("a")
    with pytest.raises(InputError, match=r"there is no file .*nowhere"):
        load_directory(archive, "one", [folder / "a.md", folder / "nowhere"])
    assert archive.sources() == ()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
def test_a_pipe_and_a_file_that_is_too_large_are_refused(
    archive: Archive, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "large.txt").write_text("x" * 100)
    monkeypatch.setattr("bridle.agent.loading.items.MOST_BYTES", 99)
    report = load_directory(archive, "x", [folder])
    assert {one.reason for one in report.outcomes} == {"it is not a regular file", "it has 100 bytes"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_reported(archive: Archive, folder: Path) -> None:
    (folder / "a.txt").write_text("a")
    (folder / "a.txt").chmod(0)
    (folder / "closed").mkdir(mode=0)
    report = load_directory(archive, "x", [folder], recursive=True)
    (folder / "closed").chmod(0o700)
    assert statuses(report) == {"a.txt": "failed", "closed": "failed"}


def test_progress_names_each_file_and_counts_its_passages(
    archive: Archive, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "BATCH", 2)
    (folder / "a.txt").write_text("a")
    (folder / "b.csv").write_text("name\n" + "\n".join("abcde"))
    seen: list[LoadProgress] = []
    load_directory(archive, "x", [folder], on_progress=seen.append)
    assert [(Path(at.address).name, at.number, at.total, at.passages) for at in seen] == [
        ("a.txt", 1, 2, 0),
        ("a.txt", 1, 2, 1),
        ("b.csv", 2, 2, 0),
        ("b.csv", 2, 2, 2),
        ("b.csv", 2, 2, 4),
        ("b.csv", 2, 2, 5),
    ]


def test_what_is_stored_before_an_interruption_stays_and_is_not_stored_twice(
    archive: Archive, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "BATCH", 2)
    (folder / "b.csv").write_text("name\n" + "\n".join("abcde"))

    def interrupt(at: LoadProgress) -> None:
        if at.passages == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_directory(archive, "x", [folder], on_progress=interrupt)
    assert len(stored(archive)) == 4
    assert [file.status for file in source_files(archive, "x")] == ["loading"]
    report = load_directory(archive, "x", [folder])
    assert (report.passages, report.documents) == (5, 5)
    assert [text for _, _, text in stored(archive)] == [f"name: {name}" for name in "abcde"]


def test_two_loads_of_one_file_at_a_time_lose_nothing(
    archive: Archive, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.txt").write_text("words of the file")
    usual = archive.add

    def add(archive_id: int, drafts: list[Draft], *, file_id: int | None = None) -> list[int]:
        ids = usual(archive_id, drafts, file_id=file_id)
        archive.delete(ids)  # the other one has another size of passages, and ends first
        return ids

    monkeypatch.setattr(archive, "add", add)
    with pytest.raises(StoreError, match="while it was loaded") as caught:
        load_directory(archive, "x", [folder])
    assert caught.value.retryable
    monkeypatch.undo()
    assert load_directory(archive, "x", [folder]).passages == 1


def test_the_same_text_in_two_files_is_two_passages(archive: Archive, folder: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text("the same words")
    load_directory(archive, "x", [folder])
    assert [name for name, _, _ in stored(archive)] == ["a.txt", "b.txt"]


def test_a_text_is_loaded_once_and_another_one_beside_it(archive: Archive, tmp_path: Path) -> None:
    assert load_text(archive, "notes", "First text.").passages == 1
    assert load_text(archive, "notes", "First text.").passages == 0
    assert load_text(archive, "notes", "Second text.").passages == 1
    file = tmp_path / "page.html"
    file.write_text("<b>bold</b>")
    load_text(archive, "notes", file)
    assert sorted(text for _, _, text in stored(archive)) == ["<b>bold</b>", "First text.", "Second text."]


def test_a_title_and_a_heading_find_what_stands_under_them(archive: Archive, folder: Path) -> None:
    (folder / "pets_of_norway.md").write_text("# Elkhounds\n\n" + "They are loud and brave. " * 120)
    load_directory(archive, "x", [folder])
    assert "They are loud" in found(archive, "elkhounds in norway").split("\n")[-1]


def test_a_source_that_is_loaded_is_attached_without_a_copy(
    archive: Archive, folder: Path, tmp_path: Path
) -> None:
    with Store(tmp_path / "home") as store:
        store.create(new_state("ann", COMPACT))
    (folder / "a.txt").write_text("The password of the lamp is Aladdin.")
    load_directory(archive, "secrets", [folder])
    assert archive.search_for("ann", "password of the lamp").total == 0
    assert archive.attach("ann", "secrets")
    assert not archive.attach("ann", "secrets")
    assert "Aladdin" in render_results(archive.search_for("ann", "password of the lamp"))
    assert len(stored(archive)) == 1
    (folder / "a.txt").write_text("The password of the lamp is Sesame.")
    load_directory(archive, "secrets", [folder])
    assert "Sesame" in render_results(archive.search_for("ann", "password of the lamp"))


def test_a_link_that_leads_nowhere_and_a_null_byte_are_told(archive: Archive, folder: Path) -> None:
    (folder / "a.txt").symlink_to(folder / "nowhere")
    report = load_directory(archive, "x", [folder])
    assert [(one.status, one.hint) for one in report.outcomes] == [("failed", "check the file")]
    with pytest.raises(InputError, match="there is no file"):
        load_directory(archive, "x", ["a\0b"])


def test_a_folder_without_a_file_is_refused(archive: Archive, folder: Path) -> None:
    (folder / "below").mkdir()
    for recursive, hint in ((False, "--recursive"), (True, "another folder")):
        with pytest.raises(InputError, match=r"holds no file that ends in \.md") as caught:
            load_directory(archive, "x", [folder], recursive=recursive, extensions=[".md"])
        assert hint in caught.value.hint


def test_what_failed_before_anything_was_loaded_is_listed_with_the_source(
    archive: Archive, folder: Path
) -> None:
    (folder / "a.json").write_text("{", "utf-8")
    (folder / "b.txt").write_text("Bees sleep.", "utf-8")
    load_directory(archive, "x", [folder])
    kept = {Path(one.address).name: one.status for one in source_files(archive, "x")}
    assert kept == {"a.json": "failed", "b.txt": "loaded"}
