"""What is said of a wrapper, on the screen, as JSON and in the docs: one place that gathers it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from bridle.errors import FormatError
from bridle.messages import JSON, Message, ToolCall, ToolSpec
from bridle.wrappers import Wrapper, format_files, get_wrapper
from bridle.wrappers.toollists import list_tools
from bridle.wrappers.wrapper import ALIASES

if TYPE_CHECKING:
    from bridle.wrappers import Segment
    from bridle.wrappers.registry import FormatFile

__all__ = [
    "CALL",
    "MESSAGES",
    "TOOLS",
    "Row",
    "aliases_of",
    "call_sample",
    "describe",
    "meaning",
    "names_beside",
    "rows",
    "thoughts_place",
    "tools_sample",
]

TOOLS = (
    ToolSpec(
        "lamp",
        "Switch a lamp on or off.",
        {
            "type": "object",
            "properties": {
                "room": {"type": "string", "description": "Which room."},
                "on": {"type": "boolean", "description": "Whether it shall shine."},
            },
            "required": ["room", "on"],
        },
    ),
)
"""The one tool of the short conversation that shows a format."""

CALL = ToolCall("lamp", {"room": "attic", "on": True})
MESSAGES = (
    Message("system", "You look after a house."),
    Message("user", "Light in the attic, please."),
    Message("assistant", "", "The attic has one lamp.", (CALL,), extra={"call_ids": ["lamp00001"]}),
    Message("tool", '{"shines": true}', name="lamp", extra={"tool_call_id": "lamp00001"}),
    Message("assistant", "It shines."),
    Message("user", "Thank you!"),
)
"""A short conversation with a past call and its result."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list of formats; `problem` is why a file cannot be used, else empty."""

    name: str
    title: str
    syntax: str
    origin: str
    aliases: tuple[str, ...]
    problem: str = ""


def rows() -> tuple[Row, ...]:
    """Every format that can be named; a bad file is a row that says what is wrong with it."""
    return tuple(_row(name, file) for name, file in format_files().items())


def _row(name: str, file: FormatFile) -> Row:
    try:
        form = file.load()
    except FormatError as error:
        return Row(name, "", "", file.origin, aliases_of(name), str(error))
    return Row(name, form.title, get_wrapper(name).syntax.dialect, file.origin, aliases_of(name))


def aliases_of(name: str) -> tuple[str, ...]:
    """The other names of a format, among them those of MemGPT's configs."""
    return tuple(alias for alias, meant in ALIASES.items() if meant.format == name)


def names_beside(wrapper: Wrapper) -> tuple[str, ...]:
    """Every name of the wrapper's format but the wrapper's own."""
    names = aliases_of(wrapper.format.name)
    every = (wrapper.format.name, *names) if wrapper.name in names else names
    return tuple(name for name in every if name != wrapper.name)


def meaning(wrapper: Wrapper) -> str:
    """What an alias stands for; empty for the name of a format."""
    if wrapper.name not in ALIASES:
        return ""
    flags = (f"{key} = {str(on).lower()}" for key, on in (("hints", wrapper.hints), ("roles", wrapper.roles)))
    return f"{wrapper.format.name} with thoughts = {wrapper.thoughts}, {', '.join(flags)}"


def call_sample(wrapper: Wrapper) -> str:
    """An assistant turn with one call, as the wrapper's syntax writes it."""
    thoughts = "" if wrapper.thoughts == "none" else "The attic has one lamp."
    return wrapper.syntax.write((CALL,), thoughts, "", TOOLS)


def tools_sample(wrapper: Wrapper) -> str:
    """The list of the sample's tools; where a template writes it, what tools add to the prompt."""
    if not wrapper.format.template:
        return list_tools(wrapper.format.tools, TOOLS, wrapper.thoughts)
    try:
        without, with_tools = (_text(wrapper.render(MESSAGES[:2], tools)) for tools in ((), TOOLS))
    except FormatError:
        return ""
    before, after = (_pieces(text, wrapper.control) for text in (without, with_tools))
    return _added(before, after, wrapper.control)


def _pieces(text: str, marks: Sequence[str]) -> list[str]:
    """The text cut behind its line breaks and around the marks."""
    longest_first = sorted(filter(None, marks), key=len, reverse=True)
    cut = "|".join([*map(re.escape, longest_first), r"\n"])
    pieces = [piece for piece in re.split(f"({cut})", text) if piece]
    out: list[str] = []
    for piece in pieces:
        if piece == "\n" and out and out[-1] not in marks and not out[-1].endswith("\n"):
            out[-1] += piece
        else:
            out.append(piece)
    return out


def _added(before: Sequence[str], after: Sequence[str], marks: Sequence[str]) -> str:
    """What the second list of pieces has more than the first; a line with `…` for what lies between."""
    parts: list[str] = []
    least = 0
    for kind, _, _, start, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind != "equal" and start != end:
            begin = _turn_start(after, start, end, least, marks)
            least = end
            parts.append("".join(after[begin : begin + end - start]).strip("\n"))
    return "\n…\n".join(filter(None, parts))


def _turn_start(pieces: Sequence[str], start: int, end: int, least: int, marks: Sequence[str]) -> int:
    """Where an insertion may as well begin: at the beginning of a turn, else as early as it can."""
    first, size = start, end - start
    while first > least and pieces[first - 1] == pieces[first + size - 1]:
        first -= 1
    last = start
    while last + size < len(pieces) and pieces[last] == pieces[last + size]:
        last += 1
    for at in range(first, last + 1):
        if pieces[at] in marks and (at == 0 or pieces[at - 1].endswith("\n")):
            return at
    return first


def _text(segments: Sequence[Segment]) -> str:
    return "".join(segment.text for segment in segments)


def thoughts_place(wrapper: Wrapper) -> str:
    """Say where thoughts stand in a turn of the assistant."""
    shape = wrapper.syntax.shape
    opened, closed = (_escaped(mark) for mark in (shape.think_open, shape.think_close))
    if wrapper.format.thinking:
        return f"the prompt opens them; the model ends them with `{closed or '</think>'}`"
    if opened:
        return f"between `{opened}` and `{closed}`"
    return {
        "inner": "`inner_thoughts`, the first of the call's arguments (no argument of the function)",
        "outer": "`inner_thoughts`, before the function's name",
        "none": "no place of their own",
    }[wrapper.thoughts]


def _escaped(text: str) -> str:
    return text.replace("\n", "\\n")


def describe(wrapper: Wrapper, origin: str = "") -> Mapping[str, JSON]:
    """Everything that is known of a wrapper, as plain values."""
    form = wrapper.format
    return {
        "name": wrapper.name,
        "format": form.name,
        "title": form.title,
        "source": form.source,
        "origin": origin,
        "syntax": wrapper.syntax.dialect,
        "thoughts": wrapper.thoughts,
        "thoughts_place": thoughts_place(wrapper),
        "thinking": form.thinking,
        "hints": wrapper.hints,
        "roles": wrapper.roles,
        "system_role": form.system_role,
        "layout": "template" if form.template else "turns",
        "bos": form.bos,
        "generation": form.generation,
        "stop": _texts(form.stop),
        "special": _texts(form.special),
        "marks": _texts(form.marks),
        "detect": _texts(form.detect),
        "template_values": dict(form.template_values),
        "aliases": _texts(names_beside(wrapper)),
        "means": meaning(wrapper),
        "call": call_sample(wrapper),
        "tools": tools_sample(wrapper),
        "differences": _texts(form.differences),
    }


def _texts(items: Sequence[str]) -> list[JSON]:
    return list(items)
