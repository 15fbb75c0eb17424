r"""Make whole what JSON may hold and no text can: halves of characters, as `\ud83e` without what follows it.

Servers in JavaScript cut texts between the two halves, so that they arrive in two events; and a model may
write one alone. Such a text could be neither printed, nor kept, nor sent (it has no UTF-8).
"""

from __future__ import annotations

import re

__all__ = ["Halves", "mended", "mended_json"]

REPLACEMENT = "\ufffd"
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPED = re.compile(
    r"\\\\"
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
"""A backslash of its own, a pair, or a half that is alone."""


def mended(text: str) -> str:
    r"""Join halves that stand together, and put U+FFFD for those that are alone.

    >>> mended("\ud83e\udd8a"), mended("a\ud83e")
    ('🦊', 'a�')
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def mended_json(text: str) -> str:
    r"""Put U+FFFD for halves that are alone in a JSON document, wherever they stand.

    >>> mended_json(r'["\ud83e\udd8a \ud83e \\ud83e"]')
    '["\\ud83e\\udd8a \\ufffd \\\\ud83e"]'
    """
    if not _HALF.search(text):
        return text
    return _ESCAPED.sub(lambda found: r"\ufffd" if found["half"] else found[0], text)


class Halves:
    r"""Takes fragments and hands them on whole: the first half of a character waits for the second.

    >>> halves = Halves()
    >>> halves.feed("a\ud83e"), halves.feed("\udd8ab"), halves.close()
    ('a', '🦊b', '')
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, fragment: str) -> str:
        """Take the next fragment and return what is whole."""
        if not fragment:
            return ""
        text = self._held + fragment
        self._held = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
        return mended(text[: len(text) - len(self._held)])

    def close(self) -> str:
        """Return what stands for a half that was held back, since nothing follows it."""
        held, self._held = self._held, ""
        return REPLACEMENT if held else ""
