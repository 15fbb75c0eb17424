"""Which function, parameter or option is meant by a name that is spelled a little differently.

Only spelling is forgiven: case, `_`, `-`, `.` and blanks, and the namespaces that model families put before a
name. Nothing is ever matched because it is similar: running another function than the one meant is worse
than asking again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["NAMESPACES", "fold", "same_name", "tool_name"]

NAMESPACES = (
    "functions.",
    "function.",
    "functions::",
    "tools.",
    "tool.",
    "default_api.",
    "namespace.",
    "api.",
)
_INDEX = re.compile(r":\d+$")
_SEPARATORS = re.compile(r"[\s_.\-/]+")
_SPECIAL = re.compile(r"<[|｜].*", re.DOTALL)


def fold(name: str) -> str:
    """The name without case and separators.

    >>> fold("GetWeather") == fold("get_weather")
    True
    """
    return _SEPARATORS.sub("", name).casefold()


def same_name(name: str, among: Iterable[str]) -> str | None:
    """The one of `among` that `name` spells: exactly, or the only one without case and separators."""
    options = list(among)
    if name in options:
        return name
    folded = fold(name)
    found = [option for option in options if fold(option) == folded]
    return found[0] if len(found) == 1 and folded else None


def tool_name(name: str, among: Iterable[str]) -> str | None:
    """The tool that a model's name for it means, or None."""
    options = list(among)
    for tried in _forms(name):
        found = same_name(tried, options)
        if found is not None:
            return found
    return None


def _forms(name: str) -> Iterable[str]:
    yield name
    clean = _SPECIAL.sub("", name).strip().strip("\"'`").replace("\\_", "_")
    yield clean
    clean = _INDEX.sub("", clean)
    for space in NAMESPACES:
        if clean.lower().startswith(space):
            yield clean[len(space) :]
    yield clean.removesuffix("()").removesuffix(".call")
