"""Does the agent's memory hold what a user would expect after a whole conversation?

Each is a dozen messages to a new agent, played through the product, and what must then be in its core memory
and its notes. The expectations were written from the messages alone, apart from the generator of training
cases. Replies are not judged, only what was kept.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias, cast

from bridle.agent import Agent, open_agent
from bridle.agent.store import FILE_NAME
from bridle.endpoints import connect
from bridle.endpoints.base import Endpoint

__all__ = ["FILE", "Conversation", "Difference", "Kept", "Played", "compare", "judge", "play", "read"]

FILE = Path(__file__).resolve().parents[1] / "tests" / "data" / "conversations.jsonl"
Forms: TypeAlias = tuple[str, ...]
"""The forms in which one line may stand in memory; most have one."""


@dataclass(frozen=True)
class Conversation:
    """What is said, and what must be kept at the end: lines in their order, and whether the agent pauses."""

    name: str
    turns: tuple[str, ...]
    human: tuple[Forms, ...]
    persona: tuple[Forms, ...]
    archival: tuple[Forms, ...]
    paused: bool


@dataclass(frozen=True)
class Kept:
    """What an agent has in its memory after a turn."""

    human: tuple[str, ...]
    persona: tuple[str, ...]
    archival: tuple[str, ...]
    paused: bool


@dataclass(frozen=True)
class Played:
    """The replies to a conversation, and what was kept after each turn."""

    replies: tuple[str, ...]
    kept: tuple[Kept, ...]


@dataclass(frozen=True)
class Difference:
    """One thing that is not as expected. `turn` counts from 1; None where no turn can be named."""

    text: str
    turn: int | None = None


def read(path: Path = FILE) -> tuple[Conversation, ...]:
    """Read conversations, one JSON object per line; a line of memory is a text or `{"any": [texts]}`."""
    out: list[Conversation] = []
    for line in path.read_text("utf-8").splitlines():
        row = cast("dict[str, object]", json.loads(line))
        out.append(
            Conversation(
                name=str(row["name"]),
                turns=tuple(cast("list[str]", row["turns"])),
                human=_forms(row["human"]),
                persona=_forms(row["persona"]),
                archival=_forms(row["archival"]),
                paused=row["paused"] is True,
            )
        )
    return tuple(out)


def _forms(lines: object) -> tuple[Forms, ...]:
    return tuple(
        (line,) if isinstance(line, str) else tuple(line["any"])
        for line in cast("list[str | dict[str, list[str]]]", lines)
    )


def play(conversation: Conversation, endpoint: str | Path | Endpoint, home: Path) -> Played:
    """Say every turn to a new agent whose store is in `home`, as `bridle chat` does."""
    replies: list[str] = []
    kept: list[Kept] = []
    with open_agent("default", endpoint, home=home) as agent:
        for text in conversation.turns:
            replies.append(agent.turn(text).reply)
            kept.append(_kept(agent, home))
    return Played(tuple(replies), tuple(kept))


def _kept(agent: Agent, home: Path) -> Kept:
    with closing(sqlite3.connect(home / FILE_NAME)) as connection:
        notes = connection.execute("SELECT text FROM passages ORDER BY id").fetchall()
    core = agent.state.core
    return Kept(
        core.block("human").lines,
        core.block("persona").lines,
        tuple(str(text) for (text,) in notes),
        agent.state.paused_until is not None,
    )


def compare(expected: Sequence[Forms], found: Sequence[str]) -> tuple[list[Forms], list[str], bool]:
    """Which lines are missing, which are unexpected, and whether those that match stand in their order.

    >>> compare([("Name: Ada",), ("Pet: dog Bo", "Dog: Bo")], ["Dog: Bo", "Age: 3"])
    ([('Name: Ada',)], ['Age: 3'], True)
    """
    left = list(range(len(found)))
    missing: list[Forms] = []
    places: list[int] = []
    for forms in expected:
        place = next((index for index in left if found[index] in forms), None)
        if place is None:
            missing.append(forms)
        else:
            places.append(place)
            left.remove(place)
    return missing, [found[index] for index in left], places == sorted(places)


def judge(conversation: Conversation, kept: Sequence[Kept]) -> list[Difference]:
    """Compare what was kept after the last turn with what was expected; the earliest difference first."""
    out: list[Difference] = []
    parts: tuple[tuple[str, tuple[Forms, ...], Callable[[Kept], tuple[str, ...]]], ...] = (
        ("human", conversation.human, lambda state: state.human),
        ("persona", conversation.persona, lambda state: state.persona),
        ("archival", conversation.archival, lambda state: state.archival),
    )
    for label, expected, lines in parts:
        history = [lines(state) for state in kept]
        missing, unexpected, ordered = compare(expected, history[-1])
        should: dict[str, int] = {}  # when the line of that key should have changed
        for forms in missing:
            turn = _lost(forms, history) or _said(forms, conversation.turns)
            should[forms[0].split(":")[0]] = turn or 0
            out.append(Difference(f"{label}: missing {' | '.join(forms)!r}", turn))
        for line in unexpected:
            since = next(turn for turn, state in enumerate(history, 1) if line in state)
            turn = max(since, should.get(line.split(":")[0], 0))
            out.append(Difference(f"{label}: unexpected {line!r}", turn))
        if not ordered:
            out.append(Difference(f"{label}: in another order: {list(history[-1])}"))
    if kept[-1].paused != conversation.paused:
        out.append(Difference(f"paused: {kept[-1].paused}, expected {conversation.paused}"))
    return sorted(out, key=lambda one: one.turn or len(kept) + 1)


def _lost(forms: Forms, history: Sequence[tuple[str, ...]]) -> int | None:
    """The turn in which a line went away that had been there."""
    there = [turn for turn, lines in enumerate(history, 1) if any(form in lines for form in forms)]
    return there[-1] + 1 if there else None


def _said(forms: Forms, turns: Sequence[str]) -> int | None:
    """The last turn that has the last word of the line."""
    last = forms[0].split()[-1].strip(".").casefold()
    return next((n for n in range(len(turns), 0, -1) if last in turns[n - 1].casefold()), None)


def main() -> None:
    """Play all conversations; print what differs. Exit with 1 when one does."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", default="embedded", help="a GGUF file, or embedded")
    options = parser.parse_args()
    conversations = read()
    matching = 0
    endpoint = connect("embedded" if options.model == "embedded" else f"llamacpp:{options.model}")
    with closing(endpoint):
        for conversation in conversations:
            with TemporaryDirectory() as home:
                played = play(conversation, endpoint, Path(home))
            differences = judge(conversation, played.kept)
            matching += not differences
            print(f"{conversation.name}: {'differs' if differences else 'matches'}", flush=True)
            for one in differences:
                turn = f" (turn {one.turn}: {conversation.turns[one.turn - 1]!r})" if one.turn else ""
                print(f"    {one.text}{turn}")
    print(f"{matching} of {len(conversations)} conversations match")
    sys.exit(matching < len(conversations))


if __name__ == "__main__":
    main()
