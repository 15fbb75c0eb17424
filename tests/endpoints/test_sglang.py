"""SGLang: what is sent to it, what it says of itself, and what happens to a prompt that is too long."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest

from bridle.endpoints import respond
from bridle.endpoints.base import Request, Sampling
from bridle.endpoints.connect import connect
from bridle.endpoints.drivers.sglang import SGLang
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.transport.http import Http
from bridle.errors import ConstraintRejected, ContextOverflow, PromptTruncated
from bridle.grammars import for_choice, to_gbnf
from bridle.messages import JSON, Message, ToolSpec
from bridle.wrappers import Segment
from servers.connecting import SCHEMA, always, connected
from servers.fake import json_response
from servers.fake_sglang import FakeSGLang

PROMPT = Request(prompt=(Segment("hi"),), max_tokens=50)
CHAT = Request(messages=(Message("user", "hi"),), max_tokens=50)
TOOL = ToolSpec("add", "Adds.", SCHEMA)


def opened(**settings: Any) -> AbstractContextManager[tuple[HttpEndpoint, FakeSGLang]]:
    return connected("sglang", FakeSGLang(**settings))


@pytest.mark.parametrize("new_names", [False, True])
def test_the_model_and_the_window_are_found_by_old_and_new_names(new_names: bool) -> None:
    with opened(new_names=new_names, window=500) as (endpoint, _):
        assert (endpoint.model, endpoint.context_tokens) == ("m", 499)
        assert endpoint.found.version == "0.5.6"
        assert (endpoint.supports.embed, endpoint.supports.overflow) == (False, "error")


def test_the_memory_for_tokens_may_be_less_than_the_models_window() -> None:
    with opened() as (_, fake):
        fake.cache_tokens = 300
        endpoint = connect(f"sglang@{fake.url}")
        assert endpoint.context_tokens == 299
        endpoint.close()


def test_a_server_that_says_nothing_of_itself_is_taken_at_its_word() -> None:
    with opened() as (_, fake):
        for route in ("model_info", "server_info"):
            del fake.routes[f"GET /{route}"]
        endpoint = connect(f"sglang@{fake.url}")
        assert (endpoint.context_tokens, endpoint.supports) == (4095, SGLang(fake.url).supports)
        endpoint.close()


def test_an_embedding_model_only_embeds() -> None:
    with opened() as (_, fake):
        fake.routes["GET /model_info"] = lambda _: json_response({"model_path": "e", "is_generation": False})
        endpoint = connect(f"sglang@{fake.url}")
        assert isinstance(endpoint, HttpEndpoint)
        assert (endpoint.supports.prompt, endpoint.supports.chat, endpoint.supports.embed) == (
            False,
            False,
            True,
        )
        assert endpoint.embed(["ab"]).vectors == ((2.0, 0.5),)
        endpoint.close()


def test_a_prompt_is_sent_with_all_that_would_else_come_from_the_models_own_settings() -> None:
    with opened() as (endpoint, fake):
        endpoint.complete(replace(PROMPT, stop=("x!",), sampling=Sampling(seed=5)))
        assert fake.asked == {
            "model": "m",
            "prompt": "hi",
            "max_tokens": 50,
            "stop": ["x!"],
            "temperature": 0.0,
            "top_k": -1,
            "top_p": 1.0,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "seed": 5,
            "skip_special_tokens": False,
        }


@pytest.mark.parametrize(
    ("field", "request_", "text"),
    [
        ("ebnf", replace(PROMPT, gbnf='root ::= "zq" [0-9]{2}'), "zq00"),
        ("ebnf", replace(PROMPT, grammar=for_choice(["left", "right"])), "left"),
        ("regex", replace(PROMPT, regex="[ab]{3}c"), "aaac"),
        ("json_schema", replace(PROMPT, schema=SCHEMA), '{"n":0}'),
    ],
    ids=["gbnf", "grammar", "regex", "schema"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_request_has_one_constraint(field: str, request_: Request, text: str, stream: bool) -> None:
    with opened() as (endpoint, fake):
        pieces: list[str] = []
        answer = endpoint.complete(request_, pieces.append if stream else None)
        assert answer.text.replace(" ", "") == text
        assert {"ebnf", "regex", "json_schema"} & set(fake.asked) == {field}
        assert answer.dropped == ()
        assert "".join(pieces) == (answer.text if stream else "")


def test_a_grammar_is_written_as_xgrammar_reads_it_and_a_schema_as_text() -> None:
    grammar = for_choice(["a b", 'c"d'])
    with opened() as (endpoint, fake):
        endpoint.complete(replace(PROMPT, grammar=grammar))
        assert fake.asked["ebnf"] == to_gbnf(grammar, dialect="xgrammar")
        endpoint.complete(replace(PROMPT, schema=SCHEMA))
        assert json.loads(fake.asked["json_schema"]) == SCHEMA


def test_a_grammar_that_cannot_be_read_is_refused() -> None:
    with opened() as (endpoint, _), pytest.raises(ConstraintRejected):
        endpoint.complete(replace(PROMPT, gbnf="root ::= ("))


def test_a_server_started_without_a_grammar_backend_is_not_asked_to_hold_anything() -> None:
    with opened(backend="none") as (endpoint, fake):
        held = replace(PROMPT, grammar=for_choice(["a"]))
        assert endpoint.complete(held).dropped == ("grammar",)
        assert endpoint.complete(replace(PROMPT, regex="a")).dropped == ("regex",)
        assert endpoint.complete(replace(PROMPT, schema=SCHEMA)).dropped == ("schema",)
        assert endpoint.complete(replace(CHAT, schema=SCHEMA)).dropped == ("schema",)
        assert not {"ebnf", "regex", "json_schema", "response_format"} & {
            n for s in fake.seen for n in s.body
        }


def test_outlines_as_the_backend_takes_no_grammar_and_the_rest() -> None:
    with opened(backend="outlines") as (endpoint, _):
        supports = endpoint.supports
        assert (supports.grammar, supports.regex, supports.prompt_schema) == (False, True, True)


def test_a_schema_holds_a_chat_and_a_call_is_forced() -> None:
    with opened() as (endpoint, fake):
        assert endpoint.complete(replace(CHAT, schema=SCHEMA)).text.replace(" ", "") == '{"n":0}'
        answer = endpoint.complete(replace(CHAT, tools=(TOOL,), tool_choice="required"))
        assert [call.name for call in answer.calls] == ["add"]
        assert fake.asked["tool_choice"] == "required"


def test_thoughts_and_whether_to_think() -> None:
    with opened() as (endpoint, fake):
        fake.thoughts = "hm"
        assert endpoint.complete(replace(CHAT, think=True)).thoughts == "hm"
        assert fake.asked["chat_template_kwargs"] == {"enable_thinking": True, "thinking": True}


def test_a_prompt_is_counted_and_a_chat_cannot_be() -> None:
    with opened() as (endpoint, fake):
        assert endpoint.count_tokens(PROMPT) == 3
        assert fake.seen[-1].body == {"model": "m", "prompt": "hi", "add_special_tokens": True}
        n_seen = len(fake.seen)
        assert endpoint.count_tokens(CHAT) is None
        assert len(fake.seen) == n_seen


def test_the_largest_limit_that_fits_is_taken() -> None:
    with opened(window=60) as (endpoint, fake):
        assert endpoint.complete(replace(PROMPT, max_tokens=None)).text == fake.text
        assert fake.asked["max_tokens"] == 60 - 3 - 1
        with pytest.raises(ContextOverflow) as caught:
            endpoint.complete(replace(PROMPT, max_tokens=57))
        assert caught.value.facts["prompt_tokens"] == 3
        assert fake.seen[-1].path == "/tokenize"


@pytest.mark.parametrize(("length", "limit"), [(200, 10), (30, 90)])
def test_the_servers_own_words_for_too_long_a_prompt_are_read(length: int, limit: int) -> None:
    with opened(window=100) as (_, fake):
        blind = HttpEndpoint(SGLang(fake.url), Http(), model="m")
        with pytest.raises(ContextOverflow) as caught:
            blind.complete(Request(prompt=(Segment("x" * length),), max_tokens=limit))
        facts = caught.value.facts
        assert (facts["prompt_tokens"], facts["context_tokens"], facts["status"]) == (length + 1, 100, 400)
        blind.close()


LONG = Request(prompt=(Segment("word " * 100),), max_tokens=20)


def test_a_server_that_cuts_in_silence_is_seen_and_the_prompt_is_counted_before() -> None:
    with opened(window=200, cuts=True) as (endpoint, fake):
        assert endpoint.supports.overflow == "silent"
        with pytest.raises(ContextOverflow) as caught:
            endpoint.complete(LONG)
        assert caught.value.facts["prompt_tokens"] == 501
        assert [seen.path for seen in fake.seen if seen.method == "POST"] == ["/tokenize"]


def test_a_prompt_that_was_cut_in_silence_is_seen_by_its_count() -> None:
    with opened(window=100, cuts=True) as (_, fake):
        del fake.routes["POST /tokenize"]
        blind = HttpEndpoint(SGLang(fake.url), Http(), model="m")
        with pytest.raises(PromptTruncated):
            blind.complete(LONG)
        blind.close()


def test_sglang_is_recognised_by_its_models_or_its_own_route() -> None:
    listed: JSON = {"data": [{"id": "m", "owned_by": "sglang"}]}
    assert SGLang.recognise(lambda route: listed if route == "/v1/models" else None)
    about: JSON = {"model_path": "org/m", "is_generation": True}
    assert SGLang.recognise(lambda route: about if route == "/get_model_info" else None)
    others: list[JSON] = [{"data": [{"id": "m", "owned_by": "vllm"}]}, {"detail": "Not Found"}, None]
    assert [SGLang.recognise(always(other)) for other in others] == [""] * 3


def test_a_call_is_written_under_a_grammar_of_the_whole_turn() -> None:
    with opened() as (endpoint, fake):
        question = [{"role": "user", "content": "add"}]
        completion = respond(endpoint, question, tools=[TOOL], tool_choice="required", max_tokens=500)
        assert [call.name for call in completion.message.calls] == ["add"]
        assert fake.asked["ebnf"]
