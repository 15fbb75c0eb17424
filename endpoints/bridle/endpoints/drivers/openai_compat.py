"""Any server that speaks OpenAI's HTTP API: raw completion, and chat with tools or a JSON Schema.

Format: the types of openai 3.52.0. What such a server holds is its own claim;
what is known of single services stands in `compat_services`. OpenAI itself and Azure are reached through
OpenAI's own package, see `cloud`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from bridle.endpoints.base import Answer, Embeddings, ModelInfo, Request, Supports
from bridle.endpoints.driver import Ask, Driver, Found, Get, Piece, names_of
from bridle.endpoints.drivers.compat_services import SERVICES, Service, service_at, service_of
from bridle.endpoints.drivers.openai_chat import chat_body, read_embeddings, read_piece, withheld_error
from bridle.endpoints.json_paths import integer_at, list_at, text_at, value_at
from bridle.endpoints.transport.http import HttpCall
from bridle.errors import ConfigError
from bridle.messages import JSON

__all__ = ["OpenAICompat", "is_strict"]

WINDOWS: tuple[tuple[str, ...], ...] = (
    ("max_model_len",),  # vLLM, SGLang
    ("meta", "n_ctx"),  # llama.cpp's server
    ("context_length",),  # OpenRouter, Together
    ("max_context_length",),  # Mistral
    ("context_window",),  # Groq
    ("parameters", "max_seq_len"),  # TabbyAPI
)
"""Where a model of the list has its window, in tokens."""


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
        logprobs=True,
        seed=True,
        parallel=True,
    )
    sampling_names: Mapping[str, str] = names_of(
        "top_k", "top_p", "min_p", "presence_penalty", "frequency_penalty", "seed"
    )
    """The fields that most of its relatives take by these names."""
    extras: frozenset[str] | None = None
    constraint_fields: ClassVar[tuple[str, ...]] = (
        "response_format",
        "tools",
        "tool_choice",
        *(name for one in SERVICES for name in (one.schema_field, one.regex_field) if name),
    )

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.service: Service | None = None
        """The known service that this is, if any."""
        if (known := service_at(self.base)) is not None:
            self._become(known)

    @classmethod
    def recognise(cls, get: Get) -> str:
        """Say by what a server is seen to speak this API."""
        listed = get("/v1/models")
        is_list = text_at(listed, "object") == "list" and isinstance(value_at(listed, "data"), list)
        return "it lists models at /v1/models" if is_list or text_at(listed, "data", 0, "id") else ""

    def build(self, request: Request, model: str, stream: bool) -> HttpCall:
        """Write a call to `/completions` for a prompt, to `/chat/completions` for messages."""
        body: dict[str, JSON] = {"model": model} if model else {}
        body |= self.sampling(request.sampling) | self._usual(request)
        if request.max_tokens is not None:
            body["max_tokens"] = request.max_tokens
        if request.stop:
            body["stop"] = list(request.stop[: self._most_stops])
        if stream:
            body["stream"] = True
            if self.service is None or self.service.stream_usage:
                body["stream_options"] = {"include_usage": True}
        if request.prompt:
            if request.logprobs and self.supports.logprobs:
                body["logprobs"] = request.logprobs
            return HttpCall(f"{self.base}/completions", body | self.completion(request))
        if request.logprobs and self.supports.logprobs:
            body |= {"logprobs": True, "top_logprobs": request.logprobs}
        return HttpCall(f"{self.base}/chat/completions", body | self.chat(request))

    def completion(self, request: Request) -> dict[str, JSON]:
        """Write the prompt, and what holds the answer on the prompt route."""
        body: dict[str, JSON] = {"prompt": self.prompt_text(request)}
        if self.service is not None and request.schema is not None and self.service.schema_field:
            body[self.service.schema_field] = dict(request.schema)
        if self.service is not None and request.regex is not None and self.service.regex_field:
            body[self.service.regex_field] = request.regex
        return body

    def chat(self, request: Request) -> dict[str, JSON]:
        """Write the messages, the native tools and what holds the answer."""
        service = self.service
        body = chat_body(request, plain=service is not None and service.plain_messages)
        if not self.supports.tools:
            body = {name: value for name, value in body.items() if name == "messages"}
        elif service is not None and body.get("tool_choice") == "required":
            body["tool_choice"] = service.forced
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

    def dropped(self, request: Request) -> tuple[str, ...]:
        """Name what cannot be honoured; whether to think is told by the servers that a driver knows."""
        names = super().dropped(request)
        if request.think is None or not request.messages:
            return names
        told = self.build(request, "", False) != self.build(replace(request, think=None), "", False)
        return names if told else (*names, "think")

    def check(self, request: Request, answer: Answer) -> None:
        """Raise a `ContentFiltered` for an answer that a filter took or cut."""
        if (error := withheld_error(self.base, answer)) is not None:
            raise error

    def models(self, ask: Ask) -> tuple[ModelInfo, ...]:
        """Read `/models`; many servers also tell the window."""
        return tuple(_model(one) for one in self._listed(ask))

    def discover(self, ask: Ask, model: str) -> Found:
        """Take the first model of the list when none was asked for.

        Raises:
            ConfigError: when none was asked for and a service has many.
        """
        listed = self._listed(ask)
        for one in listed:
            if (known := service_of(text_at(one, "owned_by"))) is not None and self.service is None:
                self._become(known)
        found = [info for info in map(_model, listed) if info.name == model or not (model or info.embedding)]
        if not model and len(found) > 1 and self.service is not None and self.service.hosts:
            raise ConfigError(
                f"{self.service.name} has {len(found)} models and none is named",
                hint=f"write {self.kind}:MODEL@{self.base}, for example with {found[0].name}",
            )
        if not found:
            return Found(model)
        return Found(found[0].name, found[0].context_tokens, found[0].trained_tokens)

    def embedding_call(self, texts: Sequence[str], model: str) -> HttpCall | None:
        """Write a call to `/embeddings`; None for a service that has none."""
        if not self.supports.embed:
            return None
        body: dict[str, JSON] = {"input": list(texts), "encoding_format": "float"}
        return HttpCall(f"{self.base}/embeddings", body | ({"model": model} if model else {}))

    def read_embeddings(self, body: JSON) -> Embeddings | None:
        """Read what came back from it."""
        return read_embeddings(body)

    def _become(self, service: Service) -> None:
        """Take over what is known of a service."""
        self.service = service
        flags: dict[str, Any] = dict.fromkeys(service.has, True) | dict.fromkeys(service.lacks, False)
        self.supports = replace(self.supports, **flags, seed="seed" in service.sampling)
        self.sampling_names = service.sampling

    @property
    def _most_stops(self) -> int | None:
        return (self.service.most_stops or None) if self.service is not None else None

    def _usual(self, request: Request) -> dict[str, JSON]:
        """Write what a known service is to be told besides."""
        if self.service is None:
            return {}
        held = request.schema is not None or request.json_mode or bool(request.tools)
        return {**self.service.always, **(self.service.with_constraint if held else {})}

    def _listed(self, ask: Ask) -> list[JSON]:
        body = ask(HttpCall(f"{self.base}/models"))
        listed = body if isinstance(body, list) else list_at(body, "data")  # Together's list stands alone
        return [one for one in listed if text_at(one, "id")]


def _model(one: JSON) -> ModelInfo:
    windows = (integer_at(one, *path) for path in WINDOWS)
    return ModelInfo(
        text_at(one, "id"),
        context_tokens=next((window for window in windows if window), None),
        trained_tokens=integer_at(one, "meta", "n_ctx_train"),
        embedding=text_at(one, "type") == "embedding",
    )


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
