"""What a quote is: a run of whole words of a text, and where such a run may begin and end.

Words stand between blanks; one blank is written for whatever blanks the text has. In scripts that are
written without blanks (Chinese, Japanese, Thai, Lao, Khmer, Burmese) each character is a word of its own. A
run may do without the marks before its first word, and without some or all of those behind its last one, the
English `'s` included. Case is kept.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

__all__ = ["MOST_WORDS", "Word", "is_quote", "windows", "words_of"]

MOST_WORDS = 60
"""So many words a quote has at most in a grammar: rules are nested that deep."""
_MARKS = ".,;:!?\"'()[]{}<>«»“”‘’„‚‹›…¿¡*_`、。，！？；：「」『』（）《》【】"
_CLOSED_UP = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_JOINED = (
    "\u0300-\u036f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd"
    "\u102b-\u103e\u17b4-\u17d3\u3099\u309a"
)
_PIECE = re.compile(f"[{_CLOSED_UP}][{_JOINED}]*|[^{_CLOSED_UP}]+")
_GENITIVE = re.compile(r"(?<=.)['’]s$")
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


class Word(NamedTuple):
    """One word: what stands between it and the word before, its own marks, and how it may end.

    The last of `ends` is how it stands in the text; words before the last one of a run end so.
    """

    between: str
    lead: str
    core: str
    ends: tuple[str, ...]

    @property
    def start(self) -> str:
        """The word with the marks before it, without those behind it."""
        return self.lead + self.core

    @property
    def whole(self) -> str:
        """The word as it stands in the text, with what stands before it."""
        return self.between + self.lead + self.core + self.ends[-1]


def words_of(text: str) -> list[list[Word]]:
    """Return a text's words in one or several rows; a word that nothing can write stands between two rows.

    >>> [word.core for word in words_of("Ana's cat, Mo!")[0]]
    ['Ana', 'cat', 'Mo']
    """
    rows: list[list[Word]] = [[]]
    for chunk in text.split():
        if _UNWRITABLE.search(chunk):
            rows.append([])
        else:
            rows[-1].extend(_chunk(chunk))
    return [row for row in rows if row]


def is_quote(value: str, text: str) -> bool:
    """Tell whether a value is a run of whole words of a text; how wide its blanks are does not matter.

    >>> is_quote("Ana", "Say hi to Ana's cat."), is_quote("An", "Say hi to Ana's cat.")
    (True, False)
    """
    wanted = " ".join(value.split())
    return bool(wanted) and any(_is_in(wanted, row) for row in words_of(text))


def windows(row: Sequence[Word], most: int, room: int) -> Iterator[list[Word]]:
    """Cut a row into overlapping pieces of at most `most` characters and `MOST_WORDS` words.

    Every run of that size lies in one of them. Where they would have more than `room` words in all there are
    fewer pieces, so that some of the longest runs lie in none.
    """
    places = list(accumulate((len(word.whole) for word in row), initial=0))
    cores = [at + len(word.between + word.start) for at, word in zip(places, row, strict=False)]
    if len(row) <= MOST_WORDS and places[-1] <= most:
        yield list(row)
        return

    def reach(at: int, start: int) -> int:
        return min(bisect_right(cores, start + most), at + MOST_WORDS)

    starts = [core - len(word.core) for core, word in zip(cores, row, strict=True)]
    total = sum(max(0, reach(at, start) - at) for at, start in enumerate(starts))
    last: tuple[int, tuple[str, ...]] | None = None
    for at in range(0, len(row), max(1, min(MOST_WORDS, -(-total // room)))):
        for lead in dict.fromkeys(("", row[at].lead)):
            start = starts[at] - len(lead)
            end = reach(at, start)
            if end <= at:  # a word that is too long
                continue
            ends = tuple(one for one in row[end - 1].ends if cores[end - 1] + len(one) <= start + most)
            if lead or (end, ends) != last:  # else the piece before holds it
                last = end, ends
                first = [row[at]._replace(lead=lead), *row[at + 1 : end]]
                yield [*first[:-1], first[-1]._replace(ends=ends)]


def _chunk(chunk: str) -> Iterator[Word]:
    """Yield the words of what stands between two blanks; marks go to the word before them, else behind."""
    pieces: list[str] = []
    held = ""
    for piece in _PIECE.findall(chunk):
        if piece.strip(_MARKS):
            pieces.append(held + piece)
            held = ""
        elif pieces:
            pieces[-1] += piece
        else:
            held = piece
    if not pieces:
        yield Word(" ", "", chunk, ("",))
    for i, piece in enumerate(pieces):
        yield _word(piece, " " if i == 0 else "")


def _word(piece: str, between: str) -> Word:
    bare = piece.lstrip(_MARKS)
    core = bare.rstrip(_MARKS)
    tail, cuts = bare[len(core) :], [0]
    if genitive := _GENITIVE.search(core):
        core, tail = core[: genitive.start()], genitive.group() + tail
        cuts.append(2)
    cuts.extend(range(cuts[-1] + 1, len(tail) + 1))
    return Word(between, piece[: len(piece) - len(bare)], core, tuple(tail[:cut] for cut in cuts))


def _is_in(wanted: str, row: Sequence[Word]) -> bool:
    text, starts, ends = "", set[int](), set[int]()
    for word in row:
        text += word.between if text else ""
        starts |= {len(text), len(text + word.lead)}
        text += word.start
        ends |= {len(text) + len(end) for end in word.ends}
        text += word.ends[-1]
    at = text.find(wanted)
    while at >= 0:
        if at in starts and at + len(wanted) in ends:
            return True
        at = text.find(wanted, at + 1)
    return False
