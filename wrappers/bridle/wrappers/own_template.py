"""A wrapper whose prompt is written by the model's own chat template.

Where the model's family is known, the template is handed the tools, and calls are written and read in the
family's syntax. Where it is not, nobody can say what the template makes of tools: they are told in words, and
calls are bare JSON. A template of a known family is tried first. If it leaves tools out, they are told in
words, too: in the family's, if its format has words that say how to call. If it leaves out past calls or
their results, these are handed to it as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from bridle.errors import TemplateError
from bridle.messages import Message, ToolCall, ToolSpec
from bridle.wrappers.formats import Format
from bridle.wrappers.plain_chat import plain_chat
from bridle.wrappers.segments import Segment
from bridle.wrappers.syntax import CallSyntax
from bridle.wrappers.templates import ChatTemplate
from bridle.wrappers.toollists import list_tools
from bridle.wrappers.wrapper import Wrapper, get_wrapper

__all__ = ["GENERIC", "OwnTemplate", "own_wrapper", "tells_calls", "tells_tools"]

_THINK = ("<think>", "[THINK]", "<|START_THINKING|>", "<seed:think>")

GENERIC = "generic"
"""The format whose words and call syntax a model of an unknown family is given."""

_ENOUGH_WORDS = 8
"""So many words around a list of tools say how to call them; fewer are only its marks."""
_TOOL = ToolSpec(
    "tried_tool",
    "Try it.",
    {"type": "object", "properties": {"tried_key": {"type": "string", "description": "Any."}}},
)
_PAST = (
    Message("user", "Hi"),
    Message("assistant", calls=(ToolCall("tried_tool", {"tried_key": "tried_value"}),)),
    Message("tool", "tried_result", name="tried_tool"),
)


@dataclass(frozen=True, slots=True)
class OwnTemplate:
    """A chat template at work for a wrapper: whether it is handed `tools` and past `calls` as such."""

    template: ChatTemplate
    tools: bool
    calls: bool

    def segments(
        self, form: Format, syntax: CallSyntax, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> tuple[Segment, ...]:
        """Write the conversation up to where the model's answer begins.

        Raises:
            TemplateError: when the template cannot write this conversation, or does more than it may.
        """
        listed = "" if self.tools else list_tools(form.tools, tools, form.thoughts)
        if not self.calls or not self.tools:
            messages = plain_chat(messages, tools, syntax, listed)
        handed = tools if self.tools else ()
        return self.template.render(messages, handed, control=form.special, extra=form.template_values)


def own_wrapper(
    template: ChatTemplate, family: str | None, special: Sequence[str] = (), stop: Sequence[str] = ()
) -> Wrapper:
    """Make a wrapper of a chat template. `family` is the format of the model's family, None when unknown.

    `special` are the model's special tokens as text, where they are known; else the template is searched for
    what looks like them. `stop` ends an answer besides the family's own stop strings.

    >>> source = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    >>> wrapper = own_wrapper(ChatTemplate(source), None)
    >>> "".join(segment.text for segment in wrapper.render([Message("user", "hi")]))
    '<user>hi'
    """
    known = get_wrapper(family) if family else None
    native = known is not None and tells_tools(template)
    base = known if known and (native or _says_how(known.format)) else get_wrapper(GENERIC)
    ends = dict.fromkeys(one for one in (*(known.stop if known else ()), *stop, template.eos) if one)
    form = replace(
        base.format,
        special=tuple(special) or template.tokens,
        marks=(),
        stop=tuple(ends),
        thinking=_opens_thinking(template, (known or base).syntax.shape.think_open),
        generation_direct="",
    )
    return replace(
        base,
        name="template",
        format=form,
        own=OwnTemplate(template, native, native and tells_calls(template)),
    )


@lru_cache(maxsize=64)
def tells_tools(template: ChatTemplate) -> bool:
    """Whether a template shows a model its tools; found by trying. One that fails at tools shows none.

    >>> tells_tools(ChatTemplate("{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"))
    False
    """
    return _TOOL.name in _tried(template, _PAST[:1])


@lru_cache(maxsize=64)
def tells_calls(template: ChatTemplate) -> bool:
    """Whether a template shows a model its past calls and their results; found by trying."""
    text = _tried(template, _PAST)
    return "tried_value" in text and "tried_result" in text


def _tried(template: ChatTemplate, messages: Sequence[Message]) -> str:
    try:
        return template.render_text(messages, [_TOOL])
    except TemplateError:
        return ""


def _says_how(form: Format) -> bool:
    """Whether the format's list of tools says how to call them, with nothing of its own template's."""
    if form.tools.style:
        return not form.template
    return len(f"{form.tools.open} {form.tools.close}".split()) >= _ENOUGH_WORDS


def _opens_thinking(template: ChatTemplate, mark: str) -> bool:
    """Whether the template ends a prompt inside the thinking; the smallest conversation tells."""
    try:
        text = template.render_text([Message("user", "hi")]).rstrip()
    except TemplateError:
        return False
    return text.endswith((*_THINK, mark.strip()) if mark.strip() else _THINK)
