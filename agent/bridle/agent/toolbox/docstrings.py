"""What a docstring says of a function and its parameters: the styles of Google, Sphinx, NumPy, and plain.

    >>> read_docstring("Look it up.\\n\\nArgs:\\n    city: Where it is.").parameters
    {'city': 'Where it is.'}

What it says of results and errors is left out: a model that decides to call needs neither.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Docstring", "read_docstring"]

_SECTION = re.compile(
    r"(args|arguments|parameters|params|other parameters|returns?|yields?|raises|examples?|notes?|"
    r"warnings?|see also|references|attributes|todo)\s*:?\s*",
    re.IGNORECASE,
)
_PARAMETERS = ("args", "arguments", "parameters", "params", "other parameters")
_FIELD = re.compile(r":(\w+)(?:\s+([^:]*))?:\s*(.*)")
_FIELD_PARAMETERS = ("param", "parameter", "arg", "argument", "key", "keyword")
_ENTRY = re.compile(r"[-*]?\s*`{0,2}\*{0,2}(\w+)`{0,2}\s*(?:\([^)]*\))?\s*(?::|--?|–)\s+(.*)")
_NUMPY_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?::.*)?")


@dataclass(frozen=True, slots=True)
class Docstring:
    """What a function does, and a description for each parameter that has one."""

    description: str
    parameters: Mapping[str, str]


def read_docstring(text: str | None, names: Collection[str] = ()) -> Docstring:
    """Read a docstring in any of the usual styles.

    Outside of all sections, a line `name: what it is` is about a parameter if `name` is one of `names`.

    >>> read_docstring("Add.\\n\\n:param int a: One.\\n:returns: the sum").parameters
    {'a': 'One.'}
    """
    lines = inspect.cleandoc(text or "").splitlines()
    parameters: dict[str, str] = {}
    told: list[str] = []
    at = 0
    while at < len(lines):
        name, first = _section(lines, at)
        if name:
            underlined = first - at > 1
            body, at = _body(lines, first, numpy=underlined)
            if name in _PARAMETERS:
                parameters.update(_entries(body, numpy=underlined))
        elif (field := _FIELD.match(lines[at])) is not None:
            end = _field_end(lines, at + 1)
            if field[1] in _FIELD_PARAMETERS and field[2]:
                said = " ".join([field[3], *(line.strip() for line in lines[at + 1 : end])])
                parameters[field[2].split()[-1].lstrip("*")] = said.strip()
            at = end
        elif (entry := _ENTRY.fullmatch(lines[at])) is not None and entry[1] in names:
            end = _field_end(lines, at + 1)
            parameters[entry[1]] = " ".join([entry[2], *(line.strip() for line in lines[at + 1 : end])])
            at = end
        else:
            told.append(lines[at])
            at += 1
    return Docstring(_paragraphs(told), parameters)


def _section(lines: Sequence[str], at: int) -> tuple[str, int]:
    """The name of the section that begins here, empty for none, and where its body begins."""
    line = lines[at]
    found = _SECTION.fullmatch(line)
    if found is None:
        return "", at
    if at + 1 < len(lines) and re.fullmatch(r"\s*-{3,}\s*", lines[at + 1]):
        return found[1].lower(), at + 2
    return (found[1].lower(), at + 1) if line.rstrip().endswith(":") else ("", at)


def _body(lines: Sequence[str], first: int, *, numpy: bool) -> tuple[list[str], int]:
    """The lines of a section: the indented ones, or those up to the next one that is underlined."""
    end = first
    while end < len(lines):
        line = lines[end]
        if numpy and _section(lines, end)[0]:
            break
        if not numpy and line.strip() and not line.startswith((" ", "\t")):
            break
        end += 1
    return list(lines[first:end]), end


def _entries(body: Sequence[str], *, numpy: bool) -> Iterator[tuple[str, str]]:
    """The parameters of a section; what is indented further goes on with the one before."""
    lines = inspect.cleandoc("\n" + "\n".join(body)).splitlines()
    name, said = "", list[str]()
    for line in lines:
        begins = line and not line.startswith((" ", "\t"))
        found = (_NUMPY_ENTRY.fullmatch(line) if numpy else _ENTRY.match(line)) if begins else None
        if found is None:
            said.append(line.strip())
            continue
        if name:
            yield name, " ".join(filter(None, said))
        name, said = found[1], [] if numpy else [found[2].strip()]
    if name:
        yield name, " ".join(filter(None, said))


def _field_end(lines: Sequence[str], at: int) -> int:
    """Where the text of a Sphinx field ends: what goes on is indented."""
    while at < len(lines) and lines[at].startswith((" ", "\t")):
        at += 1
    return at


def _paragraphs(lines: Sequence[str]) -> str:
    """Join the lines of each paragraph."""
    parts = "\n".join(line.strip() for line in lines).strip().split("\n\n")
    return "\n".join(" ".join(part.split()) for part in parts if part.strip())
