"""The dicts of MemGPT's and AutoGen's own documents open endpoints as they are, and nothing of them leaks."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from bridle.endpoints import respond
from bridle.endpoints.config import EndpointConfig
from bridle.endpoints.connect import connect
from bridle.endpoints.environment import VARIABLES
from bridle.endpoints.memgpt_config import MEMGPT_KINDS, read_config_dict
from bridle.errors import ConfigError, FormatError
from servers.fake import ModelServer, model_server

DEFAULT_PRESET = "memgpt_chat"
SECRET = "sk-secret-0123456789"

# As they stand in MemGPT's documentation of AutoGen (2024), with os.getenv(…) as None or as a value.
AUTOGEN_WEBUI: list[dict[str, Any]] = [
    {
        "model": "NULL",
        "base_url": "http://127.0.0.1:5001/v1",
        "api_key": "NULL",
    },
]
MEMGPT_WEBUI: list[dict[str, Any]] = [
    {
        "preset": DEFAULT_PRESET,
        "model": None,
        "model_wrapper": "airoboros-l2-70b-2.1",
        "model_endpoint_type": "webui",
        "model_endpoint": "http://localhost:5000",
        "context_window": 8192,
    },
]
AUTOGEN_LMSTUDIO: list[dict[str, Any]] = [
    {
        "model": "NULL",
        "base_url": "http://127.0.0.1:1234/v1",
        "api_key": "NULL",
    },
]
MEMGPT_LMSTUDIO: list[dict[str, Any]] = [
    {
        "preset": DEFAULT_PRESET,
        "model": None,
        "model_wrapper": "airoboros-l2-70b-2.1",
        "model_endpoint_type": "lmstudio",
        "model_endpoint": "http://localhost:1234",
        "context_window": 8192,
    },
]
AUTOGEN_OPENAI: list[dict[str, Any]] = [{"model": "gpt-4", "api_key": SECRET}]
MEMGPT_OPENAI: list[dict[str, Any]] = [
    {
        "preset": DEFAULT_PRESET,
        "model": "gpt-4",
        "context_window": 8192,
        "model_wrapper": None,
        "model_endpoint_type": "openai",
        "model_endpoint": "https://api.openai.com/v1",
        "openai_key": SECRET,
    },
]
MEMGPT_OPENAI_FIRST: dict[str, Any] = {
    "config_list": [
        {
            "model": "gpt-4",
            "context_window": 8192,
            "preset": "memgpt_chat",
            "model_endpoint_type": "openai",
            "openai_key": SECRET,
        },
    ],
    "seed": 42,
}
AUTOGEN_AZURE: list[dict[str, Any]] = [
    {
        "model": "gpt-4",
        "api_type": "azure",
        "api_key": SECRET,
        "api_version": "2024-10-21",
        "base_url": "https://res.openai.azure.com/",
    }
]
MEMGPT_AZURE: list[dict[str, Any]] = [
    {
        "preset": DEFAULT_PRESET,
        "model": "gpt-4",
        "model_wrapper": None,
        "context_window": 8192,
        "model_endpoint_type": "azure",
        "azure_key": SECRET,
        "azure_endpoint": "https://res.openai.azure.com/",
        "azure_version": "2024-10-21",
        "embedding_embedding_endpoint_type": "azure",
    },
]
AIROBOROS = "airoboros-l2-70b-2.1"
AZURE = EndpointConfig("azure", "https://res.openai.azure.com/", model="gpt-4", api_version="2024-10-21")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def webui() -> Iterator[ModelServer]:
    with model_server("webui") as one:
        yield one


@pytest.mark.parametrize(
    ("given", "entry", "key"),
    [
        (AUTOGEN_WEBUI, EndpointConfig("", "http://127.0.0.1:5001/v1"), None),
        (
            MEMGPT_WEBUI,
            EndpointConfig("webui", "http://localhost:5000", wrapper=AIROBOROS, context_tokens=8192),
            None,
        ),
        (AUTOGEN_LMSTUDIO, EndpointConfig("", "http://127.0.0.1:1234/v1"), None),
        (
            MEMGPT_LMSTUDIO,
            EndpointConfig("lmstudio", "http://localhost:1234", wrapper=AIROBOROS, context_tokens=8192),
            None,
        ),
        (AUTOGEN_OPENAI, EndpointConfig("openai", model="gpt-4"), SECRET),
        (
            MEMGPT_OPENAI,
            EndpointConfig("openai", "https://api.openai.com/v1", model="gpt-4", context_tokens=8192),
            SECRET,
        ),
        (MEMGPT_OPENAI_FIRST, EndpointConfig("openai", model="gpt-4", context_tokens=8192), SECRET),
        (AUTOGEN_AZURE, AZURE, SECRET),
        (
            MEMGPT_AZURE,
            EndpointConfig(
                "azure",
                "https://res.openai.azure.com/",
                model="gpt-4",
                context_tokens=8192,
                api_version="2024-10-21",
            ),
            SECRET,
        ),
    ],
)
def test_the_documents_own_dicts_are_read(given: Any, entry: EndpointConfig, key: str | None) -> None:
    before = copy.deepcopy(given)
    found = read_config_dict(given)
    assert (found.entry, found.api_key) == (entry, key)
    assert given == before
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    ("body", "entry"),
    [
        ({"model_endpoint_type": "llamacpp"}, EndpointConfig("llama-server")),
        ({"model_endpoint_type": "lmstudio-legacy"}, EndpointConfig("lmstudio")),
        ({"model_endpoint_type": "webui-legacy"}, EndpointConfig("webui-legacy")),
        ({"model_endpoint_type": "ollama", "model": "m:7b"}, EndpointConfig("ollama", model="m:7b")),
        ({"model_endpoint": "http://h:1/"}, EndpointConfig("", "http://h:1/")),
        (
            {"model_endpoint_type": "groq", "model_endpoint": "https://api.groq.com/openai", "model": "m"},
            EndpointConfig("openai", "https://api.groq.com/openai/v1", model="m"),
        ),
        (
            {"model_endpoint_type": "groq", "model": "m"},
            EndpointConfig("openai", "https://api.groq.com/openai/v1", model="m"),
        ),
        (
            {"model_endpoint_type": "azure", "model": "gpt-4", "azure_deployment": "mine"},
            EndpointConfig("azure", model="mine"),
        ),
        ({"azure_key": "k", "model": "m"}, EndpointConfig("azure", model="m")),
        (
            {"model_endpoint_type": "vllm", "context_window": "4096"},
            EndpointConfig("vllm", context_tokens=4096),
        ),
        ({"api_base": "http://h/v1", "model": "m"}, EndpointConfig("", "http://h/v1", model="m")),
        (
            {"base_url": "https://openrouter.ai/api/v1", "model": "a/b", "price": [0, 0]},
            EndpointConfig("openai", "https://openrouter.ai/api/v1", model="a/b"),
        ),
        (
            {"base_url": "https://x.openai.azure.com/openai/v1/", "model": "d"},
            EndpointConfig("azure", "https://x.openai.azure.com/openai/v1/", model="d"),
        ),
        (
            {"api_type": "ollama", "client_host": "http://h:11434", "model": "m"},
            EndpointConfig("ollama", "http://h:11434", model="m"),
        ),
        (
            {"api_type": "groq", "model": "m"},
            EndpointConfig("openai", "https://api.groq.com/openai/v1", model="m"),
        ),
        (
            {"base_url": "http://h/v1", "context_window": 2048, "model_wrapper": "chatml"},
            EndpointConfig("", "http://h/v1", wrapper="chatml", context_tokens=2048),
        ),
    ],
)
def test_what_other_keys_mean(body: dict[str, Any], entry: EndpointConfig) -> None:
    assert read_config_dict(body).entry == entry
    assert read_config_dict({"config_list": [body], "cache_seed": 1}).entry == entry


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"model_endpoint_type": "anthropic"}, "'anthropic' is not spoken here"),
        ({"api_type": "bedrock", "model": "m"}, "'bedrock' is not spoken here"),
        ({"preset": "memgpt_chat"}, "neither model_endpoint_type nor model_endpoint"),
        ({}, "names no endpoint"),
        ({"config_list": []}, "is empty"),
        ({"config_list": [5]}, "holds int"),
        ({"model_endpont_type": "webui", "model_endpoint": "http://h"}, "did you mean 'model_endpoint_type'"),
        ({"model_endpoint_type": "webui", "model": 5}, "model holds int"),
        ({"model_endpoint_type": "webui", "context_window": 0}, "context_window is 0"),
        ({"model_endpoint_type": "vllm", "openllm_auth_type": "api_key"}, "bearer"),
    ],
)
def test_a_dict_that_means_nothing_is_refused_by_its_key(given: Any, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config_dict(given)
    assert says in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    "given",
    [
        {"model_endpoint_type": "openai", "openai_key": [SECRET]},
        {"model_endpoint_type": "nothing", "openai_key": SECRET},
        {"model_endpoint_type": "webui", "openai_keys": SECRET},
        {"base_url": "http://h", "api_key": SECRET, "context_window": SECRET + "\n"} | {"context_window": 0},
        {"api_type": "x", "api_key": SECRET},
    ],
)
def test_no_error_shows_a_key(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config_dict(given)
    assert SECRET not in f"{caught.value!r} {caught.value} {caught.value.facts}"


def test_what_has_no_effect_is_told_with_the_reason(
    caplog: pytest.LogCaptureFixture, webui: ModelServer
) -> None:
    body = MEMGPT_WEBUI[0] | {
        "model_endpoint": webui.url,
        "openai_key": SECRET,
        "embedding_model": "e",
        "odd": SECRET,
    }
    ignored = read_config_dict([body, body]).ignored
    assert set(ignored) == {"preset", "openai_key", "embedding_model", "odd", "config_list[1:2]"}
    assert all(ignored.values())
    with caplog.at_level(logging.INFO):
        connect(body).close()
    assert "preset has no effect: an agent's prompt is chosen" in caplog.text
    assert SECRET not in caplog.text
    assert all("authorization" not in seen.headers for seen in webui.seen)


def test_the_wrapper_of_a_dict_writes_the_prompt(webui: ModelServer) -> None:
    endpoint = connect(MEMGPT_WEBUI[0] | {"model_endpoint": webui.url})
    completion = respond(endpoint, [{"role": "user", "content": "Hello"}], max_tokens=50)
    assert completion.wrapper.startswith("airoboros")
    assert completion.wrapper_reason == "named in the endpoint's configuration"
    assert "USER: Hello" in webui.asked["prompt"]
    assert endpoint.context_tokens == 8192
    assert respond(endpoint, [{"role": "user", "content": "x"}], wrapper="chatml").wrapper == "chatml"
    endpoint.close()


def test_endpoints_of_one_dict_share_nothing(webui: ModelServer) -> None:
    body = MEMGPT_WEBUI[0] | {"model_endpoint": webui.url}
    before = copy.deepcopy(body)
    one, other = connect(body), connect(body, context_tokens=77)
    first, second = vars(one), vars(other)
    shared = [
        name
        for name, value in first.items()
        if isinstance(value, dict | list | set) and value is second.get(name)
    ]
    assert shared == []
    assert (one.context_tokens, other.context_tokens) == (8192, 77)
    respond(one, [{"role": "user", "content": "a"}], max_tokens=9, constraint="off")
    respond(other, [{"role": "user", "content": "b"}], max_tokens=9, wrapper="chatml")
    assert body == before
    assert connect({"config_list": [body]}).context_tokens == 8192
    one.close()
    other.close()


@pytest.mark.parametrize(("named", "kind"), MEMGPT_KINDS.items())
def test_each_type_of_memgpt_opens_its_kind(named: str, kind: str) -> None:
    body = {"model_endpoint_type": named, "model": "m", "model_endpoint": "http://127.0.0.1:9"}
    keys = {"azure": {"azure_key": SECRET, "azure_version": "2024-10-21"}}
    endpoint = connect(body | keys.get(named, {}), offline=True)
    assert endpoint.name.startswith(f"{kind}:m@http://127.0.0.1:9")
    assert SECRET not in repr(vars(endpoint))
    endpoint.close()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("model_endpoint_typ", "model_endpoint_type"),
        ("modelendpoint", "model_endpoint"),
        ("base_ulr", "base_url"),
    ],
)
def test_a_misspelt_key_that_stands_alone_is_named(name: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=name) as caught:
        connect({name: "webui"})
    assert caught.value.hint == f"did you mean {meant!r}?"


def test_a_wrapper_that_does_not_exist_is_refused_at_once() -> None:
    with pytest.raises(FormatError, match="no wrapper 'nosuch'"):
        connect(
            {
                "model_wrapper": "nosuch",
                "model_endpoint_type": "webui",
                "model_endpoint": "http://127.0.0.1:9",
            }
        )
