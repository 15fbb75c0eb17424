"""SGLang's server: a grammar, a JSON Schema or a regular expression on raw completions, and OpenAI's chat.

Read in SGLang's source (entrypoints/http_server.py and openai/protocol.py, 2025 to mid 2026); nothing was
recorded. It takes one constraint for a request, and `ebnf` is what its xgrammar reads. Whether it was
started with `--allow-auto-truncate`, which cuts long prompts without a word, is asked for. An answer that
nobody waits for any more ends with its connection, so no route is called for that.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import ClassVar

from bridle.endpoints.base import Request
from bridle.endpoints.driver import Ask, Found, Get
from bridle.endpoints.drivers.compat_engines import CompatEngine
from bridle.endpoints.json_paths import integer_at, text_at, value_at
from bridle.messages import JSON

__all__ = ["SGLang"]


class SGLang(CompatEngine):
    """SGLang, started with `python -m sglang.launch_server`."""

    kind: ClassVar[str] = "sglang"
    owner: ClassVar[str] = "sglang"
    start_hint: ClassVar[str] = (
        "start it with `python -m sglang.launch_server --model-path MODEL` (its port is 30000)"
    )
    extras = frozenset(
        {"chat_template_kwargs", "custom_logit_processor", "custom_params", "ignore_eos", "logit_bias",
         "lora_path", "min_tokens", "no_stop_trim", "priority", "rid", "separate_reasoning",
         "session_params", "stop_regex", "stop_token_ids", "stream_reasoning"}
    )  # fmt: skip
    constraint_fields: ClassVar[tuple[str, ...]] = (
        "ebnf",
        "regex",
        "json_schema",
        "response_format",
        "tools",
        "tool_choice",
    )

    @classmethod
    def recognise(cls, get: Get) -> str:
        """Say by what a server is seen to be SGLang."""
        if cls.owns(get("/v1/models")):
            return "its models are owned by 'sglang'"
        return "it answers /get_model_info" if text_at(get("/get_model_info"), "model_path") else ""

    def discover(self, ask: Ask, model: str) -> Found:
        """Ask for the model, its window, and what the server was started with."""
        found = super().discover(ask, model)
        about = self.told(ask, "/model_info", "/get_model_info")
        settings = self.told(ask, "/server_info", "/get_server_info")
        self._learn(about, settings)
        windows = (found.context_tokens, integer_at(settings, "max_total_num_tokens"))
        # A prompt and its answer that fill the window to the last token are refused.
        window = min((size for size in windows if size), default=None)
        return Found(
            found.model or text_at(about, "model_path"),
            None if window is None else window - 1,
            version=text_at(settings, "version"),
        )

    def _learn(self, about: JSON, settings: JSON) -> None:
        """Take over what this very server says that it can do."""
        if value_at(settings, "allow_auto_truncate") is True:
            self.supports = replace(self.supports, overflow="silent")
        backend = text_at(settings, "grammar_backend")
        if backend == "none":
            self.supports = replace(
                self.supports,
                grammar=False,
                regex=False,
                prompt_schema=False,
                json_schema=False,
                json_mode=False,
                forced=False,
                named=False,
            )
        elif backend == "outlines":
            self.supports = replace(self.supports, grammar=False)
        generates = value_at(about, "is_generation")
        if generates is False:
            self.supports = replace(self.supports, prompt=False, chat=False)
        elif generates is True:
            self.supports = replace(self.supports, embed=False)

    def held(self, request: Request) -> dict[str, JSON]:
        """Write the one constraint that a request may have."""
        if grammar := self.gbnf(request) if self.supports.grammar else "":
            return {"ebnf": grammar}
        if request.regex is not None and self.supports.regex:
            return {"regex": request.regex}
        if request.schema is not None and self.supports.prompt_schema:
            return {"json_schema": json.dumps(dict(request.schema), ensure_ascii=False)}
        return {}
