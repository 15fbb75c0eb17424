"""What the environment says of endpoints: addresses, and keys with the hosts that they belong to.

The names are those of the servers' own clients: OpenAI's and Azure's Python package (1.109 to 3.x), Ollama
(`envconfig.Host`, 0.33), LM Studio's SDK (1.5), vLLM. They are read when an endpoint is opened, never kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from bridle.endpoints.kinds import KINDS

__all__ = [
    "ADDRESSES",
    "ANY_KEY",
    "CHROMA_TOKEN",
    "ENDPOINT",
    "MILVUS_TOKEN",
    "OPENAI_HOST",
    "VALUES",
    "VARIABLES",
    "Address",
    "Key",
    "address_of",
    "addresses",
    "key_for",
    "usual_url",
    "value",
]

OPENAI_HOST = "api.openai.com"
ANY_KEY = "BRIDLE_API_KEY"
ENDPOINT = "BRIDLE_ENDPOINT"
"""The variable that names the endpoint to use where none is given."""

MILVUS_TOKEN, CHROMA_TOKEN = "BRIDLE_MILVUS_TOKEN", "BRIDLE_CHROMA_TOKEN"
"""The variables that hold the token of a server where archival data is kept."""

ADDRESSES: Mapping[str, tuple[str, ...]] = {
    "openai": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    "azure": ("AZURE_OPENAI_ENDPOINT",),
    "ollama": ("OLLAMA_HOST",),
    "lmstudio": ("LMSTUDIO_BASE_URL",),
}
"""Variables that name the address of a kind; the first one that is set counts."""

AZURE_KEYS = ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_KEY")
AZURE_HOSTS = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")

HOST_KEYS: Mapping[str, tuple[str, ...]] = {
    OPENAI_HOST: ("OPENAI_API_KEY",),
    "api.groq.com": ("GROQ_API_KEY",),
    "openrouter.ai": ("OPENROUTER_API_KEY",),
    "ollama.com": ("OLLAMA_API_KEY",),
    **dict.fromkeys(AZURE_HOSTS, AZURE_KEYS),
}
"""Variables whose key goes to one host and no other; a name that begins with a dot is the end of a host's."""

ADDRESS_KEYS: Mapping[str, tuple[str, ...]] = {
    "openai": ("OPENAI_API_KEY",),
    "azure": AZURE_KEYS,
    "lmstudio": ("LM_API_TOKEN",),
}
"""Variables whose key goes to the address that the environment names for the kind."""

KIND_KEYS: Mapping[str, tuple[str, ...]] = {"lmstudio": ("LM_API_TOKEN",), "vllm": ("VLLM_API_KEY",)}
"""Variables whose key goes to any server that the caller says is of the kind."""

VALUES: Mapping[str, tuple[str, ...]] = {
    "azure_version": ("AZURE_OPENAI_API_VERSION", "AZURE_OPENAI_VERSION", "OPENAI_API_VERSION"),
    "azure_deployment": ("AZURE_OPENAI_DEPLOYMENT",),
}


def _variables() -> Iterator[tuple[str, bool]]:
    for names in ADDRESSES.values():
        yield from ((name, False) for name in names)
    for table in (HOST_KEYS, KIND_KEYS):
        for names in table.values():
            yield from ((name, True) for name in names)
    for names in VALUES.values():
        yield from ((name, False) for name in names)
    yield from ((name, True) for name in (ANY_KEY, MILVUS_TOKEN, CHROMA_TOKEN))


VARIABLES: Mapping[str, bool] = dict(_variables())
"""Every variable that is looked at, and whether it holds a secret."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address that a variable names for a kind."""

    kind: str
    url: str
    variable: str


@dataclass(frozen=True, slots=True)
class Key:
    """A key, empty where none is set, and the variable that holds it or would hold it."""

    text: str
    variable: str

    def __repr__(self) -> str:
        return f"Key({'***' if self.text else ''!r}, {self.variable!r})"


def addresses() -> tuple[Address, ...]:
    """List the addresses that the environment names."""
    found = (address_of(kind) for kind in ADDRESSES)
    return tuple(one for one in found if one is not None)


def usual_url(kind: str) -> str:
    """Name the address of a kind where none is given: the environment's, else the usual one; may be empty."""
    found = address_of(kind)
    return found.url if found else KINDS[kind].default_url


def value(name: str) -> str:
    """Read one of the other settings: `azure_version` or `azure_deployment`; empty when it is not set."""
    return _first(VALUES[name])[0]


def key_for(url: str, kind: str = "") -> Key:
    """Choose the key for an address. A key that belongs to a host goes to no other one.

    `kind` is what the caller says that the server is, not what the server says of itself. The variable
    BRIDLE_API_KEY is for every host that has none of its own.
    """
    host = urlsplit(url).hostname or ""
    for named, variables in HOST_KEYS.items():
        if host == named or (named.startswith(".") and host.endswith(named)):
            return Key(*_first(variables))
    ways = [ADDRESS_KEYS.get(one.kind, ()) for one in addresses() if _origin(one.url) == _origin(url)]
    ways.append(KIND_KEYS.get(kind, ()))
    for variables in ways:
        text, variable = _first(variables)
        if text:
            return Key(text, variable)
    return Key(os.environ.get(ANY_KEY, ""), ANY_KEY)


def address_of(kind: str) -> Address | None:
    """Name the address that the environment gives for a kind; None when it gives none."""
    text, variable = _first(ADDRESSES.get(kind, ()))
    if not text.strip():
        return None
    return Address(kind, _ollama_url(text) if kind == "ollama" else _with_scheme(text.strip()), variable)


def _first(variables: tuple[str, ...]) -> tuple[str, str]:
    for name in variables:
        if found := os.environ.get(name):
            return found, name
    return "", variables[0] if variables else ""


def _with_scheme(text: str) -> str:
    return text if "://" in text else f"http://{text}"


def _ollama_url(text: str) -> str:
    """Read OLLAMA_HOST as Ollama does: a host, a port, or both; often the server's own, 0.0.0.0."""
    text = text.strip().strip("\"'")
    scheme, found, rest = text.partition("://")
    usual = {"http": "80", "https": "443"}.get(scheme, "11434") if found else "11434"
    if not found:
        scheme, rest = ("https", text) if text == "ollama.com" else ("http", text)
        usual = "443" if scheme == "https" else usual
    place, slash, path = rest.partition("/")
    host, colon, port = place.rpartition(":")
    if not colon or place.endswith("]") or (":" in host and not host.startswith("[")):
        host, port = place, usual
    if not (port.isdecimal() and int(port) < 65536):
        port = usual
    host = host.strip("[]")
    if host in ("", "0.0.0.0", "::"):
        host = "127.0.0.1"
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port}{slash}{path}".removesuffix("/")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port
    except ValueError:  # a port that is no number
        return url, None, None
