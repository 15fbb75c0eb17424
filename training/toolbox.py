"""Cases with arbitrary tools: a list of functions, a request, and the call that fits, or an honest refusal.

Names, descriptions and requests use different words for the same thing, so that the list has to be read.
Every argument is said in the request; optional ones that are not said are left out.
"""

from __future__ import annotations

import random
from typing import cast

from entities import pseudo
from frames import Piece, Split, held, pick, render
from toolparts import (
    ALIKE,
    CORE,
    NONE,
    NOUNS,
    NOW,
    PARAMS,
    SAY,
    SYSTEMS,
    TOOLS,
    TRAINED_NOUNS,
    VERBS,
    Fields,
    Use,
    draw_value,
    joined,
    kind_schema,
    phrase,
    request,
    result_text,
    spec,
)

from bridle.messages import JSON, Message, ToolCall

__all__ = ["tool_cases"]

_SPECIALS = cast("list[dict[str, object]]", TOOLS["special"])


def _composed(rng: random.Random, split: Split, noun: str = "", verb: str = "") -> Use:
    """A tool from a verb and a noun; some nouns do not exist."""
    made_up = not noun and rng.random() < 0.18
    noun = noun or _pick_noun(rng, split)
    words, articles, verbs, params = TRAINED_NOUNS[noun]
    verb = verb if verb in verbs else rng.choice(verbs)
    names, abouts, asks = VERBS[verb]
    called, spoken = rng.choice(words), rng.choice(words)
    if made_up:
        called = spoken = pseudo(rng)
        params = rng.sample(list(PARAMS), 3)
    name = joined(rng, (rng.choice(names), called) if rng.random() < 0.85 else (called, rng.choice(names)))
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
        variants, schema, ways, kind = PARAMS[param]
        key = variants[0] if rng.random() < 0.5 else rng.choice(variants)
        if key in properties:
            continue
        optional = rng.random() < 0.38
        properties[key] = dict(schema) if rng.random() < 0.6 else {**schema, "description": f"The {param}."}
        if not optional:
            required.append(key)
        elif rng.random() < 0.5:
            continue
        value, pieces = phrase(rng, ways, schema, kind, split)
        arguments[key] = value
        said.append(pieces)
    if len(said) > 1 and rng.random() < 0.3:
        rng.shuffle(said)
    before, _, after = pick(rng, asks, split).partition("N")
    determiner = rng.choice(articles)
    bare = any(word in f"{before}{after}" for word in ("all", "many", "every", "new", "are there"))
    thing = spoken if bare else f"{determiner} {spoken}"
    said_first: list[Piece] = [(before, False), (thing, made_up), (after, False)]
    for pieces in said:
        said_first += [("" if pieces[0][0].startswith((",", ":")) else " ", False), *pieces]
    tool = spec(name, about, properties, required)
    group = next((str(index) for index, verbs in enumerate(ALIKE) if verb in verbs), verb)
    near = frozenset((f"{called if made_up else noun} {group}", f"{verb} {called}"))
    return Use(tool, said_first, f"{verb.replace('_', ' ')} {called}", arguments, near)


_NEAR = cast("dict[str, list[str]]", TOOLS["near"])
"""For the specials: the other tools that a request for them might mean."""


def _pick_noun(rng: random.Random, split: Split) -> str:
    table = TRAINED_NOUNS if split == "train" else NOUNS
    return rng.choice([name for name in table if held("tool " + name, 15) == (split != "train")])


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
        schema = kind_schema(kind)
        optional = param.startswith("?")
        said = f"<{key}>" in frame
        if not optional:
            required.append(key)
        elif not said and rng.random() < 0.4:
            continue
        properties[key] = schema
        if said:
            arguments[key], slots[key] = draw_value(rng, kind, schema, split)
    about = rng.choice(cast("list[str]", one["about"]))
    tool = spec(rng.choice(cast("list[str]", one["names"])), about, properties, required)
    thoughts = str(one["thought"])
    return Use(
        tool, render(rng, frame, slots), thoughts, arguments, frozenset((thoughts, *_NEAR.get(thoughts, ())))
    )


def _use(rng: random.Random, split: Split) -> Use:
    return _special(rng, split) if rng.random() < 0.32 else _composed(rng, split)


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
    system = rng.choice(SYSTEMS)
    out: list[Fields] = []

    def case(kind: str, history: tuple[Message, ...], thoughts: str, call: ToolCall, *accept: str) -> None:
        out.append((kind, history, CORE, NOW, tuple(tools), system, thoughts[:118], call, accept))

    for use in rng.sample(uses, min(len(uses), 3)):
        asked = Message("user", request(rng, use))
        call = ToolCall(
            use.tool.name, {key: use.arguments[key] for key in use.tool.properties if key in use.arguments}
        )
        case("tool", (asked,), use.thoughts, call)
        if speaks and rng.random() < 0.15:
            result = result_text(rng, split)
            done = Message("assistant", thoughts=use.thoughts, calls=(call,))
            past = (asked, done, Message("tool", result, name=call.name))
            message = "Done." if result == "OK" else result
            case("tool_none", past, "tell result", ToolCall("send_message", {"message": message}), message)
    if absent is not None:
        asked = Message("user", request(rng, absent))
        case("tool_none", (asked,), "no function fits", ToolCall("send_message", {"message": NONE}), "can't")
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
