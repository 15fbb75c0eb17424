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

_TRIED = 12
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
        self.knows_bytes = {*_PLAIN.encode(), *range(0x80, 0xC0)} <= self._bytes.keys()
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
            return self._in_two(text, _LONGEST)
        raw = text.encode()
        tokens = self._behind_start(raw)
        if tokens is not None:
            return tokens
        if len(text) > 1:
            # Some characters are others to a tokenizer: U+2581 is the blank to SentencePiece.
            odd = next((at for at, char in enumerate(text) if self._behind_start(char.encode()) is None), 0)
            return self._in_two(text, max(1, odd))
        single = [self._bytes.get(byte, -1) for byte in raw]
        return None if -1 in single else single

    def _behind_start(self, raw: bytes) -> list[int] | None:
        """Return the tokens of a text as the tokenizer reads it, or None where they spell another text."""
        tokens = self._tokenize(_START.encode() + raw)
        pieces = [self._vocabulary.piece(token) for token in tokens]
        for at, piece in enumerate(pieces):
            if piece == _START.encode():
                return tokens[at + 1 :] if b"".join(pieces[at + 1 :]) == raw else None
        return None

    def _in_two(self, text: str, at: int) -> list[int] | None:
        head, tail = self._tokenized(text[:at]), self._tokenized(text[at:])
        return None if head is None or tail is None else head + tail

    def _tokenize(self, raw: bytes) -> list[int]:
        room = len(raw) + 8
        out = (ctypes.c_int32 * room)()
        vocab: Handle = self._vocabulary.pointer
        count = self._lib.llama_tokenize(vocab, raw, len(raw), out, room, False, False)
        return out[: max(0, count)]

    def _byte_tokens(self) -> dict[int, int]:
        """Return the tokens of single bytes, as plain text and rare characters are spelled with them."""
        found: dict[int, int] = {}
        for text in _PLAIN:
            self._find_bytes(text, found)
        for last in range(64):
            for more in range(_TRIED):
                if 0x80 + last not in found:
                    self._find_bytes(chr(_RARE + 64 * more + last), found)
        for lead in (*range(0xC2, 0xE0), *range(0xE1, 0xED), 0xEE, 0xEF, *range(0xF0, 0xF4)):
            length = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
            for last in range(0xBF, 0xBF - _TRIED, -1):
                if lead not in found:
                    self._find_bytes(bytes((lead, *[0xBF] * (length - 2), last)).decode(), found)
        return found

    def _find_bytes(self, text: str, found: dict[int, int]) -> None:
        raw = text.encode()
        for token in self._tokenize(_START.encode() + raw)[1:]:
            piece = self._vocabulary.piece(token)
            if len(piece) == 1 and piece in raw:
                found.setdefault(piece[0], token)
