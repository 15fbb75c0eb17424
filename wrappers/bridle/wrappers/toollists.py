"""How the available functions are told to a model, as text for the prompt.

Most formats list them as JSON between words of their own: `open`, the items with `between` two of them,
`close`. Two lists are more than that and have a style: `memgpt`, names, descriptions and parameter
descriptions, indented (the layout of MemGPT 0.3.25, our words), and `signatures`, one line each,
`name(parameter: type, optional?: type) - description`, for small models and windows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bridle.messages import ToolSpec
from bridle.wrappers.segments import Segment, join
from bridle.wrappers.toolitems import TOOL_ITEMS, ToolItem, signature, type_text

__all__ = ["HINTS", "TOOL_LISTS", "ToolListing", "list_tools", "marked", "tool_segments"]


@dataclass(frozen=True, slots=True)
class ToolListing:
    """How tools are listed: by a `style`, or as items between words."""

    style: str = ""
    open: str = ""
    close: str = ""
    between: str = "\n"
    item: ToolItem = "openai"
    indent: int | None = None
    """Blanks by which each item's JSON is indented; on one line without it."""


HINTS = """\
# Reminders:
# - What will matter later about the user goes into core memory: core_memory_append, or core_memory_replace.
# - Longer notes are kept with archival_memory_insert and found again with archival_memory_search.
# - What was said earlier is found with conversation_search.
# - The user sees nothing but send_message. Request a heartbeat to go on after a call.
"""
"""What the option `hints` puts where the answer begins: how the memory functions are meant to be used."""

_THOUGHTS = {
    "inner": "    inner_thoughts: What you think to yourself before acting; the user never sees it.\n",
    "outer": "",
    "none": "",
}


def list_tools(listing: ToolListing, tools: Sequence[ToolSpec], thoughts: str = "none") -> str:
    """Write the tools as text; the empty string when there are none."""
    return "".join(segment.text for segment in tool_segments(listing, tools, thoughts))


def tool_segments(
    listing: ToolListing, tools: Sequence[ToolSpec], thoughts: str = "none", control: Sequence[str] = ()
) -> tuple[Segment, ...]:
    """Write the tools; nothing when there are none. Of the format's own words those in `control` are control
    text, of what the tools say nothing is.
    """
    if not tools:
        return ()
    if listing.style:
        return (Segment(TOOL_LISTS[listing.style](tools, thoughts)),)
    out = marked(listing.open, control)
    for index, tool in enumerate(tools):
        out += marked(listing.between, control) if index else []
        written = TOOL_ITEMS[listing.item](tool, listing.indent)
        out += [Segment(written)] if isinstance(written, str) else written
    return join([*out, *marked(listing.close, control)])


def marked(text: str, control: Sequence[str]) -> list[Segment]:
    """Text of a format as segments: the strings in `control` are control text, all else is not.

    >>> [segment.text for segment in marked("<s>a", ["<s>"]) if segment.control]
    ['<s>']
    """
    return list(_marked(text, tuple(control)))


@lru_cache(maxsize=1024)
def _marked(text: str, control: tuple[str, ...]) -> tuple[Segment, ...]:
    if not control:
        return (Segment(text),)
    pattern = "|".join(re.escape(mark) for mark in sorted(control, key=len, reverse=True))
    pieces = re.split(f"({pattern})", text)
    return tuple(Segment(piece, control=i % 2 == 1) for i, piece in enumerate(pieces) if piece)


def _memgpt(tools: Sequence[ToolSpec], thoughts: str) -> str:
    if thoughts == "outer":
        intro = (
            "Think in inner_thoughts on every turn. Then, if one of the functions below helps with the"
            " conversation, call it with the right parameters. Answer as a JSON object."
        )
    else:
        intro = (
            "Pick the function below that fits the conversation best, with the right parameters. Answer as"
            " a JSON object."
        )
    lines = [intro, "Available functions:"]
    for tool in tools:
        lines.append(f"{tool.name}:\n  description: {tool.description}\n  params:")
        if thoughts == "inner" and "inner_thoughts" not in tool.properties:
            lines.append(_THOUGHTS["inner"].rstrip("\n"))
        lines += [
            f"    {name}: {schema.get('description', type_text(schema))}"
            for name, schema in tool.properties.items()
        ]
    return "\n".join(lines)


def _signatures(tools: Sequence[ToolSpec], thoughts: str) -> str:
    return "Functions:\n" + "\n".join(signature(tool) for tool in tools)


TOOL_LISTS: Mapping[str, Callable[[Sequence[ToolSpec], str], str]] = {
    "memgpt": _memgpt,
    "signatures": _signatures,
}
