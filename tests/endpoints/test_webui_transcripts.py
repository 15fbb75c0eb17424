"""What a real text-generation-webui answered, replayed by a local server and read by the driver.

All transcripts that name such a server are taken, and each is judged by what was asked and answered in it, so
that other recordings of the same server can be laid beside them or take their place. What cannot be asked in
our words (an image, say) is replaced by something that can: its answer is read all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bridle.endpoints.base import Answer, Request, Sampling
from bridle.endpoints.drivers.openai_compat import OpenAICompat
from bridle.endpoints.drivers.webui import WebUI
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.json_paths import text_at
from bridle.endpoints.transport.http import Http, HttpCall
from bridle.errors import (
    AuthError,
    BadResponse,
    BridleError,
    ConstraintRejected,
    ContextOverflow,
    EndpointError,
    GrammarError,
    ModelNotFound,
    RequestRefused,
    StreamTruncated,
)
from bridle.grammars import check_gbnf
from bridle.messages import JSON, Message, ToolSpec, as_messages, as_tools
from bridle.wrappers import Segment
from servers.fake import Response, Server, json_response
from servers.webui_exchanges import FILES, NAMES, Body, Exchange

INFO = "/v1/internal/model/info"
NOT_SPOKEN = {
    "/v1/internal/health": "the loaded model is asked for instead",
    "/v1/internal/stop-generation": "it stops everybody's generation: the connection is closed instead",
    "/v1/messages": "the chat route does the same",
}
NOTHING: Body = {}
HELLO = Message("user", "x")


@contextmanager
def replaying(exchange: Exchange) -> Generator[tuple[HttpEndpoint, WebUI, Server]]:
    """An endpoint at a server that gives one recorded answer, and knows the name of its model."""
    server = Server()
    server.routes[f"GET {INFO}"] = lambda _: json_response({"model_name": "m", "loader": "llama.cpp"})
    server.routes[f"{exchange.method} {exchange.route}"] = lambda _: exchange.response()
    driver = WebUI(server.url)
    endpoint = HttpEndpoint(driver, Http(retries=0))
    try:
        yield endpoint, driver, server
    finally:
        endpoint.close()
        server.close()


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_every_recorded_exchange_is_read(path: Path) -> None:
    exchange = Exchange(path)
    if exchange.route in NOT_SPOKEN:
        pytest.skip(f"{exchange.route} is not used: {NOT_SPOKEN[exchange.route]}")
    if reason := _not_asked(exchange):
        pytest.skip(reason)
    with replaying(exchange) as (endpoint, driver, _):
        if exchange.status >= 400:
            _is_refused(exchange, endpoint)
        elif exchange.route in READERS:
            READERS[exchange.route](exchange, endpoint, driver)
        else:
            pytest.skip(f"{exchange.route} is a route that is not known here")


def _not_asked(exchange: Exchange) -> str:
    """Say why an answer is one that our side never asks for; empty for any other."""
    if exchange.status >= 400 or exchange.answered is None or READERS.get(exchange.route) != _read_completion:
        return ""
    prompt = exchange.asked.get("prompt", "")
    if not isinstance(prompt, str) and len(prompt) != 1:
        return "several prompts are asked one by one, and tokens are not sent"
    return "one answer is asked for" if any(choice.get("index") for choice in exchange.choices) else ""


def _is_refused(exchange: Exchange, endpoint: HttpEndpoint) -> None:
    """A refusal is an error with the server's own words and status."""
    body = exchange.asked if exchange.method == "POST" else None
    with pytest.raises(EndpointError) as caught:
        endpoint.http.ask(HttpCall(endpoint.driver.root + exchange.route, body))
    error = caught.value
    assert isinstance(error, AuthError if exchange.status in (401, 403) else RequestRefused)
    assert error.facts["status"] == exchange.status
    words = _messages(exchange.said) or [exchange.text.strip()[:60]]
    assert any(word in error.message for word in words), (words, error.message)


def _messages(said: JSON) -> list[str]:
    """The words in an error body, whatever its shape."""
    if isinstance(said, dict):
        found = [text_at(said, key) for key in ("message", "msg", "detail")]
        return [text for text in found if text] + [one for value in said.values() for one in _messages(value)]
    return [text for one in said for text in _messages(one)] if isinstance(said, list) else []


def _read_completion(exchange: Exchange, endpoint: HttpEndpoint, driver: WebUI) -> None:
    request = _request(exchange.asked)
    shown: list[str] = []
    stream = bool(exchange.asked.get("stream"))
    if exchange.answered is None:
        with pytest.raises(BadResponse):
            endpoint.complete(request, shown.append)
        return
    choices = exchange.choices
    reasons = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    said: list[Body] = [choice.get("message") or choice.get("delta") or NOTHING for choice in choices]
    text = "".join(c.get("text") or m.get("content") or "" for c, m in zip(choices, said, strict=True))
    written: list[list[Body]] = [message.get("tool_calls") or [] for message in said]
    calls = [call["function"] for some in written for call in some]
    if not reasons:
        with pytest.raises(StreamTruncated) as cut:
            endpoint.complete(request, shown.append)
        assert cut.value.partial == "".join(shown) == text
        return
    if not text and not calls and (reasons[0] == "length" or request.gbnf):
        expected = ContextOverflow if reasons[0] == "length" else ConstraintRejected
        with pytest.raises(expected) as caught:
            endpoint.complete(request, shown.append if stream else None)
        if expected is ContextOverflow:
            assert caught.value.facts["prompt_tokens"] == exchange.parts[-1]["usage"]["prompt_tokens"]
        return
    answer = endpoint.complete(request, shown.append if stream else None)
    assert (answer.text, answer.finish_reason) == (text, reasons[0])
    assert "".join(shown) == (text if stream else "")
    assert [(call.name, call.arguments) for call in answer.calls] == [
        (call["name"], call["arguments"]) for call in calls
    ]
    _check_numbers(exchange, answer)


def _check_numbers(exchange: Exchange, answer: Answer) -> None:
    usage: Body = exchange.parts[-1].get("usage") or NOTHING
    assert answer.usage.prompt_tokens == usage.get("prompt_tokens", 0)
    assert answer.usage.completion_tokens == usage.get("completion_tokens", 0)
    assert answer.finish == ("length" if answer.finish_reason == "length" else "stop")
    logprobs: Body = exchange.choices[0].get("logprobs") or NOTHING
    assert [token.text for token in answer.tokens] == logprobs.get("tokens", [])
    assert [token.logprob for token in answer.tokens] == logprobs.get("token_logprobs", [])


def _request(asked: Body) -> Request:
    """The request that would have asked it; a grammar that cannot be read is replaced by one that can."""
    gbnf = asked.get("grammar_string")
    if gbnf is not None:
        try:
            check_gbnf(gbnf)
        except GrammarError:
            gbnf = 'root ::= "x"'
    stop: str | list[str] = asked.get("stop") or []
    return Request(
        prompt=(Segment(str(asked["prompt"])),) if "prompt" in asked else (),
        messages=() if "prompt" in asked else _conversation(asked.get("messages")),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        max_tokens=asked.get("max_tokens"),
        sampling=Sampling(seed=asked.get("seed")),
        gbnf=gbnf,
        tools=_tools(asked.get("tools") or ()),
        logprobs=int(asked.get("logprobs") or 0),
    )


def _conversation(listed: Any) -> tuple[Message, ...]:
    try:
        return tuple(as_messages(listed)) or (HELLO,)
    except (BridleError, AttributeError, TypeError):
        return (HELLO,)


def _tools(listed: Sequence[Any]) -> tuple[ToolSpec, ...]:
    try:
        return tuple(as_tools(listed))
    except BridleError:
        return ()


def _read_info(exchange: Exchange, endpoint: HttpEndpoint, driver: WebUI) -> None:
    driver.inner = driver.root  # where nobody answers such a question
    if exchange.said["model_name"] == "None":
        with pytest.raises(ModelNotFound, match="no model is loaded"):
            endpoint.discover()
        return
    endpoint.discover()
    assert (endpoint.model, endpoint.context_tokens) == (exchange.said["model_name"], None)
    assert endpoint.supports.grammar == (exchange.said["loader"] == "llama.cpp")


def _read_rendering(exchange: Exchange, endpoint: HttpEndpoint, driver: WebUI) -> None:
    """A rendering without the first turn shows that the server would cut the chat."""
    request = _request(exchange.asked)
    prompt: str = exchange.said["prompt"]
    assert driver.rendered(request, endpoint.http.ask) == prompt
    first = next(m["content"] for m in exchange.asked["messages"] if m["role"] == "user")
    if " ".join(first.split()[:8]) in prompt:
        driver.before(request, "", endpoint.http.ask)
    else:
        with pytest.raises(ContextOverflow, match="would cut this conversation"):
            driver.before(request, "", endpoint.http.ask)


def _read_models(exchange: Exchange, endpoint: HttpEndpoint, driver: WebUI) -> None:
    listed = OpenAICompat(driver.root).models(endpoint.http.ask)
    assert [one.name for one in listed] == [one["id"] for one in exchange.said["data"]]


def _read_list(exchange: Exchange, endpoint: HttpEndpoint, driver: WebUI) -> None:
    assert [one.name for one in endpoint.models()] == exchange.said["model_names"]


def _read_count(exchange: Exchange, endpoint: HttpEndpoint, driver: WebUI) -> None:
    request = Request(prompt=(Segment(exchange.asked["text"]),))
    assert endpoint.count_tokens(request) == exchange.said["length"]


def _read_tokens(exchange: Exchange, endpoint: HttpEndpoint, driver: WebUI) -> None:
    ask = endpoint.http.ask
    if exchange.route.endswith("/decode"):
        assert driver.decode(exchange.asked["tokens"], ask) == exchange.said["text"]
    elif exchange.route.endswith("/encode"):
        assert list(driver.encode(exchange.asked["text"], ask)) == exchange.said["tokens"]
    else:
        assert driver.next_tokens(exchange.asked["prompt"], ask) == exchange.said


def _read_loading(exchange: Exchange, endpoint: HttpEndpoint, driver: WebUI) -> None:
    if exchange.route.endswith("/unload"):
        assert endpoint.http.ask(driver.unload_call()) == "OK"
        return
    arguments = dict(exchange.asked.get("args") or {})
    call = driver.load_call(exchange.asked["model_name"], arguments.pop("ctx_size", None), arguments)
    assert call.body == exchange.asked
    assert endpoint.http.ask(call) == "OK"


def _read_embeddings(exchange: Exchange, endpoint: HttpEndpoint, driver: WebUI) -> None:
    given = exchange.asked["input"]
    found = endpoint.embed([given] if isinstance(given, str) else given)
    assert [list(vector) for vector in found.vectors] == [one["embedding"] for one in exchange.said["data"]]


READERS: Mapping[str, Callable[[Exchange, HttpEndpoint, WebUI], None]] = {
    "/v1/completions": _read_completion,
    "/v1/chat/completions": _read_completion,
    "/v1/embeddings": _read_embeddings,
    "/v1/models": _read_models,
    INFO: _read_info,
    "/v1/internal/model/list": _read_list,
    "/v1/internal/model/load": _read_loading,
    "/v1/internal/model/unload": _read_loading,
    "/v1/internal/token-count": _read_count,
    "/v1/internal/encode": _read_tokens,
    "/v1/internal/decode": _read_tokens,
    "/v1/internal/logits": _read_tokens,
    "/v1/internal/chat-prompt": _read_rendering,
}


def test_there_are_answers_and_refusals_and_streams() -> None:
    asked = [one for one in map(Exchange, FILES) if READERS.get(one.route) == _read_completion]
    assert any(one.status >= 400 for one in asked)
    assert any(one.asked.get("stream") for one in asked)


def test_a_server_without_a_model_is_told_from_one_that_fails() -> None:
    failed = Response(500, (b"Internal Server Error",), "text/plain; charset=utf-8")
    server = Server()
    server.routes["POST /v1/completions"] = lambda _: failed
    answer: Body = {"model_name": "m", "lora_names": [], "loader": "llama.cpp"}
    server.routes[f"GET {INFO}"] = lambda _: json_response(answer)
    endpoint = HttpEndpoint(WebUI(server.url), Http(retries=0))
    try:
        request = Request(prompt=(Segment("x"),), max_tokens=2)
        with pytest.raises(RequestRefused, match="Internal Server Error"):
            endpoint.complete(request)
        answer |= {"model_name": "None", "loader": None}
        with pytest.raises(ModelNotFound):
            endpoint.complete(request)
    finally:
        endpoint.close()
        server.close()
