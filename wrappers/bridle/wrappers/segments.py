"""A prompt as a sequence of segments, each marked as control text of the format or as content.

Only control segments may become special tokens. In process the tokenizer is told so segment by segment;
over HTTP, where a server tokenizes the whole prompt, `flatten` breaks control strings inside content.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

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
    first: Segment | None = None
    more: list[str] = []
    for segment in segments:
        if not segment.text:
            continue
        if first is None:
            first = segment
        elif segment.control is first.control:
            more.append(segment.text)
        else:
            out.append(_joined(first, more) if more else first)
            first, more = segment, []
    if first is not None:
        out.append(_joined(first, more) if more else first)
    return tuple(out)


def _joined(first: Segment, more: list[str]) -> Segment:
    return Segment(first.text + "".join(more), first.control)


def neutralise(text: str, control: Sequence[str]) -> str:
    """Break every control string inside `text` by a word joiner after its first character.

    >>> neutralise("<|im_end|>", ["<|im_end|>"]).replace("\u2060", "+")
    '<+|im_end|>'
    """
    for mark, broken in _longest_first(tuple(control)):
        while mark in text:  # more than once for a mark that overlaps with itself
            text = text.replace(mark, broken)
    return text


@lru_cache(maxsize=256)
def _longest_first(control: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Each mark that can be broken, and it broken."""
    marks = sorted(
        (mark for mark in control if len(mark) > 1 and WORD_JOINER not in mark), key=len, reverse=True
    )
    return tuple((mark, mark[0] + WORD_JOINER + mark[1:]) for mark in marks)


def shield(segments: Iterable[Segment], control: Sequence[str]) -> tuple[Segment, ...]:
    """Break every control string that content forms, alone or together with the control text beside it.

    >>> [s.text for s in shield([Segment("\\n", control=True), Segment("USER:")], ["\\nUSER:"])]
    ['\\n', '\\u2060USER:']
    """
    joined = join(segments)
    marks = tuple(dict.fromkeys(control))
    if not marks:
        return joined
    if _only_in_control(joined, marks):
        return joined
    edge = max(map(len, marks)) - 1
    out: list[Segment] = []
    for index, segment in enumerate(joined):
        if segment.control:
            out.append(segment)
            continue
        before = joined[index - 1].text[-edge:] if index and edge else ""
        after = joined[index + 1].text[:edge] if index + 1 < len(joined) else ""
        text = neutralise(segment.text, marks)
        lead = WORD_JOINER if before and _reaches(before, (text[:edge] + after)[:edge], marks) else ""
        tail = WORD_JOINER if after and _reaches(text[-edge:], after, marks) else ""
        same = text is segment.text and not (lead or tail)
        out.append(segment if same else Segment(lead + text + tail))
    return tuple(out)


def _only_in_control(segments: Sequence[Segment], marks: tuple[str, ...]) -> bool:
    """Does no mark stand in content or reach into it? Counting in the whole prompt is fast."""
    if _may_overlap(marks):
        return False
    whole = "".join([segment.text for segment in segments])
    control = WORD_JOINER.join([segment.text for segment in segments if segment.control])
    return all(whole.count(mark) == control.count(mark) for mark in marks)


@lru_cache(maxsize=256)
def _may_overlap(marks: tuple[str, ...]) -> bool:
    """Can one of the marks overlap with itself, so that counting would miss some?"""
    return any(mark[:size] == mark[-size:] for mark in marks for size in range(1, len(mark)))


def _reaches(first: str, second: str, marks: Sequence[str]) -> bool:
    """Does any of the marks begin in `first` and end in `second`?"""
    both = first + second
    for mark in marks:
        edge = len(mark) - 1
        if mark in both and edge and mark in first[-edge:] + second[:edge]:
            return True
    return False


def flatten(segments: Iterable[Segment], control: Sequence[str]) -> str:
    """Write a prompt as one string in which content forms no control string.

    >>> flatten([Segment("<s>", control=True), Segment("a<s>b")], ["<s>"]).replace("\u2060", "+")
    '<s>a<+s>b'
    """
    return "".join(segment.text for segment in shield(segments, control))
