"""Conversations as passages: each turn is found by its own words, its date, and the turn before it.

Measured on LoCoMo (5,882 turns, 1,982 questions, November 2026; recall among the first ten, words only):
.630 for "speaker: text", .652 with the date, .734 with the date and the turn before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bridle.agent.archival.base import Draft
from bridle.agent.store.passages import day_words
from bridle.messages import JSON

__all__ = ["Said", "conversation_drafts"]


@dataclass(frozen=True, slots=True)
class Said:
    """One turn of a conversation. `at` is the time on the speakers' clock, None where it is not known.

    `locator` says where it stood; without one it is told by its number, counted from 0.
    """

    speaker: str
    text: str
    at: datetime | None = None
    locator: Mapping[str, JSON] = field(default_factory=dict[str, JSON])


def conversation_drafts(turns: Iterable[Said]) -> list[Draft]:
    """Write the turns of one sitting, in their order, as passages that are to be stored.

    >>> first = Said("Ada", "We have a dog.", datetime(2023, 5, 8, 13, 56))
    >>> [draft.context for draft in conversation_drafts([first, Said("Bo", "What is its name?", first.at)])]
    ['[2023-05-08 Monday 8 May 2023]', '[2023-05-08 Monday 8 May 2023] Ada: We have a dog.']
    """
    drafts: list[Draft] = []
    before = ""
    for number, turn in enumerate(turns):
        text = f"{turn.speaker}: {turn.text}"
        date = f"[{day_words(f'{turn.at:%Y-%m-%d}')}]" if turn.at else ""
        created_ns = int(turn.at.timestamp() * 1_000_000) * 1000 if turn.at else None
        locator = turn.locator or {"turn": number}
        drafts.append(Draft(text, f"{date} {before}".strip(), locator, created_ns))
        before = text
    return drafts
