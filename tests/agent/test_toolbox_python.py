from __future__ import annotations

import enum
import functools
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, make_dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, NotRequired, TypedDict
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from bridle.agent.functions import FUNCTIONS
from bridle.agent.toolbox import Tool, as_tool, check_names, tool_from_schema
from bridle.agent.toolbox.docstrings import read_docstring
from bridle.errors import InputError, SchemaError
from bridle.grammars import sample, schema_grammar
from bridle.messages import JSON, ToolSpec
from bridle.wrappers.checking import argument_errors


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Shape(enum.Enum):
    ROUND = (1, 2)
    SQUARE = (3, 4)


@dataclass
class Place:
    city: str
    country: str = "NO"


@dataclass(frozen=True)
class Tree:
    value: int
    children: tuple[Tree, ...] = ()


class Span(TypedDict):
    first: int
    last: NotRequired[int]


class Inner(BaseModel):
    count: int = Field(ge=1)


class Order(BaseModel):
    """An order."""

    first: Inner
    more: list[Inner] = []


NOON = datetime.fromisoformat("2024-01-02T03:04:05+00:00")
ID = UUID("12345678123456781234567812345678")
ORDER = Order(first=Inner(count=1), more=[Inner(count=2)])
PLACE = Place("a", "b")
Metres = NewType("Metres", float)

KINDS: Mapping[str, tuple[object, Sequence[tuple[JSON, object]], Sequence[JSON]]] = {
    "str": (str, [("a", "a"), ("", "")], [1, None, ["a"]]),
    "int": (int, [(3, 3), (3.0, 3), (-1, -1)], [3.5, "3", True]),
    "float": (float, [(3, 3.0), (0.5, 0.5)], ["0.5", False]),
    "bool": (bool, [(True, True)], [1, "true"]),
    "none": (None, [(None, None)], [0]),
    "any": (Any, [({"a": [1]}, {"a": [1]})], []),
    "object": (object, [("x", "x")], []),
    "date": (date, [("2024-02-29", date(2024, 2, 29))], ["today", "2023-02-30", 3]),
    "time": (time, [("12:30:00+00:00", time.fromisoformat("12:30:00+00:00"))], ["noon"]),
    "datetime": (datetime, [("2024-01-02T03:04:05+00:00", NOON)], ["x"]),
    "uuid": (UUID, [(str(ID), ID)], ["1"]),
    "path": (Path, [("a/b", Path("a/b"))], [1]),
    "list": (list[int], [([1, 2], [1, 2])], [["a"], "a", {}]),
    "bare list": (list, [([1, "a"], [1, "a"])], ["a"]),
    "sequence": (Sequence[str], [(["a"], ["a"])], ["a"]),
    "set": (set[str], [(["a", "a"], {"a"})], [[1]]),
    "frozenset": (frozenset[int], [([1], frozenset([1]))], ["a"]),
    "tuple": (tuple[int, str], [([1, "a"], (1, "a"))], [[1], [1, "a", 2], ["a", 1]]),
    "long tuple": (tuple[int, ...], [([], ()), ([1, 2], (1, 2))], [["a"]]),
    "bare tuple": (tuple, [([1, "a"], (1, "a"))], ["a"]),
    "mapping": (Mapping[str, int], [({"a": 1}, {"a": 1})], [{"a": "b"}]),
    "dict": (dict[str, int], [({"a": 1}, {"a": 1})], [{"a": "b"}, []]),
    "bare dict": (dict, [({"a": [1]}, {"a": [1]})], [[]]),
    "literal": (Literal["a", 1, True], [("a", "a"), (1, 1), (True, True)], ["b", 2, False]),
    "enum": (Color, [("red", Color.RED)], ["RED", 1, ["red"]]),
    "int enum": (Size, [(2, Size.LARGE), (2.0, Size.LARGE)], [3, "SMALL"]),
    "enum by name": (Shape, [("ROUND", Shape.ROUND)], [[1, 2]]),
    "optional": (int | None, [(None, None), (1, 1)], ["a"]),
    "union": (int | list[str], [(1, 1), (["a"], ["a"])], ["a", [1]]),
    "dataclass": (Place, [({"city": "Oslo"}, Place("Oslo")), ({"city": "a", "country": "b"}, PLACE)],
                  [{}, {"city": 1}, {"city": "a", "x": 1}, "Oslo"]),
    "recursive": (Tree, [({"value": 1, "children": [{"value": 2}]}, Tree(1, (Tree(2),)))],
                  [{"value": 1, "children": [{"value": "a"}]}]),
    "typed dict": (Span, [({"first": 1}, {"first": 1}), ({"first": 1, "last": 2}, {"first": 1, "last": 2})],
                   [{"last": 2}, {"first": 1, "x": 2}]),
    "pydantic": (Order, [({"first": {"count": 1}, "more": [{"count": 2}]}, ORDER)],
                 [{"first": {"count": 0}}, {}]),
    "annotated": (Annotated[int, "how many", {"minimum": 1}], [(1, 1)], [0]),
    "pydantic's field": (Annotated[int, Field(ge=1, le=5)], [(5, 5)], [0, 6]),
    "new type": (Metres, [(1, 1.0)], ["a"]),
}  # fmt: skip


def tool_of(kind: object) -> Tool:
    def function(value: object) -> object:
        return value

    function.__annotations__ = {"value": kind}
    return as_tool(function)


def value_of(tool: Tool, value: JSON) -> object:
    return tool.run(value=value)


@pytest.mark.parametrize("name", KINDS)
def test_a_value_that_the_schema_accepts_is_made_one_of_the_type(name: str) -> None:
    kind, good, _ = KINDS[name]
    tool = tool_of(kind)
    for told, meant in good:
        assert argument_errors(tool.spec, {"value": told}) == []
        found = value_of(tool, told)
        assert (found, type(found)) == (meant, type(meant))


@pytest.mark.parametrize("name", KINDS)
def test_what_is_not_of_the_type_is_refused_before_the_function_is_called(name: str) -> None:
    kind, _, bad = KINDS[name]
    tool = tool_of(kind)
    for told in bad:
        refused = argument_errors(tool.spec, {"value": told})
        if not refused:  # only a format, which describes
            with pytest.raises(InputError, match="value: "):
                tool.run(value=told)


@pytest.mark.parametrize("name", KINDS)
def test_every_sentence_of_the_grammar_becomes_a_value(name: str) -> None:
    tool = tool_of(KINDS[name][0])
    grammar = schema_grammar(tool.spec.parameters, loosen=True)
    for seed in range(20):
        arguments = json.loads(sample(grammar, random.Random(seed)))
        assert argument_errors(tool.spec, arguments) == []
        tool.run(**arguments)


texts = st.sampled_from(["a", "red", "2024-02-29"])
scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | texts
keys = st.sampled_from(["a", "city", "value", "children", "first", "count"])
values: st.SearchStrategy[JSON] = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "city", "value", "children", "first", "count"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@given(st.sampled_from(sorted(KINDS)), values)
def test_the_schema_accepts_just_what_the_conversion_accepts(name: str, value: JSON) -> None:
    tool = tool_of(KINDS[name][0])
    accepted = not argument_errors(tool.spec, {"value": value})
    try:
        tool.run(value=value)
        read = True
    except InputError:
        read = False
    formats = name in ("date", "time", "datetime", "uuid")
    limits = name in ("annotated", "pydantic's field")  # told to the model, checked by the schema alone
    sets = name == "pydantic"  # pydantic itself takes "1" for 1
    assert accepted == read or (formats and accepted) or (limits and read) or (sets and read)


def weather(city: str, days: int = 1, unit: Literal["C", "F"] = "C", *, place: Place | None = None) -> str:
    """Tell the weather.

    It is always fine.

    Args:
        city: Where it is,
            as people call it.
        days (int): How many days.

    Returns:
        A text.
    """
    return f"{city} {days} {unit} {place}"


def test_a_function_is_told_by_its_name_docstring_and_signature() -> None:
    tool = as_tool(weather)
    assert tool.spec.name == "weather"
    assert tool.spec.description == "Tell the weather.\nIt is always fine."
    assert tool.spec.parameters["required"] == ["city"]
    assert tool.spec.properties["city"] == {
        "type": "string",
        "description": "Where it is, as people call it.",
    }
    assert tool.spec.properties["days"] == {"type": "integer", "description": "How many days.", "default": 1}
    assert tool.spec.properties["unit"] == {"enum": ["C", "F"], "default": "C"}
    assert tool.source.endswith(":weather")
    assert tool.run(city="Oslo", days=2.0, place={"city": "x"}) == "Oslo 2 C Place(city='x', country='NO')"


def test_a_tool_stays_as_it_is() -> None:
    tool = as_tool(weather, timeout_s=2)
    assert as_tool(tool) is tool


@pytest.mark.parametrize(
    "text",
    [
        "Add.\n\nArgs:\n    one: The first.\n    two (int, optional): The second\n        of two.\n\n"
        "Returns:\n    It.",
        "Add.\n\n:param one: The first.\n:param int two: The second\n    of two.\n:returns: It.\n:rtype: int",
        "Add.\n\nParameters\n----------\none : int\n    The first.\ntwo : int, optional\n    The second\n"
        "    of two.\n\n"
        "Returns\n-------\nint\n    It.",
        "Add.\n\none: The first.\ntwo: The second\n    of two.",
        "Add.\n\n- one - The first.\n- `two`: The second of two.",
        "    Add.\n\n    Arguments:\n      one: The first.\n      two: The second of two.\n"
        "    Raises:\n      X: if.",
    ],
)
def test_docstrings_of_all_styles_say_the_same(text: str) -> None:
    found = read_docstring(text, ("one", "two"))
    assert found.description == "Add."
    assert found.parameters == {"one": "The first.", "two": "The second of two."}


@pytest.mark.parametrize("text", [None, "", "   ", "Args:", "Note: it is: so", ":", ":param:", "-----"])
def test_a_docstring_that_says_nothing_is_no_fault(text: str | None) -> None:
    assert read_docstring(text, ("one",)).parameters == {}


@given(st.text(alphabet=st.sampled_from("ab :\n-*`()_\tArgs"), max_size=200))
def test_any_docstring_can_be_read(text: str) -> None:
    found = read_docstring(text, ("a", "b"))
    assert all(isinstance(said, str) for said in found.parameters.values())


def with_bytes(data: bytes) -> None: ...
def with_others(**others: str) -> None: ...
def with_more(*more: str) -> None: ...
def with_callable(call: Callable[[], None]) -> None: ...
def with_numbers(table: dict[int, str]) -> None: ...
def with_odd_literal(value: Literal[b"x"]) -> None: ...
def with_generic(value: Callable[..., int] | int) -> None: ...
def with_heartbeat(request_heartbeat: bool) -> None: ...


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (with_bytes, "data"),
        (with_others, "**others"),
        (with_more, "*more"),
        (eval("lambda value: value"), "value"),
        (with_callable, "call"),
        (with_numbers, "table"),
        (with_odd_literal, "b'x' of Literal"),
        (with_generic, "value"),
        (with_heartbeat, "request_heartbeat"),
    ],
)
def test_what_cannot_be_told_is_refused_by_name(function: Callable[..., object], named: str) -> None:
    with pytest.raises(SchemaError, match=named.replace("*", r"\*")) as raised:
        as_tool(function, name="tried")
    assert raised.value.hint


def test_annotations_that_lead_nowhere_are_refused() -> None:
    def lost() -> None: ...

    lost.__annotations__ = {"return": "Nowhere"}
    with pytest.raises(SchemaError, match="the signature of lost cannot be read"):
        as_tool(lost)
    with pytest.raises(SchemaError, match="the types of Unclear cannot be read"):
        tool_of(make_dataclass("Unclear", [("value", "Nowhere")]))


def test_a_value_that_its_own_class_refuses_is_a_failure() -> None:
    @dataclass
    class Even:
        number: int

        def __post_init__(self) -> None:
            if self.number % 2:
                raise ValueError("it is odd")

    tool = tool_of(Even)
    with pytest.raises(InputError, match="value: it is odd"):
        tool.run(value={"number": 3})
    with pytest.raises(InputError, match="value: unhashable type"):
        tool_of(set[list[int]]).run(value=[[1]])


def test_a_name_that_no_server_takes_is_refused() -> None:
    with pytest.raises(InputError, match="<lambda>"):
        as_tool(lambda: 1)
    assert as_tool(lambda: 1, name="one").name == "one"
    with pytest.raises(InputError, match="no function"):
        as_tool(3)  # type: ignore[arg-type]  # pyright: ignore


def test_methods_partials_and_parameters_by_place_can_be_called() -> None:
    class Counter:
        def __init__(self) -> None:
            self.n = 0

        def add(self, more: int, /, times: int = 1) -> int:
            """Add."""
            self.n += more * times
            return self.n

    counter = Counter()
    tool = as_tool(counter.add)
    assert (tool.name, list(tool.spec.properties)) == ("add", ["more", "times"])
    assert tool.run(more=2, times=3) == 6
    part = as_tool(functools.partial(weather, unit="F"))
    assert part.name == "weather"
    assert part.run(city="Oslo") == "Oslo 1 F None"


def test_a_default_is_not_sent_by_the_model_and_not_changed() -> None:
    def keep(items: list[str] = field(default_factory=list)) -> object:  # noqa: B008
        return items

    assert as_tool(keep).spec.parameters["required"] == []


def test_a_memory_functions_name_is_refused_by_name() -> None:
    reserved = [spec.name for spec in FUNCTIONS]
    tool = tool_from_schema({"name": "send_message"}, lambda: 1, source="mine")
    with pytest.raises(InputError, match="'send_message' of mine is taken by a memory function"):
        check_names([tool], reserved)
    one = tool_from_schema(ToolSpec("one"), lambda: 1)
    with pytest.raises(InputError, match="'one'"):
        check_names([one, one], reserved)
    check_names([one, as_tool(weather)], reserved)


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "a", "parameters": {"type": "object", "properties": {"x": {"$ref": "#/$defs/none"}}}},
        {"name": "a", "parameters": {"type": "object", "properties": {"request_heartbeat": {}}}},
        {"name": "a b"},
        {"name": ""},
        {"name": "x" * 65},
        {"name": "a", "parameters": []},
    ],
)
def test_a_schema_that_cannot_be_a_tool_is_refused(spec: Mapping[str, object]) -> None:
    with pytest.raises(InputError):
        tool_from_schema(spec, lambda: 1)


@pytest.mark.parametrize("key", ["parameters", "inputSchema", "input_schema"])
def test_a_schema_may_come_in_the_shapes_of_openai_anthropic_and_mcp(key: str) -> None:
    schema: dict[str, JSON] = {"type": "object", "properties": {"x": {"type": "integer"}}}
    assert tool_from_schema({"name": "a", key: schema}, str).spec.parameters == schema


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_time_limit_is_a_number_of_seconds(seconds: float) -> None:
    with pytest.raises(InputError, match="time limit"):
        as_tool(weather, timeout_s=seconds)
