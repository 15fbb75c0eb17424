"""What reading a reply of 4 kB costs, against json_repair on the same text: paired, in one run.

    pip install json_repair
    python benchmarks/reading.py [--rounds N] [--kb SIZE]

Texts: a clean call as MemGPT writes it, the same in Hermes' tags, and two damaged ones (trailing commas and a
missing brace; a Python dict with raw line breaks). `bridle.wrappers.parse_calls` finds the call, repairs it
and checks it against the tools' schemas; `json_repair.loads` turns the same text into objects, which for a
text that is JSON is one call of `json.loads`. The two are timed in turn, so that each round gives a ratio;
printed are the medians of the CPU time, the median ratio with its quartiles, and whether each found the
message.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / part) for part in ("wrappers", "grammars", "endpoints", "agent")]

from bridle.wrappers import parse_calls  # noqa: E402

REPEATS = 5
STRING = {"type": "string"}
SENTENCES = (
    "The boat lies at pier 4, next to the red shed.",
    'On the door it says "knock twice", and so we did.',
    "Costs: {fuel: 40 €, berth: 25 €}; see [1] and [2].",
    "Tomorrow the wind turns to south-west, 12 knots.",
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What reading a reply costs.")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--kb", type=float, default=4)
    options = parser.parse_args()
    message = _message(int(options.kb * 1000))
    print(f"{'text':26}{'chars':>7}{'ours ms':>10}{'peer ms':>10}{'ours/peer':>11}  quartiles      right")
    for name, dialect, raw in _texts(message):
        _compare(name, dialect, raw, message, options.rounds)


def _message(n_chars: int) -> str:
    lines: list[str] = []
    while sum(map(len, lines)) < n_chars:
        lines.append(f"{len(lines) + 1}. {SENTENCES[len(lines) % len(SENTENCES)]}\n")
    return "".join(lines)


def _texts(message: str) -> list[tuple[str, str, str]]:
    params = {"inner_thoughts": "She wants it all.", "message": message}
    memgpt = json.dumps({"function": "send_message", "params": params}, ensure_ascii=False, indent=2)
    call = {"name": "send_message", "arguments": params}
    hermes = f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>"
    python_dict = f"<tool_call>\n{call!r}\n</tool_call>".replace("\\n", "\n")
    return [
        ("memgpt, clean", "memgpt", memgpt),
        ("hermes, clean", "hermes", hermes),
        ("memgpt, commas and brace", "memgpt", memgpt.replace("\n  }\n}", ",\n  },")),
        ("hermes, python dict", "hermes", python_dict),
    ]


def _compare(name: str, dialect: str, raw: str, message: str, rounds: int) -> None:
    from json_repair import loads  # type: ignore[import-not-found]

    tools = [_tool("send_message", "message"), *(_tool(f"tool_{n}", "query") for n in range(9))]
    meta = {"dialect": dialect, "finish_reason": "stop"}
    ours = _timed(lambda: parse_calls(raw, tools, meta))
    peer = _timed(lambda: loads(raw))
    spent = [(ours(), peer()) for _ in range(rounds)]
    ratios = statistics.quantiles([a / b for a, b in spent], n=4)
    mine, other = (1000 * statistics.median(column) for column in zip(*spent, strict=True))
    read = parse_calls(raw, tools, meta)
    right = bool(read) and read[0]["arguments"]["message"] == message  # type: ignore[index]
    other_right = message.strip() in str(_find(loads(raw), "message"))
    print(
        f"{name:26}{len(raw):7}{mine:10.3f}{other:10.3f}{ratios[1]:11.2f}  "
        f"[{ratios[0]:.2f}, {ratios[2]:.2f}]   {right}, {other_right}"
    )


def _timed(act: Callable[[], object]) -> Callable[[], float]:
    """Return a function that does `act` a few times and tells the CPU seconds of one."""

    def spent() -> float:
        started = time.process_time()
        for _ in range(REPEATS):
            act()
        return (time.process_time() - started) / REPEATS

    spent()
    return spent


def _find(value: object, key: str) -> object:
    """Return the first value under `key` in nested objects."""
    if isinstance(value, dict):
        if key in value:
            return value[key]
        value = list(value.values())
    if isinstance(value, list):
        return next((found for item in value if (found := _find(item, key)) is not None), None)
    return None


def _tool(name: str, parameter: str) -> dict[str, object]:
    parameters = {
        "type": "object",
        "properties": {parameter: STRING, "inner_thoughts": STRING},
        "required": [parameter],
    }
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}


if __name__ == "__main__":
    main()
