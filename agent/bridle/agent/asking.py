"""Ask an agent's model: the prompt that fits, the call it is held to, and summaries of what leaves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias, cast

from bridle.agent.evicting import transcript
from bridle.agent.fit import answer_tokens
from bridle.agent.progress import OnEvent, Teller, Turn
from bridle.agent.prompting import ContextMap, Counter, block_tokens, context_map, shown_messages, shown_views
from bridle.agent.state import AgentState, AskModel, Noted, Step, Summarise, clean_text
from bridle.endpoints.base import Endpoint
from bridle.endpoints.responding import respond
from bridle.errors import BridleError, Cancelled, ContextOverflow
from bridle.grammars import Bounds
from bridle.messages import JSON, Completion, Message, ToolCall, Usage
from bridle.wrappers import Wrapper

__all__ = ["Asker", "Running", "Stop"]

SUMMARY_TOKENS = 300
SUMMARY_REQUEST = (
    "Sum up the conversation below for yourself, in at most 100 words, in the first person. Keep names,"
    " facts, promises and open questions. Write nothing but the summary."
)
LAST_SHARE = 0.25
"""Of a turn's seconds, what its last step may take even when the others have used them up."""
Stop: TypeAlias = Callable[[], bool] | None


@dataclass(slots=True)
class Running:
    """What a turn has given so far."""

    user: str
    tell: OnEvent
    stop: Stop
    started_s: float = field(default_factory=time.monotonic)
    step_s: float = field(default_factory=time.monotonic)
    steps: list[Step] = field(default_factory=list[Step])
    completions: list[Completion] = field(default_factory=list[Completion])
    notes: list[str] = field(default_factory=list[str])

    def seconds_left(self, limit: float | None) -> float | None:
        """How much of a turn's seconds is left for the next thing, a share in any case; None for no limit."""
        if limit is None:
            return None
        return max(limit - (time.monotonic() - self.started_s), limit * LAST_SHARE)

    def note(self, text: str) -> None:
        self.notes.append(text)
        self.tell(Noted(text))

    def over(self, reply: str, *, cancelled: bool = False) -> Turn:
        return Turn(
            self.user,
            reply,
            tuple(self.steps),
            cancelled=cancelled,
            completions=tuple(self.completions),
            notes=tuple(self.notes),
            seconds=time.monotonic() - self.started_s,
        )


class Asker:
    """A model with its wrapper, and how an agent asks it."""

    def __init__(
        self,
        endpoint: Endpoint,
        wrapper: Wrapper,
        reason: str = "given",
        *,
        temperature: float = 0.0,
        seed: int | None = None,
    ) -> None:
        """Take an open endpoint; `reason` says why it is this wrapper."""
        self.endpoint = endpoint
        self.wrapper = wrapper
        self.reason = reason
        self.temperature = temperature
        self.seed = seed
        self.counter = Counter(endpoint, wrapper)

    def context(self, state: AgentState, now: datetime, stored: tuple[int, int]) -> ContextMap:
        """Measure what the next prompt would hold."""
        return context_map(state, self.counter, now, stored)

    def block_tokens(self, state: AgentState) -> Mapping[str, int]:
        """How many tokens each block of core memory is."""
        return block_tokens(state, self.counter)

    def ask(
        self, state: AgentState, ask: AskModel, running: Running, now: datetime, stored: tuple[int, int]
    ) -> Completion | None:
        """Ask for a call; None where the prompt does not fit and something can leave the conversation.

        Raises:
            ContextOverflow: where not even the least that can be shown fits.
            EndpointError: and its other kinds, when the model cannot be asked.
        """
        refused: ContextOverflow | None = None
        for view in shown_views(state):
            messages = shown_messages(state, view, now, stored)
            refused = self._overflow(messages, ask, state)
            if refused is None:
                try:
                    completion = self._respond(messages, ask, running, state)
                except ContextOverflow as error:
                    refused = error
                else:
                    self.counter.learn(messages, ask.shown, completion.usage.prompt_tokens)
                    if view.cut:
                        running.note(f"the prompt did not fit the model's window: {view.cut}")
                    return _cleaned(self._counted(completion, messages, ask, state))
            if state.profile.summarises and not ask.shrink:
                return None
        assert refused is not None
        raise refused

    def _respond(
        self, messages: tuple[Message, ...], ask: AskModel, running: Running, state: AgentState
    ) -> Completion:
        profile = state.profile
        return respond(
            self.endpoint,
            messages,
            ask.shown,
            tool_choice="required",
            allowed=ask.allowed,
            thoughts=ask.thoughts,
            wrapper=self.wrapper,
            bounds=Bounds(thoughts_chars=profile.thoughts_chars, string_chars=profile.string_chars),
            max_seconds=running.seconds_left(state.limits.seconds),
            temperature=self.temperature,
            seed=self.seed,
            retries=0,  # the agent asks again itself, and keeps that in its history
            on_delta=Teller(running.tell),
            should_stop=running.stop,
        )

    def _counted(
        self, completion: Completion, messages: tuple[Message, ...], ask: AskModel, state: AgentState
    ) -> Completion:
        """The completion, with its tokens worked out where a limit needs them and the server tells none."""
        if completion.usage.prompt_tokens or state.limits.tokens is None:
            return completion
        count = self.counter.count
        return replace(completion, usage=Usage(count(messages, ask.shown), count((completion.message,), ())))

    def _overflow(
        self, messages: tuple[Message, ...], ask: AskModel, state: AgentState
    ) -> ContextOverflow | None:
        """Count the prompt where that can be done; the error to raise if it does not fit."""
        window = self.endpoint.context_tokens
        if window is None:
            return None
        count = self.counter.least(messages, ask.shown)
        room = window - answer_tokens(state.profile, window)
        if count <= room:
            return None
        return ContextOverflow(
            f"the message and the agent's memory need {count} of the {window} tokens of {self.endpoint.name},"
            f" and {window - room} are kept for the answer",
            hint="say it in fewer words, shorten the memory, or load the model with a larger window",
            prompt_tokens=count,
            context_tokens=window,
        )

    def summary(self, asked: Summarise, running: Running, state: AgentState) -> str:
        """Have the model sum up what leaves, in free text; empty where it cannot."""
        window = self.endpoint.context_tokens
        most_chars = 2 * (window - SUMMARY_TOKENS - 200) if window is not None else 24000
        if most_chars < 400:
            return ""
        text = transcript(asked.messages, most_chars - len(asked.before))
        before = f"What was before it: {asked.before}\n\n" if asked.before else ""
        messages = [Message("system", SUMMARY_REQUEST), Message("user", f"{before}{text}")]
        try:
            completion = respond(
                self.endpoint,
                messages,
                tool_choice="none",
                wrapper=self.wrapper,
                max_tokens=SUMMARY_TOKENS,
                max_seconds=running.seconds_left(state.limits.seconds),
                temperature=self.temperature,
                seed=self.seed,
                should_stop=running.stop,
            )
        except Cancelled:
            raise
        except BridleError as error:  # the conversation goes on; what left is noted without the model
            running.note(f"the model could not sum up what left the conversation: {error.message}")
            return ""
        running.completions.append(completion)
        if completion.finish == "cancelled":
            return ""
        text = clean_text(completion.message.content).strip()
        if completion.finish == "length":  # what comes before the last full sentence is worth keeping
            text = text[: text.rfind(".") + 1]
        return text


def _cleaned(completion: Completion) -> Completion:
    """The completion with text that UTF-8 can write."""
    message = completion.message
    calls = tuple(
        ToolCall(call.name, cast("dict[str, JSON]", _clean(dict(call.arguments)))) for call in message.calls
    )
    cleaned = replace(
        message, content=clean_text(message.content), thoughts=clean_text(message.thoughts), calls=calls
    )
    return replace(completion, message=cleaned)


def _clean(value: JSON) -> JSON:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): _clean(item) for key, item in value.items()}
    return value
