"""What servers tell about their model's prompt, on fakes that answer as recorded servers did."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial

import pytest

from bridle.endpoints.connect import open_http
from bridle.endpoints.served import Rendered, Served, ask_rendering, ask_served
from bridle.errors import ConfigError, RequestRefused, Unreachable
from bridle.messages import JSON, Message, ToolCall, ToolSpec, as_messages, as_tools
from servers.fake import Response, Seen, Server, json_response, recorded, server, unused_url

__all__ = ["server"]

CHATML = (
    "<|im_start|>system\nYou are terse.<|im_end|>\n"
    "<|im_start|>user\nSay hi<|im_end|>\n<|im_start|>assistant\n"
)
TALK = (Message("system", "You are terse."), Message("user", "Say hi"))


def told(server: Server, model: str = "") -> Served:
    base, http = open_http(server.url)
    try:
        return ask_served(base, http, model)
    finally:
        http.close()


def written(
    server: Server, *messages: Message, tools: tuple[ToolSpec, ...] = (), model: str = ""
) -> Rendered:
    base, http = open_http(server.url)
    try:
        return ask_rendering(base, http, messages or TALK, tools, model)
    finally:
        http.close()


def answers(server: Server, routes: Mapping[str, JSON]) -> None:
    for route, body in routes.items():
        server.routes[route] = partial(_answer, body)


def _answer(body: JSON, _: Seen) -> Response:
    return json_response(body)


def test_llama_server_tells_its_template(server: Server) -> None:
    _, props = recorded("llama-server-0.3.36src/02_props")
    server.routes["GET /props"] = lambda _: props
    found = told(server)
    assert (found.kind, found.route, found.model) == ("llama-server", "/props", "tiny")
    assert "<|im_start|>" in found.template


def test_without_an_alias_the_file_is_the_name(server: Server) -> None:
    answers(server, {"GET /props": {"chat_template": "x", "model_path": "C:\\models\\a.gguf"}})
    assert told(server).model == "a.gguf"


@pytest.mark.parametrize(("route", "key"), [("/api/ps", "model"), ("/api/tags", "name")])
def test_ollama_tells_its_go_template_and_metadata(server: Server, route: str, key: str) -> None:
    shown: JSON = {
        "template": "{{ .Prompt }}",
        "details": {"family": "qwen2"},
        "model_info": {"general.architecture": "qwen2", "tokenizer.chat_template": "{{ messages }}"},
    }
    answers(server, {"GET /api/ps": {"models": []}, "POST /api/show": shown})
    answers(server, {f"GET {route}": {"models": [{key: "qwen2.5:7b"}]}})
    found = told(server)
    assert (found.kind, found.model) == ("ollama", "qwen2.5:7b")
    assert (found.template, found.go_template) == ("{{ messages }}", "{{ .Prompt }}")
    assert found.metadata["general.architecture"] == "qwen2"
    assert server.seen[-1].body == {"model": "qwen2.5:7b"}


def test_an_old_ollama_tells_the_family_only(server: Server) -> None:
    answers(server, {"POST /api/show": {"details": {"family": "llama"}}})
    assert told(server, "mine") == Served(
        "ollama", "/api/show", "mine", metadata={"general.architecture": "llama"}
    )


def test_lm_studio_tells_the_architecture_of_the_loaded_model(server: Server) -> None:
    models: JSON = [
        {"id": "a", "type": "llm", "arch": "llama", "state": "not-loaded"},
        {"id": "e", "type": "embeddings", "arch": "bert", "state": "loaded"},
        {"id": "b", "type": "llm", "arch": "qwen2", "state": "loaded"},
    ]
    answers(server, {"GET /api/v0/models": {"data": models}})
    assert told(server) == Served(
        "lmstudio", "/api/v0/models", "b", metadata={"general.architecture": "qwen2"}
    )
    assert told(server, "a").metadata == {"general.architecture": "llama"}


def test_other_servers_tell_a_name(server: Server) -> None:
    answers(server, {"GET /v1/models": {"data": [{"id": "some-model"}]}})
    assert told(server) == Served("openai", "/v1/models", "some-model")
    answers(server, {"GET /v1/internal/model/info": {"model_name": "loaded.gguf"}})
    assert told(server) == Served("webui", "/v1/internal/model/info", "loaded.gguf")


@pytest.mark.parametrize(
    "body", ["{}", '{"error": "Unexpected endpoint or method"}', '{"models": [{}]}', '{"data": []}', "[]"]
)
def test_a_server_that_tells_nothing_is_refused(server: Server, body: str) -> None:
    answers(server, {"*": json.loads(body)})
    with pytest.raises(RequestRefused, match="tells nothing"):
        told(server)
    with pytest.raises(RequestRefused, match="cannot show the prompt"):
        written(server)


def test_nothing_at_the_address_is_unreachable() -> None:
    base, http = open_http(unused_url())
    for ask in (lambda: ask_served(base, http), lambda: ask_rendering(base, http, TALK)):
        with pytest.raises(Unreachable):
            ask()
    http.close()


def test_offline_refuses_other_machines() -> None:
    with pytest.raises(ConfigError, match="offline"):
        open_http("http://192.0.2.7:8080", offline=True)


@pytest.mark.parametrize(
    ("name", "route", "kind"),
    [
        ("llama-server-0.3.36src/08_apply_template_tools", "/apply-template", "llama-server"),
        (
            "text-generation-webui-v4.7.3/12_chat_prompt_chatml_template",
            "/v1/internal/chat-prompt",
            "webui",
        ),
    ],
)
def test_a_recorded_server_writes_its_prompt(server: Server, name: str, route: str, kind: str) -> None:
    asked, response = recorded(name)
    server.routes[f"POST {route}"] = lambda _: response
    found = written(server, *as_messages(asked["messages"]), tools=as_tools(asked["tools"]))
    assert found == Rendered(kind, route, CHATML)
    assert server.seen[-1].body["messages"] == asked["messages"]
    assert server.seen[-1].body["tools"] == asked["tools"]


def test_ollama_writes_its_prompt_and_generates_nothing(server: Server) -> None:
    answers(server, {"POST /api/chat": {"_debug_info": {"rendered_template": CHATML}}})
    call = ToolCall("lamp", {"on": True})
    talk = (*TALK, Message("assistant", "", "dark", (call,)), Message("tool", "ok", name="lamp"))
    assert written(server, *talk, model="m") == Rendered("ollama", "/api/chat", CHATML)
    sent = server.seen[-1].body
    assert sent["_debug_render_only"] is True
    assert (sent["model"], sent["stream"], sent["options"]) == ("m", False, {"num_predict": 1})
    assert sent["messages"][2]["tool_calls"] == [{"function": {"name": "lamp", "arguments": {"on": True}}}]
    assert sent["messages"][2]["thinking"] == "dark"
    assert sent["messages"][3]["tool_name"] == "lamp"


def test_an_ollama_without_models_cannot_show_a_prompt(server: Server) -> None:
    answers(server, {"GET /api/ps": {"models": []}, "GET /api/tags": {"models": []}})
    with pytest.raises(RequestRefused, match="cannot show the prompt"):
        written(server)


def test_a_template_that_refuses_the_conversation_says_so(server: Server) -> None:
    def refuse(_: Seen) -> Response:
        return json_response({"error": {"message": "roles must alternate", "code": 500}}, 400)

    server.routes["POST /apply-template"] = refuse
    with pytest.raises(RequestRefused, match="roles must alternate"):
        written(server)
