"""What a reader makes of a file: documents (a page, a row, or all of it) in parts, which are cut to passages.

A reader is given all bytes of a file. It yields documents one by one and writes down what it noticed: the
title, what it had to guess, and what it could not read although the rest could be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from bridle.messages import JSON

__all__ = ["Document", "Findings", "Part", "Reader", "Style"]

Style: TypeAlias = Literal["prose", "code"]


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of text that no passage reaches across: a page, a row, or what stands under a heading.

    `locator` says where it stands, such as `{"page": 3}`. `heading` is searched with each of its passages.
    `line` is the number of its first line, counted from 1, for text whose lines a person can look up.
    """

    text: str
    locator: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    heading: str = ""
    line: int | None = None
    style: Style = "prose"


@dataclass(frozen=True, slots=True)
class Document:
    """What a person counts: a page, a row of a table, or a whole text."""

    parts: tuple[Part, ...]


@dataclass(slots=True)
class Findings:
    """What a reader noticed. It is complete when the last document has been read."""

    title: str = ""
    notes: list[str] = field(default_factory=list[str])
    """What was guessed and may be wrong, such as the encoding."""
    losses: list[str] = field(default_factory=list[str])
    """What was left out because it could not be read, such as a damaged row."""


Reader: TypeAlias = Callable[[bytes, Findings], Iterator[Document]]
"""Raises `SourceUnreadable`, with an empty source, for bytes that it cannot read at all."""
