"""A simulated agent: its memory and the turns it takes, every edit done by the real core memory."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from entities import WORDS, pick_value
from frames import Split
from topics import Topic, draw_topic

from bridle.agent.memory import Block, Core, EditError
from bridle.agent.prompt import COMPACT
from bridle.messages import JSON, Message, ToolCall

__all__ = ["Step", "Turn", "World", "draw_world"]


@dataclass(frozen=True, slots=True)
class Step:
    """One call and what came back, with the memory as it was before."""

    kind: str
    thoughts: str
    call: ToolCall
    result: str
    core: Core
    accept: tuple[str, ...]

    def messages(self) -> tuple[Message, Message]:
        """What the history holds of it."""
        return (
            Message("assistant", thoughts=self.thoughts, calls=(self.call,)),
            Message("tool", self.result, name=self.call.name),
        )


@dataclass(slots=True)
class World:
    """Everything that a turn may depend on and change."""

    split: Split
    core: Core
    now: datetime
    persona: str
    facts: list[tuple[Topic, str]] = field(default_factory=list)

    def copy(self) -> World:
        """The same state, to go on from in another way."""
        return World(self.split, self.core, self.now, self.persona, list(self.facts))

    def values(self, topic: Topic) -> list[str]:
        """The values that memory holds, in the order of its lines."""
        lines = self.core.block("human").lines
        found = [value for known, value in self.facts if known.slot == topic.slot]
        return sorted(found, key=lambda value: lines.index(topic.line(value)))

    @property
    def name_line(self) -> str:
        """The line of the persona that holds the agent's name."""
        return self.core.block("persona").lines[0]


@dataclass(slots=True)
class Turn:
    """A user message and the agent's steps."""

    world: World
    user: str
    steps: list[Step] = field(default_factory=list)

    def call(
        self,
        kind: str,
        thoughts: str,
        name: str,
        arguments: Mapping[str, JSON],
        result: str = "OK",
        accept: tuple[str, ...] = (),
    ) -> str:
        """Take a step; edits of core memory are really done, and their result is what memory says."""
        before = self.world.core
        call = ToolCall(name, dict(arguments))
        if name.startswith("core_memory"):
            result = self._edit(call)
        self.steps.append(Step(kind, thoughts, call, result, before, accept))
        return result

    def _edit(self, call: ToolCall) -> str:
        args = {key: str(value) for key, value in call.arguments.items()}
        try:
            if call.name == "core_memory_append":
                self.world.core = self.world.core.append(args["name"], args["content"])
            else:
                self.world.core = self.world.core.replace(
                    args["name"], args["old_content"], args["new_content"]
                )
        except EditError as error:
            return f"Failed: {error.message}"
        return "OK"

    def append(self, kind: str, thoughts: str, content: str) -> str:
        """Add a line about the user."""
        return self.call(
            kind,
            thoughts,
            "core_memory_append",
            {"name": "human", "content": content, "request_heartbeat": True},
        )

    def replace(self, kind: str, thoughts: str, old: str, new: str, block: str = "human") -> str:
        """Change or delete a line that exists."""
        assert old in self.world.core.block(block).lines, old
        return self.call(
            kind,
            thoughts,
            "core_memory_replace",
            {"name": block, "old_content": old, "new_content": new, "request_heartbeat": True},
        )

    def insert(self, kind: str, thoughts: str, content: str, result: str = "OK") -> str:
        """Keep a note."""
        return self.call(
            kind, thoughts, "archival_memory_insert", {"content": content, "request_heartbeat": True}, result
        )

    def search(
        self, kind: str, thoughts: str, query: str, result: str, name: str = "archival_memory_search"
    ) -> str:
        """Search the notes, or what was said."""
        return self.call(kind, thoughts, name, {"query": query, "request_heartbeat": True}, result)

    def say(self, kind: str, thoughts: str, message: str, *accept: str) -> None:
        """Speak, which ends the turn."""
        self.call(kind, thoughts, "send_message", {"message": message}, accept=accept)

    def messages(self, steps: int | None = None) -> tuple[Message, ...]:
        """The turn as the history holds it, with its first steps or all."""
        taken = self.steps if steps is None else self.steps[:steps]
        return (Message("user", self.user), *(message for step in taken for message in step.messages()))


_TRAITS = (
    "I like puzzles.",
    "I am friendly.",
    "I keep my answers short.",
    "I help with everyday things.",
    "I am curious.",
    "I speak plain English.",
    "I never forget a birthday.",
    "I am honest.",
    "I live in a small computer.",
    "I am patient.",
    "I like jokes.",
    "I was made in 2026.",
    "I help Ana.",
    "I love music.",
    "I am polite.",
)
_PERSONAS = ("Sam", "Sam", "Sam", "Ada", "Max", "Robin", "Bridle", "Eve", "Leo", "Nova")


def draw_world(rng: random.Random, split: Split) -> World:
    """A random state: 0 to 14 lines about the user, seldom a full block."""
    name = rng.choice(_PERSONAS) if rng.random() < 0.75 else pick_value(rng, "first", split)
    lines = [f"My name is {name}."]
    if rng.random() < 0.3:
        lines += rng.sample(_TRAITS, rng.choice((1, 1, 2)))
    if rng.random() < 0.15:
        lines = [" ".join(lines)]
    now = datetime(2024, 1, 1) + timedelta(minutes=int(rng.random() * 7 * 365 * 24 * 60))
    core = Core((Block("persona", "\n".join(lines), 600), Block("human", "", COMPACT.block_chars)))
    world = World(split, core, now, name)
    kind = rng.random()
    count = 0 if kind < 0.16 else int(1 + rng.random() * 5) if kind < 0.62 else int(3 + rng.random() * 12)
    found: list[str] = []
    if count and rng.random() < 0.35:
        _know(rng, world, found, "Name")
    for _ in range(count):
        _know(rng, world, found)
    if rng.random() < 0.02:
        while sum(len(line) + 1 for line in found) < COMPACT.block_chars - 24:
            found.append(" ".join(rng.choice(WORDS) for _ in range(4)))
        while sum(len(line) + 1 for line in found) > COMPACT.block_chars:
            found.pop()
        world.facts = [fact for fact in world.facts if fact[0].line(fact[1]) in found]
    world.core = Core((core.blocks[0], Block("human", "\n".join(found), COMPACT.block_chars)))
    return world


def _know(rng: random.Random, world: World, lines: list[str], key: str = "") -> None:
    topic = draw_topic(rng, world.split)
    while key and topic.key != key:
        topic = draw_topic(rng, "train")
    if world.facts and rng.random() < 0.12:
        multi = [known for known, _ in world.facts if known.multi]
        topic = multi[0] if multi else topic
    if not topic.multi and any(known.slot == topic.slot for known, _ in world.facts):
        return
    if sum(known.slot == topic.slot for known, _ in world.facts) > 2:
        return
    value = topic.value(rng, world.split)
    if rng.random() < 0.2:
        value = value.lower()
    line = topic.line(value)
    if line not in lines and sum(len(one) + 1 for one in lines) + len(line) < 500:
        world.facts.append((topic, value))
        lines.append(line)
