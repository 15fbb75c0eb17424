"""Keep a constrained answer within `max_tokens` where somebody else's decoder writes it.

In this process the decode loop closes each answer in time. A server stops at the limit and returns half a
call, so there the grammar itself is made small enough: strings and lists get shorter until its longest
sentence fits, or the request is refused before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from bridle.errors import BudgetError
from bridle.grammars import Alt, Bounds, Chars, Grammar, Lit, Node, Ref, Repeat, Seq, shortest

__all__ = ["Fit", "fitted", "usual_chars"]

Fit = Literal["likely", "always"]
CHARS_PER_TOKEN = 2
"""Of ordinary text. English has about four, so this leaves room for names, numbers and other languages."""
_SHARES = (1.0, 0.75, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05)
_LEAST_CHARS = 24
_ESCAPE = 6


def fitted(
    make: Callable[[Bounds], Grammar],
    bounds: Bounds,
    max_tokens: int | None,
    fit: Fit,
    count: Callable[[str], int | None],
) -> tuple[Grammar, bool | None]:
    """Return the widest grammar whose answers fit, and whether all of them do for sure.

    "likely" counts two characters to a token, which ordinary text never reaches; "always" one byte to a
    token, which no text can. `count` tells how many tokens a text has, where that can be known.

    Raises:
        BudgetError: when not even the shortest answer fits, and with "always" when not all answers do.
    """
    grammar = make(bounds)
    if max_tokens is None:
        return grammar, None
    if grammar.shortest_bytes > max_tokens:
        _check_shortest(grammar, max_tokens, count)
    for share in _SHARES:
        grammar = grammar if share == 1 else make(_narrowed(bounds, share))
        sure = grammar.longest_bytes <= max_tokens
        if sure or (fit == "likely" and usual_chars(grammar) <= CHARS_PER_TOKEN * max_tokens):
            return grammar, sure
    if fit == "always":
        raise BudgetError(
            f"max_tokens is {max_tokens}, and the longest answers may need {grammar.longest_bytes} tokens,"
            " however short their strings are kept",
            needed=grammar.longest_bytes,
            given=max_tokens,
            hint="allow more tokens, offer fewer tools, or set maxLength on their strings",
        )
    return grammar, False


def usual_chars(grammar: Grammar) -> int:
    """Return how many characters the longest sentence has, counting no character as its escape.

    >>> usual_chars(Grammar(Repeat(Alt((Chars(((97, 122),)), Lit("\\u0001"))), 0, 10)))
    10
    """
    return _Lengths(grammar.rules).of(grammar.root)


class _Lengths:
    """Measures nodes in characters; each rule once."""

    def __init__(self, rules: Mapping[str, Node]) -> None:
        self._rules = rules
        self._known: dict[str, int] = {}

    def of(self, node: Node) -> int:
        match node:
            case Lit(text):
                return len(text)
            case Chars():
                return 1
            case Seq(items):
                return sum(self.of(item) for item in items)
            case Alt(items):
                longest = max(self.of(item) for item in items)
                one = longest <= _ESCAPE and any(isinstance(item, Chars) for item in items)
                return 1 if one else longest  # a character of a string, or an escape in its place
            case Repeat(item, _, most):
                return self.of(item) * most
            case Ref(name):
                if name not in self._known:
                    self._known[name] = self.of(self._rules[name])
                return self._known[name]


def _check_shortest(grammar: Grammar, max_tokens: int, count: Callable[[str], int | None]) -> None:
    needed = count(shortest(grammar))
    if needed is not None and needed > max_tokens:
        raise BudgetError(
            f"max_tokens is {max_tokens}, and the shortest answer has {needed} tokens",
            needed=needed,
            given=max_tokens,
            hint="allow at least that many, better several times as many",
        )


def _narrowed(bounds: Bounds, share: float) -> Bounds:
    def chars(most: int) -> int:
        return max(min(most, _LEAST_CHARS), int(most * share))

    def items(most: int) -> int:
        return max(min(most, 1), int(most * share))

    return replace(
        bounds,
        string_chars=chars(bounds.string_chars),
        declared_chars=chars(bounds.declared_chars),
        thoughts_chars=chars(bounds.thoughts_chars),
        thinking_chars=chars(bounds.thinking_chars),
        text_chars=chars(bounds.text_chars),
        array_items=items(bounds.array_items),
        declared_items=items(bounds.declared_items),
        object_members=items(bounds.object_members),
    )
