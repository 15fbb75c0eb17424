"""A wrapper whose prompt is written by the model's own chat template.

Where the model's family is known, the template is handed the tools, and calls are written and read in the
family's syntax. Where it is not, nobody can say what the template makes of tools: they are told in words, and
calls are bare JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bridle.errors import TemplateError
from bridle.messages import Message, ToolSpec
from bridle.wrappers.formats import Format
from bridle.wrappers.plain_chat import plain_chat
from bridle.wrappers.segments import Segment
from bridle.wrappers.syntax import CallSyntax
from bridle.wrappers.templates import ChatTemplate
from bridle.wrappers.toollists import list_tools
from bridle.wrappers.wrapper import Wrapper, get_wrapper

__all__ = ["GENERIC", "OwnTemplate", "own_wrapper"]

_THINK = ("<think>", "[THINK]", "<|START_THINKING|>", "<seed:think>")

GENERIC = "generic"
"""The format whose words and call syntax a model of an unknown family is given."""


@dataclass(frozen=True, slots=True)
class OwnTemplate:
    """A chat template at work for a wrapper; `native` when it is handed tools and calls as such."""

    template: ChatTemplate
    native: bool

    def segments(
        self, form: Format, syntax: CallSyntax, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> tuple[Segment, ...]:
        """Write the conversation up to where the model's answer begins.

        Raises:
            TemplateError: when the template cannot write this conversation, or does more than it may.
        """
        if not self.native:
            listed = list_tools(form.tools, tools)
            messages, tools = plain_chat(messages, tools, syntax, listed), ()
        return self.template.render(messages, tools, control=form.special, extra=form.template_values)


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
    base = get_wrapper(family or GENERIC)
    ends = dict.fromkeys(one for one in (*(base.stop if family else ()), *stop, template.eos) if one)
    form = replace(
        base.format,
        special=tuple(special) or template.tokens,
        marks=(),
        stop=tuple(ends),
        thinking=_opens_thinking(template, base.syntax.shape.think_open),
        generation_direct="",
    )
    return replace(base, name="template", format=form, own=OwnTemplate(template, family is not None))


def _opens_thinking(template: ChatTemplate, mark: str) -> bool:
    """Whether the template ends a prompt inside the thinking; the smallest conversation tells."""
    try:
        text = template.render_text([Message("user", "hi")]).rstrip()
    except TemplateError:
        return False
    return text.endswith((*_THINK, mark.strip()) if mark.strip() else _THINK)
