"""Turns about what is known of the user: telling, correcting, asking and forgetting."""

from __future__ import annotations

import random
from dataclasses import replace

import talk
from frames import Style, article, join_words, pick, render
from notes import listing, pairs, phrases
from topics import Topic, draw_topic, upper
from world import Turn, World

from bridle.agent.memory import Core
from bridle.agent.prompt import COMPACT

__all__ = [
    "about_me",
    "ask_about",
    "forget",
    "fresh_topic",
    "insert_line",
    "known_topic",
    "named",
    "pair",
    "pets",
    "question_text",
    "same_text",
    "several",
    "tell",
    "tell_text",
    "two_facts",
]


def known_topic(rng: random.Random, world: World) -> Topic | None:
    """A topic that memory has something about."""
    return rng.choice(world.facts)[0] if world.facts else None


def fresh_topic(rng: random.Random, world: World) -> Topic:
    """A topic that memory has nothing about."""
    while True:
        topic = draw_topic(rng, world.split)
        if not world.values(topic):
            return topic


def style_for(rng: random.Random, topic: Topic) -> Style:
    """A way to type in which the topic's noun keeps its capitals."""
    style = Style.draw(rng)
    while style.lower and topic.noun != topic.noun.lower():
        style = Style.draw(rng)
    return style


def tell_text(rng: random.Random, world: World, topic: Topic) -> tuple[str, str]:
    """A statement that is new for this memory, and its value."""
    style = style_for(rng, topic)
    old = world.values(topic)
    value = style.value(topic.value(rng, world.split, old))
    share = 0.62 if old and not topic.multi else 0.07
    if not topic.multi and rng.random() < share:
        shown = style.value(old[0]) if old else None
        return talk.correct(rng, style, topic, value, shown, world.split, world.persona), value
    return talk.tell(rng, style, topic, value, world.split, world.persona), value


def _saved(turn: Turn, result: str, message: str, *accept: str, thoughts: str = "saved") -> None:
    if result == "OK":
        turn.say("ack", thoughts, message, *accept)
    else:
        turn.say("ack", "failed", "Sorry, I could not save that.", "sorry")


def _remember(turn: Turn, topic: Topic, value: str) -> tuple[str, str]:
    """Save a value as memory demands; return what came back, and the kind of step."""
    world = turn.world
    old = world.values(topic)
    new = topic.line(value)
    shown = new.partition(": ")[2]
    if old and not topic.multi:
        before = topic.line(old[0])
        result = turn.replace("correction", f"{before} > {shown}", before, new)
        kind = "correction"
    else:
        kind = "name_user" if topic.key == "Name" else "fact"
        result = turn.append(kind, f"{topic.key}: ? > {shown}", new)
    if result == "OK":
        world.facts = [fact for fact in world.facts if topic.multi or fact[0].slot != topic.slot]
        world.facts.append((topic, value))
    return result, kind


def tell(rng: random.Random, world: World, topic: Topic, text: str, value: str) -> Turn:
    """The user says something about himself."""
    turn = Turn(world, text)
    if value in world.values(topic):
        shown = topic.line(value).partition(": ")[2]
        turn.say("same", f"{topic.line(value)} > {shown}", f"I know, {topic.reply([value])}.", value)
        return turn
    result, kind = _remember(turn, topic, value)
    message = f"Got it, {topic.reply([value])}."
    if kind == "name_user":
        message = f"Nice to meet you, {value}! I will remember your name."
    _saved(turn, result, message, value)
    return turn


_PETS, _PAIRS = phrases("pets"), pairs()


def pets(rng: random.Random, world: World) -> Turn:
    """The user asks for all pets."""
    if rng.random() < 0.35:
        pet = named(rng, "Pet")
        if not world.values(pet):
            insert_line(rng, world, pet)
    turn = Turn(world, talk.command(rng, Style.draw(rng), _PETS, world.split, "?"))
    lines = world.core.block("human").lines
    found = [line.removeprefix("Pet: ") for line in lines if line.startswith("Pet: ")][:3]
    if not found:
        result = listing([_stored(rng, named(rng, "Car"), "van")] if rng.random() < 0.15 else [])
        turn.search("search_archive", "Pet: ?", "pet", result)
        turn.say(
            "answer_none", "Pet: ?", "I don't know your pets yet. Tell me and I will remember it.", "don't"
        )
        return turn
    known = {
        topic.line(value).removeprefix("Pet: "): (f"{article(topic.prefix.strip())} called {value}", value)
        for topic, value in world.facts
        if topic.key == "Pet"
    }
    shown = [known[line][0] for line in found]
    names = [known[line][1] for line in found]
    kind = "multi_value" if len(found) > 1 else "answer_core"
    turn.say(kind, _listed([f"Pet: {line}" for line in found]), f"You have {join_words(shown)}.", *names)
    return turn


def pair(rng: random.Random, world: World) -> Turn | None:
    """Two facts that people like to tell in one breath."""
    one, two, frames = rng.choice(_PAIRS)
    first, second = named(rng, one), named(rng, two)
    if any(world.values(topic) and not topic.multi for topic in (first, second)):
        return None
    style = Style.draw(rng)
    values = [style.value(topic.value(rng, world.split)) for topic in (first, second)]
    if any(value.startswith("in ") or (" in " in value and " a" in frames[0]) for value in values):
        return None
    turn = Turn(
        world,
        style.write(rng, render(rng, pick(rng, frames, world.split), {"v": values[0], "w": values[1]}), "."),
    )
    return _both(turn, (first, second), values)


def _both(turn: Turn, topics: tuple[Topic, Topic], values: list[str]) -> Turn | None:
    result = ""
    for topic, value in zip(topics, values, strict=True):
        if value in turn.world.values(topic):
            return None
        result, _ = _remember(turn, topic, value)
        turn.steps[-1] = replace(turn.steps[-1], kind="two_facts")
        if result != "OK":
            break
    said = f"Got it, {topics[0].reply(values[:1])} and {topics[1].reply(values[1:])}."
    _saved(turn, result, said, *values)
    return turn


def two_facts(rng: random.Random, world: World) -> Turn | None:
    """Two statements in one message."""
    first = fresh_topic(rng, world)
    if rng.random() < 0.4 and not world.values(named(rng, "Name")):
        first = named(rng, "Name")
    second = fresh_topic(rng, world)
    if first.slot == second.slot or {first.key, second.key} & {"Phone", "Children"}:
        return None
    style = Style.draw(rng)
    if any(topic.noun != topic.noun.lower() for topic in (first, second)):
        return None
    values = [style.value(topic.value(rng, world.split)) for topic in (first, second)]
    joint = rng.choice((" and ", " and ", ", ", ". ", ", and ", " & ", "; ", ". also, ", ", also "))
    pieces = [
        *_clause(rng, first, values[0], world),
        (joint, False),
        *_clause(rng, second, values[1], world),
    ]
    turn = Turn(world, style.write(rng, pieces, "."))
    return _both(turn, (first, second), values)


def named(rng: random.Random, key: str) -> Topic:
    """The topic of one attribute."""
    topic = draw_topic(rng, "train")
    while topic.key != key:
        topic = draw_topic(rng, "train")
    return topic


def _clause(rng: random.Random, topic: Topic, value: str, world: World) -> list[tuple[str, bool]]:
    while True:
        pieces = topic.words("say", rng, world.split, v=value)
        first = pieces[0][0].lower()
        if not first.startswith(("hi", "hello", "hey", "yes", "let")) and ":" not in "".join(
            t for t, v in pieces if not v
        ):
            return pieces
        pieces = topic.words("say", rng, "train", v=value)


def question_text(rng: random.Random, world: World, topic: Topic) -> str:
    """A question about a topic."""
    values = world.values(topic)
    guess = values[0] if values and rng.random() < 0.6 else None
    return talk.ask(rng, style_for(rng, topic), topic, world.split, world.persona, guess)


def _listed(lines: list[str]) -> str:
    """The lines in one thought, as many as it holds."""
    while sum(len(line) + 2 for line in lines) > COMPACT.thoughts_chars:
        lines = lines[:-1]
    return "; ".join(lines)


def several(rng: random.Random, world: World) -> Topic:
    """A topic that may have several values; memory gets up to three of them."""
    topic = draw_topic(rng, world.split)
    while not topic.multi:
        topic = draw_topic(rng, world.split)
    for _ in range(rng.choice((2, 2, 3)) - len(world.values(topic))):
        insert_line(rng, world, topic)
    return topic


def ask_about(rng: random.Random, world: World, topic: Topic, text: str) -> Turn:
    """The user asks for something about himself: memory has it, or the notes are searched."""
    turn = Turn(world, text)
    values = world.values(topic)
    if values:
        lines = _listed([topic.line(value) for value in values])
        kind = "multi_value" if len(values) > 1 else "answer_core"
        turn.say(kind, lines, f"{upper(topic.reply(values))}.", *values)
        return turn
    value = topic.value(rng, world.split)
    chance = rng.random()
    found = [_stored(rng, topic, value)] if chance < 0.5 else []
    others = rng.choice((0, 0, 1, 2, 4)) if chance < 0.62 else 0
    for _ in range(others):
        other = draw_topic(rng, world.split)
        if other.slot != topic.slot:
            line = _stored(rng, other, other.value(rng, world.split))
            found.insert(len(found) if rng.random() < 0.75 else 0, line)
    turn.search("search_archive", f"{topic.key}: ?", topic.query, listing(found))
    if chance < 0.5:
        shown = topic.line(value).partition(": ")[2]
        turn.say("answer_archive", f"{topic.key}: {shown}", f"{upper(topic.reply([value]))}.", value)
    else:
        message = f"I don't know {topic.yours} yet. Tell me and I will remember it."
        turn.say("answer_none", f"{topic.key}: ?", message, "don't")
    return turn


def _stored(rng: random.Random, topic: Topic, value: str) -> str:
    key, _, shown = topic.line(value).partition(": ")
    kind = rng.random()
    if kind < 0.4:
        return f"{key} is {shown}"
    if kind < 0.7:
        return f"{key}: {shown}"
    if kind < 0.85:
        return f"{upper(topic.reply([value]))}."
    return "".join(text for text, _ in topic.words("say", rng, "train", v=value))


def forget(rng: random.Random, world: World, topic: Topic) -> Turn | None:
    """The user wants something forgotten."""
    values = world.values(topic)
    style = style_for(rng, topic)
    if topic.multi and (rng.random() < 0.7 or len(values) > 2):
        if not values:
            return None
        values = [rng.choice(values)]
        pieces = topic.words("drop", rng, world.split, o=style.value(values[0]))
        text = style.write(rng, pieces, ".")
    else:
        text = talk.forget(rng, style, topic, world.split, world.persona)
    turn = Turn(world, text)
    if not values:
        turn.say("forget", f"{topic.key}: ? > -", f"I have nothing about {topic.yours}.", "nothing")
        return turn
    for value in values:
        line = topic.line(value)
        turn.replace("forget", f"{line} > -", line, "")
        world.facts.remove(next(fact for fact in world.facts if fact[0].line(fact[1]) == line))
    turn.say("ack", "deleted", f"I have forgotten that {topic.reply(values)}.", "forgotten")
    return turn


def about_me(rng: random.Random, world: World) -> Turn:
    """The user asks for all that is known."""
    style = Style.draw(rng)
    turn = Turn(world, talk.command(rng, style, talk.words("about_me"), world.split, "?"))
    lines: list[str] = []
    for line in world.core.block("human").lines[:4]:
        if sum(len(one) + 2 for one in lines) + len(line) < 190:
            lines.append(line)
    if not lines:
        turn.say("about_me", "human: ?", "I don't know anything about you yet. Tell me something!", "don't")
        return turn
    thoughts = "; ".join(
        line for index, line in enumerate(lines[:3]) if sum(map(len, lines[: index + 1])) < 100
    )
    turn.say("about_me", thoughts, f"You told me: {'; '.join(lines)}.", *lines[:2])
    return turn


def same_text(rng: random.Random, world: World, topic: Topic, value: str) -> str:
    """A statement of what is known already."""
    style = style_for(rng, topic)
    style = replace(style, lower_values=False)
    return talk.tell(rng, style, topic, value, world.split, world.persona)


def insert_line(rng: random.Random, world: World, topic: Topic, value: str = "") -> None:
    """Put a value of a topic into memory, at any place, if it fits."""
    value = value or topic.value(rng, world.split)
    block = world.core.block("human")
    lines = list(block.lines)
    lines.insert(rng.randint(0, len(lines)), topic.line(value))
    text = "\n".join(lines)
    if len(text) <= block.limit and len(set(lines)) == len(lines):
        world.facts.append((topic, value))
        world.core = Core(
            tuple(replace(b, value=text) if b.label == "human" else b for b in world.core.blocks)
        )
