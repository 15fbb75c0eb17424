"""The marks of every dialect as data: what holds calls, what holds thinking, what ends a turn.

Sources: the chat templates and model cards of the families named beside each mark, read 2026-11. Where two
families share a mark they share its meaning here too: what stands inside decides how it is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = [
    "BARE_DIALECTS",
    "CALL_CLOSE",
    "CALL_OPEN",
    "LEAK",
    "OTHER_TURN",
    "SPECIAL",
    "SUSPECTS",
    "THINKING",
    "TURN_END",
    "pattern",
]


def pattern(marks: Iterable[str]) -> str:
    """A pattern that finds any of the marks, the longest first."""
    return "|".join(re.escape(mark) for mark in sorted(marks, key=len, reverse=True))


CALL_OPEN = (
    "<tool_call>",  # Hermes, Qwen, GLM, SmolLM2, Granite 4
    "<tool_calls>",  # MiniMax M1
    "<toolcall>",
    "<tool_use>",
    "<function_call>",
    "<functioncall>",
    "<function_calls>",
    "<TOOLCALL>",  # Nemotron
    "<minimax:tool_call>",  # MiniMax M2
    "<|tool_call|>",  # Phi-4, Granite 3
    "<|tool_call>",  # Gemma 4
    "<|tool_call_start|>",  # LFM2
    "<|tool_calls|>",
    "<|python_start|>",  # Llama 4
    "<|python_tag|>",  # Llama 3
    "<|START_ACTION|>",  # Command R7B
    "[TOOL_CALLS]",  # Mistral
    "[TOOL_CALL]",
    "[TOOL_REQUEST]",
    "<｜tool▁calls▁begin｜>",  # DeepSeek
    "<｜tool▁call▁begin｜>",
    "<|tool_calls_section_begin|>",  # Kimi K2
    "<|tool_call_begin|>",
    "functools",  # FireFunction
    "<|tools_prefix|>",  # Apertus
    "function<｜tool▁sep｜>",  # DeepSeek V3, its first marks lost
)
"""What stands before one call or several."""

CALL_CLOSE = (
    "</tool_call>",
    "</tool_calls>",
    "</toolcall>",
    "</tool_use>",
    "</function_call>",
    "</functioncall>",
    "</function_calls>",
    "</TOOLCALL>",
    "</minimax:tool_call>",
    "</invoke>",
    "</function>",
    "<|/tool_call|>",
    "<tool_call|>",
    "<|tool_call_end|>",
    "<|/tool_calls|>",
    "<|python_end|>",
    "<|END_ACTION|>",
    "[/TOOL_CALLS]",
    "[/TOOL_CALL]",
    "[END_TOOL_REQUEST]",
    "[end]",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁end｜>",
    "<|tool_calls_section_end|>",
    "<|tool_call_end|>",
    "<|call|>",
    "<|tools_suffix|>",
)
"""What stands after one call or several. It is dropped wherever it stands alone."""

THINKING = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<reasoning>": "</reasoning>",
    "<thought>": "</thought>",
    "<reflection>": "</reflection>",
    "<scratchpad>": "</scratchpad>",  # Hermes 2 Pro
    "<seed:think>": "</seed:think>",  # Seed-OSS
    "[THINK]": "[/THINK]",  # Magistral
    "◁think▷": "◁/think▷",  # Kimi-VL
    "<|START_THINKING|>": "<|END_THINKING|>",  # Command R7B
    "<|channel>thought": "<channel|>",  # Gemma 4
    "<|inner_prefix|>": "<|inner_suffix|>",  # Apertus
    "<|begin_of_thought|>": "<|end_of_thought|>",
}
"""What stands around thinking."""

TURN_END = (
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|eot|>",
    "<|eom|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<|end_of_turn|>",
    "<end_of_turn>",
    "<turn|>",
    "</s>",
    "<｜end▁of▁sentence｜>",
    "<|END_OF_TURN_TOKEN|>",
    "<|return|>",
    "<|endofprompt|>",
    "[e~[",
)
"""What ends the model's turn. Nothing after it is the model's."""

OTHER_TURN = (
    "<|user|>",
    "<|observation|>",
    "<|im_start|>user",
    "<|im_start|>tool",
    "<|start_header_id|>user",
    "<|start_header_id|>ipython",
    "[INST]",
    "[TOOL_RESULTS]",
    "<tool_response>",
    "<|tool_response>",
)
"""What begins the turn of another role, which is not the model's to write."""

SPECIAL = (
    "<|im_start|>assistant",
    "<|start_header_id|>assistant<|end_header_id|>",
    "<|begin_of_text|>",
    "<|assistant|>",
    "<start_of_turn>model",
    "<|START_RESPONSE|>",
    "<|END_RESPONSE|>",
    "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
    "<s>",
    "<bos>",
    "<|constrain|>",
    "<|message|>",
    "<|end|>",
    "<|tool_call_argument_begin|>",
    "[ARGS]",
)
"""Marks that leak into a turn and say nothing."""

LEAK = re.compile(
    r"^[ \t]*(?:FUNCTION RETURN|(?:user|human|assistant|tool|observation|function)\s*:"
    r"|### ?(?:instruction|input|user)\b)",
    re.IGNORECASE | re.MULTILINE,
)
"""A line that begins another role's turn, where a call came before."""

BARE_DIALECTS = frozenset({"json", "json_list", "llama3_json", "memgpt"})
"""The dialects that put no mark before a call."""

SUSPECTS: tuple[str, ...] = (
    "{",
    "[",
    "```",
    ">>>",
    "Action:",
    "to=functions.",
    "functools",
    "call:",
    "<function",
    "</function",
    "<invoke",
    "</invoke",
    "<tool",
    "</tool",
    "<TOOLCALL",
    "</TOOLCALL",
    "<minimax:",
    "</minimax:",
    "<|",
    "<｜",
    "<turn|>",
    "<channel|>",
    "<end_of_turn>",
    "<start_of_turn>",
    "<arg_",
    "<parameter",
    "<s>",
    "</s>",
    "<bos>",
    *THINKING,
    *THINKING.values(),
)
"""Every string at which a call, thinking or leaked markup may begin. Before the first one is only text."""
