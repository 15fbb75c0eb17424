"""Answers in the form of OpenAI's strict mode are read as ones of the caller's own schema."""

from __future__ import annotations

import json

import pytest

from bridle.endpoints.planning import PlainReader
from bridle.endpoints.reading_back import ReadBack, reader_of
from bridle.messages import JSON

PAGE: dict[str, JSON] = {
    "type": "object",
    "properties": {"page": {"type": "integer"}, "name": {"type": ["string", "null"]}},
    "required": ["name"],
}
NUMBER: dict[str, JSON] = {"type": "number"}


@pytest.mark.parametrize(
    ("schema", "written", "meant"),
    [
        (PAGE, '{"name": null, "page": null}', {"name": None}),
        (PAGE, '{"name": "ä", "page": 3}', {"name": "ä", "page": 3}),
        (NUMBER, '{"answer": 3}', 3),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_an_answer_is_turned_round_however_it_arrives(
    schema: dict[str, JSON], written: str, meant: JSON, size: int
) -> None:
    reader = reader_of(PlainReader(), schema, "openai-strict")
    for at in range(0, len(written), size):
        assert reader.feed(written[at : at + size]) == []
    told, reading = reader.close()
    assert json.loads(reading.text) == meant
    assert "".join(delta.text for delta in told) == reading.text


@pytest.mark.parametrize("text", ['{"name": ', "[" * 100_000, ""])
def test_what_is_no_json_stays_as_it_is(text: str) -> None:
    reader = reader_of(PlainReader(), PAGE, "openai-strict")
    reader.feed(text)
    assert reader.close("length")[1].text == text


def test_other_servers_are_read_as_they_write() -> None:
    plain = PlainReader()
    assert reader_of(plain, PAGE, "ollama") is plain
    assert isinstance(reader_of(plain, PAGE, "openai-strict"), ReadBack)
