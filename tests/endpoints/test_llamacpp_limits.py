"""Limits of single fields and of time, and what a constraint cost, with noise for a model."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from numpy.typing import NDArray

from bridle.endpoints.base import Answer, Request, Sampling
from bridle.endpoints.llamacpp import LlamaCpp
from bridle.endpoints.llamacpp.cache import Cache
from bridle.endpoints.llamacpp.sampling import FloatArray
from bridle.errors import InputError
from bridle.grammars import Bounds, Chars, Grammar, Repeat, call_grammar, matches, schema_grammar
from bridle.grammars.engines.base import Matcher
from bridle.messages import JSON, ToolSpec
from bridle.wrappers import get_wrapper
from noise import ENGINES, PROMPT, WILD, random_tools
from tiny_gguf import write_tiny_llama

CHATML = get_wrapper("chatml").syntax
LONG = Bounds(string_chars=500, thoughts_chars=500, thinking_chars=500, text_chars=500)
SEND = ToolSpec(
    "send",
    "",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "note": {"type": "string"}},
        "required": ["city", "note"],
    },
)


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


def ask(grammar: Grammar, seed: int = 0, **limits: object) -> Request:
    request = Request(PROMPT, grammar=grammar, sampling=replace(WILD, seed=seed), max_tokens=4000)
    return replace(request, **limits)  # type: ignore[arg-type]


def n_tokens(endpoint: LlamaCpp, text: str) -> int:
    """How many tokens spell a text at least: no way to write it takes fewer than its longest tokens do."""
    vocabulary = endpoint._runtime.vocabulary  # pyright: ignore[reportPrivateUsage]
    longest = max(len(vocabulary.piece(token)) for token in range(vocabulary.size))
    return math.ceil(len(text.encode()) / longest)


def written(answer: Answer, tools: Sequence[ToolSpec], wrapper: str) -> tuple[str, dict[str, object]]:
    """Return thoughts and arguments of the answer's only call."""
    assert answer.finish == "stop"
    reading = get_wrapper(wrapper).syntax.read(answer.text, tools)
    assert reading.refusals == (), answer.text
    (call,) = reading.calls
    jsonschema.validate(dict(call.arguments), dict(tools[0].parameters))
    return reading.thoughts, dict(call.arguments)


@pytest.mark.parametrize(
    "wrapper", ["chatml", "hermes", "qwen3-coder", "glm4.5", "lfm2", "gemma4", "mistral-v13"]
)
def test_a_field_ends_within_its_tokens_and_others_do_not_change(endpoint: LlamaCpp, wrapper: str) -> None:
    shape = get_wrapper(wrapper).syntax.shape
    grammar = call_grammar([SEND], shape, "call", bounds=LONG, fields=("city",))
    for seed in range(3):
        _, free = written(endpoint.complete(ask(grammar, seed)), [SEND], wrapper)
        answer = endpoint.complete(ask(grammar, seed, field_tokens={"city": 6}))
        _, held = written(answer, [SEND], wrapper)
        city, whole = str(held["city"]), str(free["city"])
        assert whole.startswith(city)
        assert n_tokens(endpoint, city) <= 6
        if n_tokens(endpoint, whole) > 6:
            assert len(city) < len(whole)
            assert answer.cost is not None
            assert answer.cost.interventions > 0
    answer = endpoint.complete(ask(grammar, 3, field_tokens={"city": 0}))
    assert written(answer, [SEND], wrapper)[1]["city"] == ""


@pytest.mark.parametrize(
    ("wrapper", "name"),
    [("chatml", "inner_thoughts"), ("chatml", "thoughts"), ("qwen3", "think"), ("qwen3", "thoughts")],
)
def test_thoughts_end_within_their_tokens(endpoint: LlamaCpp, wrapper: str, name: str) -> None:
    shape = get_wrapper(wrapper).syntax.shape
    grammar = call_grammar(
        [SEND], shape, "call", bounds=LONG, think=True, opened=wrapper == "qwen3", fields=(name,)
    )
    free: list[int] = []
    for seed in range(3):
        answer = endpoint.complete(ask(grammar, seed, field_tokens={name: 9}))
        assert answer.finish == "stop"
        assert matches(grammar, answer.text)
        thoughts = (
            answer.text.split("</think>")[0]
            if wrapper == "qwen3"
            else CHATML.read(answer.text, [SEND]).thoughts
        )
        assert n_tokens(endpoint, thoughts) <= 9
        free.append(
            endpoint.complete(ask(grammar, seed)).usage.completion_tokens - answer.usage.completion_tokens
        )
    assert max(free) > 20


def test_an_unknown_field_is_named_with_those_there_are(fast: LlamaCpp) -> None:
    with pytest.raises(InputError, match=r"'town'.*city"):
        call_grammar([SEND], CHATML.shape, "call", fields=("town",))
    with pytest.raises(InputError, match=r"'colour'.*none"):
        schema_grammar({"type": "integer"}, fields=("colour",))
    grammar = call_grammar([SEND], CHATML.shape, "call", fields=("city",))
    with pytest.raises(InputError, match=r"'note'.*city"):
        fast.complete(ask(grammar, field_tokens={"note": 5}))
    free = fast.complete(Request(PROMPT, max_tokens=3, field_tokens={"note": 5}))
    assert free.dropped == ("field_tokens",)


def test_a_field_that_is_no_string_ends_too(endpoint: LlamaCpp) -> None:
    numbers: dict[str, JSON] = {"type": "array", "items": {"type": "integer"}, "maxItems": 60}
    schema: dict[str, JSON] = {"type": "object", "properties": {"all": numbers}, "required": ["all"]}
    grammar = schema_grammar(schema, fields=("all",))
    for seed in range(5):
        answer = endpoint.complete(ask(grammar, seed, field_tokens={"all": 12}))
        assert matches(grammar, answer.text)
        assert answer.usage.completion_tokens < 30


def test_an_answer_is_closed_when_its_time_is_over(endpoint: LlamaCpp) -> None:
    grammar = call_grammar([SEND], CHATML.shape, "call", bounds=LONG)
    for seed, seconds in enumerate((1e-9, 0.01, 0.03)):
        pieces: list[str] = []
        answer = endpoint.complete(ask(grammar, seed, max_seconds=seconds), pieces.append)
        assert (answer.finish, answer.finish_reason) == ("stop", "max_seconds")
        assert "".join(pieces) == answer.text
        written(answer, [SEND], "chatml")
    at_once = endpoint.complete(ask(grammar, max_seconds=1e-9))
    assert at_once.usage.sampled_tokens == 0
    assert len(at_once.text) == grammar.shortest_bytes


def test_time_that_suffices_changes_nothing(fast: LlamaCpp) -> None:
    grammar = call_grammar([SEND], CHATML.shape, "call", bounds=LONG)
    for seed in range(3):
        assert (
            fast.complete(ask(grammar, seed, max_seconds=600)).text == fast.complete(ask(grammar, seed)).text
        )


def test_text_ends_when_its_time_is_over(endpoint: LlamaCpp) -> None:
    answer = endpoint.complete(Request(PROMPT, max_tokens=4000, max_seconds=1e-9))
    assert (answer.text, answer.finish, answer.finish_reason) == ("", "length", "max_seconds")
    grammar = call_grammar([SEND], get_wrapper("hermes").syntax.shape, "text_or_call", bounds=LONG)
    finishes = set[tuple[str, bool]]()
    for seed in range(20):
        answer = endpoint.complete(ask(grammar, seed, max_seconds=0.004))
        assert matches(grammar, answer.text)
        if answer.finish_reason == "max_seconds":
            finishes.add((answer.finish, "<tool_call>" in answer.text))
    assert finishes <= {("length", False), ("stop", True)}


@pytest.mark.parametrize("seconds", [0, -1, math.nan])
def test_no_time_is_an_error(fast: LlamaCpp, seconds: float) -> None:
    with pytest.raises(InputError, match="max_seconds"):
        fast.complete(Request(PROMPT, max_tokens=3, max_seconds=seconds))


def test_a_caller_who_stops_is_not_closed_for(fast: LlamaCpp) -> None:
    grammar = call_grammar([SEND], CHATML.shape, "call", bounds=LONG)
    pieces: list[str] = []
    answer = fast.complete(ask(grammar, max_seconds=60), pieces.append, lambda: bool(pieces))
    assert answer.finish == "cancelled"


class Recorder:
    """Stands before a cache and keeps the logits of each choice."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.logits: list[NDArray[np.float64]] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self.cache, name)

    def evaluate(self, tokens: Sequence[int], stop: Callable[[], bool] | None) -> FloatArray | None:
        logits = self.cache.evaluate(tokens, stop)
        assert logits is not None
        self.logits.append(logits.astype(np.float64))
        return logits


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(temperature=1.5, seed=4),
        Sampling(temperature=1, top_k=20, repeat_penalty=1.3, seed=2),
    ],
)
def test_the_cost_is_that_of_a_slow_calculation(tiny: Path, sampling: Sampling) -> None:
    with LlamaCpp(tiny, engine="llguidance") as endpoint:
        runtime = endpoint._runtime  # pyright: ignore[reportPrivateUsage]
        for seed in range(3):
            grammar = call_grammar(random_tools(random.Random(seed)), CHATML.shape, "call")
            run = runtime.start(ask(grammar, sampling=sampling), 4000, None, None)
            recorder = Recorder(run.cache)
            run.cache = recorder  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
            ending = run.go()
            chosen = [t for t, was in zip(run.answer, run._was_sampled, strict=True) if was]  # pyright: ignore
            assert len(recorder.logits) == len(chosen) + (ending == "end token")
            assert run.restart is not None
            nats, surprise = reference(run.restart(), run.answer, run._was_sampled, recorder.logits)  # pyright: ignore
            cost = run.costs.sums()
            assert cost.nats == pytest.approx(nats, rel=1e-4, abs=1e-4)
            assert cost.surprise_nats == pytest.approx(surprise, rel=1e-4)
            assert cost.nats <= cost.surprise_nats
            assert 0 < cost.rejected <= len(recorder.logits)
            assert cost.mask_seconds > 0


def reference(
    matcher: Matcher, answer: Sequence[int], sampled: Sequence[bool], logits: Sequence[NDArray[np.float64]]
) -> tuple[float, float]:
    """Sum over the sampled tokens: -ln of the probability of all allowed tokens, and of the token."""
    nats = surprise = 0.0
    rows = iter(logits)
    for token, was_sampled in zip(answer, sampled, strict=True):
        if was_sampled:
            row = next(rows)
            p = np.exp(row - row.max())
            p /= p.sum()
            mask = np.zeros(len(row), dtype=np.float32)
            matcher.mask_into(mask)
            nats -= math.log(p[np.isfinite(mask)].sum())
            surprise -= math.log(p[token])
        matcher.accept(token)
    return nats, surprise


def test_an_answer_costs_nothing_where_nothing_is_refused(endpoint: LlamaCpp) -> None:
    grammar = Grammar(Repeat(Chars((), negated=True), 1, 30))
    cost = endpoint.complete(ask(grammar, sampling=Sampling())).cost
    assert cost is not None
    assert cost.interventions == 0
    assert endpoint.complete(Request(PROMPT, max_tokens=3)).cost is None


def test_the_cost_in_nats_need_not_be_measured(tiny: Path) -> None:
    grammar = call_grammar([SEND], CHATML.shape, "call")
    with LlamaCpp(tiny, measure_cost=False) as endpoint:
        cost = endpoint.complete(ask(grammar)).cost
    assert cost is not None
    assert (cost.nats, cost.surprise_nats) == (0.0, 0.0)
    assert cost.rejected > 0
