"""The laws of the event framer: any chunking gives the same events, and only LF, CRLF and CR end a line."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bridle.endpoints.sse import DONE, Event, EventFramer

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
