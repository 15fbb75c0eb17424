"""Values: names, places, codes, times and made-up words, with a fifth held out of training by hash."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

from frames import Split, held, join_words

__all__ = ["DATA", "POOLS", "WORDS", "closed", "pick_value", "pseudo"]

DATA = Path(__file__).parent / "data"
_raw = tomllib.loads((DATA / "pools.toml").read_text("utf-8"))
POOLS: dict[str, tuple[str, ...]] = {
    name: tuple(dict.fromkeys(value.split() if isinstance(value, str) else value))
    for name, value in _raw.items()
}
WORDS: tuple[str, ...] = tuple((DATA / "words.txt").read_text("utf-8").split())

_ONSETS = [*str(_raw["onset"]).split(), ""]
_VOWELS = str(_raw["vowel"]).split()
_CODAS = [*str(_raw["coda"]).split(), "", "", ""]
_TAKEN = frozenset(str(_raw["taken"]).split())
"""Nouns that mean something else after "my"."""
_CLOSED = frozenset(("age", "day", "diet", "language", "instrument", "sport", "height", "field"))


def pseudo(rng: random.Random, low: int = 2, high: int = 3) -> str:
    """A word that does not exist."""
    parts: list[str] = []
    for _ in range(low + int(rng.random() * (high - low + 1))):
        parts.append(_ONSETS[int(rng.random() * len(_ONSETS))])
        parts.append(_VOWELS[int(rng.random() * len(_VOWELS))])
    parts.append(_CODAS[int(rng.random() * len(_CODAS))])
    return "".join(parts)


def _of(name: str) -> Callable[[random.Random], str]:
    pool = POOLS[name]
    return lambda rng: pool[int(rng.random() * len(pool))]


def _first(rng: random.Random) -> str:
    return rng.choice(POOLS["first"]) if rng.random() < 0.6 else pseudo(rng, 2, 2).capitalize()


def _person(rng: random.Random) -> str:
    first = _first(rng)
    if rng.random() < 0.62:
        return first
    last = rng.choice(POOLS["last"]) if rng.random() < 0.7 else pseudo(rng).capitalize()
    title = rng.choice(("Dr. ", "Mr. ", "Mrs. ", "Ms ", "Prof. ")) if rng.random() < 0.08 else ""
    return f"{title}{last}" if title and rng.random() < 0.6 else f"{title}{first} {last}"


def _names(rng: random.Random) -> str:
    return join_words([_first(rng) for _ in range(rng.choice((1, 2, 2, 2, 3)))])


def _several(rng: random.Random) -> str:
    makers = (_first, _first, _petname)
    return join_words([makers[int(rng.random() * 3)](rng) for _ in range(rng.choice((2, 2, 3, 3, 4)))])


def _place(rng: random.Random) -> str:
    if rng.random() < 0.65:
        return rng.choice(POOLS["place"])
    word = pseudo(rng).capitalize()
    kind = rng.random()
    if kind < 0.1:
        return f"{rng.choice(('New', 'San', 'Port', 'Upper', 'Bad', 'Saint', 'West'))} {word}"
    return f"{word}{rng.choice(('ville', ' Bay', 'ton', 'burg', 'stad'))}" if kind < 0.25 else word


def _day(rng: random.Random) -> str:
    month, day = rng.choice(POOLS["month"]), 1 + int(rng.random() * 28)
    kind = rng.random()
    if kind < 0.35:
        return f"{day} {month}"
    if kind < 0.6:
        return f"{month} {day}"
    suffix = "th" if 10 < day < 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    if kind < 0.8:
        return rng.choice(
            (f"{month} {day}{suffix}", f"the {day}{suffix} of {month}", f"{day}{suffix} {month}")
        )
    if kind < 0.9:
        return f"{day} {month} {rng.randint(1945, 2012)}"
    return f"{rng.randint(1945, 2012)}-{rng.randint(1, 12):02d}-{day:02d}"


def _clock(rng: random.Random) -> str:
    hour = 1 + int(rng.random() * 23)
    if rng.random() < 0.3:
        return str(1 + hour % 12) + rng.choice((" am", " pm", " o'clock", "pm", "am"))
    return f"{hour}:{rng.choice(('00', '15', '30', '45', '05', '10', '40', '55'))}"


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(count))


def _phone(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.3:
        return f"{_digits(rng, 3)} {_digits(rng, 4)}"
    if kind < 0.5:
        return f"+{rng.randint(1, 99)} {_digits(rng, 3)} {_digits(rng, 3)} {_digits(rng, 3)}"
    return rng.choice(
        (f"{_digits(rng, 3)}-{_digits(rng, 4)}", f"0{_digits(rng, 9)}", f"555-{_digits(rng, 4)}")
    )


def _ascii(text: str) -> str:
    return "".join(c for c in text.lower() if "a" <= c <= "z") or "me"


def _email(rng: random.Random) -> str:
    user = _ascii(_first(rng)) + rng.choice(
        ("", "", _digits(rng, 2), "." + _ascii(rng.choice(POOLS["last"])))
    )
    host = rng.choice(
        ("gmail.com", "mail.com", "example.com", "example.org", "outlook.com", f"{_ascii(pseudo(rng))}.net")
    )
    return f"{user}@{host}"


def _street(rng: random.Random) -> str:
    name = rng.choice(POOLS["street_word"]) if rng.random() < 0.6 else pseudo(rng).capitalize()
    number = rng.randint(1, 240)
    kind = rng.choice(POOLS["street_kind"])
    return f"{number} {name} {kind}" if rng.random() < 0.7 else f"{name} {kind} {number}"


def _company(rng: random.Random) -> str:
    if rng.random() < 0.35:
        return rng.choice(POOLS["company"])
    name = pseudo(rng).capitalize() if rng.random() < 0.6 else rng.choice(POOLS["last"])
    return name + _raw["company_kind"][int(rng.random() * len(_raw["company_kind"]))]


def _school(rng: random.Random) -> str:
    name = _place(rng) if rng.random() < 0.5 else rng.choice(POOLS["last"])
    if name.startswith(("the ", "a ")):
        name = pseudo(rng).capitalize()
    form = rng.choice(
        (
            "{} High School",
            "{} University",
            "the University of {}",
            "{} College",
            "{} Primary School",
            "{} Academy",
            "{} Grammar School",
            "{} Art School",
        )
    )
    return form.format(name)


def _car(rng: random.Random) -> str:
    make = rng.choice(POOLS["carmake"]) if rng.random() < 0.7 else pseudo(rng).capitalize()
    return rng.choice(
        (
            make,
            f"{rng.choice(POOLS['color'])} {make}",
            f"{make} {rng.randint(1, 900)}",
            f"{rng.choice(POOLS['color'])} {make} {rng.choice('XSTEGL')}{rng.randint(1, 9)}",
        )
    )


def _liked(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.6:
        return rng.choice(POOLS["liked"])
    if kind < 0.8:
        return _word(rng) if kind < 0.7 else f"{_word(rng)} {_word(rng)}"
    return pseudo(rng).capitalize() if kind < 0.9 else pseudo(rng)


def _code(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.35:
        return _digits(rng, rng.choice((1, 2, 2, 3, 4, 4, 5, 6)))
    letters = "".join(rng.choice("ABCDEFGHJKLMNPRSTUVWXYZ") for _ in range(rng.choice((1, 2, 3))))
    if kind < 0.65:
        return f"{letters}{rng.choice(('', '-', ' '))}{_digits(rng, rng.choice((1, 2, 3, 4)))}"
    return f"{pseudo(rng, 1, 2)}{rng.choice(('', '-', '_', '!'))}{_digits(rng, rng.choice((1, 2, 3)))}"


def _thing(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.3:
        return _code(rng)
    if kind < 0.45:
        return _word(rng) if kind < 0.38 else f"{_word(rng)} {_word(rng)}"
    if kind < 0.6:
        return pseudo(rng) if kind < 0.52 else pseudo(rng).capitalize()
    makers = (_person, _place, _day, _clock, _liked, _of("weekday"), _of("color"), _weekday_clock, _size)
    return makers[int(rng.random() * len(makers))](rng)


def _weekday_clock(rng: random.Random) -> str:
    return f"{rng.choice(POOLS['weekday'])} at {_clock(rng)}"


def _size(rng: random.Random) -> str:
    units = ("kg", "cm", "euros", "dollars", "km", "pounds", "hours", "minutes", "percent")
    return f"{rng.randint(1, 250)} {rng.choice(units)}"


def _word(rng: random.Random) -> str:
    return rng.choice(POOLS["common"] if rng.random() < 0.65 else WORDS)


def _job(rng: random.Random) -> str:
    job = rng.choice(POOLS["job"])
    kind = rng.random()
    if kind < 0.06:
        return f"{job} in {_place(rng)}"
    if kind < 0.1:
        return f"{job} at {_company(rng)}"
    return f"{pseudo(rng)} {job}" if kind < 0.16 else job


def _height(rng: random.Random) -> str:
    return rng.choice(
        (
            f"{rng.randint(140, 205)} cm",
            f"1.{rng.randint(40, 99)} m",
            f"{rng.randint(4, 6)}'{rng.randint(0, 11)}",
            f"{rng.randint(4, 6)} foot {rng.randint(1, 11)}",
        )
    )


def _petname(rng: random.Random) -> str:
    return rng.choice(POOLS["petname"]) if rng.random() < 0.55 else pseudo(rng, 2, 2).capitalize()


def _noun(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.62:
        return rng.choice(POOLS["noun"])
    head = rng.choice(POOLS["noun"]) if kind < 0.85 else _word(rng)
    if head in _TAKEN:
        return rng.choice(POOLS["noun"])
    return f"{rng.choice(POOLS['adjective'])} {head}" if " " not in head else head


_MAKERS: dict[str, Callable[[random.Random], str]] = {
    "person": _person,
    "names": _names,
    "several": _several,
    "place": _place,
    "day": _day,
    "clock": _clock,
    "phone": _phone,
    "email": _email,
    "street": _street,
    "company": _company,
    "school": _school,
    "car": _car,
    "liked": _liked,
    "thing": _thing,
    "petname": _petname,
    "noun": _noun,
    "code": _code,
    "height": _height,
    "word": _word,
    "job": _job,
    "subject": _of("subject"),
    "diet": _of("diet"),
    "hobby": _of("hobby"),
    "age": lambda rng: str(rng.randint(5, 99)),
    "field": lambda rng: "in " + rng.choice(POOLS["field"]),
    "team": lambda rng: (
        rng.choice(POOLS["team"]) if rng.random() < 0.6 else f"{pseudo(rng).capitalize()} United"
    ),
    "weekday_clock": _weekday_clock,
    "first": _first,
    "pseudo": pseudo,
    "digits4": lambda rng: _digits(rng, 4),
}


@cache
def closed(pool: str) -> bool:
    """Is the pool so small, or so regular, that nothing of it is held out?"""
    return pool in _CLOSED


def pick_value(rng: random.Random, pool: str, split: Split, avoid: tuple[str, ...] = ()) -> str:
    """A value of the pool that belongs to the split, other than those to avoid."""
    maker = _MAKERS.get(pool) or _of(pool)
    value = maker(rng)
    for _ in range(60):
        wanted = closed(pool) or held(value.lower(), 20) == (split != "train")
        if wanted and len(value) <= 36 and value.lower() not in avoid:
            return value
        value = maker(rng)
    return value
