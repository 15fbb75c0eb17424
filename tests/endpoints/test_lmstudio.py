"""LM Studio over HTTP: its lists of models, schemas, tools, prompts that do not fit, and embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bridle.endpoints.base import Answer, ModelInfo, Request, Sampling, Supports
from bridle.endpoints.config import EndpointConfig
from bridle.endpoints.connect import connect
from bridle.endpoints.driver import Get
from bridle.endpoints.drivers.lmstudio import LMStudio, open_lmstudio
from bridle.endpoints.drivers.lmstudio_endpoint import LMStudioEndpoint
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.transport.http import Http, HttpCall
from bridle.errors import BadResponse, ContextOverflow, PromptTruncated, RequestRefused, Unreachable
from bridle.messages import JSON, Message, ToolSpec
from bridle.wrappers import Segment
from servers.fake import Server, json_response, server, unused_url
from servers.fake_lmstudio import FakeLMStudio, Overflow

__all__ = ["server"]

CHAT = Request(messages=(Message("user", "Hello"),), max_tokens=99)
LONG = Request(messages=(Message("user", "word " * 1000),), max_tokens=99)
TOOL = ToolSpec("getTime", "Tells the time", {"type": "object", "properties": {}})
V1: JSON = {
    "models": [
        {"type": "embedding", "key": "nomic", "loaded_instances": [{"id": "nomic", "config": {}}]},
        {"type": "llm", "key": "qwen/qwen3-4b", "max_context_length": 32768, "loaded_instances": []},
        {
            "type": "llm",
            "key": "google/gemma-3",
            "architecture": "gemma3",
            "display_name": "Gemma 3",
            "params_string": "4B",
            "max_context_length": 131072,
            "format": "mlx",
            "loaded_instances": [
                {"id": "google/gemma-3", "config": {"context_length": 8192}},
                {"id": "gemma-3:2", "config": {"context_length": 4096}},
            ],
        },
    ]
}


@pytest.fixture
def studio() -> Iterator[FakeLMStudio]:
    """LM Studio without its websocket, so that everything goes over HTTP."""
    one = FakeLMStudio(sockets=False)
    yield one
    one.close()


def opened(server: Server, model: str = "", context_tokens: int | None = None) -> LMStudioEndpoint:
    entry = EndpointConfig("lmstudio", url=server.url, model=model, context_tokens=context_tokens)
    endpoint = open_lmstudio(f"{server.url}/v1", Http(), entry)
    endpoint.discover()
    return endpoint


def found(server: Server, model: str = "") -> tuple[str, int | None]:
    endpoint = opened(server, model)
    endpoint.close()
    return endpoint.model, endpoint.context_tokens


def ask(server: Server, request: Request, model: str = "") -> Answer:
    endpoint = opened(server, model)
    try:
        return endpoint.complete(request)
    finally:
        endpoint.close()


def test_the_loaded_model_and_its_real_window_are_found(server: Server) -> None:
    server.routes["GET /api/v1/models"] = lambda _: json_response(V1)
    assert found(server) == ("google/gemma-3", 8192)
    assert found(server, "gemma-3:2") == ("gemma-3:2", 4096)
    assert found(server, "qwen/qwen3-4b") == ("qwen/qwen3-4b", None)
    assert found(server, "unknown") == ("unknown", None)


def test_a_model_that_does_something_else_is_not_chosen(server: Server) -> None:
    decides: JSON = {"type": "decision", "key": "d", "loaded_instances": [{"id": "d", "config": {}}]}
    talks: JSON = {"type": "llm", "key": "t", "loaded_instances": []}
    server.routes["GET /api/v1/models"] = lambda _: json_response({"models": [decides, talks]})
    assert found(server) == ("t", None)


def test_the_models_file_is_told_by_the_keys_of_gguf(server: Server) -> None:
    server.routes["GET /api/v1/models"] = lambda _: json_response(V1)
    endpoint = opened(server, "google/gemma-3")
    endpoint.close()
    assert endpoint.found.trained_tokens == 131072
    assert dict(endpoint.metadata) == {
        "general.architecture": "gemma3",
        "general.name": "Gemma 3",
        "general.size_label": "4B",
        "gemma3.context_length": 131072,
    }


@pytest.mark.parametrize("version", ["0.4", "0.3"])
def test_all_models_are_listed_with_their_windows(studio: FakeLMStudio, version: str) -> None:
    studio.version = version
    endpoint = opened(studio)
    assert endpoint.models() == (
        ModelInfo("text-embedding-nomic", True, 2048, 2048, True),
        ModelInfo("other", False, None, 9999),
        ModelInfo("m", True, 4096, 32768),
    )
    endpoint.close()


def test_the_oldest_versions_only_have_names(studio: FakeLMStudio) -> None:
    studio.version = "0.2"
    endpoint = opened(studio)
    assert (endpoint.model, endpoint.context_tokens) == ("other", None)
    assert endpoint.models()[0] == ModelInfo("text-embedding-nomic", embedding=True)
    endpoint.close()


def test_a_server_that_answers_200_to_everything_is_asked_on(server: Server) -> None:
    server.routes["*"] = lambda _: json_response({"error": "Unexpected endpoint or method. (GET /x)"})
    server.routes["GET /v1/models"] = lambda _: json_response({"data": [{"id": "only"}]})
    assert found(server) == ("only", None)


def test_a_server_without_models_says_so(server: Server) -> None:
    server.routes["GET /v1/models"] = lambda _: json_response({"data": []})
    with pytest.raises(RequestRefused, match="lists no model"):
        found(server)


def test_a_server_that_is_down_is_not_asked_three_times() -> None:
    with pytest.raises(Unreachable) as caught:
        HttpEndpoint(LMStudio(unused_url()), Http()).discover()
    assert str(caught.value.facts["url"]).endswith("/api/v1/models")


def test_without_the_token_no_older_list_is_tried(studio: FakeLMStudio) -> None:
    studio.token = "sk-lm-abcdefgh:0123456789"
    with pytest.raises(RequestRefused, match="token is required") as caught:
        opened(studio)
    assert caught.value.facts["status"] == 401
    assert [seen.path for seen in studio.seen] == ["/api/v1/models"]
    endpoint = connect(f"lmstudio@{studio.url}", api_key=studio.token)
    assert endpoint.complete(CHAT).text == studio.text
    endpoint.close()


def getting(one: Server) -> Get:
    """Get routes of a server as the search for its kind does."""
    http = Http()

    def get(route: str) -> JSON:
        try:
            return http.ask(HttpCall(one.url + route))
        except (RequestRefused, BadResponse):
            return None

    return get


def test_it_is_recognised_by_what_only_it_answers(studio: FakeLMStudio, server: Server) -> None:
    assert "lmstudio-greeting" in LMStudio.recognise(getting(studio))
    del studio.routes["GET /lmstudio-greeting"]
    assert "/api/v1/models" in LMStudio.recognise(getting(studio))
    studio.version = "0.3"
    assert "/api/v0/models" in LMStudio.recognise(getting(studio))
    studio.version = "0.2"
    assert LMStudio.recognise(getting(studio)) == ""
    server.routes["*"] = lambda _: json_response({"models": [{"name": "llama"}], "data": [{"id": "m"}]})
    assert LMStudio.recognise(getting(server)) == ""


def test_without_a_websocket_no_grammar_is_promised(studio: FakeLMStudio) -> None:
    endpoint = opened(studio)
    supports = endpoint.supports
    assert (supports.grammar, supports.tokenize, supports.prompt_schema) == (False, False, False)
    assert (supports.prompt, supports.chat, supports.json_schema, supports.tools) == (True,) * 4
    assert "WebSocket" in endpoint.socket_problem or "answered 200" in endpoint.socket_problem
    assert endpoint.count_tokens(CHAT) is None
    answer = endpoint.complete(Request(prompt=(Segment("x"),), gbnf='root ::= "y"', max_tokens=3))
    assert (answer.text, answer.dropped, answer.sent_as) == ("Grü", ("gbnf",), ())
    assert studio.asked["prompt"] == "x"
    endpoint.close()


def test_a_schema_is_asked_for_strictly_on_the_chat_route(studio: FakeLMStudio) -> None:
    schema: dict[str, JSON] = {"type": "integer"}
    answer = ask(studio, Request(messages=CHAT.messages, schema=schema))
    form = {"name": "answer", "schema": schema, "strict": True}
    assert studio.asked["response_format"] == {"type": "json_schema", "json_schema": form}
    assert studio.asked["model"] == "m"
    assert (answer.text, answer.dropped, answer.sent_as) == ("0", (), ("response_format",))


def test_any_object_is_asked_for_by_a_schema(studio: FakeLMStudio) -> None:
    answer = ask(studio, Request(messages=CHAT.messages, json_mode=True))
    assert studio.asked["response_format"]["type"] == "json_schema"
    assert studio.asked["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert (answer.text, answer.dropped) == ("{}", ())


def test_sampling_has_its_names_and_the_rest_is_dropped() -> None:
    driver = LMStudio("http://h:1234")
    request = Request(messages=CHAT.messages, sampling=Sampling(1.0, 5, 0.9, 0.1, 1.2, 32, 0.3, 0.4, 7))
    body: Any = driver.build(request, "m", False).body
    assert {name: body[name] for name in sorted(body) if name not in ("model", "messages")} == {
        "frequency_penalty": 0.4,
        "max_tokens": -1,
        "presence_penalty": 0.3,
        "repeat_penalty": 1.2,
        "seed": 7,
        "temperature": 1.0,
        "top_k": 5,
        "top_p": 0.9,
    }
    assert driver.dropped(request) == ("min_p", "repeat_last")


def test_what_the_user_has_set_in_the_app_does_not_bend_a_greedy_answer() -> None:
    body: Any = LMStudio("http://h:1234").build(CHAT, "m", False).body
    assert (body["temperature"], body["repeat_penalty"], body["top_p"]) == (0.0, 1.0, 1.0)


def test_the_time_that_a_model_stays_in_memory_can_be_told() -> None:
    request = Request(messages=CHAT.messages, sampling=Sampling(extra={"ttl": 300, "mirostat": 2}))
    driver = LMStudio("http://h:1234")
    body: Any = driver.build(request, "m", False).body
    assert (body["ttl"], "mirostat" in body) == (300, False)
    assert driver.dropped(request) == ("mirostat",)


def test_calls_have_the_names_that_the_tools_were_given(studio: FakeLMStudio) -> None:
    studio.calls = [("get_time", {"zone": "UTC"}), ("getTime", {})]
    answer = ask(studio, Request(messages=CHAT.messages, tools=(TOOL,), tool_choice="required"))
    assert [(one.name, one.arguments) for one in answer.calls] == [
        ("getTime", '{"zone": "UTC"}'),
        ("getTime", "{}"),
    ]
    assert (answer.finish_reason, answer.dropped) == ("tool_calls", ())
    assert studio.asked["tool_choice"] == "required"


def test_the_fake_holds_a_schema_in_a_chat_alone(studio: FakeLMStudio) -> None:
    endpoint = opened(studio)
    form: JSON = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "integer"}}}
    for route, name in (("completions", "prompt"), ("chat/completions", "messages")):
        body: dict[str, JSON] = {"model": "m", "response_format": form, name: []}
        call = HttpCall(f"{studio.url}/v1/{route}", body)
        piece = endpoint.driver.read(endpoint.http.ask(call))
        assert piece is not None
        assert piece.text == (studio.text if route == "completions" else "0")
    endpoint.close()


def test_a_named_tool_is_sent_alone(studio: FakeLMStudio) -> None:
    other = ToolSpec("other", "Does something else", {"type": "object", "properties": {}})
    answer = ask(studio, Request(messages=CHAT.messages, tools=(other, TOOL), tool_choice="getTime"))
    assert [one["function"]["name"] for one in studio.asked["tools"]] == ["getTime"]
    assert (studio.asked["tool_choice"], answer.dropped) == ("required", ())
    assert [one.name for one in answer.calls] == ["getTime"]


def test_only_llama_cpp_can_be_made_to_call_a_tool(studio: FakeLMStudio) -> None:
    studio.catalogue[2].form = "mlx"
    request = Request(messages=CHAT.messages, tools=(TOOL,), tool_choice="getTime")
    answer = ask(studio, request)
    assert answer.dropped == ("tool_choice",)
    assert studio.asked["tool_choice"] == "auto"


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("overflow", ["keeps", "n_keep", "stream"])
def test_its_words_for_an_overflow_are_understood(
    studio: FakeLMStudio, overflow: Overflow, watched: bool
) -> None:
    studio.overflow = overflow
    endpoint = opened(studio)
    with pytest.raises(ContextOverflow) as caught:
        endpoint.complete(LONG, (lambda text: None) if watched else None)
    endpoint.close()
    assert caught.value.facts["prompt_tokens"] == 5000
    assert caught.value.facts["context_tokens"] == 4096


@pytest.mark.parametrize("watched", [False, True])
def test_an_empty_answer_to_a_prompt_that_does_not_fit_is_an_overflow(
    studio: FakeLMStudio, watched: bool
) -> None:
    studio.overflow = "empty"
    endpoint = opened(studio)
    with pytest.raises(ContextOverflow, match="no text at all to 5000 tokens") as caught:
        endpoint.complete(LONG, (lambda text: None) if watched else None)
    assert caught.value.facts["context_tokens"] == 4096
    studio.text = ""
    assert endpoint.complete(CHAT).text == ""
    endpoint.close()


def test_a_prompt_that_was_cut_in_the_middle_is_noticed(studio: FakeLMStudio) -> None:
    studio.overflow = "middle"
    studio.catalogue[2].context = 1000
    with pytest.raises(PromptTruncated) as caught:
        ask(studio, LONG)
    assert (caught.value.facts["prompt_tokens"], caught.value.facts["context_tokens"]) == (500, 1000)


def test_an_empty_answer_that_is_no_stop_is_an_overflow_where_the_window_is_unknown(server: Server) -> None:
    usage = {"prompt_tokens": 9000, "completion_tokens": 0}
    body = {"choices": [{"message": {"content": ""}, "finish_reason": "length"}], "usage": usage}
    server.routes["*"] = lambda _: json_response(body)
    with pytest.raises(ContextOverflow, match="9000 tokens"):
        HttpEndpoint(LMStudio(server.url), Http()).complete(CHAT)


def test_a_model_that_the_first_request_loads_is_looked_at_again(studio: FakeLMStudio) -> None:
    endpoint = opened(studio, "other")
    assert endpoint.context_tokens is None
    assert endpoint.complete(CHAT).text == studio.text
    assert endpoint.context_tokens == 2048
    endpoint.close()


def test_a_server_that_never_tells_the_window_is_not_asked_each_time(studio: FakeLMStudio) -> None:
    studio.version = "0.2"
    endpoint = opened(studio)
    for _ in range(3):
        assert endpoint.complete(CHAT).text == studio.text
    assert sum(seen.path == "/v1/models" for seen in studio.seen) == 2
    endpoint.close()


def test_a_model_is_loaded_with_the_window_that_was_asked_for(studio: FakeLMStudio) -> None:
    endpoint = opened(studio, "other", context_tokens=3000)
    endpoint.complete(CHAT)
    assert (studio.catalogue[1].context, endpoint.context_tokens) == (3000, 3000)
    endpoint.close()


def test_models_are_loaded_and_unloaded_by_hand(studio: FakeLMStudio) -> None:
    endpoint = opened(studio)
    assert endpoint.load("other", 1234) == ModelInfo("other", True, 1234)
    endpoint.unload("other")
    assert studio.catalogue[1].context is None
    with pytest.raises(BadResponse, match="cannot load 'unknown'"):
        endpoint.load("unknown")
    endpoint.close()


def test_embeddings_come_from_the_model_that_makes_them(studio: FakeLMStudio) -> None:
    endpoint = opened(studio)
    assert endpoint.supports.embed
    assert endpoint.embed(["ab", "c"]).vectors == ((2.0, 1.0), (1.0, 1.0))
    assert studio.seen[-1].body["model"] == "text-embedding-nomic"
    endpoint.close()
    del studio.catalogue[0]
    endpoint = opened(studio)
    assert not endpoint.supports.embed
    endpoint.close()


def test_a_model_of_embeddings_does_not_talk(studio: FakeLMStudio) -> None:
    endpoint = opened(studio, "text-embedding-nomic")
    supports: Supports = endpoint.supports
    assert (supports.prompt, supports.chat, supports.embed) == (False, False, True)
    assert endpoint.context_tokens == 2048
    endpoint.close()
