"""What a model sees of a search: a count, then a line for each passage with where it comes from."""

from __future__ import annotations

from collections.abc import Mapping

from bridle.agent.archival.base import Passage, Results
from bridle.agent.archival.excerpts import excerpt
from bridle.agent.store.words import words
from bridle.messages import JSON

__all__ = ["place_of", "render_results", "result_lines"]


def render_results(results: Results, most_chars: int = 1000) -> str:
    """Write a page of results; of each passage the `most_chars` characters that the query is about.

    >>> from bridle.agent.archival import Found
    >>> passage = Passage(1, "Memory has tiers.", "papers", "docs/paper.pdf", {"page": 3})
    >>> print(render_results(Results((Found(passage, 1.0),), 12, 1)))
    1 of 12:
    - [paper.pdf, page 3] Memory has tiers.
    """
    notice = [f"({results.warning})"] if results.warning else []
    lines = result_lines(results, most_chars)
    if lines:
        return "\n".join([f"{len(lines)} of {results.total}:", *lines, *notice])
    are = "is 1 result" if results.total == 1 else f"are {results.total} results"
    none = f"No results on page {results.page}; there {are}." if results.total else "No results."
    return "\n".join([none, *notice])


def result_lines(results: Results, most_chars: int = 1000) -> list[str]:
    """Write the lines of a page of results alone."""
    lines: list[str] = []
    asked = words(results.query)
    for found in results.found:
        place = place_of(found.passage)
        text = excerpt(" ".join(found.passage.text.split()), asked, most_chars)
        lines.append(f"- [{place}] {text}" if place else f"- {text}")
    return lines


def place_of(passage: Passage) -> str:
    """Name where a passage comes from, such as `paper.pdf, page 3`; empty for an agent's own note.

    >>> place_of(Passage(1, "x", "papers", "a/b.csv", {"row": 7}))
    'b.csv, row 7'
    """
    file = passage.file.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return ", ".join([name for name in (file or passage.archive,) if name] + _parts(passage.locator))


def _parts(locator: Mapping[str, JSON]) -> list[str]:
    return [f"{key} {value}" for key, value in locator.items() if isinstance(value, str | int | float)]
