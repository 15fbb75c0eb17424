"""What real servers of llama.cpp answered, replayed by a local server and read by the drivers.

All transcripts that name such a server are taken, and each is judged by what was asked and answered in it, so
that other recordings of the same servers can be laid beside them or take their place. What cannot be asked in
our words (an image, say) is replaced by something that can: its answer is read all the same.
"""

from __future__ import annotations

import math
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
    AuthError,
    BadResponse,
    BridleError,
    ContextOverflow,
    EndpointError,
    GrammarError,
    StreamTruncated,
    Unreachable,
)
from bridle.grammars import check_gbnf
from bridle.messages import Message, ToolSpec, as_tools, message_from_dict
from bridle.wrappers import Segment
from servers.fake import Server, json_response
from servers.llama_exchange import FILES, Body, Exchange
from servers.transcripts import name_of

NOT_SPOKEN = {
    "/health": "a server is asked for its properties instead",
    "/slots": "what each slot does is nobody's business",
    "/detokenize": "no tokens are sent, so none come back",
    "/v1/responses": "the chat route does the same",
    "/embedding": "/v1/embeddings does the same",
}
HELLO = Message("user", "x")
COUNTS = ("/tokenize", "/extras/tokenize/count", "/v1/chat/completions/input_tokens")
PASSING = (408, 425, 429, 503)
"""Statuses of failures that may be gone the next time."""


@contextmanager
def replayed(exchange: Exchange) -> Generator[tuple[HttpEndpoint, Server]]:
    server = Server()
    driver: Driver = (LlamaCppServer if exchange.is_python else LlamaServer)(server.url)
    endpoint = HttpEndpoint(driver, Http(retries=0), model="")
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
    stop: Any = asked.get("stop") or ()
    if "chat" not in exchange.route:
        grammar_wins = "grammar" in asked or exchange.is_python
        return Request(
            prompt=(Segment(str(asked.get("prompt", "x"))),),
            max_tokens=limit,
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            logprobs=asked.get("n_probs", 0) or asked.get("logprobs", 0),
            gbnf=asked.get("grammar"),
            schema=None if grammar_wins else asked.get("json_schema"),
        )
    choice: Any = asked.get("tool_choice", "auto")
    named: Body = {} if isinstance(choice, str) else choice.get("function") or {}
    listed: list[Any] = asked["messages"] if isinstance(asked.get("messages"), list) else []
    return Request(
        messages=tuple(_message(one) for one in listed) or (HELLO,),
        tools=_tools(asked.get("tools") or ()),
        tool_choice=choice if isinstance(choice, str) else named.get("name", "auto"),
        max_tokens=limit,
        logprobs=asked.get("top_logprobs") or 0,
    )


def _message(one: Any) -> Message:
    """A recorded message; another one where it has what cannot be said here."""
    try:
        return HELLO if one.get("role") == "function" else message_from_dict(one)
    except (BridleError, AttributeError):
        return HELLO


def _tools(listed: Sequence[Any]) -> tuple[ToolSpec, ...]:
    try:
        return tuple(as_tools(listed))
    except BridleError:
        return ()


def not_asked(exchange: Exchange) -> str:
    """Say why an answer is one that our side never asks for; empty for any other."""
    if exchange.route in NOT_SPOKEN:
        return f"{exchange.route} is not used: {NOT_SPOKEN[exchange.route]}"
    parts = exchange.parts if exchange.answered is not None and exchange.status < 400 else []
    if "completion" not in exchange.route:
        return ""
    if any(isinstance(part, list) for part in parts):
        return "several prompts are asked one by one"
    if exchange.is_stream and any(choice_of(part).get("index") for part in parts):
        return "one answer is asked for, not several at once"
    return ""


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
        names[at] = names.get(at) or call["function"].get("name") or ""
        arguments[at] = arguments.get(at, "") + (call["function"].get("arguments") or "")
    return [(names[at], arguments[at].strip() or "{}") for at in names]


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


def thoughts_of(parts: Sequence[Body]) -> str:
    return "".join(message_of(part).get("reasoning_content") or "" for part in parts)


def scores_of(parts: Sequence[Body]) -> list[float]:
    found: list[float] = []
    for part in parts:
        logprobs: Body = choice_of(part).get("logprobs") or {}
        listed: list[Body] = [*part.get("completion_probabilities", ()), *logprobs.get("content", ())]
        # With `post_sampling_probs` there are no logarithms.
        found += [one["logprob"] if "logprob" in one else math.log(one["prob"]) for one in listed]
        found += logprobs.get("token_logprobs", ())
    return found


def check_answer(exchange: Exchange, answer: Answer) -> None:
    parts = exchange.parts
    reason = reason_of(parts)
    assert answer.text == text_of(parts)
    assert answer.thoughts == thoughts_of(parts)
    assert [(call.name, call.arguments) for call in answer.calls] == calls_of(parts)
    assert answer.finish_reason == reason
    assert answer.finish == ("length" if reason in ("length", "limit") else "stop")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == usage_of(parts)
    assert [one.logprob for one in answer.tokens] == scores_of(parts)


def check_failure(exchange: Exchange, error: EndpointError) -> None:
    """A failure is told in the server's own words, with its status and, where it has them, its numbers."""
    said = exchange.said
    shown = " ".join(said.split())[:60]
    assert shown in error.message or exchange.status == 404
    assert error.facts["status"] == exchange.status
    assert isinstance(error, AuthError) == (exchange.status in (401, 403))
    if "context length" in said or "context size" in said:
        assert isinstance(error, ContextOverflow)
        numbers = re.search(r"request \((\d+)|\((\d+) in", said)
        window = re.search(r"context size \((\d+)|context length is (\d+)", said)
        for name, found in (("prompt_tokens", numbers), ("context_tokens", window)):
            if found is not None:
                assert error.facts[name] == int(next(filter(None, found.groups())))


def ask(exchange: Exchange, endpoint: HttpEndpoint) -> Answer:
    request = request_of(exchange)
    return endpoint.complete(request, (lambda _: None) if exchange.asked.get("stream") else None)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_what_a_real_server_answered_is_read(path: Path) -> None:
    exchange = Exchange(path)
    if reason := not_asked(exchange):
        pytest.skip(reason)
    with replayed(exchange) as (endpoint, server):
        if exchange.answered is None:
            check_dead(exchange, endpoint)
        elif exchange.status >= 400:
            check_refused(exchange, endpoint, server)
        elif exchange.is_stream and not (exchange.is_over or reason_of(exchange.parts)):
            with pytest.raises(EndpointError) as cut:
                ask(exchange, endpoint)
            assert cut.value.facts["partial"] == text_of(exchange.parts)
            assert isinstance(cut.value, StreamTruncated) or not exchange.is_aborted
        else:
            check_route(exchange, endpoint, server)


def check_refused(exchange: Exchange, endpoint: HttpEndpoint, server: Server) -> None:
    """A refusal is a typed error; only a chat that could not be counted is asked for all the same."""
    if exchange.route in COUNTS and "chat" in exchange.route:
        assert endpoint.count_tokens(request_of(exchange)) is None
        return
    with pytest.raises(EndpointError) as caught:
        check_route(exchange, endpoint, server)
    check_failure(exchange, caught.value)
    failed = exchange.status >= 500 and "validation error" not in exchange.said
    assert caught.value.retryable is False or failed or exchange.status in PASSING


def check_route(exchange: Exchange, endpoint: HttpEndpoint, server: Server) -> None:
    """Put the same question through the driver, and compare what it makes of the answer."""
    route = exchange.route
    if route.endswith(("/completion", "/completions")):
        check_answer(exchange, ask(exchange, endpoint))
    elif route.endswith("/embeddings"):
        check_embeddings(exchange, endpoint)
    elif route in COUNTS:
        check_count(exchange, endpoint)
    elif route == "/props":
        check_props(exchange, endpoint, server)
    elif route.endswith("/models"):
        found = endpoint.models()
        listed = exchange.parts[0]["data"]
        assert [one.name for one in found] == [one["id"] for one in listed]
        metas: list[Body] = [one.get("meta") or {} for one in listed]
        assert [one.context_tokens for one in found] == [meta.get("n_ctx") for meta in metas]
    elif route == "/apply-template":
        rendered = ask_rendering(endpoint.driver.base, endpoint.http, [HELLO])
        assert rendered.text == exchange.parts[0]["prompt"]
    elif route == "/extras/tokenize" and exchange.status < 400:
        del server.routes["POST /extras/tokenize"]
        request = Request(prompt=(Segment("<s>", control=True), Segment("x")), control=("<s>",))
        endpoint.driver.before(request, "", endpoint.http.ask)
        assert endpoint.driver.prompt_text(request) == "<s>x"  # these were not two of the same token
    elif exchange.status < 400:
        pytest.skip(f"{route} is no route that is spoken here")
    else:
        endpoint.http.ask(HttpCall(endpoint.driver.root + route))


def check_embeddings(exchange: Exchange, endpoint: HttpEndpoint) -> None:
    """One vector comes for each text; several for one, from a server that pools nothing, are an error."""
    given: Any = exchange.asked.get("input") or "x"
    texts: list[str] = [given] if isinstance(given, str) else [*given]
    if exchange.status >= 400:
        endpoint.embed(["x"])
        return
    vectors: list[Any] = [one["embedding"] for one in exchange.parts[0]["data"]]
    if any(isinstance(vector[0], list) for vector in vectors):
        with pytest.raises(BadResponse, match="embeddings"):
            endpoint.embed(texts)
        return
    found = endpoint.embed(texts)
    assert [list(vector) for vector in found.vectors] == vectors
    assert found.usage.prompt_tokens == exchange.parts[0]["usage"]["prompt_tokens"]


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
    if "chat_template_caps" in props:
        assert endpoint.supports.tools is props["chat_template_caps"]["supports_tools"]
    assert isinstance(endpoint.supports, Supports)
    assert endpoint.model
    assert endpoint.model in props["model_path"] or endpoint.model == props.get("model_alias")


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


@pytest.mark.parametrize("is_python", [False, True])
def test_each_server_has_recordings_that_are_read(is_python: bool) -> None:
    of_one = [one for one in map(Exchange, FILES) if one.is_python is is_python]
    read = [
        one for one in of_one if not not_asked(one) and one.route.endswith(("/completion", "/completions"))
    ]
    assert any(one.is_stream for one in read)
    assert any(one.status >= 400 for one in read)
