"""Any model that Outlines runs in this process as an endpoint: Transformers, MLX, and vLLM without a server.

    OutlinesModel(outlines.from_transformers(model, tokenizer))

Format: Outlines 1.3.3 (2026-09). A grammar of ours is given to Outlines as a context-free one; it is held by
llguidance for Transformers and MLX, and by vLLM's own engine for vLLM. Special tokens of a tokenizer
are missing in the texts that Outlines returns, so formats whose calls are marked by such tokens cannot be
read here. What is tested is Transformers; MLX and vLLM run on machines that the tests do not have.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bridle.endpoints.abilities import refuse_dropped, unsupported
from bridle.endpoints.base import Answer, Endpoint, Request, Supports
from bridle.endpoints.drivers.outlines_families import Family, family_of
from bridle.endpoints.stops import StopCutter
from bridle.endpoints.transport.deadline import Deadline
from bridle.errors import ContextOverflow, EndpointError, InputError, MissingExtra, ModelFileError
from bridle.messages import Finish, Usage
from bridle.wrappers import flatten

__all__ = ["OutlinesModel", "open_outlines"]


class OutlinesModel:
    """An Outlines model as an `Endpoint`: takes rendered prompts and keeps grammars.

    `context_tokens` overrides the window that the model's configuration names.

    Raises:
        InputError: for an object that is no Outlines model of a known family.
    """

    def __init__(self, model: object, *, name: str = "outlines", context_tokens: int | None = None) -> None:
        self._family: Family = family_of(model)
        self._name = name
        self._window = context_tokens or self._family.window
        self._busy = threading.Lock()

    @property
    def name(self) -> str:
        return self._name

    @property
    def model(self) -> str:
        return self._family.name

    @property
    def supports(self) -> Supports:
        return Supports(
            prompt=True,
            grammar=True,
            dialect=self._family.dialect,
            tokenize=True,
            seed=True,
            overflow="error",
        )

    @property
    def context_tokens(self) -> int | None:
        return self._window

    @property
    def chat_template(self) -> str | None:
        return self._family.chat_template

    def complete(
        self,
        request: Request,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        """Answer a prompt; see `Endpoint.complete`.

        Raises:
            InputError: for a request with messages in place of a prompt.
            ContextOverflow: when prompt and `max_tokens` exceed the window.
            EndpointError: when the model is in use.
        """
        dropped = (*unsupported(self.supports, request), *self._family.dropped(request))
        refuse_dropped(request, dropped, self._name)
        text = self._text(request)
        room = self._room(request, text)
        cutter = StopCutter(request.stop)

        def show(fragment: str) -> None:
            shown = cutter.feed(fragment)
            if shown and on_text is not None:
                on_text(shown)

        limit = Deadline(request.max_seconds, should_stop)
        if not self._busy.acquire(blocking=False):
            raise EndpointError(
                f"{self._name} is already in use", hint="use one thread at a time, or load the model twice"
            )
        try:
            made = self._family.generate(
                text,
                replace(request, max_tokens=room),
                show,
                lambda: cutter.found or (limit.watched and limit.is_over()),
            )
        finally:
            self._busy.release()
        rest = cutter.close()
        if rest and on_text is not None:
            on_text(rest)
        finish: Finish = "stop" if cutter.found or made.ended else "length"
        reason: str = finish
        if limit.passed:
            reason = "max_seconds"
        elif finish == "length" and limit.watched and limit.is_over():
            finish, reason = "cancelled", "cancelled"
        usage = Usage(made.prompt_tokens, made.answer_tokens, sampled_tokens=made.answer_tokens)
        return Answer(cutter.text, finish, reason, usage, dropped=dropped)

    def count_tokens(self, request: Request) -> int:
        """Count the prompt's tokens with the model's own tokenizer."""
        return self._family.count(self._text(request))

    def close(self) -> None:
        """Do nothing: the model belongs to whoever made it."""

    def _text(self, request: Request) -> str:
        if not request.prompt:
            raise InputError(
                f"{self._name} takes prompts, not messages", hint="render the messages with a wrapper first"
            )
        return flatten(request.prompt, request.control)

    def _room(self, request: Request, text: str) -> int:
        if self._window is None:
            return request.max_tokens or 1024
        length = self._family.count(text)
        room = self._window - length
        if room < (request.max_tokens or 1):
            raise ContextOverflow(
                f"a prompt of {length} tokens and an answer of {request.max_tokens or 1} exceed the window of"
                f" {self._window} tokens of {self._name}",
                hint="shorten the conversation, or ask for fewer tokens",
                prompt_tokens=length,
                context_tokens=self._window,
                max_tokens=request.max_tokens,
            )
        return room if request.max_tokens is None else request.max_tokens


def open_outlines(path: str | Path, *, context_tokens: int | None = None) -> Endpoint:
    """Load a folder in the form of Transformers (config, weights, tokenizer), and open it by Outlines.

    Raises:
        ModelFileError: when it is no such folder.
        MissingExtra: when outlines or transformers is not installed.
    """
    folder = Path(path).expanduser()
    if not (folder / "config.json").is_file():
        raise ModelFileError(
            f"{str(folder)!r} is no folder of a Transformers model: it has no config.json",
            hint="give a folder that save_pretrained made; a GGUF file is opened by its path alone",
        )
    try:
        outlines: Any = importlib.import_module("outlines")
        transformers: Any = importlib.import_module("transformers")
    except ImportError as error:
        raise MissingExtra(
            f"outlines and transformers are needed: {error}",
            extra="outlines",
            more=" transformers torch",
        ) from error
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        model = transformers.AutoModelForCausalLM.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise ModelFileError(
            f"transformers cannot load {str(folder)!r}: {error}", hint="is it a text generator, and complete?"
        ) from error
    return OutlinesModel(
        outlines.from_transformers(model, tokenizer), name=f"outlines:{path}", context_tokens=context_tokens
    )
