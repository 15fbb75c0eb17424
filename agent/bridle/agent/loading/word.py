"""Word files (.docx) by python-docx 1.1 and later, extra `docs`: paragraphs, headings and tables in order.

What is not read: headers and footers of pages, footnotes, comments, text boxes. The old .doc is another
format, and is refused.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from importlib import import_module
from typing import Protocol, cast

from bridle.agent.loading.documents import Document, Findings, Part
from bridle.agent.loading.sections import Sections
from bridle.agent.loading.text import clean
from bridle.errors import MissingExtra, SourceUnreadable

__all__ = ["read_docx"]

_MOST_BYTES = 512 * 1024 * 1024  # unpacked; more is a bomb, not a letter
_HEADING = re.compile(r"heading (\d)$", re.IGNORECASE)


class _Style(Protocol):
    name: str | None


class _Paragraph(Protocol):
    text: str
    style: _Style | None


class _Cell(Protocol):
    text: str


class _Row(Protocol):
    cells: tuple[_Cell, ...]


class _Table(Protocol):
    rows: list[_Row]


class _Properties(Protocol):
    title: str


class _Docx(Protocol):
    core_properties: _Properties

    def iter_inner_content(self) -> Iterator[object]: ...


def read_docx(data: bytes, findings: Findings) -> Iterator[Document]:
    """Yield the file as one document, in a part for each heading.

    Raises:
        SourceUnreadable: for a file that is damaged, locked, or of another kind.
        MissingExtra: when python-docx is not installed.
    """
    try:
        docx = import_module("docx")
        errors = import_module("docx.opc.exceptions")
        xml = import_module("lxml.etree")
    except ImportError as error:
        raise MissingExtra("reading Word files needs the package python-docx", extra="docs") from error
    _check(data)
    try:
        file: _Docx = docx.Document(io.BytesIO(data))
        findings.title = clean(file.core_properties.title or "").strip()
        parts = tuple(_parts(file))
    except (
        errors.PackageNotFoundError,
        xml.XMLSyntaxError,
        zipfile.BadZipFile,
        EOFError,
        KeyError,
        ValueError,
        AttributeError,  # an element that the format requires is not there
    ) as error:
        raise SourceUnreadable(
            f"it is no sound Word file: {error}", hint="open it in a word processor and save it again"
        ) from error
    if parts:
        yield Document(parts)


def _check(data: bytes) -> None:
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise SourceUnreadable(
            "it is a Word file of before 2007, or one locked by a password",
            hint="save it as .docx without a password",
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            size = sum(info.file_size for info in packed.infolist())
    except (zipfile.BadZipFile, ValueError) as error:
        raise SourceUnreadable(
            f"it is no sound Word file: {error}", hint="open it in a word processor and save it again"
        ) from error
    if size > _MOST_BYTES:
        raise SourceUnreadable(f"it unpacks to {size:,} bytes", hint=f"the limit is {_MOST_BYTES:,} bytes")


def _parts(file: _Docx) -> Iterator[Part]:
    sections = Sections()
    for block in file.iter_inner_content():
        if hasattr(block, "rows"):
            sections.add(_table_text(cast("_Table", block)))  # told by its rows, as a stub of it has no class
            continue
        paragraph = cast("_Paragraph", block)
        text = clean(paragraph.text).strip()
        level = _level(paragraph)
        if text and level:
            sections.begin(level, text)
        else:
            sections.add(text)
    yield from sections.parts()


def _level(paragraph: _Paragraph) -> int:
    name = (paragraph.style.name if paragraph.style else "") or ""
    found = _HEADING.match(name)
    return int(found[1]) if found else int(name == "Title")


def _table_text(table: _Table) -> str:
    rows: list[str] = []
    for row in table.rows:
        cells = list(dict.fromkeys(row.cells))  # a cell over several columns is given once for each
        rows.append(" | ".join(" ".join(clean(cell.text).split()) for cell in cells))
    return "\n".join(rows)
