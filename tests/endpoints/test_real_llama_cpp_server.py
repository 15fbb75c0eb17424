"""What only a real llama-cpp-python server does; what it shares with others is in `test_real_servers`."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from bridle.endpoints import connect
from bridle.endpoints.base import Request
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.errors import (
    ContextOverflow,
    GrammarError,
    InputError,
    StreamTruncated,
)
from bridle.messages import JSON, Message, ToolSpec
from servers.real import RealServer
from servers.real_kinds import LLAMA_CPP_KIND, SCHEMA, Kind, endless, endpoint, prompt, running

__all__ = ["endpoint", "running"]

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


@pytest.fixture
def kind() -> Kind:
    return LLAMA_CPP_KIND


def test_the_model_and_the_version_are_found(endpoint: HttpEndpoint) -> None:
    assert endpoint.model == "tiny"
    assert endpoint.found.version.count(".") == 2
    assert [one.name for one in endpoint.models()] == ["tiny"]
    assert not endpoint.supports.parallel


def test_an_answer_without_a_limit_is_not_cut_after_sixteen_tokens(endpoint: HttpEndpoint) -> None:
    fixed = 'root ::= "' + "one two three four five six seven eight nine ten " * 3 + '"'
    for request in (prompt("Count", None, gbnf=fixed), prompt("Count", 200, gbnf=fixed)):
        answer = endpoint.complete(request)
        assert (answer.finish, len(answer.text.split())) == ("stop", 30)
        assert answer.usage.completion_tokens > 16
    with pytest.raises(InputError, match="max_tokens is 0"):
        endpoint.complete(prompt("Count", 0))


def test_json_mode_makes_an_object(endpoint: HttpEndpoint) -> None:
    request = Request(messages=(Message("user", "The weather"),), json_mode=True, max_tokens=200)
    assert endpoint.complete(request).text.startswith("{")


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


def test_what_the_caller_knows_of_the_window_is_checked_before_sending(running: RealServer) -> None:
    guarded = connect(f"llama-cpp-python@{running.url}", context_tokens=LLAMA_CPP_KIND.window)
    long = prompt("hello " * 2000, 4)
    with pytest.raises(ContextOverflow, match="exceed the window of 1024") as caught:
        guarded.complete(long)
    assert caught.value.facts["prompt_tokens"] == guarded.count_tokens(long)
    guarded.close()


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
