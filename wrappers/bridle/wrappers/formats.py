"""Prompt formats as data: one TOML file each, in `formats/` beside this module or wherever a user keeps one.

A file holds text only, no code: the marks around each role's turn, what starts the model's answer, where it
stops, which strings are control text, how tools are listed, and the call syntax. Where marks do not suffice
it names a Jinja template beside it. What each key means: `docs/wrappers.md`. Which files there are:
`registry.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from bridle.messages import JSON
from bridle.wrappers.syntaxes import ThoughtsPlace
from bridle.wrappers.toollists import ToolListing

__all__ = ["REQUIRED_TURNS", "TURNS", "Format", "HistoryThoughts", "ToolsPlace", "Turn", "UserJson"]

UserJson = Literal["keep", "indent", "message"]
"""What becomes of a user turn that is a JSON object: kept, indented by 2, or reduced to its `message`."""
HistoryThoughts = Literal["keep", "drop", "current"]
"""Which thoughts of past turns are written: all, none, or those since the last message of the user."""
ToolsPlace = Literal["system", "turn", "first_user", "last_user"]
"""Where tools are listed: in the system turn, in a turn of their own after it (`[turn.tools]`), or before a
user's text."""

REQUIRED_TURNS = ("system", "user", "assistant", "tool")
TURNS = (
    *REQUIRED_TURNS,
    *("inner_system", "later_system", "tool_group", "calls", "tools", "event", "plain_tool"),
)
"""The turns that a format may have: the four roles; the system text inside the first user's turn, where there
are no system turns; a system message after the conversation has begun; what stands around neighbouring tool
results; an assistant turn with calls; the list of tools; and, with the option `roles`, a user turn that is no
user's message, and a tool result."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The control text around one role's turn."""

    open: str
    close: str


NO_TURN = Turn("", "")
MEMGPT_LIST = ToolListing("memgpt")


def _nothing() -> Mapping[str, JSON]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Format:
    """One prompt format. See `docs/wrappers.md` for what each key means."""

    name: str
    title: str
    source: str
    generation: str
    stop: tuple[str, ...]
    special: tuple[str, ...]
    """Strings that are special tokens of the models that use this format."""
    turns: Mapping[str, Turn] = field(default_factory=dict[str, Turn])
    marks: tuple[str, ...] = ()
    """Strings that are ordinary text to the tokenizer and still divide turns."""
    bos: str = ""
    body: str = ""
    """Control text between the leading system turns and the conversation."""
    syntax: str = "memgpt"
    calls: Mapping[str, JSON] = field(default_factory=_nothing)
    """A call syntax of the file's own, in place of a named one."""
    thoughts: ThoughtsPlace = "inner"
    history_thoughts: HistoryThoughts = "keep"
    thinking: bool = False
    """Whether `generation` has opened the thinking, so that an answer begins inside it."""
    json_indent: int | None = None
    tools: ToolListing = MEMGPT_LIST
    tools_place: ToolsPlace = "system"
    tools_join: str = "\n"
    """What stands between the text that tools are listed with and the list."""
    tools_first: bool = False
    default_system: str = ""
    """The system text when the conversation has none."""
    default_system_tools: str | None = None
    """The same when there are tools; `default_system` unless given."""
    system_role: bool = True
    """Whether there are system turns; without, their text stands before the first user's."""
    system_join: str = "\n\n"
    strip: tuple[str, ...] = ("system",)
    """The roles whose texts lose the blanks at both ends."""
    user_json: UserJson = "keep"
    tool_json: bool = False
    """Whether a tool's result is written as a JSON string."""
    detect: tuple[str, ...] = ()
    """Strings that a chat template of this format contains, all of them."""
    template: str = ""
    """A Jinja template that writes the prompt in place of turns."""
    template_values: Mapping[str, JSON] = field(default_factory=_nothing)
    """Variables of the template and their values, unless the caller gives others."""
    generation_direct: str = ""
    """What starts an answer without thinking: it counts where the value `enable_thinking` is false."""
    differences: tuple[str, ...] = ()
    """Where the prompt differs from what the models' own template writes, and why."""

    @property
    def control(self) -> tuple[str, ...]:
        """Every string that content must not form."""
        return (*self.special, *self.marks)

    def start(self, values: Mapping[str, JSON]) -> str:
        """What starts the model's answer when the template's variables have these values."""
        return self.generation_direct if self._direct(values) else self.generation

    def opens_thinking(self, values: Mapping[str, JSON]) -> bool:
        """Whether an answer begins inside the thinking when the template's variables have these values."""
        return self.thinking and not self._direct(values)

    def _direct(self, values: Mapping[str, JSON]) -> bool:
        return bool(self.generation_direct) and values.get("enable_thinking") is False

    def turn(self, name: str, instead: str = "") -> Turn:
        """The turn `name`, or the one of name `instead` where the format has none of its own."""
        return self.turns.get(name) or self.turns.get(instead, NO_TURN)
