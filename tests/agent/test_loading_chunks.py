"""The chunker: nothing is lost, limits are kept, characters stay whole, and passages end at sentences."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.agent.loading.chunks import CHUNK_CHARS, LEAST_CHUNK_CHARS, chunks
from bridle.agent.loading.documents import Document, Part, Style
from bridle.agent.loading.graphemes import is_boundary
from bridle.agent.loading.passages import drafts

FAMILY = "👨‍👩‍👧"
WHOLE = ["e\u0301", FAMILY, "👍🏽", "🇳🇴", "क्षि", "각", "\r\n", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "❤️", "ก็", "a\u0308\u0323"]
STYLES: tuple[Style, ...] = ("prose", "code")

PIECES = [*"abcDEF .,;:!?…\n\n\t(){}[]\"'”。、世界คำ1", *WHOLE, "etc. ", "Dr. ", ". ", "word " * 9, "x" * 50]
texts = st.lists(st.sampled_from(PIECES), max_size=400).map("".join)


@given(texts, st.integers(LEAST_CHUNK_CHARS, 200), st.sampled_from(STYLES))
def test_every_word_of_a_text_is_in_its_passages_in_order(text: str, limit: int, style: Style) -> None:
    cut = [chunk.text for chunk in chunks(text, limit, style)]
    assert "".join("".join(cut).split()) == "".join(text.split())


@given(texts, st.integers(LEAST_CHUNK_CHARS, 200), st.sampled_from(STYLES))
def test_a_passage_is_a_slice_within_the_limit_and_not_blank(text: str, limit: int, style: Style) -> None:
    for chunk in chunks(text, limit, style):
        assert text[chunk.start :].startswith(chunk.text)
        assert 0 < len(chunk.text) <= limit
        assert chunk.text.strip()


@given(st.lists(st.sampled_from([*WHOLE, "a", " ", ". ", "世"]), max_size=300), st.sampled_from(STYLES))
def test_no_character_of_several_code_points_is_cut(pieces: list[str], style: Style) -> None:
    text = "".join(pieces)
    edges = {0}
    for piece in pieces:
        edges.add(max(edges) + len(piece))
    for chunk in chunks(text, LEAST_CHUNK_CHARS, style):
        assert chunk.start in edges or text[chunk.start - 1].isspace()
        end = chunk.start + len(chunk.text)
        assert end in edges or text[end].isspace()


@pytest.mark.parametrize("char", WHOLE)
def test_a_character_of_several_code_points_has_no_boundary_inside(char: str) -> None:
    text = f"x{char}x"
    inside = range(2, len(text) - 1)
    assert [at for at in inside if is_boundary(text, at)] == []
    assert is_boundary(text, 1)
    assert is_boundary(text, len(text) - 1)


def test_flags_are_cut_between_countries_only() -> None:
    assert [at for at in range(1, 6) if is_boundary("🇳🇴🇩🇪🇫🇷", at)] == [2, 4]


def test_a_character_longer_than_the_limit_is_cut_at_the_limit() -> None:
    text = "a" + "\u0301" * 100
    cut = [chunk.text for chunk in chunks(text, 50)]
    assert "".join(cut) == text
    assert max(map(len, cut)) <= 50


def prose(sentences: int) -> str:
    """Paragraphs of sentences of many lengths, with what looks like their ends and is none."""
    made: list[str] = []
    for at in range(sentences):
        words = " ".join(f"word{(at * 7 + n) % 50}" for n in range(4 + at * 13 % 30))
        made.append(f"Dr. No. {at} said e.g. that {words}, i.e. {at / 7:.2f} of Fig. 3 of J. Smith agrees.")
        made.append("\n\n" if at % 9 == 8 else " ")
    return "".join(made)


def test_prose_ends_at_sentences() -> None:
    cut = list(chunks(prose(400)))
    ends = [bool(re.search(r"agrees\.$", chunk.text)) for chunk in cut]
    assert len(cut) > 40
    assert sum(ends) / len(ends) >= 0.98
    assert sum(len(chunk.text) for chunk in cut) / len(cut) > 0.6 * CHUNK_CHARS


def test_scripts_without_blanks_are_cut_at_their_full_stops() -> None:
    cut = [chunk.text for chunk in chunks("今日は天気がいいです。散歩に行きましょう。" * 12, 100)]
    assert all(text.endswith("。") for text in cut)
    assert len(cut) > 2


def test_a_word_that_is_longer_than_the_limit_is_cut_at_the_limit() -> None:
    cut = [chunk.text for chunk in chunks("x" * 1000, 100)]
    assert "".join(cut) == "x" * 1000
    assert max(map(len, cut)) == 100


def test_the_last_passage_is_no_crumb() -> None:
    text = "A sentence of some words. " * 47
    lengths = [len(chunk.text) for chunk in chunks(text, 300)]
    assert min(lengths) >= 300 // 4


def test_a_text_within_the_limit_is_one_passage() -> None:
    text = "First. Second.\n\nThird."
    assert [tuple(chunk) for chunk in chunks(f"\n {text} \n")] == [(text, 2)]


def test_nothing_but_white_space_is_no_passage() -> None:
    assert list(chunks(" \n\t ")) == []


def test_code_is_cut_before_a_definition_and_keeps_its_indentation() -> None:
    source = "\n\n".join(
        f"def f{n}():\n    if {n}:\n\n        return {n}\n    return None" for n in range(40)
    )
    cut = list(chunks(source, 300, "code"))
    assert all(chunk.text.startswith("def f") for chunk in cut)
    inner = list(chunks("class A:\n\n" + "\n\n".join(f"    x{n} = {n}" for n in range(40)), 60, "code"))
    assert all(chunk.text.startswith("    x") for chunk in inner[1:])


def test_passages_of_code_know_their_line_and_definition() -> None:
    lines = ["import os", ""] + [
        f"class Animal{n}:\n    def run(self):\n        return {n}\n" for n in range(30)
    ]
    text = "\n".join(lines)
    found = list(drafts(Document((Part(text, line=1, style="code"),)), "zoo", chunk_chars=200))
    whole = text.split("\n")
    for draft in found:
        line = draft.locator["line"]
        assert isinstance(line, int)
        assert whole[line - 1] == draft.text.split("\n")[0]
    assert found[0].context == "zoo"
    assert all("zoo › " in draft.context for draft in found[1:])


def test_a_passage_is_found_by_its_file_its_title_and_its_heading() -> None:
    part = Part("They purr.", {"page": 3}, heading="Cats")
    (draft,) = drafts(Document((part,)), "animals", "All Animals")
    assert (draft.text, draft.context, draft.locator) == (
        "They purr.",
        "animals › All Animals › Cats",
        {"page": 3},
    )


def test_what_follows_in_a_long_row_is_found_by_its_first_column() -> None:
    part = Part("name: Ann\nstory: " + "She went on and on. " * 100, {"row": 7})
    found = list(drafts(Document((part,)), "people"))
    assert [draft.context for draft in found] == ["people"] + ["people › name: Ann"] * (len(found) - 1)
    assert all(draft.locator == {"row": 7} for draft in found)
