"""What `HttpEndpoint` does for all drivers and the contract suite does not look at: hooks, limits, errors."""

from __future__ import annotations

import threading
from typing import ClassVar

import pytest

from bridle.endpoints.base import Answer, Request, Supports
from bridle.endpoints.driver import Ask, Driver, Piece
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.json_paths import text_at
from bridle.endpoints.transport.http import Http, HttpCall
from bridle.errors import (
    BadResponse,
    ContextOverflow,
    EndpointError,
    InputError,
    ModelNotFound,
    PromptTruncated,
    RequestRefused,
    ServerCrashed,
    TimedOut,
)
from bridle.messages import JSON, Message, Usage
from bridle.wrappers import Segment
from servers.connections import open_http
from servers.fake import Response, Seen, Server, events, json_response, server, wait_until

__all__ = ["server"]

PROMPT = Request(prompt=(Segment("Hello"),))


class Plain(Driver):
    """The least that a driver must have, and hooks that note what they are given."""

    kind: ClassVar[str] = "plain"
    supports = Supports(prompt=True, tokenize=True)
    least_max_tokens: ClassVar[int] = 77

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.limits: list[int | None] = []

    def build(self, request: Request, model: str, stream: bool) -> HttpCall:
        self.limits.append(request.max_tokens)
        body: dict[str, JSON] = {"prompt": self.prompt_text(request), "stream": stream}
        return HttpCall(f"{self.root}/generate", body)

    def read(self, body: JSON) -> Piece | None:
        if not isinstance(body, dict) or "said" not in body:
            return None
        usage = body.get("usage")
        return Piece(
            text_at(body, "said"),
            text_at(body, "why") or None,
            Usage(usage) if isinstance(usage, int) else None,
        )

    def count_tokens(self, request: Request, ask: Ask, model: str) -> int | None:
        return len(self.prompt_text(request)) if self.supports.tokenize else None

    def cancel_call(self, request: Request) -> HttpCall | None:
        return HttpCall(f"{self.root}/stop", {})

    def explain(self, error: EndpointError, ask: Ask) -> EndpointError:
        if "odd" not in error.message:
            return error
        return ModelNotFound(f"meant: {text_at(ask(HttpCall(f'{self.root}/why')), 'why')}")


def answer(server: Server, *bodies: bytes, content_type: str = "application/json") -> None:
    server.routes["POST /generate"] = lambda _: Response(200, bodies, content_type, framing="chunked")


def complete(
    server: Server, request: Request = PROMPT, *, window: int | None = None, stream: bool = False
) -> tuple[Answer, Plain]:
    driver = Plain(server.url)
    with open_http(retries=0) as http:
        endpoint = HttpEndpoint(driver, http, context_tokens=window)
        pieces: list[str] = []
        return endpoint.complete(request, pieces.append if stream else None), driver


@pytest.mark.parametrize(
    ("window", "asked", "sent"), [(None, None, 77), (None, 5, 5), (100, None, 95), (100, 30, 30)]
)
def test_the_limit_of_an_answer_is_what_the_window_leaves(
    server: Server, window: int | None, asked: int | None, sent: int
) -> None:
    answer(server, b'{"said": "hi", "why": "stop"}')
    request = Request(prompt=PROMPT.prompt, max_tokens=asked)
    found, driver = complete(server, request, window=window)
    assert (found.text, driver.limits) == ("hi", [sent])


@pytest.mark.parametrize("asked", [None, 20])
def test_a_prompt_that_is_known_not_to_fit_is_not_sent(server: Server, asked: int | None) -> None:
    with pytest.raises(ContextOverflow) as caught:
        complete(
            server,
            Request(prompt=(Segment("x" * 90),), max_tokens=asked),
            window=90 if asked is None else 100,
        )
    assert caught.value.facts["prompt_tokens"] == 90
    assert server.seen == []


def test_a_prompt_that_was_cut_in_silence_is_an_error(server: Server) -> None:
    answer(server, b'{"said": "hi", "why": "stop", "usage": 40}')
    with pytest.raises(PromptTruncated):
        complete(server, Request(prompt=(Segment("word " * 100),), max_tokens=5))


def test_a_refusal_may_be_explained_by_the_driver(server: Server) -> None:
    server.routes["GET /why"] = lambda _: json_response({"why": "nothing is loaded"})
    server.routes["POST /generate"] = lambda _: json_response({"error": "odd"}, 400)
    with pytest.raises(ModelNotFound, match="meant: nothing is loaded") as caught:
        complete(server)
    assert caught.value.facts["status"] == 400
    server.routes["POST /generate"] = lambda _: json_response({"error": "other"}, 400)
    with pytest.raises(RequestRefused, match="other") as other:
        complete(server)
    assert type(other.value) is RequestRefused


def test_a_document_that_says_nothing_is_no_answer(server: Server) -> None:
    answer(server, b'{"said": ""}')
    with pytest.raises(BadResponse, match="not the expected JSON"):
        complete(server)
    answer(server, b'{"said": "", "why": "stop"}')
    assert complete(server)[0].text == ""


def test_what_came_before_a_failure_is_kept_in_the_error(server: Server) -> None:
    first = b'{"said": "some"}\n'
    cases: list[tuple[bytes, type[EndpointError]]] = [
        (b'{"error": "it broke"}\n', RequestRefused),
        (b'{"error": "model runner has unexpectedly stopped"}\n', ServerCrashed),
        (b'{"error": "request (9 tokens) exceeds the available context size (8 tokens)"}\n', ContextOverflow),
        (b'{"other": 1}\n', BadResponse),
        (b"no JSON\n", BadResponse),
    ]
    for failure, error in cases:
        answer(server, first, failure, content_type="application/x-ndjson")
        with pytest.raises(error) as caught:
            complete(server, stream=True)
        assert type(caught.value) is error
        assert caught.value.facts["partial"] == "some"


def test_a_last_line_without_an_end_is_read_when_it_is_whole(server: Server) -> None:
    answer(server, b'{"said": "a"}\n{"said": "b", "why": "stop"}', content_type="application/x-ndjson")
    assert complete(server, stream=True)[0].text == "ab"


def test_a_cancelled_answer_is_told_to_the_server(server: Server) -> None:
    server.routes["POST /stop"] = lambda _: json_response({})
    parts = [b'{"said": "a"}\n'] * 50
    server.routes["POST /generate"] = lambda _: Response(
        200, parts, "application/x-ndjson", framing="chunked", pause_s=0.02
    )
    pieces: list[str] = []
    with open_http() as http:
        endpoint = HttpEndpoint(Plain(server.url), http)
        found = endpoint.complete(PROMPT, pieces.append, lambda: len(pieces) > 2)
    assert (found.finish, found.text) == ("cancelled", "aaa")
    assert server.seen[-1].path == "/stop"
    assert wait_until(server.broken.is_set)


def test_an_error_of_the_caller_is_the_callers_and_ends_the_exchange(server: Server) -> None:
    server.routes["*"] = lambda _: Response(
        200, [b'{"said": "a"}\n'] * 50, "application/x-ndjson", framing="chunked", pause_s=0.02
    )

    def fails(_: str) -> None:
        raise OSError("the caller's disk is full")

    with open_http() as http, pytest.raises(OSError, match="disk is full"):
        HttpEndpoint(Plain(server.url), http).complete(PROMPT, fails)
    assert wait_until(server.broken.is_set)


def test_a_question_to_stop_that_fails_is_the_callers_error(server: Server) -> None:
    asked = threading.Event()

    def held(_: Seen) -> Response:
        asked.wait(5)
        return json_response({"said": "a", "why": "stop"})

    def fails() -> bool:
        if server.seen:
            asked.set()
            raise OSError("the caller's pipe is closed")
        return False

    server.routes["*"] = held
    with open_http() as http, pytest.raises(OSError, match="pipe is closed"):
        HttpEndpoint(Plain(server.url), http).complete(PROMPT, None, fails)


def test_the_time_of_a_request_is_kept_in_a_stalled_stream(server: Server) -> None:
    def stalled(_: Seen) -> Response:
        return events([b'data: {"said": "a"}\n\n', b"data: late\n\n"], pause_s=0.3)

    server.routes["*"] = stalled
    with open_http() as http:
        http.timeouts = type(http.timeouts)(idle_s=0.1)
        with pytest.raises(TimedOut) as caught:
            HttpEndpoint(Plain(server.url), http).complete(PROMPT, lambda text: None)
    assert caught.value.facts["partial"] == "a"


def test_messages_are_refused_by_a_kind_without_a_chat_route(server: Server) -> None:
    with pytest.raises(InputError, match="no chat route"):
        complete(server, Request(messages=(Message("user", "x"),)))


def test_an_endpoint_closes_behind_its_block_and_shows_no_secret(server: Server) -> None:
    answer(server, b'{"said": "hi", "why": "stop"}')
    http = Http("sk-very-secret", headers={"X-Tenant": "tenant-secret-1"})
    with HttpEndpoint(Plain(server.url), http, model="m") as endpoint:
        assert endpoint.complete(PROMPT).text == "hi"
        assert repr(endpoint) == f"<HttpEndpoint plain:m@{server.url}/v1>"
    with HttpEndpoint(Plain(f"{server.url}/sk-very-secret"), http) as endpoint:
        assert "secret" not in repr(endpoint)
