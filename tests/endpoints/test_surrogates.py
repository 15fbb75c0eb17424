"""Halves of characters, which JSON may hold and no text can, are joined or replaced wherever they come."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.endpoints.driver import CallPiece, Piece
from bridle.endpoints.gathering import Gathered, gather_calls
from bridle.endpoints.stops import StopCutter
from bridle.endpoints.transport.http_errors import refusal
from bridle.endpoints.transport.surrogates import Halves, mended, mended_json

ANY = st.text(st.characters(codec=None) | st.sampled_from("\ud83e\udd8aab"), max_size=12)


@given(st.lists(ANY, max_size=6))
def test_fragments_have_the_text_of_the_whole(fragments: list[str]) -> None:
    halves = Halves()
    found = "".join([*map(halves.feed, fragments), halves.close()])
    found.encode()
    assert found == mended("".join(fragments))


@given(st.lists(ANY, max_size=3))
def test_a_document_is_mended_as_its_texts_are(texts: list[str]) -> None:
    for as_ascii in (True, False):
        found = json.loads(mended_json(json.dumps(texts, ensure_ascii=as_ascii)))
        assert [mended(one) for one in found] == [mended(one) for one in texts]
        if as_ascii:
            "".join(found).encode()


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["a\ud83e", "\udd8ab"], "a🦊b"),
        (["a\ud83e", "b"], "a\ufffdb"),
        (["a\ud83e"], "a\ufffd"),
        (["\udd8a"], "\ufffd"),
        (["a\ud83e", "", "\udd8a"], "a🦊"),
        (["\ud83e", "\ud83e", "\udd8aEND of it"], "\ufffd🦊"),
    ],
)
def test_an_answer_has_only_whole_characters(pieces: list[str], text: str) -> None:
    shown: list[str] = []
    gathered = Gathered(StopCutter(["END"]), shown.append)
    for piece in pieces:
        gathered.take(Piece(piece, thoughts=piece, calls=(CallPiece("f", f'{{"a": "{piece}"}}', "", 0),)))
    answer = gathered.answer(False, (), {})
    assert answer.text == text
    assert "".join(shown) == text
    for one in [*shown, answer.thoughts, *(call.arguments for call in answer.calls)]:
        one.encode()


def test_halves_in_the_fragments_of_a_call_come_together() -> None:
    pieces = [CallPiece("f", '{"a": "\ud83e', "1", 0), CallPiece("", '\udd8a"}', "", 0)]
    assert gather_calls(pieces)[0].arguments == '{"a": "🦊"}'


def test_an_error_can_be_printed_whatever_a_server_wrote_in_it() -> None:
    for body in (r'{"error": "bad \ud83e"}', json.dumps({"error": "bad \ud83e"}, ensure_ascii=False)):
        error = refusal(400, "http://127.0.0.1:1/v1", body)
        f"{error} {error.facts}".encode()
        assert "bad" in str(error)
