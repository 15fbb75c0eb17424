"""What has to be known about one kind of server: a `Driver`.

A driver does no input or output. It builds a call from a request and reads pieces of an answer out of what
comes back; where it has to ask the server something else, it is handed a function that does. Streaming, stop
strings, cancellation, limits and errors are the business of `bridle.endpoints.http_endpoint`, for all kinds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar

from bridle.endpoints.abilities import unsupported
from bridle.endpoints.addresses import base_url
from bridle.endpoints.base import Answer, Embeddings, ModelInfo, Request, Sampling, Scored, Supports
from bridle.endpoints.transport.http import HttpCall
from bridle.errors import EndpointError
from bridle.grammars import to_gbnf
from bridle.messages import JSON, Usage
from bridle.wrappers import flatten

__all__ = ["SAMPLING", "Ask", "CallPiece", "Driver", "Found", "Get", "Piece", "names_of"]

Ask = Callable[[HttpCall], JSON]
"""Does one call and returns the JSON that came back; raises `EndpointError`."""
Get = Callable[[str], JSON]
"""Gets a route below the server's root; None for anything but status 200 with JSON."""

SAMPLING = (
    "top_k",
    "top_p",
    "min_p",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
    "seed",
)
"""The fields of `Sampling` that are sent where they are not at their default."""


def names_of(*same: str, **others: str) -> Mapping[str, str]:
    """Map fields of `Sampling` to a server's names: `same` are called as here, `others` are not."""
    return MappingProxyType({**{name: name for name in same}, **others})


@dataclass(frozen=True, slots=True)
class CallPiece:
    """A part of a native call. `arguments` is a fragment of JSON text, `id` and `index` as the server gave
    them; a server that gives whole calls without either sends each as one piece that is `whole`."""

    name: str = ""
    arguments: str = ""
    id: str = ""
    index: int | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an answer: text, thoughts, calls; and on the last one why it ended (the server's word)."""

    text: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    thoughts: str = ""
    calls: tuple[CallPiece, ...] = ()
    tokens: tuple[Scored, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What a server says about the model that would answer; None or empty where it does not say.

    `context_tokens` is the window in force, `trained_tokens` the one that the model was made for. `metadata`
    has the keys of a GGUF file, as far as the server tells them.
    """

    model: str = ""
    context_tokens: int | None = None
    trained_tokens: int | None = None
    version: str = ""
    metadata: Mapping[str, JSON] = field(default_factory=dict[str, JSON])


class Driver(ABC):
    """What has to be known about one kind of server. Subclass it; `build` and `read` are the least.

    `sampling_names` gives the server's name for each field of `Sampling` that it takes, besides
    `temperature`, which all take; `extras` are the names of fields of its own that `Sampling.extra` may have,
    None where any may be sent. `constraint_fields` are the names under which constraints are sent.
    `start_hint` is what to do when nothing listens at the address. A driver belongs to one endpoint:
    `discover` may replace `supports` by what this very server can do.
    """

    kind: ClassVar[str] = ""
    start_hint: ClassVar[str] = ""
    supports: Supports = Supports()
    sampling_names: Mapping[str, str] = MappingProxyType({})
    extras: frozenset[str] | None = frozenset()
    constraint_fields: ClassVar[tuple[str, ...]] = ()
    least_max_tokens: ClassVar[int] = 1024
    """The limit of an answer to a request without one, where the window is not known."""
    marks_end: ClassVar[bool] = True
    """Whether a stream that is complete has a finish reason or ends with `[DONE]`."""
    counts_prompt: ClassVar[bool] = True
    """Whether the usage counts all tokens of the prompt that the model saw, as seen by the model."""

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

    @classmethod
    def recognise(cls, get: Get) -> str:
        """Say by what a server is seen to be of this kind; empty when it is not."""
        return ""

    def discover(self, ask: Ask, model: str) -> Found:
        """Find out which model answers and its window; `model` is the one that was asked for, or empty."""
        return Found(model)

    def models(self, ask: Ask) -> tuple[ModelInfo, ...]:
        """List the models that the server has."""
        return ()

    def count_tokens(self, request: Request, ask: Ask, model: str) -> int | None:
        """Count the prompt's tokens where the server can do that exactly."""
        return None

    def chat_template(self, ask: Ask, model: str) -> str | None:
        """Ask for the model's own chat template where this kind of server tells it."""
        return None

    def before(self, request: Request, model: str, ask: Ask) -> None:  # noqa: B027 - most servers say so
        """Raise a `ContextOverflow` for a request of which this server would lose a part in silence."""

    def check(self, request: Request, answer: Answer) -> None:  # noqa: B027 - most servers hide nothing
        """Raise an `EndpointError` for an answer in which this server hides a failure."""

    def explain(self, error: EndpointError, ask: Ask) -> EndpointError:
        """Say what a refusal means where this server's own words do not tell; else return it as it is."""
        return error

    def embedding_call(self, texts: Sequence[str], model: str) -> HttpCall | None:
        """Write the call that makes embeddings; None where this kind makes none."""
        return None

    def read_embeddings(self, body: JSON) -> Embeddings | None:
        """Read what came back from it, in the order of the texts; None when it is no such answer."""
        return None

    def cancel_call(self, request: Request) -> HttpCall | None:
        """Write the call that ends a cancelled answer, where closing the connection does not do it."""
        return None

    def prompt_text(self, request: Request) -> str:
        """Write the prompt as the one string that goes over the wire, its content neutralised."""
        return flatten(request.prompt, request.control)

    def gbnf(self, request: Request) -> str:
        """Write the request's grammar in the server's dialect; empty when it has none."""
        if request.gbnf is not None:
            return request.gbnf
        return "" if request.grammar is None else to_gbnf(request.grammar, dialect=self.supports.dialect)

    def sampling(self, sampling: Sampling) -> dict[str, JSON]:
        """Write the sampling fields that are not at their default, by the server's names."""
        fields: dict[str, JSON] = {"temperature": sampling.temperature}
        wanted = _wanted(sampling)
        fields.update({name: wanted[ours] for ours, name in self.sampling_names.items() if ours in wanted})
        known = self.extras
        return fields | {k: v for k, v in sampling.extra.items() if known is None or k in known}

    def dropped(self, request: Request) -> tuple[str, ...]:
        """Name the fields of a request that this kind of server cannot honour on the route it takes."""
        names = [name for name in _wanted(request.sampling) if name not in self.sampling_names]
        names += [
            name for name in request.sampling.extra if self.extras is not None and name not in self.extras
        ]
        return (*names, *unsupported(self.supports, request))


def _wanted(sampling: Sampling) -> dict[str, int | float]:
    usual = Sampling()
    wanted: dict[str, int | float] = {
        name: getattr(sampling, name) for name in SAMPLING if getattr(sampling, name) != getattr(usual, name)
    }
    if "repeat_penalty" in wanted:
        wanted["repeat_last"] = sampling.repeat_last
    return wanted
