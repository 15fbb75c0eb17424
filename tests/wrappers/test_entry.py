"""The doors of wrappers and reader: wrong arguments are refused in words that say what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridle.errors import FormatError, InputError
from bridle.wrappers import get_wrapper
from bridle.wrappers.reading.entry import parse_calls, read_calls

LAMP: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "lamp",
        "parameters": {
            "type": "object",
            "properties": {"room": {"enum": ["kitchen", "attic"]}, "on": {"type": "boolean"}},
            "required": ["room"],
        },
    },
}
CALL = '{"name": "lamp", "arguments": {"room": "attic"}}'


@pytest.mark.parametrize(
    ("raw", "tools", "meta", "says"),
    [
        (None, [LAMP], None, "NoneType .*must be a string"),
        (b"{}", [LAMP], None, "bytes .*must be a string"),
        (CALL, LAMP, None, r"one tool .*\[tool\]"),
        (CALL, "lamp", None, "str .*list of tools"),
        (CALL, None, None, "NoneType .*list of tools"),
        (CALL, ["lamp"], None, "a tool is 'lamp' .*object"),
        (CALL, [LAMP], ["stop"], "meta is of type list"),
    ],
)
def test_what_is_no_text_or_no_list_of_tools_is_refused_in_words(
    raw: Any, tools: Any, meta: Any, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        read_calls(raw, tools, meta)
    with pytest.raises(InputError, match=says):
        parse_calls(raw, tools, meta)


def test_servers_may_name_dialects_and_reasons_as_they_like() -> None:
    meta = {"dialect": "of-another-planet", "finish_reason": "whim"}
    assert parse_calls(CALL, (LAMP,), meta) == [{"name": "lamp", "arguments": {"room": "attic"}}]


def test_thoughts_in_a_place_that_there_is_not_are_refused() -> None:
    nowhere: Any = "x"
    with pytest.raises(FormatError, match=r"thoughts 'x' .*'inner', 'outer', 'none'"):
        get_wrapper("chatml", thoughts=nowhere)


@pytest.mark.parametrize(
    ("name", "key", "says"),
    [
        ("chatml", "thinking", "'chatml' has no value 'thinking' .it has none"),
        ("llama3.1", "dat", "'llama3.1' has no value 'dat' .its values are date"),
        ("qwen3", "thinking", "its values are enable_thinking"),
        ("llama3.1", "messages", "no value 'messages'"),
    ],
)
def test_a_value_that_a_formats_template_has_not_is_refused(name: str, key: str, says: str) -> None:
    with pytest.raises(FormatError, match=says):
        get_wrapper(name, values={key: "1"})


def test_values_of_a_template_are_taken() -> None:
    assert get_wrapper("llama3.1", values={"date": "1 Jan 2026"}).values == {"date": "1 Jan 2026"}
    assert not get_wrapper("qwen3.5", values={"enable_thinking": False}).opens_thinking


def test_values_for_a_template_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    lines = ('name = "bad"', 'title = "t"', 'source = "s"', 'generation = "g"', 'stop = ["x"]')
    text = "\n".join((*lines, 'special = ["x"]', 'template = "bad.jinja"'))
    (tmp_path / "bad.toml").write_text(text, "utf-8")
    (tmp_path / "bad.jinja").write_text("{% for x in %}", "utf-8")
    with pytest.raises(FormatError, match="template of the format 'bad' cannot be read"):
        get_wrapper(tmp_path / "bad.toml", values={"a": 1})
    (tmp_path / "bad.jinja").write_text("{{ mine }}", "utf-8")
    assert get_wrapper(tmp_path / "bad.toml", values={"mine": 1}).values == {"mine": 1}


@pytest.mark.parametrize(
    ("schema", "required", "says"),
    [
        ({"enum": ["kitchen", "attic"]}, True, '("kitchen", "attic"; required)'),
        ({"type": "string", "enum": ["Küche"]}, False, 'takes room ("Küche")'),
        ({"const": 7}, False, "takes room (7)"),
        ({"type": "string", "enum": ["kitchen"], "nullable": True}, False, '("kitchen", null)'),
        ({"$ref": "#/$defs/room"}, True, '("cellar"; required)'),
        ({"type": "integer"}, True, "(integer, required)"),
        ({"enum": list(range(13))}, False, "(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …)"),
        ({"enum": list(range(12))}, False, "(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)"),
    ],
)
def test_a_refusal_names_the_values_that_are_allowed(schema: Any, required: bool, says: str) -> None:
    tool = {
        "name": "lamp",
        "parameters": {
            "type": "object",
            "properties": {"room": schema},
            "required": ["room"] if required else [],
            "$defs": {"room": {"enum": ["cellar"]}},
        },
    }
    reading = read_calls('{"name": "lamp", "arguments": {"room": "moon"}}', [tool])
    assert not reading.calls
    assert says in reading.refusals[0].reason
