"""Almost JSON: what the lenient reader makes of a value, what it records, and what it refuses to guess."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.messages import JSON, ToolSpec
from bridle.wrappers.reading.lenient import Zone, read_value
from bridle.wrappers.reading.quoting import Style, unescape
from bridle.wrappers.reading.source import Known, Source, Unreadable
from strategies import texts, values

FREE: Zone = "free"


def read(text: str, style: Style = "json", *, final: bool = True) -> tuple[JSON, list[str]]:
    value, reader = read_value(Source(text), 0, Known(()), style, zone=FREE, final=final)
    return value, [note.what for note in reader.notes]


ALMOST: list[tuple[str, JSON, str]] = [
    ('{"a": 1,}', {"a": 1}, "extra comma"),
    ('{"a": 1,, "b": 2}', {"a": 1, "b": 2}, "extra comma"),
    ("[1, 2,]", [1, 2], "extra comma"),
    ("{'a': 'x'}", {"a": "x"}, "other quotes"),
    ("{a: 1}", {"a": 1}, "key without quotes"),
    ('{a": 1}', {"a": 1}, "key without quotes"),
    ('{"a: 1}', {"a": 1}, "key without quotes"),
    ('{""a": 1, "b"": 2}', {"a": 1, "b": 2}, ""),
    ('{"a" 1}', {"a": 1}, "missing colon"),
    ('{"a": 1 "b": 2}', {"a": 1, "b": 2}, "missing comma"),
    ('["a" "b"]', ["a", "b"], "missing comma"),
    ('{"a": True, "b": None}', {"a": True, "b": None}, "literal"),
    ('{"a": word}', {"a": "word"}, "missing quotes"),
    ('{"a": word"}', {"a": "word"}, "missing quotes"),
    ('{"a": 1 // one\n}', {"a": 1}, "comment"),
    ('{"a": 1, # one\n "b": 2 /* two */}', {"a": 1, "b": 2}, "comment"),
    ('{"a": ("x", 1)}', {"a": ["x", 1]}, "tuple"),
    ('{"a": ["x", "y"}', {"a": ["x", "y"]}, "missing bracket"),
    ('{"a": {"b": "c"', {"a": {"b": "c"}}, "missing bracket"),
    ('{"a": 1]', {"a": 1}, "wrong bracket"),
    ('{"a": +1.5, "b": .5, "c": 0x1F, "d": 1_000}', {"a": 1.5, "b": 0.5, "c": 31, "d": 1000}, "number"),
    ('{"a": "x\ny"}', {"a": "x\ny"}, "control characters in a string"),
    ('{"a": "x \\d"}', {"a": "x \\d"}, "unknown escape in a string"),
    ('{"a": "he "x" he"}', {"a": 'he "x" he'}, "quotes inside a string"),
    ('{"a": ""x"}', {"a": "x"}, "quote given twice"),
    ('{"a": "x""}', {"a": "x"}, "quote given twice"),
    ('{"a": "6""}', {"a": '6"'}, "quotes inside a string"),
    ('{"a": """x "y" z"""}', {"a": 'x "y" z'}, "triple quotes"),
    ('{"a": "x, "b": 1}', {"a": "x", "b": 1}, "missing quote"),
    ('{"a": 1, "a": 1}', {"a": 1}, "repeated key"),
    ('{"a": 1; "b": 2}', {"a": 1, "b": 2}, ""),
]


@pytest.mark.parametrize(("text", "value", "note"), ALMOST)
def test_what_has_one_meaning_is_read_and_recorded(text: str, value: JSON, note: str) -> None:
    found, notes = read(text)
    assert found == value
    assert not note or note in notes


UNREADABLE = [
    '{"a": "x',
    '{"a": "say "',
    '{"a": "say "x" and',
    '{"a": 1',
    '{"a": wor',
    '{"a": ',
    '{"a"',
    "{",
    '{"a": f(1)}',
    '{"a": ...}',
    '{"a": NaN}',
    '{"a": 1e999}',
    '{"a": 1, "a": 2}',
    '{"a": }',
    '{"a": word, other}',
    '["x, "y"]',
    "[1 2]",
    "{x}",
    "[" * 100,
]


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_has_no_single_meaning_is_not_read(text: str) -> None:
    with pytest.raises(Unreadable):
        read(text)


def test_nothing_is_closed_at_the_token_limit() -> None:
    assert read('{"a": "b"')[0] == {"a": "b"}
    with pytest.raises(Unreadable, match="token limit"):
        read('{"a": "b"', final=False)


@given(value=st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), texts()), st.lists))
def test_json_is_read_as_json_reads_it(value: JSON) -> None:
    text = json.dumps({"a": value}, ensure_ascii=False)
    assert read(text) == ({"a": value}, [])


@given(value=values({"type": "array", "items": {"type": "string"}}))
def test_python_is_read_as_python_reads_it(value: JSON) -> None:
    found, notes = read(repr(value), "python")
    assert (found, notes) == (value, [])


@given(text=texts())
def test_raw_strings_and_escapes_of_python(text: str) -> None:
    assert unescape(repr("'" + text)[1:-1], "python") == "'" + text


def test_escapes_that_no_language_knows_are_kept() -> None:
    assert unescape(r"\ud83d\ude80 \u12 \q", "json") == "🚀 \\u12 \\q"
    assert unescape(r"C:\users\new", "json") == r"C:\users\new"
    assert unescape(r"C:\\temp\n", "json") == "C:\\temp\n"
    assert unescape(r"\x41\101\U0001f680\a", "python") == "AA🚀\a"
    assert unescape(r"\n", "gemma") == r"\n"


def test_a_key_of_the_tool_ends_a_string_and_another_does_not() -> None:
    tool = ToolSpec(
        "f", "", {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
    )
    text = '{"a": "one "two", "c": {"d", "b": "e"}'
    value, _ = read_value(Source(text), 0, Known([tool]), zone="arguments", tool="f")
    assert value == {"a": 'one "two", "c": {"d', "b": "e"}
