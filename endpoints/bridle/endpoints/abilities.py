"""What of a request an endpoint can honour, by what it says that it supports."""

from __future__ import annotations

from bridle.endpoints.base import Request, Supports
from bridle.errors import UnsupportedParameter

__all__ = ["refuse_dropped", "unsupported"]


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
