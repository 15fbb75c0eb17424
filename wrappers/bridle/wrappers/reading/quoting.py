"""What stands between quotes: escapes undone, also those that no language knows."""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["CLOSERS", "Style", "has_odd_escapes", "unescape", "without_entities"]

Style = Literal["json", "python", "gemma"]

CLOSERS = {'"': '"', "'": "'", "“": "”", "‘": "’", "`": "`"}
"""Each opening quote with the one that closes it."""

_SIMPLE = {
    "n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "\\": "\\", "/": "/", "'": "'", "`": "`",
}  # fmt: skip
_PYTHON = {**_SIMPLE, "a": "\a", "v": "\v", "\n": ""}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|U[0-9a-fA-F]{8}|[0-7]{1,3}|[^\0])")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_ENTITIES = {
    "quot": '"', "#34": '"', "#x27": "'", "#39": "'", "apos": "'", "lt": "<", "gt": ">", "amp": "&",
}  # fmt: skip
_ENTITY = re.compile(f"&({'|'.join(_ENTITIES)});")
_ODD = re.compile(r"\\(?:\\|[\"/bfnrt'`]|u[0-9a-fA-F]{4})|(\\)")
_DRIVE = re.compile(r"[A-Za-z]:\\|\\\\\w")


def unescape(raw: str, style: Style) -> str:
    r"""Undo the escapes of `raw`. One that has no meaning is kept as it stands.

    Where a Windows path holds such an escape, its writer escaped nothing at all, and only quotes are undone.

    >>> unescape(r"a\n\d", "json")
    'a\n\\d'
    >>> unescape(r"C:\users\new", "json")
    'C:\\users\\new'
    """
    if "\\" not in raw or style == "gemma":
        return raw
    if style == "json" and _DRIVE.match(raw) and has_odd_escapes(raw):
        return raw.replace("\\\\", "\\").replace('\\"', '"')
    text = _ESCAPE.sub(_undo_python if style == "python" else _undo_json, raw)
    return _PAIR.sub(_join, text) if "\\u" in raw else text


def without_entities(text: str) -> str:
    """Undo what HTML makes of quotes, brackets and ampersands, once.

    >>> without_entities("{&quot;a&quot;: &quot;x &amp;amp; y&quot;}")
    '{"a": "x &amp; y"}'
    """
    return _ENTITY.sub(lambda found: _ENTITIES[found.group(1)], text)


def has_odd_escapes(raw: str) -> bool:
    """Whether a backslash in `raw` begins nothing that JSON knows."""
    return any(found.group(1) for found in _ODD.finditer(raw))


def _undo_json(found: re.Match[str]) -> str:
    body = found.group(1)
    if body[0] == "u" and len(body) == 5:
        return chr(int(body[1:], 16))
    return _SIMPLE.get(body, found.group())


def _undo_python(found: re.Match[str]) -> str:
    body = found.group(1)
    if body[0] in "uxU" and len(body) > 1:
        code = int(body[1:], 16)
        return chr(code) if code <= 0x10FFFF else found.group()
    if body[0] in "01234567":
        return chr(int(body, 8))
    return _PYTHON.get(body, found.group())


def _join(found: re.Match[str]) -> str:
    high, low = found.group()[0], found.group()[1]
    return chr(0x10000 + ((ord(high) - 0xD800) << 10) + (ord(low) - 0xDC00))
