"""A prompt that is too long for Ollama is never answered to in part, by a new version or an old one."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from bridle.endpoints.base import Request
from bridle.endpoints.connect import connect
from bridle.endpoints.drivers.ollama import OllamaEndpoint
from bridle.endpoints.drivers.ollama_overflow import Prompts, counts_after_cut
from bridle.errors import ContextOverflow, PromptTruncated
from bridle.messages import Message
from bridle.wrappers import Segment
from servers.fake import json_response
from servers.fake_ollama import TOO_LONG, FakeOllama
from servers.fake_ollama_models import FakeModel

NEW, OLD, OLDEST = "0.33.0", "0.9.6", "0.3.14"
WINDOW = 1000


@contextmanager
def served(version: str, window: int | None = WINDOW) -> Generator[tuple[FakeOllama, OllamaEndpoint]]:
    server = FakeOllama(version, text="Yes.")
    endpoint = connect(f"ollama@{server.url}", context_tokens=window)
    assert isinstance(endpoint, OllamaEndpoint)
    yield server, endpoint
    endpoint.close()
    server.close()


def prompt(text: str) -> Request:
    return Request(prompt=(Segment(text),), max_tokens=10)


def chat(*contents: str) -> Request:
    told = [Message("assistant" if at % 2 else "user", content) for at, content in enumerate(contents)]
    return Request(messages=(Message("system", "Be brief."), *told), max_tokens=10)


def n_answered(server: FakeOllama) -> int:
    return sum(seen.path in ("/api/generate", "/api/chat") for seen in server.seen)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("asked", [prompt("x" * 1200), chat("x" * 600, "y" * 400, "z" * 200)])
def test_a_new_version_refuses_and_says_the_numbers(asked: Request, stream: bool) -> None:
    with served(NEW) as (_, endpoint):
        with pytest.raises(ContextOverflow) as caught:
            endpoint.complete(asked, (lambda _: None) if stream else None)
        assert caught.value.facts["context_tokens"] == WINDOW
        counted = caught.value.facts["prompt_tokens"]
        assert isinstance(counted, int)
        assert counted >= 1200


def test_the_refusal_of_ollama_itself_is_an_overflow() -> None:
    with served(NEW) as (server, endpoint):
        server.routes["POST /api/generate"] = lambda _: json_response({"error": TOO_LONG}, 400)
        with pytest.raises(ContextOverflow):
            endpoint.complete(prompt("x" * 1200))


def test_an_old_version_gets_no_prompt_that_is_certainly_too_long() -> None:
    with served(OLD) as (server, endpoint):
        with pytest.raises(ContextOverflow, match="at least 1125 tokens") as caught:
            endpoint.complete(prompt("ab " * 1250))
        assert not isinstance(caught.value, PromptTruncated)
        assert caught.value.facts == {"prompt_tokens": 1125, "context_tokens": WINDOW}
        assert "num_ctx" in caught.value.hint
        assert n_answered(server) == 0


@pytest.mark.parametrize("length", [999, 1000, 1200, 2500, 9000])
def test_what_an_old_version_cuts_out_of_a_prompt_is_seen_at_the_first_answer(length: int) -> None:
    with served(OLD) as (server, endpoint):
        with pytest.raises(PromptTruncated) as caught:
            endpoint.complete(prompt("x" * length))
        assert n_answered(server) == 1
        assert caught.value.facts["context_tokens"] == WINDOW


def test_what_fits_an_old_version_is_no_overflow() -> None:
    with served(OLD) as (_, endpoint):
        for length in (1, 300, 502, 998):
            assert endpoint.complete(prompt("x" * length)).usage.prompt_tokens == length


def talk(endpoint: OllamaEndpoint, contents: list[str]) -> None:
    """Go on with a chat for twenty turns."""
    for _ in range(20):
        endpoint.complete(chat(*contents))
        contents += ["Yes.", "x" * 90]


def test_messages_that_an_old_version_leaves_out_of_a_growing_chat_are_seen() -> None:
    with served(OLD) as (_, endpoint):
        contents = ["first " * 40]
        with pytest.raises(PromptTruncated):
            talk(endpoint, contents)
        assert WINDOW - 150 < sum(map(len, contents)) < WINDOW + 150


def test_what_is_lost_bit_by_bit_is_seen() -> None:
    prompts, seen = Prompts(), 0
    for n_turns in range(1, 45):  # a turn has 24 words and 32 tokens; from 31 turns on the oldest make room
        try:
            prompts.check(
                prompt("a short turn of many words " * 4 * n_turns),
                min(32 * n_turns, 988),
                window=WINDOW,
                n_keep=4,
                is_silent=True,
                name="it",
            )
        except PromptTruncated:
            seen = n_turns
            break
    assert 31 < seen < 35


def test_a_chat_that_starts_anew_is_no_overflow() -> None:
    with served(OLD) as (_, endpoint):
        for contents in (["x" * 700], ["y" * 30], ["y" * 30, "Yes.", "z"], ["short"]):
            assert endpoint.complete(chat(*contents)).text


def test_a_proxy_that_says_it_is_new_and_cuts_is_seen_by_the_words() -> None:
    with served(NEW) as (server, endpoint):
        counted = {"response": "Yes.", "done": True, "prompt_eval_count": 502, "eval_count": 4}
        server.routes["POST /api/generate"] = lambda _: json_response(counted)
        with pytest.raises(PromptTruncated, match="502 tokens of at least 630"):
            endpoint.complete(prompt("word " * 700))
        endpoint.complete(prompt("word " * 300))


def test_a_version_that_counts_only_new_tokens_is_not_accused() -> None:
    with served(OLDEST) as (server, endpoint):
        counted: dict[str, Any] = {"response": "Yes.", "done": True, "eval_count": 4}
        server.routes["POST /api/generate"] = lambda _: json_response(counted)
        for n_new in (0, 3):
            counted["prompt_eval_count"] = n_new
            assert endpoint.complete(prompt("word " * 300)).text == "Yes."


def test_a_window_that_is_loaded_smaller_than_asked_is_seen(caplog: pytest.LogCaptureFixture) -> None:
    with served(OLD) as (server, endpoint):
        server.version = "0.12.0"
        server.routes["GET /api/ps"] = lambda _: json_response(
            {"models": [FakeModel().listed("m:latest") | {"context_length": 600}]}
        )
        counted = {"response": "Yes.", "done": True, "prompt_eval_count": 600}
        server.routes["POST /api/generate"] = lambda _: json_response(counted)
        with pytest.raises(PromptTruncated) as caught:
            endpoint.complete(prompt("x" * 700))
        assert caught.value.facts["context_tokens"] == 600
        assert "a window of 600 tokens, not 1000" in caplog.text
        assert sum(seen.path == "/api/ps" for seen in server.seen) == 2


def test_a_text_that_is_too_long_to_embed_is_refused() -> None:
    with served(NEW, None) as (server, _):
        server.models["m:latest"] = FakeModel("bert", 256, ("embedding",))
        endpoint = connect(f"ollama:m:latest@{server.url}")
        assert isinstance(endpoint, OllamaEndpoint)
        with pytest.raises(ContextOverflow):
            endpoint.embed(["short", "x" * 300])
        endpoint.close()


@pytest.mark.parametrize(("window", "keep"), [(4096, 4), (4096, 24), (2048, 4), (1000, 4)])
def test_the_counts_after_a_cut_are_those_of_the_servers_own_rule(window: int, keep: int) -> None:
    for n_bos in (0, 1):
        assert window - max((window - keep - n_bos) // 2, 1) in counts_after_cut(window, keep)
    assert len(counts_after_cut(window, keep)) <= 5


def test_a_count_as_after_a_cut_is_believed_where_the_prompt_only_grew() -> None:
    prompts = Prompts()
    words = "conversation " * 100
    check: dict[str, Any] = {"window": 1000, "n_keep": 4, "is_silent": True, "name": "it"}
    prompts.check(prompt(words), 400, **check)
    prompts.check(prompt(words + "indubitable " * 60), 502, **check)
    with pytest.raises(PromptTruncated):
        Prompts().check(prompt(words + "indubitable " * 60), 502, **check)
    Prompts().check(prompt(words), 502, **replace_silent(check))


def replace_silent(check: dict[str, Any]) -> dict[str, Any]:
    return check | {"is_silent": False}


def test_a_chats_own_limit_is_told_as_a_length() -> None:
    with served(NEW) as (server, endpoint):
        server.text = "z" * 500
        answer = endpoint.complete(replace(prompt("x" * 800), max_tokens=400))
        assert (answer.finish, answer.usage.completion_tokens) == ("length", 200)
