"""Answers that a grammar holds, in this process: one contract for both engines."""

from __future__ import annotations

import math
import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from bridle.endpoints.base import Request, Sampling
from bridle.endpoints.llamacpp import LlamaCpp
from bridle.endpoints.llamacpp import cache as cache_module
from bridle.endpoints.llamacpp.costs import BatchCosts
from bridle.errors import GrammarError
from bridle.grammars import (
    EMPTY,
    Alt,
    Chars,
    Grammar,
    Lit,
    Repeat,
    Seq,
    call_grammar,
    matches,
    schema_grammar,
)
from bridle.wrappers import get_wrapper
from noise import BOUNDS, ENGINES, PROMPT, WILD, random_tools
from tiny_gguf import write_tiny_llama

GREEDY = Sampling()


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


def ask(grammar: Grammar, sampling: Sampling = GREEDY, max_tokens: int | None = None) -> Request:
    longest = grammar.longest_bytes if max_tokens is None else max_tokens
    return Request(PROMPT, grammar=grammar, sampling=sampling, max_tokens=longest)


def check_random_calls(endpoint: LlamaCpp, count: int, first: int = 0) -> None:
    """Let noise call random tools; each answer must be one call that its tool's schema accepts."""
    syntax = get_wrapper("chatml").syntax
    for seed in range(first, first + count):
        tools = random_tools(random.Random(seed))
        grammar = call_grammar(tools, syntax.shape, "call", bounds=BOUNDS)
        answer = endpoint.complete(ask(grammar, replace(WILD, seed=seed)))
        assert (answer.finish, answer.finish_reason) in {("stop", "grammar"), ("stop", "end token")}
        reading = syntax.read(answer.text, tools)
        assert reading.refusals == (), answer.text
        (call,) = reading.calls
        (tool,) = (tool for tool in tools if tool.name == call.name)
        jsonschema.validate(dict(call.arguments), dict(tool.parameters))


def test_noise_makes_valid_calls(endpoint: LlamaCpp) -> None:
    check_random_calls(endpoint, 60)


@pytest.mark.slow
def test_noise_makes_a_thousand_valid_calls(endpoint: LlamaCpp) -> None:
    check_random_calls(endpoint, 1000, first=1000)


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(temperature=2, top_k=3),
        Sampling(temperature=1, top_p=0.5, min_p=0.1, repeat_penalty=1.3),
    ],
)
def test_every_way_of_sampling_keeps_the_grammar(endpoint: LlamaCpp, sampling: Sampling) -> None:
    grammar = schema_grammar({"type": "array", "items": {"enum": ["ab", "é", 12, True]}}, bounds=BOUNDS)
    for seed in range(5):
        answer = endpoint.complete(ask(grammar, replace(sampling, seed=seed)))
        assert matches(grammar, answer.text)
        assert answer.engine in ENGINES
        usage = answer.usage
        assert usage.completion_tokens == usage.sampled_tokens + usage.forced_tokens


def test_what_is_forced_is_not_asked_for(fast: LlamaCpp) -> None:
    fast.complete(ask(Grammar(Lit("warm"))))
    grammar = schema_grammar({"const": {"name": "Ana", "tags": ["long", "list"]}})
    answer = fast.complete(ask(grammar))
    assert answer.text == '{"name": "Ana", "tags": ["long", "list"]}'
    assert (answer.usage.sampled_tokens, answer.finish_reason) == (0, "grammar")
    assert answer.usage.forced_tokens == answer.usage.completion_tokens > 0


def test_what_follows_the_last_choice_is_not_evaluated(fast: LlamaCpp) -> None:
    grammar = Grammar(Seq((Alt((Lit("yes"), Lit("no"))), Lit(" and that was the whole long answer."))))
    answer = fast.complete(ask(grammar))
    known = fast._runtime.cache.tokens  # pyright: ignore[reportPrivateUsage]
    assert answer.text in {
        "yes and that was the whole long answer.",
        "no and that was the whole long answer.",
    }
    assert len(known) <= answer.usage.prompt_tokens + answer.usage.completion_tokens - 5


def test_batches_of_forced_tokens_change_nothing(fast: LlamaCpp) -> None:
    grammar = call_grammar(
        random_tools(random.Random(3)), get_wrapper("chatml").syntax.shape, "call", bounds=BOUNDS
    )
    cache = fast._runtime.cache  # pyright: ignore[reportPrivateUsage]
    texts: set[str] = set()
    for costs in ({}, {1: 1.0, 2: 9.0, 4: 99.0}, {1: 1.0, 2: 1.0, 4: 9.0}):
        cache.costs = BatchCosts(costs)
        texts.add(fast.complete(ask(grammar)).text)
    assert len(texts) == 1


def test_the_cost_of_batches_is_measured_once_and_costs_no_memory_of_the_prompt(tiny: Path) -> None:
    grammar = Grammar(Alt((Lit("yes"), Lit("no"))))
    with LlamaCpp(tiny, context_tokens=64) as endpoint:
        assert endpoint.batch_costs == {}
        endpoint.complete(Request(PROMPT, max_tokens=5))
        answer = endpoint.complete(ask(grammar))
        assert answer.usage.cached_tokens == answer.usage.prompt_tokens - 1
        costs = endpoint.batch_costs
        assert set(costs) <= {1, 2, 4, 8, 16}
        assert all(seconds > 0 for seconds in costs.values())
        endpoint.complete(ask(grammar))
        assert endpoint.batch_costs is costs


def test_a_slow_machine_is_not_measured_for_long(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_CALIBRATION_S", 1e-9)
    with LlamaCpp(tiny) as endpoint:
        endpoint.complete(ask(Grammar(Lit("yes"))))
        assert set(endpoint.batch_costs) == {1}


def test_a_forced_end_is_the_end(tiny: Path) -> None:
    class EndsAtOnce:
        done = False
        accepting = True

        def __init__(self, end: int) -> None:
            self._end = end

        def forced(self) -> list[int]:
            return [self._end]

    class Engine:
        name = "llguidance"

        def matcher(self, _: object) -> EndsAtOnce:
            return EndsAtOnce(min(runtime.vocabulary.ends))

    with LlamaCpp(tiny, engine="llguidance") as endpoint:
        runtime = endpoint._runtime  # pyright: ignore[reportPrivateUsage]
        runtime._engines["llguidance"] = Engine()  # type: ignore[assignment]  # pyright: ignore
        answer = endpoint.complete(ask(Grammar(Lit("x"))))
    assert (answer.text, answer.finish_reason) == ("", "grammar")


def test_checking_first_has_the_distribution_of_masking_first(fast: LlamaCpp) -> None:
    grammar = Grammar(Alt(tuple(Lit(letter) for letter in "abcdef")))
    # An active but empty cut-off makes the loop mask first.
    draws = 400
    counts = [
        Counter(
            fast.complete(ask(grammar, replace(sampling, temperature=3, seed=seed))).text
            for seed in range(draws)
        )
        for sampling in (Sampling(), Sampling(min_p=1e-30))
    ]
    for letter in "abcdef":
        first, second = counts[0][letter] / draws, counts[1][letter] / draws
        share = (first + second) / 2
        assert abs(first - second) < 4.5 * math.sqrt(2 * share * (1 - share) / draws) + 1e-9


def test_an_answer_may_end_where_the_grammar_lets_it(endpoint: LlamaCpp) -> None:
    grammar = Grammar(Seq((Lit("a"), Repeat(Chars(((98, 99),)), 0, 6))))
    answers = [endpoint.complete(ask(grammar, replace(WILD, temperature=5, seed=seed))) for seed in range(60)]
    assert all(matches(grammar, answer.text) for answer in answers)
    assert {answer.finish for answer in answers} == {"stop"}
    assert len({len(answer.text) for answer in answers}) > 1


def test_the_empty_sentence_asks_for_nothing(endpoint: LlamaCpp) -> None:
    answer = endpoint.complete(ask(Grammar(EMPTY), max_tokens=5))
    assert (answer.text, answer.finish, answer.usage.sampled_tokens) == ("", "stop", 0)


def test_a_stop_string_inside_an_argument_cuts_nothing(endpoint: LlamaCpp) -> None:
    grammar = schema_grammar({"const": "a</s>b"})
    assert endpoint.complete(replace(ask(grammar), stop=("</s>",))).text == '"a</s>b"'
    free = Grammar(Seq((Lit("a"), Repeat(Lit("</s>b"), 0, 1))))
    text = endpoint.complete(replace(ask(free, replace(WILD, seed=1)), stop=("</s>",))).text
    assert text == "a"


def test_a_callers_own_gbnf_is_held_by_llama_cpp(endpoint: LlamaCpp) -> None:
    request = Request(
        PROMPT, gbnf='root ::= "[" ("x" | "yy"){2} "]"', max_tokens=20, sampling=replace(WILD, seed=2)
    )
    answer = endpoint.complete(request)
    assert answer.text in {"[xx]", "[xyy]", "[yyx]", "[yyyy]"}
    assert (answer.engine, answer.finish) == ("gbnf", "stop")


@pytest.mark.parametrize("text", ['root ::= "a', "root ::= nothing", 'root ::= "a"{3,2}', "", "\\d"])
def test_a_bad_gbnf_is_an_error_and_not_the_end_of_the_process(endpoint: LlamaCpp, text: str) -> None:
    with pytest.raises(GrammarError):
        endpoint.complete(Request(PROMPT, gbnf=text, max_tokens=5))
    assert endpoint.complete(Request(PROMPT, max_tokens=2)).usage.completion_tokens <= 2


def test_llama_cpps_engine_is_taken_where_llguidance_is_missing(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grammar = Grammar(Alt((Lit("yes"), Lit("no"))))
    with LlamaCpp(tiny) as endpoint:
        assert endpoint.complete(ask(grammar)).engine == "llguidance"
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with LlamaCpp(tiny) as endpoint:
        assert endpoint.complete(ask(grammar)).engine == "gbnf"


def test_a_caller_can_stop_a_constrained_answer(endpoint: LlamaCpp) -> None:
    grammar = schema_grammar({"type": "string"})
    pieces: list[str] = []
    answer = endpoint.complete(ask(grammar, WILD), pieces.append, lambda: bool(pieces))
    assert answer.finish == "cancelled"
    assert answer.text == "".join(pieces)
