"""From an answer to a completion: read the text as it arrives, check the calls, and say what held them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from bridle.endpoints.asking import Question
from bridle.endpoints.base import Answer, NativeCall
from bridle.endpoints.checks import checked_calls, schema_error
from bridle.endpoints.planning import Plan
from bridle.grammars import matches
from bridle.grammars.schema_keywords import validator_of
from bridle.messages import JSON, Completion, Delta, Message, Refusal, ToolSpec
from bridle.wrappers import JsonLayout, MemGPT, Reading, StreamReader
from bridle.wrappers.syntaxes.exact import read_exact

__all__ = ["Feed", "completion_of", "read_answer"]


class Feed:
    """Hands fragments to the reader and its deltas to the caller."""

    def __init__(self, reader: StreamReader, on_delta: Callable[[Delta], None] | None) -> None:
        self._reader = reader
        self._on_delta = on_delta
        self.streamed = False

    def stream(self, fragment: str) -> None:
        """Take a piece of the answer while it is written."""
        self.streamed = True
        self.take(fragment)

    def take(self, fragment: str) -> None:
        self.tell(self._reader.feed(fragment))

    def close(self, answer: Answer) -> Reading:
        deltas, reading = self._reader.close("length" if answer.finish != "stop" else "stop")
        self.tell(deltas)
        return reading

    def tell(self, deltas: Sequence[Delta]) -> None:
        if self._on_delta is not None:
            for delta in deltas:
                self._on_delta(delta)


def read_answer(answer: Answer, plan: Plan, question: Question, feed: Feed) -> Reading:
    """Read an answer whose text `feed` has been given: the text, or what the server took out of it."""
    reading = feed.close(answer)
    if plan.native:
        native = _native(answer.calls, question.allowed) if answer.finish == "stop" else None
        if native is not None and (native.calls or native.refusals):
            if native.thoughts and not reading.thoughts:
                feed.tell([Delta(thoughts=native.thoughts)])
            feed.tell(_whole_calls(native))
            reading = replace(native, text=reading.text, thoughts=reading.thoughts or native.thoughts)
    doubtful = reading.refusals or not reading.calls
    if plan.request.grammar is not None and doubtful and answer.finish == "stop":
        reading = _held(plan.primed + answer.text, question, reading, feed)
    if answer.thoughts:
        if not reading.thoughts:
            feed.tell([Delta(thoughts=answer.thoughts)])
        reading = replace(reading, thoughts=reading.thoughts or answer.thoughts)
    return reading if reading.calls else _unprimed(reading, plan.primed)


def _unprimed(reading: Reading, primed: str) -> Reading:
    """Leave out of a text what we had begun for the model: it wrote no call, and did not say it."""
    if not primed or not reading.text.startswith(primed.lstrip()):
        return reading
    said = reading.text[len(primed.lstrip()) :]
    refusals = tuple(replace(one, text=said) if one.text == reading.text else one for one in reading.refusals)
    return replace(reading, text=said, refusals=refusals)


def _native(calls: Sequence[NativeCall], tools: Sequence[ToolSpec]) -> Reading:
    """Read calls that a server parsed, as carefully as if the model had written them so."""
    readings = [_read_native(call, tools) for call in calls]
    return Reading(
        thoughts="\n".join(one.thoughts for one in readings if one.thoughts),
        calls=tuple(call for one in readings for call in one.calls),
        repairs=tuple(repair for one in readings for repair in one.repairs),
        refusals=tuple(refusal for one in readings for refusal in one.refusals),
    )


def _read_native(call: NativeCall, tools: Sequence[ToolSpec]) -> Reading:
    written = f'{{"function": {json.dumps(call.name)}, "params": {call.arguments}}}'
    reading = MemGPT("outer", JsonLayout()).read(written, tools)
    if reading.calls or reading.refusals:
        return reading
    names = ", ".join(tool.name for tool in tools)
    return Reading(refusals=(Refusal(f"there is no function {call.name!r}; call one of {names}", written),))


def _held(text: str, question: Question, read: Reading, feed: Feed) -> Reading:
    """Read an answer that a grammar held by the shape that the grammar was made of, if it holds calls.

    Text before the call may hold what looks like the beginning of another one.
    """
    wrapper = question.wrapper
    reading = read_exact(text, wrapper.syntax.shape, question.tools, wrapper.opens_thinking)
    if reading is None or not reading.calls:
        return read
    if reading.calls != read.calls:
        feed.tell(_whole_calls(reading))
    return reading


def _whole_calls(reading: Reading) -> list[Delta]:
    return [
        delta
        for index, call in enumerate(reading.calls)
        for delta in (Delta(index=index, call_name=call.name), Delta(index=index, call=call))
    ]


def completion_of(
    answer: Answer, reading: Reading, plan: Plan, question: Question, reason: str, seconds: float
) -> Completion:
    """Check what was read, and put it together with what is known of how it came about."""
    report = replace(plan.report, engine=answer.engine, sent_as=answer.sent_as)
    refusals = list(reading.refusals)
    whole = answer.finish == "stop"
    if whole and question.mode == "call" and not reading.calls and not refusals:
        names = ", ".join(tool.name for tool in question.allowed)
        refusals.append(Refusal(f"there is no call; call one of {names}", reading.text))
    if whole and report.proof in ("claimed", "proven") and _breaks(plan, answer, reading, question):
        report = replace(report, proof="violated")
    held = plan.request.grammar is not None and report.proof != "violated"
    calls, refused = checked_calls(question, reading.calls, held=held)
    refusals += refused
    wrong = schema_error(question, reading.text) if whole else ""
    own = question.wishes.grammar
    if whole and own is not None and not (matches(own, reading.text) or matches(own, reading.text.strip())):
        wrong = "the answer is none that its grammar allows"
    if wrong:
        refusals.append(Refusal(wrong, reading.text))
        report = replace(report, proof="violated" if plan.request.grammar is not None else report.proof)
    forced = not (plan.native and question.mode == "call" and plan.request.tool_choice == "auto")
    return Completion(
        message=Message("assistant", reading.text, reading.thoughts, calls, extra=_ids(answer, len(calls))),
        raw=plan.primed + answer.text,
        finish=answer.finish,
        finish_reason=answer.finish_reason,
        usage=answer.usage,
        constraint=report,
        repairs=reading.repairs,
        refusals=tuple(refusals),
        dropped=answer.dropped if forced else (*answer.dropped, "tool_choice"),
        wrapper=question.wrapper.name,
        wrapper_reason=reason,
        seconds=seconds,
        cost=answer.cost,
        sent=answer.sent,
    )


def _breaks(plan: Plan, answer: Answer, reading: Reading, question: Question) -> bool:
    """Whether a whole answer is none that its constraint allows: then somebody has not kept his word.

    A call may be refused all the same, for what the constraint could not express.
    """
    request = plan.request
    if plan.report.proof == "proven":
        return question.mode == "call" and not reading.calls
    text = plan.primed + answer.text
    if request.grammar is not None:
        grammar = request.grammar
        return not (matches(grammar, text) or matches(grammar, text.strip()))  # some servers trim it
    if request.schema is not None:
        try:
            value: object = json.loads(text)
        except (ValueError, RecursionError):
            return True
        return not validator_of(request.schema).is_valid(value)
    return bool(request.tools) and not answer.calls


def _ids(answer: Answer, n_calls: int) -> dict[str, JSON]:
    """What a server wants back with the results: the ids of its calls, where it gave each one."""
    ids = [call.id for call in answer.calls]
    return {"call_ids": list[JSON](ids)} if ids and all(ids) and len(ids) == n_calls else {}
