"""text-generation-webui's API (`--api`), version 4.7.3 (1dcde41d, 2026-05-03): completion, chat, extras.

Read 2026-11 in its source (modules/api, modules/chat.py, modules/text_generation.py) and in recorded traffic
of the llama.cpp loader. Of all constraint fields only `grammar_string` has an effect, on both routes. What is
too long it never refuses: it answers nothing, or cuts the prompt. That is looked for before a request is
sent, and told apart in the answer. The API until November 2023 is in `webui_legacy`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar
from urllib.parse import urlsplit

from bridle.endpoints.base import Answer, ModelInfo, Request, Sampling, Supports
from bridle.endpoints.driver import SAMPLING, Ask, Found, Get, names_of
from bridle.endpoints.drivers.openai_compat import OpenAICompat
from bridle.endpoints.drivers.webui_names import CHAT_EXTRAS, EXTRAS, begins_with_bos, dialect_of, needs_text
from bridle.endpoints.json_paths import integer_at, list_at, text_at, value_at
from bridle.endpoints.transport.http import HttpCall, is_loopback
from bridle.errors import (
    AuthError,
    BadResponse,
    ConstraintRejected,
    ContextOverflow,
    EndpointError,
    ModelNotFound,
    RequestRefused,
)
from bridle.grammars import check_gbnf
from bridle.messages import JSON

__all__ = ["WebUI"]

INNER_PORT = 5
"""The llama-server inside listens on this machine only, so many ports behind the API's."""
NO_LIMIT = 1 << 30
"""A `truncation_length` that nothing is cut by, in tokens."""
AS_IT_STANDS = "{{ messages[-1]['content'] }}"
"""A chat template that writes the last message and nothing else."""


class WebUI(OpenAICompat):
    """The routes below `/v1` of the web UI.

    Its window is only told by the llama-server inside, which answers on the same machine alone: from
    elsewhere give `context_tokens`. Stopping is closing the connection: its route for that stops everybody.
    """

    kind: ClassVar[str] = "webui"
    start_hint: ClassVar[str] = "start text-generation-webui with --api (its port is 5000, or --api-port's)"
    supports = Supports(
        prompt=True,
        chat=True,
        grammar=True,
        tools=True,
        tokenize=True,
        embed=True,
        logprobs=True,
        seed=True,
        overflow="empty",
    )
    sampling_names = names_of(
        *SAMPLING, repeat_penalty="repetition_penalty", repeat_last="repetition_penalty_range"
    )
    extras = EXTRAS | CHAT_EXTRAS
    constraint_fields: ClassVar[tuple[str, ...]] = ("grammar_string", "tools", "tool_choice")
    counts_prompt: ClassVar[bool] = False
    """A completion's usage counts the prompt before it is cut; a chat's may be that of another request."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        parts = urlsplit(self.root)
        self.inner = f"{parts.scheme}://{parts.hostname}:{(parts.port or 5000) + INNER_PORT}"
        """Where the llama-server inside would listen."""
        self._window: int | None = None
        self._loader = ""

    @classmethod
    def recognise(cls, get: Get) -> str:
        """Say by what a server is seen to be a web UI."""
        route = "/v1/internal/model/info"
        return f"it answers {route}" if isinstance(value_at(get(route), "model_name"), str) else ""

    def build(self, request: Request, model: str, stream: bool) -> HttpCall:
        """Write the call; a grammar goes as GBNF text. The server ignores `model`, so none is sent."""
        call = super().build(request, "", stream)
        body = dict(call.body or {})
        body.setdefault("max_tokens", self.least_max_tokens)  # the server's own limit would be 512
        if grammar := self.gbnf(request):
            body["grammar_string"] = grammar
        if request.prompt:
            body = {name: body[name] for name in body if name not in CHAT_EXTRAS}
            if begins_with_bos(request):
                body.setdefault("add_bos_token", False)  # else there would be two of them
        elif request.think is not None:
            body["enable_thinking"] = request.think
        return HttpCall(call.url, body)

    def gbnf(self, request: Request) -> str:
        """Write the request's grammar; a caller's own is read first, since the server hides what is wrong.

        Raises:
            GrammarError: for a text that the loader would not take.
        """
        if not self.supports.grammar:
            return ""
        if request.gbnf is not None:
            check_gbnf(request.gbnf, dialect=self.supports.dialect)
        return super().gbnf(request)

    def sampling(self, sampling: Sampling) -> dict[str, JSON]:
        """Write the sampling fields; `top_p` always, since the server's own default is 0.95."""
        return {"top_p": sampling.top_p} | super().sampling(sampling)

    def dropped(self, request: Request) -> tuple[str, ...]:
        """Name what cannot be honoured; a grammar holds on the chat route as well."""
        held = ("grammar", "gbnf") if self.supports.grammar else ()
        names = tuple(name for name in super().dropped(request) if name not in held)
        misplaced = CHAT_EXTRAS & set(request.sampling.extra) if request.prompt else ()
        return (*names, *sorted(misplaced))

    def discover(self, ask: Ask, model: str) -> Found:
        """Ask which model is loaded and by which loader, and the llama-server inside for its window.

        Raises:
            ModelNotFound: when none is loaded.
        """
        try:
            info = ask(self._info_call())
        except RequestRefused as error:
            raise self.explain(error, ask) from error.__cause__
        loaded = text_at(info, "model_name")
        if loaded in ("", "None"):
            raise self._nothing_loaded()
        self._loader = text_at(info, "loader")  # older versions do not tell it; they cut prompts in silence
        dialect = dialect_of(self._loader)
        self.supports = replace(
            type(self).supports,
            grammar=dialect is not None,
            dialect=dialect or "llama.cpp",
            overflow="empty" if self._loader == "llama.cpp" else "silent",
        )
        self._window = integer_at(self._inner_props(ask, loaded), "default_generation_settings", "n_ctx")
        return Found(model or loaded, self._window)

    def chat_template(self, ask: Ask, model: str) -> str | None:
        """Ask the llama-server inside; the web UI itself does not tell the template."""
        loaded = text_at(ask(self._info_call()), "model_name")
        return text_at(self._inner_props(ask, loaded), "chat_template") or None

    def models(self, ask: Ask) -> tuple[ModelInfo, ...]:
        """List the files that can be loaded; without the admin key, only what is loaded."""
        loaded = text_at(ask(self._info_call()), "model_name")
        try:
            listed = list_at(ask(HttpCall(f"{self.root}/v1/internal/model/list")), "model_names")
        except AuthError:
            listed = [loaded] if loaded != "None" else []
        return tuple(
            ModelInfo(name, name == loaded, self._window if name == loaded else None)
            for name in listed
            if isinstance(name, str)
        )

    def count_tokens(self, request: Request, ask: Ask, model: str) -> int | None:
        """Count a prompt's tokens, the one at its beginning included; of a chat as the server writes it."""
        try:
            text = self.prompt_text(request) if request.prompt else self.rendered(request, ask, whole=True)
            body: dict[str, JSON] = {"text": text}
            return integer_at(ask(HttpCall(f"{self.root}/v1/internal/token-count", body)), "length")
        except (RequestRefused, BadResponse):
            return None  # that route has no tokenizer with some loaders, and came later than this API

    def rendered(self, request: Request, ask: Ask, *, whole: bool = False) -> str:
        """Ask for the prompt that a chat becomes: as the model would get it, or the `whole` of it.

        Raises:
            EndpointError: when the server cannot write it.
        """
        body = dict(self.build(request, "", False).body or {})
        if whole:
            body["truncation_length"] = NO_LIMIT
        return text_at(ask(HttpCall(f"{self.root}/v1/internal/chat-prompt", body)), "prompt")

    def before(self, request: Request, model: str, ask: Ask) -> None:
        """Refuse what the server would cut without a word.

        Of a chat it drops the oldest turns, then cuts the last one. Loaders other than llama.cpp also cut
        prompts; whether one would be cut shows when it is rendered as a message.

        Raises:
            ContextOverflow: when a part would be lost.
        """
        try:
            lost = self._cuts_prompt(request, ask) if request.prompt else self._cuts_chat(request, ask)
        except (RequestRefused, BadResponse):
            return  # it cannot tell, or has something against the messages and will say so again
        if lost:
            what = "prompt" if request.prompt else "conversation"
            n_tokens = self.count_tokens(request, ask, model)
            size = "" if n_tokens is None else f" of {n_tokens} tokens"
            limit = "" if request.max_tokens is None else f" of {request.max_tokens}"
            raise ContextOverflow(
                f"{self.base} would cut this {what}{size}, to make room for an answer{limit}",
                hint="shorten it, ask for fewer tokens, or load the model with a larger ctx-size",
                url=self.base,
                prompt_tokens=n_tokens,
                context_tokens=self._window,
                max_tokens=request.max_tokens,
            )

    def _cuts_chat(self, request: Request, ask: Ask) -> bool:
        whole = self.rendered(request, ask, whole=True)
        try:
            kept = self.rendered(request, ask)
        except RequestRefused as error:
            if error.facts.get("status") == 500:
                return True  # it fails so when not even a part of the last message fits
            raise
        oldest = next((one.content for one in request.messages if one.role == "user"), "")
        begin = " ".join(oldest.split()[:8])
        return bool(whole) and (kept != whole or begin not in " ".join(kept.split()))

    def _cuts_prompt(self, request: Request, ask: Ask) -> bool:
        if self.supports.overflow != "silent":
            return False
        whole = self.prompt_text(request).strip()
        body: dict[str, JSON] = {
            "messages": [{"role": "user", "content": whole}],
            "instruction_template_str": AS_IT_STANDS,
            "max_tokens": request.max_tokens or self.least_max_tokens,
        }
        kept = text_at(ask(HttpCall(f"{self.root}/v1/internal/chat-prompt", body)), "prompt").strip()
        return len(kept) < len(whole) and whole.startswith(kept)

    def check(self, request: Request, answer: Answer) -> None:
        """Tell the two failures that look like an empty answer.

        Raises:
            ContextOverflow: when nothing came back because of a limit of length.
            ConstraintRejected: when nothing came back under a grammar.
        """
        super().check(request, answer)
        if answer.text or answer.calls or answer.thoughts or answer.finish_reason == "":
            return
        url = f"{self.base}/{'' if request.prompt else 'chat/'}completions"
        if answer.finish == "length" and self._is_overflow(request, answer):
            raise ContextOverflow(
                f"{url} answered with no text at all and the reason {answer.finish_reason!r}: "
                f"the prompt of {answer.usage.prompt_tokens} tokens does not fit its window",
                hint="shorten the conversation, or load the model with a larger ctx-size",
                url=url,
                prompt_tokens=answer.usage.prompt_tokens,
                context_tokens=self._window,
            )
        if self.supports.grammar and needs_text(request):
            raise ConstraintRejected(
                f"{url} answered with no text at all under a grammar",
                hint="its loader may not take this grammar: look at the web UI's log, or constrain nothing",
                url=url,
            )

    def _is_overflow(self, request: Request, answer: Answer) -> bool:
        """A limit of one token may be used up by a token without text: then only the numbers tell."""
        limit = request.max_tokens or self.least_max_tokens
        if self._window is not None:
            return answer.usage.prompt_tokens + limit > self._window
        return limit > 1

    def explain(self, error: EndpointError, ask: Ask) -> EndpointError:
        """Say more of a refusal that has no words: the server fails alike for many reasons."""
        url, status = str(error.facts.get("url", "")), error.facts.get("status")
        if "Invalid host header" in str(error.facts.get("body", "")):
            error.hint = "reach it as 127.0.0.1 or localhost, or start it with --listen"
        if status != 500:
            return error
        if url.endswith("/embeddings"):
            error.hint = "its embeddings need sentence-transformers, which its portable versions come without"
            return error
        try:
            loaded = text_at(ask(self._info_call()), "model_name")
        except EndpointError:
            return error
        return self._nothing_loaded() if loaded == "None" else error

    def load_call(
        self, model: str, context_tokens: int | None = None, args: Mapping[str, JSON] | None = None
    ) -> HttpCall:
        """Write the call that loads a model, in the place of the one before; it wants the admin key.

        `args` are the loader's, by the web UI's names. Afterwards discover the endpoint again.
        """
        given: dict[str, JSON] = dict(args or {})
        if context_tokens is not None:
            given["ctx_size"] = context_tokens
        return HttpCall(f"{self.root}/v1/internal/model/load", {"model_name": model, "args": given})

    def unload_call(self) -> HttpCall:
        """Write the call that frees the model; it wants the admin key."""
        return HttpCall(f"{self.root}/v1/internal/model/unload", {})

    def encode(self, text: str, ask: Ask) -> tuple[int, ...]:
        """Return a text's tokens, the one at the beginning included."""
        body: dict[str, JSON] = {"text": text}
        found = list_at(ask(HttpCall(f"{self.root}/v1/internal/encode", body)), "tokens")
        return tuple(token for token in found if isinstance(token, int))

    def decode(self, tokens: Sequence[int], ask: Ask) -> str:
        """Return the text of some tokens."""
        body: dict[str, JSON] = {"tokens": list(tokens)}
        return text_at(ask(HttpCall(f"{self.root}/v1/internal/decode", body)), "text")

    def next_tokens(self, prompt: str, ask: Ask, top: int = 50) -> dict[str, float]:
        """Return the likeliest next tokens with their probabilities; of tokens that read alike only one."""
        body: dict[str, JSON] = {"prompt": prompt, "top_logits": top}
        found = ask(HttpCall(f"{self.root}/v1/internal/logits", body))
        entries = found.items() if isinstance(found, dict) else ()
        return {token: float(p) for token, p in entries if isinstance(p, int | float)}

    def _info_call(self) -> HttpCall:
        return HttpCall(f"{self.root}/v1/internal/model/info")

    def _inner_props(self, ask: Ask, loaded: str) -> JSON:
        """What the llama-server inside tells, if it is there and has this model."""
        if self._loader != "llama.cpp" or not is_loopback(self.inner):
            return None
        try:
            props = ask(HttpCall(f"{self.inner}/props", aside=True))
        except EndpointError:
            return None  # it may listen elsewhere: at another port when this one was taken
        path = text_at(props, "model_path").replace("\\", "/").split("/")
        return props if loaded.replace("\\", "/").rpartition("/")[2] in path else None

    def _nothing_loaded(self) -> ModelNotFound:
        return ModelNotFound(
            f"{self.base} says that no model is loaded",
            hint="load one in the web UI's Model tab, or start it with --model",
            url=self.base,
        )
