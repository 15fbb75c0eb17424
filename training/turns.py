"""All other turns: notes, searches, the agent's own name, pauses, the time and small talk."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import timedelta
from typing import cast

import notes
import talk
from entities import POOLS, WORDS, pick_value, pseudo
from frames import Style, pick, plain, render
from texts import any_text
from topics import draw_topic
from world import Turn, World

__all__ = [
    "ask_free",
    "cannot",
    "chat",
    "clock",
    "copy",
    "day",
    "keep",
    "pause",
    "rename",
    "said",
    "unclear",
    "whoami",
]

_CHAT = cast("list[Mapping[str, object]]", talk.TALK["chat"])
_CANNOT = cast("Mapping[str, object]", talk.TALK["cannot"])
_FORGET_ALL = cast("Mapping[str, object]", talk.TALK["forget_all"])
_UNCLEAR = cast("Mapping[str, object]", talk.TALK["unclear"])
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_FAILURES = ("the store is full", "the disk is full", "the file is read-only", "the database is locked")
_UNKNOWN = "I don't know that. I only know what you have told me."


def _noisy(
    rng: random.Random, style: Style, frames: tuple[str, ...], world: World, end: str, share: float = 0.12
) -> str:
    text = talk.command(rng, style, frames, world.split, end)
    if rng.random() < share and text[:1].isalpha():
        lead = rng.choice(
            (
                "hey ",
                "hey, ",
                "so ",
                "ok ",
                "ok, ",
                "um, ",
                "well, ",
                f"{world.persona}, ",
                "oh ",
                "hi, ",
                "by the way, ",
                "please, ",
            )
        )
        first = text[:1] if text.startswith(("I ", "I'")) else text[:1].lower()
        text = lead + first + text[1:]
    return text


def keep(rng: random.Random, world: World) -> Turn:
    """The user wants a note kept, or says something that fits nowhere else."""
    style = Style.draw(rng)
    split = world.split
    if rng.random() < 0.45:
        text = clause = notes.aside(rng, split).lower() if style.lower else notes.aside(rng, split)
        if not style.lower and rng.random() < 0.8:
            text = clause = clause[:1].upper() + clause[1:]
        lead = (
            rng.choice(
                ("btw ", "hey, ", "oh, ", "so ", "well, ", "just so you know, ", "um, ", "by the way, ")
            )
            if rng.random() < 0.15
            else ""
        )
        if lead:
            clause = text = clause if clause.startswith(("I ", "I'")) else clause[:1].lower() + clause[1:]
        text = lead + text + ("" if style.bare else rng.choice((".", ".", ".", "!")))
    else:
        clause = notes.note(rng, split).text if rng.random() < 0.7 else notes.aside(rng, split)
        clause = clause.lower() if style.lower_values else clause
        pieces = render(rng, pick(rng, talk.words("notes_cmd"), split), {"s": clause})
        text = style.write(rng, pieces, ".")
        clause = clause if clause in text else text[-len(clause) :]
    turn = Turn(world, text)
    assert clause in text, (clause, text)
    failed = rng.random() < 0.06
    result = turn.insert("note", "note", clause, f"Failed: {rng.choice(_FAILURES)}" if failed else "OK")
    if result == "OK":
        turn.say("note_saved", "saved", f"Noted: {clause}.", clause)
    else:
        turn.say("ack", "failed", "Sorry, I could not save that.", "sorry")
    return turn


def ask_free(rng: random.Random, world: World) -> Turn:
    """The user asks for something that is in no line of memory; a note may know it."""
    style = Style.draw(rng)
    if rng.random() < 0.35:
        pieces, about = notes.question(rng, world.split)
        kept = None
    else:
        kept = notes.note(rng, world.split)
        about = kept.about
        pieces = render(rng, pick(rng, kept.ask, world.split), {"x": about})
    if style.lower and not style.lower_values and about != about.lower():
        style = Style(False, False, style.bare, style.no_apostrophes, style.typo, True)
    if style.lower_values or (style.lower and about == about.lower()):
        pieces, about = [(text.lower(), value) for text, value in pieces], about.lower()
    if style.typo:
        style = Style(
            style.lower, style.lower_values, style.bare, style.no_apostrophes, False, style.upper_first
        )
    text = style.write(rng, pieces, "?")
    if rng.random() < 0.12:
        lead = rng.choice(
            (
                "hey, ",
                "so ",
                "ok, ",
                "um, ",
                "tell me, ",
                f"{world.persona}, ",
                "please, ",
                "quick question: ",
            )
        )
        text = lead + (
            text if text.startswith(("I ", "I'")) or text[:1] in about[:1] else text[:1].lower() + text[1:]
        )
    turn = Turn(world, text)
    found: list[str] = []
    known = kept is not None and rng.random() < 0.7
    if kept is not None and known:
        found.append(kept.text if rng.random() < 0.5 else kept.text[:1].upper() + kept.text[1:])
    if rng.random() < (0.35 if known else 0.25):
        for _ in range(rng.choice((1, 1, 2))):
            other = notes.note(rng, world.split)
            if about.lower() not in other.text.lower():
                found.insert(len(found) if rng.random() < 0.75 else 0, other.text)
    turn.search("ask_free", f"{about}: ?", about, notes.listing(found))
    if kept is not None and known:
        quoted = next(line for line in found if line.lower() == kept.text.lower())
        turn.say("answer_archive", f"{about}: found", f"Your note says: {quoted}.", quoted)
    else:
        turn.say("answer_none", f"{about}: ?", _UNKNOWN, "don't")
    return turn


def _thing(rng: random.Random, world: World) -> str:
    pool = rng.choice(
        ("person", "place", "liked", "object", "event", "word", "petname", "noun", "company", "job", "hobby")
    )
    if pool == "event":
        return rng.choice(POOLS["event"])
    value = pick_value(rng, pool, world.split)
    kind = rng.random()
    if kind < 0.12 and pool in ("object", "event", "noun", "job"):
        return f"my {value}"
    return value


def _logged(rng: random.Random, world: World, text: str, role: str = "") -> str:
    when = f"{world.now - timedelta(days=rng.randint(0, 400)):%Y-%m-%d}"
    return f"[{when}] {role or ('user' if rng.random() < 0.8 else 'assistant')}: {text}"


def _quote(turn: Turn, kind: str, thoughts: str, line: str) -> None:
    head, _, text = line.partition(": ")
    who = "You" if head.endswith("user") else "I"
    turn.say(kind, thoughts, f'{who} said: "{text}"', text)


def said(rng: random.Random, world: World) -> Turn:
    """The user asks what was said about something."""
    style = Style.draw(rng)
    topic = draw_topic(rng, world.split) if rng.random() < 0.3 else None
    value = style.value(topic.value(rng, world.split) if topic else _thing(rng, world))
    noun = bool(topic and topic.noun and topic.noun == topic.noun.lower() and rng.random() < 0.5)
    about = topic.noun if topic and noun else value.removeprefix("my ")
    thing = f"my {about}" if noun else value
    turn = Turn(world, talk.command(rng, style, talk.words("said"), world.split, "?", v=thing))
    hits = [
        _logged(rng, world, notes.sentence_about(rng, about))
        for _ in range(rng.choice((0, 0, 1, 1, 1, 2, 3, 5)))
    ]
    if topic and rng.random() < 0.8:
        told = talk.tell(rng, Style.draw(rng), topic, value, "train", world.persona)
        hits = [
            _logged(rng, world, told, role="user"),
            _logged(rng, world, f"Got it, {topic.reply([value])}.", role="assistant"),
            *hits,
        ]
        hits = hits[rng.choice((0, 0, 0, 1)) :]
    result = notes.listing(hits, rng.randint(0, 20))
    turn.search("conv_search", f"said: {about}", about, result, "conversation_search")
    if hits:
        _quote(turn, "conv_answer", f"said: {about}", hits[0])
    else:
        turn.say(
            "conv_answer",
            f"said: {about} ?",
            f"I can't find anything about {about} in our conversations.",
            "can't find",
        )
    return turn


def _log(rng: random.Random, world: World, date: str) -> list[str]:
    """What was said on a day, beginning with the user."""
    out: list[str] = []
    for _ in range(rng.choice((0, 1, 1, 2, 3, 3))):
        kind = rng.random()
        if kind < 0.3:
            group = rng.choice(_CHAT)
            said, reply = rng.choice(cast("list[str]", group["say"])), str(group["reply"])
        elif kind < 0.65:
            topic = draw_topic(rng, world.split)
            value = topic.value(rng, world.split)
            said, reply = (
                talk.tell(rng, Style.draw(rng), topic, value, "train", world.persona),
                f"Got it, {topic.reply([value])}.",
            )
        else:
            said = notes.sentence_about(rng, _thing(rng, world))
            reply = f"Noted: {said}."
        out += [f"[{date}] user: {said}", f"[{date}] assistant: {reply}"]
    return out


def day(rng: random.Random, world: World) -> Turn:
    """The user asks what was said on a day."""
    style = Style.draw(rng)
    kind = rng.random()
    if kind < 0.45:
        then, words = world.now - timedelta(days=1), "yesterday"
    elif kind < 0.6:
        then, words = world.now, rng.choice(("today", "today", "earlier today", "this morning"))
    else:
        then = world.now - timedelta(days=rng.randint(2, 500))
        words = f"on {then:%Y-%m-%d}"
    date = then.strftime("%Y-%m-%d")
    frames = talk.words("day_ask")
    turn = Turn(world, talk.command(rng, style, frames, world.split, "?", d=words))
    hits = _log(rng, world, date)
    result = notes.listing(hits, rng.randint(0, 20))
    arguments: dict[str, object] = {"start_date": date, "end_date": date, "request_heartbeat": True}
    turn.call(
        "date_search",
        f"day: {date}",
        "conversation_search_date",
        cast("Mapping[str, str]", arguments),
        result,
    )
    if hits:
        _quote(turn, "conv_answer", f"day: {date}", hits[0])
    else:
        turn.say("conv_answer", f"day: {date} ?", f"I can't find anything from {date}.", "can't find")
    return turn


_NUMBERS = {
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "ten": 10,
    "fifteen": 15,
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
}


def _span(rng: random.Random) -> tuple[str, int]:
    kind = rng.random()
    if kind < 0.45:
        count = rng.choice(
            (5, 10, 15, 20, 25, 30, 40, 45, 50, 60, 90, 120, rng.randint(2, 360), rng.randint(2, 59))
        )
        return f"{count} {rng.choice(('minutes', 'minutes', 'min', 'mins'))}", count
    if kind < 0.6:
        word = rng.choice(list(_NUMBERS))
        return f"{word} minutes", _NUMBERS[word]
    if kind < 0.75:
        return rng.choice(
            (
                ("an hour", 60),
                ("1 hour", 60),
                ("one hour", 60),
                ("half an hour", 30),
                ("a minute", 1),
                ("a quarter of an hour", 15),
                ("a while", 30),
                ("a bit", 30),
            )
        )
    count = rng.randint(2, 6)
    word = next(name for name, value in _NUMBERS.items() if value == count)
    return rng.choice((f"{count} hours", f"{word} hours", f"{count} h", f"the next {word} hours")), count * 60


def pause(rng: random.Random, world: World) -> Turn:
    """The user wants to be left alone for a while."""
    style = Style.draw(rng)
    words, minutes = _span(rng)
    turn = Turn(world, talk.command(rng, style, talk.words("pause"), world.split, ".", d=words))
    turn.call("pause", f"pause {minutes}", "pause_heartbeats", {"minutes": minutes})
    turn.say(
        "ack",
        "paused",
        f"All right, I will be quiet for {minutes} minute{'s' if minutes > 1 else ''}.",
        str(minutes),
    )
    return turn


def whoami(rng: random.Random, world: World) -> Turn:
    """The user asks for the agent's name."""
    turn = Turn(world, _noisy(rng, Style.draw(rng), talk.words("whoami"), world, "?"))
    line = f"My name is {world.persona}."
    turn.say("whoami", line, line, world.persona)
    return turn


def rename(rng: random.Random, world: World) -> Turn:
    """The user gives the agent another name."""
    style = Style.draw(rng)
    name = style.value(pick_value(rng, "first", world.split, (world.persona.lower(),)))
    frame = pick(rng, talk.words("rename"), world.split)
    turn = Turn(world, style.write(rng, render(rng, frame, {"v": name, "o": world.persona}), "."))
    old = world.name_line
    new = old.replace(f"My name is {world.persona}.", f"My name is {name}.", 1)
    assert new != old
    world.persona = name
    turn.replace("rename", f"{old} > {new}"[:118], old, new, "persona")
    turn.say("ack", "saved", f"All right, my name is {name} now.", name)
    return turn


def clock(rng: random.Random, world: World) -> Turn:
    """The user asks for the time or the date."""
    now = world.now
    kind = rng.random()
    which = "clock" if kind < 0.5 else "date" if kind < 0.9 else "yesterday"
    turn = Turn(world, _noisy(rng, Style.draw(rng), talk.words("time", which), world, "?"))
    if which == "clock":
        turn.say("time", f"time {now:%H:%M}", f"It is {now:%H:%M}.", f"{now:%H:%M}")
    elif which == "date":
        weekday = _WEEKDAYS[now.weekday()]
        turn.say(
            "time",
            f"date {now:%Y-%m-%d} {weekday}",
            f"Today is {weekday}, {now:%Y-%m-%d}.",
            f"{now:%Y-%m-%d}",
        )
    else:
        date = f"{now - timedelta(days=1):%Y-%m-%d}"
        turn.say("time", f"yesterday {date}", f"Yesterday was {date}.", date)
    return turn


_ASKING = (
    "how",
    "are ",
    "what",
    "can ",
    "do ",
    "who",
    "where",
    "which",
    "is ",
    "will ",
    "does ",
    "when",
    "why",
    "am ",
)


def chat(rng: random.Random, world: World) -> Turn:
    """Small talk."""
    group = _CHAT[int(rng.random() * len(_CHAT))]
    frames = tuple(cast("list[str]", group["say"]))
    style = Style.draw(rng)
    text = talk.command(rng, style, frames, world.split, rng.choice(("", "", ".", "!")))
    if text.lower().startswith(_ASKING):
        text = text.rstrip(".!?") + ("" if style.bare else "?")
    if rng.random() < 0.08:
        mark = text[-1:] if text[-1:] in (".", "!", "?") else ""
        text = f"{text.removesuffix(mark)}{rng.choice((', ', ' '))}{world.persona}{mark}"
    turn = Turn(world, text)
    turn.say("smalltalk", "chat", str(group["reply"]))
    return turn


def cannot(rng: random.Random, world: World) -> Turn:
    """The user asks for what this agent cannot do."""
    style = Style.draw(rng)
    if rng.random() < 0.1:
        frames = tuple(cast("list[str]", _FORGET_ALL["say"]))
        turn = Turn(world, _noisy(rng, style, frames, world, "."))
        turn.say("cannot", "cannot", str(_FORGET_ALL["reply"]), "one thing")
        return turn
    slots = {
        "w": pick_value(rng, "word", world.split),
        "lang": rng.choice(POOLS["language"]),
        "i": str(rng.randint(2, 999)),
        "place": pick_value(rng, "place", world.split),
        "person": pick_value(rng, "person", world.split),
    }
    frame = pick(rng, tuple(cast("list[str]", _CANNOT["say"])), world.split)
    pieces = render(rng, frame, slots)
    if rng.random() < 0.25:
        pieces = [
            (
                rng.choice(
                    (
                        "please ",
                        "can you ",
                        "could you ",
                        "hey, ",
                        "I want you to ",
                        "ok, now ",
                        f"{world.persona}, ",
                    )
                ),
                False,
            ),
            *pieces,
        ]
    question = plain(pieces).startswith(("can", "could", "what", "how", "who", "will"))
    turn = Turn(world, style.write(rng, pieces, "?" if question else "."))
    turn.say("cannot", "cannot", str(_CANNOT["reply"]), "can't do that")
    return turn


def unclear(rng: random.Random, world: World) -> Turn:
    """The user types nothing that means anything."""
    kind = rng.random()
    if kind < 0.5:
        text = pick(rng, tuple(cast("list[str]", _UNCLEAR["say"])), world.split)
    elif kind < 0.75:
        text = "".join(rng.choice("asdfghjklqwertzuiopxcvbnm") for _ in range(rng.randint(4, 14)))
    elif kind < 0.85:
        text = "".join(rng.choice("!?#$%&/()=+*-_.:,;<>^~[]{}") for _ in range(rng.randint(2, 6)))
    else:
        text = " ".join(pseudo(rng) for _ in range(rng.randint(2, 5)))
    turn = Turn(world, text)
    turn.say("unclear", "unclear", str(_UNCLEAR["reply"]), "did not understand")
    return turn


_REPEAT = notes.phrases("repeat")


def copy(rng: random.Random, world: World) -> Turn:
    """The user wants a text said back."""
    words: list[str] = []
    for _ in range(rng.randint(1, 6)):
        kind = rng.random()
        words.append(
            rng.choice(WORDS)
            if kind < 0.5
            else pseudo(rng)
            if kind < 0.8
            else pick_value(
                rng, rng.choice(("person", "place", "code", "clock", "email", "street")), world.split
            )
        )
    text = " ".join(words)
    if world.split == "train" and rng.random() < 0.6:
        text = " ".join(any_text(rng, world.split) for _ in range(rng.choice((1, 1, 2, 3))))
        text = text if rng.random() < 0.4 else rng.choice(WORDS) if rng.random() < 0.7 else pseudo(rng)
    style = Style.draw(rng)
    text = style.value(text)
    frame = pick(rng, _REPEAT, world.split)
    turn = Turn(world, plain(render(rng, frame, {"v": text})))
    turn.say("copy", "repeat", text, text)
    return turn
