"""Ask any endpoint once, with tools, and get back a `Completion`: the one call that the rest is built on.

It picks a wrapper, writes the prompt, has the strongest constraint chosen that the endpoint can hold
(`planning`), asks, and reads the answer. What was used, and how far it can be trusted, is in
`Completion.constraint`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bridle.endpoints.asking import ConstraintChoice, Question, Wishes, ask_about
from bridle.endpoints.base import Answer, Endpoint, Sampling
from bridle.endpoints.budget import Fit
from bridle.endpoints.checks import checked_calls, schema_error
from bridle.endpoints.planning import PlainReader, Plan, plan_for
from bridle.grammars import Bounds, Grammar
from bridle.messages import JSON, Completion, Delta, Message, Refusal, ToolSpec
from bridle.wrappers import Reading, StreamReader, Wrapper
from bridle.wrappers.syntaxes.exact import read_exact

__all__ = ["ConstraintChoice", "respond"]


def respond(
    endpoint: Endpoint,
    messages: Iterable[Message | Mapping[str, object]],
    tools: Iterable[ToolSpec | Mapping[str, object]] = (),
    *,
    tool_choice: str = "auto",
    allowed: Sequence[ToolSpec] | None = None,
    thoughts: Mapping[str, JSON] | None = None,
    wrapper: str | Path | Wrapper = "auto",
    constraint: ConstraintChoice = "auto",
    schema: Mapping[str, JSON] | None = None,
    gbnf: str | None = None,
    grammar: Grammar | None = None,
    quotes: Mapping[str, Sequence[str]] | None = None,
    parallel: int = 1,
    think: bool = False,
    max_tokens: int | None = None,
    max_seconds: float | None = None,
    field_tokens: Mapping[str, int] | None = None,
    fit: Fit = "likely",
    sampling: Sampling | None = None,
    temperature: float = 0.0,
    seed: int | None = None,
    bounds: Bounds | None = None,
    loosen: bool = True,
    on_delta: Callable[[Delta], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Completion:
    """Ask for one assistant turn.

    Args:
        endpoint: what `connect` returned.
        messages: the conversation, as `Message` or as dicts in OpenAI's shape.
        tools: what may be called; listed in the prompt.
        tool_choice: "auto" (text or a call), "none" (text), "required" (a call), or the name of the one
        function.
        allowed: narrower versions of some of the tools (same names) that the constraint holds the call to.
        thoughts: a JSON Schema that a grammar holds the thoughts before a call to.
        wrapper: a wrapper, its name, a format file, or "auto": what the config file keeps for the model, else
            what its chat template, metadata and name mean.
        constraint: "auto" takes the strongest that the endpoint can hold; "grammar" and "schema" ask for one;
            "off" asks for none.
        schema: hold the whole answer to this JSON Schema instead of to calls; needs no tools.
        gbnf: hold the whole answer to this GBNF grammar instead.
        grammar: hold the whole answer to these rules instead (`for_choice`, `for_regex`, `schema_grammar`).
        quotes: the texts that strings with `x-quoted-from` are quoted from, by name, besides those of the
            conversation: `user` (the last turn), `result` (what tools answered since) and `conversation`.
        parallel: how many calls one turn may hold under a grammar, where the call syntax knows how.
        think: under a grammar, may the turn begin with thinking, where the syntax has marks for it?
        max_tokens: limit of the answer in tokens; None is what the model's window leaves. A call that is held
            in this process is always complete within it.
        max_seconds: limit of the answer in seconds of wall time; in this process a held call is closed then.
        field_tokens: limits of single string fields of a held call, by parameter or thoughts key, in tokens;
            in this process only.
        fit: how sure an answer that a server holds must be to end within `max_tokens`: "likely" makes strings
            shorter where ordinary text would not fit, "always" until no text can exceed it.
        sampling: all sampling options; without it `temperature` and `seed` are taken.
        bounds: lengths that make every constrained answer finite.
        loosen: record schema keywords that cannot be enforced instead of refusing them; they are checked
        after
            reading all the same.
        on_delta: called with each piece of the answer as it arrives.
        should_stop: asked between tokens; True cancels, and the completion says so.

    Raises:
        InputError: for wrong messages, tools, schemas, grammars, or an impossible combination.
        BudgetError: where `max_tokens` is less than the shortest answer needs; nothing has been generated.
        EndpointError: and its kinds, when the model cannot be asked.
    """
    wishes = Wishes(
        tool_choice=tool_choice,
        allowed=allowed,
        thoughts=thoughts,
        constraint=constraint,
        schema=schema,
        gbnf=gbnf,
        grammar=grammar,
        quotes=quotes,
        fields=tuple(field_tokens or ()),
        parallel=parallel,
        think=think,
        max_tokens=max_tokens,
        fit=fit,
        bounds=bounds,
        loosen=loosen,
    )
    found, reason = ask_about(endpoint, messages, tools, wrapper, wishes)
    plan = plan_for(endpoint, found)
    request = replace(
        plan.request,
        max_tokens=max_tokens,
        sampling=sampling or Sampling(temperature=temperature, seed=seed),
        max_seconds=max_seconds,
        field_tokens=field_tokens or {},
    )
    start = time.perf_counter()
    feed = _Feed(plan.reader, on_delta)
    feed.take(plan.primed)
    answer = endpoint.complete(request, feed.take, should_stop)
    reading = feed.close(answer)
    doubtful = reading.refusals or not reading.calls
    if plan.request.grammar is not None and doubtful and answer.finish == "stop":
        reading = feed.held(plan.primed + answer.text, found, reading)
    return _completion(answer, reading, plan, found, reason, time.perf_counter() - start)


class _Feed:
    """Hands fragments to the reader and its deltas to the caller."""

    def __init__(self, reader: StreamReader, on_delta: Callable[[Delta], None] | None) -> None:
        self._reader = reader
        self._on_delta = on_delta

    def take(self, fragment: str) -> None:
        self._tell(self._reader.feed(fragment))

    def close(self, answer: Answer) -> Reading:
        deltas, reading = self._reader.close("length" if answer.finish != "stop" else "stop")
        self._tell(deltas)
        return reading

    def held(self, text: str, question: Question, read: Reading) -> Reading:
        """Read an answer that a grammar held by the shape that the grammar was made of, if it holds calls.

        Text before the call may hold what looks like the beginning of another one.
        """
        wrapper = question.wrapper
        reading = read_exact(text, wrapper.syntax.shape, question.tools, wrapper.opens_thinking)
        if reading is None or not reading.calls:
            return read
        for index, call in enumerate(reading.calls if reading.calls != read.calls else ()):
            self._tell([Delta(index=index, call_name=call.name), Delta(index=index, call=call)])
        return reading

    def _tell(self, deltas: list[Delta]) -> None:
        if self._on_delta is not None:
            for delta in deltas:
                self._on_delta(delta)


def _completion(
    answer: Answer, reading: Reading, plan: Plan, question: Question, reason: str, seconds: float
) -> Completion:
    report = replace(plan.report, engine=answer.engine)
    refusals = list(reading.refusals)
    if question.mode == "call" and not reading.calls and answer.finish == "stop":
        if report.asked != "off":
            report = replace(report, proof="violated")
        if not refusals and not isinstance(plan.reader, PlainReader):
            names = ", ".join(tool.name for tool in question.allowed)
            refusals.append(Refusal(f"there is no call; call one of {names}", reading.text))
    calls, refused = checked_calls(question, reading.calls, held=plan.request.grammar is not None)
    refusals += refused
    wrong = schema_error(question, reading.text) if answer.finish == "stop" else ""
    if wrong:
        refusals.append(Refusal(wrong, reading.text))
        report = replace(report, proof="violated")
    return Completion(
        message=Message("assistant", reading.text, reading.thoughts, calls),
        raw=plan.primed + answer.text,
        finish=answer.finish,
        finish_reason=answer.finish_reason,
        usage=answer.usage,
        constraint=report,
        repairs=reading.repairs,
        refusals=tuple(refusals),
        dropped=answer.dropped,
        wrapper=question.wrapper.name,
        wrapper_reason=reason,
        seconds=seconds,
        cost=answer.cost,
    )
