"""Read a JSON document whose shape is promised, and name the place where it breaks the promise.

`Place` is a value inside a document with the path that leads there, such as `messages[3].text`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bridle.errors import InputError
from bridle.messages import JSON

__all__ = ["Place", "parse"]

SMALLEST, LARGEST = -(2**63), 2**63 - 1
"""What SQLite stores as a whole number."""

_HINT = "the file is damaged, or was changed by hand: take another copy"


def parse(text: str, source: str) -> Place:
    """Read JSON; `source` names the file in errors.

    Raises:
        InputError: for other text, with line and column.
    """
    try:
        return Place(source, "", json.loads(text, parse_constant=_refuse))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}" if text.strip() else "it is empty"
        raise InputError(f"{source} is not valid JSON: {where}", hint=_HINT) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source} cannot be read as JSON: {error}", hint=_HINT) from error


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


@dataclass(frozen=True, slots=True)
class Place:
    """A value and where it stands."""

    source: str
    path: str
    value: JSON

    def wrong(self, needed: str) -> InputError:
        """The error that this value is not what is needed."""
        shown = json.dumps(self.value, ensure_ascii=False)
        shown = shown if len(shown) <= 60 else f"{shown[:59]}…"
        return InputError(f"{self.source}: {self.path or 'all of it'} is {shown}, not {needed}", hint=_HINT)

    def at(self, key: str) -> Place:
        """A member of an object.

        Raises:
            InputError: when this is no object or has no such member.
        """
        body = self.mapping()
        if key not in body:
            raise InputError(f"{self.source}: {self._below(key)} is missing", hint=_HINT)
        return Place(self.source, self._below(key), body[key])

    def has(self, key: str) -> bool:
        """Is there such a member, with a value that is not null?"""
        return isinstance(self.value, dict) and self.value.get(key) is not None

    def mapping(self) -> Mapping[str, JSON]:
        """This value, an object."""
        if not isinstance(self.value, dict):
            raise self.wrong("an object")
        return self.value

    def items(self) -> Iterator[Place]:
        """The members of this list."""
        if not isinstance(self.value, list):
            raise self.wrong("a list")
        for index, value in enumerate(self.value):
            yield Place(self.source, f"{self.path}[{index}]", value)

    def text(self) -> str:
        """This value, a text that UTF-8 can write."""
        if not isinstance(self.value, str):
            raise self.wrong("a text")
        try:
            self.value.encode()
        except UnicodeEncodeError as error:
            raise self.wrong("a text that UTF-8 can write") from error
        return self.value

    def integer(self, least: int = SMALLEST) -> int:
        """This value, a whole number of 64 bits that is not below `least`."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self.wrong("a whole number")
        if not least <= self.value <= LARGEST:
            raise self.wrong(f"between {least} and {LARGEST}")
        return self.value

    def one_of(self, *known: str) -> str:
        """This value, one of these texts."""
        text = self.text()
        if text not in known:
            raise self.wrong(f"one of {', '.join(known)}")
        return text

    def _below(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key
