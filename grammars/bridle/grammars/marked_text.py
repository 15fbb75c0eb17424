"""Text that stands before a closing mark and must not hold it, counted in characters.

There is no "anything but this word" in the rule language. Where a length is only a default, text is a
repetition of characters and of broken beginnings of the mark (`free_text.char_without`). Where a schema says
how long, each character counts as one: a text that lacks one of the mark's characters cannot hold the mark.
That costs llguidance 1.5 instead of 0.2 ms per mask with 151,936 tokens.
"""

from __future__ import annotations

from bridle.errors import SchemaError
from bridle.grammars.free_text import char_without
from bridle.grammars.ir import EMPTY, Alt, Chars, Lit, Node, Repeat, Seq, alt, optional, seq

__all__ = ["marked_text", "unlike_json", "without_mark"]

_ESCAPE = "&"  # what begins an escaped mark, which is read as fewer characters than are written
_ENTITIES = "al"  # what comes next in it
_SHORT = 2  # characters of the mark that a text of counted length may begin to write
_BEGINS_JSON = '"-0123456789[{ \t\n\r'
_WORDS = ("true", "false", "null")


def marked_text(mark: str, least: int, most: int, *, exact: bool, known: int = 99) -> Node:
    """Return rules for text of `least` to `most` characters without `mark`.

    Unless `exact`, the upper end is rough, and up to `known` characters of the mark may be begun.
    """
    if exact:
        counted: list[Node] = [
            Repeat(_but(char + (_ESCAPE if least and char == mark[0] else "")), least, most)
            for char in _signs(mark)
        ]
        if least == 0 and most > _SHORT:
            counted.append(Repeat(char_without(mark, known=_SHORT, run=0), 0, most // (_SHORT + 1)))
        return alt(*counted)
    free = Repeat(char_without(mark, known=known), 0, max(0, most - least))
    begun = optional(Lit(mark[0])) if mark[0] not in mark[1:] and len(mark) > 1 and most > least else EMPTY
    return seq(
        Repeat(_lasting(mark), least, least) if least else EMPTY, free if most > least else EMPTY, begun
    )


def _lasting(mark: str) -> Node:
    """A character, or a few, that are no part of an escaped mark: at least one is left when they are read."""
    first, more = mark[0], mark[0] + _ESCAPE
    items: list[Node] = [_but(more), seq(Lit(_ESCAPE), _but(more + _ENTITIES))]
    return alt(*items, seq(Lit(first), _but(more + mark[1])) if len(mark) > 1 else items[0])


def without_mark(inside: Node, mark: str) -> Node:
    """Return rules for those of the texts that cannot hold `mark`, escaped or not.

    Raises:
        SchemaError: when there are none.

    >>> without_mark(alt(Lit("a"), Lit("</p>")), "</p>")
    Lit(text='a')
    """
    found: list[Node] = []
    for char in _signs(mark):
        kept = _lacking(inside, char + _ESCAPE if char == mark[0] else char)
        if kept == inside:
            return inside
        if kept is not None:
            found.append(kept)
    if not found:
        raise SchemaError(f"no text that fits is free of {mark!r}", hint="let the pattern hold other texts")
    return alt(*found)


def unlike_json(mark: str, rest: Node) -> Node:
    """Return rules for text without `mark` that is no JSON by its first characters; then comes `rest`."""
    starts: list[Node] = [seq(_but(_BEGINS_JSON + mark[0] + "".join(word[0] for word in _WORDS)), rest)]
    for word in _WORDS:
        for size in range(1, len(word)):
            starts.append(seq(Lit(word[:size]), optional(seq(_but(word[size] + mark[0]), rest))))
    return optional(alt(*starts))


def _signs(mark: str) -> str:
    """The mark's characters that words are not made of: text often lacks one of them."""
    return "".join(dict.fromkeys(c for c in mark if not c.isalnum())) or mark[0]


def _but(chars: str) -> Chars:
    """Any character but these; never U+0000, which no engine takes."""
    return Chars(tuple((ord(char), ord(char)) for char in "\0" + chars), negated=True)


def _lacking(node: Node, chars: str) -> Node | None:
    """Return rules for those of a node's texts without any of the characters; None where there are none."""
    match node:
        case Lit(text):
            return None if any(char in text for char in chars) else node
        case Chars():
            return _fewer(node, chars)
        case Seq(items):
            kept = [_lacking(item, chars) for item in items]
            whole = [item for item in kept if item is not None]
            return seq(*whole) if len(whole) == len(kept) else None
        case Alt(items):
            some = [item for item in (_lacking(item, chars) for item in items) if item is not None]
            return alt(*some) if some else None
        case Repeat(item, least, most):
            inner = _lacking(item, chars)
            if inner is None:
                return EMPTY if least == 0 else None
            return Repeat(inner, least, most)
        case _:
            return None


def _fewer(chars: Chars, out: str) -> Node | None:
    if not any(chars.holds(ord(char)) for char in out):
        return chars
    points = tuple((ord(char), ord(char)) for char in out)
    if chars.negated:
        return Chars((*chars.ranges, *points), negated=True)
    kept = Chars((*_outside(chars), *points), negated=True).allowed()
    return Chars(kept) if kept else None


def _outside(chars: Chars) -> tuple[tuple[int, int], ...]:
    return Chars(chars.ranges, negated=True).allowed()
