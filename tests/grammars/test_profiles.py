"""JSON Schemas for servers: nothing that a server does not hold is silent, and what it holds is valid.

What llama.cpp's converter makes of each schema that is sent was recorded (`json_schema_to_grammar` of the
libllama-common that llama-cpp-python 0.3.36 installs); the other servers are taken to hold what is sent as
JSON Schema says. xgrammar 0.2.8 was seen to do so with the schemas for vLLM.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridle.errors import InputError, SchemaError
from bridle.grammars import (
    Bounds,
    Profile,
    check_gbnf,
    for_schema,
    matches,
    read_back,
    sample,
    to_json_schema,
)
from bridle.grammars.gbnf_matching import GbnfMatcher
from bridle.grammars.profile_drafts import brought_up
from bridle.grammars.profile_strict import ROOT_KEY, check_limits
from bridle.grammars.profiles import report_of
from bridle.grammars.report import Report
from bridle.grammars.schema_keywords import check_schema, validator_of
from bridle.messages import JSON, ToolSpec
from bridle.wrappers import JsonLayout
from bridle.wrappers.syntaxes import make_syntax
from schema_corpus import Example, features, people
from schema_features import FEATURES, Feature
from strategies import schemas, values

PROFILES: tuple[Profile, ...] = get_args(Profile)
HELD: tuple[Profile, ...] = ("ollama", "vllm", "openai-strict")
LLAMA_CPP: tuple[Profile, ...] = ("llama-server", "ollama", "lmstudio")
RECORDED: Mapping[str, str] = json.loads(
    (Path(__file__).parents[1] / "data/grammars/llama_cpp_schemas.json").read_text("utf-8")
)
FINDER = ToolSpec(
    "find", "", {"type": "object", "properties": {"q": {"type": "string"}, "n": {"type": "integer"}}}
)


CASES: list[Feature | Example] = [*FEATURES, *features(), *people()]


def is_plain(value: JSON) -> bool:
    """Whether servers can write a value as Python does; their numbers have no more than sixteen digits."""
    if isinstance(value, list | dict):
        return all(map(is_plain, value.values() if isinstance(value, dict) else value))
    if isinstance(value, float):
        return "e" not in repr(value) and not value.is_integer()
    return not isinstance(value, int) or abs(value) < 10**15


def spellings(value: JSON) -> Iterator[str]:
    yield json.dumps(value, ensure_ascii=False)
    yield json.dumps(value, ensure_ascii=False, separators=(",", ":"))  # llama.cpp's constants


def as_schema(schema: JSON | Mapping[str, JSON]) -> Mapping[str, JSON] | bool:
    assert isinstance(schema, bool | Mapping)
    return schema


def lost(report: Report) -> list[str]:
    return [keyword for _, keyword in report.weakened if not keyword.startswith("x-")]


def signs(report: Report) -> list[str]:
    return [keyword for _, keyword in report.weakened if keyword.startswith("x-")]


@pytest.mark.parametrize("feature", CASES, ids=lambda feature: feature.name)
def test_llama_cpp_holds_what_the_report_says(feature: Feature | Example) -> None:
    sent, report = to_json_schema(as_schema(feature.schema), "ollama")
    text = RECORDED.get(json.dumps(sent, ensure_ascii=False))
    assert text is not None, "the schema that is sent has changed: record llama.cpp's grammar for it again"
    check_gbnf(text)
    matcher = GbnfMatcher(text)
    for value in filter(is_plain, feature.valid):
        assert any(map(matcher.matches, spellings(value))) or signs(report), value
    for value in feature.invalid:
        assert not any(map(matcher.matches, spellings(value))) or lost(report), value


def as_sent(value: JSON, sent: Mapping[str, JSON]) -> Iterator[JSON]:
    """Yield a value as a server may write it: as it is, inside an object, with nulls for what is missing."""
    inner = cast("dict[str, dict[str, JSON]]", sent.get("properties", {}))
    yield value
    yield {ROOT_KEY: value}
    if isinstance(value, dict):
        yield {name: value.get(name) for name in inner} | value
        deeper = cast("dict[str, JSON]", cast("dict[str, JSON]", sent.get("$defs", {})).get("n", {}))
        members = cast("dict[str, JSON]", deeper.get("properties", {}))
        filled = {name: value.get(name) for name in members} | value
        if isinstance(filled.get("next"), dict):
            filled["next"] = {"next": None, **cast("dict[str, JSON]", filled["next"])}
        yield {ROOT_KEY: filled}


@pytest.mark.parametrize("profile", ["vllm", "openai-strict"])
@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_what_is_sent_says_what_the_report_says(feature: Feature, profile: Profile) -> None:
    sent, report = to_json_schema(feature.schema, profile)
    validator = validator_of(sent)
    for value in feature.valid:
        forms = [form for form in as_sent(value, sent) if validator.is_valid(form)]
        assert forms or signs(report), value
        for form in forms:
            read = read_back(form, feature.schema, profile)
            assert validator_of(feature.schema).is_valid(read) or feature.name == "nullable"
    for value in feature.invalid:
        found = [form for form in as_sent(value, sent) if validator.is_valid(form)]
        wrong = [form for form in found if not _is_right(read_back(form, feature.schema, profile), feature)]
        assert not wrong or lost(report), (value, wrong)


def _is_right(value: JSON, feature: Feature) -> bool:
    named = feature.name.startswith("format ")  # formats are checked by nobody here
    return named or validator_of(feature.schema).is_valid(value)


@pytest.mark.parametrize("profile", PROFILES)
@settings(max_examples=60)
@given(schema=schemas(), data=st.data())
def test_any_valid_value_can_be_said_or_the_report_tells(
    schema: dict[str, JSON], profile: Profile, data: st.DataObject
) -> None:
    sent, report = to_json_schema(schema, profile)
    value = data.draw(values(schema))
    found = validator_of(sent).is_valid(value) or validator_of(sent).is_valid({ROOT_KEY: value})
    assert found or signs(report) or profile == "generic"


@pytest.mark.parametrize("profile", PROFILES)
@settings(max_examples=60)
@given(schema=schemas(), seed=st.integers(0, 2**32))
def test_whatever_is_said_is_valid_once_it_is_read_back(
    schema: dict[str, JSON], profile: Profile, seed: int
) -> None:
    sent, report = to_json_schema(schema, profile)
    grammar = for_schema(sent, bounds=Bounds(string_chars=12, array_items=3, depth=2), loosen=True)
    said: JSON = json.loads(sample(grammar, random.Random(seed)))
    value = read_back(said, schema, profile)
    assert validator_of(schema).is_valid(value) or lost(report), (said, value)


@pytest.mark.parametrize("profile", PROFILES)
def test_schemas_as_other_tools_make_them_work_on_every_server(profile: Profile) -> None:
    schema: dict[str, JSON] = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {
            "path": {"type": "string", "pattern": "^(?!.*\\.\\.)[\\w/.-]+$", "maxLength": 4096},
            "code": {"type": "string", "pattern": "\\d{3}", "default": "000"},
            "options": {"type": "object", "properties": {}},
            "more": {},
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2500},
        },
        "required": ["path"],
        "additionalProperties": False,
    }
    sent, report = to_json_schema(schema, profile)
    assert report.refused == ()
    text = json.dumps(sent)
    if profile in LLAMA_CPP:
        assert "\\\\d" not in text
        assert "(?" not in text
        assert cast("dict[str, dict[str, JSON]]", sent["properties"])["tags"]["maxItems"] == 1900
        assert cast("dict[str, JSON]", sent["properties"])["options"] == {"const": {}}
    named = {pointer for pointer, _ in (*report.enforced, *report.weakened)}
    assert {"", "/properties/path", "/properties/code", "/properties/options", "/properties/tags"} <= named


def test_three_servers_of_llama_cpp_are_sent_the_same() -> None:
    for feature in FEATURES:
        found = [to_json_schema(feature.schema, profile)[0] for profile in LLAMA_CPP]
        assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("profile", PROFILES)
def test_tools_become_one_call(profile: Profile) -> None:
    tools = [ToolSpec("now"), FINDER]
    sent, _ = to_json_schema(tools, profile, thoughts_key="thoughts")
    call: JSON = {"thoughts": "", "function": "find", "params": {"q": "x"}}
    meant, _ = to_json_schema(tools, "generic", thoughts_key="thoughts")
    said: JSON = call
    if profile == "openai-strict":
        said = {ROOT_KEY: {"function": "find", "thoughts": "", "params": {"q": "x", "n": None}}}
    assert validator_of(sent).is_valid(said)
    assert not validator_of(sent).is_valid({"thoughts": "", "function": "now", "params": {"q": "x"}})
    assert read_back(said, meant, profile) == call


def test_a_shape_gives_the_keys_of_a_call() -> None:
    shape = make_syntax("llama3_json", "none", JsonLayout()).shape
    sent, report = to_json_schema([FINDER], "ollama", shape=shape)
    assert list(cast("dict[str, JSON]", sent["properties"])) == ["name", "parameters"]
    assert ("/properties/parameters", "x-order") in report.weakened
    with pytest.raises(InputError, match="no JSON objects"):
        to_json_schema([FINDER], "ollama", shape=make_syntax("pythonic", "none", JsonLayout()).shape)


def test_openai_s_unions_begin_with_what_tells_them_apart() -> None:
    sent, _ = to_json_schema([ToolSpec("now"), FINDER], "openai-strict", thoughts_key="thoughts")
    answer = cast("dict[str, dict[str, dict[str, list[dict[str, dict[str, JSON]]]]]]", sent)["properties"][
        ROOT_KEY
    ]
    assert [next(iter(option["properties"])) for option in answer["anyOf"]] == ["function", "function"]
    assert all(list(option["properties"]) == list(option["required"]) for option in answer["anyOf"])


def test_openai_s_optional_members_are_null_and_read_back_as_missing() -> None:
    schema: dict[str, JSON] = {
        "type": "object",
        "properties": {
            "a": {"type": "integer"},
            "b": {"type": ["string", "null"]},
            "c": {"$ref": "#/$defs/c"},
            "d": {"type": "array", "items": {"$ref": "#/$defs/c"}},
            "e": {"enum": ["x", "y"], "description": "which"},
            "f": {
                "anyOf": [{"type": "object", "properties": {"z": {"type": "integer"}}}, {"type": "string"}]
            },
        },
        "$defs": {"c": {"type": "object", "properties": {"y": {"type": "boolean"}}}},
    }
    sent, report = to_json_schema(schema, "openai-strict")
    nulls: dict[str, JSON] = dict.fromkeys("abcdef")
    assert validator_of(sent).is_valid(nulls)
    assert read_back(nulls, schema, "openai-strict") == {"b": None}
    deep: dict[str, JSON] = {**nulls, "c": {"y": None}, "d": [{"y": None}, {"y": True}], "f": {"z": None}}
    assert validator_of(sent).is_valid(deep)
    assert read_back(deep, schema, "openai-strict") == {
        "b": None, "c": {}, "d": [{}, {"y": True}], "f": {},
    }  # fmt: skip
    assert read_back(deep, schema, "ollama") == deep
    told = [pointer for pointer, keyword in report.weakened if keyword == "x-null"]
    assert "/properties/a" in told
    assert "/properties/b" not in told
    assert ("/$defs/c/properties/y", "x-null") in report.weakened
    assert {keyword for _, keyword in report.weakened} >= {"x-null", "x-order"}


def test_signs_of_what_is_held_more_tightly_are_no_loss() -> None:
    members: dict[str, JSON] = {"a": {"type": "string", "minLength": 2}, "b": {"type": "integer"}}
    schema: dict[str, JSON] = {"type": "object", "properties": members, "required": ["a"]}
    _, report = to_json_schema(schema, "openai-strict")
    assert {keyword for _, keyword in report.weakened} == {"x-order", "x-closed", "x-null", "minLength"}
    assert report.lost == (("/properties/a", "minLength"),)


def test_a_value_that_is_no_object_is_put_into_one_for_openai() -> None:
    bare: list[dict[str, JSON]] = [
        {"type": "integer"},
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        {"const": {}},
    ]
    for schema in bare:
        sent, _ = to_json_schema(schema, "openai-strict")
        assert list(cast("dict[str, JSON]", sent["properties"])) == [ROOT_KEY]
        assert read_back({ROOT_KEY: 3}, schema, "openai-strict") == 3
    own: dict[str, JSON] = {
        "type": "object",
        "properties": {ROOT_KEY: {"type": "integer"}},
        "required": [ROOT_KEY],
    }
    assert read_back({ROOT_KEY: 3}, own, "openai-strict") == {ROOT_KEY: 3}


def _nested(depth: int) -> dict[str, JSON]:
    schema: dict[str, JSON] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    return schema


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        (_nested(11), "11 levels of nesting"),
        ({"properties": {"a": {"enum": [str(i) for i in range(1001)]}}}, "1001 values in enums"),
        ({"properties": {"a": {"enum": [f"{i:070}" for i in range(251)]}}}, "17570 characters in an enum"),
        ({"properties": {"a": {"enum": ["x" * 120_001]}}}, "characters in names and values"),
    ],
)  # fmt: skip
def test_what_is_too_large_for_openai_is_refused_with_both_numbers(
    schema: dict[str, JSON], what: str
) -> None:
    with pytest.raises(SchemaError, match=what) as caught:
        to_json_schema(schema, "openai-strict")
    assert "at most" in caught.value.hint
    assert report_of(schema, "openai-strict").refused == (("", "x-limits"),)
    assert report_of(schema, "vllm").refused == ()
    assert to_json_schema(_nested(10), "openai-strict")[1].refused == ()


def test_five_thousand_members_are_the_most_that_openai_takes() -> None:
    members: dict[str, JSON] = {f"p{i}": {"type": "string"} for i in range(4999)}
    check_limits({"properties": {"a": {"anyOf": [{"properties": members}]}}})
    with pytest.raises(SchemaError, match="5001 properties"):
        check_limits({"properties": {"a": {"properties": members}, "b": {"type": "string"}}})


def test_what_nothing_satisfies_is_refused_in_the_report() -> None:
    schema: dict[str, JSON] = {"type": "object", "properties": {"a": False}, "required": ["a"]}
    assert report_of(schema, "ollama") == Report("ollama", refused=(("/properties/a", "x-impossible"),))
    with pytest.raises(SchemaError, match="not valid"):
        report_of({"type": "text"}, "ollama")
    with pytest.raises(SchemaError, match="leads nowhere"):
        to_json_schema({"$ref": "#/$defs/x"}, "vllm")


def test_every_keyword_that_restricts_is_in_the_report() -> None:
    schema: dict[str, JSON] = {
        "type": "object",
        "properties": {"a": {"type": "number", "minimum": 1, "multipleOf": 2}, "b": {"$ref": "#/$defs/b"}},
        "required": ["a"],
        "maxProperties": 1,
        "made-up": 3,
        "$defs": {"b": {"type": "string", "format": "color"}},
    }
    _, report = to_json_schema(schema, "ollama")
    assert sorted(report.weakened) == [
        ("", "made-up"), ("", "maxProperties"), ("", "x-closed"), ("", "x-order"),
        ("/$defs/b", "format"), ("/properties/a", "minimum"), ("/properties/a", "multipleOf"),
    ]  # fmt: skip
    assert sorted(report.enforced) == [
        ("", "properties"), ("", "required"), ("", "type"), ("/$defs/b", "type"),
        ("/properties/a", "type"), ("/properties/b", "$ref"),
    ]  # fmt: skip
    assert set(report_of(schema, "generic").enforced) >= {("/properties/a", "multipleOf"), ("", "made-up")}


def test_quoting_is_not_held_by_any_server() -> None:
    schema: dict[str, JSON] = {"type": "string", "x-quoted-from": "user"}
    for profile in PROFILES:
        sent, report = to_json_schema(schema, profile)
        assert sent == ({"type": "string"} if profile != "openai-strict" else sent)
        assert ("", "x-quoted-from") in report.weakened
        assert "x-quoted-from" not in json.dumps(sent)


def test_an_all_of_that_cannot_be_merged_is_weakened() -> None:
    schema: dict[str, JSON] = {
        "allOf": [{"type": "array", "contains": {"const": 1}}, {"contains": {"const": 2}}]
    }
    sent, report = to_json_schema(schema, "ollama")
    assert ("", "allOf") in report.weakened
    assert sent == {}


def test_a_pattern_is_held_without_a_least_length_that_takes_too_much() -> None:
    sent, report = to_json_schema({"type": "string", "pattern": "[0-9]{3}", "minLength": 1500}, "ollama")
    assert "[0-9]{3}" in str(sent["pattern"])
    assert ("", "minLength") in report.weakened
    assert ("", "pattern") in report.enforced


def test_schemas_of_older_drafts_and_named_parts_are_brought_up() -> None:
    schema: dict[str, JSON] = {
        "$id": "http://example.test/a",
        "properties": {
            "a": {"$ref": "#here"},
            "b": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
            "c": {"type": "array", "items": [{"type": "null"}], "additionalItems": {"const": 1}},
            "d": {"type": "number", "maximum": 5, "exclusiveMaximum": False},
        },
        "$defs": {"x": {"$anchor": "here", "enum": ["$ref", {"$ref": "#no"}]}},
    }
    assert brought_up(schema) == {
        "properties": {
            "a": {"$ref": "#/$defs/x"},
            "b": {"type": "number", "exclusiveMinimum": 0},
            "c": {"type": "array", "prefixItems": [{"type": "null"}], "items": {"const": 1}},
            "d": {"type": "number", "maximum": 5},
        },
        "$defs": {"x": {"enum": ["$ref", {"$ref": "#no"}]}},
    }
    old: dict[str, JSON] = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$ref": "#/definitions/a",
        "minimum": 5,
        "definitions": {"a": {"type": "integer"}},
    }
    assert brought_up(old) == {"$ref": "#/definitions/a", "definitions": {"a": {"type": "integer"}}}
    assert to_json_schema(old, "ollama")[0]["$defs"] == {"a": {"type": "integer"}}


def test_an_object_of_patterned_names_has_their_values() -> None:
    schema: dict[str, JSON] = {
        "type": "object",
        "patternProperties": {"^x": {"type": "integer"}},
        "additionalProperties": False,
    }
    sent, report = to_json_schema(schema, "vllm")
    assert sent == {"type": "object", "additionalProperties": {"type": "integer"}}
    assert ("", "patternProperties") in report.weakened


def test_an_open_object_stays_open_where_it_needs_more_members_than_are_named() -> None:
    schema: dict[str, JSON] = {"type": "object", "properties": {"a": {"type": "integer"}}, "minProperties": 2}
    sent, report = to_json_schema(schema, "vllm")
    assert sent["additionalProperties"] is True
    assert sent["minProperties"] == 2
    assert ("", "minProperties") in report.enforced
    assert ("", "minProperties") in to_json_schema(schema, "ollama")[1].weakened


def test_what_contradicts_itself_is_refused() -> None:
    nothing: list[dict[str, JSON]] = [
        {"type": "object", "minProperties": 2, "maxProperties": 1},
        {"type": "object", "properties": {"a": {}}, "additionalProperties": False, "minProperties": 2},
        {"type": "object", "properties": {"a": {}}, "required": ["a"], "maxProperties": 0},
        {"type": "number", "minimum": 2, "exclusiveMaximum": 2},
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"type": "integer", "minimum": 6, "maximum": 9, "multipleOf": 5},
        {"type": "string", "minLength": 3, "maxLength": 2},
        {"type": "array", "minItems": 1, "items": False},
        {"enum": ["a"], "type": "integer"},
        {"anyOf": [False, False]},
    ]
    for schema in nothing:
        for profile in HELD:
            with pytest.raises(SchemaError):
                to_json_schema(schema, profile)


def test_titles_and_descriptions_stay() -> None:
    schema: dict[str, JSON] = {
        "title": "T",
        "properties": {"a": {"type": "string", "description": "D", "default": "x"}},
    }
    for profile in HELD:
        sent = to_json_schema(schema, profile)[0]
        assert sent["title"] == "T"
        assert cast("dict[str, dict[str, JSON]]", sent["properties"])["a"]["description"] == "D"
        assert "default" not in json.dumps(sent)


_PARTS: dict[str, st.SearchStrategy[JSON]] = {
    "type": st.sampled_from(["object", "array", "string", "integer", "number", "null", ["string", "null"]]),
    "enum": st.sampled_from([["a"], [1, "a", None], [{}, []]]),
    "const": st.sampled_from([1, "a", {"a": 1}]),
    "minLength": st.integers(0, 3000),
    "maxLength": st.integers(0, 3000),
    "pattern": st.sampled_from(["^a*$", "\\p{L}", "(?<=a)b", "[0-9]{3}", "(a)\\1", '"']),
    "format": st.sampled_from(["date", "email", "color", "ipv6"]),
    "minimum": st.sampled_from([0, -1.5, 10**20]),
    "exclusiveMaximum": st.sampled_from([3, 2.5, -(10**20)]),
    "multipleOf": st.sampled_from([1, 2, 0.5]),
    "minItems": st.integers(0, 3),
    "maxItems": st.integers(0, 3000),
    "uniqueItems": st.booleans(),
    "required": st.sampled_from([["a"], ["a", "z"], []]),
    "minProperties": st.integers(0, 3),
    "maxProperties": st.integers(0, 3),
    "dependentRequired": st.just({"a": ["b"]}),
    "nullable": st.booleans(),
    "$ref": st.sampled_from(["#", "#/$defs/d", "#/properties/a"]),
    "x-quoted-from": st.just("user"),
    "title": st.just("T"),
}


def _with_parts(inner: st.SearchStrategy[JSON]) -> st.SearchStrategy[JSON]:
    some = st.lists(inner, min_size=1, max_size=2)
    named = st.dictionaries(st.sampled_from(["a", "b", "^a", "\\p{L}"]), inner, max_size=2)
    lists = cast("st.SearchStrategy[JSON]", some)
    whole = ("items", "additionalProperties", "not", "if", "then", "propertyNames", "contains")
    holding: dict[str, st.SearchStrategy[JSON]] = {
        **dict.fromkeys(("anyOf", "oneOf", "allOf", "prefixItems"), lists),
        **dict.fromkeys(whole, inner),
        "properties": cast("st.SearchStrategy[JSON]", named),
        "patternProperties": cast("st.SearchStrategy[JSON]", named),
    }
    return cast("st.SearchStrategy[JSON]", st.fixed_dictionaries({}, optional={**_PARTS, **holding}))


_WILD = st.recursive(
    st.one_of(st.booleans(), st.fixed_dictionaries({}, optional=_PARTS)), _with_parts, max_leaves=6
)


@settings(max_examples=150)
@given(profile=st.sampled_from(PROFILES), schema=_WILD, definition=_WILD)
def test_any_schema_is_rewritten_or_refused(profile: Profile, schema: JSON, definition: JSON) -> None:
    whole: JSON = {**schema, "$defs": {"d": definition}} if isinstance(schema, dict) else schema
    assert isinstance(whole, bool | dict)
    try:
        sent, report = to_json_schema(whole, profile)
    except SchemaError:
        assert report_of(whole, profile).refused
        return
    check_schema(sent)
    if isinstance(whole, dict) and "type" in whole:
        assert any(keyword in (*signs(report), "type") for _, keyword in (*report.enforced, *report.weakened))


def test_an_unknown_profile_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="the profile of JSON Schema is 'lm-studio'") as caught:
        to_json_schema({}, "lm-studio")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert "lmstudio" in caught.value.hint


def test_a_boolean_is_a_schema_too() -> None:
    assert to_json_schema(True, "ollama")[0] == {}
    assert to_json_schema(False, "generic")[0] == {"not": {}}
    with pytest.raises(SchemaError, match="false"):
        to_json_schema(False, "vllm")


def test_our_own_grammar_of_what_is_sent_is_inside_it() -> None:
    sent, _ = to_json_schema(FINDER.parameters, "openai-strict")
    assert matches(for_schema(sent), '{"q": null, "n": 3}')
