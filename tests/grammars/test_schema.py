"""JSON Schemas as rules: everything written is valid, and nothing that restricts is left out in silence."""

from __future__ import annotations

import json
import random
import socket
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.errors import InputError, SchemaError
from bridle.grammars import Bounds, Grammar, Lit, matches, sample, schema_grammar
from bridle.grammars.schema import Frame, SchemaRules
from bridle.grammars.schema_keywords import validator_of
from bridle.messages import JSON
from bridle.wrappers.syntax import JsonLayout
from strategies import maps, schemas, values

Schema = dict[str, JSON]
LAYOUTS = [JsonLayout(), JsonLayout(2)]
every_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=repr)


def valid(schema: JSON, value: JSON) -> bool:
    return validator_of(schema).is_valid(value)


@every_layout
@given(schema=st.one_of(schemas(), maps()), seed=st.integers(0, 2**32), depth=st.integers(0, 2))
def test_whatever_is_written_is_valid(layout: JsonLayout, schema: Schema, seed: int, depth: int) -> None:
    rules = SchemaRules(layout, Bounds(string_chars=30, array_items=4))
    grammar = Grammar(rules.node(schema, depth=depth), rules.rules)
    text = sample(grammar, random.Random(seed))
    assert valid(schema, json.loads(text)), text
    assert len(text.encode()) <= grammar.longest_bytes


@every_layout
@given(st.data(), st.integers(0, 2))
def test_every_canonical_value_is_held(layout: JsonLayout, data: st.DataObject, depth: int) -> None:
    schema = data.draw(st.one_of(schemas(), maps()))
    value = data.draw(values(schema))
    rules = SchemaRules(layout)
    grammar = Grammar(rules.node(schema, depth=depth), rules.rules)
    assert valid(schema, value)
    assert matches(grammar, layout.dump(value, depth))


@given(schema=schemas(), value=st.one_of(values({"type": "integer"}), st.text(max_size=3), st.none()))
def test_an_invalid_value_is_not_held(schema: Schema, value: JSON) -> None:
    if matches(schema_grammar(schema), json.dumps(value, ensure_ascii=False)):
        assert valid(schema, value)


TREE: Schema = {
    "type": "object",
    "properties": {"v": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["v"],
}
NODE: Schema = {
    "$defs": {
        "n": {
            "type": "object",
            "properties": {
                "l": {"$ref": "#/$defs/n"},
                "r": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]},
            },
            "required": ["r"],
        }
    },
    "$ref": "#/$defs/n",
    "description": "a tree",
}
KINDS: Schema = {
    "oneOf": [
        {"type": "object", "properties": {"k": {"const": "a"}, "v": {"type": "integer"}}, "required": ["k"]},
        {"type": "object", "properties": {"k": {"const": "b"}}, "required": ["k"]},
    ]
}
EITHER: Schema = {
    "type": "object",
    "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
    "anyOf": [{"required": ["x"]}, {"required": ["y"]}],
}
MERGED: Schema = {
    "allOf": [
        {"type": "object", "properties": {"a": {"type": "integer", "minimum": 2}}, "required": ["a"]},
        {
            "properties": {"a": {"type": "number", "maximum": 5}, "b": {"type": "string"}},
            "required": ["a", "b"],
        },
    ]
}

HELD: list[tuple[JSON, list[str], list[str]]] = [
    ({"type": "object", "properties": {}}, ["{}"], ['{"a": 1}', "{ }", "[]"]),
    ({"type": "object", "additionalProperties": False}, ["{}"], ['{"a": 1}']),
    ({"type": "object"}, ["{}", '{"a": {"b": [1, null]}, "": "x"}'], ["[]", '{"a":1}']),
    ({"type": "object", "additionalProperties": {"type": "null"}}, ["{}", '{"a": null}'], ['{"a": 1}']),
    ({"type": "object", "maxProperties": 1}, ['{"a": 1}'], ['{"a": 1, "b": 2}']),
    ({"type": "object", "maxProperties": 0}, ["{}"], ['{"a": 1}']),
    ({"type": "object", "required": ["r"]}, ['{"r": [1]}'], ["{}", '{"s": 1}']),
    ({"properties": {"a": True}, "minProperties": 1, "required": ["a"]}, ['{"a": 1}'], ["{}"]),
    (
        {
            "type": "object",
            "properties": {"a": {"type": "null"}, "b": {"type": "null"}, "c": {"type": "null"}},
        },
        ["{}", '{"a": null}', '{"b": null}', '{"a": null, "c": null}', '{"a": null, "b": null, "c": null}'],
        ['{"b": null, "a": null}', '{"a": null, }', '{, "b": null}'],
    ),
    (
        {"properties": {"a": {"const": 1}, "b": {"const": 2}, "c": {"const": 3}}, "required": ["b"]},
        ['{"b": 2}', '{"a": 1, "b": 2}', '{"b": 2, "c": 3}', '{"a": 1, "b": 2, "c": 3}'],
        ["{}", '{"a": 1}', '{"a": 1, "c": 3}', '{"c": 3, "b": 2}'],
    ),
    ({"properties": {"a": False, "b": {"const": 1}}, "maxProperties": 2}, ["{}", '{"b": 1}'], ['{"a": 1}']),
    ({"properties": {"a": {"const": 1}}, "unevaluatedProperties": False}, ["{}", '{"a": 1}'], ['{"b": 1}']),
    (
        {"type": "array", "items": {"type": "null"}, "maxItems": 2},
        ["[]", "[null, null]"],
        ["[null, null, null]"],
    ),
    ({"type": "array", "items": {"const": 1}, "minItems": 2}, ["[1, 1]", "[1, 1, 1]"], ["[]", "[1]"]),
    ({"type": "array", "maxItems": 0}, ["[]"], ["[1]"]),
    ({"type": "array", "items": False}, ["[]"], ["[1]"]),
    ({"type": "array", "maxItems": 1, "uniqueItems": True}, ["[]", "[1]"], ["[1, 1]"]),
    ({"type": "array", "uniqueItems": False}, ["[1, 1]"], ["[1,1]"]),
    (
        {"prefixItems": [{"const": 1}, {"const": 2}], "items": {"const": 3}, "minItems": 1},
        ["[1]", "[1, 2]", "[1, 2, 3]", "[1, 2, 3, 3]"],
        ["[]", "[2]", "[1, 3]"],
    ),
    ({"prefixItems": [{"const": 1}, {"const": 2}], "items": False}, ["[]", "[1]", "[1, 2]"], ["[1, 2, 3]"]),
    ({"prefixItems": [{"const": 1}, {"const": 2}], "minItems": 2, "maxItems": 2}, ["[1, 2]"], ["[1]", "[]"]),
    ({"prefixItems": [{"const": 1}, False]}, ["[]", "[1]"], ["[1, 2]"]),
    ({"prefixItems": [{"const": 1}], "unevaluatedItems": False}, ["[]", "[1]"], ["[1, 1]"]),
    ({"type": "string", "maxLength": 0}, ['""'], ['"a"']),
    ({"type": "string", "minLength": 2, "maxLength": 3}, ['"ab"', '"日本語"', '"\\n\\""'], ['"a"', '"abcd"']),
    ({"minLength": 1}, ['"a"'], ['""', "1"]),
    ({"type": "string", "pattern": "^[a-z]+$", "maxLength": 2}, ['"ab"'], ['"abc"', '""']),
    ({"type": "string", "format": "date"}, ['"2024-02-29"'], ['"2024-02-30"', '"today"']),
    ({"type": "integer"}, ["0", "-12", "123456789012345"], ["-0", "1.0", "01", "1234567890123456", "1e3"]),
    ({"type": "integer", "exclusiveMinimum": 5, "maximum": 12.5}, ["6", "12"], ["5", "13"]),
    ({"type": "integer", "minimum": 0.5}, ["1", "999"], ["0", "-1"]),
    ({"type": "integer", "maximum": -5, "exclusiveMaximum": -5}, ["-6"], ["-5", "0"]),
    ({"type": "integer", "multipleOf": 1}, ["3"], ["3.5"]),
    ({"type": "number"}, ["1.5", "1.0", "-0.25", "7"], ["-0", ".5", "1.", "1.1234567"]),
    ({"minimum": -1.5, "exclusiveMaximum": 2.25}, ["-1.5", "0", "2.249"], ["-1.51", "2.25", "3"]),
    ({"type": "boolean"}, ["true", "false"], ["True", "1"]),
    ({"type": ["string", "null"], "maxLength": 1}, ['"a"', "null"], ['"ab"', "1"]),
    ({"type": ["integer", "number"]}, ["1", "1.5"], ["true"]),
    ({"type": "string", "nullable": True, "maxLength": 1}, ['"a"', "null"], ["1"]),
    ({"enum": ["a"], "nullable": True}, ['"a"', "null"], ['"b"']),
    ({"enum": ["a", 1, None, {"x": [1, {}]}]}, ['"a"', "1", "null", '{"x": [1, {}]}'], ["2", '{"x":[1,{}]}']),
    ({"enum": ["a", 3, "b"], "type": "string", "not": {"const": "a"}}, ['"b"'], ['"a"', "3"]),
    ({"const": 1.5}, ["1.5"], ["1"]),
    (True, ["1", '{"a": [true, "x"]}', "[]", '"é"'], ["", "nul"]),
    ({"title": "anything", "default": 3}, ["null", "[[]]"], ["undefined"]),
    ({"anyOf": [{"const": 1}, False, {"type": "null"}]}, ["1", "null"], ["2"]),
    ({"anyOf": [{"minimum": 2}, {"maximum": -2}], "type": "integer"}, ["2", "-2"], ["1", "2.5"]),
    ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, ['"x"', "3"], ["null"]),
    ({"oneOf": [{"const": 1}, {"enum": [2, 3]}]}, ["1", "3"], ["4"]),
    ({"oneOf": [True]}, ["1"], ["x"]),
    (
        {
            "oneOf": [
                {"type": "object", "additionalProperties": False},
                {"properties": {"a": True}, "required": ["a"]},
            ]
        },
        ["{}", '{"a": 1}'],
        ['{"b": 1}'],
    ),
    (
        {"allOf": [{"additionalProperties": True, "type": "object"}, {"additionalProperties": True}]},
        ["{}", '{"a": 1}'],
        ["[]"],
    ),
    ({"oneOf": [{"allOf": [{"type": "null"}, {"type": "string"}]}, {"const": 1}]}, ["1"], ["null"]),
    (
        {
            "oneOf": [
                {"properties": {"a": {"const": 1}}, "required": ["a"], "additionalProperties": False},
                {"properties": {"b": {"const": 2}}, "required": ["b"], "additionalProperties": False},
            ]
        },
        ['{"a": 1}', '{"b": 2}'],
        ['{"a": 1, "b": 2}', "{}"],
    ),
    (
        {
            "oneOf": [
                {"properties": {"a": {"const": 1}, "t": True}, "required": ["t", "a"]},
                {
                    "properties": {"a": {"const": 2}, "t": True},
                    "required": ["t", "a"],
                    "additionalProperties": False,
                },
            ]
        },
        ['{"a": 1, "t": null}', '{"a": 2, "t": 0}'],
        ['{"a": 3, "t": 1}'],
    ),
    (
        {
            "allOf": [
                {"type": "array", "uniqueItems": False, "maxItems": 1},
                {"uniqueItems": True, "maxItems": 3},
            ]
        },
        ["[]", "[1]"],
        ["[1, 2]"],
    ),
    (
        {"allOf": [{"type": "number", "minimum": 1, "maximum": 3}, {"minimum": 2, "maximum": 9}]},
        ["2", "3"],
        ["1", "4"],
    ),
    ({"allOf": [{"type": ["number", "null"]}, {"type": ["integer", "number"]}]}, ["1.5", "2"], ["null"]),
    (
        {"allOf": [{"const": 1, "title": "a", "nullable": True}, {"title": "b", "nullable": False}]},
        ["1"],
        ["null"],
    ),
    (KINDS, ['{"k": "a", "v": 1}', '{"k": "b"}'], ['{"k": "b", "v": 1}', '{"k": "c"}']),
    (EITHER, ['{"x": 1}', '{"y": 1}', '{"x": 1, "y": 1}'], ["{}"]),
    (MERGED, ['{"a": 2, "b": ""}', '{"a": 5, "b": "x"}'], ['{"a": 6, "b": ""}', '{"a": 2}']),
    ({"allOf": [{"type": "string"}, {"maxLength": 1}, True]}, ['"a"'], ['"ab"']),
    ({"allOf": [{"enum": [1, 2]}, {"enum": [2, 3]}]}, ["2"], ["1", "3"]),
    ({"allOf": [{"items": {"type": "integer"}}, {"items": {"minimum": 3}}]}, ["[3, 4]"], ["[2]"]),
    (
        {
            "allOf": [
                {"properties": {"a": {"const": 1}}, "additionalProperties": False},
                {"properties": {"b": True}},
            ]
        },
        ["{}", '{"a": 1}'],
        ['{"b": 1}', '{"a": 1, "b": 1}'],
    ),
    (
        {
            "allOf": [
                {"properties": {"a": {"const": 1}}, "additionalProperties": {"type": "null"}},
                {"properties": {"b": {"type": ["null", "string"]}}, "additionalProperties": True},
            ]
        },
        ['{"a": 1, "b": null}'],
        ['{"b": "x"}'],
    ),
    (
        TREE,
        ['{"v": 1}', '{"v": 1, "kids": [{"v": 2, "kids": []}]}'],
        ['{"kids": []}', '{"v": 1, "kids": [3]}'],
    ),
    (NODE, ['{"r": null}', '{"l": {"r": null}, "r": {"r": null}}'], ["{}", '{"r": {}}']),
    ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"const": 1}}}, ["1"], ["2"]),
    ({"$ref": "#/$defs/l/anyOf/1", "$defs": {"l": {"anyOf": [{}, {"const": 1}]}}}, ["1"], ["2"]),
    ({"$ref": "#/$defs/s", "maxLength": 2, "$defs": {"s": {"type": "string"}}}, ['"ab"'], ['"abc"']),
    ({"if": {"const": 1}, "type": "null"}, ["null"], ["1"]),
    (
        {"type": "object", "properties": {}, "patternProperties": {}, "propertyNames": True},
        ["{}"],
        ['{"a": 1}'],
    ),
]


@pytest.mark.parametrize(("schema", "held", "refused"), HELD, ids=lambda part: json.dumps(part)[:60])
def test_what_a_schema_holds(schema: JSON, held: list[str], refused: list[str]) -> None:
    grammar = schema_grammar(cast("Schema", schema))
    for text in held:
        assert matches(grammar, text), text
    for text in refused:
        assert not matches(grammar, text), text
    rng = random.Random(0)
    plain = cast("Schema", schema)
    nullable = isinstance(schema, dict) and "nullable" in schema
    for _ in range(30):
        value = json.loads(sample(grammar, rng))
        assert valid(plain, value) or (nullable and value is None)


NOW_HELD: list[tuple[JSON, list[str], list[str]]] = [
    ({"type": "string", "not": {"const": "a"}}, ['"b"', '""'], ['"a"']),
    ({"not": {"type": ["string", "object", "array"]}}, ["1", "null", "true"], ['"a"', "{}"]),
    ({"type": "integer", "multipleOf": 3}, ["0", "-3", "12"], ["4", "3.5"]),
    ({"type": "integer", "multipleOf": 5, "minimum": 3, "maximum": 22}, ["5", "20"], ["0", "25", "6"]),
    ({"type": "number", "multipleOf": 0.5}, ["0.5", "2", "-1.5"], ["0.25"]),
    ({"type": "array", "contains": {"const": 1}}, ["[1]", "[1, 2]"], ["[]", "[2]"]),
    ({"type": "array", "contains": {"const": 1}, "maxContains": 1}, ["[1]", "[1, 2]"], ["[1, 1]"]),
    (
        {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True},
        ["[]", '["a"]', '["c", "a"]', '["b", "c", "a"]'],
        ['["a", "a"]'],
    ),
    (
        {"type": "array", "items": {"enum": [1, 2, 3, 4, 5, 6]}, "uniqueItems": True, "minItems": 2},
        ["[1, 2]", "[1, 4, 6]"],
        ["[1]", "[1, 1]"],
    ),
    (
        {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True},
        ["[false, true]"],
        ["[true, true]"],
    ),
    (
        {"properties": {"a": {"const": 1}, "b": {"const": 2}, "c": {"const": 3}}, "minProperties": 2},
        ['{"a": 1, "b": 2}', '{"a": 1, "c": 3}', '{"a": 1, "b": 2, "c": 3}'],
        ["{}", '{"b": 2}'],
    ),
    (
        {"properties": {"a": {"const": 1}, "b": {"const": 2}}, "maxProperties": 1},
        ["{}", '{"b": 2}'],
        ['{"a": 1, "b": 2}'],
    ),
    ({"type": "object", "minProperties": 1}, ['{"a": 1}'], ["{}"]),
    (
        {"type": "object", "patternProperties": {"^a": {"const": 1}}, "additionalProperties": False},
        ["{}", '{"a": 1}', '{"abc": 1, "a": 1}'],
        ['{"b": 1}', '{"a": 2}'],
    ),
    (
        {"properties": {"id": {"const": 7}}, "additionalProperties": {"type": "null"}, "required": ["id"]},
        ['{"id": 7}', '{"id": 7, "x": null, "y": null}'],
        ['{"id": 7, "x": 1}', '{"x": null}'],
    ),
    (
        {"type": "object", "propertyNames": {"pattern": "^[a-c]{2}$"}},
        ["{}", '{"ab": 1}'],
        ['{"abc": 1}', '{"d": 1}'],
    ),
    (
        {"properties": {"a": {"const": 1}, "b": {"const": 2}}, "dependentRequired": {"a": ["b"]}},
        ["{}", '{"b": 2}', '{"a": 1, "b": 2}'],
        ['{"a": 1}'],
    ),
    ({"properties": {"a": {"const": 1}}, "dependentSchemas": {"a": False}}, ["{}"], ['{"a": 1}']),
    ({"type": "integer", "if": {"minimum": 3}, "then": {"maximum": 5}}, ["2", "4"], ["6"]),
    (
        {
            "properties": {"k": {"enum": ["x", "y"]}, "v": {"type": "integer"}},
            "required": ["k"],
            "if": {"properties": {"k": {"const": "x"}}},
            "then": {"required": ["v"]},
        },
        ['{"k": "x", "v": 1}', '{"k": "y"}'],
        ['{"k": "x"}'],
    ),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, ["1.5"], ["1"]),
    ({"oneOf": [{"type": "string"}, {"maxLength": 3}]}, ['"abcd"'], ['"abc"']),
    ({"oneOf": [{"type": "boolean"}, {"enum": [[], True, "b"]}]}, ["false", "[]", '"b"'], ["true"]),
    ({"oneOf": [{"type": "integer"}, {"enum": [1, "b"]}]}, ["2", '"b"'], ["1"]),
    ({"oneOf": [{"type": "array", "items": {"const": 1}}, {"enum": [[], "b"]}]}, ["[1]", '"b"'], ["[]"]),
    (
        {"oneOf": [{"type": "object", "properties": {"a": {"type": "integer"}}}, {"const": {}}]},
        ['{"a": 1}'],
        ["{}"],
    ),
    ({"type": "object", "not": {"const": {}}}, ['{"a": 1}'], ["{}"]),
    ({"oneOf": [{"type": "string", "maxLength": 0}, {"enum": [[], ""]}]}, ["[]"], ['""']),
    (
        {
            "oneOf": [
                {"properties": {"a": {"const": 1}}, "required": ["a"]},
                {"properties": {"b": {"const": 2}}, "required": ["b"]},
            ]
        },
        ['{"a": 1}', '{"b": 2}'],
        ["{}"],
    ),
    ({"type": "string", "pattern": r"^(?=.*\d)[a-z\d]{2,4}$"}, ['"a1"', '"1234"'], ['"ab"', '"12345"']),
    ({"type": "string", "pattern": r"\bx", "maxLength": 9}, ['"x"', '"a x"'], ['"ax"']),
    ({"type": "string", "pattern": "^a", "allOf": [{"pattern": "b$"}]}, ['"ab"', '"aab"'], ['"ba"', '"a"']),
    (
        {"type": "string", "pattern": "^[ab]*$", "minLength": 2, "maxLength": 3},
        ['"ab"', '"bba"'],
        ['"a"', '"aaaa"'],
    ),
    (
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "string", "maxLength": 1}}, "minLength": 1},
        ['"x"'],
        ['""', '"xy"'],
    ),
    ({"items": [{"const": 1}], "additionalItems": False, "type": "array"}, ["[]", "[1]"], ["[1, 1]"]),
    (
        {
            "$schema": "http://json-schema.org/draft-04/schema#",
            "type": "integer",
            "minimum": 3,
            "exclusiveMinimum": True,
        },
        ["4"],
        ["3"],
    ),
]


@pytest.mark.parametrize(("schema", "held", "refused"), NOW_HELD, ids=lambda part: json.dumps(part)[:60])
def test_what_takes_more_than_one_keyword_is_held_too(
    schema: JSON, held: list[str], refused: list[str]
) -> None:
    test_what_a_schema_holds(schema, held, refused)


UNHELD: list[tuple[Schema, str, str]] = [
    ({"type": "integer", "multipleOf": 1000003}, "", "multipleOf"),
    (
        {"type": "array", "items": {"type": "string", "uniqueItems": True}, "uniqueItems": True},
        "",
        "uniqueItems",
    ),
    ({"type": "object", "minProperties": 2}, "", "minProperties"),
    (
        {
            "type": "object",
            "properties": {"a": {}},
            "additionalProperties": {"const": 1},
            "minProperties": 2,
        },
        "",
        "minProperties",
    ),
    ({"type": "array", "not": {"uniqueItems": True}}, "", "not"),
    ({"type": "array", "not": {"const": [1]}}, "", "not"),
    ({"oneOf": [{"type": "array"}, {"const": [1]}]}, "", "oneOf"),
    ({"type": "object", "not": {"maxProperties": 1}}, "", "not"),
    ({"oneOf": [{"type": "object"}, {"const": {"a": 1}}]}, "", "oneOf"),
    ({"type": "object", "if": {"propertyNames": {"maxLength": 3}}, "then": {"required": ["a"]}}, "", "if"),
    ({"type": "object", "patternProperties": {r"(a)\1": {"type": "null"}}}, "", "patternProperties"),
    ({"type": "string", "pattern": r"^(a|b)\1$"}, "", "pattern"),
    ({"anyOf": [{"type": "null"}, {"type": "string", "pattern": r"(a)\1"}]}, "/anyOf/1", "pattern"),
    ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "string", "pattern": r"(x)\1"}}}, "/$defs/a", "pattern"),
]


@pytest.mark.parametrize(("schema", "pointer", "keyword"), UNHELD, ids=lambda part: json.dumps(part)[:50])
def test_a_keyword_that_cannot_be_held_is_refused_or_noted(
    schema: Schema, pointer: str, keyword: str
) -> None:
    with pytest.raises(SchemaError, match=keyword) as caught:
        schema_grammar(schema)
    assert caught.value.pointer == f"{pointer}/{keyword}"
    assert caught.value.hint
    grammar = schema_grammar(schema, loosen=True)
    assert f"#{pointer} {keyword}" in grammar.weakened
    json.loads(sample(grammar, random.Random(0)))


@pytest.mark.parametrize(
    ("schema", "note"),
    [
        ({"type": "string", "format": "phone"}, "# format"),
        ({"type": "string", "format": "date", "maxLength": 3}, "# format"),
        ({"type": "string", "format": "date", "pattern": "^x$"}, "# format"),
        (
            {"type": "object", "properties": {"a": {"type": "integer", "minimun": 3}}},
            "#/properties/a minimun",
        ),
        ({"type": "object"}, "# additionalProperties"),
        ({"type": "array", "items": {}}, "#/items additionalProperties"),
    ],
)
def test_what_is_an_annotation_to_jsonschema_is_always_noted(schema: Schema, note: str) -> None:
    assert schema_grammar(schema).weakened == (note,)


def test_descriptions_are_not_noted() -> None:
    schema: Schema = {
        "type": "integer",
        "title": "t",
        "description": "d",
        "default": 1,
        "x-order": 3,
        "$comment": "c",
    }
    assert schema_grammar(schema).weakened == ()


@pytest.mark.parametrize(
    ("schema", "what", "pointer"),
    [
        ({"type": "strin"}, "not valid at /type", "/type"),
        ({"properties": {"a": {"minLength": -1}}}, "not valid", "/properties/a/minLength"),
        ({"properties": {"a/b": {"type": 3}}}, "not valid", "/properties/a~1b/type"),
        ([1], "a schema is", ""),
        (False, "false", ""),
        ({"properties": {"a": False}, "required": ["a"]}, "no value", ""),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "type, minimum, maximum", ""),
        ({"type": "integer", "minimum": 1e50}, "no integer", ""),
        ({"type": "number", "exclusiveMinimum": 2, "maximum": 2}, "no value", ""),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "no value", ""),
        ({"type": "array", "minItems": 3, "maxItems": 2}, "no value", ""),
        ({"type": "array", "items": False, "minItems": 1}, "no array", ""),
        ({"enum": [1, 2], "type": "string"}, "no value of the enum", ""),
        ({"allOf": [{"type": "string"}, {"type": "null"}]}, "no value", ""),
        ({"allOf": [{"const": 1}, {"const": 2}]}, "no value", ""),
        ({"allOf": [{"enum": [1]}, {"enum": [2]}]}, "no value", ""),
        ({"allOf": [True, False]}, "allOf", ""),
        ({"type": "string", "allOf": [{"pattern": "^a$"}, {"pattern": "^b$"}]}, "no value", ""),
        ({"anyOf": [False, {"type": "integer", "minimum": 2, "maximum": 1}]}, "anyOf", ""),
        ({"oneOf": [{"type": "string", "const": 1}, False]}, "no value of the enum|false", ""),
        ({"$ref": "#/$defs/none"}, "leads nowhere", "/$ref"),
        ({"$ref": "#/title", "title": "x"}, "no schema", "/$ref"),
        ({"$ref": "#/enum/7", "enum": [1]}, "leads nowhere", "/$ref"),
        ({"$ref": "https://example.org/schema"}, "leads out", "/$ref"),
        ({"$ref": "#anchor"}, "leads nowhere", "/$ref"),
        ({"$ref": "#"}, "circle", ""),
        ({"type": "object", "properties": {"n": {"$ref": "#"}}, "required": ["n"]}, "without end", ""),
        ({"type": "string", "pattern": "("}, "not valid", "/pattern"),
        ({"enum": [1], "not": {"$ref": "#/nowhere"}}, "leads nowhere", ""),
        ({"enum": ["a"], "pattern": "("}, "not valid", ""),
    ],
)
def test_what_no_value_satisfies_is_refused(schema: JSON, what: str, pointer: str) -> None:
    for loosen in (False, True):
        with pytest.raises(SchemaError, match=what) as caught:
            schema_grammar(cast("Schema", schema), loosen=loosen)
        if pointer:
            assert caught.value.pointer == pointer


def test_references_are_followed_to_the_depth_of_the_bounds() -> None:
    deep = '{"v": 1, "kids": [{"v": 1, "kids": [{"v": 1, "kids": []}]}]}'
    assert matches(schema_grammar(TREE, bounds=Bounds(depth=2)), deep)
    assert not matches(schema_grammar(TREE, bounds=Bounds(depth=0)), deep)


def test_many_references_to_itself_do_not_explode() -> None:
    names = [f"p{i}" for i in range(12)]
    schema: Schema = {"type": "object", "properties": {name: {"$ref": "#"} for name in names}}
    assert schema_grammar(schema).rules
    mutual: Schema = {
        "$defs": {
            n: {"type": "object", "properties": {m: {"$ref": f"#/$defs/{m}"} for m in names}} for n in names
        },
        "$ref": "#/$defs/p0",
    }
    with pytest.raises(SchemaError, match="too large"):
        schema_grammar(mutual)


def test_merging_through_a_reference_to_itself_ends() -> None:
    inner: Schema = {"type": "object", "allOf": [{"$ref": "#/$defs/n"}]}
    schema: Schema = {"$defs": {"n": {"properties": {"next": inner}}}, "$ref": "#/$defs/n"}
    grammar = schema_grammar(schema)
    assert matches(grammar, '{"next": {"next": {}}}')
    assert grammar.longest_bytes < 1000


def test_nothing_is_fetched_for_a_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(SchemaError):
        schema_grammar({"enum": [1], "allOf": [{"not": {"$ref": "http://127.0.0.1:9/x"}}]})


def test_bounds_close_what_the_schema_leaves_open() -> None:
    bounds = Bounds(
        string_chars=3, array_items=2, integer_digits=2, fraction_digits=1, object_members=1, depth=1
    )
    grammar = schema_grammar({"type": "array", "items": True}, bounds=bounds)
    assert matches(grammar, '["abc", 99.9]')
    for text in ('["abcd"]', "[100]", "[1.25]", "[1, 2, 3]", '[{"a": 1, "b": 2}]', "[[[[]]]]"):
        assert not matches(grammar, text)


def test_declared_limits_win_up_to_their_own_bound() -> None:
    grammar = schema_grammar({"type": "string", "maxLength": 10**9}, bounds=Bounds(declared_chars=500))
    assert matches(grammar, json.dumps("x" * 500))
    assert not matches(grammar, json.dumps("x" * 501))
    least = schema_grammar(
        {"type": "string", "minLength": 700, "maxLength": 10**9}, bounds=Bounds(declared_chars=500)
    )
    assert matches(least, json.dumps("x" * 700))
    items = schema_grammar(
        {"type": "array", "items": {"const": 1}, "maxItems": 10**9}, bounds=Bounds(declared_items=3)
    )
    assert not matches(items, "[1, 1, 1, 1]")


@pytest.mark.parametrize(
    "bounds", [{"text_chars": 0}, {"depth": -1}, {"array_items": 1.5}, {"integer_digits": 0}]
)
def test_wrong_bounds_are_refused(bounds: dict[str, int]) -> None:
    with pytest.raises(InputError, match=next(iter(bounds))):
        Bounds(**bounds)


def test_free_objects_may_be_forbidden_members_altogether() -> None:
    assert schema_grammar({"type": "object"}, bounds=Bounds(object_members=0)).root == Lit("{}")


def test_first_members_go_before_an_object_with_alternatives() -> None:
    rules = SchemaRules()
    first = (("t", Lit('"!"')),)
    grammar = Grammar(rules.node(EITHER, frame=Frame(rules, first)), rules.rules)
    assert matches(grammar, '{"t": "!", "y": 1}')
    assert not matches(grammar, '{"t": "!"}')
    either = Grammar(rules.node({"type": ["object", "null"]}, frame=Frame(rules, first)), rules.rules)
    assert matches(either, '{"t": "!"}')
    assert not matches(either, "null")
    with pytest.raises(SchemaError, match="must be an object"):
        rules.node({"type": ["string", "null"]}, frame=Frame(rules, first))
    with pytest.raises(SchemaError, match="must be an object"):
        rules.node({"type": "object", "enum": [{}]}, frame=Frame(rules, first))


def test_a_frame_without_members_of_its_own_changes_nothing() -> None:
    free: list[dict[str, JSON]] = [{"type": "object"}, {"additionalProperties": {"type": "null"}}]
    for schema in free:
        rules = SchemaRules()
        assert rules.node(schema, frame=Frame(rules)) == rules.node(schema)
