"""What an agent remembers as one text, to read, edit and put back: its blocks of core memory and its notes.

    # memory of ada

    ## block human (at most 2000 characters)

    Name: Ada

    ## note 2026-11-20T08:05:00+00:00

    Ada keeps bees.

A line of a text that begins with `## ` or a backslash has a backslash before it. The JSON form has the same:
{"format": "bridle-memory", "version": 1, "agent": …, "blocks": [{"label", "value", "limit"}],
"notes": [{"text", "at_ns"}]}. Conversations, edits and sources are not part of it: see `document`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from bridle.agent.exporting.places import Place, parse
from bridle.errors import InputError
from bridle.messages import JSON

__all__ = [
    "FORMAT",
    "VERSION",
    "MemoryBlock",
    "MemoryCopy",
    "MemoryNote",
    "read_memory",
    "write_json",
    "write_text",
]

FORMAT, VERSION = "bridle-memory", 1
_BLOCK = re.compile(r"## block (.*) \(at most (\d{1,18}) characters\)")
_NOTE = re.compile(r"## note (\S+)")


@dataclass(frozen=True, slots=True)
class MemoryBlock:
    """A block of core memory; `limit` is in characters."""

    label: str
    value: str
    limit: int


@dataclass(frozen=True, slots=True)
class MemoryNote:
    """A note of the agent's own, with its time in nanoseconds since 1970."""

    text: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class MemoryCopy:
    """What an agent remembers, apart from conversations."""

    agent: str
    blocks: tuple[MemoryBlock, ...]
    notes: tuple[MemoryNote, ...] = ()


def write_text(memory: MemoryCopy) -> str:
    """Write the form for people."""
    parts = [f"# memory of {memory.agent}\n"]
    for block in memory.blocks:
        parts.append(_part(f"## block {block.label} (at most {block.limit} characters)", block.value))
    for note in memory.notes:
        parts.append(_part(f"## note {_time_out(note.at_ns)}", note.text))
    return "\n".join(parts)


def write_json(memory: MemoryCopy) -> str:
    """Write the form for machines."""
    body: dict[str, JSON] = {
        "format": FORMAT,
        "version": VERSION,
        "agent": memory.agent,
        "blocks": [{"label": one.label, "value": one.value, "limit": one.limit} for one in memory.blocks],
        "notes": [{"text": one.text, "at_ns": one.at_ns} for one in memory.notes],
    }
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n"


def read_memory(text: str, source: str) -> MemoryCopy:
    """Read either form; `source` names the file in errors.

    Raises:
        InputError: for a file that is neither, with the place.
    """
    if text.lstrip().startswith("{"):
        return _from_json(parse(text, source))
    return _from_text(text, source)


def _part(head: str, text: str) -> str:
    lines = ["\\" + line if line.startswith(("## ", "\\")) else line for line in text.split("\n")]
    return "\n".join([head, "", *lines, ""])


def _from_text(text: str, source: str) -> MemoryCopy:
    first, *lines = text.split("\n")
    if first.endswith("\r"):  # saved by an editor of Windows
        first, *lines = text.replace("\r\n", "\n").split("\n")
    if not first.startswith("# memory of "):
        raise InputError(
            f"{source} does not begin with `# memory of NAME`",
            hint="give what `bridle memory export` wrote, or JSON",
        )
    agent = first.removeprefix("# memory of ")
    blocks: list[MemoryBlock] = []
    notes: list[MemoryNote] = []
    heads = [index for index, line in enumerate(lines) if line.startswith("## ")]
    stray = [line for line in lines[: heads[0] if heads else len(lines)] if line.strip()]
    if stray:
        raise InputError(f"{source} has {stray[0]!r} before the first `## block`", hint="put it under one")
    for start, end in pairwise([*heads, len(lines)]):
        head, body = lines[start], _body(lines[start + 1 : end])
        if found := _BLOCK.fullmatch(head):
            blocks.append(MemoryBlock(found[1], body, int(found[2])))
        elif found := _NOTE.fullmatch(head):
            notes.append(MemoryNote(body, _time_in(found[1], f"{source}, line {start + 2}")))
        else:
            raise InputError(
                f"{source}, line {start + 2}: {head!r} is neither a block nor a note",
                hint="write `## block LABEL (at most N characters)` or `## note TIME`",
            )
    return MemoryCopy(agent, tuple(blocks), tuple(notes))


def _body(lines: list[str]) -> str:
    """The text below a heading, without the blank line before it and the one after it."""
    first = 1 if lines and not lines[0].strip() else 0
    last = len(lines) - 1 if len(lines) > first and not lines[-1].strip() else len(lines)
    return "\n".join(line.removeprefix("\\") for line in lines[first:last])


def _time_out(ns: int) -> str:
    """Write a time with all of its digits; what no calendar holds is written as a number."""
    seconds, rest = divmod(ns, 10**9)
    try:
        at = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{ns}ns"
    return f"{at:%Y-%m-%dT%H:%M:%S}.{rest:09}Z" if rest else f"{at:%Y-%m-%dT%H:%M:%S}Z"


def _time_in(text: str, where: str) -> int:
    try:
        if text.endswith("ns"):
            return int(text[:-2])
        whole, _, rest = text.removesuffix("Z").partition(".")
        at = datetime.fromisoformat(whole)
        zoned = at if at.tzinfo else at.replace(tzinfo=UTC)
        return int(zoned.timestamp()) * 10**9 + int(f"{rest:0<9}"[:9] or 0)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{where}: {text!r} is not a time", hint="write it as 2026-11-20T08:05:00Z"
        ) from error


def _from_json(place: Place) -> MemoryCopy:
    if place.at("format").text() != FORMAT:
        raise place.at("format").wrong(f'"{FORMAT}", which `bridle memory export` writes')
    if place.at("version").integer(1) > VERSION:
        raise InputError(
            f"{place.source} has version {place.at('version').integer()}; this bridle knows up to {VERSION}",
            hint="a newer bridle has written it: install that one",
        )
    return MemoryCopy(
        place.at("agent").text(),
        tuple(
            MemoryBlock(one.at("label").text(), one.at("value").text(), one.at("limit").integer(1))
            for one in place.at("blocks").items()
        ),
        tuple(
            MemoryNote(one.at("text").text(), one.at("at_ns").integer()) for one in place.at("notes").items()
        ),
    )
