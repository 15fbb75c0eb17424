"""Long text cut into passages that end where a sentence, a paragraph or a definition does.

No character is changed and no word is lost: the passages of a text, put together, are the text but for white
space between them. A passage of a page of prose ends at a sentence, wherever one ends in its second half.
There is no overlap: what a passage stands under (title and heading) is searched with it instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from bridle.agent.loading.documents import Style
from bridle.agent.loading.graphemes import is_boundary

__all__ = ["CHUNK_CHARS", "LEAST_CHUNK_CHARS", "Chunk", "chunks"]

CHUNK_CHARS = 1200
"""About 300 tokens of English: what the smallest embedding models take, and five fit a small window."""
LEAST_CHUNK_CHARS = 40

# A sentence ends at a mark, with quotes and brackets that close after it; in scripts without blanks, at once.
_SENTENCE = re.compile(r"""[.!?…؟۔।][.!?…"'”’»)\]*_]*(?=\s)|[。！？｡][」』”’）]*""")
_ABBREVIATION = re.compile(
    r"(?:\b(?:[A-Z]|al|[Aa]pprox|ca|cf|[Cc]h|Dr|[Ee]d|e\.g|[Ee]q|etc|[Ff]igs?|i\.e|Jr|Mrs?|Ms|[Nn]o|pp?|Prof|[Ss]ec"
    r"|Sr|St|[Tt]ab|[Vv]ol|vs|z\.B|d\.h|[Nn]r|bzw|usw))\.$"
)
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_LINE = re.compile(r"\n")
_CLAUSE = re.compile(r"[;:,](?=\s)|[，；：、]")
_BLANK = re.compile(r"\s+")
# A line at the left margin after an empty one begins something new; a brace or bracket there only ends it.
_DEFINITION = re.compile(r"\n[ \t]*\n(?=[^\s})\]])")
_ENDS: dict[Style, tuple[re.Pattern[str], ...]] = {
    "prose": (_PARAGRAPH, _SENTENCE, _LINE, _CLAUSE, _BLANK),
    "code": (_DEFINITION, _PARAGRAPH, _LINE, _BLANK),
}


class Chunk(NamedTuple):
    """A piece of a text and where it begins in it, in characters."""

    text: str
    start: int


def chunks(text: str, limit: int = CHUNK_CHARS, style: Style = "prose") -> Iterator[Chunk]:
    """Yield the pieces of a text in their order, each of at most `limit` characters, without blank ends.

    A character that is more than `limit` code points long is the only one that is ever cut.

    >>> [chunk.text for chunk in chunks("One sentence here. Another one of them follows.", 40)]
    ['One sentence here.', 'Another one of them follows.']
    """
    at, end = 0, len(text.rstrip())
    while at < end:
        if text[at].isspace() and is_boundary(text, at + 1):
            at += 1
            continue
        cut = end if end - at <= limit else _cut(text, at, end, limit, style)
        start = _with_indent(text, at, cut, limit) if style == "code" else at
        yield Chunk(text[start:cut].rstrip(), start)
        at = cut


def _with_indent(text: str, at: int, cut: int, limit: int) -> int:
    """Where the line of `at` begins, if only blanks stand before it: code keeps its indentation."""
    line = text.rfind("\n", 0, at) + 1
    return line if text[line:at].isspace() and cut - line <= limit else at


def _cut(text: str, at: int, end: int, limit: int, style: Style) -> int:
    """Where the piece that begins at `at` ends; what follows is left no crumb."""
    least = limit // 4
    last = at + max(min(limit, end - at - least), 1)
    for ending in _ENDS[style]:
        # A paragraph or definition that ends early is no reason for a short piece; a sentence is.
        first = at + (limit // 2 if ending in (_PARAGRAPH, _DEFINITION) else least // 2)
        cut = _last_end(ending, text, at, first, last)
        if cut is not None:
            return cut
    return next((place for place in range(last, at, -1) if is_boundary(text, place)), last)


def _last_end(ending: re.Pattern[str], text: str, at: int, first: int, last: int) -> int | None:
    """The last place from `first` to `last` where something ends, reading from `at`."""
    place: int | None = None
    for found in ending.finditer(text, at, last + 2):  # a mark is an end if white space follows it
        cut = found.start() if found[0].isspace() else found.end()
        if not first <= cut <= last or not is_boundary(text, cut):
            continue
        if ending is _SENTENCE and _ABBREVIATION.search(text, max(at, cut - 12), cut):
            continue
        place = cut
    return place
