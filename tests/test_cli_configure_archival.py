"""`bridle configure` and `bridle config show`: where archival data is kept, and passwords in such places."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bridle.cli import main
from bridle.endpoints import places
from bridle.endpoints.config import ArchivalConfig, EmbeddingConfig, home, load_config
from cli_runs import Captured, Stdin


@pytest.fixture(autouse=True)
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(places, "PORTS", ())
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "config.toml"
    monkeypatch.setenv("BRIDLE_CONFIG", str(file))
    return file


def configure(monkeypatch: pytest.MonkeyPatch, backend: str, *uris: str) -> int:
    """Answer with the embedded model, no embeddings, and these places one after another."""
    lines = ["embedded", "", backend, *uris, "", "", "y"]
    monkeypatch.setattr("sys.stdin", Stdin("".join(f"{line}\n" for line in lines).encode()))
    return main(["configure"])


@pytest.mark.parametrize(
    ("backend", "uri"),
    [
        ("milvus", "~/.memgpt/milvus.db"),
        ("milvus", "http://localhost:19530"),
        ("postgres", "postgresql://user@host/db"),
        ("postgres", "postgresql+pg8000://user@host:5433/db?sslmode=require"),
        ("chroma", "~/.memgpt/chroma"),
        ("chroma", "http://localhost:8000"),
        ("sqlite", ""),
    ],
)
def test_a_place_is_kept_as_it_was_written(
    backend: str, uri: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    assert configure(monkeypatch, backend, uri) == 0
    assert load_config().archival == ArchivalConfig(backend, uri)
    assert "error" not in capsys.readouterr().err


def test_a_path_from_where_one_stands_is_made_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert configure(monkeypatch, "milvus", "here/x.db") == 0
    assert load_config().archival.uri == str(tmp_path / "here" / "x.db")


def test_without_an_answer_it_is_a_file_in_the_home_of_bridle(monkeypatch: pytest.MonkeyPatch) -> None:
    assert configure(monkeypatch, "chroma", "") == 0
    assert load_config().archival.uri == str(home() / "chroma")
    assert configure(monkeypatch, "sqlite", "") == 0
    assert load_config().archival.uri == ""


@pytest.mark.parametrize(
    ("backend", "wrong", "right", "words"),
    [
        ("milvus", "~/milvus", "~/milvus.db", "a file's name must end in .db"),
        (
            "milvus",
            "htp://me:se@cret@host",
            "http://host:19530",
            "'htp://me:***@host' is no address of",
        ),
        ("postgres", "host/db", "postgresql://host/db", "write postgresql://USER@HOST:PORT/DATABASE"),
        (
            "postgres",
            "postgresql://me:se%cret@h/db",
            "postgresql://h/db",
            "'postgresql://me:***@h/db' cannot be",
        ),
        ("chroma", "ftp://host", "~/chroma", "neither a folder nor the address of a Chroma server"),
        ("sqlite", "~/x.db", "", "SQLite has no connection URI, and this is one: '~/x.db'"),
    ],
)
def test_what_is_no_place_is_told_in_one_line_and_asked_again(
    backend: str, wrong: str, right: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    assert configure(monkeypatch, backend, wrong, right) == 0
    said = capsys.readouterr().err
    assert words in " ".join(said.split())
    assert said.count("error: ") == 1
    assert "cret" not in said
    assert load_config().archival == ArchivalConfig(backend, right)


def test_a_password_is_kept_and_never_shown(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    uri = "postgresql://user:p%40ss@host/db"
    assert configure(monkeypatch, "postgres", uri) == 0
    shown = capsys.readouterr()
    assert "p%40ss" not in shown.out + shown.err
    assert 'uri = "postgresql://user:***@host/db"' in shown.out
    assert "~/.pgpass or PGPASSWORD" in shown.err
    assert load_config().archival.uri == uri
    assert main(["configure", "--yes"]) == 0
    assert main(["config", "show"]) == 0
    shown = capsys.readouterr()
    assert "p%40ss" not in shown.out + shown.err
    assert "archival.uri = postgresql://user:***@host/db" in shown.out
    assert load_config().archival.uri == uri
    assert config.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://user:p@ss/w:rd@host/db",
        "postgresql://host/db?user=me&password=p@ss/w:rd",
        "http://:p@ss/w:rd@host:19530",
    ],
)
def test_a_password_with_any_characters_is_masked(
    uri: str, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    config.write_text(f'schema = 1\n[archival]\nbackend = "postgres"\nuri = "{uri}"\n')
    assert main(["config", "show", "--origin"]) == 0
    shown = capsys.readouterr().out
    assert "***" in shown
    assert not any(part in shown for part in ("p@ss", "ss/w", "w:rd"))


def test_a_missing_package_is_named_and_the_place_is_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setitem(sys.modules, "chromadb", None)
    assert configure(monkeypatch, "chroma", "~/chroma") == 0
    assert "pip install '.[chroma]'" in " ".join(capsys.readouterr().err.split())
    assert load_config().archival == ArchivalConfig("chroma", "~/chroma")


def test_an_index_without_embeddings_is_told_to_be_idle(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    assert configure(monkeypatch, "milvus", "") == 0
    assert "milvus is not used yet" in " ".join(capsys.readouterr().err.split())


def test_embeddings_without_a_model_are_taken(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    lines = ["embedded", "hashing:0", "hashing:256", "milvus", "", "", "", "y"]
    monkeypatch.setattr("sys.stdin", Stdin("".join(f"{line}\n" for line in lines).encode()))
    assert main(["configure"]) == 0
    assert load_config().embedding == EmbeddingConfig("hashing:256", "")
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("error: ") == 1
    assert "not used yet" not in said
