"""Turning prompt segments into tokens, and tokens into bytes.

A special token is only ever made from a control segment. The text between two special tokens is tokenized as
one piece, whether it came from control or content segments: so a prompt without tricks gets the same tokens
as the whole string would, which is what models are trained on.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import compress, repeat

from bridle.endpoints.llamacpp.native import Handle, Library
from bridle.wrappers import Segment

__all__ = ["Vocabulary"]

_LONGEST_RUN = 1000
"""Some pre-tokenizers of llama.cpp recurse once per character of a run (std::regex): "deepseek-llm"
overflowed an 8 MB stack between 16,000 and 32,000 letters without a space, and killed the process. Other
threads may have stacks of 512 kB."""
_LONG_RUN = re.compile(rf"\S{{{_LONGEST_RUN},}}|\s{{{_LONGEST_RUN},}}")


@dataclass(frozen=True, slots=True)
class _Specials:
    """Special tokens by their text. `attributes` holds llama.cpp's bits, by token."""

    control: dict[str, int] = field(default_factory=dict[str, int])
    defined: dict[str, int] = field(default_factory=dict[str, int])
    attributes: dict[int, int] = field(default_factory=dict[int, int])
    ends: frozenset[int] = frozenset()


class Vocabulary:
    """The tokens of one loaded model."""

    def __init__(self, lib: Library, vocab: Handle) -> None:
        self._lib = lib
        self.pointer = vocab
        self.size = lib.llama_vocab_n_tokens(vocab)
        self._bos = lib.llama_vocab_bos(vocab) if lib.llama_vocab_get_add_bos(vocab) else None
        self._pieces: dict[int, bytes] = {}
        self._marks_for: tuple[tuple[str, ...], _Marks] | None = None

    @property
    def ends(self) -> frozenset[int]:
        """All tokens that end an answer."""
        return self._specials.ends

    @property
    def controls(self) -> Mapping[str, int]:
        """The control tokens by their text."""
        return self._specials.control

    def piece(self, token: int) -> bytes:
        """Return the bytes of a token; a special token's are its text, an end token has none."""
        found = self._pieces.get(token)
        if found is None:
            found = self._pieces[token] = b"" if token in self.ends else self._read_piece(token)
        return found

    def encode(self, segments: Iterable[Segment], control: Sequence[str] = ()) -> list[int]:
        """Return a prompt's tokens, with the beginning-of-text token where the model wants one.

        `control` are the format's control strings: content does not become the special tokens that occur in
        them, even where the vocabulary marks those as tokens of plain text.
        """
        marks = self._marks(tuple(control))
        tokens: list[int] = []
        raw = ""
        strip_next = False
        for part in _parts(segments, marks):
            if isinstance(part, str):
                raw += part
                continue
            attributes = self._specials.attributes.get(part, 0)
            if attributes & self._lib.LLAMA_TOKEN_ATTR_LSTRIP:
                raw = raw.rstrip()
            tokens += self._encode_raw(raw.lstrip() if strip_next else raw, marks)
            tokens.append(part)
            raw, strip_next = "", bool(attributes & self._lib.LLAMA_TOKEN_ATTR_RSTRIP)
        tokens += self._encode_raw(raw.lstrip() if strip_next else raw, marks)
        if self._bos is not None and tokens[:1] != [self._bos]:
            tokens.insert(0, self._bos)
        return tokens

    def _encode_raw(self, text: str, marks: _Marks) -> list[int]:
        tokens: list[int] = []
        for piece in _cut(text, marks.breaks):
            tokens += self._tokenize(piece)
        return tokens

    def _tokenize(self, text: str) -> list[int]:
        raw = text.encode("utf-8", "replace")
        room = len(raw) + 8
        while True:
            out = (ctypes.c_int32 * room)()
            count = self._lib.llama_tokenize(self.pointer, raw, len(raw), out, room, False, False)
            if count >= 0:
                return out[:count]
            room = -count

    def _read_piece(self, token: int) -> bytes:
        room = 64
        while True:
            out = (ctypes.c_char * room)()
            length = self._lib.llama_token_to_piece(self.pointer, token, out, room, 0, True)
            if length >= 0:
                return out.raw[:length]
            room = -length

    @cached_property
    def _specials(self) -> _Specials:
        lib, vocab = self._lib, self.pointer
        wanted = lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_UNKNOWN
        wanted |= lib.LLAMA_TOKEN_ATTR_USER_DEFINED
        ends = compress(range(self.size), map(lib.llama_vocab_is_eog, repeat(vocab), range(self.size)))
        found = _Specials(ends=frozenset(ends))
        for token, attributes in enumerate(map(lib.llama_vocab_get_attr, repeat(vocab), range(self.size))):
            if attributes & wanted:
                text = (lib.llama_vocab_get_text(vocab, token) or b"").decode("utf-8", "replace")
                plain = attributes & lib.LLAMA_TOKEN_ATTR_USER_DEFINED
                (found.defined if plain else found.control).setdefault(text, token)
                found.attributes[token] = attributes
        return found

    def _marks(self, control: tuple[str, ...]) -> _Marks:
        if self._marks_for is None or self._marks_for[0] != control:
            self._marks_for = control, _Marks(self._specials, control)
        return self._marks_for[1]


class _Marks:
    """The special tokens that one format's control segments may form, and what content must not form."""

    def __init__(self, specials: _Specials, control: tuple[str, ...]) -> None:
        # llama.cpp makes tokens of kind USER_DEFINED even where special tokens are off. Those are often runs
        # of spaces or newlines, which content needs; the ones that a format uses as marks are in `control`.
        defined = {t: i for t, i in specials.defined.items() if t.strip() and any(t in c for c in control)}
        self.tokens = {text: token for text, token in (specials.control | defined).items() if text}
        self.lengths = sorted({len(text) for text in self.tokens}, reverse=True)
        self.starts = frozenset(text[0] for text in self.tokens)
        longer = sorted(re.escape(text) for text in defined if len(text) > 1)
        self.breaks = re.compile(f"(?={'|'.join(longer)})") if longer else None


def _parts(segments: Iterable[Segment], marks: _Marks) -> Iterable[str | int]:
    """Yield the special tokens in control segments, and the text around them and in content."""
    for segment in segments:
        if not segment.control:
            yield segment.text
            continue
        text, start, at = segment.text, 0, 0
        while at < len(text):
            length = _mark_length(text, at, marks) if text[at] in marks.starts else 0
            if length:
                yield text[start:at]
                yield marks.tokens[text[at : at + length]]
                start = at + length
            at += length or 1
        yield text[start:]


def _mark_length(text: str, at: int, marks: _Marks) -> int:
    return next((n for n in marks.lengths if text[at : at + n] in marks.tokens), 0)


def _cut(text: str, breaks: re.Pattern[str] | None) -> Iterable[str]:
    """Yield `text` in pieces: cut after the first character of each mark, and inside very long runs."""
    cuts = [match.start() + 1 for match in breaks.finditer(text)] if breaks else []
    for run in _LONG_RUN.finditer(text):
        cuts.extend(range(run.start() + _LONGEST_RUN, run.end(), _LONGEST_RUN))
    start = 0
    for cut in sorted(cuts):
        yield text[start:cut]
        start = cut
    if start < len(text):
        yield text[start:]
