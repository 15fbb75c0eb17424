"""The special tokens that a model writes as part of a call, such as `<|tool_call_start|>` or `[TOOL_CALLS]`.

Vocabularies list them among the control tokens, beside those that begin and end turns. A model was trained to
write them where its calls stand; in a grammar they count as their text, which a call's markup may hold.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import cast

from bridle.grammars.engines.native import LlamaCpp, token_bytes
from bridle.wrappers.syntax import CallId, CallShape, JsonLayout, Members
from bridle.wrappers.syntaxes import SYNTAXES, make_syntax
from bridle.wrappers.values import GEMMA_QUOTE

__all__ = ["TOKENIZE", "is_call_mark", "tokenize_with"]

TOKENIZE = ctypes.CFUNCTYPE(
    ctypes.c_int32,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_int32,
    ctypes.POINTER(ctypes.c_int32),
    ctypes.c_int32,
    ctypes.c_bool,
    ctypes.c_bool,
)
"""The type of llama.cpp's `llama_tokenize`."""
_MARK = re.compile(rb"<[^<>\s]+>|\[/?[A-Z_]+\]")
_START = b"\x02"  # a text of its own that no token goes beyond


def is_call_mark(piece: bytes) -> bool:
    """Tell whether a token's text is a mark in the markup of a known call syntax.

    >>> is_call_mark(b"<|tool_call_start|>"), is_call_mark(b"<|im_start|>")
    (True, False)
    """
    return _MARK.fullmatch(piece) is not None and piece in _markup()


@cache
def _markup() -> bytes:
    """All that stands around and between the data of calls, thoughts and text."""
    syntaxes = [make_syntax(name, "inner", JsonLayout()) for name in SYNTAXES]
    texts = [text for syntax in syntaxes for text in _literals(syntax.shape)]
    return "\0".join([*texts, GEMMA_QUOTE]).encode()


def _literals(shape: CallShape) -> Iterator[str]:
    yield from (shape.open, shape.close, shape.between, shape.text_open, shape.text_close)
    yield from (shape.think_open, shape.think_close)
    for part in shape.call:
        if isinstance(part, str):
            yield part
        elif isinstance(part, Members):
            yield from (part.open, part.middle, part.close, part.between)
        elif isinstance(part, CallId):
            yield from (part.before, part.after)


def tokenize_with(lib: LlamaCpp, vocab: int, marks: Mapping[bytes, int]) -> Callable[..., int]:
    """Return llama.cpp's tokenizer, but one that makes a mark's token where plain text spells the mark."""
    # ctypes cannot say what its functions take and return.
    plain = cast("Callable[..., int]", TOKENIZE(ctypes.cast(lib.llama_tokenize, ctypes.c_void_p).value or 0))
    split = re.compile(b"(" + b"|".join(map(re.escape, sorted(marks, key=len, reverse=True))) + b")")

    def spell(text: bytes) -> list[int] | None:
        """Tokenize what stands behind a mark: without the blank that some vocabularies begin with."""
        room = len(text) + 8
        tokens = (ctypes.c_int32 * room)()
        raw = _START + text
        buffer = ctypes.create_string_buffer(raw, len(raw))
        count = plain(vocab, ctypes.addressof(buffer), len(raw), tokens, room, False, False)
        found = list(tokens[: max(0, count)])
        pieces = [token_bytes(lib, vocab, token) for token in found]
        at = pieces.index(_START) + 1 if _START in pieces else 0
        return found[at:] if b"".join(pieces[at:]) == text else None

    def tokenize(
        owner: int, text: int, size: int, out: ctypes.Array[ctypes.c_int32], room: int, add: bool, parse: bool
    ) -> int:
        first, *rest = split.split(ctypes.string_at(text, size))
        if not rest or add:
            return plain(owner, text, size, out, room, add, parse)
        count = plain(owner, text, len(first), out, room, False, parse) if first else 0
        behind: list[int] = []
        for part in rest:
            tokens = [marks[part]] if part in marks else spell(part)
            if tokens is None:
                return plain(owner, text, size, out, room, add, parse)
            behind += tokens
        if count < 0 or count + len(behind) > room:
            return -(abs(count) + len(behind))
        for i, token in enumerate(behind):
            out[count + i] = token
        return count + len(behind)

    return tokenize
