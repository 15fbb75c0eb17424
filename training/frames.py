"""Wordings: templates with alternatives and slots, what is held out of training, how people really type."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

__all__ = ["Piece", "Split", "Style", "article", "held", "join_words", "pick", "plain", "render"]

Split = Literal["train", "entities", "frames"]
Piece: TypeAlias = tuple[str, bool]
"""Some text, and whether it is a value, which noise must not touch."""

_TOKEN = re.compile(r"\(([^()|]*(?:\|[^()|]*)+)\)|\(([^()|]*)\)\?|(,)\?|<(a )?(\w+)>")


def held(text: str, percent: int) -> bool:
    """Is this wording or value held out of training? Decided by its hash, the same on every machine."""
    digest = hashlib.sha1(text.encode("utf-8"), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big") % 100 < percent


@cache
def _sides(frames: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is trained and what is held out: a fifth of all but the first three."""
    out = tuple(f for i, f in enumerate(frames) if i >= 3 and held(f, 20))
    return tuple(f for f in frames if f not in out), out


def pick(rng: random.Random, frames: Sequence[str], split: Split) -> str:
    """One wording of the split; the first ones of a list come a little more often."""
    trained, out = _sides(tuple(frames))
    pool = out if split == "frames" and out else trained
    if len(pool) > 8 and rng.random() < 0.2:
        return pool[int(rng.random() * 5)]
    return pool[int(rng.random() * len(pool))]


def article(value: str) -> str:
    """`a` or `an` before a value, or nothing where it has an article of its own."""
    if value.lower().startswith(("a ", "an ", "the ")):
        return value
    return f"{'an' if value[:1].lower() in 'aeiou' else 'a'} {value}"


def join_words(values: Sequence[str]) -> str:
    """Write a list in words.

    >>> join_words(["tea", "jazz", "rain"])
    'tea, jazz and rain'
    """
    if len(values) < 2:
        return "".join(values)
    return f"{', '.join(values[:-1])} and {values[-1]}"


@cache
def _parse(template: str) -> tuple[str | tuple[str, ...] | tuple[bool, str], ...]:
    """Literal text, alternatives, or (with article?, slot)."""
    out: list[str | tuple[str, ...] | tuple[bool, str]] = []
    place = 0
    for found in _TOKEN.finditer(template):
        out.append(template[place : found.start()])
        place = found.end()
        if found[1] is not None:
            out.append(tuple(found[1].split("|")))
        elif found[2] is not None:
            out.append((found[2], ""))
        elif found[3] is not None:
            out.append((",", ""))
        else:
            out.append((found[4] is not None, found[5]))
    out.append(template[place:])
    return tuple(part for part in out if part != "")


def render(rng: random.Random, template: str, slots: Mapping[str, str]) -> list[Piece]:
    """Choose among a template's alternatives and fill its slots."""
    out: list[Piece] = []
    for part in _parse(template):
        if isinstance(part, str):
            out.append((part, False))
        elif isinstance(part[0], bool):
            value = slots[str(part[1])]
            if part[0]:
                before = article(value)[: -len(value)]
                out.append((before, False))
            out.append((value, True))
        else:
            chosen = part[int(rng.random() * len(part))]
            if "<" in str(chosen):
                out += render(rng, str(chosen), slots)
            else:
                out.append((str(chosen), False))
    return [piece for piece in out if piece[0]]


def plain(pieces: Sequence[Piece]) -> str:
    """The text of pieces."""
    return "".join(text for text, _ in pieces)


@dataclass(frozen=True, slots=True)
class Style:
    """How one person types one message."""

    lower: bool
    lower_values: bool
    bare: bool
    """No full stop or question mark at the end."""
    no_apostrophes: bool
    typo: bool
    upper_first: bool

    @staticmethod
    def draw(rng: random.Random) -> Style:
        """A random style; a third types without capitals."""
        lower = rng.random() < 0.33
        return Style(
            lower=lower,
            lower_values=lower and rng.random() < 0.75,
            bare=rng.random() < (0.8 if lower else 0.35),
            no_apostrophes=rng.random() < (0.4 if lower else 0.06),
            typo=rng.random() < 0.08,
            upper_first=rng.random() < 0.8,
        )

    def value(self, value: str) -> str:
        """The value as this person types it."""
        return value.lower() if self.lower_values else value

    def write(self, rng: random.Random, pieces: Sequence[Piece], end: str) -> str:
        """The message: noise on all that is no value, and an end mark unless this person leaves it out."""
        out = [piece for piece in pieces if piece[0]]
        if self.typo:
            out = _with_typo(rng, out)
        texts: list[str] = []
        for text, value in out:
            done = text
            if not value:
                if self.lower:
                    done = done.lower()
                if self.no_apostrophes:
                    done = done.replace("'", "")
            texts.append(done)
        message = "".join(texts)
        if self.upper_first and not self.lower and out and not out[0][1]:
            message = message[:1].upper() + message[1:]
        if end and not (self.bare or message[-1:] in "?!.:;)"):
            message += end
        elif (
            end == "." and not self.lower and message and message[-1] not in "?!.:;)" and rng.random() < 0.15
        ):
            message += "!"
        return message


def _with_typo(rng: random.Random, pieces: list[Piece]) -> list[Piece]:
    """Drop, double or swap one letter of a word that is no value."""
    places = [
        (index, found.start(), found.end())
        for index, (text, value) in enumerate(pieces)
        if not value
        for found in re.finditer(r"[a-z]{4,}", text)
    ]
    if not places:
        return pieces
    index, start, end = places[int(rng.random() * len(places))]
    at = rng.randrange(start + 1, end - 1)
    text = pieces[index][0]
    kind = rng.random()
    if kind < 0.4:
        text = text[:at] + text[at + 1 :]
    elif kind < 0.7:
        text = text[:at] + text[at] + text[at:]
    else:
        text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return [*pieces[:index], (text, False), *pieces[index + 1 :]]
