"""A GGUF model run in this process by llama.cpp, whose answers can be held to a grammar.

The module itself needs neither numpy nor llama.cpp: a file is checked before they are imported.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bridle.endpoints.abilities import refuse_dropped, unsupported
from bridle.endpoints.base import Answer, Request, Supports
from bridle.endpoints.llamacpp.gguf_header import GgufHeader, read_header
from bridle.errors import (
    BudgetError,
    ConfigError,
    ContextOverflow,
    EndpointError,
    InputError,
    MissingExtra,
    ModelFileError,
    RequestRefused,
)
from bridle.messages import JSON, Finish, Usage

if TYPE_CHECKING:
    from bridle.endpoints.llamacpp.decode import Run
    from bridle.endpoints.llamacpp.runtime import EngineName, Runtime

__all__ = ["LlamaCpp"]

_DEFAULT_WINDOW = 8192
_TINY_BYTES = 50_000_000
_MOST_THREADS = 512  # ggml knows no more


class LlamaCpp:
    """A model file as an `Endpoint`: takes rendered prompts, keeps grammars, counts tokens exactly.

    `context_tokens` is the window, by default the one that the model was trained with but at most 8,192,
    since it takes memory. `threads` defaults to one for files below 50 MB, else to the CPUs that this
    process may use: on a busy machine two threads, which wait for each other, ran a tiny model at a seventh
    of the speed of one. `gpu_layers` of -1 moves all layers to the GPU, with a build of llama-cpp-python
    that can. `engine` "auto" is llguidance where it is installed, else llama.cpp's own. `measure_cost` False
    leaves `nats` and `surprise_nats` of an answer's cost at 0: they take about a quarter of a millisecond
    per sampled token with a vocabulary of 128,000.

    Answers end at any of the model's end tokens. `usage` counts tokens of the answer's text; the end token is
    not one of them. The same seed gives the same text on the same machine, up to rounding in llama.cpp, whose
    sums depend on how much of the prompt was still known from before.

    Raises:
        ModelFileError: for a file that is missing, cut off, of another kind, or refused by llama.cpp.
        MissingExtra: when llama-cpp-python is not installed.
        ConfigError: for an option out of its range.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        context_tokens: int | None = None,
        threads: int | None = None,
        gpu_layers: int = 0,
        engine: EngineName = "auto",
        measure_cost: bool = True,
        name: str | None = None,
    ) -> None:
        _check_options(context_tokens, threads, engine)
        self._header = read_header(path)
        self._path = Path(path)
        _check_kind(self._path, self._header)
        self._name = name or f"llamacpp:{self._path}"
        self._window = context_tokens or min(self._header.context_tokens or _DEFAULT_WINDOW, _DEFAULT_WINDOW)
        self._busy = threading.Lock()
        self.wrapper = ""
        self.constraint = ""
        self._runtime: Runtime = _runtime_class()(
            str(self._path),
            window=self._window,
            threads=threads or _default_threads(self._path),
            gpu_layers=gpu_layers,
            engine=engine,
            measure_cost=measure_cost,
        )

    @property
    def name(self) -> str:
        return self._name

    @property
    def model(self) -> str:
        return self._header.name or self._path.stem

    @property
    def supports(self) -> Supports:
        return Supports(prompt=True, grammar=True, proven=True, tokenize=True, seed=True, overflow="error")

    @property
    def context_tokens(self) -> int:
        return self._window

    @property
    def chat_template(self) -> str | None:
        return self._header.chat_template

    @property
    def metadata(self) -> Mapping[str, JSON]:
        """The single values in the file's header; lists are left out."""
        return self._header.metadata

    @property
    def bos(self) -> str:
        """The text of the token that begins a prompt; empty where the file names none."""
        return self._header.bos

    @property
    def eos(self) -> str:
        """The text of the token that ends an answer; empty where the file names none."""
        return self._header.eos

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """The tokens of the vocabulary that are no ordinary text."""
        return self._header.special_tokens

    @property
    def batch_costs(self) -> Mapping[int, float]:
        """Measured seconds to evaluate so many tokens at once; empty before the first constrained answer."""
        costs = self._runtime.cache.costs
        return {} if costs is None else costs.seconds

    def complete(
        self,
        request: Request,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        """Answer a prompt; see `Endpoint.complete`.

        What a grammar holds ends whole within `max_tokens`, but for free text, which is cut (finish
        "length"), and for a caller's own GBNF text. Strings that have to end, also for `field_tokens`, end at
        a word where one ended a few tokens before. When `max_seconds` are over, an answer is closed at once:
        the finish reason is "max_seconds", and the finish "stop" where that made it whole.

        Raises:
            ContextOverflow: before anything is evaluated, when prompt and `max_tokens` exceed the window, or
                without `max_tokens` the shortest answer that the grammar allows does.
            BudgetError: before anything is evaluated, when that answer takes more than `max_tokens`.
            InputError: for sampling values out of range, an empty prompt, and a bad grammar.
            EndpointError: when llama.cpp fails, and when the endpoint is closed or in use.
        """
        dropped = unsupported(self.supports, request)
        refuse_dropped(request, dropped, self._name)
        with self._in_use():
            deadline = _deadline(request.max_seconds)
            prompt = self._tokens(request)
            most = self._room_for_answer(request, len(prompt))
            run = self._start(request, most, on_text, should_stop)
            run.deadline = deadline
            cached = len(prompt) - len(run.pending)
            ending = run.go()
            finish: Finish = ending if ending in ("length", "cancelled") else "stop"
            if ending == "max_seconds" and not run.complete:
                finish = "length"
            return Answer(
                text=run.text.close(),
                finish=finish,
                finish_reason=ending,
                usage=Usage(
                    prompt_tokens=len(prompt),
                    completion_tokens=len(run.answer),
                    cached_tokens=cached,
                    sampled_tokens=run.sampled,
                    forced_tokens=run.forced,
                ),
                engine=run.engine,
                dropped=dropped,
                cost=None if run.matcher is None else run.costs.sums(),
            )

    def count_tokens(self, request: Request) -> int:
        """Return the prompt's length in tokens, as `complete` would evaluate it."""
        with self._in_use():
            return len(self._tokens(request))

    def close(self) -> None:
        """Free the model. Closing twice is allowed; closing while it answers is not."""
        if not self._runtime.closed:
            with self._in_use():
                self._runtime.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _in_use(self) -> Generator[None]:
        if not self._busy.acquire(blocking=False):
            raise EndpointError(
                f"{self._name} is already in use", hint="use one thread at a time, or load the model twice"
            )
        try:
            if self._runtime.closed:
                raise EndpointError(f"{self._name} is closed", hint="connect again")
            yield
        finally:
            self._busy.release()

    def _tokens(self, request: Request) -> list[int]:
        if request.messages and not request.prompt:
            raise RequestRefused(
                f"{self._name} takes prompts, not messages", hint="render the messages with a wrapper first"
            )
        tokens = self._runtime.tokens(request)
        if not tokens:
            raise InputError("the prompt is empty", hint="give at least one segment of text")
        return tokens

    def _start(
        self,
        request: Request,
        most: int,
        on_text: Callable[[str], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> Run:
        try:
            return self._runtime.start(request, most, on_text, should_stop)
        except BudgetError as error:
            if request.max_tokens is not None:
                raise
            raise ContextOverflow(
                f"the window of {self._window} tokens leaves {error.given} for an answer of at least"
                f" {error.needed}",
                hint="shorten the prompt, or load the model with more context_tokens",
                prompt_tokens=self._window - most,
                context_tokens=self._window,
            ) from error

    def _room_for_answer(self, request: Request, n_prompt: int) -> int:
        """Return how many tokens the answer may have."""
        wanted = request.max_tokens
        if wanted is not None and wanted < 0:
            raise InputError(f"max_tokens is {wanted}", hint="give 0 or more, or None for all that fits")
        room = self._window - n_prompt
        if room < (1 if wanted is None else wanted):
            answer = "no room for an answer" if wanted is None else f"an answer of {wanted}"
            raise ContextOverflow(
                f"a prompt of {n_prompt} tokens and {answer} exceed the window of {self._window} tokens",
                hint="shorten the prompt, ask for fewer tokens, or load the model with more context_tokens",
                prompt_tokens=n_prompt,
                context_tokens=self._window,
                max_tokens=wanted,
            )
        return room if wanted is None else wanted


def _deadline(max_seconds: float | None) -> float:
    if max_seconds is None:
        return math.inf
    if not max_seconds > 0:
        raise InputError(f"max_seconds is {max_seconds!r}", hint="give more than 0, or None for no limit")
    return time.perf_counter() + max_seconds


def _runtime_class() -> type[Runtime]:
    try:
        from bridle.endpoints.llamacpp.runtime import Runtime
    except ImportError as error:
        raise MissingExtra(
            f"running a model in this process needs numpy: {error}",
            extra="llama",
        ) from error
    return Runtime


def _default_threads(path: Path) -> int:
    if path.stat().st_size < _TINY_BYTES:
        return 1
    # Not on macOS and Windows, where a process cannot be held to some of the CPUs.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_options(context_tokens: int | None, threads: int | None, engine: str) -> None:
    # llama.cpp takes the window modulo 2 to the 32nd.
    options = (("context_tokens", context_tokens, 2**31 - 1), ("threads", threads, _MOST_THREADS))
    for option, value, most in options:
        if value is not None and not 1 <= value <= most:
            raise ConfigError(f"{option} is {value}", hint=f"give 1 to {most}, or leave it out")
    if engine not in ("auto", "llguidance", "gbnf", "outlines"):
        raise ConfigError(f"engine is {engine!r}", hint="give 'auto', 'llguidance', 'gbnf' or 'outlines'")


def _check_kind(path: Path, header: GgufHeader) -> None:
    """Raise a `ModelFileError` for a sound GGUF file that holds something else than a text generator."""
    metadata = header.metadata
    if metadata.get("general.type") == "adapter":
        what = "holds an adapter (LoRA), not a model"
    elif header.architecture == "clip" or metadata.get("general.type") == "mmproj":
        what = "holds the image part of a model"
    elif metadata.get("tokenizer.ggml.model", "none") in ("none", "no_vocab"):
        what = "holds no vocabulary"
    elif header.n_tensors == 0:
        what = "holds a vocabulary without weights"
    elif metadata.get(f"{header.architecture}.attention.causal") is False:
        what = "holds an embedding model, which cannot write text"
    elif metadata.get(f"{header.architecture}.block_count") == 0:
        what = "holds no layer"
    else:
        return
    raise ModelFileError(f"{str(path)!r} {what}", hint="use a chat model's GGUF file", path=str(path))
