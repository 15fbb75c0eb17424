"""What was heard of a turn while it happened, the turn as JSON, and what a conversation has cost so far."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridle.agent import Progress, Turn
    from bridle.cli.screen import Screen
    from bridle.messages import Completion

__all__ = ["Heard", "Tally", "speed", "turn_facts"]


class Heard:
    """Collects what is told about one turn, and passes it on to a screen where there is one."""

    def __init__(self, screen: Screen | None) -> None:
        self._screen = screen
        self.step_seconds: list[float] = []
        self.warnings: list[str] = []

    def __call__(self, progress: Progress) -> None:
        """Take one event."""
        from bridle.agent.progress import AskedAgain, Finished

        match progress:
            case Finished(_, seconds):
                self.step_seconds.append(seconds)
            case AskedAgain(reasons):
                self.warnings += reasons or ("there was no call",)
            case _:
                pass
        if self._screen is not None:
            self._screen.show(progress)


def turn_facts(turn: Turn, heard: Heard) -> dict[str, object]:
    """Write a turn as one JSON object: what was said and done, how long it took, and what went wrong in it.

    `tokens` are those of all answers of the turn; `warnings` say why the model was asked again, `notes` what
    was left out or moved to make room.
    """
    took = [*heard.step_seconds, *[0.0] * len(turn.steps)]
    steps = [
        {
            "thoughts": step.thoughts,
            "call": {"name": step.call.name, "arguments": dict(step.call.arguments)},
            "result": step.result,
            "ms": round(seconds * 1000, 1),
        }
        for step, seconds in zip(turn.steps, took, strict=False)
    ]
    usages = [completion.usage for completion in turn.completions]
    return {
        "user": turn.user,
        "reply": turn.reply,
        "steps": steps,
        "cancelled": turn.cancelled,
        "seconds": round(turn.seconds, 4),
        "tokens": {
            "prompt": sum(usage.prompt_tokens for usage in usages),
            "cached": sum(usage.cached_tokens for usage in usages),
            "completion": sum(usage.completion_tokens for usage in usages),
        },
        "warnings": heard.warnings,
        "notes": list(turn.notes),
    }


@dataclass(slots=True)
class Tally:
    """What the turns of this conversation have cost together. Times are in seconds."""

    turns: int = 0
    cancelled: int = 0
    answers: int = 0
    seconds: float = 0.0
    model_seconds: float = 0.0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    repairs: int = 0
    refusals: int = 0
    last_speed: float | None = None
    """Tokens per second of the last turn, None where that cannot be told."""
    functions: Counter[str] = field(default_factory=Counter[str])

    def add(self, turn: Turn) -> None:
        """Count a turn that is over."""
        self.turns += 1
        self.cancelled += turn.cancelled
        self.seconds += turn.seconds
        self.functions.update(step.call.name for step in turn.steps)
        self.last_speed = speed(turn.completions)
        for completion in turn.completions:
            self.answers += 1
            self.model_seconds += completion.seconds
            self.prompt_tokens += completion.usage.prompt_tokens
            self.cached_tokens += completion.usage.cached_tokens
            self.completion_tokens += completion.usage.completion_tokens
            self.repairs += len(completion.repairs)
            self.refusals += len(completion.refusals)


def speed(completions: tuple[Completion, ...]) -> float | None:
    """Tokens written per second of wall time, in which prompts are read, too; None where none was counted."""
    tokens = sum(completion.usage.completion_tokens for completion in completions)
    seconds = sum(completion.seconds for completion in completions)
    return tokens / seconds if tokens and seconds else None
