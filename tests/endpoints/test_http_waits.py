"""What is waited for and what is tried again, and for how long. All against a real server on this machine."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import pytest

from bridle.endpoints.transport.http import Http, HttpCall, Timeouts
from bridle.errors import BadResponse, Cancelled, ServerBusy, ServerCrashed
from servers.connections import open_http
from servers.fake import Response, Server, json_response, server

__all__ = ["server"]


@pytest.fixture
def http() -> Iterator[Http]:
    one = Http()
    yield one
    one.close()


def test_a_server_that_loads_its_model_is_waited_for_and_that_is_told(server: Server) -> None:
    loading = json_response({"error": {"code": 503, "message": "Loading model"}}, 503, {"Retry-After": "0"})
    answers = iter([loading] * 5)
    server.routes["*"] = lambda _: next(answers, json_response(1))
    told: list[tuple[str, float]] = []

    def tell(what: str, seconds: float) -> None:
        told.append((what, seconds))

    with open_http(on_wait=tell) as http:
        assert http.ask(HttpCall(server.url)) == 1
    assert len(server.seen) == 6
    assert [what for what, _ in told] == [f"{server.url} to load its model"] * 5
    assert told[0][1] == 0
    assert told[-1][1] > 0


@pytest.mark.parametrize("limits", [{"loading_s": 0.2}, {"retries": 0}, {"timeouts": Timeouts(total_s=0.1)}])
def test_a_server_that_loads_for_ever_is_busy(server: Server, limits: dict[str, Any]) -> None:
    server.routes["*"] = lambda _: json_response({"error": "loading model"}, 503, {"Retry-After": "0"})
    start = time.monotonic()
    with pytest.raises(ServerBusy) as caught, open_http(**limits) as http:
        http.ask(HttpCall(server.url))
    assert caught.value.facts["loading"] is True
    assert time.monotonic() - start < 2
    assert (len(server.seen) == 1) == ("retries" in limits)


def test_waiting_for_a_model_can_be_stopped(server: Server, http: Http) -> None:
    server.routes["*"] = lambda _: json_response({"error": "loading model"}, 503)
    start = time.monotonic()
    with pytest.raises(Cancelled):
        http.open(HttpCall(server.url), lambda: time.monotonic() > start + 0.1)
    assert time.monotonic() - start < 1


def test_a_long_wait_for_the_first_byte_is_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridle.endpoints.transport.http_watch.TELL_S", 0.05)
    released = threading.Event()
    told: list[str] = []

    def tell(what: str, seconds: float) -> None:
        assert seconds >= 0.05
        told.append(what)
        released.set()

    def slow(_: object) -> Response:
        released.wait(5)
        return json_response(1)

    server.routes["*"] = slow
    with open_http(on_wait=tell) as http:
        assert http.ask(HttpCall(server.url)) == 1
    assert told[0] == f"{server.url} to answer"


@pytest.mark.parametrize(
    ("headers", "least_s"),
    [({"retry-after-ms": "200"}, 0.2), ({"Retry-After": "0.2"}, 0.2), ({"Retry-After": "soon"}, 0.0)],
)
def test_a_wait_may_be_told_in_several_ways(
    server: Server, http: Http, headers: dict[str, str], least_s: float
) -> None:
    failures = iter([json_response({}, 429, headers)])
    server.routes["*"] = lambda _: next(failures, json_response(1))
    start = time.monotonic()
    assert http.ask(HttpCall(server.url)) == 1
    assert time.monotonic() - start >= least_s


def test_a_date_to_wait_for_is_kept(server: Server, http: Http) -> None:
    date = formatdate(time.time() + 3600, usegmt=True)
    server.routes["*"] = lambda _: json_response({}, 503, {"Retry-After": date})
    with pytest.raises(ServerBusy) as caught:
        http.ask(HttpCall(server.url))
    waits_s = caught.value.facts["retry_after_s"]
    assert isinstance(waits_s, float)
    assert 3590 < waits_s <= 3600


def test_a_server_may_say_itself_whether_to_come_again(server: Server, http: Http) -> None:
    server.routes["*"] = lambda _: json_response({}, 503, {"x-should-retry": "false"})
    with pytest.raises(ServerBusy) as caught:
        http.ask(HttpCall(server.url))
    assert not caught.value.retryable
    assert len(server.seen) == 1
    answers = iter([json_response({}, 409, {"x-should-retry": "true", "retry-after": "0"})])
    server.routes["*"] = lambda _: next(answers, json_response(1))
    assert http.ask(HttpCall(server.url)) == 1


def test_a_page_of_a_gateway_is_worth_another_try(server: Server, http: Http) -> None:
    answers = iter([Response(502, (b"<html>Bad gateway</html>",), "text/html")])
    server.routes["*"] = lambda _: next(answers, json_response(1))
    assert http.ask(HttpCall(server.url)) == 1


def test_the_time_for_the_whole_counts_the_waits(server: Server) -> None:
    server.routes["*"] = lambda _: json_response({}, 503, {"Retry-After": "5"})
    start = time.monotonic()
    with pytest.raises(ServerBusy), open_http(timeouts=Timeouts(total_s=1)) as http:
        http.ask(HttpCall(server.url))
    assert time.monotonic() - start < 1


def test_a_server_that_crashes_and_stays_down_has_crashed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def crash() -> None:
            one, _ = listener.accept()
            listener.close()
            one.recv(65536)
            one.close()

        thread = threading.Thread(target=crash, daemon=True)
        thread.start()
        with pytest.raises(ServerCrashed, match="nothing listens there") as caught, open_http() as http:
            http.ask(HttpCall(f"http://127.0.0.1:{listener.getsockname()[1]}", {"grammar": "bad"}))
        thread.join(2)
    assert "look at its log" in caught.value.hint


def _ends_kept_connections(listener: socket.socket, n_answers: int) -> None:
    """Answer the first request of each connection, and end it without a word when a second one comes."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n1"
    for _ in range(n_answers):
        one, _ = listener.accept()
        with one:
            _read_request(one)
            one.sendall(answer)
            _read_request(one)


def _read_request(one: socket.socket) -> None:
    """Read a request with a JSON object to its end, or what there is of it."""
    request = b""
    while not request.endswith(b"}") and (chunk := one.recv(65536)):
        request += chunk


def test_a_kept_connection_that_is_over_costs_no_wait_and_no_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_ends_kept_connections, args=(listener, 4), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        begun = time.monotonic()
        with open_http(retries=0) as http:
            assert [http.ask(HttpCall(url, {"n": n})) for n in range(4)] == [1] * 4
        thread.join(5)
        assert time.monotonic() - begun < 0.3


def test_a_new_connection_that_breaks_is_no_kept_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def close_at_once() -> None:
            one, _ = listener.accept()
            with one:
                one.recv(65536)

        thread = threading.Thread(target=close_at_once, daemon=True)
        thread.start()
        with open_http(retries=0) as http, pytest.raises(BadResponse) as caught:
            http.ask(HttpCall(f"http://127.0.0.1:{listener.getsockname()[1]}", {}))
        assert caught.value.facts["reused"] is False
        thread.join(5)
