"""Text under headings: the path of headings to a place, and parts for the sections of a text."""

from __future__ import annotations

from collections.abc import Iterator

from bridle.agent.loading.documents import Part

__all__ = ["HeadingPath", "Sections"]


class HeadingPath:
    """The headings above a place; 1 is the highest level.

    >>> path = HeadingPath()
    >>> path.enter(1, "Animals"), path.enter(2, "Cats"), path.enter(2, "Dogs"), path.enter(1, "Plants")
    ('Animals', 'Animals › Cats', 'Animals › Dogs', 'Plants')
    """

    def __init__(self) -> None:
        self._path: list[tuple[int, str]] = []

    def enter(self, level: int, heading: str) -> str:
        """Go under a heading and return the path to it."""
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        self._path.append((level, " ".join(heading.split())))
        return str(self)

    def __str__(self) -> str:
        return " › ".join(text for _, text in self._path)


class Sections:
    """Collects a document's blocks in their order. A heading without text of its own goes with the next.

    >>> sections = Sections()
    >>> sections.begin(1, "Animals"); sections.begin(2, "Cats"); sections.add("They purr.")
    >>> [(part.heading, part.text) for part in sections.parts()]
    [('Animals › Cats', 'Animals\\n\\nCats\\n\\nThey purr.')]
    """

    def __init__(self) -> None:
        self._path = HeadingPath()
        self._blocks: list[str] = []
        self._has_text = False
        self._parts: list[Part] = []

    def begin(self, level: int, heading: str) -> None:
        """Begin a section."""
        if self._has_text:
            self._end()
        self._path.enter(level, heading)
        self._blocks.append(heading)

    def add(self, block: str) -> None:
        """Add a block of text to the section."""
        if block.strip():
            self._blocks.append(block.strip("\n"))
            self._has_text = True

    def parts(self) -> Iterator[Part]:
        """Yield a part for each section; nothing can be added after that."""
        self._end()
        yield from self._parts

    def _end(self) -> None:
        text, heading = "\n\n".join(self._blocks), str(self._path)
        if text:
            self._parts.append(Part(text, {"heading": heading} if heading else {}, heading))
        self._blocks, self._has_text = [], False
