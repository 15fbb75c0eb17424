"""Endpoints as MemGPT and AutoGen write them: a dict, or the `config_list` that holds it, taken as it is.

Keys were read in MemGPT 0.3.25 (`LLMConfig`, `create_memgpt_autogen_agent_from_config`, 2024) and AutoGen 0.2
to 0.9 (`OpenAIWrapper`, 2026). What has no meaning here is left out with a reason. The caller's dict is never
changed, and no value is shown in an error: any of them may be a key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import cast
from urllib.parse import urlsplit

from bridle.endpoints.config_values import EndpointConfig
from bridle.endpoints.environment import AZURE_HOSTS, HOST_KEYS
from bridle.errors import ConfigError

__all__ = ["Described", "read_config_dict"]

GROQ_URL = "https://api.groq.com/openai/v1"

MEMGPT_KINDS: Mapping[str, str] = {
    "webui": "webui",
    "webui-legacy": "webui-legacy",
    "lmstudio": "lmstudio",
    "lmstudio-legacy": "lmstudio",
    "ollama": "ollama",
    "llamacpp": "llama-server",
    "koboldcpp": "koboldcpp",
    "vllm": "vllm",
    "openai": "openai",
    "azure": "azure",
    "groq": "openai",
    "llama-server": "llama-server",
    "llama-cpp-python": "llama-cpp-python",
    "sglang": "sglang",
}
"""What `model_endpoint_type` means; MemGPT's llamacpp was llama.cpp's server, never a file."""

AUTOGEN_KINDS: Mapping[str, str] = {
    "": "",
    "openai": "",
    "open_ai": "",
    "azure": "azure",
    "ollama": "ollama",
    "groq": "openai",
}
"""What `api_type` means; a base URL without one is looked at."""

MEMGPT_MARKS = (
    "model_endpoint_type",
    "model_endpoint",
    "model_wrapper",
    "context_window",
    "preset",
    "openai_key",
    "azure_key",
    "azure_endpoint",
)
MEMGPT_KEYS = (
    *MEMGPT_MARKS,
    "model",
    "azure_version",
    "azure_deployment",
    "groq_key",
    "openllm_key",
    "openllm_auth_type",
)
AUTOGEN_MARKS = ("base_url", "api_base", "api_key", "api_type", "api_version")
AUTOGEN_KEYS = (*AUTOGEN_MARKS, "model", "azure_deployment", "context_window", "model_wrapper")

KNOWN = (*MEMGPT_KEYS, *AUTOGEN_KEYS)

IGNORED: Mapping[str, str] = {
    "preset": "an agent's prompt is chosen when the agent is made",
    "persona": "an agent's memory is filled when the agent is made",
    "human": "an agent's memory is filled when the agent is made",
    "name": "it is the agent's name",
    "price": "costs are not counted",
    "tags": "they choose among entries in AutoGen",
    "seed": "sampling is chosen with each question",
    "cache_seed": "answers are not cached",
    "cache": "answers are not cached",
    "temperature": "sampling is chosen with each question",
    "top_p": "sampling is chosen with each question",
    "max_tokens": "limits are chosen with each question",
    "timeout": "the caller of connect gives timeout_s",
    "functions": "functions are given with each question",
    "tools": "functions are given with each question",
    "max_retries": "what is worth trying again is known",
    "client_host": "it was read as the address",
}
"""Keys that are taken and have no effect, and why."""

NOT_SET = ("", "null", "none")
"""How the examples of MemGPT and AutoGen write that a model or a key is not needed."""


@dataclass(frozen=True, slots=True)
class Described:
    """What a dict means: an entry, a key where it holds one, and why each other name has no effect."""

    entry: EndpointConfig
    api_key: str | None = field(default=None, repr=False)
    ignored: Mapping[str, str] = field(default_factory=dict[str, str])


def read_config_dict(given: Mapping[str, object] | Sequence[Mapping[str, object]]) -> Described:
    """Read an entry in MemGPT's or AutoGen's form, a list of them, or the dict that holds the list.

    Of a list the first entry counts, as in MemGPT.

    >>> read_config_dict({"model": None, "model_endpoint_type": "webui", "context_window": 8192}).entry.kind
    'webui'

    Raises:
        ConfigError: for a form that is neither, a kind that is not spoken here, and a misspelt key.
    """
    body, around = _first_entry(given)
    is_memgpt = _has(body, MEMGPT_MARKS) and not _has(body, AUTOGEN_MARKS)
    known = MEMGPT_KEYS if is_memgpt else AUTOGEN_KEYS
    ignored = {**around, **_without_effect(body, known)}
    entry, api_key = _memgpt(body, ignored) if is_memgpt else _autogen(body)
    return Described(entry, api_key, ignored)


def _has(body: Mapping[str, object], names: Sequence[str]) -> bool:
    return any(name in body for name in names)


def _first_entry(given: object) -> tuple[Mapping[str, object], dict[str, str]]:
    around: dict[str, str] = {}
    if isinstance(given, Mapping) and "config_list" in given:
        whole = cast("Mapping[str, object]", given)  # its keys are text where it is a config
        around = {
            name: IGNORED.get(name, "it stands beside the list") for name in whole if name != "config_list"
        }
        given = whole["config_list"]
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        listed = cast("Sequence[object]", given)
        if not listed:
            raise ConfigError(
                "the config_list is empty", hint="it needs one entry with a model and its address"
            )
        if len(listed) > 1:
            around[f"config_list[1:{len(listed)}]"] = "the first entry counts"
        given = listed[0]
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"a config_list holds {type(given).__name__}",
            hint="each entry is a dict with a model's address",
        )
    return cast("Mapping[str, object]", given), around


def _without_effect(body: Mapping[str, object], known: Sequence[str]) -> dict[str, str]:
    """Give a reason for every key that is not read, and refuse one that is nearly the name of one that is."""
    ignored: dict[str, str] = {}
    for name in body:
        if name in IGNORED:
            ignored[name] = IGNORED[name]
        elif name.startswith("embedding_"):
            ignored[name] = "embeddings have an endpoint of their own: [embedding] in the config file"
        elif name not in known:
            near = get_close_matches(name, KNOWN, n=1, cutoff=0.85)
            if near and name not in KNOWN:
                raise ConfigError(
                    f"the key {name!r} is not known", hint=f"did you mean {near[0]!r}?", key=name
                )
            ignored[name] = "it is not known"
    return ignored


def _memgpt(body: Mapping[str, object], ignored: dict[str, str]) -> tuple[EndpointConfig, str | None]:
    named = _text(body, "model_endpoint_type")
    url = _text(body, "model_endpoint")
    if not named and not url and not _text(body, "openai_key") and not _text(body, "azure_key"):
        raise ConfigError(
            "the dict has neither model_endpoint_type nor model_endpoint",
            hint='write for example "model_endpoint_type": "webui", "model_endpoint": "http://localhost:5000"',
        )
    if not named and not url:
        named = "azure" if _text(body, "azure_key") else "openai"
    kind = _kind("model_endpoint_type", named, MEMGPT_KINDS) if named else ""
    key_names = {"azure": "azure_key", "groq": "groq_key"}
    key_name = key_names.get(named, "openai_key" if kind == "openai" else "openllm_key")
    for other in ("openai_key", "azure_key", "groq_key", "openllm_key"):
        if other in body and other != key_name:
            ignored[other] = f"a key goes to its own service only, and this is {named or 'another one'}"
    if named == "groq":
        url = f"{url.rstrip('/').removesuffix('/v1')}/v1" if url else GROQ_URL
    if kind == "azure":
        url = _text(body, "azure_endpoint") or url
    entry = EndpointConfig(
        kind,
        url,
        model=(kind == "azure" and _text(body, "azure_deployment")) or _text(body, "model"),
        wrapper=_text(body, "model_wrapper"),
        context_tokens=_tokens(body),
        api_version=_text(body, "azure_version"),
    )
    _check_auth(body)
    return entry, _text(body, key_name) or None


def _autogen(body: Mapping[str, object]) -> tuple[EndpointConfig, str | None]:
    named = _text(body, "api_type").lower()
    url = _text(body, "base_url") or _text(body, "api_base") or _text(body, "client_host")
    if not named and not url and not _text(body, "model"):
        raise ConfigError(
            "the dict names no endpoint",
            hint='write for example "base_url": "http://127.0.0.1:1234/v1"',
        )
    kind = _kind("api_type", named, AUTOGEN_KINDS)
    if named == "groq" and not url:
        url = GROQ_URL
    host = (urlsplit(url).hostname or "") if url else ""
    if not kind and host.endswith(AZURE_HOSTS):
        kind = "azure"
    elif not kind and (not url or host in HOST_KEYS):
        kind = "openai"
    entry = EndpointConfig(
        kind,
        url,
        model=(kind == "azure" and _text(body, "azure_deployment")) or _text(body, "model"),
        wrapper=_text(body, "model_wrapper"),
        context_tokens=_tokens(body),
        api_version=_text(body, "api_version"),
    )
    return entry, _text(body, "api_key") or None


def _kind(key: str, named: str, kinds: Mapping[str, str]) -> str:
    if named not in kinds:
        shown = ", ".join(name for name in kinds if name)
        raise ConfigError(
            f"{key} {named!r} is not spoken here",
            hint=f"it may be {shown}; a service with OpenAI's API is reached as openai with its base URL",
            key=key,
        )
    return kinds[named]


def _check_auth(body: Mapping[str, object]) -> None:
    if _text(body, "openllm_auth_type") not in ("", "bearer_token"):
        raise ConfigError(
            "openllm_auth_type is not 'bearer_token'", hint="keys are sent as bearer tokens; use that"
        )


def _text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    if value is None or (isinstance(value, str) and value.strip().lower() in NOT_SET):
        return ""
    if not isinstance(value, str):
        raise ConfigError(f"{name} holds {type(value).__name__}", hint="it is a text, or None", key=name)
    return value.strip()


def _tokens(body: Mapping[str, object]) -> int | None:
    value = body.get("context_window")
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(
            f"context_window is {value!r}", hint="give the window as a number of tokens", key="context_window"
        )
    return value
