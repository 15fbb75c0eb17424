"""What a constraint makes of each keyword of a schema: nothing that is weakened is ever silent."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Entry", "Report"]

Entry = tuple[str, str]
"""A JSON pointer (RFC 6901) to the schema that holds a keyword, and the keyword."""

SIGNS = frozenset({"x-order", "x-closed", "x-narrowed", "x-null"})
"""Entries that are no keywords: they tell what is refused or written otherwise, though a schema allows it."""


@dataclass(frozen=True, slots=True)
class Report:
    """For each keyword that restricts: is it enforced, weakened (checked after reading only), or refused?

    A keyword that is in `weakened` may let texts through that the schema refuses, or, where the entry is
    `x-order` or another of bridle's own signs, refuse texts that the schema allows.
    """

    target: str
    enforced: tuple[Entry, ...] = ()
    weakened: tuple[Entry, ...] = ()
    refused: tuple[Entry, ...] = ()

    @property
    def lost(self) -> tuple[Entry, ...]:
        """What is weakened without the signs for what is held more tightly: keywords that need a check."""
        return tuple(entry for entry in self.weakened if entry[1] not in SIGNS)
