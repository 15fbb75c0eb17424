"""vLLM: what is sent to which version, and what is read from a server that behaves like it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest

from bridle.endpoints import respond
from bridle.endpoints.base import NativeCall, Request, Sampling
from bridle.endpoints.connect import connect
from bridle.endpoints.drivers.vllm import VLLM
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.transport.http import Http
from bridle.errors import ConstraintRejected, ContextOverflow, ModelNotFound, RequestRefused
from bridle.grammars import for_choice, for_regex, to_gbnf
from bridle.messages import JSON, Message, ToolSpec
from bridle.wrappers import Segment
from servers.connecting import SCHEMA, always, connected
from servers.fake_vllm import FakeVLLM

PROMPT = Request(
    prompt=(Segment("<|user|>", control=True), Segment("hi")), control=("<|user|>",), max_tokens=50
)
CHAT = Request(messages=(Message("user", "hi"),), max_tokens=50)
TOOLS = (ToolSpec("add", "Adds.", SCHEMA), ToolSpec("stop", "Stops.", {"type": "object", "properties": {}}))
OLD, NEW = "0.11.2", "0.14.0rc2.dev173+g13f6630a9"


def opened(version: str = NEW, **settings: Any) -> AbstractContextManager[tuple[HttpEndpoint, FakeVLLM]]:
    return connected("vllm", FakeVLLM(version, **settings))


def test_the_model_the_window_and_the_version_are_found() -> None:
    with opened(window=777) as (endpoint, _):
        assert (endpoint.model, endpoint.context_tokens, endpoint.found.version) == ("m", 777, NEW)
        assert endpoint.chat_template is None
        assert [info.context_tokens for info in endpoint.models()] == [777]


def test_a_prompt_is_sent_with_all_that_would_else_come_from_the_models_own_settings() -> None:
    with opened() as (endpoint, fake):
        endpoint.complete(replace(PROMPT, stop=("<|end|>",)))
        assert fake.asked == {
            "model": "m",
            "prompt": "<|user|>hi",
            "max_tokens": 50,
            "stop": ["<|end|>"],
            "temperature": 0.0,
            "top_k": -1,
            "top_p": 1.0,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "skip_special_tokens": False,
            "spaces_between_special_tokens": False,
        }


def test_sampling_has_vllms_names() -> None:
    chosen = Sampling(0.5, 40, 0.9, 0.1, 1.2, presence_penalty=0.3, frequency_penalty=0.2, seed=7)
    with opened() as (endpoint, fake):
        answer = endpoint.complete(replace(PROMPT, sampling=chosen))
        asked = fake.asked
        assert (asked["temperature"], asked["top_k"], asked["top_p"], asked["min_p"]) == (0.5, 40, 0.9, 0.1)
        assert (asked["repetition_penalty"], asked["presence_penalty"], asked["frequency_penalty"]) == (
            1.2,
            0.3,
            0.2,
        )
        assert asked["seed"] == 7
        assert answer.dropped == ("repeat_last",)


def test_a_prompt_is_never_cut_by_the_server() -> None:
    cut = Sampling(extra={"truncate_prompt_tokens": 5, "truncation_side": "left", "min_tokens": 1})
    with opened() as (endpoint, fake):
        for request in (PROMPT, CHAT):
            answer = endpoint.complete(replace(request, sampling=cut))
            assert answer.dropped == ("truncate_prompt_tokens", "truncation_side")
            assert fake.asked["min_tokens"] == 1
        endpoint.embed(["a"])
        assert fake.cut == []
        assert not any("truncat" in name for seen in fake.seen for name in seen.body)


CONSTRAINTS: list[tuple[str, Request, str]] = [
    ("grammar", replace(PROMPT, gbnf='root ::= "zq" [0-9]{2}'), "zq00"),
    ("grammar", replace(PROMPT, grammar=for_choice(["left", "right"])), "left"),
    ("regex", replace(PROMPT, regex="[ab]{3}c"), "aaac"),
    ("json", replace(PROMPT, schema=SCHEMA), '{"n":0}'),
]


@pytest.mark.parametrize("version", ["0.8.5", OLD, "0.12.0", NEW, "1.0"])
@pytest.mark.parametrize(("name", "request_", "text"), CONSTRAINTS, ids=["gbnf", "grammar", "regex", "json"])
def test_a_constraint_goes_by_the_name_that_the_version_reads(
    name: str, request_: Request, text: str, version: str
) -> None:
    with opened("1.12" if version == "1.0" else version) as (endpoint, fake):
        answer = endpoint.complete(request_)
        assert answer.text.replace(" ", "") == text
        assert answer.dropped == ()
        assert answer.sent_as == (
            (f"guided_{name}",) if version in ("0.8.5", OLD) else ("structured_outputs",)
        )
        is_old = version in ("0.8.5", OLD)
        assert (f"guided_{name}" in fake.asked) == is_old
        assert ("structured_outputs" in fake.asked) != is_old
        if not is_old:
            assert list(fake.asked["structured_outputs"]) == [name]


@pytest.mark.parametrize("hidden", ["", "0.1.dev1+g5d8e1c2"])
@pytest.mark.parametrize("version", [OLD, NEW])
def test_both_names_are_sent_to_a_version_that_is_not_told(version: str, hidden: str) -> None:
    with opened(version) as (_, fake):
        real, fake.version = fake.version, hidden
        unsure = connect(f"vllm@{fake.url}")
        fake.version = real
        assert unsure.complete(replace(PROMPT, regex="[ab]c")).text == "ac"
        assert fake.asked["guided_regex"] == fake.asked["structured_outputs"]["regex"] == "[ab]c"
        unsure.close()


def test_a_server_without_the_version_route_is_asked_all_the_same() -> None:
    with opened() as (_, fake):
        del fake.routes["GET /version"]
        unsure = connect(f"vllm@{fake.url}")
        assert unsure.model == "m"
        unsure.close()


def test_a_grammar_is_written_as_xgrammar_reads_it() -> None:
    grammar = for_regex('[^"]{1,3}')
    with opened() as (endpoint, fake):
        endpoint.complete(replace(PROMPT, grammar=grammar))
        sent = fake.asked["structured_outputs"]["grammar"]
        assert sent == to_gbnf(grammar, dialect="xgrammar")
        assert "::=" in sent.splitlines()[0]  # else vLLM takes it for Lark


def test_a_grammar_that_cannot_be_read_is_refused() -> None:
    with opened() as (endpoint, _), pytest.raises(ConstraintRejected):
        endpoint.complete(replace(PROMPT, gbnf="root ::= ("))


def test_a_schema_holds_a_chat_and_any_object_does_too() -> None:
    with opened() as (endpoint, fake):
        assert endpoint.complete(replace(CHAT, schema=SCHEMA)).text.replace(" ", "") == '{"n":0}'
        assert fake.asked["response_format"]["json_schema"]["schema"] == SCHEMA
        assert endpoint.complete(replace(CHAT, json_mode=True)).text == "{}"
        assert fake.asked["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("choice", "name", "reason"), [("required", "add", "tool_calls"), ("stop", "stop", "stop")]
)
def test_a_call_is_forced(choice: str, name: str, reason: str, stream: bool) -> None:
    with opened() as (endpoint, fake):
        pieces: list[str] = []
        answer = endpoint.complete(
            replace(CHAT, tools=TOOLS, tool_choice=choice), pieces.append if stream else None
        )
        assert [call.name for call in answer.calls] == [name]
        assert answer.calls[0].arguments.replace(" ", "") == ('{"n":0}' if name == "add" else "{}")
        assert (answer.text, answer.finish, answer.finish_reason) == ("", "stop", reason)
        assert answer.dropped == ()
        assert isinstance(fake.asked["tool_choice"], str) == (choice == "required")


def test_tools_without_the_servers_flags_are_refused_with_what_to_do() -> None:
    with opened(calls_tools=False) as (endpoint, _):
        with pytest.raises(ConstraintRejected, match="enable-auto-tool-choice") as caught:
            endpoint.complete(replace(CHAT, tools=TOOLS))
        assert not caught.value.retryable
        forced = endpoint.complete(replace(CHAT, tools=TOOLS, tool_choice="required"))
        assert [type(call) for call in forced.calls] == [NativeCall]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("member", ["reasoning", "reasoning_content"])
def test_thoughts_come_under_either_name(member: str, stream: bool) -> None:
    with opened() as (endpoint, fake):
        fake.thoughts, fake.thoughts_member = "hm, hm", member
        answer = endpoint.complete(CHAT, (lambda _: None) if stream else None)
        assert (answer.thoughts, answer.text) == ("hm, hm", fake.text)


def test_thoughts_go_back_under_both_names_and_thinking_is_asked_for() -> None:
    earlier = (Message("user", "a"), Message("assistant", "b", thoughts="hm"), Message("user", "c"))
    with opened() as (endpoint, fake):
        endpoint.complete(Request(messages=earlier, max_tokens=9, think=False))
        sent = fake.asked["messages"][1]
        assert (sent["reasoning"], sent["reasoning_content"]) == ("hm", "hm")
        assert fake.asked["chat_template_kwargs"] == {"enable_thinking": False, "thinking": False}
        endpoint.complete(CHAT)
        assert "chat_template_kwargs" not in fake.asked


def test_tokens_are_counted_as_they_will_be_sent() -> None:
    with opened() as (endpoint, fake):
        assert endpoint.count_tokens(PROMPT) == 1 + len("<|user|>hi")
        assert fake.seen[-1].path == "/tokenize"
        assert fake.seen[-1].body == {"model": "m", "prompt": "<|user|>hi", "add_special_tokens": True}
        bare, full = (
            endpoint.count_tokens(CHAT),
            endpoint.count_tokens(replace(CHAT, tools=TOOLS, think=True)),
        )
        assert bare is not None
        assert full is not None
        assert full > bare
        assert set(fake.seen[-1].body) == {"model", "messages", "tools", "chat_template_kwargs"}


def test_a_server_that_does_not_count_is_asked_once() -> None:
    with opened() as (endpoint, fake):
        del fake.routes["POST /tokenize"]
        assert endpoint.complete(PROMPT).text == fake.text
        assert not endpoint.supports.tokenize
        n_asked = len(fake.seen)
        endpoint.complete(PROMPT)
        assert [seen.path for seen in fake.seen[n_asked:]] == ["/v1/completions"]


def test_a_prompt_that_the_server_will_not_count_is_sent_all_the_same() -> None:
    with opened() as (endpoint, fake):
        fake.routes["POST /tokenize"] = lambda _: fake.error("no")
        assert endpoint.complete(PROMPT).text == fake.text
        assert endpoint.count_tokens(PROMPT) is None
        assert endpoint.supports.tokenize


@pytest.mark.parametrize("request_", [PROMPT, CHAT], ids=["prompt", "chat"])
def test_what_does_not_fit_is_refused_before_it_is_sent(request_: Request) -> None:
    with opened(window=60) as (endpoint, fake):
        endpoint.complete(replace(request_, max_tokens=10))
        with pytest.raises(ContextOverflow) as caught:
            endpoint.complete(replace(request_, max_tokens=59))
        assert caught.value.facts["context_tokens"] == 60
        assert fake.seen[-1].path == "/tokenize"
        fitted = endpoint.complete(replace(request_, max_tokens=None))
        assert fitted.text == fake.text
        assert fake.asked["max_tokens"] == 60 - (endpoint.count_tokens(request_) or 0)


@pytest.mark.parametrize("version", ["0.8.5", NEW])
def test_the_servers_own_words_for_too_long_a_prompt_are_read_in_both_shapes(version: str) -> None:
    with opened(version, window=100) as (_, fake):
        blind = HttpEndpoint(VLLM(fake.url), Http(), model="m")
        with pytest.raises(ContextOverflow) as caught:
            blind.complete(replace(PROMPT, prompt=(Segment("x" * 200),)))
        assert (caught.value.facts["prompt_tokens"], caught.value.facts["context_tokens"]) == (201, 100)
        assert caught.value.facts["status"] == 400
        blind.close()


@pytest.mark.parametrize("version", ["0.8.5", NEW])
def test_an_unknown_model_is_told(version: str) -> None:
    with opened(version) as (_, fake):
        other = connect(f"vllm:other@{fake.url}")
        with pytest.raises(ModelNotFound, match="other"):
            other.complete(CHAT)
        other.close()


def test_embeddings_are_made_and_nothing_is_cut() -> None:
    with opened(window=10) as (endpoint, fake):
        assert endpoint.embed(["a", "bbb"]).vectors == ((1.0, 0.5), (3.0, 0.5))
        with pytest.raises(ContextOverflow):
            endpoint.embed(["a", "b" * 10])
        fake.embeds = False
        with pytest.raises(RequestRefused, match="Embeddings"):
            endpoint.embed(["a"])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("request_", [PROMPT, CHAT], ids=["prompt", "chat"])
def test_probabilities_are_told(request_: Request, stream: bool) -> None:
    with opened() as (endpoint, fake):
        shown: Callable[[str], None] | None = (lambda _: None) if stream else None
        answer = endpoint.complete(replace(request_, logprobs=1), shown)
        assert "".join(token.text for token in answer.tokens) == fake.text
        assert {token.logprob for token in answer.tokens} == {-0.5}
        assert answer.tokens[0].others == {fake.text[0]: -0.5}


def test_usage_is_read_from_streams_and_whole_answers() -> None:
    with opened() as (endpoint, fake):
        shown: list[str] = []
        for answer in (endpoint.complete(PROMPT), endpoint.complete(PROMPT, shown.append)):
            usage = answer.usage
            assert (usage.prompt_tokens, usage.completion_tokens) == (11, len(fake.text))


def test_vllm_is_recognised_by_the_owner_of_its_models() -> None:
    listed: JSON = {"data": [{"id": "m", "owned_by": "vllm"}]}
    assert VLLM.recognise(lambda route: listed if route == "/v1/models" else None)
    others: list[JSON] = [{"data": [{"id": "m", "owned_by": "sglang"}]}, {"data": []}, None]
    assert [VLLM.recognise(always(other)) for other in others] == [""] * 3


def test_a_call_is_written_under_a_grammar_of_the_whole_turn() -> None:
    with opened() as (endpoint, fake):
        completion = respond(
            endpoint,
            [{"role": "user", "content": "add"}],
            tools=list(TOOLS),
            tool_choice="required",
            max_tokens=500,
        )
        assert [call.name for call in completion.message.calls] in (["add"], ["stop"])
        assert "grammar" in fake.asked["structured_outputs"]
        assert fake.asked["prompt"]
