"""The laws of the framers: any chunking gives the same events, and only LF, CRLF and CR end a line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.endpoints.transport.framing import Framer, decode
from bridle.endpoints.transport.ndjson import LineFramer
from bridle.endpoints.transport.sse import DONE, Event, EventFramer

STREAM = (
    ": ping\r\n\r\n"
    'data: {"text": "Grüße \u2028 世界"}\r\n\r\n'
    "event: error\ndata: one\ndata:two\ndata:  three\n\n"
    "id: 7\nretry: 10\ndata\n\n"
    "\n\n"
    "data: last\r\r"
    'error: {"code": 500}\n\n'
    f"data: {DONE}\n\n"
).encode()

EVENTS = [
    Event('{"text": "Grüße \u2028 世界"}'),
    Event("one\ntwo\n three", "error"),
    Event(""),
    Event("last"),
    Event('{"code": 500}', "error"),
    Event(DONE),
]


def framed(chunks: list[bytes]) -> list[Event]:
    framer = EventFramer()
    return [event for chunk in chunks for event in framer.feed(chunk)] + framer.close()


def test_events_as_one_piece() -> None:
    assert framed([STREAM]) == EVENTS


def test_events_byte_by_byte() -> None:
    assert framed([bytes([byte]) for byte in STREAM]) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=12).map(sorted))
def test_any_chunking_gives_the_same_events(cuts: list[int]) -> None:
    places = [0, *cuts, len(STREAM)]
    assert framed([STREAM[a:b] for a, b in pairwise(places)]) == EVENTS


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), min_size=1))
def test_what_is_written_is_read(lines: list[str]) -> None:
    written = "".join(f"data: {line}\n" for line in lines) + "\n"
    assert framed([written.encode()]) == [Event("\n".join(lines))]


def test_a_stream_cut_inside_an_event_says_so() -> None:
    framer = EventFramer()
    assert framer.feed(b'data: {"a"') == []
    assert framer.close() == [Event('{"a"', complete=False)]
    assert framer.close() == []


LINES = '{"text": "Grüße \u2028\u0085 世界"}\r\n\n  \n{"a":\t1}\n{"last": "ü'.encode()
LINE_EVENTS = [
    Event('{"text": "Grüße \u2028\u0085 世界"}'),
    Event('{"a":\t1}'),
    Event('{"last": "ü', complete=False),
]


@given(st.lists(st.integers(0, len(LINES)), max_size=12).map(sorted))
def test_any_chunking_gives_the_same_lines(cuts: list[int]) -> None:
    framer = LineFramer()
    places = [0, *cuts, len(LINES)]
    found = [event for a, b in pairwise(places) for event in framer.feed(LINES[a:b])]
    assert found + framer.close() == LINE_EVENTS


@pytest.mark.parametrize("framer", [EventFramer, LineFramer])
def test_a_byte_order_mark_is_no_part_of_the_first_line(framer: Callable[[], Framer]) -> None:
    mark, *rest = b"\xef\xbb\xbf", b"data: 1\n\n"
    one = framer()
    found = [*one.feed(mark[:2]), *one.feed(mark[2:]), *one.feed(rest[0])]
    assert [event.data.removeprefix("data: ") for event in found] == ["1"]


def test_a_carriage_return_is_an_end_in_events_and_none_in_lines() -> None:
    assert EventFramer().feed(b"data: a\rdata: b\r\r") == [Event("a\nb")]
    assert LineFramer().feed(b'"a\rb"\r\n') == [Event('"a\rb"')]


@pytest.mark.parametrize(
    ("raw", "charset", "text"),
    [
        ("ü".encode(), "", "ü"),
        ("ü".encode("latin-1"), "", "\ufffd"),
        ("ü".encode("latin-1"), "latin-1", "ü"),
        ("ü".encode("latin-1"), "no-such-charset", "\ufffd"),
        ("ü".encode(), "latin-1", "ü"),
    ],
)
def test_text_is_utf_8_before_it_is_what_was_declared(raw: bytes, charset: str, text: str) -> None:
    assert decode(raw, charset) == text
    assert EventFramer(charset).feed(b"data: " + raw + b"\n\n") == [Event(text)]


def test_a_long_line_in_small_pieces_is_read_in_linear_time() -> None:
    start = time.process_time()
    one = EventFramer()
    for _ in range(100_000):
        one.feed(b"data: 0123456789"[:10])
    assert len(one.close()[0].data) > 500_000
    assert time.process_time() - start < 2  # it takes 0.05 s; copying all each time would take a minute


def test_events_without_a_blank_line_between_them_are_told_apart() -> None:
    framer = EventFramer()
    raw = b'data: {"a": 1}\ndata: {"b": 2}\nevent: error\ndata: {"c": 3}\n\ndata: {"d": 4}\ndata: [DONE]\n'
    found = [*framer.feed(raw), *framer.close()]
    assert [one.data for one in found] == ['{"a": 1}', '{"b": 2}', '{"c": 3}', '{"d": 4}', "[DONE]"]
    assert [one.name for one in found] == ["", "", "error", "", ""]
    pretty = b'data: {\ndata:   "a": {}\ndata: }\n\n'
    assert [json.loads(one.data) for one in EventFramer().feed(pretty)] == [{"a": {}}]
