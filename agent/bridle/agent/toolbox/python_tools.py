"""A typed Python function as a tool."""

from __future__ import annotations

from collections.abc import Callable

from bridle.agent.toolbox.base import DEFAULT_TIMEOUT_S, Tool
from bridle.errors import SchemaError

__all__ = ["as_tool"]


def as_tool(
    function: Callable[..., object] | Tool,
    *,
    name: str = "",
    description: str = "",
    timeout_s: float = DEFAULT_TIMEOUT_S,
    source: str = "",
) -> Tool:
    """Make a tool of a typed Python function, by its signature and docstring; a tool stays as it is.

    Raises:
        SchemaError: naming the parameter whose type cannot be told to a model.
    """
    if isinstance(function, Tool):
        return function
    raise SchemaError(f"{function!r} cannot be told to a model", hint="use tool_from_schema")
