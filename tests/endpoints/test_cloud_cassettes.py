"""All recorded exchanges with OpenAI and Azure, answered by a server on this machine and read as they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bridle.endpoints.base import Request
from bridle.endpoints.drivers.azure import AzureEndpoint
from bridle.endpoints.drivers.cloud import OpenAIEndpoint
from bridle.endpoints.drivers.cloud_endpoint import Api, CloudEndpoint
from bridle.errors import (
    AuthError,
    BadResponse,
    BridleError,
    ContentFiltered,
    ContextOverflow,
    EndpointError,
    ModelNotFound,
    RateLimited,
    RequestRefused,
    UnsupportedParameter,
)
from bridle.messages import Message, ToolSpec, message_from_dict, tool_from_dict
from servers.cloud_cassettes import Recorded, data_of, files, read
from servers.fake import Server, server

__all__ = ["server"]

ROUTES = ("chat/completions", "responses", "embeddings", "models")
HELLO = Message("user", "Hello")
RUNNING = ("queued", "in_progress")
BY_CODE: Mapping[tuple[str, ...], type[EndpointError]] = {
    ("content_filter", "ResponsibleAIPolicyViolation"): ContentFiltered,
    ("model_not_found", "DeploymentNotFound"): ModelNotFound,
    ("context_length_exceeded",): ContextOverflow,
    ("unsupported_parameter", "unsupported_value", "unknown_parameter"): UnsupportedParameter,
    ("insufficient_quota", "rate_limit_exceeded"): RateLimited,
    ("invalid_api_key",): AuthError,
}


@dataclass
class Told:
    """What a recording says, read as simply as possible."""

    text: str = ""
    finish: str = ""
    usage: tuple[int, int, int] = (0, 0, 0)
    calls: list[list[str]] = field(default_factory=list[list[str]])


@pytest.mark.parametrize("path", files("openai", "azure"), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_each_recording_is_read_as_it_was(path: Path, server: Server) -> None:
    recorded = read(path)
    known = [one for one in recorded if one.route in ROUTES and one.method in ("POST", "GET")]
    if not known:
        routes = sorted({f"{one.method} {one.path}" for one in recorded})
        pytest.skip(f"no route that is spoken here: {', '.join(routes)}")
    for one in known:
        _replay(one, server)


def _replay(one: Recorded, server: Server) -> None:
    server.routes["*"] = lambda _: one.response
    endpoint = _endpoint(one, server)
    try:
        if one.status >= 400 or _error(one):
            _check_error(one, endpoint)
        elif one.route == "models":
            names = [model["id"] for model in _whole(one)["data"]]
            assert [model.name for model in endpoint.models()] == names
        elif one.route == "embeddings":
            _check_embeddings(one, endpoint)
        else:
            _check_answer(one, endpoint)
    finally:
        endpoint.close()


def _endpoint(one: Recorded, server: Server) -> CloudEndpoint:
    model: str = one.asked.get("model") or "m"
    api: Api = "responses" if one.route == "responses" else "chat"
    if not one.is_azure:
        return OpenAIEndpoint(model, base_url=f"{server.url}/v1", api_key="test-key-1234", api=api)
    tail = one.url.partition(".openai.azure.com")[2]
    classic = "/deployments/" in tail
    base = server.url + (tail if classic else "/openai/v1")
    return AzureEndpoint("" if classic else model, base_url=base, api_key="test-key-1234", api=api)


def _request(one: Recorded) -> Request:
    """The recorded question as far as it can be put in our words."""
    return Request(messages=_messages(one) or (HELLO,), tools=_tools(one))


def _messages(one: Recorded) -> tuple[Message, ...]:
    try:
        return tuple(message_from_dict(message) for message in one.asked.get("messages") or ())
    except BridleError:
        return ()  # an image or a file


def _tools(one: Recorded) -> tuple[ToolSpec, ...]:
    listed = [tool for tool in one.asked.get("tools") or () if "function" in tool]
    return tuple(tool_from_dict(tool) for tool in listed)


def _check_answer(one: Recorded, endpoint: CloudEndpoint) -> None:
    whole = _whole(one)
    pieces: list[str] = []
    on_text = pieces.append if not whole or one.asked.get("stream") else None
    if whole.get("status") in RUNNING:
        with pytest.raises(BadResponse):
            endpoint.complete(_request(one), on_text)
        return
    told = _told(one)
    if told.finish == "content_filter":
        with pytest.raises(ContentFiltered) as caught:
            endpoint.complete(_request(one), on_text)
        assert (caught.value.facts["side"], caught.value.facts["partial"]) == ("answer", told.text)
        return
    answer = endpoint.complete(_request(one), on_text)
    assert answer.text == told.text
    assert answer.finish_reason == told.finish
    assert [[call.id, call.name, call.arguments] for call in answer.calls] == [
        [*call[:2], call[2] or "{}"] for call in told.calls
    ]
    usage = answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) == told.usage
    assert answer.finish == ("length" if told.finish == "length" else "stop")
    assert "".join(pieces) in ("", told.text)


def _check_error(one: Recorded, endpoint: CloudEndpoint) -> None:
    error = _error(one)
    inner: dict[str, Any] = error.get("innererror") or {}
    pieces: list[str] = []
    on_text = None if _whole(one) else pieces.append
    asking: dict[str, Callable[[], object]] = {
        "embeddings": lambda: endpoint.embed(["x"]),
        "models": endpoint.models,
    }
    with pytest.raises(EndpointError) as caught:
        asking.get(one.route, lambda: endpoint.complete(_request(one), on_text))()
    facts: dict[str, Any] = caught.value.facts
    assert type(caught.value) is _kind(one, error)
    assert error["message"][:100] in caught.value.message
    assert facts["status"] == one.status
    if isinstance(caught.value, ContentFiltered):
        results: dict[str, Any] = (
            inner.get("content_filter_result") or inner.get("content_filter_results") or {}
        )
        assert facts["side"] == "prompt"
        assert set(facts["categories"]) == {name for name, one in results.items() if one.get("filtered")}


def _error(one: Recorded) -> dict[str, Any]:
    """The error that came, whole or as the last of a stream; empty where none did."""
    if one.route not in ROUTES:
        return {}
    bodies = [_whole(one)] if _whole(one) else list(data_of(one.text))
    for body in bodies:
        whole: dict[str, Any] = body.get("response") or {}
        told: Any = body.get("error") or whole.get("error")
        if told:
            return {"message": told} if isinstance(told, str) else told
    return bodies[-1] if bodies and one.status >= 400 else {}


def _kind(one: Recorded, error: Mapping[str, Any]) -> type[EndpointError]:
    """The kind of error that a recorded one is, by its code and then its status."""
    inner: dict[str, Any] = error.get("innererror") or {}
    codes = {error.get("code"), inner.get("code"), error.get("type")}
    for names, kind in BY_CODE.items():
        if codes & set(names):
            return kind
    kinds: Mapping[int, type[EndpointError]] = {401: AuthError, 403: AuthError, 429: RateLimited}
    return kinds.get(one.status, RequestRefused)


def _check_embeddings(one: Recorded, endpoint: CloudEndpoint) -> None:
    data = _whole(one)["data"]
    asked = one.asked["input"]
    found = endpoint.embed([asked] if isinstance(asked, str) else asked)
    assert [list(vector) for vector in found.vectors] == [item["embedding"] for item in data]
    assert found.usage.prompt_tokens == _whole(one)["usage"]["prompt_tokens"]


def _whole(one: Recorded) -> dict[str, Any]:
    """The answer where it is one document; empty for a stream."""
    return json.loads(one.text) if one.text.lstrip().startswith("{") else {}


def _told(one: Recorded) -> Told:
    if one.route == "responses":
        return _told_by_response(one)
    told = Told()
    for body in [_whole(one)] if _whole(one) else list(data_of(one.text)):
        for choice in body.get("choices") or ():
            said: dict[str, Any] = choice.get("message") or choice.get("delta") or {}
            told.text += (said.get("content") or "") + (said.get("refusal") or "")
            told.finish = choice.get("finish_reason") or told.finish
            made: list[dict[str, Any]] = said.get("tool_calls") or []
            for place, call in enumerate(made):
                index = call.get("index", place) or 0
                if index == len(told.calls):
                    told.calls.append(["", "", ""])
                function: dict[str, Any] = call["function"]
                id, name, arguments = told.calls[index]
                told.calls[index] = [  # some repeat the first two in each part
                    id or call.get("id") or "",
                    name or function.get("name") or "",
                    arguments + (function.get("arguments") or ""),
                ]
        if body.get("usage"):
            usage = body["usage"]
            details: dict[str, Any] = usage.get("prompt_tokens_details") or {}
            told.usage = (
                usage["prompt_tokens"],
                usage["completion_tokens"],
                details.get("cached_tokens") or 0,
            )
    return told


def _told_by_response(one: Recorded) -> Told:
    whole = _whole(one) or next(event["response"] for event in reversed(list(data_of(one.text))))
    usage, told = whole["usage"], Told()
    for item in whole["output"]:
        if item["type"] == "message":
            told.text += "".join(part.get("text") or part.get("refusal") or "" for part in item["content"])
        if item["type"] == "function_call":
            told.calls.append([item["call_id"], item["name"], item["arguments"]])
    told.finish = "tool_calls" if told.calls else "stop"
    if whole["status"] == "incomplete":
        why = whole["incomplete_details"]["reason"]
        told.finish = "length" if why == "max_output_tokens" else why
    cached = usage["input_tokens_details"]["cached_tokens"]
    told.usage = (usage["input_tokens"], usage["output_tokens"], cached)
    return told
