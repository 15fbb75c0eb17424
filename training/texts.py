"""Values of any look, words that are in no tool of the evaluation, and drills that only pass a text on."""

from __future__ import annotations

import random
import tomllib
from typing import cast

from entities import DATA, pick_value
from frames import Split, held, join_words, pick, render
from toolparts import CORE, NOUNS, NOW, PARAMS, SYSTEMS, Fields, Use, request, some_words, spec

from bridle.messages import JSON, Message, ToolCall

__all__ = [
    "ABOUTS",
    "ASKS",
    "SAYINGS",
    "any_text",
    "call_of",
    "echo_cases",
    "free_key",
    "free_word",
    "listed",
]

_RAW = cast("dict[str, list[str]]", tomllib.loads((DATA / "drills.toml").read_text("utf-8")))
ASKS, ABOUTS, _ECHOES, _ECHO_ASKS = (tuple(_RAW[name]) for name in ("ask", "about", "echo", "echo_ask"))
SAYINGS = {name: tuple(ways) for name, ways in cast("dict[str, dict[str, list[str]]]", _RAW)["say"].items()}
_HELD_NOUNS = frozenset(
    word
    for name, (words, *_) in NOUNS.items()
    if held("tool " + name, 15)
    for said in (name, *words)
    for word in said.split()
)
"""Nouns of tools that only the evaluation shows."""


def any_text(rng: random.Random, split: Split) -> str:
    """A value of any look: words, names, dates, codes, paths, mixed letters, several words."""
    kind = rng.random()
    if rng.random() < 0.06:
        return " ".join(str(rng.randint(10, 9999)) for _ in range(rng.choice((1, 2, 3, 4))))
    if kind < 0.2:
        return some_words(rng, split)
    if kind < 0.38:
        word = pick_value(rng, "pseudo", split)
        return word if rng.random() < 0.5 else word.capitalize()
    if kind < 0.5:
        return pick_value(rng, "word", split)
    if kind < 0.6:
        letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        return "".join(rng.choice(letters) for _ in range(rng.randint(3, 8)))
    if kind < 0.66:
        day = f"{rng.randint(1990, 2031)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
        return day if rng.random() < 0.7 else f"{day} {rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}"
    if kind < 0.72:
        stem = pick_value(rng, rng.choice(("word", "pseudo")), split)
        ending = rng.choice(("txt", "csv", "md", "png", "json", "pdf"))
        return rng.choice(
            (
                f"{stem}.{ending}",
                f"{stem}_{rng.randint(1, 99)}.{ending}",
                f"{stem}-{pick_value(rng, 'word', split)}",
            )
        )
    if kind < 0.76:
        return (
            f"{rng.choice('vV')}{rng.randint(0, 9)}.{rng.randint(0, 30)}"
            if kind < 0.74
            else str(rng.randint(1, 10**7))
        )
    pools = (
        "person",
        "place",
        "code",
        "email",
        "phone",
        "street",
        "company",
        "day",
        "clock",
        "liked",
        "first",
    )
    return pick_value(rng, rng.choice(pools), split)


def free_word(rng: random.Random, split: Split) -> str:
    """A noun that the evaluation's tools do not have."""
    while True:
        kind = rng.random()
        if kind < 0.4:
            word = pick_value(rng, "pseudo", split)
        elif kind < 0.85:
            word = pick_value(rng, "word", split)
        else:
            word = rng.choice([one for one in NOUNS if one not in _HELD_NOUNS])
        if len(word) > 2 and word not in _HELD_NOUNS and word.isalpha():
            return word.lower()


def free_key(rng: random.Random, split: Split) -> str:
    """A parameter's name."""
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(PARAMS[rng.choice(list(PARAMS))][0])
    if kind < 0.75:
        return free_word(rng, split)
    return (
        pick_value(rng, "pseudo", split)
        if kind < 0.88
        else f"{free_word(rng, split)}_{free_word(rng, split)}"
    )


def call_of(use: Use) -> ToolCall:
    """The call that a request asks for, its arguments in the order of the tool."""
    return ToolCall(
        use.tool.name, {key: use.arguments[key] for key in use.tool.properties if key in use.arguments}
    )


_PLAIN = (*("word",) * 3, "pseudo", "color", "weekday", "month", "first", "place", "language", "liked")


def _plain(rng: random.Random, split: Split) -> str:
    return listed(pick_value(rng, rng.choice(_PLAIN), split))


def listed(text: str) -> str:
    """A text as it may stand in a list of several."""
    return text.replace(",", "").replace(" and ", " or ")


def _short(rng: random.Random, split: Split) -> str:
    """One word or two of any kind, as they begin a value."""
    kind = rng.random()
    if kind < 0.8:
        word = _plain(rng, split)
    else:
        return any_text(rng, split)
    word = word.capitalize() if rng.random() < 0.15 else word
    return word if rng.random() < 0.8 else f"{word} {pick_value(rng, 'word', split)}"


def echo_cases(rng: random.Random, split: Split) -> list[Fields]:
    """One tool that takes a text, several or a choice: how what stood in a sentence begins in quotes."""
    verb, mode = rng.choice(_ECHOES), rng.random()
    key = free_key(rng, split) if rng.random() < 0.6 else rng.choice(("text", "words", "message", "value"))
    options = list(dict.fromkeys(_plain(rng, split) for _ in range(rng.choice((2, 3, 4, 5, 6)))))
    text: dict[str, JSON] = {"type": "string"}
    schema: dict[str, JSON] = text if mode < 0.3 else {"type": "array", "items": text}
    if mode > 0.72:
        schema = {"type": "string", "enum": list[JSON](options)}
    about = "" if rng.random() < 0.5 else f"{verb.capitalize()} {rng.choice(('it', 'words', 'a text'))}."
    name = verb if rng.random() < 0.4 else f"{verb}_{free_word(rng, split)}"
    tool = spec(name, about, {key: schema}, [key])
    out: list[Fields] = []
    for _ in range(rng.choice((3, 4, 5))):
        texts = [listed(_short(rng, split)) for _ in range(rng.randint(2, 7))]
        texts = [rng.choice(options)] if "enum" in schema else texts if "items" in schema else texts[:1]
        pieces = render(rng, pick(rng, _ECHO_ASKS, split), {"r": verb, "v": join_words(texts)})
        value: JSON = list[JSON](texts) if "items" in schema else texts[0]
        use = Use(tool, pieces, name.replace("_", " "), {key: value}, frozenset())
        asked = Message("user", request(rng, use))
        out.append(
            ("tool_match", (asked,), CORE, NOW, (tool,), rng.choice(SYSTEMS), use.thoughts, call_of(use), ())
        )
    return out
