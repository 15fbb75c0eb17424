"""Several threads ask one endpoint at once: each gets its own answer, and ending one ends no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from bridle.endpoints.base import Answer, Request
from bridle.endpoints.drivers.openai_compat import OpenAICompat
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.transport.http import Http, HttpCall, is_loopback
from bridle.errors import RequestRefused
from bridle.messages import Message
from servers.connections import open_http
from servers.fake import Response, Seen, Server, events, json_response, server

__all__ = ["server"]

N = 16


@pytest.fixture
def endpoint(server: Server) -> Iterator[HttpEndpoint]:
    with open_http() as http:
        yield HttpEndpoint(OpenAICompat(server.url), http, model="m")


def piece(text: str) -> bytes:
    return f'data: {{"choices": [{{"delta": {{"content": "{text}"}}}}]}}\n\n'.encode()


def ask(endpoint: HttpEndpoint, name: str, *, cancels: bool) -> Answer:
    request = Request(messages=(Message("user", name),), max_tokens=100)
    shown: list[str] = []
    return endpoint.complete(request, shown.append, lambda: cancels and bool(shown))


def test_sixteen_at_once_get_their_own_answers_and_one_is_cancelled(
    server: Server, endpoint: HttpEndpoint
) -> None:
    begun = threading.Barrier(N, timeout=10)
    go_on = threading.Event()

    def answer(seen: Seen) -> Response:
        name = seen.body["messages"][0]["content"]

        def parts() -> Iterator[bytes]:
            yield piece(f"{name}: ")
            begun.wait()  # all are answered at the same time
            go_on.wait(10)
            for at in range(20):
                yield piece(f"{at} ")
            yield b"data: [DONE]\n\n"

        return events(Lazily(parts()))

    server.routes["*"] = answer
    with ThreadPoolExecutor(N) as pool:
        asked = [pool.submit(ask, endpoint, str(at), cancels=at == 7) for at in range(N)]
        ended = asked[7].result(10)
        go_on.set()
        answers = [one.result(10) for one in asked]
    assert (ended.finish, ended.text) == ("cancelled", "7: ")
    counted = "".join(f"{at} " for at in range(20))
    for at, one in enumerate(answers):
        if at != 7:
            assert (one.text, one.finish) == (f"{at}: {counted}", "stop")


class Lazily(list[bytes]):
    """Parts of a body that are made when they are sent."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        super().__init__()
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        return self._parts


def test_sixteen_connections_are_kept_for_the_next_sixteen(server: Server) -> None:
    together = threading.Barrier(N, timeout=10)

    def answer(_: Seen) -> Response:
        together.wait()
        return json_response(1)

    server.routes["*"] = answer
    with open_http() as http, ThreadPoolExecutor(N) as pool:
        for _ in range(2):
            assert list(pool.map(http.ask, [HttpCall(server.url)] * N)) == [1] * N
    assert len({seen.client_port for seen in server.seen}) == N


def test_errors_stay_with_those_who_asked(server: Server) -> None:
    def answer(seen: Seen) -> Response:
        return (
            json_response({"error": seen.body["name"]}, 400) if seen.body["bad"] else json_response(seen.body)
        )

    server.routes["*"] = answer

    def one(http: Http, at: int) -> object:
        try:
            return http.ask(HttpCall(server.url, {"name": f"<{at}>", "bad": at % 2 == 1}))
        except RequestRefused as error:
            return error

    with open_http() as http, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, [http] * 100, range(100)))
    for at, result in enumerate(found):
        if at % 2:
            assert isinstance(result, RequestRefused)
            assert f"<{at}>" in result.message
        else:
            assert result == {"name": f"<{at}>", "bad": False}


def test_this_machine_and_others_are_asked_side_by_side(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy of the environment is for others; one session with a switch would mix them up."""
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    server.routes["*"] = lambda seen: json_response(seen.path)
    urls = [server.url + "/here", "http://models.example/there"] * 20
    with open_http() as http, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(http.ask, map(HttpCall, urls)))
    assert found == ["/here" if is_loopback(url) else url for url in urls]
