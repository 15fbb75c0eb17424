"""The dialects of GBNF: what each reader is given, and what its check refuses."""

from __future__ import annotations

import random
from typing import get_args

import pytest

from bridle.errors import GrammarError, InputError
from bridle.grammars import (
    Alt,
    Bounds,
    Chars,
    Grammar,
    Lit,
    Node,
    Ref,
    Repeat,
    Seq,
    call_grammar,
    check_gbnf,
    for_schema,
    matches,
    to_gbnf,
)
from bridle.grammars.gbnf_dialects import Dialect, notation
from bridle.grammars.gbnf_matching import GbnfMatcher
from bridle.messages import ToolSpec
from bridle.wrappers import JsonLayout
from bridle.wrappers.syntaxes import SYNTAXES, make_syntax

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
A = Chars(((97, 97),))
TOOLS = [
    ToolSpec("now"),
    ToolSpec(
        "f", "", {"properties": {"a_b": {"type": "string", "maxLength": 4000}, "n": {"type": "integer"}}}
    ),
]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", SYNTAXES)
def test_what_is_written_passes_the_check_of_its_dialect_and_llama_cpp_s(dialect: Dialect, name: str) -> None:
    shape = make_syntax(name, "inner", JsonLayout()).shape
    text = to_gbnf(call_grammar(TOOLS, shape, "text_or_call", parallel=2, think=True), dialect)
    check_gbnf(text, dialect=dialect, tokens=False)
    check_gbnf(text, tokens=False)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("least", "most"),
    [(0, 0), (0, 1), (1, 1), (0, 2), (3, 3), (2, 5), (0, 63), (0, 64), (0, 65), (64, 64), (0, 200),
     (130, 200), (7, 2000), (2000, 2000), (0, 2001), (1999, 2001), (2500, 6100)],
)  # fmt: skip
def test_repetitions_end_where_they_should(dialect: Dialect, least: int, most: int) -> None:
    for item, size in ((A, 1), (Lit("ab"), 2)):
        text = to_gbnf(Grammar(Seq((Repeat(item, least, most), Lit("!")))), dialect)
        check_gbnf(text, dialect=dialect)
        matcher, word = GbnfMatcher(text), "a" if size == 1 else "ab"
        near = {0, 1, least - 1, least, least + 1, (least + most) // 2, most - 1, most, most + 1}
        for count in sorted(count for count in near if count >= 0):
            assert matcher.matches(word * count + "!") == (least <= count <= most), count


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_long_repetition_is_read_in_few_ways(dialect: Dialect) -> None:
    """Each way to read a text is a state that readers follow: a count may not be split in many ways."""
    text = to_gbnf(Grammar(Repeat(A, 0, 6000)), dialect)
    assert text.count("::=") < 300
    assert len(text) < 10_000
    assert GbnfMatcher(text).matches("a" * 6000)


def test_the_web_ui_s_reader_gets_no_counts_and_a_root_that_is_no_choice() -> None:
    grammar = Grammar(Alt((Lit("{2}"), Repeat(Seq((Ref("x"), Lit("-"))), 1, 3), Seq(()))), {"x": A})
    assert to_gbnf(grammar, "webui") == (
        'root ::= start\nstart ::= "{2}" | part-1 part-3 | ""\nx ::= [a]\n'
        'part-1 ::= x "-"\npart-2 ::= (part-1 part-1?)?\n'.replace("part-3", "part-2")
    )


def test_xgrammar_gets_hex_digits_of_a_fixed_number_and_names_of_its_own_kind() -> None:
    rules: dict[str, Node] = {"1a": Lit("\x7fA"), "Regex": Lit("x"), "true": Chars(((0, 0x10FFFF),))}
    text = to_gbnf(Grammar(Seq(tuple(Ref(name) for name in rules)), rules), "xgrammar")
    assert text.splitlines() == [
        "root ::= r-1a r-Regex r-true",
        'r-1a ::= "\\u007FA"',
        'r-Regex ::= "x"',
        "r-true ::= [\\u0001-\\uD7FF\\uE000-\\U0010FFFF]",
    ]


def test_koboldcpp_is_given_what_llama_cpp_is() -> None:
    grammar = for_schema({"type": "array", "items": {"type": "string", "maxLength": 3000}})
    assert to_gbnf(grammar, "koboldcpp") == to_gbnf(grammar)


def test_names_in_every_dialect_are_apart() -> None:
    names = ["x y", "x_y", "X-Y", "root", "start", "part-1", "", "true", "2"]
    grammar = Grammar(Seq(tuple(Ref(name) for name in names)), {name: Lit(f"<{name}>") for name in names})
    for dialect in DIALECTS:
        text = to_gbnf(grammar, dialect)
        check_gbnf(text, dialect=dialect)
        assert GbnfMatcher(text).matches("".join(f"<{name}>" for name in names))


def test_what_a_reader_should_not_be_given_is_refused_with_both_numbers() -> None:
    words = tuple(Lit("".join(random.Random(i).choices("abcdef", k=40))) for i in range(6000))
    with pytest.raises(GrammarError, match="characters in the dialect of webui") as caught:
        to_gbnf(Grammar(Alt(words)), "webui")
    assert "200000" in caught.value.hint
    assert to_gbnf(Grammar(Alt(words))).startswith("root")


@pytest.mark.parametrize(
    ("dialect", "text", "what"),
    [
        ("webui", 'root ::= "a" | "b"', "only the first alternative of 'root'"),
        ("webui", 'root ::= ""', "only the first alternative of 'root'"),
        ("webui", "root ::= a{2}\na ::= [a]", "a repetition with numbers"),
        ("webui", "root ::= [^a]", "all but some characters"),
        ("webui", "root ::= .", "cannot stand here"),
        ("webui", "root ::= <think>", "cannot stand here"),
        ("koboldcpp", "root ::= <think>", "cannot stand here"),
        ("koboldcpp", 'root ::= root "a"', "begins with itself"),
        ("xgrammar", "root ::= a |\na ::= [a]", "an alternative of nothing"),
        ("xgrammar", "root ::= ()", "an alternative of nothing"),
        ("xgrammar", "root ::= [a]{2}{3}", "a repetition of a repetition"),
        ("xgrammar", 'root ::= "\\x41"', "escape"),
        ("xgrammar", 'root ::= "\\["', "escape"),
        ("xgrammar", 'root ::= "a\nb"', "a line break in a text"),
        ("xgrammar", "root ::= 1a\n1a ::= [a]", "a name should stand"),
        ("xgrammar", "root ::= Regex\nRegex ::= [a]", "a rule called 'Regex'"),
        ("xgrammar", 'root ::= TagDispatch(("a", b))\nb ::= "x"', "a rule called 'TagDispatch'"),
        ("xgrammar", 'root ::= "a" (= "b")', "an alternative of nothing"),
        ("xgrammar", "root ::= .", "not defined"),
    ],
)
def test_each_dialect_s_check_knows_its_reader(dialect: Dialect, text: str, what: str) -> None:
    with pytest.raises(GrammarError, match=what):
        check_gbnf(text, dialect=dialect)


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("webui", 'root ::= a_1?\na_1 ::= ("x" | [y-z] b*)+\nb ::= "\\u00e9" | "y"  # why\n'),
        ("webui", 'größe ::= "a"\nroot ::= größe'),
        ("koboldcpp", "root ::= [^a]{0,20} ."),
        ("xgrammar", 'root ::= "a"\n  | b.c_1\n\nb.c_1 ::= [\\-\\^\\$-z] ("x"\n | "y") {2,}\n# end'),
        ("xgrammar", 'root ::= (a | "") "\\e\\?"\na\t::= [^"]'),
    ],
)
def test_what_people_write_for_a_reader_is_taken(dialect: Dialect, text: str) -> None:
    check_gbnf(text, dialect=dialect)


def test_an_unknown_dialect_is_refused_by_name() -> None:
    for ask in (lambda: notation("gnbf"), lambda: check_gbnf("root ::= [a]", dialect="x")):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(InputError, match="the dialect of GBNF is") as caught:
            ask()
        assert "xgrammar" in caught.value.hint


def test_what_a_dialect_says_is_what_the_rules_say() -> None:
    grammar = for_schema({"enum": ["a", "é\n"]}, bounds=Bounds())
    for dialect in DIALECTS:
        matcher = GbnfMatcher(to_gbnf(grammar, dialect))
        for text in ('"a"', '"é\\n"', '"b"', ""):
            assert matcher.matches(text) == matches(grammar, text)
