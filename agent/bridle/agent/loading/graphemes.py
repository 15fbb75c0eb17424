"""Where a text may be cut without cutting what a reader sees as one character.

The rules are those of Unicode's extended grapheme clusters (UAX #29, revision 45, Unicode 16) as far as the
categories of Python's `unicodedata` tell them: marks, joined emoji, flags, Hangul, and Indic conjuncts. A
cluster that the rules would end may be kept whole here; one that they keep is never cut.
"""

from __future__ import annotations

import unicodedata

__all__ = ["is_boundary"]

_JOINERS = "\u200c\u200d"
_VIRAMA = 9  # the canonical combining class of what joins two Indic consonants


def is_boundary(text: str, at: int) -> bool:
    r"""Say whether a text may be cut before the character at `at` (0 to its length).

    >>> [at for at in range(7) if is_boundary("ae\u0301\r\nxy", at)]
    [0, 1, 3, 5, 6]
    """
    if at <= 0 or at >= len(text):
        return True
    before, after = text[at - 1], text[at]
    if before < "\u0300" and after < "\u0300":  # the common case
        return not (before == "\r" and after == "\n")
    return not (
        before in _JOINERS
        or _extends(after)
        or unicodedata.combining(before) == _VIRAMA
        or _is_hangul_pair(before, after)
        or _is_flag(text, at)
    )


def _extends(char: str) -> bool:
    return (
        char in _JOINERS
        or unicodedata.category(char) in ("Mn", "Mc", "Me")
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # the colour of a skin
        or "\U000e0020" <= char <= "\U000e007f"  # the letters in the flag of Scotland
        or char in "\u0e33\u0eb3\uff9e\uff9f"
    )


def _is_hangul_pair(before: str, after: str) -> bool:
    if not "\u1160" <= after <= "\u11ff" and not "\u1100" <= after <= "\u115f":
        return "\u1100" <= before <= "\u115f" and "\uac00" <= after <= "\ud7a3"
    return "\u1100" <= before <= "\u11ff" or "\uac00" <= before <= "\ud7a3"


def _is_flag(text: str, at: int) -> bool:
    """Flags are pairs of letters, so which two belong together is told by counting from the first."""
    if not (_is_flag_letter(text[at - 1]) and _is_flag_letter(text[at])):
        return False
    first = at
    while first > 0 and _is_flag_letter(text[first - 1]):
        first -= 1
    return (at - first) % 2 == 1


def _is_flag_letter(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"
