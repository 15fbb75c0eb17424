"""What a config file can say, as values; `bridle.endpoints.config` reads and writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

__all__ = [
    "BACKENDS",
    "ArchivalConfig",
    "ChatConfig",
    "Config",
    "EmbeddingConfig",
    "EndpointConfig",
    "RecorderConfig",
    "ToolsConfig",
]

BACKENDS = ("sqlite", "milvus", "postgres", "chroma")
"""Where archival data can be kept."""


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """One saved endpoint: its kind with a `url` or a `path`, and what goes with it. Empty means not set.

    `api_key_env` is the name of the variable that holds the key. `api_version` is Azure's. `proxy` is the URL
    of an HTTP proxy, `ca_file` a file of certificates to trust, and `insecure` trusts any. `constraint` is
    what holds calls (`bridle.endpoints.asking.ConstraintChoice`). `embedding_model` makes the embeddings.
    """

    kind: str
    url: str = ""
    path: str = ""
    model: str = ""
    wrapper: str = ""
    api_key_env: str = ""
    context_tokens: int | None = None
    api_version: str = ""
    proxy: str = ""
    ca_file: str = ""
    insecure: bool = False
    constraint: str = ""
    embedding_model: str = ""


@dataclass(frozen=True, slots=True)
class EmbeddingConfig:
    """What makes embeddings: a spec or a saved name, and which of its models; empty for none."""

    endpoint: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class ArchivalConfig:
    """Where archival data is kept: one of `BACKENDS`, and its connection URI; empty is the agents' file."""

    backend: str = "sqlite"
    uri: str = ""


@dataclass(frozen=True, slots=True)
class ChatConfig:
    """With what the two blocks of a new agent's core memory begin; empty is the default."""

    persona: str = ""
    human: str = ""


@dataclass(frozen=True, slots=True)
class RecorderConfig:
    """Whether what is sent and answered is recorded, and how many megabytes are kept; None is usual."""

    enabled: bool | None = None
    max_megabytes: int | None = None


@dataclass(frozen=True, slots=True)
class ToolsConfig:
    """What agents can call besides their memory functions; empty for none of it.

    `files_folder` is the folder whose text files may be read and appended to, `http_hosts` are the hosts that
    may be asked, `python` names functions as `package.module:function` or `FILE.py:function`, and `mcp` are
    names of MCP servers, each with the command that starts it, or its address.
    """

    files_folder: str = ""
    http_hosts: tuple[str, ...] = ()
    python: tuple[str, ...] = ()
    mcp: tuple[tuple[str, str], ...] = ()


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
    embedding: EmbeddingConfig = EmbeddingConfig()
    archival: ArchivalConfig = ArchivalConfig()
    chat: ChatConfig = ChatConfig()
    recorder: RecorderConfig = RecorderConfig()
    tools: ToolsConfig = ToolsConfig()

    def wrapper_for(self, spec: str = "", model: str = "") -> str:
        """Name the wrapper configured for a saved endpoint, else for a model; empty when there is none."""
        entry = self.endpoints.get(spec)
        return (entry.wrapper if entry else "") or self.wrappers.get(model, "")
