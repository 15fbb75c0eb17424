"""A grammar as a logits processor, for people who call `llama_cpp.Llama.create_completion` themselves.

    processors = LogitsProcessorList([logits_processor(llama, grammar)])
    llama.create_completion(prompt, logits_processor=processors, max_tokens=200)

bridle's own endpoint is faster (it appends forced tokens without asking the model) and ends every call within
its tokens; here the answer ends where `max_tokens` cuts it, which `finish_reason` tells. llama-cpp-python
leaves special tokens out of its text: marks of calls that are tokens of their own are missing there. With
`logit_bias` beside them, 0.3.36 drops all processors.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, cast

from bridle.errors import ConfigError, GrammarError
from bridle.grammars.engines.base import Engine, FloatArray
from bridle.grammars.engines.native import llama_cpp
from bridle.grammars.ir import Grammar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bridle.grammars.engines.table import EngineName

    TokenArray: TypeAlias = NDArray[np.intc]
else:
    TokenArray: TypeAlias = object

__all__ = ["GrammarProcessor", "Llama", "logits_processor"]

_NEVER = float("-inf")


class Llama(Protocol):
    """What is needed of a `llama_cpp.Llama`."""

    @property
    def model(self) -> int | None:
        """The pointer to the model; none once it is closed."""
        ...


class _Library(Protocol):
    """What is asked about a vocabulary."""

    def llama_model_get_vocab(self, model: int) -> int: ...
    def llama_vocab_n_tokens(self, vocab: int) -> int: ...
    def llama_vocab_is_eog(self, vocab: int, token: int) -> bool: ...


class _Vocabulary:
    """One model's tokens, and the engines that were made for them."""

    def __init__(self, model: int) -> None:
        # The module's functions have these types in C; ctypes cannot say so.
        lib = cast("_Library", llama_cpp())
        self.pointer = lib.llama_model_get_vocab(model)
        self.size = lib.llama_vocab_n_tokens(self.pointer)
        self.ends = [i for i in range(self.size) if lib.llama_vocab_is_eog(self.pointer, i)]
        self._engines: dict[str, Engine] = {}

    def engine(self, name: EngineName) -> Engine:
        from bridle.grammars.engines.table import new_engine

        if name not in self._engines:
            self._engines[name] = new_engine(name, self.pointer, self.size, self.ends)
        return self._engines[name]


_VOCABULARIES: weakref.WeakKeyDictionary[Llama, _Vocabulary] = weakref.WeakKeyDictionary()


def logits_processor(
    llama: Llama, grammar: Grammar | str, engine: EngineName = "llguidance"
) -> GrammarProcessor:
    """Return a processor that holds every answer of this model to a grammar; a `str` is GBNF, for "gbnf".

    It serves one answer after the other: each call of `create_completion` begins a new one. What a model's
    engine has read and compiled is kept as long as the model, so that another processor costs little.

    Raises:
        GrammarError: when the engine cannot hold the grammar, or the model's vocabulary cannot spell it.
        ConfigError: for an unknown engine, a closed model, or one that drafts tokens.
        MissingExtra: when what the engine needs is not installed.
    """
    if engine not in ("llguidance", "gbnf", "outlines"):
        raise ConfigError(f"engine is {engine!r}", hint="give 'llguidance', 'gbnf' or 'outlines'")
    if llama.model is None:
        raise ConfigError("the model is closed", hint="load it again with llama_cpp.Llama(path)")
    if getattr(llama, "draft_model", None) is not None:
        raise ConfigError(
            "the model has a draft model, whose tokens no processor sees one by one",
            hint="load it without draft_model",
        )
    if llama not in _VOCABULARIES:
        _VOCABULARIES[llama] = _Vocabulary(llama.model)
    return GrammarProcessor(llama, grammar, _VOCABULARIES[llama], engine)


class GrammarProcessor:
    """Made by `logits_processor`. Called with all tokens so far, it returns the scores with what may not come
    next at minus infinity.

    llama-cpp-python prints an error from here and goes on: the scores are then such that the answer ends.
    """

    def __init__(
        self, llama: Llama, grammar: Grammar | str, vocabulary: _Vocabulary, engine: EngineName
    ) -> None:
        from bridle.grammars.engines.table import can_begin

        self._vocabulary = vocabulary
        self._engine = vocabulary.engine(engine)
        self._grammar = grammar
        self._matcher = self._engine.matcher(grammar)
        if not can_begin(self._matcher, vocabulary.size):
            raise _cannot_spell()
        self._runs = _Runs(llama)
        self._tokens: bytes | None = None

    def reset(self) -> None:
        """Take the next call for the beginning of an answer, whatever its tokens are."""
        self._tokens = None

    def __call__(self, input_ids: TokenArray, scores: FloatArray) -> FloatArray:
        """Return the scores of the tokens that may come next.

        Raises:
            GrammarError: when a token was written that the grammar does not allow, when the vocabulary cannot
                spell what has to come next, or when the scores are of another one.
        """
        try:
            return self._held(input_ids, scores)
        except GrammarError:
            # What is raised while llama.cpp samples gets lost: the text must not go on without the grammar.
            scores[:] = self._only_ends(scores)
            self.reset()
            raise

    def _held(self, input_ids: TokenArray, scores: FloatArray) -> FloatArray:
        if len(scores) != self._vocabulary.size:
            raise GrammarError(
                f"there are {len(scores)} scores, but the model has {self._vocabulary.size} tokens",
                hint="make a processor for each model",
            )
        self._follow(input_ids)
        if self._matcher.done:
            return self._only_ends(scores)
        # llama.cpp's scores lie between other numbers; engines want them side by side.
        held = scores.copy()
        self._matcher.mask_into(held)
        if held.max() == _NEVER:
            raise _cannot_spell()
        return held

    def _only_ends(self, scores: FloatArray) -> FloatArray:
        held = scores.copy()
        held[:] = _NEVER
        held[[end for end in self._vocabulary.ends if end < len(held)]] = 0.0
        return held

    def _follow(self, input_ids: TokenArray) -> None:
        """Take what was written since the last call, or begin a new answer."""
        tokens = input_ids.tobytes()
        known, self._tokens = self._tokens, tokens
        step = self._runs.step()
        if known is None or step == "other" or not tokens.startswith(known):
            self._matcher = self._engine.matcher(self._grammar)
            return
        written = [int(token) for token in input_ids[len(known) // input_ids.itemsize :]]
        if step == "unclear" and not (len(written) == 1 and self._matcher.allows(written[0])):
            self._matcher = self._engine.matcher(self._grammar)
            return
        for token in written:
            if not (self._matcher.done and token in self._vocabulary.ends):
                self._matcher.accept(token)


class _Runs:
    """Tells one run of `Llama.generate`, which has one sampler, from the next.

    By its tokens alone a new answer could be the next token of the old one: when its prompt is the last
    prompt and all that was answered. A loop that calls `Llama.sample` itself has another sampler for each
    token; so where a sampler served only once, it stays unclear.
    """

    def __init__(self, llama: Llama) -> None:
        self._llama = llama
        self._sampler: weakref.ref[object] | None = None
        self._calls = 0

    def step(self) -> Literal["same", "other", "unclear"]:
        sampler: object = getattr(self._llama, "_sampler", None)
        before = self._sampler() if self._sampler is not None else None
        if sampler is before:
            self._calls += 1
            return "same"
        calls, self._calls = self._calls, 1
        self._sampler = weakref.ref(sampler) if sampler is not None else None
        return "other" if calls > 1 else "unclear"


def _cannot_spell() -> GrammarError:
    return GrammarError(
        "no token of the model's vocabulary can come next in the grammar",
        hint="its vocabulary lacks the characters that the grammar wants: allow others, or use another model",
    )
