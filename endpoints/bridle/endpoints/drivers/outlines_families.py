"""How each family of Outlines' models is asked: names of sampling options, streams, stopping, tokenizers.

Read in Outlines 1.3.3 (models/transformers.py, mlxlm.py, vllm_offline.py) and in what they call: Transformers
5.23's `generate`, mlx_lm's `stream_generate`, vLLM's `SamplingParams` (2026-09).
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bridle.endpoints.base import Request
from bridle.errors import InputError
from bridle.grammars import to_gbnf, to_lark
from bridle.grammars.gbnf_dialects import Dialect

__all__ = ["Family", "Made", "family_of"]

Show = Callable[[str], None]
ShouldStop = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Made:
    """What was generated: token counts, and whether the answer ended by itself."""

    prompt_tokens: int
    answer_tokens: int
    ended: bool


class Family(ABC):
    """A model of one of Outlines' classes. `model` is Outlines' object; its own `model` is the library's."""

    dialect: ClassVar[Dialect] = "llama.cpp"

    def __init__(self, model: Any) -> None:
        self.outlines = model

    @property
    def name(self) -> str:
        """The model's name, empty where it has none."""
        return str(getattr(self._config, "_name_or_path", "") or "")

    @property
    def window(self) -> int | None:
        """The window that the model was made for, in tokens."""
        found = getattr(self._config, "max_position_embeddings", None)
        return found if isinstance(found, int) and found > 0 else None

    @property
    def chat_template(self) -> str | None:
        """The Jinja template of the tokenizer, where it has one."""
        found = getattr(self.tokenizer, "chat_template", None)
        return found if isinstance(found, str) else None

    @property
    def _config(self) -> Any:
        return getattr(self.outlines.model, "config", None)

    @property
    @abstractmethod
    def tokenizer(self) -> Any:
        """The tokenizer in the form of Transformers."""

    def count(self, text: str) -> int:
        """Count a prompt's tokens, the one at its beginning included."""
        return len(self.tokenizer.encode(text))

    def dropped(self, request: Request) -> tuple[str, ...]:
        """Name what of the sampling this family cannot be told."""
        sampling = request.sampling
        given = {
            "presence_penalty": sampling.presence_penalty != 0,
            "frequency_penalty": sampling.frequency_penalty != 0,
            "repeat_last": sampling.repeat_penalty != 1,
            **dict.fromkeys(sampling.extra, True),
        }
        return tuple(name for name, is_given in given.items() if is_given)

    @abstractmethod
    def generate(self, text: str, request: Request, show: Show, should_stop: ShouldStop) -> Made:
        """Generate at most `request.max_tokens` tokens and show the text as it comes."""

    def processor(self, request: Request) -> Any:
        """Have Outlines make what holds the request's grammar; None where it has none."""
        if request.gbnf is not None:
            raise InputError(
                "Outlines does not read GBNF",
                hint="give a Grammar (for_choice, for_regex, for_schema) or a schema",
            )
        if request.grammar is None:
            return None
        outlines: Any = importlib.import_module("outlines")
        lark = outlines.types.CFG(to_lark(request.grammar))
        return outlines.Generator(self.outlines, lark, "llguidance").logits_processor


class _Transformers(Family):
    """`outlines.models.Transformers`."""

    @property
    def tokenizer(self) -> Any:
        return self.outlines.hf_tokenizer

    def generate(self, text: str, request: Request, show: Show, should_stop: ShouldStop) -> Made:
        """Generate with our own streamer and stopping criterion, which Outlines hands on."""
        transformers: Any = importlib.import_module("transformers")
        counted = self.count(text)
        streamer = _streamer(transformers, self.tokenizer, show)
        criterion = _criterion(transformers, should_stop)
        options = self._sampling(transformers, request)
        processor = self.processor(request)
        if processor is not None:
            processor.reset()
        whole = self.outlines.generate(
            text,
            processor,
            max_new_tokens=request.max_tokens,
            streamer=streamer,
            stopping_criteria=transformers.StoppingCriteriaList([criterion]),
            pad_token_id=self._end_token,
            **options,
        )
        del whole  # it has been shown
        return Made(counted, streamer.n_tokens, streamer.last in self._end_tokens)

    @property
    def _end_tokens(self) -> frozenset[int]:
        found = self.outlines.model.generation_config.eos_token_id
        own = self.tokenizer.eos_token_id
        listed: list[object] = [*found, own] if isinstance(found, list) else [found, own]
        return frozenset(one for one in listed if isinstance(one, int))

    @property
    def _end_token(self) -> int | None:
        return next(iter(sorted(self._end_tokens)), None)

    def _sampling(self, transformers: Any, request: Request) -> dict[str, Any]:
        sampling = request.sampling
        if sampling.seed is not None:
            transformers.set_seed(sampling.seed)
        if sampling.temperature == 0:
            options: dict[str, Any] = {"do_sample": False}
        else:
            options = {"do_sample": True, "temperature": sampling.temperature, "top_k": sampling.top_k}
            options |= {"top_p": sampling.top_p, "min_p": sampling.min_p or None}
        if sampling.repeat_penalty != 1:
            options["repetition_penalty"] = sampling.repeat_penalty
        return options


def _streamer(transformers: Any, tokenizer: Any, show: Show) -> Any:
    """A streamer that shows whole characters, and counts."""

    class Streamer(transformers.TextStreamer):  # type: ignore[misc, name-defined, unused-ignore]
        n_tokens = 0
        last = -1

        def put(self, value: Any) -> None:
            if not self.next_tokens_are_prompt:
                flat = value.flatten().tolist()
                self.n_tokens += len(flat)
                self.last = flat[-1] if flat else self.last
            super().put(value)  # pyright: ignore[reportUnknownMemberType]  # the library has no types

        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            if text:
                show(text)

    return Streamer(tokenizer, skip_prompt=True, skip_special_tokens=True)


def _criterion(transformers: Any, should_stop: ShouldStop) -> Any:
    torch: Any = importlib.import_module("torch")

    class Stopped(transformers.StoppingCriteria):  # type: ignore[misc, name-defined, unused-ignore]
        def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
            over = should_stop()
            return torch.full((input_ids.shape[0],), over, dtype=torch.bool, device=input_ids.device)

    return Stopped()


class _Mlx(Family):
    """`outlines.models.MLXLM`, on Apple's machines."""

    @property
    def tokenizer(self) -> Any:
        return self.outlines.mlx_tokenizer

    def generate(self, text: str, request: Request, show: Show, should_stop: ShouldStop) -> Made:
        """Take the pieces that mlx_lm streams."""
        utils: Any = importlib.import_module("mlx_lm.sample_utils")
        sampling = request.sampling
        if sampling.seed is not None:
            importlib.import_module("mlx.core").random.seed(sampling.seed)
        sampler = utils.make_sampler(
            temp=sampling.temperature, top_p=sampling.top_p, min_p=sampling.min_p, top_k=sampling.top_k
        )
        count = 0
        stopped = False
        for piece in self.outlines.generate_stream(
            text, self.processor(request), max_tokens=request.max_tokens, sampler=sampler
        ):
            count += 1
            show(str(piece))
            if stopped := should_stop():
                break
        return Made(self.count(text), count, not stopped and count < (request.max_tokens or count + 1))


class _VLLMOffline(Family):
    """`outlines.models.VLLMOffline`: vLLM's engine in this process, which holds grammars itself."""

    dialect: ClassVar[Dialect] = "xgrammar"

    @property
    def _config(self) -> Any:
        return self.outlines.model.llm_engine.model_config.hf_config

    @property
    def tokenizer(self) -> Any:
        return self.outlines.tokenizer

    def generate(self, text: str, request: Request, show: Show, should_stop: ShouldStop) -> Made:
        """Generate the whole answer; vLLM without a server shows nothing before its end."""
        vllm: Any = importlib.import_module("vllm")
        outlines: Any = importlib.import_module("outlines")
        sampling = request.sampling
        gbnf = request.gbnf
        if request.grammar is not None:
            gbnf = to_gbnf(request.grammar, self.dialect)
        options = vllm.SamplingParams(
            max_tokens=request.max_tokens,
            stop=list(request.stop),
            temperature=sampling.temperature,
            top_k=sampling.top_k or -1,
            top_p=sampling.top_p,
            min_p=sampling.min_p,
            repetition_penalty=sampling.repeat_penalty,
            seed=sampling.seed,
        )
        held = None if gbnf is None else outlines.types.CFG(gbnf)
        whole = str(self.outlines.generate(text, held, sampling_params=options))
        show(whole)
        count = len(self.tokenizer.encode(whole, add_special_tokens=False))
        return Made(self.count(text), count, count < (request.max_tokens or count + 1))


_FAMILIES: Mapping[str, type[Family]] = {
    "Transformers": _Transformers,
    "MLXLM": _Mlx,
    "VLLMOffline": _VLLMOffline,
}
"""By the name of Outlines' class; one that derives from it is of the same family."""


def family_of(model: object) -> Family:
    """Find the family of an Outlines model.

    Raises:
        InputError: for anything else.
    """
    for kind in type(model).__mro__:
        if kind.__module__.startswith("outlines.") and kind.__name__ in _FAMILIES:
            return _FAMILIES[kind.__name__](model)
    raise InputError(
        f"{type(model).__module__}.{type(model).__name__} is no model that Outlines runs in this process",
        hint="give outlines.from_transformers(…), from_mlxlm(…) or from_vllm_offline(…); GGUF files"
        " and servers are opened by connect",
    )
