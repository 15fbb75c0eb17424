"""Read a format file: TOML, every key checked, so that a misspelt one is an error, not without effect."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, cast, get_args

from bridle.errors import FormatError
from bridle.messages import JSON
from bridle.wrappers.formats import (
    REQUIRED_TURNS,
    TURNS,
    Format,
    HistoryThoughts,
    ToolsPlace,
    Turn,
    UserJson,
)
from bridle.wrappers.syntaxes import SYNTAXES, ThoughtsPlace
from bridle.wrappers.toolitems import TOOL_ITEMS
from bridle.wrappers.toollists import TOOL_LISTS, ToolListing

__all__ = ["parse_format"]

ROLES = ("system", "user", "assistant", "tool")


REQUIRED = ("name", "title", "source", "generation", "stop", "special")


def parse_format(text: str, source: str, load_template: Callable[[str], str]) -> Format:
    """Read the text of a format file. `source` names it in errors; `load_template` reads a file beside it.

    Raises:
        FormatError: naming the file, the key, the value and what is allowed. It is about the first thing that
            is wrong; its fact `problems` has a line for each.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FormatError(f"the format file {source!r} is not valid TOML: {error}") from error
    found = _Problems()
    for key in table:
        if key not in _KEYS:
            found.add(f"{source}: unknown key {key!r}", f"keys are {', '.join(sorted(_KEYS))}")
    for key in REQUIRED:
        if key not in table:
            found.add(f"{source}: the key {key!r} is missing", "")
    values: dict[str, object] = {}
    for key, value in table.items():
        with found:
            values[key] = _KEYS.get(key, _anything)(source, key, value)
    values.pop("turn", None)
    values["turns"] = _turns(table.get("turn"), source, "template" in table, found)
    with found:
        if "template" in table:
            values["template"] = load_template(str(table["template"]))
    found.check()
    return Format(**cast("dict[str, Any]", values))


class _Problems:
    """Gathers what is wrong: as a context, it takes the error that was raised inside."""

    def __init__(self) -> None:
        self._errors: list[FormatError] = []

    def add(self, message: str, hint: str) -> None:
        self._errors.append(FormatError(message, hint=hint))

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, FormatError):
            self._errors.append(error)
        return isinstance(error, FormatError)

    def check(self) -> None:
        if self._errors:
            first, lines = self._errors[0], tuple(map(str, self._errors))
            raise FormatError(first.message, hint=first.hint, problems=lines) from first


def _turns(table: object, source: str, templated: bool, found: _Problems) -> Mapping[str, Turn]:
    if not isinstance(table, dict):
        if not templated:
            found.add(f"{source}: the tables [turn.ROLE] are missing", f"roles are {', '.join(ROLES)}")
        return {}
    given = cast("dict[str, object]", table)
    needed = () if templated else REQUIRED_TURNS
    turns: dict[str, Turn] = {}
    for name in TURNS:
        if name in given or name in needed:
            with found:
                turns[name] = _turn(source, name, given.get(name))
    for name in given:
        if name not in TURNS:
            found.add(f"{source}: unknown turn {name!r}", f"turns are {', '.join(TURNS)}")
    return turns


def _turn(source: str, name: str, body: object) -> Turn:
    marks = cast("dict[str, object]", body) if isinstance(body, dict) else {}
    if set(marks) != {"open", "close"}:
        raise FormatError(f"{source}: [turn.{name}] is {body!r}", hint="give it open and close, nothing else")
    return Turn(
        _text(source, f"turn.{name}.open", marks["open"]),
        _text(source, f"turn.{name}.close", marks["close"]),
    )


def _text(source: str, key: str, value: object) -> str:
    if not isinstance(value, str):
        raise FormatError(f"{source}: {key} is {value!r}", hint="it must be a string")
    return value


def _texts(source: str, key: str, value: object) -> tuple[str, ...]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in items):
        raise FormatError(f"{source}: {key} is {value!r}", hint="it must be a list of non-empty strings")
    return tuple(str(item) for item in items)


def _flag(source: str, key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise FormatError(f"{source}: {key} is {value!r}", hint="it must be true or false")
    return value


def _indent(source: str, key: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= 8:
        raise FormatError(f"{source}: {key} is {value!r}", hint="leave it out, or give 1 to 8")
    return value


def _one_of(*allowed: str) -> Callable[[str, str, object], str]:
    def check(source: str, key: str, value: object) -> str:
        if value not in allowed:
            raise FormatError(f"{source}: {key} is {value!r}", hint=f"it must be one of {', '.join(allowed)}")
        return str(value)

    return check


def _roles(source: str, key: str, value: object) -> tuple[str, ...]:
    found = _texts(source, key, value) if value != [] else ()
    for role in found:
        _one_of(*ROLES)(source, key, role)
    return found


def _table(source: str, key: str, value: object) -> Mapping[str, JSON]:
    if not isinstance(value, dict):
        raise FormatError(f"{source}: {key} is {value!r}", hint=f"it must be a table, [{key}]")
    return cast("Mapping[str, JSON]", value)


def _tool_list(source: str, key: str, value: object) -> ToolListing:
    if isinstance(value, str):
        return ToolListing(style=_one_of(*TOOL_LISTS)(source, key, value))
    table = dict(_table(source, key, value))
    known = {one.name for one in fields(ToolListing)} - {"style"}
    for name in table:
        if name not in known:
            raise FormatError(
                f"{source}: unknown key {key}.{name}", hint=f"keys are {', '.join(sorted(known))}"
            )
    values: dict[str, Any] = {}
    for name, inner in table.items():
        check = {"item": _one_of(*TOOL_ITEMS), "indent": _indent}.get(name, _text)
        values[name] = check(source, f"{key}.{name}", inner)
    return ToolListing(**values)


def _anything(source: str, key: str, value: object) -> object:
    """Take a value that is checked elsewhere."""
    return value


_KEYS: Mapping[str, Callable[[str, str, object], object]] = {
    "name": _text,
    "title": _text,
    "source": _text,
    "generation": _text,
    "generation_direct": _text,
    "bos": _text,
    "body": _text,
    "stop": _texts,
    "special": _texts,
    "marks": _texts,
    "detect": _texts,
    "differences": _texts,
    "json_indent": _indent,
    "syntax": _one_of(*SYNTAXES),
    "calls": _table,
    "thoughts": _one_of(*get_args(ThoughtsPlace)),
    "history_thoughts": _one_of(*get_args(HistoryThoughts)),
    "thinking": _flag,
    "tools": _tool_list,
    "tools_place": _one_of(*get_args(ToolsPlace)),
    "tools_join": _text,
    "tools_first": _flag,
    "default_system": _text,
    "default_system_tools": _text,
    "system_role": _flag,
    "system_join": _text,
    "strip": _roles,
    "tool_json": _flag,
    "user_json": _one_of(*get_args(UserJson)),
    "template": _text,
    "template_values": _table,
    "turn": _anything,
}
