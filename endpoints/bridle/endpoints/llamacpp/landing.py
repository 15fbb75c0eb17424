"""Where a text can be cut without cutting a word."""

from __future__ import annotations

__all__ = ["ends_word"]

_JOINS = b"_'-"
_IDEOGRAPHS = 0x2E80
"""From here on scripts are written without blanks, and most characters are words."""


def ends_word(text: bytes, following: bytes) -> bool:
    """Tell whether a word or sentence ends with `text`, and `following` begins something else.

    >>> ends_word(b"the end", b" of"), ends_word(b"the en", b"d of"), ends_word(b"the end. ", b"Of")
    (True, False, False)
    """
    if not text or not following or text[-1:].isspace():
        return False
    if _is_word(text[-1]) and _is_word(following[0]):
        return ord(text[-3:].decode("utf-8", "ignore")[-1:] or "a") >= _IDEOGRAPHS
    return following[:1] != b"\\" or _is_word(text[-1])


def _is_word(byte: int) -> bool:
    return byte >= 0x80 or bytes((byte,)).isalnum() or byte in _JOINS
