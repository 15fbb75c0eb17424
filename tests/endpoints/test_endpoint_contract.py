"""What holds for every endpoint that is reached over HTTP, and for the scripted one."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from bridle.endpoints.base import Endpoint, Request, Supports
from bridle.endpoints.connect import connect
from bridle.endpoints.scripted import Scripted
from bridle.errors import BadResponse, InputError, RequestRefused, Unreachable
from bridle.messages import Message
from bridle.wrappers import Segment
from servers.fake import ModelServer, Response, events, json_response, model_server, unused_url, wait_until

HTTP_KINDS = ("openai", "webui", "lmstudio")
KINDS = (*HTTP_KINDS, "scripted")
ROUTES = ("prompt", "chat")
TEXT = "Grüße, 世界 🙂. The end of it."


@contextmanager
def opened(kind: str) -> Generator[tuple[Endpoint, ModelServer | None]]:
    if kind == "scripted":
        yield Scripted([TEXT] * 3), None
        return
    with model_server(kind) as server:
        endpoint = connect(f"{kind}@{server.url}")
        yield endpoint, server
        endpoint.close()


def request(route: str, stop: tuple[str, ...] = (), max_tokens: int | None = 200) -> Request:
    prompt = (Segment("<|user|>", control=True), Segment("Hello")) if route == "prompt" else ()
    messages = (Message("user", "Hello"),) if route == "chat" else ()
    return Request(prompt=prompt, messages=messages, stop=stop, max_tokens=max_tokens)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_is_the_whole(kind: str, route: str) -> None:
    with opened(kind) as (endpoint, _):
        pieces: list[str] = []
        streamed = endpoint.complete(request(route), pieces.append)
        whole = endpoint.complete(request(route))
        assert streamed == whole
        assert "".join(pieces) == whole.text == TEXT
        assert len(pieces) > 3
        assert (whole.finish, whole.finish_reason, whole.dropped) == ("stop", "stop", ())
        assert whole.usage.completion_tokens > 0


@pytest.mark.parametrize("framing", ["chunked", "close"])
@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_stream_may_be_cut_anywhere(kind: str, chunk_bytes: int, framing: str) -> None:
    with opened(kind) as (endpoint, server):
        assert server is not None
        server.chunk_bytes, server.framing = chunk_bytes, framing
        pieces: list[str] = []
        assert endpoint.complete(request("prompt"), pieces.append).text == TEXT
        assert "".join(pieces) == TEXT


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_stop_string_ends_the_answer_and_is_not_in_it(kind: str, stream: bool) -> None:
    with opened(kind) as (endpoint, server):
        pieces: list[str] = []
        answer = endpoint.complete(request("prompt", (" The", "never")), pieces.append if stream else None)
        assert answer.text == "Grüße, 世界 🙂."
        assert (answer.finish, answer.finish_reason) == ("stop", "stop")
        if server is not None:
            assert server.asked["stop"] == [" The", "never"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_stop_string_that_the_server_ignores_ends_the_answer(kind: str, stream: bool) -> None:
    with opened(kind) as (endpoint, server):
        assert server is not None
        server.ignores_stop = True
        pieces: list[str] = []
        answer = endpoint.complete(request("prompt", (" The",)), pieces.append if stream else None)
        assert (answer.text, answer.finish) == ("Grüße, 世界 🙂.", "stop")
        assert "".join(pieces) == (answer.text if stream else "")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_limit_of_tokens_is_kept_and_said(kind: str, stream: bool) -> None:
    with opened(kind) as (endpoint, _):
        pieces: list[str] = []
        answer = endpoint.complete(request("prompt", max_tokens=3), pieces.append if stream else None)
        assert TEXT.startswith(answer.text)
        assert 0 < len(answer.text) < len(TEXT)
        assert (answer.finish, answer.finish_reason) == ("length", "length")


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_needs_no_limit(kind: str) -> None:
    with opened(kind) as (endpoint, _):
        for route in ROUTES:
            assert endpoint.complete(request(route, max_tokens=None)).text == TEXT


@pytest.mark.parametrize("kind", KINDS)
def test_cancelling_keeps_what_had_arrived(kind: str) -> None:
    with opened(kind) as (endpoint, server):
        if server is not None:
            server.pause_s = 0.05
        pieces: list[str] = []
        answer = endpoint.complete(request("prompt"), pieces.append, lambda: len(pieces) >= 2)
        assert answer.finish == "cancelled"
        assert answer.text == "".join(pieces)
        assert 0 < len(answer.text) < len(TEXT)
        if server is not None:
            assert wait_until(server.broken.is_set)
            server.pause_s = 0.0
            assert endpoint.complete(request("prompt")).text == TEXT


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_cancelling_does_not_wait_for_the_first_byte(kind: str) -> None:
    with opened(kind) as (endpoint, server):
        assert server is not None

        def slow(_: object) -> Response:
            server.hold(30)
            return json_response({})

        server.routes["POST /v1/completions"] = slow
        start = time.monotonic()
        answer = endpoint.complete(request("prompt"), None, lambda: time.monotonic() > start + 0.1)
        assert (answer.finish, answer.text) == ("cancelled", "")
        assert time.monotonic() - start < 2


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_an_answer_is_cut_when_its_time_is_over(kind: str) -> None:
    with opened(kind) as (endpoint, server):
        assert server is not None
        server.pause_s = 0.1
        start = time.monotonic()
        answer = endpoint.complete(replace(request("prompt"), max_seconds=0.35))
        assert time.monotonic() - start < 2
        assert (answer.finish, answer.finish_reason) == ("length", "max_seconds")
        assert TEXT.startswith(answer.text)
        assert len(answer.text) < len(TEXT)
        server.pause_s = 0.0
        answer = endpoint.complete(replace(request("prompt"), max_seconds=60))
        assert (answer.text, answer.finish_reason) == (TEXT, "stop")
        with pytest.raises(InputError, match="max_seconds is 0"):
            endpoint.complete(replace(request("prompt"), max_seconds=0))


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_who_cancels_before_the_time_is_over_has_cancelled(kind: str) -> None:
    with opened(kind) as (endpoint, _):
        answer = endpoint.complete(replace(request("prompt"), max_seconds=60), None, lambda: True)
        assert (answer.finish, answer.finish_reason) == ("cancelled", "cancelled")


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_limits_of_fields_cannot_be_told_to_a_server(kind: str) -> None:
    with opened(kind) as (endpoint, _):
        assert endpoint.complete(replace(request("prompt"), field_tokens={"note": 3})).dropped == (
            "field_tokens",
        )


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_server_that_is_down_is_reported_fast_with_what_to_start(kind: str) -> None:
    start = time.monotonic()
    url = unused_url()
    with pytest.raises(Unreachable) as caught:
        connect(f"{kind}@{url}")
    assert url in caught.value.message
    assert caught.value.hint.startswith("start")
    assert caught.value.exit_code == 3
    with pytest.raises(Unreachable):
        connect(f"{kind}:model@{url}").complete(request("prompt"))
    assert time.monotonic() - start < 1


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_web_page_is_no_answer(kind: str) -> None:
    with opened(kind) as (endpoint, server):
        assert server is not None
        page = Response(200, (b"<!doctype html><title>Login</title>" + b"x" * 500,), "text/html")
        server.routes["POST /v1/completions"] = lambda _: page
        for on_text in (None, len):
            with pytest.raises(BadResponse) as caught:
                endpoint.complete(request("prompt"), on_text and (lambda text: None))
            assert caught.value.facts["status"] == 200
            assert f"{server.url}/v1/completions" in caught.value.message
            assert "<title>Login" in caught.value.message
            assert len(caught.value.message) < 400
            assert "port" in caught.value.hint


@pytest.mark.parametrize("kind", HTTP_KINDS)
@pytest.mark.parametrize(
    ("status", "body", "hint", "retryable"),
    [
        (401, {"error": {"message": "Invalid API key"}}, "BRIDLE_API_KEY", False),
        (403, {"detail": "Invalid API key"}, "BRIDLE_API_KEY", False),
        (404, {"detail": "Not Found"}, "path of its URL", False),
        (404, {"error": "model 'x' not found"}, "a model that the server has", False),
        (422, {"detail": [{"loc": ["body", "x"], "msg": "too small"}]}, "own words", False),
        (500, "Internal Server Error", "server's log", True),
    ],
)
def test_a_refusal_says_what_the_server_said_and_what_to_do(
    kind: str, status: int, body: object, hint: str, retryable: bool
) -> None:
    with opened(kind) as (endpoint, server):
        assert server is not None
        server.routes["POST /v1/completions"] = lambda _: json_response(body, status, {"Retry-After": "0"})
        with pytest.raises(RequestRefused) as caught:
            endpoint.complete(request("prompt"), print)
        assert caught.value.facts["status"] == status
        assert str(status) in caught.value.message
        assert hint in caught.value.hint
        assert caught.value.retryable is retryable
        n_asked = sum(seen.path == "/v1/completions" for seen in server.seen)
        assert n_asked == (3 if retryable else 1)


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_stream_without_its_end_is_not_complete(kind: str) -> None:
    with opened(kind) as (endpoint, server):
        assert server is not None
        server.without_end = True
        answer = endpoint.complete(request("prompt"), lambda text: None)
        assert (answer.text, answer.finish, answer.finish_reason) == (TEXT, "length", "")


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_connection_that_breaks_off_is_an_error(kind: str) -> None:
    with opened(kind) as (endpoint, server):
        assert server is not None
        piece = b'data: {"choices": [{"text": "ab"}]}\n\n'
        server.routes["POST /v1/completions"] = lambda _: events([piece], cut=True)
        pieces: list[str] = []
        with pytest.raises(BadResponse) as caught:
            endpoint.complete(request("prompt"), pieces.append)
        assert pieces == ["ab"]
        assert caught.value.retryable


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_an_error_inside_a_stream_is_raised(kind: str) -> None:
    with opened(kind) as (endpoint, server):
        assert server is not None
        failures = iter(
            (b'data: {"error": {"message": "it broke"}}\n\n', b'event: error\ndata: "it broke"\n\n')
        )
        server.routes["POST /v1/completions"] = lambda _: events([next(failures)])
        for _ in range(2):
            with pytest.raises(RequestRefused, match="it broke"):
                endpoint.complete(request("prompt"), lambda text: None)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_request_is_refused(kind: str) -> None:
    with opened(kind) as (endpoint, _), pytest.raises(InputError):
        endpoint.complete(Request())


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_sent_is_said(kind: str) -> None:
    with opened(kind) as (endpoint, _):
        answer = endpoint.complete(Request(messages=(Message("user", "hi"),), gbnf='root ::= "x"'))
        assert answer.dropped == ("gbnf",)


@pytest.mark.parametrize("kind", KINDS)
def test_the_name_and_abilities_are_told(kind: str) -> None:
    with opened(kind) as (endpoint, server):
        assert endpoint.name.startswith(kind)
        assert endpoint.model == ("m" if server else "scripted")
        assert isinstance(endpoint.supports, Supports)
        assert endpoint.supports.prompt
        assert endpoint.supports.chat
        assert not endpoint.supports.proven
        assert endpoint.chat_template is None
