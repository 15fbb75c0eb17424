"""Cases with arbitrary tools: a list of functions, a request, and the call that fits, or an honest refusal.

Names, descriptions and requests use different words for the same thing, so that the list has to be read.
Every argument is said in the request; optional ones that are not said are left out.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, cast

from entities import DATA, POOLS, WORDS, pick_value, pseudo
from frames import Piece, Split, Style, held, join_words, pick, render

from bridle.agent.memory import Core
from bridle.messages import JSON, Message, ToolCall, ToolSpec

__all__ = ["Fields", "tool_cases"]

Fields: TypeAlias = tuple[
    str, tuple[Message, ...], Core, datetime, tuple[ToolSpec, ...], str, str, ToolCall, tuple[str, ...]
]
"""What a `Case` is made of."""

_DATA = cast("dict[str, object]", tomllib.loads((DATA / "tools.toml").read_text("utf-8")))
_VERBS = cast("dict[str, list[list[str]]]", _DATA["verb"])
_NOUNS = cast("dict[str, list[list[str]]]", _DATA["noun"])
_PARAMS = cast("dict[str, tuple[list[str], dict[str, JSON], list[str], str]]", _DATA["param"])
_SPECIALS = cast("list[dict[str, object]]", _DATA["special"])
_SYSTEMS = cast("list[str]", _DATA["system"])
_NONE = str(_DATA["none"])
_CORE, _NOW = Core(()), datetime(2026, 1, 1)
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


def _words(rng: random.Random, split: Split) -> str:
    count = rng.choice((1, 2, 2, 3, 4))
    return " ".join(
        pseudo(rng) if rng.random() < 0.15 else pick_value(rng, "word", split) for _ in range(count)
    )


def _path(rng: random.Random, split: Split) -> str:
    stem = pick_value(rng, "word", split) if rng.random() < 0.7 else pseudo(rng)
    folder = f"{rng.choice(WORDS)}/" if rng.random() < 0.3 else ""
    return f"{folder}{stem}.{rng.choice(('txt', 'pdf', 'md', 'csv', 'py', 'json', 'png', 'docx', 'log'))}"


def _value(rng: random.Random, kind: str, schema: Mapping[str, JSON], split: Split) -> tuple[JSON, str]:
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
    "words": _words,
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


def _kind_schema(kind: str) -> dict[str, JSON]:
    if kind in _INTEGERS:
        return {"type": "integer"}
    if kind == "ints":
        return {"type": "array", "items": {"type": "integer"}}
    if kind == "unit":
        return {"type": "string", "enum": ["celsius", "fahrenheit"]}
    return {"type": "string"}


def _spec(name: str, about: str, properties: Mapping[str, JSON], required: Sequence[str]) -> ToolSpec:
    parameters: dict[str, JSON] = {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
    }
    return ToolSpec(name, about, parameters)


def _case(rng: random.Random, words: Sequence[str]) -> str:
    """A function's name, mostly in snake case."""
    parts = " ".join(words).replace("_", " ").replace("-", " ").split()
    if rng.random() < 0.12:
        return parts[0] + "".join(part.capitalize() for part in parts[1:])
    return "_".join(parts)


def _composed(rng: random.Random, split: Split, noun: str = "", verb: str = "") -> Use:
    """A tool from a verb and a noun; some nouns do not exist."""
    made_up = not noun and rng.random() < 0.18
    noun = noun or _pick_noun(rng, split)
    words, articles, verbs, params = _NOUNS[noun]
    verb = verb if verb in verbs else rng.choice(verbs)
    names, abouts, asks = _VERBS[verb]
    called, spoken = rng.choice(words), rng.choice(words)
    if made_up:
        called = spoken = pseudo(rng)
        params = rng.sample(list(_PARAMS), 3)
    name = _case(rng, (rng.choice(names), called) if rng.random() < 0.85 else (called, rng.choice(names)))
    about = (
        f"{rng.choice(abouts)} {rng.choice(articles)} {called}{rng.choice(('.', '', '.'))}"
        if rng.random() < 0.88
        else ""
    )
    properties: dict[str, JSON] = {}
    arguments: dict[str, JSON] = {}
    required: list[str] = []
    said: list[list[Piece]] = []
    chosen = [one for one in params if rng.random() < 0.62]
    for param in chosen:
        variants, schema, ways, kind = _PARAMS[param]
        key = variants[0] if rng.random() < 0.5 else rng.choice(variants)
        if key in properties:
            continue
        optional = rng.random() < 0.38
        properties[key] = dict(schema) if rng.random() < 0.6 else {**schema, "description": f"The {param}."}
        if not optional:
            required.append(key)
        elif rng.random() < 0.5:
            continue
        value, pieces = _phrase(rng, ways, schema, kind, split)
        arguments[key] = value
        said.append(pieces)
    if len(said) > 1 and rng.random() < 0.3:
        rng.shuffle(said)
    before, _, after = pick(rng, asks, split).partition("N")
    determiner = rng.choice(articles)
    bare = any(word in f"{before}{after}" for word in ("all", "many", "every", "new", "are there"))
    thing = spoken if bare else f"{determiner} {spoken}"
    request: list[Piece] = [(before, False), (thing, made_up), (after, False)]
    for pieces in said:
        request += [("" if pieces[0][0].startswith((",", ":")) else " ", False), *pieces]
    tool = _spec(name, about, properties, required)
    group = next((str(index) for index, verbs in enumerate(_ALIKE) if verb in verbs), verb)
    near = frozenset((f"{called if made_up else noun} {group}", f"{verb} {called}"))
    return Use(tool, request, f"{verb.replace('_', ' ')} {called}", arguments, near)


_ALIKE = (
    ("create", "schedule", "book", "order", "set", "start", "turn_on", "play", "upload"),
    ("get", "find", "list", "count", "print", "open", "download"),
    ("delete", "cancel", "stop", "archive", "turn_off", "pause"),
    ("send", "share", "move", "update", "rename"),
)
"""Verbs that mean nearly the same for some nouns."""
_NEAR = cast("dict[str, list[str]]", _DATA["near"])
"""For the specials: the other tools that a request for them might mean."""


def _phrase(
    rng: random.Random, ways: Sequence[str], schema: Mapping[str, JSON], kind: str, split: Split
) -> tuple[JSON, list[Piece]]:
    way = rng.choice(ways)
    if kind == "bool":
        return not way.startswith("!!"), [(way.lstrip("!"), False)]
    value, text = _value(rng, kind, schema, split)
    before, _, after = way.partition("V")
    return value, [(before, False), (text, True), (after, False)]


def _pick_noun(rng: random.Random, split: Split) -> str:
    names = [name for name in _NOUNS if held("tool " + name, 15) == (split != "train")]
    return rng.choice(names)


def _special(rng: random.Random, split: Split) -> Use:
    """One of the tools that people really have."""
    one = rng.choice(_SPECIALS)
    frame = pick(rng, tuple(cast("list[str]", one["say"])), split)
    properties: dict[str, JSON] = {}
    required: list[str] = []
    arguments: dict[str, JSON] = {}
    slots: dict[str, str] = {}
    for param in cast("list[str]", one["params"]):
        key, _, kind = param.lstrip("?").partition(":")
        schema = _kind_schema(kind)
        optional = param.startswith("?")
        said = f"<{key}>" in frame
        if not optional:
            required.append(key)
        elif not said and rng.random() < 0.4:
            continue
        properties[key] = schema
        if said:
            arguments[key], slots[key] = _value(rng, kind, schema, split)
    about = rng.choice(cast("list[str]", one["about"]))
    tool = _spec(rng.choice(cast("list[str]", one["names"])), about, properties, required)
    thoughts = str(one["thought"])
    return Use(
        tool, render(rng, frame, slots), thoughts, arguments, frozenset((thoughts, *_NEAR.get(thoughts, ())))
    )


def _use(rng: random.Random, split: Split) -> Use:
    return _special(rng, split) if rng.random() < 0.32 else _composed(rng, split)


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


def _request(rng: random.Random, use: Use) -> str:
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


def tool_cases(rng: random.Random, split: Split) -> list[Fields]:
    """One list of tools and several requests for it."""
    uses: list[Use] = []
    names: set[str] = {SAY.name}
    first = _composed(rng, split)
    noun = _pick_noun(rng, split)
    for index in range(rng.choice((2, 3, 3, 4, 5, 6))):
        use = (
            first
            if index == 0
            else _composed(rng, split, noun)
            if index < 3 and rng.random() < 0.4
            else _use(rng, split)
        )
        if use.tool.name not in names and not any(use.near & one.near for one in uses):
            names.add(use.tool.name)
            uses.append(use)
    rng.shuffle(uses)
    absent = uses.pop() if len(uses) > 2 and rng.random() < 0.45 else None
    speaks = absent is not None or rng.random() < 0.5
    tools = [use.tool for use in uses]
    if speaks:
        tools.insert(0 if rng.random() < 0.6 else len(tools), SAY)
    system = rng.choice(_SYSTEMS)
    out: list[Fields] = []

    def case(kind: str, history: tuple[Message, ...], thoughts: str, call: ToolCall, *accept: str) -> None:
        out.append((kind, history, _CORE, _NOW, tuple(tools), system, thoughts[:118], call, accept))

    for use in rng.sample(uses, min(len(uses), 3)):
        asked = Message("user", _request(rng, use))
        call = ToolCall(
            use.tool.name, {key: use.arguments[key] for key in use.tool.properties if key in use.arguments}
        )
        case("tool", (asked,), use.thoughts, call)
        if speaks and rng.random() < 0.15:
            result = _result(rng, split)
            done = Message("assistant", thoughts=use.thoughts, calls=(call,))
            past = (asked, done, Message("tool", result, name=call.name))
            message = "Done." if result == "OK" else result
            case("tool_none", past, "tell result", ToolCall("send_message", {"message": message}), message)
    if absent is not None:
        asked = Message("user", _request(rng, absent))
        case("tool_none", (asked,), "no function fits", ToolCall("send_message", {"message": _NONE}), "can't")
    elif speaks and rng.random() < 0.25:
        asked = Message(
            "user", rng.choice(("hello", "hi", "Hello!", "hey", "good morning", "Hi there", "hi!"))
        )
        case(
            "tool_none",
            (asked,),
            "chat",
            ToolCall("send_message", {"message": "Hello! What can I do for you?"}),
        )
    return out


def _result(rng: random.Random, split: Split) -> str:
    kind = rng.random()
    if kind < 0.25:
        return "OK"
    if kind < 0.6:
        return f"{_words(rng, split)} {rng.randint(1, 999)}"
    return rng.choice(
        (
            f"{rng.randint(-20, 40)} degrees",
            f"The answer is {rng.randint(1, 9999)}.",
            f"Found {rng.randint(1, 40)} results.",
            f"Done, number {rng.randint(1, 9999)}.",
            f"{pick_value(rng, 'clock', split)} on {rng.choice(POOLS['weekday'])}",
        )
    )
