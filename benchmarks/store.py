"""How long do a step's commit and a search of the conversation take, as it grows? One run.

    python benchmarks/store.py [--messages 100000] [--agents 1 5] [--folder DIR]

For each number of agents it makes a database in which the first has as many messages as the option says, and
each of the others a quarter of that, written as a runner writes them: a step of a user's and an assistant's
message, and a state with a history of 32,000 characters. It prints (in ms: the best, the median, the slowest
but for one in a hundred) the time of a commit at the beginning and at the end, and the processor's time of
searches for rare words, for common ones, by day, and without words; and the size of the file and of the
process. Words are random with the frequencies of a language (Zipf): the commonest stands in nine of ten
messages.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import accumulate
from pathlib import Path

from bridle.agent.prompt import FULL
from bridle.agent.state import AgentState, Record, new_state
from bridle.agent.store import Store
from bridle.messages import Message

HISTORY_CHARS = 32_000
MESSAGE_WORDS = 14
BEGAN = datetime(2024, 1, 1, 8).astimezone()


class Words:
    """Random text with the frequencies of a language."""

    def __init__(self, count: int = 20_000) -> None:
        self._chance = random.Random(1)
        syllables = [consonant + vowel for consonant in "bcdfgklmnprstvz" for vowel in "aeiou"]
        made: dict[str, None] = {}
        while len(made) < count:
            made["".join(self._chance.choices(syllables, k=3)) + self._chance.choice("nrst")] = None
        self.all = list(made)
        self._weights = list(accumulate(1 / rank for rank in range(1, count + 1)))

    def text(self) -> str:
        return " ".join(self._chance.choices(self.all, cum_weights=self._weights, k=MESSAGE_WORDS))


def main() -> None:
    """Run as the command line says and print a table for each number of agents."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--agents", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    for agents in given.agents:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder, Store(Path(folder)) as store:
            print(f"\n{given.messages} messages, {agents} {'agent' if agents == 1 else 'agents'}")
            measure(store, agents, given.messages)


def measure(store: Store, agents: int, messages: int) -> None:
    """Write and search, and print what it took."""
    words = Words()
    states = [store.create(new_state(f"agent{number}", FULL)) for number in range(agents)]
    times: list[float] = []
    memory: list[int] = []
    steps = messages // 2
    for number in range(steps):
        states[0] = step(store, states[0], words, number, times)
        if number % 4 == 0:
            for other in range(1, agents):
                states[other] = step(store, states[other], words, number, [])
        if number in (steps // 10, steps - 1):
            memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    tenth = max(1, steps // 10)
    for title, part in (("first", times[:tenth]), ("last", times[-tenth:])):
        row(f"commit of a step, {title} tenth", part)
    size = sum(file.stat().st_size for file in store.home.iterdir()) / 2**20
    print(f"  file {size:.0f} MiB; process at most {memory[0]} MiB at a tenth, {memory[-1]} MiB at the end")
    search(store, words)


def step(store: Store, state: AgentState, words: Words, number: int, times: list[float]) -> AgentState:
    """Write one step of an agent, with a history as long as it gets."""
    at = BEGAN + timedelta(minutes=20 * number)
    said = [Record("user", words.text(), at), Record("assistant", words.text(), at)]
    history = (*state.history, *(Message(one.role, one.text) for one in said))
    while sum(len(message.content) for message in history) > HISTORY_CHARS:
        history = history[8:]
    began = time.perf_counter()
    with store.transaction(state, f"step {number}") as transaction:
        for one in said:
            transaction.record(one, number + 1)
        saved = transaction.save(replace(transaction.state, history=history, turn=number + 1))
    times.append(time.perf_counter() - began)
    return saved


def search(store: Store, words: Words) -> None:
    """Print what searches of the first agent take."""
    name, common = "agent0", words.all
    queries = {
        "a rare word": common[3000],
        "a word of one message in 20": common[30],
        "the commonest word": common[0],
        "five words, one rare": " ".join((common[0], common[20], common[100], common[800], common[4000])),
        "the five commonest words": " ".join(common[:5]),
        "the same, page 100": " ".join(common[:5]),
        "no words": "",
        "a word that nobody said": "xylophone",
    }
    for title, query in queries.items():
        page = 100 if title.endswith("100") else 0
        taken = timed(lambda query=query, page=page: store.find_messages(name, query, page))  # type: ignore[misc]
        row(f"search: {title} ({store.find_messages(name, query).total} found)", taken)
    days = (("one day", ("2024-02-01", "2024-02-01")), ("all days", ("2024-01-01", "2030-01-01")))
    for title, span in days:
        taken = timed(lambda span=span: store.find_messages_by_day(name, span))  # type: ignore[misc]
        row(f"search: {title} ({store.find_messages_by_day(name, span).total} found)", taken)
    row("load a state", timed(lambda: store.load(name)))
    row("count messages and passages", timed(lambda: store.counts(name)))
    row("the log's newest 20", timed(lambda: store.messages(name, newest=20)))


def timed(work: Callable[[], object], times: int = 25) -> list[float]:
    """Seconds of the processor for each of some runs, after one that does not count."""
    work()
    taken: list[float] = []
    for _ in range(times):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return taken


def row(title: str, taken: Sequence[float]) -> None:
    """Print the best, the median, and the slowest but for one in a hundred."""
    ordered = sorted(taken)
    shown = (ordered[0], statistics.median(ordered), ordered[int(len(ordered) * 0.99)])
    print(f"  {title:58}", *(f"{seconds * 1000:8.2f}" for seconds in shown), flush=True)


if __name__ == "__main__":
    main()
