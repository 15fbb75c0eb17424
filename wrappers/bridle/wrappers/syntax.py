"""What a call syntax is: one object that writes calls, reads them back, and tells its shape.

The shape is what grammars are made of (`bridle.grammars.calls`), so that what is written, what is read and
what may be generated come from one declaration. Laws, tested over all syntaxes and random tools:
`read(write(calls)) == calls`; any chunking of a stream reads as one piece; whatever the grammar accepts is
read as calls that the tools' schemas accept; every written call is accepted by the grammar.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from bridle.messages import JSON, Delta, Finish, Refusal, Repair, ToolCall, ToolSpec
from bridle.wrappers.segments import Segment

__all__ = [
    "Arguments",
    "CallId",
    "CallShape",
    "CallSyntax",
    "Index",
    "JsonLayout",
    "Members",
    "Name",
    "Part",
    "Reading",
    "StreamReader",
    "Thoughts",
    "ValueStyle",
]


_ENCODE = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class JsonLayout:
    """The one whitespace of JSON: on one line (`", "`, `": "`), or indented by `indent` blanks."""

    indent: int | None = None

    def dump(self, value: JSON | Mapping[str, JSON], depth: int = 0) -> str:
        """Write `value` as it stands `depth` levels inside a larger value of the same layout.

        >>> JsonLayout(2).dump({"a": [1]}, depth=1)
        '{\\n    "a": [\\n      1\\n    ]\\n  }'
        """
        if self.indent is None:
            return _ENCODE(value)
        text = json.dumps(value, ensure_ascii=False, indent=self.indent)
        if depth == 0:
            return text
        return text.replace("\n", "\n" + " " * (self.indent * depth))

    def newline(self, depth: int) -> str:
        """What stands before a member at `depth`: nothing on one line, else a line break and the indent."""
        return "" if self.indent is None else "\n" + " " * (self.indent * depth)

    @property
    def comma(self) -> str:
        """What stands between two members, before `newline`."""
        return ", " if self.indent is None else ","


ValueStyle: TypeAlias = Literal["raw", "python", "gemma"]
"""How one argument's value is written where arguments are no JSON object.

`raw`: a string as it is, anything else as JSON on one line; a string that a reader would take for something
else is written as JSON too, and the closing mark inside a string begins with `&lt;`. `python`: a Python
literal. `gemma`: JSON whose strings stand between `<|"|>` marks and whose keys are bare.
"""


@dataclass(frozen=True, slots=True)
class Name:
    """The place of the function's name, as a JSON string or bare."""

    quoted: bool = True


@dataclass(frozen=True, slots=True)
class Arguments:
    """The place of the arguments: a JSON object that starts `depth` levels deep.

    With `thoughts_key`, the object's first member is that key with the thoughts as its value, except for a
    tool whose own schema declares the key.
    """

    depth: int = 0
    thoughts_key: str | None = None


@dataclass(frozen=True, slots=True)
class Members:
    """The place of the arguments, written one by one: `open` KEY `middle` VALUE `close`, `between` two."""

    open: str
    middle: str
    close: str
    between: str = ""
    values: ValueStyle = "raw"


@dataclass(frozen=True, slots=True)
class Index:
    """The place of the call's number in its turn: 0, 1, 2 …"""


@dataclass(frozen=True, slots=True)
class CallId:
    """Where the id of a past call stands, if it has one: `before` ID `after`. Models need not write it."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Thoughts:
    """The place of the inner thoughts, written as a JSON string."""


Part: TypeAlias = str | Name | Arguments | Members | Index | CallId | Thoughts


@dataclass(frozen=True, slots=True)
class CallShape:
    """How an assistant turn holds thoughts, text and calls, in this order.

    Thoughts stand between `think_open` and `think_close`, where the syntax has such a place; text stands
    between `text_open` and `text_close`, both often empty. All calls of a turn stand between `open` and
    `close`, each is written as the parts of `call`, and `between` stands between two. `trigger` is the text
    that the first call begins with, `open` included. Free text before a call (`text_first`) is separated from
    it by `gap` and never contains the trigger. A turn without a call is free text that does not begin with
    the trigger.
    """

    call: tuple[Part, ...]
    layout: JsonLayout
    trigger: str
    between: str = "\n"
    parallel: bool = False
    text_first: bool = False
    gap: str = ""
    open: str = ""
    close: str = ""
    text_open: str = ""
    text_close: str = ""
    think_open: str = ""
    think_close: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read from a model's text. `refusals` say why something like a call is not one."""

    text: str = ""
    thoughts: str = ""
    calls: tuple[ToolCall, ...] = ()
    repairs: tuple[Repair, ...] = ()
    refusals: tuple[Refusal, ...] = ()


class StreamReader(Protocol):
    """Reads a turn as it arrives. Feeding any split of a text ends in the same `Reading`."""

    def feed(self, fragment: str) -> list[Delta]:
        """Take the next characters; return what became certain by them."""
        ...

    def close(self, finish: Finish = "stop") -> tuple[list[Delta], Reading]:
        """End the turn; return the last deltas and the whole reading. Truncated calls are refusals."""
        ...


class CallSyntax(Protocol):
    """One way to write calls. Instances are immutable and may be shared between threads."""

    @property
    def dialect(self) -> str:
        """The name that readers know this way of writing calls by; see `bridle.wrappers.read_calls`."""
        ...

    @property
    def shape(self) -> CallShape:
        """What the grammars are made of."""
        ...

    @property
    def gap_always(self) -> bool:
        """Whether the shape's gap stands before the calls also where there is no text."""
        ...

    def write(
        self,
        calls: Sequence[ToolCall],
        thoughts: str,
        text: str,
        tools: Sequence[ToolSpec],
        ids: Sequence[str] = (),
    ) -> str:
        """Write an assistant turn for the history, just as the model should write it.

        `ids` are those of the calls, for the syntaxes that write them; without them none are written.
        """
        ...

    def segments(
        self,
        calls: Sequence[ToolCall],
        thoughts: str,
        text: str,
        tools: Sequence[ToolSpec],
        ids: Sequence[str] = (),
        control: Sequence[str] = (),
    ) -> tuple[Segment, ...]:
        """Write the same turn as segments: what of `control` stands in the syntax's own marks is control."""
        ...

    def reader(self, tools: Sequence[ToolSpec], *, thinking: bool = False) -> StreamReader:
        """Start reading one turn; `thinking` when the prompt has already opened the thinking block."""
        ...

    def read(
        self, text: str, tools: Sequence[ToolSpec], finish: Finish = "stop", *, thinking: bool = False
    ) -> Reading:
        """Read one whole turn. Never raises."""
        ...
