"""How far it is to the end of an answer at most, wherever in its grammar it stands."""

from __future__ import annotations

from collections.abc import Callable

from bridle.grammars.ir import Alt, Chars, Grammar, Lit, Node, Ref, Repeat, Seq
from bridle.grammars.utf8 import any_char

__all__ = ["furthest"]


def furthest(grammar: Grammar, weigh: Callable[[bytes], tuple[int, int]] | None = None) -> int:
    """Return how much the shortest end weighs at most, wherever an answer stands; in bytes unless weighed.

    `weigh` tells what a text weighs, and what is left of it at most, wherever it has been begun.

    >>> furthest(Grammar(Seq((Lit("ab"), Repeat(Lit("c"), 0, 9), Lit("d")))))
    3
    """
    return _Distances(grammar, weigh or _sizes).of(grammar.root)[1]


def _sizes(text: bytes) -> tuple[int, int]:
    return len(text), len(text)


class _Distances:
    """Measures the shortest text of a node, and the longest way out of it that is needed."""

    def __init__(self, grammar: Grammar, weigh: Callable[[bytes], tuple[int, int]]) -> None:
        self._rules = grammar.rules
        self._weigh = weigh
        self._known: dict[str, tuple[int, int]] = {}

    def of(self, node: Node) -> tuple[int, int]:
        match node:
            case Lit(text):
                return self._weigh(text.encode("utf-8", "surrogatepass")) if text else (0, 0)
            case Chars():
                low, far = self._weigh(any_char(node))
                return low, max(low, far, len(chr(node.allowed()[-1][1]).encode()) - 1)
            case Seq(items):
                low = far = 0
                for shortest, furthest_in in reversed([self.of(item) for item in items]):
                    far = max(far, furthest_in + low)
                    low += shortest
                return low, far
            case Alt(items):
                found = [self.of(item) for item in items]
                return min(low for low, _ in found), max(far for _, far in found)
            case Repeat(item, least, most):
                low, far = self.of(item)
                return low * least, max(low * least, far + low * max(0, least - 1) if most else 0)
            case Ref(name):
                if name not in self._known:
                    self._known[name] = self.of(self._rules[name])
                return self._known[name]
