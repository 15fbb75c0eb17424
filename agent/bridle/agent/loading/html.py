"""Web pages and HTML files by Beautiful Soup 4.12 and later, extra `docs`, on Python's own parser.

What is kept is the text that the page is for: its `main` or single `article` where it has one, else its
body; without scripts, navigation, forms, and what is hidden. Nothing is run, and nothing is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bridle.agent.loading.documents import Document, Findings
from bridle.agent.loading.sections import Sections
from bridle.agent.loading.text import clean, decoded
from bridle.errors import MissingExtra, SourceUnreadable

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

__all__ = ["read_html"]

_DROPPED = """
title, script, style, noscript, template, nav, svg, canvas, iframe, object, form, button, select, input,
textarea, dialog, [hidden], [aria-hidden=true], [role=navigation], [role=banner], [role=contentinfo],
[role=search]
"""
_AROUND = ("header", "footer", "aside")  # of the page; an article's own header holds its title
_LINES = frozenset(("address", "br", "caption", "dd", "div", "dt", "figcaption", "hr", "li", "summary", "tr"))
_PARAGRAPHS = frozenset(
    "article aside blockquote details dl figure footer header main ol p pre section table ul".split()  # noqa: SIM905
)
_CELLS = frozenset(("td", "th"))
# White space of `pre` on its way through the joining of lines; the text has no control characters of its own.
_KEPT_BLANK, _KEPT_LINE = "\x0e", "\x0f"
_KEEP = str.maketrans({" ": _KEPT_BLANK, "\t": _KEPT_BLANK * 4, "\n": _KEPT_LINE})
_GIVE_BACK = str.maketrans({_KEPT_BLANK: " ", _KEPT_LINE: "\n"})
_HEADING = re.compile(r"h([1-6])$")
_DECLARED = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]+)""", re.IGNORECASE)
_XML_DECLARED = re.compile(rb"""<\?xml[^>]{0,100}?encoding\s*=\s*["']([A-Za-z0-9_.:-]+)""")
# Where a line or a paragraph ends, or a cell begins, however many elements end there.
_LINE, _PARAGRAPH, _CELL = "\x1e", "\x1d", " | "
_LINE_ENDS = re.compile(r" *\x1e[ \x1e]*")
_PARAGRAPH_ENDS = re.compile(r"[ \x1e\x0f]*\x1d[ \x1d\x1e]*\x0f*")
_BLANKS = re.compile(r"[ \t\n\r\f\u00a0]+")
_LOOKED_AT = 4096  # bytes; HTML says 1,024, pages say otherwise


def read_html(data: bytes, findings: Findings, charset: str = "") -> Iterator[Document]:
    """Yield a page as one document, in a part for each heading.

    `charset` is what its server says that it is in; it counts more than what the page itself says.

    Raises:
        SourceUnreadable: for bytes that are no text, or nested beyond reason.
        MissingExtra: when beautifulsoup4 is not installed.
    """
    try:
        from bs4 import BeautifulSoup
    except ImportError as error:
        raise MissingExtra("reading HTML needs the package beautifulsoup4", extra="docs") from error
    text = decoded(data, findings, declared=charset or _declared(data))
    try:
        soup = BeautifulSoup(text, "html.parser")
        title = soup.find("title")
        findings.title = " ".join(title.get_text().split()) if title else ""
        parts = tuple(_sections(_content(soup)).parts())
    except (RecursionError, AssertionError) as error:  # html.parser asserts on some broken declarations
        raise SourceUnreadable(f"it is no sound HTML: {error}", hint="save it as plain text") from error
    if parts:
        yield Document(parts)


def _declared(data: bytes) -> str:
    head = data[:_LOOKED_AT]
    found = _DECLARED.search(head) or _XML_DECLARED.search(head)
    name = found[1].decode("ascii") if found else ""
    # A page that could be read as far as this is not in UTF-16; HTML says what is meant by latin-1.
    return {"utf-16": "", "iso-8859-1": "cp1252", "latin1": "cp1252"}.get(name.lower(), name)


def _content(soup: BeautifulSoup) -> Tag:
    for tag in soup.select(_DROPPED):
        tag.decompose()
    articles = soup.find_all("article")
    content = soup.find("main") or (articles[0] if len(articles) == 1 else None)
    if content and content.get_text(strip=True):
        return content
    for tag in soup.find_all(_AROUND):
        if not tag.decomposed and tag.find_parent(("article", "main", "section")) is None:
            tag.decompose()
    return soup.body or soup


def _sections(content: Tag) -> Sections:
    sections = Sections()
    collected: list[str] = []

    def end() -> None:
        sections.add(_joined(collected))
        collected.clear()

    for level, text in _pieces(content):
        if level and text:
            end()
            sections.begin(level, text)
        else:
            collected.append(text)
    end()
    return sections


def _pieces(content: Tag) -> Iterator[tuple[int, str]]:
    """Yield headings with their level, and between them the text, with level 0, and the ends of lines."""
    from bs4.element import CData, NavigableString, Tag

    open_tags = [(content, iter(content.children))]
    in_pre = 0
    while open_tags:
        tag, children = open_tags[-1]
        child = next(children, None)
        if child is None:
            open_tags.pop()
            in_pre -= tag.name == "pre"
            yield 0, _around(tag.name)
        elif isinstance(child, Tag):
            if heading := _HEADING.match(child.name):
                yield int(heading[1]), " ".join(child.get_text(" ").split())
                continue
            yield 0, _CELL if child.name in _CELLS else _around(child.name)
            in_pre += child.name == "pre"
            open_tags.append((child, iter(child.children)))
        elif type(child) in (NavigableString, CData):  # the other kinds are comments and declarations
            text = str(child)
            yield 0, text.translate(_KEEP) if in_pre else _BLANKS.sub(" ", text)


def _around(name: str) -> str:
    return _PARAGRAPH if name in _PARAGRAPHS else _LINE if name in _LINES else ""


def _joined(pieces: list[str]) -> str:
    text = _LINE_ENDS.sub("\n", _PARAGRAPH_ENDS.sub("\n\n", "".join(pieces)))
    lines = [_BLANKS.sub(" ", line).strip(" |") for line in text.split("\n")]
    return clean("\n".join(lines).translate(_GIVE_BACK)).strip("\n")
