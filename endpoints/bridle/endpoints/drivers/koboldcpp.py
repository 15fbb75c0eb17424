"""KoboldCpp's own API: raw completion under a grammar.

Read in koboldcpp.py and gpttype_adapter.cpp of 1.102 (2025-11), compared with 1.76; nothing was recorded. It
answers under many flags: what it says to Ollama's and OpenAI's clients is a likeness of the original. Its
chat routes are not used: they render with a template that it guesses, and cut what is too long.

- The front of a long prompt is cut off in silence. So each is counted before it is sent.
- A grammar that it cannot read is dropped in silence. So a caller's own is checked before it is sent.
- An answer that a stop string has ended is said to be cut (`length`), like one that has met its limit. So
  the stop string is left in the answer, where it can be found.
- Special tokens are not written into the answer. A format that has some needs them, and gets them.
- It does one thing at a time: others wait, or get status 503.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar

from bridle.endpoints.base import Answer, Embeddings, ModelInfo, Request, Sampling, Supports
from bridle.endpoints.driver import Ask, Driver, Found, Get, Piece, names_of
from bridle.endpoints.drivers.openai_chat import read_embeddings
from bridle.endpoints.json_paths import integer_at, list_at, text_at, value_at
from bridle.endpoints.transport.http import HttpCall
from bridle.errors import AuthError, BadResponse, ContextOverflow, ModelNotFound
from bridle.grammars import check_gbnf, for_regex, to_gbnf
from bridle.messages import JSON, Usage

__all__ = ["KoboldCpp"]

NEUTRAL: Mapping[str, JSON] = MappingProxyType(
    {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "top_a": 0.0, "typical": 1.0, "tfs": 1.0, "rep_pen": 1.0}
)
"""What switches each of these off; some of its own defaults are not (top_k 100, top_p 0.92)."""
COUNTS_BELOW = 50_000
"""A text of so many tokens or more is said to have none."""
EMPTY_MEANS_FAILED = 8
"""An answer of so many tokens that has no text at all has failed; a few may be parts of one character."""


class KoboldCpp(Driver):
    """KoboldCpp 1.76 or newer, by its own routes."""

    kind: ClassVar[str] = "koboldcpp"
    start_hint: ClassVar[str] = "start KoboldCpp with a model (its port is 5001)"
    supports = Supports(
        prompt=True,
        grammar=True,
        dialect="koboldcpp",
        regex=True,
        tokenize=True,
        seed=True,
        overflow="silent",
    )
    sampling_names = names_of(
        "top_k",
        "top_p",
        "min_p",
        "presence_penalty",
        repeat_penalty="rep_pen",
        repeat_last="rep_pen_range",
        seed="sampler_seed",
    )
    extras = frozenset(
        {"top_a", "typical", "tfs", "nsigma", "rep_pen_slope", "mirostat", "mirostat_tau", "mirostat_eta",
         "dry_multiplier", "dry_base", "dry_allowed_length", "dry_penalty_last_n", "dry_sequence_breakers",
         "xtc_threshold", "xtc_probability", "dynatemp_range", "dynatemp_exponent", "smoothing_factor",
         "smoothing_curve", "sampler_order", "logit_bias", "banned_tokens", "ban_eos_token",
         "render_special"}
    )  # fmt: skip
    constraint_fields: ClassVar[tuple[str, ...]] = ("grammar",)

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.root = self.root.removesuffix("/api")
        self.window: int | None = None
        """The context that the server has, in tokens, when it has been asked."""
        self._key = ""
        self._counted = ("", 0)

    @classmethod
    def recognise(cls, get: Get) -> str:
        """Say by what a server is seen to be KoboldCpp."""
        is_it = text_at(get("/api/extra/version"), "result") == "KoboldCpp"
        return "it answers /api/extra/version with 'KoboldCpp'" if is_it else ""

    def build(self, request: Request, model: str, stream: bool) -> HttpCall:
        """Write the call. Each has a key of its own, by which it can be stopped.

        Raises:
            GrammarError: for a caller's own grammar that the server would drop.
        """
        self._key = f"BRDL{secrets.token_hex(8)}"
        limit = self.least_max_tokens if request.max_tokens is None else request.max_tokens
        body: dict[str, JSON] = {
            **self.sampling(request.sampling),
            "prompt": self.prompt_text(request),
            "max_length": limit,
            "stop_sequence": list(request.stop),
            "trim_stop": False,
            "genkey": self._key,
        }
        body.setdefault("render_special", bool(request.control))
        if self.window is not None:
            body["max_context_length"] = self.window
        if grammar := self.gbnf(request):
            if request.gbnf is not None:
                check_gbnf(grammar, dialect="koboldcpp", tokens=False)
            body["grammar"] = grammar
        return HttpCall(self.root + ("/api/extra/generate/stream" if stream else "/api/v1/generate"), body)

    def gbnf(self, request: Request) -> str:
        """Write the request's grammar; a regular expression becomes one."""
        if request.regex is not None:
            return to_gbnf(for_regex(request.regex), dialect=self.supports.dialect)
        return super().gbnf(request)

    def sampling(self, sampling: Sampling) -> dict[str, JSON]:
        """Write all sampling fields; the likeliest token is the only one at temperature 0."""
        fields = {**NEUTRAL, **super().sampling(sampling)}
        return fields | {"top_k": 1} if sampling.temperature == 0 else fields

    def read(self, body: JSON) -> Piece | None:
        """Read an answer, or an event with a part of one."""
        if isinstance(value_at(body, "token"), str):
            return Piece(text_at(body, "token"), text_at(body, "finish_reason") or None)
        result = value_at(body, "results", 0)
        if not isinstance(value_at(result, "text"), str):
            return None
        prompt = integer_at(result, "prompt_tokens")
        answer = integer_at(result, "completion_tokens") or 0
        usage = None if prompt is None else Usage(prompt_tokens=prompt, completion_tokens=answer)
        return Piece(text_at(result, "text"), text_at(result, "finish_reason") or None, usage)

    def discover(self, ask: Ask, model: str) -> Found:
        """Ask which model is loaded, its window, and what else the server has.

        Raises:
            ModelNotFound: when no language model is loaded.
            AuthError: when the server has a password and was not given it.
        """
        about = ask(HttpCall(f"{self.root}/api/extra/version"))
        url = f"{self.root}/api/v1/model"
        name = text_at(ask(HttpCall(url)), "result").removeprefix("koboldcpp/")
        if name == "protected-model":
            raise AuthError(
                f"{url} does not tell the model without the server's password",
                hint="put what stands behind its --password into the environment variable BRIDLE_API_KEY",
                url=url,
            )
        if name == "inactive" or value_at(about, "llm") is False:
            raise ModelNotFound(
                f"{url} says that no language model is loaded: {name!r}",
                hint="start KoboldCpp with --model",
                url=url,
            )
        self._counted = ("", 0)
        self.window = self._window(ask)
        self.supports = replace(self.supports, embed=value_at(about, "embeddings") is True)
        return Found(model or name, self.window, version=text_at(about, "version"))

    def models(self, ask: Ask) -> tuple[ModelInfo, ...]:
        """Name the one model that is loaded."""
        found = self.discover(ask, "")
        return (ModelInfo(found.model, loaded=True, context_tokens=found.context_tokens),)

    def chat_template(self, ask: Ask, model: str) -> str | None:
        """Ask `/props`, which it has from llama.cpp's server."""
        return text_at(ask(HttpCall(f"{self.root}/props")), "chat_template") or None

    def count_tokens(self, request: Request, ask: Ask, model: str) -> int | None:
        """Count a prompt's tokens, the one at its beginning included.

        A prompt that is too long for the server to count is counted in parts, and then comes out a few
        tokens too long.
        """
        if not request.prompt:
            return None
        text = self.prompt_text(request)
        count = self._count(text, ask, first=True)
        if count is not None:
            self._counted = (text, count)
        return count

    def before(self, request: Request, model: str, ask: Ask) -> None:
        """Raise a `ContextOverflow` for a prompt of which the server would cut off the front."""
        self.window = self.window or self._window(ask)
        known, length = self._counted
        if known != self.prompt_text(request):
            length = self.count_tokens(request, ask, model) or 0
        limit = self.least_max_tokens if request.max_tokens is None else request.max_tokens
        if self.window is not None and length + limit > self.window:
            raise ContextOverflow(
                f"a prompt of {length} tokens and an answer of {limit} exceed the window of {self.window} "
                f"of {self.root}",
                hint="shorten the conversation, ask for fewer tokens, or start it with more --contextsize",
                prompt_tokens=length,
                context_tokens=self.window,
                max_tokens=limit,
            )

    def check(self, request: Request, answer: Answer) -> None:
        """Raise a `BadResponse` for an answer without text that does not say why."""
        limit = self.least_max_tokens if request.max_tokens is None else request.max_tokens
        if not answer.text and answer.finish == "length" and limit >= EMPTY_MEANS_FAILED:
            raise BadResponse(
                f"{self.root} answered with no text at all and the reason {answer.finish_reason!r}",
                hint="it may have failed, or somebody has stopped it: look at its window or log",
                url=self.root,
            )

    def cancel_call(self, request: Request) -> HttpCall | None:
        """Write the call that stops the answer by its key, also while the prompt is being read."""
        return HttpCall(f"{self.root}/api/extra/abort", {"genkey": self._key})

    def embedding_call(self, texts: Sequence[str], model: str) -> HttpCall | None:
        """Write a call to its embedding model, where one is loaded; nothing is to be cut."""
        if not self.supports.embed:
            return None
        return HttpCall(
            f"{self.root}/v1/embeddings",
            {"input": list(texts), "truncate": False, "encoding_format": "float"},
        )

    def read_embeddings(self, body: JSON) -> Embeddings | None:
        """Read the vectors.

        Raises:
            ContextOverflow: when a text has none, which is how it says that one is too long.
        """
        if any(value_at(one, "embedding") == [] for one in list_at(body, "data")):
            raise ContextOverflow(
                f"{self.root} made no vector of a text: it is longer than its embedding model takes",
                hint="split the text, or start it with a larger --embeddingsmaxctx",
            )
        return read_embeddings(body)

    def _window(self, ask: Ask) -> int | None:
        return integer_at(ask(HttpCall(f"{self.root}/api/extra/true_max_context_length")), "value")

    def _count(self, text: str, ask: Ask, *, first: bool) -> int | None:
        body: dict[str, JSON] = {"prompt": text, "special": first}
        count = integer_at(ask(HttpCall(f"{self.root}/api/extra/tokencount", body)), "value")
        if count != 0 or len(text) < COUNTS_BELOW // 8:
            return count
        half = len(text) // 2
        parts = self._count(text[:half], ask, first=first), self._count(text[half:], ask, first=False)
        return None if None in parts else sum(part or 0 for part in parts)
