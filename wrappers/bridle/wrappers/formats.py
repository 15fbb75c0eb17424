"""Prompt formats as data: one TOML file each, in `formats/` beside this module or wherever a user keeps one.

A file holds text only, no code: the marks around each role's turn, what starts the model's answer, where it
stops, which strings are control text, and the defaults of the call syntax. `load_format` refuses a file with
an unknown key or a value of the wrong kind, naming file, key, value and what is allowed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, cast

from bridle.errors import FormatError
from bridle.messages import Role
from bridle.wrappers.syntaxes import SYNTAXES, ThoughtsPlace
from bridle.wrappers.toollists import TOOL_LISTS, ToolList

__all__ = ["Format", "Turn", "UserJson", "builtin_formats", "load_format"]

UserJson = Literal["keep", "indent", "message"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True)
class Turn:
    """The control text around one role's turn."""

    open: str
    close: str


@dataclass(frozen=True, slots=True)
class Format:
    """One prompt format. See `docs/wrappers.md` for what each key means."""

    name: str
    title: str
    source: str
    turns: Mapping[Role, Turn]
    later_system: Turn
    """The turn of a system message that comes after the conversation has begun."""
    generation: str
    stop: tuple[str, ...]
    special: tuple[str, ...]
    """Strings that are special tokens of the models that use this format."""
    marks: tuple[str, ...] = ()
    """Strings that are ordinary text to the tokenizer and still divide turns."""
    bos: str = ""
    body: str = ""
    """Control text between the leading system turns and the conversation."""
    prime: str = ""
    """How a call begins: put after `generation` where nothing but asking can make the model call."""
    syntax: str = "memgpt"
    thoughts: ThoughtsPlace = "inner"
    json_indent: int | None = None
    tools: ToolList = "memgpt"
    user_json: UserJson = "keep"
    """What becomes of a user turn that is a JSON object: kept, indented by 2, or reduced to its `message`."""
    detect: tuple[str, ...] = field(default=())
    """Strings that a chat template of this format contains, all of them."""


def load_format(path: Path) -> Format:
    """Read one format file.

    Raises:
        FormatError: naming the file, the key, the value and what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(
            f"the format file {str(path)!r} cannot be read: {error}",
            hint="give the path of a .toml file, or the name of a wrapper",
        ) from error
    return _parse(text, str(path))


@lru_cache(maxsize=1)
def builtin_formats() -> Mapping[str, Format]:
    """The formats that come with bridle, by name."""
    folder = resources.files("bridle.wrappers") / "formats"
    found = [
        _parse(entry.read_text(encoding="utf-8"), entry.name)
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".toml")
    ]
    return {one.name: one for one in found}


def _parse(text: str, source: str) -> Format:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FormatError(f"the format file {source!r} is not valid TOML: {error}") from error
    for key in table:
        if key not in _KEYS and key != "turn":
            raise FormatError(
                f"{source}: unknown key {key!r}", hint=f"keys are turn, {', '.join(sorted(_KEYS))}"
            )
    for key in ("name", "title", "source", "generation", "stop", "special"):
        if key not in table:
            raise FormatError(f"{source}: the key {key!r} is missing")
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key != "turn":
            values[key] = _KEYS[key](source, key, value)
    turns, later = _turns(table.get("turn"), source)
    return Format(turns=turns, later_system=later, **values)


def _turns(table: object, source: str) -> tuple[Mapping[Role, Turn], Turn]:
    if not isinstance(table, dict):
        raise FormatError(
            f"{source}: the tables [turn.ROLE] are missing", hint=f"roles are {', '.join(ROLES)}"
        )
    given = dict(cast("dict[str, object]", table))
    turns: dict[Role, Turn] = {role: _turn(source, role, given.pop(role, None)) for role in ROLES}
    later = turns["system"]
    if "later_system" in given:
        later = _turn(source, "later_system", given.pop("later_system"))
    if given:
        raise FormatError(
            f"{source}: unknown turn {next(iter(given))!r}",
            hint=f"turns are {', '.join(ROLES)} and later_system",
        )
    return turns, later


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


_KEYS: Mapping[str, Callable[[str, str, object], object]] = {
    "name": _text,
    "title": _text,
    "source": _text,
    "generation": _text,
    "bos": _text,
    "body": _text,
    "prime": _text,
    "stop": _texts,
    "special": _texts,
    "marks": _texts,
    "detect": _texts,
    "json_indent": _indent,
    "syntax": _one_of(*SYNTAXES),
    "thoughts": _one_of("inner", "outer", "none"),
    "tools": _one_of(*TOOL_LISTS),
    "user_json": _one_of("keep", "indent", "message"),
}
