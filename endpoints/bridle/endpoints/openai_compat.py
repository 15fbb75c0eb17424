"""Any server that speaks OpenAI's HTTP API: raw completion, and chat with a JSON Schema.

Format: https://platform.openai.com/docs/api-reference (2026-08); as spoken by llama.cpp's server,
llama-cpp-python 0.3.36, vLLM and SGLang. Whether such a server holds a schema is its own claim.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar
from urllib.parse import urlsplit

from bridle.endpoints.base import Answer, Request, Supports
from bridle.endpoints.driver import Ask, Driver, Found, Piece, integer_at, text_at, value_at
from bridle.endpoints.http import HttpCall
from bridle.errors import ConfigError, RequestRefused
from bridle.messages import JSON, Message, Usage, message_to_dict

__all__ = ["OpenAICompat"]

OFFICIAL_HOST = "api.openai.com"


class OpenAICompat(Driver):
    """OpenAI's API at any address.

    OpenAI's own host has no prompt route for today's models, and takes four stop strings at most.
    """

    kind: ClassVar[str] = "openai"
    start_hint: ClassVar[str] = "start the server, or correct host and port"
    supports = Supports(prompt=True, chat=True, json_schema=True)
    sampling_names = MappingProxyType({name: name for name in ("top_k", "top_p", "min_p", "seed")})
    """The names that llama.cpp's server, llama-cpp-python, vLLM and SGLang share."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.official = urlsplit(self.base).hostname == OFFICIAL_HOST
        if self.official:
            self.supports = Supports(chat=True, json_schema=True)
            self.sampling_names = MappingProxyType({"top_p": "top_p", "seed": "seed"})

    def build(self, request: Request, model: str, stream: bool) -> HttpCall:
        """Write a call to `/completions` for a prompt, to `/chat/completions` for messages."""
        body: dict[str, JSON] = {"model": model} if model else {}
        body |= self.sampling(request.sampling)
        if request.max_tokens is not None:
            body["max_completion_tokens" if self.official else "max_tokens"] = request.max_tokens
        if request.stop:
            body["stop"] = list(request.stop[:4] if self.official else request.stop)
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        if request.prompt:
            return HttpCall(f"{self.base}/completions", body | {"prompt": self.prompt_text(request)})
        body["messages"] = [self._message(message) for message in request.messages]
        if request.schema is not None and self.supports.json_schema:
            body["response_format"] = self.response_format(dict(request.schema))
        return HttpCall(f"{self.base}/chat/completions", body)

    def chat_template(self, ask: Ask) -> str | None:
        """Ask llama.cpp's server, which is one of this kind; others answer that they have no such route."""
        return (
            None if self.official else text_at(ask(HttpCall(f"{self.root}/props")), "chat_template") or None
        )

    def response_format(self, schema: dict[str, JSON]) -> dict[str, JSON]:
        """Write the field that asks for one JSON value of a schema."""
        form: JSON = {"name": "answer", "schema": schema, "strict": _is_strict(schema)}
        return {"type": "json_schema", "json_schema": form}

    def read(self, body: JSON) -> Piece | None:
        """Read a completion, a chat completion, or one chunk of either."""
        choices = value_at(body, "choices")
        if not isinstance(choices, list):
            # A chunk may say `null` here, and Azure's and some proxies' first and last chunks have no choice.
            return Piece(usage=_usage(body)) if isinstance(body, dict) and "choices" in body else None
        text = (
            text_at(choices, 0, "text")
            or text_at(choices, 0, "message", "content")
            or text_at(choices, 0, "delta", "content")
        )
        return Piece(text, text_at(choices, 0, "finish_reason") or None, _usage(body))

    def check(self, request: Request, answer: Answer) -> None:
        """Raise a `RequestRefused` for an answer of which a filter left nothing."""
        if answer.finish_reason == "content_filter" and not answer.text:
            raise RequestRefused(
                f"{self.base} withheld the whole answer (content_filter)",
                hint="the service's own filter did not like the conversation",
                url=self.base,
            )

    def discover(self, ask: Ask, model: str) -> Found:
        """Take the first model of the list when none was asked for; vLLM and SGLang also tell its window.

        Raises:
            ConfigError: for OpenAI's own host without a model.
        """
        if self.official:
            if not model:
                raise ConfigError("OpenAI has many models, and none is named", hint="write openai:MODEL")
            return Found(model)
        listed = value_at(ask(HttpCall(f"{self.base}/models")), "data")
        models = listed if isinstance(listed, list) else []
        for one in models:
            if not model or text_at(one, "id") == model:
                return Found(text_at(one, "id"), integer_at(one, "max_model_len"))
        return Found(model)

    def _message(self, message: Message) -> JSON:
        written = message_to_dict(message)
        if self.official:
            written.pop("reasoning_content", None)  # OpenAI refuses fields that it does not know
        return written


def _usage(body: JSON) -> Usage | None:
    if not isinstance(value_at(body, "usage"), dict):
        return None
    return Usage(
        prompt_tokens=integer_at(body, "usage", "prompt_tokens") or 0,
        completion_tokens=integer_at(body, "usage", "completion_tokens") or 0,
        cached_tokens=integer_at(body, "usage", "prompt_tokens_details", "cached_tokens") or 0,
    )


def _is_strict(schema: JSON) -> bool:
    """Whether OpenAI's strict mode takes a schema: each object is closed and requires all properties."""
    if isinstance(schema, list):
        return all(_is_strict(one) for one in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        properties = schema.get("properties")
        names = list(properties) if isinstance(properties, dict) else []
        required = schema.get("required")
        listed = {str(name) for name in required} if isinstance(required, list) else set[str]()
        if schema.get("additionalProperties") is not False or set(names) != listed:
            return False
    return all(_is_strict(one) for one in schema.values())
