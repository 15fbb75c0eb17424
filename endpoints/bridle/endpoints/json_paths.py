"""Look into JSON from outside, whose shape nobody promises."""

from __future__ import annotations

from bridle.messages import JSON

__all__ = ["integer_at", "list_at", "text_at", "value_at"]


def value_at(body: JSON, *path: str | int) -> JSON:
    """Follow keys and indexes into a JSON value; None when a step does not exist.

    >>> value_at({"a": [{"b": 1}]}, "a", 0, "b")
    1
    """
    for step in path:
        if isinstance(step, str) and isinstance(body, dict):
            body = body.get(step)
        elif isinstance(step, int) and isinstance(body, list) and -len(body) <= step < len(body):
            body = body[step]
        else:
            return None
    return body


def text_at(body: JSON, *path: str | int) -> str:
    """Follow a path to a text; empty when there is none."""
    value = value_at(body, *path)
    return value if isinstance(value, str) else ""


def integer_at(body: JSON, *path: str | int) -> int | None:
    """Follow a path to a whole number; None when there is none."""
    value = value_at(body, *path)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def list_at(body: JSON, *path: str | int) -> list[JSON]:
    """Follow a path to a list; empty when there is none.

    >>> list_at({"data": [1]}, "data"), list_at({"data": None}, "data")
    ([1], [])
    """
    value = value_at(body, *path)
    return value if isinstance(value, list) else []
