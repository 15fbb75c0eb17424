"""What a tool gave back, as text for the model: texts as they are, all else as JSON; and its failures.

A failure is one line without a traceback, and without the keys that the environment holds.
"""

from __future__ import annotations

import enum
import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import date, time
from decimal import Decimal
from pathlib import PurePath
from typing import Any, cast
from uuid import UUID

from bridle.agent.state import clean_text
from bridle.endpoints.transport.secrets import is_secret, masked
from bridle.errors import BridleError, InputError
from bridle.messages import JSON

__all__ = ["FAILED", "failure_text", "result_text", "shortened"]

FAILED = "Failed: "
FAILURE_CHARS = 500
"""As much of an exception's message is shown."""
DEEPEST = 100
"""A value that is nested deeper cannot be shown."""
MOST_VALUES = 1_000_000
"""What holds more values than that is not for a model to read."""
_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)S?$", re.IGNORECASE)
_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")


def result_text(result: object) -> str:
    """Write a result as text.

    Raises:
        InputError: for what cannot be shown: bytes, what holds itself, and objects of no known kind.

    >>> result_text({"a": [1, None]}), result_text("as it is"), result_text(None)
    ('{"a": [1, null]}', 'as it is', 'OK')
    """
    if result is None:
        return "OK"
    if isinstance(result, str) and not isinstance(result, enum.Enum):
        return clean_text(result)
    return clean_text(json.dumps(_Values().json(result), ensure_ascii=False))


def failure_text(name: str, error: BaseException) -> str:
    """Say in one line how a tool failed.

    >>> failure_text("f", ValueError("no such city"))
    'Failed: ValueError: no such city'
    """
    if isinstance(error, BridleError):
        return FAILED + _line(f"{error.message} ({error.hint})" if error.hint else error.message)
    try:
        said = _line(str(error))
    except BaseException:  # noqa: BLE001 - an exception's own code may do anything
        said = ""
    kind = type(error).__name__
    return FAILED + (f"{kind}: {said}" if said else f"{name} raised {kind}")


def shortened(text: str, most_chars: int) -> str:
    """Cut a text, and say by how much.

    >>> shortened("abcdef", 4)
    'abcd… (2 more characters were left out)'
    """
    left_out = len(text) - most_chars
    return text if left_out <= 0 else f"{text[:most_chars]}… ({left_out} more characters were left out)"


def _line(text: str) -> str:
    found = (value for name, value in os.environ.items() if _SECRET_NAME.search(name))
    secrets = tuple(sorted({value for value in found if is_secret(value)}, key=len, reverse=True))
    one_line = " ".join(clean_text(text).split())
    return shortened(_LOGIN.sub("***@", masked(one_line, secrets)), FAILURE_CHARS)


class _Values:
    """Makes one result a JSON value."""

    def __init__(self) -> None:
        self._count = 0
        self._around: list[object] = []

    def json(self, value: object) -> JSON:
        """Write a value, and what it holds."""
        self._count += 1
        if self._count > MOST_VALUES:
            raise InputError(f"the result holds more than {MOST_VALUES} values")
        if isinstance(value, enum.Enum):
            return self.json(value.value)
        if value is None or isinstance(value, str | bool | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, date | time):
            return value.isoformat()
        if isinstance(value, UUID | PurePath | Decimal):
            return str(value)
        if isinstance(value, bytes | bytearray | memoryview):
            raise InputError("the result is bytes, which are no text")
        return self._container(value)

    def _container(self, value: object) -> JSON:
        if len(self._around) >= DEEPEST or any(one is value for one in self._around):
            raise InputError("the result holds itself, or is nested too deeply")
        self._around.append(value)
        try:
            if (inner := _parts(value)) is not None:
                return {key: self.json(one) for key, one in inner}
            if isinstance(value, Sequence | AbstractSet):
                return [self.json(one) for one in cast("Iterable[object]", value)]
            if callable(plain := getattr(value, "tolist", None)):  # numpy's arrays and numbers
                return self.json(plain())
        finally:
            self._around.pop()
        raise InputError(f"the result is of type {type(value).__name__}, which cannot be shown as text")


def _parts(value: object) -> list[tuple[str, object]] | None:
    """The members of what becomes an object; None for other values."""
    if isinstance(value, Mapping):
        return [(str(key), one) for key, one in cast("Mapping[object, object]", value).items()]
    if is_dataclass(value) and not isinstance(value, type):
        shown = fields(cast("Any", value))  # the type checker wants to know which dataclass
        return [(one.name, getattr(value, one.name)) for one in shown]
    if not isinstance(value, type) and callable(getattr(value, "model_dump", None)):
        dumped: object = cast("Any", value).model_dump(mode="json")  # pydantic's models
        if isinstance(dumped, Mapping):
            return _parts(cast("Mapping[object, object]", dumped))
    return None
