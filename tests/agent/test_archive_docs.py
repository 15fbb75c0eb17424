"""The page on archival memory: its programs run, and its store of lines keeps the contract."""

from __future__ import annotations

import contextlib
import io
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from archives import drafts
from bridle.agent.archival import indexes
from bridle.agent.archival.hashing import HashingEmbedder
from bridle.agent.archival.indexes import INDEXES, Backend, open_archive
from bridle.agent.store import Store
from bridle.endpoints.config_values import BACKENDS, ArchivalConfig, Config, EmbeddingConfig
from documented import programs

PROGRAMS = programs("docs/archival.md")


def test_the_first_program_finds_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(PROGRAMS[0], {})
    lines = said.getvalue().splitlines()
    assert lines[1] == "- [papers, page 3] Memory has tiers."
    assert lines[-2:] == ["2", "2"]


def test_the_store_of_lines_is_thirty_lines_long() -> None:
    lines = [line for line in PROGRAMS[1].splitlines() if line.strip()]
    start = next(at for at, line in enumerate(lines) if line.startswith("class"))
    assert len(lines) - start <= 30


def test_the_store_of_lines_serves_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "vectors").mkdir()
    names: dict[str, Any] = {}
    exec(PROGRAMS[1], names)
    with Store(tmp_path / "home") as store:
        names |= {"store": store, "embedder": HashingEmbedder(64)}
        exec(PROGRAMS[2], names)
        with names["archive"] as archive:
            source = archive.create_source("s")
            archive.add(source, drafts(20))
            results = archive.search([source], "number7")
            assert (results.warning, results.total) == ("", 20)
            assert results.found[0].vector_score > 0.5
            assert (archive.status().vectors, archive.status().index) == (20, "lines ~/vectors")


def test_the_store_of_lines_can_be_a_backend_of_the_config_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("store_of_lines")
    exec(PROGRAMS[1], module.__dict__)
    monkeypatch.setitem(sys.modules, "store_of_lines", module)
    monkeypatch.setattr(indexes, "INDEXES", {"chroma": Backend("store_of_lines:LinesIndex", "lines")})
    (tmp_path / "lines").mkdir()
    (tmp_path / "other").mkdir()
    for uri, place in (("", "lines"), (str(tmp_path / "other"), "other")):
        kept = ArchivalConfig("chroma", uri)
        config = Config(tmp_path / "c.toml", embedding=EmbeddingConfig("hashing:8"), archival=kept)
        with Store(tmp_path) as store, open_archive(store, config) as archive:
            archive.add(archive.create_source("s"), drafts(3))
            archive.reembed()
            assert (archive.status().vectors, archive.status().warning) == (3, "")
        assert [file.suffix for file in (tmp_path / place).iterdir()] == [".jsonl"]


def test_the_table_of_backends_has_all_of_them() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "archival.md").read_text("utf-8")
    assert set(BACKENDS) == {"sqlite", *INDEXES}
    assert [name for name in BACKENDS if f"| `{name}` |" not in page] == []
