"""Every body that is written for text-generation-webui fits its own description of the routes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bridle.endpoints.base import Request, Sampling
from bridle.endpoints.drivers.webui import WebUI
from bridle.endpoints.drivers.webui_names import CHAT_EXTRAS, EXTRAS
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.transport.http import Http
from bridle.grammars import Grammar, Lit, alt
from bridle.messages import JSON, Message, ToolCall, ToolSpec
from bridle.wrappers import Segment
from servers.fake_webui import FakeWebUI

API = Path(__file__).parent.parent / "data" / "openapi" / "text-generation-webui-v4.7.3.json"
YES_NO = Grammar(alt(Lit("yes"), Lit("no")))
PROMPT = Request(prompt=(Segment("Q"),), max_tokens=8)
CHAT = Request(messages=(Message("system", "SYS"), Message("user", "Say hi")), max_tokens=8)
ADD = ToolSpec("add", "Add.", {"type": "object", "properties": {"a": {"type": "integer"}}})
OF_TYPE: Mapping[str, JSON] = {
    "number": 0.5,
    "integer": 2,
    "boolean": True,
    "string": "x",
    "array": ["x"],
    "object": {"1": 2},
}


@pytest.fixture
def webui() -> Iterator[FakeWebUI]:
    one = FakeWebUI()
    yield one
    one.close()


def everything() -> list[Request]:
    sampling = Sampling(0.7, 5, 0.9, 0.1, 1.2, 32, 0.3, 0.4, 7, {name: value_of(name) for name in EXTRAS})
    turns = (
        *CHAT.messages,
        Message("assistant", "", "hm", (ToolCall("add", {"a": 1}),)),
        Message("tool", "2", name="add"),
    )
    with_template = replace(sampling, extra=dict.fromkeys(CHAT_EXTRAS, "x"))
    return [
        PROMPT,
        replace(PROMPT, sampling=sampling, grammar=YES_NO, stop=("a", "b"), logprobs=3),
        replace(PROMPT, prompt=(Segment("<s>", control=True), Segment("x")), max_tokens=None),
        CHAT,
        replace(CHAT, messages=turns, tools=(ADD,), tool_choice="add", sampling=sampling, logprobs=3),
        replace(CHAT, grammar=YES_NO, think=True, max_tokens=None, sampling=with_template),
        replace(CHAT, schema={"type": "object"}, json_mode=True),
    ]


def value_of(name: str) -> JSON:
    schema = api()["components"]["schemas"]["CompletionRequest"]["properties"][name]
    return OF_TYPE[schema.get("type") or schema["anyOf"][0]["type"]]


def api() -> Any:
    return json.loads(API.read_text("utf-8"))


def broken_rules(url: str, body: Mapping[str, JSON]) -> list[str]:
    """What a body has against the description of its route; a field unknown to it counts, too."""
    described = api()
    asked = described["paths"]["/v1" + url.partition("/v1")[2]]["post"]["requestBody"]
    named: str = asked["content"]["application/json"]["schema"]["$ref"]
    schema = {"$ref": named, "components": described["components"]}
    known = described["components"]["schemas"][named.rpartition("/")[2]]["properties"]
    validator: Any = Draft202012Validator(schema)
    found = [str(error.message) for error in validator.iter_errors(dict(body))]
    return found + [f"unknown: {name}" for name in body if name not in known]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("at", range(len(everything())))
def test_every_body_is_right_by_the_servers_own_description(at: int, stream: bool) -> None:
    call = WebUI("http://127.0.0.1:5000").build(everything()[at], "m", stream)
    assert call.body is not None
    assert broken_rules(call.url, call.body) == []


def test_the_extras_and_embeddings_are_right_by_it_too(webui: FakeWebUI) -> None:
    webui.loader = "Transformers"
    driver = WebUI(webui.url)
    endpoint = HttpEndpoint(driver, Http())
    endpoint.discover()
    ask = endpoint.http.ask
    driver.encode("a", ask)
    driver.decode((97,), ask)
    driver.next_tokens("a", ask)
    endpoint.complete(CHAT)
    endpoint.complete(PROMPT)
    endpoint.embed(["a"])
    ask(driver.load_call("m", 4096))
    endpoint.close()
    posted = [seen for seen in webui.seen if seen.method == "POST"]
    assert {seen.path for seen in posted} >= {"/v1/internal/chat-prompt", "/v1/internal/model/load"}
    for seen in posted:
        assert broken_rules(seen.path, seen.body) == []


def test_the_description_finds_what_is_wrong() -> None:
    assert broken_rules("/v1/completions", {"prompt": "x", "response_format": {}}) == [
        "unknown: response_format"
    ]
    assert broken_rules("/v1/chat/completions", {"messages": [], "top_k": "x"}) != []
