"""A call syntax made of its shape: what it writes follows from the same parts that grammars are made of."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from bridle.messages import Finish, ToolCall, ToolSpec
from bridle.wrappers.segments import Segment, neutralise
from bridle.wrappers.syntax import (
    Arguments,
    CallId,
    CallShape,
    Index,
    Members,
    Name,
    Part,
    Reading,
    StreamReader,
    Thoughts,
)
from bridle.wrappers.syntaxes.exact import opening_of
from bridle.wrappers.syntaxes.reader import Reader
from bridle.wrappers.values import Piece, write_member, write_name

__all__ = ["Declared"]

_MARK = re.compile(r"<[^\s<>\"]+[>\"]?|\[/?[A-Z_]+\]|>>>|^\w+[\[:]")
_ENCODE = json.JSONEncoder(ensure_ascii=False).encode
_NUMBER = re.compile(r"(?:.*:)?(\d{1,4})")


@dataclass(frozen=True, slots=True)
class Declared:
    """A syntax that is nothing but data: a name, a shape and two habits of the family.

    `dialect` is the name that `bridle.wrappers.read_calls` knows it by. With `empty_thoughts`, the marks of
    thinking stand there also when there are no thoughts. With `gap_always`, the gap before the calls stands
    there also when there is no text. `also` is another way in which the family's models write a call, which
    is never written here but followed in a stream. `exact` is for marks that no dialect has: turns
    are read by the shape itself, see `syntaxes.exact`, and those that are not so as any other way of writing.
    """

    dialect: str
    shape: CallShape
    empty_thoughts: bool = False
    gap_always: bool = False
    also: tuple[Part, ...] = ()
    label: str = field(default="", compare=False)
    exact: bool = False

    def __repr__(self) -> str:
        return self.label or self.dialect

    @property
    def marks(self) -> tuple[str, ...]:
        """What text and thoughts must not contain as they are written, or they would be read as markup."""
        return _marks(self.shape, self.exact)

    def write(
        self,
        calls: Sequence[ToolCall],
        thoughts: str,
        text: str,
        tools: Sequence[ToolSpec],
        ids: Sequence[str] = (),
    ) -> str:
        """Write an assistant turn: thoughts, text and calls in this order, as far as there is a place.

        Text beside a call joins the thoughts where the syntax has no place for it; thoughts without a place
        are left out. `ids` are those of the calls; an id that ends in a number gives the call's number.
        """
        return "".join(piece for piece, _ in self._pieces(calls, thoughts, text, tools, ids))

    def segments(
        self,
        calls: Sequence[ToolCall],
        thoughts: str,
        text: str,
        tools: Sequence[ToolSpec],
        ids: Sequence[str] = (),
        control: Sequence[str] = (),
    ) -> tuple[Segment, ...]:
        """Write the same text as `write`; the strings of `control` in its markup are control text.

        >>> from bridle.wrappers.syntaxes import Hermes
        >>> turn = Hermes().segments([ToolCall("f")], "", "", [], control=["<tool_call>", "</tool_call>"])
        >>> [segment.text for segment in turn if segment.control]
        ['<tool_call>', '</tool_call>']
        """
        strings = tuple(control)
        out: list[Segment] = []
        markup = ""
        for piece, is_markup in self._pieces(calls, thoughts, text, tools, ids):
            if is_markup:
                markup += piece
            elif piece:
                out += _cut(markup, strings)
                out.append(Segment(piece))
                markup = ""
        return (*out, *_cut(markup, strings))

    def reader(self, tools: Sequence[ToolSpec], *, thinking: bool = False) -> StreamReader:
        """Start reading one turn; `thinking` when the prompt has already opened the thinking block."""
        return Reader(self.dialect, self.shape, tuple(tools), thinking, self.also, self.exact)

    def read(
        self, text: str, tools: Sequence[ToolSpec], finish: Finish = "stop", *, thinking: bool = False
    ) -> Reading:
        """Read one whole turn. Never raises.

        >>> from bridle.wrappers.syntaxes import Hermes
        >>> tool = ToolSpec("f", "", {"type": "object", "properties": {"x": {"type": "integer"}}})
        >>> Hermes().read('<tool_call>\\n{"name": "f", "arguments": {"x": 1}}\\n</tool_call>', [tool]).calls
        (ToolCall(name='f', arguments={'x': 1}),)
        """
        # What a stream has shown before something turned out to be no call stays part of what was read.
        reader = self.reader(tools, thinking=thinking)
        reader.feed(text)
        return reader.close(finish)[1]

    def _pieces(
        self,
        calls: Sequence[ToolCall],
        thoughts: str,
        text: str,
        tools: Sequence[ToolSpec],
        ids: Sequence[str],
    ) -> list[Piece]:
        shape, marks = self.shape, self.marks
        inside = _holds_thoughts(shape)
        if calls and text and not shape.text_first and (inside or shape.think_open):
            thoughts, text = "\n".join(part for part in (thoughts, text) if part), ""
        out: list[Piece] = []
        if shape.think_open and (thoughts or self.empty_thoughts):
            out += [(shape.think_open, True), (neutralise(thoughts, marks), False), (shape.think_close, True)]
        if text:
            out += [(shape.text_open, True), (neutralise(text, marks), False), (shape.text_close, True)]
        if calls:
            gap = shape.gap if shape.text_first else "\n"
            out += [(gap, True)] if text or self.gap_always else []
            out += self._calls(calls, thoughts if inside else "", tools, ids)
        return out

    def _calls(
        self, calls: Sequence[ToolCall], thoughts: str, tools: Sequence[ToolSpec], ids: Sequence[str]
    ) -> list[Piece]:
        out: list[Piece] = [(self.shape.open, True)]
        for index, call in enumerate(calls):
            if index:
                out.append((self.shape.between, True))
            given = ids[index] if index < len(ids) else ""
            tool = next((one for one in tools if one.name == call.name), None)
            for part in self.shape.call:
                out += self._part(part, call, index, given, thoughts, tool)
        return [*out, (self.shape.close, True)]

    def _part(
        self, part: Part, call: ToolCall, index: int, given: str, thoughts: str, tool: ToolSpec | None
    ) -> list[Piece]:
        match part:
            case str():
                return [(part, True)]
            case Name(quoted):
                return [(_string(call.name) if quoted else write_name(call.name), False)]
            case Arguments(depth, key):
                lead = {} if key is None or (tool and key in tool.properties) else {key: thoughts}
                return [(self.shape.layout.dump({**lead, **call.arguments}, depth), False)]
            case Members():
                return _members(part, call, tool)
            case Index():
                number = _NUMBER.fullmatch(given)
                return [(number.group(1) if number else str(index), False)]
            case CallId(before, after):
                return [(before, True), (_string(given)[1:-1], False), (after, True)] if given else []
            case Thoughts():
                return [(_string(thoughts), False)]


@lru_cache(maxsize=1024)
def _cut(markup: str, control: tuple[str, ...]) -> tuple[Segment, ...]:
    """Markup as segments, in which the strings of `control` are control text."""
    strings = "|".join(map(re.escape, sorted(filter(None, control), key=len, reverse=True)))
    pieces: list[str] = re.split(f"({strings})", markup) if strings else [markup]
    return tuple(Segment(piece, control=at % 2 == 1) for at, piece in enumerate(pieces) if piece)


def _members(members: Members, call: ToolCall, tool: ToolSpec | None) -> list[Piece]:
    out: list[Piece] = []
    for index, (key, value) in enumerate(call.arguments.items()):
        out += [(members.between, True)] if index else []
        out += write_member(members, key, value, tool)
    return out


def _string(text: str) -> str:
    return _ENCODE(text)


@lru_cache(maxsize=256)
def _holds_thoughts(shape: CallShape) -> bool:
    return any(
        isinstance(part, Thoughts) or (isinstance(part, Arguments) and part.thoughts_key is not None)
        for part in shape.call
    )


@lru_cache(maxsize=256)
def _marks(shape: CallShape, exact: bool) -> tuple[str, ...]:
    """The tags and words in the literals of a shape that begin or end something; of its own, all that do."""
    literals = [
        shape.think_open,
        shape.think_close,
        shape.text_open,
        shape.text_close,
        shape.open,
        shape.close,
    ]
    literals += [shape.trigger, shape.between, shape.gap]
    for part in shape.call:
        if isinstance(part, str):
            literals.append(part)
        elif isinstance(part, Members):
            literals += [part.open, part.close]
        elif isinstance(part, CallId):
            literals.append(part.before)
    marks = [mark for text in literals for mark in _MARK.findall(text)]
    if exact:
        marks += [text.strip() for text in literals[:4] if text.strip()]
        marks += [opening_of(shape), shape.gap.strip()]
    return tuple(dict.fromkeys(marks))
