"""What each index of vectors costs, and whether its filter loses anything: all of them in one run.

    python benchmarks/indexes.py [--entries N] [--dimensions N] [--only KIND ...] [--questions N]

Per kind: entries per second (batches of 1,000), the first question after a fresh opening in the same process,
the median of a question among all, the median and the recall of a question with a filter that keeps 1 %
(archives of equal size, k 10). Vectors are random and of length 1, which is the hardest case for an index
that does not compare all. In brackets is the ratio to the usual index, `sqlite`: times on a machine that does
other things as well say little, their ratios in one run say more. Kinds that cannot run here are named.

A Postgres is started by `tests/servers/postgres.sh` where the machine has one; with BRIDLE_POSTGRES_BIN on a
server with pgvector, that is what is measured.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / part) for part in ("wrappers", "grammars", "endpoints", "agent", "tests")]

import numpy as np  # noqa: E402

from bridle.agent.archival import Entry, VectorIndex  # noqa: E402
from vector_indexes import KINDS, IndexKind, Rows, unit_rows  # noqa: E402

ARCHIVES = 100
K = 10
TEXT = "What a passage says, in about three hundred letters. " * 6


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one kind of index. Times are in milliseconds."""

    entries_per_s: float
    first_ms: float
    all_ms: float
    filtered_ms: float
    recall: float


def measure(kind: IndexKind, folder: Path, rows: Rows, questions: Rows) -> Costs:
    """Fill an index, open it again, and ask."""
    dimensions = rows.shape[1]
    with closing(kind.open(folder, "many", dimensions)) as index:
        index.count()  # what opening and importing take is not counted as writing
        started = time.perf_counter()
        for start in range(0, len(rows), 1000):
            batch = enumerate(rows[start : start + 1000], start)
            index.upsert([Entry(at, at % ARCHIVES, TEXT, row) for at, row in batch])
        writing = time.perf_counter() - started
    with closing(kind.open(folder, "many", dimensions)) as index:
        first = timed(lambda: index.search(questions[0], [0], K))
        everywhere = [
            timed(lambda asked=asked: index.search(asked, range(ARCHIVES), K)) for asked in questions[:20]
        ]
        filtered = [ask(index, rows, asked, at % ARCHIVES) for at, asked in enumerate(questions)]
    return Costs(
        len(rows) / writing,
        first,
        statistics.median(everywhere),
        statistics.median(took for took, _ in filtered),
        statistics.mean(recall for _, recall in filtered),
    )


def ask(index: VectorIndex, rows: Rows, asked: Rows, archive: int) -> tuple[float, float]:
    """How long a question with a filter took, and which part of the nearest it found."""
    found: list[tuple[int, float]] = []
    took = timed(lambda: found.extend(index.search(asked, [archive], K)))
    wanted = archive + ARCHIVES * np.argsort(-(rows[archive::ARCHIVES] @ asked))[:K]
    return took, len({one for one, _ in found} & set(wanted.tolist())) / len(wanted)


def timed(work: Callable[[], object]) -> float:
    """How many milliseconds something takes."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def line(name: str, costs: Costs, usual: Costs | None) -> str:
    """A line of the table, with the ratios to the usual index."""
    cells = [f"{name:<9}"]
    for one in fields(costs):
        value = float(getattr(costs, one.name))
        shown = f"{value:,.3f}" if one.name == "recall" else f"{value:,.1f}"
        ratio = f" ({value / getattr(usual, one.name):.2f})" if usual and one.name != "recall" else ""
        cells.append(f"{shown + ratio:>20}")
    return " ".join(cells)


def main() -> None:
    """Measure what the command line names."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--entries", type=int, default=10_000)
    options.add_argument("--dimensions", type=int, default=384)
    options.add_argument("--questions", type=int, default=100)
    options.add_argument("--only", nargs="*", choices=list(KINDS), default=list(KINDS))
    given = options.parse_args()
    rows = unit_rows(given.entries, given.dimensions, seed=1)
    questions = unit_rows(given.questions, given.dimensions, seed=2)
    print(f"{'':<9} " + " ".join(f"{one.name:>20}" for one in fields(Costs)))
    usual: Costs | None = None
    for name in given.only:
        if reason := KINDS[name].missing():
            print(f"{name:<9} not measured: {reason}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            costs = measure(KINDS[name], Path(folder), rows, questions)
        usual = usual or (costs if name == "sqlite" else None)
        print(line(name, costs, usual), flush=True)


if __name__ == "__main__":
    main()
