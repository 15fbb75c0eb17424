"""What a load tells: while it goes on, and at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["LoadProgress", "LoadReport", "OnProgress", "Outcome", "Status"]

Status: TypeAlias = Literal["loaded", "unchanged", "skipped", "failed", "gone", "removed"]
"""`skipped` is of no known kind or holds no text; `gone` is no longer there but its passages are; `removed`
is gone with its passages."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file, page or query. Counts are of what is kept of it now."""

    address: str
    status: Status
    passages: int = 0
    documents: int = 0
    reason: str = ""
    """Why it was skipped, or failed."""
    hint: str = ""
    notes: tuple[str, ...] = ()
    """What was guessed in reading it."""
    losses: tuple[str, ...] = ()
    """What of it could not be read."""


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """Where a load is: at the file `number` of `total`, from 1 on, with so many passages stored of it."""

    address: str
    number: int
    total: int
    passages: int


OnProgress: TypeAlias = Callable[[LoadProgress], None]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """The end of a load. `warning` says why passages are not yet found by meaning, where they should be."""

    source: str
    outcomes: tuple[Outcome, ...]
    warning: str = ""

    def having(self, *status: Status) -> tuple[Outcome, ...]:
        """Return the outcomes with one of these statuses."""
        return tuple(one for one in self.outcomes if one.status in status)

    @property
    def passages(self) -> int:
        """How many passages the files of this load have that were not there unchanged before."""
        return sum(one.passages for one in self.having("loaded"))

    @property
    def documents(self) -> int:
        """How many documents these files have: pages, rows, or whole texts."""
        return sum(one.documents for one in self.having("loaded"))

    @property
    def is_complete(self) -> bool:
        """Whether all that was asked for is in the source now."""
        return not self.having("failed") and not any(one.losses for one in self.outcomes)
