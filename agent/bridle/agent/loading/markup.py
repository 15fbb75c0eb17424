"""Text files: Markdown and reStructuredText in a part for each heading, plain text and code in one.

Only headings are read from the markup (CommonMark 0.31; docutils' rules for titles), everything else stays as
it was written, so the line numbers of passages are those of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bridle.agent.loading.documents import Document, Findings, Part, Style
from bridle.agent.loading.sections import HeadingPath
from bridle.agent.loading.text import decoded

__all__ = ["read_code", "read_markdown", "read_plain", "read_rst"]

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_NO_TITLE = re.compile(r" {0,3}([-*+>|#]|\d+[.)]|`{3}|~{3})|\s*$| {4}")
_FRONT_TITLE = re.compile(r"title:[ \t]*(\S.*)$", re.MULTILINE)
_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1+\s*$")

Heading = tuple[int, int, str]
"""The index of its first line, its level, and its text."""


def read_plain(data: bytes, findings: Findings, charset: str = "") -> Iterator[Document]:
    """Yield a text as one document. `charset` is what a server says that it is in.

    Raises:
        SourceUnreadable: for bytes that are no text.
    """
    yield from _whole(decoded(data, findings, declared=charset), "prose")


def read_code(data: bytes, findings: Findings) -> Iterator[Document]:
    """Yield source code as one document, which is cut between definitions.

    Raises:
        SourceUnreadable: for bytes that are no text.
    """
    yield from _whole(decoded(data, findings), "code")


def read_markdown(data: bytes, findings: Findings) -> Iterator[Document]:
    """Yield a Markdown file as one document; its title is that of its front matter or its first heading.

    Raises:
        SourceUnreadable: for bytes that are no text.
    """
    lines = decoded(data, findings).split("\n")
    body = _front_matter_lines(lines)
    if named := _FRONT_TITLE.search("\n".join(lines[:body])):
        findings.title = named[1].strip().strip("\"'")
    yield from _by_headings(lines, list(_markdown_headings(lines, body)), findings)


def read_rst(data: bytes, findings: Findings) -> Iterator[Document]:
    """Yield a reStructuredText file as one document; its title is its first heading.

    Raises:
        SourceUnreadable: for bytes that are no text.
    """
    lines = decoded(data, findings).split("\n")
    yield from _by_headings(lines, list(_rst_headings(lines)), findings)


def _whole(text: str, style: Style) -> Iterator[Document]:
    if text.strip():
        yield Document((Part(text, line=1, style=style),))


def _by_headings(lines: list[str], headings: list[Heading], findings: Findings) -> Iterator[Document]:
    findings.title = findings.title or (headings[0][2] if headings else "")
    path, parts = HeadingPath(), list[Part]()
    begin, heading, has_text = 0, "", False

    def end(at: int) -> None:
        text = "\n".join(lines[begin:at])
        if text.strip():
            parts.append(Part(text, {"heading": heading} if heading else {}, heading, line=begin + 1))

    for number, (at, level, title) in enumerate(headings):
        has_text = has_text or _has_text(lines[begin:at], number and headings[number - 1][2])
        if has_text:
            end(at)
            begin, has_text = at, False
        heading = path.enter(level, title)
    end(len(lines))
    if parts:
        yield Document(tuple(parts))


def _has_text(lines: list[str], title: object) -> bool:
    """Whether there is more in a section than its own title."""
    return any(line.strip() and title != _bare(line) and not _ADORNMENT.match(line.strip()) for line in lines)


def _bare(line: str) -> str:
    found = _ATX.match(line)
    return (found[2] or "" if found else line).strip()


def _front_matter_lines(lines: list[str]) -> int:
    """How many lines the front matter takes: YAML between two lines of three hyphens at the beginning."""
    if lines[0].rstrip() != "---":
        return 0
    return next((at + 1 for at in range(1, len(lines)) if lines[at].rstrip() in ("---", "...")), 0)


def _markdown_headings(lines: list[str], begin: int) -> Iterator[Heading]:
    fence = ""
    for at in range(begin, len(lines)):
        line = lines[at]
        if marked := _FENCE.match(line):
            mark = marked[1]
            if not fence:
                fence = mark
            elif mark.startswith(fence) and not line.strip(" `~\t"):
                fence = ""
        elif fence:
            continue
        elif found := _ATX.match(line):
            yield at, len(found[1]), (found[2] or "").strip()
        elif at > begin and (found := _SETEXT.match(line)) and _is_title(lines, at - 1, begin):
            yield at - 1, 1 if found[1][0] == "=" else 2, lines[at - 1].strip()


def _is_title(lines: list[str], at: int, begin: int) -> bool:
    """Whether a line is a paragraph of its own; of several lines it may be a title, but seldom is."""
    return not _NO_TITLE.match(lines[at]) and (at == begin or not lines[at - 1].strip())


def _rst_headings(lines: list[str]) -> Iterator[Heading]:
    levels: list[tuple[str, bool]] = []
    for at in range(1, len(lines)):
        title, under = lines[at - 1], lines[at].rstrip()
        if not _ADORNMENT.match(under) or not title.strip() or _ADORNMENT.match(title.strip()):
            continue
        over = at > 1 and lines[at - 2].rstrip() == under
        if len(under) < len(title.rstrip()) or (title[0].isspace() and not over):
            continue
        if not over and at > 1 and lines[at - 2].strip():
            continue  # the rule of a table
        style = (under[0], over)
        if style not in levels:
            levels.append(style)
        yield at - 1 - over, levels.index(style) + 1, title.strip()
