"""What reading a reply of 4 kB costs, against json_repair on the same text: paired, in one run.

    pip install json_repair
    python benchmarks/reading.py [--rounds N] [--kb SIZE]

Texts: a clean call as MemGPT writes it, the same in Hermes' tags, and two damaged ones (trailing commas and a
missing brace; a Python dict with raw line breaks). `bridle.wrappers.parse_calls` finds the call among ten
tools, repairs it and checks it against its tool's schema. The peer reads the same text in two ways:
`json_repair.loads(text)`, which checks nothing and for a text that is JSON is one call of `json.loads`; and
`json_repair.loads(text, schema=...)` with the schema of the one right call, which does a part of our work.
All are timed in turn, so that each round gives a ratio; printed are the medians of the CPU time, the
median ratios, and whether each found the message.
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
    print(f"{'text':26}{'chars':>6}{'ours ms':>9}{'plain':>9}{'ratio':>7}{'schema':>11}{'ratio':>7}  right")
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
    schema = _call_schema(tools[0])
    acts: list[Callable[[], object]] = [
        lambda: parse_calls(raw, tools, meta),
        lambda: loads(raw),
        lambda: _checked(loads, raw, schema),
    ]
    timers = [_timed(act) for act in acts]
    rows = [[spent() for spent in timers] for _ in range(rounds)]
    ours, plain, checked = (1000 * statistics.median(column) for column in zip(*rows, strict=True))
    ratios = [statistics.median(row[0] / row[n] for row in rows) for n in (1, 2)]
    found = [message.strip() in str(_find(act(), "message")) for act in acts]
    against = f"{plain:9.3f}{ratios[0]:7.2f}{checked:11.3f}{ratios[1]:7.2f}"
    print(f"{name:26}{len(raw):6}{ours:9.3f}{against}  {found}")


def _checked(loads: Callable[..., object], raw: str, schema: dict[str, object]) -> object:
    """Read with the schema as a guide; a text that cannot be bent to it is refused by an error."""
    try:
        return loads(raw, schema=schema)
    except ValueError:
        return None


def _call_schema(tool: dict[str, object]) -> dict[str, object]:
    """Return the schema of a call of `tool` in either writing."""
    parameters = tool["function"]["parameters"]  # type: ignore[index]
    members = {"function": STRING, "name": STRING, "params": parameters, "arguments": parameters}
    return {"type": "object", "properties": members}


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
