"""The text of a config file: read and checked, and written. It does not know where the file lies.

Every key and every type is checked, so that a misspelt key is an error and not a setting without effect.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from bridle.endpoints.config_values import (
    BACKENDS,
    ArchivalConfig,
    ChatConfig,
    Config,
    EmbeddingConfig,
    EndpointConfig,
    RecorderConfig,
    ToolsConfig,
)
from bridle.endpoints.kinds import AUTO, KINDS
from bridle.errors import ConfigError

__all__ = ["SCHEMA", "check_entry", "check_name", "read_config", "write_config"]

SCHEMA = 1
"""The version of the file's shape; a file with another one is refused, never guessed at."""

CONSTRAINTS = ("auto", "off", "grammar", "schema", "tool", "tools", "json")
"""The values of `bridle.endpoints.asking.ConstraintChoice`, which is too large to be imported for a look."""

TABLES: Mapping[str, type] = MappingProxyType(
    {
        "embedding": EmbeddingConfig,
        "archival": ArchivalConfig,
        "chat": ChatConfig,
        "recorder": RecorderConfig,
        "tools": ToolsConfig,
    }
)
"""The tables that are one value each."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TOP = ("schema", "default", "endpoints", "wrappers", *TABLES)
_CHOICES: Mapping[str, tuple[str, ...]] = {"backend": BACKENDS, "constraint": CONSTRAINTS}


def read_config(file: Path, text: str) -> Config:
    """Read a config file's text; `file` names it in errors.

    Raises:
        ConfigError: with file, key and value, for anything that is not as it should be.
    """
    try:
        found: dict[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"the config file {file} is not TOML: {error}", hint="correct that place"
        ) from error
    schema = found.get("schema")
    if schema != SCHEMA or isinstance(schema, bool):
        raise ConfigError(
            f"{file}: schema = {schema!r}",
            hint=f"this version of bridle reads schema = {SCHEMA}; put that line at the top of the file",
            file=str(file),
        )
    _only(file, "the top level", found, _TOP)
    default = _table(file, "default", found)
    _only(file, "[default]", default, ("endpoint",))
    wrappers = _table(file, "wrappers", found)
    return Config(
        file,
        _text(file, "[default]", "endpoint", default.get("endpoint", "")),
        MappingProxyType(_endpoints(file, _table(file, "endpoints", found))),
        MappingProxyType({m: _text(file, "[wrappers]", m, w) for m, w in wrappers.items()}),
        **{name: _value(file, f"[{name}]", kind, _table(file, name, found)) for name, kind in TABLES.items()},
    )


def check_name(file: Path, name: str) -> None:
    """Refuse what cannot name an endpoint."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{file}: [endpoints] has the name {name!r}, which cannot name an endpoint",
            hint="use letters, digits, dots, dashes and underscores",
        )
    if name.lower().endswith(".gguf"):
        raise ConfigError(
            f"{file}: [endpoints] has the name {name!r}, which means a file",
            hint="leave the ending out",
            key=name,
        )
    if name == AUTO or name in KINDS:
        raise ConfigError(
            f"{file}: [endpoints] has the name {name!r}, which means a kind of endpoint already",
            hint=f"take another name, such as my-{name}",
            key=name,
        )


def check_entry(file: Path, name: str, entry: EndpointConfig) -> None:
    """Refuse an entry that could not be read again."""
    check_name(file, name)
    _entry(file, f"[endpoints.{name}]", _set_fields(entry))


def write_config(config: Config) -> str:
    """Write a configuration as the text of a file; what is at its default is left out.

    >>> print(write_config(Config(Path("x"), "auto")))
    schema = 1
    <BLANKLINE>
    [default]
    endpoint = "auto"
    <BLANKLINE>
    """
    lines = [f"schema = {SCHEMA}"]
    if config.default_endpoint:
        lines += ["", "[default]", f"endpoint = {_quoted(config.default_endpoint)}"]
    for name, entry in config.endpoints.items():
        lines += ["", f"[endpoints.{_quoted(name)}]", *_assignments(_set_fields(entry))]
    for name in TABLES:
        if found := _set_fields(getattr(config, name)):
            lines += ["", f"[{name}]", *_assignments(found)]
    if config.wrappers:
        lines += ["", "[wrappers]"]
        lines += [f"{_quoted(model)} = {_quoted(name)}" for model, name in config.wrappers.items()]
    return "\n".join(lines) + "\n"


def _endpoints(file: Path, entries: dict[str, object]) -> dict[str, EndpointConfig]:
    found: dict[str, EndpointConfig] = {}
    for name in entries:
        check_name(file, name)
        found[name] = _entry(file, f"[endpoints.{name}]", _table(file, name, entries, "endpoints."))
    return found


def _entry(file: Path, where: str, table: dict[str, object]) -> EndpointConfig:
    entry = _value(file, where, EndpointConfig, {"kind": "", **table})
    assert isinstance(entry, EndpointConfig)
    if not entry.kind:
        raise ConfigError(f"{file}: {where} has no kind", hint='write for example kind = "openai"')
    if entry.kind != AUTO and entry.kind not in KINDS:
        near = get_close_matches(entry.kind, KINDS, n=1)
        raise ConfigError(
            f"{file}: {where} kind = {entry.kind!r}",
            hint=f"did you mean {near[0]!r}?" if near else f"kinds are {', '.join(KINDS)}",
            key="kind",
        )
    if entry.url and entry.path:
        raise ConfigError(f"{file}: {where} has both url and path", hint="keep the one that its kind takes")
    return entry


def _value(file: Path, where: str, kind: type, table: dict[str, object]) -> Any:
    """Make a table one of the values of `config_values`, each key of the type of its default."""
    usual = {one.name: None if one.default is MISSING else one.default for one in fields(kind)}
    types = {one.name: str(one.type) for one in fields(kind)}
    _only(file, where, table, tuple(usual))
    checks: Mapping[str, Callable[[Path, str, str, object], object]] = {
        "str": _text,
        "bool": _flag,
        "bool | None": _flag,
        "int | None": _count,
        "tuple[str, ...]": _texts,
        "tuple[tuple[str, str], ...]": _named_texts,
    }
    return kind(**{key: checks[types[key]](file, where, key, value) for key, value in table.items()})


def _table(file: Path, key: str, found: dict[str, object], prefix: str = "") -> dict[str, object]:
    value = found.get(key, {})
    if not isinstance(value, dict):
        raise ConfigError(f"{file}: {prefix}{key} = {value!r}", hint=f"write it as a table: [{prefix}{key}]")
    return cast("dict[str, object]", value)  # tomllib's tables have text keys


def _only(file: Path, where: str, table: Mapping[str, object], allowed: tuple[str, ...]) -> None:
    for key, value in table.items():
        if key not in allowed:
            raise ConfigError(
                f"{file}: {where} has the unknown key {key} = {value!r}",
                hint=f"allowed are {', '.join(allowed)}",
                file=str(file),
                key=key,
            )


def _text(file: Path, where: str, key: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{file}: {where} {key} = {value!r}", hint="write a text in quotes", key=key)
    choices = _CHOICES.get(key, ()) if where != "[wrappers]" else ()
    if choices and value and value not in choices:
        raise ConfigError(f"{file}: {where} {key} = {value!r}", hint=f"write one of {', '.join(choices)}")
    return value


def _texts(file: Path, where: str, key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ConfigError(f"{file}: {where} {key} = {value!r}", hint='write a list: ["…", "…"]', key=key)
    # The items of a list of TOML may be anything.
    return tuple(_text(file, where, key, one) for one in cast("list[object]", value))


def _named_texts(file: Path, where: str, key: str, value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise ConfigError(
            f"{file}: {where} {key} = {value!r}", hint=f'write a table: {key} = {{ name = "…" }}', key=key
        )
    found = cast("dict[str, object]", value)  # tomllib's tables have text keys
    for name in found:
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{file}: {where} {key} has the name {name!r}",
                hint="use letters, digits, dots, dashes and underscores",
                key=key,
            )
    return tuple((name, _text(file, where, f"{key}.{name}", one)) for name, one in found.items())


def _flag(file: Path, where: str, key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{file}: {where} {key} = {value!r}", hint="write true or false", key=key)
    return value


def _count(file: Path, where: str, key: str, value: object) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise ConfigError(f"{file}: {where} {key} = {value!r}", hint="give a whole number from 1 on", key=key)
    return value


def _set_fields(value: object) -> dict[str, object]:
    """The fields that are not at their default."""
    held = {one: getattr(value, one.name) for one in fields(cast("Any", value))}  # only our own values come
    return {one.name: found for one, found in held.items() if one.default is MISSING or found != one.default}


def _assignments(values: Mapping[str, object]) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in values.items()]


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return _toml_list(cast("tuple[str | tuple[str, str], ...]", value))  # as `config_values` has them
    return str(value) if isinstance(value, int) else _quoted(str(value))


def _toml_list(values: tuple[str | tuple[str, str], ...]) -> str:
    """Write texts as a list, and named texts as a table within the line."""
    named = [f"{_quoted(one[0])} = {_quoted(one[1])}" for one in values if isinstance(one, tuple)]
    if named:
        return f"{{ {', '.join(named)} }}"
    return f"[{', '.join(_quoted(one) for one in values if isinstance(one, str))}]"


def _quoted(text: str) -> str:
    """Write a TOML basic string (TOML 1.0: quotes, backslashes and control characters are escaped)."""
    if re.fullmatch(r"[A-Za-z0-9_-]+", text) is None:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
        text = re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\u{ord(found[0]):04x}", text)
    return f'"{text}"'
