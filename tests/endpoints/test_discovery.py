"""What runs here is found and told apart by what it answers; what is no model server is not taken for one."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bridle.endpoints import discovery, places
from bridle.endpoints.config import EndpointConfig, save_endpoint
from bridle.endpoints.connect import connect
from bridle.endpoints.discovery import discover, first_server
from bridle.endpoints.driver import Driver
from bridle.endpoints.environment import VARIABLES
from bridle.endpoints.kinds import KINDS
from bridle.endpoints.recognise import ORDER, Probe, driver_of, identify, server_root
from bridle.endpoints.transport.http import Http, Timeouts
from bridle.errors import AuthError, BadResponse, ConfigError, ServerBusy, TimedOut, Unreachable
from project import run_python
from servers.fake import Response, Server, json_response, server, unused_url
from servers.kinds import FAKES, make_fake

__all__ = ["server"]

Ports = Callable[[Sequence[Server]], None]
FAKED = tuple(kind for kind in FAKES if kind in ORDER)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BRIDLE_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setattr(places, "PORTS", ())


@pytest.fixture
def at_ports(monkeypatch: pytest.MonkeyPatch) -> Ports:
    """Make the ports of these servers the usual ones."""

    def usual(servers: Sequence[Server]) -> None:
        monkeypatch.setattr(places, "PORTS", tuple(port(one) for one in servers))

    return usual


@pytest.fixture
def website(server: Server) -> Server:
    """A web server that has nothing to do with models, and answers everything."""
    server.routes["*"] = lambda _: Response(200, (b"<!doctype html><title>Shop</title>",), "text/html")
    return server


@pytest.fixture
def fakes() -> Iterator[dict[str, Server]]:
    made = {kind: make_fake(kind) for kind in FAKED}
    yield made
    for one in made.values():
        one.close()


def port(one: Server) -> int:
    found = urlsplit(one.url).port
    assert found is not None
    return found


def test_servers_of_all_kinds_are_told_apart_and_a_website_is_none(
    fakes: dict[str, Server], website: Server, at_ports: Ports
) -> None:
    at_ports([*fakes.values(), website])
    found = discover()
    assert {one.url: one.kind for one in found.servers} == {f"{one.url}/v1": k for k, one in fakes.items()}
    assert len(found.servers) >= 6
    assert list(found.others) == [website.url]
    for one in found.servers:
        assert one.problem == ""
        assert one.model.startswith("m"), one
        assert one.reason
        assert one.wrapper
        assert one.holds
        endpoint = connect(one.spec)
        assert endpoint.model == one.model
        endpoint.close()


@pytest.mark.parametrize("kind", FAKED)
def test_a_server_is_recognised_by_whatever_end_of_its_address_is_pasted(kind: str) -> None:
    one = make_fake(kind)
    try:
        for end in ("", "/", "/v1", "/v1/", "/api", "/api/v1/", "/v1/chat/completions"):
            seen = identify(one.url + end, Http())
            assert seen is not None, end
            assert (seen.kind, seen.url) == (kind, f"{one.url}/v1")
        asked = [seen.path for seen in one.seen if seen.method != "GET"]
        assert asked == []
    finally:
        one.close()


def test_the_most_imitated_come_last() -> None:
    named = [kind for kind, facts in KINDS.items() if facts.takes == "url" and kind != "azure"]
    assert sorted(ORDER) == sorted(named)
    assert ORDER[0] == "koboldcpp"
    assert ORDER[-1] == "openai"
    for kind in ORDER:
        driver = driver_of(kind)
        assert issubclass(driver, Driver)
        assert driver.kind == kind


STRANGERS = (
    json_response({}),
    json_response([]),
    json_response({"status": "ok", "version": "1.2.3", "data": {}}),
    json_response({"data": []}),
    json_response({"detail": "Not Found"}, 404),
    json_response({"error": "?"}, 500),
    Response(200, (b"It works",), "text/plain"),
    Response(302, (b"",), headers={"Location": "/login"}),
)


@pytest.mark.parametrize("answer", STRANGERS)
def test_a_server_of_another_trade_is_of_no_kind(server: Server, answer: Response) -> None:
    server.routes["*"] = lambda _: answer
    assert identify(server.url, Http()) is None
    found = discover([server.url])
    assert found.servers == ()
    assert "no model server" in found.others[server.url]
    with pytest.raises(BadResponse, match="not as any model server"):
        connect(server.url)


def test_a_server_that_wants_a_key_or_is_busy_says_so(server: Server) -> None:
    server.routes["*"] = lambda _: json_response({"detail": "Invalid API key"}, 401)
    with pytest.raises(AuthError) as caught:
        identify(server.url, Http(key_env="MY_KEY"))
    assert "MY_KEY" in caught.value.hint
    assert "BRIDLE_API_KEY" in discover([server.url]).others[server.url]
    loading = {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}
    server.routes["*"] = lambda _: json_response(loading, 503)
    with pytest.raises(ServerBusy):
        identify(server.url, Http())


def test_each_route_is_asked_once_and_not_for_ever(server: Server) -> None:
    server.routes["GET /a"] = lambda _: json_response({"x": 1})
    http = Http()
    probe = Probe(server.url, http)
    assert [probe.get("/a"), probe.get("/a"), probe.get("/b"), probe.get("/b")] == [{"x": 1}] * 2 + [None] * 2
    assert [seen.path for seen in server.seen] == ["/a", "/b"]
    late = Probe(server.url, http, longest_s=-1)
    assert late.get("/a") is None
    assert len(server.seen) == 2
    http.close()


def test_what_listens_and_says_nothing_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(TimedOut):
            identify(url, Http(), timeouts=Timeouts(0.2, 0.2, 0.2))


def test_what_listens_and_says_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "ANSWERS_WITHIN_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(places, "PORTS", (silent.getsockname()[1],))
        assert list(discover().others.values()) == ["something listens there and does not answer"]


def test_a_saved_server_whose_key_is_not_set_is_told(server: Server) -> None:
    save_endpoint("mine", EndpointConfig("openai", server.url, api_key_env="NO_SUCH_KEY"))
    assert "NO_SUCH_KEY" in discover().others[server.url]
    assert server.seen == []


def test_a_server_on_the_other_loopback_is_found_once() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as six:
        number = six.getsockname()[1]
        both = [places.Place(f"http://{host}:{number}") for host in ("localhost", "[::1]")]
        assert [place.url for place in places.listening(both)] == [f"http://[::1]:{number}"]
        with socket.create_server(("127.0.0.1", number)):
            assert [place.url for place in places.listening(both)] == [f"http://localhost:{number}"]


def test_a_server_whose_list_of_models_fails_is_found_all_the_same(at_ports: Ports) -> None:
    one = make_fake("webui")
    at_ports([one])
    one.routes["GET /v1/internal/model/list"] = lambda _: json_response({"detail": "?"}, 500)
    one.routes["GET /v1/models"] = lambda _: json_response({"detail": "?"}, 500)
    (found,) = discover().servers
    assert (found.kind, found.problem, found.model) == ("webui", "", "m")
    one.close()


def test_only_what_is_named_gets_a_key(
    server: Server, at_ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIDLE_API_KEY", "secret-key")
    server.routes["GET /v1/models"] = lambda _: json_response({"data": [{"id": "m"}]})
    at_ports([server])
    assert [one.kind for one in discover().servers] == ["openai"]
    assert all("authorization" not in seen.headers for seen in server.seen)
    server.seen.clear()
    assert [one.kind for one in discover([server.url]).servers] == ["openai"]
    assert {seen.headers.get("authorization") for seen in server.seen} == {"Bearer secret-key"}


def test_addresses_of_the_environment_and_of_the_config_file_are_looked_at(
    fakes: dict[str, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", f"0.0.0.0:{port(fakes['openai'])}")
    save_endpoint("mine", EndpointConfig("webui", fakes["llama-server"].url, context_tokens=99))
    save_endpoint("cloud", EndpointConfig("azure", fakes["webui"].url, model="d"))
    found = {one.named_by: one for one in discover().servers}
    assert {name: one.kind for name, one in found.items()} == {
        "OLLAMA_HOST": "openai",
        "[endpoints.mine]": "llama-server",
    }
    assert found["[endpoints.mine]"].context_tokens == 99


def test_a_saved_server_that_lists_no_models_is_taken_at_its_word(server: Server) -> None:
    save_endpoint("mine", EndpointConfig("openai", server.url, model="m"))
    (one,) = discover().servers
    assert (one.kind, one.reason) == ("openai", "[endpoints.mine] says so")
    assert "404" in one.problem


def test_a_saved_server_is_opened_by_its_name(fakes: dict[str, Server]) -> None:
    entry = EndpointConfig("openai", fakes["openai"].url, wrapper="zephyr", context_tokens=77)
    save_endpoint("mine", entry)
    save_endpoint("wrong", EndpointConfig("webui", fakes["llama-server"].url))
    mine, wrong = discover().servers
    assert (mine.spec, mine.wrapper) == ("mine", "zephyr")
    assert wrong.spec == f"llama-server@{fakes['llama-server'].url}"
    endpoint = connect("auto")
    assert endpoint.context_tokens == 77
    endpoint.close()


def test_a_named_address_where_nothing_answers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    shut, saved = unused_url(), unused_url()
    monkeypatch.setenv("LMSTUDIO_BASE_URL", shut)
    save_endpoint("mine", EndpointConfig("webui", saved))
    assert discover().others == {
        shut: "nothing answers there (LMSTUDIO_BASE_URL names it)",
        saved: "nothing answers there ([endpoints.mine] names it)",
    }


def test_one_server_under_two_names_of_this_machine_is_found_once(at_ports: Ports) -> None:
    one = make_fake("openai")
    at_ports([one])
    save_endpoint("mine", EndpointConfig("openai", f"http://localhost:{port(one)}"))
    assert [found.spec for found in discover().servers] == ["mine"]
    one.close()


def test_a_server_that_has_no_model_is_found_with_what_to_do(at_ports: Ports) -> None:
    one = make_fake("webui")
    one.routes["GET /v1/internal/model/info"] = lambda _: json_response({"model_name": "None"})
    at_ports([one])
    (found,) = discover().servers
    assert found.kind == "webui"
    assert "no model is loaded" in found.problem
    assert found.hint
    with pytest.raises(Unreachable, match="no model is loaded"):
        first_server()
    one.close()


def test_nothing_is_found_where_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    url = unused_url()
    monkeypatch.setattr(places, "PORTS", (urlsplit(url).port,))
    assert discover() == discover(())
    assert (discover().servers, dict(discover().others)) == ((), {})
    assert discover([url]).others == {url: "nothing answers there"}
    assert discover([url.removeprefix("http://")]).others == {url: "nothing answers there"}
    with pytest.raises(ConfigError, match="no address"):
        discover(["ftp://x"])
    with pytest.raises(ConfigError, match="no address"):
        discover(["http://h:port"])


def test_offline_leaves_other_machines_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://192.0.2.7:8000/v1")
    assert places.places(offline=True) == []
    assert [place.url for place in places.places()] == ["http://192.0.2.7:8000/v1"]
    assert discover(offline=True).servers == ()
    found = discover(["http://192.0.2.7:8000"], offline=True)
    assert found.servers == ()
    assert "while offline" in found.others["http://192.0.2.7:8000"]


def test_the_short_spec_is_given_only_where_it_means_this_server(
    at_ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make_fake("ollama")
    at_ports([one])
    assert discover().servers[0].spec == f"ollama@{one.url}"
    monkeypatch.setenv("OLLAMA_HOST", f"localhost:{port(one)}")
    assert discover().servers[0].spec == "ollama"
    one.close()


def test_auto_is_what_is_found_first(at_ports: Ports, caplog: pytest.LogCaptureFixture) -> None:
    first, second = make_fake("lmstudio"), make_fake("openai")
    at_ports([first, second])
    with caplog.at_level(logging.INFO):
        endpoint = connect("auto", context_tokens=123)
    assert endpoint.name == f"lmstudio:m@{first.url}/v1"
    assert endpoint.context_tokens == 123
    assert f"auto is lmstudio at {first.url}/v1" in caplog.text
    endpoint.close()
    first.close()
    endpoint = connect(EndpointConfig("auto", model="other"))
    assert endpoint.name == f"openai:other@{second.url}/v1"
    endpoint.close()
    second.close()


def test_auto_finds_nothing_where_nothing_runs() -> None:
    with pytest.raises(Unreachable, match="no model server was found") as caught:
        connect("auto")
    assert caught.value.exit_code == 3
    assert "bridle discover" in caught.value.hint


def test_autogens_address_is_looked_at() -> None:
    one = make_fake("webui")
    endpoint = connect({"config_list": [{"model": "NULL", "base_url": f"{one.url}/v1", "api_key": "NULL"}]})
    assert endpoint.name == f"webui:m@{one.url}/v1"
    endpoint.close()
    one.close()


def test_a_server_behind_a_path_is_found_there(server: Server) -> None:
    listed = {"data": [{"id": "m"}]}
    server.routes["GET /llm/v1/models"] = lambda _: json_response(listed)
    assert server_root(f"{server.url}/llm/v1") == f"{server.url}/llm"
    endpoint = connect(f"{server.url}/llm/v1")
    assert endpoint.name == f"openai:m@{server.url}/llm/v1"
    endpoint.close()
    server.routes = {"GET /api/v1/models": lambda _: json_response(listed)}
    endpoint = connect(f"{server.url}/api/v1")
    assert endpoint.name == f"openai:m@{server.url}/api/v1"
    endpoint.close()


def test_open_ports_are_told_from_closed_ones(server: Server) -> None:
    closed = urlsplit(unused_url()).port or 0
    wanted = [("127.0.0.1", port(server)), ("127.0.0.1", closed), ("::1", closed)]
    assert places.open_ports(wanted) == {("127.0.0.1", port(server))}
    assert places.open_ports([]) == set()


def test_looking_where_nothing_runs_imports_nothing_large() -> None:
    code = (
        "import sys; from bridle.endpoints import places; places.PORTS = (1,);"
        "from bridle.endpoints.discovery import discover; print(discover().servers);"
        "print(sorted({'requests', 'openai', 'jinja2', 'jsonschema', 'numpy'} & set(sys.modules)))"
    )
    assert run_python("-c", code).stdout.split() == ["()", "[]"]
