"""llama-cpp-python's server (`python -m llama_cpp.server`): raw completion under a grammar, and chat.

Read in its sources and run: version 0.3.36 (August 2026). Its own defaults are 16 tokens and a repeat penalty
of 1.1, so both are always sent. It serves one request at a time, and by default a new one ends a stream that
is running. A grammar that llama.cpp does not take, also one that it makes of a JSON Schema itself, ends the
whole process: a caller's grammar is checked before it is sent, and a schema goes as a grammar of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from bridle.endpoints.base import Answer, Request, Sampling, Supports
from bridle.endpoints.config import EndpointConfig
from bridle.endpoints.driver import SAMPLING, Ask, Found, Get, names_of
from bridle.endpoints.drivers.openai_chat import tool_choice
from bridle.endpoints.drivers.openai_compat import OpenAICompat
from bridle.endpoints.gathering import Gathered
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.json_paths import integer_at, list_at, text_at
from bridle.endpoints.transport.http import Http, HttpCall
from bridle.errors import BadResponse, ContextOverflow, EndpointError, InputError, StreamTruncated
from bridle.grammars import check_gbnf, to_gbnf, to_json_schema
from bridle.grammars.constraints import for_schema
from bridle.messages import JSON, ToolSpec, Usage
from bridle.wrappers import Segment

__all__ = ["LlamaCppEndpoint", "LlamaCppServer", "open_llama_cpp_server"]

MOST_REPEATS = 500
"""Of one thing in a schema: 500 of them were borne by 0.3.36 in every nesting, and 1,200 ended it."""
_TITLE = "llama.cpp Python API"
_EXTRAS = "logit_bias logit_bias_type min_tokens mirostat_eta mirostat_mode mirostat_tau"


class LlamaCppServer(OpenAICompat):
    """llama-cpp-python's server. It does not tell its window: give `context_tokens` to be guarded early."""

    kind: ClassVar[str] = "llama-cpp-python"
    start_hint: ClassVar[str] = (
        "start it: python -m llama_cpp.server --model MODEL.gguf --n_ctx 8192 (its port is 8000, or --port's)"
    )
    supports = Supports(
        prompt=True,
        chat=True,
        grammar=True,
        dialect="llama.cpp",
        json_schema=True,
        schema_profile="llama-server",
        tools=True,
        named=True,
        json_mode=True,
        tokenize=True,
        embed=True,
        logprobs=True,
        seed=True,
        overflow="error",
    )
    sampling_names = names_of(*SAMPLING)
    extras = frozenset(_EXTRAS.split())
    constraint_fields: ClassVar[tuple[str, ...]] = ("grammar", "response_format", "tools", "tool_choice")

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.base = f"{self.root}/v1"
        self._is_bos: dict[str, bool] = {}
        """Whether a control string is the token that the server itself puts before a prompt."""

    @classmethod
    def recognise(cls, get: Get) -> str:
        """Say by what a server is seen to be llama-cpp-python's."""
        title = text_at(get("/openapi.json"), "info", "title")
        return f"its /openapi.json is called {title!r}" if _TITLE in title else ""

    def build(self, request: Request, model: str, stream: bool) -> HttpCall:
        """Write the call; a limit is always sent, and an answer without one as 0.

        Raises:
            InputError: for a limit of no tokens, which the server takes for none.
            GrammarError: for a grammar of the caller's own that would end the server.
        """
        if request.max_tokens is not None and request.max_tokens < 1:
            raise InputError(f"max_tokens is {request.max_tokens}", hint="ask for at least one token")
        if request.gbnf is not None:
            check_gbnf(request.gbnf)
        call = super().build(request, model, stream)
        body = dict(call.body or {})
        body.pop("stream_options", None)  # it knows no such field
        body.setdefault("max_tokens", 0)
        if request.prompt and (grammar := self.gbnf(request)):
            body["grammar"] = grammar
        return HttpCall(call.url, body)

    def chat(self, request: Request) -> dict[str, JSON]:
        """Write the messages, the native tools and what holds the answer."""
        schema = request.schema
        body = super().chat(replace(request, tools=_bounded(request.tools), schema=None))
        if request.tools:
            body["tool_choice"] = tool_choice(request.tool_choice)
        if schema is not None:
            body["grammar"] = to_gbnf(for_schema(dict(schema), loosen=True), dialect=self.supports.dialect)
        return body

    def sampling(self, sampling: Sampling) -> dict[str, JSON]:
        """Write all sampling fields: the server's own defaults are no neutral ones (top_k 40 and so on)."""
        fields: dict[str, JSON] = {
            "top_k": sampling.top_k,
            "top_p": sampling.top_p,
            "min_p": sampling.min_p,
            "repeat_penalty": sampling.repeat_penalty,
        }
        return fields | super().sampling(sampling)

    def prompt_text(self, request: Request) -> str:
        """Write the prompt without the token at its beginning that the server adds."""
        text = super().prompt_text(request)
        added = [mark for mark in _first_marks(request) if self._is_bos.get(mark)]
        return text.removeprefix(max(added, key=len, default=""))

    def discover(self, ask: Ask, model: str) -> Found:
        """Take the first model of the list when none was asked for, and the version."""
        self._is_bos.clear()
        found = super().discover(ask, model)
        return replace(found, version=text_at(ask(HttpCall(f"{self.root}/openapi.json")), "info", "version"))

    def before(self, request: Request, model: str, ask: Ask) -> None:
        """Find out whether the prompt begins with the token that the server adds."""
        for mark in _first_marks(request):
            if mark not in self._is_bos:
                tokens = self._tokens(mark, ask, model)
                self._is_bos[mark] = len(tokens) == 2 and tokens[0] == tokens[1]

    def check(self, request: Request, answer: Answer) -> None:
        """Raise a `StreamTruncated` for an answer that another request has ended."""
        super().check(request, answer)
        if not answer.finish_reason:
            raise StreamTruncated(
                f"{self.base} ended a stream before the answer did: another request has interrupted it",
                hint="ask one thing at a time, or start the server with --interrupt_requests false",
                partial=answer.text,
                url=self.base,
            )

    def count_tokens(self, request: Request, ask: Ask, model: str) -> int | None:
        """Count a prompt's tokens, the one at its beginning included; None for a chat, which it renders."""
        if not request.prompt:
            return None
        self.before(request, model, ask)
        body = _input(self.prompt_text(request), model)
        return integer_at(ask(HttpCall(f"{self.root}/extras/tokenize/count", body)), "count")

    def chat_template(self, ask: Ask, model: str) -> str | None:
        """Return None: this server does not tell it."""
        return None

    def _tokens(self, text: str, ask: Ask, model: str) -> list[JSON]:
        return list_at(ask(HttpCall(f"{self.root}/extras/tokenize", _input(text, model))), "tokens")


class LlamaCppEndpoint(HttpEndpoint):
    """An endpoint that finds out what the server keeps to itself: its window, and in streams all numbers.

    A stream of a prompt that is too long breaks off without a word: the same is asked once more without a
    stream, which has an answer that says so. The window is known from the first such answer on.
    """

    def complete(
        self,
        request: Request,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        """Generate; after a stream, the prompt and the text are counted by the server's tokenizer."""
        answer = super().complete(request, on_text, should_stop)
        if answer.usage != Usage() or answer.finish == "cancelled":
            return answer
        return replace(answer, usage=self._count_usage(request, answer.text))

    def _exchange(self, call: HttpCall, gathered: Gathered, should_stop: Callable[[], bool] | None) -> None:
        try:
            super()._exchange(call, gathered, should_stop)
        except ContextOverflow as error:
            self._learn(error)
            raise
        except BadResponse as error:
            if not gathered.cutter.text and not gathered.calls:
                self._ask_why(call, error)
            raise

    def _ask_why(self, call: HttpCall, error: BadResponse) -> None:
        body: dict[str, JSON] = {**(call.body or {}), "stream": False, "max_tokens": 1}
        try:
            self.http.ask(replace(call, body=body))
        except ContextOverflow as found:
            self._learn(found)
            raise found from error
        except EndpointError:
            raise error from None

    def _learn(self, error: ContextOverflow) -> None:
        window = error.facts.get("context_tokens")
        if self.context_tokens is None and isinstance(window, int):
            self._context_tokens = window

    def _count_usage(self, request: Request, text: str) -> Usage:
        """Counts of a stream; the text's may differ by a few from what the model wrote."""
        said = Request(prompt=(Segment(text),))
        n_said = (self.count_tokens(said) or 0) - (self.count_tokens(Request(prompt=(Segment(""),))) or 0)
        return Usage(self.count_tokens(request) or 0, n_said)


def open_llama_cpp_server(url: str, http: Http, entry: EndpointConfig) -> LlamaCppEndpoint:
    """Open llama-cpp-python's server."""
    driver = LlamaCppServer(url)
    http.start_hint = http.start_hint or driver.start_hint
    return LlamaCppEndpoint(driver, http, model=entry.model, context_tokens=entry.context_tokens)


def _input(text: str, model: str) -> dict[str, JSON]:
    return {"input": text, "model": model} if model else {"input": text}


def _first_marks(request: Request) -> list[str]:
    """The control strings that a prompt begins with."""
    first = next((segment for segment in request.prompt if segment.text), None)
    if first is None or not first.control:
        return []
    return [mark for mark in request.control if mark and first.text.startswith(mark)]


def _bounded(tools: tuple[ToolSpec, ...]) -> tuple[ToolSpec, ...]:
    """Rewrite parameters so that the grammar which the server makes of them does not end it."""
    return tuple(
        replace(tool, parameters=_bearable(to_json_schema(dict(tool.parameters), "llama-server")[0]))
        for tool in tools
    )


def _bearable(schema: dict[str, JSON]) -> dict[str, JSON]:
    """Lower what may be repeated very often, or leave it out where it must be; it is checked afterwards."""
    found: dict[str, JSON] = {name: _bearable_value(value) for name, value in schema.items()}
    for least, most in (("minLength", "maxLength"), ("minItems", "maxItems")):
        if (integer_at(found, most) or 0) > MOST_REPEATS:
            found[most] = MOST_REPEATS
            if (integer_at(found, least) or 0) > MOST_REPEATS:
                del found[most]
    return found


def _bearable_value(value: JSON) -> JSON:
    if isinstance(value, list):
        return [_bearable_value(one) for one in value]
    return _bearable(value) if isinstance(value, dict) else value
