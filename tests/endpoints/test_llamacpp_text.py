"""The text of an answer as it arrives, and how runs of tokens are split into batches."""

from __future__ import annotations

import os
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.endpoints.llamacpp.cache import clock_for
from bridle.endpoints.llamacpp.costs import SIZES, BatchCosts
from bridle.endpoints.llamacpp.text import TextStream

WORDS = st.text(st.sampled_from("ab<é日"), max_size=40)
STOPS = st.lists(st.text(st.sampled_from("ab<"), max_size=4), max_size=3)


def chunks(raw: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(raw), *(cut % (len(raw) + 1) for cut in cuts)})
    return [raw[start:end] for start, end in pairwise(places)]


@given(text=WORDS, stops=STOPS, cuts=st.lists(st.integers(0, 200), max_size=12))
def test_any_chunking_gives_the_text_up_to_the_first_stop(
    text: str, stops: list[str], cuts: list[int]
) -> None:
    given_out: list[str] = []
    stream = TextStream(stops, given_out.append)
    stopped = False
    for piece in chunks(text.encode(), cuts):
        stopped = stream.feed(piece)
        if stopped:
            break
    whole = stream.close()
    found = [(text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop and stop in text]
    assert stopped == bool(found)
    assert whole == (text[: min(found)[1]] if found else text)
    assert "".join(given_out) == whole
    assert "�" not in "".join(given_out)


def test_nothing_that_may_begin_a_stop_string_is_given_out_early() -> None:
    given_out: list[str] = []
    stream = TextStream(("</s>",), given_out.append)
    for piece in (b"a<", b"/s", b"x</"):
        assert not stream.feed(piece)
    assert given_out == ["a", "</sx"]
    assert stream.close() == "a</sx</"
    assert given_out[-1] == "</"


@given(text=WORDS, stops=STOPS, may_end=st.lists(st.booleans(), min_size=50, max_size=50))
def test_a_stop_string_counts_only_where_the_answer_may_end(
    text: str, stops: list[str], may_end: list[bool]
) -> None:
    stream = TextStream(stops)
    assert stream.stops == any(stops)
    for place, letter in enumerate(text):
        if stream.feed(letter.encode(), may_end=may_end[place]):
            break
    found = [
        (place + len(stop), place)
        for place in range(len(text))
        for stop in stops
        if stop and may_end[place] and text.startswith(stop, place)
    ]
    assert stream.close() == (text[: min(found)[1]] if found else text)


def test_an_unfinished_character_at_the_end_is_dropped_and_a_broken_one_marked() -> None:
    stream = TextStream()
    stream.feed(b"a\xffb" + "日".encode()[:2])
    assert stream.close() == "a�b"


@given(
    seconds=st.lists(st.floats(1e-4, 1.0), min_size=len(SIZES), max_size=len(SIZES)),
    n_tokens=st.integers(0, 300),
)
def test_a_run_is_split_without_loss(seconds: list[float], n_tokens: int) -> None:
    sizes = BatchCosts(dict(zip(SIZES, seconds, strict=True))).split(n_tokens)
    assert sum(sizes) == n_tokens
    assert all(size > 0 for size in sizes)


@pytest.mark.parametrize(
    ("seconds", "n_tokens", "sizes"),
    [
        ({1: 12.4, 2: 36.7, 4: 49.9, 8: 49.9, 16: 70.2}, 2, (1, 1)),
        ({1: 12.4, 2: 36.7, 4: 49.9, 8: 49.9, 16: 70.2}, 8, (8,)),
        ({1: 9.2, 2: 13.5, 4: 14.6, 8: 22.9, 16: 30.7}, 4, (4,)),
        ({1: 1.0, 2: 2.5, 4: 5.0, 8: 10.0, 16: 20.0}, 3, (1, 1, 1)),
        ({}, 5, (5,)),
    ],
)
def test_a_run_is_split_into_the_cheapest_batches(
    seconds: dict[int, float], n_tokens: int, sizes: tuple[int, ...]
) -> None:
    assert BatchCosts(seconds).split(n_tokens) == sizes


def test_a_batch_costs_no_more_than_a_larger_one() -> None:
    # Measured beside another program: a single token cannot take longer than two.
    costs = BatchCosts({1: 40.0, 2: 23.9, 4: 57.4, 8: 57.0, 16: 60.0})
    assert costs.seconds == {1: 23.9, 2: 23.9, 4: 57.0, 8: 57.0, 16: 60.0}
    assert costs.split(5) == (5,)


def test_one_thread_is_timed_by_its_own_clock() -> None:
    alone = time.thread_time if os.name == "posix" else time.perf_counter
    assert clock_for(1, 0) is alone
    assert clock_for(2, 0) is clock_for(1, -1) is time.perf_counter
