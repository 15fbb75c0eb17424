"""LM Studio's local server: the routes that it has over HTTP.

Format: https://lmstudio.ai/docs/developer (0.4, 2026-04), and its bug tracker for what it does otherwise.
Over HTTP a schema holds on the chat route only, `json_object` is refused, and grammars do not exist; prompts
with a grammar go over the websocket, see `lmstudio_endpoint`. A prompt that is too long is refused in one of
two wordings, cut in the middle, or answered with nothing, by version and engine.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from bridle.endpoints.base import Answer, ModelInfo, Request, Sampling, Supports
from bridle.endpoints.config import EndpointConfig
from bridle.endpoints.driver import Ask, Found, Get, names_of
from bridle.endpoints.drivers.lmstudio_models import (
    Listed,
    choose,
    choose_embedding,
    read_names,
    read_v0,
    read_v1,
)
from bridle.endpoints.drivers.lmstudio_prediction import prediction
from bridle.endpoints.drivers.openai_compat import OpenAICompat
from bridle.endpoints.json_paths import list_at, value_at
from bridle.endpoints.transport.http import Http, HttpCall
from bridle.errors import BadResponse, ContextOverflow, ModelNotFound, RequestRefused
from bridle.messages import JSON

if TYPE_CHECKING:
    from bridle.endpoints.drivers.lmstudio_endpoint import LMStudioEndpoint

__all__ = ["LMStudio", "open_lmstudio"]

BY_SOCKET_ONLY = frozenset({"min_p"})
"""The fields of `Sampling` that only the websocket takes."""
REFUSED = (401, 403)


class LMStudio(OpenAICompat):
    """The OpenAI-compatible routes of LM Studio, and its own lists of models, which know the window.

    `with_socket` says that prompts go over the websocket; `instance` is what the model is called there, and
    `embedder` the name of the one that makes embeddings. All three, and `chosen`, are found by `discover`.
    """

    kind: ClassVar[str] = "lmstudio"
    start_hint: ClassVar[str] = "start LM Studio's server in its Developer tab or with `lms server start`"
    supports = Supports(
        prompt=True,
        chat=True,
        json_schema=True,
        schema_profile="lmstudio",
        tools=True,
        json_mode=True,
        embed=True,
        seed=True,
        overflow="silent",
    )
    sampling_names = names_of(
        "top_k", "top_p", "repeat_penalty", "presence_penalty", "frequency_penalty", "seed"
    )
    extras = frozenset({"ttl", "draft_model", "logit_bias", "reasoning_effort"})
    with_socket: bool = False
    instance: str = ""
    embedder: str = ""
    chosen: Listed | None = None

    @classmethod
    def recognise(cls, get: Get) -> str:
        """Say by what a server is seen to be LM Studio; it answers 200 on every route."""
        if value_at(get("/lmstudio-greeting"), "lmstudio") is True:
            return "it greets at /lmstudio-greeting"
        if any(
            isinstance(value_at(one, "loaded_instances"), list)
            for one in list_at(get("/api/v1/models"), "models")
        ):
            return "it lists instances of models at /api/v1/models"
        if read_v0(get("/api/v0/models")):
            return "it tells the state of models at /api/v0/models"
        return ""

    @property
    def socket_url(self) -> str:
        """The address of the websocket for language models."""
        return f"ws{self.root.removeprefix('http')}/llm"

    def build(self, request: Request, model: str, stream: bool) -> HttpCall:
        """Write the call; over HTTP an answer without a limit is asked for as -1."""
        if request.prompt and self.with_socket:
            text = self.prompt_text(request)
            gbnf = self.gbnf(request) if self.supports.grammar else ""
            body = prediction(request, text, self.instance or model, gbnf)
            return HttpCall(self.socket_url, body)
        call = super().build(request, model, stream)
        return HttpCall(call.url, {"max_tokens": -1, **(call.body or {})})

    def chat(self, request: Request) -> dict[str, JSON]:
        """Write the messages, the tools and what holds the answer; a tool is named by sending it alone."""
        if request.tool_choice not in ("auto", "required", "none"):
            named = tuple(tool for tool in request.tools if tool.name == request.tool_choice)
            forced = "required" if self.supports.named else "auto"
            request = replace(request, tools=named or request.tools, tool_choice=forced)
        return super().chat(request) | self._any_object(request)

    def _any_object(self, request: Request) -> dict[str, JSON]:
        if not request.json_mode or request.schema is not None:
            return {}
        return {"response_format": self.response_format({"type": "object"})}

    def response_format(self, schema: dict[str, JSON]) -> JSON:
        """Write the field that asks for one JSON value of a schema."""
        form: JSON = {"name": "answer", "schema": schema, "strict": True}
        return {"type": "json_schema", "json_schema": form}

    def sampling(self, sampling: Sampling) -> dict[str, JSON]:
        """Write the sampling fields; without these two, LM Studio takes what its user has set."""
        always: dict[str, JSON] = {"top_p": sampling.top_p, "repeat_penalty": sampling.repeat_penalty}
        return always | super().sampling(sampling)

    def dropped(self, request: Request) -> tuple[str, ...]:
        """Name the fields of a request that the way it goes cannot carry."""
        names = super().dropped(request)
        if not (request.prompt and self.with_socket):
            return names
        kept = [name for name in names if name not in BY_SOCKET_ONLY]
        return (*kept, *(name for name in request.sampling.extra if name not in kept))

    def list_models(self, ask: Ask) -> list[Listed]:
        """Read the first of its three lists that this version has.

        Raises:
            AuthError: when the key is not taken.
            EndpointError: and its other kinds, when nothing answers there, or no such server.
        """
        for route, read in (("/api/v1/models", read_v1), ("/api/v0/models", read_v0)):
            try:
                found = read(ask(HttpCall(self.root + route)))
            except (RequestRefused, BadResponse) as error:
                if error.facts.get("status") in REFUSED:
                    raise
                continue  # that list came with a later version
            if found is not None:
                return found
        return read_names(ask(HttpCall(f"{self.base}/models"))) or []

    def models(self, ask: Ask) -> tuple[ModelInfo, ...]:
        """List the models that the server has, and of those in memory each instance."""
        return tuple(one.info for one in self.list_models(ask))

    def discover(self, ask: Ask, model: str) -> Found:
        """Choose the model that is loaded, or the first one, and read the window it was loaded with.

        Raises:
            ModelNotFound: when the server has no model at all.
        """
        listed = self.list_models(ask)
        self.chosen = choose(listed, model)
        if self.chosen is None and not model:
            raise ModelNotFound(
                f"{self.base} lists no model", hint="download and load one in LM Studio", url=self.base
            )
        self.embedder = choose_embedding(listed, model)
        self._narrow(bool(listed))
        self.instance = self.chosen.name if self.chosen is not None else ""
        if self.chosen is None:
            return Found(model)
        return Found(
            model or self.chosen.name,
            self.chosen.context_tokens,
            self.chosen.trained_tokens,
            metadata=self.chosen.metadata,
        )

    def _narrow(self, is_known: bool) -> None:
        """Say what this very model can do: tools are forced by llama.cpp alone."""
        by_llama_cpp = self.chosen is not None and self.chosen.form == "gguf"
        talks = self.chosen is None or self.chosen.talks
        self.supports = replace(
            self.supports,
            prompt=talks,
            chat=talks,
            forced=by_llama_cpp,
            named=by_llama_cpp,
            embed=bool(self.embedder) or not is_known,
        )

    def check(self, request: Request, answer: Answer) -> None:
        """Raise a `ContextOverflow` for an answer of nothing at all to a prompt that was counted.

        Where the window is known, nothing may be the model's answer to a prompt that fits.
        """
        super().check(request, answer)
        if answer.text or answer.thoughts or answer.calls or answer.usage.completion_tokens > 0:
            return
        length, window = answer.usage.prompt_tokens, self.chosen.context_tokens if self.chosen else None
        fits = length < window if window is not None else answer.finish_reason == "stop"
        if length > 0 and not (fits and answer.finish_reason == "stop"):
            raise ContextOverflow(
                f"{self.base} answered with no text at all to {length} tokens",
                hint="load the model with a larger context length in LM Studio, or shorten the conversation",
                url=self.base,
                prompt_tokens=length,
                context_tokens=window,
            )


def open_lmstudio(url: str, http: Http, entry: EndpointConfig) -> LMStudioEndpoint:
    """Open LM Studio's server: chat and embeddings over HTTP, prompts over the websocket where it can."""
    from bridle.endpoints.drivers.lmstudio_endpoint import LMStudioEndpoint

    driver = LMStudio(url)
    http.start_hint = driver.start_hint
    return LMStudioEndpoint(driver, http, model=entry.model, context_tokens=entry.context_tokens)
