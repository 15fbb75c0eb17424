"""Values that are only written wrongly are made to fit; values that are wrong stay so, and are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.messages import JSON, Repair, ToolCall, ToolSpec
from bridle.wrappers.reading.coerce import allowed_types, as_value, fit_value, fits, only_strings
from bridle.wrappers.reading.heard import Heard
from bridle.wrappers.reading.judge import judge
from bridle.wrappers.reading.names import tool_name
from bridle.wrappers.reading.source import Known
from strategies import schemas, values

Schema = dict[str, JSON]
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
STRING: Schema = {"type": "string"}
BOOLEAN: Schema = {"type": "boolean"}
ARRAY: Schema = {"type": "array", "items": {"type": "integer"}}
OBJECT: Schema = {"type": "object", "properties": {"size": {"type": "integer"}}}
COLOUR: Schema = {"enum": ["Red", "green", "GREEN"]}
UNION: Schema = {"anyOf": [INTEGER, {"type": "null"}]}
EITHER: Schema = {"anyOf": [STRING, INTEGER]}

SAME: list[tuple[JSON, Schema, JSON]] = [
    ("5", INTEGER, 5),
    (" -5 ", INTEGER, -5),
    ("5.0", INTEGER, 5),
    (5.0, INTEGER, 5),
    ("2.5", NUMBER, 2.5),
    ("1e3", NUMBER, 1000.0),
    ("True", BOOLEAN, True),
    ("false", BOOLEAN, False),
    (5, STRING, "5"),
    ("[1, 2]", ARRAY, [1, 2]),
    ("[1, '2',]", ARRAY, [1, 2]),
    (["1", 2], ARRAY, [1, 2]),
    ('{"size": "3"}', OBJECT, {"size": 3}),
    ("{'size': 3}", OBJECT, {"size": 3}),
    ({"Size": "3"}, OBJECT, {"size": 3}),
    ("RED", COLOUR, "Red"),
    ("7", UNION, 7),
    ("null", UNION, None),
]


@pytest.mark.parametrize(("value", "schema", "wanted"), SAME)
def test_a_value_that_is_written_wrongly_is_made_to_fit(value: JSON, schema: Schema, wanted: JSON) -> None:
    notes: list[Repair] = []
    found = fit_value(value, schema, {}, 3, notes)
    assert (found, type(found)) == (wanted, type(wanted))
    assert notes
    assert notes[0].where == 3


UNLIKE: list[tuple[JSON, Schema]] = [
    ("five", INTEGER),
    ("5.5", INTEGER),
    (5.5, INTEGER),
    (True, INTEGER),
    ("1" * 400, INTEGER),
    ("1e999", NUMBER),
    ("yes", BOOLEAN),
    (1, BOOLEAN),
    (True, STRING),
    (1.5, STRING),
    ({"a": 1}, STRING),
    (["a"], STRING),
    ('{"a": 1}', STRING),
    ("[1, 2", ARRAY),
    ("1, 2", ARRAY),
    (1, ARRAY),
    ('[{"size": 1}]', OBJECT),
    ("Green", COLOUR),
    ("blue", COLOUR),
    ("5", EITHER),
    (None, STRING),
    ("5", {}),
    ("5", {"$ref": "#/nowhere"}),
    ("5", {"anyOf": [INTEGER, {"type": "boolean"}, ARRAY, {"type": "number", "minimum": 9}, {"const": "5"}]}),
]


@pytest.mark.parametrize(("value", "schema"), UNLIKE)
def test_a_value_is_never_changed_into_another(value: JSON, schema: Schema) -> None:
    notes: list[Repair] = []
    found = fit_value(value, schema, {}, 0, notes)
    assert (found, type(found), notes) == (value, type(value), [])


@given(data=st.data(), schema=schemas())
def test_what_fits_is_left_alone(data: st.DataObject, schema: Schema) -> None:
    value = data.draw(values(schema))
    root: Schema = {"type": "object", "properties": {"x": schema}}
    assert fits(value, schema, root)
    verdict = judge(Heard("f", {"x": value}), Known([ToolSpec("f", "", root)]), 0, "")
    assert verdict.call == ToolCall("f", {"x": value})
    assert verdict.notes == []


def test_the_types_that_a_schema_admits() -> None:
    assert allowed_types({"type": ["string", "null"]}, {}) == {"string", "null"}
    assert allowed_types({"type": "string", "nullable": True}, {}) == {"string", "null"}
    assert allowed_types({"enum": [1, "a", None, 1.5, True, [1], {}]}, {}) == {
        "integer", "string", "null", "number", "boolean", "array", "object",
    }  # fmt: skip
    assert only_strings({"const": "x"}, {})
    assert only_strings({"$ref": "#/$defs/s"}, {"$defs": {"s": STRING}})
    assert not only_strings({}, {})
    endless: Schema = {"$defs": {"a": {"$ref": "#/$defs/a"}}}
    assert "object" in allowed_types({"$ref": "#/$defs/a"}, endless)


def test_a_text_is_a_value_only_as_a_whole() -> None:
    assert as_value("[1, 2] ") == [1, 2]
    assert as_value("(1, 'a')") == [1, "a"]
    assert as_value("[1, 2] and") is None
    assert as_value("[1, 2") is None
    assert as_value("word") is None


NAMES = ("get_weather", "geo.area", "getUser", "get_user_", "list-files")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("get_weather", "get_weather"),
        ("GetWeather", "get_weather"),
        ("functions.get_weather", "get_weather"),
        ("functions.get_weather:0", "get_weather"),
        ("get_weather<|channel|>json", "get_weather"),
        ('"get_weather"', "get_weather"),
        ("get_weather()", "get_weather"),
        ("geo_area", "geo.area"),
        ("list_files", "list-files"),
        ("getUser", "getUser"),
        ("get_user", None),
        ("weather", None),
        ("get_wether", None),
        ("get_weather_v2", None),
        ("", None),
    ],
)
def test_only_the_spelling_of_a_name_is_forgiven(written: str, meant: str | None) -> None:
    assert tool_name(written, NAMES) == meant


TOOL = ToolSpec(
    "f",
    "",
    {
        "type": "object",
        "properties": {"first_name": STRING, "size": INTEGER, "box": OBJECT},
        "required": ["first_name"],
    },
)


def verdict(arguments: JSON, **more: JSON) -> tuple[JSON, str]:
    found = judge(Heard("f", arguments, spare=dict(more)), Known([TOOL]), 0, "")
    return (dict(found.call.arguments) if found.call else None), (
        found.refusal.reason if found.refusal else ""
    )


def test_parameters_are_spelled_dropped_and_put_in_their_place() -> None:
    assert verdict({"firstName": "A"})[0] == {"first_name": "A"}
    assert verdict({"first_name": "A", "FirstName": "B"})[0] == {"first_name": "A"}
    assert verdict({"first name": "A", "FirstName": "B"})[0] is None
    assert verdict({"first_name": "A", "colour": 1})[0] == {"first_name": "A"}
    assert verdict({"first_name": "A", "size": None})[0] == {"first_name": "A"}
    assert verdict({"first_name": "A"}, size="2")[0] == {"first_name": "A", "size": 2}
    assert verdict('{"first_name": "A"}')[0] == {"first_name": "A"}
    assert verdict("A")[0] == {"first_name": "A"}
    assert verdict({"properties": {"first_name": "A"}})[0] == {"first_name": "A"}


def test_what_is_wrong_is_told_with_what_is_expected() -> None:
    cases: list[tuple[JSON, str]] = [
        (None, "'first_name' is a required property"),
        ([1], "not a JSON object; f takes first_name (string, required), size (integer), box (object)"),
        ({"first_name": "A", "size": "x"}, "'x' is not of type 'integer'"),
        ({"type": "object", "properties": {"first_name": {}}}, "the declaration of f"),
    ]
    for arguments, reason in cases:
        found, why = verdict(arguments)
        assert found is None
        assert reason in why


def test_a_faulty_schema_is_a_refusal() -> None:
    for schema in ({"pattern": "("}, {"type": "nothing"}, {"$ref": "#/nowhere"}):
        broken = ToolSpec("f", "", {"type": "object", "properties": {"x": dict[str, JSON](schema)}})
        found = judge(Heard("f", {"x": "y"}), Known([broken]), 0, "")
        assert found.refusal is not None
        assert "schema is faulty" in found.refusal.reason


def test_parameters_that_the_schema_leaves_open_are_kept() -> None:
    free = ToolSpec("f", "", {"type": "object", "properties": {}, "additionalProperties": True})
    found = judge(Heard("f", {"anything": [1]}), Known([free]), 0, "")
    assert found.call == ToolCall("f", {"anything": [1]})
