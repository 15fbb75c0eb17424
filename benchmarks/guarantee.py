"""Does every call that is started end as a whole, valid call? Noise calls random tools, with hardly any room.

    python benchmarks/guarantee.py [VOCABULARY.gguf ...] [--calls N] [--modes call think parallel]

For each VOCABULARY (a file with a tokenizer and no weights, see `random_models.py`; without one a vocabulary
of 4,096 tokens that is made here) a model with random weights is asked N times per mode, at temperature 1.5,
to call one of a few random tools. First the least budget is found out, by asking for an answer of one token;
then the call is asked for with that budget, or a little more, or much more. An answer counts when it is
complete within its budget and every call in it satisfies its tool's schema by jsonschema.

`think` begins with thinking where the format has marks for it; `parallel` allows up to three calls a turn.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).absolute().parent.parent
PARTS = ("benchmarks", "wrappers", "grammars", "endpoints", "agent", "tests")
sys.path[:0] = [str(ROOT / part) for part in PARTS]

import jsonschema  # noqa: E402
from random_models import write_random_model  # noqa: E402

from bridle.endpoints import respond  # noqa: E402
from bridle.endpoints.llamacpp import LlamaCpp  # noqa: E402
from bridle.errors import BridleError, BudgetError  # noqa: E402
from bridle.messages import JSON, Completion, Message, ToolSpec  # noqa: E402
from tiny_gguf import write_tiny_llama  # noqa: E402

WRAPPERS = {
    "call": ("chatml", "hermes", "llama3.1", "qwen3-coder", "mistral-v3", "gemma4", "toolace"),
    "think": ("qwen3", "hermes", "deepseek-r1", "granite4"),
    "parallel": ("hermes", "mistral-v3", "llama4", "minimax-m2", "xlam"),
}
MORE = (0, 0, 1, 3, 9, 30, 100, 300)
"""Tokens beyond the least budget; the least one twice as often."""
WORDS = ("city", "page", "label", "query", "größe", "text", "flag", "due", "items", "user.name", "x y")
MESSAGES = (Message("user", "Go."),)


@dataclass(slots=True)
class Tally:
    """What came out in one mode."""

    asked: int = 0
    good: int = 0
    tokens: int = 0
    interventions: int = 0
    bad: list[str] = field(default_factory=list[str])
    budgets: Counter[str] = field(default_factory=Counter[str])


def main() -> None:
    """Ask, count and print; the exit code is 1 when one answer was not good."""
    parser = argparse.ArgumentParser(description="Does every call end as a whole, valid call?")
    parser.add_argument("vocabularies", type=Path, nargs="*", metavar="VOCABULARY")
    parser.add_argument("--calls", type=int, default=100, help="per mode")
    parser.add_argument("--modes", nargs="+", choices=WRAPPERS, default=list(WRAPPERS))
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seconds", type=float, default=3600.0, help="stop a mode after this time")
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for vocabulary in options.vocabularies or [None]:
            path = Path(folder) / "random.gguf"
            if vocabulary is None:
                write_tiny_llama(path, n_vocab=4096, n_ctx=8192)
            else:
                write_random_model(vocabulary, path, n_ctx=8192)
            with LlamaCpp(path, threads=1) as endpoint:
                for mode in options.modes:
                    failed |= run(endpoint, vocabulary.stem if vocabulary else "4k", mode, options)
    sys.exit(1 if failed else 0)


def run(endpoint: LlamaCpp, name: str, mode: str, options: argparse.Namespace) -> bool:
    """Ask in one mode and print what came out; tell whether anything failed."""
    began, tally = time.perf_counter(), Tally()
    for seed in range(options.first, options.first + options.calls):
        if time.perf_counter() - began > options.seconds:
            break
        tally.asked += 1
        try:
            problem = ask(endpoint, mode, seed, tally)
        except BridleError as error:
            problem = f"{type(error).__name__}: {error}"
        if problem:
            tally.bad.append(f"seed {seed}: {problem}")
        else:
            tally.good += 1
    print(
        f"{name:24} {mode:9} {tally.good} of {tally.asked} complete and valid, {tally.tokens} tokens, "
        f"{tally.interventions} forced by the guard, {time.perf_counter() - began:.0f} s"
    )
    for problem in tally.bad[:10]:
        print("   ", problem)
    return bool(tally.bad)


def ask(endpoint: LlamaCpp, mode: str, seed: int, tally: Tally) -> str:
    """Ask for one answer, with a budget of its own; return what is wrong with it."""
    rng = random.Random(seed)
    tools = random_tools(rng)
    wrapper = rng.choice(WRAPPERS[mode])
    question = {
        "tools": tools,
        "tool_choice": "required",
        "wrapper": wrapper,
        "think": mode == "think",
        "parallel": 3 if mode == "parallel" else 1,
        "temperature": 1.5,
        "seed": seed,
        "loosen": False,
    }
    try:
        # One token is too few for any call: the refusal says how many it takes.
        respond(endpoint, MESSAGES, max_tokens=1, **question)
        return "one token was enough for a call"
    except BudgetError as error:
        least = error.needed
    budget = least + rng.choice(MORE)
    completion = respond(endpoint, MESSAGES, max_tokens=budget, **question)
    tally.tokens += completion.usage.completion_tokens
    tally.interventions += completion.cost.interventions if completion.cost else 0
    problem = wrong(completion, tools, budget)
    return f"{wrapper}, {budget} tokens (least {least}): {problem}" if problem else ""


def wrong(completion: Completion, tools: Sequence[ToolSpec], budget: int) -> str:
    """Return what is wrong with an answer."""
    if completion.finish != "stop":
        return f"ended by {completion.finish_reason}: {completion.raw!r}"
    if completion.usage.completion_tokens > budget:
        return f"took {completion.usage.completion_tokens} tokens"
    if completion.refusals or not completion.message.calls:
        return f"no call: {completion.refusals} in {completion.raw!r}"
    for call in completion.message.calls:
        (tool,) = (tool for tool in tools if tool.name == call.name)
        try:
            jsonschema.validate(dict(call.arguments), dict(tool.parameters))
        except jsonschema.ValidationError as error:
            return f"{call.name}: {error.message} in {completion.raw!r}"
    return ""


def random_tools(rng: random.Random) -> tuple[ToolSpec, ...]:
    """Draw one to six tools."""
    return tuple(
        ToolSpec(
            f"{rng.choice(('get', 'set', 'find', 'core_memory'))}_{i}", "Does it.", random_object(rng, 0)
        )
        for i in range(rng.randrange(1, 7))
    )


def random_object(rng: random.Random, depth: int) -> dict[str, JSON]:
    """Draw the schema of an object with up to four declared members."""
    names = rng.sample(WORDS, rng.randrange(5))
    return {
        "type": "object",
        "properties": {name: random_schema(rng, depth) for name in names},
        "required": [name for name in names if rng.random() < 0.7],
        "additionalProperties": False,
    }


def random_schema(rng: random.Random, depth: int) -> dict[str, JSON]:
    """Draw a schema of the kinds that tools have, and of some that few have."""
    low, least = rng.randrange(-50, 5), rng.randrange(3)
    kinds: list[dict[str, JSON]] = [
        {"type": "string"},
        {"type": "string", "minLength": least, "maxLength": least + rng.randrange(12)},
        {"type": "string", "pattern": rng.choice((r"^[A-Z]{2}-\d{1,4}$", r"^(yes|no) \w+$", "[0-9]"))},
        {"type": "string", "format": rng.choice(("date", "date-time", "time", "uuid", "email", "ipv4"))},
        {"type": "integer"},
        {"type": "integer", "minimum": low, "maximum": low + rng.randrange(3000)},
        {"type": "integer", "exclusiveMinimum": 0, "multipleOf": rng.choice((2, 5, 10))},
        {"type": "number"},
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "boolean"},
        {"enum": ["a", 'quo"te', 3, None, "日本"]},
        {"const": {"kind": "fixed", "n": [1, 2]}},
        {"type": ["string", "null"]},
        {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "maxLength": 5}, {"type": "null"}]},
    ]
    if depth < 2:
        inner = random_schema(rng, depth + 1)
        kinds += [
            {"type": "array", "items": inner},
            {"type": "array", "items": inner, "minItems": least, "maxItems": least + rng.randrange(3)},
            {"type": "array", "prefixItems": [{"type": "boolean"}, inner], "items": False, "minItems": 2},
            random_object(rng, depth + 1),
            {"type": "object", "additionalProperties": {"type": "integer"}},
        ]
    return rng.choice(kinds)


if __name__ == "__main__":
    main()
