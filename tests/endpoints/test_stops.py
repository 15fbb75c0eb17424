"""Stop strings: what is shown never holds a stop string nor a part of one that was found, in any chunking."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridle.endpoints.stops import StopCutter

TEXTS = st.text("ab<|", max_size=30)


@given(TEXTS, st.lists(st.text("ab<|", min_size=1, max_size=4), max_size=3), st.integers(1, 5))
def test_any_chunking_ends_at_the_first_stop(text: str, stops: list[str], size: int) -> None:
    cutter = StopCutter(stops)
    shown = "".join(cutter.feed(text[at : at + size]) for at in range(0, len(text), size)) + cutter.close()
    places = [at for stop in stops if (at := text.find(stop)) >= 0]
    found = [len(shown) == at for at in places]
    assert shown == cutter.text
    assert cutter.found == bool(places)
    assert text.startswith(shown)
    assert any(found) if places else shown == text
    assert not any(stop in shown for stop in stops)


@given(TEXTS, st.lists(st.text("ab<|", min_size=1, max_size=4), max_size=3), st.integers(1, 5))
def test_pieces_and_the_whole_give_the_same_text(text: str, stops: list[str], size: int) -> None:
    pieces, whole = StopCutter(stops), StopCutter(stops)
    for at in range(0, len(text), size):
        pieces.feed(text[at : at + size])
    whole.feed(text)
    pieces.close()
    whole.close()
    assert pieces.text == whole.text


def test_one_piece_ends_at_the_earliest_stop() -> None:
    cutter = StopCutter(["END", "</s>", ""])
    assert cutter.feed("a</s>bEND") == "a"
    assert cutter.feed("more") == ""
    assert cutter.close() == ""


def test_what_might_have_become_a_stop_is_shown_at_the_end() -> None:
    cutter = StopCutter(["</s>"])
    assert cutter.feed("x </") == "x "
    assert cutter.close() == "</"
