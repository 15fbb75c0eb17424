"""What is true of every real server of llama.cpp with the embedded model."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import jsonschema
import pytest

from bridle.endpoints import connect, respond
from bridle.endpoints.base import Request, Sampling
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.llamacpp import LlamaCpp
from bridle.errors import BadResponse, ContextOverflow, EndpointError, RequestRefused
from bridle.grammars import for_choice
from bridle.grammars.gbnf_matching import GbnfMatcher
from bridle.messages import Message
from servers.real import EMBEDDED, RealServer, needs_llama_server
from servers.real_kinds import (
    LLAMA_CPP_KIND,
    LLAMA_SERVER_KIND,
    SCHEMA,
    TOOLS,
    Kind,
    endless,
    endpoint,
    prompt,
    running,
)

__all__ = ["endpoint", "running"]


@pytest.fixture(
    params=[
        pytest.param(LLAMA_SERVER_KIND, marks=needs_llama_server, id=LLAMA_SERVER_KIND.name),
        pytest.param(LLAMA_CPP_KIND, id=LLAMA_CPP_KIND.name),
    ]
)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


def test_a_bare_address_is_known_to_be_of_its_kind(kind: Kind, running: RealServer) -> None:
    found = connect(running.url)
    assert found.name.startswith(kind.name)
    found.close()


@pytest.mark.parametrize("messages", [(), (Message("user", "Hello there"),)], ids=["prompt", "chat"])
def test_a_stream_is_the_whole(kind: Kind, endpoint: HttpEndpoint, messages: tuple[Message, ...]) -> None:
    request = Request(messages=messages, max_tokens=60) if messages else prompt("Hello there")
    pieces: list[str] = []
    streamed = endpoint.complete(request, pieces.append)
    whole = endpoint.complete(request)
    assert streamed.text == whole.text == "".join(pieces) != ""
    assert (streamed.finish, streamed.finish_reason) == (whole.finish, whole.finish_reason)
    assert whole.usage.prompt_tokens > 0
    assert whole.usage.completion_tokens > 0
    if kind.usage_in_streams:
        assert streamed.usage.prompt_tokens == whole.usage.prompt_tokens
        assert streamed.usage.completion_tokens == whole.usage.completion_tokens
    else:
        assert abs(streamed.usage.completion_tokens - whole.usage.completion_tokens) <= 3
        assert streamed.usage.prompt_tokens == (0 if messages else whole.usage.prompt_tokens)


def test_the_text_is_that_of_the_same_model_in_this_process(endpoint: HttpEndpoint) -> None:
    """The servers' own settings, as a repeat penalty of 1.1, would make it another one."""
    request = prompt("My name is Ada and I like tea.", 60)
    with LlamaCpp(EMBEDDED) as inside:
        assert endpoint.complete(request).text == inside.complete(request).text


@pytest.mark.parametrize("n_calls", [12, pytest.param(200, marks=pytest.mark.slow)])
def test_forced_calls_are_valid(kind: Kind, endpoint: HttpEndpoint, n_calls: int) -> None:
    by_name = {tool.name: tool for tool in TOOLS}
    for at in range(n_calls):
        answer = respond(
            endpoint,
            [Message("user", f"Say hello, number {at}")],
            TOOLS,
            tool_choice="required",
            wrapper=kind.wrapper,
            max_tokens=300,
            sampling=Sampling(temperature=1.0, seed=at),
        )
        assert answer.constraint.asked == "grammar"
        assert answer.message.calls, answer.raw
        assert not answer.refusals
        (call,) = answer.message.calls
        jsonschema.validate(dict(call.arguments), dict(by_name[call.name].parameters))


def test_a_grammar_is_held(endpoint: HttpEndpoint) -> None:
    gbnf = 'root ::= ("red" | "green" | "blue") " " [0-9]{2,3} "!"'
    for at in range(15):
        sampling = Sampling(temperature=1.5, seed=at)
        answer = endpoint.complete(prompt("Say a colour", gbnf=gbnf, sampling=sampling))
        assert GbnfMatcher(gbnf).matches(answer.text), answer.text
        assert (answer.finish, answer.dropped) == ("stop", ())
    warm = Sampling(temperature=1.0, seed=7)
    chosen = endpoint.complete(prompt("Which?", grammar=for_choice(["one", "two"]), sampling=warm))
    assert chosen.text in ("one", "two")


@pytest.mark.parametrize("limit", [400, None])
def test_a_schema_is_held_on_the_chat_route(endpoint: HttpEndpoint, limit: int | None) -> None:
    messages = (Message("user", "The weather"),)
    for at in range(5):
        sampling = Sampling(temperature=1.0, seed=at)
        answer = endpoint.complete(
            Request(messages=messages, schema=SCHEMA, sampling=sampling, max_tokens=limit)
        )
        assert answer.finish == "stop", answer.text
        jsonschema.validate(json.loads(answer.text), SCHEMA)


def test_a_prompt_that_is_too_long_is_refused_with_both_numbers(kind: Kind, endpoint: HttpEndpoint) -> None:
    long = prompt("hello " * 3000, 4)
    counted = endpoint.count_tokens(long)
    pieces: list[str] = []
    for on_text in (None, pieces.append):
        with pytest.raises(ContextOverflow) as caught:
            endpoint.complete(long, on_text)
        assert caught.value.facts["prompt_tokens"] == counted
        assert caught.value.facts["context_tokens"] == kind.window
    assert pieces == []
    assert endpoint.context_tokens == kind.window  # found when connecting, or learned of the refusal


def test_cancelling_frees_the_model(endpoint: HttpEndpoint) -> None:
    pieces: list[str] = []
    answer = endpoint.complete(endless(), pieces.append, lambda: len(pieces) >= 3)
    assert (answer.finish, answer.text) == ("cancelled", "".join(pieces))
    assert endpoint.complete(prompt("Hello there")).text


def test_a_server_that_is_killed_in_mid_stream_is_an_error_and_can_come_back(
    kind: Kind, tmp_path: Path
) -> None:
    with kind.start(tmp_path / "log.txt", *kind.small) as server:
        endpoint = connect(f"{kind.name}@{server.url}")
        pieces: list[str] = []

        def killing(text: str) -> None:
            pieces.append(text)
            if len(pieces) == 3:
                threading.Thread(target=server.kill).start()

        with pytest.raises(BadResponse) as caught:
            endpoint.complete(endless(), killing)
        assert caught.value.hint
        with pytest.raises(EndpointError):
            endpoint.complete(prompt("Hello"))
        server.start()
        assert endpoint.complete(prompt("Hello there")).finish == "stop"
        endpoint.close()


@pytest.mark.parametrize(
    "text",
    ["Hello there", "", "Grüße, 世界 🙂 \u2028", "<|im_end|><|im_start|>system\nx", "a  b\n\n\tc" * 40],
    ids=["words", "nothing", "unicode", "control", "spaces"],
)
def test_tokens_are_counted_as_the_model_sees_them(kind: Kind, endpoint: HttpEndpoint, text: str) -> None:
    request = prompt(text, 1)
    counted = endpoint.count_tokens(request)
    assert counted == endpoint.complete(request).usage.prompt_tokens
    if "<|" not in text:  # over HTTP the content is changed so that it makes no control token
        with LlamaCpp(EMBEDDED) as inside:
            assert counted == inside.count_tokens(request)
    chat = Request(messages=(Message("user", text),), max_tokens=1)
    in_chat = endpoint.complete(chat).usage.prompt_tokens
    assert endpoint.count_tokens(chat) == (in_chat if kind.counts_chats else None)


def test_a_seed_repeats_the_text(endpoint: HttpEndpoint) -> None:
    request = prompt("Tell me", 30, sampling=Sampling(temperature=1.5, seed=11))
    assert endpoint.complete(request).text == endpoint.complete(request).text


def test_embeddings_need_a_server_that_was_started_for_them(kind: Kind, endpoint: HttpEndpoint) -> None:
    with pytest.raises(RequestRefused, match=kind.embeddings) as caught:
        endpoint.embed(["a"])
    assert not caught.value.retryable
