"""Read a turn of a syntax with marks of its own: exactly, or else as any other way of writing calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bridle.messages import Finish, Refusal, ToolSpec
from bridle.wrappers.reading import recover
from bridle.wrappers.reading.marks import THINKING
from bridle.wrappers.streams import compact
from bridle.wrappers.syntax import CallShape, Part, Reading
from bridle.wrappers.syntaxes.exact import read_exact, thinking_of, without_marks

__all__ = ["read_turn"]


def read_turn(
    raw: str,
    shape: CallShape,
    tools: Sequence[ToolSpec],
    dialect: str = "",
    finish: Finish = "stop",
    *,
    thinking: bool = False,
    also: tuple[Part, ...] = (),
) -> Reading:
    """Read a whole turn; never raises.

    Without a call in it, the marks of thinking and of text are still taken off. What has the mark of a call
    and is none in any way of writing is a refusal.
    """
    other = replace(shape, call=also, open="", close="", trigger=str(also[0])) if also else shape
    final = finish != "length"
    exact = read_exact(raw, shape, tools, thinking, final=final)
    if exact is None and also:
        exact = read_exact(raw, other, tools, thinking, final=final)
    if exact and exact.calls:
        return exact
    thoughts, rest, opened = _unwrapped(raw, shape, thinking)
    reading = recover(rest, tools, dialect or None, finish, thinking=opened)
    if thoughts:
        joined = "\n".join(part for part in (thoughts, reading.thoughts) if part)
        reading = replace(reading, thoughts=joined)
    if reading.calls or reading.refusals:
        return reading
    if exact:
        return exact
    if not opened and _is_begun(rest, shape):
        why = f"what begins with {shape.trigger.strip()!r} is not written as a call must be"
        return replace(reading, refusals=(Refusal(why, rest),))
    return reading


def _unwrapped(raw: str, shape: CallShape, opened: bool) -> tuple[str, str, bool]:
    """Thinking and text without the syntax's own marks, and whether thinking is open there."""
    if shape.think_open.strip() in THINKING:
        thoughts, end = "", 0
    else:
        thoughts, end = thinking_of(raw, shape, opened)
        opened = opened and not compact(shape.think_close)
    if end < 0:
        return thoughts, "", False
    return thoughts, without_marks(raw[end:], shape), opened


def _is_begun(text: str, shape: CallShape) -> bool:
    """Whether something has the mark of a call where free text must not have it."""
    trigger = shape.trigger
    if not trigger.strip() or trigger.strip()[0] in "{[":
        return False
    return trigger in text if shape.text_first else text.lstrip().startswith(trigger.lstrip())
