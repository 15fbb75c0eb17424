"""Recognisers agree with jsonschema on random schemas and values, or say which keyword is to blame."""

from __future__ import annotations

import json
import time
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridle.errors import GrammarError, InputError, SchemaError
from bridle.grammars import acceptor, enforcement
from bridle.grammars.acceptor import Target
from bridle.grammars.gbnf_matching import GbnfMatcher
from bridle.grammars.open_numbers import open_integers, open_numbers
from bridle.grammars.schema_keywords import validator_of
from bridle.messages import JSON
from strategies import maps, schemas, tools, values

every_target = pytest.mark.parametrize("target", ["llguidance", "gbnf"])

_LEAVES: st.SearchStrategy[JSON] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 12),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "a", "ab", "abc", "b1", "é"]),
    st.text(max_size=3),
)
ANY: st.SearchStrategy[JSON] = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "b", "ab", "z"]), inner, max_size=3),
    ),
    max_leaves=5,
)
_SIMPLE: list[dict[str, JSON]] = [
    {},
    {"type": "string"},
    {"type": "integer"},
    {"type": ["number", "null"]},
    {"type": "boolean"},
    {"const": "a"},
    {"enum": ["a", 1, None]},
    {"minLength": 2},
    {"type": "string", "pattern": "^a"},
    {"type": "string", "maxLength": 2, "pattern": "b"},
    {"minimum": 3},
    {"type": "integer", "multipleOf": 3},
    {"exclusiveMaximum": 5.5},
    {"type": "array", "maxItems": 2},
    {"type": "object", "maxProperties": 1},
    {"required": ["a"]},
    {"type": "array", "uniqueItems": True, "items": {"enum": ["a", "b"]}},
]


_KINDS: list[JSON] = ["object", "array", "string", "number"]
_WANTED: list[JSON] = [["a"], ["a", "b"], []]


def _json(schema: dict[str, JSON]) -> JSON:
    return schema


def _at_a(schema: dict[str, JSON]) -> JSON:
    return {"^a": schema}


def _grown(inner: st.SearchStrategy[dict[str, JSON]]) -> st.SearchStrategy[dict[str, JSON]]:
    several = st.lists(inner.map(_json), min_size=1, max_size=3)
    members = st.dictionaries(st.sampled_from(["a", "b", "ab"]), inner.map(_json), max_size=3)
    parts: dict[str, st.SearchStrategy[JSON]] = {
        **dict.fromkeys(("anyOf", "oneOf", "allOf", "prefixItems"), several.map(list)),
        **dict.fromkeys(("not", "items", "contains", "if", "then"), inner.map(dict)),
        **dict.fromkeys(("minProperties", "minItems"), st.integers(0, 2)),
        "properties": members.map(dict),
        "additionalProperties": st.one_of(st.booleans(), inner.map(dict)),
        "patternProperties": inner.map(_at_a),
        "propertyNames": st.just({"maxLength": 1}),
        "required": st.sampled_from(_WANTED),
        "dependentRequired": st.just({"a": ["b"]}),
        "type": st.sampled_from(_KINDS),
    }
    chosen = st.lists(st.sampled_from(sorted(parts)), min_size=1, max_size=3, unique=True)
    return chosen.flatmap(lambda keys: st.fixed_dictionaries({key: parts[key] for key in keys}))


WILD = st.recursive(st.sampled_from(_SIMPLE), _grown, max_leaves=5)


def written(value: JSON) -> str:
    return json.dumps(value, ensure_ascii=False)


def agrees(schema: dict[str, JSON], target: Target, drawn: list[JSON]) -> None:
    found = acceptor(schema, target)
    validator = validator_of(schema)
    for value in drawn:
        if found.accepts(written(value)) != validator.is_valid(value):
            assert found.report.weakened, (schema, value, found.accepts(written(value)))


@every_target
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@given(schema=WILD, drawn=st.lists(ANY, max_size=6))
def test_any_schema_means_what_jsonschema_says(
    target: Target, schema: dict[str, JSON], drawn: list[JSON]
) -> None:
    agrees(schema, target, drawn)


@every_target
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_the_schemas_of_tools_are_fully_enforced(target: Target, data: st.DataObject) -> None:
    schema = data.draw(st.one_of(schemas(), maps(), tools().map(lambda tool: dict(tool.parameters))))
    found = acceptor(schema, target)
    validator = validator_of(schema)
    good = data.draw(values(schema))
    assert found.accepts(written(good))
    for other in data.draw(st.lists(st.one_of(ANY, values(schema)), max_size=3)):
        assert found.accepts(written(other)) == validator.is_valid(other), other
    assert not found.report.weakened
    assert not found.report.refused


@every_target
def test_members_may_stand_in_any_order(target: Target) -> None:
    schema: dict[str, JSON] = {"type": "object", "properties": {"a": True, "b": True}, "required": ["a", "b"]}
    found = acceptor(schema, target)
    assert all(found.accepts(text) for text in ('{"a": 1, "b": 2}', '{"b": 2, "x": [], "a": 1}'))
    names: list[JSON] = [f"m{i}" for i in range(12)]
    many = acceptor({"type": "object", "required": names}, target)
    assert many.report.weakened == (("", "x-order"),)
    assert many.accepts(written({str(name): 1 for name in names}))
    assert not many.accepts(written({str(name): 1 for name in names[1:]}))


@every_target
def test_what_cannot_be_held_is_reported_or_refused(target: Target) -> None:
    schema: dict[str, JSON] = {
        "type": "object",
        "properties": {
            "back": {"type": "string", "pattern": r"(a|b)\1"},
            "unique": {"type": "array", "uniqueItems": True},
            "regex": {"type": "string", "format": "regex"},
            "many": {"type": "integer", "multipleOf": 1000003},
        },
    }
    report = acceptor(schema, target).report
    assert set(report.weakened) == {
        ("/properties/back", "pattern"),
        ("/properties/unique", "uniqueItems"),
        ("/properties/regex", "format"),
        ("/properties/many", "multipleOf"),
    }
    assert ("/properties/back", "type") in report.enforced
    assert report == enforcement(schema, target)
    for wrong in ({"$ref": "#/nowhere"}, {"type": "strin"}, {"type": "string", "pattern": "("}):
        with pytest.raises(SchemaError) as caught:
            acceptor(cast("dict[str, JSON]", wrong), target)
        assert caught.value.hint or caught.value.pointer
    refused = enforcement({"type": "array", "items": {"$ref": "https://example.org/x"}}, target)
    assert refused.refused == (("/items", "$ref"),)
    assert refused.enforced == (("", "type"), ("", "items"))


@every_target
def test_what_nothing_satisfies_accepts_nothing(target: Target) -> None:
    for schema in (False, {"allOf": [False]}, {"type": "string", "minLength": 2, "maxLength": 1}):
        found = acceptor(cast("dict[str, JSON]", schema), target)
        assert not any(found.accepts(text) for text in ("null", '"ab"', "{}"))
        assert not found.report.weakened


def test_a_reference_is_resolved_where_its_part_has_a_name() -> None:
    schema: dict[str, JSON] = {
        "$id": "https://example.org/customer",
        "properties": {"home": {"$ref": "/address"}},
        "$defs": {
            "address": {
                "$id": "/address",
                "properties": {"state": {"$ref": "#/definitions/state"}},
                "definitions": {"state": {"enum": ["CA", "NY"]}},
            }
        },
    }
    found = acceptor(schema, "gbnf")
    assert found.accepts('{"home": {"state": "CA"}}')
    assert not found.accepts('{"home": {"state": "XX"}}')


def test_a_string_to_be_quoted_is_not_held_without_texts() -> None:
    report = enforcement({"type": "string", "x-quoted-from": "user"}, "gbnf")
    assert report.weakened == (("", "x-quoted-from"),)


def test_a_target_that_nobody_knows_is_named() -> None:
    with pytest.raises(InputError, match="'lark'"):
        acceptor(True, cast("Target", "lark"))


@every_target
def test_ten_kilobytes_take_less_than_a_second(target: Target) -> None:
    items: JSON = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 40}, "n": {"type": "number"}},
    }
    found = acceptor({"type": "array", "items": items}, target)
    text = written([{"name": f"item {i}", "n": i * 1.5} for i in range(300)])
    start = time.process_time()
    assert len(text) > 10_000
    assert found.accepts(text)
    assert time.process_time() - start < 1


def test_half_a_character_is_no_text() -> None:
    assert not acceptor(True, "gbnf").accepts('"\ud800"')


def test_an_unknown_rule_and_a_token_are_no_grammar_for_texts() -> None:
    for text in ('root ::= "a" other', 'start ::= "a"', "root ::= <[12]>"):
        with pytest.raises(GrammarError):
            GbnfMatcher(text)


def test_numbers_between_bounds_that_exclude_each_other() -> None:
    from decimal import Decimal

    low, high = (Decimal(3), True), (Decimal(3), False)
    assert open_numbers(low, high) is None
    assert open_integers(low, high) is None


@every_target
@pytest.mark.parametrize("limits", [{"minLength": 1}, {"minLength": 1, "maxLength": 4}])
def test_a_string_of_no_characters_is_held(target: Target, limits: dict[str, JSON]) -> None:
    found = acceptor({"not": {"type": "string", **limits}}, target)
    assert found.accepts('""')
    assert found.accepts("7")
    assert not found.accepts('"a"')
    assert not found.report.weakened


SHARED: list[tuple[list[JSON], list[str], list[str]]] = [
    ([{"type": "array"}, {"const": []}], ["[1]"], ["[]"]),
    ([{"type": "object"}, {"const": {}}], ['{"a": 1}'], ["{}"]),
    ([{}, {"enum": [1, []]}], ["2", "[1]", '"a"'], ["1", "[]"]),
    ([{"type": "boolean"}, {"enum": [[], True, "b"]}], ["false", "[]", '"b"'], ["true"]),
    ([{"type": "integer"}, {"enum": [1, "b"]}], ["2", '"b"'], ["1", "1.0"]),
]


@every_target
@pytest.mark.parametrize(("branches", "right", "wrong"), SHARED)
def test_a_value_that_two_branches_share_is_none_of_either(
    target: Target, branches: list[JSON], right: list[str], wrong: list[str]
) -> None:
    found = acceptor({"oneOf": branches}, target)
    assert all(map(found.accepts, right))
    assert not any(map(found.accepts, wrong))
    assert not found.report.weakened


@every_target
@pytest.mark.parametrize("shared", [[1], {"a": 1}])
def test_an_array_or_object_that_two_branches_share_is_reported(target: Target, shared: JSON) -> None:
    kind = "array" if isinstance(shared, list) else "object"
    report = acceptor({"items": {"oneOf": [{"type": kind}, {"const": shared}]}}, target).report
    assert report.weakened == (("/items", "oneOf"),)
    inverse = acceptor({"type": kind, "not": {"const": shared}}, target).report
    assert inverse.weakened == (("", "not"),)
