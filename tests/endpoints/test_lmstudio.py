"""LM Studio: the loaded model and its window, schemas on the chat route, prompts that did not fit."""

from __future__ import annotations

from typing import Any

import pytest

from bridle.endpoints.base import Request, Sampling
from bridle.endpoints.connect import connect
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.http import Http
from bridle.endpoints.lmstudio import LMStudio
from bridle.errors import ContextOverflow, RequestRefused, Unreachable
from bridle.messages import JSON, Message
from bridle.wrappers import Segment
from servers.fake import Server, json_response, model_server, server, unused_url

__all__ = ["server"]

CHAT = Request(messages=(Message("user", "Hello"),), max_tokens=9)
V1: JSON = {
    "models": [
        {"type": "embedding", "key": "nomic", "loaded_instances": [{"id": "nomic", "config": {}}]},
        {"type": "llm", "key": "qwen/qwen3-4b", "max_context_length": 32768, "loaded_instances": []},
        {
            "type": "llm",
            "key": "google/gemma-3",
            "max_context_length": 131072,
            "loaded_instances": [{"id": "gemma-3:2", "config": {"context_length": 4096}}],
        },
    ]
}


def found(server: Server, model: str = "") -> tuple[str, int | None]:
    endpoint = HttpEndpoint(LMStudio(server.url), Http(), model=model)
    endpoint.discover()
    return endpoint.model, endpoint.context_tokens


def test_the_loaded_model_and_its_real_window_are_found(server: Server) -> None:
    server.routes["GET /api/v1/models"] = lambda _: json_response(V1)
    assert found(server) == ("gemma-3:2", 4096)
    assert found(server, "google/gemma-3") == ("google/gemma-3", 4096)
    assert found(server, "qwen/qwen3-4b") == ("qwen/qwen3-4b", None)


def test_older_versions_have_another_list() -> None:
    with model_server("lmstudio") as old:
        assert found(old) == ("m", 4096)
        assert found(old, "other") == ("other", None)


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


def test_a_schema_is_asked_for_strictly_on_the_chat_route() -> None:
    with model_server("lmstudio") as studio:
        endpoint = connect(f"lmstudio@{studio.url}")
        schema = {"type": "object"}
        answer = endpoint.complete(Request(messages=CHAT.messages, schema=schema))
        form = {"name": "answer", "schema": schema, "strict": True}
        assert studio.asked["response_format"] == {"type": "json_schema", "json_schema": form}
        assert studio.asked["model"] == "m"
        assert studio.asked["max_tokens"] == 2048
        assert answer.dropped == ()
        assert endpoint.complete(Request(prompt=(Segment("x"),), schema=schema)).dropped == ("schema",)
        endpoint.close()


def test_sampling_has_the_servers_names_and_the_rest_is_dropped() -> None:
    driver = LMStudio("http://h:1234")
    request = Request(messages=CHAT.messages, sampling=Sampling(1.0, 5, 0.9, 0.1, 1.2, 32, 7))
    body: Any = driver.build(request, "m", False).body
    expected = {
        "temperature": 1.0,
        "top_k": 5,
        "top_p": 0.9,
        "repeat_penalty": 1.2,
        "seed": 7,
        "max_tokens": -1,
    }
    assert {name: body[name] for name in expected} == expected
    assert driver.dropped(request) == ("min_p", "repeat_last")


def test_an_empty_answer_that_counted_a_prompt_is_an_overflow(server: Server) -> None:
    usage = {"prompt_tokens": 9000, "completion_tokens": 0}
    body = {"choices": [{"message": {"content": ""}, "finish_reason": None}], "usage": usage}
    server.routes["*"] = lambda _: json_response(body)
    with pytest.raises(ContextOverflow, match="9000 tokens"):
        HttpEndpoint(LMStudio(server.url), Http()).complete(CHAT)


def test_its_words_for_an_overflow_are_understood(server: Server) -> None:
    words = (
        "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with "
        "context length of only 4096 tokens, which is not enough."
    )
    server.routes["*"] = lambda _: json_response({"error": words}, 400)
    with pytest.raises(ContextOverflow) as caught:
        HttpEndpoint(LMStudio(server.url), Http()).complete(CHAT)
    assert caught.value.facts["context_tokens"] == 4096
