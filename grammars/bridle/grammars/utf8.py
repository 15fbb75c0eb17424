"""Characters and their bytes: the shortest one of a class, and what is missing of one that is begun."""

from __future__ import annotations

from bridle.grammars.ir import Chars

__all__ = ["any_char", "char_length", "completion", "decoded", "whole_chars"]

_PREFERRED = "a0 "  # what stands for any character, where a class has no other that is as short


def any_char(node: Chars) -> bytes:
    """Return a character of the class with as few bytes as any.

    >>> any_char(Chars(((0xE9, 0xE9), (0x30, 0x39))))
    b'0'
    """
    for char in _PREFERRED:
        if node.holds(ord(char)):
            return char.encode()
    first, last = node.allowed()[0]
    if (first, last) == (0, 0) and len(node.allowed()) > 1:  # not every engine takes U+0000
        first = node.allowed()[1][0]
    return chr(max(first, min(1, last))).encode()


def whole_chars(piece: bytes) -> str:
    """Return the characters that a piece begins with, as far as they are whole."""
    try:
        return piece.decode()
    except UnicodeDecodeError as error:
        return piece[: error.start].decode()


def char_length(lead: int) -> int:
    """Return how many bytes a character has that begins with this one."""
    return 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4


def decoded(raw: bytes) -> int:
    """Return the code point of one character, or -1 where the bytes are none."""
    try:
        return ord(raw.decode())
    except (UnicodeDecodeError, TypeError):
        return -1


def completion(node: Chars, begun: bytes, length: int) -> bytes | None:
    """Return the bytes that make a character which has been begun one that the class holds; None for none."""
    bits = begun[0] & (0x7F >> length)
    for byte in begun[1:]:
        if byte & 0xC0 != 0x80:
            return None
        bits = bits << 6 | byte & 0x3F
    left = 6 * (length - len(begun))
    low, high = bits << left, (bits + 1 << left) - 1
    for first, last in node.allowed():
        point = max(first, low, _SMALLEST[length])
        if point <= min(last, high):
            return chr(point).encode()[len(begun) :]
    return None


_SMALLEST = (0, 0, 0x80, 0x800, 0x10000)
"""The first code point of each length: a longer form than needed is no UTF-8."""
