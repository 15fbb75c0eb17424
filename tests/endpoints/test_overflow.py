"""A prompt that a server has cut in silence is seen by the numbers, and nothing else is taken for one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.endpoints.base import Answer, Request
from bridle.endpoints.overflow import FEWEST_WORDS, Counted
from bridle.errors import ContextOverflow, PromptTruncated
from bridle.messages import Finish, Message, ToolSpec, Usage
from bridle.wrappers import Segment


def counted(prompt_tokens: int, finish: Finish = "stop") -> Answer:
    return Answer("said", finish, usage=Usage(prompt_tokens, 1))


def prompt(text: str) -> Request:
    return Request(prompt=(Segment(text),))


def chat(*texts: str) -> Request:
    return Request(messages=tuple(Message("user", text) for text in texts))


LONG = "word " * 1000


@pytest.mark.parametrize("request_", [prompt(LONG), chat(LONG)], ids=["prompt", "chat"])
def test_fewer_tokens_than_words_means_that_a_part_is_lost(request_: Request) -> None:
    with pytest.raises(PromptTruncated) as caught:
        Counted().check(request_, counted(514), "ollama:m", 1024)
    facts = caught.value.facts
    assert facts["prompt_tokens"] == 514
    assert facts["context_tokens"] == 1024
    assert facts["answer"] == "said"
    assert isinstance(caught.value, ContextOverflow)
    assert "514" in caught.value.message
    assert "1000" in caught.value.message or "1001" in caught.value.message
    Counted().check(request_, counted(1000), "ollama:m", 1024)


def test_a_prompt_that_went_on_has_no_fewer_tokens() -> None:
    seen = Counted()
    seen.check(prompt("日本語" * 500), counted(1500), "m", 2048)
    assert seen.n_tokens == 1500
    seen.check(prompt("日本語" * 500 + "です"), counted(1502), "m", 2048)
    with pytest.raises(PromptTruncated) as caught:
        seen.check(prompt("日本語" * 500 + "ですね" * 400), counted(1026), "m", 2048)
    assert caught.value.facts["least_tokens"] == 1502
    seen.check(prompt("another one"), counted(3), "m", 2048)


def test_messages_that_went_on_have_no_fewer_tokens() -> None:
    seen = Counted()
    seen.check(chat("日本語" * 500), counted(1500), "m", None)
    with pytest.raises(PromptTruncated):
        seen.check(chat("日本語" * 500, "次"), counted(800), "m", None)
    seen.check(chat("次"), counted(8), "m", None)


def test_what_a_template_renders_otherwise_is_not_compared() -> None:
    tools = (ToolSpec("add", "", {"type": "object", "properties": {}}),)
    for changed in ({"tools": tools}, {"schema": {"type": "object"}}, {"think": True}, {"json_mode": True}):
        seen = Counted()
        seen.check(replace(chat("a"), **changed), counted(2000), "m", None)
        seen.check(chat("a", "b"), counted(20), "m", None)
    seen = Counted()
    thought = Message("assistant", "a", thoughts="long " * 300)
    seen.check(Request(messages=(Message("user", "q"), thought)), counted(700), "m", None)
    seen.check(
        Request(messages=(Message("user", "q"), thought, Message("user", "r"))), counted(30), "m", None
    )


def test_routes_are_not_compared_with_each_other() -> None:
    seen = Counted()
    seen.check(prompt("a"), counted(900), "m", None)
    seen.check(chat("a", "b"), counted(9), "m", None)
    seen.check(prompt("b"), counted(9), "m", None)


def test_servers_that_count_nothing_and_cancelled_answers_say_nothing() -> None:
    seen = Counted()
    seen.check(prompt(LONG), counted(0), "m", None)
    seen.check(prompt(LONG), counted(5, "cancelled"), "m", None)
    assert seen.n_tokens == 0


def test_short_prompts_are_left_alone() -> None:
    Counted().check(prompt("a " * (FEWEST_WORDS - 1)), counted(1), "m", None)


@given(st.lists(st.text("abc \n日", min_size=1, max_size=40), min_size=1, max_size=8))
def test_an_honest_server_is_never_accused(turns: list[str]) -> None:
    """One that counts each character as a token, over a conversation that goes on."""
    seen = Counted()
    for n in range(1, len(turns) + 1):
        seen.check(prompt("".join(turns[:n])), counted(sum(map(len, turns[:n]))), "m", None)
        seen.check(chat(*turns[:n]), counted(10 * n + sum(map(len, turns[:n]))), "m", None)


def words(n: int, of: str = "word") -> str:
    return f"{of} " * n


class Keeps:
    """A server that keeps the prompts it has read, and counts only what is new: each word, and two marks."""

    def __init__(self) -> None:
        self.read: list[list[str]] = []

    def count(self, text: str) -> int:
        new = text.split()
        known = max((_n_common(new, one) for one in self.read), default=0)
        self.read.append(new)
        return max(1, len(new) - known) + (2 if not known else 0)


def _n_common(one: list[str], other: list[str]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


@pytest.mark.parametrize("window", [None, 8192])
@pytest.mark.parametrize("route", ["prompt", "chat"])
def test_a_server_that_counts_only_what_is_new_is_not_accused(window: int | None, route: str) -> None:
    seen, server = Counted(), Keeps()
    system = words(400, "system")
    conversations = {name: system + words(80, name) for name in ("red", "blue", "green")}
    for turn in range(5):
        for name, before in tuple(conversations.items()):
            text = before + words(30, f"{name}{turn}")
            conversations[name] = text
            asked = prompt(text) if route == "prompt" else Request(messages=(Message("user", text),))
            for _ in range(2):  # the same once more is new in nothing
                seen.check(asked, counted(server.count(text)), "m", window)


def test_cached_tokens_that_are_counted_apart_are_added() -> None:
    Counted().check(prompt(LONG), Answer("a", "stop", usage=Usage(20, 1, cached_tokens=980)), "m", 2048)
    with pytest.raises(PromptTruncated):
        Counted().check(prompt(LONG), Answer("a", "stop", usage=Usage(600, 1, cached_tokens=590)), "m", 2048)


def test_a_prompt_that_loses_its_front_is_seen_while_the_conversation_grows() -> None:
    seen = Counted()
    for turn in range(1, 40):
        text = "".join(words(50, f"w{n}") for n in range(turn))
        n_tokens = 50 * turn
        if n_tokens <= 1024:
            seen.check(prompt(text), counted(n_tokens), "m", None)
        else:
            with pytest.raises(PromptTruncated):
                seen.check(prompt(text), counted(514), "m", None)
