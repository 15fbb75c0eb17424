"""text-generation-webui: its names for things, its grammar field, its silences, and its extras."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from bridle.endpoints import respond
from bridle.endpoints.base import ModelInfo, Request, Sampling
from bridle.endpoints.connect import connect
from bridle.endpoints.drivers.webui import WebUI
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.transport.http import Http, HttpCall
from bridle.errors import (
    AuthError,
    ConstraintRejected,
    ContextOverflow,
    GrammarError,
    ModelNotFound,
    RequestRefused,
)
from bridle.grammars import Grammar, Lit, alt, optional, to_gbnf
from bridle.messages import JSON, Message, ToolSpec
from bridle.wrappers import Segment
from servers.fake import Server, json_response, recorded, server, unused_url
from servers.fake_webui import FakeWebUI

__all__ = ["server"]

YES_NO = Grammar(alt(Lit("yes"), Lit("no")))
PROMPT = Request(prompt=(Segment("Q"),), max_tokens=8)
CHAT = Request(messages=(Message("system", "SYS"), Message("user", "Say hi")), max_tokens=8)
ADD = ToolSpec("add", "Add.", {"type": "object", "properties": {"a": {"type": "integer"}}})


@pytest.fixture
def webui() -> Iterator[FakeWebUI]:
    one = FakeWebUI()
    yield one
    one.close()


@pytest.fixture
def endpoint(webui: FakeWebUI) -> Iterator[HttpEndpoint]:
    one = opened(webui)
    yield one
    one.close()


def opened(webui: FakeWebUI, key: str = "", window: int | None = None) -> HttpEndpoint:
    one = HttpEndpoint(WebUI(webui.url), Http(key, retries=0), context_tokens=window)
    assert isinstance(one.driver, WebUI)
    one.driver.inner = unused_url()
    return one


def driver_of(endpoint: HttpEndpoint) -> WebUI:
    assert isinstance(endpoint.driver, WebUI)
    return endpoint.driver


@pytest.mark.parametrize("base", [PROMPT, CHAT])
def test_a_grammar_goes_as_grammar_string_on_both_routes(
    webui: FakeWebUI, endpoint: HttpEndpoint, base: Request
) -> None:
    answer = endpoint.complete(replace(base, grammar=YES_NO))
    assert (answer.text, answer.dropped) == ("no", ())
    assert webui.asked["grammar_string"] == to_gbnf(YES_NO)
    assert "model" not in webui.asked
    assert endpoint.complete(replace(base, gbnf='root ::= "a"'), lambda text: None).text == "a"
    assert webui.asked["grammar_string"] == 'root ::= "a"'
    endpoint.complete(base)
    assert "grammar_string" not in webui.asked


def test_tools_and_a_grammar_go_together_and_the_server_reads_the_call(
    webui: FakeWebUI, endpoint: HttpEndpoint
) -> None:
    call = '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'
    request = replace(CHAT, tools=(ADD,), grammar=Grammar(Lit(call)), max_tokens=100)
    shown: list[str] = []
    for on_text in (None, shown.append):
        answer = endpoint.complete(request, on_text)
        assert [(one.name, one.arguments) for one in answer.calls] == [("add", '{"a": 1}')]
        assert (answer.text, answer.finish_reason, answer.dropped) == ("", "tool_calls", ())
    assert webui.asked["tools"][0]["function"]["name"] == "add"


def test_a_schema_is_never_sent_and_said_to_be_dropped(webui: FakeWebUI, endpoint: HttpEndpoint) -> None:
    request = replace(CHAT, schema={"type": "object"}, tools=(ADD,), tool_choice="required")
    assert set(endpoint.complete(request).dropped) == {"schema", "tool_choice"}
    assert "response_format" not in webui.asked
    assert not endpoint.supports.json_schema
    assert not endpoint.supports.forced


def test_a_schema_of_the_whole_answer_is_held_by_a_grammar(webui: FakeWebUI, endpoint: HttpEndpoint) -> None:
    webui.text = "no JSON"
    completion = respond(endpoint, [Message("user", "x")], schema={"enum": ["red", "blue"]}, wrapper="chatml")
    assert json.loads(completion.message.content) in ("red", "blue")
    assert completion.constraint.proof != "violated"


@pytest.mark.parametrize(
    ("loader", "grammar", "dialect"),
    [
        ("llama.cpp", True, "llama.cpp"),
        ("Transformers", True, "webui"),
        ("ExLlamav3_HF", True, "webui"),
        ("ExLlamav3", False, "llama.cpp"),
        ("TensorRT-LLM", False, "llama.cpp"),
        (None, True, "webui"),
    ],
)
def test_the_loader_says_which_grammars_are_read(
    webui: FakeWebUI, endpoint: HttpEndpoint, loader: str | None, grammar: bool, dialect: str
) -> None:
    webui.loader = loader
    endpoint.discover()
    assert (endpoint.supports.grammar, endpoint.supports.dialect) == (grammar, dialect)
    assert endpoint.supports.overflow == ("empty" if loader == "llama.cpp" else "silent")
    answer = endpoint.complete(replace(PROMPT, grammar=YES_NO))
    assert answer.dropped == (() if grammar else ("grammar",))
    assert ("grammar_string" in webui.asked) is grammar
    if grammar:
        assert webui.asked["grammar_string"] == to_gbnf(YES_NO, dialect=endpoint.supports.dialect)


def test_a_wrong_grammar_is_refused_before_it_is_sent(webui: FakeWebUI, endpoint: HttpEndpoint) -> None:
    with pytest.raises(GrammarError):
        endpoint.complete(replace(PROMPT, gbnf="root ::= ( unclosed"))
    assert not any(seen.path.endswith("/completions") for seen in webui.seen)


def test_an_empty_answer_under_a_grammar_is_a_refused_grammar(
    webui: FakeWebUI, endpoint: HttpEndpoint
) -> None:
    choice = {"text": "", "finish_reason": "stop"}
    webui.routes["POST /v1/completions"] = lambda _: json_response({"choices": [choice]})
    for request in (replace(PROMPT, grammar=YES_NO), replace(PROMPT, gbnf='root ::= "a"')):
        with pytest.raises(ConstraintRejected, match="under a grammar"):
            endpoint.complete(request)
    assert endpoint.complete(PROMPT).text == ""
    assert endpoint.complete(replace(PROMPT, grammar=Grammar(optional(Lit("x"))))).text == ""


def test_sampling_has_the_servers_names_and_top_p_is_always_sent(
    webui: FakeWebUI, endpoint: HttpEndpoint
) -> None:
    chosen = Sampling(0.5, 5, 0.9, 0.1, 1.2, 32, 0.3, 0.4, 7, {"mirostat_mode": 2, "unknown": 1})
    answer = endpoint.complete(Request(prompt=PROMPT.prompt, sampling=chosen))
    assert answer.dropped == ("unknown",)
    assert webui.asked == {
        "prompt": "Q",
        "temperature": 0.5,
        "top_k": 5,
        "top_p": 0.9,
        "min_p": 0.1,
        "repetition_penalty": 1.2,
        "repetition_penalty_range": 32,
        "presence_penalty": 0.3,
        "frequency_penalty": 0.4,
        "seed": 7,
        "mirostat_mode": 2,
        "max_tokens": 1024,
    }
    endpoint.complete(PROMPT)
    assert webui.asked["top_p"] == 1.0  # the server's own would be 0.95


def test_a_limit_is_always_sent_so_that_512_never_applies(webui: FakeWebUI, endpoint: HttpEndpoint) -> None:
    for request in (PROMPT, CHAT):
        endpoint.complete(replace(request, max_tokens=None))
        assert webui.asked["max_tokens"] == 1024


def test_what_only_the_chat_route_knows_stays_there(webui: FakeWebUI, endpoint: HttpEndpoint) -> None:
    sampling = Sampling(extra={"instruction_template": "ChatML"})
    assert endpoint.complete(replace(PROMPT, sampling=sampling)).dropped == ("instruction_template",)
    assert "instruction_template" not in webui.asked
    assert endpoint.complete(replace(CHAT, sampling=sampling, think=False)).dropped == ()
    assert webui.asked["instruction_template"] == "ChatML"
    assert webui.asked["enable_thinking"] is False


@pytest.mark.parametrize(
    ("segments", "is_begun"),
    [
        ((Segment("<s>", control=True), Segment("Q")), True),
        ((Segment("", control=True), Segment("<|begin_of_text|><|x|>", control=True)), True),
        ((Segment("<s>"), Segment("Q")), False),
        ((Segment("[INST]", control=True),), False),
    ],
)
def test_a_prompt_that_begins_with_the_first_token_gets_no_second_one(
    segments: tuple[Segment, ...], is_begun: bool
) -> None:
    body: Mapping[str, Any] = WebUI("http://h").build(Request(prompt=segments), "", False).body or {}
    assert body.get("add_bos_token", True) is not is_begun


def test_the_loaded_model_is_found_and_its_window_where_it_can_be(
    webui: FakeWebUI, endpoint: HttpEndpoint
) -> None:
    endpoint.discover()
    assert (endpoint.model, endpoint.context_tokens, endpoint.chat_template) == ("m", None, None)


def test_on_the_same_machine_the_server_inside_tells_window_and_template(
    webui: FakeWebUI, server: Server
) -> None:
    props = {"default_generation_settings": {"n_ctx": 1024}, "chat_template": "{{ x }}", "model_path": "a/m"}
    server.routes["GET /props"] = lambda _: json_response(props)
    endpoint = opened(webui)
    driver_of(endpoint).inner = server.url
    endpoint.discover()
    assert (endpoint.context_tokens, endpoint.chat_template) == (1024, "{{ x }}")
    webui.model = "a"  # a folder of parts goes by the folder's name
    endpoint.discover()
    assert endpoint.chat_template == "{{ x }}"
    webui.model = "another"
    other = opened(webui)
    driver_of(other).inner = server.url
    other.discover()
    assert other.context_tokens is None  # that server has another model: it is no part of this one
    endpoint.close()
    other.close()


def test_the_server_inside_is_read_as_it_was_recorded(webui: FakeWebUI, server: Server) -> None:
    _, props = recorded("llama-server-0.3.36src/02_props")
    server.routes["GET /props"] = lambda _: props
    webui.model, webui.api_key = "tiny-llama-spm.gguf", "secret"
    endpoint = opened(webui, "secret")
    driver_of(endpoint).inner = server.url
    endpoint.discover()
    assert endpoint.context_tokens == 1024
    assert "<|im_start|>" in (endpoint.chat_template or "")
    assert not any("authorization" in seen.headers for seen in server.seen)
    endpoint.close()


def test_the_server_inside_is_asked_on_this_machine_alone() -> None:
    driver = WebUI("http://10.1.2.3:5000")
    asked: list[str] = []

    def ask(call: HttpCall) -> Any:
        asked.append(call.url)
        return {"model_name": "m", "loader": "llama.cpp"}

    assert driver.discover(ask, "").context_tokens is None
    assert asked == ["http://10.1.2.3:5000/v1/internal/model/info"]
    assert WebUI("http://127.0.0.1:5001/v1").inner == "http://127.0.0.1:5006"


def test_a_server_without_a_model_says_so(webui: FakeWebUI, endpoint: HttpEndpoint) -> None:
    webui.model = "None"
    with pytest.raises(ModelNotFound, match="no model is loaded") as caught:
        endpoint.discover()
    assert "Model tab" in caught.value.hint
    with pytest.raises(ModelNotFound):
        connect(f"webui@{webui.url}")
    for request in (PROMPT, CHAT):
        with pytest.raises(ModelNotFound):
            endpoint.complete(request)


def test_a_failure_without_words_is_explained(webui: FakeWebUI, endpoint: HttpEndpoint) -> None:
    driver = driver_of(endpoint)
    failed = RequestRefused("500", url=f"{webui.url}/v1/completions", status=500)
    assert driver.explain(failed, endpoint.http.ask) is failed
    webui.model = "None"
    assert isinstance(driver.explain(failed, endpoint.http.ask), ModelNotFound)
    host = RequestRefused("400", url=webui.url, status=400, body='{"detail":"Invalid host header"}')
    assert "--listen" in driver.explain(host, endpoint.http.ask).hint
    embedding = RequestRefused("500", url=f"{webui.url}/v1/embeddings", status=500)
    assert "sentence-transformers" in driver.explain(embedding, endpoint.http.ask).hint
    lost = HttpEndpoint(WebUI(unused_url()), Http())
    assert driver_of(lost).explain(failed, lost.http.ask) is failed


def test_models_are_listed_with_the_admin_key_and_else_the_loaded_one(webui: FakeWebUI) -> None:
    webui.api_key, webui.admin_key = "user", "admin"
    endpoint = opened(webui, "user")
    assert endpoint.models() == (ModelInfo("m", True),)
    webui.admin_key = ""
    assert endpoint.models() == (ModelInfo("m", True), ModelInfo("other.gguf", False))
    endpoint.close()
    stranger = opened(webui, "wrong")
    with pytest.raises(AuthError):
        stranger.discover()
    stranger.close()


def test_a_model_is_loaded_with_its_window(webui: FakeWebUI, endpoint: HttpEndpoint) -> None:
    driver = driver_of(endpoint)
    assert endpoint.http.ask(driver.load_call("other.gguf", 2048, {"gpu_layers": 0})) == "OK"
    assert webui.seen[-1].body == {
        "model_name": "other.gguf",
        "args": {"gpu_layers": 0, "ctx_size": 2048},
    }
    endpoint.discover()
    assert (endpoint.model, webui.window) == ("other.gguf", 2048)
    with pytest.raises(RequestRefused, match="Failed to load"):
        endpoint.http.ask(driver.load_call("nope"))
    endpoint.http.ask(driver.unload_call())
    with pytest.raises(ModelNotFound):
        endpoint.discover()


def test_texts_become_tokens_and_back(endpoint: HttpEndpoint) -> None:
    driver, ask = driver_of(endpoint), endpoint.http.ask
    assert driver.encode("ab", ask) == (97, 98)
    assert driver.decode((97, 98), ask) == "ab"
    assert driver.next_tokens("Q", ask, 2) == {" a": 0.75, " b": 0.25}


def test_tokens_are_counted_of_a_prompt_and_of_a_chat_as_it_is_written(
    webui: FakeWebUI, endpoint: HttpEndpoint
) -> None:
    assert endpoint.count_tokens(PROMPT) == 1
    written = "<system>SYS\n<user>Say hi\n<assistant>"
    assert driver_of(endpoint).rendered(CHAT, endpoint.http.ask) == written
    assert endpoint.count_tokens(CHAT) == len(written)
    webui.window = 20
    assert endpoint.count_tokens(CHAT) == len(written)  # the whole of it, even where it would be cut
    webui.routes["POST /v1/internal/token-count"] = lambda _: json_response({"detail": "Not Found"}, 404)
    assert endpoint.count_tokens(PROMPT) is None


def test_an_empty_answer_to_a_long_prompt_is_an_overflow(webui: FakeWebUI, endpoint: HttpEndpoint) -> None:
    webui.window = 50
    shown: list[str] = []
    for on_text in (None, shown.append):
        with pytest.raises(ContextOverflow, match="51 tokens") as caught:
            endpoint.complete(replace(PROMPT, prompt=(Segment("x" * 51),)), on_text)
        assert caught.value.facts["prompt_tokens"] == 51


def test_one_token_without_text_is_no_overflow(webui: FakeWebUI, endpoint: HttpEndpoint) -> None:
    choice = {"text": "", "finish_reason": "length"}
    webui.routes["POST /v1/completions"] = lambda _: json_response({"choices": [choice]})
    assert endpoint.complete(replace(PROMPT, max_tokens=1)).finish == "length"


@pytest.mark.parametrize("honours_limit", [True, False])
def test_a_chat_that_would_lose_turns_is_refused_before_it_is_sent(
    webui: FakeWebUI, endpoint: HttpEndpoint, honours_limit: bool
) -> None:
    webui.window, webui.honours_limit = 300, honours_limit
    turns = [Message("user" if at % 2 == 0 else "assistant", f"turn {at} " + "hello " * 8) for at in range(9)]
    request = Request(messages=(Message("system", "SYS"), *turns), max_tokens=40)
    with pytest.raises(ContextOverflow, match="would cut this conversation") as caught:
        endpoint.complete(request)
    assert caught.value.facts["max_tokens"] == 40
    assert not any(seen.path.endswith("/completions") for seen in webui.seen)
    webui.window = 3000
    assert endpoint.complete(request).text == webui.text


def test_a_long_last_message_is_refused_too(webui: FakeWebUI, endpoint: HttpEndpoint) -> None:
    webui.window = 100
    for size in (90, 900):
        with pytest.raises(ContextOverflow):
            endpoint.complete(replace(CHAT, messages=(Message("user", "x" * size),), max_tokens=40))
    webui.window = 30  # not even the frame fits: the server fails in words of no use
    with pytest.raises(ContextOverflow):
        endpoint.complete(replace(CHAT, max_tokens=40))


def test_a_server_that_cannot_render_is_asked_all_the_same(webui: FakeWebUI, endpoint: HttpEndpoint) -> None:
    webui.routes["POST /v1/internal/chat-prompt"] = lambda _: json_response({"detail": "Not Found"}, 404)
    assert endpoint.complete(CHAT).text == webui.text[:8]


def test_loaders_that_cut_prompts_are_found_out_before(webui: FakeWebUI, endpoint: HttpEndpoint) -> None:
    webui.loader, webui.window = "ExLlamav3", 100
    endpoint.discover()
    fits = replace(PROMPT, prompt=(Segment("x" * 60),), max_tokens=40)
    assert endpoint.complete(fits).text == webui.text
    with pytest.raises(ContextOverflow, match="would cut this prompt of 61 tokens"):
        endpoint.complete(replace(fits, prompt=(Segment("x" * 61),)))


def test_a_known_window_guards_prompts_and_chats(webui: FakeWebUI) -> None:
    endpoint = opened(webui, window=60)
    for request, length in ((Request(prompt=(Segment("x" * 60),)), 60), (replace(CHAT, max_tokens=50), 36)):
        with pytest.raises(ContextOverflow) as caught:
            endpoint.complete(request)
        assert (caught.value.facts["prompt_tokens"], caught.value.facts["context_tokens"]) == (length, 60)
    endpoint.complete(Request(prompt=(Segment("x" * 15),)))
    assert webui.asked["max_tokens"] == 45
    endpoint.complete(replace(CHAT, max_tokens=None))
    assert webui.asked["max_tokens"] == 24
    webui.routes["POST /v1/internal/token-count"] = lambda _: json_response({"detail": "Not Found"}, 404)
    endpoint.complete(replace(PROMPT, max_tokens=None))
    assert webui.asked["max_tokens"] == 30
    endpoint.close()


def test_logarithms_of_probabilities_are_asked_for_by_route(webui: FakeWebUI, endpoint: HttpEndpoint) -> None:
    endpoint.complete(replace(PROMPT, logprobs=2))
    assert webui.asked["logprobs"] == 2
    endpoint.complete(replace(CHAT, logprobs=2))
    assert (webui.asked["logprobs"], webui.asked["top_logprobs"]) == (True, 2)


def test_embeddings_are_made_where_the_server_can(webui: FakeWebUI, endpoint: HttpEndpoint) -> None:
    found = endpoint.embed(["a", "bcd"])
    assert found.vectors == ((1.0, 1.0), (3.0, 1.0))
    webui.has_embeddings = False
    with pytest.raises(RequestRefused) as caught:
        endpoint.embed(["a"])
    assert "sentence-transformers" in caught.value.hint


def test_it_is_recognised_by_a_route_of_its_own() -> None:
    told: dict[str, JSON] = {"/v1/internal/model/info": {"model_name": "None"}, "/v1/models": {"data": []}}
    assert WebUI.recognise(told.get)
    del told["/v1/internal/model/info"]
    assert not WebUI.recognise(told.get)
