"""A loaded model at work: its vocabulary, its window and its grammar engine, held together for one endpoint.

This is what needs numpy and llama.cpp behind `LlamaCpp`, which imports it when it loads a file.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Literal

from bridle.endpoints.base import Request
from bridle.endpoints.llamacpp.cache import Cache, clock_for
from bridle.endpoints.llamacpp.cost import Costs
from bridle.endpoints.llamacpp.decode import Run
from bridle.endpoints.llamacpp.guard import Guard
from bridle.endpoints.llamacpp.native import Model, library
from bridle.endpoints.llamacpp.sampling import Sampler
from bridle.endpoints.llamacpp.spelling import Speller
from bridle.endpoints.llamacpp.text import TextStream
from bridle.endpoints.llamacpp.vocab import Vocabulary
from bridle.errors import ConfigError, InputError
from bridle.grammars import Grammar
from bridle.grammars.engines.base import Engine, Matcher, Recent
from bridle.grammars.engines.closing import Plans
from bridle.grammars.engines.table import new_engine
from bridle.grammars.following import TURN_TEXT, label_of

__all__ = ["EngineName", "Runtime"]

EngineName = Literal["auto", "llguidance", "gbnf", "outlines"]
_CPU_BATCH_TOKENS, _GPU_BATCH_TOKENS = 128, 512
"""On a CPU larger batches gain nothing, and they let a caller wait longer who wants to stop."""
_KEPT_PLANS = 8


class Runtime:
    """One model in memory. Not to be used by two threads at a time.

    Raises:
        ModelFileError: when llama.cpp refuses the file.
        ConfigError: for GPU layers without a GPU build.
    """

    def __init__(
        self,
        path: str,
        *,
        window: int,
        threads: int,
        gpu_layers: int,
        engine: EngineName,
        measure_cost: bool = True,
    ) -> None:
        if gpu_layers and not library().llama_supports_gpu_offload():
            raise ConfigError(
                f"gpu_layers is {gpu_layers}, but this llama-cpp-python was built without a GPU",
                hint="leave gpu_layers out, or install a build of llama-cpp-python for your GPU",
            )
        batch = min(_GPU_BATCH_TOKENS if gpu_layers else _CPU_BATCH_TOKENS, window)
        # Flash attention on a CPU: prompts gain at most a tenth, but after 1,500 tokens a single token took
        # twice as long as without it, and a batch of four ten times (3 M parameters; 1.2 and 1.5 with 50 M).
        self._model = Model(
            path,
            context_tokens=window,
            batch_tokens=batch,
            threads=threads,
            gpu_layers=gpu_layers,
            flash_attention=gpu_layers != 0,
        )
        self.vocabulary = Vocabulary(self._model.lib, self._model.vocab)
        self.cache = Cache(self._model, self.vocabulary.size, window, batch, clock_for(threads, gpu_layers))
        self._engine_name: EngineName = engine
        self._measure_cost = measure_cost
        self._engines: dict[str, Engine] = {}
        self._plans: Recent[Plans] = Recent(_KEPT_PLANS)
        self._last: tuple[Request, list[int]] | None = None

    @property
    def closed(self) -> bool:
        return self._model.closed

    def close(self) -> None:
        """Free everything. Closing twice is allowed."""
        self._engines.clear()
        self._model.close()

    def tokens(self, request: Request) -> list[int]:
        """Return the prompt's tokens; those of the last request are remembered."""
        last = self._last
        if last is None or (last[0].prompt, last[0].control) != (request.prompt, request.control):
            last = self._last = request, self.vocabulary.encode(request.prompt, request.control)
        return last[1]

    def start(
        self,
        request: Request,
        most_tokens: int,
        on_text: Callable[[str], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> Run:
        """Prepare one answer; nothing of it has been evaluated yet.

        Raises:
            BudgetError: when the shortest answer that the grammar allows takes more than `most_tokens`.
            InputError: for a field that the grammar does not have.
        """
        prompt = self.tokens(request)
        run = Run(
            cache=self.cache,
            vocabulary=self.vocabulary,
            sampler=Sampler(request.sampling, self.vocabulary.size),
            text=TextStream(request.stop, on_text),
            pending=prompt,
            most_tokens=most_tokens,
            should_stop=should_stop,
        )
        wanted = request.grammar if request.gbnf is None else request.gbnf
        if wanted is not None:
            engine = self._engine(wanted)
            run.engine, run.restart = engine.name, lambda: engine.matcher(wanted)
            run.matcher = run.restart()
            run.costs = Costs(measure=self._measure_cost)
            if isinstance(wanted, Grammar):
                run.guard = self._guard(wanted, run.matcher, request, most_tokens)
            self.cache.calibrate()
        run.pending = prompt[self.cache.reuse(prompt) :]
        return run

    def _guard(self, grammar: Grammar, matcher: Matcher, request: Request, most_tokens: int) -> Guard | None:
        """Return what keeps the answer's limits; none where it cannot exceed them."""
        timed = request.max_seconds is not None
        if request.field_tokens:
            _check_fields(grammar, request.field_tokens)
        elif most_tokens >= grammar.longest_bytes and not timed:
            return None
        speller, piece = self._speller, self.vocabulary.piece
        plans = self._plans.get(grammar.key, lambda: Plans(grammar, speller, lambda token: len(piece(token))))
        return Guard(
            plans,
            matcher,
            most_tokens,
            piece,
            sure=speller.knows_bytes,
            fields=request.field_tokens,
            timed=timed,
        )

    @cached_property
    def _speller(self) -> Speller:
        return Speller(self._model.lib, self.vocabulary)

    def _engine(self, wanted: Grammar | str) -> Engine:
        """Return the engine for a grammar; a caller's own GBNF text is for llama.cpp's."""
        name = self._engine_name
        if isinstance(wanted, str):
            name = "gbnf"
        elif name == "auto":
            name = "llguidance" if importlib.util.find_spec("llguidance") else "gbnf"
        vocabulary = self.vocabulary
        # Made when first needed: reading a large vocabulary takes llguidance up to two seconds.
        if name not in self._engines:
            self._engines[name] = new_engine(name, vocabulary.pointer, vocabulary.size, vocabulary.ends)
        return self._engines[name]


def _check_fields(grammar: Grammar, wanted: Iterable[str]) -> None:
    known = dict.fromkeys(label_of(rule) for rule in grammar.rules if label_of(rule) not in ("", TURN_TEXT))
    for name in wanted:
        if name not in known:
            raise InputError(
                f"field_tokens names {name!r}, which no field of the grammar is called",
                hint=f"the fields are: {', '.join(known) or 'none that the grammar was made to tell apart'}",
            )
