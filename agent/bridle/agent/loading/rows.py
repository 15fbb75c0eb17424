"""Tables and records, a document for each row: CSV, TSV, JSON and JSON Lines.

A row is written as `column: value`, a line for each, so that a passage can be understood without its table.
Rows are counted from 1, the header not counted; in JSON Lines a row is a line of the file.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import cast

from bridle.agent.loading.documents import Document, Findings, Part
from bridle.agent.loading.text import clean, decoded
from bridle.errors import SourceUnreadable
from bridle.messages import JSON

__all__ = ["read_csv", "read_json", "read_jsonl", "read_tsv", "row_text"]

_DELIMITERS = ",;\t|"
_MOST_LOSSES = 20  # damaged rows that are told one by one
_NUMBER = re.compile(r"[-+]?[\d.,\s]*\d%?$")


def row_text(values: Mapping[str, object]) -> str:
    r"""Write a row for a reader; what is empty is left out.

    >>> row_text({"name": "Ann", "age": 3, "notes": None, "tags": ["a", "b"], "at": {"x": 1}})
    'name: Ann\nage: 3\ntags: a, b\nat: {"x": 1}'
    """
    return "\n".join(f"{name}: {text}" for name, value in values.items() if (text := _value_text(value)))


def read_csv(data: bytes, findings: Findings) -> Iterator[Document]:
    """Yield a document for each row; what stands between columns is found out.

    Raises:
        SourceUnreadable: for bytes that are no text.
    """
    text = decoded(data, findings)
    yield from _table(text, _delimiter(text), findings)


def read_tsv(data: bytes, findings: Findings) -> Iterator[Document]:
    """Yield a document for each row of a table whose columns stand between tabs.

    Raises:
        SourceUnreadable: for bytes that are no text.
    """
    yield from _table(decoded(data, findings), "\t", findings)


def read_json(data: bytes, findings: Findings) -> Iterator[Document]:
    """Yield a document for each item of a list, or one for any other value.

    Raises:
        SourceUnreadable: for text that is not JSON.
    """
    text = decoded(data, findings)
    if not text.strip():
        return
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) > 1 and _is_object(lines[0]) and _is_object(lines[1]):
            findings.notes.append("holds JSON Lines, not JSON")
            yield from _json_lines(text, findings)
            return
        raise SourceUnreadable(f"it is not JSON: {error}", hint="check the file") from error
    if isinstance(value, list):
        for number, item in enumerate(cast("list[object]", value), 1):
            yield from _row(item, number)
    else:
        yield from _row(value, None)


def read_jsonl(data: bytes, findings: Findings) -> Iterator[Document]:
    """Yield a document for each line; lines that are not JSON are left out and told.

    Raises:
        SourceUnreadable: for bytes that are no text, and when no line is JSON.
    """
    yield from _json_lines(decoded(data, findings), findings)


def _json_lines(text: str, findings: Findings) -> Iterator[Document]:
    bad = good = 0
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value: object = json.loads(line)
        except (ValueError, RecursionError) as error:
            bad += 1
            if bad <= _MOST_LOSSES:
                findings.losses.append(f"line {number:,} is not JSON and is left out: {error}")
            continue
        good += 1
        yield from _row(value, number)
    if bad and not good:
        raise SourceUnreadable(f"none of its {bad:,} lines is JSON", hint="check the file")
    if bad > _MOST_LOSSES:
        findings.losses.append(f"{bad - _MOST_LOSSES:,} more lines are not JSON and are left out")


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _row(value: object, number: int | None) -> Iterator[Document]:
    text = row_text(cast("Mapping[str, object]", value)) if isinstance(value, dict) else _value_text(value)
    if text := clean(text).strip():
        yield Document((Part(text, {} if number is None else {"row": number}),))


def _value_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        items = cast("list[object]", value)
        if not any(isinstance(item, dict | list) for item in items):
            return ", ".join(_value_text(item) for item in items)
    if isinstance(value, bool | list | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _delimiter(text: str) -> str:
    try:
        return csv.Sniffer().sniff(text[:16384], delimiters=_DELIMITERS).delimiter
    except csv.Error:  # one column only, or too little to tell
        return ","


def _table(text: str, delimiter: str, findings: Findings) -> Iterator[Document]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows = _rows(reader, findings)
    first = next(rows, None)
    if first is None:
        return
    if _is_header(first):
        names = [clean(cell).strip() for cell in first]
    else:
        names, rows = [f"column {at}" for at in range(1, len(first) + 1)], _before(first, rows)
    for number, cells in enumerate(rows, 1):
        text = clean(row_text(_named(names, cells)))
        if text:
            yield Document((Part(text, {"row": number}),))


def _rows(reader: Iterable[list[str]], findings: Findings) -> Iterator[list[str]]:
    lines = iter(reader)
    while True:
        try:
            cells = next(lines)
        except StopIteration:
            return
        except csv.Error as error:  # a quotation mark that nothing closes
            number = getattr(reader, "line_num", 0)
            findings.losses.append(f"line {number:,} is no row of a table and is left out: {error}")
            continue
        if any(cell.strip() for cell in cells):
            yield cells


def _before(first: list[str], rows: Iterator[list[str]]) -> Iterator[list[str]]:
    yield first
    yield from rows


def _is_header(cells: Sequence[str]) -> bool:
    names = [cell.strip() for cell in cells]
    return all(names) and len(set(names)) == len(names) and not any(_NUMBER.match(name) for name in names)


def _named(names: Sequence[str], cells: Sequence[str]) -> dict[str, JSON]:
    more = [f"column {at}" for at in range(len(names) + 1, len(cells) + 1)]
    return dict(zip([*names, *more], cells, strict=False))
