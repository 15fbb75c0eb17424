"""Every recorded exchange with Ollama, sent again by a real server and read by the driver of its route.

Which driver that is, is seen by the route of the exchange; a new file in the folder is read like the others.
The fake of Ollama is held to the same recordings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import pytest

from bridle.endpoints.base import Answer, Request
from bridle.endpoints.drivers.ollama import Ollama, OllamaEndpoint
from bridle.endpoints.drivers.ollama_models import read_shown
from bridle.endpoints.drivers.openai_compat import OpenAICompat
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.transport.http import Http
from bridle.errors import EndpointError, InputError
from bridle.messages import Message, as_messages, as_tools
from bridle.wrappers import Segment
from servers.exchanges import Exchange, read_exchanges
from servers.fake_ollama import FakeOllama
from servers.fake_ollama_models import FakeModel

FOLDER = Path(__file__).parent.parent / "data" / "cassettes" / "ollama"
FILES = sorted([*FOLDER.glob("*.json"), *FOLDER.glob("*.yaml"), *FOLDER.glob("*.yml")])
EXCHANGES = [one for path in FILES for one in read_exchanges(path)]
NATIVE = [one for one in EXCHANGES if one.path in ("/api/chat", "/api/generate") and one.status == 200]
NOT_SPOKEN = {
    "/api/embeddings": "this route came before /api/embed (2024-07), which is spoken in its place",
    "/v1/messages": "this is Anthropic's API, which Ollama also speaks",
    "/v1/responses": "Ollama's native API is spoken in its place",
}


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    one = FakeOllama("0.3.14")  # it counts only new tokens, so that another prompt may go with the answer
    yield one
    one.close()


def name_of(exchange: Exchange) -> str:
    return exchange.name


def native(server: FakeOllama, exchange: Exchange) -> HttpEndpoint:
    name = exchange.asked.get("model", "m")
    server.models = {name if ":" in name else f"{name}:latest": FakeModel(capabilities=None)}
    return OllamaEndpoint(Ollama(server.url), Http(retries=0), model=name)


def compatible(server: FakeOllama, exchange: Exchange) -> HttpEndpoint:
    driver = OpenAICompat(f"{server.url}/v1")
    return HttpEndpoint(driver, Http(retries=0), model=exchange.asked.get("model", ""))


@pytest.mark.parametrize("exchange", EXCHANGES, ids=name_of)
def test_a_recorded_exchange_is_read_as_it_was(server: FakeOllama, exchange: Exchange) -> None:
    if exchange.path in NOT_SPOKEN:
        pytest.skip(f"{exchange.path}: {NOT_SPOKEN[exchange.path]}")
    if exchange.path not in CHECKS:
        pytest.skip(f"{exchange.path} is no route that is spoken here")
    server.routes[f"{exchange.method} {exchange.path}"] = lambda _: exchange.response
    opened = native if exchange.path.startswith("/api/") else compatible
    endpoint = opened(server, exchange)
    try:
        if exchange.status >= 400:
            check_refusal(endpoint, exchange)
        else:
            CHECKS[exchange.path](endpoint, server, exchange)
    finally:
        endpoint.close()


def asked(exchange: Exchange) -> Request:
    """What was asked, in our words."""
    body = exchange.asked
    limit = body.get("max_tokens") or 100
    if "messages" not in body:
        return Request(prompt=(Segment(str(body.get("prompt") or "x")),), max_tokens=limit)
    tools = tuple(as_tools(body.get("tools") or []))
    try:
        messages = as_messages(body["messages"])
    except InputError:  # there was a picture in it
        messages = (Message("user", "x"),)
    return Request(messages=messages, tools=tools, max_tokens=limit)


def essence(messages: list[dict[str, Any]]) -> list[Any]:
    """Who said and called what; pictures and ids are left out."""
    return [(one["role"], one.get("content", ""), calls_of([one])) for one in messages]


def answered(endpoint: HttpEndpoint, exchange: Exchange) -> Answer:
    pieces: list[str] = []
    answer = endpoint.complete(asked(exchange), pieces.append if exchange.is_stream else None)
    assert answer.text == "".join(pieces) or not exchange.is_stream
    return answer


def check_refusal(endpoint: HttpEndpoint, exchange: Exchange) -> None:
    with pytest.raises(EndpointError) as caught:
        endpoint.complete(asked(exchange))
    assert caught.value.facts["status"] == exchange.status


def calls_of(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [call["function"] for part in parts for call in part.get("tool_calls") or list[Any]()]


def check_native(endpoint: HttpEndpoint, server: FakeOllama, exchange: Exchange) -> None:
    answer = answered(endpoint, exchange)
    parts = [one.get("message") or {"content": one.get("response")} for one in exchange.documents]
    last = exchange.documents[-1]
    calls = calls_of(parts)
    assert answer.text == "".join(part.get("content") or "" for part in parts)
    assert answer.thoughts == "".join(part.get("thinking") or "" for part in parts)
    assert [(one.name, json.loads(one.arguments)) for one in answer.calls] == [
        (call["name"], call["arguments"]) for call in calls
    ]
    assert answer.finish_reason == last.get("done_reason", "stop")
    assert answer.finish == ("length" if answer.finish_reason == "length" else "stop")
    assert answer.usage.prompt_tokens == last.get("prompt_eval_count", 0)
    assert answer.usage.completion_tokens == last["eval_count"]
    assert answer.dropped == ()
    if exchange.path == "/api/chat":
        assert essence(server.body["messages"]) == essence(exchange.asked["messages"])


def check_compatible(endpoint: HttpEndpoint, server: FakeOllama, exchange: Exchange) -> None:
    answer = answered(endpoint, exchange)
    choices = [one["choices"][0] for one in exchange.documents if one["choices"]]
    parts = [one.get("message") or one.get("delta") or {"content": one.get("text")} for one in choices]
    calls = calls_of(parts)
    assert answer.text == "".join(part.get("content") or "" for part in parts)
    assert answer.thoughts == "".join(part.get("reasoning") or "" for part in parts)
    assert [one.name for one in answer.calls] == [call["name"] for call in calls if call["name"]]
    assert "".join(one.arguments for one in answer.calls) == "".join(c["arguments"] or "" for c in calls)
    assert answer.finish_reason == [one["finish_reason"] for one in choices if one["finish_reason"]][-1]
    usages = [one["usage"] for one in exchange.documents if one.get("usage")]
    counted = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    assert counted == ((usages[-1]["prompt_tokens"], usages[-1]["completion_tokens"]) if usages else (0, 0))


def check_models(endpoint: HttpEndpoint, _: FakeOllama, exchange: Exchange) -> None:
    listed = [one["id"] for one in exchange.documents[0]["data"]]
    assert [info.name for info in endpoint.models()] == listed
    endpoint.discover()
    assert endpoint.model == listed[0]


def check_tags(endpoint: HttpEndpoint, _: FakeOllama, exchange: Exchange) -> None:
    listed = [one["name"] for one in exchange.documents[0]["models"]]
    assert [info.name for info in endpoint.models()] == listed


def check_show(endpoint: HttpEndpoint, _: FakeOllama, exchange: Exchange) -> None:
    body = exchange.documents[0]
    endpoint.discover()
    shown = read_shown(body, endpoint.model)
    assert endpoint.metadata == shown.metadata
    assert shown.trained_tokens is None or str(shown.trained_tokens) in json.dumps(body)


def check_version(endpoint: HttpEndpoint, _: FakeOllama, exchange: Exchange) -> None:
    endpoint.discover()
    assert exchange.documents[0]["version"].lstrip("v").startswith(endpoint.found.version)


def check_embeddings(endpoint: HttpEndpoint, _: FakeOllama, exchange: Exchange) -> None:
    given = exchange.asked["input"]
    found = endpoint.embed([given] if isinstance(given, str) else given)
    body = exchange.documents[0]
    vectors = body.get("embeddings") or [one["embedding"] for one in body["data"]]
    assert [list(vector) for vector in found.vectors] == vectors


Check = Callable[[HttpEndpoint, FakeOllama, Exchange], None]
CHECKS: Mapping[str, Check] = {
    "/api/chat": check_native,
    "/api/generate": check_native,
    "/api/embed": check_embeddings,
    "/api/tags": check_tags,
    "/api/show": check_show,
    "/api/version": check_version,
    "/v1/chat/completions": check_compatible,
    "/v1/completions": check_compatible,
    "/v1/embeddings": check_embeddings,
    "/v1/models": check_models,
}


def test_the_folder_has_exchanges_of_the_own_api_and_of_the_other() -> None:
    spoken = {one.path for one in EXCHANGES} & set(CHECKS)
    assert {"/api/chat", "/api/generate", "/v1/chat/completions", "/v1/models"} <= spoken
    assert {path for path in FILES if read_exchanges(path)} == set(FILES)


LEFT_OUT = ("context", "tool_calls", "thinking", "done_reason", "prompt_eval_count")
"""Members that depend on what was said, or that came with a later version."""


def shape(value: dict[str, Any]) -> dict[str, Any]:
    """The names and types of a document's members."""
    return {
        name: shape(cast("dict[str, Any]", one)) if isinstance(one, dict) else type(one).__name__
        for name, one in value.items()
        if name not in LEFT_OUT
    }


@pytest.mark.parametrize("exchange", NATIVE, ids=name_of)
def test_the_fake_answers_in_the_shape_of_the_recording(exchange: Exchange) -> None:
    server = FakeOllama(text="A joke about telemetry: it never stops.")
    native(server, exchange).close()
    try:
        sent = json.dumps(exchange.asked).encode()
        request = HttpRequest(f"{server.url}{exchange.path}", sent, {"Content-Type": "application/json"})
        with urlopen(request, timeout=10) as response:
            assert response.status == exchange.status
            assert response.headers["Content-Type"] == exchange.content_type
            raw = response.read()
    finally:
        server.close()
    ours = Exchange("", "POST", exchange.path, {}, 200, exchange.content_type, raw).documents
    theirs = exchange.documents
    assert shape(ours[-1]) == shape(theirs[-1])
    assert {json.dumps(shape(one)) for one in ours[:-1]} == {json.dumps(shape(one)) for one in theirs[:-1]}
