"""What all prompts of the agent begin with, its instructions and functions, as text and as tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from batches import common_start
from tokenizer import Encoder

from bridle.agent.functions import FUNCTIONS
from bridle.agent.prompt import COMPACT, compose, memory_text
from bridle.messages import Message, ToolCall
from bridle.wrappers import Segment, get_wrapper

__all__ = ["agent_prefix", "answer_opening", "golden_prompt", "prompt_sha256"]


def golden_prompt(history: Sequence[Message] = (Message("user", "hello"),)) -> tuple[Segment, ...]:
    """The prompt of a new agent at a fixed time, by the product's own code."""
    memory = memory_text(COMPACT, COMPACT.core(), datetime(2026, 11, 20, 8, 5))
    return get_wrapper("chatml-compact").render(compose(COMPACT, history, memory), FUNCTIONS)


def prompt_sha256() -> str:
    """A fingerprint of the golden prompt's bytes; another one means that the model must be trained again."""
    return hashlib.sha256("".join(one.text for one in golden_prompt()).encode()).hexdigest()


def agent_prefix(encoder: Encoder) -> tuple[int, ...]:
    """The tokens with which every prompt of the agent begins, with and without earlier turns."""
    once = Message("user", "hello")
    first, later = encoder.encode(golden_prompt()), encoder.encode(golden_prompt((once, once)))
    return tuple(first[: common_start([first, later])])


def answer_opening(encoder: Encoder) -> int:
    """With how many tokens every answer begins, before the first word of its thought."""
    call = ToolCall("send_message", {"message": ""})
    write = get_wrapper("chatml-compact").syntax.write
    texts = [write((call,), thought, "", FUNCTIONS) for thought in ("chat", "note", "Job: ?")]
    return common_start([encoder.encode([Segment(text)]) for text in texts])
