"""What the tests of archival memory share: embedders that fail or count, and processes that are killed.

Run as a program, it is a process that works on an archive until it is killed: `archives.py WORK FOLDER`.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bridle.agent.archival import Draft
from bridle.agent.archival.archive import Archive
from bridle.agent.archival.hashing import HashingEmbedder
from bridle.agent.store import Store
from bridle.errors import EmbedderUnavailable
from project import PARTS, ROOT

if TYPE_CHECKING:
    from bridle.agent.archival.base import Vectors

__all__ = ["Moody", "drafts", "killed", "said"]


class Moody(HashingEmbedder):
    """An embedder that counts what it is asked, and fails from a number of texts on."""

    def __init__(self, dimensions: int = 64, fails_after: int | None = None) -> None:
        super().__init__(dimensions)
        self.fails_after = fails_after
        self.embedded: list[str] = []
        self.closed = False

    def passages(self, texts: Sequence[str]) -> Vectors:
        if self.fails_after is not None and len(self.embedded) + len(texts) > self.fails_after:
            raise EmbedderUnavailable("the model sleeps", hint="wake it")
        self.embedded += texts
        return super().passages(texts)

    def query(self, text: str) -> Vectors:
        if self.fails_after is not None:
            raise EmbedderUnavailable("the model sleeps", hint="wake it")
        found: Vectors = super().passages([text])[0]
        return found

    def close(self) -> None:
        self.closed = True


class _Slow(HashingEmbedder):
    """As slow as a model is, so that a kill falls into its work."""

    def passages(self, texts: Sequence[str]) -> Vectors:
        time.sleep(0.0005 * len(texts))
        return super().passages(texts)


def drafts(count: int, first: int = 0) -> list[Draft]:
    """Passages that differ by a number, which is a word of theirs."""
    return [Draft(f"passage number{at} of a book", locator={"row": at}) for at in range(first, first + count)]


def said(command: Sequence[str]) -> subprocess.Popen[str]:
    """Start this module as a program that says what it has done, line by line."""
    places = os.pathsep.join(str(ROOT / part) for part in (*PARTS, "tests"))
    return subprocess.Popen(
        [sys.executable, str(Path(__file__)), *command],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": places},
        text=True,
    )


def killed(work: str, folder: Path, seed: int) -> list[str]:
    """Let a process work, kill it at an instant by chance, and return the lines that it said."""
    with said([work, str(folder)]) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        time.sleep(random.Random(seed).random() * 0.15)
        process.kill()
        lines += process.stdout.readlines()
    return [line.strip() for line in lines if line.endswith("\n")]


def _add(folder: Path) -> None:
    """Add ten passages at a time, and say the last number after each ten."""
    with Store(folder) as store, Archive(store, embedder=_Slow(64)) as archive:
        source = archive.create_source("book")
        first = len(archive.search([source], "").found) and archive.status().passages
        print("ready", flush=True)
        while True:
            archive.add(source, drafts(10, first))
            first += 10
            print(first, flush=True)


def _reembed(folder: Path) -> None:
    """Make all vectors anew with another embedder, and say so at the end."""
    with Store(folder) as store, Archive(store, embedder=_Slow(32)) as archive:
        print("ready", flush=True)
        archive.reembed()
        print("done", flush=True)


WORKS: dict[str, Callable[[Path], None]] = {"add": _add, "reembed": _reembed}

if __name__ == "__main__":
    WORKS[sys.argv[1]](Path(sys.argv[2]))
