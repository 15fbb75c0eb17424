"""Write a prompt by a format's own Jinja template.

In such a template the text between the tags is control text, and whatever an expression puts out is data:
a template cannot turn a user's words into control text, even by mistake. `{{ x | control }}` says that a
value is control text after all. A template sees:

- `messages`: objects with `role`, `content`, `thoughts`, `name` (of the function that a tool result answers),
  `id` (of the call it answers), `calls` (each with `name`, `arguments`, `id`), and, of the assistant,
  `written`: thoughts, text and calls as the call syntax writes them
- `tools`: the tools in OpenAI's shape; `listed`: the same as text, by the format's `tools`
- `bos`, `generation` of the format, and its `template_values`: where these hold the format's control strings,
  they are control text, but not in values that the caller gives

The filter `tojson` writes plain JSON (options `indent`, `sort_keys`). `fail(why)` ends it with an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from types import TracebackType

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bridle.errors import FormatError
from bridle.messages import JSON, Message, ToolSpec, tool_to_dict
from bridle.wrappers.formats import Format
from bridle.wrappers.layout import past_turn, without_old_thoughts
from bridle.wrappers.segments import Segment
from bridle.wrappers.syntax import CallSyntax
from bridle.wrappers.toollists import marked

__all__ = ["by_template"]

OPEN, CLOSE, ESCAPE = "\ufdd0", "\ufdd1", "\ufdd2"
"""Noncharacters of Unicode, meant for use inside a program: the first two stand around control text."""
_MARKS = re.compile(f"[{OPEN}{CLOSE}]")
_OWN = re.compile(f"[{OPEN}{CLOSE}{ESCAPE}]")
_ESCAPED = re.compile(f"{ESCAPE}([\ufdd3-\ufdd5])")
_CODES = {OPEN: "\ufdd3", CLOSE: "\ufdd4", ESCAPE: "\ufdd5"}
_BACK = {code: char for char, code in _CODES.items()}


def by_template(
    form: Format,
    syntax: CallSyntax,
    messages: Sequence[Message],
    tools: Sequence[ToolSpec],
    listed: Sequence[Segment],
    values: Mapping[str, JSON],
) -> tuple[Segment, ...]:
    """Write the conversation up to where the model's answer begins.

    Raises:
        FormatError: when the template fails, with its name, the line and the cause.
    """
    kept = without_old_thoughts(messages, form.history_thoughts)
    given = {name: _value(form, name, value) for name, value in values.items()}
    try:
        text = _compiled(form.template).render(
            messages=_messages(kept, form, syntax, tools),
            tools=[_safe_json(tool_to_dict(tool)) for tool in tools],
            listed=_flat(listed),
            bos=_control(form.bos),
            generation=_control(form.start(values)),
            **given,
        )
    except (
        jinja2.TemplateError,
        TypeError,
        ValueError,
        ArithmeticError,
        LookupError,
        AttributeError,
        RecursionError,
    ) as error:
        line = _line(error)
        where = f" at line {line}" if line else ""
        raise FormatError(
            f"the template of the format {form.name!r} fails{where}: {error}",
            hint="look at the messages' roles and their order, or choose another wrapper",
        ) from error
    return tuple(_split(text))


def _value(form: Format, name: str, value: JSON) -> JSON:
    if isinstance(value, str) and value is form.template_values.get(name):
        return _flat(marked(value, form.control))
    return _safe_json(value)


@lru_cache(maxsize=64)
def _compiled(source: str) -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        undefined=jinja2.StrictUndefined,
        extensions=["jinja2.ext.loopcontrols"],
    )
    environment.filters["tojson"] = _to_json
    environment.filters["control"] = _control
    parsed = environment.parse(source)
    for literal in parsed.find_all(nodes.TemplateData):
        literal.data = _control(literal.data)
    return environment.from_string(parsed, globals={"fail": _fail})


def _line(error: BaseException) -> int | None:
    """The line of the template where it failed: the innermost one of its own frames."""
    line: int | None = getattr(error, "lineno", None)
    trace: TracebackType | None = error.__traceback__
    while line is None and trace is not None:
        line = trace.tb_lineno if trace.tb_frame.f_code.co_filename in ("<template>", "<unknown>") else None
        trace = trace.tb_next
    return line


def _control(text: object) -> str:
    """Mark text as control text. What marks are in it already would end that too early."""
    plain = str(text)
    if not plain.isascii():
        plain = _MARKS.sub("", plain)
    return f"{OPEN}{plain}{CLOSE}" if plain else ""


def _to_json(value: object, indent: int | None = None, sort_keys: bool = False) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, sort_keys=sort_keys)


def _fail(why: str) -> str:
    raise jinja2.TemplateError(why)


def _messages(
    messages: Sequence[Message], form: Format, syntax: CallSyntax, tools: Sequence[ToolSpec]
) -> list[dict[str, object]]:
    control = form.control
    called: dict[str, str] = {}
    waiting: list[tuple[str, str]] = []
    out: list[dict[str, object]] = []
    for message in messages:
        ids = message.extra.get("call_ids")
        known = [str(one) for one in ids] if isinstance(ids, list) else []
        calls = [
            {
                "name": _safe(call.name),
                "arguments": _safe_json(dict(call.arguments)),
                "id": _safe(_at(known, i)),
            }
            for i, call in enumerate(message.calls)
        ]
        if message.calls:
            waiting = [(call.name, _at(known, i)) for i, call in enumerate(message.calls)]
            called.update((call_id, name) for name, call_id in waiting if call_id)
        name, call_id = message.name or "", str(message.extra.get("tool_call_id") or "")
        if message.role == "tool" and waiting:
            first = waiting.pop(0)
            name, call_id = name or called.get(call_id, first[0]), call_id or first[1]
        text = message.content.strip() if message.role in form.strip else message.content
        turn = message if text == message.content else replace(message, content=text)
        written = past_turn(syntax, turn, tools, control) if message.role == "assistant" else ()
        out.append(
            {
                "role": message.role,
                "content": _safe(text),
                "thoughts": _safe(message.thoughts),
                "calls": calls,
                "name": _safe(name),
                "id": _safe(call_id),
                "written": _flat(written),
            }
        )
    return out


def _at(items: Sequence[str], index: int) -> str:
    return items[index] if index < len(items) else ""


def _flat(segments: Sequence[Segment]) -> str:
    return "".join(_control(one.text) if one.control else _safe(one.text) for one in segments)


def _safe(text: str) -> str:
    """Text in which our marks are escaped, for the rare text that holds them."""
    if text.isascii() or not _OWN.search(text):
        return text
    return _OWN.sub(lambda found: ESCAPE + _CODES[found.group()], text)


def _safe_json(value: JSON) -> JSON:
    if isinstance(value, str):
        return _safe(value)
    if isinstance(value, list):
        return [_safe_json(one) for one in value]
    if isinstance(value, dict):
        return {_safe(key): _safe_json(one) for key, one in value.items()}
    return value


def _split(text: str) -> list[Segment]:
    """Cut the template's output at the marks."""
    out: list[Segment] = []
    for piece in text.split(OPEN):
        control, mark, data = piece.partition(CLOSE)
        if mark:
            out.append(Segment(control, control=True))
        else:
            data = piece
        if data:
            escaped = ESCAPE in data
            out.append(Segment(_ESCAPED.sub(lambda found: _BACK[found.group(1)], data) if escaped else data))
    return out
