"""Archival memory at size: how fast passages with given vectors come in, and how long searches take.

    python benchmarks/archival.py [--passages 100000] [--dimensions 384] [--queries 100] [--archives 1]
        [--index sqlite|milvus|chroma|postgres] [--uri URI] [--folder DIR] [--json]

Texts are 50 words of a vocabulary of 20,000 with Zipf's frequencies; vectors lie around 2,000 centres; a
query is six words of a passage that are not among the commonest (those stand for stop words), and a vector
near its own. The searches run in a new process, so that the first one meets cold caches of the program. CPU
time stands beside that of the clock: on a machine that does other work, too, it is the one to compare.
`--words all` takes words of all frequencies: the worst case of a text search.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridle.agent.archival import Draft
from bridle.agent.archival.archive import Archive
from bridle.agent.archival.indexes import INDEXES, index_opener
from bridle.agent.store import Store

BATCH = 1000
COMMONEST = 130
"""As many words as `bridle.agent.store.words.STOP_WORDS` leaves out of a question."""
WORDS = 20_000
CENTRES = 2_000


class Given:
    """An embedder that knows the vectors: a text's first word is the number of its row."""

    weight = 1.0

    def __init__(self, count: int, dimensions: int) -> None:
        rng = np.random.default_rng(1)
        centres = rng.standard_normal((CENTRES, dimensions)).astype(np.float32)
        rows = centres[rng.integers(0, CENTRES, count)]
        rows += 0.5 * rng.standard_normal((count, dimensions)).astype(np.float32)
        self.rows: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        self.dimensions = dimensions
        self.fingerprint = f"given {dimensions} unit"

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The row of each text."""
        found: NDArray[np.float32] = self.rows[[int(text.partition(" ")[0]) for text in texts]]
        return found

    def query(self, text: str) -> NDArray[np.float32]:
        """A vector near that of the passage that a query was made from."""
        number = int(text.partition(" ")[0])
        near = self.rows[number] + 0.02 * np.random.default_rng(number).standard_normal(self.dimensions)
        return np.asarray(near / np.linalg.norm(near), np.float32)

    def close(self) -> None:
        """There is nothing to close."""


def texts(count: int) -> list[str]:
    """The passages; the same for the same count."""
    rng = random.Random(1)
    names = [f"w{number}x" for number in range(WORDS)]
    frequencies = list(itertools.accumulate(1 / (number + 1) for number in range(WORDS)))
    return [f"{at} " + " ".join(rng.choices(names, cum_weights=frequencies, k=50)) for at in range(count)]


def queries(passages: Sequence[str], count: int, words: str) -> list[str]:
    """Some words of a passage, behind its number."""
    rng = random.Random(2)
    least = COMMONEST if words == "rare" else 0
    found: list[str] = []
    for number in rng.sample(range(len(passages)), count):
        usable = [word for word in passages[number].split()[1:] if int(word[1:-1]) >= least]
        found.append(f"{number} " + " ".join(rng.sample(usable, min(6, len(usable)))))
    return found


def insert(archive: Archive, passages: Sequence[str], archives: int) -> dict[str, float]:
    """Put passages into the archives by turns, a thousand in each transaction."""
    ids = [archive.create_source(f"source {number}") for number in range(archives)]
    start, cpu = time.perf_counter(), time.process_time()
    for number, at in enumerate(range(0, len(passages), BATCH)):
        archive.add(ids[number % archives], [Draft(text) for text in passages[at : at + BATCH]])
    took = time.perf_counter() - start
    if archive.warning:
        raise SystemExit(archive.warning)
    return {"per_s": len(passages) / took, "cpu_s": time.process_time() - cpu}


def search(archive: Archive, asked: Sequence[str]) -> dict[str, float]:
    """Search one archive after the other; the first query apart."""
    ids = [source for one in archive.sources() if (source := archive.source(one.name)) is not None]
    times: list[float] = []
    cpu: list[float] = []
    hits = 0
    for number, query in enumerate(asked):
        start, busy = time.perf_counter(), time.process_time()
        found = archive.search([ids[number % len(ids)]] if len(ids) > 1 else ids, query)
        times.append((time.perf_counter() - start) * 1000)
        cpu.append((time.process_time() - busy) * 1000)
        hits += any(one.passage.text.startswith(query.partition(" ")[0] + " ") for one in found.found)
        if found.warning:
            raise SystemExit(found.warning)
    rest = times[1:]
    return {
        "first_ms": times[0],
        "p50_ms": statistics.median(rest),
        "p50_cpu_ms": statistics.median(cpu[1:]),
        "p95_ms": statistics.quantiles(rest, n=20)[18],
        "found": hits / len(asked),
    }


def opened(args: argparse.Namespace, store: Store, embedder: Given | None) -> Archive:
    """The archive with the index that was asked for."""
    if args.index not in INDEXES:
        return Archive(store, embedder=embedder)
    return Archive(store, embedder=embedder, index=index_opener(args.index, args.uri, store.home))


def main() -> None:
    """Insert in this process, search in another."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--archives", type=int, default=1)
    parser.add_argument("--words", choices=("rare", "all"), default="rare")
    parser.add_argument("--index", choices=("sqlite", *INDEXES), default="sqlite")
    parser.add_argument("--uri", default="")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only-search", choices=("text", "hybrid"), help="in a filled folder")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        if args.only_search:
            report = searched(args, folder)
        else:
            report = {"insert": inserted(args, folder)}
            for kind in ("text", "hybrid"):
                report[kind] = in_new_process(args, folder, kind)
            report["file_mb"] = {"sqlite": (folder / "bridle.db").stat().st_size / 1e6}
    print(json.dumps(report) if args.json or args.only_search else shown(report))


def inserted(args: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Fill a new database."""
    passages, embedder = texts(args.passages), Given(args.passages, args.dimensions)
    with Store(folder) as store, opened(args, store, embedder) as archive:
        return insert(archive, passages, args.archives)


def searched(args: argparse.Namespace, folder: Path) -> dict[str, dict[str, float]]:
    """Search a database that was filled before; what only this measurement needs is made before the clock."""
    asked = queries(texts(args.passages), args.queries, args.words)
    embedder = Given(args.passages, args.dimensions) if args.only_search == "hybrid" else None
    start = time.perf_counter()
    with Store(folder) as store, opened(args, store, embedder) as archive:
        opening = (time.perf_counter() - start) * 1000
        found = search(archive, asked)
    return {"open": {"ms": opening}, "search": found}


def in_new_process(args: argparse.Namespace, folder: Path, kind: str) -> dict[str, float]:
    """Run this program again for the searches."""
    options = [f"--{name}={getattr(args, name)}" for name in ("passages", "dimensions", "queries", "words")]
    options += [f"--index={args.index}", f"--uri={args.uri}", f"--folder={folder}", f"--only-search={kind}"]
    done = subprocess.run([sys.executable, __file__, *options], check=True, capture_output=True, text=True)
    report: dict[str, dict[str, float]] = json.loads(done.stdout)
    return {"open_ms": report["open"]["ms"], **report["search"]}


def shown(report: dict[str, dict[str, float]]) -> str:
    """The numbers, a line for each part."""
    return "\n".join(
        f"{part:<8}" + "  ".join(f"{name} {value:,.2f}" for name, value in numbers.items())
        for part, numbers in report.items()
    )


if __name__ == "__main__":
    main()
