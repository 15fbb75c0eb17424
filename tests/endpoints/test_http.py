"""The transport: retries, deadlines, redirects, keys, limits. All against a real server on this machine."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bridle.endpoints.transport.http import Http, HttpCall, Timeouts, is_loopback
from bridle.endpoints.transport.http_reply import Exchange, Head, Reply
from bridle.errors import (
    BadResponse,
    Cancelled,
    ConfigError,
    EndpointError,
    RequestRefused,
    ServerCrashed,
    TimedOut,
    Unreachable,
)
from servers.connections import open_http, raw_server
from servers.fake import Response, Server, events, json_response, server, unused_url, wait_until

__all__ = ["server"]

KEY = "sk-very-secret"


@pytest.fixture
def http() -> Iterator[Http]:
    one = Http(KEY)
    yield one
    one.close()


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_server_that_says_later_is_asked_again(server: Server, http: Http, status: int) -> None:
    failures = iter([json_response({"error": "later"}, status, {"Retry-After": "0"})] * 2)
    server.routes["*"] = lambda _: next(failures, json_response({"ok": True}))
    assert http.ask(HttpCall(server.url + "/x", {"a": 1})) == {"ok": True}
    assert [seen.body for seen in server.seen] == [{"a": 1}] * 3


def test_the_time_that_a_server_asks_for_is_kept(server: Server, http: Http) -> None:
    failures = iter([json_response({}, 429, {"Retry-After": "0.3"})])
    server.routes["*"] = lambda _: next(failures, json_response(1))
    start = time.monotonic()
    assert http.ask(HttpCall(server.url)) == 1
    assert time.monotonic() - start >= 0.3


def test_a_server_that_wants_a_long_wait_is_not_waited_for(server: Server, http: Http) -> None:
    server.routes["*"] = lambda _: json_response({}, 429, {"Retry-After": "3600"})
    with pytest.raises(RequestRefused) as caught:
        http.ask(HttpCall(server.url))
    assert caught.value.facts["retry_after_s"] == 3600
    assert len(server.seen) == 1


def test_a_date_to_retry_after_is_no_obstacle(server: Server, http: Http) -> None:
    failures = iter([json_response({}, 503, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"})])
    server.routes["*"] = lambda _: next(failures, json_response(1))
    assert http.ask(HttpCall(server.url)) == 1


@pytest.mark.parametrize(
    "body", ['{"error": {"code": "insufficient_quota", "message": "pay"}}', "1 validation error"]
)
def test_what_will_not_get_better_is_not_asked_again(server: Server, http: Http, body: str) -> None:
    status = 429 if "quota" in body else 500
    server.routes["*"] = lambda _: Response(status, (body.encode(),))
    with pytest.raises(RequestRefused) as caught:
        http.ask(HttpCall(server.url))
    assert not caught.value.retryable
    assert len(server.seen) == 1


def test_waiting_to_try_again_can_be_stopped(server: Server, http: Http) -> None:
    server.routes["*"] = lambda _: json_response({}, 503, {"Retry-After": "30"})
    start = time.monotonic()
    with pytest.raises(Cancelled):
        http.open(HttpCall(server.url), lambda: time.monotonic() > start + 0.2)
    assert time.monotonic() - start < 2


def test_a_connection_that_drops_before_the_answer_is_tried_again(http: Http) -> None:
    with raw_server(b"") as (url, asked), pytest.raises(BadResponse, match="broke off") as caught:
        http.ask(HttpCall(url))
    assert len(asked) == 3
    assert caught.value.retryable


def test_what_speaks_no_http_is_said(http: Http) -> None:
    with raw_server(b"SSH-2.0-OpenSSH_9.6\r\n") as (url, asked), pytest.raises(BadResponse) as caught:
        http.ask(HttpCall(url))
    assert "does not speak HTTP" in caught.value.message
    assert len(asked) == 1


def test_a_refused_connection_fails_at_once() -> None:
    start = time.monotonic()
    with pytest.raises(Unreachable, match="nothing listens") as caught:
        Http(start_hint="start it").ask(HttpCall(unused_url()))
    assert time.monotonic() - start < 1
    assert caught.value.hint == "start it"


def test_a_host_without_an_address_is_said(http: Http) -> None:
    with pytest.raises(Unreachable, match="no host of that name"):
        http.ask(HttpCall("http://no-such-host.invalid/"))


def test_https_to_a_plain_server_is_said(server: Server, http: Http) -> None:
    with pytest.raises(Unreachable, match="secure connection") as caught:
        http.ask(HttpCall(server.url.replace("http:", "https:")))
    assert "http, not https" in caught.value.hint


def held(server: Server) -> Response:
    server.hold(20)
    return json_response(1)


def test_the_first_byte_has_a_deadline(server: Server) -> None:
    server.routes["*"] = lambda _: held(server)
    with pytest.raises(TimedOut, match=r"did not answer within 0\.2 s") as caught:
        Http(timeouts=Timeouts(first_byte_s=0.2)).ask(HttpCall(server.url))
    assert (caught.value.facts["limit"], caught.value.facts["seconds"]) == ("first_byte", 0.2)
    assert len(server.seen) == 1


def test_a_pause_has_a_deadline(server: Server) -> None:
    server.routes["*"] = lambda _: events([b"data: 1\n\n"] * 3, pause_s=0.5)
    http = Http(timeouts=Timeouts(idle_s=0.2))
    with (
        pytest.raises(TimedOut, match=r"nothing for 0\.2 s") as caught,
        http.open(HttpCall(server.url)) as reply,
    ):
        list(reply.events())
    assert (caught.value.facts["limit"], caught.value.facts["seconds"]) == ("idle", 0.2)
    assert caught.value.retryable


def test_the_whole_has_a_deadline(server: Server) -> None:
    server.routes["*"] = lambda _: events([b"data: 1\n\n"] * 100, pause_s=0.05)
    start = time.monotonic()
    http = Http(timeouts=Timeouts(total_s=0.4))
    with pytest.raises(TimedOut) as caught, http.open(HttpCall(server.url)) as reply:
        list(reply.events())
    assert (caught.value.facts["limit"], caught.value.facts["seconds"]) == ("total", 0.4)
    assert 0.3 < time.monotonic() - start < 1.5


def test_a_connection_is_used_again(server: Server, http: Http) -> None:
    server.routes["POST /"] = lambda _: json_response(1)
    server.routes["GET /"] = lambda _: events([b"data: 1\n\n"])
    http.ask(HttpCall(server.url + "/", {"a": 1}))
    for _ in range(2):
        with http.open(HttpCall(server.url + "/")) as reply:
            assert [event.data for event in reply.events()] == ["1"]
    http.ask(HttpCall(server.url + "/", {"a": 2}))
    assert len({seen.client_port for seen in server.seen}) == 1


def test_too_large_an_answer_is_refused(server: Server) -> None:
    server.routes["*"] = lambda _: Response(chunks=[b"x" * 5000])
    with pytest.raises(BadResponse, match="more than 1000 bytes"):
        Http(limit_bytes=1000).ask(HttpCall(server.url))


def test_what_is_no_json_is_shown_in_short(server: Server, http: Http) -> None:
    server.routes["*"] = lambda _: Response(chunks=[b"<html>" + b"y" * 1000])
    with pytest.raises(BadResponse) as caught:
        http.ask(HttpCall(server.url))
    assert len(str(caught.value)) < 500
    assert caught.value.facts["status"] == 200


def test_the_key_is_sent_and_never_shown(server: Server, http: Http) -> None:
    server.routes["*"] = lambda seen: json_response({"error": f"wrong: {seen.headers['authorization']}"}, 401)
    with pytest.raises(RequestRefused) as caught:
        http.ask(HttpCall(server.url))
    assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in f"{caught.value} {caught.value.facts} {http!r}"
    assert "not accepted" in caught.value.hint


def test_without_a_key_none_is_sent(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.routes["*"] = lambda _: json_response(1)
    assert Http().ask(HttpCall(server.url)) == 1
    assert "authorization" not in server.seen[0].headers


def test_a_proxy_is_not_asked_for_this_machine(
    server: Server, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", unused_url())
    monkeypatch.setenv("http_proxy", unused_url())
    server.routes["*"] = lambda _: json_response(1)
    assert http.ask(HttpCall(server.url)) == 1


def test_a_redirect_to_the_same_host_keeps_the_key(server: Server, http: Http) -> None:
    server.routes["POST /a"] = lambda _: Response(307, (b"",), headers={"Location": "/b"})
    server.routes["POST /b"] = lambda seen: json_response(seen.body)
    assert http.ask(HttpCall(server.url + "/a", {"x": 1})) == {"x": 1}
    assert server.seen[1].headers["authorization"] == f"Bearer {KEY}"


def test_a_redirect_to_another_host_drops_the_key(server: Server, http: Http) -> None:
    other = Server()
    other.routes["*"] = lambda seen: json_response(seen.body)
    server.routes["*"] = lambda _: Response(308, (b"",), headers={"Location": other.url + "/there"})
    assert http.ask(HttpCall(server.url, {"x": 1})) == {"x": 1}
    assert "authorization" not in other.seen[0].headers
    other.close()


def test_a_redirect_that_would_lose_the_body_is_refused(server: Server, http: Http) -> None:
    server.routes["*"] = lambda _: Response(301, (b"",), headers={"Location": "/there"})
    with pytest.raises(RequestRefused, match=f"moved to {server.url}/there"):
        http.ask(HttpCall(server.url, {"x": 1}))
    with pytest.raises(BadResponse, match="for ever"):
        http.ask(HttpCall(server.url))


def test_a_redirect_to_nowhere_is_no_answer(server: Server, http: Http) -> None:
    server.routes["*"] = lambda _: Response(304, (b"",))
    with pytest.raises(BadResponse, match="304"):
        http.ask(HttpCall(server.url))


NO_URLS = [
    "http://[::1",
    "http://127.0.0.1:99999/x",
    "http://127.0.0.1:port/",
    "//[",
    "http://a b/",
    "http://",
]


@pytest.mark.parametrize("target", NO_URLS)
@pytest.mark.parametrize("offline", [False, True])
def test_a_redirect_to_what_is_no_url_is_said(server: Server, target: str, offline: bool) -> None:
    server.routes["*"] = lambda _: Response(307, (b"",), headers={"Location": target})
    with open_http(key=KEY, offline=offline) as http:
        with pytest.raises((EndpointError, ConfigError)) as caught:
            http.ask(HttpCall(server.url, {"x": 1}))
        assert caught.value.hint
        assert not caught.value.retryable


@pytest.mark.parametrize("url", [one for one in NO_URLS if one.startswith("http")])
def test_an_address_that_is_no_url_is_said(url: str) -> None:
    with open_http() as http, pytest.raises(EndpointError) as caught:
        http.ask(HttpCall(url, {"x": 1}))
    assert caught.value.hint
    with pytest.raises(ConfigError):
        Http(proxy="http://[::1")
    assert not is_loopback(url) or "127.0.0.1" in url


def test_offline_only_this_machine_is_asked(server: Server) -> None:
    http = Http(offline=True)
    with pytest.raises(ConfigError, match=r"'example\.org'"):
        http.ask(HttpCall("http://example.org/v1"))
    server.routes["*"] = lambda _: Response(307, (b"",), headers={"Location": "http://example.org/v1"})
    with pytest.raises(ConfigError, match=r"'example\.org'"):
        http.ask(HttpCall(server.url))


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://localhost:1", True),
        ("http://x.localhost", True),
        ("http://127.8.8.8/v1", True),
        ("http://[::1]:80", True),
        ("http://localhost.example.org", False),
        ("http://10.0.0.1", False),
        ("http://[2001:db8::1]", False),
    ],
)
def test_which_hosts_are_this_machine(url: str, here: bool) -> None:
    assert is_loopback(url) is here


def test_closing_twice_is_harmless(server: Server) -> None:
    server.routes["*"] = lambda _: json_response(1)
    http = Http()
    http.ask(HttpCall(server.url))
    http.close()
    http.close()
    assert http.ask(HttpCall(server.url)) == 1
    http.close()


def test_a_mistake_in_the_program_is_not_hidden(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: object) -> None:
        raise KeyError("a mistake")

    monkeypatch.setattr(Http, "_transmit", wrong)
    with pytest.raises(KeyError, match="a mistake"):
        http.ask(HttpCall("http://127.0.0.1:1"))


def test_a_long_refusal_is_read_in_part(server: Server, http: Http) -> None:
    server.routes["*"] = lambda _: Response(400, [b"x" * 50_000] * 20, framing="chunked")
    with pytest.raises(RequestRefused) as caught:
        http.ask(HttpCall(server.url))
    assert len(str(caught.value)) < 500
    server.routes["*"] = lambda _: json_response(1)
    assert http.ask(HttpCall(server.url)) == 1


def test_connecting_can_be_stopped(http: Http) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as waiting:
        address = listener.getsockname()
        for _ in range(4):  # nobody accepts them, so that there is no place for another one
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(address)
        start = time.monotonic()
        with pytest.raises(Cancelled):
            http.open(HttpCall(f"http://127.0.0.1:{address[1]}"), lambda: time.monotonic() > start + 0.1)
        assert time.monotonic() - start < 2


class Slow(Exchange):
    """An exchange on a thread, as a library would do it."""

    def _run(self, transmit: Callable[[], Any]) -> None:
        try:
            self._items.put(Head(200, {"content-type": "application/json"}))
            self._items.put(transmit())
            self._items.put(None)
        except OSError as error:
            self._items.put(error)


def test_an_exchange_on_a_thread_is_watched_all_the_same() -> None:
    released = threading.Event()

    def late() -> bytes:
        released.wait(5)
        return b"1"

    with Reply(Http(), "http://h", Slow(lambda: b"[1]"), None, None) as reply:
        assert reply.json() == [1]
    threading.Timer(0.3, released.set).start()
    timeouts = Timeouts(first_byte_s=0.1)
    with pytest.raises(TimedOut), Reply(Http(), "http://h", Slow(late), None, None, timeouts) as reply:
        reply.json()

    def broken() -> bytes:
        raise ConnectionResetError("reset")

    with pytest.raises(ServerCrashed), Reply(Http(), "http://h", Slow(broken), None, None) as reply:
        reply.json()


def test_a_connection_that_breaks_behind_the_last_event_is_no_loss(server: Server, http: Http) -> None:
    server.routes["*"] = lambda _: events([b"data: 1\n\n", b"data: [DONE]\n\n"], cut=True)
    with http.open(HttpCall(server.url)) as reply:
        assert next(reply.events()).data == "1"
        reply.finish()
    server.routes["*"] = lambda _: json_response(1)
    assert http.ask(HttpCall(server.url)) == 1


def always(response: Response) -> Callable[[object], Response]:
    return lambda _: response


def test_lines_of_json_are_events(server: Server, http: Http) -> None:
    lines = '{"a": "ü\u2028"}\n\n{"b": 1}\r\n{"done"'.encode()
    for size in (1, 2, 3, 1000):
        cut = [lines[at : at + size] for at in range(0, len(lines), size)]
        server.routes["*"] = always(Response(200, cut, "application/x-ndjson", framing="chunked"))
        with http.open(HttpCall(server.url)) as reply:
            assert reply.streams
            found = [(event.data, event.complete) for event in reply.events()]
        assert found == [('{"a": "ü\u2028"}', True), ('{"b": 1}', True), ('{"done"', False)]


def test_a_stream_is_known_by_its_beginning_where_its_type_says_nothing(server: Server, http: Http) -> None:
    pieces = [b"\n", b"da", b"ta", b": 1\n\n"]
    server.routes["*"] = lambda _: Response(200, pieces, "text/plain", framing="chunked", pause_s=0.02)
    with http.open(HttpCall(server.url)) as reply:
        assert reply.streams
        assert [event.data for event in reply.events()] == ["1"]


@pytest.mark.parametrize("body", [[b"da", b"ys"], [b"data"], [b""]])
def test_what_only_begins_like_a_stream_is_a_document(server: Server, http: Http, body: list[bytes]) -> None:
    server.routes["*"] = lambda _: Response(200, body, "text/plain", framing="chunked")
    with http.open(HttpCall(server.url)) as reply:
        assert not reply.streams
        assert reply.text() == b"".join(body).decode()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('"Grüße"'.encode(), "application/json"),
        ('"Grüße"'.encode(), "application/json; charset=ISO-8859-1"),
        ('"Grüße"'.encode("latin-1"), "application/json; charset=ISO-8859-1"),
        (b"\xef\xbb\xbf" + '"Grüße"'.encode(), "application/json"),
    ],
)
def test_text_is_read_whatever_is_said_of_it(
    server: Server, http: Http, body: bytes, content_type: str
) -> None:
    server.routes["*"] = lambda _: Response(200, (body,), content_type)
    assert http.ask(HttpCall(server.url)) == "Grüße"


def test_an_end_of_the_connection_is_heard_in_all_threads(server: Server) -> None:
    server.routes["*"] = lambda _: held(server)
    raised: list[type[BaseException]] = []
    with open_http() as http:

        def ask() -> None:
            try:
                http.ask(HttpCall(server.url))
            except EndpointError as error:
                raised.append(type(error))

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        assert wait_until(lambda: len(server.seen) == 3)
        http.close()
        for thread in threads:
            thread.join(5)
    assert raised == [Cancelled] * 3
