"""A conversation in which nothing but system, user and assistant turns of text is left.

For a server or a chat template that knows no tools: they are told in the first system turn, past calls stand
as the call syntax writes them, and a result stands in a turn of the user.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridle.messages import Message, ToolSpec
from bridle.wrappers.syntax import CallSyntax

__all__ = ["plain_chat"]


def plain_chat(
    messages: Sequence[Message], tools: Sequence[ToolSpec], syntax: CallSyntax, listed: str
) -> tuple[Message, ...]:
    """Write calls and results as text, and put `listed`, the tools as text, behind the first system text."""
    out: list[Message] = []
    if listed and not (messages and messages[0].role == "system"):
        out.append(Message("system", listed))
        listed = ""
    for index, message in enumerate(messages):
        if index == 0 and listed:
            out.append(Message("system", f"{message.content.strip()}\n{listed}".strip()))
        elif message.role == "assistant":
            text = syntax.write(message.calls, message.thoughts, message.content, tools)
            out.append(Message("assistant", text))
        elif message.role == "tool":
            out.append(Message("user", f"FUNCTION RETURN: {message.content}"))
        else:
            out.append(message)
    return tuple(out)
