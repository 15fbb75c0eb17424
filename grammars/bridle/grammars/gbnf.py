"""Writes a grammar in GBNF, llama.cpp's notation (grammars/README.md of llama.cpp; parser of October 2026).

Kept to what every version parses: names of letters, digits and dashes; counted repetitions of at most
`LARGEST_REPETITION` of one rule or class (llama.cpp expands each count into a rule, and refuses or, worse,
lifts larger ones); no left recursion, which finite rules cannot have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bridle.errors import GrammarError
from bridle.grammars.gbnf_syntax import LARGEST_REPETITION
from bridle.grammars.ir import Alt, Chars, Grammar, Lit, Node, Ref, Repeat, Seq

__all__ = ["to_gbnf"]


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def to_gbnf(grammar: Grammar) -> str:
    """Return the grammar's text, with the root rule first.

    Raises:
        GrammarError: for a text with U+0000, which llama.cpp cannot match, or with a lone surrogate.

    >>> to_gbnf(Grammar(Lit("a")))
    'root ::= "a"\\n'
    """
    return _Writer(grammar).text()


class _Writer:
    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._names = _names(grammar.rules)
        self._helpers: dict[str, str] = {}

    def text(self) -> str:
        bodies = {"root": self._alternatives(self._grammar.root)}
        for name, node in self._grammar.rules.items():
            bodies[self._names[name]] = self._alternatives(node)
        bodies.update({name: body for body, name in self._helpers.items()})
        return "".join(f"{name} ::= {body}\n" for name, body in bodies.items())

    def _alternatives(self, node: Node) -> str:
        items = node.items if isinstance(node, Alt) else (node,)
        return " | ".join(self._sequence(item) for item in items)

    def _sequence(self, node: Node) -> str:
        items = node.items if isinstance(node, Seq) else (node,)
        return " ".join(self._item(item) for item in items) or '""'

    def _item(self, node: Node) -> str:
        match node:
            case Lit(text):
                return _text(text)
            case Chars():
                return _chars(node)
            case Ref(name):
                return self._names[name]
            case Repeat(item, least, most):
                return " ".join(self._repeated(item, least, most)) or '""'
            case _:
                return f"({self._alternatives(node)})"

    def _repeated(self, item: Node, least: int, most: int) -> Iterator[str]:
        """Repeat one rule or class: llama.cpp multiplies the count by the rules that a group holds."""
        if most == 0:
            return
        if (least, most) == (1, 1):
            yield self._item(item)
            return
        if (least, most) == (0, 1):
            yield f"{self._optional(item)}?"
            return
        one = self._item(item) if isinstance(item, Ref | Chars) else self._helper(self._alternatives(item))
        while most > 0:
            part = min(most, LARGEST_REPETITION)
            part_least = min(least, part)
            yield f"{one}{{{part}}}" if part_least == part else f"{one}{{{part_least},{part}}}"
            least, most = least - part_least, most - part

    def _optional(self, item: Node) -> str:
        if isinstance(item, Ref | Chars | Lit):
            return self._item(item)
        body = self._alternatives(item)
        return self._helper(body) if "{" in body else f"({body})"

    def _helper(self, body: str) -> str:
        if body not in self._helpers:
            self._helpers[body] = f"part-{len(self._helpers) + 1}"
        return self._helpers[body]


def _names(rules: Iterable[str]) -> dict[str, str]:
    """Return names that GBNF can spell, all different, and none that is a helper's or the root's."""
    names: dict[str, str] = {}
    for name in rules:
        plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in name) or "-"
        spelled, taken = plain, {"root", *names.values()}
        while spelled in taken or spelled.startswith("part-"):
            spelled = f"r-{spelled}"
        names[name] = spelled
    return names


def _text(text: str) -> str:
    return '"' + "".join(_escape(char, text) for char in text) + '"'


def _escape(char: str, text: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    point = ord(char)
    if point == 0 or 0xD800 <= point <= 0xDFFF:
        raise GrammarError(
            f"the text {text!r} holds U+{point:04X}", hint="llama.cpp cannot match it; remove it"
        )
    return char if char.isprintable() else _hex(point)


def _hex(point: int) -> str:
    if point <= 0xFF:
        return f"\\x{point:02X}"
    return f"\\u{point:04X}" if point <= 0xFFFF else f"\\U{point:08X}"


def _chars(chars: Chars) -> str:
    # Written as what is allowed, even where it was "all but": llama.cpp takes bytes that are no UTF-8 for
    # "all but", and U+0000 is what it never takes.
    ranges = [(max(first, 1), last) for first, last in chars.allowed() if last > 0]
    if not ranges:
        raise GrammarError("a class holds U+0000 alone", hint="llama.cpp cannot match it; remove it")
    return f"[{''.join(_range(first, last) for first, last in ranges)}]"


def _range(first: int, last: int) -> str:
    return _point(first) if first == last else f"{_point(first)}-{_point(last)}"


def _point(point: int) -> str:
    char = chr(point)
    return char if 0x20 <= point < 0x7F and char not in "\\[]^-" else _hex(point)
