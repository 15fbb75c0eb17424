"""Where a key goes and where it never does; proxies and certificates."""

from __future__ import annotations

import html
import json
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.endpoints.transport.http import Http, HttpCall
from bridle.endpoints.transport.secrets import masked
from bridle.errors import Cancelled, ConfigError, EndpointError, ServerBusy, Unreachable
from servers.connections import open_http, raw_server
from servers.fake import Response, Server, events, json_response, server, unused_url

__all__ = ["server"]

KEY = "sk-very-secret"
TLS = Path(__file__).parent.parent / "data" / "tls"


@pytest.fixture
def http() -> Iterator[Http]:
    one = Http(KEY)
    yield one
    one.close()


def held_by(error: BaseException) -> str:
    """All text that an error holds, and those below it."""
    texts: list[str] = []
    seen: list[object] = []
    queue: list[object] = [error]
    while queue:
        one = queue.pop()
        if one is None or any(one is other for other in seen):
            continue
        seen.append(one)
        texts += [str(one), repr(one)]
        if isinstance(one, BaseException):
            queue += [*one.args, *vars(one).values(), one.__cause__, one.__context__]
        elif isinstance(one, dict):
            queue += cast("dict[str, object]", one).values()
        elif isinstance(one, (list, tuple)):
            queue += cast("list[object]", one)
        elif hasattr(one, "headers"):
            texts.append(str(getattr(one, "headers")))  # noqa: B009 - of a class that is not known here
    return "\n".join(texts)


def failing_servers() -> dict[str, Callable[[Server], object]]:
    def echo(status: int) -> Callable[[Server], object]:
        def set_route(server: Server) -> None:
            server.routes["*"] = lambda seen: json_response({"error": str(dict(seen.headers))}, status)

        return set_route

    def page(server: Server) -> None:
        server.routes["*"] = lambda seen: Response(
            200, (f"<html>{dict(seen.headers)}".encode(),), "text/html"
        )

    def cut(server: Server) -> None:
        server.routes["*"] = lambda seen: Response(200, (b"{",), framing="chunked", cut=True)

    return {"401": echo(401), "400": echo(400), "500": echo(500), "page": page, "cut": cut}


@pytest.mark.parametrize("failing", [*failing_servers(), "down", "drops"])
@pytest.mark.parametrize("key_header", ["", "X-Api-Key"])
def test_no_error_holds_a_secret(
    server: Server, failing: str, key_header: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    others = {"X-Tenant": "tenant-secret-1"}
    with open_http(key=KEY, key_header=key_header, headers=others, retries=0) as http:
        if failing == "drops":
            with raw_server(b"") as (url, _), pytest.raises(EndpointError) as caught:
                http.ask(HttpCall(url))
        else:
            set_route = failing_servers().get(failing)
            if set_route is not None:
                set_route(server)
            url = unused_url() if failing == "down" else server.url
            with pytest.raises(EndpointError) as caught:
                http.ask(HttpCall(url))
        texts = [held_by(caught.value), repr(http), caplog.text]
    assert url.removeprefix("http://") in texts[0]
    for text in texts:
        assert KEY not in text
        assert "tenant-secret-1" not in text


def test_a_key_may_have_a_header_of_its_own(server: Server) -> None:
    server.routes["*"] = lambda _: json_response(1)
    with open_http(key=KEY, key_header="X-Api-Key", headers={"X-Tenant": "t"}) as http:
        assert http.ask(HttpCall(server.url)) == 1
    headers = server.seen[0].headers
    assert (headers["x-api-key"], headers["x-tenant"]) == (KEY, "t")
    assert "authorization" not in headers


@pytest.mark.parametrize("headers", [{"X-Bad": "a\r\nX-Other: b"}, {"X Bad": "a"}, {"X-Bad": "ключ"}])
def test_a_header_that_cannot_be_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="header") as caught:
        Http(headers=headers)
    assert "X-Other" not in str(caught.value)


def test_a_key_with_a_line_break_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        Http(key="sk-secret\n")
    assert "sk-secret" not in held_by(caught.value)


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_to_another_port_drops_all_that_is_the_endpoints_own(server: Server, status: int) -> None:
    other = Server()
    back = iter([Response(307, (b"",), headers={"Location": server.url + "/back"})])
    other.routes["*"] = lambda _: next(back, json_response(1))
    answers = iter([Response(status, (b"",), headers={"Location": other.url + "/there"})])
    server.routes["*"] = lambda _: next(answers, json_response(1))
    with open_http(key=KEY, key_header="X-Api-Key", headers={"X-Tenant": "t"}) as http:
        assert http.ask(HttpCall(server.url, {"x": 1})) == 1
    assert "x-api-key" in server.seen[0].headers
    for seen in (other.seen[0], server.seen[1]):
        assert not {"x-api-key", "x-tenant", "authorization"} & set(seen.headers)
    other.close()


def test_a_neighbour_is_asked_once_and_as_a_stranger(server: Server) -> None:
    server.routes["*"] = lambda _: json_response({}, 503)
    with open_http(key=KEY, headers={"X-Tenant": "t"}) as http, pytest.raises(ServerBusy):
        http.ask(HttpCall(server.url, aside=True))
    assert len(server.seen) == 1
    assert not {"x-tenant", "authorization"} & set(server.seen[0].headers)


def test_cookies_are_not_kept(server: Server, http: Http) -> None:
    server.routes["*"] = lambda _: Response(headers={"Set-Cookie": "a=b; Path=/"})
    http.ask(HttpCall(server.url))
    http.ask(HttpCall(server.url))
    assert "cookie" not in server.seen[1].headers


# Ways through: proxies and certificates.


def test_a_proxy_is_asked_for_the_address(server: Server) -> None:
    server.routes["*"] = lambda seen: json_response(seen.path)
    with open_http(key=KEY, proxy=server.url) as http:
        assert http.ask(HttpCall("http://models.example/v1/models")) == "http://models.example/v1/models"
    assert server.seen[0].headers["host"] == "models.example"


def test_a_proxy_that_is_down_is_said_without_its_password() -> None:
    proxy = unused_url().replace("http://", "http://me:pass-word@")
    with open_http(proxy=proxy) as http, pytest.raises(Unreachable, match="the proxy") as caught:
        http.ask(HttpCall("http://models.example/v1/models"))
    assert "pass-word" not in held_by(caught.value) + repr(http)


def test_offline_a_proxy_must_be_on_this_machine(server: Server) -> None:
    with open_http(proxy="http://proxy.example:3128", offline=True) as http, pytest.raises(ConfigError):
        http.ask(HttpCall(server.url))


@pytest.mark.parametrize("wrong", [{"proxy": "nonsense"}, {"ca_file": "no-such-file.pem"}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Http(**wrong)


def test_a_certificate_is_checked_unless_told_otherwise(server: Server) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    server.speak_tls(context)
    server.routes["*"] = lambda _: events([b"data: 1\n\n"])
    url = server.url.replace("http:", "https:")
    with open_http() as http, pytest.raises(Unreachable, match="secure connection"):
        http.ask(HttpCall(url))
    for trusted in ({"ca_file": str(TLS / "cert.pem")}, {"verify": False}):
        with open_http(**trusted) as http, http.open(HttpCall(url), lambda: False) as reply:
            assert [event.data for event in reply.events()] == ["1"]


def held(server: Server) -> Response:
    server.hold(20)
    return json_response(1)


def test_an_answer_over_tls_can_be_stopped(server: Server) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    server.speak_tls(context)
    server.routes["*"] = lambda _: held(server)
    url = server.url.replace("http:", "https:")
    start = time.monotonic()
    with open_http(verify=False) as http, pytest.raises(Cancelled):
        http.open(HttpCall(url), lambda: time.monotonic() > start + 0.3)
    assert time.monotonic() - start < 2


AWKWARD = 'sk-a/b+c"d&e%5'


def spellings() -> dict[str, str]:
    """Bodies that say `AWKWARD`, each in another way."""
    plain = json.dumps({"error": {"message": f"no key {AWKWARD}!"}})
    codes = "".join(f"\\u{ord(one):04X}" for one in AWKWARD)
    return {
        "plain": plain,
        "escaped slash": plain.replace("/", "\\/"),
        "codes": f'{{"error": {{"message": "no key {codes}"}}}}',
        "json in json": json.dumps({"error": plain.replace("/", "\\/")}),
        "codes in json in json": json.dumps({"error": f'{{"message": "no key {codes}"}}'}),
        "page": f"<html>{html.escape(AWKWARD)}</html>",
        "numbers": "<html>" + "".join(f"&#{ord(one)};" for one in AWKWARD),
        "url": json.dumps({"detail": quote(AWKWARD, safe="")}),
    }


@pytest.mark.parametrize("name", spellings())
@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_a_key_is_not_shown_however_a_server_spells_it(server: Server, name: str, status: int) -> None:
    server.routes["*"] = lambda _: Response(status, (spellings()[name].encode(),))
    with open_http(key=AWKWARD, retries=0) as http:
        try:
            told = json.dumps(http.ask(HttpCall(server.url)))
        except EndpointError as error:
            told = held_by(error)
    for one in (AWKWARD, json.dumps(AWKWARD)[1:-1], html.escape(AWKWARD), quote(AWKWARD, safe=""), "a/b"):
        assert one not in told
    assert "\\u0073" not in told
    assert "***" in told


@pytest.mark.parametrize("key", ["a", "NULL", "sk", "ollama", "lm-studio", "EMPTY"])
def test_a_word_in_the_place_of_a_key_is_left_in_answers(server: Server, key: str) -> None:
    said = {"text": f"a word like {key}, and \\{key}"}
    server.routes["*"] = lambda _: json_response(said)
    with open_http(key=key) as http:
        assert http.ask(HttpCall(server.url)) == said


@given(st.text('sk-1/"%&;u0', min_size=6, max_size=12), st.sampled_from([json.dumps, html.escape, quote]))
def test_what_is_masked_stays_json_and_holds_no_key(key: str, spell: Callable[[str], str]) -> None:
    body = json.dumps({"said": [f"before {spell(key)} behind", key]})
    found = json.loads(masked(body, (key,)))
    assert key not in "".join(found["said"])


def test_a_text_of_backslashes_is_masked_in_time() -> None:
    start = time.monotonic()
    masked("\\" * 200_000 + "&", (KEY, AWKWARD))
    assert time.monotonic() - start < 2


def test_no_library_writes_the_key_to_a_log(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    server.routes["GET /"] = lambda _: Response(307, headers={"Location": "/there"})
    server.routes["GET /there"] = lambda _: json_response(1)
    with open_http(key=KEY, headers={"X-Tenant": "tenant-secret-1"}) as http:
        assert http.ask(HttpCall(f"{server.url}/")) == 1
    assert "/there" in caplog.text
    assert KEY not in caplog.text
    assert "tenant-secret-1" not in caplog.text
