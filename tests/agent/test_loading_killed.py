"""A load that is killed at any instant: what it has told of is there, and the next load makes it whole."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bridle.agent import Store
from bridle.agent.archival.archive import Archive
from bridle.agent.loading import load_directory, source_files
from document_files import pdf_bytes
from project import PARTS, ROOT

CHILD = """
import sys
from pathlib import Path
from bridle.agent import Store
from bridle.agent.archival.archive import Archive
from bridle.agent.loading import load_directory, pipeline
pipeline.BATCH = 8
home, folder = map(Path, sys.argv[1:])
with Store(home) as store, Archive(store) as archive:
    tell = lambda at: print(at.address, at.passages, flush=True)
    load_directory(archive, "source", [folder], on_progress=tell)
print("end", 0, flush=True)
"""
Stored = list[tuple[str, str, str, str]]


def documents(folder: Path, version: int) -> Path:
    """Files of several kinds; in another version some rows and one page are others."""
    folder.mkdir(exist_ok=True)
    rows = [f"name{n},{n if n % 7 else n * version}" for n in range(1000)]
    (folder / "a.csv").write_text("\n".join(["name,number", *rows]))
    (folder / "b.txt").write_text(f"A sentence of version {version}. " * 2000)
    (folder / "c.pdf").write_bytes(
        pdf_bytes([[f"Page {n} of {version if n == 3 else 0}."] for n in range(20)])
    )
    return folder


def stored(home: Path) -> Stored:
    """Every passage with its file, and both indexes checked against them."""
    with closing(sqlite3.connect(home / "bridle.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.execute("INSERT INTO passages_text (passages_text, rank) VALUES ('integrity-check', 1)")
        connection.rollback()
        return connection.execute(
            "SELECT f.path, p.locator, p.text, p.context FROM passages p JOIN files f ON f.id = p.file_id"
            " ORDER BY 1, 2, 3"
        ).fetchall()


def whole(folder: Path, home: Path) -> Stored:
    with Store(home) as store, Archive(store) as archive:
        assert load_directory(archive, "source", [folder]).is_complete
    return stored(home)


def killed(home: Path, folder: Path, after: int) -> dict[str, int]:
    """Start a load, kill it when it has told of so many things, and return what it has told of each file."""
    environment = {"PYTHONPATH": ":".join(str(ROOT / part) for part in PARTS), "PATH": ""}
    told: dict[str, int] = {}
    command = [sys.executable, "-c", CHILD, str(home), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        for line in child.stdout:
            address, _, passages = line.rpartition(" ")
            told[address] = int(passages)
            after -= 1
            if after <= 0:
                child.kill()
    return told


def kill_often(tmp_path: Path, times: int, seed: int) -> None:
    rng = random.Random(seed)
    home, folder = tmp_path / "home", tmp_path / "documents"
    expected = {one: whole(documents(folder, one), tmp_path / f"whole{one}") for one in (1, 2)}
    ended = version = 0
    for _ in range(times):
        version = rng.randrange(1, 3)
        documents(folder, version)
        told = killed(home, folder, rng.randrange(1, 100))
        ended += "end" in told
        rows = stored(home)
        for address, passages in told.items():
            assert sum(path == address for path, *_ in rows) >= passages
        assert len(set(rows)) == len(rows)
    with Store(home) as store, Archive(store) as archive:
        assert load_directory(archive, "source", [folder]).is_complete
        assert {file.status for file in source_files(archive, "source")} == {"loaded"}
    assert stored(home) == expected[version]
    assert ended < times / 2  # else they were not killed in the middle


def test_a_load_that_is_killed_goes_on_and_nothing_is_twice_or_missing(tmp_path: Path) -> None:
    kill_often(tmp_path, 6, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_load_that_is_killed_two_hundred_times_goes_on(tmp_path: Path, seed: int) -> None:
    kill_often(tmp_path, 50, seed)
