"""Answers that a grammar holds end in time: whole and valid within any number of tokens that suffices."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from bridle.endpoints.base import Answer, Request
from bridle.endpoints.llamacpp import LlamaCpp
from bridle.endpoints.llamacpp.cache import Cache
from bridle.errors import BudgetError, ContextOverflow
from bridle.grammars import Bounds, Grammar, Lit, call_grammar, matches, schema_grammar
from bridle.messages import ToolSpec
from bridle.wrappers import get_wrapper
from noise import BOUNDS, ENGINES, PROMPT, WILD, random_tools
from tiny_gguf import write_tiny_llama

CHATML = get_wrapper("chatml").syntax
LONGER = replace(BOUNDS, string_chars=60, text_chars=60, thinking_chars=60)
SEND = ToolSpec(
    "send",
    "",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "text": {"type": "string"}},
        "required": ["city", "text"],
    },
)
PAGES = Bounds(string_chars=600, thoughts_chars=600, thinking_chars=600, text_chars=600)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("model") / "tiny.gguf", n_ctx=8192)


@pytest.fixture(scope="module", params=ENGINES)
def endpoint(request: pytest.FixtureRequest, tiny: Path) -> Iterator[LlamaCpp]:
    with LlamaCpp(tiny, engine=request.param) as found:
        yield found


@pytest.fixture(scope="module")
def fast(tiny: Path) -> Iterator[LlamaCpp]:
    with LlamaCpp(tiny) as found:
        yield found


def ask(grammar: Grammar, max_tokens: int | None, seed: int = 0) -> Request:
    return Request(PROMPT, grammar=grammar, sampling=replace(WILD, seed=seed), max_tokens=max_tokens)


def least(endpoint: LlamaCpp, grammar: Grammar) -> int:
    """The smallest budget, as the error for a smaller one names it."""
    with pytest.raises(BudgetError) as caught:
        endpoint.complete(ask(grammar, 0))
    assert caught.value.given == 0
    return caught.value.needed


def check_call(answer: Answer, tools: list[ToolSpec]) -> None:
    assert answer.finish == "stop", answer
    reading = CHATML.read(answer.text, tools)
    assert reading.refusals == (), answer.text
    (call,) = reading.calls
    (tool,) = (tool for tool in tools if tool.name == call.name)
    jsonschema.validate(dict(call.arguments), dict(tool.parameters))


def check_budgets(endpoint: LlamaCpp, seeds: range, steps: tuple[int, ...]) -> None:
    for seed in seeds:
        tools = random_tools(random.Random(seed))
        grammar = call_grammar(tools, CHATML.shape, "call", bounds=LONGER)
        needed = least(endpoint, grammar)
        for more in steps:
            answer = endpoint.complete(ask(grammar, needed + more, seed))
            assert answer.usage.completion_tokens <= needed + more
            check_call(answer, tools)


def test_a_call_is_whole_within_every_budget(endpoint: LlamaCpp) -> None:
    check_budgets(endpoint, range(25), (0, 1, 2, 5, 15))


@pytest.mark.slow
def test_a_thousand_calls_are_whole(endpoint: LlamaCpp) -> None:
    check_budgets(endpoint, range(1000, 1200), (0, 1, 3, 10, 40))


@pytest.mark.parametrize(
    "wrapper", ["hermes", "qwen3", "qwen3-coder", "mistral-v13", "llama3.1", "glm4.5", "lfm2"]
)
def test_thinking_text_and_several_calls_are_whole_within_every_budget(
    endpoint: LlamaCpp, wrapper: str
) -> None:
    shape = get_wrapper(wrapper).syntax.shape
    for seed in range(4):
        tools = random_tools(random.Random(seed))
        grammar = call_grammar(tools, shape, "call", bounds=LONGER, think=True, parallel=3)
        needed = least(endpoint, grammar)
        for more in (0, 3, 12, 40):
            answer = endpoint.complete(ask(grammar, needed + more, seed))
            assert answer.usage.completion_tokens <= needed + more
            assert answer.finish == "stop"
            assert matches(grammar, answer.text), answer.text


def test_a_call_that_no_longer_fits_is_not_begun(endpoint: LlamaCpp) -> None:
    finishes: list[str] = []
    shape = get_wrapper("hermes").syntax.shape
    for seed in range(40):
        tools = random_tools(random.Random(seed))
        grammar = call_grammar(tools, shape, "text_or_call", bounds=LONGER)
        for most in (1, 4, 9, 30):
            answer = endpoint.complete(ask(grammar, most, seed))
            finishes.append(answer.finish)
            assert answer.usage.completion_tokens <= most
            assert matches(grammar, answer.text), answer.text
            if answer.finish == "stop" and answer.finish_reason == "grammar":
                assert shape.trigger.strip() in answer.text
    assert {"length", "stop"} == set(finishes)


def test_too_small_a_budget_is_refused_before_anything_is_evaluated(
    endpoint: LlamaCpp, monkeypatch: pytest.MonkeyPatch
) -> None:
    grammar = call_grammar([SEND], CHATML.shape, "call")
    needed = least(endpoint, grammar)

    def evaluate(*_: object) -> None:
        raise AssertionError("the model was asked")

    monkeypatch.setattr(Cache, "evaluate", evaluate)
    with pytest.raises(BudgetError, match=f"{needed - 1}.*{needed}"):
        endpoint.complete(ask(grammar, needed - 1))


def test_a_window_that_is_too_small_is_said_to_be(tiny: Path) -> None:
    grammar = Grammar(Lit("a text that takes more tokens than this window has got" * 2))
    with LlamaCpp(tiny, context_tokens=48) as endpoint, pytest.raises(ContextOverflow, match="at least"):
        endpoint.complete(ask(grammar, None))


def test_what_fits_is_not_changed(fast: LlamaCpp) -> None:
    for seed in range(30):
        tools = random_tools(random.Random(seed))
        grammar = call_grammar(tools, CHATML.shape, "call", bounds=LONGER)
        free = fast.complete(ask(grammar, grammar.longest_bytes, seed))
        assert free.cost is not None
        assert free.cost.interventions == 0
        for more in (0, 1, 6, 30):
            answer = fast.complete(ask(grammar, free.usage.completion_tokens + more, seed))
            assert answer.text == free.text


def test_strings_end_at_a_word(fast: LlamaCpp) -> None:
    """Cut answers begin like whole ones: what they leave out of a string begins after a word."""
    grammar = schema_grammar({"type": "string"}, bounds=PAGES)
    inside = total = 0
    for seed in range(20):
        whole = fast.complete(ask(grammar, grammar.longest_bytes, seed)).text[1:-1]
        for most in range(24, 60, 5):
            pieces: list[str] = []
            answer = fast.complete(ask(grammar, most, seed), pieces.append)
            said = answer.text[1:-1]
            assert answer.finish == "stop"
            assert answer.text == "".join(pieces)
            assert whole.startswith(said)
            if len(said) < len(whole):
                total += 1
                inside += said[-1:].isalnum() and whole[len(said)].isalnum()
                assert answer.cost is not None
                assert answer.cost.interventions > 0
    # Noise writes words that are longer than what can be taken back, and scripts without blanks.
    assert total > 100
    assert inside < total / 10


def test_a_pattern_that_must_go_on_is_ended_by_the_plan_that_was_there(fast: LlamaCpp) -> None:
    mail = ToolSpec(
        "mail",
        "",
        {
            "type": "object",
            "properties": {"size": {"type": "number"}, "to": {"type": "string", "format": "email"}},
            "required": ["to"],
        },
    )
    grammar = call_grammar([mail], CHATML.shape, "call", bounds=LONGER)
    needed = least(fast, grammar)
    for more in range(0, 60, 4):
        answer = fast.complete(ask(grammar, needed + more, seed=more))
        assert matches(grammar, answer.text), (more, answer)
        check_call(answer, [mail])
