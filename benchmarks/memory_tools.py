"""MemGPT's eight functions and its three extras as tools, and a realistic call of each."""

from __future__ import annotations

from bridle.agent.functions import FUNCTIONS
from bridle.messages import JSON, ToolCall, ToolSpec

__all__ = ["CALLS", "TOOLS", "many_tools"]

_STRING: JSON = {"type": "string"}
_HEARTBEAT: JSON = {"type": "boolean", "description": "True to go on with another step."}
_LINES: JSON = {"type": "integer", "minimum": 1}


def _tool(tool: str, description: str, /, **properties: JSON) -> ToolSpec:
    required = [name for name in properties if name not in ("num_lines", "payload_json")]
    return ToolSpec(
        tool, description, {"type": "object", "properties": properties, "required": list[JSON](required)}
    )


EXTRAS = (
    _tool(
        "read_from_text_file",
        "Read lines of a text file.",
        filename=_STRING,
        line_start=_LINES,
        num_lines=_LINES,
        request_heartbeat=_HEARTBEAT,
    ),
    _tool(
        "append_to_text_file",
        "Add text to the end of a file.",
        filename=_STRING,
        content=_STRING,
        request_heartbeat=_HEARTBEAT,
    ),
    _tool(
        "http_request",
        "Send a request and return what comes back.",
        method={"enum": ["GET", "POST", "PUT", "PATCH", "DELETE"]},
        url=_STRING,
        payload_json=_STRING,
        request_heartbeat=_HEARTBEAT,
    ),
)
TOOLS = (*FUNCTIONS, *EXTRAS)


def many_tools(count: int) -> tuple[ToolSpec, ...]:
    """Return the tools again and again under other names, `count` in all."""
    return tuple(
        ToolSpec(f"{TOOLS[i % len(TOOLS)].name}_{i}", "", TOOLS[i % len(TOOLS)].parameters)
        for i in range(count)
    )


def _call(thoughts: str, tool: str, /, **arguments: JSON) -> tuple[str, ToolCall]:
    return thoughts, ToolCall(tool, arguments)


CALLS = (
    _call(
        "She said hello and told me about her garden. I should be warm and ask something.",
        "send_message",
        message="Hello Ana! It is lovely to hear from you. How are the tomatoes coming along this week?",
    ),
    _call(
        "She moved; that is worth keeping.",
        "core_memory_append",
        name="human",
        content="Moved to Lisbon in March 2024, together with her sister.",
        request_heartbeat=True,
    ),
    _call(
        "What I know about her work is out of date.",
        "core_memory_replace",
        name="human",
        old_content="Works as a nurse in Porto.",
        new_content="Works as a head nurse in Lisbon.",
        request_heartbeat=True,
    ),
    _call(
        "A detail for later.",
        "archival_memory_insert",
        content="Ana's favourite book is 'The Left Hand of Darkness' (she said so on 2024-05-02).",
        request_heartbeat=False,
    ),
    _call(
        "I need to look up what she said about the journey.",
        "archival_memory_search",
        query="journey to Japan",
        page=0,
        request_heartbeat=True,
    ),
    _call(
        "Maybe we spoke of this before.",
        "conversation_search",
        query="birthday present",
        page=1,
        request_heartbeat=True,
    ),
    _call(
        "It must have been last spring.",
        "conversation_search_date",
        start_date="2024-03-01",
        end_date="2024-05-31",
        page=0,
        request_heartbeat=True,
    ),
    _call("There is nothing to do for a while.", "pause_heartbeats", minutes=60),
    _call(
        "The file has my notes.",
        "read_from_text_file",
        filename="notes/today.txt",
        line_start=1,
        num_lines=20,
        request_heartbeat=True,
    ),
    _call(
        "Keep the shopping list.",
        "append_to_text_file",
        filename="notes/shopping.txt",
        content="milk, bread, 6 eggs\n",
        request_heartbeat=False,
    ),
    _call(
        "Ask for the weather in Lisbon.",
        "http_request",
        method="GET",
        url="https://api.example.org/v1/weather?city=Lisbon&units=metric",
        payload_json="{}",
        request_heartbeat=True,
    ),
)
"""Thoughts and a call, one of each tool."""
