"""How one tool is listed in each way: JSON, signatures, and the ways of families."""

from __future__ import annotations

import json

import pytest

from bridle.messages import JSON, Message, ToolSpec
from bridle.wrappers import Segment, get_wrapper
from bridle.wrappers.toolitems import TOOL_ITEMS
from bridle.wrappers.toollists import ToolListing, list_tools, tool_segments

TOOL = ToolSpec(
    "go",
    "Go there.",
    {
        "type": "object",
        "properties": {
            "place": {"type": "string", "description": "Where to"},
            "days": {"type": "integer", "minimum": 1, "default": 2},
            "stops": {"type": "array", "items": {"type": "object", "properties": {"at": {"type": "number"}}}},
            "by": {"enum": ["car", "bus"], "type": "string", "nullable": True},
            "opts": {"type": "object", "properties": {"fast": {"type": "boolean"}}, "required": ["fast"]},
        },
        "required": ["place", "opts"],
    },
)
PLAIN = ToolSpec("now", "Tell the time.")


def written(item: str, tool: ToolSpec, indent: int | None = None) -> str:
    found = TOOL_ITEMS[item](tool, indent)
    return found if isinstance(found, str) else "".join(segment.text for segment in found)


def with_property(schema: dict[str, JSON]) -> ToolSpec:
    return ToolSpec("f", "", {"type": "object", "properties": {"x": schema}})


def test_json_items_are_what_openai_takes_or_the_function_inside() -> None:
    outer = json.loads(written("openai", TOOL, 4))
    assert outer == {"type": "function", "function": json.loads(written("function", TOOL))}
    assert written("openai", TOOL, 4).count("\n    ") > 10
    assert "\n" not in written("function", TOOL)


def test_plain_items() -> None:
    assert written("name", TOOL) == "go"
    signature = (
        'go(place: string, days?: integer, stops?: object[], by?: "car"|"bus", opts: object) - Go there.'
    )
    assert written("signature", TOOL) == signature
    assert written("signature", ToolSpec("ring")) == "ring()"


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"const": "a"}, 'f(x?: "a")'),
        ({"type": ["string", "null"]}, "f(x?: string|null)"),
        ({"anyOf": [{"type": "string"}, {"type": "array"}]}, "f(x?: string|any[])"),
        ({}, "f(x?: any)"),
    ],
)
def test_types_in_signatures(schema: dict[str, JSON], said: str) -> None:
    assert written("signature", with_property(schema)) == said


def test_a_described_item_is_a_sentence_and_the_function() -> None:
    assert written("described", PLAIN).startswith(
        "Use the function 'now' to 'Tell the time.'\n{\"name\": \"now\""
    )


def test_hermes_describes_a_python_function() -> None:
    text = written("hermes", TOOL)
    signature = "go(place: str, days: int, stops: list[dict], by: str, opts: dict) - Go there."
    assert text.startswith('{"type": "function", "function": {"name": "go", "description": "' + signature)
    assert "    Args:\n        place(str): Where to        days(int): " in text
    assert text.endswith('"parameters": ' + json.dumps(TOOL.parameters) + "}")
    assert written("hermes", PLAIN).endswith('now() - Tell the time.\n\n", "parameters": {}}')


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": ["string", "null"]}, "x: Union[str,Any]"),
        ({"type": "array"}, "x: list[Any]"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "x: dict[str, float]"),
        ({"enum": [1]}, "x: Any"),
    ],
)
def test_hermes_python_types(schema: dict[str, JSON], said: str) -> None:
    assert f"f({said})" in written("hermes", with_property(schema))


def test_typescript_is_a_function_type_under_comments() -> None:
    expected = """\
// Go there.
type go = (_: {
// Where to.
place: string,
// Default=2. Minimum=1
days?: number,
stops?: {
    at?: number,
}[],
by?: "car" | "bus" | null,
opts: {
    fast: boolean,
},
}) => any;

"""
    assert written("typescript", TOOL) == expected
    assert written("typescript", PLAIN) == "// Tell the time.\ntype now = () => any;\n\n"


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": ["integer", "null"]}, "x?: number | null,"),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, "x?: string | number,"),
        ({"type": "array"}, "x?: [],"),
        ({"type": "array", "items": {"type": "string", "enum": ["a"]}}, 'x?: ("a")[],'),
        ({"type": "string", "default": "a"}, '// Default="a".\nx?: string,'),
        ({"enum": [1, "a"]}, 'x?: 1 | "a",'),
        ({}, "x?: any,"),
    ],
)
def test_typescript_types(schema: dict[str, JSON], said: str) -> None:
    assert said in written("typescript", with_property(schema))


def test_qwens_xml_gives_each_fact_a_tag() -> None:
    text = written("qwen_xml", TOOL)
    days = "<name>days</name>\n<type>integer</type>\n<minimum>1</minimum>\n<default>2</default>\n</parameter>"
    assert days in text
    assert '<enum>["car", "bus"]</enum>\n<nullable>True</nullable>' in text
    assert text.endswith('<required>["place", "opts"]</required>\n</parameters>\n</function>')
    assert "<type>['string', 'null']</type>" in written(
        "qwen_xml", with_property({"type": ["string", "null"]})
    )


def test_gemmas_declaration_has_bare_keys_in_order_and_strings_between_marks() -> None:
    text = written("gemma", TOOL).replace('<|"|>', '"')
    assert text == (
        'declaration:go{description:"Go there.",parameters:{properties:{'
        'by:{enum:["car","bus"],nullable:true,type:"STRING"},'
        'days:{type:"INTEGER"},'
        'opts:{properties:{fast:{type:"BOOLEAN"}},required:["fast"],type:"OBJECT"},'
        'place:{description:"Where to",type:"STRING"},'
        'stops:{items:{properties:{at:{type:"NUMBER"}},type:"OBJECT"},type:"ARRAY"}},'
        'required:["place","opts"],type:"OBJECT"}}'
    )
    assert written("gemma", PLAIN).replace('<|"|>', '"').endswith(',parameters:{type:"OBJECT"}}')


def test_gemmas_items_may_be_any_json() -> None:
    items: dict[str, JSON] = {
        "type": ["string", "null"],
        "examples": [{"b": 1, "a": None}],
        "required": ["k"],
        "pattern": "^a",
    }
    text = written("gemma", with_property({"type": "array", "items": items})).replace('<|"|>', '"')
    assert 'items:{examples:[{"a":null,"b":1}],pattern:"^a",required:["k"],type:"STRING|NULL"}' in text


def test_only_gemmas_own_marks_are_control() -> None:
    found = TOOL_ITEMS["gemma"](ToolSpec("f", '<|"|>'), None)
    assert not isinstance(found, str)
    assert [one.text for one in found if one.control] == ['<|"|>'] * 4
    assert Segment('<|"|>') in found


def test_a_list_is_its_items_between_the_formats_words() -> None:
    listing = ToolListing(open="<t>[", close="]</t>", between=", ", item="name")
    assert list_tools(listing, [TOOL, PLAIN]) == "<t>[go, now]</t>"
    assert list_tools(listing, []) == ""
    segments = tool_segments(listing, [ToolSpec("<t>")], control=["<t>", "</t>"])
    assert segments == (
        Segment("<t>", control=True),
        Segment("[<t>]"),
        Segment("</t>", control=True),
    )


@pytest.mark.parametrize("thoughts", ["inner", "outer", "none"])
def test_memgpts_list_tells_of_thoughts_where_they_are_arguments(thoughts: str) -> None:
    text = list_tools(ToolListing("memgpt"), [TOOL], thoughts)
    assert ("    inner_thoughts: " in text) == (thoughts == "inner")
    assert "go:\n  description: Go there.\n  params:\n" in text
    assert "    days: integer" in text
    declared = with_property({"type": "string"}).parameters
    own = ToolSpec("f", "", {**declared, "properties": {"inner_thoughts": {"type": "string"}}})
    assert list_tools(ToolListing("memgpt"), [own], "inner").count("inner_thoughts:") == 1


@pytest.mark.parametrize("name", ["seed-oss", "command-r"])
def test_a_parameter_of_values_alone_is_told_by_them_in_a_signature(name: str) -> None:
    schema: dict[str, JSON] = {
        "type": "object",
        "properties": {"room": {"enum": ["kitchen", "attic"]}, "kind": {"type": "string", "enum": ["b"]}},
        "required": ["room", "kind"],
    }
    written = get_wrapper(name).render([Message("user", "Hi")], [ToolSpec("lamp", "Switch it.", schema)])
    text = "".join(one.text for one in written)
    assert 'room: Literal["kitchen", "attic"]' in text
    assert 'room (Literal["kitchen", "attic"])' in text
    assert "kind: str" in text, "a type is told as the models' template tells it"
