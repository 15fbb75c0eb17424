"""Ollama by its own API (`/api/generate`, `/api/chat`), read in the sources of version 0.33 (2026-08).

Its second API below `/v1` is never used: that one passes over the size of the window, so that a prompt of
more than 4,096 tokens loses its beginning on most machines. Here the window goes with every call, and always
the same one, because for another one the model is loaded anew. A schema is held also where we render the
prompt ourselves (`raw`). Of prompts that are too long `bridle.endpoints.drivers.ollama_overflow` has more.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar
from urllib.parse import urlsplit

from bridle.endpoints.base import Answer, Embeddings, ModelInfo, Request, Supports
from bridle.endpoints.config import EndpointConfig
from bridle.endpoints.driver import SAMPLING, Ask, Driver, Found, Get, Piece, names_of
from bridle.endpoints.drivers.ollama_models import (
    Shown,
    ask_models,
    ask_running,
    ask_shown,
    ask_version,
    first_model,
    loaded_context,
    no_model,
)
from bridle.endpoints.drivers.ollama_overflow import Prompts
from bridle.endpoints.drivers.ollama_words import read_answer, read_embeddings, write_messages
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.json_paths import integer_at, text_at, value_at
from bridle.endpoints.transport.http import Http, HttpCall
from bridle.errors import EndpointError, ModelNotFound
from bridle.messages import JSON, tool_to_dict

__all__ = ["Ollama", "OllamaEndpoint", "open_ollama"]

USUAL_CONTEXT = 4096
"""The window where nothing names one: what Ollama itself takes on a machine with less than 24 GiB of VRAM."""
USUAL_KEEP = 4
"""How many tokens at the beginning a version that cuts keeps (`num_keep`)."""
HAS_TOOLS, HAS_SCHEMAS, HAS_LOGPROBS = (0, 3, 0), (0, 5, 0), (0, 12, 11)
REFUSES_LONG = (0, 13, 0)
"""The first version that certainly knows `truncate` and `shift`; they came, went and came in 0.12."""
COUNTS_ALL = (0, 4, 0)
"""Until then a prompt's count left out the tokens that were still in memory from the call before."""
CLOUD = "ollama.com"
MOST_LOGPROBS = 20
OUTER = frozenset({"keep_alive", "think"})
"""Fields of `Sampling.extra` that stand beside the options; gpt-oss takes words for `think`."""
OPTIONS = frozenset(
    {
        "draft_num_predict",
        "main_gpu",
        "num_batch",
        "num_gpu",
        "num_keep",
        "num_thread",
        "typical_p",
        "use_mmap",
    }
)
"""Options that only `Sampling.extra` can have; `num_ctx` is the endpoint's own."""

_log = logging.getLogger(__name__)


class Ollama(Driver):
    """Ollama's own API. `context_tokens` is the window to ask for; else what is loaded, or configured, stays.

    `window` is what goes with every call, in tokens, None until `discover`. `version` is empty when unknown.
    """

    kind: ClassVar[str] = "ollama"
    start_hint: ClassVar[str] = "start Ollama (ollama serve); its port is 11434"
    supports = Supports(
        prompt=True,
        chat=True,
        json_schema=True,
        prompt_schema=True,
        schema_profile="ollama",
        tools=True,
        json_mode=True,
        embed=True,
        seed=True,
        parallel=True,
    )
    sampling_names = names_of(*SAMPLING, repeat_last="repeat_last_n")
    extras = OUTER | OPTIONS
    constraint_fields: ClassVar[tuple[str, ...]] = ("format", "tools")
    counts_prompt: ClassVar[bool] = False  # that depends on the version: `check` knows

    def __init__(self, url: str, context_tokens: int | None = None) -> None:
        super().__init__(url)
        self.root = self.root.removesuffix("/api")
        self.window: int | None = None
        self.version: tuple[int, ...] = ()
        self.shown = Shown()
        self.wanted = context_tokens
        self._model = ""
        self._ask: Ask | None = None
        self._loaded: int | None = None
        self._prompts = Prompts()

    @classmethod
    def recognise(cls, get: Get) -> str:
        """Say by what Ollama is seen; KoboldCpp and llama.cpp's server answer some of its routes."""
        version, tags = get("/api/version"), get("/api/tags")
        if not (text_at(version, "version") and isinstance(value_at(tags, "models"), list)):
            return ""
        if get("/api/extra/version") is not None or get("/props") is not None:
            return ""
        return f"it answers /api/version with {text_at(version, 'version')!r} and lists models at /api/tags"

    def discover(self, ask: Ask, model: str) -> Found:
        """Find the model that is loaded, or the newest one, what it can do, and the window to ask for.

        Raises:
            ModelNotFound: when the server has no model, or not the one that was asked for.
        """
        self._loaded, self._prompts = None, Prompts()
        self.version = ask_version(ask, self.root)
        running = ask_running(ask, self.root)
        self._model = model or first_model(ask, self.root, running)
        self.shown = ask_shown(ask, self.root, self._model)
        self.window = self._choose_window(running)
        self.supports = self._able()
        version = ".".join(map(str, self.version))
        return Found(self._model, self.window, self.shown.trained_tokens, version, self.shown.metadata)

    def _choose_window(self, running: Sequence[JSON]) -> int | None:
        trained = self.shown.trained_tokens
        if self.is_cloud:
            return self.wanted or trained
        wanted = self.wanted or loaded_context(running, self._model) or self.shown.num_ctx or USUAL_CONTEXT
        if trained is None or wanted <= trained:
            return wanted
        if self.wanted:
            _log.warning("%s was made for a window of %d tokens, not %d", self._model, trained, wanted)
        return trained

    @property
    def is_cloud(self) -> bool:
        """Whether the model runs on Ollama's own servers, which do not hold a format."""
        return self.shown.is_remote or urlsplit(self.root).hostname == CLOUD

    def _able(self) -> Supports:
        """Say what this server can do with this model; what is not known is taken to be there."""
        capable = self.shown.capabilities
        able = replace(
            type(self).supports,
            logprobs=self.version >= HAS_LOGPROBS,
            tools=self._may(HAS_TOOLS) and (capable is None or "tools" in capable),
            embed=capable is None or "embedding" in capable,
            overflow="unknown" if not self.version else "error" if self._may(REFUSES_LONG) else "silent",
        )
        if self.is_cloud or not self._may(HAS_SCHEMAS):
            able = replace(able, json_schema=False, prompt_schema=False, json_mode=not self.is_cloud)
        if self.shown.is_embedding:
            able = replace(able, prompt=False, chat=False, embed=True)
        return able

    def _may(self, since: tuple[int, ...]) -> bool:
        return not self.version or self.version >= since

    def build(self, request: Request, model: str, stream: bool) -> HttpCall:
        """Write a call to `/api/generate` for a prompt, to `/api/chat` for messages."""
        body: dict[str, JSON] = {"model": model, "stream": stream, "truncate": False, "shift": False}
        body |= {name: value for name, value in request.sampling.extra.items() if name in OUTER}
        if (form := self._format(request)) is not None:
            body["format"] = form
        if request.logprobs and self.supports.logprobs:
            body |= {"logprobs": True, "top_logprobs": min(request.logprobs, MOST_LOGPROBS)}
        body["options"] = self.options(request)
        if request.prompt:
            # Without `think` a version takes the thoughts of a reasoning model out of what it wrote.
            body |= {"prompt": self.prompt_text(request), "raw": True, "think": False}
            return HttpCall(f"{self.root}/api/generate", body)
        unable = self._unable(request)
        body["messages"] = write_messages(request.messages)
        if request.tools and self.supports.tools and "tools" not in unable:
            body["tools"] = [tool_to_dict(tool) for tool in request.tools]
        if request.think is not None and "think" not in unable:
            body["think"] = request.think
        return HttpCall(f"{self.root}/api/chat", body)

    def options(self, request: Request) -> dict[str, JSON]:
        """Write all options of a request: one that is left out has the value of the model's own file."""
        sampling = request.sampling
        options: dict[str, JSON] = {
            "temperature": sampling.temperature,
            "top_k": sampling.top_k,
            "top_p": sampling.top_p,
            "min_p": sampling.min_p,
            "repeat_penalty": sampling.repeat_penalty,
            "repeat_last_n": sampling.repeat_last,
            "presence_penalty": sampling.presence_penalty,
            "frequency_penalty": sampling.frequency_penalty,
        }
        if sampling.seed is not None:
            options["seed"] = sampling.seed
        options |= {k: v for k, v in sampling.extra.items() if k in OPTIONS}
        if self.window is not None and not self.is_cloud:
            options["num_ctx"] = self.window
        if request.max_tokens is not None:
            options["num_predict"] = request.max_tokens
        if request.stop or request.prompt:
            # In a chat the template's own stop strings must stay; a prompt of ours has its own.
            own = () if request.prompt else self.shown.stops
            options["stop"] = list(dict.fromkeys((*request.stop, *own)))
        return options

    def _format(self, request: Request) -> JSON:
        held = self.supports.prompt_schema if request.prompt else self.supports.json_schema
        if request.schema is not None and held:
            return dict(request.schema)
        return "json" if request.json_mode and not request.prompt and self.supports.json_mode else None

    def read(self, body: JSON) -> Piece | None:
        """Read an answer, or one line of it."""
        return read_answer(body)

    def dropped(self, request: Request) -> tuple[str, ...]:
        """Name what cannot be honoured; tools beside a format, too: they would never be called."""
        return (*super().dropped(request), *self._unable(request))

    def _unable(self, request: Request) -> tuple[str, ...]:
        names: list[str] = []
        if request.tools and self.supports.tools and not request.prompt and self._format(request) is not None:
            names.append("tools")
        if request.think and not request.prompt and not self._thinks:
            names.append("think")
        return tuple(names)

    @property
    def _thinks(self) -> bool:
        return self.shown.capabilities is None or "thinking" in self.shown.capabilities

    def before(self, request: Request, model: str, ask: Ask) -> None:
        """Choose the window where that has not been done, and refuse what a version would cut in silence.

        Raises:
            ContextOverflow: for a prompt that is certainly too long.
            ModelNotFound: when the server does not have the model.
        """
        self._ask, self._model = ask, model or self._model
        if self.window is None and not self.is_cloud:
            self.discover(ask, model)
        if self.window is not None and self._is_silent and self.version >= COUNTS_ALL:
            self._prompts.refuse(request, self.window, self._called)

    def check(self, request: Request, answer: Answer) -> None:
        """Compare the window that was loaded, and the tokens that were counted, with what was asked.

        Raises:
            PromptTruncated: when a part of the prompt was left out.
        """
        counted = answer.usage.prompt_tokens
        if self.window is None or self.is_cloud or counted <= 0 or self.version < COUNTS_ALL:
            return
        keep = integer_at(dict(request.sampling.extra), "num_keep") or self.shown.num_keep or USUAL_KEEP
        window = self._loaded_window(self.window)
        self._prompts.check(
            request, counted, window=window, n_keep=keep, is_silent=self._is_silent, name=self._called
        )

    @property
    def _is_silent(self) -> bool:
        return self.supports.overflow == "silent"

    @property
    def _called(self) -> str:
        return f"{self.kind}:{self._model}@{self.root}"

    def _loaded_window(self, asked: int) -> int:
        """Ask once, after the first answer, with which window the model was loaded for it."""
        if self._loaded is None and self._ask is not None:
            self._loaded = loaded_context(ask_running(self._ask, self.root), self._model) or asked
            if self._loaded < asked:
                _log.warning("%s has a window of %d tokens, not %d", self._called, self._loaded, asked)
        return asked if self._loaded is None else min(asked, self._loaded)

    def explain(self, error: EndpointError, ask: Ask) -> EndpointError:
        """Say how to get a model that the server does not have."""
        if not isinstance(error, ModelNotFound):
            return error
        return no_model(self.root, self._model, **error.facts)

    def models(self, ask: Ask) -> tuple[ModelInfo, ...]:
        """List the models that were pulled, and what is known of each."""
        return ask_models(ask, self.root)

    def chat_template(self, ask: Ask, model: str) -> str | None:
        """Return the Jinja template, which few versions tell; the one in Go is among the metadata."""
        return text_at(dict(self.shown.metadata), "tokenizer.chat_template") or None

    def embedding_call(self, texts: Sequence[str], model: str) -> HttpCall | None:
        """Write a call to `/api/embed`; a text that is too long is refused, not cut."""
        body: dict[str, JSON] = {"model": model, "input": list(texts), "truncate": False}
        if self.window is not None and not self.is_cloud:
            body["options"] = {"num_ctx": self.window}
        return HttpCall(f"{self.root}/api/embed", body)

    def read_embeddings(self, body: JSON) -> Embeddings | None:
        """Read what came back from it."""
        return read_embeddings(body)


class OllamaEndpoint(HttpEndpoint):
    """An endpoint that tells the window that goes with its calls, which may be less than was wished."""

    def __init__(self, driver: Ollama, http: Http, *, model: str = "") -> None:
        super().__init__(driver, http, model=model, context_tokens=driver.wanted)
        self.ollama = driver

    def discover(self) -> None:
        """Ask the server which model answers, and choose the window."""
        super().discover()
        self._context_tokens = self.ollama.window


def open_ollama(url: str, http: Http, entry: EndpointConfig) -> OllamaEndpoint:
    """Open Ollama's server; the window of the entry goes with every call."""
    driver = Ollama(url, entry.context_tokens)
    http.start_hint = http.start_hint or driver.start_hint
    return OllamaEndpoint(driver, http, model=entry.model)
