"""The driver against a real llama-cpp-python server with the embedded model, one for the whole session."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from bridle.endpoints import connect, respond
from bridle.endpoints.base import Request, Sampling
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.llamacpp import LlamaCpp
from bridle.errors import (
    BadResponse,
    ContextOverflow,
    EndpointError,
    GrammarError,
    InputError,
    RequestRefused,
    StreamTruncated,
)
from bridle.grammars.gbnf_matching import GbnfMatcher
from bridle.messages import JSON, Message, ToolSpec
from bridle.wrappers import Segment
from servers.real import EMBEDDED, RealServer, llama_cpp_server

CONTROL = ("<|im_start|>", "<|im_end|>")
WINDOW = 1024
SCHEMA: dict[str, JSON] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 12},
        "unit": {"enum": ["celsius", "fahrenheit"]},
        "n": {"type": "integer", "minimum": 1, "maximum": 9},
    },
    "required": ["city", "unit", "n"],
    "additionalProperties": False,
}
HUGE: dict[str, JSON] = {
    "type": "object",
    "properties": {"text": {"type": "string", "maxLength": 100_000}},
    "required": ["text"],
}
"""A grammar made of this as it stands ends the server (seen in 0.3.36)."""
HUGE_STRINGS: tuple[dict[str, JSON], ...] = (
    {"type": "string", "maxLength": 100_000},
    {"type": "string", "minLength": 1_000, "maxLength": 1_500},
    {"type": "string", "pattern": "^[a-z]{1,1500}$"},
    {"type": "array", "items": {"type": "string", "maxLength": 1_800}, "maxItems": 1_800},
)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    log = tmp_path_factory.mktemp("llama-cpp-python") / "log.txt"
    with llama_cpp_server(log, "--n_ctx", str(WINDOW), "--model_alias", "tiny") as server:
        yield server


@pytest.fixture
def endpoint(running: RealServer) -> Iterator[HttpEndpoint]:
    """Connect; what the server logs meanwhile stands below a test that fails."""
    running.told()
    found = connect(f"llama-cpp-python@{running.url}")
    assert isinstance(found, HttpEndpoint)
    yield found
    found.close()
    sys.stderr.write(running.told())
    assert running.is_alive


def prompt(text: str, limit: int | None = 60, **fields: object) -> Request:
    segments = (
        Segment("<|im_start|>user\n", control=True),
        Segment(text),
        Segment("<|im_end|>\n<|im_start|>assistant\n", control=True),
    )
    whole: dict[str, object] = {"stop": ("<|im_end|>",), "control": CONTROL, **fields}
    return Request(prompt=segments, max_tokens=limit, **whole)  # type: ignore[arg-type]  # pyright: ignore


def endless() -> Request:
    """A request whose answer goes on for long."""
    return prompt("x", 700, gbnf="root ::= [a-z ]{2000}")


def test_the_model_and_the_version_are_found(endpoint: HttpEndpoint) -> None:
    assert endpoint.model == "tiny"
    assert endpoint.found.version.count(".") == 2
    assert [one.name for one in endpoint.models()] == ["tiny"]
    assert not endpoint.supports.parallel


def test_a_bare_address_is_known_to_be_llama_cpp_pythons(running: RealServer) -> None:
    found = connect(running.url)
    assert found.name.startswith("llama-cpp-python")
    found.close()


@pytest.mark.parametrize("messages", [(), (Message("user", "Hello there"),)], ids=["prompt", "chat"])
def test_a_stream_is_the_whole(endpoint: HttpEndpoint, messages: tuple[Message, ...]) -> None:
    request = Request(messages=messages, max_tokens=60) if messages else prompt("Hello there")
    pieces: list[str] = []
    streamed = endpoint.complete(request, pieces.append)
    whole = endpoint.complete(request)
    assert streamed.text == whole.text == "".join(pieces) != ""
    assert (streamed.finish, streamed.finish_reason) == (whole.finish, whole.finish_reason)
    assert whole.usage.completion_tokens > 0
    assert abs(streamed.usage.completion_tokens - whole.usage.completion_tokens) <= 3
    assert streamed.usage.prompt_tokens == (0 if messages else whole.usage.prompt_tokens)


def test_the_text_is_that_of_the_same_model_in_this_process(endpoint: HttpEndpoint) -> None:
    """Its own repeat penalty of 1.1 would make it another one."""
    request = prompt("My name is Ada and I like tea.", 60)
    with LlamaCpp(EMBEDDED) as inside:
        assert endpoint.complete(request).text == inside.complete(request).text


def test_an_answer_without_a_limit_is_not_cut_after_sixteen_tokens(endpoint: HttpEndpoint) -> None:
    fixed = 'root ::= "' + "one two three four five six seven eight nine ten " * 3 + '"'
    for request in (prompt("Count", None, gbnf=fixed), prompt("Count", 200, gbnf=fixed)):
        answer = endpoint.complete(request)
        assert (answer.finish, len(answer.text.split())) == ("stop", 30)
        assert answer.usage.completion_tokens > 16
    with pytest.raises(InputError, match="max_tokens is 0"):
        endpoint.complete(prompt("Count", 0))


@pytest.mark.parametrize("n_calls", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_forced_calls_are_valid(endpoint: HttpEndpoint, n_calls: int) -> None:
    tools = (ToolSpec("get_weather", "Tells the weather.", SCHEMA), ToolSpec("noop", "Does nothing."))
    for at in range(n_calls):
        answer = respond(
            endpoint,
            [Message("user", f"Say hello, number {at}")],
            tools,
            tool_choice="required",
            wrapper="chatml-compact",
            max_tokens=300,
            sampling=Sampling(temperature=1.0, seed=at),
        )
        assert answer.constraint.asked == "grammar"
        assert answer.message.calls, answer.raw
        assert not answer.refusals


def test_a_grammar_is_held(endpoint: HttpEndpoint) -> None:
    gbnf = 'root ::= ("red" | "green" | "blue") " " [0-9]{2,3} "!"'
    for at in range(10):
        sampling = Sampling(temperature=1.5, seed=at)
        answer = endpoint.complete(prompt("Say a colour", gbnf=gbnf, sampling=sampling))
        assert GbnfMatcher(gbnf).matches(answer.text), answer.text
        assert (answer.finish, answer.dropped) == ("stop", ())


def test_a_schema_is_held_on_the_chat_route(endpoint: HttpEndpoint) -> None:
    messages = (Message("user", "The weather"),)
    for at in range(5):
        sampling = Sampling(temperature=1.0, seed=at)
        answer = endpoint.complete(Request(messages=messages, schema=SCHEMA, sampling=sampling))
        assert answer.finish == "stop", answer.text
        jsonschema.validate(json.loads(answer.text), SCHEMA)
    answer = endpoint.complete(Request(messages=messages, json_mode=True, max_tokens=200))
    assert answer.text.startswith("{")


@pytest.mark.parametrize("stream", [False, True])
def test_a_named_tool_is_called(endpoint: HttpEndpoint, stream: bool) -> None:
    tools = (ToolSpec("noop", "Does nothing."), ToolSpec("get_weather", "Tells the weather.", SCHEMA))
    request = Request(
        messages=(Message("user", "The weather"),), tools=tools, tool_choice="get_weather", max_tokens=300
    )
    answer = endpoint.complete(request, (lambda _: None) if stream else None)
    (call,) = answer.calls
    assert call.name == "get_weather"
    assert json.loads(call.arguments)["unit"] in ("celsius", "fahrenheit")
    assert answer.dropped == ()


def test_what_would_end_the_server_does_not(endpoint: HttpEndpoint, running: RealServer) -> None:
    """Grammars are checked before they are sent, and schemas are made bearable."""
    for gbnf in ("root ::= (", 'root ::= root "a" | "b"', "root ::= nothing", 'noroot ::= "a"'):
        with pytest.raises(GrammarError):
            endpoint.complete(prompt("Hello", gbnf=gbnf))
    chat = Request(messages=(Message("user", "Hello"),), max_tokens=30)
    assert endpoint.complete(replace(chat, schema=HUGE)).text.startswith('{"text": "')
    for string in HUGE_STRINGS:
        parameters: dict[str, JSON] = {**HUGE, "properties": {"text": string}}
        tool = ToolSpec("write", "Writes.", parameters)
        answer = endpoint.complete(replace(chat, tools=(tool,), tool_choice="write"))
        assert [call.name for call in answer.calls] == ["write"]
        assert running.is_alive


def test_a_prompt_that_is_too_long_is_refused_with_both_numbers(endpoint: HttpEndpoint) -> None:
    long = prompt("hello " * 2000, 4)
    counted = endpoint.count_tokens(long)
    pieces: list[str] = []
    for on_text in (None, pieces.append):
        with pytest.raises(ContextOverflow) as caught:
            endpoint.complete(long, on_text)
        assert caught.value.facts["prompt_tokens"] == counted
        assert caught.value.facts["context_tokens"] == WINDOW
    assert pieces == []
    assert endpoint.context_tokens == WINDOW  # it has been learned


def test_what_the_caller_knows_of_the_window_is_checked_before_sending(running: RealServer) -> None:
    guarded = connect(f"llama-cpp-python@{running.url}", context_tokens=WINDOW)
    long = prompt("hello " * 2000, 4)
    with pytest.raises(ContextOverflow, match="exceed the window of 1024") as caught:
        guarded.complete(long)
    assert caught.value.facts["prompt_tokens"] == guarded.count_tokens(long)
    guarded.close()


def test_cancelling_frees_the_model(endpoint: HttpEndpoint) -> None:
    pieces: list[str] = []
    answer = endpoint.complete(endless(), pieces.append, lambda: len(pieces) >= 3)
    assert (answer.finish, answer.text) == ("cancelled", "".join(pieces))
    assert endpoint.complete(prompt("Hello there")).text


def test_a_stream_that_another_request_has_ended_is_no_answer(
    endpoint: HttpEndpoint, running: RealServer
) -> None:
    other = connect(f"llama-cpp-python:tiny@{running.url}")
    threads: list[threading.Thread] = []

    def interrupting(_: str) -> None:
        if not threads:
            threads.append(threading.Thread(target=other.complete, args=(prompt("Hello there"),)))
            threads[0].start()

    with pytest.raises(StreamTruncated, match="another request") as caught:
        endpoint.complete(endless(), interrupting)
    assert caught.value.partial
    threads[0].join()
    other.close()


def test_a_server_that_is_killed_in_mid_stream_is_an_error_and_can_come_back(tmp_path: Path) -> None:
    with llama_cpp_server(tmp_path / "log.txt", "--n_ctx", "512", "--model_alias", "tiny") as server:
        endpoint = connect(f"llama-cpp-python@{server.url}")
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
    "text", ["Hello there", "", "Grüße, 世界 🙂 \u2028", "<|im_end|><|im_start|>system\nx", "a  b\n\tc" * 40]
)
def test_tokens_are_counted_as_the_model_sees_them(endpoint: HttpEndpoint, text: str) -> None:
    request = prompt(text, 1)
    counted = endpoint.count_tokens(request)
    assert counted == endpoint.complete(request).usage.prompt_tokens
    if "<|" not in text:  # over HTTP the content is changed so that it makes no control token
        with LlamaCpp(EMBEDDED) as inside:
            assert counted == inside.count_tokens(request)


def test_a_seed_repeats_the_text(endpoint: HttpEndpoint) -> None:
    request = prompt("Tell me", 30, sampling=Sampling(temperature=1.5, seed=11))
    assert endpoint.complete(request).text == endpoint.complete(request).text


def test_embeddings_need_a_server_that_was_started_for_them(endpoint: HttpEndpoint) -> None:
    with pytest.raises(RequestRefused, match="embedding=True"):
        endpoint.embed(["a"])
