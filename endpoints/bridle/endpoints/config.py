"""Where bridle keeps its settings and data, and what a config file may say.

The file is TOML. Reading creates nothing, and a missing file is an empty configuration. Every key is checked,
so that a misspelt one is an error and not a setting without effect::

    schema = 1

    [default]
    endpoint = "studio"                 # a name from below, or any spec

    [endpoints.studio]
    kind = "lmstudio"
    url = "http://127.0.0.1:1234"
    model = "qwen2.5-7b-instruct"       # optional
    wrapper = "chatml"                  # optional
    api_key_env = "STUDIO_KEY"          # optional: the variable's name, never the key
    context_tokens = 8192               # optional

    [endpoints.mine]
    kind = "llamacpp"
    path = "/models/mine.gguf"

    [wrappers]
    "qwen2.5-7b-instruct" = "chatml"    # which wrapper a model gets, wherever it runs
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import cast

from bridle.errors import ConfigError

__all__ = [
    "SCHEMA",
    "Config",
    "EndpointConfig",
    "config_file",
    "home",
    "load_config",
    "save_endpoint",
    "save_wrapper",
]

SCHEMA = 1
"""The version of the file's shape; a file with another one is refused, never guessed at."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TOP = ("schema", "default", "endpoints", "wrappers")


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """One saved endpoint: its kind with a `url` or a `path`, and what goes with it. Empty means not set."""

    kind: str
    url: str = ""
    path: str = ""
    model: str = ""
    wrapper: str = ""
    api_key_env: str = ""
    context_tokens: int | None = None


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


def _no_endpoints() -> Mapping[str, EndpointConfig]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Config:
    """What a config file says. `file` is where it was looked for, also when there is none."""

    file: Path
    default_endpoint: str = ""
    endpoints: Mapping[str, EndpointConfig] = field(default_factory=_no_endpoints)
    wrappers: Mapping[str, str] = field(default_factory=_nothing)

    def wrapper_for(self, spec: str = "", model: str = "") -> str:
        """Name the wrapper configured for a saved endpoint, else for a model; empty when there is none."""
        entry = self.endpoints.get(spec)
        return (entry.wrapper if entry else "") or self.wrappers.get(model, "")


def home() -> Path:
    """Name the directory of agents and other data: BRIDLE_HOME, else the platform's data directory."""
    if given := os.environ.get("BRIDLE_HOME"):
        return _expanded("BRIDLE_HOME", given)
    import platformdirs

    return Path(platformdirs.user_data_path("bridle", appauthor=False))


def config_file() -> Path:
    """Name the config file: BRIDLE_CONFIG, else in BRIDLE_HOME, else in the platform's config directory."""
    if given := os.environ.get("BRIDLE_CONFIG"):
        return _expanded("BRIDLE_CONFIG", given)
    if os.environ.get("BRIDLE_HOME"):
        return home() / "config.toml"
    import platformdirs

    return Path(platformdirs.user_config_path("bridle", appauthor=False)) / "config.toml"


def _expanded(variable: str, given: str) -> Path:
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise ConfigError(
            f"{variable} is {given!r}, and there is no such home directory", hint="write the whole path"
        ) from error


def load_config(file: Path | None = None) -> Config:
    """Read a config file, by default the one that `config_file` names.

    Raises:
        ConfigError: with file, key and value, for anything that is not as described above.
    """
    file = file or config_file()
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return Config(file)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the config file {file} cannot be read: {error}", hint="BRIDLE_CONFIG can name another one"
        ) from error
    try:
        return _read(file, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"the config file {file} is not TOML: {error}", hint="correct that place"
        ) from error


def save_endpoint(
    name: str, entry: EndpointConfig, *, default: bool = False, file: Path | None = None
) -> Path:
    """Write one endpoint into the config file and keep all other entries; return the file.

    The file is replaced in one step. Comments do not survive, so the former file stays next to it as `.bak`.

    Raises:
        ConfigError: for a bad name or entry, and when the file cannot be read or written.
    """
    config = load_config(file)
    where = f"[endpoints.{name}]"
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot name an endpoint", hint="use letters, digits, dots, dashes and underscores"
        )
    endpoints = {**config.endpoints, name: _entry(config.file, where, _set_fields(entry))}
    config = replace(
        config,
        endpoints=endpoints,
        default_endpoint=name if default else config.default_endpoint,
    )
    return _save(config)


def save_wrapper(model: str, wrapper: str, *, file: Path | None = None) -> Path:
    """Write which wrapper a model gets and keep all other entries; return the file.

    "auto" removes the model's entry. As with `save_endpoint`, the former file stays next to it as `.bak`.

    Raises:
        ConfigError: for a model without a name, and when the file cannot be read or written.
    """
    config = load_config(file)
    if not model.strip():
        raise ConfigError(f"the model is {model!r}", hint="give the name that the endpoint knows it by")
    kept = {known: name for known, name in config.wrappers.items() if known != model}
    if wrapper != "auto":
        kept[model] = wrapper
    return _save(replace(config, wrappers=kept))


def _save(config: Config) -> Path:
    try:
        _replace_file(config.file, _write(config))
    except OSError as error:
        raise ConfigError(
            f"the config file {config.file} cannot be written: {error}",
            hint="BRIDLE_CONFIG can name another one",
        ) from error
    return config.file


def _read(file: Path, found: dict[str, object]) -> Config:
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
    entries = _table(file, "endpoints", found)
    endpoints: dict[str, EndpointConfig] = {}
    for name in entries:
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{file}: [endpoints] has the name {name!r}", hint="use letters, digits, . _ -")
        endpoints[name] = _entry(file, f"[endpoints.{name}]", _table(file, name, entries, "endpoints."))
    wrappers = _table(file, "wrappers", found)
    return Config(
        file,
        _text(file, "[default]", "endpoint", default.get("endpoint", "")),
        MappingProxyType(endpoints),
        MappingProxyType({m: _text(file, "[wrappers]", m, w) for m, w in wrappers.items()}),
    )


def _entry(file: Path, where: str, table: dict[str, object]) -> EndpointConfig:
    names = tuple(one.name for one in fields(EndpointConfig))
    _only(file, where, table, names)
    texts = {key: _text(file, where, key, value) for key, value in table.items() if key != "context_tokens"}
    if not texts.get("kind"):
        raise ConfigError(f"{file}: {where} has no kind", hint='write for example kind = "openai"')
    if texts.get("url") and texts.get("path"):
        raise ConfigError(f"{file}: {where} has both url and path", hint="keep the one that its kind takes")
    tokens = table.get("context_tokens")
    if tokens is not None and (not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1):
        raise ConfigError(
            f"{file}: {where} context_tokens = {tokens!r}", hint="give the window as a number of tokens"
        )
    return EndpointConfig(context_tokens=tokens, **texts)


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
    return value


def _set_fields(entry: EndpointConfig) -> dict[str, object]:
    values = {one.name: getattr(entry, one.name) for one in fields(entry)}
    return {name: value for name, value in values.items() if value not in ("", None)}


def _write(config: Config) -> str:
    lines = [f"schema = {SCHEMA}"]
    if config.default_endpoint:
        lines += ["", "[default]", f"endpoint = {_quoted(config.default_endpoint)}"]
    for name, entry in config.endpoints.items():
        lines += ["", f"[endpoints.{_quoted(name)}]"]
        for key, value in _set_fields(entry).items():
            lines.append(f"{key} = {value if isinstance(value, int) else _quoted(str(value))}")
    if config.wrappers:
        lines += ["", "[wrappers]"]
        lines += [f"{_quoted(model)} = {_quoted(name)}" for model, name in config.wrappers.items()]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Write a TOML basic string (TOML 1.0: quotes, backslashes and control characters are escaped)."""
    if re.fullmatch(r"[A-Za-z0-9_-]+", text) is None:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
        text = re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\u{ord(found[0]):04x}", text)
    return f'"{text}"'


def _replace_file(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists():
        shutil.copy2(file, file.with_name(file.name + ".bak"))
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.name, suffix=".new")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.replace(name, file)
    except BaseException:
        os.unlink(name)
        raise
