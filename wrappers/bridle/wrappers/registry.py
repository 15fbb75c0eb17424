"""Which formats there are: those that come with bridle, those that packages bring, and a user's own.

A format is found by the name of its file, and a file is read only when its format is asked for, so that a bad
one in a user's folder breaks nothing else. Later places win: the user's own over a package's, over ours.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path

import platformdirs

from bridle.errors import FormatError
from bridle.wrappers.format_file import parse_format
from bridle.wrappers.formats import Format

__all__ = ["FormatFile", "builtin_formats", "format_files", "load_format", "user_folder"]

ENTRY_POINTS = "bridle.formats"
"""Packages name a package of theirs under this group; its .toml files are formats."""


@dataclass(frozen=True, slots=True)
class FormatFile:
    """Where one format lies. `origin` tells whose it is: `bridle`, the name of a package, or `you`.

    `problem` says why there is none, where a package names something that holds no formats.
    """

    name: str
    file: Traversable
    origin: str
    problem: str = ""

    def load(self) -> Format:
        """Read the file.

        Raises:
            FormatError: naming the file, the key, the value and what is allowed.
        """
        if self.problem:
            raise FormatError(
                self.problem, hint="it must be the name of an importable package that holds .toml files"
            )
        form = _load(self.file, self.file.name if self.origin == "bridle" else str(self.file))
        if form.name != self.name:
            raise FormatError(
                f"{self.file}: name is {form.name!r}", hint=f"it must be the file's own, {self.name!r}"
            )
        return form


def user_folder() -> Path:
    """Where a user's own formats lie: in BRIDLE_HOME, else in bridle's config folder; it need not exist.

    Raises:
        FormatError: when BRIDLE_HOME names a home directory that there is not.
    """
    given = os.environ.get("BRIDLE_HOME")
    if not given:
        return platformdirs.user_config_path("bridle", appauthor=False) / "formats"
    try:
        return Path(given).expanduser() / "formats"
    except RuntimeError as error:
        raise FormatError(
            f"BRIDLE_HOME is {given!r}, and there is no such home directory", hint="write the whole path"
        ) from error


def format_files() -> Mapping[str, FormatFile]:
    """Every format that can be named, by name."""
    found = dict(_builtin())
    found.update(_packages())
    own = user_folder()
    if own.is_dir():
        found.update(_inside(own, "you"))
    return found


@lru_cache(maxsize=1)
def builtin_formats() -> Mapping[str, Format]:
    """The formats that come with bridle, by name."""
    return {name: builtin_format(name) for name in _builtin()}


@cache
def builtin_format(name: str) -> Format:
    """One of the formats that come with bridle.

    Raises:
        KeyError: for a name that none has.
    """
    return _builtin()[name].load()


def load_format(path: Path) -> Format:
    """Read one format file.

    Raises:
        FormatError: naming the file, the key, the value and what is allowed.
    """
    return _load(path, str(path))


@lru_cache(maxsize=1)
def _builtin() -> Mapping[str, FormatFile]:
    return _inside(resources.files("bridle.wrappers") / "formats", "bridle")


def _inside(folder: Traversable, origin: str) -> dict[str, FormatFile]:
    entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    names = [entry for entry in entries if entry.name.endswith(".toml")]
    return {entry.name[:-5]: FormatFile(entry.name[:-5], entry, origin) for entry in names}


@lru_cache(maxsize=1)
def _packages() -> Mapping[str, FormatFile]:
    """The formats of installed packages, found once: looking for entry points takes milliseconds."""
    found: dict[str, FormatFile] = {}
    for point in metadata.entry_points(group=ENTRY_POINTS):
        try:
            found.update(_inside(resources.files(point.value), point.name))
        except (ImportError, ValueError, TypeError, OSError) as error:
            problem = f"the entry point {point.name!r} of {ENTRY_POINTS} names {point.value!r}: {error}"
            found[point.name] = FormatFile(point.name, _formats(), point.name, problem)
    return found


def _load(file: Traversable, source: str) -> Format:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(
            f"the format file {source!r} cannot be read: {error}",
            hint="give the path of a .toml file, or the name of a wrapper",
        ) from error

    def beside(name: str) -> str:
        if not name.endswith(".jinja") or "/" in name or "\\" in name:
            raise FormatError(
                f"{source}: template is {name!r}", hint="name a file beside this one that ends in .jinja"
            )
        found = (file.parent if isinstance(file, Path) else _formats()) / name
        try:
            return found.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FormatError(f"{source}: the template {name!r} cannot be read: {error}") from error

    return parse_format(text, source, beside)


def _formats() -> Traversable:
    return resources.files("bridle.wrappers") / "formats"
