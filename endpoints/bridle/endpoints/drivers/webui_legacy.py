"""text-generation-webui's own API, until 2023-11-09: `/api/v1/generate` and a stream over a websocket.

Read 2026-11 in its source (extensions/api, commits ed66ca3c, 524ee00d, 34b79c8a of September 2023); the API
was removed with 4aabff37. It tells no reason why an answer ends, no counts and no errors: what fails comes
back as status 200 without a body, or as a closed socket. Today's API is in `webui`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import urlsplit

from bridle.endpoints.base import Answer, ModelInfo, Request, Sampling, Supports
from bridle.endpoints.config import EndpointConfig
from bridle.endpoints.driver import Ask, Driver, Found, Get, Piece, names_of
from bridle.endpoints.drivers.webui_names import begins_with_bos, dialect_of, needs_text
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.json_paths import integer_at, list_at, text_at, value_at
from bridle.endpoints.transport.http import Http, HttpCall
from bridle.endpoints.transport.http_reply import Reply
from bridle.endpoints.transport.sockets import Socket, open_socket
from bridle.endpoints.transport.sse import Event
from bridle.errors import (
    BadResponse,
    ConstraintRejected,
    EndpointError,
    MissingExtra,
    ModelNotFound,
    RequestRefused,
    ServerCrashed,
    TimedOut,
    Unreachable,
)
from bridle.grammars import check_gbnf
from bridle.messages import JSON, Finish, Usage

__all__ = ["LegacyEndpoint", "LegacyHttp", "WebUILegacy", "open_webui_legacy"]

USUAL_WINDOW = 2048
"""What the server cuts a prompt to when a request does not say, whatever the model's window is."""
STREAM_PORT = 5
"""`--api-streaming-port` is usually 5005, `--api-blocking-port` 5000."""
ENDS = ("/api/v1/generate", "/api/v1/stream", "/api/v1/model", "/api/v1", "/api", "/v1")
"""Ends of addresses that people paste."""
ARGUMENT_OF = MappingProxyType(
    {"llama.cpp": "n_ctx", "llamacpp_HF": "n_ctx", "ctransformers": "n_ctx"}
    | dict.fromkeys(("ExLlama", "ExLlama_HF", "ExLlamav2", "ExLlamav2_HF", "AutoAWQ"), "max_seq_len")
)
"""The argument that sets a loader's window; with other loaders the setting `truncation_length` does."""
GREEDY: MappingProxyType[str, JSON] = MappingProxyType({"do_sample": False, "top_k": 1, "temperature": 0.01})
"""Some loaders of the time divide by the temperature."""


class WebUILegacy(Driver):
    """The routes below `/api/v1`. A request names the window itself, so it is never the server's own 2048."""

    kind: ClassVar[str] = "webui-legacy"
    start_hint: ClassVar[str] = "start a text-generation-webui of before 2023-11-10 with --api (port 5000)"
    # llama.cpp had no counts in grammars before June 2024; what Transformers loaders take, it took as well.
    supports = Supports(
        prompt=True, grammar=True, dialect="webui", tokenize=True, seed=True, overflow="silent"
    )
    sampling_names = names_of(
        "top_k", "top_p", "seed", repeat_penalty="repetition_penalty", repeat_last="repetition_penalty_range"
    )
    extras = frozenset(
        {
            *("preset", "typical_p", "epsilon_cutoff", "eta_cutoff", "tfs", "top_a", "min_length"),
            *("encoder_repetition_penalty", "no_repeat_ngram_size", "num_beams", "penalty_alpha"),
            *("length_penalty", "early_stopping", "mirostat_mode", "mirostat_tau", "mirostat_eta"),
            *("guidance_scale", "negative_prompt", "add_bos_token", "custom_token_bans", "ban_eos_token"),
            *("skip_special_tokens", "max_tokens_second", "do_sample"),
        }
    )
    constraint_fields: ClassVar[tuple[str, ...]] = ("grammar_string",)
    counts_prompt: ClassVar[bool] = False

    def __init__(self, url: str, context_tokens: int | None = None) -> None:
        super().__init__(url)
        end = next((one for one in ENDS if self.base.endswith(one)), "")
        self.base = self.root = self.base.removesuffix(end)
        parts = urlsplit(self.root)
        scheme = "wss" if parts.scheme == "https" else "ws"
        self.stream_url = (
            f"{scheme}://{parts.hostname}:{(parts.port or 5000) + STREAM_PORT}{parts.path}/api/v1/stream"
        )
        self.told_window = context_tokens
        self.window = context_tokens or USUAL_WINDOW
        self.by_socket = False
        """Whether the last answer came over the socket."""

    @classmethod
    def recognise(cls, get: Get) -> str:
        """Say by what a server is seen to be of this kind; KoboldAI's relatives have the route, and more."""
        name = value_at(get("/api/v1/model"), "result")
        is_ours = isinstance(name, str) and get("/api/v1/info/version") is None
        return "it answers /api/v1/model and nothing else of KoboldAI's API" if is_ours else ""

    def build(self, request: Request, model: str, stream: bool) -> HttpCall:
        """Write the call; a stream is asked for with the same words, over the socket."""
        body: dict[str, JSON] = {
            "prompt": self.prompt_text(request),
            "max_new_tokens": request.max_tokens or self.window // 2,
            "truncation_length": self.window,
            "stopping_strings": list(request.stop),
            **self.sampling(request.sampling),
        }
        if self.supports.grammar and (grammar := self.gbnf(request)):
            body["grammar_string"] = grammar
        if begins_with_bos(request):
            body.setdefault("add_bos_token", False)  # else there would be two of them
        return HttpCall(self.stream_url if stream else f"{self.root}/api/v1/generate", body)

    def gbnf(self, request: Request) -> str:
        """Write the request's grammar; a caller's own is read first, since a wrong one may end the server.

        Raises:
            GrammarError: for a text that the loader would not take.
        """
        if request.gbnf is not None:
            check_gbnf(request.gbnf, dialect=self.supports.dialect)
        return super().gbnf(request)

    def sampling(self, sampling: Sampling) -> dict[str, JSON]:
        """Write the sampling fields; the penalty always, since the server's own default is 1.1."""
        fields: dict[str, JSON] = {"repetition_penalty": sampling.repeat_penalty, "do_sample": True}
        fields |= super().sampling(sampling)
        return fields if sampling.temperature > 0 else {**fields, **GREEDY}

    def read(self, body: JSON) -> Piece | None:
        """Read an answer, or one frame of the stream."""
        if isinstance(value_at(body, "results", 0, "text"), str):
            return Piece(text_at(body, "results", 0, "text"), "stop")
        event = text_at(body, "event")
        if event == "text_stream":
            return Piece(text_at(body, "text"))
        return Piece(finish_reason="stop") if event == "stream_end" else None

    def discover(self, ask: Ask, model: str) -> Found:
        """Ask which model is loaded, by which loader, and how large its window is.

        Raises:
            ModelNotFound: when none is loaded.
        """
        info = self._info(ask)
        loaded = info if isinstance(info, str) else text_at(info, "model_name")
        if loaded in ("", "None"):
            raise self._nothing_loaded()
        arguments = value_at(info, "shared.args")
        loader = text_at(arguments, "loader")
        if loader:
            self.supports = replace(type(self).supports, grammar=dialect_of(loader) is not None)
        told = integer_at(arguments, ARGUMENT_OF.get(loader, ""))
        told = told or integer_at(info, "shared.settings", "truncation_length")
        self.window = self.told_window or told or USUAL_WINDOW
        return Found(model or loaded, self.window)

    def _info(self, ask: Ask) -> JSON:
        url = f"{self.root}/api/v1/model"
        try:
            return value_at(ask(HttpCall(url, {"action": "info"})), "result")
        except (RequestRefused, BadResponse):
            return value_at(ask(HttpCall(url)), "result")  # before June 2023 it told the name alone

    def models(self, ask: Ask) -> tuple[ModelInfo, ...]:
        """List the models that could be loaded."""
        url = f"{self.root}/api/v1/model"
        loaded = text_at(ask(HttpCall(url)), "result")
        names = list_at(ask(HttpCall(url, {"action": "list"})), "result")
        return tuple(
            ModelInfo(name, name == loaded, self.window if name == loaded else None)
            for name in names
            if isinstance(name, str) and name != "None"
        )

    def count_tokens(self, request: Request, ask: Ask, model: str) -> int | None:
        """Count a prompt's tokens."""
        return self.count(self.prompt_text(request), ask)

    def count(self, text: str, ask: Ask) -> int | None:
        """Count a text's tokens, the one at its beginning included; None where the server cannot."""
        body: dict[str, JSON] = {"prompt": text}
        try:
            return integer_at(ask(HttpCall(f"{self.root}/api/v1/token-count", body)), "results", 0, "tokens")
        except (RequestRefused, BadResponse):
            return None  # that route came in June 2023

    def check(self, request: Request, answer: Answer) -> None:
        """Raise a `ConstraintRejected` for an empty answer under a grammar that wants some."""
        if not answer.text and self.supports.grammar and needs_text(request):
            raise ConstraintRejected(
                f"{self.root} answered with no text at all under a grammar",
                hint="its loader may not take this grammar: look at the web UI's log, or constrain nothing",
                url=self.root,
            )

    def explain(self, error: EndpointError, ask: Ask) -> EndpointError:
        """Say what an answer without a body means: the server failed, and told its log alone."""
        if error.facts.get("status") != 200 or error.facts.get("body") != "":
            return error
        try:
            loaded = value_at(ask(HttpCall(f"{self.root}/api/v1/model")), "result")
        except EndpointError:
            return error
        if loaded in (None, "None"):
            return self._nothing_loaded()
        return ServerCrashed(
            f"{self.root} failed while it generated, and said nothing",
            hint="its log tells why; a wrong grammar and a prompt beyond the loader's window fail so",
            url=self.root,
        )

    def cancel_call(self, request: Request) -> HttpCall | None:
        """Stop the generation, of which there is one at a time; over the socket, closing it has done that."""
        return None if self.by_socket else HttpCall(f"{self.root}/api/v1/stop-stream", {})

    def _nothing_loaded(self) -> ModelNotFound:
        return ModelNotFound(
            f"{self.root} says that no model is loaded",
            hint="load one in the web UI's Model tab, or start it with --model",
            url=self.root,
        )


@dataclass
class LegacyHttp(Http):
    """A connection that goes over the socket for a stream, and takes the whole answer where it cannot."""

    driver: WebUILegacy = field(default_factory=lambda: WebUILegacy("http://127.0.0.1:5000"))
    has_socket: bool = True

    def open(self, call: HttpCall, should_stop: Callable[[], bool] | None = None) -> Reply:
        """Begin one call; see `bridle.endpoints.http.Http.open`."""
        self.driver.by_socket = False
        if call.url != self.driver.stream_url:
            return super().open(call, should_stop)
        if self.has_socket:
            try:
                socket = open_socket(call.url, self)
            except (MissingExtra, Unreachable, RequestRefused, BadResponse):
                self.has_socket = False  # no package, or the port is closed or another program's
            else:
                self.driver.by_socket = True
                return _Frames(socket, call, self, should_stop)
        return super().open(HttpCall(f"{self.driver.root}/api/v1/generate", call.body), should_stop)


class _Frames(Reply):
    """An answer that arrives in frames of a socket: each is handed on as an event."""

    def __init__(
        self, socket: Socket, call: HttpCall, http: Http, should_stop: Callable[[], bool] | None
    ) -> None:
        self.url, self.status, self.headers = call.url, 200, {}
        self._socket = socket
        self._call = call
        self._http = http
        self._should_stop = should_stop

    @property
    def streams(self) -> bool:
        return True

    def close(self) -> None:
        """End the exchange; the server notices with its next token."""
        self._socket.close()

    def finish(self) -> None:
        """Do nothing: behind the last frame stands nothing."""

    def events(self) -> Iterator[Event]:
        """Yield the frames up to the last one."""
        limits = self._http.timeouts
        start, patience_s = time.monotonic(), limits.first_byte_s
        self._socket.send(json.dumps(dict(self._call.body or {})))
        is_last = False
        while not is_last:
            left_s = None if limits.total_s is None else limits.total_s - (time.monotonic() - start)
            try:
                text = self._socket.receive(
                    self._should_stop, patience_s if left_s is None else min(patience_s, left_s)
                )
            except TimedOut as error:
                if left_s is not None and left_s <= patience_s:
                    error.facts.update(limit="total", seconds=limits.total_s)
                raise
            if text is None:
                return
            is_last = '"stream_end"' in text[:64]
            patience_s = limits.idle_s
            yield Event(text)


class LegacyEndpoint(HttpEndpoint):
    """Fills in what the server does not tell: why an answer ended and how many tokens it has, by counting."""

    driver: WebUILegacy

    def complete(
        self,
        request: Request,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        """Generate; see `bridle.endpoints.base.Endpoint`."""
        try:
            answer = super().complete(request, on_text, should_stop)
        except BadResponse as error:
            raise self._explained(error) from error.__cause__
        return answer if answer.finish == "cancelled" else self._judged(answer)

    def _judged(self, answer: Answer) -> Answer:
        prompt, limit = text_at(dict(answer.sent), "prompt"), integer_at(dict(answer.sent), "max_new_tokens")
        before = self.driver.count(prompt, self.http.ask)
        after = self.driver.count(prompt + answer.text, self.http.ask)
        if before is None or after is None or limit is None:
            return answer
        n_tokens = max(0, after - before)
        answer = replace(answer, usage=Usage(before, n_tokens))
        if answer.finish_reason == "max_seconds":
            return answer
        # The same text may have been written in a few more tokens than it is read in.
        finish: Finish = "length" if n_tokens + n_tokens // 50 >= limit else "stop"
        return replace(answer, finish=finish, finish_reason=finish)


def open_webui_legacy(url: str, http: Http, entry: EndpointConfig) -> LegacyEndpoint:
    """Make the endpoint of such a server; nothing is sent yet."""
    driver = WebUILegacy(url, entry.context_tokens)
    settings: dict[str, Any] = {one.name: getattr(http, one.name) for one in fields(http) if one.init}
    settings |= {"start_hint": driver.start_hint, "driver": driver}
    own = LegacyHttp(**settings)
    http.close()
    return LegacyEndpoint(driver, own, model=entry.model, context_tokens=entry.context_tokens)
