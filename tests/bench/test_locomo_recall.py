"""Recall on conversations in LoCoMo's shape, by the product's own archive."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from bridle.agent.archival.archive import Archive
from bridle.agent.archival.hashing import hashing_embedder
from bridle.agent.store import Store
from bridle.bench.locomo import Conversation, Question, Utterance, read_locomo
from bridle.bench.retrieval import CUTS, Asked, hits_at, recall_at, retrieve, turn_drafts, units
from bridle.cli import main
from locomo_samples import locomo


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("locomo") / "locomo10.json"
    path.write_text(json.dumps(locomo(3, 12, seed=1)), "utf-8")
    return path


@pytest.fixture(scope="module")
def conversations(file: Path) -> tuple[Conversation, ...]:
    return read_locomo(file)


def by_words(conversation: Conversation, home: Path) -> tuple[Asked, ...]:
    return retrieve(conversation, home)


def without_context(conversation: Conversation, home: Path) -> tuple[Asked, ...]:
    """The same search over what each turn says, and nothing else."""
    asked: list[Asked] = []
    with Store(home) as store:
        archive = Archive(store)
        source = archive.create_source("plain")
        turns = turn_drafts(conversation)
        ids = archive.add(source, [replace(draft, context="") for _, draft in turns])
        turn_of = dict(zip(ids, (turn for turn, _ in turns), strict=True))
        for question in conversation.questions:
            found = archive.search([source], question.text, size=max(CUTS)).found
            asked.append(Asked(question, tuple(turn_of[one.passage.id] for one in found)))
    return tuple(asked)


def test_each_turn_is_one_unit_and_is_found_again(
    conversations: tuple[Conversation, ...], tmp_path: Path
) -> None:
    conversation = conversations[0]
    asked = by_words(conversation, tmp_path)
    assert [one.question for one in asked] == list(conversation.questions)
    turns = [turn.id for session in conversation.sessions for turn in session]
    for one in asked:
        assert 0 < len(one.found) <= max(CUTS)
        assert len(set(one.found)) == len(one.found)
        assert set(one.found) <= set(turns)
    assert len(units([conversation])) == len(turns)


def test_the_date_and_the_turn_before_find_what_words_alone_do_not(
    conversations: tuple[Conversation, ...], tmp_path: Path
) -> None:
    asked: list[Asked] = []
    plain: list[Asked] = []
    for conversation in conversations:
        asked += by_words(conversation, tmp_path / "with" / conversation.name)
        plain += without_context(conversation, tmp_path / "plain" / conversation.name)
    assert len(asked) > 300
    assert recall_at(asked, 10) >= 0.725
    assert recall_at(asked, 25) >= 0.95
    assert recall_at(asked, 10) > recall_at(plain, 10) + 0.1
    assert hits_at(asked, 10) >= recall_at(asked, 10)
    assert [recall_at(asked, k) for k in CUTS] == sorted(recall_at(asked, k) for k in CUTS)


@pytest.mark.skipif(find_spec("numpy") is None, reason="numpy is not installed")
def test_vectors_are_added_where_an_embedder_is_given(
    conversations: tuple[Conversation, ...], tmp_path: Path
) -> None:
    words = by_words(conversations[0], tmp_path / "words")
    both = retrieve(conversations[0], tmp_path / "both", embedder=hashing_embedder("hashing:256"))
    assert [one.question for one in both] == [one.question for one in words]
    assert [one.found for one in both] != [one.found for one in words]
    assert recall_at(both, 10) >= 0.725


def test_a_picture_is_found_by_what_it_shows_and_empty_text_is_no_hole(tmp_path: Path) -> None:
    said = (
        Utterance((1, 1), "Ada", "", "a photo of a heron"),
        Utterance((1, 2), "Bo", ""),
        Utterance((1, 3), "Bo", "Thanks!"),
        Utterance((2, 1), "Bo", "Thanks!"),
    )
    asked = (
        Question("Who showed a heron?", 4, frozenset({(1, 1)})),
        Question("Nothing?", 4, frozenset()),
    )
    conversation = Conversation("tiny", (said[:3], said[3:]), asked)
    assert [draft.text for _, draft in turn_drafts(conversation)] == [
        "Ada: [picture: a photo of a heron]",
        "Bo: ",
        "Bo: Thanks!",
        "Bo: Thanks!",
    ]
    (one,) = by_words(conversation, tmp_path)
    assert one.found[0] == (1, 1)
    assert recall_at([one], 5) == hits_at([one], 5) == 1
    assert recall_at([], 5) == hits_at([], 5) == 0


def test_recall_is_the_share_of_the_evidence() -> None:
    one = Asked(
        Question("?", 1, frozenset({(1, 1), (1, 2)})), ((2, 1), (1, 1), (3, 1), (4, 1), (5, 1), (1, 2))
    )
    other = Asked(Question("?", 1, frozenset({(9, 9)})), ())
    assert (one.recall(5), one.recall(10)) == (0.5, 1.0)
    assert (recall_at([one, other], 5), recall_at([one, other], 10)) == (0.25, 0.5)
    assert hits_at([one, other], 5) == 0.5


def test_the_command_prints_a_table(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "memory", "--locomo", str(file)]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith("LoCoMo, 383 questions with evidence, 537 turns, by words alone")
    assert lines[1].split() == ["recall", "n", "@5", "@10", "@25", "@50"]
    assert [line.split()[0] for line in lines[2:6]] == ["multi-hop", "temporal", "single-hop", "all"]
    assert "a turn has" in lines[7]
    assert "383 questions so far" in err


def test_the_command_prints_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "memory", "--locomo", str(file), "--json", "--offline"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert list(facts["recall"]) == ["5", "10", "25", "50"]
    assert facts["recall"]["10"] >= 0.725
    assert (facts["questions"], facts["units"], facts["conversations"]) == (383, 537, 3)
    assert set(facts["per_category"]) == {"multi-hop", "temporal", "single-hop"}
    assert sum(one["questions"] for one in facts["per_category"].values()) == 383
    assert facts["characters_per_unit"] == pytest.approx(52.7, abs=1)
    assert facts["tokens_per_unit"] is None or 5 < facts["tokens_per_unit"] < 52


def test_one_thing_is_measured_at_a_time(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "memory", "--nested-kv", "--locomo", str(file)]) == 2
    assert "--nested-kv or --locomo FILE" in capsys.readouterr().err


def test_an_embedder_elsewhere_is_refused_offline(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    far = ["--embedder", "http://192.0.2.7:1234", "--offline"]
    assert main(["bench", "memory", "--locomo", str(file), *far]) in (1, 2, 3)
    assert "192.0.2.7" in capsys.readouterr().err
