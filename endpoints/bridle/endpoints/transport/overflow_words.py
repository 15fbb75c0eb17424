"""How servers say that a prompt is too long, and the numbers that they name.

The words were recorded from llama.cpp's server, llama-cpp-python and vLLM, or read in the sources and
bug trackers of Ollama 0.33, SGLang, LM Studio and OpenAI (2025 and 2026).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["OVERFLOW_PHRASES", "overflow"]

OVERFLOW_PHRASES: tuple[str, ...] = (
    r"\((?P<n>\d+) tokens\) exceeds the available context size \((?P<ctx>\d+)",
    r"exceeds? the available context size|exceed_context_size",
    r"maximum context length is (?P<ctx>\d+) tokens.*?\((?P<n>\d+) in (?:your prompt|the messages)",
    r"maximum context length is (?P<ctx>\d+) tokens.*?prompt contains (?:at least )?(?P<n>\d+)",
    r"maximum context length of (?P<ctx>\d+) tokens.*?(?P<n>\d+) tokens from the input",
    r"maximum context length of (?P<ctx>\d+)",
    r"input length \((?P<n>\d+) tokens\) exceeds the maximum allowed length \((?P<ctx>\d+)",
    r"maximum context length is (?P<ctx>\d+) tokens(?:.*?(?:requested|has|contains|resulted in) "
    r"(?:about |at least )?(?P<n>\d+))?",
    r"passed (?P<n>\d+) input tokens.*?context length is only (?P<ctx>\d+)",
    r"model's context length is only (?P<ctx>\d+)",
    r"tokens \((?P<n>\d+)\) exceed context window of (?P<ctx>\d+)",
    r"input \((?P<n>\d+) tokens\) is longer than the model's context length \((?P<ctx>\d+)",
    r"input \((?P<n>\d+) tokens\) is too large to process.*?batch size: (?P<ctx>\d+)",
    r"input \((?P<n>\d+) tokens\) is larger than the max context size \((?P<ctx>\d+)",
    r"longer than the (?:model's )?context length",
    r"keep the first (?P<n>\d+) tokens.*?context length of only (?P<ctx>\d+)",
    r"keep the first (?P<n>\d+) tokens",
    r"n_keep:? \(?(?P<n>\d+)\)? *>= *n_ctx:? \(?(?P<ctx>\d+)",
    r"initial prompt is greater than the context length",
    r"reached context length of (?P<ctx>\d+) tokens",
    r"input length exceeds the context length",
    r"context size has been exceeded",
    r"exceeds the context window of this model",
    r"context_length_exceeded|string_above_max_length",
)
"""How servers say that a prompt is too long; `n` is the prompt's length and `ctx` the window, in tokens."""

_OVERFLOW = tuple(re.compile(phrase, re.IGNORECASE | re.DOTALL) for phrase in OVERFLOW_PHRASES)


def overflow(text: str) -> Mapping[str, int] | None:
    """Find out whether a server's words mean that the prompt is too long, and which numbers they name.

    >>> overflow("Requested tokens (1024) exceed context window of 512")
    {'prompt_tokens': 1024, 'context_tokens': 512}
    """
    for phrase in _OVERFLOW:
        if found := phrase.search(text):
            groups = found.groupdict()
            named = {"prompt_tokens": groups.get("n"), "context_tokens": groups.get("ctx")}
            return {fact: int(number) for fact, number in named.items() if number}
    return None
