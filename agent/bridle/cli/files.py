"""Files that a person names on the command line: read whole or written whole, and refused in one line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.messages import JSON

__all__ = [
    "STDIN",
    "as_json",
    "listed_tools",
    "load_json",
    "load_object",
    "load_tools",
    "read_text",
    "write_private",
]

STDIN = "-"


def read_text(path: str, option: str) -> str:
    """Read a file of UTF-8 text, or standard input for `-`; `option` names it in errors.

    Raises:
        InputError: when it cannot be read, or is no such text.
    """
    named = "standard input" if path == STDIN else repr(path)
    try:
        if path == STDIN:
            # There is none where it was closed.
            return sys.stdin.buffer.read().decode("utf-8-sig") if sys.stdin else ""
        return Path(os.path.expanduser(path)).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(
            f"{option} {named} cannot be read: {error.strerror}", hint="check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{option} {named} is not UTF-8 text", hint="only text can be given") from error
    except ValueError as error:  # a path with a null byte
        raise InputError(f"{option} {named} cannot be read: {error}", hint="check the path") from error


def load_json(path: str, option: str) -> object:
    """Read a JSON file."""
    return as_json(read_text(path, option), path, option)


def as_json(text: str, path: str, option: str) -> object:
    """Read the text of a JSON file."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}" if text.strip() else "it is empty"
        raise InputError(f"{option} {path!r} is not valid JSON: {where}", hint="check the file") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{option} {path!r} cannot be read: {error}", hint="check the file") from error


def load_object(path: str, option: str) -> Mapping[str, JSON]:
    """Read a JSON file that holds an object."""
    value = load_json(path, option)
    if not isinstance(value, dict):
        raise InputError(f"{option} {path!r} holds {type(value).__name__}", hint="it must hold an object")
    return cast("Mapping[str, JSON]", value)


def load_tools(path: str | None) -> list[Mapping[str, object]]:
    """Read tools in the shape of OpenAI, MCP or Anthropic: a list, an object with `tools`, or one tool."""
    return [] if path is None else listed_tools(load_json(path, "--tools"), path, "--tools")


def listed_tools(value: object, path: str, option: str) -> list[Mapping[str, object]]:
    """Return the tools that the value of a JSON file holds."""
    if isinstance(value, dict):
        body = cast("Mapping[str, object]", value)
        value = body.get("tools", [body])
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in cast("list[object]", value)):
        raise InputError(
            f"{option} {path!r} does not hold tools", hint='it must hold a list of {"type": "function", …}'
        )
    return cast("list[Mapping[str, object]]", value)


def write_private(path: Path, text: str, *, force: bool) -> None:
    """Write a file that only its owner can read, whole or not at all.

    Raises:
        InputError: when it cannot be written, or is there already and `force` is not given.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        if path.exists() and not force:
            raise InputError(f"{str(path)!r} is there already", hint="add --force to replace it")
        opened = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(opened, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise InputError(
            f"{str(path)!r} cannot be written: {error.strerror}", hint="check the path"
        ) from error
    except ValueError as error:  # a path with a null byte
        raise InputError(f"{str(path)!r} cannot be written: {error}", hint="check the path") from error
