"""Put a question on one rung after the other until there is a valid answer, or a reason why there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Literal

from bridle.endpoints.asking import Question
from bridle.endpoints.base import Endpoint, Sampling
from bridle.endpoints.completing import Feed, completion_of, read_answer
from bridle.endpoints.ladder import HELD, Rung, has_held, is_lasting, remember, rungs, steps_down
from bridle.endpoints.observing import Observation, is_observed, tell
from bridle.endpoints.planning import Plan, plan_for
from bridle.endpoints.planning_values import plan_value, value_rungs
from bridle.endpoints.transport.wire import Tap, tapped
from bridle.errors import BridleError, BudgetError, EndpointError, SchemaError
from bridle.messages import Attempt, Completion, Delta, Message, Usage

__all__ = ["Limits", "climb_down"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What goes into every request of a question, on whatever rung; `respond` says what each means."""

    max_tokens: int | None = None
    sampling: Sampling = field(default_factory=Sampling)
    max_seconds: float | None = None
    field_tokens: Mapping[str, int] = field(default_factory=dict[str, int])
    strict: bool = False


NOTHING = "(nothing)"
"""Stands for an empty answer where the model is asked again: several servers refuse an empty turn."""
Outcome = Literal["answered", "refused", "invalid"]
CUT = "the answer was cut at the limit of tokens or seconds"
OnDelta = Callable[[Delta], None]
ShouldStop = Callable[[], bool]


def climb_down(
    endpoint: Endpoint,
    question: Question,
    reason: str,
    limits: Limits,
    retries: int,
    on_delta: OnDelta | None = None,
    should_stop: ShouldStop | None = None,
) -> Completion:
    """Ask, and step down where a rung is declined or broken; at the foot ask again, with the reason.

    Raises:
        BridleError: of the last rung, when that one fails, too; and at once for what no other rung changes.
    """
    own = value_rungs(endpoint, question)
    asking = _Asking(endpoint, question, reason, limits, on_delta, should_stop, own_value=bool(own))
    left: list[Rung] = list(own or rungs(endpoint, question))
    declined: list[tuple[Rung, str]] = []
    while True:
        rung = left.pop(0)
        try:
            completion = asking.ask(rung)
        except (EndpointError, SchemaError) as error:
            if not left or not steps_down(error) or (isinstance(error, SchemaError) and rung == "grammar"):
                raise
            if is_lasting(error) and not own:  # it may be the caller's own schema that was declined
                declined.append((rung, error.message))
            asking.note(rung, "refused", error.message)
            continue
        for other, why in declined:
            remember(endpoint, question, other, why)
        declined.clear()
        if _is_cut_short(completion, question, rung):
            asking.note(rung, "invalid", CUT, completion)
            completion = asking.shorter(rung) or completion
        wrong = _wrong(completion, question)
        if not wrong:
            if completion.finish == "stop" and completion.constraint.proof == "claimed":
                has_held(endpoint, rung)
            return asking.finished(rung, completion)
        if completion.constraint.proof == "violated" and left:
            remember(endpoint, question, rung, wrong)
        elif retries <= 0 or endpoint.supports.proven:
            return asking.finished(rung, completion)
        else:
            retries -= 1
            asking.again(completion, wrong)
            if rung in HELD or not left:
                left.insert(0, rung)
        asking.note(rung, "invalid", wrong, completion)


def _wrong(completion: Completion, question: Question) -> str:
    """Why a whole answer is not what was asked for; empty when it is, or when it was cut."""
    if completion.finish != "stop":
        return ""
    if question.mode == "call":
        is_answer = bool(completion.message.calls)
    elif question.mode == "text_or_call":
        is_answer = bool(completion.message.calls) or not completion.refusals
    else:
        wishes = question.wishes
        is_answer = (wishes.schema is None and wishes.grammar is None) or not completion.refusals
    return "" if is_answer else "; ".join(refusal.reason for refusal in completion.refusals)


def _is_cut_short(completion: Completion, question: Question, rung: Rung) -> bool:
    """Whether a server's answer was cut under a grammar that could have been kept shorter."""
    report = completion.constraint
    cut = completion.finish == "length" and completion.finish_reason != "max_seconds"
    return cut and rung == "grammar" and report.fits is False and question.wishes.fit == "likely"


class _Asking:
    """One question while it is asked: what has been tried, and how the conversation stands."""

    def __init__(
        self,
        endpoint: Endpoint,
        question: Question,
        reason: str,
        limits: Limits,
        on_delta: OnDelta | None,
        should_stop: ShouldStop | None,
        *,
        own_value: bool,
    ) -> None:
        self._endpoint = endpoint
        self._question = question
        self._reason = reason
        self._limits = limits
        self._on_delta = on_delta
        self._should_stop = should_stop
        self._own_value = own_value
        self._attempts: list[Attempt] = []
        self._start = time.perf_counter()
        self._shown = False

    def ask(self, rung: Rung) -> Completion:
        """Put the question on a rung."""
        if self._shown and self._on_delta is not None:
            self._on_delta(Delta(restart=True))
            self._shown = False
        plan_it = plan_value if self._own_value else plan_for
        plan = plan_it(self._endpoint, self._question, rung)
        limits = self._limits
        request = replace(
            plan.request,
            max_tokens=limits.max_tokens,
            sampling=limits.sampling,
            max_seconds=limits.max_seconds,
            field_tokens=limits.field_tokens,
            strict=limits.strict,
        )
        return self._send(rung, replace(plan, request=request))

    def shorter(self, rung: Rung) -> Completion | None:
        """Ask once more with a grammar of which no text exceeds the limit; None where there is none."""
        question = self._question
        self._question = replace(question, wishes=replace(question.wishes, fit="always"))
        try:
            return self.ask(rung)
        except BudgetError:
            self._attempts.pop()
            return None
        finally:
            self._question = question

    def _send(self, rung: Rung, plan: Plan) -> Completion:
        streams = self._on_delta is not None or self._should_stop is not None
        feed = Feed(plan.reader, self._show if self._on_delta is not None else None)
        feed.take(plan.primed)
        begun, start = time.time(), time.perf_counter()
        seen = Observation(self._endpoint, self._question, self._reason, rung, plan.request, begun, 0.0)
        with tapped() if is_observed() else nullcontext(Tap()) as arrived:
            try:
                answer = self._endpoint.complete(
                    plan.request, feed.stream if streams else None, self._should_stop
                )
            except BridleError as error:
                took = time.perf_counter() - start
                tell(replace(seen, seconds=took, wire=arrived.raw, error=error))
                raise
        took = time.perf_counter() - start
        if not feed.streamed:  # nobody listens, or the endpoint tells its answer only when it is whole
            feed.take(answer.text)
        reading = read_answer(answer, plan, self._question, feed)
        seconds = time.perf_counter() - self._start
        completion = completion_of(answer, reading, plan, self._question, self._reason, seconds)
        tell(replace(seen, seconds=took, wire=arrived.raw, answer=answer, completion=completion))
        return completion

    def _show(self, delta: Delta) -> None:
        self._shown = True
        assert self._on_delta is not None
        self._on_delta(delta)

    def note(
        self, rung: Rung, outcome: Outcome, reason: str = "", completion: Completion | None = None
    ) -> None:
        """Keep what became of a rung."""
        usage = Usage() if completion is None else completion.usage
        self._attempts.append(Attempt(rung, outcome, reason, usage))

    def again(self, completion: Completion, wrong: str) -> None:
        """Tell the model what was wrong with its answer."""
        allowed = ", ".join(tool.name for tool in self._question.allowed)
        wanted = f"Answer with one call of {allowed}." if self._question.mode != "text" else "Answer again."
        written = [refusal.text for refusal in completion.refusals if refusal.text]
        said = Message("assistant", completion.raw.strip() or "\n".join(written) or NOTHING)
        reason = Message("user", f"That was no valid answer: {wrong}. {wanted}")
        self._question = replace(self._question, messages=(*self._question.messages, said, reason))

    def finished(self, rung: Rung, completion: Completion) -> Completion:
        """Put what was tried into the completion that is returned."""
        wrong = _wrong(completion, self._question)
        if completion.finish == "length" and self._question.mode == "call" and not completion.message.calls:
            wrong = CUT
        self.note(rung, "invalid" if wrong else "answered", wrong, completion)
        return replace(completion, attempts=tuple(self._attempts))
