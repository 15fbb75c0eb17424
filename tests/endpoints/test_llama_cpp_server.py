"""The driver of llama-cpp-python's server: what it sends and does not send, and what it makes good."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager

import pytest

from bridle.endpoints import connect
from bridle.endpoints.base import NativeCall, Request, Sampling
from bridle.endpoints.drivers.llama_cpp_server import MOST_REPEATS, LlamaCppServer
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.errors import (
    BadResponse,
    ContextOverflow,
    GrammarError,
    InputError,
    RequestRefused,
    StreamTruncated,
)
from bridle.grammars import for_choice
from bridle.messages import JSON, ToolSpec
from bridle.wrappers import Segment
from servers.connecting import CONTROL, SCHEMA, TOOLS, chat, connected, prompt
from servers.fake import Response, Seen, events, json_response
from servers.fake_llama_cpp_server import FakeLlamaCppServer


def opened(**state: object) -> AbstractContextManager[tuple[HttpEndpoint, FakeLlamaCppServer]]:
    return connected("llama-cpp-python", FakeLlamaCppServer(), **state)


def test_a_prompt_goes_with_every_sampling_field() -> None:
    """The server's own defaults (repeat_penalty 1.1, top_k 40, 16 tokens) are not ours."""
    with opened() as (endpoint, fake):
        endpoint.complete(prompt(stop=("<|im_end|>",), gbnf='root ::= "x"'), lambda _: None)
        assert fake.asked == {
            "model": "m",
            "prompt": "<|im_start|>Hello",
            "max_tokens": 50,
            "temperature": 0.0,
            "top_k": 0,
            "top_p": 1.0,
            "min_p": 0.0,
            "repeat_penalty": 1.0,
            "stop": ["<|im_end|>"],
            "grammar": 'root ::= "x"',
            "stream": True,
        }


def test_sampling_goes_by_the_server_s_names() -> None:
    extra: dict[str, JSON] = {"mirostat_mode": 2, "x": 1}
    sampling = Sampling(temperature=0.7, top_k=5, repeat_penalty=1.2, seed=9, extra=extra)
    with opened() as (endpoint, fake):
        for request in (prompt(sampling=sampling), chat(sampling=sampling)):
            answer = endpoint.complete(request)
            assert answer.dropped == ("repeat_last", "x")  # it looks back as far as it was started with
            expected = {"temperature": 0.7, "top_k": 5, "repeat_penalty": 1.2, "seed": 9, "mirostat_mode": 2}
            assert {name: fake.asked[name] for name in expected} == expected


@pytest.mark.parametrize("route", ["prompt", "chat"])
def test_a_limit_is_always_sent(route: str) -> None:
    long = "one " * 40
    ask = prompt if route == "prompt" else chat
    with opened(text=long) as (endpoint, fake):
        assert endpoint.complete(ask(max_tokens=None)).text == long
        assert fake.asked["max_tokens"] in (0, 1024)  # 0 is what the window leaves
        for limit in (0, -1):
            with pytest.raises(InputError, match=f"max_tokens is {limit}"):
                endpoint.complete(ask(max_tokens=limit))


def test_a_grammar_that_would_end_the_server_is_not_sent() -> None:
    with opened() as (endpoint, fake):
        for gbnf in ("root ::= (", 'root ::= root "a" | "b"', "root ::= nothing", 'x ::= "a"'):
            with pytest.raises(GrammarError):
                endpoint.complete(prompt(gbnf=gbnf))
            assert not any(seen.path == "/v1/completions" for seen in fake.seen)
        assert endpoint.complete(prompt(grammar=for_choice(["yes", "no"]))).text in ("yes", "no")
        assert not fake.dead


def test_a_schema_goes_as_a_grammar_of_ours() -> None:
    """The server would make one itself, and may end of it."""
    with opened() as (endpoint, fake):
        answer = endpoint.complete(chat(schema=SCHEMA))
        assert json.loads(answer.text) == {"n": 0}
        assert answer.sent_as == ("grammar",)
        assert "response_format" not in fake.asked
        endpoint.complete(chat(json_mode=True))
        assert fake.asked["response_format"] == {"type": "json_object"}
        assert endpoint.complete(prompt(schema=SCHEMA)).dropped == ("schema",)


@pytest.mark.parametrize("stream", [False, True])
def test_a_named_tool_is_called(stream: bool) -> None:
    with opened() as (endpoint, fake):
        pieces: list[str] = []
        answer = endpoint.complete(chat(tools=TOOLS, tool_choice="add"), pieces.append if stream else None)
        assert fake.asked["tool_choice"] == {"type": "function", "function": {"name": "add"}}
        assert answer.calls == (NativeCall("add", '{"n": 0}', "call__0_add_cmpl-1"),)
        assert answer.dropped == ()
        required = endpoint.complete(chat(tools=TOOLS, tool_choice="required"))
        assert required.dropped == ("tool_choice",)  # a plain chat format ignores it


def test_what_a_tool_repeats_very_often_is_lowered() -> None:
    """From 1,200 repetitions on the grammar that 0.3.36 makes of them ended it."""
    often: dict[str, JSON] = {
        "type": "object",
        "properties": {
            "long": {"type": "string", "maxLength": 1_500},
            "least": {"type": "string", "minLength": 600, "maxLength": 1_500},
            "word": {"type": "string", "pattern": "^[a-z]{600,900}$"},
            "short": {"type": "string", "pattern": "^[a-z]{1,9}$"},
            "list": {"type": "array", "items": {"type": "string", "maxLength": 700}, "maxItems": 800},
        },
        "required": ["long"],
    }
    with opened() as (endpoint, fake):
        endpoint.complete(chat(tools=(ToolSpec("f", "", often),), tool_choice="f"))
        sent = fake.asked["tools"][0]["function"]["parameters"]["properties"]
        assert sent["long"]["maxLength"] == MOST_REPEATS
        assert "maxLength" not in sent["least"]
        assert "pattern" not in sent["word"]
        assert sent["short"]["pattern"] == "^[a-z]{1,9}$"
        assert sent["list"]["maxItems"] == sent["list"]["items"]["maxLength"] == MOST_REPEATS
        assert often["required"] == ["long"]


def test_the_token_that_the_server_adds_is_not_sent_twice() -> None:
    request = Request(
        prompt=(Segment("<s><|im_start|>", control=True), Segment("<s>Hello")), control=CONTROL, max_tokens=5
    )
    with opened(bos="<s>") as (endpoint, fake):
        endpoint.complete(request)
        assert fake.asked["prompt"].startswith("<|im_start|>")
        assert endpoint.count_tokens(request) == 1 + len(fake.asked["prompt"])
        looked = [seen for seen in fake.seen if seen.path == "/extras/tokenize"]
        endpoint.complete(request)
        assert [seen for seen in fake.seen if seen.path == "/extras/tokenize"] == looked  # it is known now
    with opened() as (endpoint, fake):  # this one adds none
        endpoint.complete(request)
        assert fake.asked["prompt"].startswith("<s><|im_start|>")


def break_streams(fake: FakeLlamaCppServer) -> None:
    """Let streams break off before their first event, as those of prompts that are too long do."""
    whole = fake.routes["POST /v1/completions"]

    def answer(seen: Seen) -> Response:
        return events([], cut=True) if seen.body.get("stream") else whole(seen)

    fake.routes["POST /v1/completions"] = answer


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_is_too_long_is_refused_and_the_window_is_learned(stream: bool) -> None:
    with opened() as (endpoint, fake):
        break_streams(fake)
        assert endpoint.context_tokens is None
        pieces: list[str] = []
        with pytest.raises(ContextOverflow) as caught:
            endpoint.complete(prompt("x" * 3000), pieces.append if stream else None)
        assert caught.value.facts["prompt_tokens"] == 3000 + len("<|im_start|>")
        assert caught.value.facts["context_tokens"] == 2048
        assert endpoint.context_tokens == 2048
        with pytest.raises(ContextOverflow, match="exceed the window of 2048"):
            endpoint.complete(prompt("x" * 2030))
        told = connect(f"llama-cpp-python@{fake.url}", context_tokens=9999)
        with pytest.raises(ContextOverflow):
            told.complete(prompt("x" * 3000))
        assert told.context_tokens == 9999  # what the caller says stays
        told.close()


def test_a_stream_that_breaks_off_for_another_reason_is_told_as_such() -> None:
    with opened() as (endpoint, fake):
        break_streams(fake)
        with pytest.raises(BadResponse):
            endpoint.complete(prompt(), lambda _: None)
        assert endpoint.context_tokens is None


def test_a_stream_that_another_request_has_ended_is_no_answer() -> None:
    """The server ends it as if it were complete, only without a reason."""
    with opened(interrupted=True) as (endpoint, fake):
        pieces: list[str] = []
        with pytest.raises(StreamTruncated, match="another request") as caught:
            endpoint.complete(prompt(), pieces.append)
        assert caught.value.partial == "".join(pieces) == fake.text[: len(pieces)] != ""
        assert "--interrupt_requests false" in caught.value.hint


def test_what_a_stream_does_not_tell_is_counted() -> None:
    with opened(bos="<s>") as (endpoint, fake):
        whole = endpoint.complete(prompt())
        assert endpoint.complete(prompt(), lambda _: None) == whole
        assert whole.usage.completion_tokens == len(fake.text)
        assert (
            endpoint.complete(chat(), lambda _: None).usage.prompt_tokens == 0
        )  # only the server renders it


def test_what_the_server_cannot_validate_is_asked_once() -> None:
    said = "1 validation error:\n  {'type': 'x', 'loc': ('body', 'max_tokens')}"
    with opened() as (endpoint, fake):
        fake.routes["POST /v1/completions"] = lambda _: json_response(
            {"error": {"message": said, "type": "internal_server_error", "param": None, "code": None}}, 500
        )
        with pytest.raises(RequestRefused, match="validation error") as caught:
            endpoint.complete(prompt())
        assert not caught.value.retryable
        assert sum(seen.path == "/v1/completions" for seen in fake.seen) == 1


def test_embeddings_are_read_and_their_absence_is_told() -> None:
    with opened(embeddings=True) as (endpoint, _):
        assert endpoint.embed(["ab", "c"]).vectors == ((2.0, 1.0), (1.0, 1.0))
    with opened() as (endpoint, _), pytest.raises(RequestRefused, match="embedding=True"):
        endpoint.embed(["ab"])


def test_the_server_is_recognised_by_its_title() -> None:
    document: JSON = {"info": {"title": "🦙 llama.cpp Python API"}}
    other: JSON = {"info": {"title": "FastAPI"}}
    assert "llama.cpp Python API" in LlamaCppServer.recognise({"/openapi.json": document}.get)
    assert not LlamaCppServer.recognise({"/openapi.json": other}.get)
    with opened() as (endpoint, _):
        assert (endpoint.model, endpoint.found.version) == ("m", "0.3.36")
        assert endpoint.chat_template is None
        assert not endpoint.supports.parallel
