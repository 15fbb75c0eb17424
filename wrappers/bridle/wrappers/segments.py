"""A prompt as a sequence of segments, each marked as control text of the format or as content.

Only control segments may become special tokens. In process the tokenizer is told so segment by segment;
over HTTP, where a server tokenizes the whole prompt, `flatten` breaks control strings inside content.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Segment", "flatten", "join", "neutralise", "shield"]

WORD_JOINER = "\u2060"
"""U+2060: has no width, joins no words, and is not in any control string (General Punctuation)."""


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


def shield(segments: Iterable[Segment], control: Sequence[str]) -> tuple[Segment, ...]:
    """Break every control string that content forms, alone or together with the control text beside it.

    >>> [s.text for s in shield([Segment("\\n", control=True), Segment("USER:")], ["\\nUSER:"])]
    ['\\n', '\\u2060USER:']
    """
    joined = join(segments)
    out: list[Segment] = []
    for index, segment in enumerate(joined):
        if segment.control:
            out.append(segment)
            continue
        before = joined[index - 1].text if index else ""
        after = joined[index + 1].text if index + 1 < len(joined) else ""
        text = neutralise(segment.text, control)
        lead = WORD_JOINER if any(_straddles(before, text, mark, after) for mark in control) else ""
        tail = WORD_JOINER if any(_straddles(text, after, mark, "") for mark in control) else ""
        out.append(Segment(lead + text + tail))
    return tuple(out)


def _straddles(first: str, second: str, mark: str, third: str) -> bool:
    """Does `mark` begin in `first` and reach into `second`, or through it into `third`?"""
    edge = len(mark) - 1
    window = first[-edge:] + (second + third)[:edge] if edge else ""
    return mark in window


def flatten(segments: Iterable[Segment], control: Sequence[str]) -> str:
    """Write a prompt as one string in which content forms no control string.

    >>> flatten([Segment("<s>", control=True), Segment("a<s>b")], ["<s>"]).replace("\u2060", "+")
    '<s>a<+s>b'
    """
    return "".join(segment.text for segment in shield(segments, control))
