"""Documents cut into the passages that are stored, with what they are found by and where they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bridle.agent.archival.base import Draft
from bridle.agent.loading.chunks import CHUNK_CHARS, Chunk, chunks
from bridle.agent.loading.documents import Document, Part
from bridle.messages import JSON

__all__ = ["drafts"]

_DEFINITION = re.compile(
    r"^[ \t]*(?:(?:export|default|public|private|protected|internal|static|final|abstract|async|pub|unsafe"
    r"|extern|inline|virtual|override|open|data|sealed)\s+)*"
    r"(?:class|def|enum|fn|fun|func|function|impl|interface|module|namespace|object|package|record|struct|trait"
    r"|type|CREATE\s+(?:TABLE|VIEW|INDEX|FUNCTION))\s+[\w.$:<>]+",
    re.MULTILINE,
)
_HEAD_CHARS = 80


def drafts(document: Document, name: str, title: str = "", chunk_chars: int = CHUNK_CHARS) -> Iterator[Draft]:
    """Yield the passages of a document, each of at most `chunk_chars` characters.

    A passage is searched with the `name` of its file, the `title`, and what it stands under.
    """
    for part in document.parts:
        for chunk, under, line in _placed(part, chunk_chars):
            locator: dict[str, JSON] = dict(part.locator)
            if line is not None:
                locator["line"] = line
            yield Draft(chunk.text, " › ".join(dict.fromkeys(filter(None, (name, title, under)))), locator)


def _placed(part: Part, chunk_chars: int) -> Iterator[tuple[Chunk, str, int | None]]:
    """Yield pieces with what they stand under and the line that they begin in."""
    under, line, seen = part.heading, part.line, 0
    for chunk in chunks(part.text, chunk_chars, part.style):
        if line is not None:
            line += part.text.count("\n", seen, chunk.start)
        if part.style == "code":
            for definition in _DEFINITION.finditer(part.text, seen, chunk.start):
                under = definition[0].strip()
        elif chunk.start and not under and "row" in part.locator:
            # The first column of a row that is cut is what the rest of it is about.
            under = part.text.split("\n", 1)[0][:_HEAD_CHARS]
        seen = chunk.start
        yield chunk, under, line
