"""Azure OpenAI: its two kinds of addresses, its ways to sign in, and its filters."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from bridle.endpoints.base import Request, Sampling
from bridle.endpoints.config import EndpointConfig
from bridle.endpoints.connect import connect
from bridle.endpoints.drivers.azure import AzureAddress, AzureEndpoint, azure_address
from bridle.endpoints.drivers.cloud import open_azure
from bridle.endpoints.transport.http import Http
from bridle.errors import (
    AuthError,
    ConfigError,
    ContentFiltered,
    ModelNotFound,
    RateLimited,
    RequestRefused,
)
from bridle.messages import Message
from servers.cloud_endpoints import HELLO, KEY, cloud, unheard
from servers.fake import json_response
from servers.fake_openai_cloud import FakeOpenAICloud

__all__ = ["cloud"]

R = "https://r.openai.azure.com"
VERSION = "2024-10-21"
CLASSIC = "/openai/deployments/dep/chat/completions"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AZURE_OPENAI", "OPENAI_")):
            monkeypatch.delenv(name)


def classic(cloud: FakeOpenAICloud, deployment: str = "dep", **settings: Any) -> AzureEndpoint:
    given: dict[str, Any] = {"api_key": KEY, "api_version": VERSION, **settings}
    return AzureEndpoint(deployment, base_url=cloud.url, **given)


def newer(cloud: FakeOpenAICloud, **settings: Any) -> AzureEndpoint:
    given: dict[str, Any] = {"api_key": KEY, **settings}
    return AzureEndpoint("dep", base_url=f"{cloud.url}/openai/v1/", **given)


def each(cloud: FakeOpenAICloud) -> Iterator[AzureEndpoint]:
    for made in (classic, newer):
        endpoint = made(cloud)
        yield endpoint
        endpoint.close()


@pytest.mark.parametrize(
    ("url", "version", "address"),
    [
        (R, "", AzureAddress(R)),
        (f"{R}/v1", "", AzureAddress(R)),
        (f"{R}/openai/", VERSION, AzureAddress(R, "", VERSION)),
        (f"{R}/openai/v1/", VERSION, AzureAddress(R)),
        ("https://gw.example/llm/openai/v1", "", AzureAddress("https://gw.example/llm")),
        (f"{R}/openai/deployments/d", "x", AzureAddress(R, "d", "x")),
        (f"{R}/openai/deployments/d", "", AzureAddress(R, "d", VERSION)),
    ],
)
def test_an_address_is_read_as_it_is_pasted(url: str, version: str, address: AzureAddress) -> None:
    assert azure_address(url, version) == address


@pytest.mark.parametrize("url", ["", "r.openai.azure.com", "https://me:pw@r.openai.azure.com"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="no address") as caught:
        azure_address(url)
    assert "pw" not in str(caught.value)


def test_the_older_api_names_the_deployment_and_the_version_in_its_address(cloud: FakeOpenAICloud) -> None:
    endpoint = classic(cloud)
    pieces: list[str] = []
    streamed = endpoint.complete(HELLO, pieces.append)
    assert streamed == endpoint.complete(HELLO)
    assert "".join(pieces) == streamed.text == cloud.text
    seen = cloud.seen[-1]
    assert seen.path == f"{CLASSIC}?api-version={VERSION}"
    assert seen.body["max_tokens"] == 200
    assert seen.headers["api-key"] == KEY
    assert "authorization" not in seen.headers
    assert endpoint.name == f"azure:dep@{cloud.url}/openai/deployments/dep"
    endpoint.close()


def test_the_newer_api_is_that_of_openai(cloud: FakeOpenAICloud) -> None:
    endpoint = newer(cloud)
    assert endpoint.complete(HELLO).text == cloud.text
    seen = cloud.seen[-1]
    assert seen.path == "/openai/v1/chat/completions"
    assert (seen.body["model"], seen.body["max_completion_tokens"]) == ("dep", 200)
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    endpoint.close()


def test_the_other_routes_stand_where_they_belong(cloud: FakeOpenAICloud) -> None:
    endpoint = classic(cloud)
    assert [one.name for one in endpoint.models()] == ["gpt-4.1", "o3"]
    assert cloud.seen[-1].path == f"/openai/models?api-version={VERSION}"
    assert len(endpoint.embed(["a"]).vectors) == 1
    assert cloud.seen[-1].path == f"/openai/deployments/dep/embeddings?api-version={VERSION}"
    endpoint.close()
    for responses in (classic(cloud, api="responses"), newer(cloud, api="responses")):
        assert responses.complete(HELLO).text == cloud.text
        assert cloud.seen[-1].path.partition("?")[0] in ("/openai/responses", "/openai/v1/responses")
        responses.close()


def test_a_token_function_is_asked_for_each_request(cloud: FakeOpenAICloud) -> None:
    for made in (classic, newer):
        given = iter(("entra-token-1", "entra-token-2"))
        endpoint = made(cloud, api_key=None, token=lambda given=given: next(given))
        for number in (1, 2):
            endpoint.complete(HELLO)
            headers = cloud.seen[-1].headers
            assert headers["authorization"] == f"Bearer entra-token-{number}"
            assert "api-key" not in headers
        assert "entra-token" not in repr(endpoint.http)
        endpoint.close()


def test_a_key_that_is_given_goes_before_a_token_of_the_environment(
    cloud: FakeOpenAICloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "token-of-the-environment")
    for endpoint in each(cloud):
        endpoint.complete(HELLO)
        assert "token-of-the-environment" not in str(cloud.seen[-1].headers)
    for made in (classic, newer):
        endpoint = made(cloud, api_key="")
        endpoint.complete(HELLO)
        assert cloud.seen[-1].headers["authorization"] == "Bearer token-of-the-environment"
        endpoint.close()


def test_the_environment_tells_address_key_and_version(
    cloud: FakeOpenAICloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", cloud.url)
    monkeypatch.setenv("AZURE_OPENAI_KEY", KEY)
    for variable in ("OPENAI_API_VERSION", "AZURE_OPENAI_VERSION", "AZURE_OPENAI_API_VERSION"):
        monkeypatch.setenv(variable, f"2024-{variable[-5:-3].lower()}")
        endpoint = AzureEndpoint("dep")
        endpoint.complete(HELLO)
        assert cloud.seen[-1].path == f"{CLASSIC}?api-version={os.environ[variable]}"
        assert cloud.seen[-1].headers["api-key"] == KEY
        endpoint.close()


def test_what_is_missing_is_said() -> None:
    with pytest.raises(ConfigError, match="none is named"):
        AzureEndpoint(base_url="https://r.openai.azure.com", api_key=KEY)
    with pytest.raises(ConfigError, match="needs a key") as caught:
        AzureEndpoint("d", base_url="https://r.openai.azure.com")
    assert "AZURE_OPENAI_API_KEY" in caught.value.hint


def test_a_spec_opens_it(cloud: FakeOpenAICloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    endpoint = connect(f"azure:dep@{cloud.url}")
    assert isinstance(endpoint, AzureEndpoint)
    assert endpoint.complete(HELLO).text == cloud.text
    assert cloud.seen[-1].path == "/openai/v1/chat/completions"
    endpoint.close()
    pasted = connect(f"azure@{cloud.url}{CLASSIC}?api-version=2024-06-01")
    assert pasted.complete(HELLO).text == cloud.text
    assert cloud.seen[-1].path == f"{CLASSIC}?api-version=2024-06-01"
    pasted.close()
    responses = connect(f"azure:dep@{cloud.url}/openai/v1/responses")
    assert responses.complete(HELLO).text == cloud.text
    assert cloud.seen[-1].path == "/openai/v1/responses"
    responses.close()
    entry = EndpointConfig("azure", url=cloud.url, model="dep", api_version=VERSION)
    opened = open_azure(cloud.url, Http(key=KEY, key_env="MY_KEY"), entry)
    assert isinstance(opened, AzureEndpoint)
    assert opened.http.key_env == "MY_KEY"
    assert opened.complete(HELLO).text == cloud.text
    assert cloud.seen[-1].path == f"{CLASSIC}?api-version={VERSION}"
    opened.close()


def test_a_prompt_that_a_filter_did_not_like_is_told_with_its_categories(cloud: FakeOpenAICloud) -> None:
    request = Request(messages=(Message("user", "forbidden"),))
    for endpoint in each(cloud):
        for on_text in (None, unheard):
            with pytest.raises(ContentFiltered) as caught:
                endpoint.complete(request, on_text)
            facts: dict[str, Any] = caught.value.facts
            assert facts["side"] == "prompt"
            assert set(facts["categories"]) == {"hate", "violence"}
            assert not caught.value.retryable


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_a_filter_took_is_told_with_its_categories(
    cloud: FakeOpenAICloud, stream: bool
) -> None:
    cloud.withholds = True
    for endpoint in each(cloud):
        with pytest.raises(ContentFiltered) as caught:
            endpoint.complete(HELLO, unheard if stream else None)
        assert (caught.value.facts["side"], caught.value.facts["categories"]) == ("answer", ("violence",))


@pytest.mark.parametrize(
    ("status", "error", "kind", "hint"),
    [
        (
            404,
            {"code": "DeploymentNotFound", "message": "No such deployment."},
            ModelNotFound,
            "",
        ),
        (404, {"code": "404", "message": "Resource not found"}, RequestRefused, "api-version"),
        (
            401,
            {"code": "401", "message": "Access denied."},
            AuthError,
            "AZURE_OPENAI_API_KEY",
        ),
        (429, {"code": "429", "message": "Requests have exceeded the rate limit."}, RateLimited, ""),
    ],
)
def test_refusals_are_typed(
    cloud: FakeOpenAICloud, status: int, error: dict[str, str], kind: type[Exception], hint: str
) -> None:
    headers = {"retry-after": "99", "apim-request-id": "a-b-c"}
    cloud.routes["*"] = lambda _: json_response({"error": error}, status, headers)
    for endpoint in each(cloud):
        with pytest.raises(kind) as caught:
            endpoint.complete(HELLO)
        assert type(caught.value) is kind
        assert isinstance(caught.value, RequestRefused)
        assert hint in caught.value.hint
        assert caught.value.facts["request_id"] == "a-b-c"


def test_a_deployment_of_a_reasoning_model_under_another_name_is_learned(cloud: FakeOpenAICloud) -> None:
    cloud.reasons = True
    endpoint = classic(cloud, "dep")
    sampling = Sampling(top_p=0.5)
    answer = endpoint.complete(Request(messages=HELLO.messages, max_tokens=50, sampling=sampling))
    assert answer.text == cloud.text
    assert set(answer.dropped) == {"temperature", "top_p"}
    assert cloud.asked["max_completion_tokens"] == 50
    assert "temperature" not in cloud.asked
    n_asked = len(cloud.seen)
    endpoint.complete(HELLO)
    assert len(cloud.seen) == n_asked + 1
    endpoint.close()
