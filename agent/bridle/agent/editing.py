"""What a call does to core memory, and what the model is told of it."""

from __future__ import annotations

from collections.abc import Mapping

from bridle.agent.functions import line_of
from bridle.agent.memory import Block, Core, EditError
from bridle.agent.prompt import Profile
from bridle.messages import ToolCall

__all__ = ["edited", "told_of_edit"]


def edited(profile: Profile, core: Core, call: ToolCall) -> tuple[str, Core] | str:
    """Do `core_memory_append` or `core_memory_replace`, of which the call has been checked.

    Returns the label of the block and the memory after the edit, or a text for the model where it cannot be
    done.
    """
    given = {key: str(value) for key, value in call.arguments.items()}
    if "line" in given:
        found = line_of(core, given["line"])
        if found is None:
            counts = [f"{one.label} 1 to {len(one.lines)}" for one in core.blocks if one.lines]
            return f"there is no line {given['line']!r}; there are {', '.join(counts) or 'none'}"
        given["name"], given["old_content"] = found
    if profile.line_edits and (reason := _other_key(call.name, given, profile.grounded)):
        return reason
    try:
        if call.name == "core_memory_append":
            return given["name"], core.append(given["name"], given["content"])
        return given["name"], core.replace(given["name"], given["old_content"], given["new_content"])
    except EditError as error:
        return error.message


def told_of_edit(profile: Profile, before: Block, after: Block) -> str:
    """What the model is told of an edit: where lines moved up, the numbers that it was shown hold no more."""
    if not profile.numbered_lines or len(after.lines) >= len(before.lines):
        return "OK"
    lines = (f"{number}. {line}" for number, line in enumerate(after.lines, 1))
    return "\n".join([f"OK. [{after.label}] is now:", *lines])


def _other_key(name: str, given: Mapping[str, str], keyed: bool) -> str:
    """Why a line may not become another one: a value is changed under its key, or the line deleted."""
    if not keyed or name != "core_memory_replace" or not given["new_content"].strip():
        return ""
    (old, colon, _), (new, other, _) = (given[key].partition(": ") for key in ("old_content", "new_content"))
    if (old if colon else "") == (new if other else ""):
        return ""
    return f"the new line must begin as the old one does: {old + colon if colon else 'without a key'}"
