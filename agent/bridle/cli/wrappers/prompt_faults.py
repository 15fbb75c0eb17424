"""What can be wrong with the prompt that a format writes: text that is lost, turns that look the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bridle.cli.wrappers.facts import MESSAGES, TOOLS
from bridle.messages import Message, ToolCall
from bridle.wrappers import flatten
from bridle.wrappers.toollists import list_tools

if TYPE_CHECKING:
    from bridle.wrappers import Segment, Wrapper

__all__ = ["prompt_faults", "thoughts_faults"]

JOINER = "\u2060"
"""What breaks a control string inside content."""

ASKED, REPLY, AGAIN = "Where is it?", "It is in the north.", "Is it warm there?"
ROOM, RESULT = "cellar", "switched 4711"
TALK = (Message("user", ASKED), Message("assistant", REPLY), Message("user", AGAIN))
PAST_CALL = ToolCall("lamp", {"room": ROOM, "on": True})
PAST = (
    Message("system", "You look after a barn."),
    Message("user", ASKED),
    Message("assistant", "", calls=(PAST_CALL,), extra={"call_ids": ["lamp00001"]}),
    Message("tool", RESULT, name="lamp", extra={"tool_call_id": "lamp00001"}),
    Message("assistant", REPLY),
    Message("user", AGAIN),
)
_TOKEN = re.compile(r"<[|｜][^<>\s]*[|｜]>|</?[A-Za-z_][\w:]*>|\[/?[A-Z][A-Z_]+\]")
"""What looks like a special token of some family."""


def prompt_faults(wrapper: Wrapper) -> Iterator[str]:
    """What is lost, broken or unclear in the prompts of short conversations."""
    yield from _lost(wrapper)
    yield from _end(wrapper)
    yield from _alike(wrapper)
    yield from _broken(wrapper)
    yield from _unlisted(wrapper)


def _lost(wrapper: Wrapper) -> Iterator[str]:
    """Tools and messages that do not arrive."""
    if TOOLS[0].name not in _text(wrapper.render(PAST[:2], TOOLS)):
        yield "tools are given, and the prompt does not name them: the model cannot know them"
    written = _text(wrapper.render(PAST, TOOLS))
    for what, text in (
        ("a system message", PAST[0].content),
        ("a message of the user", ASKED),
        ("a past call", ROOM),
        ("the result of a call", RESULT),
        ("a past answer", REPLY),
        ("the last message of the user", AGAIN),
    ):
        if text not in written:
            yield f"{what} ({text!r}) is not in the prompt"


def _end(wrapper: Wrapper) -> Iterator[str]:
    """A prompt that does not end where an answer begins."""
    form = wrapper.format
    text = _text(wrapper.render(TALK))
    start = form.start({**form.template_values, **wrapper.values})
    if start and not wrapper.hints and not text.endswith(start):
        yield f"the prompt ends with {text[-len(start) - 20 :]!r}, not with generation, which is {start!r}"
    after, before = text.rpartition(AGAIN)[2], _between(text, ASKED, REPLY)
    opened = form.turn("assistant").open.strip()
    unopened = opened and not after.strip().endswith(opened)
    if not start and (unopened or (before.strip() and not after.strip())):
        yield (
            "generation is empty, and the prompt ends with the turn of the user:"
            f" nothing begins the answer, as {before!r} does in the history"
        )


def _alike(wrapper: Wrapper) -> Iterator[str]:
    """Turns of the user and of the assistant that look the same."""
    text = _text(wrapper.render(TALK))
    first, second = _between(text, ASKED, REPLY), _between(text, REPLY, AGAIN)
    if REPLY in text and AGAIN in text and first == second:
        yield (
            "the turns of the user and of the assistant cannot be told apart:"
            f" {first!r} stands before the one as before the other"
        )


def _broken(wrapper: Wrapper) -> Iterator[str]:
    """Control strings that the format writes itself and that are taken for content."""
    text = flatten(wrapper.render(MESSAGES, TOOLS), wrapper.control)
    for mark in wrapper.control:
        if mark[:1] + JOINER + mark[1:] in text:
            yield (
                f"the format writes {mark!r} as content, so that it comes out broken:"
                " in a template, write it outside of an expression or with `| control`"
            )


def _unlisted(wrapper: Wrapper) -> Iterator[str]:
    """What looks like a special token in `generation`, and content may form."""
    shape = wrapper.syntax.shape
    known = (*wrapper.control, shape.think_open, shape.think_close, "<think>", "</think>")
    for token in dict.fromkeys(_TOKEN.findall(wrapper.format.generation)):
        if not any(token in mark for mark in known):
            yield f"generation holds {token!r}, which is neither in special nor in marks"


def thoughts_faults(wrapper: Wrapper, *, chosen: bool) -> Iterator[str]:
    """Thoughts asked for, by the file or in the list of tools, where calls have no place for them."""
    if wrapper.thoughts == "none" or "inner_thoughts" in wrapper.syntax.write((PAST_CALL,), REPLY, "", TOOLS):
        return
    if chosen or "inner_thoughts" in list_tools(wrapper.format.tools, TOOLS, wrapper.thoughts):
        yield (
            f"thoughts is {wrapper.thoughts!r}, and the call syntax has no such place for them: write"
            ' thoughts = "none", or use the syntax memgpt'
        )


def _between(text: str, first: str, second: str) -> str:
    begin, end = text.find(first), text.find(second)
    return text[begin + len(first) : end] if 0 <= begin < end else ""


def _text(segments: Sequence[Segment]) -> str:
    return "".join(segment.text for segment in segments)
