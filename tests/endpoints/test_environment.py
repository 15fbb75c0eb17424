"""Addresses and keys of the environment: each name is honoured, and a key goes to no host but its own."""

from __future__ import annotations

import pytest

from bridle.endpoints.connect import connect
from bridle.endpoints.environment import VARIABLES, addresses, key_for, usual_url, value
from bridle.errors import ConfigError
from servers.fake import Server, json_response, server

__all__ = ["server"]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:11434"),
        ("localhost:1", "http://localhost:1"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:11500", "http://127.0.0.1:11500"),
        (":11500", "http://127.0.0.1:11500"),
        ("[::]:11500", "http://127.0.0.1:11500"),
        ("[::1]", "http://[::1]:11434"),
        ("::1", "http://[::1]:11434"),
        ("h:99999", "http://h:11434"),
        ("http://h", "http://h:80"),
        ("https://h/ollama/", "https://h:443/ollama"),
        ("http://0.0.0.0:5", "http://127.0.0.1:5"),
        (" 'h:1' ", "http://h:1"),
        ("ollama.com", "https://ollama.com:443"),
        ("example.org:77", "http://example.org:77"),
        ("", "http://127.0.0.1:11434"),
        ("  ", "http://127.0.0.1:11434"),
    ],
)
def test_ollama_host_is_read_as_ollama_does(text: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", text)
    assert usual_url("ollama") == url


def test_the_first_variable_that_is_set_names_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    assert usual_url("openai") == "https://api.openai.com/v1"
    assert usual_url("azure") == ""
    assert addresses() == ()
    monkeypatch.setenv("OPENAI_API_BASE", "http://h:2/v1")
    assert usual_url("openai") == "http://h:2/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://h:1/v1")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://r.openai.azure.com")
    monkeypatch.setenv("LMSTUDIO_BASE_URL", "studio:1234")
    monkeypatch.setenv("AZURE_OPENAI_VERSION", "old")
    assert value("azure_version") == "old"
    monkeypatch.setenv("AZURE_OPENAI_API_VERSION", "new")
    assert value("azure_version") == "new"
    assert [(one.kind, one.url, one.variable) for one in addresses()] == [
        ("openai", "http://h:1/v1", "OPENAI_BASE_URL"),
        ("azure", "https://r.openai.azure.com", "AZURE_OPENAI_ENDPOINT"),
        ("lmstudio", "http://studio:1234", "LMSTUDIO_BASE_URL"),
    ]


@pytest.fixture
def all_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, is_secret in VARIABLES.items():
        if is_secret and name != "AZURE_OPENAI_KEY":
            monkeypatch.setenv(name, f"of {name}")


@pytest.mark.usefixtures("all_keys")
@pytest.mark.parametrize(
    ("url", "kind", "variable"),
    [
        ("https://api.openai.com/v1", "openai", "OPENAI_API_KEY"),
        ("https://api.openai.com.evil.org/v1", "openai", "BRIDLE_API_KEY"),
        ("https://evil.org/api.openai.com", "openai", "BRIDLE_API_KEY"),
        ("https://r.openai.azure.com", "azure", "AZURE_OPENAI_API_KEY"),
        ("https://r.cognitiveservices.azure.com", "azure", "AZURE_OPENAI_API_KEY"),
        ("https://evilopenai.azure.com.org", "azure", "BRIDLE_API_KEY"),
        ("https://openai.azure.com.evil.org", "azure", "BRIDLE_API_KEY"),
        ("https://api.groq.com/openai/v1", "openai", "GROQ_API_KEY"),
        ("https://openrouter.ai/api/v1", "openai", "OPENROUTER_API_KEY"),
        ("https://ollama.com", "ollama", "OLLAMA_API_KEY"),
        ("http://127.0.0.1:1234", "lmstudio", "LM_API_TOKEN"),
        ("http://10.0.0.7:1234", "lmstudio", "LM_API_TOKEN"),
        ("http://127.0.0.1:1234", "", "BRIDLE_API_KEY"),
        ("http://127.0.0.1:8000", "vllm", "VLLM_API_KEY"),
        ("http://127.0.0.1:8000", "openai", "BRIDLE_API_KEY"),
        ("http://127.0.0.1:11434", "ollama", "BRIDLE_API_KEY"),
    ],
)
def test_a_key_goes_to_its_own_host(url: str, kind: str, variable: str) -> None:
    key = key_for(url, kind)
    assert (key.text, key.variable) == (f"of {variable}", variable)
    assert "of " not in repr(key)


@pytest.mark.usefixtures("all_keys")
def test_a_key_goes_to_the_address_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    assert key_for("http://127.0.0.1:8000/v1").variable == "OPENAI_API_KEY"
    assert key_for("http://127.0.0.1:8001/v1").variable == "BRIDLE_API_KEY"
    assert key_for("https://127.0.0.1:8000/v1").variable == "BRIDLE_API_KEY"


def test_a_service_without_its_key_gets_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDLE_API_KEY", "mine")
    assert key_for("https://api.groq.com/openai/v1").text == ""
    assert key_for("https://r.openai.azure.com").variable == "AZURE_OPENAI_API_KEY"
    with pytest.raises(ConfigError, match="needs a key"):
        connect("openai:gpt-x")


def test_a_spec_without_an_address_goes_where_the_environment_says(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.routes["GET /v1/models"] = lambda _: json_response({"data": [{"id": "m"}]})
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    endpoint = connect("openai:m")
    assert endpoint.name == f"openai:m@{server.url}/v1"
    endpoint.close()
    assert server.seen[-1].headers["authorization"] == "Bearer k"


def test_azure_without_an_address_says_what_to_set() -> None:
    with pytest.raises(ConfigError) as caught:
        connect("azure:deployment")
    assert "AZURE_OPENAI_ENDPOINT" in caught.value.hint
