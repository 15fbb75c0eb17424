"""Make what is shown fit a model's window: ever shorter views of it, of which the first that fits is taken.

The oldest turns go first. Then long results of functions are cut, then the first steps of the newest turn go,
then the oldest lines of memory; an agent must not become useless because its memory is written in a script
that costs many tokens. At last the message that is answered is cut in its middle; the whole of it is in the
store.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bridle.agent.memory import Block, Core
from bridle.agent.prompt import Profile, is_memory, trim
from bridle.messages import Message

__all__ = ["View", "answer_tokens", "views"]

LEAST_RESULT_CHARS = 80
CUT = " […] "
"""Stands where a message was cut."""
LEAST_SAID_CHARS = 100
"""Shorter than this what was said makes no sense any more."""


@dataclass(frozen=True, slots=True)
class View:
    """A part of a conversation and of core memory.

    `cut` says what of the present turn is not shown; with `bare` neither is the summary of what was before.
    """

    history: tuple[Message, ...]
    core: Core
    cut: str = ""
    bare: bool = False


def views(profile: Profile, history: Sequence[Message], core: Core) -> Iterator[View]:
    """Yield what may be shown: as much as the profile wants, then less and less."""
    shown: tuple[Message, ...] | None = None
    if not profile.memory_stays:
        history = _without_memory(history)
    for thirds in (3, 2, 1, 0):
        shorter = _with_memory(history, trim(history, profile.history_chars * thirds // 3))
        if shorter != shown:
            yield View(shorter, core)
        shown = shorter
    turn = shown or ()
    for shorten, cut in (
        (_cut_longest_result, "results were cut"),
        (_drop_first_step, "steps were left out"),
    ):
        while (shorter := shorten(turn)) != turn:
            turn = shorter
            yield View(turn, core, cut)
    for parts in (2, 4, 8):
        smaller = Core(tuple(_newest_lines(block, block.limit // parts) for block in core.blocks))
        if smaller != core:
            yield View(_without_memory(turn), smaller, "the oldest lines of memory were left out")
        core = smaller
    turn = _without_memory(turn)
    while (shorter := _cut_what_was_said(turn)) != turn:
        turn = shorter
        yield View(turn, core, "the message was cut in its middle")


def _without_memory(history: Sequence[Message]) -> tuple[Message, ...]:
    return tuple(message for message in history if message.role != "system")


def _with_memory(history: Sequence[Message], shown: tuple[Message, ...]) -> tuple[Message, ...]:
    """The end of a conversation, after the memory that was shown last before it."""
    dropped = history[: len(history) - len(shown)]
    memory = [message for message in dropped if is_memory(message)][-1:]
    return shown if not shown or is_memory(shown[0]) else (*memory, *shown)


def _cut_longest_result(turn: tuple[Message, ...]) -> tuple[Message, ...]:
    """Halve the longest result of a function, unless all are short."""
    results = [(len(message.content), at) for at, message in enumerate(turn) if message.role == "tool"]
    size, at = max(results, default=(0, 0))
    if size <= LEAST_RESULT_CHARS:
        return turn
    kept = max(size // 2, LEAST_RESULT_CHARS) - 1
    cut = replace(turn[at], content=turn[at].content[:kept] + "…")
    return (*turn[:at], cut, *turn[at + 1 :])


def _drop_first_step(turn: tuple[Message, ...]) -> tuple[Message, ...]:
    """Leave the first call of a turn and its result out; the last one stays."""
    start = next((at + 1 for at, message in enumerate(turn) if message.role == "user"), 0)
    return turn if len(turn) - start <= 2 else (*turn[:start], *turn[start + 2 :])


def _cut_what_was_said(turn: tuple[Message, ...]) -> tuple[Message, ...]:
    """Halve the message that is answered; its beginning and its end stay."""
    at = next((at for at, message in enumerate(turn) if message.role == "user"), None)
    if at is None or len(text := turn[at].content) <= 2 * LEAST_SAID_CHARS:
        return turn
    kept = max(len(text) // 2, LEAST_SAID_CHARS) // 2
    cut = replace(turn[at], content=f"{text[:kept]}{CUT}{text[len(text) - kept :]}")
    return (*turn[:at], cut, *turn[at + 1 :])


def _newest_lines(block: Block, most_chars: int) -> Block:
    lines = list(block.lines)
    while lines and sum(len(line) + 1 for line in lines) > most_chars:
        del lines[0]
    return replace(block, value="\n".join(lines))


def answer_tokens(profile: Profile, window: int) -> int:
    """How many tokens to leave for an answer: a long one at two characters each, at most a quarter."""
    return min((profile.thoughts_chars + profile.string_chars) // 2 + 64, window // 4)
