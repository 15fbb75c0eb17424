"""Drills with tools that nobody has: the request uses the words of the list, whatever they are.

Verbs, nouns, parameters and values are drawn from so many words that none can be known by heart: the right
tool is the one whose words stand in the request, and an argument is what stands beside its parameter's name.
The tools of one list differ in a word or two, and the one that is asked for may be missing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from entities import pick_value
from frames import Piece, Split, join_words, pick, render
from texts import ABOUTS, ASKS, SAYINGS, any_text, call_of, echo_cases, free_key, free_word, listed
from toolparts import (
    ALIKE,
    CORE,
    NONE,
    NOW,
    PARAMS,
    SAY,
    SYSTEMS,
    VERBS,
    Fields,
    Use,
    draw_value,
    joined,
    phrase,
    request,
    spec,
)

from bridle.messages import JSON, Message, ToolCall, ToolSpec

__all__ = ["drill_cases"]

_SAID_VERBS = frozenset(word for names, _, _ in VERBS.values() for name in names for word in name.split("_"))
_CLASH = (
    *(frozenset(group) for group in ALIKE),
    frozenset(("update", "set", "create", "move")),
    frozenset(("open", "turn_on", "start", "play", "get", "find")),
    frozenset(("close", "turn_off", "stop", "lock", "pause")),
    frozenset(("upload", "send", "share", "move")),
    frozenset(("water", "feed")),
)
"""Verbs that may mean the same for the same noun."""


@dataclass(frozen=True, slots=True)
class _Param:
    """A parameter. `known` is its entry in the table of common ones, "" for a made-up one."""

    key: str
    schema: dict[str, JSON]
    required: bool
    known: str
    kind: str


@dataclass(frozen=True, slots=True)
class _Tool:
    verb: str
    noun: str
    spec: ToolSpec
    params: tuple[_Param, ...]

    @property
    def thoughts(self) -> str:
        return f"{self.verb} {self.noun}".replace("_", " ")


def _noun(rng: random.Random, split: Split) -> str:
    word = free_word(rng, split)
    return word if rng.random() < 0.8 else f"{free_word(rng, split)} {word}"


def _verb(rng: random.Random, split: Split) -> str:
    kind = rng.random()
    if kind < 0.62:
        return rng.choice(list(VERBS))
    word = pick_value(rng, "pseudo", split) if kind < 0.78 else free_word(rng, split)
    return _verb(rng, split) if word in _SAID_VERBS or word in VERBS else word


def _alike(one: str, other: str) -> bool:
    return one == other or any({one, other} <= group for group in _CLASH)


def _pairs(rng: random.Random, split: Split) -> list[tuple[str, str]]:
    """Verbs and nouns of the tools of one list: most lists differ in one word."""
    count, mode = rng.choice((2, 2, 3, 3, 4, 5, 6)), rng.random()
    verbs = [_verb(rng, split) for _ in range(count)]
    nouns = [_noun(rng, split) for _ in range(count)]
    if mode < 0.3:
        verbs = [verbs[0]] * count
    elif mode < 0.5:
        nouns = [nouns[0]] * count
    elif mode < 0.65:
        verbs = [rng.choice(verbs[:2]) for _ in range(count)]
        nouns = [rng.choice(nouns[:3]) for _ in range(count)]
    elif mode < 0.75:
        first, last = free_word(rng, split), free_word(rng, split)
        nouns = [f"{first} {n}" if rng.random() < 0.5 else f"{n} {last}" for n in nouns]
        nouns = [" ".join(noun.split()[-2:]) for noun in nouns]
    out: list[tuple[str, str]] = []
    for verb, noun in zip(verbs, nouns, strict=True):
        if not any(noun == other and _alike(verb, seen) for seen, other in out):
            out.append((verb, noun))
    return out


def _param(rng: random.Random, split: Split) -> _Param:
    required = rng.random() < 0.62
    if rng.random() < 0.42:
        known = rng.choice(list(PARAMS))
        names, schema, _, kind = PARAMS[known]
        return _Param(rng.choice(names), dict(schema), required, known, kind)
    kind = rng.choices(
        ("text", "int", "float", "bool", "enum", "list", "ints", "object"), (44, 17, 8, 10, 10, 7, 2, 2)
    )[0]
    schema: dict[str, JSON] = {"type": "string"}
    if kind == "enum":
        options = dict.fromkeys(
            pick_value(rng, "word", split) if rng.random() < 0.75 else pick_value(rng, "pseudo", split)
            for _ in range(rng.choice((2, 3, 3, 4)))
        )
        schema = {"type": "string", "enum": list[JSON](options)}
    elif kind in ("list", "ints"):
        schema = {"type": "array", "items": {"type": "string" if kind == "list" else "integer"}}
    elif kind != "text":
        schema = {"type": {"int": "integer", "float": "number", "bool": "boolean"}.get(kind, kind)}
    return _Param(free_key(rng, split), schema, required, "", kind)


def _tool(rng: random.Random, split: Split, verb: str, noun: str, opaque: bool) -> _Tool:
    real = verb in VERBS
    said = rng.choice(VERBS[verb][0]) if real else verb
    words = (said, noun) if rng.random() < 0.85 else (noun, said)
    name = joined(rng, words)
    if opaque:
        name = rng.choice(
            (
                pick_value(rng, "pseudo", split),
                f"fn_{rng.randint(1, 99)}",
                f"tool_{rng.choice('abcdefghkm')}",
                f"{pick_value(rng, 'pseudo', split)}_{rng.randint(1, 9)}",
            )
        )
    about = ""
    if opaque or rng.random() < 0.72:
        does = rng.choice(VERBS[verb][1]) if real else verb.capitalize()
        article = rng.choice(("the ", "a ", "my ", "", "this "))
        about = f"{does} {article}{noun}{rng.choice(ABOUTS)}"
        if rng.random() < 0.08:
            about = f"Use this to {about[:1].lower()}{about[1:]}"
    params: dict[str, _Param] = {}
    for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 2, 3, 3, 4))):
        one = _param(rng, split)
        params.setdefault(one.key, one)
    properties: dict[str, JSON] = {one.key: one.schema for one in params.values()}
    required = [one.key for one in params.values() if one.required]
    return _Tool(verb, noun, spec(name, about, properties, required), tuple(params.values()))


def _made_up(rng: random.Random, one: _Param, split: Split) -> tuple[JSON, str]:
    if one.kind == "text":
        text = any_text(rng, split)
        return text, text
    if one.kind == "object":
        pairs = {free_word(rng, split): any_text(rng, split) for _ in range(rng.choice((1, 2)))}
        return dict(pairs), " and ".join(f"{key} {value}" for key, value in pairs.items())
    if one.kind == "list":
        items = [listed(any_text(rng, split)) for _ in range(rng.choice((1, 2, 2, 3)))]
        return list[JSON](items), join_words(items)
    if one.kind == "int" and rng.random() < 0.4:
        number = rng.choice((rng.randint(0, 9), rng.randint(500, 99999), rng.randint(10, 99)))
        return number, str(number)
    return draw_value(rng, one.kind, one.schema, split)


def _doubtful(one: _Param, tool: _Tool) -> bool:
    """Has the tool another parameter that is said in the same way?"""
    ways = set(PARAMS[one.known][2])
    return any(
        ways & set(PARAMS[other.known][2]) for other in tool.params if other.known and other is not one
    )


def _said(rng: random.Random, one: _Param, tool: _Tool, split: Split) -> tuple[JSON, list[Piece]]:
    """A value and how it is said, mostly with the parameter's name beside it."""
    if one.known and not _doubtful(one, tool) and (rng.random() < 0.75 or one.kind == "bool"):
        _, schema, ways, kind = PARAMS[one.known]
        return phrase(rng, ways, schema, kind, split)
    key = one.key if rng.random() < 0.2 else one.key.replace("_", " ")
    if one.kind == "bool":
        yes = rng.random() < 0.5
        return yes, render(rng, pick(rng, SAYINGS["yes" if yes else "no"], split), {"k": key})
    value, text = draw_value(rng, one.kind, one.schema, split) if one.known else _made_up(rng, one, split)
    ways = SAYINGS["enum" if one.kind == "enum" and not one.known else "text"]
    return value, render(rng, pick(rng, ways, split), {"k": key, "v": text})


def _use(rng: random.Random, tool: _Tool, split: Split) -> Use:
    """A request for a tool, and the call."""
    frame = pick(rng, VERBS[tool.verb][2] if tool.verb in VERBS else ASKS, split)
    article = rng.choice(("the ", "the ", "a ", "my ", "", "this "))
    bare = any(word in frame for word in ("all", "many", "every", "new", "are there"))
    thing = tool.noun if bare else article + tool.noun
    before, _, after = frame.partition("N")
    before, verb, rest = before.partition("V")
    pieces: list[Piece] = [(before, False)]
    if verb:
        pieces += [(tool.verb, True), (rest, False)]
    pieces += [(thing, True), (after, False)]
    arguments: dict[str, JSON] = {}
    chosen = [one for one in tool.params if one.required or rng.random() < 0.5]
    if rng.random() < 0.35:
        rng.shuffle(chosen)
    for index, one in enumerate(chosen):
        arguments[one.key], said = _said(rng, one, tool, split)
        joint = " " if index == 0 or rng.random() < 0.6 else rng.choice((", ", " and ", ", and "))
        pieces += [("" if said[0][0].startswith((",", ":")) else joint, False), *said]
    return Use(tool.spec, pieces, tool.thoughts, arguments, frozenset())


def drill_cases(rng: random.Random, split: Split) -> list[Fields]:
    """One list of tools that are alike, and several requests for it."""
    if rng.random() < 0.33:
        return echo_cases(rng, split)
    opaque = rng.random() < 0.1
    tools: list[_Tool] = []
    for verb, noun in _pairs(rng, split):
        made = _tool(rng, split, verb, noun, opaque)
        if made.spec.name not in {SAY.name, *(one.spec.name for one in tools)}:
            tools.append(made)
    absent = tools.pop() if len(tools) > 1 and rng.random() < 0.3 else None
    speaks = absent is not None or rng.random() < 0.4
    shown = [one.spec for one in tools]
    rng.shuffle(shown)
    if speaks:
        shown.insert(0 if rng.random() < 0.6 else len(shown), SAY)
    system = rng.choice(SYSTEMS)
    out: list[Fields] = []

    def case(kind: str, past: Sequence[Message], thoughts: str, call: ToolCall, *accept: str) -> None:
        out.append((kind, tuple(past), CORE, NOW, tuple(shown), system, thoughts[:118], call, accept))

    for _ in range(rng.choice((2, 3, 3, 4))):
        use = _use(rng, rng.choice(tools), split)
        asked, call = Message("user", request(rng, use)), call_of(use)
        case("tool_match", (asked,), use.thoughts, call)
        if speaks and rng.random() < 0.12:
            text = any_text(rng, split)
            done = Message("assistant", thoughts=use.thoughts, calls=(call,))
            say = ToolCall("send_message", {"message": text})
            case("tool_none", (asked, done, Message("tool", text, name=call.name)), "tell result", say, text)
    if absent is not None:
        asked = Message("user", request(rng, _use(rng, absent, split)))
        say = ToolCall("send_message", {"message": NONE})
        case("tool_none", (asked,), "no function fits", say, "can't")
    return out
