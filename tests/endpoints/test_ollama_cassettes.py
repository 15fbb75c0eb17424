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
from bridle.endpoints.json_paths import text_at
from bridle.endpoints.transport.http import Http
from bridle.errors import EndpointError, InputError, StreamTruncated
from bridle.messages import Message, as_messages, as_tools
from bridle.wrappers import Segment
from servers.exchanges import Exchange, read_exchanges
from servers.fake_ollama import FakeOllama
from servers.fake_ollama_models import FakeModel

FOLDER = Path(__file__).parent.parent / "data" / "cassettes" / "ollama"
FILES = sorted([*FOLDER.glob("*.json"), *FOLDER.glob("*.yaml"), *FOLDER.glob("*.yml")])
EXCHANGES = [one for path in FILES for one in read_exchanges(path)]
NATIVE = [one for one in EXCHANGES if one.path in ("/api/chat", "/api/generate") and one.status == 200]
ENDS = ("stop", "length")
COMPLETE = [
    one
    for one in NATIVE
    if (last := one.documents[-1]).get("done") and last.get("done_reason", "stop") in ENDS
]
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
    if is_only_loading(exchange):
        pytest.skip("a request without a prompt, which only loads the model, is not made here")
    server.routes[f"{exchange.method} {exchange.path}"] = lambda _: exchange.response
    opened = native if exchange.path.startswith("/api/") else compatible
    endpoint = opened(server, exchange)
    try:
        if exchange.status >= 400:
            check_refusal(endpoint, exchange)
        elif why := broken_off(exchange):
            check_broken(endpoint, exchange, why)
        else:
            CHECKS[exchange.path](endpoint, server, exchange)
    finally:
        endpoint.close()


def is_only_loading(exchange: Exchange) -> bool:
    ends = (text_at(one, "done_reason") for one in exchange.documents)
    return any(end in ("load", "unload") for end in ends)


def asked(exchange: Exchange) -> Request:
    """What was asked, in our words."""
    body = exchange.asked
    limit = body.get("max_tokens") or 100
    if "messages" not in body:
        return Request(prompt=(Segment(str(body.get("prompt") or "x")),), max_tokens=limit)
    tools = tuple(as_tools(body.get("tools") or []))
    try:
        messages = tuple(as_messages(body["messages"]))
    except InputError:  # there was a picture in it
        messages = ()
    return Request(messages=messages or (Message("user", "x"),), tools=tools, max_tokens=limit)


def broken_off(exchange: Exchange) -> type[EndpointError] | None:
    """The error that an answer of status 200 is: it failed in the middle or has no end. None for others."""
    if exchange.path not in ASKED:
        return None
    if any(one.get("error") for one in exchange.documents):
        return EndpointError
    is_over = any(is_last(one) for one in exchange.documents)
    return None if is_over or exchange.body.rstrip().endswith(b"[DONE]") else StreamTruncated


def is_last(document: dict[str, Any]) -> bool:
    choices: list[dict[str, Any]] = document.get("choices") or []
    return bool(document.get("done") or any(choice.get("finish_reason") for choice in choices))


def check_broken(endpoint: HttpEndpoint, exchange: Exchange, kind: type[EndpointError]) -> None:
    """What had come is kept in the error, and so are the server's own words."""
    pieces: list[str] = []
    with pytest.raises(kind) as caught:
        endpoint.complete(asked(exchange), pieces.append)
    assert caught.value.facts["partial"] == "".join(pieces)
    for one in exchange.documents:
        said = one.get("error") or ""
        assert (said if isinstance(said, str) else said.get("message", "")) in caught.value.message


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
    assert answer.usage.completion_tokens == last.get("eval_count", 0)
    assert answer.dropped == ()
    if exchange.path == "/api/chat" and exchange.asked["messages"]:
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


ASKED = ("/api/chat", "/api/generate", "/v1/chat/completions", "/v1/completions")
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
    spoken = {one.path for one in EXCHANGES} & set(ASKED)
    assert any(path.startswith("/api/") for path in spoken)
    assert any(path.startswith("/v1/") for path in spoken)


LEFT_OUT = ("context", "tool_calls", "thinking", "done_reason", "prompt_eval_count")
"""Members that depend on what was said, or that came with a later version."""


def shape(value: dict[str, Any]) -> dict[str, Any]:
    """The names and types of a document's members."""
    return {
        name: shape(cast("dict[str, Any]", one)) if isinstance(one, dict) else type(one).__name__
        for name, one in value.items()
        if name not in LEFT_OUT
    }


@pytest.mark.parametrize("exchange", COMPLETE, ids=name_of)
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
    alike = [
        one.documents for one in COMPLETE if (one.path, one.is_stream) == (exchange.path, exchange.is_stream)
    ]
    last = shape(ours[-1])  # older servers told less
    assert any(all(last.get(k) == v for k, v in shape(documents[-1]).items()) for documents in alike)
    theirs = {json.dumps(shape(one)) for documents in alike for one in documents[:-1]}
    assert {json.dumps(shape(one)) for one in ours[:-1]} <= theirs
