"""GBNF is checked before llama.cpp sees it: what kills a process is refused, what people write is not."""

from __future__ import annotations

import random

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
    Node,
    Ref,
    Repeat,
    Seq,
    call_grammar,
    check_gbnf,
    schema_grammar,
    to_gbnf,
    to_lark,
)
from bridle.messages import ToolSpec
from bridle.wrappers.syntax import CallShape, JsonLayout

JSON = r"""
# a JSON value
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws (
             string ":" ws value
             ("," ws string ":" ws value)*
           )? "}" ws
array  ::=
  "[" ws (
    value ("," ws value)*
  )? "]" ws
string ::= "\"" (
    [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4})
  )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws ::= | " " | "\n" [ \t]{0,20}
"""
SUMS = """root ::= (sum "=" blank term "\\n")+
sum ::= term ([-+*/] term)*
term ::= name | digits | "(" blank sum ")" blank
name ::= [a-z] [a-z0-9-]* blank
digits ::= [0-9]+ blank
blank ::= [ \\t\\n]*
"""
LIST = (
    'root ::= item+\r\n\r\n# one per line\r\nitem ::= "- " [^\\r\\n\\x0b\\x0c\\x85\\u2028\\u2029]+ "\\n"\r\n'
)
MOVES = r"""root ::= "1. " move " " move "\n" ([1-9] [0-9]? ". " move " " move "\n")+
move ::= (pawn | piece | castle) [+#]?
piece ::= [NBKQR] [a-h]? [1-8]? "x"? [a-h] [1-8]
pawn ::= ([a-h] "x")? [a-h] [1-8] ("=" [NBKQR])?
castle ::= "O-O" "-O"?
"""
GOOD = [
    JSON,
    SUMS,
    LIST,
    MOVES,
    'root ::= "a"',
    'root ::= .{2,} [\\u00e9-\\u00ff] "\\U0001F9FF" "日本" [\\[\\]\\-^a-]',
    'root ::= <think> !<[12]>* </think> | ""',
    'root::=a|b\na::="x"?\nb::=a a{2}{3} [^a-z]{,}'.replace("{,}", "{0,}"),
    'root ::= x{0,2000}\nx ::= "a" |\n  "b"',
    'root ::= (a b)?\na ::= ""\nb ::= "x"{0}',
    'root ::= "a\n"',
    'root ::= "a" root | "b" # right recursion',
]
BAD = [
    (r'root ::= [\d]', 1, "escape"),
    (r'root ::= "\d"', 1, "escape"),
    ('root ::= my_rule\nmy_rule ::= "a"', 1, "cannot stand here"),
    ('my_rule ::= "a"', 1, "::="),
    ('root ::= "a" other', 1, "'other' is not defined"),
    ('a ::= "x"', 0, "no rule called 'root'"),
    ("", 0, "no rule called 'root'"),
    ("  \n# nothing\n", 0, "no rule called 'root'"),
    ('root ::= "a"\nroot ::= "b"', 2, "second time"),
    ('root ::= root "a" | "b"', 1, "begins with itself"),
    ('root ::= a\na ::= b\nb ::= "x"? a "y"', 3, "begins with itself"),
    ('root ::= a "x"\na ::= e e root\ne ::= f?\nf ::= ("" | "y")', 2, "begins with itself"),
    ('root ::= (""*)*', 1, "nothing to repeat"),
    ('root ::= ("")*', 1, "endless repetition"),
    ('root ::= ("x"?)*', 1, "endless repetition"),
    ('root ::= a+\na ::= "x"* "y"?', 1, "endless repetition"),
    ('root ::= ("a"{0} | "b" "c"?{0,})+', 1, "endless repetition"),
    ('root ::= "a"{3,2}', 1, "from 3 to 2"),
    ('root ::= "a"{2001}', 1, "too large"),
    ('root ::= "a"{0,2001}', 1, "too large"),
    ('root ::= "a"{99999999999999999999999}', 1, "too large"),
    ('root ::= ("a"{0,100}){100}', 1, "repetitions make"),
    ('root ::= "a"{100}{100}', 1, "repetitions make"),
    ('root ::= "a"{', 1, "number"),
    ('root ::= "a"{1', 1, "'}'"),
    ('root ::= "a"{,3}', 1, "number"),
    ('root ::= "a"{1,x}', 1, "'}'"),
    ("root ::= *", 1, "nothing to repeat"),
    ("root ::= | +", 1, "nothing to repeat"),
    ('root ::= ""*', 1, "nothing to repeat"),
    ('root ::= "a', 1, "has no end"),
    ("root ::= [a", 1, "has no end"),
    ("root ::= [a-", 1, "has no end"),
    ("root ::= []", 1, "names no character"),
    ("root ::= [^]", 1, "names no character"),
    ("root ::= [z-a]", 1, "ends before"),
    ('root ::= ("a"', 1, r"'\)' should"),
    ('root ::= "a")', 1, "cannot stand here"),
    ('root ::= "a"\n  | "b"', 2, "a name should stand"),
    ("root = a", 1, "::="),
    ("root ::= 'a'", 1, "cannot stand here"),
    ("root ::= /a/", 1, "cannot stand here"),
    (r'root ::= "\x4"', 1, "hexadecimal"),
    (r'root ::= "\u12 4"', 1, "hexadecimal"),
    (r'root ::= "\UFFFFFFFF"', 1, "hexadecimal"),
    ("root ::= \"a\0b\"", 1, "U\\+0000"),
    ("root ::= [\ud800]", 1, "U\\+D800"),
    ("root ::= \0", 1, "cannot stand here"),
    ("root ::= <think", 1, "no token"),
    ("root ::= <>", 1, "no token"),
    ("root ::= <[x]>", 1, "no token"),
    ("root ::= <[99999999999]>", 1, "no token"),
    ("root ::= !x", 1, "no token"),
    ("root ::= <a\nb>", 1, "no token"),
    ("root ::= " + "(" * 5000 + '"a"' + ")" * 5000, 1, "nested too deeply"),
    ('root ::= a{0,2000}\na ::= b{0,2000}\nb ::= "x"{0,2000}', 1, "more than 100000 ways"),
    ('root ::= "' + "x" * 2000 + '"{2000}\n', 1, "too large"),
    ("root ::= " + "x" * 2_000_001, 0, "characters"),
    ("%llguidance {}\nstart: /a/", 1, "a name should stand"),
    ('{"type": "object"}', 1, "a name should stand"),
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_what_people_write_is_taken(text: str) -> None:
    check_gbnf(text)


@pytest.mark.parametrize(("text", "line", "what"), BAD, ids=lambda part: repr(part)[:40])
def test_what_llama_cpp_cannot_take_is_refused(text: str, line: int, what: str) -> None:
    with pytest.raises(GrammarError, match=what) as caught:
        check_gbnf(text)
    assert caught.value.line == line
    assert len(str(caught.value)) < 400


def test_tokens_are_refused_where_they_are_not_wanted() -> None:
    with pytest.raises(GrammarError, match="token cannot stand") as caught:
        check_gbnf('root ::= a\na ::= ("x" !<[7]>)', tokens=False)
    assert caught.value.line == 2
    check_gbnf('root ::= "<[7]>"', tokens=False)


def test_left_recursion_is_found_in_many_rules_at_once() -> None:
    rules = [f'r{i} ::= "x"? r{i + 1}' for i in range(20_000)]
    check_gbnf("\n".join(["root ::= r0", *rules, 'r20000 ::= "y"']))
    with pytest.raises(GrammarError, match="begins with itself"):
        check_gbnf("\n".join(["root ::= r0", *rules, "r20000 ::= r7"]))


_PIECES = st.sampled_from(
    ["root", " ::= ", '"', "[", "]", "(", ")", "|", "*", "+", "?", "{", "}", ",", "a", "-", "^", "\\", "\\d",
     "\\x4", "\n", " ", "#", ".", "<", ">", "!", "_", "2000", "3", "é", "\0", "::=", "b ::= ", '""', "'"]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=25).map("".join))
def test_any_text_is_taken_or_refused_with_a_line(text: str) -> None:
    line = 0
    try:
        check_gbnf("root ::= " + text)
    except GrammarError as error:
        line = error.line
    assert 0 <= line <= text.count("\n") + 1


GRAMMARS: list[Grammar] = [
    Grammar(Lit("")),
    Grammar(Lit('a"\\\n\r\t\x01\x7f\u2028é🧿[]^-{}|')),
    Grammar(Alt((Lit("a"), Seq((Ref("x y"), Ref("x_y"), Ref("X-Y"), Ref("root"), Ref("part-1"))))),
            {name: Lit(name) for name in ("x y", "x_y", "X-Y", "root", "part-1", "")}),
    Grammar(Repeat(Lit("ab"), 0, 5000)),
    Grammar(Repeat(Chars(((97, 97),)), 2500, 4100)),
    Grammar(Repeat(Repeat(Repeat(Lit("a"), 0, 5), 0, 1), 2, 3)),
    Grammar(Seq((Repeat(Lit("a"), 1, 1), Repeat(Lit("a"), 0, 0), Repeat(Ref("r"), 0, 1))), {"r": Lit("x")}),
    Grammar(Repeat(Seq((Lit("a"), Repeat(Chars(((0, 48),), True), 0, 1900), Lit("b"))), 0, 1)),
    Grammar(Chars((), negated=True)),
    Grammar(Chars(((0, 0x10FFFF),))),
    schema_grammar(True),
    schema_grammar({"type": "array", "items": {"type": "object"}}, JsonLayout(2), Bounds(depth=2)),
    schema_grammar({"type": "string", "pattern": "^(a*,?){0,40}$"}),
    schema_grammar({"properties": {f"p{i}": {"type": "string", "maxLength": 9} for i in range(30)}}),
    call_grammar([ToolSpec("f")], CallShape(("<f>",), JsonLayout(), "<f>", text_first=True), "text_or_call"),
]  # fmt: skip


@pytest.mark.parametrize("grammar", GRAMMARS, ids=lambda grammar: grammar.key[:8])
def test_what_is_written_passes_the_check(grammar: Grammar) -> None:
    check_gbnf(to_gbnf(grammar))


@pytest.mark.parametrize(
    ("root", "what"),
    [(Lit("a\0"), r"U\+0000"), (Lit("\ud800"), r"U\+D800"), (Chars(((0, 0),)), r"U\+0000 alone")],
)
def test_what_gbnf_cannot_say_is_refused(root: Node, what: str) -> None:
    with pytest.raises(GrammarError, match=what):
        to_gbnf(Grammar(root))


def test_lark_cannot_say_half_a_character() -> None:
    with pytest.raises(GrammarError, match="half a character"):
        to_lark(Grammar(Lit("\ud800")))


def test_the_text_is_the_same_each_time() -> None:
    rng = random.Random(1)
    grammar = rng.choice(GRAMMARS)
    assert to_gbnf(grammar) == to_gbnf(grammar)
    assert to_gbnf(
        Grammar(Alt((Lit('"'), Seq((Ref("x"), Repeat(Ref("x"), 0, 3))))), {"x": Chars(((48, 57),))})
    ) == ('root ::= "\\"" | x x{0,3}\nx ::= [0-9]\n')


@pytest.mark.parametrize("chain", ["**", "?+", "*+", "?*", "{0,3}*", "*{2,}"])
def test_an_endless_repetition_of_a_repetition_that_may_be_empty_is_refused(chain: str) -> None:
    with pytest.raises(GrammarError, match="what may be empty"):
        check_gbnf(f'root ::= "a" b{chain} "c"\nb ::= "x"')


@pytest.mark.parametrize("chain", ["*?", "+?", "{2}{3}", "+{2}", "++"])
def test_other_repetitions_of_a_repetition_are_taken(chain: str) -> None:
    check_gbnf(f'root ::= "a" b{chain} "c"\nb ::= "x"')
