"""A wrapper: a prompt format and a call syntax together, made ready for one model.

`get_wrapper` finds one by name or by file. Names of MemGPT's configs are aliases for a format with options.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, get_args

from bridle.errors import FormatError
from bridle.messages import JSON, Finish, Message, ToolCall, ToolSpec
from bridle.wrappers import syntaxes as _syntaxes
from bridle.wrappers.formats import Format
from bridle.wrappers.layout import Layout, marked
from bridle.wrappers.memgpt_yaml import load_memgpt_yaml
from bridle.wrappers.registry import builtin_format, format_files, load_format
from bridle.wrappers.segments import Segment, shield
from bridle.wrappers.syntax import CallSyntax, JsonLayout, Reading, StreamReader
from bridle.wrappers.syntaxes import ThoughtsPlace, make_syntax
from bridle.wrappers.toollists import HINTS, tool_segments

__all__ = ["ALIASES", "Alias", "Wrapper", "Writer", "get_wrapper", "wrapper_names"]


@dataclass(frozen=True, slots=True)
class Alias:
    """A name for a format with options. `why` tells where the name comes from."""

    format: str
    thoughts: ThoughtsPlace | None = None
    hints: bool = False
    roles: bool = False


ALIASES: Mapping[str, Alias] = MappingProxyType(
    {
        "chatml-grammar": Alias("chatml"),
        "chatml-hints": Alias("chatml", hints=True),
        "chatml-hints-grammar": Alias("chatml", hints=True),
        "chatml-noforce": Alias("chatml", "outer"),
        "chatml-noforce-grammar": Alias("chatml", "outer"),
        "chatml-noforce-hints": Alias("chatml", "outer", hints=True),
        "chatml-noforce-hints-grammar": Alias("chatml", "outer", hints=True),
        "chatml-noforce-roles": Alias("chatml", "outer", roles=True),
        "chatml-noforce-roles-grammar": Alias("chatml", "outer", roles=True),
        "llama3-grammar": Alias("llama3"),
        "llama3-hints-grammar": Alias("llama3", hints=True),
        "airoboros-l2-70b-2.1-grammar": Alias("airoboros-l2-70b-2.1"),
        "dolphin-2.1-mistral-7b-grammar": Alias("dolphin-2.1-mistral-7b"),
        "zephyr-7B-grammar": Alias("zephyr-7B"),
        "experimental-wrapper-neural-chat-grammar-noforce": Alias("neural-chat", "outer"),
    }
)
"""Names that MemGPT's configs use. Whether a grammar is used is not a property of a wrapper here: it is used
wherever the endpoint can hold one, so the names that end in it mean the same as those that do not."""


_GIVEN = frozenset({"messages", "tools", "listed", "bos", "generation", "fail"})
"""The variables of a format's template that are not the caller's to give."""


def _nothing() -> Mapping[str, JSON]:
    return MappingProxyType({})


class Writer(Protocol):
    """What writes a conversation in place of a format; see `own_template`."""

    def segments(
        self, form: Format, syntax: CallSyntax, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> tuple[Segment, ...]:
        """Write the conversation up to where the model's answer begins."""
        ...


@dataclass(frozen=True, slots=True)
class Wrapper:
    """A format with the syntax that it writes calls in. Immutable; share it freely.

    `hints` puts reminders about the memory functions where the answer begins. `roles` gives events and tool
    results roles of their own, where the format has turns for them. `values` are variables for a template.
    """

    name: str
    format: Format
    syntax: CallSyntax
    thoughts: ThoughtsPlace
    hints: bool = False
    roles: bool = False
    values: Mapping[str, JSON] = field(default_factory=_nothing)
    own: Writer | None = None
    """The model's own chat template, where it writes the prompt in place of the format."""

    @property
    def control(self) -> tuple[str, ...]:
        """Every string that content must not form."""
        return self.format.control

    @property
    def stop(self) -> tuple[str, ...]:
        """Strings that end the model's turn."""
        return self.format.stop

    @property
    def prime(self) -> str:
        """How a call begins, up to where the model chooses; empty where a call begins with its name.

        Where the prompt has opened the thinking, it is closed first.
        """
        shape = self.syntax.shape
        closing = shape.think_close if self.opens_thinking else ""
        lead = shape.open + "".join(map(str, takewhile(lambda part: isinstance(part, str), shape.call)))
        written = self.syntax.write((ToolCall(""),), "", "", ())
        return closing + written[: written.find(lead) + len(lead)].rstrip()

    def render(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = (), *, prime: bool = False
    ) -> tuple[Segment, ...]:
        """Write the prompt up to where the model's answer begins.

        `prime` appends the beginning of a call, for endpoints where nothing else makes a model call.

        Raises:
            FormatError: when the format's template fails on this conversation.
        """
        form = self.format
        listed = tool_segments(form.tools, tools, self.thoughts, self.control)
        values = {**form.template_values, **self.values}
        if self.own is not None:
            segments = list(self.own.segments(form, self.syntax, messages, tools))
        elif form.template:
            from bridle.wrappers.template_layout import by_template  # Jinja, which most formats do without

            segments = list(by_template(form, self.syntax, messages, tools, listed, values))
        else:
            segments = Layout(form, self.syntax, tools, listed, self.roles).segments(messages)
            segments.append(Segment(form.start(values), control=True))
        if self.hints:
            segments.append(Segment(HINTS))
        if prime:
            segments += marked(self.prime, self.control)
        return shield(segments, form.marks)

    @property
    def opens_thinking(self) -> bool:
        """Whether the prompt ends inside the thinking, so that an answer begins there."""
        return self.format.opens_thinking({**self.format.template_values, **self.values})

    def reader(self, tools: Sequence[ToolSpec]) -> StreamReader:
        """Start reading one answer as it arrives."""
        return self.syntax.reader(tools, thinking=self.opens_thinking)

    def read(self, text: str, tools: Sequence[ToolSpec], finish: Finish = "stop") -> Reading:
        """Read one whole answer. Never raises."""
        reader = self.reader(tools)
        reader.feed(text)
        return reader.close(finish)[1]


def wrapper_names() -> tuple[str, ...]:
    """All names that `get_wrapper` knows, formats before aliases."""
    return (*format_files(), *ALIASES)


def get_wrapper(
    name: str | Path,
    *,
    thoughts: ThoughtsPlace | None = None,
    hints: bool | None = None,
    roles: bool | None = None,
    values: Mapping[str, JSON] | None = None,
) -> Wrapper:
    """Find a wrapper by its name, or load one from a file: .toml, or .yaml of MemGPT's configurable wrapper.

    Options that are not given are those of the name, or the format's own.

    Raises:
        FormatError: for an unknown name, with the nearest known ones, for a bad file, and for thoughts in a
            place or values that there are not.

    >>> get_wrapper("chatml").format.stop
    ('<|im_end|>', '<|im_start|>')
    """
    alias = ALIASES.get(str(name), Alias(str(name)))
    form = _find(Path(name) if isinstance(name, Path) else alias.format)
    _check_options(form, thoughts, values or {})
    place = thoughts or alias.thoughts or form.thoughts
    if form.calls:
        syntax: CallSyntax = _syntaxes.syntax_from_table(form.calls, form.name)
    else:
        syntax = make_syntax(form.syntax, place, JsonLayout(form.json_indent))
    return Wrapper(
        str(name),
        form,
        syntax,
        place,
        alias.hints if hints is None else hints,
        alias.roles if roles is None else roles,
        values or {},
    )


def _check_options(form: Format, thoughts: object, values: Mapping[str, JSON]) -> None:
    places = get_args(ThoughtsPlace)
    if thoughts is not None and thoughts not in places:
        allowed = ", ".join(map(repr, places))
        raise FormatError(f"there are no thoughts {thoughts!r}", hint=f"thoughts is one of {allowed}")
    known = {*form.template_values, *(["enable_thinking"] if form.generation_direct else [])}
    for key in values:
        if key not in known and key not in _variables(form):
            listed = ", ".join(sorted(known))
            hint = f"its values are {listed}" if listed else "it has none"
            raise FormatError(f"the format {form.name!r} has no value {key!r}", hint=hint)


def _variables(form: Format) -> frozenset[str]:
    """The variables that a format's template looks for and that are its caller's to give."""
    if not form.template:
        return frozenset()
    from jinja2 import Environment, TemplateError, meta  # most formats do without

    try:
        parsed = Environment(extensions=["jinja2.ext.loopcontrols"]).parse(form.template)
    except TemplateError as error:
        raise FormatError(f"the template of the format {form.name!r} cannot be read: {error}") from error
    return frozenset(meta.find_undeclared_variables(parsed)) - _GIVEN


def _find(name: str | Path) -> Format:
    suffix = Path(name).suffix.lower()
    if suffix in (".yaml", ".yml"):
        return load_memgpt_yaml(Path(name))
    if isinstance(name, Path) or suffix == ".toml":
        return load_format(Path(name))
    files = format_files()
    if name not in files:
        near = difflib.get_close_matches(name, wrapper_names(), 3)
        meant = f"did you mean {', '.join(near)}?" if near else "`bridle wrappers list` shows all."
        raise FormatError(f"there is no wrapper {name!r}", hint=f"{meant} Or give a .toml file")
    return builtin_format(name) if files[name].origin == "bridle" else files[name].load()
