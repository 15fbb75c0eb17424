"""What tools are made of: words for verbs and nouns, parameters with ways to say them, values, requests."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, cast

from entities import DATA, POOLS, WORDS, pick_value, pseudo
from frames import Piece, Split, Style, join_words

from bridle.agent.memory import Core
from bridle.messages import JSON, Message, ToolCall, ToolSpec

__all__ = [
    "ALIKE",
    "CORE",
    "NONE",
    "NOUNS",
    "NOW",
    "PARAMS",
    "SAY",
    "SYSTEMS",
    "TOOLS",
    "TRAINED_NOUNS",
    "VERBS",
    "Fields",
    "Use",
    "draw_value",
    "joined",
    "kind_schema",
    "phrase",
    "request",
    "result_text",
    "some_words",
    "spec",
]

Fields: TypeAlias = tuple[
    str, tuple[Message, ...], Core, datetime, tuple[ToolSpec, ...], str, str, ToolCall, tuple[str, ...]
]
"""What a `Case` is made of."""

TOOLS = cast("dict[str, object]", tomllib.loads((DATA / "tools.toml").read_text("utf-8")))
VERBS = cast("dict[str, list[list[str]]]", TOOLS["verb"])
NOUNS = cast("dict[str, list[list[str]]]", TOOLS["noun"])
_MORE = tomllib.loads((DATA / "drills.toml").read_text("utf-8"))["noun"]
TRAINED_NOUNS = {**NOUNS, **cast("dict[str, list[list[str]]]", _MORE)}
"""Those that training draws from; the evaluation has only those of `NOUNS` that are held out."""
PARAMS = cast("dict[str, tuple[list[str], dict[str, JSON], list[str], str]]", TOOLS["param"])
SYSTEMS = cast("list[str]", TOOLS["system"])
NONE = str(TOOLS["none"])
CORE, NOW = Core(()), datetime(2026, 1, 1)
SAY = ToolSpec(
    "send_message",
    "Say something to the user.",
    {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]},
)


@dataclass(frozen=True, slots=True)
class Use:
    """A tool, a request that it fits, and the call that answers it."""

    tool: ToolSpec
    request: list[Piece]
    thoughts: str
    arguments: dict[str, JSON]
    near: frozenset[str]
    """What it can be mistaken for; two tools of one list share none of it."""


def some_words(rng: random.Random, split: Split) -> str:
    """One to four words."""
    count = rng.choice((1, 2, 2, 3, 4))
    return " ".join(
        pseudo(rng) if rng.random() < 0.15 else pick_value(rng, "word", split) for _ in range(count)
    )


def _path(rng: random.Random, split: Split) -> str:
    stem = pick_value(rng, "word", split) if rng.random() < 0.7 else pseudo(rng)
    folder = f"{rng.choice(WORDS)}/" if rng.random() < 0.3 else ""
    return f"{folder}{stem}.{rng.choice(('txt', 'pdf', 'md', 'csv', 'py', 'json', 'png', 'docx', 'log'))}"


def draw_value(rng: random.Random, kind: str, schema: Mapping[str, JSON], split: Split) -> tuple[JSON, str]:
    """A value and how it is written in a sentence."""
    if kind in ("int", "percent", "small", "stars", "id", "year"):
        low, high = {
            "percent": (0, 100),
            "small": (2, 12),
            "stars": (1, 5),
            "id": (2, 99999),
            "year": (1950, 2026),
        }.get(kind, (2, 500))
        number = rng.randint(low, high)
        return number, str(number)
    if kind in ("float", "temp"):
        value = rng.randint(5, 250) if rng.random() < 0.5 else rng.randint(50, 9000) / 10
        return value, str(value)
    if kind == "enum":
        options = cast("list[str]", schema["enum"])
        chosen = rng.choice(options)
        return chosen, chosen
    if kind in ("list", "people"):
        items = [
            pick_value(rng, "first" if kind == "people" else "word", split)
            for _ in range(rng.choice((1, 2, 2, 3)))
        ]
        return cast("JSON", items), join_words(items)
    if kind == "ints":
        numbers = [rng.randint(1, 200) for _ in range(rng.choice((2, 3, 3, 4)))]
        return cast("JSON", numbers), join_words([str(number) for number in numbers])
    text = _TEXTS[kind](rng, split) if kind in _TEXTS else pick_value(rng, kind, split)
    return text, text


def _host(rng: random.Random, split: Split) -> str:
    stem = pseudo(rng) if rng.random() < 0.4 else pick_value(rng, "word", split)
    return stem + rng.choice(("", "-1", "2", "-dev", "_main", ".local"))


def _sum(rng: random.Random, split: Split) -> str:
    sign = rng.choice((" + ", " - ", " * ", "*", "+", " / "))
    return f"{rng.randint(2, 999)}{sign}{rng.randint(2, 99)}"


def _symbol(rng: random.Random, split: Split) -> str:
    return "".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(rng.randint(3, 4)))


def _one_of(words: str) -> Callable[[random.Random, Split], str]:
    options = words.split(", ")
    return lambda rng, split: rng.choice(options)


_TEXTS: Mapping[str, Callable[[random.Random, Split], str]] = {
    "words": some_words,
    "path": _path,
    "host": _host,
    "sum": _sum,
    "symbol": _symbol,
    "room": _one_of(
        "kitchen, bedroom, bathroom, living room, office, hall, garden, attic, basement, nursery, studio"
    ),
    "currency": _one_of("EUR, USD, GBP, CHF, JPY, SEK, euros, dollars, pounds, yen"),
    "unit": _one_of("celsius, fahrenheit"),
}


_INTEGERS = ("int", "percent", "small", "stars", "id", "year")


def kind_schema(kind: str) -> dict[str, JSON]:
    """The schema of a kind of value."""
    if kind in _INTEGERS:
        return {"type": "integer"}
    if kind == "ints":
        return {"type": "array", "items": {"type": "integer"}}
    if kind == "unit":
        return {"type": "string", "enum": ["celsius", "fahrenheit"]}
    return {"type": "string"}


def spec(name: str, about: str, properties: Mapping[str, JSON], required: Sequence[str]) -> ToolSpec:
    """A tool with these parameters."""
    parameters: dict[str, JSON] = {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
    }
    return ToolSpec(name, about, parameters)


def joined(rng: random.Random, words: Sequence[str]) -> str:
    """A function's name, mostly in snake case."""
    parts = " ".join(words).replace("_", " ").replace("-", " ").split()
    if rng.random() < 0.12:
        return parts[0] + "".join(part.capitalize() for part in parts[1:])
    return "_".join(parts)


ALIKE = (
    ("create", "schedule", "book", "order", "set", "start", "turn_on", "play", "upload"),
    ("get", "find", "list", "count", "print", "open", "download"),
    ("delete", "cancel", "stop", "archive", "turn_off", "pause"),
    ("send", "share", "move", "update", "rename"),
)
"""Verbs that mean nearly the same for some nouns."""


def phrase(
    rng: random.Random, ways: Sequence[str], schema: Mapping[str, JSON], kind: str, split: Split
) -> tuple[JSON, list[Piece]]:
    """A value, and one of the ways to say it."""
    way = rng.choice(ways)
    if kind == "bool":
        return not way.startswith("!!"), [(way.lstrip("!"), False)]
    value, text = draw_value(rng, kind, schema, split)
    before, _, after = way.partition("V")
    return value, [(before, False), (text, True), (after, False)]


_POLITE = (
    "please ",
    "can you ",
    "could you ",
    "hey, ",
    "I want you to ",
    "ok, now ",
    "now ",
    "would you ",
    "pls ",
    "hi, ",
    "so, ",
    "quick: ",
)


def request(rng: random.Random, use: Use) -> str:
    """What the user types."""
    style = Style.draw(rng)
    style = Style(style.lower, False, style.bare, style.no_apostrophes, style.typo, style.upper_first)
    pieces = use.request
    if rng.random() < 0.25 and not pieces[0][1] and pieces[0][0]:
        pieces = [(rng.choice(_POLITE), False), *pieces]
    end = (
        "?"
        if pieces[0][0]
        .lower()
        .startswith(("what", "how", "who", "can", "could", "would", "is", "will", "do"))
        else "."
    )
    if pieces[-1][1] or (len(pieces) > 1 and pieces[-2][1] and not pieces[-1][0]):
        end = end if rng.random() < 0.5 else ""
    return style.write(rng, [piece for piece in pieces if piece[0]], end)


def result_text(rng: random.Random, split: Split) -> str:
    """What a tool may return."""
    kind = rng.random()
    if kind < 0.25:
        return "OK"
    if kind < 0.6:
        return f"{some_words(rng, split)} {rng.randint(1, 999)}"
    return rng.choice(
        (
            f"{rng.randint(-20, 40)} degrees",
            f"The answer is {rng.randint(1, 9999)}.",
            f"Found {rng.randint(1, 40)} results.",
            f"Done, number {rng.randint(1, 9999)}.",
            f"{pick_value(rng, 'clock', split)} on {rng.choice(POOLS['weekday'])}",
        )
    )
