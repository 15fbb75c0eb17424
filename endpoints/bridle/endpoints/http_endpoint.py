"""An endpoint that reaches its model over HTTP: what all kinds of servers share, done once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Self

from bridle.endpoints.abilities import refuse_dropped
from bridle.endpoints.base import Answer, Embeddings, ModelInfo, Request, Supports
from bridle.endpoints.driver import Driver, Found, Piece
from bridle.endpoints.gathering import Gathered
from bridle.endpoints.overflow import Counted, check_said
from bridle.endpoints.stops import StopCutter
from bridle.endpoints.transport.deadline import Deadline
from bridle.endpoints.transport.http import QUICK, Http, HttpCall
from bridle.endpoints.transport.http_errors import bad_body, error_message, refusal
from bridle.endpoints.transport.http_reply import Reply
from bridle.endpoints.transport.sse import DONE, Event
from bridle.errors import (
    BadResponse,
    Cancelled,
    ContextOverflow,
    EndpointError,
    InputError,
    RequestRefused,
    StreamTruncated,
)
from bridle.messages import JSON

__all__ = ["HttpEndpoint"]

ANSWER_MEMBERS = frozenset({"error", "detail", "message", "msg", "choices", "content", "text", "response"})
"""Members of an event that has something to say."""


class HttpEndpoint:
    """An endpoint that reaches its model over HTTP, in the way that its driver knows."""

    def __init__(
        self, driver: Driver, http: Http, *, model: str = "", context_tokens: int | None = None
    ) -> None:
        """Take a driver and a connection; nothing is sent before `discover` or `complete`."""
        self.driver = driver
        self.http = http
        self.wrapper = ""
        self.constraint = ""
        """What its configuration names; see `bridle.endpoints.base.Configured`."""
        self.embedding_model = ""
        """The model that makes embeddings, where that is another one."""
        self.found: Found = Found(model)
        """What the server said of its model; nothing before `discover`."""
        self.held: set[str] = set()
        self.refused: dict[str, str] = {}
        """Constraints that the server has refused, and why; see `bridle.endpoints.ladder`."""
        self._given = model, context_tokens
        self._model = model
        self._context_tokens = context_tokens
        self._template: str | None = None
        self._template_asked = False
        self._counted = Counted()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.http.clean(self.name)}>"

    @property
    def name(self) -> str:
        model = f":{self._model}" if self._model else ""
        return f"{self.driver.kind}{model}@{self.driver.base}"

    @property
    def model(self) -> str:
        return self._model

    @property
    def metadata(self) -> Mapping[str, JSON]:
        """What the server tells of the model's file, by the keys of a GGUF file."""
        return self.found.metadata

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
            quick = replace(self.http, timeouts=QUICK, retries=0)
            try:
                self._template = self.driver.chat_template(quick.ask, self._model)
            except EndpointError:
                self._template = None  # it has no such route, and can be asked all the same
            finally:
                quick.close()
        return self._template

    def discover(self) -> None:
        """Ask the server which model answers and how large its window is; what was given stays.

        What an earlier call has found is forgotten: another model may be loaded now.

        Raises:
            EndpointError: when nothing answers there, or something that is no such server.
        """
        model, context_tokens = self._given
        found = self.driver.discover(self.http.ask, model)
        if found.model != self.found.model:
            self.refused.clear()
            self.held.clear()
        self.found = found
        self._model = model or found.model
        self._context_tokens = found.context_tokens if context_tokens is None else context_tokens
        self._template, self._template_asked = None, False
        self._counted = Counted()

    def models(self) -> tuple[ModelInfo, ...]:
        """List the models that the server has."""
        return self.driver.models(self.http.ask)

    def complete(
        self,
        request: Request,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        """Generate; see `bridle.endpoints.base.Endpoint`."""
        self._check_route(request)
        dropped = self.driver.dropped(request)
        refuse_dropped(request, dropped, self.name)
        fitted = self._fit(request)
        self.driver.before(fitted, self._model, self.http.ask)
        limit = Deadline(request.max_seconds, should_stop)
        stream = on_text is not None or limit.watched
        call = self.driver.build(fitted, self._model, stream)
        gathered = Gathered(StopCutter(request.stop), on_text, names=[tool.name for tool in request.tools])
        cancelled = False
        try:
            self._exchange(call, gathered, limit.is_over if limit.watched else None)
        except Cancelled:
            cancelled = True
            self._tell_cancelled(request)
        except ContextOverflow as error:
            self._measure(error, fitted)
            raise
        except RequestRefused as error:
            raise self._explained(error) from error.__cause__
        body = call.body or {}
        answer = gathered.answer(cancelled, dropped, body)
        answer = replace(answer, sent_as=tuple(n for n in self.driver.constraint_fields if n in body))
        if cancelled and limit.passed:
            answer = replace(answer, finish="length", finish_reason="max_seconds")
        if not cancelled:
            self._check(fitted, answer)
        return answer

    def _check(self, request: Request, answer: Answer) -> None:
        """Refuse an answer behind which the server hides a failure."""
        counts, window = self.driver.counts_prompt, self._context_tokens
        try:
            self.driver.check(request, answer)
            check_said(request, answer, self.name, window, counts=counts, ends=self.driver.marks_end)
        except ContextOverflow as error:
            self._measure(error, request)
            raise
        if counts:
            self._counted.check(request, answer, self.name, window)

    def _measure(self, error: ContextOverflow, request: Request) -> None:
        """Add what is known of window and prompt to an error that has no numbers of its own."""
        if error.facts.get("context_tokens") is None:
            error.facts["context_tokens"] = self._context_tokens
        if error.facts.get("prompt_tokens") is None and self.supports.tokenize:
            try:
                error.facts["prompt_tokens"] = self.count_tokens(request)
            except EndpointError:
                return  # what it has said is worth more than the number

    def _explained(self, error: EndpointError) -> EndpointError:
        """Ask the driver what a refusal means."""
        meant = self.driver.explain(error, self.http.ask)
        if meant is not error:
            meant.facts = {**error.facts, **meant.facts}
        return meant

    def _exchange(self, call: HttpCall, gathered: Gathered, should_stop: Callable[[], bool] | None) -> None:
        """Send a call and take the pieces of its answer; raises `Cancelled` when `should_stop` said so."""
        with self.http.open(call, should_stop) as reply:
            try:
                self._receive(reply, gathered)
            except Cancelled:
                raise
            except EndpointError as error:
                gathered.keep_in(error)
                raise

    def count_tokens(self, request: Request) -> int | None:
        """Count the prompt's tokens; see `bridle.endpoints.base.Endpoint`."""
        return self.driver.count_tokens(request, self.http.ask, self._model)

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Make embeddings; see `bridle.endpoints.base.Embeds`."""
        model = self.embedding_model or self._model
        call = self.driver.embedding_call(texts, model)
        if call is None:
            raise InputError(f"{self.name} makes no embeddings", hint="use an endpoint that does")
        if not texts:
            return Embeddings((), model)
        try:
            body = self.http.ask(call)
        except RequestRefused as error:
            raise self._explained(error) from error.__cause__
        found = self.driver.read_embeddings(body)
        if found is None or len(found.vectors) != len(texts) or len({len(v) for v in found.vectors}) != 1:
            shown = self.http.clean(json.dumps(body, ensure_ascii=False))
            raise bad_body(200, call.url, shown, hint="is it a model that makes embeddings?")
        return found

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
        room = window - length
        if room < (1 if limit is None else limit):
            answer = "no room for an answer" if limit is None else f"an answer of {limit}"
            raise ContextOverflow(
                f"a prompt of {length} tokens and {answer} exceed the window of {window} of {self.name}",
                hint="shorten the conversation, ask for fewer tokens, or load the model with more context",
                prompt_tokens=length,
                context_tokens=window,
                max_tokens=limit,
            )
        return replace(request, max_tokens=room if limit is None else limit)

    def _unbounded(self, request: Request) -> int | None:
        return self.driver.least_max_tokens if request.prompt else None

    def _tell_cancelled(self, request: Request) -> None:
        call = self.driver.cancel_call(request)
        if call is None:
            return
        quick = replace(self.http, timeouts=QUICK, retries=0)
        try:
            quick.ask(call)
        except EndpointError:
            return  # it may have seen the closed connection already
        finally:
            quick.close()

    def _receive(self, reply: Reply, gathered: Gathered) -> None:
        if not reply.streams:
            body = reply.json()
            piece = self._piece(body, reply)
            if self.driver.marks_end and piece == Piece(usage=piece.usage):
                raise self._no_answer(body, reply)
            gathered.take(piece)
            gathered.done = True
            return
        said, idle = False, None
        for event in reply.events():
            if event.data == DONE:
                gathered.done = True
                reply.finish()
                break
            body = self._event_body(event, reply)
            if body is None:
                continue
            if self._is_idle(body):
                idle = body
                continue
            said = True
            if gathered.take(self._piece(body, reply)):
                return
        if idle is not None and not (said and gathered.is_ended):
            raise self._no_answer(idle, reply)
        if self.driver.marks_end and not gathered.is_ended:
            raise StreamTruncated(
                f"the stream of {reply.url} ended before the answer did",
                hint="the server may have failed: look at its log",
                url=reply.url,
            )

    def _is_idle(self, body: JSON) -> bool:
        """Whether an event says nothing: some proxies send such ones, to keep a connection open.

        They are only passed over where an answer is known by how it ends.
        """
        if not self.driver.marks_end or not isinstance(body, dict) or body.keys() & ANSWER_MEMBERS:
            return False
        return self.driver.read(body) is None

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
            raise refusal(reply.status, reply.url, self.http.clean(text), key_env=self.http.key_env)
        piece = self.driver.read(body)
        if piece is None:
            raise self._no_answer(body, reply)
        return piece

    def _no_answer(self, body: JSON, reply: Reply) -> BadResponse:
        shown = self.http.clean(json.dumps(body, ensure_ascii=False))
        hint = f"is it the API of a server of kind {self.driver.kind!r}?"
        return bad_body(reply.status, reply.url, shown, hint=hint)
