"""Make training and test cases for the embedded model: what the agent is shown, and what it should do next.

Each edit is executed against the real core memory, and each prompt is rendered by the product's own code, so
that training shows exactly what use will show. `groups` yields cases that share what stands before the last
message.
Run as a program, it prints cases to read, or counts kinds.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import dialogues
import drills
import toolbox
import turns
from frames import Split
from world import Turn, World, draw_world

from bridle.agent.functions import FUNCTIONS
from bridle.agent.memory import Core
from bridle.agent.prompt import COMPACT, compose, memory_text, trim
from bridle.messages import Message, ToolCall, ToolSpec
from bridle.wrappers import Segment, get_wrapper

__all__ = ["KINDS", "Case", "Split", "groups", "judge", "messages", "segments"]

KINDS = (
    "fact",
    "correction",
    "same",
    "forget",
    "answer_core",
    "search_archive",
    "answer_archive",
    "answer_none",
    "note",
    "note_saved",
    "ask_free",
    "conv_search",
    "conv_answer",
    "date_search",
    "pause",
    "whoami",
    "rename",
    "name_user",
    "about_me",
    "smalltalk",
    "time",
    "cannot",
    "unclear",
    "ack",
    "two_facts",
    "multi_value",
    "tool",
    "tool_none",
    "tool_match",
    "copy",
)
TOOL_SHARE, DRILL_SHARE = 0.38, 0.65
"""Of all groups, those with other tools than the agent's; of them, those with tools that nobody has."""
WRAPPER = get_wrapper("chatml-compact")
END = "<|im_end|>"


@dataclass(frozen=True, slots=True)
class Case:
    """One step: `history` (already trimmed), live memory and time, and the right next thought and call.

    `tools` is None for the agent with its eight functions, else these tools stand under `system` (None or
    empty: no instructions). `accept` are strings that a right message must hold, in any case of letters.
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
    if call.name != "send_message" or case.kind == "tool":
        return True, dict(call.arguments) == dict(case.call.arguments)
    said = str(call.arguments.get("message", "")).lower()
    return True, all(part.lower() in said for part in case.accept)


Maker = Callable[[random.Random, World], "Turn | None"]


def _tell(rng: random.Random, world: World) -> Turn | None:
    topic = dialogues.known_topic(rng, world) if rng.random() < 0.4 else None
    topic = topic or dialogues.fresh_topic(rng, world)
    text, value = dialogues.tell_text(rng, world, topic)
    return dialogues.tell(rng, world, topic, text, value)


def _same(rng: random.Random, world: World) -> Turn | None:
    topic = dialogues.known_topic(rng, world)
    if topic is None:
        return None
    value = rng.choice(world.values(topic))
    return dialogues.tell(rng, world, topic, dialogues.same_text(rng, world, topic, value), value)


def _ask(rng: random.Random, world: World) -> Turn | None:
    topic = dialogues.known_topic(rng, world) if rng.random() < 0.58 else None
    topic = topic or dialogues.fresh_topic(rng, world)
    return dialogues.ask_about(rng, world, topic, dialogues.question_text(rng, world, topic))


def _forget(rng: random.Random, world: World) -> Turn | None:
    topic = dialogues.known_topic(rng, world) if rng.random() < 0.75 else None
    return dialogues.forget(rng, world, topic or dialogues.fresh_topic(rng, world))


def _multi(rng: random.Random, world: World) -> Turn | None:
    many = [topic for topic, _ in world.facts if len(world.values(topic)) > 1]
    topic = dialogues.several(rng, world) if not many or rng.random() < 0.3 else rng.choice(many)
    if len(world.values(topic)) < 2:
        return None
    return dialogues.ask_about(rng, world, topic, dialogues.question_text(rng, world, topic))


def _name(rng: random.Random, world: World) -> Turn | None:
    topic = dialogues.named(rng, "Name")
    if rng.random() < 0.4:
        return dialogues.ask_about(rng, world, topic, dialogues.question_text(rng, world, topic))
    text, value = dialogues.tell_text(rng, world, topic)
    return dialogues.tell(rng, world, topic, text, value)


_CONFUSING: tuple[Maker, ...] = (
    _name,
    _name,
    _name,
    turns.whoami,
    turns.rename,
    turns.rename,
    dialogues.about_me,
)
"""Whose name is it? One group holds several of these."""


_ASKING: tuple[Maker, ...] = (
    turns.ask_free,
    turns.ask_free,
    turns.said,
    turns.day,
    turns.day,
    turns.clock,
    dialogues.about_me,
    _ask,
    turns.keep,
)
"""Where to look for it? One group holds several of these."""


MAKERS: Mapping[str, tuple[Maker, float, tuple[str, ...]]] = {
    "tell": (_tell, 21, ("fact", "correction", "name_user", "ack")),
    "same": (_same, 10, ("same",)),
    "ask": (_ask, 22, ("answer_core", "multi_value", "search_archive", "answer_archive", "answer_none")),
    "forget": (_forget, 13, ("forget", "ack")),
    "two": (dialogues.two_facts, 6, ("two_facts", "ack")),
    "pair": (dialogues.pair, 4.5, ("two_facts", "ack")),
    "pets": (dialogues.pets, 2.5, ("multi_value", "answer_core", "search_archive", "answer_none")),
    "multi": (_multi, 7, ("multi_value",)),
    "name": (_name, 9, ("name_user", "ack", "answer_core", "search_archive")),
    "keep": (turns.keep, 13, ("note", "note_saved", "ack")),
    "free": (turns.ask_free, 19, ("ask_free", "answer_archive", "answer_none")),
    "said": (turns.said, 13, ("conv_search", "conv_answer")),
    "day": (turns.day, 6, ("date_search", "conv_answer")),
    "pause": (turns.pause, 9, ("pause", "ack")),
    "whoami": (turns.whoami, 3, ("whoami",)),
    "rename": (turns.rename, 4, ("rename", "ack")),
    "about": (dialogues.about_me, 5, ("about_me",)),
    "chat": (turns.chat, 12, ("smalltalk",)),
    "clock": (turns.clock, 4, ("time",)),
    "cannot": (turns.cannot, 4.5, ("cannot",)),
    "unclear": (turns.unclear, 3, ("unclear",)),
    "copy": (turns.copy, 12, ("copy",)),
}
_NAMES = tuple(MAKERS)
_WEIGHTS = tuple(weight for _, weight, _ in MAKERS.values())


def _turn(rng: random.Random, world: World, names: tuple[str, ...] = _NAMES) -> Turn:
    weights = _WEIGHTS if names is _NAMES else tuple(MAKERS[name][1] for name in names)
    for _ in range(50):
        made = MAKERS[rng.choices(names, weights)[0]][0](rng, world)
        if made is not None:
            return made
    return turns.chat(rng, world)


def _cases(turn: Turn, past: tuple[Message, ...], now: datetime) -> list[Case]:
    out: list[Case] = []
    for index, step in enumerate(turn.steps):
        history = trim((*past, *turn.messages(index)), COMPACT.history_chars)
        out.append(
            Case(step.kind, history, step.core, now, None, None, step.thoughts, step.call, step.accept)
        )
    return out


def _agent_group(rng: random.Random, split: Split, names: tuple[str, ...]) -> list[Case]:
    world = draw_world(rng, split)
    past: tuple[Message, ...] = ()
    for _ in range(rng.choice((0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 6))):
        world.split = "train" if split == "train" else "entities"
        past = (*past, *_turn(rng, world).messages())
    world.split = split
    if rng.random() < 0.3 and names is _NAMES:
        return _contrast(rng, world, past)
    out: list[Case] = []
    confusing = rng.random()
    if confusing < 0.14 and names is _NAMES:
        for maker in rng.sample(_CONFUSING if confusing < 0.06 else _ASKING, 4):
            made = maker(rng, world.copy())
            out += _cases(made, past, world.now)[:1] if made else []
        return out
    if confusing > 0.94 and names is _NAMES:
        return [case for _ in range(8) for case in _cases(turns.copy(rng, world.copy()), past, world.now)]
    for _ in range(rng.choice((3, 4, 4, 5))):
        state = world.copy()
        steps = _cases(_turn(rng, state, names), past, world.now)
        out += [
            case
            for index, case in enumerate(steps)
            if index == 0 or names is not _NAMES or case.kind == "two_facts" or rng.random() < 0.4
        ]
    return out


def _contrast(rng: random.Random, world: World, past: tuple[Message, ...]) -> list[Case]:
    """The same message where memory holds the key with this value, with another, or does not hold it."""
    topic = dialogues.fresh_topic(rng, world)
    known, same = world.copy(), world.copy()
    dialogues.insert_line(rng, known, topic)
    asked = dialogues.question_text(rng, world, topic)
    told, value = dialogues.tell_text(rng, world, topic)
    dialogues.insert_line(rng, same, topic, value)
    out: list[Case] = []
    for state in (world, known, same):
        made = [dialogues.tell(rng, state.copy(), topic, told, value)]
        if state is not same:
            made.append(dialogues.ask_about(rng, state.copy(), topic, asked))
        elif rng.random() < 0.4:
            continue
        for turn in made:
            out += _cases(turn, past, world.now)[: 1 if rng.random() < 0.6 else 9]
    return out


def groups(seed: int, split: Split = "train", eval_kind: str | None = None) -> Iterator[tuple[Case, ...]]:
    """Yield groups of cases without end. With `eval_kind`, groups of one case of that kind."""
    rng = random.Random(f"{seed} {split} {eval_kind}")
    if eval_kind is not None and eval_kind not in KINDS:
        raise ValueError(f"there is no kind {eval_kind!r}; the kinds are {', '.join(KINDS)}")
    names = tuple(name for name, (_, _, kinds) in MAKERS.items() if eval_kind in kinds) or _NAMES
    only_tools = eval_kind in ("tool", "tool_none", "tool_match")
    while True:
        if only_tools or (eval_kind is None and rng.random() < TOOL_SHARE):
            drill = eval_kind == "tool_match" or (eval_kind is None and rng.random() < DRILL_SHARE)
            made = [
                Case(*fields) for fields in (drills.drill_cases if drill else toolbox.tool_cases)(rng, split)
            ]
        else:
            made = _agent_group(rng, split, names)
        if eval_kind is None:
            yield tuple(made)
            continue
        fitting = [case for case in made if case.kind == eval_kind]
        if fitting:
            yield (rng.choice(fitting),)


def _show(case: Case) -> str:
    prompt, target = segments(case)
    text = "".join(segment.text for segment in prompt)
    if case.tools is None:
        text = text.partition("<|im_end|>\n")[2]
    return f"--- {case.kind} {case.accept}\n{text}>>> {target[0].text}"


def _main() -> None:
    parser = argparse.ArgumentParser(description="Print cases, or count their kinds.")
    parser.add_argument("--show", type=int, default=20, help="how many groups")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--split", choices=("train", "entities", "frames"), default="train")
    parser.add_argument("--kind", help="only this kind")
    parser.add_argument("--brief", action="store_true", help="only the last message and the target")
    parser.add_argument("--count", action="store_true", help="count the kinds instead")
    options = parser.parse_args()
    made = islice(groups(options.seed, options.split, options.kind), options.show)
    if options.count:
        counts = Counter(case.kind for group in made for case in group)
        total = sum(counts.values())
        for kind in KINDS:
            print(f"{kind:16}{counts[kind]:8}{100 * counts[kind] / total:7.1f} %")
        return
    for group in made:
        for case in group:
            if options.brief:
                last = [message for message in case.history if message.role in ("user", "tool")][-1]
                print(f"{case.kind:14} {last.content!r}")
                print(f"    {case.thoughts!r} {case.call.name} {dict(case.call.arguments)}")
            else:
                print(_show(case))


if __name__ == "__main__":
    _main()
