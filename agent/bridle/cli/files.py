"""Files that a person names on the command line: read whole, checked, and refused in one line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from bridle.errors import InputError

if TYPE_CHECKING:
    from bridle.messages import JSON

__all__ = ["STDIN", "as_json", "listed_tools", "load_json", "load_object", "load_tools", "read_text"]

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
