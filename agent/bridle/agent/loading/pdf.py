"""PDF files by their pages: PDFium (pypdfium2 5, extra `docs`), or pypdf where only that is installed.

Both give text as it was set: words divided at the end of lines (PDFium marks the place with U+0002 or U+FFFE,
seen in 5.15), ligatures, and a line break at the end of each line. `page_texts` undoes that. Pictures of text
are not read: a file with nothing else is refused, with the reason.
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Protocol, TypeAlias

from bridle.agent.loading.documents import Document, Findings, Part
from bridle.agent.loading.text import clean
from bridle.errors import MissingExtra, SourceUnreadable

__all__ = ["page_texts", "read_pdf"]

_PASSWORD = 4  # FPDF_ERR_PASSWORD
_DIVIDED = re.compile(r"(\w+)(?:[\u0002\ufffe\u00ad]\s*|-\n)(\w+)")
_MARKS = re.compile(r"[\u0002\ufffe\u00ad]")
_WORD = re.compile(r"\w+(?:-\w+)*")
_KEPT = ("<super>", "<sub>", "<fraction>")  # 10² is not 102
_FULL_LINE = 0.75
"""A line that is at least so long, compared with the long ones of its page, goes on in the next."""
_OPENS = re.compile(r"[•\-–*▪◦]\s|\(?\d{1,3}[.)]\s|\d+(?:\.\d+)+\s")


def read_pdf(data: bytes, findings: Findings) -> Iterator[Document]:
    """Yield a document for each page that has text.

    Raises:
        SourceUnreadable: for a file that is damaged, locked by a password, or holds no text.
        MissingExtra: when neither package is installed.
    """
    raw = _reader()(data, findings)
    if not any(text.strip() for text in raw):
        raise SourceUnreadable(
            f"it holds no text on its {len(raw)} pages",
            hint="these may be pictures of text; a program for text recognition (OCR) can add it",
        )
    for number, text in enumerate(page_texts(raw), 1):
        if text:
            yield Document((Part(text, {"page": number}),))


def page_texts(pages: Sequence[str]) -> list[str]:
    r"""Return text as a person would type it: words, ligatures and paragraphs are whole again.

    A word keeps the hyphen that it was divided at when it is written so elsewhere.

    >>> page_texts(["We remem\x02ber long\x02term ef\ufb01ciency.", "A long-term plan, 10² times."])
    ['We remember long-term efficiency.', 'A long-term plan, 10² times.']
    """
    texts = [clean(_typed(page.replace("\r\n", "\n"))) for page in _joined(pages)]
    return [_unwrapped(text) for text in texts]


def _joined(pages: Sequence[str]) -> list[str]:
    counts: Counter[str] = Counter()
    for page in pages:
        counts.update(word.lower() for word in _WORD.findall(page))

    def join(found: re.Match[str]) -> str:
        first, second = found[1], found[2]
        hyphened, plain = f"{first}-{second}", f"{first}{second}"
        keep = counts[hyphened.lower()] > counts[plain.lower()] or not second[0].islower()
        return hyphened if keep else plain

    ends = [page.replace("\r\n", "\n") for page in pages]
    return [_MARKS.sub("-", _DIVIDED.sub(join, page)) for page in ends]


def _typed(text: str) -> str:
    """Replace characters that only say how a letter was set; NFKC, but for raised and lowered figures."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", "".join(_typed_char(char) for char in text))


def _typed_char(char: str) -> str:
    if char < "\u00a0" or unicodedata.decomposition(char).startswith(_KEPT):
        return char
    return unicodedata.normalize("NFKC", char)


def _unwrapped(text: str) -> str:
    lines = [re.sub(r"[ \t\f]+", " ", line).strip() for line in text.split("\n")]
    lengths = sorted(len(line) for line in lines if line)
    if not lengths:
        return ""
    full = lengths[int(len(lengths) * 0.9)] * _FULL_LINE
    kept: list[str] = []
    goes_on = False
    for line in lines:
        if goes_on and line and not _OPENS.match(line):
            kept[-1] += f" {line}"
        else:
            kept.append(line)
        goes_on = len(line) >= full
    return "\n".join(kept).strip()


_Pages: TypeAlias = Callable[[bytes, Findings], list[str]]


def _reader() -> _Pages:
    for package, pages in (("pypdfium2", _by_pdfium), ("pypdf", _by_pypdf)):
        try:
            import_module(package)
        except ImportError:
            continue
        return pages
    raise MissingExtra("reading PDF files needs the package pypdfium2", extra="docs")


class _Closed(Protocol):
    def close(self) -> None: ...


class _TextPage(_Closed, Protocol):
    def get_text_bounded(self) -> str: ...


class _Page(_Closed, Protocol):
    def get_textpage(self) -> _TextPage: ...


class _Pdf(_Closed, Protocol):
    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> _Page: ...

    def get_metadata_dict(self) -> dict[str, str]: ...


def _by_pdfium(data: bytes, findings: Findings) -> list[str]:
    pdfium = import_module("pypdfium2")
    try:
        pdf: _Pdf = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if error.err_code == _PASSWORD:
            raise _locked() from error
        raise _damaged(error) from error
    try:
        findings.title = clean(pdf.get_metadata_dict().get("Title", "")).strip()
        texts: list[str] = []
        for index in range(len(pdf)):
            try:
                texts.append(_page_text(pdf, index))
            except pdfium.PdfiumError as error:
                texts.append("")
                findings.losses.append(f"page {index + 1} cannot be read: {error}")
        return texts
    finally:
        pdf.close()


def _page_text(pdf: _Pdf, index: int) -> str:
    page = pdf[index]
    try:
        text_page = page.get_textpage()
        try:
            return text_page.get_text_bounded()
        finally:
            text_page.close()
    finally:
        page.close()


def _by_pypdf(data: bytes, findings: Findings) -> list[str]:
    from pypdf import PdfReader
    from pypdf.errors import FileNotDecryptedError, PyPdfError

    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise _locked()
        findings.title = clean((reader.metadata.title if reader.metadata else "") or "").strip()
        count = len(reader.pages)
    except FileNotDecryptedError as error:
        raise _locked() from error
    except (PyPdfError, ValueError, KeyError, TypeError, RecursionError) as error:  # what damage does to it
        raise _damaged(error) from error
    texts: list[str] = []
    for index in range(count):
        try:
            texts.append(reader.pages[index].extract_text())
        except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            texts.append("")
            findings.losses.append(f"page {index + 1} cannot be read: {error}")
    return texts


def _locked() -> SourceUnreadable:
    return SourceUnreadable("it is locked by a password", hint="save a copy without one and load that")


def _damaged(error: Exception) -> SourceUnreadable:
    return SourceUnreadable(f"it is no sound PDF file: {error}", hint="open it to see if it is whole")
