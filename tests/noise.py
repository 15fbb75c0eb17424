"""Random tools, and the wildest way to choose tokens: what noise is asked to call functions with."""

from __future__ import annotations

import random
from typing import Literal

from bridle.endpoints.base import Sampling
from bridle.grammars import Bounds
from bridle.messages import JSON, ToolSpec
from bridle.wrappers import Segment

__all__ = ["BOUNDS", "ENGINES", "PROMPT", "WILD", "random_object", "random_schema", "random_tools"]

ENGINES: tuple[Literal["llguidance", "gbnf"], ...] = ("llguidance", "gbnf")
BOUNDS = Bounds(
    string_chars=12,
    thoughts_chars=16,
    thinking_chars=16,
    array_items=2,
    object_members=2,
    depth=2,
    key_chars=6,
)
WILD = Sampling(temperature=1.5)
PROMPT = (Segment("<|im_start|>user\nGo.<|im_end|>\n<|im_start|>assistant\n", control=True),)
WORDS = ("city", "page", "label", "query", "number", "text", "flag", "é日")


def random_schema(rng: random.Random, depth: int = 0) -> dict[str, JSON]:
    kinds: list[dict[str, JSON]] = [
        {"type": "string"},
        {"type": "string", "maxLength": rng.randrange(9)},
        {"type": "integer", "minimum": rng.randrange(-50, 5), "maximum": rng.randrange(5, 3000)},
        {"type": "number"},
        {"type": "boolean"},
        {"enum": ["a", 'quo"te', 3, None]},
        {"type": ["string", "null"]},
    ]
    if depth < 2:
        kinds.append({"type": "array", "items": random_schema(rng, depth + 1)})
        kinds.append(random_object(rng, depth + 1))
    return rng.choice(kinds)


def random_object(rng: random.Random, depth: int = 0) -> dict[str, JSON]:
    names = rng.sample(WORDS, rng.randrange(4))
    return {
        "type": "object",
        "properties": {name: random_schema(rng, depth) for name in names},
        "required": [name for name in names if rng.random() < 0.7],
        "additionalProperties": False,
    }


def random_tools(rng: random.Random) -> list[ToolSpec]:
    return [ToolSpec(f"{rng.choice(WORDS)}_{i}", "", random_object(rng)) for i in range(rng.randrange(1, 4))]
