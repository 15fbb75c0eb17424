"""Recorded exchanges, sent again by a real server and read by the drivers.

The recordings hold what OpenAI's package had read, so the bytes are written anew from that. Which route an
exchange belongs to is taken from the exchange itself; a new file in these folders is read like the others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import pytest

from bridle.endpoints.base import Request
from bridle.endpoints.drivers.openai_compat import OpenAICompat
from bridle.endpoints.drivers.sglang import SGLang
from bridle.endpoints.drivers.vllm import VLLM
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.transport.http import Http
from bridle.errors import ContextOverflow, EndpointError, InputError
from bridle.messages import JSON, Message, as_messages, as_tools
from bridle.wrappers import Segment
from servers.fake import Response, Server, events, json_response, server
from servers.fake_vllm import FakeVLLM

__all__ = ["server"]

CASSETTES = Path(__file__).parent.parent / "data" / "cassettes"
FILES = [
    path
    for folder in ("vllm", "port8080")
    for path in sorted((CASSETTES / folder).rglob("*.json"))
    if {"request", "response"} <= set(json.loads(path.read_text("utf-8")))
]
DRIVERS = (VLLM, SGLang, OpenAICompat)


def data(dump: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = dump["__data__"]
    return found


def dumped(exchange: Mapping[str, Any]) -> list[dict[str, Any]]:
    body: Any = exchange["response"]["body"]
    listed: list[Any] = [*body] if isinstance(body, list) else [body]
    return [data(one) for one in listed]


def wire(exchange: Mapping[str, Any]) -> Response:
    """The response as it must have been on the wire."""
    response = exchange["response"]
    if response.get("is_exception"):
        said = response["exception_data"]
        return json_response({"error": said["body"]}, said["status_code"])
    dumps = dumped(exchange)
    if response["is_streaming"]:
        return events(
            [*(b"data: " + json.dumps(one).encode() + b"\n\n" for one in dumps), b"data: [DONE]\n\n"]
        )
    if all(one.get("object") == "model" for one in dumps):
        return json_response({"object": "list", "data": dumps})
    return json_response(dumps[0])


def asked(exchange: Mapping[str, Any]) -> Request | None:
    """What was asked, in our words; None for what was no completion."""
    body = exchange["request"]["body"]
    limit = body.get("max_tokens") or 100
    if (body.get("n") or 1) > 1:
        return None
    if isinstance(body.get("prompt"), str):
        return Request(prompt=(Segment(body["prompt"]),), max_tokens=limit)
    if not body.get("messages"):
        return None
    form: Mapping[str, Any] = body.get("response_format") or {}
    return Request(
        messages=conversation(body["messages"]),
        tools=tuple(as_tools(body.get("tools") or [])),
        schema=form["json_schema"]["schema"] if form.get("type") == "json_schema" else None,
        json_mode=form.get("type") == "json_object",
        max_tokens=limit,
    )


def conversation(listed: list[Any]) -> tuple[Message, ...]:
    """The messages that were sent; others where there was a picture in them, which cannot be said here."""
    try:
        return tuple(as_messages(listed))
    except InputError:
        return (Message("user", "x"),)


def calls_of(part: Mapping[str, Any]) -> list[Any]:
    found: Any = part.get("tool_calls")
    return [] if found is None else [*found]


def said(exchange: Mapping[str, Any]) -> dict[str, Any]:
    """What was answered, put together in the plainest way."""
    dumps = dumped(exchange)
    choices: list[dict[str, Any]] = [one["choices"][0] for one in dumps if one.get("choices")]
    parts: list[dict[str, Any]] = [
        one.get("message") or one.get("delta") or {"content": one.get("text")} for one in choices
    ]
    calls: list[dict[str, Any]] = [call["function"] for part in parts for call in calls_of(part)]
    return {
        "text": "".join(part.get("content") or "" for part in parts),
        "thoughts": "".join(part.get("reasoning") or part.get("reasoning_content") or "" for part in parts),
        "names": [call["name"] for call in calls if call.get("name")],
        "arguments": "".join(call.get("arguments") or "" for call in calls),
        "reason": ([one["finish_reason"] for one in choices if one.get("finish_reason")] or ["stop"])[-1],
        "usage": next((one["usage"] for one in dumps if one.get("usage")), None),
    }


@pytest.mark.parametrize("kind", DRIVERS, ids=lambda kind: kind.kind)
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_recorded_exchange_is_read_as_it_was(server: Server, path: Path, kind: type[OpenAICompat]) -> None:
    exchange = json.loads(path.read_text("utf-8"))
    route = exchange["request"]["endpoint"]
    method = "GET" if route == "/v1/models" else "POST"
    server.routes[f"{method} {route}"] = lambda _: wire(exchange)
    endpoint = HttpEndpoint(kind(server.url), Http(), model=exchange["request"]["model"])
    try:
        if route == "/v1/models":
            check_models(endpoint, exchange)
        elif (request := asked(exchange)) is not None:
            check_answer(endpoint, server, exchange, request)
        else:
            pytest.skip(f"{route} with {sorted(exchange['request']['body'])} is nothing that is asked here")
    finally:
        endpoint.close()


def check_models(endpoint: HttpEndpoint, exchange: Mapping[str, Any]) -> None:
    listed = [data(one) for one in exchange["response"]["body"]]
    assert [info.name for info in endpoint.models()] == [one["id"] for one in listed]
    endpoint.discover()
    meta = listed[0].get("meta", {})
    window = listed[0].get("max_model_len", meta.get("n_ctx"))
    spare = 1 if isinstance(endpoint.driver, SGLang) else 0
    assert endpoint.model == listed[0]["id"]
    assert endpoint.context_tokens == (None if window is None else window - spare)
    if not spare:
        assert endpoint.found.trained_tokens == meta.get("n_ctx_train")


def check_answer(
    endpoint: HttpEndpoint, server: Server, exchange: Mapping[str, Any], request: Request
) -> None:
    if exchange["response"].get("is_exception"):
        with pytest.raises(EndpointError) as caught:
            endpoint.complete(request)
        assert caught.value.facts["status"] == exchange["response"]["exception_data"]["status_code"]
        assert isinstance(caught.value, ContextOverflow) == (window_in(exchange) is not None)
        return
    pieces: list[str] = []
    answer = endpoint.complete(request, pieces.append if exchange["response"]["is_streaming"] else None)
    expected = said(exchange)
    assert server.seen[-1].path == exchange["request"]["endpoint"]
    assert answer.text == expected["text"]
    assert answer.thoughts == expected["thoughts"]
    assert [call.name for call in answer.calls] == expected["names"]
    assert "".join(call.arguments for call in answer.calls) == expected["arguments"]
    assert all(json.loads(call.arguments) is not None for call in answer.calls)
    assert answer.finish_reason == expected["reason"]
    assert answer.finish == ("length" if expected["reason"] == "length" else "stop")
    if expected["usage"] is not None:
        counted = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
        assert counted == (expected["usage"]["prompt_tokens"], expected["usage"]["completion_tokens"])
    if exchange["response"]["is_streaming"]:
        assert "".join(pieces) == answer.text


def window_in(exchange: Mapping[str, Any]) -> int | None:
    """The window that a recorded refusal names; None where it is for another reason."""
    response = exchange["response"]
    said = json.dumps(response["exception_data"]) if response.get("is_exception") else ""
    found = re.search(r"(?:context|model) length (?:is|of)(?: only)? (\d+)", said)
    return int(found[1]) if found else None


def test_a_prompt_that_was_too_long_is_told_with_the_window(server: Server) -> None:
    read = [json.loads(path.read_text("utf-8")) for path in FILES]
    refused = [one for one in read if window_in(one) is not None]
    if not refused:
        pytest.skip("nothing that was too long has been recorded")
    answers: list[Response] = []
    server.routes["*"] = lambda _: answers[-1]
    for exchange in refused:
        answers.append(wire(exchange))
        request = asked(exchange)
        assert request is not None
        with pytest.raises(ContextOverflow) as caught:
            HttpEndpoint(VLLM(server.url), Http(), model="m").complete(request)
        assert caught.value.facts["context_tokens"] == window_in(exchange)


def shape(value: JSON) -> JSON:
    """Names and kinds of values; a list has the shape of its first member."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items() if one is not None}
    return [shape(one) for one in value[:1]] if isinstance(value, list) else type(value).__name__


def within(made: JSON, real: JSON) -> bool:
    if isinstance(made, dict):
        return isinstance(real, dict) and all(n in real and within(made[n], real[n]) for n in made)
    if isinstance(made, list):
        return isinstance(real, list) and (not made or not real or within(made[0], real[0]))
    return made == real


def recorded_shapes(route: str, *, streaming: bool) -> list[JSON]:
    found: list[JSON] = []
    for path in FILES:
        exchange = json.loads(path.read_text("utf-8"))
        if exchange["request"]["endpoint"] != route or exchange["response"].get("is_exception"):
            continue
        if bool(exchange["response"]["is_streaming"]) == streaming:
            found += [shape(one) for one in dumped(exchange)]
    return found


@pytest.mark.parametrize(
    ("route", "streaming"),
    [("/v1/completions", False), ("/v1/chat/completions", False), ("/v1/chat/completions", True)],
)
@pytest.mark.parametrize("forced", [False, True])
def test_the_fake_server_says_nothing_that_no_recorded_answer_says(
    route: str, streaming: bool, forced: bool
) -> None:
    fake = FakeVLLM()
    body: dict[str, Any] = {"model": "m", "stream": streaming, "prompt": "x"}
    if "chat" in route:
        del body["prompt"]
        body["messages"] = [{"role": "user", "content": "x"}]
    if forced and "chat" in route:
        tool: dict[str, JSON] = {"name": "f", "parameters": {"type": "object", "properties": {}}}
        body |= {"tools": [{"type": "function", "function": tool}], "tool_choice": "required"}
    real = recorded_shapes(route, streaming=streaming)
    if not real:
        pytest.skip(f"nothing has been recorded of {route}")
    answer = urlopen(HttpRequest(fake.url + route, json.dumps(body).encode()), timeout=5)
    with answer:
        lines = [line.removeprefix("data: ") for line in answer.read().decode().splitlines() if line]
    for line in lines:
        if line != "[DONE]":
            made = shape(json.loads(line))
            assert any(within(made, one) for one in real), made
    fake.close()


def test_the_fake_server_lists_its_model_as_recorded_servers_do() -> None:
    fake = FakeVLLM()
    with urlopen(f"{fake.url}/v1/models", timeout=5) as answer:
        listed = json.loads(answer.read())["data"]
    fake.close()
    real = [
        one
        for one in recorded_shapes("/v1/models", streaming=False)
        if isinstance(one, dict) and "max_model_len" in one
    ]
    if not real:
        pytest.skip("no list of models has been recorded")
    assert all(within(shape(listed[0]), one) for one in real)
