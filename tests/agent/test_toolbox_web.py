from __future__ import annotations

import gzip
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridle.agent.toolbox import run_tool_limited
from bridle.agent.toolbox.hosts import AllowedHosts
from bridle.agent.toolbox.web import MOST_BYTES, http_tool
from bridle.errors import ConfigError, InputError
from servers.fake import Response, Seen, Server, json_response


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.close()


def host(server: Server) -> str:
    return server.url.removeprefix("http://")


def asked(
    server: Server, path: str = "/", method: str = "GET", *, hosts: tuple[str, ...] = (), **more: str
) -> str:
    tool = http_tool(hosts or (host(server),), within_s=2)
    return run_tool_limited(tool, {"method": method, "url": server.url + path, **more})


def text(body: str, **headers: str) -> Response:
    return Response(200, (body.encode(),), "text/plain; charset=utf-8", headers)


def test_a_page_is_shown_with_its_status(server: Server) -> None:
    server.routes["GET /"] = lambda _: text("häuser")
    assert asked(server) == "200 OK text/plain\nhäuser"
    assert asked(server, "/none").startswith("404 Not Found application/json\n{")


def test_a_payload_goes_out_as_json(server: Server) -> None:
    server.routes["POST /"] = lambda seen: json_response(seen.body)
    assert (
        asked(server, method="POST", payload_json='{"a": "ä"}') == '200 OK application/json\n{"a": "\\u00e4"}'
    )
    assert server.seen[0].headers["content-type"] == "application/json"
    assert asked(server, method="POST", payload_json="{a}").startswith("Failed: payload_json is not JSON")
    assert asked(server, payload_json="{}").startswith("Failed: GET takes no payload")
    assert asked(server, method="CONNECT").startswith("Failed: wrong arguments")


def test_no_keys_cookies_or_logins_of_the_user_go_out(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password netrc-secret\n", "utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-key")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server.routes["GET /"] = lambda _: text("x", **{"Set-Cookie": "a=b"})
    assert asked(server).startswith("200")
    assert asked(server).startswith("200")
    assert set(server.seen[1].headers) == {"host", "user-agent", "accept-encoding", "accept", "connection"}


@pytest.mark.parametrize(
    ("entry", "good", "bad"),
    [
        ("example.org", ["https://example.org/x", "http://EXAMPLE.org", "https://example.org.:443/"],
         ["https://www.example.org", "https://example.org.evil.com", "https://example.org:8443", "https://xexample.org"]),
        ("*.example.org", ["https://a.example.org", "https://a.b.example.org"],
         ["https://example.org", "https://aexample.org", "https://example.org.com", "https://.example.org"]),
        ("https://example.org", ["https://example.org"], ["http://example.org"]),
        ("example.org:8080", ["http://example.org:8080", "https://example.org:8080"], ["http://example.org"]),
        ("http://[::1]:80", ["http://[::1]", "http://[0:0::1]/"], ["http://[::2]"]),
        ("xn--bcher-kva.example", ["https://xn--bcher-kva.example"], ["https://bücher.example"]),
        ("127.0.0.1", ["http://127.0.0.1", "http://[::ffff:127.0.0.1]"],
         ["http://127.1", "http://2130706433", "http://0x7f.1", "http://017700000001", "http://localhost"]),
    ],
)  # fmt: skip
def test_an_entry_allows_just_its_hosts(entry: str, good: list[str], bad: list[str]) -> None:
    allowed = AllowedHosts([entry])
    for url in good:
        assert allowed.target(url).scheme in url
    for url in bad:
        with pytest.raises(InputError):
            allowed.target(url)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://example.org", "gopher://example.org", "example.org", "", "//example.org",
        "https://", "https://user:pass@example.org", "https://example.org@evil.com", "https://evil.com\\@example.org",
        "https://evil.com#@example.org", "https://evil.com?@example.org", "https://exa mple.org",
        " https://example.org", "https://example.org\n", "https://evil.com/\texample.org", "https://[example.org",
        "https://example.org:99999", "https://example.org:x", "data:text/plain,x", "https://evil.com%2f@example.org",
        "https://example.org%00.evil.com", "javascript:alert(1)", "https:///example.org", "https://\u2100.example.org",
    ],
)  # fmt: skip
def test_what_only_looks_like_an_allowed_address_is_refused(url: str) -> None:
    with pytest.raises(InputError):
        AllowedHosts(["example.org"]).target(url)


@pytest.mark.parametrize(
    "entry", ["", "*", "*.", "http://", "a b", "example.org/x", "ftp://x", "a@b", "x:y", "://x"]
)
def test_an_entry_that_is_no_host_is_refused(entry: str) -> None:
    with pytest.raises(ConfigError, match="is no host"):
        AllowedHosts([entry])


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0",
        "224.0.0.1",
        "100.64.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2001:db8::1", "192.0.2.1",
    ],
)  # fmt: skip
def test_a_name_that_leads_into_a_private_network_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="no public address"):
        AllowedHosts(["example.org", "*.example.org"]).check_address("example.org", address)


def test_an_address_that_is_allowed_itself_may_be_private() -> None:
    allowed = AllowedHosts(["nas.example", "192.168.1.5", "localhost"])
    allowed.check_address("nas.example", "192.168.1.5")
    allowed.check_address("localhost", "127.0.0.1")
    allowed.check_address("localhost", "::1")
    allowed.check_address("nas.example", "93.184.216.34")
    with pytest.raises(InputError):
        allowed.check_address("nas.example", "192.168.1.6")


def test_the_address_is_checked_where_the_connection_is_made(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name server says one thing when it is asked first, and this machine when it matters."""
    port = int(server.url.rpartition(":")[2])

    def rebound(*_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    tool = http_tool([f"rebound.example:{port}"], within_s=2)
    said = run_tool_limited(tool, {"method": "GET", "url": f"http://rebound.example:{port}/"})
    assert said.startswith("Failed: rebound.example leads to 127.0.0.1, which is no public address")
    assert server.seen == []


def test_redirects_are_followed_and_checked_each_time(server: Server) -> None:
    server.routes["GET /a"] = lambda _: Response(302, (), headers={"Location": "/b#there"})
    server.routes["GET /b"] = lambda _: text("arrived")
    server.routes["GET /out"] = lambda _: Response(
        302, (), headers={"Location": "http://169.254.169.254/latest"}
    )
    server.routes["GET /file"] = lambda _: Response(302, (), headers={"Location": "file:///etc/passwd"})
    server.routes["GET /loop"] = lambda _: Response(302, (), headers={"Location": "/loop"})
    assert asked(server, "/a") == "200 OK text/plain\narrived"
    assert asked(server, "/out").startswith("Failed: http://169.254.169.254 is not allowed")
    assert asked(server, "/file").startswith("Failed: 'file:///etc/passwd' is no URL of the web")
    assert asked(server, "/loop").startswith("Failed: there were more than 5 redirects")


@pytest.mark.parametrize(
    ("status", "method", "sends"), [(302, "GET", {}), (303, "GET", {}), (307, "POST", {"a": 1})]
)
def test_a_redirect_repeats_a_payload_only_where_it_says_so(
    server: Server, status: int, method: str, sends: dict[str, int]
) -> None:
    def arrived(seen: Seen) -> Response:
        return json_response([seen.method, seen.body])

    server.routes["POST /a"] = lambda _: Response(status, (), headers={"Location": "/b"})
    server.routes["GET /b"] = server.routes["POST /b"] = arrived
    said = asked(server, "/a", "POST", payload_json='{"a": 1}')
    assert json.loads(said.partition("\n")[2]) == [method, sends]


def test_offline_asks_only_this_machine(server: Server) -> None:
    server.routes["GET /"] = lambda _: text("here")
    tool = http_tool([host(server), "example.org"], offline=True)
    assert run_tool_limited(tool, {"method": "GET", "url": server.url}).endswith("here")
    said = run_tool_limited(tool, {"method": "GET", "url": "https://example.org/"})
    assert said == "Failed: example.org is not this machine, and this runs offline"


def test_sizes_and_times_are_limited(server: Server) -> None:
    server.routes["GET /big"] = lambda _: Response(200, (b"a" * (MOST_BYTES + 9),), "text/plain")
    bomb = gzip.compress(b"a" * (200 * MOST_BYTES))
    server.routes["GET /bomb"] = lambda _: Response(200, (bomb,), "text/plain", {"Content-Encoding": "gzip"})
    server.routes["GET /slow"] = lambda _: Response(200, (b"a",) * 1000, "text/plain", {}, "chunked", 0.05)
    server.routes["GET /late"] = lambda _: Response(200, (b"a",), "text/plain", {}, "length", 5)
    server.routes["GET /cut"] = lambda _: Response(200, (b"a", b"b"), "text/plain", {}, "chunked", 0, True)
    tool = http_tool([host(server)], within_s=0.5)

    def said(path: str) -> str:
        return run_tool_limited(tool, {"method": "GET", "url": server.url + path}, most_chars=10 * MOST_BYTES)

    assert said("/big").endswith(f"(cut after {MOST_BYTES} bytes)")
    assert said("/bomb").endswith(f"(cut after {MOST_BYTES} bytes)")
    assert "time is up" in said("/slow")
    assert said("/late").startswith("Failed: ")
    assert said("/cut").startswith("Failed: the answer broke off")


def test_what_is_no_text_is_not_shown(server: Server) -> None:
    server.routes["GET /"] = lambda _: Response(200, (b"\x89PNG",), "image/png")
    assert asked(server) == "200 OK image/png\n(this is no text)"
    server.routes["GET /latin"] = lambda _: Response(200, (b"\xe4",), "text/plain; charset=latin-1")
    assert asked(server, "/latin").endswith("\nä")
    server.routes["GET /odd"] = lambda _: Response(200, (b"\xe4",), "text/plain; charset=klingon")
    assert asked(server, "/odd").endswith("\n�")
    server.routes["GET /zip"] = lambda _: Response(
        200, (b"nonsense",), "text/plain", {"Content-Encoding": "gzip"}
    )
    assert asked(server, "/zip").startswith("Failed: the answer broke off")


def test_a_server_that_is_not_there_is_told_in_one_line() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    tool = http_tool([f"127.0.0.1:{port}"])
    said = run_tool_limited(tool, {"method": "GET", "url": f"http://127.0.0.1:{port}/"})
    assert said.startswith("Failed: 127.0.0.1 does not answer: ")
    assert os.linesep not in said
