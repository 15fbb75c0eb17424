"""KoboldCpp: its own routes, and what it would else do in silence."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest

from bridle.endpoints import respond
from bridle.endpoints.base import Request, Sampling
from bridle.endpoints.connect import connect
from bridle.endpoints.driver import Piece
from bridle.endpoints.drivers.koboldcpp import KoboldCpp
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.transport.http import Http
from bridle.errors import (
    AuthError,
    BadResponse,
    ContextOverflow,
    GrammarError,
    InputError,
    ModelNotFound,
    ServerBusy,
    StreamTruncated,
)
from bridle.grammars import for_choice, to_gbnf
from bridle.messages import JSON, Message, ToolSpec, Usage
from bridle.wrappers import Segment
from servers.connecting import always, connected
from servers.fake import Response, events, json_response
from servers.fake_koboldcpp import FakeKoboldCpp

PROMPT = Request(prompt=(Segment("hi"),), max_tokens=50)
STREAM, WHOLE = "/api/extra/generate/stream", "/api/v1/generate"
TOOL = ToolSpec(
    "add", "Adds.", {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
)


def opened(
    version: str = "1.102", **settings: Any
) -> AbstractContextManager[tuple[HttpEndpoint, FakeKoboldCpp]]:
    return connected("koboldcpp", FakeKoboldCpp(version, **settings))


@pytest.mark.parametrize("version", ["1.76", "1.102"])
def test_the_model_the_window_and_the_version_are_found(version: str) -> None:
    with opened(version, window=777) as (endpoint, _):
        assert (endpoint.model, endpoint.context_tokens, endpoint.found.version) == ("m", 777, version)
        assert [(one.name, one.loaded, one.context_tokens) for one in endpoint.models()] == [("m", True, 777)]
        assert endpoint.supports.embed == (version == "1.102")


@pytest.mark.parametrize("path", ["", "/v1", "/api", "/api/v1", "/api/v1/"])
def test_any_address_that_its_window_shows_will_do(path: str) -> None:
    with opened() as (_, fake):
        endpoint = connect(f"koboldcpp@{fake.url}{path}")
        assert endpoint.complete(PROMPT).text == fake.text
        endpoint.close()


@pytest.mark.parametrize(("name", "llm"), [("inactive", None), ("koboldcpp/m", False)])
def test_a_server_without_a_language_model_is_told(name: str, llm: bool | None) -> None:
    fake = FakeKoboldCpp()
    fake.name = name
    told: dict[str, JSON] = {"result": "KoboldCpp", "version": "1.102"}
    told |= {} if llm is None else {"llm": llm}
    fake.routes["GET /api/extra/version"] = lambda _: json_response(told)
    with pytest.raises(ModelNotFound, match="no language model"):
        connect(f"koboldcpp@{fake.url}")
    fake.close()


def test_a_password_is_asked_for_and_sent() -> None:
    fake = FakeKoboldCpp()
    fake.password = "open"
    with pytest.raises(AuthError) as caught:
        connect(f"koboldcpp@{fake.url}")
    assert "BRIDLE_API_KEY" in caught.value.hint
    known = connect(f"koboldcpp@{fake.url}", api_key="open")
    assert known.complete(PROMPT).text == fake.text
    known.close()
    with pytest.raises(AuthError):
        HttpEndpoint(KoboldCpp(fake.url), Http("wrong"), model="m").complete(PROMPT)
    fake.close()


@pytest.mark.parametrize("stream", [False, True])
def test_all_that_has_a_default_of_its_own_is_sent(stream: bool) -> None:
    with opened() as (endpoint, fake):
        endpoint.complete(replace(PROMPT, stop=("x!",)), (lambda _: None) if stream else None)
        assert fake.seen[-1].path == (STREAM if stream else WHOLE)
        body = dict(fake.seen[-1].body)
        assert len(body.pop("genkey")) > 16
        assert body == {
            "prompt": "hi",
            "max_length": 50,
            "max_context_length": 4096,
            "stop_sequence": ["x!"],
            "trim_stop": False,
            "render_special": False,
            "temperature": 0.0,
            "top_k": 1,
            "top_p": 1.0,
            "min_p": 0.0,
            "top_a": 0.0,
            "typical": 1.0,
            "tfs": 1.0,
            "rep_pen": 1.0,
        }


def test_sampling_has_kobolds_names() -> None:
    chosen = Sampling(0.5, 40, 0.9, 0.1, 1.2, 100, presence_penalty=0.3, frequency_penalty=0.2, seed=7)
    chosen = replace(chosen, extra={"tfs": 0.9, "memory": "no"})
    with opened() as (endpoint, fake):
        answer = endpoint.complete(replace(PROMPT, sampling=chosen, logprobs=2))
        asked = fake.asked
        names = (
            "top_k",
            "top_p",
            "min_p",
            "rep_pen",
            "rep_pen_range",
            "presence_penalty",
            "sampler_seed",
            "tfs",
        )
        assert [asked[name] for name in names] == [40, 0.9, 0.1, 1.2, 100, 0.3, 7, 0.9]
        assert "memory" not in asked
        assert sorted(answer.dropped) == ["frequency_penalty", "logprobs", "memory"]


def test_a_format_with_control_strings_gets_special_tokens_in_the_text() -> None:
    with opened() as (endpoint, fake):
        endpoint.complete(replace(PROMPT, control=("[TOOL_CALLS]",)))
        assert fake.asked["render_special"] is True
        chosen = Sampling(extra={"render_special": False})
        endpoint.complete(replace(PROMPT, control=("[TOOL_CALLS]",), sampling=chosen))
        assert fake.asked["render_special"] is False


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_a_stop_string_ended_is_complete_though_the_server_says_length(stream: bool) -> None:
    with opened() as (endpoint, _):
        pieces: list[str] = []
        answer = endpoint.complete(replace(PROMPT, stop=(" The",)), pieces.append if stream else None)
        assert (answer.text, answer.finish, answer.finish_reason) == ("Grüße, 世界 🙂.", "stop", "stop")
        assert "".join(pieces) == (answer.text if stream else "")
        cut = endpoint.complete(replace(PROMPT, max_tokens=3))
        assert (cut.text, cut.finish) == ("Grü", "length")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (replace(PROMPT, gbnf='root ::= "zq" [0-9]{2}'), "zq00"),
        (replace(PROMPT, grammar=for_choice(["left", "right"])), "left"),
        (replace(PROMPT, regex="[ab]{3}c"), "aaac"),
    ],
    ids=["gbnf", "grammar", "regex"],
)
def test_a_grammar_holds_the_answer(request_: Request, text: str, stream: bool) -> None:
    with opened() as (endpoint, fake):
        answer = endpoint.complete(request_, (lambda _: None) if stream else None)
        assert (answer.text, answer.dropped, answer.sent_as) == (text, (), ("grammar",))
        if request_.grammar is not None:
            assert fake.asked["grammar"] == to_gbnf(request_.grammar, dialect="koboldcpp")


@pytest.mark.parametrize(
    "gbnf", ["root ::= (", "root ::= missing", 'root ::= <[5]> "a"', '{"type": "object"}']
)
def test_a_grammar_that_the_server_would_drop_in_silence_is_not_sent(gbnf: str) -> None:
    with opened() as (endpoint, fake):
        with pytest.raises(GrammarError):
            endpoint.complete(replace(PROMPT, gbnf=gbnf))
        assert all(seen.path not in (STREAM, WHOLE) for seen in fake.seen)


def test_a_schema_and_a_chat_cannot_be_told() -> None:
    with opened() as (endpoint, _):
        assert endpoint.complete(replace(PROMPT, schema={"type": "null"})).dropped == ("schema",)
        with pytest.raises(InputError, match="no chat route"):
            endpoint.complete(Request(messages=(Message("user", "hi"),)))


@pytest.mark.parametrize("version", ["1.76", "1.102"])
def test_usage_is_read_where_it_is_told(version: str) -> None:
    with opened(version) as (endpoint, fake):
        whole = endpoint.complete(PROMPT).usage
        told = Usage(prompt_tokens=3, completion_tokens=len(fake.text))
        assert whole == (Usage() if version == "1.76" else told)
        assert endpoint.complete(PROMPT, lambda _: None).usage == Usage()


def test_a_prompt_of_which_the_front_would_be_cut_is_refused_before_it_is_sent() -> None:
    with opened(window=100) as (endpoint, fake):
        fits = Request(prompt=(Segment("x" * 79),), max_tokens=20)
        assert endpoint.complete(fits).text == fake.text[:20]
        assert fake.seen_prompt == "x" * 79
        with pytest.raises(ContextOverflow) as caught:
            endpoint.complete(replace(fits, max_tokens=21))
        facts = caught.value.facts
        assert (facts["prompt_tokens"], facts["context_tokens"], facts["max_tokens"]) == (80, 100, 21)
        assert fake.seen[-1].path == "/api/extra/tokencount"


def test_a_window_that_is_only_believed_to_be_larger_changes_nothing() -> None:
    with opened(window=100) as (_, fake):
        believed = connect(f"koboldcpp@{fake.url}", context_tokens=5000)
        with pytest.raises(ContextOverflow) as caught:
            believed.complete(Request(prompt=(Segment("x" * 200),), max_tokens=20))
        assert caught.value.facts["context_tokens"] == 100
        believed.close()
        unasked = HttpEndpoint(KoboldCpp(fake.url), Http(), model="m")
        with pytest.raises(ContextOverflow):
            unasked.complete(Request(prompt=(Segment("x" * 200),), max_tokens=20))
        unasked.close()
        assert fake.seen_prompt == ""


def test_a_server_that_tells_no_window_and_no_count_is_asked_all_the_same() -> None:
    with opened() as (_, fake):
        for route in ("GET /api/extra/true_max_context_length", "POST /api/extra/tokencount"):
            fake.routes[route] = lambda _: json_response({})
        old = connect(f"koboldcpp@{fake.url}")
        assert old.context_tokens is None
        assert old.complete(PROMPT).text == fake.text
        assert "max_context_length" not in fake.asked
        assert old.count_tokens(PROMPT) is None
        assert old.count_tokens(Request(messages=(Message("user", "hi"),))) is None
        old.close()


def test_a_prompt_is_counted_once_for_each_answer() -> None:
    with opened() as (endpoint, fake):
        n_seen = len(fake.seen)
        endpoint.complete(PROMPT)
        assert [seen.path for seen in fake.seen[n_seen:]] == ["/api/extra/tokencount", WHOLE]
        assert fake.seen[n_seen].body == {"prompt": "hi", "special": True}


def test_a_prompt_that_is_too_long_to_be_counted_is_counted_in_parts() -> None:
    with opened() as (endpoint, _):
        long = Request(prompt=(Segment("x" * 120_000),), max_tokens=20)
        assert endpoint.count_tokens(long) == 120_001
        assert endpoint.count_tokens(Request(prompt=(Segment(""),))) == 1
        with pytest.raises(ContextOverflow):
            endpoint.complete(long)


def test_without_a_limit_the_answer_has_what_the_window_leaves() -> None:
    with opened(window=100) as (endpoint, fake):
        endpoint.complete(replace(PROMPT, max_tokens=None))
        assert fake.asked["max_length"] == 97


def test_a_server_that_is_busy_is_asked_again_and_then_given_up() -> None:
    with opened() as (endpoint, fake):
        fake.busy = 2
        assert endpoint.complete(PROMPT).text == fake.text
        fake.busy = 99
        with pytest.raises(ServerBusy, match="busy") as caught:
            endpoint.complete(PROMPT)
        assert caught.value.retryable


def test_a_cancelled_answer_is_stopped_by_its_own_key() -> None:
    with opened() as (endpoint, fake):
        fake.pause_s = 0.05
        pieces: list[str] = []
        answer = endpoint.complete(PROMPT, pieces.append, lambda: len(pieces) >= 2)
        assert (answer.finish, answer.text) == ("cancelled", "".join(pieces))
        assert fake.aborted == [fake.asked["genkey"]]
        fake.pause_s = 0.0
        assert endpoint.complete(PROMPT).text == fake.text
        assert fake.asked["genkey"] not in fake.aborted


def test_a_stream_that_ends_before_its_reason_was_cut() -> None:
    with opened() as (endpoint, fake):
        fake.without_end = True
        with pytest.raises(StreamTruncated) as caught:
            endpoint.complete(PROMPT, lambda _: None)
        assert caught.value.partial == fake.text


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_without_text_is_not_taken_for_one(stream: bool) -> None:
    def nothing(_: object) -> Response:
        if stream:
            return events([b'event: message\ndata: {"token": "", "finish_reason": "length"}\n\n'])
        return json_response({"results": [{"text": "", "finish_reason": "length"}]})

    with opened() as (endpoint, fake):
        fake.routes[f"POST {STREAM if stream else WHOLE}"] = nothing
        pieces: list[str] = []
        shown = pieces.append if stream else None
        with pytest.raises(BadResponse, match="no text at all"):
            endpoint.complete(PROMPT, shown)
        assert endpoint.complete(replace(PROMPT, max_tokens=1), shown).text == ""


@pytest.mark.parametrize(
    ("body", "piece"),
    [
        ({"token": "a", "finish_reason": None}, Piece("a")),
        ({"token": "", "finish_reason": "stop"}, Piece("", "stop")),
        ({"results": [{"text": "a"}]}, Piece("a")),
        ({"results": [{"text": None}]}, None),
        ({"results": []}, None),
        ({"choices": [{"text": "a"}]}, None),
        (None, None),
    ],
)
def test_only_its_own_answers_are_read(body: JSON, piece: Piece | None) -> None:
    assert KoboldCpp("http://127.0.0.1:5001").read(body) == piece


def test_embeddings_are_made_and_nothing_is_cut() -> None:
    with opened(window=10) as (endpoint, fake):
        assert endpoint.embed(["a", "bbb"]).vectors == ((1.0, 0.5), (3.0, 0.5))
        assert fake.seen[-1].body["truncate"] is False
        with pytest.raises(ContextOverflow, match="longer than its embedding model"):
            endpoint.embed(["a", "b" * 20])
    with opened("1.76") as (old, _), pytest.raises(InputError, match="no embeddings"):
        old.embed(["a"])


def test_the_template_is_asked_for_once_and_only_when_it_is_wanted() -> None:
    with opened() as (endpoint, fake):
        n_seen = len(fake.seen)
        assert (endpoint.chat_template, endpoint.chat_template) == (fake.template, fake.template)
        assert [seen.path for seen in fake.seen[n_seen:]] == ["/props"]


@pytest.mark.parametrize("answer", [json_response({}, 500), json_response({"chat_template": None})])
def test_a_server_that_tells_no_template_has_none(answer: Response) -> None:
    with opened() as (endpoint, fake):
        fake.routes["GET /props"] = lambda _: answer
        assert endpoint.chat_template is None


def test_the_wrapper_is_that_of_the_servers_template_and_a_call_is_held() -> None:
    with opened() as (endpoint, fake):
        fake.template = "<|start_header_id|>{{ m }}<|eot_id|>"
        question = [{"role": "user", "content": "add"}]
        completion = respond(endpoint, question, tools=[TOOL], tool_choice="required", max_tokens=500)
        assert completion.wrapper == "llama3"
        assert "<|eot_id|>" in completion.wrapper_reason
        assert [call.name for call in completion.message.calls] == ["add"]
        assert fake.asked["grammar"]


def test_koboldcpp_is_recognised_by_the_one_route_that_is_no_likeness() -> None:
    with opened() as (_, fake):
        told: JSON = {"result": "KoboldCpp", "version": fake.version}
        assert KoboldCpp.recognise(lambda route: told if route == "/api/extra/version" else None)
        others: list[JSON] = [{"version": "0.7.0"}, {"result": "other"}, None]
        assert [KoboldCpp.recognise(always(other)) for other in others] == [""] * 3
