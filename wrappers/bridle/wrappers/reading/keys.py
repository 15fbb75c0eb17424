"""How models spell the members of a call: its name, its arguments, what wraps it, what is only thought."""

from __future__ import annotations

__all__ = ["ARGUMENT_KEYS", "BESIDE_KEYS", "NAME_KEYS", "THOUGHT_KEYS", "WRAPPER_KEYS"]

NAME_KEYS = (
    "function",
    "name",
    "tool_name",
    "function_name",
    "tool",
    "action",
    "method",
    "recipient_name",
    "func",
    "api",
    "toolName",
    "functionName",
    "tool_call_name",
    "call",
)
"""Keys whose value is the name of the function, the likeliest first."""

ARGUMENT_KEYS = (
    "params",
    "arguments",
    "parameters",
    "args",
    "action_input",
    "tool_input",
    "input",
    "tool_args",
    "tool_arguments",
    "function_args",
    "function_arguments",
    "kwargs",
    "argument",
    "parameter",
    "param",
    "inputs",
    "payload",
    "actionInput",
    "toolInput",
)
"""Keys whose value holds the arguments, the likeliest first."""

WRAPPER_KEYS = (
    "tool_calls",
    "tool_call",
    "function_call",
    "function_calls",
    "functions",
    "function",
    "calls",
    "call",
    "tool_uses",
    "tool_use",
    "tool",
    "tools",
    "action",
    "actions",
    "toolCalls",
    "functionCall",
    "command",
)
"""Keys whose value may be a whole call, or a list of them."""

THOUGHT_KEYS = (
    "inner_thoughts",
    "inner_thought",
    "innerThoughts",
    "thoughts",
    "thought",
    "inner_monologue",
    "thinking",
    "reasoning",
)
"""Keys of what is only thought. Where a tool declares one of them, it is an argument."""

BESIDE_KEYS = ("id", "tool_call_id", "call_id", "type", "jsonrpc", "index", "explanation", "comment")
"""Keys that stand beside a name and say nothing."""
