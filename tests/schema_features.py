"""What servers stumble over in JSON Schemas, each with values that are valid and that are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridle.messages import JSON

__all__ = ["FEATURES", "Feature"]


@dataclass(frozen=True)
class Feature:
    """A schema, values that satisfy it, and values that do not."""

    name: str
    schema: Mapping[str, JSON]
    valid: list[JSON]
    invalid: list[JSON]


def _closed(**members: JSON) -> dict[str, JSON]:
    names: list[JSON] = list(members)
    return {"type": "object", "properties": members, "required": names, "additionalProperties": False}


def _format(name: str, good: str, bad: str) -> Feature:
    return Feature(f"format {name}", {"type": "string", "format": name}, [good], [bad])


FEATURES = [
    Feature(
        "types",
        _closed(
            a={"type": "string"},
            b={"type": "integer"},
            c={"type": "number"},
            d={"type": "boolean"},
            e={"type": "null"},
        ),
        [{"a": "x", "b": 1, "c": 1.5, "d": True, "e": None}],
        [{"a": 1, "b": 1, "c": 1, "d": True, "e": None}, {"a": "x", "b": 1.5, "c": 1, "d": True, "e": None}],
    ),
    Feature("const", {"const": "a"}, ["a"], ["b"]),
    Feature("enum", {"enum": ["a", 1, None, {"x": [1]}]}, ["a", 1, None, {"x": [1]}], ["b", 2]),
    Feature("pattern", {"type": "string", "pattern": "^[a-z]{2,4}$"}, ["ab", "abcd"], ["a", "ABC", "abcde"]),
    Feature("unanchored", {"type": "string", "pattern": "[0-9]{3}"}, ["123", "ab123c"], ["12", "ab"]),
    Feature("digit", {"type": "string", "pattern": "^\\d{3}-\\d{4}$"}, ["123-4567"], ["12-4567", "abc-defg"]),
    Feature(
        "lookahead", {"type": "string", "pattern": "^(?=.*[0-9])[a-z0-9]{2,6}$"}, ["a1", "12"], ["ab", "a"]
    ),
    Feature("dot", {"type": "string", "pattern": "^a.c$"}, ["abc", 'a"c'], ["ac", "abbc"]),
    Feature(
        "escapes",
        {"type": "string", "pattern": "^\\.{2}[\\]\\-^]\\+$"},
        ["..]+", "..-+", "..^+"],
        ["..a+", ".]+"],
    ),
    Feature(
        "quoted quantifier",
        {"type": "string", "pattern": "^a\\.{2}é?b+$"},
        ["a..b", "a..ébb"],
        ["a.a.b", "a.b"],
    ),
    Feature("pattern quote", {"type": "string", "pattern": '^"a"$'}, ['"a"'], ["a"]),
    Feature(
        "pattern len",
        {"type": "string", "pattern": "^[ab]*$", "minLength": 2, "maxLength": 3},
        ["ab", "aba"],
        ["a", "abab", "cc"],
    ),
    Feature(
        "min/maxLength", {"type": "string", "minLength": 2, "maxLength": 4}, ["ab", "abcd"], ["a", "abcde"]
    ),
    Feature("maxLength 5000", {"type": "string", "maxLength": 5000}, ["", "x" * 100], ["x" * 5001]),
    Feature("minLength 3000", {"type": "string", "minLength": 3000}, ["x" * 3000], ["x" * 10]),
    _format("date", "2024-02-29", "2023-02-30"),
    _format("time", "10:00:00Z", "25:00:00Z"),
    _format("date-time", "2024-02-29T10:00:00Z", "2024-02-29"),
    _format("uuid", "123e4567-e89b-12d3-a456-426614174000", "123"),
    _format("email", "a@b.de", "ab.de"),
    _format("uri", "http://a.de/x", "::"),
    _format("ipv4", "1.2.3.4", "1.2.3.400"),
    _format("hostname", "a.de", "-a"),
    Feature("format unknown", {"type": "string", "format": "color"}, ["x"], [1]),
    Feature("integer bounds", {"type": "integer", "minimum": -3, "maximum": 12}, [-3, 0, 12], [-4, 13]),
    Feature(
        "integer excl", {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 5}, [1, 4], [0, 5]
    ),
    Feature("integer min", {"type": "integer", "minimum": 17}, [17, 20, 1000], [16, 0, -5]),
    Feature("integer max", {"type": "integer", "maximum": -17}, [-17, -100], [-16, 0, 17]),
    Feature("number bounds", {"type": "number", "minimum": 0.5, "maximum": 2}, [0.5, 1, 2], [0.4, 2.1]),
    Feature(
        "multipleOf few",
        {"type": "integer", "minimum": 0, "maximum": 20, "multipleOf": 5},
        [0, 5, 20],
        [3, 25],
    ),
    Feature("multipleOf", {"type": "integer", "multipleOf": 5}, [0, 5, 20], [3]),
    Feature("multipleOf number", {"type": "number", "multipleOf": 0.5}, [0, 0.5], [0.3]),
    Feature(
        "minItems",
        {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
        [[1], [1, 2, 3]],
        [[], [1, 2, 3, 4], ["a"]],
    ),
    Feature("maxItems 0", {"type": "array", "maxItems": 0}, [[]], [[1]]),
    Feature(
        "maxItems 3000", {"type": "array", "items": {"type": "integer"}, "maxItems": 3000}, [[1]], [["a"]]
    ),
    Feature(
        "uniqueItems",
        {"type": "array", "items": {"type": "integer"}, "uniqueItems": True},
        [[1, 2]],
        [[1, 1]],
    ),
    Feature(
        "contains", {"type": "array", "items": {"type": "integer"}, "contains": {"const": 1}}, [[1, 2]], [[2]]
    ),
    Feature(
        "prefixItems",
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]},
        [["a", 1]],
        [[1, "a"]],
    ),
    Feature(
        "prefixItems+items",
        {"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "integer"}, "minItems": 2},
        [["a", 1]],
        [["a"], ["a", "b"]],
    ),
    Feature(
        "prefixItems false",
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
        [["a", 1]],
        [["a", 1, 2]],
    ),
    Feature(
        "optional",
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}, "c": {"type": "integer"}},
            "required": ["b"],
            "additionalProperties": False,
        },
        [{"b": 1}, {"a": 1, "b": 2}, {"b": 1, "c": 3}, {"a": 1, "b": 2, "c": 3}],
        [{}, {"a": 1}, {"b": 1, "d": 1}],
    ),
    Feature(
        "open object",
        {"type": "object", "properties": {"a": {"type": "integer"}}},
        [{"a": 1}, {"a": 1, "z": "q"}],
        [{"a": "x"}],
    ),
    Feature(
        "empty closed", {"type": "object", "properties": {}, "additionalProperties": False}, [{}], [{"a": 1}]
    ),
    Feature("empty object", _closed(p={"type": "object", "properties": {}}), [{"p": {}}], [{"p": 1}]),
    Feature("any object", {"type": "object"}, [{}, {"a": 1}], [1]),
    Feature(
        "map",
        {"type": "object", "additionalProperties": {"type": "integer"}},
        [{}, {"a": 1, "b": 2}],
        [{"a": "x"}],
    ),
    Feature(
        "props+map",
        {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "additionalProperties": {"type": "integer"},
        },
        [{"a": "x", "b": 2}, {"b": 2}],
        [{"a": 1}, {"b": "x"}],
    ),
    Feature(
        "patternProperties",
        {"type": "object", "patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": False},
        [{"x1": 1}, {}],
        [{"x1": "a"}, {"y": 1}],
    ),
    Feature(
        "patternProperties declared",
        {
            "type": "object",
            "properties": {"xa": {}},
            "patternProperties": {"^x": {"type": "integer"}},
            "required": ["xa"],
        },
        [{"xa": 1}],
        [{"xa": "a"}],
    ),
    Feature(
        "propertyNames", {"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}}, [{"a": 1}], [{"A": 1}]
    ),
    Feature(
        "minProperties",
        {"type": "object", "minProperties": 1, "additionalProperties": {"type": "integer"}},
        [{"a": 1}],
        [{}],
    ),
    Feature(
        "maxProperties",
        {"type": "object", "maxProperties": 1, "additionalProperties": {"type": "integer"}},
        [{"a": 1}],
        [{"a": 1, "b": 2}],
    ),
    Feature(
        "required undeclared",
        {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a", "b"]},
        [{"a": 1, "b": 2}],
        [{"a": 1}],
    ),
    Feature(
        "dependentRequired",
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "dependentRequired": {"a": ["b"]},
        },
        [{"b": 1}, {"a": 1, "b": 1}],
        [{"a": 1}],
    ),
    Feature("anyOf", {"anyOf": [{"type": "string"}, {"type": "integer"}]}, ["a", 1], [None]),
    Feature(
        "anyOf+siblings",
        {
            "type": "object",
            "properties": {"k": {"type": "string"}},
            "required": ["k"],
            "anyOf": [
                {"properties": {"a": {"type": "integer"}}, "required": ["a"]},
                {"properties": {"b": {"type": "string"}}, "required": ["b"]},
            ],
        },
        [{"k": "x", "a": 1}, {"k": "x", "b": "y"}],
        [{"k": "x"}, {"a": 1}],
    ),
    Feature("oneOf disjoint", {"oneOf": [{"type": "string"}, {"type": "integer"}]}, ["a", 1], [None]),
    Feature(
        "oneOf overlap",
        {"oneOf": [{"type": "integer", "minimum": 0}, {"type": "integer", "maximum": 5}]},
        [9, -2],
        [3],
    ),
    Feature(
        "oneOf disc",
        {
            "oneOf": [
                _closed(k={"const": "a"}, x={"type": "integer"}),
                _closed(k={"const": "b"}, y={"type": "string"}),
            ]
        },
        [{"k": "a", "x": 1}, {"k": "b", "y": "s"}],
        [{"k": "a", "y": "s"}],
    ),
    Feature(
        "allOf merge",
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                {"properties": {"b": {"type": "string"}}, "required": ["b"]},
            ]
        },
        [{"a": 1, "b": "x"}],
        [{"a": 1}],
    ),
    Feature("allOf bounds", {"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 5}]}, [3, 5], [2, 6]),
    Feature(
        "ref",
        {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/a_b"}, "c": {"$ref": "#/$defs/a-b"}},
            "required": ["a", "c"],
            "$defs": {"a_b": {"type": "integer"}, "a-b": {"type": "string"}},
        },
        [{"a": 1, "c": "x"}],
        [{"a": "x", "c": 1}, {"a": 1, "c": 1}],
    ),
    Feature(
        "ref siblings", {"$ref": "#/$defs/n", "minimum": 5, "$defs": {"n": {"type": "integer"}}}, [5], [4]
    ),
    Feature(
        "recursive",
        {
            "$ref": "#/$defs/n",
            "$defs": {
                "n": {
                    "type": "object",
                    "properties": {"v": {"type": "integer"}, "next": {"$ref": "#/$defs/n"}},
                    "required": ["v"],
                    "additionalProperties": False,
                }
            },
        },
        [{"v": 1}, {"v": 1, "next": {"v": 2}}],
        [{"next": {"v": 1}}, {"v": 1, "next": {}}],
    ),
    Feature(
        "root recursive",
        {
            "type": "object",
            "properties": {"v": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#"}}},
            "required": ["v"],
        },
        [{"v": 1, "kids": [{"v": 2}]}],
        [{"v": 1, "kids": [{}]}],
    ),
    Feature("nullable", {"type": "string", "nullable": True}, ["a", None], [1]),
    Feature("type union", {"type": ["string", "null"], "maxLength": 3}, ["abc", None], ["abcd", 1]),
    Feature("not", {"type": "string", "not": {"const": "a"}}, ["b"], ["a"]),
    Feature(
        "if",
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "if": {"required": ["a"]},
            "then": {"required": ["b"]},
        },
        [{"b": 1}, {"a": 1, "b": 2}],
        [{"a": 1}],
    ),
    Feature("any", {}, [1, "a", None, [1], {"a": 1}], []),
    Feature("boolean true", _closed(a=True), [{"a": 1}], [{}]),
    Feature(
        "prop false",
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": False},
            "required": ["a"],
            "additionalProperties": False,
        },
        [{"a": 1}],
        [{"a": 1, "b": 1}],
    ),
    Feature(
        "type number mult1", {"type": "number", "multipleOf": 1, "minimum": 1, "maximum": 3}, [1, 3], [0, 1.5]
    ),
    Feature("enum with type", {"type": "string", "enum": ["a", "b", 3]}, ["a", "b"], [3, "c"]),
    Feature(
        "unevaluated",
        {"type": "object", "properties": {"a": {"type": "integer"}}, "unevaluatedProperties": False},
        [{"a": 1}],
        [{"b": 1}],
    ),
    Feature(
        "nested arrays",
        {
            "type": "array",
            "items": {"type": "array", "items": {"type": "string", "maxLength": 2}, "maxItems": 2},
            "maxItems": 2,
        },
        [[["a"], ["b", "c"]]],
        [[["abc"]], [["a", "b", "c"]]],
    ),
    Feature(
        "non-ascii",
        {"type": "object", "properties": {"größe": {"enum": ["日本", 'é"\n']}}, "required": ["größe"]},
        [{"größe": "日本"}, {"größe": 'é"\n'}],
        [{"größe": "x"}],
    ),
]
