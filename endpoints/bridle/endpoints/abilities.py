"""What of a request an endpoint can honour, by what it says that it supports, and what nobody can."""

from __future__ import annotations

import math

from bridle.endpoints.base import Request, Sampling, Supports
from bridle.errors import InputError, UnsupportedParameter

__all__ = ["check_sampling", "refuse_dropped", "unsupported"]


def unsupported(supports: Supports, request: Request) -> tuple[str, ...]:
    """Name the constraints and wishes of a request that cannot be honoured on the route that it takes.

    >>> unsupported(Supports(prompt=True), Request(json_mode=True))
    ('json_mode',)
    """
    prompt = bool(request.prompt)
    honoured = {
        "grammar": prompt and supports.grammar,
        "gbnf": prompt and supports.grammar,
        "regex": prompt and supports.regex,
        "schema": supports.prompt_schema if prompt else supports.json_schema,
        "json_mode": not prompt and supports.json_mode,
        "tools": not prompt and supports.tools,
        "field_tokens": supports.proven and request.grammar is not None,
        "logprobs": supports.logprobs,
    }
    given = {
        "json_mode": request.json_mode,
        "tools": bool(request.tools),
        "field_tokens": bool(request.field_tokens),
        "logprobs": request.logprobs > 0,
    }
    for name in ("grammar", "gbnf", "regex", "schema"):
        given[name] = getattr(request, name) is not None
    names = [name for name, is_kept in honoured.items() if given[name] and not is_kept]
    if request.tools and request.tool_choice != "auto":
        kept = supports.forced if request.tool_choice == "required" else supports.named
        names += [] if kept else ["tool_choice"]
    return tuple(names)


def refuse_dropped(request: Request, dropped: tuple[str, ...], name: str) -> None:
    """Refuse a strict request that the endpoint `name` could not honour whole.

    Raises:
        UnsupportedParameter: which names what would be dropped.
    """
    if request.strict and dropped:
        raise UnsupportedParameter(
            f"{name} cannot be told {', '.join(dropped)}",
            hint="leave that out, or ask without strict: then it is left out and listed as dropped",
            parameter=dropped[0],
        )


def check_sampling(sampling: Sampling) -> None:
    """Raise an `InputError` that names the first value out of its range."""
    rules = (
        ("temperature", sampling.temperature, sampling.temperature >= 0, "0 or more"),
        ("top_k", sampling.top_k, sampling.top_k >= 0, "0 (off) or more"),
        ("top_p", sampling.top_p, 0 < sampling.top_p <= 1, "above 0 and at most 1"),
        ("min_p", sampling.min_p, 0 <= sampling.min_p <= 1, "between 0 and 1"),
        ("repeat_penalty", sampling.repeat_penalty, sampling.repeat_penalty > 0, "above 0"),
        ("repeat_last", sampling.repeat_last, sampling.repeat_last >= 0, "0 (off) or more"),
        ("presence_penalty", sampling.presence_penalty, sampling.presence_penalty > -math.inf, "a number"),
        ("frequency_penalty", sampling.frequency_penalty, sampling.frequency_penalty > -math.inf, "a number"),
        ("seed", sampling.seed, sampling.seed is None or sampling.seed >= 0, "0 or more"),
    )
    for name, value, good, right in rules:
        if not good or value == math.inf:
            raise InputError(f"{name} is {value!r}", hint=f"it must be {right}")
