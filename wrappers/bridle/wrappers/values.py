"""How one argument is written where arguments are no JSON object, and what of it must be escaped.

Three styles, named in `bridle.wrappers.syntax.ValueStyle`. Each is exact: what is written for a tool's
parameter can be read back as the same value. The markup is that of the families' own chat templates; the
escapes are ours, for what those templates cannot write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TypeAlias, cast

from bridle.messages import JSON, ToolSpec
from bridle.wrappers.checking import argument_errors
from bridle.wrappers.syntax import Members, ValueStyle

__all__ = [
    "GEMMA_QUOTE",
    "Piece",
    "admits_only_strings",
    "bare_mark",
    "escape_mark",
    "fits",
    "read_name",
    "read_raw",
    "unescape_mark",
    "write_member",
    "write_name",
]

GEMMA_QUOTE = '<|"|>'
Piece: TypeAlias = tuple[str, bool]
"""A piece of written text, and whether it is markup of the syntax rather than data."""

_ENTITIES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"))
_BARE_KEY = re.compile(r"[\w.$-]+")


def bare_mark(literal: str) -> str:
    """The mark inside a literal of a shape, without the blanks around it.

    >>> bare_mark("\\n</parameter>\\n")
    '</parameter>'
    """
    return literal.strip()


def escape_mark(text: str, mark: str) -> str:
    """Write `<` as `&lt;` where `text` contains `mark`; what looks escaped already gets one more `amp;`.

    >>> escape_mark("a </p> b &lt;/p> c &lt;", "</p>")
    'a &lt;/p> b &amp;lt;/p> c &lt;'
    """
    if not mark.startswith("<"):
        return text
    return _escaped(mark).sub(lambda found: _one_more(found.group()), text)


def unescape_mark(text: str, mark: str) -> str:
    """Undo `escape_mark`.

    >>> unescape_mark("a &lt;/p> b &amp;lt;/p>", "</p>")
    'a </p> b &lt;/p>'
    """
    if not mark.startswith("<") or "&" not in text:
        return text
    return _escaped(mark).sub(lambda found: _one_less(found.group()), text)


@lru_cache(maxsize=64)
def _escaped(mark: str) -> re.Pattern[str]:
    return re.compile(r"(?:<|&(?:amp;)*+lt;)" + re.escape(mark[1:]))


def _one_more(found: str) -> str:
    return "&lt;" + found[1:] if found.startswith("<") else "&amp;" + found[1:]


def _one_less(found: str) -> str:
    if found.startswith("&amp;"):
        return "&" + found[5:]
    return "<" + found[4:] if found.startswith("&lt;") else found


def write_name(name: str) -> str:
    """Write a function's name or a key that stands bare: `&`, `<`, `>` and `"` become entities."""
    for char, entity in _ENTITIES:
        name = name.replace(char, entity)
    return name


def read_name(text: str) -> str:
    """Undo `write_name`.

    >>> read_name(write_name('a "&lt;" <b>'))
    'a "&lt;" <b>'
    """
    for char, entity in reversed(_ENTITIES):
        text = text.replace(entity, char)
    return text


def write_member(members: Members, key: str, value: JSON, tool: ToolSpec | None) -> list[Piece]:
    """Write one argument between its marks; `tool` tells what its schema admits, if it is known."""
    if members.values == "python" and not key.isidentifier():
        pair = f"{{{json.dumps(key, ensure_ascii=False)}: {_python(value)}}}"
        return [("**", True), (pair, False)]
    name = _key(key) if members.values == "gemma" else [(write_name(key), False)]
    written = _value(value, members, key, tool)
    return [(members.open, True), *name, (members.middle, True), *written, (members.close, True)]


def _value(value: JSON, members: Members, key: str, tool: ToolSpec | None) -> list[Piece]:
    style: ValueStyle = members.values
    if style == "gemma":
        return _gemma(value)
    if style == "python":
        return [(_python(value), False)]
    if isinstance(value, str) and read_raw(value, key, tool) == value:
        text = value
    else:
        text = json.dumps(value, ensure_ascii=False)
    return [(escape_mark(text, bare_mark(members.close)), False)]


def read_raw(text: str, key: str, tool: ToolSpec | None) -> JSON:
    """Decide what an argument's raw text means by the parameter's schema.

    It is a string where only strings are admitted; else its value as JSON where that is admitted; else a
    string where one is. What the schema admits in no way is taken as JSON, or as a string. Escaped marks are
    no matter of this function.

    >>> tool = ToolSpec("f", "", {"type": "object", "properties": {"s": {"type": "string"}}})
    >>> read_raw("12", "s", tool), read_raw("12", "n", None)
    ('12', 12)
    """
    schema = tool.properties.get(key) if tool else None
    if schema is not None and admits_only_strings(schema):
        return text
    try:
        value = cast("JSON", json.loads(text, parse_constant=_no_constant))
    except (ValueError, RecursionError):
        return text
    if tool is None or schema is None or fits(value, key, tool) or not fits(text, key, tool):
        return value
    return text


def fits(value: JSON, key: str, tool: ToolSpec) -> bool:
    """Whether the schema of the tool's parameter `key` admits the value."""
    kept = ("$defs", "definitions", "properties")
    schema: dict[str, JSON] = {word: tool.parameters[word] for word in kept if word in tool.parameters}
    return not argument_errors(ToolSpec(tool.name, "", schema), {key: value})


def admits_only_strings(schema: Mapping[str, JSON]) -> bool:
    """Whether every value that the schema admits is a string, as far as its keywords say so plainly.

    >>> admits_only_strings({"enum": ["a", "b"]}), admits_only_strings({"type": ["string", "null"]})
    (True, False)
    """
    if schema.get("nullable") is True:
        return False
    if schema.get("type") in ("string", ["string"]) or isinstance(schema.get("const"), str):
        return True
    options = schema.get("enum")
    if isinstance(options, list):
        return all(isinstance(option, str) for option in options)
    for keyword in ("anyOf", "oneOf"):
        inner = schema.get(keyword)
        if isinstance(inner, list) and inner:
            return all(isinstance(one, dict) and admits_only_strings(one) for one in inner)
    return False


def _no_constant(name: str) -> JSON:
    raise ValueError(name)


def _python(value: JSON) -> str:
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key, ensure_ascii=False)}: {_python(one)}" for key, one in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_python(one) for one in value) + "]"
    if value is None or isinstance(value, bool):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _gemma(value: JSON) -> list[Piece]:
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, dict):
        pairs = [[*_key(key), (":", True), *_gemma(one)] for key, one in value.items()]
        return [("{", True), *_commas(pairs), ("}", True)]
    if isinstance(value, list):
        return [("[", True), *_commas([_gemma(one) for one in value]), ("]", True)]
    return [(json.dumps(value), False)]


def _key(key: str) -> list[Piece]:
    return [(key, False)] if _BARE_KEY.fullmatch(key) else _quoted(key)


def _quoted(text: str) -> list[Piece]:
    return [(GEMMA_QUOTE, True), (escape_mark(text, GEMMA_QUOTE), False), (GEMMA_QUOTE, True)]


def _commas(items: list[list[Piece]]) -> list[Piece]:
    out: list[Piece] = []
    for index, item in enumerate(items):
        out += ([(",", True)] if index else []) + item
    return out
