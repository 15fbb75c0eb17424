"""What the agent's tests share: calls as completions and as text, and an endpoint that says them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from bridle.agent.functions import FUNCTIONS
from bridle.endpoints.base import Answer, Supports
from bridle.endpoints.scripted import Scripted
from bridle.errors import BridleError
from bridle.messages import JSON, Completion, Message, ToolCall
from bridle.wrappers import get_wrapper

NOW = datetime(2026, 11, 20, 8, 5, tzinfo=UTC)
WRAPPER = get_wrapper("chatml-compact")


def call(function: str, /, **arguments: JSON) -> ToolCall:
    return ToolCall(function, arguments)


def append(content: str, block: str = "human") -> ToolCall:
    return call("core_memory_append", name=block, content=content, request_heartbeat=True)


def say(message: str) -> ToolCall:
    return call("send_message", message=message)


def answer(*calls: ToolCall, thoughts: str = "", text: str = "") -> Completion:
    """A completion as it comes from a model that made these calls."""
    return Completion(Message("assistant", text, thoughts, calls))


def written(one: ToolCall, thoughts: str = "hm") -> str:
    """The text that a model writes to make this call."""
    return WRAPPER.syntax.write((one,), thoughts, "", FUNCTIONS)


def scripted(
    answers: Iterable[ToolCall | str | Answer | BridleError], *, window: int | None = None, held: bool = True
) -> Scripted:
    """An endpoint with these answers. `held`: it says that it holds grammars.

    Answers are not checked against them: a script writes thoughts and facts of its own, where a grounded
    model can only quote (`test_agent_grounding.py`).
    """
    texts = [written(one) if isinstance(one, ToolCall) else one for one in answers]
    tokenize = window is not None
    supports = Supports(prompt=True, grammar=held, proven=held, tokenize=tokenize)
    return Scripted(texts, supports=supports, window=window, grammar_checked=False)
