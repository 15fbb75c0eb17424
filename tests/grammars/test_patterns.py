"""Regular expressions: what is generated is found by Python's `re`, also from inside a JSON string."""

from __future__ import annotations

import json
import random
import re

import pytest

from bridle.errors import SchemaError
from bridle.grammars import Alt, Grammar, Lit, Node, Ref, Repeat, Seq, matches, sample
from bridle.grammars.formats import FORMATS
from bridle.grammars.json_text import ANY_CHAR, escaped, quoted
from bridle.grammars.patterns import TextRule, check_pattern, pattern_node, text_automaton

UNDERSTOOD = [
    r"^a{2}$",
    r"^[A-Z]{3}-\d+$",
    r"[a-z]+",
    r"^\w+@\w+\.(com|org)$",
    r"^(red|green|bl(ue|ack))$",
    r"^[^\s@]+$",
    r"^\S{2,5}$|^x+$",
    r'^"\\',
    r"$",
    r"end$",
    r"^([a-z]+ )*$",
    r"^[^\d]{3}$",
    r"^[^\W]{3}[^\w][^\D][^\S]$",
    r"^\D\W\s$",
    r"^#[0-9a-fA-F]{6}$",
    r"^.{1,10}$",
    r"^(?P<y>\d{4})-(?:0[1-9]|1[0-2])$",
    "^[\u0400-\u04ff]+$",
    r"^[\w.-]+$",
    "",
    r"^\x41\u00e9\n\t\/\.\-\0$",
    r"^[\]a-]$",
    r"^[\b]?a{1}b{2,}c{,}?x{y$".replace("{,}?", "{2,3}?"),
    r'^[^"\\]*$',
    "foo?",
    "^a{x}b{$",
    r"^(a|)b{0}$",
    "^()*x$",
    "^(ab){1,2}?$",
]
SEARCHED = [
    (r"(?=a)a", ["a", "bab"], ["b", ""]),
    (r"\bfoo", ["foo", "a foo"], ["afoo"]),
    (r"a\B", ["ab"], ["a", "a b"]),
    (r"(?i)^ab$", ["aB", "AB"], ["a"]),
    (r"^(a|b$)", ["ax", "b"], ["bx"]),
    (r"(^a$)|(^b+$)", ["a", "bb"], ["ab", "aa"]),
    (r"^(?!.*\.\.)[a-z.]+$", ["a.b"], ["a..b", ""]),
    (r"^(?=.{2,3}$)[a-z]+(-[a-z]+)*$", ["ab", "a-b"], ["a", "abcd"]),
    (r"^((?!ab).)*$", ["ba", ""], ["cab"]),
    (r"^\w+(?<!x)$", ["ab"], ["abx"]),
    (r"(?<=a)b", ["ab"], ["b", "cb"]),
    (r"^\p{Lu}\p{L}*$", ["Äb"], ["äb", ""]),
    (r"^(?<y>\d)\u{41}$", ["1A"], ["1B"]),
    (r"^[^\P{L}]$", ["é"], ["1"]),
]
REFUSED = [
    (r"(?=a)b", "cannot be held"),
    (r"(a)\1", r"escape '\\1'"),
    (r"^(a(?=b)c|d)$", "look-around inside a group"),
    (r"a(?=b\b)c", "looks around|cannot be held"),
    (r"(?x)a", "a flag"),
    (r"a$b", "cannot be held"),
    (r"[[:alpha:]]", "POSIX"),
    (r"a++", "possessive"),
    (r"x^", "cannot be held"),
    (r"[^\s\S]", "matches nothing"),
    (r"a{,3}", "read in two ways"),
    (r"(?P<n>a)(?P=n)", "a flag or a condition"),
    (r"\p{Nonsense}", "property"),
    (r"^[a-z]{100}$", "cannot be held"),
]


@pytest.mark.parametrize(("pattern", "found", "others"), SEARCHED)
def test_what_takes_an_automaton_is_found_too(pattern: str, found: list[str], others: list[str]) -> None:
    node = Grammar(pattern_node(pattern, 0, 60))
    whole = text_automaton((TextRule(pattern),), exact=True)
    assert all(whole.accepts(text) for text in found)
    assert not any(whole.accepts(text) or matches(node, text) for text in others)
    rng = random.Random(pattern)
    assert all(whole.accepts(sample(node, rng)) for _ in range(30))


def _holds(node: Node, pattern: str, most: int = 60) -> None:
    plain, inside = Grammar(node), Grammar(quoted(escaped(node)))
    rng = random.Random(pattern)
    for _ in range(60):
        text = json.loads(sample(inside, rng))
        assert re.search(pattern, text), text
        assert len(text) <= most
        drawn = sample(plain, rng)
        assert re.search(pattern, drawn), drawn
        assert matches(inside, json.dumps(drawn, ensure_ascii=False)), drawn


@pytest.mark.parametrize("pattern", UNDERSTOOD)
def test_what_is_generated_is_found_by_the_pattern(pattern: str) -> None:
    _holds(pattern_node(pattern, 0, 60), pattern)


@pytest.mark.parametrize(("pattern", "what"), REFUSED)
def test_what_is_not_understood_is_refused(pattern: str, what: str) -> None:
    with pytest.raises(SchemaError, match=what) as caught:
        pattern_node(pattern, 0, 60, pointer="/pattern")
    assert caught.value.pointer == "/pattern"


@pytest.mark.parametrize("pattern", ["(", "a**", r"\y", "[z-a]", "a{3,2}", "*"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(SchemaError, match="is wrong"):
        check_pattern(pattern, "")


def test_escaping_reaches_into_all_kinds_of_rules() -> None:
    node = Seq((Alt((Lit('"'), Repeat(Lit("\\"), 2, 2))), Ref("x")))
    assert escaped(node) == Seq((Alt((Lit('\\"'), Repeat(Lit("\\\\"), 2, 2))), Ref("x")))


def test_lengths_tighten_a_single_repetition() -> None:
    grammar = Grammar(pattern_node("^x[a-z]+$", 5, 10))
    assert [n for n in range(15) if matches(grammar, "x" * n)] == list(range(5, 11))


@pytest.mark.parametrize(
    ("pattern", "least", "most"),
    [("^[a-z]{2}$", 5, 60), ("^(ab)*$", 3, 3), ("^[a-z]{0,3}$", 5, 60)],
)
def test_lengths_that_the_pattern_cannot_have_are_refused(pattern: str, least: int, most: int) -> None:
    with pytest.raises(SchemaError, match=f"{least} to {most}"):
        pattern_node(pattern, least, most)


def test_an_unanchored_pattern_may_stand_anywhere() -> None:
    grammar = Grammar(pattern_node(r"\d{4}", 0, 60))
    assert matches(grammar, "in 1999 it was")
    assert not matches(grammar, "in 199 it was")


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_formats_are_generated_as_their_checkers_want_them(name: str) -> None:
    from jsonschema import Draft202012Validator

    node = pattern_node(FORMATS[name], 0, 400)
    checker = Draft202012Validator.FORMAT_CHECKER
    rng = random.Random(name)
    for _ in range(200):
        assert checker.conforms(sample(Grammar(node), rng), name)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "date",
            ["2024-02-29", "2000-02-29", "1999-12-31"],
            ["2023-02-29", "1900-02-29", "2024-04-31", "2024-13-01"],
        ),
        ("time", ["23:59:59Z", "00:00:00.5+02:00"], ["24:00:00Z", "12:00"]),
        ("ipv4", ["0.0.0.0", "255.255.255.255"], ["256.1.1.1", "1.1.1"]),
        ("uuid", ["123e4567-e89b-12d3-a456-426614174000"], ["123e4567"]),
        ("email", ["a.b+c@x-y.example.org"], ["a@b", "@x.org"]),
    ],
)
def test_formats_hold_what_they_should(name: str, good: list[str], bad: list[str]) -> None:
    grammar = Grammar(pattern_node(FORMATS[name], 0, 400))
    assert all(matches(grammar, text) for text in good)
    assert not any(matches(grammar, text) for text in bad)


def test_each_character_has_one_spelling_in_a_json_string() -> None:
    grammar = Grammar(quoted(ANY_CHAR))
    for point in [*range(0x300), 0x2028, 0xFFFF, 0x1F9FF, 0x10FFFF]:
        assert matches(grammar, json.dumps(chr(point), ensure_ascii=False))
    for text in ('"\\/"', '"\\u0041"', '"\\u000A"', '"\\u000a"', '"\n"', '"""', '"\\"'):
        assert not matches(grammar, text)
