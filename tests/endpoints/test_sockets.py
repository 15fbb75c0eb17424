"""WebSockets: what is sent and received, waiting with a limit, cancellation, and each failure as ours."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from bridle.endpoints.transport.http import Http, Timeouts
from bridle.endpoints.transport.sockets import open_socket
from bridle.errors import (
    BadResponse,
    Cancelled,
    ConfigError,
    EndpointError,
    MissingExtra,
    RequestRefused,
    ServerCrashed,
    TimedOut,
    Unreachable,
)
from servers.fake import Server, json_response, server, unused_url

__all__ = ["server"]

TLS = Path(__file__).parent.parent / "data" / "tls"
Talk = Callable[[ServerConnection], None]


@dataclass
class Peer:
    """A WebSocket server on this machine that does with each connection what a test says."""

    url: str = ""
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    gone: threading.Event = field(default_factory=threading.Event)


@contextmanager
def peer(
    talk: Talk, refuse: HTTPStatus | None = None, trust: ssl.SSLContext | None = None
) -> Generator[Peer]:
    one = Peer()

    def first(connection: ServerConnection, request: Request) -> Response | None:
        one.headers.append({name.lower(): value for name, value in request.headers.raw_items()})
        return connection.respond(refuse, '{"error": "no"}') if refuse else None

    def handle(connection: ServerConnection) -> None:
        try:
            talk(connection)
        finally:
            one.gone.set()

    with serve(handle, "127.0.0.1", 0, ssl=trust, process_request=first, ping_interval=None) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        one.url = f"{'wss' if trust else 'ws'}://127.0.0.1:{listening.socket.getsockname()[1]}/llm"
        try:
            yield one
        finally:
            listening.shutdown()
            thread.join()


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


def quick(**limits: float) -> Http:
    return Http(timeouts=Timeouts(connect_s=2.0, **{"first_byte_s": 5.0, "idle_s": 5.0} | limits))


def test_texts_go_both_ways_and_the_key_goes_along() -> None:
    with peer(echo) as one, open_socket(one.url, Http("secret")) as opened:
        opened.send("Grüße 🙂")
        assert opened.receive() == "Grüße 🙂"
        assert one.headers[0]["authorization"] == "Bearer secret"
        assert "sec-websocket-extensions" not in one.headers[0]
    with peer(echo) as one, open_socket(one.url.replace("ws://", "http://"), quick()) as opened:
        assert opened.url == one.url
        assert "authorization" not in one.headers[0]


def test_a_server_may_want_its_key_in_another_header() -> None:
    http = Http("secret", key_header="X-Api-Key", headers={"X-Team": "blue"})
    with peer(echo) as one, open_socket(one.url, http):
        sent = one.headers[0]
    assert (sent["x-api-key"], sent["x-team"], "authorization" in sent) == ("secret", "blue", False)


def test_the_key_is_in_no_log_whatever_the_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    caplog.set_level("DEBUG", "websockets.client")
    http = Http("sk-very-secret", headers={"X-Tenant": "tenant-secret-1"})
    with peer(echo) as one, open_socket(one.url, http) as opened:
        opened.send("text")
        assert opened.receive() == "text"
        assert one.headers[0]["x-tenant"] == "tenant-secret-1"
    told = "".join(record.getMessage() for record in caplog.records if record.name != "websockets.server")
    assert "sk-very-secret" not in told
    assert "tenant-secret-1" not in told


def test_a_certificate_is_checked_unless_told_otherwise() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    with peer(echo, trust=context) as one:
        with pytest.raises(Unreachable, match="secure connection"):
            open_socket(one.url, quick())
        for http in (Http(ca_file=str(TLS / "cert.pem")), Http(verify=False)):
            with open_socket(one.url.replace("wss://", "https://"), http) as opened:
                opened.send("a")
                assert opened.receive() == "a"


def test_a_proxy_that_was_given_is_asked_for_every_host(server: Server) -> None:
    server.routes["*"] = lambda _: json_response({}, 403)
    for url in ("ws://127.0.0.1:1/llm", "ws://models.example:1/llm"):
        with pytest.raises(EndpointError) as caught:
            open_socket(url, Http(proxy=server.url, timeouts=Timeouts(connect_s=2.0)))
        assert "nothing listens" not in caught.value.message


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "ws_proxy", "all_proxy"):
        monkeypatch.setenv(name, unused_url())
    with peer(echo) as one, open_socket(one.url, quick()) as opened:
        opened.send("a")
        assert opened.receive() == "a"


def test_a_foreign_host_is_refused_while_offline() -> None:
    with pytest.raises(ConfigError, match="offline"):
        open_socket("ws://models.example:1234/llm", Http(offline=True))


def test_an_orderly_end_is_no_message() -> None:
    with peer(lambda connection: connection.send("last")) as one, open_socket(one.url, quick()) as opened:
        assert opened.receive() == "last"
        assert opened.receive() is None
        with pytest.raises(EndpointError):
            opened.send("more")


def test_waiting_ends_at_the_limit_and_says_which() -> None:
    with peer(echo) as one, open_socket(one.url, quick(first_byte_s=0.1, idle_s=0.2)) as opened:
        with pytest.raises(TimedOut, match=r"did not answer: nothing for 0\.1 s") as first:
            opened.receive()
        opened.send("a")
        assert opened.receive() == "a"
        with pytest.raises(TimedOut, match=r"in the middle of its answer: nothing for 0\.2 s") as later:
            opened.receive()
        with pytest.raises(TimedOut, match=r"nothing for 0\.05 s"):
            opened.receive(timeout_s=0.05)
        assert (first.value.facts["limit"], later.value.facts["limit"]) == ("first_byte", "idle")
        opened.send("still open")
        assert opened.receive() == "still open"


def test_who_waits_is_asked_whether_to_stop() -> None:
    with peer(echo) as one, open_socket(one.url, quick()) as opened:
        start = time.monotonic()
        with pytest.raises(Cancelled):
            opened.receive(lambda: time.monotonic() > start + 0.1)
        assert time.monotonic() - start < 1
        opened.send("still open")
        assert opened.receive(lambda: False) == "still open"
    assert one.gone.is_set()


def test_a_server_that_vanishes_has_crashed() -> None:
    def vanish(connection: ServerConnection) -> None:
        connection.recv()
        connection.socket.shutdown(socket.SHUT_RDWR)

    with peer(vanish) as one, open_socket(one.url, quick()) as opened:
        opened.send("a")
        with pytest.raises(ServerCrashed, match="broke off") as caught:
            opened.receive()
        assert caught.value.retryable
        with pytest.raises(ServerCrashed):
            opened.send("b")


def test_a_close_for_a_reason_says_it() -> None:
    def fail(connection: ServerConnection) -> None:
        connection.close(1011, "out of memory for secret")

    with peer(fail) as one, open_socket(one.url, Http("secret")) as opened:
        with pytest.raises(BadResponse, match=r"code 1011: out of memory for \*\*\*") as caught:
            opened.receive()
        assert caught.value.facts["code"] == 1011


@pytest.mark.parametrize(
    ("message", "is_text", "problem"),
    [
        ("x" * 200, True, "longer than 100 bytes"),
        (b"\xff\xfe", False, "no text"),
        (b"\xff\xfe", True, "no text"),
    ],
)
def test_a_message_that_is_too_long_or_no_text_is_refused(
    message: str | bytes, is_text: bool, problem: str
) -> None:
    http = quick()
    http.limit_bytes = 100
    with (
        peer(lambda connection: connection.send(message, text=is_text)) as one,
        open_socket(one.url, http) as opened,
        pytest.raises(BadResponse, match=problem),
    ):
        opened.receive()


def test_bytes_that_are_text_are_taken_as_text() -> None:
    with peer(lambda connection: connection.send(b"ok")) as one, open_socket(one.url, quick()) as opened:
        assert opened.receive() == "ok"


def test_where_nothing_listens_is_said_fast_with_what_to_start() -> None:
    url = unused_url()
    start = time.monotonic()
    with pytest.raises(Unreachable, match="nothing listens") as caught:
        open_socket(f"{url}/llm", Http(start_hint="start the server"))
    assert caught.value.hint == "start the server"
    assert time.monotonic() - start < 1


def test_a_server_that_does_not_shake_hands_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}/llm"
        with pytest.raises(Unreachable, match="in time"):
            open_socket(url, Http(timeouts=Timeouts(connect_s=0.2)))


def test_a_web_server_is_no_such_server(server: Server) -> None:
    server.routes["*"] = lambda _: json_response({"error": "Unexpected endpoint"})
    with pytest.raises(BadResponse) as caught:
        open_socket(f"{server.url}/llm", quick())
    assert caught.value.facts["status"] == 200
    with pytest.raises(BadResponse, match="does not speak WebSocket"):
        open_socket("ftp://127.0.0.1/llm", quick())


def test_a_refused_handshake_is_the_refusal_that_its_status_means() -> None:
    with peer(echo, HTTPStatus.UNAUTHORIZED) as one, pytest.raises(RequestRefused) as caught:
        open_socket(one.url, Http(key_env="LM_API_TOKEN"))
    assert caught.value.facts["status"] == 401
    assert "LM_API_TOKEN" in caught.value.hint


def test_no_redirect_leads_away_from_this_machine(server: Server) -> None:
    elsewhere = {"Location": "http://models.example:1234/llm"}
    server.routes["*"] = lambda _: json_response({}, 302, elsewhere)
    with pytest.raises((RequestRefused, BadResponse)):
        open_socket(f"{server.url}/llm", quick())


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "websockets.sync.client", None)
    with pytest.raises(MissingExtra, match=r"lmstudio"):
        open_socket("ws://127.0.0.1:1/llm", Http())
