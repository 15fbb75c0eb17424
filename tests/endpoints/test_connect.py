"""Specs: every form, every mistake, keys, offline, and what a bare URL turns out to be."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from bridle.endpoints import respond
from bridle.endpoints.base import Request
from bridle.endpoints.choose import choose_wrapper
from bridle.endpoints.config import EndpointConfig
from bridle.endpoints.connect import KINDS, connect, parse_spec, spec_help
from bridle.endpoints.environment import VARIABLES
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.recognise import identify
from bridle.endpoints.transport.http import Http, Timeouts
from bridle.errors import BadResponse, ConfigError, InputError, RequestRefused, ServerBusy, Unreachable
from bridle.messages import Message, ToolSpec
from project import run_python
from servers.fake import (
    ModelServer,
    Response,
    Seen,
    Server,
    json_response,
    model_server,
    server,
    unused_url,
)
from servers.kinds import make_fake

__all__ = ["server"]

SAVED = """schema = 1
[endpoints.mine]
kind = "openai"
url = "http://127.0.0.1:9/v1"
model = "m"
[endpoints.ui]
kind = "webui"
"""


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(SAVED)
    monkeypatch.setenv("BRIDLE_CONFIG", str(file))
    for name in ("BRIDLE_HOME", *VARIABLES):
        monkeypatch.delenv(name, raising=False)
    return file


@pytest.fixture
def openai() -> Iterator[ModelServer]:
    with model_server("openai") as one:
        yield one


@pytest.mark.parametrize(
    ("spec", "meaning"),
    [
        ("embedded", EndpointConfig("embedded")),
        ("model.gguf", EndpointConfig("llamacpp", path="model.gguf")),
        ("/a b/C:x.GGUF", EndpointConfig("llamacpp", path="/a b/C:x.GGUF")),
        ("C:\\models\\x.gguf", EndpointConfig("llamacpp", path="C:\\models\\x.gguf")),
        ("llamacpp:/m/x.gguf", EndpointConfig("llamacpp", path="/m/x.gguf")),
        ("llamacpp:x.bin", EndpointConfig("llamacpp", path="x.bin")),
        (Path("x.bin"), EndpointConfig("llamacpp", path="x.bin")),
        ("scripted:a.txt", EndpointConfig("scripted", path="a.txt")),
        ("scripted:a@http://b", EndpointConfig("scripted", path="a@http://b")),
        ("openai:m@http://127.0.0.1:9/v1", EndpointConfig("openai", "http://127.0.0.1:9/v1", model="m")),
        ("openai:org/m:8b@http://h", EndpointConfig("openai", "http://h", model="org/m:8b")),
        ("openai:gpt-x", EndpointConfig("openai", model="gpt-x")),
        ("webui@https://h:5000", EndpointConfig("webui", "https://h:5000")),
        ("webui@127.0.0.1:5000", EndpointConfig("webui", "http://127.0.0.1:5000")),
        ("ollama:q:4b@[::1]:80/x", EndpointConfig("ollama", "http://[::1]:80/x", model="q:4b")),
        ("llamacpp:/a@b:80/c", EndpointConfig("llamacpp", path="/a@b:80/c")),
        ("webui", EndpointConfig("webui")),
        ("http://h:1", EndpointConfig("", "http://h:1")),
        ("mine", EndpointConfig("openai", "http://127.0.0.1:9/v1", model="m")),
        ("ui", EndpointConfig("webui")),
        (" mine ", EndpointConfig("openai", "http://127.0.0.1:9/v1", model="m")),
    ],
)
def test_every_form_of_a_spec(spec: str | Path, meaning: EndpointConfig) -> None:
    assert parse_spec(spec) == meaning


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("lmstduio@http://h", "did you mean 'lmstudio'?"),
        ("min", "did you mean 'mine'?"),
        ("gpt-4", "there: mine, ui"),
        ("", "PATH.gguf"),
        ("embedded:x", "write 'embedded'"),
        ("embedded@http://h", "write 'embedded'"),
        ("scripted", "scripted:PATH"),
        ("llamacpp:", "llamacpp:PATH"),
    ],
)
def test_a_wrong_spec_is_told_what_it_could_be(spec: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        connect(spec)
    assert hint in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_wrong_config_file_is_reported(config: Path) -> None:
    config.write_text("schema = 9")
    with pytest.raises(ConfigError, match="schema = 9"):
        connect("mine")
    assert parse_spec("x.gguf").kind == "llamacpp"


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (EndpointConfig("gpt"), "'gpt'"),
        (EndpointConfig("scripted"), "a path and no url"),
        (EndpointConfig("scripted", path="x", url="http://h"), "a path and no url"),
        (EndpointConfig("embedded", path="x"), "neither url nor path"),
        (EndpointConfig("webui", path="x"), "a url and no path"),
        (EndpointConfig("embedded", model="m"), "a model goes with"),
        (EndpointConfig("webui", "h:1"), "http://HOST"),
    ],
)
def test_an_entry_that_does_not_fit_its_kind_is_refused(entry: EndpointConfig, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        connect(entry)


def test_every_kind_is_described_and_can_be_loaded() -> None:
    for name, kind in KINDS.items():
        assert f"  {name}" in spec_help()
        assert kind.about in spec_help()
        module, attribute = kind.opens.split(":")
        assert callable(getattr(import_module(module), attribute))
        assert (kind.takes == "url") == (bool(kind.default_url) or name == "azure")


def test_an_address_with_its_kind(openai: ModelServer) -> None:
    for spec in (
        f"openai@{openai.url}",
        f"openai@{openai.url}/v1/chat/completions",
        f"openai:m@{openai.url}/v1/",
    ):
        endpoint = connect(spec)
        assert endpoint.name == f"openai:m@{openai.url}/v1"
        assert endpoint.complete(Request(messages=(Message("user", "hi"),))).text == openai.text
        endpoint.close()


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/", "/api", "/api/v1", "/v1/completions"])
def test_a_server_is_opened_by_whatever_end_of_its_address_is_pasted(end: str) -> None:
    with model_server("webui") as one:
        endpoint = connect(f"webui@{one.url}{end}")
        assert endpoint.name == f"webui:m@{one.url}/v1"
        endpoint.close()


def test_a_proxy_and_trust_of_an_entry_are_used(openai: ModelServer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="proxy"):
        connect(EndpointConfig("openai", openai.url, proxy="nonsense"))
    with pytest.raises(ConfigError, match=r"none\.pem"):
        connect(EndpointConfig("openai", openai.url, ca_file=str(tmp_path / "none.pem")))
    endpoint = connect(EndpointConfig("openai", openai.url, insecure=True))
    assert isinstance(endpoint, HttpEndpoint)
    assert endpoint.http.verify is False
    endpoint.close()


def test_a_wrapper_of_an_entry_is_what_auto_means(openai: ModelServer) -> None:
    endpoint = connect(EndpointConfig("openai", openai.url, wrapper="zephyr"))
    assert choose_wrapper(endpoint)[1] == "named in the endpoint's configuration"
    assert choose_wrapper(endpoint)[0].name == choose_wrapper(endpoint, "zephyr")[0].name
    endpoint.close()


def test_a_constraint_of_an_entry_is_what_auto_means(tmp_path: Path) -> None:
    script = tmp_path / "a.txt"
    script.write_text("one\ntwo\nthree\n")
    tool = ToolSpec("lamp", "", {"type": "object", "properties": {}})
    said = [{"role": "user", "content": "hi"}]
    endpoint = connect(EndpointConfig("scripted", path=str(script), constraint="grammar"))
    with pytest.raises(InputError, match="cannot hold a grammar"):
        respond(endpoint, said, [tool])
    assert respond(endpoint, said, [tool], constraint="off").message.content == "one"
    assert respond(connect(EndpointConfig("scripted", path=str(script))), said, [tool]).finish == "stop"


def test_the_embedding_model_of_an_entry_makes_the_embeddings(openai: ModelServer) -> None:
    made = {"data": [{"index": 0, "embedding": [0.5]}], "model": "small"}
    openai.routes["POST /v1/embeddings"] = lambda _: json_response(made)
    endpoint = connect(EndpointConfig("openai", openai.url, model="m", embedding_model="small"))
    assert isinstance(endpoint, HttpEndpoint)
    assert endpoint.embed(["x"]).vectors == ((0.5,),)
    assert openai.seen[-1].body["model"] == "small"
    assert endpoint.model == "m"
    endpoint.close()


def test_arguments_go_before_the_spec(openai: ModelServer) -> None:
    endpoint = connect(f"openai:a@{openai.url}", model="b", context_tokens=77, timeout_s=5)
    assert (endpoint.model, endpoint.context_tokens) == ("b", 77)
    endpoint.close()


def test_a_named_model_needs_no_list(server: Server) -> None:
    with pytest.raises(RequestRefused, match="404"):
        connect(f"openai@{server.url}")
    endpoint = connect(f"openai:m@{server.url}")
    assert endpoint.model == "m"
    endpoint.close()


@pytest.mark.parametrize("kind", ["openai", "webui", "lmstudio"])
def test_a_bare_url_is_looked_at(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    with model_server(kind) as one, caplog.at_level(logging.INFO):
        for url in (one.url, one.url + "/v1"):
            endpoint = connect(url)
            assert endpoint.name == f"{kind}:m@{one.url}/v1"
            endpoint.close()
        assert f"is of kind {kind}: it" in caplog.text
        seen = identify(one.url + "/v1", Http())
        assert seen is not None
        assert (seen.kind, seen.url) == (kind, one.url + "/v1")
        assert seen.reason


def test_a_bare_url_where_nothing_listens_is_said() -> None:
    with pytest.raises(Unreachable):
        connect(unused_url())


def test_a_server_that_answers_200_to_everything_is_of_no_kind(server: Server) -> None:
    server.routes["*"] = lambda _: json_response({"error": "Unexpected endpoint"})
    assert identify(server.url, Http()) is None
    with pytest.raises(BadResponse, match="not as any model server"):
        connect(server.url)
    endpoint = connect(server.url, model="m")
    assert endpoint.name == f"openai:m@{server.url}/v1"
    endpoint.close()


def sent_key(server: Server) -> str | None:
    return server.seen[-1].headers.get("authorization")


def test_keys(openai: ModelServer, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = openai.url
    monkeypatch.setenv("OPENAI_API_KEY", "for-openai-only")
    connect(f"openai@{url}").close()
    assert sent_key(openai) is None
    monkeypatch.setenv("BRIDLE_API_KEY", "any")
    connect(f"openai@{url}").close()
    assert sent_key(openai) == "Bearer any"
    connect(f"openai@{url}", api_key="given").close()
    assert sent_key(openai) == "Bearer given"
    entry = EndpointConfig("openai", url, api_key_env="MY_KEY")
    with pytest.raises(ConfigError, match="MY_KEY"):
        connect(entry)
    monkeypatch.setenv("MY_KEY", "mine")
    connect(entry).close()
    assert sent_key(openai) == "Bearer mine"


def test_a_refused_key_names_its_variable(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "secret-1")
    server.routes["*"] = lambda _: json_response({"detail": "Invalid API key"}, 401)
    with pytest.raises(RequestRefused) as caught:
        connect(EndpointConfig("openai", server.url, api_key_env="MY_KEY"))
    assert "MY_KEY" in caught.value.hint
    assert "secret-1" not in str(caught.value)


def test_openai_needs_a_key_and_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        connect("openai:gpt-x")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with pytest.raises(ConfigError, match="openai:gpt"):
        connect("openai")
    endpoint = connect("openai:gpt-x")
    assert endpoint.name == "openai:gpt-x@https://api.openai.com/v1"
    endpoint.close()


@pytest.mark.parametrize("spec", ["http://example.org:5000", "webui@http://10.0.0.7:5000", "openai:gpt-x"])
def test_offline_refuses_other_machines(spec: str) -> None:
    with pytest.raises(ConfigError, match="offline"):
        connect(spec, offline=True)


def test_offline_allows_this_machine(openai: ModelServer) -> None:
    for spec in (openai.url, f"openai@{openai.url.replace('127.0.0.1', 'localhost')}"):
        endpoint = connect(spec, offline=True)
        assert endpoint.name.startswith("openai:m@http://")
        endpoint.close()


def test_looking_at_specs_imports_nothing_heavy() -> None:
    code = (
        "import sys; from bridle.endpoints.connect import parse_spec, spec_help;"
        "parse_spec('webui@http://127.0.0.1:1'); spec_help();"
        "print(sorted({'requests', 'openai', 'jinja2', 'numpy', 'llama_cpp'} & set(sys.modules)))"
    )
    assert run_python("-c", code).stdout.strip() == "[]"


@pytest.mark.parametrize("key", ["sk-secret\n", "sk-\u201csecret\u201d", "sk\x00secret"])
def test_a_key_that_is_none_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        connect("openai:m@http://127.0.0.1:9/v1", api_key=key)
    assert "BRIDLE_API_KEY" in caught.value.hint
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("host", ["exa mple", "a..b", ".a"])
def test_a_host_that_cannot_be_is_named(host: str) -> None:
    with pytest.raises(Unreachable, match=re.escape(host)) as caught:
        connect(f"openai@http://{host}:9/v1")
    assert "spelling" in caught.value.hint


def test_a_bare_url_of_a_server_that_loads_its_model_is_waited_for_too() -> None:
    told: list[str] = []
    loading = {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}
    server = make_fake("llama-server")
    routes = dict(server.routes)
    listed = routes["GET /v1/models"]
    busy = json_response(loading, 503, {"Retry-After": "0.05"})
    server.routes = {"*": lambda _: busy, "GET /v1/models": listed}  # newer ones answer this one at once

    def on_wait(what: str, _: float) -> None:
        told.append(what)
        if len(told) == 2:
            server.routes = routes

    endpoint = connect(server.url, on_wait=on_wait)
    assert endpoint.name == f"llama-server:m@{server.url}/v1"
    endpoint.close()
    assert len(told) == 2
    server.routes = {"*": lambda _: busy}
    with pytest.raises(ServerBusy):
        connect(server.url, timeout_s=0.02)
    server.close()


def test_a_server_that_loads_its_model_is_waited_for_with_progress() -> None:
    told: list[tuple[str, float]] = []
    loading = {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}
    with model_server("openai") as server:
        listed, states = server.routes["GET /v1/models"], iter([True, True, False])

        def list_models(seen: Seen) -> Response:
            return json_response(loading, 503, {"Retry-After": "0.05"}) if next(states) else listed(seen)

        server.routes["GET /v1/models"] = list_models
        connect(f"openai@{server.url}", on_wait=lambda what, s: told.append((what, s))).close()
    assert len(told) == 2
    assert "load its model" in told[0][0]
    assert told[1][1] > told[0][1]


def test_each_part_of_the_waiting_has_a_limit_of_its_own() -> None:
    with model_server("openai") as server:
        endpoint = connect(f"openai@{server.url}", timeouts=Timeouts(1.0, 2.0, 3.0), timeout_s=4.0)
        assert isinstance(endpoint, HttpEndpoint)
        assert endpoint.http.timeouts == Timeouts(1.0, 2.0, 3.0, 4.0)
        endpoint.close()
