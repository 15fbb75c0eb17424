"""What known services lack of OpenAI's API, and how they spell what they have."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridle.endpoints.base import Request, Sampling, Supports
from bridle.endpoints.driver import Found
from bridle.endpoints.drivers.compat_services import SERVICES
from bridle.endpoints.drivers.openai_compat import OpenAICompat
from bridle.endpoints.drivers.vllm import VLLM
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.transport.http import Http, HttpCall
from bridle.errors import ConfigError
from bridle.messages import JSON, Message, ToolSpec
from bridle.wrappers import Segment
from servers.fake import Server, json_response, server

__all__ = ["server"]

LOCAL = OpenAICompat("http://127.0.0.1:8000")
HELLO = Request(messages=(Message("user", "Hello"),), max_tokens=9)


def sent(request: Request, driver: OpenAICompat = LOCAL, stream: bool = False) -> dict[str, Any]:
    return dict(driver.build(request, "m", stream).body or {})


def endpoint(server: Server) -> HttpEndpoint:
    return HttpEndpoint(OpenAICompat(server.url), Http(), model="m")


SCHEMA: dict[str, JSON] = {"type": "object", "properties": {}, "additionalProperties": False}
TOOL = ToolSpec("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}})


@pytest.mark.parametrize("think", [False, True])
def test_whether_to_think_cannot_be_told_to_any_server(think: bool) -> None:
    assert LOCAL.dropped(replace(HELLO, think=think)) == ("think",)
    assert VLLM("http://127.0.0.1:8000").dropped(replace(HELLO, think=think)) == ()
    assert LOCAL.dropped(Request(prompt=(Segment("x"),), think=think)) == ()


@pytest.mark.parametrize(
    ("url", "name", "lacks"),
    [
        ("https://api.groq.com/openai/v1", "Groq", {"prompt", "embed", "logprobs"}),
        ("https://openrouter.ai/api/v1", "OpenRouter", {"prompt", "embed"}),
        ("https://api.together.xyz/v1", "Together", set[str]()),
        ("https://api.mistral.ai/v1", "Mistral", {"prompt", "logprobs"}),
        ("https://api.deepseek.com", "DeepSeek", {"prompt", "embed", "json_schema", "seed"}),
    ],
)
def test_a_known_service_is_seen_by_its_host(url: str, name: str, lacks: set[str]) -> None:
    driver = OpenAICompat(url)
    assert driver.service is not None
    assert driver.service.name == name
    assert {
        flag
        for flag in ("prompt", "embed", "logprobs", "json_schema", "seed")
        if not getattr(driver.supports, flag)
    } == lacks
    assert (driver.embedding_call(["x"], "m") is None) == ("embed" in lacks)
    assert driver.supports.chat


def test_a_host_that_is_only_like_a_services_is_unknown() -> None:
    for url in ("https://api.groq.com.example.org", "http://127.0.0.1:8000", "https://notopenrouter.ai"):
        assert OpenAICompat(url).service is None


def test_mistral_is_told_in_its_own_words() -> None:
    driver = OpenAICompat("https://api.mistral.ai")
    asked = Request(
        messages=HELLO.messages, sampling=Sampling(seed=3), tools=(TOOL,), tool_choice="required", logprobs=2
    )
    body = sent(asked, driver, stream=True)
    assert (body["random_seed"], body["tool_choice"], body["stream"]) == (3, "any", True)
    assert not {"seed", "stream_options", "logprobs", "top_logprobs"} & set(body)
    assert driver.dropped(asked) == ("logprobs",)
    named = sent(replace(asked, tool_choice="add"), driver)
    assert named["tool_choice"] == {"type": "function", "function": {"name": "add"}}


def test_openrouter_is_told_to_cut_nothing_and_to_ignore_nothing() -> None:
    driver = OpenAICompat("https://openrouter.ai/api/v1")
    assert sent(HELLO, driver)["transforms"] == []
    assert "provider" not in sent(HELLO, driver)
    for held in (
        replace(HELLO, schema=SCHEMA),
        replace(HELLO, json_mode=True),
        replace(HELLO, tools=(TOOL,)),
    ):
        assert sent(held, driver)["provider"] == {"require_parameters": True}
    chosen = replace(HELLO, sampling=Sampling(0.5, min_p=0.1, repeat_penalty=1.2))
    assert (sent(chosen, driver)["min_p"], sent(chosen, driver)["repetition_penalty"]) == (0.1, 1.2)


def test_stop_strings_beyond_what_a_service_takes_are_kept_here(server: Server) -> None:
    groq = OpenAICompat("https://api.groq.com/openai/v1")
    assert sent(replace(HELLO, stop=tuple("abcdef")), groq)["stop"] == list("abcd")
    assert sent(replace(HELLO, stop=tuple("abcdef")))["stop"] == list("abcdef")
    said = {"choices": [{"message": {"content": "12f34"}, "finish_reason": "stop"}]}
    server.routes["*"] = lambda _: json_response(said)
    assert endpoint(server).complete(replace(HELLO, stop=tuple("abcdef"))).text == "12"


def test_deepseek_is_not_sent_a_schema_that_it_does_not_take() -> None:
    driver = OpenAICompat("https://api.deepseek.com")
    assert "response_format" not in sent(replace(HELLO, schema=SCHEMA), driver)
    assert driver.dropped(replace(HELLO, schema=SCHEMA)) == ("schema",)
    assert sent(replace(HELLO, json_mode=True), driver)["response_format"] == {"type": "json_object"}


def test_a_service_with_many_models_chooses_none_of_them() -> None:
    def ask(call: HttpCall) -> JSON:
        assert call.url == "https://openrouter.ai/api/v1/models"
        return {"data": [{"id": "a/x", "context_length": 5}, {"id": "b/y"}]}

    driver = OpenAICompat("https://openrouter.ai/api/v1")
    with pytest.raises(ConfigError, match="2 models and none is named") as caught:
        driver.discover(ask, "")
    assert "openai:MODEL@https://openrouter.ai/api/v1" in caught.value.hint
    assert driver.discover(ask, "a/x") == Found("a/x", 5)
    assert driver.discover(ask, "new") == Found("new")


def test_tabby_api_is_seen_by_the_owner_of_its_models(server: Server) -> None:
    listed = [{"id": "t", "owned_by": "tabbyAPI", "parameters": {"max_seq_len": 4096}}]
    server.routes["GET /v1/models"] = lambda _: json_response({"data": listed})
    said = {"choices": [{"text": "{}", "finish_reason": "stop"}]}
    server.routes["POST /v1/completions"] = lambda _: json_response(said)
    one = HttpEndpoint(OpenAICompat(server.url), Http())
    assert not one.supports.prompt_schema
    one.discover()
    assert (one.model, one.context_tokens) == ("t", 4096)
    assert (one.supports.prompt_schema, one.supports.regex, one.supports.grammar) == (True, True, False)
    prompt = (Segment("x"),)
    answer = one.complete(Request(prompt=prompt, schema=SCHEMA, max_tokens=5))
    assert (answer.dropped, answer.sent_as) == ((), ("json_schema",))
    assert server.seen[-1].body["json_schema"] == SCHEMA
    one.complete(Request(prompt=prompt, regex="[ab]", max_tokens=5))
    assert server.seen[-1].body["regex_pattern"] == "[ab]"
    one.close()


def test_every_known_service_names_what_exists_and_where_it_was_read() -> None:
    flags, fields = set(Supports.__dataclass_fields__), set(Sampling.__dataclass_fields__)
    for service in SERVICES:
        assert service.lacks | service.has <= flags
        assert set(service.sampling) <= fields
        assert service.source
        assert bool(service.hosts) != bool(service.owner)
