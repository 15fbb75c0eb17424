"""Ollama's models and versions: the window, what each can do, and what the server refuses."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bridle.endpoints.base import GO_TEMPLATE
from bridle.endpoints.connect import connect
from bridle.endpoints.drivers.ollama import Ollama, OllamaEndpoint
from bridle.endpoints.drivers.ollama_models import read_shown
from bridle.endpoints.transport.http import Http, HttpCall
from bridle.errors import (
    AuthError,
    ConstraintRejected,
    EndpointError,
    InputError,
    ModelNotFound,
    RequestRefused,
    ServerBusy,
    ServerCrashed,
    UnsupportedParameter,
)
from bridle.messages import JSON
from bridle.wrappers import detect
from servers.asking_ollama import CHAT, PET, PROMPT, nothing, opened, server
from servers.fake import Response, json_response
from servers.fake_ollama import FakeOllama
from servers.fake_ollama_models import FakeModel

__all__ = ["server"]


@pytest.mark.parametrize(
    ("given", "loaded", "parameters", "trained", "window"),
    [
        (None, None, "", 8192, 4096),
        (None, None, "", 2048, 2048),
        (None, None, "num_ctx                        6000", 8192, 6000),
        (None, 1024, "num_ctx                        6000", 8192, 1024),
        (7000, 1024, "num_ctx                        6000", 8192, 7000),
        (9000, 1024, "", 8192, 8192),
    ],
)
def test_the_window_is_the_given_one_or_what_is_loaded_or_configured_and_no_more_than_trained(
    server: FakeOllama, given: int | None, loaded: int | None, parameters: str, trained: int, window: int
) -> None:
    server.models["m:latest"] = FakeModel(trained=trained, parameters=parameters)
    server.loaded = {} if loaded is None else {"m:latest": loaded}
    endpoint = opened(server, context_tokens=given)
    assert endpoint.context_tokens == window
    assert endpoint.found.trained_tokens == trained
    for request in (PROMPT, CHAT, replace(PROMPT, max_tokens=5)):
        endpoint.complete(request)
        assert server.body["options"]["num_ctx"] == window
    assert server.n_loads == (0 if loaded == window else 1)
    endpoint.close()


def test_a_model_that_is_loaded_goes_before_the_others_and_before_ones_for_embeddings(
    server: FakeOllama,
) -> None:
    server.models = {
        "nomic-embed-text:latest": FakeModel("nomic-bert", 2048, ("embedding",)),
        "new:1b": FakeModel(),
        "old:7b": FakeModel(),
    }
    for loaded, chosen in (({}, "new:1b"), ({"nomic-embed-text:latest": 2048, "old:7b": 4096}, "old:7b")):
        server.loaded = dict(loaded)
        endpoint = opened(server)
        assert endpoint.model == chosen
        endpoint.close()


def test_without_a_model_it_is_said_how_to_get_one(server: FakeOllama) -> None:
    with pytest.raises(ModelNotFound, match="no model 'absent'") as caught:
        Ollama(server.url).discover(Http().ask, "absent")
    assert "ollama pull absent" in caught.value.hint
    endpoint = opened(server, "absent")
    with pytest.raises(ModelNotFound, match="no model 'absent'"):
        endpoint.complete(PROMPT)
    endpoint.close()
    server.models.clear()
    with pytest.raises(ModelNotFound) as caught:
        connect(f"ollama@{server.url}")
    assert "ollama pull" in caught.value.hint


def test_the_window_is_chosen_before_the_first_call_where_the_server_was_down(server: FakeOllama) -> None:
    listing = server.routes.pop("POST /api/show")
    busy = json_response({"error": "server busy, please try again. maximum pending requests exceeded"}, 503)
    server.routes["GET /api/version"] = lambda _: busy
    driver = Ollama(server.url)
    endpoint = OllamaEndpoint(driver, Http(retries=0), model="m")
    server.routes["POST /api/show"] = listing
    endpoint.complete(PROMPT)
    assert server.body["options"]["num_ctx"] == 4096
    assert driver.supports.overflow == "unknown"
    endpoint.close()


@pytest.mark.parametrize(
    ("version", "tools", "schemas", "logprobs", "overflow"),
    [
        ("0.1.48", False, False, False, "silent"),
        ("0.3.14", True, False, False, "silent"),
        ("0.5.7", True, True, False, "silent"),
        ("0.12.11", True, True, True, "silent"),
        ("0.13.0", True, True, True, "error"),
        ("0.0.0", True, True, True, "error"),
    ],
)
def test_what_a_version_can_do_is_known(
    server: FakeOllama, version: str, tools: bool, schemas: bool, logprobs: bool, overflow: str
) -> None:
    server.version = version
    server.models["m:latest"] = FakeModel(capabilities=None)
    endpoint = opened(server)
    able = endpoint.supports
    assert (able.tools, able.json_schema, able.prompt_schema) == (tools, schemas, schemas)
    assert (able.logprobs, able.overflow, able.json_mode) == (logprobs, overflow, True)
    assert {able.grammar, able.regex, able.forced, able.named, able.proven, able.tokenize} == {False}
    answer = endpoint.complete(replace(PROMPT, schema=PET))
    assert ("format" in server.body) is schemas
    assert answer.dropped == (() if schemas else ("schema",))
    endpoint.close()


def test_a_model_of_the_cloud_holds_no_format_and_has_its_own_window(server: FakeOllama) -> None:
    server.models = {"gpt-oss:120b-cloud": FakeModel("gptoss", 131072, ("completion", "tools"), remote=True)}
    endpoint = opened(server)
    able = endpoint.supports
    assert {able.json_schema, able.prompt_schema, able.json_mode} == {False}
    assert able.tools
    assert endpoint.context_tokens == 131072
    answer = endpoint.complete(replace(CHAT, schema=PET))
    assert (answer.text, answer.dropped) == (server.text, ("schema",))
    assert "num_ctx" not in server.body["options"]
    assert not server.loaded
    endpoint.close()


def test_models_are_listed_with_what_is_known_of_them(server: FakeOllama) -> None:
    server.models = {
        "m:latest": FakeModel(trained=32768),
        "nomic-embed-text:latest": FakeModel("nomic-bert", 2048, ("embedding",)),
        "all-minilm:33m": FakeModel("bert", 512, None),
    }
    server.loaded = {"m:latest": 8192}
    endpoint = opened(server)
    gone = FakeModel("nomic-bert").listed("gone:latest")
    tags = [model.listed(name) for name, model in server.models.items()]
    server.routes["GET /api/tags"] = lambda _: json_response({"models": [*tags, gone]})
    listed = [(m.name, m.loaded, m.context_tokens, m.trained_tokens, m.embedding) for m in endpoint.models()]
    assert listed == [
        ("m:latest", True, 8192, 32768, False),
        ("nomic-embed-text:latest", False, None, 2048, True),
        ("all-minilm:33m", False, None, 512, True),
        ("gone:latest", False, None, None, True),
    ]
    endpoint.close()


def test_a_model_for_embeddings_has_no_other_route(server: FakeOllama) -> None:
    server.models = {"all-minilm:latest": FakeModel("bert", 256, ("embedding",))}
    endpoint = opened(server, "all-minilm")
    assert endpoint.supports.embed
    assert endpoint.context_tokens == 256
    found = endpoint.embed(["bac", "dd"])
    assert found.vectors == ((0.03, 1.0, 0.5), (0.02, 0.0, 0.5))
    assert found.usage.prompt_tokens == 5
    assert server.seen[-1].body == {
        "model": "all-minilm",
        "input": ["bac", "dd"],
        "truncate": False,
        "options": {"num_ctx": 256},
    }
    with pytest.raises(InputError, match="no prompt route"):
        endpoint.complete(PROMPT)
    endpoint.close()


def test_the_template_in_go_tells_the_family(server: FakeOllama) -> None:
    endpoint = opened(server)
    assert endpoint.chat_template is None
    template = endpoint.metadata[GO_TEMPLATE]
    assert endpoint.metadata["general.architecture"] == "llama"
    assert isinstance(template, str)
    assert detect(go_template=template).format == "chatml"
    endpoint.close()
    server.models["m:latest"] = FakeModel(template="{{ .Prompt }}")
    endpoint = opened(server)
    assert GO_TEMPLATE not in endpoint.metadata
    endpoint.close()


@pytest.mark.parametrize(
    ("routes", "is_ollama"),
    [
        (("/api/version", "/api/tags"), True),
        (("/api/version", "/api/tags", "/api/extra/version"), False),
        (("/api/tags", "/props"), False),
        (("/api/version",), False),
    ],
)
def test_it_is_told_from_servers_that_answer_some_of_its_routes(
    routes: tuple[str, ...], is_ollama: bool
) -> None:
    bodies: dict[str, JSON] = {
        "/api/version": {"version": "0.33.0"},
        "/api/tags": {"models": []},
        "/api/extra/version": {"result": "KoboldCpp", "version": "1.102"},
        "/props": {"n_ctx": 5},
    }
    seen = Ollama.recognise(lambda route: bodies[route] if route in routes else None)
    assert ("0.33.0" in seen) is is_ollama


@pytest.mark.parametrize(
    ("status", "text", "kind", "retryable"),
    [
        (400, '"m" does not support chat', RequestRefused, False),
        (400, "registry.ollama.ai/library/m does not support tools", ConstraintRejected, False),
        (400, '"m" does not support thinking', UnsupportedParameter, False),
        (404, "model 'm' not found", ModelNotFound, False),
        (404, 'model "m" not found, try pulling it first', ModelNotFound, False),
        (500, "model requires more system memory (9.1 GiB) than is available", RequestRefused, False),
        (500, "model runner has unexpectedly stopped, check ollama server logs", ServerCrashed, False),
        (503, "server busy, please try again. maximum pending requests exceeded", ServerBusy, True),
        (500, "prediction aborted, token repeat limit reached", RequestRefused, False),
        (401, "unauthorized", AuthError, False),
        (400, "invalid JSON schema in format", ConstraintRejected, False),
    ],
)
def test_a_refusal_says_what_the_server_said(
    server: FakeOllama, status: int, text: str, kind: type[EndpointError], retryable: bool
) -> None:
    endpoint = opened(server)
    endpoint.http.retries = 0
    server.routes["POST /api/generate"] = lambda _: json_response({"error": text}, status)
    for on_text in (None, nothing):
        with pytest.raises(kind) as caught:
            endpoint.complete(PROMPT, on_text)
        assert caught.value.facts["status"] == status
        assert text[:40] in str(caught.value.facts["body"]).replace("\\", "")
        assert caught.value.retryable is retryable
        if kind is ModelNotFound:
            assert "ollama pull m" in caught.value.hint
    endpoint.close()


@pytest.mark.parametrize("url", ["http://h:1", "http://h:1/api", "http://h:1/v1", "http://h:1/api/chat"])
def test_addresses_that_people_paste_lead_to_the_own_api(url: str) -> None:
    call = Ollama(url).build(PROMPT, "m", False)
    assert call.url == "http://h:1/api/generate"


def test_a_proxy_that_answers_only_completions_is_enough(server: FakeOllama) -> None:
    for route in ("GET /api/version", "GET /api/ps", "POST /api/show"):
        server.routes[route] = lambda _: Response(404, (b"<html>no</html>",), "text/html")
    endpoint = opened(server, "m")
    assert endpoint.context_tokens == 4096
    assert endpoint.complete(CHAT).text == server.text
    assert (endpoint.supports.tools, endpoint.supports.overflow) == (True, "unknown")
    endpoint.close()


def test_only_the_calls_url_and_body_are_a_drivers_doing() -> None:
    call = Ollama("http://h").embedding_call(["a"], "m")
    assert call == HttpCall("http://h/api/embed", {"model": "m", "input": ["a"], "truncate": False})


def test_parameters_of_a_models_file_are_read_as_go_writes_them() -> None:
    lines = (
        'stop    "<|eot|>"',
        'stop    "\\x03"',
        "num_ctx  many",
        "",
        "odd",
        "num_keep 24",
        "stop  [INST]",
    )
    shown = read_shown({"parameters": "\n".join(lines)}, "m")
    assert shown.stops == ("<|eot|>", "\\x03", "[INST]")
    assert (shown.num_ctx, shown.num_keep) == (None, 24)


def test_a_server_that_cannot_show_a_model_now_is_asked_all_the_same(server: FakeOllama) -> None:
    server.routes["POST /api/show"] = lambda _: json_response({"error": "permission denied"}, 403)
    endpoint = opened(server, "m")
    assert endpoint.context_tokens == 4096
    assert endpoint.complete(PROMPT).text == server.text
    endpoint.close()


@pytest.mark.parametrize("text", ["{}", '{"embeddings": []}', '{"embeddings": [["a"], []]}', "null"])
def test_what_has_no_vectors_is_no_answer(text: str) -> None:
    assert Ollama("http://h").read_embeddings(json.loads(text)) is None


def test_before_anything_is_known_neither_window_nor_limit_are_sent() -> None:
    call = Ollama("http://h").build(replace(CHAT, max_tokens=None), "m", False)
    assert call.body is not None
    options = call.body["options"]
    assert isinstance(options, dict)
    assert not {"num_ctx", "num_predict", "stop"} & set(options)
