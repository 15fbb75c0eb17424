"""How the families write thoughts, text and calls, as data: one table each, in the notation of `tables`.

The markup is what the families' own chat templates write, as they ship with the models (read 2026-11 in the
collection of github.com/ggml-org/llama.cpp, models/templates, or on the model cards named below); it is what
those models were trained on.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["FAMILIES", "MEMGPT"]

_TOOL_CALL = {
    "call": '<tool_call>\n{${line}"name": ${quoted_name}${comma}${line}"arguments": ${arguments:1}${end}}'
    "\n</tool_call>",
    "trigger": "<tool_call>",
    "between": "\n",
    "parallel": True,
    "text_first": True,
    "gap": "\n",
}
_THINK = {"think_open": "<think>\n", "think_close": "\n</think>\n\n"}
_OBJECT = '{"name": ${quoted_name}, "arguments": ${arguments:1}}'

_MEMGPT_OBJECT = '"function": ${quoted_name}${comma}${line}"params": ${arguments:1}${end}}'

MEMGPT: Mapping[str, Mapping[str, object]] = {
    "inner": {"call": "{${line}" + _MEMGPT_OBJECT, "thoughts_key": "inner_thoughts", "trigger": "{"},
    "outer": {
        "call": '{${line}"inner_thoughts": ${thoughts}${comma}${line}' + _MEMGPT_OBJECT,
        "trigger": "{",
    },
    "none": {"call": "{${line}" + _MEMGPT_OBJECT, "trigger": "{"},
}
"""MemGPT's call object by where the inner thoughts stand: first in `params` (what every MemGPT wrapper but
"noforce" asked for), first in the object before the function is named, or nowhere. The keys are those of
MemGPT 0.3.25 (github.com/letta-ai/letta, tag 0.3.25, local_llm/llm_chat_completion_wrappers, read 2026-11).
"""

FAMILIES: Mapping[str, Mapping[str, object]] = {
    # Hermes 2 Pro and 3, Qwen 2.5 and 3, Granite 4. The marks of thinking are Qwen 3's.
    "hermes": {**_TOOL_CALL, **_THINK},
    # Any model that is asked for JSON in plain words.
    "json": {
        "call": '{${line}"name": ${quoted_name}${comma}${line}"arguments": ${arguments:1}${end}}',
        "trigger": "{",
    },
    # xLAM and Hammer (model cards of Salesforce/xLAM-2 and MadeAgents/Hammer2.1).
    "json_list": {
        "open": "[",
        "call": _OBJECT,
        "between": ", ",
        "close": "]",
        "trigger": "[",
        "parallel": True,
    },
    # Llama 3.1, 3.2 and 3.3: one call in a turn.
    "llama3_json": {
        "call": '{${line}"name": ${quoted_name}${comma}${line}"parameters": ${arguments:1}${end}}',
        "trigger": "{",
    },
    # Qwen3-Coder, Qwen 3.5.
    "qwen_xml": {
        **_THINK,
        "call": "<tool_call>\n<function=${name}>\n${members}</function>\n</tool_call>",
        "members": {"open": "<parameter=", "middle": ">\n", "close": "\n</parameter>\n"},
        "trigger": "<tool_call>",
        "between": "\n",
        "parallel": True,
        "text_first": True,
        "gap": "\n\n",
    },
    # ToolACE (model card of Team-ACE/ToolACE-8B), Llama 3.2's and 4's prompt docs.
    "pythonic": {
        "open": "[",
        "call": "${name}(${members})",
        "members": {"middle": "=", "between": ", ", "values": "python"},
        "between": ", ",
        "close": "]",
        "trigger": "[",
        "parallel": True,
    },
    # Llama 4.
    "llama4": {
        "open": "<|python_start|>[",
        "call": "${name}(${members})",
        "members": {"middle": "=", "between": ", ", "values": "python"},
        "between": ", ",
        "close": "]<|python_end|>",
        "trigger": "<|python_start|>",
        "parallel": True,
        "text_first": True,
    },
    # LFM2 and LFM2.5.
    "lfm2": {
        "think_open": "<think>",
        "think_close": "</think>",
        "open": "<|tool_call_start|>[",
        "call": "${name}(${members})",
        "members": {"middle": "=", "between": ", ", "values": "python"},
        "between": ", ",
        "close": "]<|tool_call_end|>",
        "trigger": "<|tool_call_start|>",
        "parallel": True,
        "text_first": True,
    },
    # Mistral 7B v0.3, NeMo, Small 2409 and 2501. Tokenizer v3 wants a blank after the mark: see `like`.
    "mistral": {
        "open": "[TOOL_CALLS][",
        "call": '{"name": ${quoted_name}, "arguments": ${arguments:1}${id}}',
        "id": {"before": ', "id": "', "after": '"'},
        "between": ", ",
        "close": "]",
        "trigger": "[TOOL_CALLS]",
        "parallel": True,
        "text_first": True,
    },
    # Mistral Small 3.2, Devstral, Magistral, Ministral 3. Only Small 3.2 writes ids.
    "mistral_args": {
        "think_open": "[THINK]",
        "think_close": "[/THINK]",
        "call": "[TOOL_CALLS]${name}${id}[ARGS]${arguments}",
        "id": {"before": "[CALL_ID]"},
        "between": "",
        "trigger": "[TOOL_CALLS]",
        "parallel": True,
        "text_first": True,
    },
    # Functionary v3.1.
    "functionary31": {
        "call": "<function=${name}>${arguments}</function>",
        "between": "",
        "trigger": "<function=",
        "parallel": True,
        "text_first": True,
    },
    # Functionary v3.2. Each part begins with `>>>` and whom it is for; the first `>>>` is the prompt's.
    "functionary32": {
        "text_open": "all\n",
        "call": "${name}\n${arguments}",
        "between": ">>>",
        "trigger": ">>>",
        "parallel": True,
        "text_first": True,
        "gap": ">>>",
    },
    # FireFunction v2.
    "firefunction": {
        "open": "functools[",
        "call": _OBJECT,
        "between": ", ",
        "close": "]",
        "trigger": "functools[",
        "parallel": True,
        "text_first": True,
        "gap": " ",
        "gap_always": True,
    },
    # Command-R and R+ (08-2024 as well).
    "command_r": {
        "open": "Action:\n```json\n[\n",
        "call": '    {\n        "tool_name": ${quoted_name},\n        "parameters": ${arguments:2}\n    }',
        "between": ",\n",
        "close": "\n]```",
        "trigger": "Action:",
        "parallel": True,
        "text_first": True,
        "gap": "\n",
        "gap_always": True,
        "indent": 4,
    },
    # Command-R7B and Command-A.
    "command_r7b": {
        "think_open": "<|START_THINKING|>",
        "think_close": "<|END_THINKING|>",
        "text_open": "<|START_RESPONSE|>",
        "text_close": "<|END_RESPONSE|>",
        "open": "<|START_ACTION|>[\n",
        "call": '    {"tool_call_id": "${index}", "tool_name": ${quoted_name}, "parameters": ${arguments:1}}',
        "between": ",\n",
        "close": "\n]<|END_ACTION|>",
        "trigger": "<|START_ACTION|>",
        "parallel": True,
    },
    # Gemma 4.
    "gemma4": {
        "think_open": "<|channel>thought\n",
        "think_close": "\n<channel|>",
        "call": "<|tool_call>call:${name}{${members}}<tool_call|>",
        "members": {"middle": ":", "between": ",", "values": "gemma"},
        "between": "",
        "trigger": "<|tool_call>",
        "parallel": True,
        "text_first": True,
    },
    # Phi-4-mini (model card of microsoft/Phi-4-mini-instruct).
    "phi4": {
        "open": "<|tool_call|>[",
        "call": _OBJECT,
        "between": ", ",
        "close": "]<|/tool_call|>",
        "trigger": "<|tool_call|>",
        "parallel": True,
        "text_first": True,
    },
    # Granite 3.0 to 3.3.
    "granite": {
        **_THINK,
        "open": "<|tool_call|>[",
        "call": _OBJECT,
        "between": ", ",
        "close": "]",
        "trigger": "<|tool_call|>",
        "parallel": True,
        "text_first": True,
    },
    # DeepSeek V3, R1 and their distillations.
    "deepseek_v3": {
        **_THINK,
        "open": "<｜tool▁calls▁begin｜>",
        "call": "<｜tool▁call▁begin｜>function<｜tool▁sep｜>${name}\n```json\n${arguments}\n```"
        "<｜tool▁call▁end｜>",
        "between": "\n",
        "close": "<｜tool▁calls▁end｜>",
        "trigger": "<｜tool▁calls▁begin｜>",
        "parallel": True,
        "text_first": True,
    },
    # DeepSeek V3.1.
    "deepseek_v31": {
        "think_open": "<think>",
        "think_close": "</think>",
        "open": "<｜tool▁calls▁begin｜>",
        "call": "<｜tool▁call▁begin｜>${name}<｜tool▁sep｜>${arguments}<｜tool▁call▁end｜>",
        "between": "",
        "close": "<｜tool▁calls▁end｜>",
        "trigger": "<｜tool▁calls▁begin｜>",
        "parallel": True,
        "text_first": True,
    },
    # GLM 4.5, 4.6.
    "glm": {
        "think_open": "\n<think>",
        "think_close": "</think>",
        "text_open": "\n",
        "call": "<tool_call>${name}\n${members}</tool_call>",
        "members": {
            "open": "<arg_key>",
            "middle": "</arg_key>\n<arg_value>",
            "close": "</arg_value>\n",
        },
        "between": "\n",
        "trigger": "<tool_call>",
        "parallel": True,
        "text_first": True,
        "gap": "\n",
        "gap_always": True,
        "empty_thoughts": True,
    },
    # gpt-oss. A turn begins after `<|start|>assistant`; there is one call in a turn.
    "harmony": {
        "think_open": "<|channel|>analysis<|message|>",
        "think_close": "<|end|><|start|>assistant",
        "text_open": "<|channel|>final<|message|>",
        "text_close": "<|end|>",
        "call": " to=functions.${name}<|channel|>commentary json<|message|>${arguments}<|call|>",
        "also": "<|channel|>commentary to=functions.${name} <|constrain|>json<|message|>${arguments}<|call|>",
        "trigger": " to=functions.",
    },
    # Kimi K2.
    "kimi": {
        "think_open": "<think>",
        "think_close": "</think>",
        "open": "<|tool_calls_section_begin|>",
        "call": "<|tool_call_begin|>functions.${name}:${index}<|tool_call_argument_begin|>${arguments}"
        "<|tool_call_end|>",
        "between": "",
        "close": "<|tool_calls_section_end|>",
        "trigger": "<|tool_calls_section_begin|>",
        "parallel": True,
        "text_first": True,
    },
    # MiniMax M1.
    "minimax_m1": {
        **_THINK,
        "open": "<tool_calls>\n",
        "call": _OBJECT + "\n",
        "between": "",
        "close": "</tool_calls>",
        "trigger": "<tool_calls>",
        "parallel": True,
        "text_first": True,
        "gap": "\n",
    },
    # MiniMax M2.
    "minimax": {
        **_THINK,
        "open": "<minimax:tool_call>\n",
        "call": '<invoke name="${name}">\n${members}</invoke>\n',
        "members": {"open": '<parameter name="', "middle": '">', "close": "</parameter>\n"},
        "between": "",
        "close": "</minimax:tool_call>",
        "trigger": "<minimax:tool_call>",
        "parallel": True,
        "text_first": True,
        "gap": "\n",
        "gap_always": True,
    },
    # SmolLM2 (model card of HuggingFaceTB/SmolLM2-1.7B-Instruct).
    "smollm2": {
        "open": "<tool_call>[",
        "call": _OBJECT,
        "between": ", ",
        "close": "]</tool_call>",
        "trigger": "<tool_call>",
        "parallel": True,
        "text_first": True,
        "gap": "\n",
    },
}
