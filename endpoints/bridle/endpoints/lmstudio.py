"""LM Studio's local server: chat held to a JSON Schema, and raw completion without a constraint.

Format: https://lmstudio.ai/docs (REST API, 0.4.1, 2026-04). A schema holds on the chat route only; the format
`json_object` is refused by it. A prompt that is too long may come back as status 200 with no text.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar

from bridle.endpoints.base import Answer, Request, Supports
from bridle.endpoints.config import EndpointConfig
from bridle.endpoints.driver import Ask, Found
from bridle.endpoints.http import Http, HttpCall
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.json_paths import integer_at, text_at, value_at
from bridle.endpoints.openai_compat import OpenAICompat
from bridle.errors import BadResponse, ContextOverflow, RequestRefused
from bridle.messages import JSON

__all__ = ["LMStudio", "open_lmstudio"]


class LMStudio(OpenAICompat):
    """The OpenAI-compatible routes of LM Studio, and its own lists of models, which know the window."""

    kind: ClassVar[str] = "lmstudio"
    start_hint: ClassVar[str] = "start LM Studio's server in its Developer tab or with `lms server start`"
    supports = Supports(prompt=True, chat=True, json_schema=True, schema_profile="lmstudio", seed=True)
    sampling_names = MappingProxyType({n: n for n in ("top_k", "top_p", "repeat_penalty", "seed")})

    def build(self, request: Request, model: str, stream: bool) -> HttpCall:
        """Write the call; an answer without a limit is asked for as -1."""
        call = super().build(request, model, stream)
        return HttpCall(call.url, {"max_tokens": -1, **(call.body or {})})

    def response_format(self, schema: dict[str, JSON]) -> JSON:
        """Write the field that asks for one JSON value of a schema."""
        form: JSON = {"name": "answer", "schema": schema, "strict": True}
        return {"type": "json_schema", "json_schema": form}

    def chat_template(self, ask: Ask, model: str) -> str | None:
        """Return None: this server does not tell it."""
        return None

    def discover(self, ask: Ask, model: str) -> Found:
        """Choose the model that is loaded, or the first one, and read the window it was loaded with.

        Raises:
            RequestRefused: when the server has no model at all.
        """
        for route, read in (("/api/v1/models", _from_v1), ("/api/v0/models", _from_v0)):
            try:
                found = read(ask(HttpCall(self.root + route)), model)
            except (RequestRefused, BadResponse):
                continue  # that list came with a later version
            if found is not None:
                return found
        found = super().discover(ask, model)
        if not found.model:
            raise RequestRefused(
                f"{self.base} lists no model", hint="download and load one in LM Studio", url=self.base
            )
        return found

    def check(self, request: Request, answer: Answer) -> None:
        """Raise a `ContextOverflow` for an answer without any text in which a prompt was counted."""
        super().check(request, answer)
        empty = not answer.text and answer.usage.completion_tokens == 0 and answer.usage.prompt_tokens > 0
        if empty and answer.finish_reason != "stop":
            raise ContextOverflow(
                f"{self.base} answered with no text at all to {answer.usage.prompt_tokens} tokens",
                hint="load the model with a larger context length in LM Studio",
                url=self.base,
                prompt_tokens=answer.usage.prompt_tokens,
            )


def _from_v1(body: JSON, model: str) -> Found | None:
    """Read `/api/v1/models` (LM Studio 0.4): a model has `loaded_instances`, each with its configuration."""
    listed = value_at(body, "models")
    for one in listed if isinstance(listed, list) else []:
        instance = value_at(one, "loaded_instances", 0)
        names = {text_at(one, "key"), text_at(instance, "id")}
        if text_at(one, "type") == "embedding" or (model not in names if model else instance is None):
            continue
        return Found(
            model or text_at(instance, "id") or text_at(one, "key"),
            integer_at(instance, "config", "context_length"),
        )
    return None


def _from_v0(body: JSON, model: str) -> Found | None:
    """Read `/api/v0/models`: a model has `state`, and `loaded_context_length` when it is loaded."""
    listed = value_at(body, "data")
    models = listed if isinstance(listed, list) else []
    models = [one for one in models if "embed" not in text_at(one, "type")]
    models = [one for one in models if not model or text_at(one, "id") == model]
    models.sort(key=lambda one: text_at(one, "state") != "loaded")
    if not models:
        return None
    return Found(text_at(models[0], "id"), integer_at(models[0], "loaded_context_length"))


def open_lmstudio(url: str, http: Http, entry: EndpointConfig) -> HttpEndpoint:
    """Open LM Studio's server."""
    driver = LMStudio(url)
    http.start_hint = driver.start_hint
    return HttpEndpoint(driver, http, model=entry.model, context_tokens=entry.context_tokens)
