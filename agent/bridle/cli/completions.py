"""A completion as one JSON object, for machines that read what the commands print."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridle.messages import Completion

__all__ = ["completion_as_json"]


def completion_as_json(completion: Completion) -> dict[str, object]:
    """Write what came back, how it was held, and what that cost (`cost` is null where nothing was)."""
    report = completion.constraint
    return {
        "calls": [
            {"name": call.name, "arguments": dict(call.arguments)} for call in completion.message.calls
        ],
        "text": completion.message.content,
        "thoughts": completion.message.thoughts,
        "raw": completion.raw,
        "constraint": {
            "asked": report.asked,
            "engine": report.engine,
            "proof": report.proof,
            "weakened": list(report.weakened),
            "longest_bytes": report.longest,
            "fits": report.fits,
            "sent_as": list(report.sent_as),
        },
        "attempts": [
            {"rung": one.rung, "outcome": one.outcome, "reason": one.reason} for one in completion.attempts
        ],
        "cost": None if completion.cost is None else _rounded(asdict(completion.cost)),
        "finish": completion.finish,
        "finish_reason": completion.finish_reason,
        "refusals": [refusal.reason for refusal in completion.refusals],
        "dropped": list(completion.dropped),
        "wrapper": completion.wrapper,
        "wrapper_reason": completion.wrapper_reason,
        "usage": asdict(completion.usage),
        "seconds": round(completion.seconds, 4),
    }


def _rounded(values: dict[str, object]) -> dict[str, object]:
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in values.items()}
