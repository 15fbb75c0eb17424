"""What HTTP drivers share: a `Driver` knows one kind of server, and `HttpEndpoint` does the rest.

A driver does no input or output. It builds a call from a request and reads pieces of text out of what comes
back; streaming, stop strings, cancellation, limits and errors are done here, once, for all kinds.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import ClassVar
from urllib.parse import urlsplit, urlunsplit

from bridle.endpoints.base import Answer, Request, Sampling, Supports
from bridle.endpoints.deadline import Deadline
from bridle.endpoints.http import Http, HttpCall, Timeouts
from bridle.endpoints.http_errors import bad_body, error_message, refusal
from bridle.endpoints.http_reply import Reply
from bridle.endpoints.sse import DONE, Event
from bridle.endpoints.stops import StopCutter
from bridle.errors import Cancelled, ConfigError, ContextOverflow, EndpointError, InputError
from bridle.messages import JSON, Finish, Usage
from bridle.wrappers import flatten

__all__ = ["Driver", "Found", "HttpEndpoint", "Piece", "base_url", "integer_at", "text_at", "value_at"]

Ask = Callable[[HttpCall], JSON]
"""Does one call and returns the JSON that came back; raises `EndpointError`."""

CUT_REASONS = frozenset(
    {"length", "limit", "max_tokens", "model_length", "contextLengthReached", "abort", "content_filter"}
)
"""Spellings of a finish reason that mean: the answer is not complete."""

ROUTES = (
    "/v1/chat/completions",
    "/v1/completions",
    "/chat/completions",
    "/completions",
    "/v1/models",
    "/models",
)
"""Ends of addresses that people paste; the base is what stands before them."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an answer: text, and on the last one why it ended (the server's word) and the usage."""

    text: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a server says about the model that would answer; None where it does not say."""

    model: str = ""
    context_tokens: int | None = None


class Driver(ABC):
    """What has to be known about one kind of server. Subclass it; `build` and `read` are the least.

    `sampling_names` gives the server's name for each field of `Sampling` that it takes, besides
    `temperature`, which all take. `start_hint` is what to do when nothing listens at the address.
    """

    kind: ClassVar[str] = ""
    start_hint: ClassVar[str] = ""
    supports: Supports = Supports()
    sampling_names: Mapping[str, str] = MappingProxyType({})
    least_max_tokens: ClassVar[int] = 1024
    """The limit of an answer to a request without one, where the window is not known."""

    def __init__(self, url: str) -> None:
        self.base = base_url(url)
        """The address with its path, without a slash at the end."""
        self.root = self.base.removesuffix("/v1")

    @abstractmethod
    def build(self, request: Request, model: str, stream: bool) -> HttpCall:
        """Write the call for a request; `stream` asks for events."""

    @abstractmethod
    def read(self, body: JSON) -> Piece | None:
        """Read an answer that came as one document, or one event; None when it is no such answer."""

    def discover(self, ask: Ask, model: str) -> Found:
        """Find out which model answers and its window; `model` is the one that was asked for, or empty."""
        return Found(model)

    def count_tokens(self, request: Request, ask: Ask) -> int | None:
        """Count the prompt's tokens where the server can do that exactly."""
        return None

    def chat_template(self, ask: Ask) -> str | None:
        """Ask for the model's own chat template where this kind of server tells it."""
        return None

    def check(self, request: Request, answer: Answer) -> None:  # noqa: B027 - most servers hide nothing
        """Raise an `EndpointError` for an answer in which this server hides a failure."""

    def prompt_text(self, request: Request) -> str:
        """Write the prompt as the one string that goes over the wire, its content neutralised."""
        return flatten(request.prompt, request.control)

    def sampling(self, sampling: Sampling) -> dict[str, JSON]:
        """Write the sampling fields that are not at their default, by the server's names."""
        fields: dict[str, JSON] = {"temperature": sampling.temperature}
        wanted = _wanted(sampling)
        fields.update({name: wanted[ours] for ours, name in self.sampling_names.items() if ours in wanted})
        return fields

    def dropped(self, request: Request) -> tuple[str, ...]:
        """Name the fields of a request that this kind of server cannot honour on the route it takes."""
        names = [name for name in _wanted(request.sampling) if name not in self.sampling_names]
        if not (request.prompt and self.supports.grammar):
            names += [name for name in ("grammar", "gbnf") if getattr(request, name) is not None]
        if request.schema is not None and (request.prompt or not self.supports.json_schema):
            names.append("schema")
        if request.field_tokens:
            names.append("field_tokens")
        return tuple(names)


def _wanted(sampling: Sampling) -> dict[str, int | float]:
    usual = Sampling()
    names = ("top_k", "top_p", "min_p", "repeat_penalty", "seed")
    wanted: dict[str, int | float] = {
        name: getattr(sampling, name) for name in names if getattr(sampling, name) != getattr(usual, name)
    }
    if "repeat_penalty" in wanted:
        wanted["repeat_last"] = sampling.repeat_last
    return wanted


class HttpEndpoint:
    """An endpoint that reaches its model over HTTP, in the way that its driver knows."""

    def __init__(
        self, driver: Driver, http: Http, *, model: str = "", context_tokens: int | None = None
    ) -> None:
        """Take a driver and a connection; nothing is sent before `discover` or `complete`."""
        self.driver = driver
        self.http = http
        self._model = model
        self._context_tokens = context_tokens
        self._template: str | None = None
        self._template_asked = False

    @property
    def name(self) -> str:
        model = f":{self._model}" if self._model else ""
        return f"{self.driver.kind}{model}@{self.driver.base}"

    @property
    def model(self) -> str:
        return self._model

    @property
    def supports(self) -> Supports:
        return self.driver.supports

    @property
    def context_tokens(self) -> int | None:
        return self._context_tokens

    @property
    def chat_template(self) -> str | None:
        """The model's template where the server tells it; asked once, when it is first wanted."""
        if not self._template_asked:
            self._template_asked = True
            quick = replace(self.http, timeouts=Timeouts(3.0, 5.0, 5.0), retries=0)
            try:
                self._template = self.driver.chat_template(quick.ask)
            except EndpointError:
                self._template = None  # it has no such route, and can be asked all the same
            finally:
                quick.close()
        return self._template

    def discover(self) -> None:
        """Ask the server which model answers and how large its window is; what was given stays.

        Raises:
            EndpointError: when nothing answers there, or something that is no such server.
        """
        found = self.driver.discover(self.http.ask, self._model)
        self._model = self._model or found.model
        if self._context_tokens is None:
            self._context_tokens = found.context_tokens

    def complete(
        self,
        request: Request,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        """Generate; see `bridle.endpoints.base.Endpoint`."""
        self._check_route(request)
        fitted = self._fit(request)
        limit = Deadline(request.max_seconds, should_stop)
        stream = on_text is not None or limit.watched
        call = self.driver.build(fitted, self._model, stream)
        gathered = _Gathered(StopCutter(request.stop), on_text)
        cancelled = False
        try:
            with self.http.open(call, limit.is_over if limit.watched else None) as reply:
                self._receive(reply, gathered)
        except Cancelled:
            cancelled = True
        answer = gathered.answer(cancelled, self.driver.dropped(request))
        if cancelled and limit.passed:
            answer = replace(answer, finish="length", finish_reason="max_seconds")
        if not cancelled:
            self.driver.check(fitted, answer)
        return answer

    def count_tokens(self, request: Request) -> int | None:
        """Count the prompt's tokens; see `bridle.endpoints.base.Endpoint`."""
        return self.driver.count_tokens(request, self.http.ask)

    def close(self) -> None:
        """End the connection."""
        self.http.close()

    def _check_route(self, request: Request) -> None:
        if not request.prompt and not request.messages:
            raise InputError("a request has neither a prompt nor messages", hint="give one of them")
        route = "prompt" if request.prompt else "chat"
        if not (self.supports.prompt if request.prompt else self.supports.chat):
            raise InputError(
                f"{self.name} has no {route} route",
                hint="give messages" if request.prompt else "give a rendered prompt",
            )

    def _fit(self, request: Request) -> Request:
        """Choose the limit of the answer, and refuse a prompt that is known not to fit.

        Without a limit of the caller's own it is what the window leaves: exactly, where the server counts
        tokens; else half the window, since a server may refuse a limit that goes beyond it.
        """
        window, limit = self._context_tokens, request.max_tokens
        if window is None or (limit is not None and not self.supports.tokenize):
            return request if limit is not None else replace(request, max_tokens=self._unbounded(request))
        length = self.count_tokens(request)
        if length is None:
            return replace(request, max_tokens=limit or window // 2)
        if length >= window:
            raise ContextOverflow(
                f"the prompt has {length} tokens, and the window of {self.name} holds {window}",
                hint="shorten the conversation, or load the model with a larger context",
                prompt_tokens=length,
                context_tokens=window,
            )
        return replace(request, max_tokens=min(limit or window, window - length))

    def _unbounded(self, request: Request) -> int | None:
        return self.driver.least_max_tokens if request.prompt else None

    def _receive(self, reply: Reply, gathered: _Gathered) -> None:
        if not reply.streams:
            gathered.take(self._piece(reply.json(), reply))
            return
        for event in reply.events():
            if event.data == DONE:
                reply.finish()
                return
            body = self._event_body(event, reply)
            if body is not None and gathered.take(self._piece(body, reply)):
                return

    def _event_body(self, event: Event, reply: Reply) -> JSON:
        try:
            body: JSON = json.loads(event.data)
        except (ValueError, RecursionError) as error:
            if event.complete:
                raise bad_body(reply.status, reply.url, self.http.clean(event.data)) from error
            return None  # the stream was cut inside this event
        if event.name == "error" and not (isinstance(body, dict) and "error" in body):
            return {"error": body}
        return body

    def _piece(self, body: JSON, reply: Reply) -> Piece:
        failed = isinstance(body, dict) and (body.get("error") or body.get("object") == "error")
        text = json.dumps(body, ensure_ascii=False) if failed else ""
        if failed and error_message(text):
            raise refusal(reply.status, reply.url, self.http.clean(text))
        piece = self.driver.read(body)
        if piece is None:
            shown = self.http.clean(json.dumps(body, ensure_ascii=False))
            hint = f"is it the API of a server of kind {self.driver.kind!r}?"
            raise bad_body(reply.status, reply.url, shown, hint=hint)
        return piece


@dataclass
class _Gathered:
    """What has arrived of an answer."""

    cutter: StopCutter
    on_text: Callable[[str], None] | None
    reason: str | None = None
    usage: Usage = field(default_factory=Usage)

    def take(self, piece: Piece) -> bool:
        """Add a piece and say whether a stop string ends the answer here."""
        self.usage = piece.usage or self.usage
        self.reason = piece.finish_reason or self.reason
        self._show(self.cutter.feed(piece.text))
        return self.cutter.found

    def answer(self, cancelled: bool, dropped: tuple[str, ...]) -> Answer:
        """Close the answer. One without a finish reason was cut off, so it counts as not complete."""
        self._show(self.cutter.close())
        reason = "stop" if self.cutter.found else self.reason or ""
        finish: Finish = "length" if not reason or reason in CUT_REASONS else "stop"
        if cancelled:
            finish, reason = "cancelled", reason or "cancelled"
        return Answer(self.cutter.text, finish, reason, self.usage, "", dropped)

    def _show(self, text: str) -> None:
        if text and self.on_text is not None:
            self.on_text(text)


def base_url(url: str) -> str:
    """Check a server's address and cut off what people paste with it; a bare host gets `/v1`.

    >>> base_url("http://localhost:1234"), base_url("http://localhost:1234/v1/chat/completions/")
    ('http://localhost:1234/v1', 'http://localhost:1234/v1')

    Raises:
        ConfigError: for what is no address, and for one with a user, a query or a fragment in it.
    """
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"this is no URL: {error}", hint="write http://HOST:PORT/v1") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"{url!r} is no address of a server", hint="write http://HOST:PORT/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(
            f"the URL of {host} has more than host, port and path",
            hint="put a key into the environment variable BRIDLE_API_KEY, not into the URL",
        )
    path = parts.path.rstrip("/")
    route = next((r for r in ROUTES if path.endswith(r)), "")
    path = path.removesuffix(route) + ("/v1" if route.startswith("/v1") else "")
    return urlunsplit((parts.scheme, parts.netloc, path or "/v1", "", ""))


def value_at(body: JSON, *path: str | int) -> JSON:
    """Follow keys and indexes into a JSON value; None when a step does not exist.

    >>> value_at({"a": [{"b": 1}]}, "a", 0, "b")
    1
    """
    for step in path:
        if isinstance(step, str) and isinstance(body, dict):
            body = body.get(step)
        elif isinstance(step, int) and isinstance(body, list) and -len(body) <= step < len(body):
            body = body[step]
        else:
            return None
    return body


def text_at(body: JSON, *path: str | int) -> str:
    """Follow a path to a text; empty when there is none."""
    value = value_at(body, *path)
    return value if isinstance(value, str) else ""


def integer_at(body: JSON, *path: str | int) -> int | None:
    """Follow a path to a whole number; None when there is none."""
    value = value_at(body, *path)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
