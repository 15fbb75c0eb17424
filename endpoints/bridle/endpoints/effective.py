"""Every setting in force and where it comes from: the environment, a line of the config file, or a default.

Keys are never shown, and neither are passwords in addresses.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, cast

from bridle.endpoints.config import Config, config_file, home, load_config
from bridle.endpoints.config_text import TABLES
from bridle.endpoints.environment import ADDRESSES, ENDPOINT, VALUES, VARIABLES, address_of, usual_url, value
from bridle.endpoints.kinds import KINDS

__all__ = ["DEFAULT", "EMBEDDED", "MASK", "Setting", "effective_settings", "key_lines", "without_password"]

DEFAULT = "default"
EMBEDDED = "embedded"
MASK = "***"
PROXIES: Mapping[str, str] = {
    "HTTP_PROXY": "proxy for http",
    "HTTPS_PROXY": "proxy for https",
    "ALL_PROXY": "proxy for all",
    "NO_PROXY": "hosts without a proxy",
    "REQUESTS_CA_BUNDLE": "certificates to trust",
}
VALUE_NAMES: Mapping[str, str] = {
    "azure_version": "API version of azure",
    "azure_deployment": "deployment of azure",
}
"""How the settings of the environment are shown."""
MEGABYTES = 64
"""As `bridle.endpoints.recorder` has it, which is too large to be imported for a look; a test compares."""
USUAL: Mapping[tuple[str, str], int | bool] = {
    ("recorder", "enabled"): True,
    ("recorder", "max_megabytes"): MEGABYTES,
}
"""What is in force where a setting is not set."""
_PASSWORD = re.compile(r"(?<=://)([^/@:\s]*):(?!\d+/)[^\s]*@")
"""Up to the last @: people write passwords as they are, with an @ or a / in them."""
_PARAMETER = re.compile(r"(?<=[?&])((?:ssl)?password|token)=[^&\s]*")


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting in force. `origin` is "default", `FILE:LINE`, or the name of an environment variable."""

    name: str
    value: str | int | bool | None
    origin: str = DEFAULT


def effective_settings() -> tuple[Setting, ...]:
    """List all settings; None is the value of one that is not set.

    Raises:
        ConfigError: for a config file that cannot be read.
    """
    config = load_config()
    lines = key_lines(config.file.read_text("utf-8-sig") if config.file.exists() else "")
    return (
        *_places(),
        _endpoint(config, lines),
        *_of_file(config, lines),
        *_of_environment(),
    )


def key_lines(text: str) -> Mapping[tuple[str, ...], int]:
    """Find the line, counted from 1, on which each key of a TOML text is set.

    >>> key_lines('a = 1\\n[b."c d"]\\n  e.f = 2 # x')
    {('a',): 1, ('b', 'c d'): 2, ('b', 'c d', 'e', 'f'): 3}
    """
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        path, n_lines = _statement(lines[at:])
        if lines[at].lstrip().startswith("["):
            table, path = path, ()
        if table or path:
            found.setdefault((*table, *path), at + 1)
        at += n_lines
    return found


def without_password(text: str) -> str:
    """Mask the password of an address.

    >>> without_password("postgresql://me:secret@db/x")
    'postgresql://me:***@db/x'
    >>> without_password("postgresql://db/x?password=secret&port=1")
    'postgresql://db/x?password=***&port=1'
    """
    return _PARAMETER.sub(rf"\1={MASK}", _PASSWORD.sub(rf"\1:{MASK}@", text))


def _statement(lines: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """The keys of the statement that begins here, and how many lines it takes; a text may take several."""
    for length in range(1, len(lines) + 1):
        try:
            value: object = tomllib.loads("\n".join(lines[:length]))
        except tomllib.TOMLDecodeError:
            continue
        path: list[str] = []
        while isinstance(value, dict) and len(cast("dict[str, object]", value)) == 1:
            ((key, value),) = cast("dict[str, object]", value).items()
            path.append(key)
        return tuple(path), length
    return (), 1


def _places() -> Iterator[Setting]:
    by = "BRIDLE_HOME" if os.environ.get("BRIDLE_HOME") else DEFAULT
    yield Setting(
        "config file", str(config_file()), "BRIDLE_CONFIG" if os.environ.get("BRIDLE_CONFIG") else by
    )
    yield Setting("home", str(home()), by)


def _endpoint(config: Config, lines: Mapping[tuple[str, ...], int]) -> Setting:
    if given := os.environ.get(ENDPOINT):
        return Setting("default.endpoint", without_password(given), ENDPOINT)
    if config.default_endpoint:
        at = _origin(config, lines, ("default", "endpoint"))
        return Setting("default.endpoint", without_password(config.default_endpoint), at)
    return Setting("default.endpoint", EMBEDDED)


def _of_file(config: Config, lines: Mapping[tuple[str, ...], int]) -> Iterator[Setting]:
    for name, entry in config.endpoints.items():
        for key, held, is_default in _held(entry):
            if not is_default:
                at = _origin(config, lines, ("endpoints", name, key))
                yield Setting(f"endpoints.{name}.{key}", held, at)
    for name in TABLES:
        for key, held, is_default in _held(getattr(config, name)):
            set_here = (name, key) in lines or not is_default
            at = _origin(config, lines, (name, key)) if set_here else DEFAULT
            yield Setting(f"{name}.{key}", USUAL.get((name, key)) if held in ("", None) else held, at)
    for model, wrapper in config.wrappers.items():
        yield Setting(f"wrappers.{model}", wrapper, _origin(config, lines, ("wrappers", model)))


def _held(table: object) -> Iterator[tuple[str, str | int | bool | None, bool]]:
    """Each field of one of the config file's values, what it holds, and whether that is its default."""
    for one in fields(cast("Any", table)):  # only our own dataclasses come here
        held = getattr(table, one.name)
        is_default = one.default is not MISSING and held == one.default
        yield one.name, _shown(held), is_default


def _shown(held: object) -> Any:
    """What is shown of a value; several texts are one."""
    if isinstance(held, tuple):
        several = cast("tuple[str | tuple[str, str], ...]", held)  # as `config_values` has them
        held = ", ".join(one if isinstance(one, str) else " = ".join(one) for one in several)
    return without_password(held) if isinstance(held, str) else held


def _origin(config: Config, lines: Mapping[tuple[str, ...], int], path: tuple[str, ...]) -> str:
    """The line of a key, else of the table that it is in; a table may be written within a line."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return f"{config.file}:{lines[path[:length]]}"
    return str(config.file)


def _of_environment() -> Iterator[Setting]:
    for kind in KINDS:
        if KINDS[kind].takes == "url":
            found = address_of(kind) if kind in ADDRESSES else None
            url = without_password(usual_url(kind)) or None
            yield Setting(f"address of {kind}", url, found.variable if found else DEFAULT)
    for name, variables in VALUES.items():
        by = next((one for one in variables if os.environ.get(one)), DEFAULT)
        yield Setting(VALUE_NAMES[name], value(name) or None, by)
    for name, is_secret in VARIABLES.items():
        if is_secret and os.environ.get(name):
            yield Setting(f"key {name}", MASK, name)
    for name in PROXIES:
        by = next((one for one in (name, name.lower()) if os.environ.get(one)), "")
        if by:
            yield Setting(PROXIES[name], without_password(os.environ[by]), by)
