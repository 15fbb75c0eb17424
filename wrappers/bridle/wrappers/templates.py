r"""Any model's own chat template, as found in its file, rendered to segments.

`ChatTemplate(source).render(messages, tools)` writes the prompt as transformers would, in a sandbox with
limits (`bridle.wrappers.sandbox`), and tells which parts of it are content. For that the template is run
twice: with the conversation as it is, and with marks around each of its texts (`bridle.wrappers.marking`).
The second rendering without its marks must be the first one. Where a template looks into texts (for
`</think>`, say), it is shown them marked as a whole, and control strings inside them are broken if that is
not enough: in no case does a text of the conversation become control text.

>>> turn = "<|{{ m.role }}|>{{ m.content | trim }}<|end|>"
>>> template = ChatTemplate("{% for m in messages %}" + turn + "{% endfor %}")
>>> [segment.text for segment in template.render([Message("user", " <|end|> ")])]
['<|user|>', '<|end|>', '<|end|>']
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType

from jinja2.exceptions import SecurityError

from bridle.errors import TemplateError
from bridle.messages import Message, ToolCall, ToolSpec
from bridle.wrappers.marking import Marks, choose_marks, is_word, split_at
from bridle.wrappers.sandbox import compile_template
from bridle.wrappers.segments import Segment, join, neutralise
from bridle.wrappers.template_limits import seconds
from bridle.wrappers.template_values import (
    Change,
    Profile,
    contents_of,
    function_text,
    message_values,
    thoughts_keys,
    tool_values,
    unchanged,
)

__all__ = ["ChatTemplate"]

RUNS = 3
"""How often its time a template has for all the runs of one rendering; all that try it out have it once."""
_NOTHING: Mapping[str, object] = MappingProxyType({})
_TOKEN = re.compile(r"<[^<>\s{}'\"]{1,60}>|\[/?[A-Z][A-Z_]*\]")
"""What special tokens look like, to find those that a template writes."""
_SUSPECT = re.compile(r"[<\[|｜]")


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A chat template in Jinja, with the model's `bos` and `eos` tokens as text. `name` is used in errors."""

    source: str
    bos: str = ""
    eos: str = ""
    name: str = "the model"

    def render(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        *,
        generation: bool = True,
        extra: Mapping[str, object] = _NOTHING,
        control: Sequence[str] = (),
        trusted: bool = False,
    ) -> tuple[Segment, ...]:
        """Write a conversation, with `generation` up to where the model's answer begins.

        `extra` are further variables of the template (`enable_thinking`, …). With `control`, the strings that
        are special tokens of the model, control text without any of them is joined to the content beside it,
        so that a tokenizer sees whole words. `trusted` takes limits and the second look away.

        Raises:
            TemplateError: when the template cannot write this conversation, or does more than it may.
        """
        job = _job(self, messages, tools, generation, extra, trusted)
        segments = _segments(job, tuple(control))
        if not control:
            return segments
        return join(
            replace(one, control=one.control and any(mark in one.text for mark in control))
            for one in segments
        )

    def render_text(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        *,
        generation: bool = True,
        extra: Mapping[str, object] = _NOTHING,
        trusted: bool = False,
    ) -> str:
        """The same as one string, just as the template writes it."""
        job = _job(self, messages, tools, generation, extra, trusted)
        return job.plain()[1]

    @property
    def tokens(self) -> tuple[str, ...]:
        """The strings in the template that look like special tokens, and `bos` and `eos`."""
        found = dict.fromkeys((self.bos, self.eos, *_TOKEN.findall(self.source)))
        return tuple(token for token in found if token)


@dataclass(frozen=True, slots=True)
class _Job:
    """One conversation to be written by one template."""

    template: ChatTemplate
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...]
    generation: bool
    extra: Mapping[str, object]
    trusted: bool
    n_chars: int
    until: float

    def write(self, profile: Profile, change: Change = unchanged) -> str:
        template = self.template
        program = compile_template(template.source, template.name, self.trusted)
        values: dict[str, object] = {
            "messages": message_values(self.messages, profile, change),
            "tools": tool_values(self.tools, profile, change),
            "documents": None,
            "add_generation_prompt": self.generation,
            "bos_token": template.bos,
            "eos_token": template.eos,
        }
        if profile.functions:
            values |= {
                "functions": function_text(self.tools, change),
                "datetime": f"{datetime.now():%Y-%m-%d}",
            }
        values |= self.extra
        return program.write(values, self.n_chars, self.until)

    def plain(self) -> tuple[Profile, str]:
        """The first way to hand over this conversation that the template accepts, and what it writes then."""
        usual = _profile(self.template, self.trusted)
        first: TemplateError | None = None
        for profile in (usual, replace(usual, given_ids=False), replace(usual, given_ids=False, thoughts=())):
            try:
                return profile, self.write(profile)
            except TemplateError as error:
                if isinstance(error.__cause__, SecurityError):
                    raise
                first = first or error
        assert first is not None
        raise first

    def marked(self, profile: Profile, marks: Marks, change: Change) -> tuple[Segment, ...] | None:
        """The segments when texts are changed so; None when the template fails then, or tears them apart."""
        try:
            return marks.read(self.write(profile, change))
        except TemplateError:
            return None


def _job(
    template: ChatTemplate,
    messages: Sequence[Message],
    tools: Sequence[ToolSpec],
    generation: bool,
    extra: Mapping[str, object],
    trusted: bool,
    runs: int = RUNS,
) -> _Job:
    n_chars = sum(map(len, contents_of(messages, tools)))
    until = math.inf if trusted else time.thread_time() + runs * seconds(n_chars)
    return _Job(template, tuple(messages), tuple(tools), generation, extra, trusted, n_chars, until)


def _segments(job: _Job, control: Sequence[str]) -> tuple[Segment, ...]:
    contents = contents_of(job.messages, job.tools)
    tokens = (*control, *job.template.tokens)
    profile, plain = job.plain()
    marks = choose_marks((job.template.source, *contents))
    if marks is None:
        return _by_tokens(job, profile, tokens)
    suspect = _is_suspect("\n".join(contents), tokens)
    ways = [marks.around, marks.inside] if any(text != text.strip() for text in contents) else [marks.inside]
    for change in (*(_all(way) for way in ways), _but_words(marks.inside)):
        segments = job.marked(profile, marks, change)
        if segments is None or "".join(one.text for one in segments) != plain:
            continue
        if not suspect or _same_control(segments, job.marked(profile, marks, _harmless(change, tokens))):
            return segments
    # A template that looks at the end of a text or compares it may not look at one that could hold a token.
    segments = job.marked(profile, marks, _only_suspects(marks.inside, tokens))
    if segments is not None and "".join(one.text for one in segments) == plain:
        apart = _apart(segments, tokens)
        harmless = job.marked(profile, marks, _harmless(unchanged, tokens))
        if not suspect or (harmless is not None and _same_control(apart, _apart(harmless, tokens))):
            return apart
    return _opaque(job, profile, marks, tokens)


def _opaque(job: _Job, profile: Profile, marks: Marks, tokens: Sequence[str]) -> tuple[Segment, ...]:
    """For a template that looks into texts: show them with marks, or broken, so that it finds nothing."""
    for change in (_all(marks.inside), _but_words(marks.inside)):
        harmless = job.marked(profile, marks, _harmless(change, tokens))
        for shown in (change, _broken(change, tokens)):
            segments = job.marked(profile, marks, shown)
            if segments is not None and _same_control(segments, harmless):
                return segments
    return _by_tokens(job, profile, tokens)


def _by_tokens(job: _Job, profile: Profile, tokens: Sequence[str]) -> tuple[Segment, ...]:
    """Break every special token in the texts, and take for control text those that the template writes."""
    return split_at(job.write(profile, _broken(unchanged, tokens)), tokens)


def _same_control(segments: tuple[Segment, ...], others: tuple[Segment, ...] | None) -> bool:
    """Is the control text the same, piece by piece?"""
    return others is not None and [one.text for one in segments if one.control] == [
        one.text for one in others if one.control
    ]


def _is_suspect(text: str, tokens: Sequence[str]) -> bool:
    """Could this text hold a special token?"""
    return _SUSPECT.search(text) is not None or any(token in text for token in tokens)


def _all(mark: Callable[[str], str]) -> Change:
    return lambda text, word: mark(text)


def _but_words(mark: Callable[[str], str]) -> Change:
    """Leave names and ids alone that can do no harm: some templates compare them, or count their letters."""
    return lambda text, word: text if word and is_word(text) else mark(text)


def _only_suspects(mark: Callable[[str], str], tokens: Sequence[str]) -> Change:
    """Leave texts alone that hold no token."""
    return lambda text, word: mark(text) if _is_suspect(text, tokens) else text


def _apart(segments: Sequence[Segment], tokens: Sequence[str]) -> tuple[Segment, ...]:
    """Take only tokens for control text: there may be content beside them."""
    return join(
        piece for one in segments for piece in (split_at(one.text, tokens) if one.control else (one,))
    )


def _broken(change: Change, tokens: Sequence[str]) -> Change:
    return lambda text, word: change(neutralise(text, tokens), word)


def _harmless(change: Change, tokens: Sequence[str]) -> Change:
    """Show something harmless in the place of texts that are not."""
    names: dict[str, str] = {}

    def changed(text: str, word: bool) -> str:
        if not _is_suspect(text, tokens):
            return change(text, word)
        core = text.strip()
        before, after = text[: text.index(core)], text[text.index(core) + len(core) :]
        return change(before + names.setdefault(text, f"x{len(names)}") + after, word)

    return changed


_PROBE_TOOL = ToolSpec(
    "probe_tool",
    "probe",
    {"type": "object", "properties": {"probe_key": {"type": "string", "description": "probe"}}},
)
_USER = Message("user", "probe_user")
_CALL = Message("assistant", calls=(ToolCall("probe_tool", {"probe_key": "probe_value"}),))
_RESULT = Message("tool", "probe_result", name="probe_tool")


@lru_cache(maxsize=64)
def _profile(template: ChatTemplate, trusted: bool) -> Profile:
    """Find out what a template wants by trying."""
    compile_template(template.source, template.name, trusted)
    job = _job(template, (), (), True, _NOTHING, trusted, runs=1)

    def tried(profile: Profile, *messages: Message, tools: tuple[ToolSpec, ...] = ()) -> str:
        try:
            return replace(job, messages=messages, tools=tools).write(profile)
        except TemplateError as error:
            if isinstance(error.__cause__, SecurityError):
                raise
            return ""

    profile = Profile(thoughts=thoughts_keys(template.source))
    options = [
        replace(profile, no_tools=no_tools, parts=parts)
        for parts in (False, True)
        for no_tools in (True, False)
    ]
    options += [replace(profile, functions=True)]
    profile = next((one for one in options if _shows_user(tried(one, _USER))), profile)
    if "probe_system" not in tried(profile, Message("system", "probe_system"), _USER):
        profile = replace(profile, system=False)
    written = {
        one: tried(one, _USER, _CALL, _RESULT, tools=(_PROBE_TOOL,))
        for one in (
            replace(profile, arguments=arguments, empty=empty)
            for arguments in ("object", "text")
            for empty in ("", None)
        )
    }
    best = max(written, key=lambda one: _score(written[one]))
    # Some templates write a turn of its own for an empty text beside calls.
    none = replace(best, empty=None)
    return none if _score(written[none]) and len(written[none]) < len(written[best]) else best


def _shows_user(text: str) -> bool:
    """Was a user's text written, and not the list that it is a part of?"""
    return "probe_user" in text and "'text'" not in text


def _score(text: str) -> int:
    """How well a past call was written: not at all, as text inside text, or as it should be."""
    if "probe_value" not in text:
        return 0
    return 1 if '\\"probe_' in text or "None" in text else 2
