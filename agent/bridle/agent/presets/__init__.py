"""Personas, humans and presets: who an agent is at first, as text files that a person can read and write.

Shipped ones lie beside this module. A person's own are `HOME/personas/NAME.txt`, `HOME/humans/NAME.txt` and
`HOME/presets/NAME.toml`; they win over shipped ones of the same name. A preset names a persona and a human,
and may set the system text, the profile and the tools that are switched on:

    description = "A patient teacher."
    persona = "teacher"      # a name from the folders above
    human = "basic"
    profile = "small"        # default: chosen by the model
    tools = ["files"]        # default: none
    system = "..."           # default: the profile's own text

Nothing here opens a store or talks to a model.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, cast

from bridle.agent.state import PROFILES
from bridle.errors import InputError

__all__ = [
    "AUTO_PROFILE",
    "PROFILE_NAMES",
    "TOOLS",
    "Kind",
    "Preset",
    "Shelved",
    "human_text",
    "humans",
    "load_preset",
    "persona_text",
    "personas",
    "presets",
]

Kind: TypeAlias = Literal["persona", "human", "preset"]

AUTO_PROFILE = "auto"
"""What stands in a preset that leaves the profile to the model."""

PROFILE_NAMES = (AUTO_PROFILE, *PROFILES)
TOOLS = ("files", "http")
"""What a preset can switch on; both are off otherwise."""

SHIPPED = Path(__file__).parent
MOST_BYTES = 1_000_000
"""Of a text file; core memory holds a few thousand characters, and a wrong path may name anything."""

_FOLDERS: Mapping[Kind, tuple[str, str]] = {
    "persona": ("personas", ".txt"),
    "human": ("humans", ".txt"),
    "preset": ("presets", ".toml"),
}
_FIELDS = ("description", "persona", "human", "profile", "tools", "system")


@dataclass(frozen=True, slots=True)
class Shelved:
    """A file that can be chosen by its name. `own` ones are the person's, the others are shipped."""

    name: str
    path: Path
    own: bool


@dataclass(frozen=True, slots=True)
class Preset:
    """What a new agent begins with: texts, not names.

    An empty `system` means the profile's own; `profile` is one of `PROFILE_NAMES`; `tools` are of `TOOLS`.
    """

    name: str
    description: str
    system: str
    persona: str
    human: str
    profile: str
    tools: tuple[str, ...]


def personas(home: Path) -> tuple[Shelved, ...]:
    """All personas by name; an own one hides the shipped one of its name."""
    return _shelf("persona", home)


def humans(home: Path) -> tuple[Shelved, ...]:
    """All humans by name; an own one hides the shipped one of its name."""
    return _shelf("human", home)


def presets(home: Path) -> tuple[Shelved, ...]:
    """All presets by name; an own one hides the shipped one of its name."""
    return _shelf("preset", home)


def persona_text(name_or_path: str, home: Path) -> str:
    """Read a persona: by its name, or from a file where the argument is a path (it has a `/` or a suffix).

    Raises:
        InputError: with the names that exist, or for a file that is not text.
    """
    return _text("persona", name_or_path, home)


def human_text(name_or_path: str, home: Path) -> str:
    """Read what an agent knows about its user at first; otherwise like `persona_text`."""
    return _text("human", name_or_path, home)


def load_preset(name_or_path: str, home: Path) -> Preset:
    """Read a preset, with the texts of the persona and the human that it names.

    Raises:
        InputError: for an unknown name, and for a file that has other fields or values.
    """
    path = _find("preset", name_or_path, home)
    body = _toml(path)
    strange = [field for field in body if field not in _FIELDS]
    if strange:
        raise InputError(f"{path}: {strange[0]!r} is no field of a preset", hint=f"fields: {_list(_FIELDS)}")
    profile = _one_of(path, "profile", _string(path, body, "profile", AUTO_PROFILE), PROFILE_NAMES)
    tools = body.get("tools", [])
    if not isinstance(tools, list):
        raise InputError(f"{path}: tools is {tools!r}", hint='write a list, such as tools = ["files"]')
    return Preset(
        name=path.stem,
        description=_string(path, body, "description", ""),
        system=_string(path, body, "system", "").strip(),
        persona=persona_text(_string(path, body, "persona", "basic"), home),
        human=human_text(_string(path, body, "human", "basic"), home),
        profile=profile,
        tools=tuple(_one_of(path, "tools", str(one), TOOLS) for one in cast("list[object]", tools)),
    )


def _shelf(kind: Kind, home: Path) -> tuple[Shelved, ...]:
    folder, suffix = _FOLDERS[kind]
    found: dict[str, Shelved] = {}
    for base, own in ((SHIPPED, False), (home, True)):
        try:
            files = sorted((base / folder).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise InputError(
                f"{base / folder} cannot be listed: {error.strerror}", hint="check it"
            ) from error
        for file in files:
            if file.suffix == suffix and not file.name.startswith("."):
                found[file.stem] = Shelved(file.stem, file, own)
    return tuple(found[name] for name in sorted(found))


def _find(kind: Kind, given: str, home: Path) -> Path:
    """The file of a name or path. A name is looked up first, so that `basic` never depends on the folder one
    stands in."""
    folder, suffix = _FOLDERS[kind]
    shelf = {one.name: one.path for one in _shelf(kind, home)}
    path = shelf.get(given) or shelf.get(given.removesuffix(suffix))
    if path is not None:
        return path
    if any(mark in given for mark in (os.sep, "/", suffix)) or given.startswith("~"):
        return Path(os.path.expanduser(given))
    near = difflib.get_close_matches(given, shelf, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    raise InputError(
        f"there is no {kind} {given!r}",
        hint=f"{meant}known: {_list(list(shelf))}; your own go into {home / folder} as NAME{suffix}",
    )


def _text(kind: Kind, given: str, home: Path) -> str:
    return _read(_find(kind, given, home), kind).strip()


def _read(path: Path, kind: Kind) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise InputError(
                f"the {kind} {str(path)!r} has more than {MOST_BYTES:,} bytes", hint="give a short text file"
            )
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise InputError(
            f"the {kind} {str(path)!r} cannot be read: {error.strerror}", hint="check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"the {kind} {str(path)!r} is not UTF-8 text", hint="save it as UTF-8") from error
    except ValueError as error:  # a path with a null byte
        raise InputError(f"the {kind} {str(path)!r} cannot be read: {error}", hint="check it") from error


def _toml(path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(_read(path, "preset"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"the preset {str(path)!r} is not valid TOML: {error}", hint="correct it") from error


def _string(path: Path, body: Mapping[str, object], field: str, default: str) -> str:
    value = body.get(field, default)
    if not isinstance(value, str):
        raise InputError(f"{path}: {field} is {value!r}", hint=f"write {field} as text in quotes")
    return value


def _one_of(path: Path, field: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise InputError(f"{path}: {field} has {value!r}", hint=f"known: {_list(known)}")
    return value


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
