"""text-generation-webui's API until November 2023: what is sent, the stream over the socket, its silences."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from bridle.endpoints import respond
from bridle.endpoints.base import ModelInfo, Request, Sampling
from bridle.endpoints.config import EndpointConfig
from bridle.endpoints.connect import connect
from bridle.endpoints.drivers.webui_legacy import LegacyEndpoint, WebUILegacy, open_webui_legacy
from bridle.endpoints.memgpt_config import read_config_dict
from bridle.endpoints.transport.http import Http, Timeouts
from bridle.errors import (
    BadResponse,
    ConstraintRejected,
    ContextOverflow,
    EndpointError,
    GrammarError,
    InputError,
    ModelNotFound,
    ServerCrashed,
    StreamTruncated,
    TimedOut,
    Unreachable,
)
from bridle.grammars import Chars, Grammar, Lit, Repeat, alt, to_gbnf
from bridle.messages import JSON, Message, ToolSpec
from bridle.wrappers import Segment
from servers.fake import Response, unused_url, wait_until
from servers.fake_webui_legacy import FakeWebUILegacy, open_fake

YES_NO = Grammar(alt(Lit("yes"), Lit("no")))
PROMPT = Request(prompt=(Segment("<s>", control=True), Segment("Q")), max_tokens=50)


@pytest.fixture
def old() -> Iterator[FakeWebUILegacy]:
    one = open_fake()
    yield one
    one.close()


@pytest.fixture
def endpoint(old: FakeWebUILegacy) -> Iterator[LegacyEndpoint]:
    one = opened(old.url)
    yield one
    one.close()


def opened(url: str, window: int | None = None, **settings: Any) -> LegacyEndpoint:
    entry = EndpointConfig("webui-legacy", url=url, context_tokens=window)
    return open_webui_legacy(url, Http(retries=0, **settings), entry)


def test_a_prompt_goes_to_generate_with_the_names_of_the_time(
    old: FakeWebUILegacy, endpoint: LegacyEndpoint
) -> None:
    endpoint.discover()
    chosen = Sampling(0.5, 5, 0.9, 0.1, 1.2, 32, seed=7, extra={"mirostat_mode": 2, "unknown": 1})
    request = replace(PROMPT, sampling=chosen, stop=(" The",), grammar=None)
    answer = endpoint.complete(request)
    assert (answer.text, answer.finish_reason) == ("Grüße, 世界 🙂.", "stop")
    assert answer.dropped == ("min_p", "unknown")
    assert old.asked == {
        "prompt": "<s>Q",
        "max_new_tokens": 50,
        "truncation_length": 4096,
        "stopping_strings": [" The"],
        "do_sample": True,
        "temperature": 0.5,
        "top_k": 5,
        "top_p": 0.9,
        "repetition_penalty": 1.2,
        "repetition_penalty_range": 32,
        "seed": 7,
        "mirostat_mode": 2,
        "add_bos_token": False,
    }
    assert old.streamed == 0


def test_the_likeliest_token_is_asked_for_without_a_penalty(
    old: FakeWebUILegacy, endpoint: LegacyEndpoint
) -> None:
    endpoint.complete(Request(prompt=(Segment("Q"),), max_tokens=5))
    assert (old.asked["do_sample"], old.asked["top_k"], old.asked["temperature"]) == (False, 1, 0.01)
    assert old.asked["repetition_penalty"] == 1.0  # the server's own would be 1.1
    assert "add_bos_token" not in old.asked


def test_a_stream_comes_over_the_socket_and_is_the_whole(
    old: FakeWebUILegacy, endpoint: LegacyEndpoint
) -> None:
    endpoint.discover()
    for size in (0, 1, 7):
        old.chunk_bytes = size
        pieces: list[str] = []
        streamed = endpoint.complete(PROMPT, pieces.append)
        assert "".join(pieces) == streamed.text == old.text
        assert len(pieces) > 3
        assert streamed == endpoint.complete(PROMPT)
    assert old.streamed == 3
    assert (streamed.finish, streamed.usage.prompt_tokens) == ("stop", 4)
    assert streamed.usage.completion_tokens == len(old.text)


@pytest.mark.parametrize("stream", [False, True])
def test_the_end_by_the_limit_is_found_by_counting(
    old: FakeWebUILegacy, endpoint: LegacyEndpoint, stream: bool
) -> None:
    answer = endpoint.complete(replace(PROMPT, max_tokens=3), print if stream else None)
    assert (answer.text, answer.finish, answer.finish_reason) == (old.text[:3], "length", "length")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (4, 3)
    old.routes["POST /api/v1/token-count"] = lambda _: Response(404, (b"<p>",), "text/html")
    answer = endpoint.complete(PROMPT)
    assert (answer.finish, answer.usage.prompt_tokens) == ("stop", 0)


def test_a_stop_string_that_the_server_ignores_ends_the_answer(
    old: FakeWebUILegacy, endpoint: LegacyEndpoint
) -> None:
    old.ignores_stop = True
    for on_text in (None, len):
        answer = endpoint.complete(replace(PROMPT, stop=(" The",)), on_text and (lambda text: None))
        assert (answer.text, answer.finish) == ("Grüße, 世界 🙂.", "stop")


def test_without_the_package_the_whole_answer_is_shown_at_once(
    old: FakeWebUILegacy, endpoint: LegacyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "websockets.sync.client", None)
    pieces: list[str] = []
    answer = endpoint.complete(PROMPT, pieces.append)
    assert (answer.text, pieces, old.streamed) == (old.text, [old.text], 0)
    assert answer.finish == "stop"


def test_without_the_second_port_the_whole_answer_is_shown_at_once() -> None:
    old = FakeWebUILegacy(sockets=False)
    endpoint = opened(old.url)
    pieces: list[str] = []
    for _ in range(2):
        assert endpoint.complete(PROMPT, pieces.append).text == old.text
    assert pieces == [old.text] * 2
    endpoint.close()
    old.close()


def test_cancelling_closes_the_socket_and_stops_nobody_else(
    old: FakeWebUILegacy, endpoint: LegacyEndpoint
) -> None:
    old.pause_s = 0.05
    pieces: list[str] = []
    answer = endpoint.complete(PROMPT, pieces.append, lambda: len(pieces) >= 2)
    assert (answer.finish, answer.text) == ("cancelled", "".join(pieces))
    assert wait_until(old.broken.is_set)
    assert not any(seen.path.endswith("stop-stream") for seen in old.seen)


def test_cancelling_without_a_socket_tells_the_server_to_stop() -> None:
    old = FakeWebUILegacy(sockets=False)
    endpoint = opened(old.url)
    old.pause_s = 5.0
    assert endpoint.complete(PROMPT, None, lambda: len(old.seen) > 0).finish == "cancelled"
    assert old.seen[-1].path == "/api/v1/stop-stream"
    endpoint.close()
    old.close()


def test_an_answer_is_cut_when_its_time_is_over(old: FakeWebUILegacy, endpoint: LegacyEndpoint) -> None:
    old.pause_s = 0.15
    answer = endpoint.complete(replace(PROMPT, max_seconds=0.8))
    assert (answer.finish, answer.finish_reason) == ("length", "max_seconds")
    assert 0 < len(answer.text) < len(old.text)


@pytest.mark.parametrize(
    ("timeouts", "limit"),
    [(Timeouts(first_byte_s=0.1), "first_byte"), (Timeouts(total_s=0.5), "total")],
)
def test_waiting_for_the_socket_has_a_limit(old: FakeWebUILegacy, timeouts: Timeouts, limit: str) -> None:
    old.pause_s = 0.3
    endpoint = opened(old.url, timeouts=timeouts)
    with pytest.raises(TimedOut) as caught:
        endpoint.complete(PROMPT, lambda text: None)
    assert caught.value.facts["limit"] == limit
    endpoint.close()


def test_a_grammar_goes_as_grammar_string(old: FakeWebUILegacy, endpoint: LegacyEndpoint) -> None:
    endpoint.discover()
    for on_text in (None, len):
        answer = endpoint.complete(replace(PROMPT, grammar=YES_NO), on_text and (lambda text: None))
        assert (answer.text, answer.dropped, answer.sent_as) == ("no", (), ("grammar_string",))
    assert old.asked["grammar_string"] == to_gbnf(YES_NO, dialect="webui")


@pytest.mark.parametrize(
    ("loader", "grammar"), [("llama.cpp", True), ("ExLlama_HF", True), ("ctransformers", False)]
)
def test_the_loader_says_which_grammars_are_read_and_the_window(
    old: FakeWebUILegacy, endpoint: LegacyEndpoint, loader: str, grammar: bool
) -> None:
    old.loader = loader
    endpoint.discover()
    assert (endpoint.supports.grammar, endpoint.supports.dialect) == (grammar, "webui")
    assert endpoint.context_tokens == (2048 if loader == "ExLlama_HF" else 4096)
    assert endpoint.complete(replace(PROMPT, grammar=YES_NO)).dropped == (() if grammar else ("grammar",))


def test_an_empty_answer_under_a_grammar_is_a_refused_grammar(
    old: FakeWebUILegacy, endpoint: LegacyEndpoint
) -> None:
    nothing = Response(200, (b'{"results": [{"text": ""}]}',))
    old.routes["POST /api/v1/generate"] = lambda _: nothing
    with pytest.raises(ConstraintRejected):
        endpoint.complete(replace(PROMPT, gbnf='root ::= "a"'))
    assert endpoint.complete(PROMPT).text == ""


def test_a_wrong_grammar_is_refused_before_it_is_sent(old: FakeWebUILegacy, endpoint: LegacyEndpoint) -> None:
    with pytest.raises(GrammarError):
        endpoint.complete(replace(PROMPT, gbnf="root ::= ( unclosed"))
    assert not any(seen.path.endswith("/generate") for seen in old.seen)


def test_the_window_goes_with_every_request_and_what_exceeds_it_is_refused(old: FakeWebUILegacy) -> None:
    endpoint = opened(old.url, window=100)
    endpoint.discover()
    assert endpoint.complete(replace(PROMPT, max_tokens=None)).text == old.text
    assert (old.asked["truncation_length"], old.asked["max_new_tokens"]) == (100, 96)
    with pytest.raises(ContextOverflow) as caught:
        endpoint.complete(replace(PROMPT, prompt=(Segment("x" * 60),)))
    assert (caught.value.facts["prompt_tokens"], caught.value.facts["context_tokens"]) == (60, 100)
    assert old.read == ["<s>Q"]
    endpoint.close()


def test_a_prompt_beyond_the_servers_usual_window_is_read_in_whole(
    old: FakeWebUILegacy, endpoint: LegacyEndpoint
) -> None:
    endpoint.discover()
    endpoint.complete(replace(PROMPT, prompt=(Segment("x" * 3000),)))
    assert [len(prompt) for prompt in old.read] == [3000]


def test_a_version_that_tells_less_is_taken_at_its_usual_window(
    old: FakeWebUILegacy, endpoint: LegacyEndpoint
) -> None:
    old.tells_info = False
    endpoint.discover()
    assert (endpoint.model, endpoint.context_tokens) == ("m", 2048)
    assert endpoint.supports.grammar


def test_grammars_have_no_counts_which_llama_cpp_did_not_know_then(
    old: FakeWebUILegacy, endpoint: LegacyEndpoint
) -> None:
    old.text = "abc"
    many = Grammar(Repeat(Chars(((97, 122),)), 0, 100))
    assert endpoint.complete(replace(PROMPT, grammar=many)).text == "abc"
    assert "{" not in old.asked["grammar_string"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_without_words_is_an_error(
    old: FakeWebUILegacy, endpoint: LegacyEndpoint, stream: bool
) -> None:
    old.fails = True
    with pytest.raises(BadResponse) as caught:
        endpoint.complete(PROMPT, print if stream else None)
    assert isinstance(caught.value, ServerCrashed) or stream
    assert "log" in caught.value.hint
    old.model = None
    with pytest.raises(EndpointError) as caught_again:
        endpoint.complete(PROMPT)
    assert isinstance(caught_again.value, ModelNotFound)


def test_a_stream_without_its_end_is_not_complete(old: FakeWebUILegacy, endpoint: LegacyEndpoint) -> None:
    old.without_end = True
    with pytest.raises(StreamTruncated) as caught:
        endpoint.complete(PROMPT, lambda text: None)
    assert caught.value.partial == old.text


def test_models_are_found_and_listed(old: FakeWebUILegacy, endpoint: LegacyEndpoint) -> None:
    endpoint.discover()
    assert endpoint.model == "m"
    assert endpoint.models() == (ModelInfo("m", True, 4096), ModelInfo("other", False))
    assert endpoint.count_tokens(PROMPT) == 4
    old.model = "None"
    with pytest.raises(ModelNotFound, match="no model is loaded"):
        endpoint.discover()


def test_there_is_no_chat_route(endpoint: LegacyEndpoint) -> None:
    with pytest.raises(InputError, match="no chat route"):
        endpoint.complete(Request(messages=(Message("user", "hi"),)))


def test_nothing_listens_there() -> None:
    endpoint = opened(unused_url())
    calls: list[Callable[[], object]] = [endpoint.discover, lambda: endpoint.complete(PROMPT, print)]
    for call in calls:
        with pytest.raises(Unreachable) as caught:
            call()
        assert "before 2023-11-10" in caught.value.hint
    endpoint.close()


@pytest.mark.parametrize(
    ("url", "root", "stream"),
    [
        ("http://h:5000", "http://h:5000", "ws://h:5005/api/v1/stream"),
        ("http://h:5000/api/v1/generate", "http://h:5000", "ws://h:5005/api/v1/stream"),
        ("https://h:6000/api/", "https://h:6000", "wss://h:6005/api/v1/stream"),
        ("http://h", "http://h", "ws://h:5005/api/v1/stream"),
        ("http://h:5000/old", "http://h:5000/old", "ws://h:5005/old/api/v1/stream"),
    ],
)
def test_both_addresses_follow_from_what_people_paste(url: str, root: str, stream: str) -> None:
    driver = WebUILegacy(url)
    assert (driver.root, driver.stream_url) == (root, stream)


def test_it_is_told_from_koboldcpp_by_what_it_lacks() -> None:
    told: dict[str, JSON] = {"/api/v1/model": {"result": "m"}}
    assert WebUILegacy.recognise(told.get)
    told["/api/v1/info/version"] = {"result": "1.2.5"}
    assert not WebUILegacy.recognise(told.get)
    told.clear()
    assert not WebUILegacy.recognise(told.get)


def test_it_is_opened_by_its_kind_and_can_be_asked(old: FakeWebUILegacy) -> None:
    endpoint = connect(f"webui-legacy@{old.url}", context_tokens=1000)
    assert (endpoint.model, endpoint.context_tokens) == ("m", 1000)
    assert endpoint.name == f"webui-legacy:m@{old.url}"
    completion = respond(endpoint, [Message("user", "hi")], wrapper="chatml")
    assert completion.message.content == old.text
    assert old.asked["truncation_length"] == 1000
    endpoint.close()


def test_a_configuration_of_memgpt_works_unchanged(old: FakeWebUILegacy) -> None:
    kept = {
        "model": "dolphin-2.1-mistral-7b",
        "model_endpoint_type": "webui-legacy",
        "model_endpoint": old.url,
        "model_wrapper": "dolphin-2.1-mistral-7b-grammar",
        "context_window": 3000,
    }
    endpoint = connect(read_config_dict(kept).entry)
    add = ToolSpec("add", "Add.", {"type": "object", "properties": {"a": {"type": "integer"}}})
    completion = respond(endpoint, [Message("user", "hi")], [add], tool_choice="add")
    assert completion.wrapper == kept["model_wrapper"]
    assert [call.name for call in completion.message.calls] == ["add"]
    assert old.asked["truncation_length"] == 3000
    assert completion.constraint.sent_as == ("grammar_string",)
    endpoint.close()
