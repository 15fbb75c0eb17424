"""The intermediate form: what it measures, what it refuses, and its two ways to use a sentence."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.errors import GrammarError
from bridle.grammars import (
    EMPTY,
    Alt,
    Chars,
    Grammar,
    Lit,
    Node,
    Ref,
    Repeat,
    Seq,
    alt,
    matches,
    optional,
    sample,
    seq,
)

_POINTS = st.integers(0, 0x10FFFF)
_RANGES = st.lists(
    st.tuples(_POINTS, _POINTS).map(lambda ends: (min(ends), max(ends))), min_size=1, max_size=3
)
_CHARS = st.builds(Chars, _RANGES.map(tuple), st.booleans()).filter(lambda chars: bool(chars.allowed()))
_LITS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4).map(Lit)


def _bigger(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    some = st.lists(inner, max_size=3).map(tuple)
    counts = st.tuples(st.integers(0, 2), st.integers(0, 3))
    return st.one_of(
        some.map(Seq),
        some.filter(bool).map(Alt),
        st.tuples(inner, counts).map(lambda drawn: Repeat(drawn[0], drawn[1][0], sum(drawn[1]))),
    )


nodes: st.SearchStrategy[Node] = st.recursive(st.one_of(_LITS, _CHARS), _bigger, max_leaves=8)


@given(root=nodes, rule=nodes, seed=st.integers(0, 2**32))
def test_a_sample_is_a_sentence_within_the_measured_lengths(root: Node, rule: Node, seed: int) -> None:
    grammar = Grammar(Seq((root, Repeat(Ref("rule"), 0, 2))), {"rule": rule})
    text = sample(grammar, random.Random(seed))
    assert matches(grammar, text)
    assert grammar.shortest_bytes <= len(text.encode()) <= grammar.longest_bytes


@given(chars=_CHARS, point=_POINTS)
def test_the_allowed_ranges_are_what_a_class_holds(chars: Chars, point: int) -> None:
    assert chars.holds(point) == any(first <= point <= last for first, last in chars.allowed())
    assert not chars.holds(0xD800)


def test_lengths_are_exact_in_bytes() -> None:
    grammar = Grammar(seq(Lit("é"), Repeat(Alt((Lit("ab"), Lit("🧿"))), 1, 3), Chars(((0x20, 0x7FF),))))
    assert (grammar.shortest_bytes, grammar.longest_bytes) == (2 + 2 + 1, 2 + 12 + 2)


def test_a_rule_is_counted_wherever_it_is_used() -> None:
    grammar = Grammar(Seq((Ref("a"), Ref("a"))), {"a": Repeat(Ref("b"), 0, 2), "b": Lit("xy")})
    assert (grammar.shortest_bytes, grammar.longest_bytes) == (0, 8)


@pytest.mark.parametrize(
    ("root", "rules", "what"),
    [
        (Ref("a"), {}, "no rule 'a'"),
        (Ref("a"), {"a": Seq((Lit("x"), Ref("a")))}, "refers to itself"),
        (Lit("x"), {"a": Ref("b"), "b": Ref("a")}, "refers to itself"),
        (Alt(()), {}, "nothing to choose"),
        (Repeat(Lit("x"), 3, 2), {}, "from 3 to 2"),
        (Repeat(Lit("x"), -1, 2), {}, "from -1 to 2"),
        (Chars(()), {}, "matches nothing"),
        (Chars(((0xD800, 0xDFFF),)), {}, "matches nothing"),
        (Chars(((0, 0x110000),)), {}, "leaves Unicode"),
    ],
)
def test_what_is_not_finite_or_not_defined_is_refused(root: Node, rules: dict[str, Node], what: str) -> None:
    with pytest.raises(GrammarError, match=what):
        Grammar(root, rules)


def test_equal_rules_have_equal_keys_in_every_process() -> None:
    make = "from bridle.grammars import *; print(Grammar(Ref('a'), {'b': Lit('x'), 'a': Ref('b')}).key)"
    other = subprocess.run([sys.executable, "-c", _PATH + make], capture_output=True, text=True, check=True)
    one = Grammar(Ref("a"), {"a": Ref("b"), "b": Lit("x")})
    assert other.stdout.strip() == one.key
    assert one == Grammar(Ref("a"), {"b": Lit("x"), "a": Ref("b")})
    assert hash(one) == hash(Grammar(Ref("a"), {"b": Lit("x"), "a": Ref("b")}))
    assert one.key != Grammar(Ref("a"), {"a": Ref("b"), "b": Lit("y")}).key


_PATH = f"import sys; sys.path[:0] = {sys.path!r}; "


def test_joining_and_choosing_flatten() -> None:
    assert seq() == EMPTY
    assert seq(Lit("a"), Seq((Lit("b"), Ref("x"))), Lit("")) == Seq((Lit("ab"), Ref("x")))
    assert alt(Lit("a"), Lit("a")) == Lit("a")
    assert optional(Lit("a")) == Repeat(Lit("a"), 0, 1)


def test_a_long_text_is_recognised() -> None:
    word = Repeat(Chars(((97, 122),)), 1, 9)
    grammar = Grammar(seq(word, Repeat(seq(Chars(((32, 32),)), word), 0, 4000)))
    assert matches(grammar, "some words " * 400 + "end")
    assert not matches(grammar, "some words " * 400)


def test_names_of_rules_do_not_matter_to_the_engines() -> None:
    grammar = Grammar(Seq((Ref("a"), Ref("b"))), {"a": Lit("x"), "b": optional(Ref("a"))})
    assert [text for text in ("", "x", "xx", "xxx") if matches(grammar, text)] == ["x", "xx"]


def test_repetition_counts_hold() -> None:
    grammar = Grammar(Repeat(Alt((Lit("a"), Lit("aa"))), 2, 3))
    assert [n for n in range(9) if matches(grammar, "a" * n)] == [2, 3, 4, 5, 6]
