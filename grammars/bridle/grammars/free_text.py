"""Free text that can be told from a call: bounded, and without the mark that a call begins with.

Engines have no "anything but this word", so the text is a repetition of ordinary characters and of short
beginnings of the mark that something else follows. In this form llguidance recognises ordinary characters as
such (`engines/llguidance.py` says how); other forms of the same language cost it ten times as much.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridle.grammars.bounds import Bounds
from bridle.grammars.ir import EMPTY, Chars, Lit, Node, Repeat, alt, optional, seq
from bridle.wrappers.syntax import CallShape

__all__ = [
    "char_without",
    "free_text",
    "text_unlike",
    "text_without",
    "text_without_any",
    "thinking",
    "without_end",
]

_KNOWN = 3  # characters of the mark that a text may begin to write; each makes the longest text longer
_RUN = 1  # more of the first character may stand before it, as in "<<"
_BLANKS = 8
_BLANK = ((9, 10), (13, 13), (32, 32))
_ALL_BLANKS = (
    (9, 13), (28, 32), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A),
    (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF),
)  # fmt: skip


def text_without(mark: str, most: int, *, known: int = _KNOWN, run: int = _RUN) -> Node:
    """Return rules for text of about `most` characters, at least one, that holds `mark` nowhere.

    Left out are also texts that hold its first `known` + 1 characters, or its first one more than `run` + 1
    times in a row or right after another beginning of it.
    """
    item = char_without(mark, known=known, run=run)
    if len(mark) == 1:
        return Repeat(item, 1, most)
    whole = Repeat(item, 1, most)
    if mark[0] in mark[1:]:  # what is begun at the end could become a whole mark by what comes behind it
        return whole
    cut = seq(Lit(mark[0]), _cut_mark(mark, 1, *_steps(mark, known, run)))
    return alt(whole, seq(Repeat(item, 0, most - 1), cut))


def char_without(mark: str, *, known: int = _KNOWN, run: int = _RUN) -> Node:
    """Return rules for what such a text is a repetition of: a character, or a broken beginning of the mark.

    As a repetition and nothing else it is the form that engines are fastest with.
    """
    if len(mark) == 1:
        return _other(mark)
    return alt(_other(mark[0]), seq(Lit(mark[0]), _no_mark(mark, 1, *_steps(mark, known, run))))


def text_without_any(marks: Sequence[str], most: int) -> Node:
    """Return rules for text of about `most` characters, at least one, that holds none of the marks.

    Left out are also texts that hold the first two characters of one of several marks.
    """
    kinds = dict.fromkeys(mark for mark in marks if mark)
    if len(kinds) == 1:
        return text_without(next(iter(kinds)), most)
    firsts = dict.fromkeys(mark[0] for mark in kinds)
    items: list[Node] = [_other(*firsts)]
    for first in firsts:
        if first not in kinds:
            seconds = dict.fromkeys(mark[1] for mark in kinds if mark[0] == first)
            items.append(seq(Lit(first), _other(*firsts, *seconds)))
    return Repeat(alt(*items), 1, most)


def free_text(shape: CallShape, bounds: Bounds, stop: Sequence[str] = ()) -> Node:
    """Return rules for the free text of a turn, with the marks around it but for a final one of `stop`."""
    close = shape.text_close.strip()
    if shape.text_first or close:
        text = text_without_any([shape.trigger, close], bounds.text_chars)
    else:
        text = text_unlike(shape.trigger, bounds.text_chars)
    return seq(Lit(shape.text_open), text, Lit(without_end(shape.text_close, stop)))


def without_end(text: str, ends: Sequence[str]) -> str:
    """Return the text without the longest of `ends` that it ends with.

    >>> without_end("}<|call|>", ["<|call|>"])
    '}'
    """
    return text[: len(text) - max((len(end) for end in ends if text.endswith(end)), default=0)]


def thinking(
    shape: CallShape, bounds: Bounds, *, opened: bool = False, named: Callable[[Node], Node] | None = None
) -> Node:
    """Return rules for thinking, or none, before anything else; a call in there is not a call.

    Where the prompt has `opened` the thinking, it must be closed. `named` gives the text a rule of its own.
    """
    if not shape.think_open or not shape.think_close or not (bounds.thinking_chars or opened):
        return EMPTY
    most = bounds.thinking_chars
    marks = [shape.trigger, shape.think_close.strip()]
    text = text_without_any(marks, most) if most else EMPTY
    inside = optional(named(text) if named else text) if most else EMPTY
    if opened:
        return seq(inside, Lit(shape.think_close))
    return optional(seq(Lit(shape.think_open), inside, Lit(shape.think_close)))


def _no_mark(mark: str, at: int, known: int, run: int) -> Node:
    """What may follow the first `at` characters of the mark, so that it does not become whole."""
    return alt(_other(mark[0], mark[at]), *_onwards(mark, at, known, run, _no_mark))


def _cut_mark(mark: str, at: int, known: int, run: int) -> Node:
    """What may follow the first `at` characters of the mark at the end of a text."""
    options = _onwards(mark, at, known, run, _cut_mark)
    return optional(alt(*options)) if options else EMPTY


def _onwards(
    mark: str, at: int, known: int, run: int, then: Callable[[str, int, int, int], Node]
) -> list[Node]:
    options: list[Node] = []
    if at < known:
        options.append(seq(Lit(mark[at]), then(mark, at + 1, known, run)))
    if at == 1 and run > 0:
        options.append(seq(Lit(mark[0]), then(mark, 1, known, run - 1)))
    return options


def _steps(mark: str, known: int, run: int) -> tuple[int, int]:
    """How far a mark may be begun. Where its first character comes again, a broken mark could hide a whole
    one, and only that character may be written at all."""
    return (min(known, len(mark) - 1), run) if mark[0] not in mark[1:] else (1, 0)


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
