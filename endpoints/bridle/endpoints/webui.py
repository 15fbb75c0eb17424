"""text-generation-webui's API (`--api`), as of version 4.7.3: raw completion under a grammar.

Of all its constraint fields only `grammar_string` has an effect; `grammar` and `response_format` are dropped
in silence. With the llama.cpp loader a prompt that is too long and a grammar that does not parse both come
back as status 200 with no text (recorded); that is told apart here and raised as an error.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar

from bridle.endpoints.base import Answer, Request, Supports
from bridle.endpoints.driver import Ask, Found
from bridle.endpoints.http import HttpCall
from bridle.endpoints.json_paths import integer_at, text_at
from bridle.endpoints.openai_compat import OpenAICompat
from bridle.errors import BadResponse, ContextOverflow, RequestRefused
from bridle.grammars import matches
from bridle.messages import JSON

__all__ = ["WebUI"]


class WebUI(OpenAICompat):
    """The routes below `/v1` of the web UI. Its window is not told: give `context_tokens` to be guarded."""

    kind: ClassVar[str] = "webui"
    start_hint: ClassVar[str] = "start text-generation-webui with --api (its port is 5000, or --api-port's)"
    supports = Supports(prompt=True, chat=True, grammar=True, tokenize=True)
    sampling_names = MappingProxyType(
        {
            "top_k": "top_k",
            "top_p": "top_p",
            "min_p": "min_p",
            "repeat_penalty": "repetition_penalty",
            "repeat_last": "repetition_penalty_range",
            "seed": "seed",
        }
    )

    def build(self, request: Request, model: str, stream: bool) -> HttpCall:
        """Write the call; a grammar goes as GBNF text. The server ignores `model`, so none is sent."""
        call = super().build(request, "", stream)
        body = dict(call.body or {})
        body.setdefault("max_tokens", self.least_max_tokens)  # the server's own limit would be 512
        if request.prompt and (grammar := self.gbnf(request)):
            body["grammar_string"] = grammar
        return HttpCall(call.url, body)

    def chat_template(self, ask: Ask, model: str) -> str | None:
        """Return None: this server does not tell it."""
        return None

    def discover(self, ask: Ask, model: str) -> Found:
        """Ask which model is loaded.

        Raises:
            RequestRefused: when none is.
        """
        url = f"{self.root}/v1/internal/model/info"
        loaded = text_at(ask(HttpCall(url)), "model_name")
        if loaded in ("", "None"):
            raise RequestRefused(
                f"{url} says that no model is loaded",
                hint="load one in the web UI's Model tab, or start it with --model",
                url=url,
            )
        return Found(model or loaded)

    def count_tokens(self, request: Request, ask: Ask, model: str) -> int | None:
        """Count a prompt's tokens, the one at its beginning included; None for a chat, which it renders."""
        if not request.prompt:
            return None
        body: dict[str, JSON] = {"text": self.prompt_text(request)}
        try:
            return integer_at(ask(HttpCall(f"{self.root}/v1/internal/token-count", body)), "length")
        except (RequestRefused, BadResponse):
            return None  # that route has no tokenizer with some loaders

    def check(self, request: Request, answer: Answer) -> None:
        """Tell the two failures that look like an empty answer.

        Raises:
            ContextOverflow: when nothing came back because of a limit of length.
            RequestRefused: when nothing came back under a grammar.
        """
        super().check(request, answer)
        if answer.text or answer.finish_reason == "":
            return
        url = f"{self.base}/{'completions' if request.prompt else 'chat/completions'}"
        if answer.finish == "length" and request.max_tokens != 0:
            raise ContextOverflow(
                f"{url} answered with no text at all and the reason {answer.finish_reason!r}: "
                f"the prompt of {answer.usage.prompt_tokens} tokens does not fit its window",
                hint="shorten the conversation, or load the model with a larger ctx-size",
                url=url,
                prompt_tokens=answer.usage.prompt_tokens,
            )
        if request.prompt and _needs_text(request):
            raise RequestRefused(
                f"{url} answered with no text at all under a grammar",
                hint="its loader may not take this grammar: look at the web UI's log, or constrain nothing",
                url=url,
            )


def _needs_text(request: Request) -> bool:
    """Whether an answer without text breaks the request's grammar; a caller's own is taken to need some."""
    return bool(request.gbnf) or (request.grammar is not None and not matches(request.grammar, ""))
