"""How servers say that a prompt is too long, and the numbers that they name.

The words were recorded from llama.cpp's server, llama-cpp-python and vLLM, or read in the sources and
bug trackers of Ollama 0.33, SGLang, LM Studio, OpenAI and services that are reached alike (2025 and 2026).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["OVERFLOW_PHRASES", "overflow"]

OVERFLOW_PHRASES: tuple[str, ...] = (
    r"\((?P<n>\d+) tokens\) exceeds the available context size \((?P<ctx>\d+)",
    r"exceeds? the available context size|exceed_context_size",
    r"maximum context length is (?P<ctx>\d+) tokens.*?\((?P<n>\d+) in (?:your prompt|the messages)",
    r"maximum context length is (?P<ctx>\d+) tokens.*?\((?P<n>\d+) of text input"
    r"(?:, (?P<more>\d+) of tool input)?",
    r"maximum context length is (?P<ctx>\d+) tokens.*?prompt contains \d+ characters",
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
    r"prompt \(length (?P<n>\d+)\) is longer than the maximum model length of (?P<ctx>\d+)",
    r"longer than the maximum model length of (?P<ctx>\d+)",
    r"prompt \((?:total )?length (?P<n>\d+)\) is too long to fit into the model"
    r"(?: \(context length (?P<ctx>\d+))?",
    r"given: (?P<n>\d+) `inputs` tokens.*?`max_new_tokens`",
    r"maximum prompt length is (?P<ctx>\d+) but the request contains (?P<n>\d+)",
    r"input token count \((?P<n>\d+)\) exceeds the maximum number of tokens allowed \((?P<ctx>\d+)",
    r"prompt is too long: (?P<n>\d+) tokens > (?P<ctx>\d+)",
    r"exceed context limit: (?P<n>\d+) \+ \d+ > (?P<ctx>\d+)",
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
"""How servers say that a prompt is too long; `n` is the prompt, `more` is beside it, `ctx` the window."""

_OVERFLOW = tuple(re.compile(phrase, re.IGNORECASE | re.DOTALL) for phrase in OVERFLOW_PHRASES)

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")


def overflow(text: str) -> Mapping[str, int] | None:
    """Find out whether a server's words mean that the prompt is too long, and which numbers they name.

    >>> overflow("Requested tokens (1024) exceed context window of 512")
    {'prompt_tokens': 1024, 'context_tokens': 512}
    """
    text = _THOUSANDS.sub("", text)
    for phrase in _OVERFLOW:
        if found := phrase.search(text):
            groups = found.groupdict()
            n, more, window = (int(groups.get(name) or 0) for name in ("n", "more", "ctx"))
            named = {"prompt_tokens": n + more, "context_tokens": window}
            return {fact: number for fact, number in named.items() if number}
    return None
