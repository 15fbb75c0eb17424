"""OpenAI's API: what is sent for a request, and what is read from recorded answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bridle.endpoints.addresses import base_url
from bridle.endpoints.base import Request, Sampling
from bridle.endpoints.driver import Get
from bridle.endpoints.drivers.openai_compat import OpenAICompat
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.transport.http import Http
from bridle.errors import BadResponse, ConfigError, ContentFiltered, RequestRefused, StreamTruncated
from bridle.messages import JSON, Message, ToolCall, ToolSpec
from bridle.wrappers import Segment
from servers.fake import Response, Server, events, json_response, recorded, server

__all__ = ["server"]

LOCAL = OpenAICompat("http://127.0.0.1:8000")
HELLO = Request(messages=(Message("user", "Hello"),), max_tokens=9)


def unheard(text: str) -> None:
    """Takes the fragments of a stream."""


def always(told: JSON) -> Get:
    return lambda _: told


def sent(request: Request, driver: OpenAICompat = LOCAL, stream: bool = False) -> dict[str, Any]:
    return dict(driver.build(request, "m", stream).body or {})


def endpoint(server: Server) -> HttpEndpoint:
    return HttpEndpoint(OpenAICompat(server.url), Http(), model="m")


def test_a_prompt_goes_to_completions() -> None:
    prompt = (Segment("<|user|>", control=True), Segment("say <|user|>"), Segment("<|end|>", control=True))
    request = Request(prompt=prompt, control=("<|user|>", "<|end|>"), stop=("<|end|>",), max_tokens=7)
    call = LOCAL.build(request, "m", False)
    assert call.url == "http://127.0.0.1:8000/v1/completions"
    assert call.body == {
        "model": "m",
        "temperature": 0.0,
        "max_tokens": 7,
        "stop": ["<|end|>"],
        "prompt": "<|user|>say <\u2060|user|><|end|>",
    }


def test_messages_go_to_chat_in_openais_shape() -> None:
    messages = (
        Message("user", "Hello"),
        Message("assistant", calls=(ToolCall("f", {"x": 1}),), thoughts="hm"),
        Message("tool", "done", name="f"),
    )
    call = LOCAL.build(Request(messages=messages), "", False)
    assert call.url == "http://127.0.0.1:8000/v1/chat/completions"
    assert call.body is not None
    assert "model" not in call.body
    assert "max_tokens" not in call.body
    written: Any = call.body["messages"]
    assert [one["role"] for one in written] == ["user", "assistant", "tool"]
    assert written[1]["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"x": 1}'}
    assert written[1]["reasoning_content"] == "hm"
    plain: Any = sent(Request(messages=messages), OpenAICompat("https://api.mistral.ai"))["messages"]
    assert not {"reasoning_content", "name"} & {name for one in plain for name in one}
    assert plain[1]["tool_calls"] == written[1]["tool_calls"]


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": False}, False),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"]}, False),
        ({"anyOf": [{"type": "object"}]}, False),
        ({"type": "string"}, True),
    ],
)
def test_a_schema_is_asked_for_strictly_where_that_is_allowed(schema: dict[str, JSON], strict: bool) -> None:
    request = Request(messages=HELLO.messages, schema=schema)
    form = {"name": "answer", "schema": schema, "strict": strict}
    assert sent(request)["response_format"] == {"type": "json_schema", "json_schema": form}
    assert LOCAL.dropped(request) == ()


def test_only_sampling_that_differs_from_the_default_is_sent() -> None:
    assert set(sent(HELLO)) == {"model", "messages", "temperature", "max_tokens"}
    chosen = Sampling(0.7, top_k=40, top_p=0.9, min_p=0.05, repeat_penalty=1.1, seed=3)
    request = Request(messages=HELLO.messages, sampling=chosen)
    body = sent(request)
    assert {name: body[name] for name in ("temperature", "top_k", "top_p", "min_p", "seed")} == {
        "temperature": 0.7,
        "top_k": 40,
        "top_p": 0.9,
        "min_p": 0.05,
        "seed": 3,
    }
    assert LOCAL.dropped(request) == ("repeat_penalty", "repeat_last")
    deepseek = OpenAICompat("https://api.deepseek.com")
    assert deepseek.dropped(request) == ("top_k", "min_p", "repeat_penalty", "seed", "repeat_last")


def test_what_goes_with_the_other_route_is_dropped() -> None:
    assert LOCAL.dropped(Request(prompt=(Segment("x"),), schema={"type": "null"}, gbnf="x")) == (
        "gbnf",
        "schema",
    )


@pytest.mark.parametrize(
    ("name", "text", "finish", "usage"),
    [
        ("llama-cpp-python-server-0.3.36/04_completion", " persons" * 8, "length", (3, 8)),
        ("llama-cpp-python-server-0.3.36/07_completion_stream", None, "length", (0, 0)),
        ("llama-cpp-python-server-0.3.36/13_chat", "\n" * 8, "length", None),
        ("llama-cpp-python-server-0.3.36/14_chat_stream", None, "length", (0, 0)),
        ("llama-server-0.3.36src/30_v1_completions_stream_usage", " Once Ged Ged", "length", (2, 3)),
        ("llama-server-0.3.36src/35_chat_stream", None, "length", None),
        ("azure-openai-2024-02-01/chat_stream", None, "stop", (0, 0)),
    ],
)
def test_recorded_answers(
    server: Server, name: str, text: str | None, finish: str, usage: tuple[int, int] | None
) -> None:
    asked, response = recorded(name)
    server.routes["*"] = lambda _: response
    request = HELLO if "messages" in asked else Request(prompt=(Segment("x"),), max_tokens=9)
    pieces: list[str] = []
    answer = endpoint(server).complete(request, pieces.append if asked.get("stream") else None)
    assert answer.text.strip(" ") or text is not None
    assert answer.text == text or text is None
    assert answer.finish == answer.finish_reason == finish
    if asked.get("stream"):
        assert "".join(pieces) == answer.text
    if usage is not None:
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == usage


def test_an_answer_that_a_filter_withheld_is_an_error(server: Server) -> None:
    _, response = recorded("azure-openai-2024-02-01/chat_content_filtered")
    server.routes["*"] = lambda _: response
    with pytest.raises(RequestRefused, match="content_filter"):
        endpoint(server).complete(HELLO)


def test_an_answer_that_a_filter_cut_is_an_error_that_has_its_beginning(server: Server) -> None:
    choice = {"message": {"role": "assistant", "content": "half"}, "finish_reason": "content_filter"}
    server.routes["*"] = lambda _: json_response({"choices": [choice]})
    with pytest.raises(ContentFiltered, match="cut the answer") as caught:
        endpoint(server).complete(HELLO)
    assert (caught.value.facts["side"], caught.value.facts["partial"]) == ("answer", "half")


@pytest.mark.parametrize("stream", [False, True])
def test_what_a_model_says_in_declining_is_its_text(server: Server, stream: bool) -> None:
    said = {"role": "assistant", "content": None, "refusal": "I cannot."}
    whole = json_response({"choices": [{"message": said, "finish_reason": "stop"}]})
    parts: list[JSON] = [{"delta": {"content": None, "refusal": one}} for one in ("I can", "not.")]
    end: JSON = {"delta": {}, "finish_reason": "stop"}
    chunks = [{"choices": [part]} for part in [*parts, end]]
    server.routes["*"] = lambda _: (
        events([b"data: " + json.dumps(one).encode() + b"\n\n" for one in chunks]) if stream else whole
    )
    assert endpoint(server).complete(HELLO, unheard if stream else None).text == "I cannot."


@pytest.mark.parametrize("reason", ["stop", "length"])
def test_a_choice_without_a_message_is_no_answer(server: Server, reason: str) -> None:
    server.routes["*"] = lambda _: json_response({"id": "x", "choices": [{"finish_reason": reason}]})
    with pytest.raises(BadResponse):
        endpoint(server).complete(HELLO)


def test_a_chunk_may_lack_its_choices(server: Server) -> None:
    chunks = [{"id": "x"}, {"choices": [{"delta": {"content": "hi"}}]}, {"object": "chat.completion.chunk"}]
    end = {"object": "chat.completion.chunk", "choices": [{"index": 0, "finish_reason": "length"}]}
    lines = [b"data: " + json.dumps(one).encode() + b"\n\n" for one in [*chunks, end]]
    server.routes["*"] = lambda _: events(lines)
    answer = endpoint(server).complete(HELLO, unheard)
    assert (answer.text, answer.finish_reason) == ("hi", "length")


@pytest.mark.parametrize("body", [{"id": "x"}, {"model": "m"}, [1], {"result": "ok"}])
def test_json_of_another_kind_is_said(server: Server, body: object) -> None:
    server.routes["*"] = lambda _: json_response(body)
    with pytest.raises(BadResponse, match="'openai'"):
        endpoint(server).complete(HELLO)


def test_a_whole_event_that_is_no_json_is_said(server: Server) -> None:
    server.routes["*"] = lambda _: events([b"data: nonsense\n\n"])
    with pytest.raises(BadResponse, match="nonsense"):
        endpoint(server).complete(HELLO, lambda text: None)


def test_an_event_that_was_cut_is_not_read(server: Server) -> None:
    server.routes["*"] = lambda _: events([b'data: {"choices": [{"text": "a"}]}\n\ndata: {"choi'])
    pieces: list[str] = []
    with pytest.raises(StreamTruncated) as caught:
        endpoint(server).complete(HELLO, pieces.append)
    assert (caught.value.partial, pieces) == ("a", ["a"])


def test_a_server_that_does_not_stream_is_read_all_the_same(server: Server) -> None:
    body = {"choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]}
    server.routes["*"] = lambda _: json_response(body)
    pieces: list[str] = []
    assert endpoint(server).complete(HELLO, pieces.append).text == "whole"
    assert pieces == ["whole"]


def test_a_stream_that_stays_open_after_its_end_is_left(server: Server) -> None:
    def answer(_: object) -> Response:
        return events(
            [b'data: {"choices": [{"text": "a", "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n', b": x\n"]
            * 5,
            pause_s=0.3,
        )

    server.routes["*"] = answer
    assert endpoint(server).complete(HELLO, lambda text: None).text == "a"


def test_the_model_and_its_window_are_found(server: Server) -> None:
    listed = [{"id": "a", "max_model_len": 100}, {"id": "b", "max_model_len": 200}, {"id": "c"}]
    server.routes["GET /v1/models"] = lambda _: json_response({"data": listed})
    for asked, model, window in (("", "a", 100), ("b", "b", 200), ("c", "c", None), ("d", "d", None)):
        found = HttpEndpoint(OpenAICompat(server.url), Http(), model=asked)
        found.discover()
        assert (found.model, found.context_tokens) == (model, window)
    given = HttpEndpoint(OpenAICompat(server.url), Http(), model="b", context_tokens=50)
    given.discover()
    assert given.context_tokens == 50


def test_without_a_limit_half_the_window_is_asked_for(server: Server) -> None:
    server.routes["*"] = lambda _: json_response({"choices": [{"text": "x", "finish_reason": "stop"}]})
    known = HttpEndpoint(OpenAICompat(server.url), Http(), context_tokens=4000)
    for one, limit in ((known, 2000), (endpoint(server), 1024)):
        one.complete(Request(prompt=(Segment("x"),)))
        assert server.seen[-1].body["max_tokens"] == limit
    assert known.count_tokens(HELLO) is None


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://h:1", "http://h:1/v1"),
        (" http://h:1/ ", "http://h:1/v1"),
        ("http://192.168.1.1:1231/v1", "http://192.168.1.1:1231/v1"),
        ("http://h/v1/", "http://h/v1"),
        ("http://h/v1/models", "http://h/v1"),
        ("https://h/api/v1/chat/completions", "https://h/api/v1"),
        ("https://h/proxy", "https://h/proxy"),
        ("https://h/proxy/chat/completions", "https://h/proxy"),
        ("http://[::1]:8", "http://[::1]:8/v1"),
    ],
)
def test_addresses_are_cut_to_their_base(url: str, base: str) -> None:
    assert base_url(url) == base
    assert base_url(base) == base


@pytest.mark.parametrize(
    "url", ["ftp://h", "http://", "h:1", "http://me:pw@h", "http://h?key=pw", "http://h#pw", "http://h:99999"]
)
def test_what_is_no_address_is_refused_without_showing_a_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        base_url(url)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
def test_json_that_is_nested_without_end_is_said(server: Server, content_type: str) -> None:
    body = "[" * 100_000
    text = f"data: {body}\n\n" if content_type == "text/event-stream" else body
    server.routes["*"] = lambda _: Response(200, (text.encode(),), content_type)
    with pytest.raises(BadResponse, match="not the expected JSON"):
        endpoint(server).complete(HELLO)


def test_a_server_of_no_known_kind_is_asked_for_no_template(server: Server) -> None:
    one = endpoint(server)
    assert one.chat_template is None
    assert server.seen == []
    one.close()


@pytest.mark.parametrize(
    ("entry", "window", "trained"),
    [
        ({"max_model_len": 7}, 7, None),
        ({"meta": {"n_ctx": 7, "n_ctx_train": 99}}, 7, 99),
        ({"meta": {"n_ctx_train": 99}}, None, 99),
        ({"context_length": 7}, 7, None),
        ({"max_context_length": 7}, 7, None),
        ({"context_window": 7}, 7, None),
        ({"parameters": {"max_seq_len": 7}}, 7, None),
        ({"max_model_len": None, "context_length": 7}, 7, None),
        ({"max_model_len": "7"}, None, None),
        ({}, None, None),
    ],
)
@pytest.mark.parametrize("bare", [False, True])
def test_a_window_is_found_wherever_servers_write_it(
    server: Server, entry: dict[str, JSON], window: int | None, trained: int | None, bare: bool
) -> None:
    listed = [{"id": "e", "type": "embedding"}, {"object": "model"}, {"id": "m", **entry}]
    server.routes["GET /v1/models"] = lambda _: json_response(listed if bare else {"data": listed})
    one = HttpEndpoint(OpenAICompat(server.url), Http())
    one.discover()
    assert (one.model, one.context_tokens, one.found.trained_tokens) == ("m", window, trained)
    assert [(info.name, info.embedding) for info in one.models()] == [("e", True), ("m", False)]
    one.close()


def test_a_server_that_takes_no_tools_is_not_sent_any() -> None:
    driver = OpenAICompat("http://127.0.0.1:8000")
    driver.supports = replace(driver.supports, tools=False)
    asked = replace(HELLO, tools=(ToolSpec("f", "Does.", {"type": "object", "properties": {}}),))
    assert not {"tools", "tool_choice"} & set(sent(asked, driver))
    assert driver.dropped(asked) == ("tools",)


def test_the_api_is_recognised_by_its_list_of_models() -> None:
    listed: JSON = {"object": "list", "data": []}
    assert OpenAICompat.recognise(lambda route: listed if route == "/v1/models" else None)
    others: list[JSON] = [{"models": []}, "a page", None]
    assert [OpenAICompat.recognise(always(other)) for other in others] == [""] * 3
