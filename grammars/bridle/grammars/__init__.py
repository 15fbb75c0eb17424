"""From tools and a call syntax to a constraint that holds while a model writes, and the engines that hold it."""

from __future__ import annotations

from bridle.grammars.ir import EMPTY, Alt, Chars, Grammar, Lit, Node, Ref, Repeat, Seq, alt, optional, seq
from bridle.grammars.sentences import matches, sample

__all__ = [
    "EMPTY",
    "Alt",
    "Chars",
    "Grammar",
    "Lit",
    "Node",
    "Ref",
    "Repeat",
    "Seq",
    "alt",
    "matches",
    "optional",
    "sample",
    "seq",
]
