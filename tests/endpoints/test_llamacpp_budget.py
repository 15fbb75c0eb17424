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
from bridle.errors import BudgetError
from bridle.grammars import (
    Grammar,
    call_grammar,
)
from bridle.messages import ToolSpec
from bridle.wrappers import get_wrapper
from noise import BOUNDS, ENGINES, PROMPT, WILD, random_tools
from tiny_gguf import write_tiny_llama

SHAPE = get_wrapper("chatml").syntax.shape


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("model") / "tiny.gguf", n_ctx=8192)


@pytest.fixture(scope="module", params=ENGINES)
def endpoint(request: pytest.FixtureRequest, tiny: Path) -> Iterator[LlamaCpp]:
    with LlamaCpp(tiny, engine=request.param) as found:
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
    reading = get_wrapper("chatml").syntax.read(answer.text, tools)
    assert reading.refusals == (), answer.text
    (call,) = reading.calls
    (tool,) = (tool for tool in tools if tool.name == call.name)
    jsonschema.validate(dict(call.arguments), dict(tool.parameters))


def check_budgets(endpoint: LlamaCpp, seeds: range, steps: tuple[int, ...]) -> None:
    for seed in seeds:
        tools = random_tools(random.Random(seed))
        grammar = call_grammar(tools, SHAPE, "call", bounds=replace(BOUNDS, string_chars=60))
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
