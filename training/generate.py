"""Make training and test cases for the embedded model: what the agent is shown, and what it should do next.

Each case is executed against the real core memory and rendered by the product's own prompt code, so that training
shows exactly what use will show. `groups` yields cases that share everything up to the last message where possible.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bridle.agent.functions import FUNCTIONS
from bridle.agent.memory import Core
from bridle.agent.prompt import COMPACT, compose, memory_text, trim
from bridle.messages import Message, ToolCall, ToolSpec
from bridle.wrappers import Segment, get_wrapper

__all__ = ["KINDS", "Case", "Split", "groups", "judge", "messages", "segments"]

Split = Literal["train", "entities", "frames"]
"""`train`: nothing held out. `entities`: only held-out values. `frames`: held-out wordings and values."""

KINDS = ("fact", "answer_core", "search_archive")
WRAPPER = get_wrapper("chatml-compact")
END = "<|im_end|>"


@dataclass(frozen=True, slots=True)
class Case:
    """One step: `history` (already trimmed), live memory and time, and the right next thought and call.

    `tools` is None for the agent with its eight functions, else these tools stand under `system` (None or empty:
    no instructions). `accept` are strings that a right message must hold, in any case of letters; empty: any does.
    """

    kind: str
    history: tuple[Message, ...]
    core: Core
    now: datetime
    tools: tuple[ToolSpec, ...] | None
    system: str | None
    thoughts: str
    call: ToolCall
    accept: tuple[str, ...] = ()


def messages(case: Case) -> tuple[Message, ...]:
    """The messages that the wrapper renders."""
    if case.tools is None:
        return compose(COMPACT, case.history, memory_text(COMPACT, case.core, case.now))
    head = (Message("system", case.system),) if case.system else ()
    return (*head, *case.history)


def segments(case: Case) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    """Prompt and target of a case, written by the product's own wrapper."""
    tools = FUNCTIONS if case.tools is None else case.tools
    target = WRAPPER.syntax.write((case.call,), case.thoughts, "", tools)
    return WRAPPER.render(messages(case), tools), (Segment(target), Segment(END, control=True))


def judge(case: Case, call: ToolCall) -> tuple[bool, bool]:
    """Is it the right function, and are its arguments right?"""
    if call.name != case.call.name:
        return False, False
    if call.name != "send_message":
        return True, dict(call.arguments) == dict(case.call.arguments)
    said = str(call.arguments.get("message", "")).lower()
    return True, all(part.lower() in said for part in case.accept)


def groups(seed: int, split: Split = "train", eval_kind: str | None = None) -> Iterator[tuple[Case, ...]]:
    """Yield groups of cases without end. With `eval_kind`, groups of one case of that kind."""
    rng = random.Random(f"{seed} {split} {eval_kind}")
    while True:
        city, other = rng.sample(["Bergen", "Porto", "Oslo", "Lyon", "Leeds", "Ghent"], 2)
        now = datetime(2026, rng.randint(1, 12), rng.randint(1, 28), rng.randint(0, 23), rng.randint(0, 59))
        core = COMPACT.core()
        known = core.append("human", f"Lives in: {city}")
        ask = (Message("user", "Where do I live?"),)
        tell = (Message("user", f"I live in {other}."),)
        search = ToolCall("archival_memory_search", {"query": "lives in", "request_heartbeat": True})
        append = ToolCall(
            "core_memory_append",
            {"name": "human", "content": f"Lives in: {other}", "request_heartbeat": True},
        )
        answer = ToolCall("send_message", {"message": f"You live in {city}."})
        shown = trim(ask, COMPACT.history_chars)
        made = (
            Case("answer_core", shown, known, now, None, None, f"Lives in: {city}", answer, (city,)),
            Case("search_archive", shown, core, now, None, None, "Lives in: ?", search),
            Case("fact", tell, core, now, None, None, f"Lives in: ? > {other}", append),
        )
        if eval_kind is None:
            yield made
        else:
            yield from ((case,) for case in made if case.kind == eval_kind)
