"""Plain types as JSON Schema, and what `Annotated` adds to a type; `python_types` has all others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, TypeAlias, cast
from uuid import UUID

from bridle.messages import JSON

__all__ = ["PLAIN", "Form", "NotTold", "Read", "Schema", "annotated"]

Schema: TypeAlias = dict[str, JSON]
Read: TypeAlias = Callable[[JSON], object]


class NotTold(Exception):
    """A type that cannot be told to a model; the text says why."""


@dataclass(frozen=True, slots=True)
class Form:
    """A type as a schema, and what makes a value of it; `read` raises ValueError for what is none."""

    schema: Schema
    read: Read


def annotated(form: Form, notes: Sequence[object]) -> Form:
    """Add what stands beside a type in `Annotated`; notes of other kinds are not for us."""
    added: Schema = {}
    for note in notes:
        if isinstance(note, str):
            added["description"] = note
        elif isinstance(note, Mapping):
            added.update(cast("Mapping[str, JSON]", note))
        else:
            added.update(_limits(note))
    return Form({**form.schema, **added}, form.read) if added else form


def _limits(note: object) -> Schema:
    """The keywords of a note of `annotated_types`, of pydantic's `Field`, or of `typing_extensions.Doc`."""
    found: Schema = {}
    parts = [note, *cast("Sequence[object]", getattr(note, "metadata", ()))]
    for part in parts:
        for name, keyword in _NOTES.items():
            value = getattr(part, name, None)
            if isinstance(value, int | float | str) and not callable(value):
                found[keyword] = value
    return found


_NOTES: Mapping[str, str] = {
    "description": "description",
    "documentation": "description",
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
}


def _exactly(kind: type, name: str) -> Read:
    def read(value: JSON) -> object:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"{value!r} is no {name}")
        return value

    return read


def _whole(value: JSON) -> object:
    """JSON Schema counts 30.0 among the integers."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return _exactly(int, "whole number")(value)


def _number(value: JSON) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _nothing(value: JSON) -> object:
    if value is not None:
        raise ValueError(f"{value!r} is not null")
    return None


def _from_text(make: Callable[[str], object], name: str) -> Read:
    def read(value: JSON) -> object:
        try:
            return make(cast("str", _exactly(str, name)(value)))
        except ValueError as error:
            raise ValueError(f"{value!r} is no {name}: {error}") from error

    return read


def _text(form: str, make: Callable[[str], object], name: str) -> Form:
    return Form({"type": "string", "format": form}, _from_text(make, name))


_ANYTHING = Form({}, lambda value: value)
PLAIN: Mapping[object, Form] = {
    str: Form({"type": "string"}, _exactly(str, "text")),
    int: Form({"type": "integer"}, _whole),
    float: Form({"type": "number"}, _number),
    bool: Form({"type": "boolean"}, _exactly(bool, "boolean")),
    None: Form({"type": "null"}, _nothing),
    type(None): Form({"type": "null"}, _nothing),
    Any: _ANYTHING,
    object: _ANYTHING,
    date: _text("date", date.fromisoformat, "date"),
    time: _text("time", time.fromisoformat, "time"),
    datetime: _text("date-time", datetime.fromisoformat, "date and time"),
    UUID: _text("uuid", UUID, "UUID"),
    Path: Form({"type": "string"}, _from_text(Path, "path")),
}
