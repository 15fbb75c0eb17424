"""From an agent's state to the messages that its model is shown, and how many tokens they are.

Where the endpoint counts prompts, the numbers are exact. Where it does not, they are characters by the
ratio that the last counted answer had, else at two characters a token, which no script of words exceeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bridle.agent.fit import View, answer_tokens, views
from bridle.agent.functions import functions_of
from bridle.agent.prompt import compose, memory_text
from bridle.agent.state import AgentState
from bridle.endpoints.base import Endpoint, Request
from bridle.messages import Message, ToolSpec
from bridle.wrappers import Wrapper

__all__ = ["ContextMap", "Counter", "block_tokens", "context_map", "shown_messages", "shown_views"]

CHARS_PER_TOKEN = 2.0
MOST_CHARS_PER_TOKEN = 5.0
"""Fewer tokens than by this ratio no ordinary text has."""


@dataclass(frozen=True, slots=True)
class ContextMap:
    """What fills a model's window: named parts in tokens, in their order, and the window.

    `exact` says whether the endpoint counted them, or they are worked out from characters. The parts are
    `instructions` (with the functions), `summary`, `conversation`, `memory`, `answer` (kept free for it) and,
    where the window is known, `free`.
    """

    parts: tuple[tuple[str, int], ...]
    window: int | None
    exact: bool


class Counter:
    """Counts messages for one endpoint and wrapper, in tokens."""

    def __init__(self, endpoint: Endpoint, wrapper: Wrapper) -> None:
        self._endpoint = endpoint
        self._wrapper = wrapper
        self.exact = endpoint.supports.tokenize
        self._chars_per_token = CHARS_PER_TOKEN
        self._learnt = False

    def learn(self, messages: Sequence[Message], tools: Sequence[ToolSpec], prompt_tokens: int) -> None:
        """Take the ratio of an answer's own count, for an endpoint that does not count prompts."""
        if prompt_tokens > 0 and not self.exact:
            self._chars_per_token = max(self._chars(messages, tools) / prompt_tokens, 1.0)
            self._learnt = True

    def count(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> int:
        """How long a prompt of these messages and tools is, in tokens."""
        if self.exact:
            found = self._endpoint.count_tokens(self._request(messages, tools))
            if found is not None:
                return found
            self.exact = False
        return round(self._chars(messages, tools) / self._chars_per_token)

    def least(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> int:
        """How many tokens a prompt has at least; it is exact where `count` is."""
        count = self.count(messages, tools)
        if self.exact or self._learnt:
            return count
        return round(count * CHARS_PER_TOKEN / MOST_CHARS_PER_TOKEN)

    def _request(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Request:
        if self._endpoint.supports.prompt:
            prompt = self._wrapper.render(messages, tools)
            return Request(prompt=prompt, control=self._wrapper.control)
        return Request(messages=tuple(messages), tools=tuple(tools))

    def _chars(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> int:
        """The length of the prompt as our wrapper writes it; a server that renders writes about as much."""
        return sum(len(segment.text) for segment in self._wrapper.render(messages, tools))


def block_tokens(state: AgentState, counter: Counter) -> Mapping[str, int]:
    """How many tokens the text of each block of core memory is, by its label."""
    base = [Message("system", "a")]
    before = counter.count(base, ())
    return {
        block.label: max(counter.count([Message("system", f"a{block.value}")], ()) - before, 0)
        for block in state.core.blocks
    }


def shown_messages(
    state: AgentState, view: View, now: datetime, stored: tuple[int, int]
) -> tuple[Message, ...]:
    """The messages of a prompt, with the notes of the turn last."""
    memory = memory_text(state.profile, view.core, now, *stored)
    summary = "" if view.bare else state.summary
    shown = compose(state.profile, view.history, memory, system=state.system, summary=summary)
    return shown if view.bare else (*shown, *state.notes)


def shown_views(state: AgentState) -> Iterator[View]:
    """What may be shown of the conversation, ever less; the first holds all of it where it is summed up."""
    last = View(state.history, state.core)
    if state.profile.summarises:
        yield last
    for last in views(state.profile, state.history, state.core):
        yield last
    yield replace(last, cut="the message was cut, the summary and notes were left out", bare=True)


def context_map(state: AgentState, counter: Counter, now: datetime, stored: tuple[int, int]) -> ContextMap:
    """Measure what the next prompt would hold."""
    tools = (*functions_of(state.profile), *state.tools)
    system = Message("system", state.system or state.profile.system)
    instructions = counter.count([system], tools)
    view = next(iter(shown_views(state)))
    whole = counter.count(shown_messages(state, view, now, stored), tools)
    summary = _more(counter, [system], Message("system", state.summary)) if state.summary else 0
    memory = _more(counter, [system], Message("system", memory_text(state.profile, state.core, now, *stored)))
    window = state.window
    parts = [
        ("instructions", instructions),
        ("summary", summary),
        ("conversation", max(whole - instructions - summary - memory, 0)),
        ("memory", memory),
    ]
    if window is not None:
        answer = answer_tokens(state.profile, window)
        parts += [("answer", answer), ("free", max(window - sum(n for _, n in parts) - answer, 0))]
    return ContextMap(tuple(parts), window, counter.exact)


def _more(counter: Counter, first: Sequence[Message], message: Message) -> int:
    return max(counter.count([*first, message], ()) - counter.count(first, ()), 0)
