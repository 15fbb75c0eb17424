"""How long does a turn with the embedded model take, and how much of its prompts is evaluated again? One run.

    python benchmarks/turns.py [--messages FILE] [--steps N] [--profile compact|small|full]

Prints the start of `bridle chat` (a process that leaves at once; the best and the median of five after one
that warms the disk), and for one message per line of FILE: seconds and model calls per turn, valid calls, and
the peak memory of this process. And for the first N steps, those after the first, and for all: the share of
prompt tokens that had to be evaluated at all, and of those that had to be evaluated *again*, because what
stands before them had changed. A line of the prompt is evaluated again when it was part of the last prompt or
of its answer; what the user now says and what a function has just returned is new.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridle.agent import open_agent
from bridle.agent.prompt import COMPACT
from bridle.agent.state import PROFILES
from bridle.endpoints.base import Answer, Request
from bridle.endpoints.embedded import MODEL_PATH
from bridle.endpoints.llamacpp import LlamaCpp
from bridle.wrappers import Segment

MESSAGES = Path(__file__).parents[1] / "tests" / "data" / "hundred_messages.txt"
LARGE_WINDOW = 16384
"""Tokens for the other profiles: the model was not trained with so many, but its time and reuse count."""


@dataclass(frozen=True)
class Asked:
    """One question to the model, in tokens; `answer_lost` are those of the last answer in its prompt that
    were not known any more, though nothing before them had changed."""

    prompt: int
    evaluated: int
    again: int
    answer_lost: int


class Counting(LlamaCpp):
    """The embedded model, counting what it evaluates."""

    def __init__(self, window: int | None) -> None:
        super().__init__(MODEL_PATH, name="embedded", context_tokens=window)
        self.asked: list[Asked] = []
        self._known = self._last_prompt = ""
        self._last_tokens = 0

    def complete(
        self,
        request: Request,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        """Answer as the model does, and count."""
        text = "".join(segment.text for segment in request.prompt)
        answer = super().complete(request, on_text, should_stop)
        usage = answer.usage
        evaluated = usage.prompt_tokens - usage.cached_tokens
        again = min(evaluated, self._again(text, request))
        lost = 0
        if self._known and text.startswith(self._known):
            lost = max(0, self._last_tokens - usage.cached_tokens)
        self.asked.append(Asked(usage.prompt_tokens, evaluated, again, lost))
        self._known, self._last_tokens = text + answer.text, usage.prompt_tokens + usage.completion_tokens
        return answer

    def _again(self, text: str, request: Request) -> int:
        """Tokens of the lines that the last prompt or its answer held behind what is the same."""
        pairs = enumerate(zip(self._known, text, strict=False))
        same = next((at for at, (one, other) in pairs if one != other), min(len(self._known), len(text)))
        end = request.stop[0] if request.stop else "\n"
        before = Counter(line.removesuffix(end) for line in self._known[same:].splitlines())
        count = 0
        for line in text[same:].splitlines():
            bare = line.removesuffix(end)
            if bare and before[bare] > 0:
                before[bare] -= 1
                piece = Request(prompt=(Segment(line + "\n", control=True),), control=request.control)
                count += self.count_tokens(piece)
        return count


def start_seconds(home: Path) -> list[float]:
    """Wall seconds of `bridle chat` whose input ends at once."""
    times: list[float] = []
    for _ in range(6):
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "bridle.cli", "chat"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            env={**os.environ, "BRIDLE_HOME": str(home)},
        )
        times.append(time.perf_counter() - begun)
    return times[1:]


def share(name: str, asked: Sequence[Asked]) -> str:
    """What was evaluated, and what of it again, in all steps after the first."""
    later = asked[1:]
    prompt = max(sum(one.prompt for one in later), 1)
    evaluated, again = sum(one.evaluated for one in later), sum(one.again for one in later)
    return (
        f"{name:22} {100 * again / prompt:.1f} % of {prompt} prompt tokens evaluated again,"
        f" {100 * evaluated / prompt:.1f} % evaluated"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time turns with the embedded model.")
    parser.add_argument("--messages", type=Path, default=MESSAGES)
    parser.add_argument("--steps", type=int, default=30, help="how many steps make the shorter conversation")
    parser.add_argument("--profile", choices=PROFILES, default="compact")
    options = parser.parse_args()
    lines = options.messages.read_text(encoding="utf-8").splitlines()
    profile = PROFILES[options.profile]
    model = Counting(None if profile is COMPACT else LARGE_WINDOW)
    with tempfile.TemporaryDirectory() as folder:
        starts = start_seconds(Path(folder) / "start")
        seconds: list[float] = []
        calls = valid = 0
        home = Path(folder) / "turns"
        with open_agent("bench", model, home=home, profile=profile) as agent:
            for line in lines:
                begun = time.perf_counter()
                turn = agent.turn(line)
                seconds.append(time.perf_counter() - begun)
                calls += len(turn.completions)
                valid += sum(bool(completion.message.calls) for completion in turn.completions)
    model.close()
    ordered = sorted(seconds)
    print(f"start of bridle chat   {min(starts):.2f} s best, {statistics.median(starts):.2f} s median of 5")
    middle = statistics.median(seconds)
    print(
        f"turn                   {middle:.2f} s median, {ordered[-6]:.2f} s 95 %, {ordered[-1]:.2f} s longest"
    )
    print(f"model calls            {calls} in {len(seconds)} turns, {valid} of them valid calls")
    print(share(f"first {options.steps} steps", model.asked[: options.steps]))
    print(share("all steps", model.asked))
    print(f"answers lost           {sum(one.answer_lost for one in model.asked)} tokens of answers")
    print(f"peak memory            {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
