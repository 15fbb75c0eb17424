"""Free text that can be told from a call: bounded, and without the mark that a call begins with.

Engines have no "anything but this word", so the text is written as blocks: `_PLAIN` ordinary characters, or fewer
of them and then the beginning of the mark with something after it that does not go on with the mark. That
is regular, has one way to read each text, and keeps the longest sentence near the characters allowed.
"""

from __future__ import annotations

from bridle.grammars.ir import EMPTY, Chars, Lit, Node, Repeat, alt, optional, seq

__all__ = ["text_unlike", "text_without"]

_PLAIN = 13  # characters of a block; a text of n characters needs n / 13 blocks and one for each broken mark
_RUN = 3  # first characters of the mark that may stand in a row before a broken mark, as in "<<"
_BLANKS = 8
_BLANK = ((9, 10), (13, 13), (32, 32))
_ALL_BLANKS = (
    (9, 13), (28, 32), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A),
    (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF),
)  # fmt: skip


def text_without(mark: str, most: int) -> Node:
    """Return rules for text of about `most` characters, at least one, that holds `mark` nowhere.

    Left out are also a few texts with broken marks inside one another, or one after the other beyond `_RUN`.
    """
    first = mark[0]
    plain = _other(first)
    if len(mark) == 1:
        return Repeat(plain, 1, most)
    # Where the first character comes again, a broken mark could hide a whole one: allow its first character alone.
    unique = first not in mark[1:]
    lengths = range(1, len(mark)) if unique else range(1, 2)
    run = Repeat(Lit(first), 0, _RUN) if unique else EMPTY
    broken = seq(run, alt(*(seq(Lit(mark[:n]), _other(first, mark[n])) for n in lengths)))
    ending = seq(run, alt(*(Lit(mark[:n]) for n in lengths)))
    block = alt(seq(Repeat(plain, 0, _PLAIN - 1), broken), Repeat(plain, _PLAIN, _PLAIN))
    blocks = -(-most // _PLAIN)
    some = seq(Repeat(plain, 1, _PLAIN - 1), optional(ending))
    return alt(seq(Repeat(block, 1, blocks), optional(alt(some, ending))), some, ending)


def text_unlike(mark: str, most: int) -> Node:
    """Return rules for text of about `most` characters, at least one, that does not begin with `mark`.

    Blanks before the first word do not count as a beginning, and there is such a word.
    """
    rest = Repeat(_other(), 0, most - 1)
    starts = [seq(_other(mark[0], blanks=True), rest)]
    for n in range(1, len(mark)):
        starts.append(seq(Lit(mark[:n]), optional(seq(_other(mark[n]), rest))))
    return seq(Repeat(Chars(_BLANK), 0, _BLANKS), alt(*starts))


def _other(*chars: str, blanks: bool = False) -> Node:
    """Any character but these; never U+0000, which no engine takes."""
    ranges = [(0, 0), *((ord(char), ord(char)) for char in chars)]
    return Chars(tuple([*ranges, *_ALL_BLANKS] if blanks else ranges), negated=True)
