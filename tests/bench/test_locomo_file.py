"""LoCoMo's file as it is published, with what is wrong in it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from bridle.bench.locomo import Utterance, read_locomo, read_time
from bridle.errors import InputError

TURNS = [
    {"speaker": "Ada", "dia_id": "D1:1", "text": "Hi!"},
    {"speaker": "Bo", "dia_id": "D1:2", "text": "", "img_url": ["u"], "blip_caption": "a photo of a dog"},
]
SAMPLE: dict[str, object] = {
    "sample_id": "conv-26",
    "conversation": {
        "speaker_a": "Ada",
        "session_10": [{"speaker": "Bo", "dia_id": "D10:1", "text": "Late."}],
        "session_10_date_time": "12:05 am on 1 January, 2024",
        "session_2": [{"speaker": "Ada", "dia_id": "D2:05", "text": "Again."}],
        "session_2_date_time": "once upon a time",
        "session_1": TURNS,
        "session_1_date_time": "1:56 pm on 8 May, 2023",
        "session_3_date_time": "1:00 pm on 9 May, 2023",
    },
    "qa": [
        {"question": "Who?", "answer": "Bo", "evidence": ["D1:2"], "category": 4},
        {"question": "Both?", "answer": 2022, "evidence": ["D1:1; D2:5", "D:10:01"], "category": 1},
        {"question": "Bad?", "evidence": ["D", "D9:1 D1:1"], "category": 5, "adversarial_answer": "x"},
        {"question": "None?", "answer": "", "evidence": [], "category": 3},
        {"question": "Text?", "answer": "", "evidence": "D1:1", "category": 2},
    ],
}


def saved(folder: Path, value: object) -> Path:
    file = folder / "locomo10.json"
    file.write_text(value if isinstance(value, str) else json.dumps(value), "utf-8")
    return file


def test_sessions_come_in_their_order_with_their_times(tmp_path: Path) -> None:
    (conversation,) = read_locomo(saved(tmp_path, [SAMPLE]))
    assert conversation.name == "conv-26"
    first, second, third = conversation.sessions
    at = datetime(2023, 5, 8, 13, 56)
    assert first == (
        Utterance((1, 1), "Ada", "Hi!", "", at),
        Utterance((1, 2), "Bo", "", "a photo of a dog", at),
    )
    assert [turn.id for turn in (*second, *third)] == [(2, 5), (10, 1)]
    assert [turn.at for turn in (*second, *third)] == [None, datetime(2024, 1, 1, 0, 5)]


def test_evidence_is_understood_where_it_can_be_and_reported_where_not(tmp_path: Path) -> None:
    (conversation,) = read_locomo(saved(tmp_path, SAMPLE))
    found = [(one.text, sorted(one.evidence), one.unresolved) for one in conversation.questions]
    assert found == [
        ("Who?", [(1, 2)], ()),
        ("Both?", [(1, 1), (2, 5), (10, 1)], ()),
        ("Bad?", [(1, 1)], ("D", "D9:1 D1:1")),
        ("None?", [], ()),
        ("Text?", [(1, 1)], ()),
    ]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("12:00 pm on 29 February, 2024", datetime(2024, 2, 29, 12)),
        ("9:55 AM on 22 October, 2023", datetime(2023, 10, 22, 9, 55)),
        ("9:55 am on 31 June, 2023", None),
        ("", None),
    ],
)
def test_times_are_read_as_the_file_writes_them(text: str, time: datetime | None) -> None:
    assert read_time(text) == time


NO_FILES: list[tuple[object, str]] = [
    ("{", "is not JSON"),
    ([], "holds no conversation"),
    ([{"qa": []}], "sample 0 has no 'conversation'"),
    ([SAMPLE, {**SAMPLE, "qa": 3}], "sample 1 cannot be read: 3 is no list"),
    ([SAMPLE | {"qa": [{"question": "?", "category": "x"}]}], "sample 0 cannot be read: invalid literal"),
    ({"conversation": {"session_1": [{"text": "?"}]}, "qa": []}, "sample 0 has no 'speaker'"),
]


@pytest.mark.parametrize(("value", "says"), NO_FILES)
def test_another_file_is_refused_with_the_place(tmp_path: Path, value: object, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        read_locomo(saved(tmp_path, value))
    assert "locomo10.json" in caught.value.hint


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_locomo(tmp_path / "none.json")
