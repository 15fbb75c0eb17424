"""Quoted strings: what grammars let a model write is always, and can be any, run of whole words of a text."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bridle.endpoints import respond
from bridle.endpoints.base import Request, Sampling
from bridle.endpoints.llamacpp import LlamaCpp
from bridle.errors import BudgetError, InputError, SchemaError
from bridle.grammars import (
    Bounds,
    Grammar,
    call_grammar,
    check_gbnf,
    matches,
    sample,
    schema_grammar,
    to_gbnf,
)
from bridle.grammars.quote_words import MOST_WORDS, words_of
from bridle.grammars.quotes import enumerated, is_quoted, quote_errors, quoted, without_quotes
from bridle.messages import JSON, Message, ToolSpec
from bridle.wrappers import JsonLayout, Segment
from bridle.wrappers.syntaxes import SYNTAXES, make_syntax
from strategies import texts
from tiny_gguf import write_tiny_llama

SAID = 'Tell Zbyněk\'s aunt (Mrs. "Ó\\Brien") that 日本語, is fine; the dog\tand the cat are, too!'
WORDS = (
    "the", "the", "a", "cat", "Cat", "dog,", "Ana's", "(big", "red)", "日本語", "“no”", "don't", "x\\y",
    '"q"', "</parameter>", "e-mail", "ñu!", "…",
)  # fmt: skip
FREE: dict[str, JSON] = {"x-quote-or-free": True}


def string(**keywords: JSON) -> dict[str, JSON]:
    return {"type": "string", "x-quoted-from": "user", **keywords}


def grammar_of(text: str, **keywords: JSON) -> Grammar:
    return schema_grammar(string(**keywords), quotes={"user": [text]})


def takes(grammar: Grammar, value: str) -> bool:
    return matches(grammar, json.dumps(value, ensure_ascii=False))


def quotes_in(text: str) -> set[str]:
    """All quotes of a short text, found by trying every piece of it."""
    whole = " ".join(text.split())
    pieces = {whole[i:j] for i in range(len(whole)) for j in range(i + 1, len(whole) + 1)}
    return {piece for piece in pieces if piece == piece.strip() and is_quoted(piece, [text])}


def sayings() -> st.SearchStrategy[str]:
    plain = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join)
    return st.one_of(plain, texts(40)).filter(lambda text: bool(words_of(text)))


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        ("Zbyněk", True),
        ("Zbyněk's", True),
        ("Zbynek", False),
        ("zbyněk", False),
        ("Zbyně", False),
        ("byněk", False),
        ("Zbyněk'", False),
        ("Zbyněk's aunt (Mrs", True),
        ("aunt Mrs.", False),
        ('"Ó\\Brien"', True),
        ("Ó\\Brien", True),
        ('Ó\\Brien") that', True),
        ("Ó\\Brien that", False),
        ("本", True),
        ("日本語, is", True),
        ("dog and the", True),
        ("dog\n and  the", True),
        ("too", True),
        ("too!", True),
        ("", False),
        (" ", False),
        ("!", False),
        (" ".join(SAID.split()), True),
    ],
)
def test_what_a_quote_is(value: str, is_one: bool) -> None:
    assert is_quoted(value, ["Something else.", SAID]) == is_one
    if value == " ".join(value.split()):
        assert takes(grammar_of(SAID), value) == is_one


@given(text=sayings(), seed=st.integers(0, 2**32))
def test_sentences_are_quotes(text: str, seed: int) -> None:
    grammar = grammar_of(text)
    value: object = json.loads(sample(grammar, random.Random(seed)))
    assert isinstance(value, str)
    assert is_quoted(value, [text])


@given(text=sayings(), data=st.data())
def test_every_run_of_whole_words_is_a_sentence(text: str, data: st.DataObject) -> None:
    assume(all(point not in text for point in "\0"))
    words = text.split()
    start = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(start + 1, len(words)))
    assert takes(grammar_of(text), " ".join(words[start:end]))


@given(
    said=st.lists(st.sampled_from(WORDS), min_size=1, max_size=7).map(" ".join),
    least=st.integers(0, 6),
    most=st.integers(1, 30),
    seed=st.integers(0, 2**32),
)
def test_lengths_are_held_exactly(said: str, least: int, most: int, seed: int) -> None:
    fitting = {quote for quote in quotes_in(said) if least <= len(quote) <= most}
    try:
        grammar = grammar_of(said, minLength=least, maxLength=most)
    except SchemaError:
        assert not fitting
        return
    assert all(takes(grammar, quote) for quote in fitting)
    assert not any(takes(grammar, quote) for quote in quotes_in(said) - fitting)
    assert json.loads(sample(grammar, random.Random(seed))) in fitting


@given(
    said=st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join),
    pattern=st.sampled_from(["^[a-z ]+$", "a", "^(?=.*t).{2,}$", r"\w$", "[A-Z]", "^z"]),
    seed=st.integers(0, 2**32),
)
def test_patterns_choose_among_quotes(said: str, pattern: str, seed: int) -> None:
    tool = ToolSpec("f", "", {"properties": {"x": string(pattern=pattern)}, "required": ["x"]})
    both = re.compile(pattern), re.compile(pattern, re.ASCII)
    if not (fitting := {quote for quote in quotes_in(said) if all(one.search(quote) for one in both)}):
        with pytest.raises(SchemaError, match="can be quoted"):
            grammar_of(said, pattern=pattern)
        return
    grammar = grammar_of(said, pattern=pattern)
    value: JSON = json.loads(sample(grammar, random.Random(seed)))
    assert value in fitting
    assert quote_errors(tool, {"x": value}, {"user": [said]}) == []


def test_formats_choose_among_quotes() -> None:
    grammar = grammar_of("Meet ana@example.org on 2031-04-05, not 2031-02-30.", format="date")
    assert takes(grammar, "2031-04-05")
    assert {sample(grammar, random.Random(seed)) for seed in range(9)} == {'"2031-04-05"'}


def test_an_enum_wins() -> None:
    grammar = grammar_of("nothing of it", enum=["red", "blue"])
    assert takes(grammar, "red")
    assert not takes(grammar, "nothing")


@pytest.mark.parametrize(
    ("text", "keywords"),
    [
        ("", {}),
        (" \n\t", {}),
        ("\0 \0x", {}),
        ("only short words", {"minLength": 30}),
        ("nothing but unbearably long", {"maxLength": 2}),
        ("no digits", {"pattern": r"\d"}),
        ("no date", {"format": "date"}),
    ],
)
def test_where_nothing_is_left_the_schema_is_refused(text: str, keywords: dict[str, JSON]) -> None:
    with pytest.raises(SchemaError, match="can be quoted") as caught:
        schema_grammar(
            {"type": "object", "properties": {"a": string(**keywords)}, "required": ["a"]},
            quotes={"user": [text]},
        )
    assert caught.value.pointer == "/properties/a/x-quoted-from"


def test_an_optional_argument_that_has_no_quote_is_left_out() -> None:
    schema: dict[str, JSON] = {"type": "object", "properties": {"a": string(), "b": {"const": 1}}}
    grammar = schema_grammar(schema, quotes={"user": [""]})
    assert {sample(grammar, random.Random(seed)) for seed in range(20)} == {"{}", '{"b": 1}'}
    either = schema_grammar({"anyOf": [string(), {"type": "null"}]}, quotes={"user": []})
    assert matches(either, "null")


def test_too_many_runs_for_a_pattern_are_refused() -> None:
    with pytest.raises(SchemaError, match="runs of words to try"):
        grammar_of(" ".join(f"word{i}" for i in range(2000)), pattern="x$")


def test_a_name_without_texts_is_never_silent() -> None:
    both: dict[str, JSON] = {"type": "string", "x-quoted-from": ["user", "memory"]}
    schema: dict[str, JSON] = {"type": "object", "properties": {"a": both}}
    with pytest.raises(SchemaError, match="no texts called 'memory'") as caught:
        schema_grammar(schema, quotes={"user": ["Ana"]})
    assert caught.value.pointer == "/properties/a/x-quoted-from"
    loose = schema_grammar(schema, quotes={"user": ["Ana"]}, loosen=True)
    assert loose.weakened == ("#/properties/a x-quoted-from",)
    assert matches(loose, '{"a": "anything"}')


def test_without_a_type_the_keyword_means_a_string() -> None:
    grammar = schema_grammar({"x-quoted-from": "user"}, quotes={"user": ["Ana"]})
    assert matches(grammar, '"Ana"')
    assert not matches(grammar, "1")


@pytest.mark.parametrize("wrong", [7, [], [""], [1], {}, None])
def test_a_wrong_annotation_is_refused(wrong: JSON) -> None:
    with pytest.raises(SchemaError, match="x-quoted-from is") as caught:
        schema_grammar({"type": "string", "x-quoted-from": wrong}, quotes={"user": ["Ana"]})
    assert caught.value.pointer == "/x-quoted-from"


def test_what_holds_strings_is_not_quoted_itself() -> None:
    schema: dict[str, JSON] = {"type": "array", "items": {"type": "string"}, "x-quoted-from": "user"}
    with pytest.raises(SchemaError, match="only strings are quoted") as caught:
        schema_grammar(schema, quotes={"user": ["Ana"]})
    assert caught.value.pointer == "/x-quoted-from"
    either: dict[str, JSON] = {"anyOf": [{"type": "string"}, {"type": "null"}], "x-quoted-from": "user"}
    grammar = schema_grammar(either, quotes={"user": ["Ana"]})
    assert matches(grammar, "null")
    assert takes(grammar, "Ana")
    assert not takes(grammar, "Bo")


def test_several_texts_are_quoted_one_at_a_time() -> None:
    schema: dict[str, JSON] = {"type": "string", "x-quoted-from": ["user", "memory"]}
    grammar = schema_grammar(schema, quotes={"user": ["I saw Ana.", "and Bo"], "memory": ["Ana is ill"]})
    assert all(takes(grammar, quote) for quote in ("saw Ana", "Ana is", "Bo", "Ana."))
    assert not any(takes(grammar, quote) for quote in ("saw Ana is", "Ana. and", "Ana and"))


@given(said=sayings(), value=texts(12), seed=st.integers(0, 2**32))
def test_free_text_begins_otherwise_than_a_quote(said: str, value: str, seed: int) -> None:
    grammar = grammar_of(said, maxLength=40, **FREE)
    drawn: str = json.loads(sample(grammar, random.Random(seed)))
    starts = {quote[:2] for quote in quotes_in(said)}
    for one in (drawn, value):
        if takes(grammar, one) and not is_quoted(one, [said]):
            assert one[:2] not in {start for start in starts if len(start) == 2}
            assert len(one) <= 40


def test_free_text_may_be_anything_that_does_not_begin_like_a_quote() -> None:
    grammar = grammar_of("Zbyněk lives in Žďár.", maxLength=12, **FREE)
    assert all(takes(grammar, value) for value in ("", "Zbyněk", "Žďár", "somebody", "Zoë in Rome", "x"))
    assert not any(
        takes(grammar, value) for value in ("Zbynek", "Zbyněk from", "living", "much too long one")
    )
    longer = grammar_of("Ana", minLength=3, **FREE)
    assert not any(takes(longer, value) for value in ("", "ab", "Anna"))
    assert all(takes(longer, value) for value in ("Ana", "abc", "Abc"))
    nothing_said = grammar_of("", **FREE)
    assert takes(nothing_said, "Zbyněk")


@pytest.mark.parametrize(
    ("keywords", "values"),
    [
        ({"maxLength": 0}, {""}),
        ({"maxLength": 1}, {"", "x", "A"}),
        ({"maxLength": 2, "minLength": 2}, {"xy", "Az", "An"}),
        ({"maxLength": 3, "minLength": 2}, {"xy", "Az", "Ana", "xyz"}),
    ],
)
def test_free_text_of_a_few_characters(keywords: dict[str, JSON], values: set[str]) -> None:
    grammar = grammar_of("Ana", **FREE, **keywords)
    accepted = {value for value in ("", "x", "A", "xy", "Az", "An", "Ana", "xyz") if takes(grammar, value)}
    assert accepted == values


@pytest.mark.parametrize("name", SYNTAXES)
def test_every_call_syntax_lets_a_free_text_be(name: str) -> None:
    properties: dict[str, JSON] = {"a": string(**FREE), "b": string(maxLength=9, **FREE)}
    tool = ToolSpec("f", "", {"type": "object", "properties": properties, "required": ["a", "b"]})
    syntax, rng = make_syntax(name, "inner", JsonLayout()), random.Random(5)
    grammar = call_grammar([tool], syntax.shape, "call", quotes={"user": [SAID]})
    check_gbnf(to_gbnf(grammar), tokens=False)
    starts = {quote[:2] for quote in quotes_in(SAID) if len(quote) > 1}
    for _ in range(12):
        written = sample(grammar, rng).replace("\0", "")
        (call,) = syntax.read(written, [tool]).calls
        for value in map(str, call.arguments.values()):
            assert is_quoted(value, [SAID]) or value[:2] not in starts, written


def test_free_text_with_a_pattern_is_not_held_and_said_to_be() -> None:
    schema = string(pattern="^[a-z]+$", **FREE)
    with pytest.raises(SchemaError, match="cannot be told from a quote"):
        schema_grammar(schema, quotes={"user": ["Ana"]})
    assert schema_grammar(schema, quotes={"user": ["Ana"]}, loosen=True).weakened == ("# x-quoted-from",)


LONG = " ".join(f"{'abcdefgh'[i % 8]}{i * 7919 % 613} and" for i in range(400))


@pytest.mark.parametrize("keywords", [{}, {"maxLength": 50}, {"maxLength": 3000}])
def test_long_texts_stay_small(keywords: dict[str, JSON]) -> None:
    grammar = grammar_of(LONG, **keywords)
    assert len(grammar.rules) < 4 * len(LONG.split())
    assert grammar.longest_bytes <= 2 + min(cast("int", keywords.get("maxLength", 400)), MOST_WORDS * 9)
    check_gbnf(to_gbnf(grammar), tokens=False)
    rng, words = random.Random(3), LONG.split()
    for _ in range(40):
        assert is_quoted(json.loads(sample(grammar, rng)), [LONG])
        at = rng.randrange(len(words))
        assert takes(grammar, " ".join(words[at : at + 5]))


def test_a_word_that_nothing_can_write_stands_between_quotes() -> None:
    grammar = grammar_of("one two\0three four five \ud800")
    assert takes(grammar, "four five")
    assert not any(takes(grammar, value) for value in ("one four", "two", "five \ud800"))


TOOL = ToolSpec(
    "note",
    "",
    {
        "type": "object",
        "properties": {
            "text": string(),
            "names": {"type": "array", "items": string(maxLength=20), "minItems": 1, "maxItems": 2},
            "of": {"type": "object", "properties": {"who": string(), "n": {"type": "integer"}}},
            "maybe": {"type": ["string", "null"], "x-quoted-from": "user"},
        },
        "required": ["text", "names", "of", "maybe"],
    },
)
AWKWARD = 'He wrote </parameter> and <|"|> "and" </arg_value>, </tool_call> \\n {"a": 1} 日本</parameter>'


@pytest.mark.parametrize("name", SYNTAXES)
@pytest.mark.parametrize("text", [SAID, AWKWARD])
def test_every_call_syntax_quotes_and_is_read_back(name: str, text: str) -> None:
    syntax = make_syntax(name, "inner", JsonLayout())
    grammar = call_grammar([TOOL], syntax.shape, "call", quotes={"user": [text]})
    check_gbnf(to_gbnf(grammar), tokens=False)
    rng = random.Random(11)
    for _ in range(8):
        written = sample(grammar, rng).replace("\0", "")
        reading = syntax.read(written, [TOOL])
        assert reading.refusals == (), written
        (call,) = reading.calls
        assert quote_errors(TOOL, call.arguments, {"user": [text]}) == [], written
        assert is_quoted(cast("str", call.arguments["text"]), [text])


ENGINES: tuple[Literal["llguidance", "gbnf"], ...] = ("llguidance", "gbnf")
PROMPT = (Segment("<|im_start|>user\nGo.<|im_end|>\n<|im_start|>assistant\n", control=True),)


@pytest.fixture(scope="module", params=ENGINES)
def endpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaCpp]:
    path: Path = write_tiny_llama(tmp_path_factory.mktemp("model") / "tiny.gguf", n_ctx=8192)
    with LlamaCpp(path, engine=request.param) as found:
        yield found


def noise(endpoint: LlamaCpp, grammar: Grammar, seed: int) -> str:
    sampling = Sampling(temperature=1.5, seed=seed)
    return endpoint.complete(
        Request(PROMPT, grammar=grammar, sampling=sampling, max_tokens=grammar.longest_bytes)
    ).text


@pytest.mark.parametrize("keywords", [{}, {"maxLength": 9}, {"minLength": 6}, {"pattern": "a"}])
def test_noise_writes_nothing_but_quotes(endpoint: LlamaCpp, keywords: dict[str, JSON]) -> None:
    grammar = grammar_of(SAID, **keywords)
    for seed in range(25):
        text = noise(endpoint, grammar, seed)
        assert matches(grammar, text)
        assert is_quoted(json.loads(text), [SAID]), text


@pytest.mark.parametrize("keywords", [{}, {"minLength": 25}, FREE])
def test_a_quote_is_whole_in_the_smallest_budget(endpoint: LlamaCpp, keywords: dict[str, JSON]) -> None:
    grammar = grammar_of(SAID, **keywords)
    with pytest.raises(BudgetError) as refused:
        endpoint.complete(Request(PROMPT, grammar=grammar, max_tokens=1))
    for more in range(4):
        sampling = Sampling(temperature=1.5, seed=more)
        request = Request(PROMPT, grammar=grammar, sampling=sampling, max_tokens=refused.value.needed + more)
        assert matches(grammar, endpoint.complete(request).text)


def test_rules_are_not_nested_too_deeply(endpoint: LlamaCpp) -> None:
    text = " ".join("a" * size for size in range(1, 60))
    for keywords in ({}, {"pattern": "^a"}, {"minLength": 50}):
        grammar = grammar_of(text, maxLength=300, **cast("dict[str, JSON]", keywords))
        assert is_quoted(json.loads(noise(endpoint, grammar, 1)), [text])


@pytest.mark.parametrize("name", ["memgpt", "hermes", "qwen_xml", "gemma4", "pythonic", "glm"])
def test_noise_calls_with_quotes(endpoint: LlamaCpp, name: str) -> None:
    syntax = make_syntax(name, "inner", JsonLayout())
    bounds = Bounds(thoughts_chars=8)
    grammar = call_grammar([TOOL], syntax.shape, "call", bounds=bounds, quotes={"user": [AWKWARD]})
    for seed in range(4):
        (call,) = syntax.read(noise(endpoint, grammar, seed), [TOOL]).calls
        assert quote_errors(TOOL, call.arguments, {"user": [AWKWARD]}) == []
        assert is_quoted(cast("str", call.arguments["text"]), [AWKWARD])


def test_what_the_user_says_can_be_quoted_in_an_answer(endpoint: LlamaCpp) -> None:
    tool = quoted(
        ToolSpec("dial", "", {"properties": {"who": {"type": "string"}}, "required": ["who"]}),
        {"who": "user"},
    )
    for seed in range(5):
        done = respond(
            endpoint,
            [Message("user", "Call someone else."), Message("assistant", "Who?"), Message("user", SAID)],
            [tool],
            tool_choice="required",
            sampling=Sampling(temperature=1.5, seed=seed),
            bounds=Bounds(thoughts_chars=8),
        )
        (call,) = done.message.calls
        assert is_quoted(str(call.arguments["who"]), [SAID])
        assert done.constraint.weakened == ()


def test_tools_are_told_what_to_quote() -> None:
    plain = without_quotes(dict(TOOL.parameters))
    tool = replace(TOOL, parameters=cast("dict[str, JSON]", plain))
    assert "x-quoted-from" not in json.dumps(plain)
    places = ("text", "names", "maybe", "/properties/of/properties/who")
    marked = quoted(tool, dict.fromkeys(places, "user"))
    assert marked.parameters == TOOL.parameters
    both = quoted(tool, {"text": ["user", "memory"]}, or_free=True).properties["text"]
    assert both == {"type": "string", "x-quoted-from": ["user", "memory"], "x-quote-or-free": True}
    union: JSON = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    picked = quoted(ToolSpec("f", "", {"properties": {"a": union, "b": True}}), {"a": "user", "b": "user"})
    assert picked.properties["a"] == {"anyOf": [string(), {"type": "integer"}]}
    assert picked.properties["b"] == string()
    assert quoted(
        ToolSpec("f", "", {"allOf": [{"properties": {"a/b": {}}}]}), {"/allOf/0/properties/a~1b": "user"}
    ).parameters == {"allOf": [{"properties": {"a/b": {"x-quoted-from": "user"}}}]}


@pytest.mark.parametrize(
    "place",
    ["nothing", "of", "/properties/of/properties/n", "/properties/x", "/allOf/7", "/allOf/x", "kind", "one"],
)
def test_what_cannot_be_quoted_is_refused(place: str) -> None:
    more: dict[str, JSON] = {"kind": {"enum": ["a"]}, "one": {"anyOf": [{"type": "integer"}, {"const": "a"}]}}
    properties = {**cast("dict[str, JSON]", TOOL.parameters["properties"]), **more}
    tool = replace(TOOL, parameters={**TOOL.parameters, "properties": properties, "allOf": []})
    with pytest.raises(InputError, match="has no"):
        quoted(tool, {place: "user"})


def test_a_parameter_may_be_called_like_the_keyword() -> None:
    schema: JSON = {"properties": {"x-quoted-from": {"type": "string"}}, "default": {"x-quoted-from": 1}}
    assert without_quotes(schema) == schema
    assert quote_errors(ToolSpec("f", "", cast("dict[str, JSON]", schema)), {"x-quoted-from": "a"}, {}) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"text": "Zbyněk", "names": ["dog"], "of": {}, "maybe": None}, []),
        ({"text": "Zbynek"}, ["text: 'Zbynek' is not said so in 'user'; quote it word for word: 'Zbyněk'"]),
        (
            {"names": ["dog", "Dogs"]},
            ["names/1: 'Dogs' is not said so in 'user'; quote it word for word: 'dog'"],
        ),
        (
            {"of": {"who": "elephant"}},
            ["of/who: 'elephant' is not said so in 'user'; quote it word for word"],
        ),
        (
            {"maybe": "the dogs"},
            ["maybe: 'the dogs' is not said so in 'user'; quote it word for word: 'the dog'"],
        ),
    ],
)
def test_calls_that_no_grammar_held_are_checked(arguments: dict[str, JSON], expected: Sequence[str]) -> None:
    assert quote_errors(TOOL, arguments, {"user": [SAID]}) == expected


@given(said=sayings())
def test_a_schema_can_list_the_quotes_themselves(said: str) -> None:
    listed = enumerated(TOOL, {"user": [said]}, most=10_000)
    assert '"x-quoted-from": ' not in json.dumps(dict(listed.parameters))  # as a key; the text may say it
    options = cast("list[str]", listed.properties["text"].get("enum", []))
    assert set(options) == {quote for quote in quotes_in(said) if len(quote) <= 400}
    assert listed.properties["maybe"].get("enum", [None]) == [*options, None]


def test_too_many_quotes_are_not_listed() -> None:
    properties: dict[str, JSON] = {
        "free": string(**FREE),
        "one": string(enum=["a"]),
        "far": string(**{"x-quoted-from": "memory"}),
        "lone": {"type": "string", **FREE},
        "long": string(),
        "short": string(pattern="^z?a$", maxLength=2, nullable=True),
        "mixed": {"type": ["string", "integer"], "x-quoted-from": "user"},
    }
    tool = enumerated(ToolSpec("f", "", {"properties": properties}), {"user": ["za a b a c d e f g"]}, most=9)
    found = {name: schema.get("enum") for name, schema in tool.properties.items()}
    assert found == {**dict.fromkeys(properties), "one": ["a"], "short": ["a", "za", None]}


def test_what_is_not_held_is_not_checked() -> None:
    properties: Mapping[str, JSON] = {
        "free": string(**FREE),
        "listed": string(enum=["a"]),
        "other": string(**{"x-quoted-from": "memory"}),
        "either": {"anyOf": [{"type": "object", "properties": {"x": string()}}, string(), {"type": "null"}]},
        "far": {"$ref": "#/$defs/name"},
    }
    tool = ToolSpec("f", "", {"properties": dict(properties), "$defs": {"name": string()}})
    fine: dict[str, JSON] = {"free": "x", "listed": "a", "other": "x", "either": {"x": "Ana"}, "far": "Ana"}
    assert quote_errors(tool, fine, {"user": ["Ana"]}) == []
    wrongs: list[dict[str, JSON]] = [{"either": "Bo"}, {"either": {"x": "Bo"}}, {"far": "Bo"}]
    for wrong in wrongs:
        assert len(quote_errors(tool, {**fine, **wrong}, {"user": ["Ana"]})) == 1
    assert quote_errors(ToolSpec("f"), {}, {}) == []


def test_the_page_s_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "quotes.md").read_text(encoding="utf-8")
    exec(page.split("```python\n", 1)[1].split("```", 1)[0], {})
    printed = capsys.readouterr().out
    assert "<tool_call>" in printed
    assert "quote it word for word: 'Zbyněk'" in printed
    assert f"at most {MOST_WORDS} words" in page
