"""The real chat templates that our formats are compared with by `templates.py`, and what is known of each."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "wrappers")]

from bridle.messages import JSON, ToolSpec, tool_to_dict  # noqa: E402
from bridle.wrappers import Format  # noqa: E402

Words: TypeAlias = tuple[str, str, Callable[[Format], str]]


@dataclass(frozen=True)
class Reference:
    """One real template, and what its callers have to know.

    `arguments`: whether past calls carry theirs as a dict or as JSON text. `empty`: the content of a turn
    that only calls. `thoughts`: the key that past thoughts stand under, or `blocks` where they are a block of
    the content. `values`: further variables.
    `mutable`: the template appends to its own lists, which transformers' sandbox does not allow. `unescaped`:
    the template calls some text safe, by which transformers' Jinja would escape the rest of it for HTML.
    `ours`: values for our wrapper. `words`: the template's own sentences, each from one string to another,
    both included, that our format says in words of its own, and where ours stand; they are not compared.
    `calls_as_text`: the template knows no past calls, and callers hand over what the model wrote as text.
    `toolless`: the template lists no tools, so neither side gets any.
    """

    file: str
    bos: str = ""
    eos: str = ""
    arguments: str = "dict"
    empty: str | None = ""
    thoughts: str = "reasoning_content"
    values: Callable[[Sequence[ToolSpec]], Mapping[str, object]] | None = None
    mutable: bool = False
    unescaped: bool = False
    calls_as_text: bool = False
    toolless: bool = False
    ours: Mapping[str, JSON] | None = None
    words: tuple[Words, ...] = ()

    def levelled(self, real: str, form: Format) -> str:
        """What the template wrote, with our words in the place of its own."""
        for start, end, ours in self.words:
            at = real.find(start)
            to = real.find(end, at)
            if 0 <= at <= to:
                real = real[:at] + ours(form) + real[to + len(end) :]
        return real


def _firefunction(tools: Sequence[ToolSpec]) -> Mapping[str, object]:
    """What the model's card tells callers to hand over; the time of day is left out."""
    functions = [tool_to_dict(tool)["function"] for tool in tools]
    return {
        "functions": json.dumps(functions, indent=4, ensure_ascii=False),
        "datetime": "2026-11-20",
    }


def _llama_date(tools: Sequence[ToolSpec]) -> Mapping[str, object]:
    """The date that our format writes unless another is given."""
    return {"date_string": "26 Jul 2024"}


def _thinking(tools: Sequence[ToolSpec]) -> Mapping[str, object]:
    """What llama.cpp hands over, whose copies of some templates ask for it."""
    return {"enable_thinking": True}


def _none(form: Format) -> str:
    return ""


def _tool_words(form: Format) -> str:
    return form.tools.open


LLAMA_WORDS: tuple[Words, ...] = (
    ("Given the following functions", "Do not use variables.\n\n", _tool_words),
)
FIRE_WORDS: tuple[Words, ...] = (
    (
        "In addition to plain text",
        "functions as JSON spec:",
        lambda form: str(form.template_values["words"]).strip(),
    ),
)
COMMAND_R_WORDS: tuple[Words, ...] = (
    ("# Safety Preamble", "# User Preamble", lambda form: "# User Preamble"),
    ("## Task and Context", "grammar and spelling.", _none),
    ("Here is a list of tools", "available to you:\n", _none),
    ("Write 'Action:'", "takes no parameters\n    }\n]```", lambda form: str(form.template_values["ask"])),
)
COMMAND_R7B_WORDS: tuple[Words, ...] = (
    (
        "You are in contextual safety mode",
        "```json\n[",
        lambda form: f"## Tool Use\n{form.template_values['words']}\n\n## Available Tools\n```json\n[",
    ),
    ("# Default Preamble", "system preamble instructions.\n", lambda form: "# Developer Preamble\n"),
    ("\n\n# Default Preamble", "step by step, then answer.", _none),
    (
        "# System Preamble\nYou are in",
        "# Developer Preamble\n",
        lambda form: "# Developer Preamble\n",
    ),
    (
        "<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|># System Preamble\nYou are in",
        "<|END_OF_TURN_TOKEN|>",
        _none,
    ),
)
NEMOTRON_WORDS: tuple[Words, ...] = (
    ("You can use the following tools", "<AVAILABLE_TOOLS>[", _tool_words),
    ("]</AVAILABLE_TOOLS>", "or just respond to the user.", lambda form: form.tools.close),
)
LLAMA = ("<|begin_of_text|>", "<|eot_id|>")
MISTRAL = ("<s>", "</s>")
DEEPSEEK_BARE: Mapping[str, JSON] = {"list_tools": False, "again": False}
"""What DeepSeek's own templates leave out, left out by ours too."""
DEEPSEEK = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>")

REFERENCES: Mapping[str, tuple[Reference, ...]] = {
    "hermes": (
        Reference("NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use.jinja", eos="<|im_end|>"),
        Reference("NousResearch-Hermes-3-Llama-3.1-8B-tool_use.jinja", eos="<|im_end|>"),
    ),
    "qwen2.5": (Reference("Qwen-Qwen2.5-7B-Instruct.jinja"),),
    "qwen3": (Reference("Qwen-Qwen3-0.6B.jinja"),),
    "qwen3-coder": (Reference("Qwen3-Coder.jinja"),),
    "llama3.1": (
        Reference("meta-llama-Llama-3.1-8B-Instruct.jinja", *LLAMA, words=LLAMA_WORDS),
        Reference("meta-llama-Llama-3.3-70B-Instruct.jinja", *LLAMA, words=LLAMA_WORDS),
    ),
    "llama3.2": (
        Reference("meta-llama-Llama-3.2-3B-Instruct.jinja", *LLAMA, values=_llama_date, words=LLAMA_WORDS),
    ),
    "mistral-tekken": (Reference("mistralai-Mistral-Nemo-Instruct-2407.jinja", *MISTRAL),),
    "mistral-v11": (Reference("Mistral-Small-3.2-24B-Instruct-2506.jinja", *MISTRAL),),
    "mistral-v13": (Reference("unsloth-mistral-Devstral-Small-2507.jinja", *MISTRAL),),
    "ministral-3": (
        Reference("mistralai-Ministral-3-14B-Reasoning-2512.jinja", *MISTRAL, thoughts="blocks"),
    ),
    "functionary-v3.1": (Reference("meetkai-functionary-medium-v3.1.jinja", *LLAMA, unescaped=True),),
    "functionary-v3.2": (Reference("meetkai-functionary-medium-v3.2.jinja", *LLAMA, arguments="text"),),
    "firefunction-v2": (
        Reference(
            "fireworks-ai-llama-3-firefunction-v2.jinja",
            *LLAMA,
            values=_firefunction,
            ours={"date": "2026-11-20"},
            words=FIRE_WORDS,
        ),
    ),
    "command-r": (
        Reference("CohereForAI-c4ai-command-r-plus-tool_use.jinja", "<BOS_TOKEN>", words=COMMAND_R_WORDS),
    ),
    "command-r7b": (
        Reference(
            "CohereForAI-c4ai-command-r7b-12-2024-tool_use.jinja",
            "<BOS_TOKEN>",
            values=_thinking,
            words=COMMAND_R7B_WORDS,
        ),
    ),
    "gemma2": (Reference("google-gemma-2-2b-it.jinja", "<bos>", "<eos>", calls_as_text=True, toolless=True),),
    "gemma4": (
        Reference("google-gemma-4-31B-it.jinja", "<bos>", "<eos>"),
        Reference("google-gemma-4-31B-it-interleaved.jinja", "<bos>", "<eos>"),
    ),
    "phi3": (
        Reference(
            "microsoft-Phi-3.5-mini-instruct.jinja", "<s>", "<|endoftext|>", calls_as_text=True, toolless=True
        ),
    ),
    "granite3": (
        Reference(
            "ibm-granite-granite-3.3-2B-Instruct.jinja",
            calls_as_text=True,
            ours={"date": f"{datetime.now():%B %d, %Y}"},
        ),
    ),
    "granite4": (
        Reference("ibm-granite-granite-4.0.jinja"),
        Reference("ibm-granite-granite-4.1.jinja"),
    ),
    "deepseek-r1": (
        Reference("llama-cpp-deepseek-r1.jinja", *DEEPSEEK, empty=None),
        Reference(
            "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B.jinja",
            *DEEPSEEK,
            empty=None,
            values=_thinking,
            ours=DEEPSEEK_BARE,
        ),
        Reference(
            "deepseek-ai-DeepSeek-R1-Distill-Llama-8B.jinja",
            *DEEPSEEK,
            arguments="text",
            empty=None,
            ours=DEEPSEEK_BARE,
        ),
    ),
    "deepseek-v3.1": (
        Reference(
            "deepseek-ai-DeepSeek-V3.1.jinja",
            *DEEPSEEK,
            ours={"list_tools": False, "opening": "<think></think>"},
        ),
    ),
    "glm4.5": (Reference("GLM-4.6.jinja"),),
    "glm4.7": (Reference("GLM-4.7-Flash.jinja"),),
    "gpt-oss": (
        Reference(
            "openai-gpt-oss-120b.jinja",
            "<|startoftext|>",
            thoughts="thinking",
            ours={"today": datetime.now().strftime("%Y-%m-%d")},
        ),
    ),
    "kimi-k2": (
        Reference("moonshotai-Kimi-K2.jinja", "[BOS]", "[EOS]"),
        Reference("Kimi-K2-Instruct.jinja", "[BOS]", "[EOS]", mutable=True),
    ),
    "kimi-k2-thinking": (Reference("Kimi-K2-Thinking.jinja", "[BOS]", "[EOS]", mutable=True),),
    "minimax-m1": (Reference("MiniMax-M1.jinja"),),
    "minimax-m2": (Reference("MiniMax-M2.jinja"),),
    "qwq": (Reference("Qwen-QwQ-32B.jinja", values=_thinking),),
    "qwen3.5": (Reference("Qwen3.5-4B.jinja"),),
    "step3.5": (Reference("StepFun3.5-Flash.jinja"),),
    "mimo": (Reference("MiMo-VL.jinja"),),
    "bielik": (Reference("Bielik-11B-v3.0-Instruct.jinja", "<s>"),),
    "seed-oss": (Reference("ByteDance-Seed-OSS.jinja"),),
    "nemotron-3-nano": (Reference("NVIDIA-Nemotron-3-Nano-30B-A3B-BF16.jinja"),),
    "nemotron-nano-v2": (Reference("NVIDIA-Nemotron-Nano-v2.jinja", words=NEMOTRON_WORDS),),
    "apertus": (
        Reference("Apertus-8B-Instruct.jinja", "<s>", ours={"today": datetime.now().strftime("%Y-%m-%d")}),
    ),
    "ling3": (Reference("inclusionai-ling-3.0-flash.jinja"),),
    "reka-edge": (Reference("Reka-Edge.jinja"),),
    "rwkv-world": (Reference("llama-cpp-rwkv-world.jinja"),),
    "lfm2": (Reference("LFM2-8B-A1B.jinja", "<|startoftext|>", calls_as_text=True),),
    "lfm2.5": (
        Reference("LFM2.5-Instruct.jinja", "<|startoftext|>", calls_as_text=True),
        Reference("LFM2.5-8B-A1B.jinja", "<|startoftext|>", thoughts="thinking"),
    ),
    "smollm3": (Reference("HuggingFaceTB-SmolLM3-3B.jinja", calls_as_text=True, toolless=True),),
}
"""The real templates of each format: file names of llama.cpp's `models/templates`."""

EXPLAINED: Mapping[str, tuple[int, ...]] = {
    "Bielik-11B-v3.0-Instruct.jinja": (6, 10, 12),
    "ByteDance-Seed-OSS.jinja": (10, 12),
    "CohereForAI-c4ai-command-r-plus-tool_use.jinja": (5, 6, 7, 9, 10, 11, 12),
    "CohereForAI-c4ai-command-r7b-12-2024-tool_use.jinja": (12,),
    "LFM2.5-8B-A1B.jinja": (5, 6, 7, 9, 10, 12),
    "LFM2.5-Instruct.jinja": (9,),
    "MiniMax-M1.jinja": (12,),
    "Mistral-Small-3.2-24B-Instruct-2506.jinja": (1, 4, 7, 9, 12),
    "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16.jinja": (8, 10, 12),
    "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use.jinja": (12,),
    "NousResearch-Hermes-3-Llama-3.1-8B-tool_use.jinja": (12,),
    "Qwen3-Coder.jinja": (10, 12),
    "Qwen3.5-4B.jinja": (10, 12),
    "Reka-Edge.jinja": (10,),
    "StepFun3.5-Flash.jinja": (10, 12),
    "deepseek-ai-DeepSeek-R1-Distill-Llama-8B.jinja": (5, 7, 9, 10, 11, 12),
    "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B.jinja": (12,),
    "fireworks-ai-llama-3-firefunction-v2.jinja": (1, 2, 4, 7, 8, 9),
    "google-gemma-4-31B-it-interleaved.jinja": (5, 6, 7, 9, 10, 11, 12),
    "google-gemma-4-31B-it.jinja": (12,),
    "ibm-granite-granite-4.1.jinja": (1,),
    "llama-cpp-deepseek-r1.jinja": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
    "llama-cpp-rwkv-world.jinja": (3, 4, 5, 6, 7, 9, 10, 11, 12),
    "meta-llama-Llama-3.1-8B-Instruct.jinja": (12,),
    "meta-llama-Llama-3.2-3B-Instruct.jinja": (12,),
    "meta-llama-Llama-3.3-70B-Instruct.jinja": (12,),
    "microsoft-Phi-3.5-mini-instruct.jinja": (5, 6, 7, 9, 10, 11, 12),
    "mistralai-Mistral-Nemo-Instruct-2407.jinja": (5, 6, 11, 12),
    "moonshotai-Kimi-K2.jinja": (1, 4, 5, 6, 7, 9, 10, 11, 12),
    "openai-gpt-oss-120b.jinja": (6, 12),
    "unsloth-mistral-Devstral-Small-2507.jinja": (1, 4, 7, 9),
}
"""The conversations that differ for a reason that the format lists, by the file of the template."""
