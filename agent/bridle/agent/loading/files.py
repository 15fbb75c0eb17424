"""Which files are loaded: those that are named, those of a folder, and those that match a pattern."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from bridle.errors import InputError

__all__ = ["Chosen", "chosen_files", "extension"]


class Chosen(NamedTuple):
    """Absolute paths in the order of their names, without repetition, and folders that could not be read."""

    named: tuple[Path, ...]
    """Those that somebody named, and that must be readable therefore."""
    found: tuple[Path, ...]
    """Those that lie in a folder."""
    unread: tuple[tuple[Path, str], ...]


def extension(text: str) -> str:
    """Return a suffix as `Path.suffix` has it, in lower case.

    >>> extension("md"), extension(".TXT"), extension(" *.py ")
    ('.md', '.txt', '.py')

    Raises:
        InputError: for text that is no suffix.
    """
    bare = text.strip().removeprefix("*").removeprefix(".").lower()
    if not bare or any(char in bare for char in "/\\*?."):
        raise InputError(f"{text!r} is no extension of a file", hint="write them as .md,.txt")
    return f".{bare}"


def chosen_files(
    paths: Iterable[str | Path], *, recursive: bool = False, extensions: Sequence[str] = ()
) -> Chosen:
    """Find files by paths, folders and patterns (`*.md`, with `**` for all folders below).

    Hidden files and folders are left out of a folder, and links to folders are not followed. `extensions`
    limits what is taken from folders and patterns, not what is named.

    Raises:
        InputError: for a path that does not exist, or a pattern that no file matches.
    """
    wanted = frozenset(extension(one) for one in extensions)
    named: dict[Path, None] = {}
    found: dict[Path, None] = {}
    unread: list[tuple[Path, str]] = []
    for given in paths:
        for path in _expanded(os.path.expanduser(given), wanted):
            if path.is_dir():
                inside = _in_folder(path, recursive, unread)
                found.update((one, None) for one in inside if not wanted or one.suffix.lower() in wanted)
            else:
                named[path] = None
    return Chosen(tuple(named), tuple(one for one in found if one not in named), tuple(unread))


def _expanded(given: str, wanted: frozenset[str]) -> list[Path]:
    path = Path(os.path.abspath(given))
    if os.path.lexists(path):
        return [path]
    if not glob.has_magic(given):
        raise InputError(f"there is no file {given!r}", hint="check the path")
    matched = [Path(os.path.abspath(one)) for one in sorted(glob.glob(given, recursive=True))]
    files = [one for one in matched if one.is_file() and (not wanted or one.suffix.lower() in wanted)]
    if not files:
        raise InputError(f"no file matches {given!r}", hint="check the pattern and --extensions")
    return files


def _in_folder(folder: Path, recursive: bool, unread: list[tuple[Path, str]]) -> list[Path]:
    files: list[Path] = []

    def note(error: OSError) -> None:
        unread.append((Path(error.filename), error.strerror or "cannot be read"))

    for place, folders, names in os.walk(folder, onerror=note):
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if recursive else []
        files += [Path(place, name) for name in sorted(names) if not name.startswith(".")]
    return files
