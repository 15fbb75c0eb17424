"""LM Studio as one endpoint: chat and embeddings over HTTP, rendered prompts over its websocket.

Only the websocket takes a grammar, counts tokens and tells what happens to a prompt that is too long. Where
it cannot be used, everything goes over HTTP, and `supports` says what is missing then.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace

from bridle.endpoints.base import Answer, Embeddings, ModelInfo, NativeCall, Request
from bridle.endpoints.driver import Found
from bridle.endpoints.drivers.lmstudio import LMStudio
from bridle.endpoints.drivers.lmstudio_calls import IDLE_S, apply_template, count_tokens, load, unload
from bridle.endpoints.drivers.lmstudio_models import Listed
from bridle.endpoints.drivers.lmstudio_prediction import CONSTRAINT, is_held, read_packet
from bridle.endpoints.drivers.lmstudio_socket import Session
from bridle.endpoints.gathering import Gathered
from bridle.endpoints.http_endpoint import HttpEndpoint
from bridle.endpoints.json_paths import integer_at, text_at
from bridle.endpoints.transport.http import Http, HttpCall
from bridle.errors import (
    BadResponse,
    Cancelled,
    ContextOverflow,
    EndpointError,
    MissingExtra,
    StreamTruncated,
    Unreachable,
)
from bridle.messages import JSON, ToolSpec

__all__ = ["LMStudioEndpoint", "own_names"]

_log = logging.getLogger(__name__)


class LMStudioEndpoint(HttpEndpoint):
    """An endpoint that reaches its model through LM Studio."""

    def __init__(
        self, driver: LMStudio, http: Http, *, model: str = "", context_tokens: int | None = None
    ) -> None:
        """Take a driver and a connection; nothing is sent before `discover` or `complete`."""
        super().__init__(driver, http, model=model, context_tokens=context_tokens)
        self.studio = driver
        self.socket_problem = ""
        """Why prompts do not go over the websocket, in words; empty when they do."""
        self._session = Session(driver.root, http)
        self._tried_socket = False
        self._looked_again = False
        self._embedder: Listed | None = None
        self._asked_window = context_tokens

    def discover(self) -> None:
        """Ask which model answers and how large its window is, and whether the websocket can be used.

        Raises:
            EndpointError: when nothing answers there, or something that is no such server.
        """
        found_before = self.studio.embedder
        super().discover()
        if self.embedding_model in ("", found_before):
            self.embedding_model = self.studio.embedder
        self._embedder, self._looked_again = None, False
        self._try_socket()

    def complete(
        self,
        request: Request,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        """Generate; see `bridle.endpoints.base.Endpoint`. A model that is not in memory is loaded first."""
        if not self._tried_socket:
            self._try_socket()
        try:
            self._load_first(should_stop)
        except Cancelled:
            return Answer("", "cancelled", "cancelled")
        answer = super().complete(request, on_text, should_stop)
        if request.prompt and self.studio.with_socket:
            return replace(answer, sent_as=(CONSTRAINT,) if is_held(answer.sent) else ())
        if self._context_tokens is None and not self._looked_again:
            self._learn_window()
        return replace(answer, calls=own_names(answer.calls, request.tools))

    def count_tokens(self, request: Request) -> int | None:
        """Count the prompt's tokens over the websocket; messages only when they have nothing but text.

        The model is loaded for it, unless it is in memory.
        """
        if not self.studio.with_socket:
            return None
        self._load_first(None)
        model = self.studio.instance or self.model
        if request.prompt:
            return count_tokens(self._session, model, self.studio.prompt_text(request))
        plain = not request.tools and all(one.role != "tool" and not one.calls for one in request.messages)
        if not plain:
            return None
        return count_tokens(self._session, model, apply_template(self._session, model, request.messages))

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Make embeddings; see `bridle.endpoints.base.Embeds`."""
        self._check_lengths(texts)
        return super().embed(texts)

    def load(
        self,
        model: str,
        context_tokens: int | None = None,
        idle_s: int = IDLE_S,
        on_progress: Callable[[float], None] | None = None,
    ) -> ModelInfo:
        """Load a model into memory with a window of that many tokens, and tell what came of it.

        Over the websocket one that is in memory is taken as it is, and progress is told, from 0 to 1.

        Raises:
            ModelNotFound: when LM Studio has no such model.
            EndpointError: and its other kinds.
        """
        if self.studio.with_socket:
            return load(self._session, model, context_tokens, idle_s, on_progress).info
        return self._load_by_http(model, context_tokens).info

    def unload(self, name: str) -> None:
        """Free the memory that a model takes, by the name that `models` gives."""
        if self.studio.with_socket:
            unload(self._session, name)
        else:
            self.http.ask(HttpCall(f"{self.studio.root}/api/v1/models/unload", {"instance_id": name}))

    def close(self) -> None:
        """End both connections."""
        self._session.close()
        super().close()

    def _exchange(self, call: HttpCall, gathered: Gathered, should_stop: Callable[[], bool] | None) -> None:
        if call.url != self.studio.socket_url:
            super()._exchange(call, gathered, should_stop)
            return
        try:
            with closing(self._session.channel("predict", dict(call.body or {}), should_stop)) as packets:
                for packet in packets:
                    if gathered.take(read_packet(packet)):
                        return
        except StreamTruncated as error:
            gathered.answer(False, (), {})  # shows what is held back
            error.partial = gathered.cutter.text
            raise

    def _try_socket(self) -> None:
        """Find out whether the websocket can be used, and what it can do for this model.

        Only llama.cpp holds grammars. A server that is not up yet is tried again with the next request.
        """
        try:
            self._session.open()
        except (EndpointError, MissingExtra) as error:
            self._tried_socket = not isinstance(error, Unreachable)
            self.socket_problem = str(error)
            self.studio.with_socket = False
            self.studio.supports = replace(
                self.studio.supports, grammar=False, prompt_schema=False, tokenize=False
            )
            _log.info("%s: prompts go over HTTP and without a grammar: %s", self.name, error)
            return
        chosen = self.studio.chosen
        self._tried_socket, self.socket_problem = True, ""
        self.studio.with_socket = True
        self.studio.supports = replace(
            self.studio.supports,
            grammar=chosen is None or chosen.form in ("gguf", ""),
            prompt_schema=True,
            tokenize=True,
        )

    def _load_first(self, should_stop: Callable[[], bool] | None) -> None:
        chosen = self.studio.chosen
        if chosen is None or chosen.loaded is not False:
            return
        if self.studio.with_socket:
            found = load(self._session, chosen.name, self._asked_window, should_stop=should_stop)
        elif self._asked_window is not None:
            found = self._load_by_http(chosen.name, self._asked_window)
        else:
            return  # the first request loads it
        self._take(replace(chosen, name=found.name, loaded=True, context_tokens=found.context_tokens))

    def _load_by_http(self, model: str, context_tokens: int | None) -> Listed:
        body: dict[str, JSON] = {"model": model, "echo_load_config": True}
        if context_tokens is not None:
            body["context_length"] = context_tokens
        answer = self.http.ask(HttpCall(f"{self.studio.root}/api/v1/models/load", body))
        if not text_at(answer, "instance_id"):
            raise BadResponse(
                f"{self.studio.root} cannot load {model!r} when it is asked to",
                hint="that came with LM Studio 0.4: load it there by hand, or with `lms load`",
                url=self.studio.root,
            )
        window = integer_at(answer, "load_config", "context_length")
        return Listed(text_at(answer, "instance_id"), model, True, window)

    def _learn_window(self) -> None:
        """Look again, once, at a model that the first request has loaded."""
        self._looked_again = True
        try:
            found = self.studio.discover(self.http.ask, self._model)
        except EndpointError:
            return  # it has answered, so it can be asked without its window being known
        self.found = found
        self._context_tokens = found.context_tokens

    def _take(self, chosen: Listed) -> None:
        self.studio.chosen = chosen
        self.studio.instance = chosen.name
        window = chosen.context_tokens
        self.found = Found(self._model, window, chosen.trained_tokens, metadata=chosen.metadata)
        self._context_tokens = window or self._context_tokens

    def _check_lengths(self, texts: Sequence[str]) -> None:
        """Refuse a text that the model of embeddings would read in part; a token has a byte at least."""
        if not self.studio.with_socket or not self.embedding_model:
            return
        session = Session(self.studio.root, self.http, "embedding")
        with closing(session):
            self._embedder = self._embedder or load(session, self.embedding_model)
            window = self._embedder.context_tokens or self._embedder.trained_tokens
            for text in texts if window else ():
                length = len(text.encode())
                if window and length >= window:
                    length = count_tokens(session, self._embedder.name, text)
                if window and length > window:
                    raise ContextOverflow(
                        f"a text of {length} tokens exceeds the window of {window} of {self.embedding_model}",
                        hint="split the text",
                        prompt_tokens=length,
                        context_tokens=window,
                    )


def own_names(calls: Sequence[NativeCall], tools: Sequence[ToolSpec]) -> tuple[NativeCall, ...]:
    """Give calls the names that we know the tools by; LM Studio shows the model names in snake case.

    >>> own_names([NativeCall("get_time")], [ToolSpec("getTime", "", {})])[0].name
    'getTime'
    """
    names = {tool.name for tool in tools}
    by_letters = {_letters(name): name for name in names}
    return tuple(
        call if call.name in names else replace(call, name=by_letters.get(_letters(call.name), call.name))
        for call in calls
    )


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
