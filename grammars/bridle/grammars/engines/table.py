"""The engines by their names. Each is imported when it is asked for, since each needs packages of its own."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, assert_never

from bridle.errors import MissingExtra
from bridle.grammars.engines.base import Engine, Matcher

try:
    import numpy as np
except ImportError as error:
    raise MissingExtra("numpy is not installed", extra="llama") from error

__all__ = ["EngineName", "can_begin", "new_engine"]

EngineName = Literal["llguidance", "gbnf", "outlines"]


def new_engine(name: EngineName, vocab: int, n_vocab: int, ends: Collection[int]) -> Engine:
    """Return an engine for the vocabulary at the pointer `vocab`; `ends` are all tokens that end an answer.

    Raises:
        MissingExtra: when what the engine needs is not installed.
    """
    match name:
        case "llguidance":
            from bridle.grammars.engines.llguidance import LlguidanceEngine

            return LlguidanceEngine(vocab, n_vocab, ends)
        case "gbnf":
            from bridle.grammars.engines.gbnf import GbnfEngine

            return GbnfEngine(vocab, n_vocab, ends)
        case "outlines":
            from bridle.grammars.engines.outlines import OutlinesEngine

            return OutlinesEngine(vocab, n_vocab, ends)
        case _:
            assert_never(name)


def can_begin(matcher: Matcher, n_vocab: int) -> bool:
    """Tell whether any token may come next: none may where a vocabulary cannot spell what a grammar wants."""
    logits = np.zeros(n_vocab, dtype=np.float32)
    matcher.mask_into(logits)
    return bool(np.isfinite(logits).any())
