"""vLLM's server: a grammar, a JSON Schema or a regular expression on raw completions, and OpenAI's chat.

Read in vLLM's source (commit 002032ee, mid 2026, and 0.6 to 0.11 for the older names); answers were recorded
from 0.14 and others. Version 0.12 renamed the fields of constraints: `guided_*` became `structured_outputs`.
Each version ignores the other's fields without a word, so the version is asked, and both are sent where it
cannot be told. `truncate_prompt_tokens` and `truncation_side` are never sent: they cut prompts in silence.
"""

from __future__ import annotations

import re
from typing import ClassVar

from bridle.endpoints.base import Request
from bridle.endpoints.driver import Ask, Found, Get
from bridle.endpoints.drivers.compat_engines import CompatEngine
from bridle.endpoints.json_paths import text_at
from bridle.messages import JSON

__all__ = ["VLLM"]

RENAMED = (0, 12)
"""The first version with `structured_outputs`."""
UNTOLD = (0, 1)
"""What a build without the repository's tags calls itself."""


class VLLM(CompatEngine):
    """vLLM, started with `vllm serve`."""

    kind: ClassVar[str] = "vllm"
    owner: ClassVar[str] = "vllm"
    start_hint: ClassVar[str] = "start it with `vllm serve MODEL` (its port is 8000)"
    extras = frozenset(
        {"allowed_token_ids", "bad_words", "cache_salt", "chat_template_kwargs", "guided_choice",
         "ignore_eos", "include_reasoning", "length_penalty", "logit_bias", "min_tokens", "priority",
         "reasoning_effort", "repetition_detection", "return_token_ids", "stop_token_ids",
         "structured_outputs", "thinking_token_budget", "use_beam_search", "vllm_xargs"}
    )  # fmt: skip
    constraint_fields: ClassVar[tuple[str, ...]] = (
        "structured_outputs",
        "guided_grammar",
        "guided_json",
        "guided_regex",
        "response_format",
        "tools",
        "tool_choice",
    )

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.version: tuple[int, int] | None = None
        """The server's version, as far as it is known."""

    @classmethod
    def recognise(cls, get: Get) -> str:
        """Say by what a server is seen to be vLLM."""
        return "its models are owned by 'vllm'" if cls.owns(get("/v1/models")) else ""

    def discover(self, ask: Ask, model: str) -> Found:
        """Ask for the model, its window and the version."""
        found = super().discover(ask, model)
        version = text_at(self.told(ask, "/version"), "version")
        self.version = _version(version)
        return Found(found.model, found.context_tokens, found.trained_tokens, version)

    def completion(self, request: Request) -> dict[str, JSON]:
        """Write the prompt; no blanks are put between special tokens."""
        return {**super().completion(request), "spaces_between_special_tokens": False}

    def held(self, request: Request) -> dict[str, JSON]:
        """Write the constraint under the name that this version reads."""
        named: dict[str, JSON] = {}
        if grammar := self.gbnf(request):
            named["grammar"] = grammar
        elif request.regex is not None:
            named["regex"] = request.regex
        elif request.schema is not None:
            named["json"] = dict(request.schema)
        if not named:
            return {}
        old: dict[str, JSON] = {f"guided_{name}": value for name, value in named.items()}
        new: dict[str, JSON] = {"structured_outputs": {**named}}
        if self.version is None:
            return old | new
        return new if self.version >= RENAMED else old

    def chat(self, request: Request) -> dict[str, JSON]:
        """Write the messages, with earlier thoughts under both of their names."""
        body = super().chat(request)
        messages = body["messages"]
        assert isinstance(messages, list)
        body["messages"] = [_with_thoughts(message) for message in messages]
        return body

    def to_count(self, request: Request) -> dict[str, JSON] | None:
        """Write a prompt, or messages with their tools."""
        if request.prompt:
            return super().to_count(request)
        body = self.chat(request)
        return {name: body[name] for name in ("messages", "tools", "chat_template_kwargs") if name in body}


def _with_thoughts(message: JSON) -> JSON:
    thoughts = text_at(message, "reasoning_content")
    return {**message, "reasoning": thoughts} if thoughts and isinstance(message, dict) else message


def _version(text: str) -> tuple[int, int] | None:
    """Read major and minor version; None where they are not told.

    >>> _version("0.14.0rc2.dev173+g13f6630a9"), _version("0.1.dev1+g5d8e1c2"), _version("")
    ((0, 14), None, None)
    """
    found = re.match(r"v?(\d+)\.(\d+)", text)
    version = (int(found[1]), int(found[2])) if found else None
    return None if version == UNTOLD else version
