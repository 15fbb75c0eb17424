"""The call syntaxes, by the name that formats use for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

from bridle.wrappers.syntax import CallSyntax, JsonLayout
from bridle.wrappers.syntaxes.declared import Declared
from bridle.wrappers.syntaxes.families import FAMILIES, MEMGPT
from bridle.wrappers.syntaxes.tables import build, syntax_from_table

__all__ = ["SYNTAXES", "Declared", "Hermes", "MemGPT", "ThoughtsPlace", "make_syntax", "syntax_from_table"]

ThoughtsPlace = Literal["inner", "outer", "none"]
ONE_LINE, TWO_BLANKS = JsonLayout(), JsonLayout(2)


class MemGPT(Declared):
    """MemGPT's call object: where the inner thoughts stand, and the layout of its JSON."""

    __slots__ = ()

    def __init__(self, thoughts: ThoughtsPlace = "inner", layout: JsonLayout = TWO_BLANKS) -> None:
        made = build("memgpt", MEMGPT[thoughts], layout)
        super().__init__("memgpt", made.shape, label=f"MemGPT({thoughts!r}, {layout!r})")


class Hermes(Declared):
    """Hermes' calls: `<tool_call>` around a JSON object, free text before, several calls allowed."""

    __slots__ = ()

    def __init__(self, layout: JsonLayout = ONE_LINE) -> None:
        made = build("hermes", FAMILIES["hermes"], layout)
        super().__init__("hermes", made.shape, label=f"Hermes({layout!r})")


def _family(name: str, thoughts: ThoughtsPlace, layout: JsonLayout) -> CallSyntax:
    return build(name, FAMILIES[name], layout)


SYNTAXES: Mapping[str, Callable[[ThoughtsPlace, JsonLayout], CallSyntax]] = {
    **{name: partial(_family, name) for name in FAMILIES},
    "memgpt": MemGPT,
    "hermes": lambda thoughts, layout: Hermes(layout),
}
"""Each dialect's builder; only `memgpt` has a choice of places for the thoughts."""


def make_syntax(name: str, thoughts: ThoughtsPlace, layout: JsonLayout) -> CallSyntax:
    """Build the syntax `name` (a key of `SYNTAXES`) with a place for thoughts and a layout of its JSON.

    A layout of one line leaves a family's own layout as it is.
    """
    return SYNTAXES[name](thoughts, layout)
