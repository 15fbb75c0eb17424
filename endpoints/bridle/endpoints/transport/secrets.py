"""Find a secret in what a server sent back, however it is spelled there.

A body is masked before it is read as JSON, so the spellings of JSON count as well: `\\u0073`, `\\/`, and both
once more where JSON stands in a JSON string. Pages spell characters as `&#115;`, and URLs as `%73`.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["MASK", "SECRET_CHARS", "is_secret", "masked"]

MASK = "***"
SECRET_CHARS = 6
"""What is shorter is not masked: it may be any word of an answer."""
PLACEHOLDERS = frozenset(
    {"dummy", "empty", "lm-studio", "lmstudio", "no-key", "no-key-required", "none", "not-needed", "null",
     "ollama", "placeholder", "sk-no-key-required"}
)  # fmt: skip
"""What is written for a key where clients demand one and servers need none."""
_ESCAPES = r"\\{0,8}"
"""In JSON that is quoted more than once; with no limit, a text of backslashes would take for ever."""


def is_secret(text: str) -> bool:
    """Whether a key, or the value of a header, can be told from the words of an answer.

    >>> is_secret("sk-12345"), is_secret("NULL"), is_secret("ollama")
    (True, False, False)
    """
    return len(text) >= SECRET_CHARS and text.lower() not in PLACEHOLDERS


def masked(text: str, secrets: tuple[str, ...]) -> str:
    """Take secrets out of a text, the longest first, in each of their spellings.

    >>> masked('{"a": "of \\\\u0073k-1\\\\/23!"}', ("sk-1/23",))
    '{"a": "of ***!"}'
    """
    if secrets and any(mark in text for mark in ("\\", "%", "&")):
        return _spelled(secrets).sub(MASK, text)
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


@lru_cache(maxsize=32)
def _spelled(secrets: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join("".join(map(_character, secret)) for secret in secrets))


def _character(one: str) -> str:
    code = ord(one)
    names = {"&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;", "'": "&apos;"}
    hexadecimal = f"(?i:{code:x})"
    spellings = [
        f"{_ESCAPES}{re.escape(one)}",
        rf"{_ESCAPES}\\u(?i:{code:04x})",
        f"%(?i:{code:02x})",
        f"&#0*{code};",
        f"&#[xX]0*{hexadecimal};",
        *([names[one]] if one in names else []),
    ]
    return f"(?:{'|'.join(reversed(spellings))})"
