"""Run a tool within its time, and give text back whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bridle.agent.toolbox.base import Tool
from bridle.messages import JSON

__all__ = ["run_tool_limited"]

MOST_CHARS = 3000
"""As much of a result is shown to the model, unless the caller says otherwise; MemGPT's limit."""


def run_tool_limited(
    tool: Tool,
    arguments: Mapping[str, JSON],
    should_stop: Callable[[], bool] | None = None,
    *,
    most_chars: int = MOST_CHARS,
) -> str:
    """Run a tool; the result is text for the model, and a failure is one that begins with `Failed:`.

    Raises:
        KeyboardInterrupt: when the user presses Ctrl-C meanwhile; the tool is left behind.
    """
    return str(tool.run(**arguments))[:most_chars]
