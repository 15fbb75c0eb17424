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
    context_tokens = 8192               # optional; so are api_version (Azure), proxy, ca_file, insecure
                                        # (true trusts any certificate), constraint and embedding_model

    [endpoints.mine]
    kind = "llamacpp"
    path = "/models/mine.gguf"

    [embedding]
    endpoint = "studio"                 # what makes embeddings: a spec or a name from above
    model = "nomic-embed-text"

    [archival]
    backend = "milvus"                  # sqlite (the default), milvus, postgres or chroma
    uri = "http://localhost:19530"

    [chat]
    persona = "My name is Sam."         # with what a new agent's memory begins
    human = "Name: Ada"

    [recorder]
    enabled = true
    max_megabytes = 100

    [tools]
    files_folder = "~/notes"            # what an agent may call besides its memory functions
    http_hosts = ["*.wikipedia.org"]
    python = ["my_tools:weather"]
    mcp = { time = "uvx mcp-server-time" }

    [wrappers]
    "qwen2.5-7b-instruct" = "chatml"    # which wrapper a model gets, wherever it runs
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from bridle.endpoints.config_text import SCHEMA, check_entry, read_config, write_config
from bridle.endpoints.config_values import (
    ArchivalConfig,
    ChatConfig,
    Config,
    EmbeddingConfig,
    EndpointConfig,
    RecorderConfig,
    ToolsConfig,
)
from bridle.errors import ConfigError

__all__ = [
    "SCHEMA",
    "ArchivalConfig",
    "ChatConfig",
    "Config",
    "EmbeddingConfig",
    "EndpointConfig",
    "RecorderConfig",
    "ToolsConfig",
    "config_file",
    "home",
    "load_config",
    "save_config",
    "save_endpoint",
    "save_wrapper",
]


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
    except NotADirectoryError as error:
        by_home = os.environ.get("BRIDLE_HOME") and file == home() / "config.toml"
        what = "BRIDLE_HOME" if by_home else f"the config file {file} cannot be read: its place"
        raise ConfigError(
            f"{what} is {file.parent}, which is no directory",
            hint=f"let {'BRIDLE_HOME' if by_home else 'BRIDLE_CONFIG'} name another one",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the config file {file} cannot be read: {error}", hint="BRIDLE_CONFIG can name another one"
        ) from error
    return read_config(file, text)


def save_endpoint(
    name: str, entry: EndpointConfig, *, default: bool = False, file: Path | None = None
) -> Path:
    """Write one endpoint into the config file and keep all other entries; return the file.

    The file is replaced in one step. Comments do not survive, so the former file stays next to it as `.bak`.

    Raises:
        ConfigError: for a bad name or entry, and when the file cannot be read or written.
    """
    config = load_config(file)
    check_entry(config.file, name, entry)
    return save_config(
        replace(
            config,
            endpoints={**config.endpoints, name: entry},
            default_endpoint=name if default else config.default_endpoint,
        )
    )


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
    return save_config(replace(config, wrappers=kept))


def save_config(config: Config) -> Path:
    """Write a whole configuration into its file and return that; the former file stays as `.bak`.

    Raises:
        ConfigError: when it cannot be written.
    """
    try:
        _replace_file(config.file, write_config(config))
    except OSError as error:
        raise ConfigError(
            f"the config file {config.file} cannot be written: {error}",
            hint="BRIDLE_CONFIG can name another one",
        ) from error
    return config.file


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
