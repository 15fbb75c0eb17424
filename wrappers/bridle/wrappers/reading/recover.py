"""Read calls out of what a model wrote, whatever way of writing it chose.

The order is: thinking apart, then what the marks of any dialect enclose, then strict JSON, then repair with
the tools' schemas as a guide, then the check against them. Two errors are possible and not equal: a call that
is not recovered can be asked for again, a call that was not meant cannot be taken back. So truncated text,
thinking, unknown functions and values that would have to be invented never make a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bridle.messages import Finish, Refusal, Repair, ToolCall, ToolSpec
from bridle.wrappers.reading.heard import Heard, Parts, Region
from bridle.wrappers.reading.judge import Verdict, judge
from bridle.wrappers.reading.markup import read_object, skip_space
from bridle.wrappers.reading.names import tool_name
from bridle.wrappers.reading.patterns import ESCAPED
from bridle.wrappers.reading.plain import plain_call
from bridle.wrappers.reading.quoting import unescape
from bridle.wrappers.reading.source import Known, Source
from bridle.wrappers.reading.walk import Walk
from bridle.wrappers.syntax import Reading

__all__ = ["is_call_like", "long_way", "recover"]

_MOST = 256
_ONLY_ARGUMENTS = "args_only:"


def recover(
    raw: str,
    tools: Sequence[ToolSpec],
    dialect: str | None = None,
    finish: Finish = "stop",
    *,
    thinking: bool = False,
    once: bool = False,
) -> Reading:
    """Read one whole turn. Never raises, and takes time in proportion to the text.

    `dialect` is the way of writing that was asked for; any other is understood too. `args_only:NAME` says
    that the text is nothing but the arguments of NAME. `thinking` says that the prompt itself opened a block
    of thinking. With `once`, calls that repeat an earlier one exactly count as one.

    >>> tool = ToolSpec("f", "", {"type": "object", "properties": {"x": {"type": "integer"}}})
    >>> recover("Yes: <tool_call>{'name': 'f', 'arguments': {'x': '1',}}", [tool]).calls
    (ToolCall(name='f', arguments={'x': 1}),)
    """
    dialect = dialect or ""
    if finish == "stop" and not thinking and not dialect.startswith(_ONLY_ARGUMENTS):
        call = plain_call(raw, tools)
        if call is not None:
            return Reading(calls=(call,))
    return long_way(raw, tools, dialect, finish, thinking=thinking, once=once)


def long_way(
    raw: str,
    tools: Sequence[ToolSpec],
    dialect: str = "",
    finish: Finish = "stop",
    *,
    thinking: bool = False,
    once: bool = False,
) -> Reading:
    """Do what `recover` does without the short way for plain calls."""
    known = Known(tools)
    source = Source(raw)
    final = finish != "length"
    if dialect.startswith(_ONLY_ARGUMENTS):
        parts = _only_arguments(source, known, dialect.removeprefix(_ONLY_ARGUMENTS), final)
    else:
        walk = Walk(source, known, dialect, final=final)
        start = _end_of_thinking(source, walk.parts) if thinking else 0
        parts = walk.run(start) if start >= 0 else walk.parts
    reading = _judged(parts, known, source, once, final)
    if reading.calls or not reading.thoughts:
        return reading
    return _with_thought_calls(reading, known)


def _with_thought_calls(reading: Reading, known: Known) -> Reading:
    """Say which calls were only thought of, since that is often where a model that made none left them."""
    inside = Walk(Source(reading.thoughts), known, "", final=False).run()
    heard = [one for region in inside.regions for one in region.heard[:_MOST]]
    names = dict.fromkeys(call.name for one in heard if (call := judge(one, known, 0, "").call))
    if not names:
        return reading
    listed = ", ".join(names)
    if reading.text or reading.refusals:
        note = Repair("call in thinking", 0, listed, "not made")
        return replace(reading, repairs=(*reading.repairs, note))
    why = f"a call of {listed} stands in the thinking, where nothing is called; make it after the thinking"
    return replace(reading, refusals=(Refusal(why, reading.thoughts),))


def _only_arguments(source: Source, known: Known, name: str, final: bool) -> Parts:
    """Read a text that is nothing but the arguments of `name`."""
    region = Region(0, source.size, [], sure=True)
    region.heard.append(_arguments_of(source, known, name, region, final))
    return Parts(regions=[region])


def _arguments_of(source: Source, known: Known, name: str, region: Region, final: bool) -> Heard:
    text = source.text
    start = text.find("{")
    if start < 0:
        return Heard(name, {}, problem="there is no JSON object in it" if text.strip() else "")
    if ESCAPED.match(text, start):
        region.notes.append(Repair("arguments in quotes", start, text[start : start + 80], "an object"))
        source = Source(unescape(text[start:].rstrip().removesuffix('"'), "json"))
        text, start = source.text, 0
    arguments, end, problem = read_object(source, start, known, name, region.notes, final=final)
    while not problem and text.startswith("{", after := skip_space(text, end)):
        region.notes.append(Repair("text behind the arguments", end, text[end : end + 80], ""))
        more, end, problem = read_object(source, after, known, name, region.notes, final=final)
        if arguments and more and more != arguments:
            problem = "there are two objects of arguments"
        arguments = arguments or more
    if text[end:].strip() and not problem:
        region.notes.append(Repair("text behind the arguments", end, text[end : end + 80].strip(), ""))
    inner = arguments if isinstance(arguments, dict) else {}
    held = inner.get("name")
    if (
        isinstance(held, str)
        and tool_name(held, known.tools) == name
        and isinstance(inner.get("arguments"), dict)
    ):
        arguments = inner["arguments"]
    return Heard(name, arguments, problem=problem)


def _end_of_thinking(source: Source, parts: Parts) -> int:
    """Put what the prompt's open block of thinking holds aside; return where it ends, or -1."""
    marks = (
        "</think>",
        "</thinking>",
        "[/THINK]",
        "<|END_THINKING|>",
        "<channel|>",
        "</seed:think>",
        "◁/think▷",
    )
    places = [(place, mark) for mark in marks if (place := source.find(mark, 0)) >= 0]
    if not places:
        parts.thoughts.append(source.text.strip())
        return -1
    place, mark = min(places)
    inside = source.text[:place].strip().removeprefix("<think>").strip()
    if inside:
        parts.thoughts.append(inside)
    return place + len(mark)


def _judged(parts: Parts, known: Known, source: Source, once: bool, final: bool) -> Reading:
    calls: list[ToolCall] = []
    repairs = list(parts.notes)
    refusals: list[tuple[int, Refusal]] = []
    thoughts = list(parts.thoughts)
    for region in parts.regions:
        text = source.text[region.start : region.end]
        good = False
        for heard in region.heard[:_MOST]:
            if heard.problem == "it is not complete" and not final:
                heard.problem = "it was cut off at the token limit"
            verdict = judge(heard, known, region.start, text)
            thoughts += verdict.thoughts if verdict.call else ()
            if verdict.refusal:
                refusals.append((region.start, verdict.refusal))
                continue
            good = True
            _take(verdict, calls, repairs, once)
        if good:
            repairs += region.notes
    in_order = [refusal for _, refusal in sorted(refusals, key=lambda one: one[0])]
    reading = Reading(
        text="".join(parts.text).strip(),
        thoughts="\n".join(thoughts),
        calls=tuple(calls),
        repairs=tuple(repairs),
        refusals=(*in_order, *parts.refusals),
    )
    return reading


def _take(verdict: Verdict, calls: list[ToolCall], repairs: list[Repair], once: bool) -> None:
    call = verdict.call
    if call is None:
        return
    repairs += verdict.notes
    if once and call in calls:
        repairs.append(Repair("repeated call", verdict.where, call.name, "once"))
        return
    calls.append(call)


def is_call_like(text: str, tools: Sequence[ToolSpec] = ()) -> bool:
    """Whether `text`, a balanced `{…}` or `[…]`, is read as anything but plain text.

    >>> is_call_like('{"x": 1}')
    False
    """
    reading = recover(text, tools)
    return bool(reading.calls or reading.refusals) or reading.text != text.strip()
