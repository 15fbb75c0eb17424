"""One schema for each feature of JSON Schema that tools use, with values that it accepts and that it refuses."""

from __future__ import annotations

from bridle.messages import JSON

__all__ = ["FEATURES"]

_NODE: JSON = {
    "type": "object",
    "properties": {"v": {"type": "integer"}, "next": {"$ref": "#/$defs/node"}},
    "required": ["v"],
    "additionalProperties": False,
}
_A_OR_B: JSON = {"a": {"type": "integer"}, "b": {"type": "integer"}}
_KIND: JSON = {
    "oneOf": [
        {
            "properties": {"kind": {"const": "card"}, "number": {"type": "string"}},
            "required": ["kind", "number"],
        },
        {"properties": {"kind": {"const": "cash"}, "coins": {"type": "integer"}}, "required": ["kind"]},
    ],
    "type": "object",
}

FEATURES: dict[str, tuple[JSON, list[JSON], list[JSON]]] = {
    "types": ({"type": "string"}, ["", "a"], [1, None, [], {}]),
    "integer": ({"type": "integer"}, [0, -3, 10**20, 2.0, 1e20], [1.5, "1", 1e-7]),
    "number": ({"type": "number"}, [0, 1.5, -2e-9, 1e300, -0.0], ["1", None, True]),
    "boolean": ({"type": "boolean"}, [True, False], [0, 1, "true"]),
    "null": ({"type": "null"}, [None], [0, False, ""]),
    "null union": ({"type": ["string", "null"]}, ["a", None], [1, False]),
    "top-level union": ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, ["a", 1], [1.5, None]),
    "const": ({"const": {"a": [1, "x"]}}, [{"a": [1, "x"]}, {"a": [1.0, "x"]}], [{"a": [1]}, {}, None]),
    "enum of strings": ({"enum": ["a", "ab", "é"]}, ["a", "ab", "é"], ["b", "A", 1]),
    "enum of mixed types": ({"enum": ["a", 1, None, {"x": 2}, True]}, ["a", 1, None, {"x": 2}, True, 1.0], [2, {}, False]),
    "pattern": ({"type": "string", "pattern": "^[a-z]{2}$"}, ["ab"], ["a", "abc", "AB"]),
    "pattern without anchors": ({"type": "string", "pattern": "[0-9]"}, ["a1b", "0"], ["", "abc"]),
    "pattern with \\d": ({"type": "string", "pattern": "^\\d{3}-\\d{4}$"}, ["123-4567"], ["12-3456", "123-456x"]),
    "pattern with \\w and \\s": ({"type": "string", "pattern": "^\\w+\\s\\w+$"}, ["ab cd", "é ß"], ["ab", "a-b c"]),
    "pattern with look-ahead": (
        {"type": "string", "pattern": "^(?=.*[A-Z])(?=.*\\d)[A-Za-z\\d]{4,}$"}, ["Abc1", "1ABC"], ["abc1", "ABCD", "A1"],
    ),
    "pattern with negative look-ahead": (
        {"type": "string", "pattern": "^(?!foo)[a-z]+$"}, ["bar", "fo"], ["foo", "food", ""],
    ),
    "pattern with a word's edge": ({"type": "string", "pattern": "\\bcat\\b"}, ["a cat!", "cat"], ["cats", "concat"]),
    "pattern of any case": ({"type": "string", "pattern": "(?i)^yes$"}, ["YES", "yEs"], ["no", "yess"]),
    "minLength and maxLength": ({"type": "string", "minLength": 2, "maxLength": 3}, ["ab", "日本語", "🧿é"], ["a", "abcd"]),
    "maxLength 5000": ({"type": "string", "maxLength": 5000}, ["", "x" * 5000], ["x" * 5001]),
    "pattern with lengths": (
        {"type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 5}, ["ab", "abcde"], ["a", "abcdef", "AB"],
    ),
    "format date": ({"type": "string", "format": "date"}, ["2024-02-29"], ["2023-02-29", "2024-1-1", "today"]),
    "format time": ({"type": "string", "format": "time"}, ["12:30:00Z", "01:02:03.5+02:00"], ["25:00:00Z", "noon"]),
    "format date-time": (
        {"type": "string", "format": "date-time"}, ["2024-01-31T12:00:00Z", "2024-01-31T12:00:00.1-05:00"],
        ["2024-01-31", "2024-13-01T00:00:00Z"],
    ),
    "format duration": ({"type": "string", "format": "duration"}, ["P3D", "PT1H30M"], ["3 days", "P"]),
    "format email": ({"type": "string", "format": "email"}, ["joe@example.com", "a.b+c@d.org"], ["joe", "@x.org"]),
    "format uri": ({"type": "string", "format": "uri"}, ["https://example.com/a?b=c#d", "urn:x:y"], ["/relative", "a b"]),
    "format uuid": (
        {"type": "string", "format": "uuid"}, ["123e4567-e89b-12d3-a456-426614174000"], ["123e4567", "xyz"],
    ),
    "format ipv4 and ipv6": (
        {"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]},
        ["127.0.0.1", "::1", "fe80::1:2"], ["256.0.0.1", "1::2::3", "localhost"],
    ),
    "format hostname": ({"type": "string", "format": "hostname"}, ["example.com", "a-b"], ["-a", "a_b", "a..b"]),
    "format json-pointer": ({"type": "string", "format": "json-pointer"}, ["", "/a~1b/0"], ["a", "/~2"]),
    "unknown format": ({"type": "string", "format": "phone"}, ["", "anything"], [1]),
    "format int32": ({"type": "integer", "format": "int32"}, [1, 2**40], ["1", 1.5]),
    "integer bounds": ({"type": "integer", "minimum": -5, "maximum": 120}, [-5, 0, 120], [-6, 121, 1000]),
    "number bounds": ({"type": "number", "minimum": -1.5, "maximum": 2.25}, [-1.5, 2.25, 0, 1e-9], [-1.51, 2.26, 1e20]),
    "exclusive bounds": (
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, [0.5, 1e-12, 0.999], [0, 1, -0.0, 1.0, 2],
    ),
    "one bound": ({"type": "number", "minimum": 0}, [0, 1e300, 1e-300, -0.0], [-1e-300, -1]),
    "multipleOf an integer": ({"type": "integer", "multipleOf": 5}, [0, 10, -15], [1, 12]),
    "multipleOf a fraction": ({"type": "number", "multipleOf": 0.25}, [0.25, 1, -0.5], [0.3, 1.1]),
    "minItems and maxItems": (
        {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3}, [[1], [1, 2, 3]], [[], [1, 2, 3, 4], ["a"]],
    ),
    "uniqueItems of an enum": (
        {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True}, [[], ["b", "a"], ["c", "b", "a"]], [["a", "a"], ["d"]],
    ),
    "uniqueItems": ({"type": "array", "items": {"type": "string"}, "uniqueItems": True}, [[], ["a", "b"]], [["a", "a"]]),
    "contains": ({"type": "array", "contains": {"const": 1}}, [[1], [0, 1]], [[], [0]]),
    "minContains and maxContains": (
        {"type": "array", "contains": {"type": "integer"}, "minContains": 2, "maxContains": 3},
        [[1, 2], ["a", 1, 2, 3]], [[1], [1, 2, 3, 4]],
    ),
    "prefixItems": (
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
        [[], ["a"], ["a", 1]], [[1], ["a", 1, 2]],
    ),
    "empty object": ({"type": "object", "properties": {}, "additionalProperties": False}, [{}], [{"a": 1}, []]),
    "additionalProperties false": (
        {"type": "object", "properties": _A_OR_B, "additionalProperties": False}, [{}, {"a": 1}, {"a": 1, "b": 2}], [{"c": 1}, {"a": "x"}],
    ),
    "additionalProperties by default": (
        {"type": "object", "properties": _A_OR_B}, [{"a": 1, "c": [{"d": None}]}, {"zz": 1}, {"a": 1, "": 2}], [{"a": "x"}],
    ),
    "additionalProperties with a schema": (
        {"type": "object", "properties": _A_OR_B, "additionalProperties": {"type": "string"}}, [{"a": 1, "x": "y"}], [{"x": 1}, {"a": "1"}],
    ),
    "patternProperties": (
        {"type": "object", "patternProperties": {"^s_": {"type": "string"}, "_n$": {"type": "number"}}, "additionalProperties": False},
        [{"s_a": "x"}, {"a_n": 1}, {}], [{"s_a": 1}, {"x": 1}, {"s_n": 1}, {"s_n": "x"}],
    ),
    "propertyNames": (
        {"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}}, [{}, {"abc": 1}], [{"A": 1}, {"a": 1, "b1": 2}],
    ),
    "minProperties and maxProperties": (
        {"type": "object", "minProperties": 1, "maxProperties": 2}, [{"a": 1}, {"a": 1, "b": 2}], [{}, {"a": 1, "b": 2, "c": 3}],
    ),
    "required": (
        {"type": "object", "properties": _A_OR_B, "required": ["b"]}, [{"a": 1, "b": 2}, {"b": 2}, {"b": 2, "a": 1}], [{"a": 1}, {}],
    ),
    "required but not declared": ({"type": "object", "required": ["x"]}, [{"x": 1}, {"y": 1, "x": None}], [{}, {"y": 1}]),
    "oneOf that excludes": ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, ["a", 1], [1.5, None]),
    "oneOf that overlaps": (
        {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 2}]}, [1, 2.5, -7], [3, 1.5, "x"],
    ),
    "oneOf with a discriminator": (
        _KIND, [{"kind": "card", "number": "1"}, {"kind": "cash"}, {"kind": "cash", "coins": 2}],
        [{"kind": "card"}, {"kind": "gold"}, {"kind": "cash", "coins": "x"}, {}],
    ),
    "allOf merged": (
        {"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"properties": {"a": {"minimum": 3}}}]},
        [{"a": 3}, {"a": 5, "b": 1}], [{"a": 2}, {}, {"a": "x"}],
    ),
    "allOf with bounds": ({"type": "integer", "allOf": [{"minimum": 1}, {"maximum": 9}]}, [1, 9], [0, 10]),
    "allOf with patterns": ({"type": "string", "allOf": [{"pattern": "^a"}, {"pattern": "z$"}]}, ["az", "abz"], ["a", "z", "za"]),
    "properties beside anyOf": (
        {"type": "object", "properties": _A_OR_B, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        [{"a": 1}, {"b": 1}, {"a": 1, "b": 2}], [{}, {"c": 1}],
    ),
    "recursive $ref": (
        {"$defs": {"node": _NODE}, "$ref": "#/$defs/node"}, [{"v": 1}, {"v": 1, "next": {"v": 2, "next": {"v": 3}}}], [{}, {"v": 1, "next": {}}],
    ),
    "$ref with siblings": (
        {"$defs": {"s": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/s", "maxLength": 2}}}, [{"x": "ab"}, {}], [{"x": "abc"}, {"x": 1}],
    ),
    "$anchor": ({"$defs": {"s": {"$anchor": "here", "type": "null"}}, "$ref": "#here"}, [None], [1]),
    "$id": (
        {"$id": "https://example.com/a.json", "$ref": "b.json", "$defs": {"b": {"$id": "b.json", "type": "integer"}}}, [1], ["x"],
    ),
    "$dynamicRef": (
        {"$dynamicAnchor": "n", "type": "object", "properties": {"next": {"$dynamicRef": "#n"}}, "additionalProperties": False},
        [{}, {"next": {"next": {}}}], [{"next": 1}, {"x": 1}],
    ),
    "not a type": ({"not": {"type": "string"}}, [1, None, {}], ["a"]),
    "not a value": ({"type": "string", "not": {"enum": ["a", "b"]}}, ["c", "", "ab"], ["a", "b"]),
    "not with required": ({"type": "object", "not": {"required": ["a", "b"]}}, [{}, {"a": 1}], [{"a": 1, "b": 2}]),
    "if, then, else": (
        {
            "type": "object", "properties": {"country": {"type": "string"}, "zip": {"type": "string"}},
            "if": {"properties": {"country": {"const": "US"}}, "required": ["country"]},
            "then": {"properties": {"zip": {"pattern": "^\\d{5}$"}}}, "else": {"properties": {"zip": {"maxLength": 3}}},
        },
        [{"country": "US", "zip": "12345"}, {"country": "DE", "zip": "123"}, {}], [{"country": "US", "zip": "1"}, {"zip": "12345"}],
    ),
    "dependentRequired": (
        {"type": "object", "dependentRequired": {"card": ["cvc"]}}, [{}, {"cvc": 1}, {"card": 1, "cvc": 2}], [{"card": 1}],
    ),
    "dependentSchemas": (
        {"type": "object", "dependentSchemas": {"a": {"properties": {"b": {"type": "integer"}}, "required": ["b"]}}},
        [{}, {"b": "x"}, {"a": 1, "b": 2}], [{"a": 1}, {"a": 1, "b": "x"}],
    ),
    "unevaluatedProperties": (
        {"allOf": [{"properties": {"a": {"type": "integer"}}}], "properties": {"b": True}, "unevaluatedProperties": False, "type": "object"},
        [{}, {"a": 1, "b": 2}], [{"c": 1}, {"a": "x"}],
    ),
    "text that is not ASCII": ({"type": "object", "properties": {"größe": {"enum": ["groß", "小", "🧿"]}}, "required": ["größe"]},
        [{"größe": "小"}, {"größe": "🧿"}], [{"größe": "x"}, {}]),
    "draft 4: exclusiveMinimum is a boolean": (
        {"$schema": "http://json-schema.org/draft-04/schema#", "type": "number", "minimum": 0, "exclusiveMinimum": True}, [0.1, 5], [0, -1],
    ),
    "draft 7: a list of items": (
        {"$schema": "http://json-schema.org/draft-07/schema#", "type": "array", "items": [{"type": "string"}], "additionalItems": False},
        [[], ["a"]], [[1], ["a", "b"]],
    ),
    "draft 7: dependencies": (
        {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "dependencies": {"a": ["b"], "c": {"required": ["d"]}}},
        [{}, {"a": 1, "b": 2}, {"c": 1, "d": 2}], [{"a": 1}, {"c": 1}],
    ),
    "made by zod": (
        {
            "$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
            "properties": {"q": {"type": "string", "minLength": 1, "maxLength": 2000}, "n": {"anyOf": [{"type": "integer", "exclusiveMinimum": 0}, {"type": "null"}], "default": None}},
            "required": ["q"], "additionalProperties": False,
        },
        [{"q": "x"}, {"q": "x", "n": 3}, {"q": "x", "n": None}], [{"q": ""}, {"q": "x", "n": 0}, {"q": "x", "z": 1}],
    ),
    "made for MCP": (
        {"type": "object", "properties": {"path": {"type": "string", "description": "d", "x-hint": "file"}, "opts": {"type": "object", "strict": True}}, "required": ["path"], "title": "readArguments"},
        [{"path": "a"}, {"path": "a", "opts": {"any": [1]}}], [{"opts": {}}, {"path": 1}, {"path": "a", "opts": []}],
    ),
}  # fmt: skip
"""By name: the schema, and values that are and are not valid (formats are checked too)."""
