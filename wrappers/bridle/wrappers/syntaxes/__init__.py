"""The call syntaxes, by the name that formats use for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from bridle.wrappers.syntax import CallSyntax, JsonLayout
from bridle.wrappers.syntaxes.hermes import Hermes
from bridle.wrappers.syntaxes.memgpt import MemGPT

__all__ = ["SYNTAXES", "Hermes", "MemGPT", "ThoughtsPlace", "make_syntax"]

ThoughtsPlace = Literal["inner", "outer", "none"]

SYNTAXES: Mapping[str, Callable[[ThoughtsPlace, JsonLayout], CallSyntax]] = {
    "memgpt": MemGPT,
    "hermes": lambda thoughts, layout: Hermes(layout),
}


def make_syntax(name: str, thoughts: ThoughtsPlace, layout: JsonLayout) -> CallSyntax:
    """Build the syntax `name` (a key of `SYNTAXES`) with a place for thoughts and a layout of its JSON."""
    return SYNTAXES[name](thoughts, layout)
