"""The dialects of GBNF, as data: what each reader of such texts takes.

Read 2026-11 in the sources: llama.cpp (src/llama-grammar.cpp, 0c1e57098); KoboldCpp, whose copy of it knows
no tokens, and which drops a wrong grammar without a word; text-generation-webui's parser for its loaders of
Transformers models (modules/grammar/grammar_utils.py), which has no counts, no negated classes and no dot,
and follows only the first alternative of the root; xgrammar 0.2.6 (cpp/grammar_parser.cc), by which vLLM
and SGLang read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

from bridle.errors import InputError

__all__ = ["LARGEST_REPETITION", "Dialect", "Notation", "notation"]

Dialect = Literal["llama.cpp", "koboldcpp", "webui", "xgrammar"]
"""Who reads a grammar's text."""

LARGEST_REPETITION = 2000
"""llama.cpp expands each count into a rule. Beyond this it refuses, or in `{m,n}` takes the end away."""

_LETTERS = MappingProxyType({"n": 10, "r": 13, "t": 9, **{char: ord(char) for char in '\\"[]-'}})
_C_LETTERS = MappingProxyType(
    {"n": 10, "r": 13, "t": 9, "a": 7, "b": 8, "f": 12, "v": 11, "e": 27}
    | {char: ord(char) for char in "'\"?\\"}
)
_CLASS_LETTERS = MappingProxyType({**_C_LETTERS, **{char: ord(char) for char in "^$.*+()[]{}|/-"}})
_HEX = MappingProxyType({"x": 2, "u": 4, "U": 8})
_MACROS = frozenset({"true", "false", "TagDispatch", "Token", "ExcludeToken", "TokenTagDispatch", "Regex"})
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


def _in_llama_cpp(char: str) -> bool:
    return char in _WORD or char == "-"


def _in_webui(char: str) -> bool:
    return char.isalnum() or char in ("-", "_")


def _in_xgrammar(char: str) -> bool:
    return char in _WORD or char in ("-", "_", ".")


@dataclass(frozen=True, slots=True)
class Notation:
    """What one reader takes: by default what llama.cpp does.

    `word` tells a character of a name, `reserved` are names with a meaning of their own. `letters` and
    `class_letters` may follow a backslash in texts and in classes, `hex` letters do with that many digits.
    `counts` are `{m,n}`, of which `block` is the most that is written in one piece; `chained` repetitions are
    repeated again. `tokens` name a token, `dot` is any character, `negated` classes begin with `^`. With
    `root_alone` the root is no choice, with `breaks` a rule goes on in the next line, with `empty` an
    alternative may be nothing at all.
    """

    word: Callable[[str], bool] = _in_llama_cpp
    digit_first: bool = True
    reserved: frozenset[str] = frozenset()
    letters: Mapping[str, int] = field(default_factory=lambda: _LETTERS)
    class_letters: Mapping[str, int] = field(default_factory=lambda: _LETTERS)
    hex: Mapping[str, int] = field(default_factory=lambda: _HEX)
    counts: bool = True
    block: int = LARGEST_REPETITION
    chained: bool = True
    tokens: bool = True
    dot: bool = True
    negated: bool = True
    root_alone: bool = False
    breaks: bool = False
    empty: bool = True
    largest_text: int = 2_000_000


_NOTATIONS: Mapping[str, Notation] = MappingProxyType({
    "llama.cpp": Notation(),
    "koboldcpp": Notation(tokens=False),
    # Its reader copies the rest of the text for each character: 200,000 of them take it some seconds.
    "webui": Notation(
        word=_in_webui, counts=False, block=64, tokens=False, dot=False, negated=False, root_alone=True,
        largest_text=200_000,
    ),
    # Its `\x` takes any number of digits, so that what follows may become part of the character.
    "xgrammar": Notation(
        word=_in_xgrammar, digit_first=False,
        reserved=_MACROS,
        letters=_C_LETTERS, class_letters=_CLASS_LETTERS, hex=MappingProxyType({"u": 4, "U": 8}),
        chained=False, tokens=False, dot=False, breaks=True, empty=False,
    ),
})  # fmt: skip


def notation(dialect: str) -> Notation:
    """Return what a dialect's reader takes.

    Raises:
        InputError: for an unknown dialect.

    >>> notation("webui").counts
    False
    """
    if dialect not in _NOTATIONS:
        raise InputError(
            f"the dialect of GBNF is {dialect!r}", hint=f"there are: {', '.join(get_args(Dialect))}"
        )
    return _NOTATIONS[dialect]
