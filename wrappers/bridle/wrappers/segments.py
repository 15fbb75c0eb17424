"""A prompt as a sequence of segments, each marked as control text of the format or as content.

Only control segments may become special tokens. In process the tokenizer is told so segment by segment;
over HTTP, where a server tokenizes the whole prompt, `flatten` breaks control strings inside content.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Segment", "flatten", "join", "neutralise"]

WORD_JOINER = "\u2060"
"""U+2060: has no width, joins no words, and is not in any control string (Unicode 15, General Punctuation)."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a prompt. `control` text comes from the format; all other text is data."""

    text: str
    control: bool = False


def join(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Merge neighbours of the same kind and drop empty ones.

    >>> join([Segment("a"), Segment(""), Segment("b"), Segment("<s>", control=True)])
    (Segment(text='ab', control=False), Segment(text='<s>', control=True))
    """
    out: list[Segment] = []
    for segment in segments:
        if not segment.text:
            continue
        if out and out[-1].control == segment.control:
            out[-1] = Segment(out[-1].text + segment.text, segment.control)
        else:
            out.append(segment)
    return tuple(out)


def neutralise(text: str, control: Sequence[str]) -> str:
    """Break every control string inside `text` by a word joiner after its first character.

    >>> neutralise("<|im_end|>", ["<|im_end|>"]).replace("\u2060", "+")
    '<+|im_end|>'
    """
    for mark in sorted((c for c in control if len(c) > 1), key=len, reverse=True):
        text = text.replace(mark, mark[0] + WORD_JOINER + mark[1:])
    return text


def flatten(segments: Iterable[Segment], control: Sequence[str]) -> str:
    """Write a prompt as one string in which content holds no control string.

    Each run of content is neutralised as a whole, so that two neighbouring pieces cannot form a mark; a mark
    that would arise where content meets control text is broken as well.
    """
    out = ""
    for segment in join(segments):
        if segment.control:
            out += segment.text
            continue
        text = neutralise(segment.text, control)
        out += text
    return out
