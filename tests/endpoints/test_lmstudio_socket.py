"""LM Studio over its websocket: predictions held to a grammar, tokens, cancelling, loading, and failures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from bridle.endpoints import respond
from bridle.endpoints.base import Request, Sampling
from bridle.endpoints.config import EndpointConfig
from bridle.endpoints.connect import connect
from bridle.endpoints.drivers.lmstudio import LMStudio, open_lmstudio
from bridle.endpoints.drivers.lmstudio_calls import (
    apply_template,
    context_tokens,
    count_tokens,
    instance,
    list_loaded,
    tokenize,
)
from bridle.endpoints.drivers.lmstudio_endpoint import LMStudioEndpoint
from bridle.endpoints.drivers.lmstudio_prediction import CONSTRAINT, prediction, read_packet
from bridle.endpoints.drivers.lmstudio_socket import Session, failure
from bridle.endpoints.transport.http import Http, Timeouts
from bridle.errors import (
    AuthError,
    BadResponse,
    ConstraintRejected,
    ContextOverflow,
    ModelNotFound,
    RequestRefused,
    ServerCrashed,
    StreamTruncated,
    TimedOut,
    UnsupportedParameter,
)
from bridle.grammars import for_choice
from bridle.messages import JSON, Message, ToolSpec
from bridle.wrappers import Segment
from servers.fake_lmstudio import FakeLMStudio, Loaded
from servers.fake_lmstudio_socket import Talk

TEXT = "Grüße, 世界 🙂. The end of it."
PROMPT = (Segment("<|user|>", control=True), Segment("Hello"))
NO_MODEL, NO_FEATURE = "generic.noModelMatchingQuery", "generic.engineDoesNotSupportFeature"
TOKEN = "sk-lm-abcdefgh:0123456789abcdefghij"


def prompt(**more: Any) -> Request:
    fields: dict[str, Any] = {"max_tokens": 200} | more
    return Request(prompt=PROMPT, **fields)


@pytest.fixture
def studio() -> Iterator[FakeLMStudio]:
    one = FakeLMStudio(TEXT)
    yield one
    one.close()


def opened(
    studio: FakeLMStudio, model: str = "", context_tokens: int | None = None, http: Http | None = None
) -> LMStudioEndpoint:
    entry = EndpointConfig("lmstudio", url=studio.url, model=model, context_tokens=context_tokens)
    endpoint = open_lmstudio(f"{studio.url}/v1", http or Http(), entry)
    endpoint.discover()
    return endpoint


@pytest.fixture
def endpoint(studio: FakeLMStudio) -> Iterator[LMStudioEndpoint]:
    one = opened(studio)
    yield one
    one.close()


@pytest.fixture
def session(studio: FakeLMStudio) -> Iterator[Session]:
    one = Session(studio.url, Http())
    yield one
    one.close()


def test_a_prompt_is_held_to_a_grammar(studio: FakeLMStudio, endpoint: LMStudioEndpoint) -> None:
    assert (endpoint.supports.grammar, endpoint.socket_problem) == (True, "")
    answer = endpoint.complete(prompt(grammar=for_choice(["yes", "no"])))
    assert (answer.text, answer.finish, answer.dropped) == ("no", "stop", ())
    assert answer.sent_as == (CONSTRAINT,)
    assert studio.asked["prompt"] == "<|user|>Hello"
    assert studio.asked["fields"][CONSTRAINT]["type"] == "gbnf"
    assert endpoint.complete(prompt(gbnf='root ::= "Gr" [^.]+ ". The end of it."')).text == TEXT


@pytest.mark.parametrize("wrapper", ["chatml", "llama3"])
def test_a_whole_turn_with_a_call_is_held(
    studio: FakeLMStudio, endpoint: LMStudioEndpoint, wrapper: str
) -> None:
    schema: dict[str, JSON] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    tool = ToolSpec("getTime", "Tells the time", schema)
    found = respond(endpoint, [Message("user", "When?")], [tool], wrapper=wrapper, tool_choice="required")
    assert [(one.name, type(one.arguments["n"])) for one in found.message.calls] == [("getTime", int)]
    assert studio.asked["fields"][CONSTRAINT]["type"] == "gbnf"
    assert len(studio.requests) == 1


def test_a_prompt_is_held_to_a_schema(studio: FakeLMStudio, endpoint: LMStudioEndpoint) -> None:
    schema: dict[str, JSON] = {"type": "integer"}
    answer = endpoint.complete(prompt(schema=schema))
    assert (answer.text, answer.dropped, answer.sent_as) == ("0", (), (CONSTRAINT,))
    assert studio.asked["fields"][CONSTRAINT] == {"type": "json", "jsonSchema": schema}


def test_only_llama_cpp_holds_a_grammar(studio: FakeLMStudio) -> None:
    studio.catalogue[2].form = "mlx"
    endpoint = opened(studio)
    assert (endpoint.supports.grammar, endpoint.supports.prompt_schema) == (False, True)
    answer = endpoint.complete(prompt(gbnf='root ::= "x"'))
    assert (answer.text, answer.dropped, answer.sent_as) == (TEXT, ("gbnf",), ())
    endpoint.close()


def test_a_prediction_says_all_that_the_app_could_bend(studio: FakeLMStudio) -> None:
    sampling = Sampling(0.5, 3, 0.75, 0.25, 1.5, presence_penalty=0.1, frequency_penalty=0.2, seed=7)
    asked: Any = prediction(prompt(stop=("END",), sampling=sampling), "Hi", "m", "")
    override, raw = asked["predictionConfigStack"]["layers"]
    assert asked["history"] == {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}
    assert asked["modelSpecifier"] == {"type": "query", "query": {"identifier": "m"}}
    assert {one["key"]: one["value"] for one in override["config"]["fields"]} == {
        "llm.prediction.contextOverflowPolicy": "stopAtLimit",
        "llm.prediction.stopStrings": ["END"],
        "llm.prediction.reasoning.parsing": {"enabled": False, "startString": "", "endString": ""},
        "llm.prediction.temperature": 0.5,
        "llm.prediction.topKSampling": 3,
        "llm.prediction.topPSampling": {"checked": True, "value": 0.75},
        "llm.prediction.minPSampling": {"checked": True, "value": 0.25},
        "llm.prediction.repeatPenalty": {"checked": True, "value": 1.5},
        "llm.prediction.llama.presencePenalty": {"checked": True, "value": 0.1},
        "llm.prediction.llama.frequencyPenalty": {"checked": True, "value": 0.2},
        "llm.prediction.seed": {"checked": True, "value": 7},
        "llm.prediction.maxPredictedTokens": {"checked": True, "value": 200},
    }
    assert raw["config"]["fields"][0]["key"] == "llm.prediction.promptTemplate"


def test_what_goes_over_the_websocket_is_not_dropped(endpoint: LMStudioEndpoint) -> None:
    sampling = Sampling(1.0, 5, 0.9, 0.1, 1.2, 32, 0.3, 0.4, 7, {"ttl": 9})
    answer = endpoint.complete(prompt(sampling=sampling))
    assert answer.dropped == ("repeat_last", "ttl")
    chat = endpoint.complete(Request(messages=(Message("user", "Hi"),), sampling=sampling, max_tokens=9))
    assert chat.dropped == ("min_p", "repeat_last")


def test_a_stream_is_the_whole_and_its_end_is_told(studio: FakeLMStudio, endpoint: LMStudioEndpoint) -> None:
    pieces: list[str] = []
    answer = endpoint.complete(prompt(), pieces.append)
    assert "".join(pieces) == answer.text == TEXT
    assert len(pieces) > 3
    assert answer == endpoint.complete(prompt())
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (len("<|user|>Hello"), len(TEXT))
    assert endpoint.complete(prompt(stop=(" The",))).text == "Grüße, 世界 🙂."
    studio.ignores_stop = True
    assert endpoint.complete(prompt(stop=(" The",))).text == "Grüße, 世界 🙂."
    cut = endpoint.complete(prompt(max_tokens=3))
    assert (cut.text, cut.finish, cut.finish_reason) == ("Grü", "length", "length")


@pytest.mark.parametrize("chunk_bytes", [1, 7])
def test_messages_may_arrive_in_any_pieces(studio: FakeLMStudio, chunk_bytes: int) -> None:
    studio.chunk_bytes = chunk_bytes
    endpoint = opened(studio)
    assert endpoint.complete(prompt()).text == TEXT
    endpoint.close()


def test_cancelling_is_told_and_the_next_answer_is_another_one(
    studio: FakeLMStudio, endpoint: LMStudioEndpoint
) -> None:
    studio.pause_s = 0.05
    pieces: list[str] = []
    answer = endpoint.complete(prompt(), pieces.append, lambda: len(pieces) >= 2)
    assert (answer.finish, answer.text) == ("cancelled", "".join(pieces))
    assert 0 < len(answer.text) < len(TEXT)
    assert studio.broken.wait(5)
    studio.pause_s = 0.0
    assert endpoint.complete(prompt()).text == TEXT
    assert sum(seen.path == "/llm" for seen in studio.seen) == 1


def test_an_answer_is_cut_when_its_time_is_over(studio: FakeLMStudio, endpoint: LMStudioEndpoint) -> None:
    studio.pause_s = 0.1
    answer = endpoint.complete(prompt(max_seconds=0.35))
    assert (answer.finish, answer.finish_reason) == ("length", "max_seconds")
    assert studio.broken.wait(5)


def test_tokens_are_counted_as_the_model_sees_them(endpoint: LMStudioEndpoint) -> None:
    messages = (Message("system", "Be brief."), Message("user", "Hi"))
    rendered = (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
    assert endpoint.supports.tokenize
    assert endpoint.count_tokens(prompt()) == len("<|user|>Hello")
    assert endpoint.count_tokens(Request(messages=messages)) == len(rendered)
    tool = ToolSpec("f", "", {"type": "object"})
    assert endpoint.count_tokens(Request(messages=messages, tools=(tool,))) is None


def test_the_model_is_asked_for_its_tokens_and_its_window(session: Session) -> None:
    assert tokenize(session, "m", "ab") == [97, 98]
    assert count_tokens(session, "m", "abc") == 3
    assert context_tokens(session, "m") == 4096
    assert apply_template(session, "", (Message("user", "Hi"),)).startswith("<|im_start|>user\nHi")
    assert (instance(session, "m").architecture, instance(session, "m").trained_tokens) == ("qwen3", 32768)
    assert [one.name for one in list_loaded(session)] == ["m"]
    with pytest.raises(ModelNotFound, match="fits the query 'x'"):
        count_tokens(session, "x", "abc")


def test_a_prompt_that_does_not_fit_is_refused_before_it_is_sent(
    studio: FakeLMStudio, endpoint: LMStudioEndpoint
) -> None:
    with pytest.raises(ContextOverflow) as caught:
        endpoint.complete(Request(prompt=(Segment("x" * 4090),), max_tokens=9))
    assert (caught.value.facts["prompt_tokens"], caught.value.facts["context_tokens"]) == (4090, 4096)
    assert studio.requests == []
    long = Request(messages=(Message("user", "x" * 4090),), max_tokens=9)
    with pytest.raises(ContextOverflow):
        endpoint.complete(long)
    assert studio.requests == []


def test_the_servers_own_words_for_an_overflow_are_understood(
    studio: FakeLMStudio, endpoint: LMStudioEndpoint
) -> None:
    studio.catalogue[2].context = 100
    with pytest.raises(ContextOverflow) as caught:
        endpoint.complete(Request(prompt=(Segment("x" * 150),), max_tokens=9))
    assert caught.value.facts["prompt_tokens"] == 150
    assert caught.value.facts["context_tokens"] == 100
    full = endpoint.complete(Request(prompt=(Segment("x" * 90),), max_tokens=99))
    assert (len(full.text), full.finish, full.finish_reason) == (10, "length", "contextLengthReached")


def test_a_model_that_is_not_in_memory_is_loaded_first(studio: FakeLMStudio) -> None:
    endpoint = opened(studio, "other", context_tokens=3000)
    assert endpoint.complete(prompt()).text == TEXT
    assert (studio.catalogue[1].context, endpoint.context_tokens) == (3000, 3000)
    assert endpoint.metadata["general.architecture"] == "llama"
    endpoint.close()


def test_counting_loads_the_model(studio: FakeLMStudio) -> None:
    endpoint = opened(studio, "other")
    assert endpoint.count_tokens(prompt()) == len("<|user|>Hello")
    assert (studio.catalogue[1].context, endpoint.context_tokens) == (4096, 4096)
    endpoint.close()


def test_cancelling_does_not_wait_for_the_model_to_load(studio: FakeLMStudio) -> None:
    endpoint = opened(studio, "other")
    answer = endpoint.complete(prompt(), None, lambda: True)
    assert (answer.finish, answer.text) == ("cancelled", "")
    endpoint.close()


def test_loading_tells_its_progress(studio: FakeLMStudio, endpoint: LMStudioEndpoint) -> None:
    told: list[float] = []
    loaded = endpoint.load("other", 777, on_progress=told.append)
    assert (loaded.name, loaded.context_tokens, told) == ("other", 777, [0.5, 1.0])
    assert endpoint.load("other", 999).context_tokens == 777
    endpoint.unload("other")
    assert studio.catalogue[1].context is None
    with pytest.raises(ModelNotFound):
        endpoint.load("unknown")


def test_the_instance_that_answers_is_called_by_its_own_name(studio: FakeLMStudio) -> None:
    studio.catalogue[2].identifier = "m:2"
    endpoint = opened(studio, "m")
    assert endpoint.complete(prompt()).text == TEXT
    assert endpoint.model == "m"
    asked: Any = endpoint.studio.build(prompt(), "m", False).body
    assert asked["modelSpecifier"]["query"] == {"identifier": "m:2"}
    endpoint.close()


def test_a_grammar_that_is_not_taken_is_refused_as_such(endpoint: LMStudioEndpoint) -> None:
    with pytest.raises(ConstraintRejected, match="failed to parse grammar"):
        endpoint.complete(prompt(gbnf="root :="))
    assert endpoint.complete(prompt()).text == TEXT


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"title": "x", "displayData": {"code": "generic.noModelMatchingQuery"}}, ModelNotFound),
        (
            {"title": "x", "displayData": {"code": "generic.engineDoesNotSupportFeature"}},
            UnsupportedParameter,
        ),
        ({"title": "x", "cause": "failed to parse grammar"}, ConstraintRejected),
        ({"rootTitle": "Invalid JSON schema", "title": "y"}, ConstraintRejected),
        ({"title": "Context size has been exceeded."}, ContextOverflow),
        ("something else", RequestRefused),
        (None, RequestRefused),
    ],
)
def test_its_errors_are_ours(error: JSON, kind: type[Exception]) -> None:
    found = failure(error, "ws://h/llm", Http("x-secret"))
    assert type(found) is kind
    assert found.facts["url"] == "ws://h/llm"


def test_its_suggestion_is_the_hint_and_no_key_is_shown() -> None:
    error: JSON = {"title": "no s3cret", "cause": "no s3cret", "suggestion": "Reload s3cret"}
    found = failure(error, "ws://h/llm", Http("s3cret"))
    assert (found.message, found.hint) == ("ws://h/llm: no ***", "Reload ***")


def test_the_token_goes_in_two_halves(studio: FakeLMStudio) -> None:
    studio.token = TOKEN
    endpoint = opened(studio, http=Http(TOKEN))
    assert endpoint.complete(prompt()).text == TEXT
    endpoint.close()
    with pytest.raises(AuthError, match="Invalid API token") as caught:
        Session(studio.url, Http()).open()
    assert "LM_API_TOKEN" in caught.value.hint


def test_a_connection_that_was_lost_in_between_is_opened_again(
    studio: FakeLMStudio, endpoint: LMStudioEndpoint
) -> None:
    assert endpoint.complete(prompt()).text == TEXT
    drop(studio)
    assert endpoint.complete(prompt()).text == TEXT


def drop(studio: FakeLMStudio) -> None:
    """Break the newest connection, and wait until the client can have seen it."""
    studio.connections[-1].shutdown(2)
    time.sleep(0.05)


def test_a_server_that_vanishes_in_the_middle_has_crashed(
    studio: FakeLMStudio, endpoint: LMStudioEndpoint
) -> None:
    studio.pause_s = 0.02
    pieces: list[str] = []

    def take(text: str) -> None:
        pieces.append(text)
        if len(pieces) == 2:
            studio.connections[-1].shutdown(2)

    with pytest.raises(ServerCrashed):
        endpoint.complete(prompt(), take)
    studio.pause_s = 0.0
    assert endpoint.complete(prompt()).text == TEXT


def test_an_answer_is_not_waited_for_on_another_connection(studio: FakeLMStudio) -> None:
    session = Session(studio.url, Http())
    studio.pause_s = 0.05
    packets = session.channel("predict", prediction(prompt(), "x", "m", ""))
    assert next(packets) == {"type": "promptProcessingProgress", "progress": 1.0}
    drop(studio)
    with pytest.raises(ServerCrashed):
        list(packets)
    assert len(studio.connections) == 1


def test_an_answer_without_its_end_is_not_whole(studio: FakeLMStudio, endpoint: LMStudioEndpoint) -> None:
    studio.without_end = True
    with pytest.raises(StreamTruncated) as caught:
        endpoint.complete(prompt())
    assert caught.value.partial == TEXT


Said = list[dict[str, Any] | str]


def says(monkeypatch: pytest.MonkeyPatch, messages: Said) -> None:
    """Let the fake answer each call and each channel by these; a text goes out as it is, `close` closes."""

    def answer(talk: Talk, asked: dict[str, Any]) -> None:
        number = {name: asked[name] for name in ("callId", "channelId") if name in asked}
        for one in messages:
            if one == "close":
                talk.wire.close()
            else:
                talk.wire.send(one | number if isinstance(one, dict) and "warning" not in one else one)

    monkeypatch.setattr(Talk, "_answer", answer)
    monkeypatch.setattr(Talk, "_open", answer)


@pytest.mark.parametrize(
    ("messages", "kind"),
    [
        ([{"type": "rpcNews"}], BadResponse),
        (["no object"], BadResponse),
        (["close"], ServerCrashed),
        ([{"type": "rpcError", "error": {"title": "Context size has been exceeded."}}], ContextOverflow),
        ([{"type": "rpcResult", "result": {"tokenCount": "many"}}], BadResponse),
    ],
)
def test_what_no_call_is_answered_with_is_an_error(
    session: Session, monkeypatch: pytest.MonkeyPatch, messages: Said, kind: type[Exception]
) -> None:
    says(monkeypatch, messages)
    with pytest.raises(kind):
        count_tokens(session, "m", "x")


@pytest.mark.parametrize(
    ("messages", "kind"),
    [
        ([{"type": "channelNews"}], BadResponse),
        ([{"type": "channelSend", "message": {"type": "error", "error": {"title": "no"}}}], RequestRefused),
        ([{"type": "channelError", "error": {"title": "failed to parse grammar"}}], ConstraintRejected),
        ([{"type": "channelClose"}], StreamTruncated),
        (["close"], ServerCrashed),
    ],
)
def test_what_no_channel_says_is_an_error(
    session: Session, monkeypatch: pytest.MonkeyPatch, messages: Said, kind: type[Exception]
) -> None:
    says(monkeypatch, messages)
    with pytest.raises(kind):
        next(session.channel("predict", {}))


def test_a_warning_of_the_protocol_is_logged_and_passed_over(
    session: Session, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    warning = {"type": "communicationWarning", "warning": "odd"}
    says(monkeypatch, [warning, {"type": "rpcResult", "result": {"tokenCount": 7}}])
    assert count_tokens(session, "m", "x") == 7
    assert "warns: odd" in caplog.text


def test_a_call_keeps_to_the_limit_of_the_whole(
    studio: FakeLMStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, [])
    session = Session(studio.url, Http(timeouts=Timeouts(total_s=0.1)))
    with pytest.raises(TimedOut) as caught:
        count_tokens(session, "m", "x")
    assert caught.value.facts["limit"] == "total"


def test_a_server_that_is_silent_is_given_up(studio: FakeLMStudio) -> None:
    endpoint = opened(studio, http=Http(timeouts=Timeouts(first_byte_s=0.2, idle_s=0.2)))
    studio.pause_s = 5.0
    with pytest.raises(TimedOut):
        endpoint.complete(prompt())
    endpoint.close()


def test_a_total_limit_ends_an_answer_that_goes_on(studio: FakeLMStudio) -> None:
    endpoint = opened(studio, http=Http(timeouts=Timeouts(total_s=0.3)))
    studio.pause_s = 0.1
    with pytest.raises(TimedOut) as caught:
        endpoint.complete(prompt())
    assert caught.value.facts["limit"] == "total"
    endpoint.close()


def test_who_does_not_speak_the_protocol_is_asked_over_http(
    studio: FakeLMStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def babble(talk: Talk, greeting: dict[str, Any]) -> bool:
        talk.wire.send({"hello": greeting["authVersion"]})
        return False

    monkeypatch.setattr(Talk, "_let_in", babble)
    with pytest.raises(BadResponse, match="what LM Studio does not send"):
        Session(studio.url, Http()).open()
    endpoint = opened(studio)
    assert "does not send" in endpoint.socket_problem
    assert not endpoint.supports.grammar
    assert endpoint.complete(prompt()).text == TEXT
    endpoint.close()


def test_without_the_package_everything_goes_over_http(
    studio: FakeLMStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "websockets.sync.client", None)
    endpoint = opened(studio)
    assert ".[lmstudio]" in endpoint.socket_problem
    assert (endpoint.supports.grammar, endpoint.supports.tokenize) == (False, False)
    assert endpoint.complete(prompt()).text == TEXT
    endpoint.close()


def test_embeddings_of_a_text_that_is_too_long_are_refused(
    studio: FakeLMStudio, endpoint: LMStudioEndpoint
) -> None:
    studio.catalogue[0].context = 100
    assert endpoint.embed(["x" * 100]).vectors == ((100.0, 1.0),)
    with pytest.raises(ContextOverflow, match="101 tokens exceeds the window of 100"):
        endpoint.embed(["short", "x" * 101])
    assert endpoint.embed(["short"]).vectors == ((5.0, 1.0),)


def test_the_embeddings_of_the_config_come_from_the_model_that_it_names(studio: FakeLMStudio) -> None:
    studio.catalogue.append(Loaded("text-embedding-other", None, embedding=True, trained=512))
    entry = EndpointConfig("lmstudio", url=studio.url, embedding_model="text-embedding-other")
    endpoint = connect(entry)
    assert isinstance(endpoint, LMStudioEndpoint)
    endpoint.embed(["a"])
    assert studio.catalogue[3].context == 4096
    assert studio.seen[-1].body["model"] == "text-embedding-other"
    endpoint.close()


def test_a_server_that_comes_up_later_is_asked_for_its_websocket_then(studio: FakeLMStudio) -> None:
    entry = EndpointConfig("lmstudio", url=studio.url, model="m")
    endpoint = open_lmstudio(f"{studio.url}/v1", Http(), entry)
    answer = endpoint.complete(prompt(grammar=for_choice(["yes", "no"])))
    assert (answer.text, answer.sent_as) == ("no", (CONSTRAINT,))
    endpoint.close()


def test_what_only_people_shall_see_is_no_piece() -> None:
    packets: list[JSON] = [{"type": "promptProcessingProgress", "progress": 0.5}, {"type": "news"}, None]
    for piece in map(read_packet, packets):
        assert (piece.text, piece.finish_reason) == ("", None)
    ended = read_packet({"type": "success", "stats": {"stopReason": "modelUnloaded"}})
    assert (ended.finish_reason, ended.usage and ended.usage.prompt_tokens) == ("modelUnloaded", 0)


def test_a_spec_opens_it_whole(studio: FakeLMStudio) -> None:
    endpoint = connect(f"lmstudio@{studio.url}")
    assert isinstance(endpoint, LMStudioEndpoint)
    assert isinstance(endpoint.driver, LMStudio)
    assert (endpoint.model, endpoint.context_tokens, endpoint.supports.grammar) == ("m", 4096, True)
    endpoint.close()
