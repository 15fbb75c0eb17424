"""What holds for every endpoint that is reached over HTTP, and for the scripted one.

The kinds are those of `servers.kinds`; what a kind does is asked of its `supports`. A fake may say which of
its habits matter here: `prompt_routes` or `prompt_route` (of a completion), `chat_route`, `piece(text)` and
`error_line(text)` (bytes of its stream), `usage_in_streams`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from bridle.endpoints.base import Embeds, Endpoint, ListsModels, Request, Supports
from bridle.endpoints.connect import connect
from bridle.endpoints.scripted import Scripted
from bridle.errors import (
    AuthError,
    BadResponse,
    BridleError,
    ConstraintRejected,
    ContextOverflow,
    InputError,
    ModelNotFound,
    RequestRefused,
    StreamTruncated,
    Unreachable,
    UnsupportedParameter,
)
from bridle.messages import Message, ToolSpec
from bridle.wrappers import Segment
from servers.fake import Response, Seen, json_response, unused_url, wait_until
from servers.kinds import FAKES, make_fake

HTTP_KINDS = tuple(FAKES)
KINDS = (*HTTP_KINDS, "scripted")
ROUTES = ("prompt", "chat")
TEXT = "Grüße, 世界 🙂. The end of it."
BY_SOCKET = ("webui-legacy",)
"""Kinds whose every stream goes over a WebSocket: what is done to routes does not touch it."""
PROMPT_BY_SOCKET = (*BY_SOCKET, "lmstudio")
ROUTED = tuple(kind for kind in HTTP_KINDS if kind not in BY_SOCKET)


@contextmanager
def opened(kind: str) -> Generator[tuple[Endpoint, Any]]:
    """Connect to the fake of a kind. What fakes can be told differs, so that theirs is no common type."""
    if kind == "scripted":
        yield Scripted([TEXT] * 8), None
        return
    server = make_fake(kind)
    try:
        endpoint = connect(f"{kind}@{server.url}")
        yield endpoint, server
        endpoint.close()
    finally:
        server.close()


def request(route: str, stop: tuple[str, ...] = (), max_tokens: int | None = 200) -> Request:
    prompt = (Segment("<|user|>", control=True), Segment("Hello")) if route == "prompt" else ()
    messages = (Message("user", "Hello"),) if route == "chat" else ()
    return Request(prompt=prompt, messages=messages, stop=stop, max_tokens=max_tokens)


def routes_of(endpoint: Endpoint) -> list[str]:
    there = {"prompt": endpoint.supports.prompt, "chat": endpoint.supports.chat}
    return [route for route in ROUTES if there[route]]


def ignore(text: str) -> None:
    assert text


def always(response: Response) -> Callable[[Seen], Response]:
    return lambda _: response


@dataclass(frozen=True)
class Faulty:
    """A route of a fake whose answers a test sets, and the request that goes there."""

    server: Any
    request: Request
    paths: tuple[str, ...]

    def answer(self, answering: Callable[[Seen], Response]) -> None:
        for path in self.paths:
            self.server.routes[f"POST {path}"] = answering

    def stream(self, *pieces: bytes, cut: bool = False) -> Response:
        lines = hasattr(self.server, "error_line")
        content_type = "application/x-ndjson" if lines else "text/event-stream"
        return Response(200, pieces, content_type, framing="chunked", cut=cut)

    def piece(self, text: str) -> bytes:
        if hasattr(self.server, "piece") and self.request.prompt:
            return bytes(self.server.piece(text))
        said = f'"text": "{text}"' if self.request.prompt else f'"delta": {{"content": "{text}"}}'
        return f'data: {{"choices": [{{{said}}}]}}\n\n'.encode()

    def n_asked(self) -> int:
        return sum(seen.path in self.paths for seen in self.server.seen)


def faulty(kind: str, server: Any) -> Faulty:
    if kind == "lmstudio":
        path = getattr(server, "chat_route", "/v1/chat/completions")
        return Faulty(server, request("chat"), (path,))
    one = getattr(server, "prompt_route", "/v1/completions")
    return Faulty(server, request("prompt"), tuple(getattr(server, "prompt_routes", (one,))))


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_is_the_whole(kind: str) -> None:
    with opened(kind) as (endpoint, server):
        for route in routes_of(endpoint):
            pieces: list[str] = []
            streamed = endpoint.complete(request(route), pieces.append)
            whole = endpoint.complete(request(route))
            if not getattr(server, "usage_in_streams", True):
                streamed = replace(streamed, usage=whole.usage)
            assert streamed == whole
            assert "".join(pieces) == whole.text == TEXT
            assert len(pieces) > 3
            assert (whole.finish, whole.dropped) == ("stop", ())
            assert whole.finish_reason
            assert whole.usage.completion_tokens > 0


@pytest.mark.parametrize("framing", ["chunked", "close"])
@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_stream_may_be_cut_anywhere(kind: str, framing: str) -> None:
    with opened(kind) as (endpoint, server):
        server.framing = framing
        for chunk_bytes in (1, 7, 1000):
            server.chunk_bytes = chunk_bytes
            for route in routes_of(endpoint):
                pieces: list[str] = []
                assert endpoint.complete(request(route), pieces.append).text == TEXT
                assert "".join(pieces) == TEXT


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_stop_string_ends_the_answer_and_is_not_in_it(kind: str, stream: bool) -> None:
    with opened(kind) as (endpoint, server):
        for route in routes_of(endpoint):
            pieces: list[str] = []
            answer = endpoint.complete(request(route, (" The", "never")), pieces.append if stream else None)
            assert (answer.text, answer.finish) == ("Grüße, 世界 🙂.", "stop")
            if server is not None:
                assert [" The", "never"] in server.asked.values()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_stop_string_that_the_server_ignores_ends_the_answer(kind: str, stream: bool) -> None:
    with opened(kind) as (endpoint, server):
        server.ignores_stop = True
        pieces: list[str] = []
        answer = endpoint.complete(request("prompt", (" The",)), pieces.append if stream else None)
        assert (answer.text, answer.finish) == ("Grüße, 世界 🙂.", "stop")
        assert "".join(pieces) == (answer.text if stream else "")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_limit_of_tokens_is_kept_and_said(kind: str, stream: bool) -> None:
    with opened(kind) as (endpoint, _):
        for route in routes_of(endpoint):
            pieces: list[str] = []
            answer = endpoint.complete(request(route, max_tokens=3), pieces.append if stream else None)
            assert TEXT.startswith(answer.text)
            assert 0 < len(answer.text) < len(TEXT)
            assert answer.finish == "length"


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_needs_no_limit(kind: str) -> None:
    with opened(kind) as (endpoint, _):
        for route in routes_of(endpoint):
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


@pytest.mark.parametrize("kind", ROUTED)
def test_cancelling_does_not_wait_for_the_first_byte(kind: str) -> None:
    with opened(kind) as (endpoint, server):
        fault = faulty(kind, server)

        def slow(_: Seen) -> Response:
            server.hold(30)
            return json_response({})

        fault.answer(slow)
        start = time.monotonic()
        answer = endpoint.complete(fault.request, None, lambda: time.monotonic() > start + 0.1)
        assert (answer.finish, answer.text) == ("cancelled", "")
        assert time.monotonic() - start < 2


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_an_answer_is_cut_when_its_time_is_over(kind: str) -> None:
    with opened(kind) as (endpoint, server):
        server.pause_s = 0.1
        start = time.monotonic()
        answer = endpoint.complete(replace(request("prompt"), max_seconds=0.35))
        assert time.monotonic() - start < 2
        assert (answer.finish, answer.finish_reason) == ("length", "max_seconds")
        assert TEXT.startswith(answer.text)
        assert len(answer.text) < len(TEXT)
        server.pause_s = 0.0
        answer = endpoint.complete(replace(request("prompt"), max_seconds=60))
        assert (answer.text, answer.finish) == (TEXT, "stop")
        with pytest.raises(InputError, match="max_seconds is 0"):
            endpoint.complete(replace(request("prompt"), max_seconds=0))


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_who_cancels_before_the_time_is_over_has_cancelled(kind: str) -> None:
    with opened(kind) as (endpoint, _):
        answer = endpoint.complete(replace(request("prompt"), max_seconds=60), None, lambda: True)
        assert (answer.finish, answer.finish_reason) == ("cancelled", "cancelled")


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_limits_of_fields_cannot_be_told_to_a_server(kind: str) -> None:
    with opened(kind) as (endpoint, server):
        asked = replace(request("prompt"), field_tokens={"note": 3})
        assert endpoint.complete(asked).dropped == ("field_tokens",)
        n_seen = len(server.seen)
        with pytest.raises(UnsupportedParameter) as caught:
            endpoint.complete(replace(asked, strict=True))
        assert caught.value.facts["parameter"] == "field_tokens"
        assert len(server.seen) == n_seen


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_server_that_is_down_is_reported_fast_with_what_to_start(kind: str) -> None:
    start = time.monotonic()
    url = unused_url()
    with pytest.raises(Unreachable) as caught:
        connect(f"{kind}@{url}")
    assert url.removeprefix("http://") in caught.value.message
    assert caught.value.hint.startswith("start")
    assert caught.value.exit_code == 3
    with pytest.raises(Unreachable):
        connect(f"{kind}:model@{url}").complete(request("prompt"))
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("kind", ROUTED)
def test_a_web_page_is_no_answer(kind: str) -> None:
    with opened(kind) as (endpoint, server):
        fault = faulty(kind, server)
        page = Response(200, (b"<!doctype html><title>Login</title>" + b"x" * 500,), "text/html")
        fault.answer(lambda _: page)
        for stream in (False, True):
            with pytest.raises(BadResponse) as caught:
                endpoint.complete(fault.request, ignore if stream else None)
            assert caught.value.facts["status"] == 200
            assert any(f"{server.url}{path}" in caught.value.message for path in fault.paths)
            assert "<title>Login" in caught.value.message
            assert len(caught.value.message) < 400
            assert "port" in caught.value.hint


REFUSALS: list[tuple[int, object, type[BridleError], str, bool]] = [
    (401, {"error": {"message": "Invalid API key"}}, AuthError, "BRIDLE_API_KEY", False),
    (403, {"detail": "Invalid API key"}, AuthError, "BRIDLE_API_KEY", False),
    (404, {"detail": "Not Found"}, RequestRefused, "path of its URL", False),
    (404, {"error": "model 'x' not found"}, ModelNotFound, "", False),
    (400, {"error": {"message": "failed to parse grammar"}}, ConstraintRejected, "", False),
    (422, {"detail": [{"loc": ["body", "x"], "msg": "too small"}]}, RequestRefused, "own words", False),
    (500, "Internal Server Error", RequestRefused, "server's log", True),
]


@pytest.mark.parametrize("kind", ROUTED)
def test_a_refusal_says_what_the_server_said_and_what_to_do(kind: str) -> None:
    with opened(kind) as (endpoint, server):
        fault = faulty(kind, server)
        for status, body, error, hint, retryable in REFUSALS:
            fault.answer(always(json_response(body, status, {"Retry-After": "0"})))
            n_before = fault.n_asked()
            with pytest.raises(error) as caught:
                endpoint.complete(fault.request, ignore)
            assert caught.value.facts["status"] == status
            assert str(status) in caught.value.message or error is ModelNotFound
            assert hint in caught.value.hint
            assert caught.value.hint
            assert caught.value.retryable is retryable
            assert fault.n_asked() - n_before == (3 if retryable else 1)


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_stream_without_its_end_is_an_error_that_has_what_came(kind: str) -> None:
    with opened(kind) as (endpoint, server):
        server.without_end = True
        pieces: list[str] = []
        with pytest.raises(StreamTruncated) as caught:
            endpoint.complete(request("prompt"), pieces.append)
        assert caught.value.partial == "".join(pieces)
        assert TEXT.startswith(caught.value.partial)
        assert caught.value.retryable


@pytest.mark.parametrize("kind", ROUTED)
def test_a_connection_that_breaks_off_is_an_error(kind: str) -> None:
    with opened(kind) as (endpoint, server):
        fault = faulty(kind, server)
        fault.answer(lambda _: fault.stream(fault.piece("ab"), cut=True))
        pieces: list[str] = []
        with pytest.raises(StreamTruncated) as caught:
            endpoint.complete(fault.request, pieces.append)
        assert pieces == ["ab"]
        assert caught.value.partial == "ab"
        assert caught.value.retryable


@pytest.mark.parametrize("kind", ROUTED)
def test_an_error_inside_a_stream_is_raised(kind: str) -> None:
    with opened(kind) as (endpoint, server):
        fault = faulty(kind, server)
        failures = [b'data: {"error": {"message": "it broke"}}\n\n', b'event: error\ndata: "it broke"\n\n']
        if hasattr(server, "error_line"):
            failures = [server.error_line("it broke")]
        for failure in failures:
            fault.answer(always(fault.stream(fault.piece("ab"), failure)))
            with pytest.raises(RequestRefused, match="it broke") as caught:
                endpoint.complete(fault.request, ignore)
            assert caught.value.facts["partial"] == "ab"


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_prompt_that_does_not_fit_is_a_typed_error_with_numbers(kind: str) -> None:
    with opened(kind) as (endpoint, _):
        window = endpoint.context_tokens
        if window is None:
            pytest.skip("this fake tells no window")
        long = Request(prompt=(Segment("ab " * window),), max_tokens=20)
        with pytest.raises(ContextOverflow) as caught:
            endpoint.complete(long)
        prompt_tokens = caught.value.facts["prompt_tokens"]
        assert isinstance(prompt_tokens, int)
        assert prompt_tokens > 0
        assert caught.value.facts["context_tokens"] == window


@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_is_counted_where_that_can_be_done(kind: str) -> None:
    with opened(kind) as (endpoint, _):
        counted = endpoint.count_tokens(request("prompt"))
        assert (counted is not None) == endpoint.supports.tokenize
        assert counted is None or counted > 0


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_embeddings_are_made_where_that_can_be_done(kind: str) -> None:
    with opened(kind) as (endpoint, _):
        if not (endpoint.supports.embed and isinstance(endpoint, Embeds)):
            pytest.skip("the model of this fake makes none")
        try:
            found = endpoint.embed(["one", "another"])
        except RequestRefused as error:
            pytest.skip(f"a server that was not started for that: {error.message}")
        assert len(found.vectors) == 2
        assert len({len(vector) for vector in found.vectors}) == 1
        assert endpoint.embed([]).vectors == ()


CALLED = [("add", {"a": 1}), ("add", {"a": 2})]
CALLS: dict[str, Any] = {
    "openai": CALLED,
    "ollama": CALLED,
    "lmstudio": CALLED,
}
"""What fakes are told to call, in their own shapes; the others make up a call of the tool that they get."""


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_native_calls_are_the_same_in_a_stream(kind: str) -> None:
    add = ToolSpec("add", "", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
    with opened(kind) as (endpoint, server):
        supports = endpoint.supports
        if not supports.tools:
            pytest.skip("this kind takes no tools")
        if kind in CALLS:
            server.calls = CALLS[kind]
        choice = "add" if supports.named else "required" if supports.forced else "auto"
        asked = replace(request("chat"), tools=(add,), tool_choice=choice)
        streamed, whole = endpoint.complete(asked, ignore), endpoint.complete(asked)
        found = [[(one.name, json.loads(one.arguments)) for one in a.calls] for a in (streamed, whole)]
        assert found[0] == found[1]
        assert (streamed.text, streamed.thoughts) == (whole.text, whole.thoughts)
        if supports.forced or kind == "ollama":
            assert {name for name, _ in found[0]} == {"add"}
        assert kind not in CALLS or len(found[0]) == 2


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_the_models_are_listed(kind: str) -> None:
    with opened(kind) as (endpoint, _):
        assert isinstance(endpoint, ListsModels)
        listed = [one.name for one in endpoint.models()]
        assert {endpoint.model, f"{endpoint.model}:latest"} & set(listed)


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_several_requests_are_served_at_a_time_where_that_can_be_done(kind: str) -> None:
    with opened(kind) as (endpoint, server):
        if not endpoint.supports.parallel:
            pytest.skip("this kind serves one at a time")
        server.pause_s = 0.01
        found: list[str] = []

        def ask(cancels: bool) -> None:
            pieces: list[str] = []
            answer = endpoint.complete(request("prompt"), pieces.append, lambda: cancels and len(pieces) > 1)
            found.append(answer.finish if cancels else answer.text)

        threads = [threading.Thread(target=ask, args=(at == 3,)) for at in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert sorted(found) == sorted(["cancelled", *[TEXT] * 5])


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_request_is_refused(kind: str) -> None:
    with opened(kind) as (endpoint, _), pytest.raises(InputError):
        endpoint.complete(Request())


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_route_that_a_kind_does_not_have_is_refused(kind: str) -> None:
    with opened(kind) as (endpoint, _):
        for route in set(ROUTES) - set(routes_of(endpoint)):
            with pytest.raises(InputError, match=f"no {route} route"):
                endpoint.complete(request(route))
        assert routes_of(endpoint)


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_sent_is_said(kind: str) -> None:
    add = ToolSpec("add", "", {"type": "object", "properties": {}})
    with opened(kind) as (endpoint, _):
        supports = endpoint.supports
        can = {
            "json_mode": supports.json_mode,
            "tools": supports.tools,
            "schema": supports.json_schema,
            "logprobs": supports.logprobs,
        }
        wishes: dict[str, Any] = {
            "json_mode": True,
            "tools": (add,),
            "schema": {"type": "object"},
            "logprobs": 2,
        }
        for name, wish in wishes.items():
            if supports.chat and not can[name]:
                assert endpoint.complete(replace(request("chat"), **{name: wish})).dropped == (name,)
        if not supports.regex:
            assert endpoint.complete(replace(request("prompt"), regex="a+")).dropped == ("regex",)


@pytest.mark.parametrize("kind", KINDS)
def test_the_name_and_abilities_are_told(kind: str) -> None:
    with opened(kind) as (endpoint, server):
        assert endpoint.name.startswith(kind)
        assert endpoint.model == ("m" if server else "scripted")
        assert isinstance(endpoint.supports, Supports)
        assert endpoint.supports.prompt or endpoint.supports.chat
        assert not endpoint.supports.proven
        assert endpoint.chat_template is None or "{" in endpoint.chat_template
