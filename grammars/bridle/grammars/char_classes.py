"""The character classes of regular expressions: what `\\d`, `\\w`, `\\s`, `.` and `\\p{…}` stand for.

ECMA-262 and Python's `re` differ about most of them. `NARROW` is what both accept, `BROAD` what one of them
does (for use where a class is negated), `exact_class` what `re` does, which is what checks values.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache

from bridle.grammars.ir import Chars

__all__ = ["BROAD", "DOT", "EXACT_DOT", "NARROW", "either_case", "exact_class", "property_class"]

_Ranges = tuple[tuple[int, int], ...]
_DIGITS: _Ranges = ((48, 57),)
_WORD: _Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: _Ranges = ((9, 13), (32, 32))
_ALL_SPACE: _Ranges = (
    (9, 13), (28, 32), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A),
    (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF),
)  # fmt: skip
NARROW: Mapping[str, _Ranges] = {
    "d": _DIGITS,
    "w": _WORD,
    "s": _SPACE,
    "D": ((0, 47), (58, 127)),
    "W": ((0, 47), (58, 64), (91, 94), (96, 96), (123, 127)),
    "S": Chars(_ALL_SPACE, negated=True).allowed(),
}
BROAD: Mapping[str, _Ranges] = {
    "d": (*_DIGITS, (128, 0x10FFFF)),
    "w": (*_WORD, (128, 0x10FFFF)),
    "s": _ALL_SPACE,
    "D": Chars(_DIGITS, negated=True).allowed(),
    "W": Chars(_WORD, negated=True).allowed(),
    "S": Chars(_SPACE, negated=True).allowed(),
}
DOT = Chars(((10, 10), (13, 13), (0x2028, 0x2029)), negated=True)
EXACT_DOT = Chars(((10, 10),), negated=True)
_LONG_NAMES = {
    "letter": "L", "lowercase_letter": "Ll", "uppercase_letter": "Lu", "mark": "M", "number": "N",
    "decimal_number": "Nd", "punctuation": "P", "symbol": "S", "separator": "Z", "other": "C",
    "space_separator": "Zs", "alphabetic": "L", "uppercase": "Lu", "lowercase": "Ll",
}  # fmt: skip


@lru_cache(maxsize=6)
def exact_class(letter: str) -> _Ranges:
    """Return what `re` takes for a class such as `w`. Going through Unicode takes a tenth of a second.

    >>> exact_class("d")[0]
    (48, 57)
    """
    if letter.isupper():
        return Chars(exact_class(letter.lower()), negated=True).allowed()
    spans = (match.span() for match in re.finditer(rf"\{letter}+", _all_characters()))
    return Chars(tuple((_point(first), _point(last - 1)) for first, last in spans)).allowed()


@lru_cache(maxsize=1)
def _all_characters() -> str:
    return "".join(
        chr(point) for first, last in Chars((), negated=True).allowed() for point in range(first, last + 1)
    )


def _point(place: int) -> int:
    """Return the character at a place among all characters, which leave out the surrogates."""
    return place if place < 0xD800 else place + 0x800


@lru_cache(maxsize=64)
def property_class(name: str) -> _Ranges | None:
    """Return the characters of a general category of Unicode, None where the name is not known.

    >>> property_class("Lu")[0]
    (65, 90)
    """
    short = name.removeprefix("^").removeprefix("General_Category=").removeprefix("gc=")
    short = _LONG_NAMES.get(short.lower(), short)
    if short.startswith("Is") or not (1 <= len(short) <= 2 and short[0] in "LMNPSZC"):
        return None
    found = _where(lambda char: unicodedata.category(char).startswith(short))
    return found if not name.startswith("^") else Chars(found, negated=True).allowed()


def either_case(ranges: _Ranges) -> _Ranges:
    """Add the other case of the ASCII letters in ranges.

    >>> either_case(((97, 98),))
    ((65, 66), (97, 98))
    """
    added: list[tuple[int, int]] = list(ranges)
    for first, last in ranges:
        for low, high, shift in ((65, 90, 32), (97, 122, -32)):
            if max(first, low) <= min(last, high):
                added.append((max(first, low) + shift, min(last, high) + shift))
    return Chars(tuple(added)).allowed()


def _where(holds: Callable[[str], bool]) -> _Ranges:
    found: list[tuple[int, int]] = []
    start = -1
    for point in range(sys.maxunicode + 2):
        inside = point <= sys.maxunicode and not 0xD800 <= point <= 0xDFFF and holds(chr(point))
        if inside and start < 0:
            start = point
        elif not inside and start >= 0:
            found.append((start, point - 1))
            start = -1
    return tuple(found)
