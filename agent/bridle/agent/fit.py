"""Make a conversation fit a model's window: ever shorter views of it, the first that fits is shown.

Turns go from the oldest on; the newest turn always stays, and only the results of its functions may be cut.
What the user said and what is in memory is never cut: where that alone is too long, the caller is told so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bridle.agent.prompt import Profile, trim
from bridle.messages import Message

__all__ = ["answer_tokens", "views"]

LEAST_RESULT_CHARS = 80


def views(profile: Profile, history: Sequence[Message]) -> Iterator[tuple[Message, ...]]:
    """Yield what of the conversation may be shown: as much as the profile wants, then less and less."""
    last: tuple[Message, ...] | None = None
    for thirds in (3, 2, 1, 0):
        view = trim(history, profile.history_chars * thirds // 3)
        if view != last:
            yield view
        last = view
    while last is not None:
        last = _cut_longest_result(last)
        if last is not None:
            yield last


def _cut_longest_result(turn: Sequence[Message]) -> tuple[Message, ...] | None:
    """Halve the longest result of a function; None when all are short."""
    results = [(len(message.content), at) for at, message in enumerate(turn) if message.role == "tool"]
    size, at = max(results, default=(0, 0))
    if size <= LEAST_RESULT_CHARS:
        return None
    kept = max(size // 2, LEAST_RESULT_CHARS) - 1
    cut = replace(turn[at], content=turn[at].content[:kept] + "…")
    return (*turn[:at], cut, *turn[at + 1 :])


def answer_tokens(profile: Profile, window: int) -> int:
    """How many tokens of a window to leave for an answer: a long one at two characters each, at most a
    quarter."""
    return min((profile.thoughts_chars + profile.string_chars) // 2 + 64, window // 4)
