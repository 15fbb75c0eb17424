"""What real servers of llama.cpp answered, replayed by a local server and read by the drivers.

All files of the folders `llama-*` are taken, and each is judged by what was asked and answered in it, so that
other recordings of the same servers can be laid beside them.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bridle.endpoints.base import Answer, Request, Supports
from bridle.endpoints.driver import Driver
from bridle.endpoints.drivers.llama_cpp_server import LlamaCppServer
from bridle.endpoints.drivers.llama_server import LlamaServer
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.served import ask_rendering
from bridle.endpoints.transport.http import Http, HttpCall
from bridle.errors import (
    BadResponse,
    ContextOverflow,
    EndpointError,
    GrammarError,
    RequestRefused,
    StreamTruncated,
    Unreachable,
)
from bridle.grammars import check_gbnf
from bridle.messages import Message, ToolSpec, message_from_dict
from bridle.wrappers import Segment
from servers.fake import Server, json_response
from servers.llama_exchange import FILES, Body, Exchange

NOT_SPOKEN = {
    "/health": "a server is asked for its properties instead",
    "/slots": "what each slot does is nobody's business",
    "/detokenize": "no tokens are sent, so none come back",
    "/v1/responses": "the chat route does the same",
}


@contextmanager
def replayed(exchange: Exchange) -> Generator[tuple[HttpEndpoint, Server]]:
    server = Server()
    driver: Driver = (LlamaCppServer if exchange.is_python else LlamaServer)(server.url)
    endpoint = HttpEndpoint(driver, Http(), model="")
    if exchange.is_python:
        server.routes["POST /extras/tokenize"] = lambda _: json_response({"tokens": [1]})
    if exchange.answered is not None:
        server.routes["*"] = lambda _: exchange.response()
    else:
        server.close()
    try:
        yield endpoint, server
    finally:
        endpoint.close()
        if exchange.answered is not None:
            server.close()


def request_of(exchange: Exchange) -> Request:
    """The request whose answer was recorded, as far as our side would put it."""
    asked = exchange.asked
    wanted = asked.get("n_predict", asked.get("max_tokens", 16))
    limit = wanted if isinstance(wanted, int) and wanted > 0 else 16
    if "chat" not in exchange.route:
        grammar_wins = "grammar" in asked or exchange.is_python
        return Request(
            prompt=(Segment(str(asked.get("prompt", "x"))),),
            max_tokens=limit,
            stop=tuple(asked.get("stop", ())),
            logprobs=asked.get("n_probs", 0) or asked.get("logprobs", 0),
            gbnf=asked.get("grammar"),
            schema=None if grammar_wins else asked.get("json_schema"),
        )
    choice: Any = asked.get("tool_choice", "auto")
    listed: list[Body] = [{"role": "user", "content": "x"}]
    if isinstance(asked.get("messages"), list) and asked["messages"]:
        listed = asked["messages"]
    return Request(
        messages=tuple(_message(one) for one in listed),
        tools=tuple(_tool(one["function"]) for one in asked.get("tools", ())),
        tool_choice=choice if isinstance(choice, str) else choice["function"]["name"],
        max_tokens=limit,
        logprobs=asked.get("top_logprobs", 0),
    )


def _message(one: Body) -> Message:
    if one["role"] == "function":
        return Message("user", one["content"])
    return message_from_dict(one)


def _tool(function: Body) -> ToolSpec:
    return ToolSpec(function["name"], function.get("description", ""), function.get("parameters", {}))


def choice_of(part: Body) -> Body:
    return next(iter(part.get("choices") or ()), None) or {}


def message_of(part: Body) -> Body:
    choice = choice_of(part)
    found: Body | None = choice.get("message") or choice.get("delta")
    return found or {}


def text_of(parts: Sequence[Body]) -> str:
    """The text that was recorded, found in the plainest way."""
    return "".join(
        part.get("content") or choice_of(part).get("text") or message_of(part).get("content") or ""
        for part in parts
    )


def calls_of(parts: Sequence[Body]) -> list[tuple[str, str]]:
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    calls = [(at, one) for part in parts for at, one in enumerate(message_of(part).get("tool_calls") or ())]
    for place, call in calls:
        at: int = call.get("index", place)
        names[at] = names.get(at) or call["function"].get("name", "")
        arguments[at] = arguments.get(at, "") + call["function"].get("arguments", "")
    return [(names[at], arguments[at]) for at in names]


def reason_of(parts: Sequence[Body]) -> str:
    found = [part.get("stop_type") or choice_of(part).get("finish_reason") for part in parts]
    return next((str(reason) for reason in reversed(found) if reason), "")


def usage_of(parts: Sequence[Body]) -> tuple[int, int]:
    for part in reversed(parts):
        if part.get("usage"):
            return part["usage"]["prompt_tokens"], part["usage"]["completion_tokens"]
        if part.get("stop") is True:
            return part["tokens_evaluated"], part["tokens_predicted"]
    return 0, 0


def scores_of(parts: Sequence[Body]) -> list[float]:
    found: list[float] = []
    for part in parts:
        logprobs: Body = choice_of(part).get("logprobs") or {}
        listed: list[Body] = [*part.get("completion_probabilities", ()), *logprobs.get("content", ())]
        found += [one["logprob"] for one in listed]
        found += logprobs.get("token_logprobs", ())
    return found


def check_answer(exchange: Exchange, answer: Answer) -> None:
    parts = exchange.parts
    reason = reason_of(parts)
    assert answer.text == text_of(parts)
    assert [(call.name, call.arguments) for call in answer.calls] == calls_of(parts)
    assert answer.finish_reason == reason
    assert answer.finish == ("length" if reason in ("length", "limit") else "stop")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == usage_of(parts)
    assert [one.logprob for one in answer.tokens] == scores_of(parts)


def check_failure(exchange: Exchange, error: EndpointError) -> None:
    said = exchange.said
    shown = " ".join(said.split())[:60]
    assert shown in error.message or exchange.status == 404
    assert error.facts["status"] == exchange.status
    if "context length" in said or "context size" in said:
        numbers = re.search(r"request \((\d+)|\((\d+) in", said)
        window = re.search(r"context size \((\d+)|context length is (\d+)", said)
        assert numbers is not None
        assert window is not None
        assert isinstance(error, ContextOverflow)
        assert error.facts["prompt_tokens"] == int(next(filter(None, numbers.groups())))
        assert error.facts["context_tokens"] == int(next(filter(None, window.groups())))


def ask(exchange: Exchange, endpoint: HttpEndpoint) -> Answer:
    request = request_of(exchange)
    return endpoint.complete(request, (lambda _: None) if exchange.asked.get("stream") else None)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_a_real_server_answered_is_read(path: Path) -> None:
    exchange = Exchange(path)
    if exchange.route in NOT_SPOKEN:
        pytest.skip(f"{exchange.route} is not used: {NOT_SPOKEN[exchange.route]}")
    with replayed(exchange) as (endpoint, server):
        if exchange.answered is None:
            check_dead(exchange, endpoint)
        elif exchange.is_aborted:
            with pytest.raises(StreamTruncated) as cut:
                ask(exchange, endpoint)
            assert cut.value.partial == text_of(exchange.parts)
        elif exchange.status >= 400:
            with pytest.raises((RequestRefused, ContextOverflow, BadResponse)) as caught:
                check_route(exchange, endpoint, server)
            check_failure(exchange, caught.value)
            lasting = exchange.status < 500 or "validation error" in exchange.said
            assert caught.value.retryable is False or not lasting
        else:
            check_route(exchange, endpoint, server)


def check_route(exchange: Exchange, endpoint: HttpEndpoint, server: Server) -> None:
    """Put the same question through the driver, and compare what it makes of the answer."""
    route = exchange.route
    if route.endswith(("/completion", "/completions")):
        check_answer(exchange, ask(exchange, endpoint))
    elif route.endswith("/embeddings"):
        endpoint.embed(["x"])
    elif route in ("/tokenize", "/extras/tokenize/count", "/v1/chat/completions/input_tokens"):
        check_count(exchange, endpoint)
    elif route == "/props":
        check_props(exchange, endpoint, server)
    elif route == "/v1/models":
        listed = exchange.parts[0]["data"]
        found = endpoint.models()
        assert [one.name for one in found] == [one["id"] for one in listed]
        assert [one.context_tokens for one in found] == [one.get("meta", {}).get("n_ctx") for one in listed]
    elif route == "/apply-template":
        rendered = ask_rendering(endpoint.driver.base, endpoint.http, [Message("user", "x")])
        assert rendered.text == exchange.parts[0]["prompt"]
    elif route == "/extras/tokenize":
        del server.routes["POST /extras/tokenize"]
        request = Request(prompt=(Segment("<s>", control=True), Segment("x")), control=("<s>",))
        endpoint.driver.before(request, "", endpoint.http.ask)
        assert endpoint.driver.prompt_text(request) == "<s>x"  # these were not two of the same token
    else:
        endpoint.http.ask(HttpCall(endpoint.driver.root + route))


def check_count(exchange: Exchange, endpoint: HttpEndpoint) -> None:
    found = exchange.parts[0]
    told: list[int] = [found[name] for name in ("input_tokens", "count") if name in found]
    told += [len(found["tokens"])] if "tokens" in found else []
    assert [endpoint.count_tokens(request_of(exchange))] == told


def check_props(exchange: Exchange, endpoint: HttpEndpoint, server: Server) -> None:
    props = exchange.parts[0]
    server.routes["POST /tokenize"] = lambda _: json_response({"tokens": [1]})
    server.routes["GET /models"] = lambda _: json_response({"object": "list", "data": []})
    endpoint.discover()
    assert endpoint.context_tokens == props["default_generation_settings"]["n_ctx"]
    assert endpoint.chat_template == props["chat_template"]
    assert endpoint.supports.tools is props["chat_template_caps"]["supports_tools"]
    assert isinstance(endpoint.supports, Supports)
    assert endpoint.model
    assert endpoint.model in props["model_path"] or endpoint.model == props["model_alias"]


def check_dead(exchange: Exchange, endpoint: HttpEndpoint) -> None:
    """A grammar that would end the server is never sent; to one that has ended nobody answers."""
    if "grammar" in exchange.asked:
        with pytest.raises(GrammarError):
            check_gbnf(exchange.asked["grammar"])
        with pytest.raises(GrammarError):
            ask(exchange, endpoint)
    else:
        with pytest.raises(Unreachable):
            endpoint.models()


def test_each_server_has_recordings() -> None:
    assert {path.parent.name for path in FILES} >= {
        "llama-cpp-python-server-0.3.36",
        "llama-server-0.3.36src",
        "llama-server-qwen2-tools",
        "llama-server-tools-forced",
        "llama-server-tools-forced-qwen2",
    }
    assert len(FILES) >= 168
