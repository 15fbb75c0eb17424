"""From bytes to the tokens that spell them, in the middle of a text: what a closing plan is written with.

The model's own tokenizer is asked, because its tokens are those that the model knows. It reads whole texts: a
text may get a blank before it, and half a character is none. So it is given a sign before the text, which is
cut off again, and the rest of a character is spelled with the tokens of single bytes.
"""

from __future__ import annotations

import ctypes
import re

from bridle.endpoints.llamacpp.native import Handle, Library
from bridle.endpoints.llamacpp.vocab import Vocabulary
from bridle.grammars.engines.marks import is_call_mark

__all__ = ["Speller"]

_START = "\x02"
_PLAIN = "".join(chr(point) for point in (9, 10, *range(32, 127)))
_LONGEST = 900  # some tokenizers recurse once per character of a word
_RARE = 0xF0000  # a plane of private characters, which no vocabulary has tokens for


class Speller:
    """Spells for one vocabulary; calling it returns the tokens, or None where it cannot be done."""

    def __init__(self, lib: Library, vocabulary: Vocabulary) -> None:
        self._lib = lib
        self._vocabulary = vocabulary
        self._marks = {
            text: token
            for text, token in vocabulary.controls.items()
            if token not in vocabulary.ends and is_call_mark(text.encode())
        }
        parts = "|".join(map(re.escape, sorted(self._marks, key=len, reverse=True)))
        self._split = re.compile(f"({parts})") if parts else None
        self._bytes = self._byte_tokens()
        self.knows_bytes = len(self._bytes) == len(_PLAIN) + 64
        """Has each byte a token of its own? Then a text never takes more tokens than it has bytes."""

    def __call__(self, text: bytes) -> tuple[int, ...] | None:
        rest = text.lstrip(bytes(range(0x80, 0xC0)))
        begun = text[: len(text) - len(rest)]
        tokens = [self._bytes.get(byte, -1) for byte in begun]
        if -1 in tokens:
            return None
        try:
            whole = rest.decode()
        except UnicodeDecodeError:
            return None
        for part in self._split.split(whole) if self._split else [whole]:
            found = [self._marks[part]] if part in self._marks else self._tokenized(part)
            if found is None:
                return None
            tokens += found
        return tuple(tokens)

    def _tokenized(self, text: str) -> list[int] | None:
        """Return the tokens of a text that stands behind another one."""
        if not text:
            return []
        if len(text) > _LONGEST:
            head, tail = self._tokenized(text[:_LONGEST]), self._tokenized(text[_LONGEST:])
            return None if head is None or tail is None else head + tail
        raw = text.encode()
        tokens = self._tokenize(_START.encode() + raw)
        pieces = [self._vocabulary.piece(token) for token in tokens]
        for at, piece in enumerate(pieces):
            if piece == _START.encode() and b"".join(pieces[at + 1 :]) == raw:
                return tokens[at + 1 :]
        single = [self._bytes.get(byte, -1) for byte in raw]
        return None if -1 in single else single

    def _tokenize(self, raw: bytes) -> list[int]:
        room = len(raw) + 8
        out = (ctypes.c_int32 * room)()
        vocab: Handle = self._vocabulary.pointer
        count = self._lib.llama_tokenize(vocab, raw, len(raw), out, room, False, False)
        return out[: max(0, count)]

    def _byte_tokens(self) -> dict[int, int]:
        """Return the tokens of single bytes: those of plain text, and those inside of characters."""
        texts = [*_PLAIN, *(chr(_RARE + last) for last in range(64))]
        found: dict[int, int] = {}
        for text in texts:
            tokens = self._tokenize((_START + text).encode())
            wanted = text.encode()[-1:]
            if tokens and self._vocabulary.piece(tokens[-1]) == wanted:
                found[wanted[0]] = tokens[-1]
        return found
