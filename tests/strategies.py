"""Random tools and random calls of them, for laws that hold for every tool.

Names hold dots, blanks and other scripts; strings hold whatever breaks a careless reader: quotes, braces,
tags, line breaks, emoji and control characters. Every call satisfies its tool's schema, with its arguments in
declared order and its numbers as `json.dumps` writes them without exponents.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import cast

from hypothesis import strategies as st

from bridle.messages import JSON, ToolCall, ToolSpec

__all__ = ["calls", "maps", "schemas", "texts", "tool_sets_with_calls", "tools", "values"]

_AWKWARD = (
    '"', "\\", "{", "}", "[", "]", "<tool_call>", "</tool_call>", "<think>", "<", "\n", "\r\n", "\t", "\0",
    "\x1f", "\x7f", "é", "日本", "🧿", "\u2028", "'", "```", '{"function": "f"}', "null", ", ", ": ", "\\n",
    "\\u0041", " ", "</parameter>", "\n</parameter>\n", "&lt;/parameter>", "&amp;", "<parameter=x>",
    "</function>", '<|"|>', '&lt;|"|>', "</arg_value>", "<arg_key>", "[TOOL_CALLS]", "[ARGS]", "[/THINK]",
    "<|call|>", "<|end|>", "<|im_end|>", "**{", "functools[", ">>>", "Action:", "```json", "<function=f>",
    "</think>", "<｜tool▁call▁end｜>", "f(x=1)", ")", "True", "12",
)  # fmt: skip
_WORDS = (
    "city",
    "page",
    "user.name",
    "größe",
    "x",
    "名前",
    "a b",
    'q"t',
    "inner_thoughts",
    "type",
    "$ref",
    "",
)


@cache
def texts(max_size: int = 24) -> st.SearchStrategy[str]:
    """Draw text, often made of what is hard to quote."""
    plain = st.text(st.characters(exclude_categories=["Cs"]), max_size=max_size)
    pieces = st.lists(st.one_of(st.sampled_from(_AWKWARD), plain), max_size=6).map("".join)
    return st.one_of(plain, pieces.map(lambda text: text[:max_size]))


@cache
def schemas(depth: int = 2) -> st.SearchStrategy[dict[str, JSON]]:
    """Draw a schema whose values `values` can draw, with at most `depth` levels of objects and arrays.

    Objects have declared members. `maps` draws those without: there rules can't keep a key from coming twice.
    """
    flat = [_strings(), _integers(), _numbers(), _choices(), st.sampled_from(_FIXED).map(dict)]
    if depth == 0:
        return st.one_of(flat)
    inner = schemas(depth - 1)
    unions = st.lists(inner, min_size=2, max_size=3).map(lambda options: _schema(anyOf=list(options)))
    return st.one_of(*flat, _arrays(inner), objects(depth - 1), unions)


@cache
def objects(depth: int = 1, max_size: int = 4) -> st.SearchStrategy[dict[str, JSON]]:
    """Draw the schema of an object with declared members, some of them optional."""

    def build(members: Mapping[str, JSON], wanted: list[bool], closed: bool) -> dict[str, JSON]:
        required: list[JSON] = [name for name, must in zip(members, wanted, strict=False) if must]
        schema = _schema(type="object", properties=dict(members), required=required)
        return {**schema, "additionalProperties": False} if closed else schema

    members = st.dictionaries(_names(), schemas(depth), max_size=max_size)
    return st.builds(build, members, st.lists(st.booleans(), min_size=max_size), st.booleans())


@cache
def tools() -> st.SearchStrategy[ToolSpec]:
    """Draw one tool."""
    return st.builds(ToolSpec, _names().filter(bool), texts(12), objects())


def calls(tool: ToolSpec) -> st.SearchStrategy[ToolCall]:
    """Draw a valid call of a tool."""
    drawn = values(cast("dict[str, JSON]", tool.parameters))
    return drawn.map(lambda arguments: ToolCall(tool.name, cast("dict[str, JSON]", arguments)))


@st.composite
def tool_sets_with_calls(
    draw: st.DrawFn, max_calls: int = 3
) -> tuple[tuple[ToolSpec, ...], tuple[ToolCall, ...]]:
    """Draw a few tools of different names, and one call or more of them."""
    found = draw(st.lists(tools(), min_size=1, max_size=3, unique_by=lambda tool: tool.name))
    count = draw(st.integers(1, max_calls))
    return tuple(found), tuple(draw(calls(draw(st.sampled_from(found)))) for _ in range(count))


def values(schema: JSON) -> st.SearchStrategy[JSON]:
    """Draw a value that satisfies a schema which `schemas` drew."""
    body = cast("dict[str, JSON]", schema)
    if "enum" in body:
        return st.sampled_from(cast("list[JSON]", body["enum"]))
    if "const" in body:
        return st.just(body["const"])
    if "anyOf" in body:
        return st.one_of([values(option) for option in cast("list[JSON]", body["anyOf"])])
    kind = body["type"]
    if isinstance(kind, list):
        return st.one_of([values({**body, "type": one}) for one in kind])
    return _values_of(str(kind), body)


def _values_of(kind: str, schema: dict[str, JSON]) -> st.SearchStrategy[JSON]:
    match kind:
        case "object" if "properties" in schema:
            return _members(schema)
        case "object":
            return st.dictionaries(texts(8), values(schema["additionalProperties"]), max_size=3)
        case "array":
            return _items(schema)
        case "string" if "pattern" in schema:
            return st.from_regex(
                str(schema["pattern"]).replace("$", r"\Z"), alphabet=st.characters(codec="ascii")
            )
        case "string" if "format" in schema:
            return st.dates().filter(lambda day: day.year >= 1000).map(lambda day: day.isoformat())
        case "string":
            least, most = _int(schema.get("minLength", 0)), _int(schema.get("maxLength", 40))
            return texts(most).map(lambda text: text.ljust(least, "x"))
        case "integer":
            low, high = schema.get("minimum", -(10**15) + 1), schema.get("maximum", 10**15 - 1)
            return st.integers(_int(low), _int(high))
        case "number":
            low, high = _int(schema.get("minimum", -999_999)), _int(schema.get("maximum", 999_999))
            return _decimals(low, high)
        case "boolean":
            return st.booleans()
        case _:
            return st.none()


@cache
def _matching(pattern: str) -> st.SearchStrategy[JSON]:
    return st.from_regex(pattern.replace("$", r"\Z"), alphabet=st.characters(codec="ascii"))


@st.composite
def _members(draw: st.DrawFn, schema: dict[str, JSON]) -> JSON:
    required = cast("list[str]", schema.get("required", []))
    given: dict[str, JSON] = {}
    for name, inner in cast("dict[str, JSON]", schema["properties"]).items():
        if name in required or draw(st.booleans()):
            given[name] = draw(values(inner))
    return given


@st.composite
def _items(draw: st.DrawFn, schema: dict[str, JSON]) -> JSON:
    first = [draw(values(inner)) for inner in cast("list[JSON]", schema.get("prefixItems", []))]
    if schema["items"] is False:
        return list(first)
    least, most = _int(schema.get("minItems", 0)), _int(schema.get("maxItems", 4))
    more = st.lists(values(schema["items"]), min_size=max(0, least - len(first)), max_size=most - len(first))
    return [*first, *draw(more)]


@cache
def _decimals(low: int, high: int) -> st.SearchStrategy[JSON]:
    """Draw whole numbers, and others that `repr` writes without an exponent."""
    places = st.integers(low * 1000, high * 1000).map(lambda number: number / 1000)
    fine = places.filter(lambda number: "e" not in repr(number) and repr(number) != "-0.0")
    return st.one_of(st.integers(low, high), fine)


@cache
def _names() -> st.SearchStrategy[str]:
    letters = st.text(st.sampled_from("abcxyz_.-éЖ日0123456789"), min_size=1, max_size=8)
    return st.one_of(st.sampled_from(_WORDS), letters)


_FIXED: tuple[dict[str, JSON], ...] = (
    {"type": "boolean"},
    {"type": "null"},
    {"const": 'a "constant"\n'},
    {"type": "string", "pattern": r"^[A-Z]{2}-\d{1,4}$"},
    {"type": "string", "pattern": r'^("[a-z\\]*"|<b>)$'},
    {"type": "string", "format": "date"},
    {"type": ["string", "null"]},
    {"type": ["integer", "boolean"], "minimum": 3, "maximum": 40},
)


@cache
def _strings() -> st.SearchStrategy[dict[str, JSON]]:
    lengths = st.tuples(st.integers(0, 5), st.integers(5, 30))
    bounded = lengths.map(lambda ends: _schema(type="string", minLength=ends[0], maxLength=ends[1]))
    return st.one_of(st.just(_schema(type="string")), bounded)


@cache
def _integers() -> st.SearchStrategy[dict[str, JSON]]:
    ends = st.lists(st.integers(-5000, 5000), min_size=2, max_size=2).map(sorted)
    bounded = ends.map(lambda ends: _schema(type="integer", minimum=ends[0], maximum=ends[1]))
    return st.one_of(st.just(_schema(type="integer")), bounded)


@cache
def _numbers() -> st.SearchStrategy[dict[str, JSON]]:
    ends = st.tuples(st.integers(-500, 0), st.integers(0, 5000))
    bounded = ends.map(lambda ends: _schema(type="number", minimum=ends[0], maximum=ends[1]))
    return st.one_of(st.just(_schema(type="number")), bounded)


@cache
def _choices() -> st.SearchStrategy[dict[str, JSON]]:
    tree: JSON = {"a": [1, "b"]}
    mixed: st.SearchStrategy[JSON] = st.one_of(texts(8), st.integers(-99, 99), st.none(), st.just(tree))
    unique = st.lists(mixed, min_size=1, max_size=4, unique_by=repr)
    return unique.map(lambda options: _schema(enum=list(options)))


def _arrays(inner: st.SearchStrategy[dict[str, JSON]]) -> st.SearchStrategy[dict[str, JSON]]:
    free = inner.map(lambda items: _schema(type="array", items=items))
    counts = st.tuples(st.integers(0, 2), st.integers(2, 4))
    counted = st.tuples(inner, counts).map(
        lambda drawn: _schema(type="array", items=drawn[0], minItems=drawn[1][0], maxItems=drawn[1][1])
    )
    fixed = st.lists(inner, min_size=1, max_size=2).map(
        lambda items: _schema(type="array", prefixItems=list(items), items=False)
    )
    return st.one_of(free, counted, fixed)


def maps() -> st.SearchStrategy[dict[str, JSON]]:
    """Draw the schema of an object with any keys."""
    return schemas(1).map(lambda items: _schema(type="object", additionalProperties=items))


def _schema(**keywords: JSON) -> dict[str, JSON]:
    return keywords


def _int(value: JSON) -> int:
    return int(cast("float", value))
