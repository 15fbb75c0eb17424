"""One language, however it is written: a sentence of one notation is one of all, and a wrong text of none.

The rules themselves, llguidance's Lark, GBNF in each dialect (by llama.cpp's own sampler and by our own
recogniser) and the regular expression (by Python) judge the same texts. Every dialect of GBNF is written so
that llama.cpp reads it too.
"""

from __future__ import annotations

import importlib
import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridle.grammars import (
    Alt,
    Bounds,
    Grammar,
    Lit,
    Mode,
    Node,
    Ref,
    Repeat,
    Seq,
    call_grammar,
    check_gbnf,
    for_choice,
    for_regex,
    for_schema,
    matches,
    sample,
    schema_grammar,
    to_gbnf,
    to_regex,
)
from bridle.grammars.engines import Engine, Matcher
from bridle.grammars.engines.gbnf import GbnfEngine
from bridle.grammars.engines.llguidance import LlguidanceEngine
from bridle.grammars.engines.native import llama_cpp, token_bytes
from bridle.grammars.gbnf_dialects import Dialect
from bridle.grammars.gbnf_matching import GbnfMatcher
from bridle.grammars.schema_keywords import validator_of
from bridle.messages import JSON, ToolCall, ToolSpec
from bridle.wrappers import JsonLayout
from bridle.wrappers.syntaxes import SYNTAXES, make_syntax
from strategies import schemas, tool_sets_with_calls
from tiny_gguf import write_tiny_llama

BOUNDS = Bounds(
    string_chars=12,
    thoughts_chars=8,
    array_items=3,
    text_chars=30,
    thinking_chars=20,
    object_members=2,
    depth=2,
)
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
CALLS = ("[TOOL_CALLS]", "<|tool_call_start|>", "<｜tool▁calls▁begin｜>")
Case = tuple[tuple[ToolSpec, ...], tuple[ToolCall, ...]]


@dataclass(frozen=True)
class Model:
    """The bytes of a vocabulary's tokens, and the engines over it."""

    pieces: list[bytes]
    lark: Engine
    gbnf: Engine
    ends: frozenset[int]

    def tokens(self, text: str, rng: random.Random) -> list[int]:
        """Return tokens that spell a text, one of many ways."""
        raw, found, at = text.encode(), list[int](), 0
        while at < len(raw):
            fitting = [i for i, piece in enumerate(self.pieces) if piece and raw.startswith(piece, at)]
            found.append(rng.choice(fitting))
            at += len(self.pieces[found[-1]])
        return found


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    path = write_tiny_llama(tmp_path_factory.mktemp("model") / "tiny.gguf", 400, control=CALLS)
    module: Any = importlib.import_module("llama_cpp")
    loaded = module.Llama(str(path), vocab_only=True, verbose=False)
    vocab: int = module.llama_model_get_vocab(loaded.model)
    size: int = module.llama_vocab_n_tokens(vocab)
    ends = frozenset(i for i in range(size) if module.llama_vocab_is_eog(vocab, i))
    pieces = [token_bytes(llama_cpp(), vocab, i) for i in range(size)]
    plain = [b"" if i in ends or piece.startswith(b"<|im") else piece for i, piece in enumerate(pieces)]
    engines = LlguidanceEngine(vocab, size, ends), GbnfEngine(vocab, size, ends)
    yield Model(plain, *engines, ends)
    loaded.close()


def takes(matcher: Matcher, tokens: Sequence[int]) -> bool:
    for token in tokens:
        if not matcher.allows(token):
            return False
        matcher.accept(token)
    return matcher.accepting


def mutated(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    change = rng.choice(["", rng.choice('"{}[],:\\ \nax0-.é🧿<>'), text[: rng.randrange(3)]])
    return text[:at] + change + text[at + rng.randrange(3) :]


def check_one_language(model: Model, grammar: Grammar, rng: random.Random) -> None:
    """Let all judge a sentence, the same damaged, and its beginning."""
    text = sample(grammar, rng)
    damaged = mutated(text, rng)
    tried = {text, damaged, mutated(damaged, rng), text[: rng.randrange(len(text) + 1)]}
    written: dict[Dialect, str] = {dialect: to_gbnf(grammar, dialect) for dialect in DIALECTS}
    recognisers = {dialect: GbnfMatcher(found) for dialect, found in written.items()}
    expression = re.compile(to_regex(grammar))
    for dialect, found in written.items():
        check_gbnf(found, dialect=dialect, tokens=False)
    for one in sorted(tried):
        if "\0" in one:  # no reader of GBNF can match it
            continue
        held = matches(grammar, one)
        assert (expression.fullmatch(one) is not None) == held, one
        for dialect, recogniser in recognisers.items():
            assert recogniser.matches(one) == held, (dialect, one)
        tokens = model.tokens(one, rng)
        assert takes(model.lark.matcher(grammar), tokens) == held, one
        for dialect in DIALECTS:
            assert takes(model.gbnf.matcher(written[dialect]), tokens) == held, (dialect, one)


@pytest.mark.parametrize("name", SYNTAXES)
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    case=tool_sets_with_calls(),
    mode=st.sampled_from(["call", "text_or_call"]),
    parallel=st.integers(1, 3),
    think=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_all_notations_of_calls_are_one_language(
    model: Model, name: str, case: Case, mode: Mode, parallel: int, think: bool, seed: int
) -> None:
    shape = make_syntax(name, "inner", JsonLayout()).shape
    grammar = call_grammar(case[0], shape, mode, bounds=BOUNDS, parallel=parallel, think=think, gap=True)
    check_one_language(model, grammar, random.Random(seed))


@settings(max_examples=40)
@given(schema=schemas(), indent=st.sampled_from([None, 2]), seed=st.integers(0, 2**32))
def test_all_notations_of_a_schema_are_one_language(
    model: Model, schema: dict[str, JSON], indent: int | None, seed: int
) -> None:
    grammar = for_schema(schema, JsonLayout(indent), BOUNDS)
    check_one_language(model, grammar, random.Random(seed))


@settings(max_examples=100)
@given(schema=schemas(), seed=st.integers(0, 2**32))
def test_what_the_notations_say_is_what_the_schema_says(schema: dict[str, JSON], seed: int) -> None:
    text = sample(for_schema(schema, bounds=BOUNDS), random.Random(seed))
    value = json.loads(text)
    assert validator_of(schema).is_valid(value)
    assert re.fullmatch(to_regex(for_schema(schema, bounds=BOUNDS)), text)


@settings(max_examples=40)
@given(
    choices=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
                     min_size=1, max_size=4),
    seed=st.integers(0, 2**32),
)  # fmt: skip
def test_all_notations_of_choices_are_one_language(model: Model, choices: list[str], seed: int) -> None:
    check_one_language(model, for_choice(choices), random.Random(seed))


@pytest.mark.parametrize("pattern", [r"[A-Z]{2}-\d{1,3}", "a|bc?|(de){0,3}", "é+[^a]*", "(x|y)*z"])
def test_all_notations_of_a_pattern_are_one_language(model: Model, pattern: str) -> None:
    for seed in range(6):
        check_one_language(model, for_regex(pattern, BOUNDS), random.Random(seed))


NEVER: Node = Repeat(Lit("a"), 0, 0)


@pytest.mark.parametrize(
    "grammar",
    [
        Grammar(NEVER),
        Grammar(Seq((Lit("["), NEVER, Lit("]")))),
        Grammar(Alt((NEVER, Lit("b")))),
        Grammar(Repeat(Seq((Lit("b"), NEVER)), 1, 2)),
        Grammar(Seq((Ref("r"), Lit("c"))), {"r": Repeat(Ref("s"), 0, 0), "s": Lit("a")}),
        schema_grammar({"type": "string", "maxLength": 0}),
        schema_grammar({"type": "object", "properties": {}, "additionalProperties": {}, "maxProperties": 1}),
        schema_grammar({"type": "object", "additionalProperties": {"type": "null"}, "maxProperties": 1}),
    ],
    ids=lambda grammar: repr(grammar.root)[:60],
)
def test_what_is_repeated_not_once_is_the_empty_text(model: Model, grammar: Grammar) -> None:
    for seed in range(3):
        check_one_language(model, grammar, random.Random(seed))
