"""A wrapper: a prompt format and a call syntax together, made ready for one model.

`get_wrapper` finds one by name; `detect` tells which one a model's chat template asks for, and why.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridle.errors import FormatError
from bridle.messages import Finish, Message, ToolSpec
from bridle.wrappers.formats import Format, Turn, builtin_formats, load_format
from bridle.wrappers.segments import Segment, shield
from bridle.wrappers.syntax import CallSyntax, JsonLayout, Reading, StreamReader
from bridle.wrappers.syntaxes import ThoughtsPlace, make_syntax
from bridle.wrappers.toollists import list_tools

__all__ = ["ALIASES", "Wrapper", "detect", "get_wrapper", "wrapper_names"]

ALIASES: Mapping[str, tuple[str, ThoughtsPlace]] = {
    "chatml-grammar": ("chatml", "inner"),
    "chatml-noforce": ("chatml", "outer"),
    "chatml-noforce-grammar": ("chatml", "outer"),
    "llama3-grammar": ("llama3", "inner"),
    "airoboros-l2-70b-2.1-grammar": ("airoboros-l2-70b-2.1", "inner"),
    "zephyr-7B-grammar": ("zephyr-7B", "inner"),
}
"""Names that MemGPT configs use, as a format and a place for thoughts. Whether a grammar is used is not a
property of a wrapper here: it is used wherever the endpoint can hold one."""

DEFAULT = "chatml"


@dataclass(frozen=True, slots=True)
class Wrapper:
    """A format with the syntax that it writes calls in. Immutable; share it freely."""

    name: str
    format: Format
    syntax: CallSyntax
    thoughts: ThoughtsPlace

    @property
    def control(self) -> tuple[str, ...]:
        """Every string that content must not form."""
        return (*self.format.special, *self.format.marks)

    @property
    def stop(self) -> tuple[str, ...]:
        """Strings that end the model's turn."""
        return self.format.stop

    def render(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = (), *, prime: bool = False
    ) -> tuple[Segment, ...]:
        """Write the prompt up to where the model's answer begins.

        The tools are listed at the end of the first system turn, which is added when there is none. `prime`
        appends the beginning of a call, for endpoints where nothing else makes a model call.
        """
        form = self.format
        listed = list_tools(form.tools, tools, self.thoughts)
        head, rest = _split_head(messages, listed)
        segments = [Segment(form.bos, control=True)]
        for index, message in enumerate(head):
            text = message.content.strip()
            if index == 0 and listed:
                text = f"{text}\n{listed}" if text else listed
            segments += self._turn(form.turns["system"], text)
        segments.append(Segment(form.body, control=True))
        for message in rest:
            turn = form.later_system if message.role == "system" else form.turns[message.role]
            segments += self._turn(turn, self._content(message, tools))
        segments.append(Segment(form.generation, control=True))
        if prime:
            segments.append(Segment(form.prime))
        return shield(segments, form.marks)

    def _turn(self, turn: Turn, text: str) -> list[Segment]:
        return [Segment(turn.open, control=True), Segment(text), Segment(turn.close, control=True)]

    def _content(self, message: Message, tools: Sequence[ToolSpec]) -> str:
        if message.role == "assistant":
            return self.syntax.write(message.calls, message.thoughts, message.content, tools)
        if message.role == "user" and self.format.user_json != "keep":
            return _user_json(message.content, self.format.user_json == "message")
        return message.content

    def reader(self, tools: Sequence[ToolSpec]) -> StreamReader:
        """Start reading one answer as it arrives."""
        return self.syntax.reader(tools)

    def read(self, text: str, tools: Sequence[ToolSpec], finish: Finish = "stop") -> Reading:
        """Read one whole answer. Never raises."""
        return self.syntax.read(text, tools, finish)


def _split_head(messages: Sequence[Message], listed: str) -> tuple[list[Message], list[Message]]:
    """The leading system turns, and the rest. With tools to list there is always one."""
    start = next((i for i, m in enumerate(messages) if m.role != "system"), len(messages))
    head = list(messages[:start])
    if listed and not head:
        head = [Message("system")]
    return head, list(messages[start:])


def _user_json(text: str, message_only: bool) -> str:
    if not text.startswith("{"):
        return text
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    if message_only and isinstance(value, dict):
        inner: object = value.get("message")  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
        return inner if isinstance(inner, str) else text
    return json.dumps(value, ensure_ascii=False, indent=2)


def wrapper_names() -> tuple[str, ...]:
    """All names that `get_wrapper` knows, formats before aliases."""
    return (*builtin_formats(), *ALIASES)


def get_wrapper(name: str | Path, *, thoughts: ThoughtsPlace | None = None) -> Wrapper:
    """Find a wrapper by its name, or load one from a format file (a path ending in .toml).

    Raises:
        FormatError: for an unknown name, with the nearest known ones.

    >>> get_wrapper("chatml").format.stop
    ('<|im_end|>', '<|im_start|>')
    """
    place = thoughts
    if isinstance(name, Path) or name.endswith(".toml"):
        form = load_format(Path(name))
    else:
        formats = builtin_formats()
        target, alias_place = ALIASES.get(name, (name, None))
        place = thoughts or alias_place
        if target not in formats:
            near = difflib.get_close_matches(name, wrapper_names(), 3) or wrapper_names()
            raise FormatError(
                f"there is no wrapper {name!r}", hint=f"did you mean {', '.join(near)}? Or give a .toml file"
            )
        form = formats[target]
    place = place or form.thoughts
    syntax = make_syntax(form.syntax, place, JsonLayout(form.json_indent))
    return Wrapper(str(name), form, syntax, place)


def detect(chat_template: str | None) -> tuple[str, str]:
    """The name of the wrapper for a model with this Jinja chat template, and the reason in words.

    The format most of whose marks the template contains is taken; all of them must be there.

    >>> detect("{{ '<|start_header_id|>' }}{{ '<|eot_id|>' }}")[0]
    'llama3'
    """
    if not chat_template:
        return DEFAULT, "the model has no chat template; chatml is the default"
    found = [
        (len(form.detect), form.name, form.detect)
        for form in builtin_formats().values()
        if form.detect and all(mark in chat_template for mark in form.detect)
    ]
    if not found:
        return DEFAULT, "the model's chat template is of no known format; chatml is the default"
    _, name, marks = max(found)
    return name, f"the model's chat template contains {', '.join(marks)}"
