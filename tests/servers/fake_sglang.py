"""A server that behaves as SGLang does; a character is a token.

By SGLang's source (2025 to mid 2026). `new_names` has the routes without `get_`; with `cuts` it was started
with `--allow-auto-truncate` and keeps the beginning of a prompt that is too long.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from servers.fake import Response, json_response
from servers.fake_vllm import BOS, EngineServer
from servers.holding import held_by_gbnf, held_by_schema

__all__ = ["FakeSGLang"]


class FakeSGLang(EngineServer):
    """SGLang with a grammar backend."""

    owner = "sglang"

    def __init__(
        self, *, window: int = 4096, new_names: bool = True, cuts: bool = False, backend: str = "xgrammar"
    ) -> None:
        super().__init__(window)
        self.cuts = cuts
        self.backend = backend
        self.thoughts_member = "reasoning_content"
        self.cache_tokens = 1 << 20
        prefix = "" if new_names else "get_"
        self.routes[f"GET /{prefix}model_info"] = lambda _: json_response(
            {"model_path": "org/m", "tokenizer_path": "org/m", "is_generation": True}
        )
        self.routes[f"GET /{prefix}server_info"] = lambda _: json_response(
            {
                "model_path": "org/m",
                "allow_auto_truncate": self.cuts,
                "grammar_backend": self.backend,
                "max_total_num_tokens": self.cache_tokens,
                "version": "0.5.6",
            }
        )

    def model(self) -> dict[str, Any]:
        """What the list says of the model."""
        return super().model() | {"max_model_len": self.window}

    def error(self, message: str, status: int = 400) -> Response:
        """An error without an `error` round it."""
        said = {"object": "error", "message": message, "type": "BadRequest", "param": None, "code": status}
        return json_response(said, status)

    def prompt(self, body: Mapping[str, Any]) -> str:
        """The prompt as the model sees it, cut where that was allowed."""
        whole = super().prompt(body)
        return (
            whole[: self.window - BOS - body.get("max_tokens", 0)]
            if self.cuts and "max_tokens" in body
            else whole
        )

    def refused(self, body: Mapping[str, Any]) -> Response | None:
        """The refusal for two constraints, or for a prompt and an answer that fill the window."""
        held = [name for name in ("ebnf", "regex", "json_schema") if body.get(name) is not None]
        if len(held) > 1:
            return self.error("Only one of regex, json_schema, or ebnf can be set.")
        if held and self.backend == "none":
            return self.error("Structured output is disabled by --grammar-backend none")
        length, limit = len(self.prompt(body)) + BOS, body.get("max_tokens", 0)
        if length >= self.window:
            return self.error(
                f"The input ({length} tokens) is longer than the model's context length "
                f"({self.window} tokens)."
            )
        if length + limit >= self.window and not self.cuts:
            return self.error(self.too_long(length, limit))
        return None

    def too_long(self, length: int, limit: int) -> str:
        """The words for a prompt that does not fit."""
        return (
            f"Requested token count exceeds the model's maximum context length of {self.window} tokens. You "
            f"requested a total of {length + limit} tokens: {length} tokens from the input messages and "
            f"{limit} tokens for the completion. Please reduce the number of tokens in the input messages or "
            "the completion to fit within the limit."
        )

    def held(self, body: Mapping[str, Any]) -> str:
        """The text under the one constraint of the request."""
        if body.get("ebnf") is not None:
            return held_by_gbnf(body["ebnf"], self.text, "xgrammar")
        if body.get("regex") is not None:
            return self.held_by_regex(body["regex"])
        if body.get("json_schema") is not None:
            return held_by_schema(json.loads(body["json_schema"]), self.text)
        return super().held(body)
