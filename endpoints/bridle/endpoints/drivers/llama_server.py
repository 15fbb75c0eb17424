"""llama.cpp's own server, `llama-server`: raw completion under a grammar or a schema, and chat.

Prompts go to its native `/completion`: `/v1/completions` ignores `response_format` in silence. Chat goes to
`/v1/chat/completions`, where a grammar cannot stand beside tools, and a `tool_choice` that names a tool is
read as "auto" without a word; so that tool is sent alone, and required. Read in its sources and run as it is
in llama-cpp-python 0.3.36 (tools/server, llama.cpp 0c1e570, August 2026), also as a router of several models.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar
from urllib.parse import quote

from bridle.endpoints.base import ModelInfo, Request, Sampling, Scored, Supports
from bridle.endpoints.driver import SAMPLING, Ask, Found, Get, Piece, names_of
from bridle.endpoints.drivers.openai_compat import OpenAICompat
from bridle.endpoints.json_paths import integer_at, list_at, text_at, value_at
from bridle.endpoints.transport.http import HttpCall
from bridle.errors import BadResponse, ModelNotFound, RequestRefused
from bridle.messages import JSON, Usage

__all__ = ["LlamaServer"]

_EXTRAS = (
    "adaptive_decay adaptive_target cache_prompt dry_allowed_length dry_base dry_multiplier"
    " dry_penalty_last_n dry_sequence_breakers dynatemp_exponent dynatemp_range id_slot ignore_eos logit_bias"
    " lora min_keep mirostat mirostat_eta mirostat_tau n_cache_reuse n_keep post_sampling_probs"
    " reasoning_format samplers t_max_predict_ms top_n_sigma typical_p xtc_probability xtc_threshold"
)
"""Its own fields that change how an answer is made; it ignores unknown ones in silence."""


class LlamaServer(OpenAICompat):
    """llama-server with one model, or as a router of several."""

    kind: ClassVar[str] = "llama-server"
    start_hint: ClassVar[str] = "start it: llama-server -m MODEL.gguf (its port is 8080, or --port's)"
    supports = Supports(
        prompt=True,
        chat=True,
        grammar=True,
        dialect="llama.cpp",
        json_schema=True,
        prompt_schema=True,
        schema_profile="llama-server",
        tools=True,
        forced=True,
        named=True,
        json_mode=True,
        tokenize=True,
        embed=True,
        logprobs=True,
        seed=True,
        parallel=True,
        overflow="error",
    )
    sampling_names = names_of(*SAMPLING, repeat_last="repeat_last_n")
    extras = frozenset(_EXTRAS.split())
    constraint_fields: ClassVar[tuple[str, ...]] = (
        "grammar",
        "json_schema",
        "response_format",
        "tools",
        "tool_choice",
    )

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.base = f"{self.root}/v1"
        self._bos = ""
        """The token that the server itself puts before a prompt, as text."""
        self._eos = ""
        self._template: str | None = None
        self._is_router = False

    @classmethod
    def recognise(cls, get: Get) -> str:
        """Say by what a server is seen to be llama.cpp's."""
        props = get("/props")
        settings = value_at(props, "default_generation_settings")
        if not isinstance(settings, dict):
            return ""
        build = text_at(props, "build_info")
        if not build and text_at(get("/v1/models"), "data", 0, "owned_by") != "llamacpp":
            return ""  # KoboldCpp has a /props, too
        return f"it answers /props as llama.cpp's server {build}".rstrip()

    def build(self, request: Request, model: str, stream: bool) -> HttpCall:
        """Write a call to `/completion` for a prompt, to `/v1/chat/completions` for messages."""
        if not request.prompt:
            return super().build(request, model, stream)
        body: dict[str, JSON] = {
            "prompt": self.prompt_text(request),
            "n_predict": -1 if request.max_tokens is None else request.max_tokens,
            "cache_prompt": True,
            **self.sampling(request.sampling),
        }
        if model:
            body["model"] = model  # a router needs it
        if request.stop:
            body["stop"] = list(request.stop)
        if shown := [mark for mark in request.control if mark not in (*request.stop, self._eos)]:
            body["preserved_tokens"] = list(shown)  # else marks of calls that are control tokens get lost
        if grammar := self.gbnf(request):
            body["grammar"] = grammar
        elif request.schema is not None:
            body["json_schema"] = dict(request.schema)
        if request.logprobs:
            body["n_probs"] = request.logprobs
        if stream:
            body["stream"] = True
        return HttpCall(f"{self.root}/completion", body)

    def chat(self, request: Request) -> dict[str, JSON]:
        """Write the messages, the native tools and what holds the answer."""
        if request.tools and request.tool_choice not in ("auto", "required", "none"):
            alone = tuple(tool for tool in request.tools if tool.name == request.tool_choice)
            request = replace(request, tools=alone, tool_choice="required")
        body = super().chat(request)
        if request.think is not None:
            body["chat_template_kwargs"] = {"enable_thinking": request.think}
        return body

    def sampling(self, sampling: Sampling) -> dict[str, JSON]:
        """Write all sampling fields: the server's own defaults are no neutral ones (top_k 40 and so on)."""
        fields: dict[str, JSON] = {
            "top_k": sampling.top_k,
            "top_p": sampling.top_p,
            "min_p": sampling.min_p,
            "repeat_penalty": sampling.repeat_penalty,
            "presence_penalty": sampling.presence_penalty,
            "frequency_penalty": sampling.frequency_penalty,
        }
        return fields | super().sampling(sampling)

    def prompt_text(self, request: Request) -> str:
        """Write the prompt without the token at its beginning that the server adds."""
        return super().prompt_text(request).removeprefix(self._bos)

    def read(self, body: JSON) -> Piece | None:
        """Read an answer, or one event, of the native route or of the chat route."""
        if not (isinstance(body, dict) and isinstance(body.get("content"), str) and "stop" in body):
            return super().read(body)
        ended = body["stop"] is True
        return Piece(
            text_at(body, "content"),
            _reason(body) if ended else None,
            _usage(body) if ended else None,
            tokens=tuple(_scored(one) for one in list_at(body, "completion_probabilities")),
        )

    def discover(self, ask: Ask, model: str) -> Found:
        """Read the model, the window of one slot, the template and what the template can do.

        Raises:
            ModelNotFound: when a router has no model, or several of which none was asked for.
        """
        props = ask(HttpCall(f"{self.root}/props"))
        self.supports = type(self).supports
        self._is_router = text_at(props, "role") == "router"
        if self._is_router:
            model = model or self._only_model(ask)
            props = ask(HttpCall(f"{self.root}/props{_of_model(model)}"))
        self._template = text_at(props, "chat_template") or None
        self._eos = text_at(props, "eos_token")
        if value_at(props, "chat_template_caps", "supports_tools") is False:
            # Such a template leaves tools out, and a call is then not even required.
            self.supports = replace(self.supports, tools=False, forced=False, named=False)
        self._find_bos(text_at(props, "bos_token"), model, ask)
        listed = next((one for one in self.models(ask) if not model or one.name == model), None)
        return Found(
            model or _name(props),
            integer_at(props, "default_generation_settings", "n_ctx"),
            listed.trained_tokens if listed else None,
            text_at(props, "build_info"),
        )

    def models(self, ask: Ask) -> tuple[ModelInfo, ...]:
        """Read the list of models; a router tells which of them are loaded."""
        listed = list_at(ask(HttpCall(f"{self.root}/models")), "data")
        return tuple(_info(one) for one in listed if text_at(one, "id"))

    def chat_template(self, ask: Ask, model: str) -> str | None:
        """Return the model's chat template, which `/props` tells; `discover` has mostly seen it already."""
        if self._template is None:
            props = ask(HttpCall(f"{self.root}/props{_of_model(model) if self._is_router else ''}"))
            self._template = text_at(props, "chat_template") or None
        return self._template

    def count_tokens(self, request: Request, ask: Ask, model: str) -> int | None:
        """Count a prompt's tokens; None for a chat where the server is too old to count one."""
        body: dict[str, JSON] = {"model": model} if model else {}
        if request.prompt:
            body |= {"content": self.prompt_text(request), "add_special": True, "parse_special": True}
            return len(list_at(ask(HttpCall(f"{self.root}/tokenize", body)), "tokens"))
        try:
            counted = ask(HttpCall(f"{self.base}/chat/completions/input_tokens", body | self.chat(request)))
        except (RequestRefused, BadResponse):
            return None  # the answer itself will say what is wrong, if anything is
        return integer_at(counted, "input_tokens")

    def _only_model(self, ask: Ask) -> str:
        models = self.models(ask)
        loaded = [one for one in models if one.loaded] or list(models)
        if len(loaded) == 1:
            return loaded[0].name
        names = ", ".join(one.name for one in models) or "none"
        raise ModelNotFound(
            f"{self.root} is a router and no model was asked for; it has: {names}",
            hint="name one of them: llama-server:MODEL@URL",
            url=self.root,
        )

    def _find_bos(self, bos: str, model: str, ask: Ask) -> None:
        body: dict[str, JSON] = {"content": "", "add_special": True}
        if model:
            body["model"] = model
        added = list_at(ask(HttpCall(f"{self.root}/tokenize", body)), "tokens")
        self._bos = bos if added else ""


def _of_model(model: str) -> str:
    """How a router is told by a GET which model is meant."""
    return f"?model={quote(model, safe='')}"


def _name(props: JSON) -> str:
    """The alias of the model; without one that is the path of its file, whose last part is enough."""
    alias = text_at(props, "model_alias") or text_at(props, "model_path")
    return alias.replace("\\", "/").rpartition("/")[2] if alias == text_at(props, "model_path") else alias


def _info(one: JSON) -> ModelInfo:
    status = text_at(one, "status", "value")
    return ModelInfo(
        text_at(one, "id"),
        status == "loaded" if status else True,
        integer_at(one, "meta", "n_ctx"),
        integer_at(one, "meta", "n_ctx_train"),
    )


def _reason(body: JSON) -> str:
    """Why it stopped: eos, word or limit; until December 2024 there was a flag for each."""
    flags = ("eos", "word", "limit")
    flagged = next((name for name in flags if value_at(body, f"stopped_{name}") is True), "")
    return text_at(body, "stop_type") or flagged


def _usage(body: JSON) -> Usage:
    return Usage(
        prompt_tokens=integer_at(body, "tokens_evaluated") or 0,
        completion_tokens=integer_at(body, "tokens_predicted") or 0,
        cached_tokens=integer_at(body, "timings", "cache_n") or 0,
    )


def _scored(one: JSON) -> Scored:
    others = list_at(one, "top_logprobs") or list_at(one, "top_probs")
    return Scored(text_at(one, "token"), _logprob(one), {text_at(o, "token"): _logprob(o) for o in others})


def _logprob(one: JSON) -> float:
    """Read a logarithm, or a probability, which stands in its place with `post_sampling_probs`."""
    value = value_at(one, "logprob")
    if isinstance(value, int | float):
        return float(value)
    probability = value_at(one, "prob")
    if isinstance(probability, int | float) and probability > 0:
        return math.log(probability)
    return -math.inf
