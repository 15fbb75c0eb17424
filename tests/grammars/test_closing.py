"""Closing plans: tokens that end an answer, verified by the matcher of either engine."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from bridle.endpoints.llamacpp import LlamaCpp
from bridle.endpoints.llamacpp.runtime import Runtime
from bridle.grammars import Alt, Chars, Grammar, Lit, Repeat, Seq, call_grammar, matches, sample
from bridle.grammars.engines.closing import Plans
from bridle.wrappers import get_wrapper
from noise import BOUNDS, ENGINES, random_tools
from tiny_gguf import write_tiny_llama


@pytest.fixture(scope="module", params=ENGINES)
def runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    path = write_tiny_llama(tmp_path_factory.mktemp("model") / "tiny.gguf", control=("<tool_call_mark>",))
    with LlamaCpp(path, engine=request.param) as endpoint:
        yield endpoint._runtime  # pyright: ignore[reportPrivateUsage]


def plans_for(runtime: Runtime, grammar: Grammar) -> Plans:
    piece = runtime.vocabulary.piece
    return Plans(grammar, runtime._speller, lambda token: len(piece(token)))  # pyright: ignore[reportPrivateUsage]


def test_a_plan_is_found_from_everywhere(runtime: Runtime) -> None:
    piece = runtime.vocabulary.piece
    for seed in range(12):
        rng = random.Random(seed)
        grammar = call_grammar(
            random_tools(rng), get_wrapper("hermes").syntax.shape, "call", bounds=BOUNDS, think=True
        )
        plans = plans_for(runtime, grammar)
        matcher = runtime._engine(grammar).matcher(grammar)  # pyright: ignore[reportPrivateUsage]
        shortest = plans.shortest(matcher)
        assert shortest is not None
        assert len(shortest) <= plans.furthest
        tokens = plans.spelled(sample(grammar, rng).encode()) or ()
        state, raw = plans.follower.start(), b""
        for token in tokens:
            matcher.accept(token)
            raw += piece(token)
            state = plans.follower.advance(state, piece(token))
            plan = plans.find(state, matcher, 10_000)
            assert plan is not None
            assert len(plan) <= plans.furthest
            assert matches(grammar, (raw + b"".join(map(piece, plan))).decode())
            assert plans.find(state, matcher, len(plan) - 1) is None or len(plan) == 0


def test_a_plan_begins_where_its_first_tokens_lead(runtime: Runtime) -> None:
    grammar = Grammar(Seq((Alt((Lit("yes"), Lit("no"))), Lit(", that is all."))))
    plans = plans_for(runtime, grammar)
    matcher = runtime._engine(grammar).matcher(grammar)  # pyright: ignore[reportPrivateUsage]
    spelled = plans.spelled(b"yes")
    assert spelled
    first = spelled[0]
    state = plans.follower.advance(plans.follower.start(), runtime.vocabulary.piece(first))
    plan = plans.find(state, matcher, 99, (first,))
    assert plan is not None
    assert matcher.ends_with((first, *plan))
    assert plans.find(state, matcher, 99) is None


@pytest.mark.parametrize("text", ["a", ' and "x": {}}', "日本 é🧿", "\n\n\t", "x" * 2500, "<tool_call>"])
def test_texts_are_spelled(runtime: Runtime, text: str) -> None:
    spell = runtime._speller  # pyright: ignore[reportPrivateUsage]
    tokens = spell(text.encode())
    assert tokens is not None
    assert b"".join(map(runtime.vocabulary.piece, tokens)) == text.encode()
    assert len(tokens) <= len(text.encode())
    assert spell.knows_bytes


def test_characters_that_a_tokenizer_takes_for_others_are_spelled_with_bytes(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    speller = runtime._speller  # pyright: ignore[reportPrivateUsage]
    tokenize = speller._tokenize  # pyright: ignore[reportPrivateUsage]

    def like_sentencepiece(raw: bytes) -> list[int]:
        return tokenize(raw.replace("\u2581".encode(), b" "))

    monkeypatch.setattr(speller, "_tokenize", like_sentencepiece)
    text = "<tool\u2581calls\u2581begin>"
    tokens = speller(text.encode())
    assert tokens is not None
    assert b"".join(map(runtime.vocabulary.piece, tokens)) == text.encode()
    assert len(tokens) < len(text.encode())


def test_the_rest_of_a_character_is_spelled_with_bytes(runtime: Runtime) -> None:
    rest = "日".encode()[1:] + b'"}'
    tokens = runtime._speller(rest)  # pyright: ignore[reportPrivateUsage]
    assert tokens is not None
    assert b"".join(map(runtime.vocabulary.piece, tokens)) == rest
    assert runtime._speller(b"\xe6\x97") is None  # pyright: ignore[reportPrivateUsage]


def test_what_the_matcher_refuses_is_no_plan(runtime: Runtime) -> None:
    grammar, other = Grammar(Lit("left")), Grammar(Seq((Lit("right"), Repeat(Chars(((97, 99),)), 0, 3))))
    matcher = runtime._engine(other).matcher(other)  # pyright: ignore[reportPrivateUsage]
    assert plans_for(runtime, grammar).shortest(matcher) is None
