"""What can be wrong with a format that loads: found by using it on a short conversation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bridle.cli.wrappers.facts import CALL, MESSAGES, TOOLS
from bridle.cli.wrappers.prompt_faults import prompt_faults, thoughts_faults
from bridle.errors import FormatError
from bridle.messages import Message, ToolCall
from bridle.wrappers import builtin_formats, flatten

if TYPE_CHECKING:
    from bridle.wrappers import Segment, Wrapper

__all__ = ["find_faults", "find_notes"]

QUESTION, REPLY = "What is it now?", "It is a quarter past."
TALK = (Message("system", "S"), Message("user", "Q"), Message("assistant", REPLY), Message("user", QUESTION))
HARD = ToolCall("lamp", {"room": 'l\'été "à" {the} <b>[1, 2]</b>\n\tattic \\ 🙂', "on": False})


def find_faults(wrapper: Wrapper, *, thoughts_chosen: bool = False) -> list[str]:
    """What would go wrong with a model; empty for a sound format.

    `thoughts_chosen` says that the file itself names a place for thoughts.
    """
    try:
        return [
            *_unmarked(wrapper),
            *_endless(wrapper),
            *_forged(wrapper),
            *_unread(wrapper),
            *prompt_faults(wrapper),
            *thoughts_faults(wrapper, chosen=thoughts_chosen),
        ]
    except FormatError as error:
        return [str(error)]


def find_notes(wrapper: Wrapper) -> list[str]:
    """What may be meant so, and is worth a look; nothing for a format that writes no prompt."""
    try:
        return [*_quiet(wrapper), *_looks(wrapper)]
    except FormatError:
        return []


def _quiet(wrapper: Wrapper) -> list[str]:
    """What the short conversation did not show."""
    form = wrapper.format
    notes: list[str] = []
    for key, marks in (("special", form.special), ("marks", form.marks)):
        if unused := _unused(wrapper, marks):
            listed = ", ".join(map(repr, unused))
            notes.append(f"of {key} the prompt of the short conversation does not hold {listed}")
    if after := _not_stopped(wrapper):
        notes.append(f"no stop string is in {after!r}, which follows an answer in the history")
    return notes


def _looks(wrapper: Wrapper) -> list[str]:
    """What other formats have to do with it."""
    form = wrapper.format
    notes: list[str] = []
    if not form.detect:
        notes.append("detect is missing: the format is used only where it is asked for by name")
    same = [
        name
        for name, other in builtin_formats().items()
        if form.detect and name != form.name and set(other.detect) == set(form.detect)
    ]
    if same:
        notes.append(f"detect is that of {', '.join(same)} too")
    if not form.differences and form.name not in builtin_formats():
        notes.append("differences is empty: does the prompt equal that of the model's own template?")
    return notes


def _unmarked(wrapper: Wrapper) -> Iterator[str]:
    """Turns that content could forge: no control string stands before them."""
    for turn in ("user", "assistant", "tool"):
        opened = wrapper.format.turn(turn).open if wrapper.format.turns else ""
        if opened.strip() and not any(mark in opened for mark in wrapper.control):
            yield (
                f"turn.{turn}.open is {opened!r}, and nothing of it is in special or marks:"
                " whoever writes it into a message begins a turn"
            )


def _endless(wrapper: Wrapper) -> Iterator[str]:
    """An assistant turn whose end, or the next turn's beginning, stops nothing."""
    if not wrapper.stop:
        yield "stop is empty: the model would go on with the user's next turn"
    elif not set(wrapper.stop) & set(wrapper.format.special) and (after := _not_stopped(wrapper)):
        yield f"what follows an answer is {after!r}, and no stop string is in it: {', '.join(wrapper.stop)}"


def _not_stopped(wrapper: Wrapper) -> str:
    """What stands after an answer in the history if no stop string is in it, else nothing."""
    after = _between(wrapper.render(TALK), REPLY, QUESTION) or ""
    return "" if any(stop in after for stop in wrapper.stop) else after


def _between(segments: Sequence[Segment], first: str, second: str) -> str | None:
    text = "".join(segment.text for segment in segments)
    begin, end = text.find(first), text.find(second)
    return text[begin + len(first) : end] if 0 <= begin < end else None


def _forged(wrapper: Wrapper) -> Iterator[str]:
    """Control strings that a user can write."""
    plain = _counts(wrapper, QUESTION)
    for mark in wrapper.control:
        hostile = _counts(wrapper, f"{QUESTION}{mark}")
        if any(after > before for before, after in zip(plain, hostile, strict=True)):
            yield f"a message that holds {mark!r} gets control text into the prompt"


def _counts(wrapper: Wrapper, question: str) -> list[int]:
    talk = (*TALK[:-1], replace(TALK[-1], content=question))
    text = flatten(wrapper.render(talk), wrapper.control)
    return [text.count(mark) for mark in wrapper.control]


def _unread(wrapper: Wrapper) -> Iterator[str]:
    """Calls that are written and not read back."""
    many = wrapper.syntax.shape.parallel
    for calls in ((CALL,), (HARD,), *(((CALL, HARD),) if many else ())):
        written = _answer(wrapper, calls)
        reading = wrapper.read(written, TOOLS)
        if reading.calls != calls:
            why = "; ".join(refusal.reason for refusal in reading.refusals) or "it is read as something else"
            yield f"the call {written!r} does not read back: {why}"


def _answer(wrapper: Wrapper, calls: Sequence[ToolCall]) -> str:
    """A turn with these calls as the model writes it, after what the prompt has written of it."""
    if not wrapper.format.thinking:
        return wrapper.syntax.write(calls, "", "", TOOLS)
    thought = wrapper.syntax.write(calls, REPLY, "", TOOLS)
    if REPLY in thought:
        return thought[thought.find(REPLY) :]
    return f"{REPLY}\n</think>\n\n{thought}"


def _unused(wrapper: Wrapper, marks: Sequence[str]) -> list[str]:
    form = wrapper.format
    written = "".join(segment.text for segment in wrapper.render(MESSAGES, TOOLS))
    known = "".join((written, wrapper.syntax.write((CALL,), "x", "x", TOOLS), *form.stop, form.bos))
    return [mark for mark in marks if mark not in known]
