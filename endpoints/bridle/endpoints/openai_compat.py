"""Any server that speaks OpenAI's HTTP API: raw completion, and chat with tools or a JSON Schema.

Format: https://platform.openai.com/docs/api-reference (2026-08). What such a server holds is its own claim.
OpenAI itself and Azure are reached through OpenAI's own package, see `bridle.endpoints.cloud`.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import ClassVar

from bridle.endpoints.base import Answer, Embeddings, ModelInfo, Request, Supports
from bridle.endpoints.driver import Ask, Driver, Found, Get, Piece
from bridle.endpoints.http import HttpCall
from bridle.endpoints.json_paths import integer_at, list_at, text_at, value_at
from bridle.endpoints.openai_chat import chat_body, read_embeddings, read_piece
from bridle.errors import ContentFiltered
from bridle.messages import JSON

__all__ = ["OpenAICompat", "is_strict"]


class OpenAICompat(Driver):
    """OpenAI's API at any address, and what drivers of its many relatives share."""

    kind: ClassVar[str] = "openai"
    start_hint: ClassVar[str] = "start the server, or correct host and port"
    supports = Supports(
        prompt=True,
        chat=True,
        json_schema=True,
        tools=True,
        forced=True,
        named=True,
        json_mode=True,
        embed=True,
        seed=True,
        parallel=True,
    )
    sampling_names = MappingProxyType(
        {name: name for name in ("top_k", "top_p", "min_p", "presence_penalty", "frequency_penalty", "seed")}
    )
    """The names that llama.cpp's server, llama-cpp-python, vLLM and SGLang share."""
    extras = None
    constraint_fields: ClassVar[tuple[str, ...]] = ("response_format", "tools", "tool_choice")

    @classmethod
    def recognise(cls, get: Get) -> str:
        """Say by what a server is seen to speak this API."""
        listed = get("/v1/models")
        return "it lists models at /v1/models" if isinstance(value_at(listed, "data"), list) else ""

    def build(self, request: Request, model: str, stream: bool) -> HttpCall:
        """Write a call to `/completions` for a prompt, to `/chat/completions` for messages."""
        body: dict[str, JSON] = {"model": model} if model else {}
        body |= self.sampling(request.sampling)
        if request.max_tokens is not None:
            body["max_tokens"] = request.max_tokens
        if request.stop:
            body["stop"] = list(request.stop)
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        if request.prompt:
            if request.logprobs and self.supports.logprobs:
                body["logprobs"] = request.logprobs
            return HttpCall(f"{self.base}/completions", body | {"prompt": self.prompt_text(request)})
        if request.logprobs and self.supports.logprobs:
            body |= {"logprobs": True, "top_logprobs": request.logprobs}
        return HttpCall(f"{self.base}/chat/completions", body | self.chat(request))

    def chat(self, request: Request) -> dict[str, JSON]:
        """Write the messages, the native tools and what holds the answer."""
        body = chat_body(request)
        if not self.supports.tools:
            body = {name: value for name, value in body.items() if name == "messages"}
        if request.schema is not None and self.supports.json_schema:
            body["response_format"] = self.response_format(dict(request.schema))
        elif request.json_mode and self.supports.json_mode:
            body["response_format"] = {"type": "json_object"}
        return body

    def response_format(self, schema: dict[str, JSON]) -> JSON:
        """Write the field that asks for one JSON value of a schema."""
        form: JSON = {"name": "answer", "schema": schema, "strict": is_strict(schema)}
        return {"type": "json_schema", "json_schema": form}

    def read(self, body: JSON) -> Piece | None:
        """Read a completion, a chat completion, or one chunk of either."""
        return read_piece(body)

    def check(self, request: Request, answer: Answer) -> None:
        """Raise a `ContentFiltered` for an answer of which a filter left nothing."""
        if answer.finish_reason == "content_filter" and not (answer.text or answer.calls):
            raise ContentFiltered(
                f"{self.base} withheld the whole answer (content_filter)",
                hint="the service's own filter did not like the conversation",
                url=self.base,
                side="answer",
            )

    def models(self, ask: Ask) -> tuple[ModelInfo, ...]:
        """Read `/v1/models`; vLLM and SGLang also tell the window."""
        listed = list_at(ask(HttpCall(f"{self.base}/models")), "data")
        return tuple(
            ModelInfo(text_at(one, "id"), context_tokens=integer_at(one, "max_model_len"))
            for one in listed
            if text_at(one, "id")
        )

    def discover(self, ask: Ask, model: str) -> Found:
        """Take the first model of the list when none was asked for."""
        for one in self.models(ask):
            if not model or one.name == model:
                return Found(one.name, one.context_tokens)
        return Found(model)

    def embedding_call(self, texts: Sequence[str], model: str) -> HttpCall | None:
        """Write a call to `/embeddings`."""
        body: dict[str, JSON] = {"input": list(texts), "encoding_format": "float"}
        return HttpCall(f"{self.base}/embeddings", body | ({"model": model} if model else {}))

    def read_embeddings(self, body: JSON) -> Embeddings | None:
        """Read what came back from it."""
        return read_embeddings(body)


def is_strict(schema: JSON) -> bool:
    """Whether OpenAI's strict mode takes a schema: each object is closed and requires all properties."""
    if isinstance(schema, list):
        return all(is_strict(one) for one in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        properties = schema.get("properties")
        names = list(properties) if isinstance(properties, dict) else []
        required = schema.get("required")
        listed = {str(name) for name in required} if isinstance(required, list) else set[str]()
        if schema.get("additionalProperties") is not False or set(names) != listed:
            return False
    return all(is_strict(one) for one in schema.values())
