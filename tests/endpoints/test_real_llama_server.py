"""What only a real llama-server does; what it shares with others is in `test_real_servers`."""

from __future__ import annotations

import json
import math
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jsonschema
import pytest

from bridle.endpoints import connect
from bridle.endpoints.base import Answer, Request, Sampling
from bridle.endpoints.drivers.llama_server import LlamaServer
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.transport.http import Http, HttpCall
from bridle.errors import (
    AuthError,
    ContextOverflow,
    ModelNotFound,
    RequestRefused,
)
from bridle.messages import Message
from bridle.wrappers import Segment
from servers.fake import wait_until
from servers.real import EMBEDDED, RealServer, llama_server, needs_llama_server
from servers.real_kinds import LLAMA_SERVER_KIND, SCHEMA, TOOLS, Kind, endpoint, prompt, running

__all__ = ["endpoint", "running"]

pytestmark = needs_llama_server

WARM = Sampling(temperature=1.0, seed=7)
HERMES = (
    "{% if tools %}<|im_start|>system\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}"
    '<tool_call>{"name": "x", "arguments": {}}</tool_call><|im_end|>\n{% endif %}'
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for c in m.tool_calls or [] %}<tool_call>{{ c.function | tojson }}</tool_call>{% endfor %}"
    "<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


@pytest.fixture
def kind() -> Kind:
    return LLAMA_SERVER_KIND


def endless(limit: int = 1500) -> Request:
    """A request without a constraint whose answer goes on until the limit."""
    sampling = Sampling(temperature=0.8, extra={"ignore_eos": True})
    return Request(prompt=(Segment("once upon a time"),), max_tokens=limit, sampling=sampling)


def test_the_model_the_window_of_a_slot_and_the_template_are_found(endpoint: HttpEndpoint) -> None:
    assert endpoint.model == EMBEDDED.name
    assert endpoint.context_tokens == 2048
    assert "im_start" in (endpoint.chat_template or "")
    assert endpoint.found.trained_tokens == 2048
    assert not endpoint.supports.tools
    assert LlamaServer.recognise(lambda route: endpoint.http.ask(HttpCall(endpoint.driver.root + route)))


def test_a_schema_is_held_on_the_prompt_route(endpoint: HttpEndpoint) -> None:
    for at in range(5):
        sampling = Sampling(temperature=1.0, seed=at)
        answer = endpoint.complete(prompt("The weather", 400, schema=SCHEMA, sampling=sampling))
        assert answer.finish == "stop", answer.text
        jsonschema.validate(json.loads(answer.text), SCHEMA)


def test_tools_are_taken_where_the_template_knows_them(tmp_path: Path) -> None:
    template = tmp_path / "hermes.jinja"
    template.write_text(HERMES, "utf-8")
    with llama_server(tmp_path / "log.txt", "-c", "2048", "--chat-template-file", str(template)) as server:
        endpoint = connect(f"llama-server@{server.url}")
        assert endpoint.supports.tools
        assert endpoint.supports.forced
        plain = Request(messages=(Message("user", "What is the weather?"),), max_tokens=200)
        request = Request(
            messages=plain.messages, tools=TOOLS, tool_choice="get_weather", max_tokens=200, sampling=WARM
        )
        counted, without = endpoint.count_tokens(request), endpoint.count_tokens(plain)
        assert counted is not None
        assert without is not None
        assert counted > without
        answer = endpoint.complete(request)
        assert answer.usage.prompt_tokens == counted
        assert answer.dropped == ()
        # It may say anything before the call, also until the limit; but a call is the one that was named.
        assert [call.name for call in answer.calls] == ["get_weather"] * len(answer.calls)
        assert answer.calls or answer.finish == "length"
        endpoint.close()


def test_the_server_s_own_refusal_of_a_long_prompt_has_both_numbers(
    endpoint: HttpEndpoint, running: RealServer
) -> None:
    long = prompt("hello " * 3000)
    counted = endpoint.count_tokens(long)
    unguarded = HttpEndpoint(LlamaServer(running.url), Http())
    pieces: list[str] = []
    for on_text in (None, pieces.append):
        with pytest.raises(ContextOverflow) as caught:
            unguarded.complete(long, on_text)
        assert caught.value.facts["prompt_tokens"] == counted
        assert caught.value.facts["context_tokens"] == LLAMA_SERVER_KIND.window
    unguarded.close()


def test_an_answer_that_reaches_the_window_says_so(endpoint: HttpEndpoint) -> None:
    request = endless(2000)
    answer = endpoint.complete(Request(request.prompt, max_tokens=None, sampling=request.sampling))
    assert (answer.finish, answer.finish_reason) == ("length", "limit")
    assert answer.usage.prompt_tokens + answer.usage.completion_tokens == 2048


def test_cancelling_frees_the_slot(endpoint: HttpEndpoint) -> None:
    pieces: list[str] = []
    assert endpoint.complete(endless(), pieces.append, lambda: len(pieces) >= 3).finish == "cancelled"

    def is_free() -> bool:
        slots = endpoint.http.ask(HttpCall(f"{endpoint.driver.root}/slots"))
        assert isinstance(slots, list)
        return not any(isinstance(slot, dict) and slot["is_processing"] for slot in slots)

    assert wait_until(is_free)


def test_sixteen_requests_at_a_time_get_their_own_answers(endpoint: HttpEndpoint) -> None:
    assert endpoint.supports.parallel

    def ask(at: int) -> Answer:
        return endpoint.complete(prompt("x", 40, gbnf=f'root ::= "number {at}, " [a-z]{{5,20}} "."'))

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(16)))
    assert all(answer.text.startswith(f"number {at}, ") for at, answer in enumerate(answers))
    assert all(answer.text.endswith(".") for answer in answers)


def test_cancelling_one_request_leaves_another_alone(endpoint: HttpEndpoint) -> None:
    pieces: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        other = pool.submit(endpoint.complete, prompt("x", 200, gbnf='root ::= "a"{100} "."'), pieces.append)
        answer = endpoint.complete(endless(), lambda _: None, lambda: len(pieces) >= 5)
        assert answer.finish == "cancelled"
        assert other.result().text == "a" * 100 + "."


def test_a_grammar_that_does_not_parse_is_refused_and_the_server_lives_on(endpoint: HttpEndpoint) -> None:
    for gbnf in ("root ::= (", 'root ::= root "a" | "b"', "root ::= nothing"):
        with pytest.raises(RequestRefused, match="failed to parse grammar") as caught:
            endpoint.complete(prompt("Hello", gbnf=gbnf))
        assert caught.value.facts["status"] == 400
        assert not caught.value.retryable
    assert endpoint.complete(prompt("Hello there")).text


def test_probabilities_are_told(endpoint: HttpEndpoint) -> None:
    answer = endpoint.complete(prompt("Hello there", 8, logprobs=3), lambda _: None)
    assert len(answer.tokens) == answer.usage.completion_tokens
    for one in answer.tokens:
        assert one.logprob <= 0.0
        assert len(one.others) <= 3
        assert sum(map(math.exp, one.others.values())) <= 1.001
    extra = {"post_sampling_probs": True}
    warm = prompt("Hello there", 4, logprobs=2, sampling=Sampling(temperature=1.0, seed=1, extra=extra))
    assert all(one.logprob <= 0.0 for one in endpoint.complete(warm).tokens)


def test_time_ends_an_answer(endpoint: HttpEndpoint) -> None:
    start = time.monotonic()
    long = endless()
    answer = endpoint.complete(Request(long.prompt, max_tokens=1900, sampling=long.sampling, max_seconds=0.2))
    assert answer.finish == "length"
    assert time.monotonic() - start < 5


def test_embeddings_come_where_the_server_was_started_for_them(tmp_path: Path) -> None:
    options = ("-c", "512", "--embeddings", "--pooling", "mean")
    with llama_server(tmp_path / "log.txt", *options) as server:
        makes = connect(f"llama-server@{server.url}")
        assert isinstance(makes, HttpEndpoint)
        found = makes.embed(["Hello there", "Hello there", "goodbye"])
        assert len(found.vectors) == 3
        assert found.vectors[0] == pytest.approx(found.vectors[1], abs=1e-4)
        assert len(found.vectors[0]) == 192
        makes.close()


def test_a_router_loads_the_model_that_is_named(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    for name in ("one", "two"):
        shutil.copyfile(EMBEDDED, models / f"{name}.gguf")
    options = ("--models-dir", str(models), "-c", "1024")
    with llama_server(tmp_path / "log.txt", *options, model=None) as server:
        with pytest.raises(ModelNotFound, match="one, two"):
            connect(f"llama-server@{server.url}")
        endpoint = connect(f"llama-server:two@{server.url}")
        assert isinstance(endpoint, HttpEndpoint)
        assert (endpoint.model, endpoint.context_tokens) == ("two", 1024)
        assert {one.name: one.loaded for one in endpoint.models()} == {"one": False, "two": True}
        request = prompt("Hello there", 5)
        assert endpoint.complete(request).usage.prompt_tokens == endpoint.count_tokens(request)
        endpoint.close()
        absent = connect(f"llama-server:three@{server.url}")
        with pytest.raises(ModelNotFound, match="three"):
            absent.complete(request)
        absent.close()


def test_a_key_is_needed_where_the_server_has_one(tmp_path: Path) -> None:
    with llama_server(tmp_path / "log.txt", "-c", "512", "--api-key", "secret-key") as server:
        with pytest.raises(AuthError, match="401") as caught:
            connect(f"llama-server@{server.url}")
        assert "BRIDLE_API_KEY" in caught.value.hint
        endpoint = connect(f"llama-server@{server.url}", api_key="secret-key")
        assert endpoint.complete(prompt("Hello there", 5)).text
        endpoint.close()
