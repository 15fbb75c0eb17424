"""OpenAI through its package: what is sent, what comes back, and what becomes of what a model refuses."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from bridle.endpoints import respond
from bridle.endpoints.asking import ConstraintChoice
from bridle.endpoints.base import Embeds, ListsModels, Remembers, Request, Sampling, Scored
from bridle.endpoints.config import EndpointConfig
from bridle.endpoints.connect import connect
from bridle.endpoints.drivers.cloud import OpenAIEndpoint, is_openai, open_openai
from bridle.endpoints.drivers.cloud_endpoint import Api, CloudEndpoint
from bridle.endpoints.drivers.cloud_models import FAMILIES, UNKNOWN, family_of
from bridle.endpoints.drivers.openai_compat import OpenAICompat
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.transport.http import Http
from bridle.errors import (
    ConfigError,
    ConstraintRejected,
    ContentFiltered,
    ContextOverflow,
    InputError,
    UnsupportedParameter,
)
from bridle.messages import JSON, Message, ToolCall, ToolSpec
from bridle.wrappers import Segment
from servers.cloud_endpoints import CHAT, HELLO, KEY, both, cloud, opened, unheard
from servers.fake import events, json_response
from servers.fake_openai_cloud import FakeOpenAICloud

__all__ = ["cloud"]

CITY: dict[str, JSON] = {"city": {"type": "string"}}
CLOSED: dict[str, JSON] = {
    "type": "object",
    "properties": CITY,
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = ToolSpec("weather", "Tell the weather.", CLOSED)
OPEN = ToolSpec("note", "Note.", {"type": "object", "properties": {"text": {"type": "string"}}})
FREE = ToolSpec("free", "Anything.", {"type": "object"})


def test_a_stream_is_the_whole_in_both_apis(cloud: FakeOpenAICloud) -> None:
    for endpoint in both(cloud):
        pieces: list[str] = []
        streamed = endpoint.complete(HELLO, pieces.append)
        whole = endpoint.complete(HELLO)
        assert streamed == whole
        assert "".join(pieces) == whole.text == cloud.text
        assert len(pieces) > 3
        assert (whole.finish, whole.finish_reason, whole.dropped) == ("stop", "stop", ())
        assert (whole.usage.prompt_tokens, whole.usage.cached_tokens) == (5, 2)
        assert whole.usage.completion_tokens == len(cloud.text)


@pytest.mark.parametrize("chunk_bytes", [1, 3, 7, 1000])
@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_a_stream_may_be_cut_anywhere(cloud: FakeOpenAICloud, chunk_bytes: int, framing: str) -> None:
    cloud.chunk_bytes, cloud.framing = chunk_bytes, framing
    for endpoint in both(cloud):
        pieces: list[str] = []
        assert endpoint.complete(HELLO, pieces.append).text == "".join(pieces) == cloud.text


def test_the_limit_and_stop_strings_are_kept(cloud: FakeOpenAICloud) -> None:
    for endpoint in both(cloud):
        for on_text in (None, unheard):
            cut = endpoint.complete(replace(HELLO, max_tokens=3), on_text)
            assert (cut.text, cut.finish, cut.finish_reason) == (cloud.text[:3], "length", "length")
            ended = endpoint.complete(replace(HELLO, stop=(" The",)), on_text)
            assert (ended.text, ended.finish) == ("Grüße, 世界 🙂.", "stop")


def test_at_most_four_stop_strings_are_sent_and_all_are_kept(cloud: FakeOpenAICloud) -> None:
    endpoint = opened(cloud)
    answer = endpoint.complete(replace(HELLO, stop=("1", "2", "3", "4", " The")))
    assert cloud.asked["stop"] == ["1", "2", "3", "4"]
    assert answer.text == "Grüße, 世界 🙂."
    endpoint.close()


def test_a_schema_is_held_strictly(cloud: FakeOpenAICloud) -> None:
    for endpoint in both(cloud):
        assert endpoint.supports.schema_profile == "openai-strict"
        answer = endpoint.complete(replace(HELLO, schema=CLOSED))
        assert json.loads(answer.text) == {"city": ""}
        form = cloud.asked.get("response_format", {}).get("json_schema") or cloud.asked["text"]["format"]
        assert (form["strict"], form["schema"]) == (True, CLOSED)
        assert answer.sent_as[0] in ("response_format", "text")


def test_any_json_object_can_be_asked_for(cloud: FakeOpenAICloud) -> None:
    endpoint = opened(cloud)
    endpoint.complete(replace(HELLO, json_mode=True))
    assert cloud.asked["response_format"] == {"type": "json_object"}
    endpoint.close()


@pytest.mark.parametrize("stream", [False, True])
def test_native_calls_are_read_in_both_apis(cloud: FakeOpenAICloud, stream: bool) -> None:
    cloud.calls = [("weather", '{"city": "Köln"}'), ("note", '{"text": "a b"}')]
    for endpoint in both(cloud):
        request = replace(HELLO, tools=(WEATHER, OPEN), tool_choice="required")
        answer = endpoint.complete(request, unheard if stream else None)
        assert [(call.id, call.name, call.arguments) for call in answer.calls] == [
            ("call_0", *cloud.calls[0]),
            ("call_1", *cloud.calls[1]),
        ]
        assert (answer.text, answer.finish, answer.finish_reason) == ("", "stop", "tool_calls")


def test_tools_are_strict_where_their_schema_allows_it(cloud: FakeOpenAICloud) -> None:
    endpoint = opened(cloud)
    endpoint.complete(replace(HELLO, tools=(WEATHER, FREE), tool_choice="weather"))
    body = cloud.asked
    assert [tool["function"].get("strict") for tool in body["tools"]] == [True, None]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert body["parallel_tool_calls"] is False
    endpoint.complete(replace(HELLO, tools=(FREE,)))
    assert cloud.asked["tool_choice"] == "auto"
    assert "parallel_tool_calls" not in cloud.asked
    endpoint.close()


def test_optional_parameters_are_nullable_there_and_left_out_here(cloud: FakeOpenAICloud) -> None:
    cloud.calls = [("note", '{"text": null}'), ("note", '{"te'), ("free", '{"x": null}')]
    for endpoint in both(cloud):
        answer = endpoint.complete(replace(HELLO, tools=(OPEN, FREE)))
        assert [call.arguments for call in answer.calls] == ["{}", '{"te', '{"x": null}']
        sent = [tool.get("function", tool) for tool in cloud.asked["tools"]]
        assert sent[0]["strict"]
        assert sent[0]["parameters"]["required"] == ["text"]
        assert not sent[1].get("strict")


def test_the_responses_api_gets_tools_in_its_own_shape(cloud: FakeOpenAICloud) -> None:
    endpoint = opened(cloud, api="responses")
    endpoint.complete(replace(HELLO, tools=(WEATHER, FREE), tool_choice="weather"))
    body = cloud.asked
    assert [(tool["name"], tool["strict"]) for tool in body["tools"]] == [("weather", True), ("free", False)]
    assert body["tool_choice"] == {"type": "function", "name": "weather"}
    assert (body["store"], body["parallel_tool_calls"]) == (False, False)
    endpoint.close()


def test_thoughts_of_the_responses_api_are_kept_apart(cloud: FakeOpenAICloud) -> None:
    cloud.thoughts = "Let me think."
    endpoint = opened(cloud, api="responses")
    assert endpoint.complete(HELLO) == endpoint.complete(HELLO, unheard)
    assert endpoint.complete(HELLO).thoughts == "Let me think."
    endpoint.close()


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_is_text_but_no_answer_where_json_was_asked_for(
    cloud: FakeOpenAICloud, stream: bool
) -> None:
    cloud.refusal = "I cannot help with that."
    on_text = unheard if stream else None
    for endpoint in both(cloud):
        assert endpoint.complete(HELLO, on_text).text == cloud.refusal
        with pytest.raises(ContentFiltered, match="declined") as caught:
            endpoint.complete(replace(HELLO, schema=CLOSED), on_text)
        assert caught.value.facts["side"] == "answer"
        assert caught.value.facts["categories"] == ("refusal",)
        assert caught.value.facts["answer"] == cloud.refusal


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_a_filter_took_is_an_error(cloud: FakeOpenAICloud, stream: bool) -> None:
    cloud.withholds = True
    endpoint = opened(cloud)
    with pytest.raises(ContentFiltered) as caught:
        endpoint.complete(HELLO, unheard if stream else None)
    assert (caught.value.facts["side"], caught.value.facts["categories"]) == ("answer", ("violence",))
    endpoint.close()


def test_an_answer_that_a_filter_cut_is_an_error_that_has_its_beginning(cloud: FakeOpenAICloud) -> None:
    lines = (
        b'data: {"choices": [{"index": 0, "delta": {"content": "half"}}]}\n\n'
        b'data: {"choices": [{"index": 0, "content_filter_offsets": {}, "content_filter_results":'
        b' {"hate": {"filtered": true}}}]}\n\n'
        b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter"}]}\n\n'
        b"data: [DONE]\n\n"
    )
    cloud.routes[CHAT] = lambda _: events([lines])
    endpoint = opened(cloud)
    heard: list[str] = []
    with pytest.raises(ContentFiltered, match="cut the answer") as caught:
        endpoint.complete(HELLO, heard.append)
    facts = caught.value.facts
    assert (facts["side"], facts["partial"], facts["categories"]) == ("answer", "half", ("hate",))
    assert heard == ["half"]
    endpoint.close()


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_that_a_filter_cut_is_an_error(cloud: FakeOpenAICloud, stream: bool) -> None:
    said: JSON = [{"type": "message", "content": [{"type": "output_text", "text": "half"}]}]
    why: JSON = {"reason": "content_filter"}
    whole: dict[str, JSON] = {"object": "response", "status": "incomplete", "incomplete_details": why}
    told: list[dict[str, JSON]] = [
        {"type": "response.output_text.delta", "delta": "half"},
        {"type": "response.incomplete", "response": {**whole, "output": said}},
    ]
    lines = [b"data: " + json.dumps(one).encode() + b"\n\n" for one in told]
    answer = events(lines) if stream else json_response({**whole, "output": said})
    cloud.routes["POST /v1/responses"] = lambda _: answer
    endpoint = opened(cloud, api="responses")
    with pytest.raises(ContentFiltered) as caught:
        endpoint.complete(HELLO, unheard if stream else None)
    assert caught.value.facts["partial"] == "half"
    endpoint.close()


def test_logprobs_and_seed_go_along(cloud: FakeOpenAICloud) -> None:
    endpoint = opened(cloud)
    for on_text in (None, unheard):
        answer = endpoint.complete(replace(HELLO, logprobs=2, sampling=Sampling(seed=3)), on_text)
        assert answer.dropped == ()
        assert cloud.asked["top_logprobs"] == 2
        assert cloud.asked["seed"] == 3
        assert "".join(token.text for token in answer.tokens).startswith("Gr")
        assert answer.tokens[0].logprob == -0.5
    endpoint.close()


def test_the_responses_api_tells_logprobs_and_drops_what_it_lacks(cloud: FakeOpenAICloud) -> None:
    endpoint = opened(cloud, api="responses")
    scored: JSON = {"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "b", "logprob": -1}]}
    delta: dict[str, JSON] = {"type": "response.output_text.delta", "delta": "a", "logprobs": [scored]}
    end: dict[str, JSON] = {"type": "response.completed", "response": {"status": "completed", "output": []}}
    lines = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in (delta, end))
    cloud.routes["POST /v1/responses"] = lambda _: events([lines])
    request = replace(HELLO, logprobs=30, sampling=Sampling(seed=1, presence_penalty=0.5), json_mode=True)
    answer = endpoint.complete(request, unheard)
    assert answer.tokens == (Scored("a", -0.5, {"b": -1.0}),)
    assert (answer.text, set(answer.dropped)) == ("a", {"seed", "presence_penalty"})
    assert cloud.asked["include"] == ["message.output_text.logprobs"]
    assert cloud.asked["top_logprobs"] == 20
    assert cloud.asked["text"] == {"format": {"type": "json_object"}}
    endpoint.close()


def test_logprobs_that_a_model_refuses_are_dropped(cloud: FakeOpenAICloud) -> None:
    cloud.refuses = ("logprobs",)
    endpoint = opened(cloud, "brand-new")
    answer = endpoint.complete(replace(HELLO, logprobs=2))
    assert (answer.text, answer.dropped, answer.tokens) == (cloud.text, ("logprobs",), ())
    assert "top_logprobs" not in cloud.asked
    endpoint.close()


def test_reasoning_models_get_what_they_take(cloud: FakeOpenAICloud) -> None:
    cloud.reasons = True
    endpoint = opened(cloud, "gpt-5-mini")
    system = (Message("system", "Be brief."), Message("user", "Hello"))
    sampling = Sampling(temperature=0.7, top_p=0.9, seed=1, extra={"reasoning_effort": "low"})
    answer = endpoint.complete(Request(messages=system, max_tokens=300, sampling=sampling, stop=(" The",)))
    assert cloud.asked == {
        "model": "gpt-5-mini",
        "messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        "max_completion_tokens": 300,
        "reasoning_effort": "low",
    }
    assert answer.text == "Grüße, 世界 🙂."
    assert set(answer.dropped) == {"top_p", "seed", "temperature"}
    assert endpoint.complete(replace(HELLO, think=False)).dropped == ()
    assert cloud.asked["reasoning_effort"] == "minimal"
    endpoint.close()


def test_whether_a_model_thinks_is_told_where_it_can_be(cloud: FakeOpenAICloud) -> None:
    cases = [("gpt-5.1", True, "medium"), ("gpt-5.1", False, "none"), ("o3", False, None), ("o3", True, None)]
    for model, think, effort in cases:
        endpoint = opened(cloud, model)
        answer = endpoint.complete(replace(HELLO, think=think))
        assert cloud.asked.get("reasoning_effort") == effort
        assert answer.dropped == (("think",) if (model, think) == ("o3", False) else ())
        endpoint.close()
    plain = opened(cloud)
    assert plain.complete(replace(HELLO, think=True)).dropped == ("think",)
    assert plain.complete(replace(HELLO, think=False)).dropped == ()
    plain.close()


def test_what_an_unknown_model_refuses_is_left_out_and_remembered(cloud: FakeOpenAICloud) -> None:
    cloud.refuses = ("temperature", "top_p")
    endpoint = opened(cloud, "brand-new")
    request = replace(HELLO, sampling=Sampling(temperature=0.5, top_p=0.9))
    answer = endpoint.complete(request)
    assert answer.text == cloud.text
    assert set(answer.dropped) == {"temperature", "top_p"}
    assert len(cloud.seen) == 3
    assert endpoint.complete(request).dropped == answer.dropped
    assert len(cloud.seen) == 4
    with pytest.raises(UnsupportedParameter):
        endpoint.complete(replace(request, strict=True))
    assert len(cloud.seen) == 4
    endpoint.close()


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_default_that_was_refused_is_told_as_dropped(cloud: FakeOpenAICloud, api: Api) -> None:
    cloud.refuses = ("temperature",)
    endpoint = opened(cloud, "brand-new", api=api)
    for _ in range(2):
        assert respond(endpoint, [Message("user", "Hello")], max_tokens=9).dropped == ("temperature",)
    assert len(cloud.seen) == 3
    endpoint.close()


def test_each_member_that_was_left_out_is_told_by_our_name(cloud: FakeOpenAICloud) -> None:
    refused = ("parallel_tool_calls", "stream_options", "stop", "logprobs")
    cloud.refuses = refused
    endpoint = opened(cloud, "brand-new")
    request = replace(HELLO, tools=(WEATHER,), stop=("!",), logprobs=1)
    dropped = endpoint.complete(request, unheard).dropped
    assert sorted(dropped) == ["logprobs", "parallel_tool_calls", "stream_options"]  # answers are cut here
    assert not {*refused} & {*cloud.asked}
    assert endpoint.complete(HELLO).dropped == ()
    endpoint.close()


def test_a_strict_request_is_not_asked_again_with_less(cloud: FakeOpenAICloud) -> None:
    cloud.refuses = ("top_p",)
    endpoint = opened(cloud, "brand-new")
    with pytest.raises(UnsupportedParameter) as caught:
        endpoint.complete(replace(HELLO, strict=True, sampling=Sampling(top_p=0.9)))
    assert caught.value.facts["parameter"] == "top_p"
    assert len(cloud.seen) == 1
    endpoint.close()


def test_the_other_name_of_the_limit_is_tried(cloud: FakeOpenAICloud) -> None:
    cloud.refuses = ("max_completion_tokens",)
    endpoint = opened(cloud, "brand-new")
    assert endpoint.complete(replace(HELLO, max_tokens=3)).text == cloud.text[:3]
    assert cloud.asked["max_tokens"] == 3
    cloud.refuses = ("max_completion_tokens", "max_tokens")
    with pytest.raises(UnsupportedParameter):
        endpoint.complete(HELLO)
    endpoint.close()


def test_an_unknown_field_of_ones_own_is_left_out_too(cloud: FakeOpenAICloud) -> None:
    endpoint = opened(cloud)
    answer = endpoint.complete(replace(HELLO, sampling=Sampling(extra={"mirostat": 2, "user": "me"})))
    assert answer.dropped == ("mirostat",)
    assert cloud.asked["user"] == "me"
    endpoint.close()


def test_what_holds_the_answer_is_never_left_out(cloud: FakeOpenAICloud) -> None:
    cloud.refuses = ("response_format",)
    endpoint = opened(cloud)
    with pytest.raises((UnsupportedParameter, ConstraintRejected)):
        endpoint.complete(replace(HELLO, schema=CLOSED))
    assert len(cloud.seen) == 1
    endpoint.close()


def test_calls_and_their_results_are_linked_by_ids(cloud: FakeOpenAICloud) -> None:
    messages = (
        Message("user", "go"),
        Message("assistant", thoughts="hm", calls=(ToolCall("a", {"x": 1}), ToolCall("b"))),
        Message("tool", "from b", name="b"),
        Message("tool", "from a", name="a"),
        Message("assistant", calls=(ToolCall("a"),), extra={"call_ids": ["call_abc"]}),
        Message("tool", "again", name="a", extra={"tool_call_id": "call_abc"}),
    )
    for endpoint in both(cloud):
        endpoint.complete(Request(messages=messages))
        sent = cloud.asked.get("messages") or cloud.asked["input"]
        written = json.dumps(sent)
        assert "reasoning_content" not in written
        assert "hm" not in written
        results = [(one.get("tool_call_id") or one["call_id"]) for one in sent if _is_result(one)]
        assert results == ["call_1_1", "call_1_0", "call_abc"]


def _is_result(one: dict[str, Any]) -> bool:
    return one.get("role") == "tool" or one.get("type") == "function_call_output"


def test_embeddings_come_as_numbers_in_their_order(cloud: FakeOpenAICloud) -> None:
    endpoint = opened(cloud, "text-embedding-3-small", dimensions=3)
    found = endpoint.embed(["a", "bcd"])
    assert found.vectors == ((0.0, 1.0, 0.5), (1.0, 3.0, 0.5))
    assert (cloud.asked["encoding_format"], cloud.asked["dimensions"]) == ("float", 3)
    assert endpoint.supports.embed
    assert not endpoint.supports.chat
    assert endpoint.embed([]).vectors == ()
    cloud.window = 2
    with pytest.raises(ContextOverflow):
        endpoint.embed(["abc"])
    endpoint.close()


def test_models_are_listed(cloud: FakeOpenAICloud) -> None:
    endpoint = opened(cloud)
    listed = endpoint.models()
    assert [(one.name, one.trained_tokens) for one in listed] == [("gpt-4.1", 1_047_576), ("o3", 200_000)]
    assert isinstance(endpoint, Embeds)
    assert isinstance(endpoint, ListsModels)
    assert isinstance(endpoint, Remembers)
    endpoint.close()


def test_a_prompt_that_is_too_long_is_said_with_its_numbers(cloud: FakeOpenAICloud) -> None:
    cloud.window = 10
    for endpoint in both(cloud):
        with pytest.raises(ContextOverflow) as caught:
            endpoint.complete(Request(messages=(Message("user", "x" * 20),)))
        assert caught.value.facts["prompt_tokens"] == 20
        assert caught.value.facts["context_tokens"] == 10


def test_openai_itself_has_its_own_limits() -> None:
    endpoint = OpenAIEndpoint("gpt-4.1", api_key=KEY)
    assert (endpoint.context_tokens, endpoint.model) == (1_047_576, "gpt-4.1")
    assert endpoint.name == "openai:gpt-4.1@https://api.openai.com/v1"
    assert endpoint.chat_template is None
    assert endpoint.count_tokens(HELLO) is None
    with pytest.raises(InputError, match="no prompt route"):
        endpoint.complete(Request(prompt=(Segment("x"),)))
    with pytest.raises(ConfigError, match="none is named"):
        OpenAIEndpoint("", api_key=KEY)
    assert OpenAIEndpoint("x", context_tokens=7).context_tokens == 7


def test_no_answer_limit_is_made_up(cloud: FakeOpenAICloud) -> None:
    endpoint = opened(cloud)
    endpoint.complete(Request(messages=HELLO.messages))
    assert not {"max_tokens", "max_completion_tokens"} & set(cloud.asked)
    assert None not in cloud.asked.values()
    endpoint.close()


def test_an_address_decides_who_is_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    official = open_openai("https://eu.api.openai.com/v1", Http(), EndpointConfig("openai", model="gpt-4o"))
    assert isinstance(official, CloudEndpoint)
    assert official.http.key == KEY
    local = open_openai("http://127.0.0.1:1/v1", Http(), EndpointConfig("openai", model="m"))
    assert isinstance(local.driver, OpenAICompat)
    assert type(local) is HttpEndpoint
    assert OpenAIEndpoint("m", base_url="http://127.0.0.1:1/v1").http.key == ""
    assert not is_openai("https://api.openai.com.example.org")
    by_spec = connect("openai:gpt-4o@https://api.openai.com/v1/responses")
    assert isinstance(by_spec, OpenAIEndpoint)
    assert type(by_spec.driver).__name__ == "CloudResponses"


def test_families_are_found_by_the_longest_name() -> None:
    assert family_of("gpt-4o-mini-2024-07-18").schema
    assert not family_of("gpt-4o-2024-05-13").schema
    assert family_of("o3-mini-2025-01-31").reasons
    assert not family_of("gpt-5-chat-latest").reasons
    assert family_of("gpt-5.2-chat-latest").reasons
    assert family_of("gpt-5.2-codex").efforts[0] == "low"
    assert family_of("gpt-5.4-2026-03-05").window == 1_050_000
    assert family_of("gpt-5.4-nano-2026-03-17").window is None
    assert family_of("gpt-5.1-mini").rests
    assert family_of("gpt-50") is UNKNOWN
    names = [name for family in FAMILIES for name in family.names]
    assert len(names) == len(set(names))
    for family in FAMILIES:
        assert all(family_of(name) is family for name in family.names)


@pytest.mark.parametrize("constraint", ["schema", "tool"])
def test_a_call_is_held_by_a_schema_or_by_strict_tools(
    cloud: FakeOpenAICloud, constraint: ConstraintChoice
) -> None:
    cloud.calls = [("weather", '{"city": "", "days": null}')]
    properties: dict[str, JSON] = {**CITY, "days": {"type": "integer"}}
    parameters: dict[str, JSON] = {"type": "object", "properties": properties, "required": ["city"]}
    tools = [ToolSpec("weather", "Tell the weather.", parameters)]
    for endpoint in both(cloud):
        turns = [Message("user", "hi")]
        completion = respond(endpoint, turns, tools=tools, tool_choice="required", constraint=constraint)
        assert completion.message.calls == (ToolCall("weather", {"city": ""}),)
        assert completion.constraint.proof == "claimed"
        lost = {entry.split()[1] for entry in completion.constraint.weakened}
        assert lost <= {"maxLength"}  # what is held more tightly is no loss
        assert endpoint.refused == {}


def test_several_threads_may_ask_at_once(cloud: FakeOpenAICloud) -> None:
    cloud.pause_s = 0.02
    endpoint = opened(cloud)
    stopped = threading.Event()

    def ask(number: int) -> str:
        request = replace(HELLO, messages=(Message("user", str(number)),))
        if number % 2:
            stopped.set()
            return endpoint.complete(request, unheard).text
        return endpoint.complete(request, unheard, stopped.is_set).finish

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(ask, range(6)))
    assert found[1::2] == [cloud.text] * 3
    assert found[::2] == ["cancelled"] * 3
    endpoint.close()
