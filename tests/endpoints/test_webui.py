"""text-generation-webui: its names for things, its grammar field, and its silences (recorded from 4.7.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bridle.endpoints.base import Request, Sampling, Supports
from bridle.endpoints.connect import connect
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.http import Http
from bridle.endpoints.webui import WebUI
from bridle.errors import ContextOverflow, RequestRefused
from bridle.grammars import Grammar, Lit, alt, optional, to_gbnf
from bridle.messages import Message
from bridle.wrappers import Segment
from servers.fake import ModelServer, Server, events, json_response, model_server, recorded, server

__all__ = ["server"]

FOLDER = "text-generation-webui-v4.7.3"
YES_NO = Grammar(alt(Lit("yes"), Lit("no")))
PROMPT = Request(prompt=(Segment("Q"),), max_tokens=8)


@pytest.fixture
def webui() -> Iterator[ModelServer]:
    with model_server("webui") as one:
        yield one


def replayed(server: Server, name: str) -> HttpEndpoint:
    _, response = recorded(f"{FOLDER}/{name}")
    server.routes["*"] = lambda _: response
    return HttpEndpoint(WebUI(server.url), Http())


def with_grammar(grammar: Grammar) -> Request:
    return Request(prompt=PROMPT.prompt, max_tokens=8, grammar=grammar)


def test_a_grammar_goes_as_grammar_string(webui: ModelServer) -> None:
    webui.text = "yes"
    endpoint = connect(f"webui@{webui.url}")
    assert endpoint.supports == Supports(prompt=True, chat=True, grammar=True, tokenize=True)
    assert endpoint.complete(with_grammar(YES_NO)).text == "yes"
    assert webui.asked["grammar_string"] == to_gbnf(YES_NO)
    assert "model" not in webui.asked
    endpoint.complete(Request(prompt=PROMPT.prompt, gbnf='root ::= "a"'))
    assert webui.asked["grammar_string"] == 'root ::= "a"'
    endpoint.complete(PROMPT)
    assert "grammar_string" not in webui.asked
    endpoint.close()


def test_a_grammar_on_the_chat_route_and_a_schema_are_dropped(webui: ModelServer) -> None:
    endpoint = connect(f"webui@{webui.url}")
    request = Request(messages=(Message("user", "hi"),), grammar=YES_NO, schema={"type": "object"})
    assert endpoint.complete(request).dropped == ("grammar", "schema")
    assert not {"grammar_string", "response_format"} & set(webui.asked)
    endpoint.close()


def test_sampling_has_the_servers_names() -> None:
    chosen = Sampling(0.5, 5, 0.9, 0.1, 1.2, 32, 7)
    body: Any = WebUI("http://h").build(Request(prompt=PROMPT.prompt, sampling=chosen), "", True).body
    expected = {
        "temperature": 0.5,
        "top_k": 5,
        "top_p": 0.9,
        "min_p": 0.1,
        "repetition_penalty": 1.2,
        "repetition_penalty_range": 32,
        "seed": 7,
        "max_tokens": 1024,
        "stream": True,
    }
    assert {name: body[name] for name in expected} == expected


def test_the_loaded_model_is_found(server: Server) -> None:
    endpoint = replayed(server, "02_model_info")
    endpoint.discover()
    assert (endpoint.model, endpoint.context_tokens) == ("tiny.gguf", None)
    assert server.seen[0].path == "/v1/internal/model/info"


def test_a_server_without_a_model_says_so(server: Server) -> None:
    with pytest.raises(RequestRefused, match="no model is loaded") as caught:
        replayed(server, "52_model_info_none").discover()
    assert "Model tab" in caught.value.hint


def test_tokens_are_counted_by_the_server(server: Server) -> None:
    endpoint = replayed(server, "07_token_count")
    assert endpoint.count_tokens(Request(prompt=(Segment("Hello world"),))) == 3
    assert server.seen[0].body == {"text": "Hello world"}
    assert endpoint.count_tokens(Request(messages=(Message("user", "hi"),))) is None


def test_recorded_completions(server: Server) -> None:
    answer = replayed(server, "13_completion").complete(PROMPT)
    assert (answer.text, answer.finish, answer.usage.completion_tokens) == (" educ" * 6, "length", 8)
    assert replayed(server, "14_completion_stop").complete(PROMPT).text == " "
    assert replayed(server, "15_completion_grammar").complete(with_grammar(YES_NO)).text == "no"
    chat = replayed(server, "27_chat").complete(Request(messages=(Message("user", "hi"),)))
    assert (chat.text, chat.finish, chat.usage.prompt_tokens) == ("", "stop", 23)


@pytest.mark.parametrize("name", ["18_completion_stream", "28_chat_stream"])
def test_recorded_streams(server: Server, name: str) -> None:
    chat = Request(messages=(Message("user", "hi"),), max_tokens=4)
    pieces: list[str] = []
    answer = replayed(server, name).complete(chat if "chat" in name else PROMPT, pieces.append)
    assert answer.text == "".join(pieces) != ""
    assert answer.finish == "length"
    assert answer.usage.prompt_tokens > 0


def test_an_empty_answer_to_a_long_prompt_is_an_overflow(server: Server) -> None:
    with pytest.raises(ContextOverflow, match="3002 tokens") as caught:
        replayed(server, "20_completion_overflow").complete(PROMPT)
    assert caught.value.facts["prompt_tokens"] == 3002


def test_an_empty_answer_under_a_grammar_is_a_refused_grammar(server: Server) -> None:
    for request in (with_grammar(YES_NO), Request(prompt=PROMPT.prompt, gbnf="root ::= ( unclosed")):
        with pytest.raises(RequestRefused, match="under a grammar"):
            replayed(server, "17_completion_bad_grammar").complete(request)


def test_an_empty_answer_may_be_what_was_meant(server: Server) -> None:
    endpoint = replayed(server, "17_completion_bad_grammar")
    assert endpoint.complete(PROMPT).text == ""
    assert endpoint.complete(with_grammar(Grammar(optional(Lit("x"))))).text == ""
    server.routes["*"] = lambda _: events([b"data: [DONE]\n\n"])
    assert endpoint.complete(with_grammar(YES_NO), lambda text: None).finish == "length"


def test_a_prompt_that_is_known_not_to_fit_is_not_sent(webui: ModelServer) -> None:
    endpoint = connect(f"webui@{webui.url}", context_tokens=20)
    with pytest.raises(ContextOverflow) as caught:
        endpoint.complete(Request(prompt=(Segment("x" * 20),)))
    assert caught.value.facts == {"prompt_tokens": 20, "context_tokens": 20}
    assert not any(seen.path.endswith("/completions") for seen in webui.seen)
    for limit, sent in ((None, 5), (100, 5), (3, 3)):
        endpoint.complete(Request(prompt=(Segment("x" * 15),), max_tokens=limit))
        assert webui.asked["max_tokens"] == sent
    endpoint.close()


def test_where_tokens_cannot_be_counted_the_limit_is_careful(webui: ModelServer) -> None:
    webui.routes["POST /v1/internal/token-count"] = lambda _: json_response({"detail": "Not Found"}, 404)
    endpoint = connect(f"webui@{webui.url}", context_tokens=100)
    for limit, sent in ((None, 50), (70, 70)):
        endpoint.complete(Request(prompt=PROMPT.prompt, max_tokens=limit))
        assert webui.asked["max_tokens"] == sent
    endpoint.close()


def test_a_chat_is_limited_to_half_of_a_known_window(webui: ModelServer) -> None:
    endpoint = connect(f"webui@{webui.url}", context_tokens=100)
    endpoint.complete(Request(messages=(Message("user", "hi"),)))
    assert webui.asked["max_tokens"] == 50
    endpoint.close()
