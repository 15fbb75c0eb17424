"""The driver of llama.cpp's server: what it sends, what it finds out, and how failures are told."""

from __future__ import annotations

import json
import math
import time
from contextlib import AbstractContextManager
from functools import partial

import pytest

from bridle.endpoints import connect, respond
from bridle.endpoints.base import ModelInfo, NativeCall, Request, Sampling
from bridle.endpoints.driver import Piece
from bridle.endpoints.drivers.llama_server import LlamaServer
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.errors import (
    ConstraintRejected,
    ContextOverflow,
    ModelNotFound,
    RequestRefused,
)
from bridle.grammars import for_choice
from bridle.messages import JSON, Message
from bridle.wrappers import Segment
from servers.connecting import CONTROL, SCHEMA, TOOLS, chat, connected, prompt
from servers.fake import Response, Seen, json_response
from servers.fake_llama_server import FakeLlamaServer
from servers.llama_server_bodies import failed


def opened(spec: str = "", **state: object) -> AbstractContextManager[tuple[HttpEndpoint, FakeLlamaServer]]:
    return connected(f"llama-server{spec}", FakeLlamaServer(), **state)


def test_a_prompt_goes_to_the_native_route_with_every_sampling_field() -> None:
    """The server's own defaults (top_k 40, top_p 0.95, min_p 0.05) are not ours."""
    with opened() as (endpoint, fake):
        endpoint.complete(prompt(stop=("<|im_end|>",), gbnf='root ::= "x"'))
        assert fake.seen[-1].path == "/completion"
        assert fake.seen[-1].body == {
            "prompt": "<|im_start|>Hello",
            "n_predict": 50,
            "cache_prompt": True,
            "temperature": 0.0,
            "top_k": 0,
            "top_p": 1.0,
            "min_p": 0.0,
            "repeat_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "model": "m",
            "stop": ["<|im_end|>"],
            "preserved_tokens": ["<s>", "<|im_start|>", "<tool_call>"],
            "grammar": 'root ::= "x"',
        }


def test_sampling_goes_by_the_server_s_names() -> None:
    sampling = Sampling(
        temperature=0.7,
        top_k=5,
        top_p=0.5,
        min_p=0.1,
        repeat_penalty=1.2,
        repeat_last=32,
        presence_penalty=0.3,
        frequency_penalty=0.4,
        seed=9,
        extra={"mirostat": 2, "samplers": ["top_k"], "nonsense": 1},
    )
    with opened() as (endpoint, fake):
        for request in (prompt(sampling=sampling), chat(sampling=sampling)):
            answer = endpoint.complete(request)
            assert answer.dropped == ("nonsense",)
            expected = {"temperature": 0.7, "top_k": 5, "top_p": 0.5, "min_p": 0.1, "repeat_penalty": 1.2,
                        "repeat_last_n": 32, "presence_penalty": 0.3, "frequency_penalty": 0.4, "seed": 9,
                        "mirostat": 2, "samplers": ["top_k"]}  # fmt: skip
            assert {name: fake.seen[-1].body[name] for name in expected} == expected
            assert "nonsense" not in fake.seen[-1].body


def test_the_answer_has_the_server_s_counts_and_its_word_for_the_end() -> None:
    with opened() as (endpoint, fake):
        whole = endpoint.complete(prompt())
        assert (whole.finish, whole.finish_reason) == ("stop", "eos")
        assert whole.usage.prompt_tokens == len("<|im_start|>Hello")
        assert whole.usage.completion_tokens == len(fake.text)
        assert endpoint.complete(prompt(), lambda _: None) == whole
        assert endpoint.complete(prompt(stop=(" The",))).finish == "stop"
        short = endpoint.complete(prompt(max_tokens=3))
        assert (short.finish, short.finish_reason) == ("length", "limit")


def test_an_older_server_is_read_too() -> None:
    with opened(old=True) as (endpoint, _):
        assert endpoint.complete(prompt(max_tokens=3)).finish_reason == "limit"
        assert endpoint.complete(prompt()).finish == "stop"
        assert endpoint.count_tokens(chat()) is None
        assert endpoint.complete(chat()).text


def test_a_grammar_and_a_schema_are_held_on_the_prompt_route() -> None:
    with opened() as (endpoint, fake):
        assert endpoint.complete(prompt(grammar=for_choice(["yes", "no"]))).text in ("yes", "no")
        assert "grammar" in fake.asked
        held = endpoint.complete(prompt(schema=SCHEMA))
        assert json.loads(held.text) == {"n": 0}
        assert (fake.asked["json_schema"], held.dropped, held.sent_as) == (SCHEMA, (), ("json_schema",))


def test_a_schema_is_held_on_the_chat_route() -> None:
    with opened() as (endpoint, fake):
        assert json.loads(endpoint.complete(chat(schema=SCHEMA)).text) == {"n": 0}
        assert fake.asked["response_format"]["json_schema"]["schema"] == SCHEMA
        endpoint.complete(chat(json_mode=True))
        assert fake.asked["response_format"] == {"type": "json_object"}
        endpoint.complete(chat(think=False))
        assert fake.asked["chat_template_kwargs"] == {"enable_thinking": False}
        assert endpoint.complete(chat(gbnf='root ::= "x"')).dropped == ("gbnf",)
        assert "grammar" not in fake.asked


@pytest.mark.parametrize("stream", [False, True])
def test_a_named_tool_is_sent_alone_and_required(stream: bool) -> None:
    """As an object the choice would be taken for "auto" without a word."""
    with opened() as (endpoint, fake):
        pieces: list[str] = []
        answer = endpoint.complete(chat(tools=TOOLS, tool_choice="add"), pieces.append if stream else None)
        assert fake.asked["tool_choice"] == "required"
        assert [tool["function"]["name"] for tool in fake.asked["tools"]] == ["add"]
        assert answer.calls == (NativeCall("add", '{"n": 0}', "Wb6nPHnu9kKjHKDPVJbT8PzTlkWc3Ez1"),)
        assert answer.dropped == ()
        endpoint.complete(chat(tools=TOOLS, tool_choice="required"))
        assert len(fake.asked["tools"]) == 2
        endpoint.complete(chat(tools=TOOLS))
        assert fake.asked["tool_choice"] == "auto"


def test_a_template_without_tools_is_not_sent_any() -> None:
    with opened(supports_tools=False) as (endpoint, fake):
        supports = endpoint.supports
        assert (supports.tools, supports.forced, supports.named) == (False, False, False)
        assert endpoint.complete(chat(tools=TOOLS, tool_choice="add")).dropped == ("tools", "tool_choice")
        assert "tools" not in fake.asked
    with opened() as (endpoint, _):
        assert endpoint.supports.tools


def test_the_token_that_the_server_adds_is_not_sent_twice() -> None:
    begun = (Segment("<s><|im_start|>", control=True), Segment("<s>Hello"))
    request = Request(prompt=begun, control=CONTROL, max_tokens=5)
    with opened(bos="<s>") as (endpoint, fake):
        counted = endpoint.count_tokens(request)
        endpoint.complete(request)
        assert fake.asked["prompt"].startswith("<|im_start|>")
        assert fake.asked["prompt"].count("<s>") == 0  # what content forms of it is taken apart
        assert counted == 1 + len(fake.asked["prompt"])
    with opened() as (endpoint, fake):  # this one adds none
        endpoint.complete(request)
        assert fake.asked["prompt"].startswith("<s><|im_start|>")


def test_the_window_the_template_and_the_version_are_found() -> None:
    with opened() as (endpoint, _):
        assert (endpoint.model, endpoint.context_tokens) == ("m", 2048)
        assert endpoint.found.trained_tokens == 8192
        assert endpoint.found.version == "b9999-1652066"
        assert (endpoint.chat_template or "").startswith("{% for m in messages %}")
        assert endpoint.models() == (ModelInfo("m", True, 2048, 8192),)
        answer = respond(endpoint, [{"role": "user", "content": "hi"}], max_tokens=60)
        assert answer.wrapper.startswith("chatml")


def test_the_template_says_which_wrapper_the_model_gets() -> None:
    llama3 = "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>' + m.content + '<|eot_id|>' }}"
    fake = FakeLlamaServer()
    props = json.loads(fake.routes["GET /props"](Seen("GET", "/props", {}, {})).chunks[0])
    fake.routes["GET /props"] = lambda _: json_response(props | {"chat_template": llama3})
    endpoint = connect(f"llama-server@{fake.url}")
    answer = respond(endpoint, [{"role": "user", "content": "hi"}], max_tokens=60)
    assert answer.wrapper.startswith("llama3")
    assert sum(seen.path == "/props" for seen in fake.seen) == 1
    endpoint.close()
    fake.close()


def test_a_template_is_asked_for_where_the_server_was_down_at_first() -> None:
    with opened() as (endpoint, fake):
        late = HttpEndpoint(LlamaServer(fake.url), endpoint.http, model="m")
        assert late.chat_template == late.chat_template == endpoint.chat_template
        assert sum(seen.path == "/props" for seen in fake.seen) == 2
        for odd in (json_response({"chat_template": 5}), json_response({}, 500)):
            fake.routes["GET /props"] = partial(_said, odd)
            assert HttpEndpoint(LlamaServer(fake.url), endpoint.http, model="m").chat_template is None


def _said(response: Response, _: Seen) -> Response:
    return response


def test_an_alias_that_is_the_file_s_path_is_shortened() -> None:
    with opened() as (endpoint, fake):
        props = endpoint.driver.discover(endpoint.http.ask, "")
        assert props.model == "m"
        told = json.loads(fake.routes["GET /props"](Seen("GET", "/props", {}, {})).chunks[0])
        told |= {"model_alias": "C:\\models\\tiny.gguf", "model_path": "C:\\models\\tiny.gguf"}
        fake.routes["GET /props"] = lambda _: json_response(told)
        assert endpoint.driver.discover(endpoint.http.ask, "").model == "tiny.gguf"


def test_a_router_is_asked_about_the_model_that_is_loaded_or_named() -> None:
    with opened(router=("one", "two")) as (endpoint, fake):
        assert (endpoint.model, endpoint.context_tokens) == ("one", 2048)
        assert [model.loaded for model in endpoint.models()] == [True, False]
        endpoint.complete(prompt())
        assert fake.asked["model"] == "one"
        assert endpoint.count_tokens(prompt()) == len("<|im_start|>Hello")
    with opened(":two", router=("one", "two")) as (endpoint, _):
        assert endpoint.model == "two"


def test_a_router_without_a_model_says_which_it_has() -> None:
    fake = FakeLlamaServer()
    fake.router = ("one", "two")
    loaded = json.loads(fake.routes["GET /models"](Seen("GET", "/models", {}, {})).chunks[0])
    for one in loaded["data"]:
        one["status"]["value"] = "unloaded"
    fake.routes["GET /models"] = lambda _: json_response(loaded)
    with pytest.raises(ModelNotFound, match="it has: one, two") as caught:
        connect(f"llama-server@{fake.url}")
    assert "llama-server:MODEL@URL" in caught.value.hint
    fake.close()


def test_a_server_that_is_loading_is_waited_for() -> None:
    with opened(loading=1) as (endpoint, fake):
        assert endpoint.model == "m"
        fake.loading = 1
        assert endpoint.complete(prompt()).text == fake.text


def test_who_cancels_while_a_server_is_loading_does_not_wait_for_it() -> None:
    with opened() as (endpoint, fake):
        fake.routes["POST /completion"] = lambda _: failed(503, "Loading model", "unavailable_error")
        start = time.monotonic()
        answer = endpoint.complete(prompt(), None, lambda: time.monotonic() > start + 0.1)
        assert answer.finish == "cancelled"
        assert time.monotonic() - start < 5


def test_a_prompt_that_is_too_long_is_refused_with_both_numbers() -> None:
    with opened() as (endpoint, fake):
        long = prompt("x" * 3000)
        with pytest.raises(ContextOverflow, match="exceed the window of 2048"):
            endpoint.complete(long)
        fake.routes["POST /tokenize"] = lambda _: json_response({"tokens": [1]})  # had it counted wrong
        for on_text in (None, print):
            with pytest.raises(ContextOverflow) as caught:
                endpoint.complete(long, on_text)
            assert caught.value.facts["prompt_tokens"] == 3000 + len("<|im_start|>")
            assert caught.value.facts["context_tokens"] == 2048
        with pytest.raises(ContextOverflow):
            endpoint.complete(Request(messages=(Message("user", "x" * 3000),), max_tokens=5))


def test_a_chat_is_counted_as_the_server_renders_it() -> None:
    with opened() as (endpoint, fake):
        without = endpoint.count_tokens(chat())
        counted = endpoint.count_tokens(chat(tools=TOOLS))
        assert without is not None
        assert counted is not None
        assert counted > without
        assert fake.seen[-1].path == "/v1/chat/completions/input_tokens"
        room = 2048 - without
        endpoint.complete(chat(max_tokens=None))
        assert fake.asked["max_tokens"] == room


def test_a_constraint_that_the_server_does_not_take_is_told_as_such() -> None:
    remote: dict[str, JSON] = {"type": "object", "properties": {"a": {"$ref": "https://example.invalid/x"}}}
    with opened() as (endpoint, _):
        for request in (prompt(gbnf="root ::= ("), prompt(schema=remote)):
            with pytest.raises(ConstraintRejected) as caught:
                endpoint.complete(request)
            assert not caught.value.retryable
        assert endpoint.complete(prompt()).text


def test_probabilities_are_read_on_both_routes() -> None:
    with opened() as (endpoint, fake):
        pieces: list[str] = []
        for on_text in (None, pieces.append):
            found = endpoint.complete(prompt(logprobs=2), on_text)
            assert "".join(one.text for one in found.tokens) == fake.text
            assert found.tokens[0].logprob == -0.5
            assert fake.asked["n_probs"] == 2
        found = endpoint.complete(chat(logprobs=2))
        assert (fake.asked["logprobs"], fake.asked["top_logprobs"]) == (True, 2)
        assert found.tokens[0].others == {fake.text[0]: -0.5}
    driver = LlamaServer("http://127.0.0.1:1")
    tokens: JSON = [{"token": "a", "prob": 0.5, "top_probs": [{"token": "b", "prob": 0.0}]}]
    piece = driver.read({"content": "a", "stop": False, "completion_probabilities": tokens})
    assert isinstance(piece, Piece)
    assert piece.tokens[0].logprob == pytest.approx(math.log(0.5))
    assert piece.tokens[0].others == {"b": -math.inf}


def test_embeddings_are_read_and_their_absence_is_told() -> None:
    with opened(embeddings=True) as (endpoint, _):
        assert endpoint.embed(["ab", "c"]).vectors == ((2.0, 1.0), (1.0, 1.0))
    with opened() as (endpoint, fake):
        with pytest.raises(RequestRefused, match="--embeddings") as caught:
            endpoint.embed(["ab"])
        assert not caught.value.retryable
        assert sum(seen.path == "/v1/embeddings" for seen in fake.seen) == 1


def test_the_server_is_recognised_and_koboldcpp_is_not() -> None:
    props: JSON = {"default_generation_settings": {"n_ctx": 1}, "build_info": "b1-x"}
    old: JSON = {"default_generation_settings": {"n_ctx": 1}}
    listed: JSON = {"data": [{"id": "m", "owned_by": "llamacpp"}]}
    assert LlamaServer.recognise({"/props": props}.get) == "it answers /props as llama.cpp's server b1-x"
    assert LlamaServer.recognise({"/props": old, "/v1/models": listed}.get)
    other: JSON = {"data": [{"id": "m", "owned_by": "koboldcpp"}]}
    assert not LlamaServer.recognise({"/props": old, "/v1/models": other}.get)
    assert not LlamaServer.recognise(dict[str, JSON]().get)
