"""Bytes as text: which encoding they are in, whether they are text at all, and text without what disturbs.

Nothing is guessed silently: a text that is not UTF-8 and has no mark of its encoding is noted.
"""

from __future__ import annotations

import codecs
import re

from bridle.agent.loading.documents import Findings
from bridle.errors import SourceUnreadable

__all__ = ["clean", "decoded", "is_binary"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Five bytes of Windows-1252 mean nothing; in Latin-1 every one is a character.
_GUESSES = (("utf-8", ""), ("cp1252", "Windows-1252"), ("latin-1", "Latin-1"))
_LOOKED_AT = 8192  # bytes
# Everything below a blank that is not white space, escape (terminals' colours) or form feed.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f\ufffe\uffff]")
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b")
_MOST_CONTROLS = 0.1


def is_binary(data: bytes) -> bool:
    r"""Say whether bytes are no text in any encoding that `decoded` knows.

    >>> is_binary(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), is_binary("héllo".encode("utf-16")), is_binary(b"")
    (True, False, False)
    """
    head = data[:_LOOKED_AT]
    if _marked(head) or _unmarked_utf16(head):
        return False
    if b"\0" in head:
        return True
    controls = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
    return controls > _MOST_CONTROLS * len(head)


def decoded(data: bytes, findings: Findings, *, declared: str = "") -> str:
    r"""Return the text of bytes, with every end of line as `\n`; what was guessed is noted.

    `declared` is the encoding that somebody says it is in; a mark at the beginning of the bytes counts more.

    >>> found = Findings()
    >>> decoded(b"caf\xe9\r\n", found), found.notes
    ('café\n', ['is not UTF-8; it was read as Windows-1252'])

    Raises:
        SourceUnreadable: for bytes that are no text.
    """
    if is_binary(data):
        raise SourceUnreadable("it is a binary file, not text", hint="give a text file")
    text = _decoded(data, findings, declared)
    return clean(text)


def clean(text: str) -> str:
    r"""Return text without control characters, with `\n` at the end of lines and no half characters.

    >>> clean("a\r\nb\x00\rc \x1b[31mred\x1b[0m \ud83d")
    'a\nb\nc red �'
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    if "\x1b" in text:
        text = _COLOURS.sub("", text)
    text = _CONTROLS.sub("", text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _decoded(data: bytes, findings: Findings, declared: str) -> str:
    marked = _marked(data) or _unmarked_utf16(data[:_LOOKED_AT])
    if marked:
        return _with_losses(data, marked, findings)
    if declared and (text := _declared(data, declared, findings)) is not None:
        return text
    for encoding, note in _GUESSES:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if note:
            findings.notes.append(f"is not UTF-8; it was read as {note}")
        return text
    raise AssertionError("every byte is Latin-1")


def _declared(data: bytes, encoding: str, findings: Findings) -> str | None:
    try:
        return data.decode(encoding)
    except (LookupError, UnicodeError, ValueError):
        findings.notes.append(f"says that it is in {encoding!r} and is not")
        return None


def _with_losses(data: bytes, encoding: str, findings: Findings) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        findings.losses.append(f"byte {error.start:,} is not {encoding}: {error.reason}")
        return data.decode(encoding, "replace")


def _marked(data: bytes) -> str:
    return next((name for mark, name in _MARKS if data.startswith(mark)), "")


def _unmarked_utf16(head: bytes) -> str:
    """UTF-16 without a mark, as some Windows programs write it: every other byte of Western text is zero."""
    if len(head) < 16 or b"\0" not in head:
        return ""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if odd > 0.4 * half and even < 0.05 * half:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 * half and odd < 0.05 * half else ""
