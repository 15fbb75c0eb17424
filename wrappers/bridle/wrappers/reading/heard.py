"""What was heard: a name with arguments as the model wrote them, before anything is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridle.messages import JSON, Refusal, Repair

__all__ = ["Heard", "Parts", "Region"]


def _none() -> dict[str, JSON]:
    return {}


def _no_notes() -> list[Repair]:
    return []


@dataclass(slots=True)
class Heard:
    """Something that says it is a call.

    `raw` holds arguments that were written one by one as plain text; `places` those without names; `spare`
    what stood beside name and arguments. `problem` says why it can be no call whatever the tools are.
    """

    name: str
    arguments: JSON = None
    raw: Mapping[str, str] | None = None
    places: tuple[JSON, ...] = ()
    spare: dict[str, JSON] = field(default_factory=_none)
    thoughts: str = ""
    problem: str = ""
    flat: bool = False
    """Whether the arguments stood beside the name, in no object of their own."""
    keyed: bool = False
    """Whether the name was the key of the arguments."""
    repaired: bool = False
    """Whether what was written is not JSON."""
    loose: bool = False
    """Whether a bracket was missing, so that an argument may stand deeper than it should."""
    alone: bool = False
    """Whether there is nothing but the word `name` and a name, which data may hold too."""


@dataclass(slots=True)
class Region:
    """A stretch of the text up to `end`, what was heard in it and what had to be repaired for that.

    `sure` says that marks of a call stood around it, so that it is nothing else.
    """

    start: int
    end: int
    heard: list[Heard]
    notes: list[Repair] = field(default_factory=_no_notes)
    sure: bool = False


def _texts() -> list[str]:
    return []


def _regions() -> list[Region]:
    return []


def _refusals() -> list[Refusal]:
    return []


@dataclass(slots=True)
class Parts:
    """What a text is made of."""

    text: list[str] = field(default_factory=_texts)
    thoughts: list[str] = field(default_factory=_texts)
    regions: list[Region] = field(default_factory=_regions)
    notes: list[Repair] = field(default_factory=_no_notes)
    refusals: list[Refusal] = field(default_factory=_refusals)
    unmarked: int = -1
    """Where thinking ended that no mark had begun."""

    @property
    def count(self) -> int:
        """How many things like calls there are."""
        return len(self.regions) + len(self.refusals)
