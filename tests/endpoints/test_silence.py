"""An answer of nothing is an error, unless the model has ended it; and a refusal has the known numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from bridle.endpoints import connect
from bridle.endpoints.base import Request
from bridle.endpoints.driver import Driver
from bridle.endpoints.drivers.lmstudio import LMStudio
from bridle.endpoints.drivers.openai_compat import OpenAICompat
from bridle.endpoints.drivers.sglang import SGLang
from bridle.endpoints.drivers.vllm import VLLM
from bridle.endpoints.drivers.webui import WebUI
from bridle.endpoints.drivers.webui_legacy import WebUILegacy
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.errors import BadResponse, ContextOverflow, EndpointError
from bridle.messages import JSON, Message, ToolSpec
from bridle.wrappers import Segment
from servers.connections import open_http
from servers.fake import ModelServer, Response, Seen, Server, events, json_response, server
from servers.fake_llama_server import FakeLlamaServer
from servers.fake_ollama import FakeModel, FakeOllama
from servers.fake_webui_legacy import open_fake

__all__ = ["server"]

KINDS: tuple[type[Driver], ...] = (OpenAICompat, LMStudio, VLLM, SGLang)
PROMPT = Request(prompt=(Segment("Hello"),), max_tokens=64)
CHAT = Request(messages=(Message("user", "Hello"),), max_tokens=64)


def ended(
    reason: str | None, prompt_tokens: int = 0, completion_tokens: int = 0, text: str = ""
) -> dict[str, JSON]:
    """A whole answer, or the only event of one; without a reason it has no choice."""
    usage: JSON = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}
    message: JSON = {"role": "assistant", "content": text}
    choice: JSON = {"index": 0, "text": text, "message": message, "finish_reason": reason}
    return {"choices": [choice] if reason is not None else [], "usage": usage if prompt_tokens else None}


def say(server: Server, body: dict[str, JSON] | None) -> None:
    """Answer with it, or stream it and `[DONE]`; nothing but `[DONE]` where it is None."""

    def answer(seen: Seen) -> Response:
        if not seen.body.get("stream"):
            return json_response(body or {"choices": [{"index": 0, "text": "", "finish_reason": None}]})
        line = b"" if body is None else b"data: " + json.dumps(body).encode() + b"\n\n"
        return events([line + b"data: [DONE]\n\n"])

    server.routes["POST /v1/completions"] = server.routes["POST /v1/chat/completions"] = answer


@pytest.fixture(params=KINDS, ids=[kind.kind for kind in KINDS])
def driver(request: pytest.FixtureRequest, server: Server) -> Driver:
    made: type[Driver] = request.param
    return made(f"{server.url}/v1")


@pytest.fixture
def endpoint(driver: Driver) -> Iterator[HttpEndpoint]:
    with open_http(retries=0) as http:
        yield HttpEndpoint(driver, http, model="m", context_tokens=4096)


@pytest.mark.parametrize("request_", [PROMPT, CHAT], ids=["prompt", "chat"])
@pytest.mark.parametrize(
    ("body", "error"),
    [
        (None, BadResponse),
        (ended(None, 9), BadResponse),
        (ended("abort"), BadResponse),
        (ended("load"), BadResponse),
        (ended("length"), ContextOverflow),
        (ended("length", 100), ContextOverflow),
        (ended("length", 4096, 3), ContextOverflow),
        (ended("stop", 4100), ContextOverflow),
    ],
)
def test_a_stream_that_says_nothing_is_an_error(
    server: Server, endpoint: HttpEndpoint, request_: Request, body: dict[str, JSON] | None, error: type
) -> None:
    say(server, body)
    with pytest.raises(EndpointError) as caught:
        endpoint.complete(request_, lambda _: None)
    assert isinstance(caught.value, (error, ContextOverflow))
    assert caught.value.hint
    if isinstance(caught.value, ContextOverflow):
        assert caught.value.facts["context_tokens"] == 4096
    if body is not None and body["choices"]:
        with pytest.raises(error):
            endpoint.complete(request_)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "body", [ended("COMPLETE"), ended("stop"), ended("stop", 9), ended("stop", 9, 1), ended("length", 9, 64)]
)
def test_a_model_may_say_nothing(
    server: Server, endpoint: HttpEndpoint, body: dict[str, JSON], stream: bool
) -> None:
    say(server, body)
    answer = endpoint.complete(CHAT, (lambda _: None) if stream else None)
    assert (answer.text, answer.calls) == ("", ())


def test_a_stop_string_at_the_beginning_leaves_nothing(server: Server, endpoint: HttpEndpoint) -> None:
    say(server, ended("length", 9, 0, "END of it"))
    request = Request(messages=CHAT.messages, max_tokens=64, stop=("END",))
    assert endpoint.complete(request).text == ""


@pytest.mark.parametrize("words", [
    "the prompt is longer than the context length currently available to the model; reduce the prompt",
    "The number of tokens to keep from the initial prompt is greater than the context length.",
    "Context size has been exceeded.",
])  # fmt: skip
def test_a_refusal_without_numbers_gets_those_that_are_known(
    server: Server, endpoint: HttpEndpoint, words: str
) -> None:
    server.routes["POST /tokenize"] = lambda _: json_response({"count": 4030})
    for route in ("completions", "chat/completions"):
        server.routes[f"POST /v1/{route}"] = lambda _: json_response({"error": words}, 400)
    with pytest.raises(ContextOverflow) as caught:
        endpoint.complete(PROMPT)
    assert caught.value.facts["context_tokens"] == 4096
    assert caught.value.facts.get("prompt_tokens") == (4030 if endpoint.supports.tokenize else None)


def test_events_that_say_nothing_are_passed_over(server: Server, endpoint: HttpEndpoint) -> None:
    lines: list[JSON] = [{"id": "x"}, ended("stop", 9, 2, "Hi"), {"type": "ping"}]
    data = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in lines)
    server.routes["POST /v1/chat/completions"] = lambda _: events([data + b"data: [DONE]\n\n"])
    assert endpoint.complete(CHAT, lambda _: None).text == "Hi"
    server.routes["POST /v1/chat/completions"] = lambda _: events([b'data: {"detail": "no"}\n\n'])
    with pytest.raises(EndpointError):
        endpoint.complete(CHAT, lambda _: None)


def test_the_name_of_a_call_may_come_in_pieces(server: Server, endpoint: HttpEndpoint) -> None:
    deltas: list[JSON] = [
        {"tool_calls": [{"index": 0, "function": {"name": name, "arguments": ""}}]}
        for name in ("get_", "weather")
    ]
    deltas.append({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]})
    bodies: list[JSON] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    bodies.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    data = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in bodies)
    server.routes["POST /v1/chat/completions"] = lambda _: events([data + b"data: [DONE]\n\n"])
    tool = ToolSpec("get_weather", "", {"type": "object", "properties": {}})
    request = Request(messages=CHAT.messages, tools=(tool,), max_tokens=64)
    assert [call.name for call in endpoint.complete(request, lambda _: None).calls] == ["get_weather"]


def test_the_web_ui_is_heard_when_its_stream_is_empty(server: Server) -> None:
    say(server, None)
    with open_http(retries=0) as http, pytest.raises(EndpointError):
        HttpEndpoint(WebUI(f"{server.url}/v1"), http).complete(PROMPT, lambda _: None)


def test_what_was_found_before_is_forgotten_and_what_was_given_stays(server: Server) -> None:
    loaded: list[tuple[str, int]] = [("first", 4096), ("second", 2048)]
    server.routes["GET /v1/models"] = lambda _: json_response(
        {"data": [{"id": loaded[0][0], "max_model_len": loaded[0][1], "owned_by": "vllm"}]}
    )
    with open_http(retries=0) as http:
        one = HttpEndpoint(OpenAICompat(f"{server.url}/v1"), http)
        given = HttpEndpoint(OpenAICompat(f"{server.url}/v1"), http, model="mine", context_tokens=1000)
        for name, window in list(loaded):
            one.discover()
            given.discover()
            assert (one.model, one.context_tokens) == (name, window)
            assert (given.model, given.context_tokens) == ("mine", 1000)
            one.refused["schema"] = "it would not"
            loaded.pop(0)
            if loaded:
                one.discover()
                assert not one.refused


def test_what_a_template_could_not_do_is_forgotten_with_it() -> None:
    server = FakeLlamaServer()
    usual = server.routes["GET /props"]

    def without_tools(seen: Seen) -> Response:
        props = json.loads(usual(seen).chunks[0])
        return json_response(props | {"chat_template_caps": {"supports_tools": False}})

    server.routes["GET /props"] = without_tools
    endpoint = connect(f"llama-server@{server.url}")
    assert isinstance(endpoint, HttpEndpoint)
    assert not endpoint.supports.tools
    server.routes["GET /props"] = usual
    endpoint.discover()
    assert endpoint.supports.tools
    endpoint.close()
    server.close()


def test_ollama_is_asked_again_for_model_and_window() -> None:
    server = FakeOllama()
    server.models = {"small:latest": FakeModel("llama", 2048)}
    endpoint = connect(f"ollama@{server.url}")
    assert isinstance(endpoint, HttpEndpoint)
    assert (endpoint.model, endpoint.context_tokens) == ("small", 2048)
    server.models = {"large:latest": FakeModel("llama", 8192)}
    endpoint.discover()
    assert (endpoint.model, endpoint.context_tokens) == ("large", 4096)
    endpoint.close()
    server.close()


def test_lm_studio_is_asked_again_for_model_window_and_embedder() -> None:
    server = ModelServer("lmstudio")
    endpoint = connect(f"lmstudio@{server.url}")
    assert isinstance(endpoint, HttpEndpoint)
    assert (endpoint.model, endpoint.context_tokens) == ("m", 4096)
    assert endpoint.embedding_model == "text-embedding-nomic"
    listed: list[JSON] = [
        {"id": "embed-2", "type": "embeddings", "state": "loaded"},
        {"id": "n", "type": "llm", "state": "loaded", "loaded_context_length": 512},
    ]
    server.routes["GET /api/v0/models"] = lambda _: json_response({"data": listed})
    endpoint.discover()
    assert (endpoint.model, endpoint.context_tokens, endpoint.embedding_model) == ("n", 512, "embed-2")
    endpoint.embedding_model = "given"
    endpoint.discover()
    assert endpoint.embedding_model == "given"
    endpoint.close()
    server.close()


def test_the_web_ui_of_2023_may_say_nothing() -> None:
    server = open_fake()
    server.text = ""
    with open_http() as http:
        endpoint = HttpEndpoint(WebUILegacy(server.url), http, context_tokens=2048)
        assert endpoint.complete(PROMPT).text == ""
    server.close()


def test_a_call_that_was_cut_may_leave_nothing_where_nothing_is_counted(
    server: Server, endpoint: HttpEndpoint
) -> None:
    tool = ToolSpec("add", "", {"type": "object", "properties": {}})
    say(server, ended("length"))
    request = Request(messages=CHAT.messages, tools=(tool,), max_tokens=64)
    assert endpoint.complete(request, lambda _: None).finish == "length"
    say(server, ended("length", 90))
    with pytest.raises(ContextOverflow):
        endpoint.complete(request, lambda _: None)
