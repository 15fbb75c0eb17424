"""What tells model families apart: marks in chat templates, words in names, architectures in model files.

Data for `bridle.wrappers.detection`. The marks are strings of the templates that the models' makers publish;
which of the formats a mark means was checked against the templates in llama.cpp's `models/templates`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["ARCHITECTURES", "KIN", "NAMES", "NEAREST", "TEMPLATE_RULES", "TOKENIZERS", "TemplateRule"]


@dataclass(frozen=True, slots=True)
class TemplateRule:
    """A template with all of `marks` and none of `lacks` is of this format.

    `confidence` is low where a family's templates differ in what the marks do not tell, or where the format
    is only the nearest one: then a name may decide between formats that divide turns alike (`KIN`).
    """

    format: str
    marks: tuple[str, ...]
    lacks: tuple[str, ...] = ()
    confidence: float = 0.95


_R = TemplateRule
_CHATML = ("<|im_start|>", "<|im_end|>")
_LLAMA = ("<|start_header_id|>", "<|eot_id|>")
_XML = ("<function=", "<parameter=")
_DEEPSEEK = ("<｜User｜>", "<｜Assistant｜>")
_LLAMA_TOOLS = "Given the following functions, please respond with a JSON for a function call"

TEMPLATE_RULES: tuple[TemplateRule, ...] = (
    _R("chatml-compact", ("bridle:chatml-compact",)),
    _R("generic", ("bridle:generic",)),
    # ChatML's turns: the most special first.
    _R("phi4", (*_CHATML, "<|im_sep|>")),
    _R("hammer", (*_CHATML, "[BEGIN OF AVAILABLE TOOLS]")),
    _R("lfm2", (*_CHATML, "<|tool_list_start|>")),
    _R("lfm2.5", (*_CHATML, "List of tools: [")),
    _R("smollm3", (*_CHATML, "Reasoning Mode", "## Custom Instructions")),
    _R("smollm2", (*_CHATML, "named SmolLM, trained by Hugging Face")),
    _R("xlam", (*_CHATML, "You have access to a set of tools")),
    _R("step3.5", (*_CHATML, *_XML, "'<|im_start|>tool_response")),
    _R("nemotron-3-nano", (*_CHATML, *_XML, "truncate_history_thinking")),
    _R("qwen3.5", (*_CHATML, *_XML, "multi_step_tool", "<think>")),
    _R("qwen3-coder", (*_CHATML, *_XML), ("</think>",)),
    _R("qwen3-coder", (*_CHATML, *_XML), (), 0.6),
    _R("qwen3", (*_CHATML, "<tool_call>", "enable_thinking", "multi_step_tool")),
    _R("qwen3", (*_CHATML, "<tool_call>", "reasoning_content", "last_query_index"), (), 0.8),
    _R("qwq", (*_CHATML, "<tool_call>", "<tool_response>", "assistant\\n<think>\\n")),
    _R("qwen2.5", (*_CHATML, "<tool_call>", "You are Qwen, created by Alibaba Cloud")),
    _R("hermes", (*_CHATML, "<tool_call>", "You are a function calling AI model")),
    _R("bielik", (*_CHATML, "<tool_call>", "<|function_list|>")),
    _R("mimo", (*_CHATML, "<tool_call>", "You are MiMo")),
    _R("qwen2.5", (*_CHATML, "<tool_call>", "# Tools", "<tool_response>"), ("<think>",), 0.7),
    _R("hermes", (*_CHATML, "<tool_call>"), (), 0.6),
    _R("chatml", ("<|im_start|>",), ("<|im_middle|>",), 0.5),
    # Llama 3's turns.
    _R("functionary-v3.2", (*_LLAMA, ">>>all")),
    _R("functionary-v3.2", (*_LLAMA, ">>>", "namespace functions")),
    _R("functionary-v3.1", (*_LLAMA, "<function=", "Use the function '")),
    _R("firefunction-v2", (*_LLAMA, "functools[")),
    _R("toolace", (*_LLAMA, "[func_name1(params_name1=params_value1")),
    _R("llama3.2", (*_LLAMA, "Cutting Knowledge Date", "strftime_now")),
    _R("llama3.1", (*_LLAMA, "Cutting Knowledge Date", "tools_in_user_message")),
    _R("llama3.1", (*_LLAMA, "Cutting Knowledge Date"), (), 0.7),
    _R("llama3.1", (*_LLAMA, _LLAMA_TOOLS), (), 0.7),
    _R("llama3.1", (*_LLAMA, "<|python_tag|>"), (), 0.6),
    _R("llama3", _LLAMA, (), 0.6),
    _R("llama4", ("<|header_start|>", "<|header_end|>", "<|eot|>")),
    # Mistral.
    _R("ministral-3", ("[SYSTEM_PROMPT]", "[ARGS]", "[THINK]", "HOW YOU SHOULD THINK AND ANSWER")),
    _R("mistral-v11", ("[SYSTEM_PROMPT]", "[ARGS]", "[CALL_ID]")),
    _R("mistral-v13", ("[SYSTEM_PROMPT]", "[ARGS]")),
    _R("mistral-v7", ("[SYSTEM_PROMPT]", "[TOOL_CALLS]"), (), 0.8),
    _R("mistral-v7", ("[SYSTEM_PROMPT]", "[INST]"), (), 0.6),
    _R("mistral-v3", ("[INST] ", "[AVAILABLE_TOOLS] [")),
    _R("mistral-tekken", ("[INST]", "[AVAILABLE_TOOLS][")),
    _R("mistral-v3", ("[INST]", "[AVAILABLE_TOOLS]"), (), 0.7),
    _R("llama2", ("[INST]", "<<SYS>>")),
    _R("mistral-v3", ("[INST]",), (), 0.6),
    # DeepSeek.
    _R("deepseek-v3.1", (*_DEEPSEEK, "<｜tool▁output▁begin｜>", "</think>"), ("<｜tool▁outputs▁begin｜>",)),
    _R("deepseek-r1", (*_DEEPSEEK, "<｜tool▁outputs▁begin｜>", "<think>")),
    _R("deepseek-v3", (*_DEEPSEEK, "<｜tool▁outputs▁begin｜>")),
    _R("deepseek-v3.1", (*_DEEPSEEK, "</think>", "thinking_mode"), (), 0.3),
    _R("deepseek-r1", (*_DEEPSEEK, "<think>"), (), 0.6),
    _R("deepseek-v3", _DEEPSEEK, (), 0.6),
    _R("deepseek-coder", ("### Instruction:", "<|EOT|>")),
    # Families with marks of their own.
    _R("command-r7b", ("<|START_OF_TURN_TOKEN|>", "<|START_ACTION|>", "<|START_RESPONSE|>")),
    _R("command-r7b", ("<|START_OF_TURN_TOKEN|>", "<|START_ACTION|>"), (), 0.5),
    _R("command-r", ("<|START_OF_TURN_TOKEN|>", "<|CHATBOT_TOKEN|>", "Action:")),
    _R("command-r", ("<|START_OF_TURN_TOKEN|>", "<|CHATBOT_TOKEN|>"), (), 0.7),
    _R("gemma4", ("<|turn>", "<turn|>")),
    _R("gemma2", ("<start_of_turn>", "System role not supported")),
    _R("gemma3", ("<start_of_turn>", "first_user_prefix")),
    _R("gemma3", ("<start_of_turn>",), (), 0.6),
    _R("phi4-mini", ("<|end|>", "<|tool|>", "<|/tool|>")),
    _R("granite4", ("<|start_of_role|>", "<tool_call>")),
    _R("granite3", ("<|start_of_role|>", "<|tool_call|>")),
    _R("granite3", ("<|start_of_role|>",), (), 0.7),
    _R("glm4.7", ("[gMASK]<sop>", "<|observation|>", "</arg_key><arg_value>")),
    _R("glm4.5", ("[gMASK]<sop>", "<|observation|>", "<arg_key>")),
    _R("glm4.5", ("[gMASK]<sop>",), (), 0.4),
    _R("gpt-oss", ("<|start|>", "<|channel|>", "<|message|>")),
    _R("kimi-k2-thinking", ("<|im_system|>", "<|im_middle|>", "<think>")),
    _R("kimi-k2", ("<|im_system|>", "<|im_middle|>")),
    _R("minimax-m1", ("<beginning_of_sentence>", "<end_of_sentence>")),
    _R("minimax-m2", ("]~b]", "<minimax:tool_call>")),
    _R("minimax-m2", ("]~b]",), (), 0.3),
    _R("apertus", ("<|assistant_start|>", "<|developer_start|>", "<|tools_prefix|>")),
    _R("ling3", ("<role>HUMAN</role>", "<|role_end|>", "<arg_key>")),
    _R("nemotron-nano-v2", ("<SPECIAL_10>", "<SPECIAL_11>", "<TOOLCALL>")),
    _R("seed-oss", ("<seed:bos>", "<seed:tool_call>")),
    # Plain text and half plain marks.
    _R("phi3", ("<|user|>", "<|end|>"), ("<|begin|>", "<|content|>")),
    _R("phi3", ("<|assistant|>", "<|end|>"), ("<tool_calls>", "<|content|>", "<|begin|>"), 0.8),
    _R("zephyr", ("<|user|>", "<|assistant|>", "<|system|>", "eos_token"), ("[gMASK]", "<tool_call>"), 0.8),
    _R("zephyr", ("<|user|>", "<|assistant|>", "</s>"), ("[gMASK]", "<tool_call>"), 0.8),
    _R("openchat", ("GPT4 Correct", "<|end_of_turn|>")),
    _R("alpaca", ("### Instruction:", "### Response:")),
    _R("neural-chat", ("### System:", "### User:", "### Assistant:")),
    _R("airoboros-l2-70b-2.1", ("USER:", "ASSISTANT:", "### INPUT")),
    _R("vicuna", ("USER: ", "ASSISTANT: ")),
    _R("vicuna", ("USER:", "ASSISTANT:"), (), 0.6),
    _R("reka-edge", ("human: ", "assistant: ", "<sep>", "<tool_call>")),
    _R("rwkv-world", ("'User: '", "'Assistant: '", "'System: '"), (), 0.7),
)
"""The first rule that fits holds."""

_CHATML_LIKE = (
    "chatml", "hermes", "qwen2.5", "qwen3", "qwen3-coder", "qwq", "smollm2", "smollm3", "lfm2", "lfm2.5",
    "hammer", "xlam", "dolphin", "dolphin-2.1-mistral-7b", "qwen3.5", "step3.5", "nemotron-3-nano", "mimo",
    "bielik",
)  # fmt: skip
_LLAMA_LIKE = (
    "llama3", "llama3.1", "llama3.2", "toolace", "functionary-v3.1", "functionary-v3.2", "firefunction-v2",
)  # fmt: skip

KIN: tuple[frozenset[str], ...] = (
    frozenset(_CHATML_LIKE),
    frozenset(_LLAMA_LIKE),
    frozenset({"mistral-v3", "mistral-tekken", "llama2"}),
    frozenset({"mistral-tekken", "mistral-v7", "mistral-v11", "mistral-v13", "ministral-3"}),
    frozenset({"gemma2", "gemma3"}),
    frozenset({"phi3", "phi4-mini"}),
    frozenset({"granite3", "granite4"}),
    frozenset({"deepseek-v3", "deepseek-r1", "deepseek-v3.1"}),
    frozenset({"kimi-k2", "kimi-k2-thinking"}),
    frozenset({"glm4.5", "glm4.7"}),
    frozenset({"zephyr", "zephyr-7B"}),
)
"""Formats whose turns have the same marks: between these a name may decide."""

NEAREST: Mapping[str, tuple[str, ...]] = {
    "qwen3-coder": ("qwen2.5", "hermes", "chatml"),
    "qwen3": ("qwen2.5", "hermes", "chatml"),
    "qwq": ("qwen2.5", "hermes", "chatml"),
    "qwen2.5": ("hermes", "chatml"),
    "hermes": ("qwen2.5", "chatml"),
    "qwen3.5": ("qwen3-coder", "qwen2.5", "chatml"),
    "step3.5": ("qwen3-coder", "qwen2.5", "chatml"),
    "nemotron-3-nano": ("qwen3-coder", "qwen2.5", "chatml"),
    "mimo": ("qwen2.5", "hermes", "chatml"),
    "bielik": ("hermes", "chatml"),
    "llama3.2": ("llama3.1", "llama3"),
    "llama3.1": ("llama3.2", "llama3"),
    "toolace": ("llama3.1", "llama3"),
    "functionary-v3.1": ("llama3.1", "llama3"),
    "functionary-v3.2": ("functionary-v3.1", "llama3.1", "llama3"),
    "firefunction-v2": ("llama3.1", "llama3"),
    "ministral-3": ("mistral-v13", "mistral-tekken"),
    "mistral-v7": ("mistral-v11", "mistral-tekken"),
    "mistral-v11": ("mistral-v13", "mistral-tekken"),
    "mistral-v13": ("mistral-tekken",),
    "mistral-tekken": ("mistral-v3",),
    "mistral-v3": ("mistral-tekken", "llama2"),
    "gemma2": ("gemma3",),
    "gemma3": ("gemma2",),
    "phi4-mini": ("phi3",),
    "granite4": ("granite3",),
    "deepseek-r1": ("deepseek-v3",),
    "deepseek-v3.1": ("deepseek-v3",),
    "glm4.7": ("glm4.5",),
    "kimi-k2-thinking": ("kimi-k2",),
    "command-r7b": ("command-r",),
    "lfm2.5": ("lfm2", "chatml"),
    "lfm2": ("lfm2.5", "chatml"),
    "smollm3": ("hermes", "chatml"),
    "smollm2": ("hermes", "chatml"),
    "xlam": ("qwen2.5", "chatml"),
    "hammer": ("qwen2.5", "chatml"),
    "phi4": ("chatml",),
    "zephyr": ("zephyr-7B",),
    "openchat": ("vicuna",),
}
"""What is taken where a format is not among those that there are."""

NAMES: tuple[tuple[str, str], ...] = (
    # Fine-tunes before the models that they were made from.
    ("functionary * v 3.2", "functionary-v3.2"),
    ("functionary * v 3.1", "functionary-v3.1"),
    ("functionary", "functionary-v3.2"),
    ("firefunction", "firefunction-v2"),
    ("openhermes", "chatml"),
    ("hermes", "hermes"),
    ("airoboros", "airoboros-l2-70b-2.1"),
    ("dolphin 2.1 mistral", "dolphin-2.1-mistral-7b"),
    ("dolphin", "dolphin"),
    ("zephyr", "zephyr"),
    ("tinyllama", "zephyr"),
    ("neural chat", "neural-chat"),
    ("openchat", "openchat"),
    ("starling", "openchat"),
    ("vicuna", "vicuna"),
    ("alpaca", "alpaca"),
    ("xlam", "xlam"),
    ("hammer", "hammer"),
    ("toolace", "toolace"),
    ("deepseek coder v 2", "deepseek-v3"),
    ("deepseek coder", "deepseek-coder"),
    ("deepseek v 3.1", "deepseek-v3.1"),
    ("deepseek r 1", "deepseek-r1"),
    ("deepseek", "deepseek-v3"),
    ("qwq", "qwq"),
    ("qwen 3 * coder", "qwen3-coder"),
    ("qwen 3.5", "qwen3.5"),
    ("qwen 3", "qwen3"),
    ("qwen", "qwen2.5"),
    ("llama 4", "llama4"),
    ("llama 3.2", "llama3.2"),
    ("llama 3.3", "llama3.1"),
    ("llama 3.1", "llama3.1"),
    ("llama 3", "llama3"),
    ("llama 2", "llama2"),
    ("codellama", "llama2"),
    ("ministral 3", "ministral-3"),
    ("devstral", "mistral-v13"),
    ("magistral", "mistral-v13"),
    ("mistral small 3.2", "mistral-v11"),
    ("mistral small * 2506", "mistral-v11"),
    ("mistral small * 2409", "mistral-v3"),
    ("mistral small", "mistral-v7"),
    ("mistral nemo", "mistral-tekken"),
    ("ministral", "mistral-tekken"),
    ("pixtral", "mistral-tekken"),
    ("mistral", "mistral-v3"),
    ("mixtral", "mistral-v3"),
    ("codestral", "mistral-v3"),
    ("command r 7 b", "command-r7b"),
    ("command a", "command-r7b"),
    ("command r", "command-r"),
    ("gemma 4", "gemma4"),
    ("gemma 3", "gemma3"),
    ("gemma", "gemma2"),
    ("phi 4 mini", "phi4-mini"),
    ("phi 4", "phi4"),
    ("phi 3", "phi3"),
    ("granite 4", "granite4"),
    ("granite", "granite3"),
    ("glm 4.7", "glm4.7"),
    ("glm 4.5", "glm4.5"),
    ("glm 4.6", "glm4.5"),
    ("gpt oss", "gpt-oss"),
    ("kimi k 2 thinking", "kimi-k2-thinking"),
    ("kimi k 2", "kimi-k2"),
    ("minimax m 1", "minimax-m1"),
    ("minimax m 2", "minimax-m2"),
    ("lfm 2.5", "lfm2.5"),
    ("lfm 2", "lfm2"),
    ("smollm 3", "smollm3"),
    ("smollm", "smollm2"),
    ("step 3.5", "step3.5"),
    ("nemotron 3 nano", "nemotron-3-nano"),
    ("nemotron nano * v 2", "nemotron-nano-v2"),
    ("mimo", "mimo"),
    ("bielik", "bielik"),
    ("apertus", "apertus"),
    ("seed oss", "seed-oss"),
    ("ling 3", "ling3"),
    ("reka edge", "reka-edge"),
    ("rwkv", "rwkv-world"),
)
"""Words in a row, as `bridle.wrappers.detection.words` cuts a name, and the format they mean; `*` stands for
any words. A number fits those that only add decimals: `granite 4` fits `granite-4.1`. A word fits itself."""

ARCHITECTURES: Mapping[str, tuple[str, float]] = {
    "qwen2": ("qwen2.5", 0.5),
    "qwen2moe": ("qwen2.5", 0.5),
    "qwen2vl": ("qwen2.5", 0.5),
    "qwen3": ("qwen3", 0.6),
    "qwen3moe": ("qwen3", 0.5),
    "qwen3next": ("qwen3", 0.5),
    "qwen35": ("qwen3.5", 0.6),
    "apertus": ("apertus", 0.8),
    "nemotron_h": ("nemotron-nano-v2", 0.5),
    "nemotron_h_moe": ("nemotron-3-nano", 0.6),
    "rwkv6": ("rwkv-world", 0.5),
    "rwkv7": ("rwkv-world", 0.5),
    "seed_oss": ("seed-oss", 0.8),
    "gemma2": ("gemma2", 0.8),
    "gemma3": ("gemma3", 0.8),
    "gemma3n": ("gemma3", 0.8),
    "gemma4": ("gemma4", 0.8),
    "phi3": ("phi3", 0.4),
    "phimoe": ("phi3", 0.5),
    "command-r": ("command-r", 0.6),
    "cohere2": ("command-r7b", 0.6),
    "granite": ("granite3", 0.6),
    "granitemoe": ("granite3", 0.6),
    "granitehybrid": ("granite4", 0.7),
    "deepseek2": ("deepseek-v3", 0.4),
    "glm4moe": ("glm4.5", 0.6),
    "gpt-oss": ("gpt-oss", 0.9),
    "kimi-linear": ("kimi-k2", 0.4),
    "lfm2": ("lfm2", 0.6),
    "lfm2moe": ("lfm2", 0.6),
    "llama4": ("llama4", 0.8),
    "minimax-m2": ("minimax-m2", 0.8),
    "mistral3": ("mistral-v13", 0.4),
    "smollm3": ("smollm3", 0.8),
}
"""`general.architecture` of a GGUF. That of Llama (`llama`) says nothing: most models before 2025 have it."""

TOKENIZERS: Mapping[str, tuple[str, float]] = {
    "llama-bpe": ("llama3", 0.4),
    "llama4": ("llama4", 0.5),
    "tekken": ("mistral-tekken", 0.5),
    "smollm": ("smollm2", 0.4),
    "smaug-bpe": ("llama3", 0.4),
    "qwen2": ("qwen2.5", 0.4),
    "command-r": ("command-r", 0.5),
    "deepseek-llm": ("deepseek-coder", 0.3),
    "deepseek-r1-qwen": ("deepseek-r1", 0.7),
    "deepseek-v3": ("deepseek-v3", 0.4),
    "gpt-4o": ("phi4-mini", 0.3),
    "kimi-k2": ("kimi-k2", 0.6),
    "lfm2": ("lfm2", 0.5),
    "chatglm-bpe": ("glm4.5", 0.3),
    "glm4": ("glm4.5", 0.4),
}
"""`tokenizer.ggml.pre` of a GGUF."""
