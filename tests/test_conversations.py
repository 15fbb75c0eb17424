"""Whole conversations with the embedded model: what a user would expect is in memory at the end."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_scripts import append, call, say, scripted
from bridle.agent.prompt import COMPACT, FULL
from bridle.endpoints import connect
from project import ROOT

sys.path.append(str(ROOT / "training"))
conversations: Any = pytest.importorskip("conversations")

MATCHING = 6
"""So many of the ten are kept exactly by the embedded model."""
KNOWN = conversations.read()
FIELDS = {"name": str, "turns": list, "human": list, "persona": list, "archival": list, "paused": bool}


def kept(human: tuple[str, ...], archival: tuple[str, ...] = (), paused: bool = False) -> Any:
    return conversations.Kept(human, (COMPACT.persona,), archival, paused)


def expecting(*human: tuple[str, ...], turns: tuple[str, ...], persona: str = COMPACT.persona) -> Any:
    return conversations.Conversation("one", turns, human, ((persona,),), (), False)


def test_there_are_ten_of_twelve_turns_each() -> None:
    assert len(KNOWN) == 10
    assert len({one.name for one in KNOWN}) == 10
    for one in KNOWN:
        assert len(one.turns) == 12, one.name
        assert all(turn == turn.strip() != "" and "\n" not in turn for turn in one.turns), one.name


def test_every_row_has_the_fields_and_no_others() -> None:
    for line in conversations.FILE.read_text("utf-8").splitlines():
        assert {key: type(value) for key, value in json.loads(line).items()} == FIELDS, line


@pytest.mark.parametrize("one", KNOWN, ids=lambda one: str(one.name))
def test_what_is_expected_was_said(one: Any) -> None:
    said = " ".join((COMPACT.persona, "My name is", *one.turns)).casefold()
    for forms in (*one.human, *one.persona, *one.archival):
        assert forms
        for form in forms:
            value = form.rpartition(": ")[2].rstrip(".")
            assert all(word.casefold() in said for word in value.split()), form
    for forms in one.human:
        assert all(": " in form for form in forms), forms
    assert len(one.persona) == 1, "a new name takes the place of the old one"
    keys = [forms[0].partition(":")[0] for forms in one.human if not forms[0].startswith("Likes:")]
    assert len(keys) == len(set(keys)), "one line for each thing"


def test_the_expected_memory_fits_its_block() -> None:
    for one in KNOWN:
        core = COMPACT.core()
        for forms in one.human:
            core = core.append("human", max(forms, key=len))
        assert len(core.block("human").lines) == len(one.human)


def test_missing_unexpected_and_moved_lines_are_told() -> None:
    expected = (("Name: Ada",), ("Pet: dog Bo", "Dog: Bo"), ("Age: 3",))
    assert conversations.compare(expected, ["Name: Ada", "Dog: Bo", "Age: 3"]) == ([], [], True)
    assert conversations.compare(expected, ["Dog: Bo", "Name: Ada", "Age: 3"]) == ([], [], False)
    missing, unexpected, ordered = conversations.compare(expected, ["Name: Ada", "Name: Ada", "Age: 4"])
    assert missing == [("Pet: dog Bo", "Dog: Bo"), ("Age: 3",)]
    assert unexpected == ["Name: Ada", "Age: 4"]
    assert ordered


def test_a_difference_names_the_turn() -> None:
    one = expecting(("Job: baker",), turns=("I am a welder", "Hello", "I am a baker now"))
    states = [kept(("Job: welder",))] * 3
    found = [(each.text, each.turn) for each in conversations.judge(one, states)]
    assert found == [("human: missing 'Job: baker'", 3), ("human: unexpected 'Job: welder'", 3)]
    lost = [kept(("Job: baker",)), kept(()), kept((), paused=True)]
    assert [(each.text, each.turn) for each in conversations.judge(one, lost)] == [
        ("human: missing 'Job: baker'", 2),
        ("paused: True, expected False", None),
    ]
    invented = [*[kept(("Job: baker",))] * 2, kept(("Job: baker",), archival=("hm",))]
    assert [each.turn for each in conversations.judge(one, invented)] == [3]


def test_a_conversation_is_played_through_the_product(tmp_path: Path) -> None:
    note = call("archival_memory_insert", content="bins on Monday", request_heartbeat=True)
    answers = [append("Name: Ada"), say("Hi Ada!"), note, say("Noted."), call("pause_heartbeats", minutes=5)]
    turns = ("I am Ada", "bins on Monday", "be quiet for 5 minutes")
    one = expecting(("Name: Ada",), turns=turns, persona=FULL.persona)
    played = conversations.play(one, scripted([*answers, say("All right.")]), tmp_path)
    assert played.replies == ("Hi Ada!", "Noted.", "All right.")
    assert [state.human for state in played.kept] == [("Name: Ada",)] * 3
    assert [state.archival for state in played.kept] == [(), ("bins on Monday",), ("bins on Monday",)]
    assert [state.paused for state in played.kept] == [False, False, True]
    assert [(each.text, each.turn) for each in conversations.judge(one, played.kept)] == [
        ("archival: unexpected 'bins on Monday'", 2),
        ("paused: True, expected False", None),
    ]


@pytest.mark.slow
def test_the_embedded_model_keeps_what_was_told(tmp_path: Path) -> None:
    endpoint = connect("embedded")
    differing: list[str] = []
    for index, one in enumerate(KNOWN):
        home = tmp_path / str(index)
        home.mkdir()
        if found := conversations.judge(one, conversations.play(one, endpoint, home).kept):
            differing.append(f"{one.name}: {found[0].text} (turn {found[0].turn})")
    endpoint.close()
    assert len(KNOWN) - len(differing) >= MATCHING, "\n".join(differing)
