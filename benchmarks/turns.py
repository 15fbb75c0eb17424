"""How long does a turn with the embedded model take, and what does it cost? One run, on this machine.

    python benchmarks/turns.py [--messages FILE]

Prints the start of `bridle chat` (a process that leaves at once; the best and the median of five after one
that warms the disk), and for one message per line of FILE: seconds and model calls per turn, the share of
prompt tokens that had to be evaluated after the first turn, valid calls, and the peak memory of this process.
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
from pathlib import Path

from bridle.agent import open_agent

MESSAGES = Path(__file__).parents[1] / "tests" / "data" / "hundred_messages.txt"


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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time turns with the embedded model.")
    parser.add_argument("--messages", type=Path, default=MESSAGES)
    lines = parser.parse_args().messages.read_text(encoding="utf-8").splitlines()
    with tempfile.TemporaryDirectory() as folder:
        starts = start_seconds(Path(folder) / "start")
        seconds: list[float] = []
        calls: list[int] = []
        evaluated = prompt = valid = 0
        with open_agent("bench", home=Path(folder) / "turns") as agent:
            for line in lines:
                begun = time.perf_counter()
                turn = agent.turn(line)
                seconds.append(time.perf_counter() - begun)
                calls.append(len(turn.completions))
                for completion in turn.completions:
                    usage = completion.usage
                    valid += bool(completion.message.calls)
                    if len(seconds) > 1:
                        prompt += usage.prompt_tokens
                        evaluated += usage.prompt_tokens - usage.cached_tokens
    ordered = sorted(seconds)
    print(f"start of bridle chat   {min(starts):.2f} s best, {statistics.median(starts):.2f} s median of 5")
    middle = statistics.median(seconds)
    print(
        f"turn                   {middle:.2f} s median, {ordered[-6]:.2f} s 95 %, {ordered[-1]:.2f} s longest"
    )
    print(f"model calls            {sum(calls)} in {len(calls)} turns, {valid} of them valid calls")
    print(f"prompt evaluated again {100 * evaluated / max(prompt, 1):.1f} % of {prompt} tokens")
    print(f"peak memory            {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
