"""Read LoCoMo's public file, `locomo10.json`: long conversations, and questions with the turns that answer
them.

The format is that of https://github.com/snap-research/locomo (looked up 2026-11-20): a list of samples, each
with a `conversation` (`session_1` is a list of turns, `session_1_date_time` when they were said) and `qa`.
The data's licence (CC BY-NC 4.0) does not let us ship it; the user fetches the file.

The release writes some of its evidence wrongly (`D8:6; D9:17`, `D:11:26`, `D30:05`, `D`). What can be
understood is used, and the rest is reported.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeAlias, cast

from bridle.errors import InputError

__all__ = ["CATEGORIES", "Conversation", "Question", "TurnId", "Utterance", "read_locomo", "read_time"]

TurnId: TypeAlias = tuple[int, int]
"""A session and a turn in it, both counted from 1: `D1:3` is (1, 3)."""

CATEGORIES: Mapping[int, str] = {
    1: "multi-hop",
    2: "temporal",
    3: "open-domain",
    4: "single-hop",
    5: "adversarial",
}
_TURN = re.compile(r"D\s*:?\s*([0-9]+)\s*:\s*([0-9]+)", re.IGNORECASE)
_SESSION = re.compile(r"session_([0-9]+)")
_HINT = "give the file locomo10.json as its authors publish it"


@dataclass(frozen=True, slots=True)
class Utterance:
    """One turn: who said what, what a picture in it shows, and when its session was."""

    id: TurnId
    speaker: str
    text: str
    caption: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the turns that answer it, and the pieces of evidence that name no turn."""

    text: str
    category: int
    evidence: frozenset[TurnId]
    unresolved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """All sessions of two people, in their order, and the questions about them."""

    name: str
    sessions: tuple[tuple[Utterance, ...], ...]
    questions: tuple[Question, ...]


def read_locomo(path: Path) -> tuple[Conversation, ...]:
    """Read the file.

    Raises:
        InputError: when it cannot be read, or is no such file; with the place.
    """
    try:
        loaded: object = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", hint=_HINT) from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}", hint=_HINT) from error
    samples = cast("list[object]", loaded) if isinstance(loaded, list) else [loaded]
    if not samples:
        raise InputError(f"{path} holds no conversation", hint=_HINT)
    found: list[Conversation] = []
    for number, sample in enumerate(samples):
        try:
            found.append(_conversation(_mapping(sample), number))
        except (KeyError, TypeError, ValueError) as error:
            what = f"has no {error}" if isinstance(error, KeyError) else f"cannot be read: {error}"
            raise InputError(f"{path}: sample {number} {what}", hint=_HINT) from error
    return tuple(found)


def _conversation(sample: Mapping[str, object], number: int) -> Conversation:
    talk = _mapping(sample["conversation"])
    numbers = sorted(int(found[1]) for key in talk if (found := _SESSION.fullmatch(key)))
    sessions = tuple(tuple(_session(talk, session)) for session in numbers)
    known = frozenset(turn.id for session in sessions for turn in session)
    questions = tuple(_question(_mapping(one), known) for one in _list(sample["qa"]))
    return Conversation(str(sample.get("sample_id", number)), sessions, questions)


def _session(talk: Mapping[str, object], session: int) -> Iterator[Utterance]:
    at = read_time(str(talk.get(f"session_{session}_date_time", "")))
    for place, one in enumerate(_list(talk[f"session_{session}"]), 1):
        turn = _mapping(one)
        named = _TURN.search(str(turn.get("dia_id", "")))
        caption = str(turn.get("blip_caption") or "").strip()
        yield Utterance(
            (int(named[1]), int(named[2])) if named else (session, place),
            str(turn["speaker"]),
            str(turn.get("text") or "").strip(),
            caption,
            at,
        )


def read_time(text: str) -> datetime | None:
    """Read a session's time as the file writes it; None where it is none.

    >>> read_time("1:56 pm on 8 May, 2023")
    datetime.datetime(2023, 5, 8, 13, 56)
    """
    found = re.search(r"([0-9]{1,2}):([0-9]{2})\s*([ap]m)\s+on\s+(.+)", text.strip(), re.IGNORECASE)
    if found is None:
        return None
    try:
        day = datetime.strptime(found[4].replace(",", " ").strip(), "%d %B %Y")
        hour = int(found[1]) % 12 + (12 if found[3].lower() == "pm" else 0)
        return day.replace(hour=hour, minute=int(found[2]))
    except ValueError:
        return None


def _question(one: Mapping[str, object], known: frozenset[TurnId]) -> Question:
    given = one.get("evidence") or ()
    pieces = [given] if isinstance(given, str) else [str(piece) for piece in _list(given)]
    evidence: set[TurnId] = set()
    unresolved: list[str] = []
    for piece in pieces:
        named = {(int(session), int(turn)) for session, turn in _TURN.findall(piece)}
        evidence |= named & known
        if not named or named - known:
            unresolved.append(piece)
    return Question(str(one["question"]), int(str(one["category"])), frozenset(evidence), tuple(unresolved))


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r:.60} is no object")
    return cast("Mapping[str, object]", value)  # from json.loads


def _list(value: object) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"{value!r:.60} is no list")
    return cast("Sequence[object]", value)
