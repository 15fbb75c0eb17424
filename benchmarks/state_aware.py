"""Does a constraint that knows the agent's state help a weak model? The same cases with and without it.

    python benchmarks/state_aware.py [--model FILE.gguf] [--per-kind N] [--seed S] [--show N]

Three arms see the same prompt and are held to a valid call of one of the agent's functions, decoded greedily:

- shape: any valid call; strings are any strings.
- choices: block labels, lines and pages are among those that there are.
- grounded: what the agent does with this model (`bridle.agent.functions.constraint`): the choices, and what
  is copied (facts, names, queries, days, what a thought looks up) comes from what was said or is in memory.

Cases are single steps of an agent that training has not seen (the generator's splits "entities" and "frames",
from a seed of their own) and the lines that people wrote (`training/handwritten.jsonl`). Success is the right
function with the right arguments. Printed are all shares, in how many cases only one arm was right, and the
exact two-sided McNemar test against the shape alone.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).absolute().parent.parent
PARTS = ("training", "wrappers", "grammars", "endpoints", "agent")
sys.path[:0] = [str(ROOT / part) for part in PARTS]

from evaluate import MAX_TOKENS, SEED, SPLITS, handwritten  # noqa: E402
from generate import KINDS, Case, groups, judge, messages  # noqa: E402
from quotes import mcnemar  # noqa: E402

from bridle.agent.functions import FUNCTIONS, constraint, narrow  # noqa: E402
from bridle.agent.prompt import COMPACT  # noqa: E402
from bridle.endpoints import respond  # noqa: E402
from bridle.endpoints.base import Endpoint  # noqa: E402
from bridle.endpoints.embedded import open_embedded  # noqa: E402
from bridle.endpoints.llamacpp import LlamaCpp  # noqa: E402
from bridle.grammars import Bounds  # noqa: E402
from bridle.messages import JSON, ToolCall, ToolSpec  # noqa: E402

ARMS = ("shape", "choices", "grounded")
HELD = SPLITS[1:]  # the first split is the one that training draws from
BOUNDS = Bounds(string_chars=COMPACT.string_chars, thoughts_chars=COMPACT.thoughts_chars)
Check: TypeAlias = Callable[[ToolCall], bool]
Held: TypeAlias = tuple[tuple[ToolSpec, ...], dict[str, JSON] | None]


@dataclass
class Count:
    """How often each arm was right; `only` counts, for an arm, the cases that just it and just the shape
    got right."""

    n: int = 0
    right: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ARMS, 0))
    only: dict[str, tuple[int, int]] = field(default_factory=lambda: dict.fromkeys(ARMS[1:], (0, 0)))

    def add(self, right: dict[str, bool]) -> None:
        """Count one case."""
        self.n += 1
        for arm in ARMS:
            self.right[arm] += right[arm]
        for arm, (with_it, without) in self.only.items():
            one, other = right[arm], right["shape"]
            self.only[arm] = (with_it + (one and not other), without + (other and not one))


def held_to(arm: str, case: Case) -> Held:
    """What the next answer may be."""
    if arm == "grounded":
        return constraint(COMPACT, case.core, case.history, case.now)
    return (narrow(case.core) if arm == "choices" else FUNCTIONS), None


def ask(endpoint: Endpoint, case: Case, arm: str) -> ToolCall | None:
    """Put a case to the model and return its call."""
    allowed, thoughts = held_to(arm, case)
    completion = respond(
        endpoint, messages(case), FUNCTIONS, tool_choice="required", allowed=allowed, thoughts=thoughts,
        wrapper="chatml-compact", constraint="grammar", bounds=BOUNDS, max_tokens=MAX_TOKENS, seed=1,
    )  # fmt: skip
    return completion.message.calls[0] if completion.message.calls else None


def cases(per_kind: int, seed: int) -> Iterator[tuple[str, Case, Check]]:
    """Yield a group's name, a case of it, and what tells whether a call is right."""
    for kind, split in itertools.product(KINDS, HELD):
        if kind.startswith("tool") or kind == "copy":
            continue  # those have other tools than the agent's
        for group in itertools.islice(groups(seed, split, kind), per_kind):
            case = group[0]
            if case.tools is None:
                yield kind, case, lambda call, case=case: judge(case, call)[1]
    for case, contains in handwritten(ROOT / "training" / "handwritten.jsonl"):
        yield (
            "handwritten",
            case,
            lambda call, case=case, contains=contains: (
                call.name == case.call.name
                and all(
                    part.lower() in str(call.arguments.get(key, "")).lower() for key, part in contains.items()
                )
            ),
        )


def show(name: str, case: Case, calls: dict[str, ToolCall | None]) -> None:
    """Print one case in which the arms differ."""
    said = next((m.content for m in reversed(case.history) if m.role == "user"), "")
    print(f"  {name}: {said!r}; right: {case.call.name} {dict(case.call.arguments)}")
    for arm, call in calls.items():
        print(f"    {arm:9s}", "no call" if call is None else f"{call.name} {dict(call.arguments)}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Right calls with and without the agent's state.")
    parser.add_argument("--model", type=Path, help="a GGUF file instead of the embedded model")
    parser.add_argument("--per-kind", type=int, default=10, help="cases of each kind in each split")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--show", type=int, default=0, help="print so many cases in which the arms differ")
    args = parser.parse_args()
    counts: dict[str, Count] = {}
    begun, shown = time.process_time(), 0
    with open_embedded() if args.model is None else LlamaCpp(args.model) as endpoint:
        for name, case, is_right in cases(args.per_kind, args.seed):
            calls = {arm: ask(endpoint, case, arm) for arm in ARMS}
            right = {arm: call is not None and is_right(call) for arm, call in calls.items()}
            counts.setdefault(name, Count()).add(right)
            if shown < args.show and len(set(right.values())) > 1:
                show(name, case, calls)
                shown += 1
    report({**counts, "all": total(counts)})
    print(f"{time.process_time() - begun:.0f} s of CPU time")


def total(counts: dict[str, Count]) -> Count:
    """All counts together."""
    every = Count()
    for one in counts.values():
        every.n += one.n
        every.right = {arm: every.right[arm] + one.right[arm] for arm in ARMS}
        every.only = {
            arm: (with_it + one.only[arm][0], without + one.only[arm][1])
            for arm, (with_it, without) in every.only.items()
        }
    return every


def report(counts: dict[str, Count]) -> None:
    """Print a line for each kind."""
    print("| kind | n | shape | choices | only it / only shape | p | grounded | only it / only shape | p |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, one in counts.items():
        cells = [name, str(one.n), f"{one.right['shape'] / one.n:.1%}"]
        for arm, (with_it, without) in one.only.items():
            p = mcnemar(with_it, without)
            cells += [f"{one.right[arm] / one.n:.1%}", f"{with_it} / {without}", f"{p:.2g}"]
        print("|", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
