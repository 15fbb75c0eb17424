"""Which reader takes which file: the table by suffix, and what is done with a file of another one.

To add a kind of file, write a module with a `Reader` and add its suffixes to `READERS`.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridle.agent.loading.documents import Reader
from bridle.agent.loading.html import read_html
from bridle.agent.loading.markup import read_code, read_markdown, read_plain, read_rst
from bridle.agent.loading.pdf import read_pdf
from bridle.agent.loading.rows import read_csv, read_json, read_jsonl, read_tsv
from bridle.agent.loading.text import is_binary
from bridle.agent.loading.word import read_docx

__all__ = ["BY_CONTENT_TYPE", "READERS", "reader_for"]

_CODE = """
.bash .bat .c .cc .cfg .clj .cljs .cmake .conf .cpp .cs .css .cu .cxx .d .dart .diff .el .erl .ex .exs .f90
.fs .go .gradle .groovy .h .hh .hpp .hs .ini .ipp .java .jl .js .jsx .kt .kts .lisp .lua .m .make .mjs .ml
.mm .nim .patch .php .pl .pm .properties .proto .ps1 .py .pyi .pyx .r .rb .rs .sass .scala .scm .scss .sh
.sql .swift .tcl .tex .tf .toml .ts .tsx .v .vb .vhdl .vim .xml .yaml .yml .zig .zsh
"""

READERS: Mapping[str, Reader] = {
    ".pdf": read_pdf,
    ".docx": read_docx,
    ".html": read_html,
    ".htm": read_html,
    ".xhtml": read_html,
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".rst": read_rst,
    ".txt": read_plain,
    ".text": read_plain,
    ".log": read_plain,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".json": read_json,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    **dict.fromkeys(_CODE.split(), read_code),
}

BY_CONTENT_TYPE: Mapping[str, Reader] = {
    "application/json": read_json,
    "application/pdf": read_pdf,
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": read_docx,
    "application/x-ndjson": read_jsonl,
    "application/xhtml+xml": read_html,
    "text/csv": read_csv,
    "text/html": read_html,
    "text/markdown": read_markdown,
    "text/tab-separated-values": read_tsv,
    "text/x-rst": read_rst,
}


def reader_for(suffix: str, data: bytes) -> Reader | None:
    """Return the reader of a file with this suffix; None for a binary file that none is made for.

    >>> reader_for(".PDF", b"") is read_pdf, reader_for(".unknown", b"words") is read_plain
    (True, True)
    """
    known = READERS.get(suffix.lower())
    if known is not None:
        return known
    if data.startswith(b"%PDF-"):
        return read_pdf
    return None if is_binary(data) else read_plain
