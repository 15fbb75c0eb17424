"""How a message is put together from a wording: lead-ins, tails, ways to ask and to correct."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Sequence
from typing import cast

from entities import DATA
from frames import Piece, Split, Style, pick, plain, render
from topics import Topic

__all__ = ["TALK", "ask", "command", "correct", "forget", "tell", "words"]

TALK = cast("dict[str, object]", tomllib.loads((DATA / "talk.toml").read_text("utf-8")))


def words(name: str, part: str = "") -> tuple[str, ...]:
    """One list of wordings."""
    value = TALK[name]
    if part:
        value = cast("dict[str, object]", value)[part]
    return tuple(cast("list[str]", value))


_LEAD, _REMEMBER, _TAIL = words("lead"), words("remember"), words("tail")
_QLEAD, _QTAIL, _QFRAME = words("qlead"), words("qtail"), words("qframe")
_FORGET, _CORRECT = words("forget"), words("correct")
_TELLFRAME, _FIXFRAME = words("tellframe"), words("fixframe")
_NO_LEAD = (
    "hi",
    "hello",
    "hey",
    "no",
    "name:",
    "email",
    "phone",
    "age",
    "address",
    "height",
    "actually",
    "yes",
    "let",
    "this is",
)


def _around(
    rng: random.Random,
    pieces: list[Piece],
    persona: str,
    leads: Sequence[str],
    tails: Sequence[str],
    share: float,
) -> list[Piece]:
    """Put a lead-in before and a tail behind, now and then."""
    first = pieces[0][0].lower()
    if rng.random() < share and not first.startswith(_NO_LEAD):
        name = f"{persona}, "
        lead = name if rng.random() < 0.06 else leads[int(rng.random() * len(leads))]
        pieces = [(lead, False), *pieces]
    if rng.random() < share * 0.45 and pieces[-1][0][-1:] not in "?!:":
        pieces = [*pieces, (tails[int(rng.random() * len(tails))], False)]
    return pieces


def _halves(rng: random.Random, frame: str, slot: str) -> tuple[str, str]:
    """What stands before a slot and behind it."""
    before, _, after = plain(render(rng, frame, {slot: "\0"})).partition("\0")
    return before, after


def _framed(
    rng: random.Random, frames: Sequence[str], topic: Topic, split: Split, **slots: str
) -> list[Piece]:
    """A wording for any topic, which names it as the user does."""
    frame = pick(rng, frames, split)
    while "<o>" in frame and "o" not in slots:
        frame = pick(rng, frames, "train")
    return render(rng, frame.replace("<about>", rng.choice(topic.about)), {**slots, "n": topic.noun})


def tell(rng: random.Random, style: Style, topic: Topic, value: str, split: Split, persona: str) -> str:
    """A statement of one fact."""
    if topic.about and rng.random() < 0.1:
        return style.write(rng, _framed(rng, _TELLFRAME, topic, split, v=value), ".")
    pieces = topic.words("say", rng, split, v=value)
    if rng.random() < 0.1 and not pieces[0][0].lower().startswith(_NO_LEAD):
        pieces = [(rng.choice(_REMEMBER), False), *pieces]
        return style.write(rng, pieces, ".")
    return style.write(rng, _around(rng, pieces, persona, _LEAD, _TAIL, 0.26), ".")


def correct(
    rng: random.Random, style: Style, topic: Topic, value: str, old: str | None, split: Split, persona: str
) -> str:
    """A statement that something else holds now than what is known."""
    slots = {"v": value} if old is None else {"v": value, "o": old}
    if topic.about and rng.random() < 0.2:
        return style.write(rng, _framed(rng, _FIXFRAME, topic, split, **slots), ".")
    if rng.random() < 0.7:
        pieces = topic.words("fix", rng, split, **slots)
        return style.write(rng, _around(rng, pieces, persona, _LEAD, _TAIL, 0.2), ".")
    say = topic.words("say", rng, split, v=value)
    before, after = _halves(rng, pick(rng, _CORRECT, split), "say")
    if say[0][0].lower().startswith(("hi", "hello", "hey", "yes", "let")):
        before = after = ""
    return style.write(rng, [(before, False), *say, (after, False)], ".")


def ask(
    rng: random.Random, style: Style, topic: Topic, split: Split, persona: str, held_value: str | None = None
) -> str:
    """A question about one topic, now and then with a guess at the answer."""
    if "check" in topic.spec and rng.random() < 0.08:
        value = held_value or topic.value(rng, split)
        pieces = topic.words("check", rng, split, v=style.value(value))
        return style.write(rng, pieces, "?")
    if rng.random() < 0.27:
        before, after = _halves(rng, pick(rng, _QFRAME, split), "about")
        pieces = [(before, False), *topic.words("about", rng, "train"), (after, False)]
        end = "?" if before.startswith(("do", "can", "what", "have", "did", "any", "could", "you")) else "."
    else:
        pieces = topic.words("ask", rng, split)
        end = "?"
    pieces = [piece for piece in pieces if piece[0]]
    done = _around(rng, pieces, persona, _QLEAD, _QTAIL, 0.2)
    return style.write(rng, done, "" if done[-1][0].startswith("? ") else end)


def forget(rng: random.Random, style: Style, topic: Topic, split: Split, persona: str) -> str:
    """A request to forget one topic."""
    before, after = _halves(rng, pick(rng, _FORGET, split), "about")
    pieces = [(before, False), *topic.words("about", rng, "train"), (after, False)]
    return style.write(
        rng, _around(rng, pieces, persona, ("ok, ", "hey, ", "and ", "now "), (", thanks", " now"), 0.1), "."
    )


def command(
    rng: random.Random, style: Style, frames: Sequence[str], split: Split, end: str = ".", **slots: str
) -> str:
    """A message from one list of wordings."""
    return style.write(rng, render(rng, pick(rng, frames, split), slots), end)
