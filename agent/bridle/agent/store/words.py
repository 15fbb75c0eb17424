"""The words of a question, and how they are written for FTS5.

They are joined by OR after the commonest ones are left out, because people and models ask in sentences.
Whatever else stands in a question (quotes, `%`, operators) is plain text without effect.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

__all__ = ["MOST_WORDS", "STOP_WORDS", "match_text", "words"]

MOST_WORDS = 64
"""Of a query; FTS5's parser has a limited stack, and BM25 over more words finds nothing better."""

STOP_WORDS = frozenset(
    word
    for line in (
        "a about am an and any anyone anything are as at be been but by can could did do does doing ever",
        "for from get give got had has have he her here him his how i if in into is it its know let made",
        "make may me more most my no not of on or our out over please remember said say search she should",
        "so some tell than that the their them then there these they this those to told under up us very",
        "was we were what when where which while who whom whose why will with would you your yours",
    )
    for word in line.split()
)
_WORD = re.compile(r"[^\W_]+")
_MONTH = re.compile(r"[0-9]\W*may\b|\bmay\W*[0-9]", re.IGNORECASE)
_OWNER = re.compile(r"[a-z][0-9]+")
_CAPITAL = re.compile(r"\w\W+May\b")


def words(query: str) -> list[str]:
    """The words that are searched for; the commonest only where there are no others.

    >>> words("Where did we go in May?"), words("May I go?"), words("who are you")
    (['go', 'may'], ['go'], ['who', 'are', 'you'])
    """
    text = unicodedata.normalize("NFC", query)
    found = list(dict.fromkeys(_WORD.findall(text.lower())))
    is_month = _MONTH.search(text) or _CAPITAL.search(text)
    common = STOP_WORDS - {"may"} if is_month else STOP_WORDS
    return ([word for word in found if word not in common] or found)[:MOST_WORDS]


def match_text(searched: Sequence[str], owners: Sequence[str], *, beginnings: bool = False) -> str:
    """Write words for FTS5's MATCH; with `beginnings`, longer words of the text, too. No owners are all.

    >>> match_text(["blue", "pot"], ["r1"])
    'owner : ("r1") AND ("blue" OR "pot")'
    >>> match_text(["blu"], ["r1", "r7"], beginnings=True)
    'owner : ("r1" OR "r7") AND text : ("blu"*)'
    """
    owned = "owner : ({}) AND ".format(" OR ".join(f'"{owner}"' for owner in owners)) if owners else ""
    wanted = " OR ".join(f'"{word}"{"*" if beginnings else ""}' for word in searched)
    return f"{owned}{_columns(searched, beginnings=beginnings)}({wanted})"


def _columns(searched: Sequence[str], *, beginnings: bool) -> str:
    """Where the words may stand. A search in all columns is faster, but `owner` is one of them."""
    if beginnings:
        return "text : "
    return "{text context} : " if any(map(_OWNER.fullmatch, searched)) else ""
