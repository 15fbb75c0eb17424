"""What OpenAI's chat completions and its responses API have in common: which model takes what.

What a model is known not to take is not sent, and what one has refused is not sent to it again. Each such
field is listed as dropped. A member that holds the answer is never left out: its refusal is an error.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import ClassVar

from bridle.endpoints.base import Answer, Embeddings, ModelInfo, Request, Sampling, Supports
from bridle.endpoints.driver import Ask, Driver, Found, names_of
from bridle.endpoints.drivers.cloud_models import Family, family_of
from bridle.endpoints.drivers.openai_chat import read_embeddings, withheld_error
from bridle.endpoints.json_paths import list_at, text_at, value_at
from bridle.endpoints.transport.http import HttpCall
from bridle.errors import ConfigError, ContentFiltered
from bridle.messages import JSON

__all__ = ["CloudDriver", "Withheld"]

LIMITS = ("max_completion_tokens", "max_tokens")
"""Two names of one thing: models that refuse one take the other."""
MOST_STOPS = 4
MOST_LOGPROBS = 20
LOGPROBS = frozenset({"logprobs", "top_logprobs"})
OUR_NAMES = MappingProxyType(
    {"stop": "", "max_output_tokens": "max_tokens", "reasoning": "think", "reasoning_effort": "think"}
    | {"top_logprobs": "logprobs", "include": "logprobs"}
)
"""What members of a body are called here; empty for stop strings, which are kept without the service, too."""

SUPPORTS = Supports(
    chat=True,
    json_schema=True,
    schema_profile="openai-strict",
    tools=True,
    forced=True,
    named=True,
    json_mode=True,
    embed=True,
    logprobs=True,
    seed=True,
    parallel=True,
    overflow="error",
)


@dataclass
class Withheld:
    """What an answer has kept back: whether the model declined, and the categories that a filter named."""

    refused: bool = False
    categories: set[str] = field(default_factory=set[str])

    def note(self, results: JSON) -> None:
        """Take the filtered categories out of Azure's `content_filter_results`."""
        if isinstance(results, dict):
            self.categories |= {name for name, one in results.items() if value_at(one, "filtered") is True}


class CloudDriver(Driver):
    """Shared by both APIs. It belongs to one endpoint, which several threads may use at once."""

    kind: ClassVar[str] = "openai"
    start_hint: ClassVar[str] = "check the network, and whether a proxy has to be set"
    supports = SUPPORTS
    extras = None
    always_dropped: ClassVar[tuple[str, ...]] = ()
    """Fields of `Sampling` that this API does not have."""
    never_left_out: ClassVar[frozenset[str]] = frozenset(
        {"model", "messages", "input", "tools", "tool_choice", "response_format", "text", "stream"}
    )

    def __init__(
        self, url: str, model: str, *, limit: str = "max_completion_tokens", dimensions: int | None = None
    ) -> None:
        """Take the address and the model, or the name of a deployment; `limit` is what bounds an answer."""
        super().__init__(url)
        self.asked_model = model
        self.family: Family = family_of(model)
        self.dimensions = dimensions
        self.limit = LIMITS[0] if self.family.reasons else limit
        self.left_out: set[str] = set()
        """Members that the model has refused."""
        self._answer = threading.local()
        self.supports = _supports(self.family)
        names = ("top_p", "presence_penalty", "frequency_penalty", "seed")
        sampled = () if self.family.reasons else tuple(n for n in names if n not in self.always_dropped)
        self.sampling_names = names_of(*sampled)

    @property
    def withheld(self) -> Withheld:
        """What the answer that this thread is reading has kept back."""
        if not hasattr(self._answer, "withheld"):
            self.expect_answer()
        found: Withheld = self._answer.withheld
        return found

    def expect_answer(self) -> None:
        """Forget what the last answer in this thread has kept back."""
        self._answer.withheld = Withheld()

    def leave_out(self, parameter: str) -> bool:
        """Take note that the model refuses a member, and say whether asking without it makes sense."""
        name = parameter.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0]
        if name == self.limit:
            other = next(one for one in LIMITS if one != name)
            if other in self.left_out:
                return False
            self.left_out.add(name)
            self.limit = other
            return True
        if not name or name in self.never_left_out or name in self.left_out:
            return False
        self.left_out.add(name)
        return True

    @property
    def omitted(self) -> tuple[str, ...]:
        """What this thread's last request was to have and was sent without, by our names."""
        found: tuple[str, ...] = getattr(self._answer, "omitted", ())
        return found

    def kept(self, body: dict[str, JSON]) -> dict[str, JSON]:
        """Return the members that have a value and that the model has not refused; see `omitted`."""
        told = {k: v for k, v in body.items() if v is not None}
        names = (OUR_NAMES.get(name, name) for name in told if name in self.left_out)
        self._answer.omitted = tuple(dict.fromkeys(name for name in names if name))
        return {k: v for k, v in told.items() if k not in self.left_out}

    def sampling(self, sampling: Sampling) -> dict[str, JSON]:
        """Write the sampling fields, for a model that takes any."""
        fields = super().sampling(sampling)
        if self.family.reasons:
            fields.pop("temperature")
        return fields | dict(sampling.extra)

    def effort(self, request: Request) -> str | None:
        """Choose how much a reasoning model thinks; None leaves that to the service."""
        efforts = self.family.efforts
        if request.think is False and efforts[:1] in (("none",), ("minimal",)):
            return efforts[0]
        if request.think is True and self.family.rests:
            return "medium"
        return None

    def dropped(self, request: Request) -> tuple[str, ...]:
        """Name the fields that this model does not take."""
        names = list(super().dropped(request))
        sampling = request.sampling
        given = sampling.temperature != Sampling().temperature
        if "temperature" in self.left_out or (given and self.family.reasons):
            names.append("temperature")  # one that was refused had been sent, also where it is the default
        for name in (*self.sampling_names, *sampling.extra):
            if name in self.left_out and (
                name in sampling.extra or getattr(sampling, name) != getattr(Sampling(), name)
            ):
                names.append(name)
        if request.logprobs and self.left_out & LOGPROBS:
            names.append("logprobs")
        if request.think is not None and not self._can_think(request):
            names.append("think")
        return tuple(dict.fromkeys(names))

    def _can_think(self, request: Request) -> bool:
        if not self.family.reasons:
            return request.think is False
        return request.think is True or self.effort(request) is not None

    def check(self, request: Request, answer: Answer) -> None:
        """Raise a `ContentFiltered` for what a filter took or cut, or a refusal in place of JSON."""
        error = withheld_error(self.base, answer, sorted(self.withheld.categories))
        if error is not None:
            raise error
        if self.withheld.refused and (request.schema is not None or request.json_mode):
            raise ContentFiltered(
                f"{self.base} gave no answer: the model declined: {answer.text!r}",
                hint="change what is asked for",
                url=self.base,
                side="answer",
                categories=("refusal",),
                answer=answer.text,
            )

    def discover(self, ask: Ask, model: str) -> Found:
        """Look the model up in our own table; the service tells no windows, and nothing is sent."""
        if not model:
            raise ConfigError(
                f"{self.base} has many models and none is named", hint="give one, as in openai:gpt-4.1-mini"
            )
        return Found(model, self.family.window, self.family.window)

    def models(self, ask: Ask) -> tuple[ModelInfo, ...]:
        """Read the list of models; on Azure that is what can be deployed, not what is."""
        base = self.base.partition("/deployments/")[0]
        listed = list_at(ask(HttpCall(f"{base}/models")), "data")
        names = [text_at(one, "id") for one in listed]
        return tuple(
            ModelInfo(name, trained_tokens=family_of(name).window, embedding=family_of(name).embeds)
            for name in names
            if name
        )

    def embedding_call(self, texts: Sequence[str], model: str) -> HttpCall | None:
        """Write a call to `/embeddings`."""
        body: dict[str, JSON] = {"model": model, "input": list(texts), "encoding_format": "float"}
        return HttpCall(f"{self.base}/embeddings", self.kept({**body, "dimensions": self.dimensions}))

    def read_embeddings(self, body: JSON) -> Embeddings | None:
        """Read what came back from it."""
        return read_embeddings(body)


def _supports(family: Family) -> Supports:
    known = bool(family.names)
    if family.embeds:
        return Supports(embed=True, parallel=True, overflow="error")
    return replace(
        SUPPORTS,
        json_schema=family.schema,
        tools=family.tools,
        forced=family.tools,
        named=family.tools,
        json_mode=family.schema or not family.reasons,
        embed=not known,
        logprobs=not family.reasons,
        seed=not family.reasons,
    )
