"""Arguments that stand one by one: each style's values, and text that does not hold its closing mark."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.errors import GrammarError, SchemaError
from bridle.grammars import (
    EMPTY,
    Bounds,
    Chars,
    Grammar,
    Lit,
    Ref,
    Repeat,
    Seq,
    alt,
    call_grammar,
    matches,
    sample,
)
from bridle.grammars.free_text import text_without_any
from bridle.grammars.marked_text import marked_text, unlike_json, without_mark
from bridle.messages import JSON, ToolSpec
from bridle.wrappers.syntax import CallShape, JsonLayout, Members, Name, ValueStyle
from bridle.wrappers.values import unescape_mark

MARKS = ["</parameter>", "</v>", '<|"|>', ";", "||"]
CLOSE = "</v>"


def shape(values: ValueStyle, close: str = "\n</v>\n") -> CallShape:
    members = {
        "raw": Members("<v=", ">\n", close),
        "python": Members("", "=", "", ", ", "python"),
        "gemma": Members("", ":", "", ",", "gemma"),
    }
    return CallShape((Name(quoted=False), "(", members[values], ")"), JsonLayout(), trigger="(")


def tool(**properties: Any) -> ToolSpec:
    return ToolSpec("f", "", {"type": "object", "properties": properties, "required": list(properties)})


def held(tool: ToolSpec, values: ValueStyle, *texts: str) -> list[bool]:
    grammar = call_grammar([tool], shape(values), "call")
    return [matches(grammar, f"f({text})") for text in texts]


@pytest.mark.parametrize("mark", MARKS)
@given(seed=st.integers(0, 2**32), least=st.integers(0, 3), more=st.integers(0, 9), exact=st.booleans())
def test_marked_text_never_holds_its_mark(mark: str, seed: int, least: int, more: int, exact: bool) -> None:
    text = sample(Grammar(marked_text(mark, least, least + more, exact=exact)), random.Random(seed))
    read = unescape_mark(text, mark)
    assert (text + mark).index(mark) == len(text)
    assert len(read) >= least
    assert not exact or len(read) <= least + more


@given(text=st.text("<>/v &lt;amp", max_size=9), least=st.integers(0, 3))
def test_marked_text_of_any_kind_is_read_within_its_length(text: str, least: int) -> None:
    for exact in (False, True):
        if matches(Grammar(marked_text(CLOSE, least, 9, exact=exact)), text):
            assert CLOSE not in text
            assert len(unescape_mark(text, CLOSE)) >= least


def test_ordinary_text_before_a_mark_is_held() -> None:
    grammar = Grammar(marked_text("</parameter>", 0, 400, exact=False))
    for text in (
        "",
        "a < b << c",
        "<p>x</p>\n<params></params>",
        "if a<b and c>d: x/y",
        "x" * 400,
        "&lt;/parameter>",
    ):
        assert matches(grammar, text), text
    counted = Grammar(marked_text("</parameter>", 2, 20, exact=True))
    for text in ("ab", "a < b > c", "a/b/c", "x" * 20):
        assert matches(counted, text), text
    assert not matches(counted, "x" * 21)
    assert not matches(counted, "x")


@given(seed=st.integers(0, 2**32))
def test_a_pattern_is_kept_free_of_the_mark(seed: int) -> None:
    inside = Seq((Repeat(Chars(((38, 62), (97, 122))), 0, 12), Repeat(alt(Lit("</"), Lit("v>")), 0, 3)))
    text = sample(Grammar(without_mark(inside, CLOSE)), random.Random(seed))
    assert matches(Grammar(inside), text)
    assert CLOSE not in text
    assert unescape_mark(text, CLOSE) == text


def test_parts_of_a_pattern_that_hold_the_mark_are_left_out() -> None:
    plain = Repeat(Chars(((97, 122),)), 1, 3)
    assert without_mark(plain, CLOSE) is plain
    assert without_mark(alt(Lit(CLOSE), plain), CLOSE) == plain
    assert without_mark(Seq((Repeat(Lit(CLOSE), 0, 2), plain)), CLOSE) == plain
    for hopeless in (Lit(CLOSE), Repeat(Lit(CLOSE), 1, 2), Seq((Lit(CLOSE), plain)), Ref("x")):
        with pytest.raises(SchemaError, match="free of"):
            without_mark(hopeless, CLOSE)
    only = Chars(((60, 60),))
    assert without_mark(Seq((only, plain)), CLOSE) == Seq((only, plain))
    negated = Grammar(without_mark(Repeat(Chars(((48, 57),), negated=True), 1, 5), CLOSE))
    assert [matches(negated, text) for text in ("</v", "a>", CLOSE, "&lt;/v>", "1")] == [True, True] + [
        False
    ] * 3


@given(seed=st.integers(0, 2**32))
def test_text_that_is_no_json_by_its_beginning(seed: int) -> None:
    rest = marked_text(CLOSE, 0, 8, exact=False)
    text = sample(Grammar(unlike_json(CLOSE, rest)), random.Random(seed))
    assert CLOSE not in text
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


def test_text_that_is_no_json_may_be_ordinary_words() -> None:
    grammar = Grammar(unlike_json(CLOSE, marked_text(CLOSE, 0, 40, exact=False)))
    for text in ("", "Paris", "tokyo", "nothing", "n", "fa", "trust me: 1 < 2", "(x)"):
        assert matches(grammar, text), text
    for text in ("null", "true", '"a"', "12", "-1", "[1]", "{}", " a", "false"):
        assert not matches(grammar, text), text


def test_raw_strings_stand_as_they_are_and_all_else_as_json() -> None:
    spec = tool(s={"type": "string"}, n={"type": "integer"}, l={"type": "array", "items": {"type": "string"}})
    good = '<v=s>\nHe said "1 < 2"\n\n</v>\n<v=n>\n-3\n</v>\n<v=l>\n["a", "<b>"]\n</v>\n'
    assert held(spec, "raw", good, good.replace("-3", '"3"'), good.replace("He", "</v>")) == [
        True,
        False,
        False,
    ]


def test_raw_strings_that_a_schema_limits() -> None:
    spec = tool(
        d={"type": "string", "format": "date"},
        e={"enum": ["</v>", "x&y"]},
        m={"type": "string", "minLength": 2, "maxLength": 3},
    )
    good = "<v=d>\n2024-02-29\n</v>\n<v=e>\nx&y\n</v>\n<v=m>\nabc\n</v>\n"
    assert held(spec, "raw", good, good.replace("abc", "a"), good.replace("abc", "abcd")) == [
        True,
        False,
        False,
    ]
    assert held(spec, "raw", good.replace("02-29", "02-30"), good.replace("x&y", "&lt;/v>")) == [False, True]


def test_a_value_of_several_kinds_is_json_or_text_that_is_none() -> None:
    spec = tool(a={"anyOf": [{"type": "string"}, {"type": "null"}]}, b={"enum": ["1", "x", 1]})
    texts = ["null", "Rome", '"null"', "nil"]
    assert held(spec, "raw", *(f"<v=a>\n{text}\n</v>\n<v=b>\nx\n</v>\n" for text in texts)) == [True] * 4
    texts = ['"1"', "1", "x", '"x"', "y"]
    expected = [True, True, True, True, False]
    assert held(spec, "raw", *(f"<v=a>\nnull\n</v>\n<v=b>\n{text}\n</v>\n" for text in texts)) == expected
    limited = tool(
        a={"type": ["string", "null"], "maxLength": 2}, b={"type": ["integer", "null"]}, c={"anyOf": [True]}
    )
    assert held(limited, "raw", "<v=a>\nab\n</v>\n<v=b>\n1\n</v>\n<v=c>\n1\n</v>\n") == [False]
    assert held(limited, "raw", '<v=a>\n"ab"\n</v>\n<v=b>\n1\n</v>\n<v=c>\n[1]\n</v>\n') == [True]


def test_python_values_and_keys() -> None:
    spec = tool(
        **{"a": {"type": ["boolean", "null"]}, "b c": {"type": "string"}, "d": {"enum": [[True], "x"]}}
    )
    good = 'a=None, **{"b c": "it\'s"}, d=[True]'
    assert held(spec, "python", good, good.replace("None", "null"), good.replace("None", "False")) == [
        True,
        False,
        True,
    ]


def test_gemma_values_and_keys() -> None:
    inner: JSON = {"type": "object", "properties": {"x": {"type": "string"}, "y z": {"type": "null"}}}
    spec = tool(
        **{"a": inner, "b c": {"enum": ["q", {"k": "v"}]}, "d": {"type": "string", "pattern": "^[<>|]{2,9}$"}}
    )
    good = 'a:{x:<|"|>1 < 2<|"|>,<|"|>y z<|"|>:null},<|"|>b c<|"|>:{k:<|"|>v<|"|>},d:<|"|>||>><|"|>'
    assert held(spec, "gemma", good, good.replace("1 < 2", '<|"|>'), good.replace(",d:", ", d:")) == [
        True,
        False,
        False,
    ]
    free = tool(a={"type": "object", "additionalProperties": {"type": "integer"}})
    assert held(free, "gemma", "a:{k_1:2,l:3}", "a:{}", "a:{k-1:2}") == [True, True, False]


@pytest.mark.parametrize("values", ["raw", "python", "gemma"])
def test_keys_that_no_schema_names(values: ValueStyle) -> None:
    free = ToolSpec("f", "", {"type": "object", "additionalProperties": {"type": "integer"}})
    one = {"raw": "<v=k>\n1\n</v>\n", "python": "k=1", "gemma": "k:1"}[values]
    between = {"raw": "", "python": ", ", "gemma": ","}[values]
    assert held(free, values, "", one, one + between + one, one + one + one + one) == [
        True,
        True,
        True,
        values == "raw",
    ]
    anything = ToolSpec("f", "", {"type": "object", "additionalProperties": True})
    assert held(anything, values, "", one) == [True, True]
    closed = ToolSpec("f", "", {"type": "object", "additionalProperties": False})
    assert held(closed, values, "", one) == [True, False]
    grammar = call_grammar([free], shape(values), "call", bounds=Bounds(object_members=0))
    assert [matches(grammar, text) for text in ("f()", f"f({one})")] == [True, False]


def test_json_with_any_keys_inside_marks() -> None:
    free = tool(a={"type": "object", "additionalProperties": {"type": "integer"}})
    assert held(free, "raw", '<v=a>\n{"k": 1, "<": 2}\n</v>\n') == [True]
    assert held(free, "raw", '<v=a>\n{"</v>": 2}\n</v>\n') == [False]
    named = tool(a={"type": "object", "properties": {"</v>": {"type": "string", "pattern": "^<*$"}}})
    assert held(named, "raw", '<v=a>\n{"&lt;/v>": "<<"}\n</v>\n') == [True]


def test_optional_members_may_be_left_out() -> None:
    spec = ToolSpec("f", "", {"properties": {"a": {"type": "null"}, "b": {"type": "null"}}})
    texts = ["", "a=None", "b=None", "a=None, b=None", "b=None, a=None", "a=None, "]
    assert held(spec, "python", *texts) == [True, True, True, True, False, False]


def test_values_must_end_at_a_mark() -> None:
    with pytest.raises(GrammarError, match="end at no mark"):
        call_grammar([tool(a={"type": "string"})], shape("raw", close="\n"), "call")


@given(seed=st.integers(0, 2**32))
def test_text_without_several_marks(seed: int) -> None:
    marks = ["<|end|>", "<call>", "{", ""]
    text = sample(Grammar(text_without_any(marks, 30)), random.Random(seed))
    assert text
    assert not re.search(r"<\||<c|\{", text)
    assert text_without_any(["{", "{"], 3) == Repeat(Chars(((0, 0), (123, 123)), negated=True), 1, 3)


def test_nothing_is_a_text_of_no_length() -> None:
    assert marked_text(CLOSE, 0, 0, exact=False) == EMPTY
