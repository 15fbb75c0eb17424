"""Small real PDF and Word files, made by hand or by the package that writes them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib import import_module
from typing import Any

__all__ = ["docx_bytes", "locked_pdf", "pdf_bytes"]


def pdf_bytes(pages: Sequence[Sequence[str]], title: str = "") -> bytes:
    """A PDF (1.4) with these lines on its pages, set in Helvetica."""
    font = 3 + 2 * len(pages)
    kids = " ".join(f"{3 + 2 * at} 0 R" for at in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
    ]
    for at, lines in enumerate(pages):
        shown = " ".join(f"({_escaped(line)}) Tj T*" for line in lines)
        content = f"BT /F1 12 Tf 14 TL 20 770 Td {shown} ET"
        resources = f"<< /Font << /F1 {font} 0 R >> >>"
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Resources {resources}"
            f" /Contents {4 + 2 * at} 0 R >>",
            f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        ]
    objects += [
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        f"<< /Title ({_escaped(title)}) >>",
    ]
    return _written(objects, font + 1)


def _written(objects: Sequence[str], info: int) -> bytes:
    data = b"%PDF-1.4\n"
    places: list[int] = []
    for number, text in enumerate(objects, 1):
        places.append(len(data))
        data += f"{number} 0 obj\n{text}\nendobj\n".encode("latin-1")
    table = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n"
    table += "".join(f"{place:010d} 00000 n \n" for place in places)
    trailer = f"trailer << /Size {len(objects) + 1} /Root 1 0 R /Info {info} 0 R >>\n"
    trailer += f"startxref\n{len(data)}\n%%EOF\n"
    return data + (table + trailer).encode()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def locked_pdf(pages: Sequence[Sequence[str]]) -> bytes:
    """The same, locked by a password."""
    pypdf: Any = import_module("pypdf")
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf_bytes(pages)))
    writer.encrypt("secret", algorithm="RC4-128")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def docx_bytes(blocks: Sequence[str | Sequence[Sequence[str]]], title: str = "") -> bytes:
    """A Word file of paragraphs, headings (`# One`, `## Two`) and tables (rows of cells)."""
    docx: Any = import_module("docx")
    document = docx.Document()
    document.core_properties.title = title
    for block in blocks:
        if not isinstance(block, str):
            table = document.add_table(rows=0, cols=len(block[0]))
            for row in block:
                for cell, text in zip(table.add_row().cells, row, strict=True):
                    cell.text = text
        elif block.startswith("#"):
            marks, _, text = block.partition(" ")
            document.add_heading(text, level=len(marks))
        else:
            document.add_paragraph(block)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()
