"""Structural tags: read here as xgrammar's documentation says they are, they hold the calls of every family.

All of them were also compiled by xgrammar 0.2.8 itself, which took the same calls.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import cast

import pytest

from bridle.errors import InputError, SchemaError
from bridle.grammars import (
    Bounds,
    call_grammar,
    matches,
    sample,
    structural_tag_report,
    to_structural_tag,
)
from bridle.grammars.gbnf_matching import GbnfMatcher
from bridle.grammars.schema_keywords import validator_of
from bridle.messages import JSON, ToolSpec
from bridle.wrappers import JsonLayout
from bridle.wrappers.syntax import CallShape
from bridle.wrappers.syntaxes import SYNTAXES, make_syntax

BOUNDS = Bounds(string_chars=12, thoughts_chars=8, array_items=3, text_chars=30, object_members=2, depth=2)
TOOLS = [
    ToolSpec("now"),
    ToolSpec(
        "find.it",
        "",
        {
            "type": "object",
            "properties": {
                "query": {"type": "string"},
                "page": {"type": ["integer", "null"]},
                "words": {"type": "array", "items": {"enum": ["a", "b"]}},
            },
            "required": ["query"],
        },
    ),
]
BARE = ("json", "json_list", "llama3_json", "pythonic", "functionary32", "memgpt")
MARKED = [name for name in SYNTAXES if name not in BARE]
Format = Mapping[str, JSON]


def shape_of(name: str) -> CallShape:
    return make_syntax(name, "inner", JsonLayout()).shape


class Reader:
    """Tells where each format can end that begins at a place of a text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def accepts(self, tag: Mapping[str, JSON]) -> bool:
        assert tag["type"] == "structural_tag"
        return len(self.text) in self.ends(_format(tag["format"]), 0)

    def ends(self, form: Format, at: int) -> set[int]:
        match form["type"]:
            case "const_string":
                value = str(form["value"])
                return {at + len(value)} if self.text.startswith(value, at) else set()
            case "any_text":
                return set(range(at, len(self.text) + 1))
            case "json_schema":
                return self._json(form, at)
            case "grammar":
                matcher = GbnfMatcher(str(form["grammar"]))
                return {i for i in range(at, len(self.text) + 1) if matcher.matches(self.text[at:i])}
            case _:
                return self._composed(form, at)

    def _composed(self, form: Format, at: int) -> set[int]:
        match form["type"]:
            case "sequence":
                return self._after([*_formats(form["elements"])], {at})
            case "or":
                return set[int]().union(*(self.ends(one, at) for one in _formats(form["elements"])))
            case "optional":
                return {at} | self.ends(_format(form["content"]), at)
            case "repeat":
                return self._repeated(_format(form["content"]), cast("int", form["max"]), at)
            case "tag":
                parts: list[Format] = [_text(form["begin"]), _format(form["content"]), _text(form["end"])]
                return self._after(parts, {at})
            case "triggered_tags":
                return self._triggered(form, at)
            case other:
                raise AssertionError(f"the format {other!r} is unknown")

    def _repeated(self, form: Format, most: int, at: int) -> set[int]:
        found = places = {at}
        for _ in range(most):
            places = self._after([form], places)
            found = found | places
        return found

    def _after(self, formats: list[Format], places: set[int]) -> set[int]:
        for form in formats:
            places = set[int]().union(*(self.ends(form, place) for place in places))
        return places

    def _json(self, form: Format, at: int) -> set[int]:
        try:
            value, end = json.JSONDecoder().raw_decode(self.text, at)
        except ValueError:
            return set()
        return {end} if validator_of(_as_schema(form["json_schema"])).is_valid(value) else set()

    def _triggered(self, form: Format, at: int) -> set[int]:
        (trigger,) = cast("list[str]", form["triggers"])
        first = self.text.find(trigger, at)
        if first < 0:
            return set(range(at, len(self.text) + 1))
        found = set(range(at, first + 1))
        for tag in _formats(form["tags"]):
            assert str(tag["begin"]).startswith(trigger)
            for end in self.ends(tag, first):
                found |= {end} if form["stop_after_first"] else self._triggered(form, end)
        return found


def _text(value: JSON) -> Format:
    return {"type": "const_string", "value": value}


def _format(value: JSON) -> Format:
    assert isinstance(value, dict)
    return value


def _formats(value: JSON) -> list[Format]:
    assert isinstance(value, list)
    return [_format(one) for one in value]


def _as_schema(value: JSON) -> dict[str, JSON]:
    assert isinstance(value, dict)
    return value


def damaged(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text))
    return text[:at] + rng.choice(["", "x", '"', "}", "\n"]) + text[at + rng.randrange(2) :]


@pytest.mark.parametrize("parallel", [1, 3])
@pytest.mark.parametrize("name", SYNTAXES)
def test_with_rules_inside_a_call_is_exactly_what_it_is_everywhere(name: str, parallel: int) -> None:
    tag = to_structural_tag(
        TOOLS, shape_of(name), "call", parallel=parallel, content="grammar", bounds=BOUNDS
    )
    grammar = call_grammar(TOOLS, shape_of(name), "call", parallel=parallel, bounds=BOUNDS)
    rng = random.Random(5)
    for _ in range(4):
        text = sample(grammar, rng).replace("\0", "")
        for one in (text, text[:-1], damaged(text, rng)):
            assert Reader(one).accepts(tag) == matches(grammar, one), one


@pytest.mark.parametrize("think", [False, True])
@pytest.mark.parametrize("name", MARKED)
def test_with_a_schema_inside_calls_stand_after_any_text(name: str, think: bool) -> None:
    shape = shape_of(name)
    tag = to_structural_tag(TOOLS, shape, parallel=2, think=think)
    grammar = call_grammar(TOOLS, shape, "call", parallel=2, bounds=BOUNDS)
    rng = random.Random(7)
    for _ in range(3):
        call = sample(grammar, rng).replace("\0", "")
        thoughts = f"{shape.think_open}hm{shape.think_close}" if think else ""
        assert Reader(call).accepts(tag), call
        assert Reader(f"{thoughts}Let me see. {call}").accepts(tag)
        assert Reader("No call at all.").accepts(tag)
        assert not Reader(f"see {shape.trigger}").accepts(tag)
        assert not Reader(call.replace("now", "nix").replace("find.it", "nix")).accepts(tag)


def test_the_format_is_as_the_documentation_has_it() -> None:
    assert to_structural_tag([TOOLS[0]], shape_of("hermes")) == {
        "type": "structural_tag",
        "format": {
            "type": "triggered_tags",
            "triggers": ["<tool_call>"],
            "tags": [
                {
                    "type": "tag",
                    "begin": '<tool_call>\n{"name": "now", "arguments": ',
                    "content": {
                        "type": "json_schema",
                        "json_schema": {
                            "type": "object", "properties": {}, "required": [], "additionalProperties": False,
                        },
                    },
                    "end": "}\n</tool_call>",
                }
            ],
            "at_least_one": False,
            "stop_after_first": True,
        },
    }  # fmt: skip


def test_the_older_form_has_begin_schema_and_end() -> None:
    tag = to_structural_tag(TOOLS, shape_of("functionary31"), form="structures")
    structures = cast("list[dict[str, JSON]]", tag["structures"])
    assert tag["triggers"] == ["<function="]
    assert [(one["begin"], one["end"]) for one in structures] == [
        ("<function=now>", "</function>"),
        ("<function=find.it>", "</function>"),
    ]
    assert validator_of(_as_schema(structures[1]["schema"])).is_valid({"query": "x", "words": ["a"]})
    for name in ("mistral", "qwen_xml"):
        with pytest.raises(InputError, match="older form"):
            to_structural_tag(TOOLS, shape_of(name), form="structures")
    with pytest.raises(InputError, match="older form"):
        to_structural_tag(TOOLS, shape_of("hermes"), "call", form="structures")


@pytest.mark.parametrize("name", BARE)
def test_calls_without_a_mark_of_their_own_are_refused_beside_text(name: str) -> None:
    with pytest.raises(InputError, match="do not begin with a mark") as caught:
        to_structural_tag(TOOLS, shape_of(name))
    assert "a call only" in caught.value.hint
    assert to_structural_tag(TOOLS, shape_of(name), "call")["type"] == "structural_tag"


def test_thoughts_inside_the_arguments_come_first() -> None:
    tag = to_structural_tag(TOOLS, shape_of("memgpt"), "call", only="find.it")
    schema = _as_schema(_format(_format(tag["format"])["content"])["json_schema"])
    assert list(_as_schema(schema["properties"]))[:2] == ["inner_thoughts", "query"]
    assert schema["required"] == ["inner_thoughts", "query"]
    own = ToolSpec("f", "", {"anyOf": [{"type": "object", "properties": {"a": {"const": 1}}}]})
    other = to_structural_tag([own], shape_of("memgpt"), "call")
    assert _format(_format(other["format"])["content"])["type"] == "grammar"


def test_what_cannot_be_held_is_refused_or_loosened() -> None:
    tool = ToolSpec("f", "", {"properties": {"a": {"type": "number", "multipleOf": 0.3}}})
    with pytest.raises(SchemaError, match="'multipleOf' at f#/properties/a cannot be enforced") as caught:
        to_structural_tag([tool], shape_of("hermes"))
    assert caught.value.pointer == "/properties/a"
    assert to_structural_tag([tool], shape_of("hermes"), loosen=True)["type"] == "structural_tag"


def test_the_report_names_the_tool_and_the_place() -> None:
    tool = ToolSpec("f", "", {"properties": {"a": {"type": "number", "multipleOf": 0.3}}})
    report = structural_tag_report([TOOLS[0], tool], shape_of("hermes"))
    assert ("f#/properties/a", "multipleOf") in report.weakened
    assert ("f#/properties/a", "type") in report.enforced
    assert report.target == "structural-tag"


def test_without_a_tool_there_is_nothing_to_call() -> None:
    with pytest.raises(InputError, match="no tool can be called"):
        to_structural_tag([], shape_of("hermes"))
    with pytest.raises(InputError, match="no tool is called 'x'"):
        to_structural_tag(TOOLS, shape_of("hermes"), only="x")
    with pytest.raises(SchemaError, match="not valid"):
        to_structural_tag([ToolSpec("f", "", {"type": 3})], shape_of("hermes"))
