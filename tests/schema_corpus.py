"""Schemas with values that they accept and that they refuse: one per feature, and some as people write them.

The files are JSON Lines of `name`, `schema`, `valid` and `invalid`; formats count as demands.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bridle.messages import JSON

__all__ = ["Example", "features", "people"]

_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Example:
    """One schema, and values on both sides of it."""

    name: str
    schema: JSON
    valid: list[JSON]
    invalid: list[JSON]


def features() -> list[Example]:
    """Return an example for each feature of JSON Schema that tools use."""
    return list(_read("schema_features.jsonl"))


def people() -> list[Example]:
    """Return schemas as people and programs write them."""
    return list(_read("schemas.jsonl"))


def _read(name: str) -> Iterator[Example]:
    for line in (_DATA / name).read_text(encoding="utf-8").splitlines():
        yield Example(**json.loads(line))
