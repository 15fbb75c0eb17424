"""Regular expressions of grammars: exact, portable, and refused where they would become too large."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridle.errors import GrammarError
from bridle.grammars import (
    EMPTY,
    Alt,
    Bounds,
    Chars,
    Grammar,
    Lit,
    Node,
    Ref,
    Repeat,
    Seq,
    for_schema,
    matches,
    sample,
    to_regex,
)
from bridle.grammars.regex import LARGEST_REGEX, json_pattern

DIGIT = Chars(((48, 57),))


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        (EMPTY, ""),
        (Lit("a.b\n\x01é\u2028🧿"), "a\\.b\\n\\u0001é\\u2028🧿"),
        (Lit("\\*+?()|[]{}^$"), "\\\\\\*\\+\\?\\(\\)\\|\\[\\]\\{\\}\\^\\$"),
        (Chars(((93, 93), (45, 45), (97, 99))), "[\\u002D\\u005Da-c]"),
        (Chars(((34, 34), (92, 92)), negated=True), "[^\\u0022\\u005C]"),
        (Chars((), negated=True), "[\\u0000-\U0010ffff]"),
        (Alt((Lit("a"), Lit("b"))), "a|b"),
        (Alt((Lit("a"), EMPTY)), "(?:a)?"),
        (Alt((Lit("a"), EMPTY, Lit("a"))), "(?:a)?"),
        (Alt((Lit("a"), Lit("a"))), "a"),
        (Seq((Lit("x"), Alt((Lit("a"), Lit("b"))))), "x(?:a|b)"),
        (Seq((Lit("x"), Ref("r"))), "x(?:a|b)"),
        (Repeat(Lit("ab"), 0, 1), "(?:ab)?"),
        (Repeat(DIGIT, 3, 3), "[0-9]{3}"),
        (Repeat(DIGIT, 1, 1), "[0-9]"),
        (Repeat(Ref("d"), 0, 4), "[0-9]{0,4}"),
        (Repeat(DIGIT, 0, 0), ""),
        (Repeat(EMPTY, 2, 3), ""),
    ],
)
def test_each_node_has_its_own_way(root: Node, expected: str) -> None:
    grammar = Grammar(root, {"r": Alt((Lit("a"), Lit("b"))), "d": DIGIT})
    assert to_regex(grammar) == expected


_CHARS = st.builds(
    Chars,
    st.lists(st.tuples(st.integers(0, 0x2100), st.integers(0, 0x200)).map(lambda ab: (ab[0], sum(ab))),
             min_size=1, max_size=3).map(tuple),
    st.booleans(),
).filter(lambda chars: bool(chars.allowed()))  # fmt: skip
_LITS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4).map(Lit)


def _bigger(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    some = st.lists(inner, max_size=3).map(tuple)
    counts = st.tuples(st.integers(0, 2), st.integers(0, 3))
    return st.one_of(
        some.map(Seq),
        some.filter(bool).map(Alt),
        st.tuples(inner, counts).map(lambda drawn: Repeat(drawn[0], drawn[1][0], sum(drawn[1]))),
    )


NODES: st.SearchStrategy[Node] = st.recursive(st.one_of(_LITS, _CHARS), _bigger, max_leaves=8)


@settings(max_examples=100)
@given(root=NODES, rule=NODES, text=st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
       seed=st.integers(0, 2**32))  # fmt: skip
def test_it_matches_the_sentences_and_nothing_else(root: Node, rule: Node, text: str, seed: int) -> None:
    grammar = Grammar(Seq((root, Repeat(Ref("rule"), 0, 2))), {"rule": rule})
    expression = re.compile(to_regex(grammar))
    sentence = sample(grammar, random.Random(seed))
    assert expression.fullmatch(sentence)
    for other in (text, sentence + text, sentence[:-1]):
        assert (expression.fullmatch(other) is not None) == matches(grammar, other), other


@settings(max_examples=50)
@given(root=NODES)
def test_it_is_written_in_what_all_readers_know(root: Node) -> None:
    text = to_regex(Grammar(root))
    assert not re.search(r"\(\?[^:]", text)
    assert set(re.findall(r"(?<!\\)(?:\\\\)*\\([a-zA-Z0-9])", text)) <= set("nrtu")
    assert "||" not in text
    assert "|)" not in text


def test_what_would_be_too_large_is_refused_with_both_numbers() -> None:
    with pytest.raises(GrammarError, match=r"about \d+ characters") as caught:
        to_regex(for_schema(True, bounds=Bounds(depth=40)))
    assert str(LARGEST_REGEX) in caught.value.hint
    assert len(to_regex(for_schema(True, bounds=Bounds(depth=2)))) < LARGEST_REGEX


def test_half_a_character_is_refused() -> None:
    with pytest.raises(GrammarError, match="half a character"):
        to_regex(Grammar(Lit("\ud800")))


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (Lit("a.é"), ("^a[\\u002E][\\u00E9]$", True)),
        (Repeat(Lit("a"), 0, 2), ("^[a]{0,2}$", True)),
        (Repeat(Lit("ab"), 2, 2), ("^(ab){2}$", True)),
        (Seq((Alt((Lit("a"), Lit('"'))), DIGIT)), ("^(a)[0-9]$", False)),
        (Chars(((0x20, 0x23),)), ("^[ -\\u0021\\u0023]$", False)),
        (Lit('"'), None),
        (Chars(((0, 31),)), None),
        (Alt((Lit("\\"),)), None),
        (Seq((Lit("a"), Repeat(Lit("\n"), 0, 3))), ("^a$", False)),
        (Repeat(Lit("\n"), 1, 3), None),
    ],
)
def test_a_pattern_for_what_stands_in_quotation_marks_leaves_out_escapes(
    node: Node, expected: tuple[str, bool] | None
) -> None:
    assert json_pattern(node) == expected
