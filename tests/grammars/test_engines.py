"""One contract for all engines, on a real (tiny) vocabulary: the grammar's sentences, token by token."""

from __future__ import annotations

import importlib
import importlib.util
import math
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.errors import GrammarError
from bridle.grammars import (
    Alt,
    Bounds,
    Chars,
    Grammar,
    Lit,
    Mode,
    Ref,
    Repeat,
    Seq,
    call_grammar,
    matches,
    sample,
    schema_grammar,
)
from bridle.grammars.engines import Engine, Matcher, gbnf, llguidance
from bridle.grammars.engines.base import Recent
from bridle.grammars.engines.gbnf import GbnfEngine
from bridle.grammars.engines.llguidance import LlguidanceEngine
from bridle.grammars.engines.native import llama_cpp, token_bytes
from bridle.grammars.engines.outlines import OutlinesEngine
from bridle.messages import JSON, ToolCall, ToolSpec
from bridle.wrappers.syntax import Arguments, CallShape, JsonLayout, Name
from strategies import tool_sets_with_calls
from tiny_gguf import write_tiny_llama

LONG = "<" + "x" * 60 + ">"  # longer than the first buffer for a token's text
BOUNDS = Bounds(
    string_chars=12,
    thoughts_chars=8,
    thinking_chars=8,
    array_items=3,
    text_chars=30,
    object_members=2,
    depth=2,
)
TAGGED = CallShape(
    ('<call>\n{"name": ', Name(), ', "arguments": ', Arguments(1), "}\n</call>"),
    JsonLayout(),
    trigger="<call>",
    parallel=True,
    text_first=True,
    gap="\n",
)
INNER = CallShape(
    ('{\n  "function": ', Name(), ',\n  "params": ', Arguments(1, "thoughts"), "\n}"),
    JsonLayout(2),
    trigger="{",
)
Case = tuple[tuple[ToolSpec, ...], tuple[ToolCall, ...]]


@dataclass(frozen=True)
class Model:
    """A vocabulary with the bytes of its tokens, and an engine of each kind."""

    pieces: list[bytes]
    ends: frozenset[int]
    control: frozenset[int]
    engines: tuple[Engine, ...]
    pointer: int

    def cut(self, text: str, rng: random.Random) -> list[int]:
        """Return tokens that spell a text, one of many ways."""
        raw, tokens, at = text.encode(), list[int](), 0
        while at < len(raw):
            fitting = [i for i in self._by_byte(raw[at]) if raw.startswith(self.pieces[i], at)]
            tokens.append(rng.choice(fitting))
            at += len(self.pieces[tokens[-1]])
        return tokens

    def _by_byte(self, byte: int) -> list[int]:
        special = self.ends | self.control
        return [i for i, piece in enumerate(self.pieces) if piece[:1] == bytes([byte]) and i not in special]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    path = write_tiny_llama(tmp_path_factory.mktemp("model") / "tiny.gguf", 700, marks=("<call>", LONG))
    module: Any = importlib.import_module("llama_cpp")
    loaded = module.Llama(str(path), vocab_only=True, verbose=False)
    vocab: int = module.llama_model_get_vocab(loaded.model)
    size: int = module.llama_vocab_n_tokens(vocab)
    ends = frozenset(i for i in range(size) if module.llama_vocab_is_eog(vocab, i))
    engines: list[Engine] = [LlguidanceEngine(vocab, size, ends), GbnfEngine(vocab, size, ends)]
    if importlib.util.find_spec("outlines_core"):
        engines.append(OutlinesEngine(vocab, size, ends))
    pieces = [token_bytes(llama_cpp(), vocab, i) for i in range(size)]
    control = frozenset(i for i, piece in enumerate(pieces) if piece.startswith(b"<|"))
    yield Model(pieces, ends, control - ends, tuple(engines), vocab)
    loaded.close()


@pytest.fixture(params=["llguidance", "gbnf", "outlines"])
def engine(request: pytest.FixtureRequest, model: Model) -> Engine:
    if request.param == "outlines":
        pytest.importorskip("outlines_core", reason="needs the extra 'outlines'")
    (found,) = (engine for engine in model.engines if engine.name == request.param)
    return found


def takes(matcher: Matcher, tokens: Sequence[int]) -> bool:
    for token in tokens:
        if not matcher.allows(token):
            return False
        matcher.accept(token)
    return matcher.accepting


def allowed(matcher: Matcher, size: int) -> set[int]:
    logits = np.zeros(size, dtype=np.float32)
    matcher.mask_into(logits)
    return {int(i) for i in np.flatnonzero(np.isfinite(logits))}


def mutated(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    change = rng.choice(["", rng.choice('"{}[],:\\ \nax0-.é🧿<'), text[: rng.randrange(3)]])
    return text[:at] + change + text[at + rng.randrange(3) :]


def check_language(engines: Sequence[Engine], model: Model, grammar: Grammar, seed: int) -> None:
    """Compare engines with our own recogniser on a sentence and on sentences that were damaged."""
    rng = random.Random(seed)
    text = sample(grammar, rng)
    for tried in (
        text,
        mutated(text, rng),
        mutated(mutated(text, rng), rng),
        text[: rng.randrange(len(text) + 1)],
    ):
        if "\0" in tried:
            continue
        tokens = model.cut(tried, rng)
        held = matches(grammar, tried)
        for engine in engines:
            assert takes(engine.matcher(grammar), tokens) == held, (engine.name, tried)


@pytest.mark.parametrize("shape", [TAGGED, INNER])
@pytest.mark.parametrize("mode", ["call", "text_or_call"])
@given(case=tool_sets_with_calls(), seed=st.integers(0, 2**32))
def test_engines_hold_the_language_of_the_rules(
    model: Model, shape: CallShape, mode: Mode, case: Case, seed: int
) -> None:
    # Outlines takes a second for each of these; test_outlines.py has some of them.
    check_language(
        model.engines[:2], model, call_grammar(case[0], shape, mode, bounds=BOUNDS, parallel=2), seed
    )


SCHEMAS: list[JSON] = [
    True,
    {"type": "number", "minimum": -1.5, "maximum": 20},
    {"type": "array", "items": {"type": "integer", "minimum": 7, "maximum": 1234}, "minItems": 1},
    {"type": "string", "pattern": r'^("|[a-z]+\\)*$'},
    {"type": "string", "pattern": r"\d{2}"},
    {"type": "string", "format": "date-time"},
    {"properties": {name: {"enum": ["a", "ab", "abc", 1, 12]} for name in ("a", "aa", "b")}},
    {"anyOf": [{"type": "string", "maxLength": 3}, {"const": '"'}, {"type": "null"}]},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: str(schema)[:40])
@pytest.mark.parametrize("indent", [None, 2])
def test_all_engines_hold_the_language_of_a_schema(model: Model, schema: JSON, indent: int | None) -> None:
    assert isinstance(schema, bool | dict)
    grammar = schema_grammar(schema, JsonLayout(indent), BOUNDS)
    for seed in range(40):
        check_language(model.engines, model, grammar, seed)


RULES = [
    Grammar(Seq((Repeat(Lit("a"), 0, 3), Repeat(Lit("ab"), 0, 2), Lit("b")))),
    Grammar(Alt((Lit("in"), Lit("int"), Lit("integer"), Seq((Lit("in"), Ref("x"))))), {"x": Lit("t32")}),
    Grammar(Repeat(Chars(((0x20, 0x7E), (0x3B1, 0x3C9), (0x4E00, 0x4FFF), (0x1F600, 0x1F64F))), 1, 6)),
    Grammar(Seq((Repeat(Chars(((1, 0x10FFFF),)), 1, 6), Lit("!")))),
    Grammar(Seq((Repeat(Chars(((0, 0), (60, 60)), negated=True), 0, 5), Repeat(Lit("<t"), 0, 2)))),
]


@pytest.mark.parametrize("grammar", RULES, ids=lambda grammar: grammar.key[:6])
def test_engines_allow_the_same_tokens_everywhere(model: Model, grammar: Grammar) -> None:
    rng = random.Random(5)
    for _ in range(12):
        followers = [engine.matcher(grammar) for engine in model.engines]
        for token in [*model.cut(sample(grammar, rng).replace("\0", "x"), rng), *model.ends][:40]:
            masks = [allowed(follower, len(model.pieces)) for follower in followers]
            # Where only one text can follow, llguidance wants the tokens that the tokenizer makes of it.
            assert masks[0] <= masks[1]
            assert masks[0] == masks[1] or followers[0].forced()
            assert not masks[0] & model.control
            assert len({follower.done for follower in followers}) == 1
            assert len({follower.accepting for follower in followers}) == 1
            assert followers[0].accepting == bool(masks[0] & model.ends)
            probes = rng.sample(range(len(model.pieces)), 20)
            for follower in followers:
                assert [follower.allows(probe) for probe in probes] == [probe in masks[1] for probe in probes]
            if token not in masks[1]:
                break
            for follower in followers:
                follower.accept(token)


def test_random_choices_end_in_a_sentence(model: Model, engine: Engine) -> None:
    grammar = schema_grammar({"type": "array", "items": {"type": ["string", "number"]}}, bounds=BOUNDS)
    for seed in range(25):
        rng, matcher, raw = random.Random(seed), engine.matcher(grammar), b""
        while not matcher.done:
            token = rng.choice(sorted(allowed(matcher, len(model.pieces))))
            matcher.accept(token)
            if token in model.ends:
                break
            raw += model.pieces[token]
        assert matches(grammar, raw.decode())
        assert len(raw) <= grammar.longest_bytes


def test_a_matcher_knows_where_it_may_end(model: Model, engine: Engine) -> None:
    end, other = sorted(model.ends)
    matcher = engine.matcher(Grammar(Seq((Lit("ab"), Repeat(Lit("c"), 0, 1)))))
    assert (matcher.accepting, matcher.done, matcher.allows(end)) == (False, False, False)
    for token in model.cut("ab", random.Random(1)):
        matcher.accept(token)
    assert (matcher.accepting, matcher.done, matcher.allows(end)) == (True, False, True)
    matcher.accept(model.pieces.index(b"c"))
    assert (matcher.accepting, matcher.done, matcher.allows(other)) == (True, True, True)
    assert allowed(matcher, len(model.pieces)) == set(model.ends)
    matcher.accept(other)
    assert (matcher.accepting, matcher.done, matcher.allows(end)) == (False, True, False)
    assert allowed(matcher, len(model.pieces)) == set()
    with pytest.raises(GrammarError, match="does not allow"):
        matcher.accept(end)


def test_a_matcher_knows_what_it_may_end_with(model: Model, engine: Engine) -> None:
    matcher = engine.matcher(Grammar(Seq((Lit("a"), Alt((Lit("b"), Lit("bc")))))))
    a, b, c = (model.pieces.index(letter) for letter in (b"a", b"b", b"c"))
    end = min(model.ends)
    assert [matcher.ends_with(tokens) for tokens in ([a, b], [a, b, c], [a], [a, c], [], [a, b, end])] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]
    for token in (a, b, c):
        matcher.accept(token)
    assert matcher.ends_with([])
    assert not matcher.ends_with([c])
    matcher.accept(end)
    assert not matcher.ends_with([])


def test_the_allowed_tokens_are_those_that_the_mask_leaves(model: Model) -> None:
    matcher = model.engines[0].matcher(schema_grammar({"enum": ["yes", "no"]}))
    for token in [None, *model.cut('"yes"', random.Random(0))]:
        if token is not None:
            matcher.accept(token)
        bits = matcher.allowed()
        assert (bits is None) == matcher.done
        if bits is not None:
            assert {int(i) for i in np.flatnonzero(bits)} == allowed(matcher, len(model.pieces))
            assert matcher.allowed() is not None
    assert model.engines[1].matcher(schema_grammar(True)).allowed() is None


def test_a_token_that_is_not_allowed_changes_nothing(model: Model, engine: Engine) -> None:
    matcher = engine.matcher(Grammar(Lit("ab")))
    for wrong in (model.pieces.index(b"b"), *model.ends, *model.control):
        with pytest.raises(GrammarError, match="does not allow"):
            matcher.accept(wrong)
    matcher.accept(model.pieces.index(b"a"))
    assert allowed(matcher, len(model.pieces)) == {model.pieces.index(b"b")}


def test_logits_of_allowed_tokens_stay(model: Model, engine: Engine) -> None:
    matcher = engine.matcher(Grammar(Alt((Lit("a"), Lit("b")))))
    size = len(model.pieces)
    logits = np.arange(size, dtype=np.float32)
    matcher.mask_into(logits)
    kept = {i: float(logits[i]) for i in range(size) if not math.isinf(logits[i])}
    assert kept == {model.pieces.index(piece): model.pieces.index(piece) for piece in (b"a", b"b")}


def test_answers_do_not_disturb_one_another(model: Model, engine: Engine) -> None:
    grammar = Grammar(Lit("ab"))
    one, two = engine.matcher(grammar), engine.matcher(Grammar(Lit("ab")))
    one.accept(model.pieces.index(b"a"))
    assert two.allows(model.pieces.index(b"a"))
    assert not one.allows(model.pieces.index(b"a"))


def test_forced_tokens_are_the_only_ones(model: Model) -> None:
    grammar = call_grammar([ToolSpec("now"), ToolSpec("nothing")], TAGGED, "call")
    matcher = model.engines[0].matcher(grammar)
    forced = matcher.forced()
    assert model.pieces[forced[0]] == b"<call>"
    assert b"".join(model.pieces[token] for token in forced).startswith(b'<call>\n{"name": ')
    for token in forced:
        assert allowed(matcher, len(model.pieces)) >= {token}
        matcher.accept(token)
    assert matcher.forced() == []
    assert model.engines[1].matcher(grammar).forced() == []


def test_gbnf_text_is_for_llama_cpps_engine(model: Model) -> None:
    text = 'root ::= "a" tail\ntail ::= ("b" | "c")+ | root'
    assert takes(model.engines[1].matcher(text), model.cut("abcb", random.Random(0)))
    assert takes(model.engines[1].matcher(text), model.cut("aab", random.Random(0)))
    assert not takes(model.engines[1].matcher(text), model.cut("a", random.Random(0)))
    with pytest.raises(GrammarError, match="does not read GBNF"):
        model.engines[0].matcher(text)


def take_anything(text: str, *, tokens: bool) -> None:
    assert text
    assert not tokens


def write_nonsense(_: Grammar) -> str:
    return "start: /(/ " + "x" * 9000


def test_a_caller_s_grammar_writes_nothing_but_utf_8(model: Model) -> None:
    matcher = model.engines[1].matcher("root ::= [^a]+")
    matcher.accept(model.pieces.index(b"\xe0"))
    found = allowed(matcher, len(model.pieces))
    assert found
    assert all(0xA0 <= model.pieces[token][0] <= 0xBF for token in found)
    assert not any(matcher.allows(token) for token in (model.pieces.index(b"\x87"), *model.ends))


def test_what_llama_cpp_refuses_after_all_is_an_error(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gbnf, "check_gbnf", take_anything)
    with pytest.raises(GrammarError, match="does not take"):
        model.engines[1].matcher("root ::= <no_such_token>")


def test_what_llguidance_cannot_take_is_an_error(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llguidance, "to_lark", write_nonsense)
    with pytest.raises(GrammarError, match="llguidance") as caught:
        model.engines[0].matcher(Grammar(Lit("never compiled before")))
    assert len(caught.value.message) < 400


def test_the_end_is_found_without_tokens_for_all_bytes(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = model.engines[1]
    assert isinstance(engine, GbnfEngine)
    tokens = vars(engine)["_tokens"]
    assert tokens.bytes_are_all
    monkeypatch.setattr(tokens, "bytes_are_all", False)
    matcher = engine.matcher(Grammar(Repeat(Lit("a"), 1, 2)))
    for done in (False, True):
        matcher.accept(model.pieces.index(b"a"))
        assert matcher.done is done


def test_compiled_grammars_are_kept_and_the_oldest_dropped() -> None:
    made: list[str] = []
    recent: Recent[str] = Recent(2)

    def make(key: str) -> str:
        made.append(key)
        return key.upper()

    for key in ("a", "b", "a", "c", "a", "b"):
        assert recent.get(key, partial(make, key)) == key.upper()
    assert made == ["a", "b", "c", "b"]


@pytest.mark.parametrize("missing", ["llguidance", "llama_cpp", "numpy"])
def test_a_missing_package_names_the_extra(missing: str) -> None:
    code = f"""
import sys; sys.path[:0] = {sys.path!r}
sys.modules[{missing!r}] = None
from bridle.errors import MissingExtra
for module, name in (("llguidance", "LlguidanceEngine"), ("gbnf", "GbnfEngine")):
    try:
        loaded = __import__(f"bridle.grammars.engines.{{module}}", fromlist=[name])
        getattr(loaded, name)(0, 0, [])
    except MissingExtra as error:
        print(module, error.facts["extra"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = done.stdout.split("\n")[:-1]
    assert found == (["llguidance llama"] if missing == "llguidance" else ["llguidance llama", "gbnf llama"])


@pytest.mark.slow
@pytest.mark.parametrize("shape", [TAGGED, INNER])
def test_five_thousand_calls_of_the_same_tools(model: Model, shape: CallShape) -> None:
    numbers: JSON = {"type": "array", "items": {"type": "number", "minimum": -3}}
    tools = [
        ToolSpec("a", "", {"properties": {"text": {"type": "string"}, "numbers": numbers}}),
        ToolSpec("ab", "", {"properties": {"when": {"format": "date"}}, "required": ["when"]}),
    ]
    grammar = call_grammar(tools, shape, "text_or_call", bounds=BOUNDS)
    for seed in range(5000):
        check_language(model.engines, model, grammar, seed)
