"""What a fault gets, and the tables of all kinds of faults.

A kind is a function from a `Case` to what is said, or None where it does not apply. Kinds in `RECOVER` leave
one sensible reading (`told.py`); those in `REFUSE` must give no call at all (`refused.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from speech import JSON, Style, as_object, frame, say
from truth import Call, Item


@dataclass(frozen=True)
class Case:
    """A right answer to be said in a dialect, with a generator for the choices of a fault."""

    item: Item
    dialect: str
    rng: Random

    @property
    def calls(self) -> list[Call]:
        """The calls of the answer."""
        return list(self.item.calls)

    @property
    def names(self) -> list[str]:
        """The names of all tools."""
        return [tool["function"]["name"] for tool in self.item.tools]

    def properties(self, call: Call) -> dict[str, Any]:
        """Return the schemas of a call's parameters."""
        found: dict[str, Any] = self.item.schema(call[0])["properties"]
        return found

    def said(self, calls: list[Call] | None = None, style: Style = JSON) -> str:
        """Say calls, those of the answer if none are given."""
        return say(self.calls if calls is None else calls, self.dialect, style)

    def each(self, edit: Callable[[str], str], style: Style = JSON) -> str:
        """Say the answer with each call's object edited as text."""
        return frame([edit(style.dump(as_object(call, self.dialect))) for call in self.calls], self.dialect)

    def mapped(self, edit: Callable[[Call], Call | None]) -> str | None:
        """Say the answer with each call edited; None where a call cannot be."""
        calls = [edited for call in self.calls if (edited := edit(call))]
        return self.said(calls) if len(calls) == len(self.calls) else None


@dataclass(frozen=True)
class Said:
    """What a model wrote, how its turn ended, and how to undo in the values what the fault did to them."""

    text: str
    finish: str = "stop"
    undo: Callable[[str], str] | None = None


Kind = Callable[[Case], "Said | str | None"]
RECOVER: dict[str, Kind] = {}
REFUSE: dict[str, Kind] = {}


def recover(kind: Kind) -> Kind:
    """Register a kind whose calls can be told."""
    RECOVER[kind.__name__.lstrip("_")] = kind
    return kind


def refuse(kind: Kind) -> Kind:
    """Register a kind that must give no call."""
    REFUSE[kind.__name__.lstrip("_")] = kind
    return kind


def plain(name: str) -> str:
    """Return a name without what spellings differ in: case and signs."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def free_strings(case: Case, call: Call) -> list[str]:
    """Return the free strings among a call's arguments."""
    properties = case.properties(call)
    return [
        key
        for key, value in call[1].items()
        if isinstance(value, str)
        and properties[key].get("type") == "string"
        and "enum" not in properties[key]
    ]
