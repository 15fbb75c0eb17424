"""The part of a long passage that a question is about: as many of its words as fit, near where they begin."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["excerpt"]

_ENDING = 3
"""So many letters at the end of a word may differ: `barks` is near `barking`."""
_LEAST = 3
"""A word is not cut to fewer letters."""


def excerpt(text: str, words: Sequence[str], most_chars: int) -> str:
    """Cut a text to `most_chars` characters around the most of these words; else its beginning.

    >>> excerpt("One two three four five six seven eight nine ten.", ["seven"], 24)
    '…six seven eight nine…'
    """
    if len(text) <= most_chars:
        return text
    found = sorted(
        (match.start(), word)
        for word in words
        for match in re.finditer(rf"\b{re.escape(_stem(word))}", text, re.IGNORECASE)
    )
    start = max(_start(found, most_chars), 0)
    if start + most_chars >= len(text):
        start = len(text) - most_chars + 1
    begun = text.find(" ", start, start + most_chars // 4) + 1 if start else 0
    start = begun or start
    room = most_chars - (start > 0)
    if len(text) - start <= room:
        return f"…{text[start:]}"
    end = start + room - 1
    cut = text.rfind(" ", start + room // 2, end + 1)
    return ("…" if start else "") + text[start : cut if cut > 0 else end] + "…"


def _start(found: Sequence[tuple[int, str]], most_chars: int) -> int:
    """Where to begin: a little before the word from which on most words fit; of equal ones the first."""
    best, most = 0, 0
    for at, _ in found:
        words = {word for place, word in found if at <= place < at + most_chars * 3 // 4}
        if len(words) > most:
            best, most = at - most_chars // 4, len(words)
    return best


def _stem(word: str) -> str:
    return word[: max(_LEAST, len(word) - _ENDING)]
