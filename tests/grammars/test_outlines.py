"""The engine of outlines and its output types. What all engines share is in test_engines.py.

outlines is no part of the extra `dev`: without it, what needs it is skipped.
"""

from __future__ import annotations

import datetime
import enum
import importlib
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from bridle.endpoints.llamacpp import LlamaCpp
from bridle.endpoints.responding import respond
from bridle.errors import GrammarError, InputError, MissingExtra
from bridle.grammars import (
    Alt,
    Bounds,
    Chars,
    Grammar,
    Lit,
    Repeat,
    Seq,
    call_grammar,
    for_choice,
    for_outlines,
    for_regex,
    matches,
    sample,
    schema_grammar,
    to_gbnf,
    to_regex,
)
from bridle.grammars.engines import Matcher, outlines
from bridle.grammars.engines.index_size import index_entries
from bridle.grammars.engines.native import llama_cpp, token_bytes
from bridle.grammars.engines.outlines import LARGEST_INDEX, OutlinesEngine
from bridle.messages import JSON, ToolSpec
from bridle.wrappers import JsonLayout
from bridle.wrappers.syntaxes import SYNTAXES, make_syntax
from tiny_gguf import write_tiny_llama

BOUNDS = Bounds(string_chars=12, thoughts_chars=8, array_items=3, text_chars=20, object_members=2, depth=1)
SMALL = Bounds(string_chars=20, array_items=3)
PERSON: dict[str, JSON] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0, "maximum": 150}},
    "required": ["name", "age"],
}


class Model:
    """A loaded vocabulary."""

    def __init__(self, loaded: Any) -> None:
        module: Any = importlib.import_module("llama_cpp")
        self.pointer: int = module.llama_model_get_vocab(loaded.model)
        self.size: int = module.llama_vocab_n_tokens(self.pointer)
        self.ends = [i for i in range(self.size) if module.llama_vocab_is_eog(self.pointer, i)]
        self.pieces = [token_bytes(llama_cpp(), self.pointer, i) for i in range(self.size)]

    def engine(self, **options: int) -> OutlinesEngine:
        pytest.importorskip("outlines_core", reason="needs the extra 'outlines'")
        return OutlinesEngine(self.pointer, self.size, self.ends, **options)

    def byte(self, letter: str) -> int:
        return self.pieces.index(letter.encode())

    def cut(self, text: str, rng: random.Random) -> list[int]:
        raw, tokens, at = text.encode(), list[int](), 0
        while at < len(raw):
            fitting = [i for i, piece in enumerate(self.pieces) if piece and raw.startswith(piece, at)]
            tokens.append(rng.choice(fitting))
            at += len(self.pieces[tokens[-1]])
        return tokens


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("model") / "tiny.gguf", 700)


@pytest.fixture(scope="module")
def model(file: Path) -> Iterator[Model]:
    module: Any = importlib.import_module("llama_cpp")
    loaded = module.Llama(str(file), vocab_only=True, verbose=False)
    yield Model(loaded)
    loaded.close()


@pytest.fixture
def types() -> Any:
    return pytest.importorskip("outlines.types", reason="needs the extra 'outlines'")


def to_text(grammar: Grammar) -> str:
    return sample(grammar, random.Random(0))


def half(_: Grammar) -> str:
    return "("


def takes(matcher: Matcher, tokens: list[int]) -> bool:
    for token in tokens:
        if not matcher.allows(token):
            return False
        matcher.accept(token)
    return matcher.accepting


def left(matcher: Matcher, model: Model) -> list[int]:
    logits = np.zeros(model.size, dtype=np.float32)
    matcher.mask_into(logits)
    return [int(i) for i in np.flatnonzero(np.isfinite(logits))]


@pytest.mark.parametrize("name", sorted(SYNTAXES)[::5])
def test_calls_of_several_syntaxes_are_held(model: Model, name: str) -> None:
    engine = model.engine()
    shape = make_syntax(name, "inner", JsonLayout()).shape
    tools = [ToolSpec("now"), ToolSpec("keep", "", PERSON)]
    grammar = call_grammar(tools, shape, "text_or_call", bounds=BOUNDS)
    for seed in range(25):
        rng = random.Random(seed)
        text = sample(grammar, rng).replace("\0", "")
        at = rng.randrange(len(text) + 1)
        for tried in (text, text[:at], text[:at] + rng.choice('<"}, x🧿') + text[at:]):
            assert takes(engine.matcher(grammar), model.cut(tried, rng)) == matches(grammar, tried), tried


def test_an_alternative_that_begins_another_does_not_hide_it(model: Model) -> None:
    grammar = Grammar(Seq((Alt((Lit("in"), Lit("int"), Lit("integer"))), Repeat(Lit("!"), 0, 2))))
    engine = model.engine()
    for text in ("in", "int", "integer", "in!", "int!!", "integer!"):
        assert takes(engine.matcher(grammar), model.cut(text, random.Random(1))), text
    assert not takes(engine.matcher(grammar), model.cut("inte", random.Random(1)))


def test_quoted_strings_of_many_characters_are_small(model: Model) -> None:
    grammar = schema_grammar({"type": "string", "maxLength": 60})
    matcher = model.engine().matcher(grammar)
    compiled: Any = vars(matcher)["_compiled"]
    index: Any = compiled._index
    # An index that tried the expression at every place would have 2 to the 60th.
    states: dict[int, object] = index.get_transitions()
    assert 60 < len(states) < 2000
    assert takes(matcher, model.cut(f'"{"é" * 60}"', random.Random(3)))


def test_characters_may_be_cut_into_tokens(model: Model) -> None:
    grammar = Grammar(Repeat(Chars(((0x1F000, 0x1FFFF), (0x4E00, 0x9FFF))), 1, 3))
    engine = model.engine()
    for seed in range(30):
        rng, matcher, raw = random.Random(seed), engine.matcher(grammar), b""
        while not matcher.done:
            token = rng.choice(left(matcher, model))
            matcher.accept(token)
            if token in model.ends:
                break
            raw += model.pieces[token]
        assert matches(grammar, raw.decode())


def test_the_allowed_tokens_are_those_that_the_mask_leaves(model: Model) -> None:
    matcher = model.engine().matcher(schema_grammar({"enum": ["yes", "no"]}))
    for token in model.cut('"yes"', random.Random(0)):
        bits = matcher.allowed()
        assert bits is not None
        assert np.flatnonzero(bits).tolist() == left(matcher, model)
        matcher.accept(token)
    assert (matcher.allowed(), matcher.done, left(matcher, model)) == (None, True, model.ends)


def test_one_allowed_token_is_forced(model: Model) -> None:
    matcher = model.engine().matcher(Grammar(Seq((Lit("\x01\x02"), Repeat(Lit("\x03"), 0, 1)))))
    assert matcher.forced() == [model.byte("\x01"), model.byte("\x02")]
    for token in matcher.forced():
        matcher.accept(token)
    assert matcher.forced() == []
    choice = model.engine().matcher(Grammar(Alt((Lit("\x01"), Lit("\x02")))))
    assert choice.forced() == []


def test_copies_go_their_own_ways(model: Model) -> None:
    matcher = model.engine().matcher(for_choice(["aba", "abc"]))
    for letter in "ab":
        matcher.accept(model.byte(letter))
    copy = matcher.clone()
    assert left(copy, model) == left(matcher, model)
    copy.accept(model.byte("a"))
    assert (copy.done, matcher.done) == (True, False)
    matcher.accept(model.byte("c"))
    matcher.accept(model.ends[0])
    assert left(matcher, model) == []
    assert left(matcher.clone(), model) == []


def test_indexes_are_kept(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = model.engine()
    engine.matcher(for_choice(["a", "b"]))
    monkeypatch.setattr(outlines, "to_regex", None)
    assert left(engine.matcher(for_choice(["a", "b"])), model) == [model.byte("a"), model.byte("b")]


def test_indexes_that_were_not_used_lately_go(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counting(grammar: Grammar) -> str:
        made.append(to_regex(grammar))
        return made[-1]

    monkeypatch.setattr(outlines, "to_regex", counting)
    engine = model.engine()
    one, two, three = (for_choice([letter * 3]) for letter in "abc")
    monkeypatch.setattr(outlines, "_KEPT_ENTRIES", 2 * index_entries(one, model.size, LARGEST_INDEX))
    for grammar in (one, two, one, three, one, two):
        assert engine.matcher(grammar).allows(model.byte(to_text(grammar)[0]))
    assert made == ["aaa", "bbb", "ccc", "bbb"]
    monkeypatch.setattr(outlines, "_KEPT_ENTRIES", 0)
    assert takes(engine.matcher(one), model.cut("aaa", random.Random(0)))


def test_what_would_be_too_large_is_refused_beforehand(model: Model) -> None:
    grammar = schema_grammar({"type": "string", "maxLength": 100})
    needed = index_entries(grammar, model.size, LARGEST_INDEX)
    assert 100 * model.size < needed < 500 * model.size
    assert model.engine(most_entries=needed).matcher(grammar).allows(model.byte('"'))
    with pytest.raises(GrammarError, match=f"about {needed:,} entries or more for 700 tokens") as caught:
        model.engine(most_entries=needed - 1).matcher(grammar)
    assert "Bounds.string_chars" in caught.value.hint


def test_ambiguous_patterns_are_counted_beforehand(model: Model) -> None:
    engine = model.engine()
    for pattern, characters in [("[ab]{0,20}a[ab]{6}", 27), (".*foo.*", 20), (r"(\w+\s?){1,3}", 10)]:
        grammar = for_regex(pattern, Bounds(string_chars=characters))
        compiled: Any = vars(engine.matcher(grammar))["_compiled"]
        real = sum(map(len, compiled._index.get_transitions().values()))
        assert real / 3 < index_entries(grammar, model.size, LARGEST_INDEX) < real * 12
    for pattern in ("[ab]{0,60}a[ab]{30}", "(.*foo.*){2}bar.*"):
        with pytest.raises(GrammarError, match="entries or more") as caught:
            engine.matcher(for_regex(pattern))
        assert "simplify patterns" in caught.value.hint


def test_what_outlines_cannot_hold_is_an_error(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = model.engine()
    with pytest.raises(GrammarError, match="does not read GBNF"):
        engine.matcher('root ::= "a"')
    with pytest.raises(GrammarError, match=r"U\+0000"):
        engine.matcher(Grammar(Lit("a\0b")))
    assert left(engine.matcher(Grammar(Chars(((0, 2),)))), model) == [model.byte("\x01"), model.byte("\x02")]
    monkeypatch.setattr(outlines, "to_regex", half)
    with pytest.raises(GrammarError, match="outlines: "):
        engine.matcher(Grammar(Lit("x")))


def test_a_vocabulary_without_a_character_is_an_error(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def poor(*_: object) -> tuple[list[bytes], list[int]]:
        return [bytes([97 + i % 20]) for i in range(model.size)], [0] * model.size

    monkeypatch.setattr(outlines, "read_tokens", poor)
    engine = model.engine()
    with pytest.raises(GrammarError, match="vocabulary"):
        engine.matcher(for_choice(["é"]))
    assert engine.matcher(for_choice(["a"])).allows(0)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("outlines_core", "outlines", "outlines.types", "outlines.types.dsl"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match="outlines") as caught:
        OutlinesEngine(0, 0, [])
    assert caught.value.facts["extra"] == "outlines"
    with pytest.raises(MissingExtra, match="outlines") as caught:
        for_outlines(int)
    assert ".[outlines]" in caught.value.hint


def test_a_model_in_this_process_is_held_by_it(file: Path) -> None:
    pytest.importorskip("outlines_core", reason="needs the extra 'outlines'")
    endpoint = LlamaCpp(file, engine="outlines", context_tokens=2000)
    tools = [ToolSpec("keep", "", PERSON)]
    for seed in range(4):
        done = respond(
            endpoint,
            [{"role": "user", "content": "keep Ana, 31"}],
            tools,
            tool_choice="required",
            temperature=1.5,
            seed=seed,
            bounds=BOUNDS,
            wrapper="hermes",
        )
        (call,) = done.message.calls
        assert call.name == "keep"
        assert set(call.arguments) == {"name", "age"}
    endpoint.close()


class Mood(enum.Enum):
    """Has values of two types."""

    good = "good"
    bad = -1.5


def test_types_of_python_become_grammars(types: Any) -> None:
    for wanted, right, wrong in [
        (int, "-12", "1.5"),
        (float, "1.5e-7", "x"),
        (bool, "True", "true"),
        (str, '"a b"', "a"),
        (datetime.date, "2024-02-29", "2024-13-01"),
        (Literal["a", 1], "1", "2"),
        (Mood, "-1.5", "-1x5"),
        (int | None, "None", "null"),
        (list[int], "[1, 2]", "[1,2]"),
        (dict, '{"a": 1}', "[]"),
        (7, "7", "8"),
        ("a.b", "a.b", "axb"),
        (types.Choice(["yes", "no", Mood]), "good", "maybe"),
        (types.either("none", types.date), "none", "nothing"),
        (types.optional("a") + "b", "b", "a"),
        (types.exactly(2, types.digit), "42", "4"),
        (types.between(1, 2, "ab"), "abab", "ababab"),
        (types.at_most(2, "ab"), "", "ababab"),
        (types.at_least(2, "ab"), "ababab", "ab"),
        (types.one_or_more("ab"), "ab", ""),
        (types.zero_or_more("ab"), "", "b"),
    ]:
        grammar = for_outlines(wanted, SMALL)
        assert (matches(grammar, right), matches(grammar, wrong)) == (True, False), wanted


def test_terms_mean_what_outlines_means(types: Any) -> None:
    dsl: Any = importlib.import_module("outlines.types.dsl")
    tried = 0
    for name in types.__all__:
        term = getattr(types, name)
        if isinstance(term, dsl.Term) and name != "isbn":
            grammar = for_outlines(term, Bounds(string_chars=60))
            for seed in range(5):
                assert re.fullmatch(dsl.to_regex(term), sample(grammar, random.Random(seed))), name
            tried += 1
    assert tried > 15


def test_schemas_in_terms_keep_their_rules_apart(types: Any) -> None:
    other: dict[str, JSON] = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 2}},
        "required": ["name"],
    }
    term = types.either(types.JsonSchema(PERSON), "none", types.JsonSchema(other))
    grammar = for_outlines(term, SMALL)
    for text, held in [
        ('{"name": "Ana", "age": 31}', True),
        ('{"name": "An"}', True),
        ("none", True),
        ('{"name": "Ana"}', False),
        ('{"name": "An", "age": true}', False),
    ]:
        assert matches(grammar, text) is held
    assert {name for name in grammar.rules if name.startswith("schema-2-")} not in (set(), set(grammar.rules))
    assert to_gbnf(grammar)
    pydantic: Any = importlib.import_module("pydantic")
    person = pydantic.create_model("Person", name=(str, ...), age=(int, ...))
    assert matches(for_outlines(person, SMALL), '{"name": "Ana", "age": 31}')


def test_what_has_no_grammar_is_refused_with_a_way_out(types: Any) -> None:
    for wanted, said in [
        (types.CFG("start: 'a'"), "Lark"),
        (complex, "complex"),
        (types.isbn, "look-around"),
        (types.Choice([]), "nothing to choose"),
        (types.JsonSchema({}, whitespace_pattern=" *"), "whitespace pattern"),
    ]:
        with pytest.raises(InputError, match=said) as caught:
            for_outlines(wanted)
        assert caught.value.hint
