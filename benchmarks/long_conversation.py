"""Does an agent stay as quick, and as small, as a conversation goes on? One run with a scripted model.

    python benchmarks/long_conversation.py [--turns N] [--window TOKENS] [--messages N] [--profile P]

The model (`tests/talking_model.py`) answers at once and uses every part of memory. Printed are, by windows of
turns, what a step costs outside the model (its medians, and that of the last tenth), and the memory of the
process from turn 1,000 on. Then the recall of the same agent is filled up to `--messages` messages, and
searches are timed. Exit code 1 when a limit is broken: 5 ms a step, memory within 10 %, 20 ms a search.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).absolute().parent.parent
sys.path[:0] = [str(ROOT / part) for part in ("wrappers", "grammars", "endpoints", "agent", "tests")]

from bridle.agent.runner import Agent  # noqa: E402
from bridle.agent.state import PROFILES, Record  # noqa: E402
from bridle.agent.store import Store  # noqa: E402
from talking_model import WRAPPER, TalkingModel, said_in_turn  # noqa: E402

STEP_MS, SEARCH_MS, MEMORY_SHARE, WARM = 5.0, 20.0, 0.10, 1000
BATCH = 5000
QUERIES = (
    "the code of violin 4711", "number 77", "story about the river", "blue kayak", "zeppelin",
    "what did we talk about on a free day?",
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """One turn: steps, milliseconds outside the model, and the memory of the process after it, in MB.

    CPU time is what the limit is about: on a machine that does other things, wall time is theirs too.
    """

    steps: int
    cpu_ms: float
    wall_ms: float
    memory_mb: float

    @property
    def step_ms(self) -> float:
        """What one step of it cost outside the model, in CPU time."""
        return self.cpu_ms / max(self.steps, 1)


def memory_mb() -> float:
    """The resident memory of this process; 0 where it cannot be told."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    lines = status.read_text("utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def talk(agent: Agent, model: TalkingModel, turns: int) -> Iterator[Measured]:
    """Have the conversation; every turn must end with a reply."""
    for number in range(turns):
        before, begun, cpu = model.seconds, time.perf_counter(), time.thread_time()
        turn = agent.turn(said_in_turn(number))
        inside = model.seconds - before
        outside = [time.thread_time() - cpu - inside, time.perf_counter() - begun - inside]
        assert turn.reply, f"turn {number} has no reply"
        yield Measured(len(turn.steps), outside[0] * 1000, outside[1] * 1000, memory_mb())


def fill(store: Store, agent: Agent, messages: int) -> None:
    """Add messages until there are so many."""
    missing = messages - store.counts(agent.state.name).messages
    at = datetime.now().astimezone() - timedelta(days=1)
    for start in range(0, missing, BATCH):
        state = store.load(agent.state.name)
        assert state is not None
        with store.transaction(state, f"fill {start}") as transaction:
            for number in range(start, min(start + BATCH, missing)):
                transaction.record(Record("user", said_in_turn(number), at), 0)
            transaction.save(transaction.state)


def search_ms(store: Store, name: str, rounds: int = 20) -> dict[str, list[float]]:
    """Time searches of recall, in milliseconds of CPU time, by query."""
    times: dict[str, list[float]] = {query: [] for query in QUERIES}
    for _ in range(rounds):
        for query, taken in times.items():
            begun = time.thread_time()
            store.find_messages(name, query)
            taken.append((time.thread_time() - begun) * 1000)
    return times


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="A long conversation with a scripted model.")
    parser.add_argument("--turns", type=int, default=10_000)
    parser.add_argument("--window", type=int, default=2048, help="of the model, in tokens")
    parser.add_argument("--messages", type=int, default=100_000, help="in recall for the timed searches")
    parser.add_argument("--profile", choices=PROFILES, default="small")
    parser.add_argument("--free", action="store_true", help="a model that holds no grammar: none is made")
    args = parser.parse_args()
    model = TalkingModel(args.window, held=not args.free)
    measured: list[Measured] = []
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder)) as store:
        agent = Agent.open(store, "long", model, wrapper=WRAPPER, profile=PROFILES[args.profile])
        for number, one in enumerate(talk(agent, model, args.turns), 1):
            measured.append(one)
            if number % max(args.turns // 10, 1) == 0:
                part = measured[-max(args.turns // 10, 1) :]
                show(number, part)
        gc.collect()
        counts = store.counts("long")
        size = store.path.stat().st_size / 2**20
        print(f"stored: {counts.messages} messages, {counts.passages} notes, {size:.1f} MB;", end=" ")
        print(f"longest prompt {model.longest} of {args.window} tokens, {model.summaries} summaries")
        fill(store, agent, args.messages)
        searches = search_ms(store, "long")
        total = store.counts("long").messages
    return judge(measured, searches, total)


def show(number: int, part: list[Measured]) -> None:
    """Print one line about a part of the conversation."""
    steps = sorted(one.step_ms for one in part)
    middle, most = statistics.median(steps), steps[int(len(steps) * 0.95)]
    wall = statistics.median(one.wall_ms / max(one.steps, 1) for one in part)
    print(
        f"turn {number:6}: a step outside the model takes {middle:.2f} ms of CPU time, 95 % {most:.2f},",
        end=" ",
    )
    print(f"{wall:.2f} ms of wall time; {part[-1].memory_mb:.1f} MB", flush=True)


def judge(measured: list[Measured], searches: dict[str, list[float]], total: int) -> int:
    """Print what the limits are about, and tell whether they hold."""
    last = statistics.median(one.step_ms for one in measured[-max(len(measured) // 10, 1) :])
    warm = [one.memory_mb for one in measured[min(WARM, len(measured) // 2) :]]
    moved = max(abs(one / warm[0] - 1) for one in warm) if warm[0] else 0.0
    print(
        f"a step outside the model: {last:.2f} ms of CPU time (median of the last tenth; at most {STEP_MS})"
    )
    print(f"memory: {warm[0]:.1f} MB, within {moved:.1%} of it since (at most {MEMORY_SHARE:.0%})")
    for query, taken in searches.items():
        middle, most = statistics.median(taken), max(taken)
        print(f"search in {total} messages: {middle:.1f} ms of CPU time, {most:.1f} ms longest: {query}")
    slowest = max(statistics.median(taken) for taken in searches.values())
    good = last <= STEP_MS and moved <= MEMORY_SHARE and slowest <= SEARCH_MS
    print("all limits hold" if good else "a limit is broken")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
