"""Notes: sentences that fit no topic, the questions that ask for them, and what a search for them gives."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from entities import DATA, POOLS, pick_value, pseudo
from frames import Piece, Split, pick, plain, render

__all__ = ["Note", "aside", "listing", "note", "pairs", "phrases", "question", "sentence_about"]


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence, and what it is about."""

    text: str
    about: str
    ask: tuple[str, ...]


_DATA = cast("dict[str, list[object]]", tomllib.loads((DATA / "notes.toml").read_text("utf-8")))


def phrases(name: str) -> tuple[str, ...]:
    """One of the lists of phrases."""
    return tuple(cast("list[str]", _DATA[name]))


_NOTES = cast("list[dict[str, str | list[str]]]", _DATA["note"])

_ASIDES = phrases("asides")


_TARGETS = dict(cast("list[tuple[str, str]]", _DATA["questions"]))
_PATTERNS = tuple(_TARGETS)

_SHOPS, _SECRETS, _RELATIONS = phrases("shops"), phrases("secrets"), phrases("relations")


class _Slots(dict[str, str]):
    """Values made when a template asks for them."""

    def __init__(self, rng: random.Random, split: Split, **known: str) -> None:
        super().__init__(known)
        self._rng = rng
        self._split: Split = split

    def __missing__(self, name: str) -> str:
        rng = self._rng
        if name == "int":
            value = str(rng.randint(1, 99))
        elif name in ("spot", "feeling", "verb_past", "weekday", "language", "event", "month", "instrument"):
            value = rng.choice(POOLS[name])
        elif name == "deed":
            value = plain(render(rng, rng.choice(POOLS["deed"]), self))
        elif name == "relation":
            value = rng.choice(_RELATIONS)
        elif name == "object":
            value = _object(rng, self._split)
        elif name == "size":
            value = (
                f"{rng.randint(2, 300)} {rng.choice(('euros', 'dollars', 'pounds', 'kilos', 'km', 'hours'))}"
            )
        else:
            value = pick_value(rng, {"word2": "word", "person2": "person"}.get(name, name), self._split)
        self[name] = value
        return value


def _object(rng: random.Random, split: Split) -> str:
    kind = rng.random()
    if kind < 0.55:
        return pick_value(rng, "object", split)
    if kind < 0.75:
        return f"{rng.choice(POOLS['color'])} {pick_value(rng, 'word', split)}"
    return pick_value(rng, "word", split) if kind < 0.9 else pseudo(rng)


def _about(rng: random.Random, kind: str, split: Split) -> str:
    if kind == "shop":
        return rng.choice(_SHOPS)
    if kind == "secret":
        return rng.choice(_SECRETS)
    if kind == "event" and rng.random() < 0.7:
        return rng.choice(POOLS["event"])
    if kind in ("event", "word"):
        return (
            f"{pick_value(rng, 'word', split)} {pick_value(rng, 'word', split)}"
            if rng.random() < 0.4
            else pick_value(rng, "word", split)
        )
    return _object(rng, split) if kind == "object" else pick_value(rng, kind, split)


def note(rng: random.Random, split: Split) -> Note:
    """A note that can be asked for."""
    kind = rng.choice(_NOTES)
    about = _about(rng, str(kind["about"]), split)
    slots = _Slots(rng, split, x=about)
    return Note(plain(render(rng, str(kind["text"]), slots)), about, tuple(kind["ask"]))


def aside(rng: random.Random, split: Split) -> str:
    """A sentence that nobody will ask for."""
    return plain(render(rng, pick(rng, _ASIDES, split), _Slots(rng, split)))


def question(rng: random.Random, split: Split) -> tuple[list[Piece], str]:
    """A question that no topic answers, and what to search for."""
    chosen = pick(rng, _PATTERNS, split)
    slots = _Slots(rng, split)
    return render(rng, chosen, slots), plain(render(rng, _TARGETS[chosen], slots))


_ABOUT = phrases("sentences")


def sentence_about(rng: random.Random, thing: str) -> str:
    """Something that was said about a thing."""
    frame = rng.choice(_ABOUT)
    if rng.random() < 0.4:
        frame += rng.choice(
            (", as you know", " this week", " and I was tired", ", believe me", ", or so they say", " again")
        )
    text = frame.replace("<v>", thing)
    return text[:1].upper() + text[1:] if rng.random() < 0.6 else text


def listing(lines: Sequence[str], more: int = 0) -> str:
    """What a search returns: five at most, under the number of all, `more` unseen ones included."""
    if not lines:
        return "No results."
    shown = lines[:5]
    head = f"{len(shown)} of {len(lines) + (more if len(lines) >= 5 else 0)}:"
    lines = shown
    return "\n".join((head, *(f"- {line}" for line in lines)))


def pairs() -> list[tuple[str, str, tuple[str, ...]]]:
    """Two topics each, and how people tell both in one breath; the second value is <w>."""
    found = cast("list[dict[str, str | list[str]]]", _DATA["pair"])
    return [(str(one["first"]), str(one["second"]), tuple(one["say"])) for one in found]
