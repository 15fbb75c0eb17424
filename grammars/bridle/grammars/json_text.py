"""JSON texts as rules: strings, keys and literals exactly as `json.dumps(ensure_ascii=False)` writes them.

There is one spelling per character: the short escapes, `\\u00xx` in lower case for the other control
characters, and everything else as it is. It is that of Python's `json` module (RFC 8259, section 7).
"""

from __future__ import annotations

import json
from functools import lru_cache

from bridle.grammars.ir import Alt, Chars, Lit, Node, Repeat, Seq, alt, seq
from bridle.messages import JSON

__all__ = ["ANY_CHAR", "escaped", "literal", "quoted"]

_SPECIAL = (*range(0x20), 0x22, 0x5C)
_EVERY = Chars((), negated=True).allowed()
_PLAIN = Chars(((0x00, 0x1F), (0x22, 0x22), (0x5C, 0x5C)), negated=True)
_LOW_CONTROLS = Chars(((0x30, 0x37), (0x62, 0x62), (0x65, 0x66)))
_HIGH_CONTROLS = Chars(((0x30, 0x39), (0x61, 0x66)))

ANY_CHAR = Alt(
    (
        _PLAIN,
        Seq((Lit("\\"), Chars(tuple((ord(c), ord(c)) for c in '"\\bfnrt')))),
        Seq((Lit("\\u00"), Alt((Seq((Lit("0"), _LOW_CONTROLS)), Seq((Lit("1"), _HIGH_CONTROLS)))))),
    )
)
"""Any character inside a JSON string."""


def literal(value: JSON) -> Node:
    """Return the one text of a scalar or of a key.

    >>> literal("é\\n")
    Lit(text='"é\\\\n"')
    """
    return Lit(json.dumps(value, ensure_ascii=False))


def quoted(inside: Node) -> Node:
    """Put quotation marks around the inside of a string."""
    return seq(Lit('"'), inside, Lit('"'))


def escaped(node: Node) -> Node:
    """Rewrite rules about characters into rules about the same characters inside a JSON string.

    >>> escaped(Lit('a"'))
    Lit(text='a\\\\"')
    """
    match node:
        case Lit(text):
            return Lit(_inside(text))
        case Chars():
            return _escaped_chars(node)
        case Seq(items):
            return seq(*(escaped(item) for item in items))
        case Alt(items):
            return alt(*(escaped(item) for item in items))
        case Repeat(item, least, most):
            return Repeat(escaped(item), least, most)
        case _:
            return node


def _inside(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


@lru_cache(maxsize=2048)
def _escaped_chars(chars: Chars) -> Node:
    allowed = chars.allowed()
    special = [point for point in _SPECIAL if any(first <= point <= last for first, last in allowed[:36])]
    if allowed == _EVERY:
        return ANY_CHAR
    plain = tuple(
        (max(first, low), min(last, high))
        for first, last in allowed
        for low, high in _PLAIN.allowed()
        if max(first, low) <= min(last, high)
    )
    parts: list[Node] = [Chars(plain)] if plain else []
    if len(special) == len(_SPECIAL):
        return alt(*parts, *ANY_CHAR.items[1:])
    return alt(*parts, *(Lit(_inside(chr(point))) for point in special))
