"""Literals of Python and Gemma become JSON text while they arrive, however they are cut."""

from __future__ import annotations

import json

import pytest

from bridle.messages import JSON, Delta, ToolCall, ToolSpec
from bridle.wrappers import JsonLayout
from bridle.wrappers.syntaxes import make_syntax
from bridle.wrappers.syntaxes.literals import LiteralStream, MarkedText
from bridle.wrappers.values import escape_mark, fits, read_raw, unescape_mark

GOOD = [
    ("python", '"a\\n\\x41\\u00e9\\101\\U0001F600\\q\\\\", x', '"a\\nAéA😀\\\\q\\\\"', ", x"),
    ("python", "'it\\'s \"so\"')", '"it\'s \\"so\\""', ")"),
    ("python", "[1, -2.5e3, {\"k\": None, 'q': (True,)}],", '[1, -2.5e3, {"k": null, "q": [true]}]', ","),
    ("python", "'\\0\\18\\uD83D')", '"\\u0000\\u00018\ud83d"', ")"),
    ("python", "'\\U00110000\\x4g')", '"\ufffd\\\\x4g"', ")"),
    ("python", "{}", "{}", None),
    (
        "gemma",
        '<|"|>a &lt;|"|> & &amp;lt; &amp;lt;|"|> <b<|"|>}',
        '"a <|\\"|> & &amp;lt; &lt;|\\"|> <b"',
        "}",
    ),
    ("gemma", '[1,<|"|>x<|"|>,{k:true,<|"|>a b<|"|>:null}],', '[1, "x", {"k": true, "a b": null}]', ","),
]


@pytest.mark.parametrize(("style", "text", "wanted", "rest"), GOOD)
@pytest.mark.parametrize("size", [1, 2, 7, 999])
def test_a_literal_becomes_json(style: str, text: str, wanted: str, rest: str | None, size: int) -> None:
    given: list[str] = []
    stream = LiteralStream("gemma" if style == "gemma" else "python", given.append)
    left = ""
    for at in range(0, len(text), size):
        left = stream.feed(text[at : at + size])
        if stream.done:
            left += text[at + size :]
            break
    assert not stream.failed
    assert "".join(given) == wanted
    assert stream.done is (rest is not None)
    assert left == (rest or "")


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("python", "abc)"),
        ("python", '"a" "b")'),
        ("python", 'r"a")'),
        ("python", "0x1f)"),
        ("python", "[1)"),
        ("python", "1 2)"),
        ("python", ")"),
        ("python", "[1 [2]]"),
        ("python", '{"a" 1}'),
        ("python", ":"),
        ("python", "[,1]"),
        ("gemma", "(1)"),
        ("gemma", "<x"),
        ("gemma", 'a<|"|>b<|"|>'),
    ],
)
def test_what_is_no_literal_is_given_up(style: str, text: str) -> None:
    stream = LiteralStream("gemma" if style == "gemma" else "python", lambda text: None)
    stream.feed(text + " ,")
    assert stream.failed


@pytest.mark.parametrize(
    "text", ["a &amp;lt;/p> b", "</p>", "&lt;/p", "&", "&amp;amp;lt;/p>&lt;/p></p>", "x<y"]
)
def test_a_mark_is_escaped_so_that_it_can_be_undone(text: str) -> None:
    escaped = escape_mark(text, "</p>")
    assert "</p>" not in escaped
    assert unescape_mark(escaped, "</p>") == text
    for size in (1, 3, 99):
        marked, out, rest = MarkedText("</p>"), "", ""
        for at in range(0, len(escaped) + 5, size):
            plain, rest = marked.feed((escaped + "</p>!")[at : at + size])
            out += plain
        assert (out, rest[-1:]) == (text, "!")
    assert escape_mark(text, ";;") == unescape_mark(text, ";;") == text


def test_the_schema_says_what_raw_text_means() -> None:
    either: JSON = {"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 3}]}
    strings: JSON = {"oneOf": [{"enum": ["1", "2"]}, {"const": "3"}]}
    tool = ToolSpec(
        "f", "", {"type": "object", "properties": {"e": either, "s": strings, "n": {"type": "null"}}}
    )
    assert read_raw("12", "e", tool) == 12
    assert read_raw("1.5", "e", tool) == "1.5"
    assert read_raw("1", "s", tool) == "1"
    assert read_raw("NaN", "x", tool) == "NaN"
    assert read_raw("word", "n", tool) == "word"
    assert read_raw("12", "n", tool) == 12
    assert fits(3, "e", tool)
    assert not fits("long word", "e", tool)


def test_the_id_of_a_call_is_passed_over() -> None:
    tool = ToolSpec("say", "", {"type": "object", "properties": {"text": {"type": "string"}}})
    syntax = make_syntax("mistral_args", "none", JsonLayout())
    calls = (ToolCall("say", {"text": "a"}), ToolCall("say", {"text": "\ud83d\\ \u00e9"}))
    text = syntax.write(calls, "", "", [tool], ["abcdefghi", "123456789"])
    assert "[CALL_ID]abcdefghi[ARGS]" in text
    reader = syntax.reader([tool])
    deltas: list[Delta] = []
    for char in text:
        deltas += reader.feed(char)
    for index, call in enumerate(calls):
        given = "".join(delta.arguments for delta in deltas if delta.index == index)
        assert json.loads(given) == call.arguments
    assert reader.close()[1].calls == calls
