"""What an endpoint is: something that turns a request into text.

An endpoint knows how to reach a model and what it can enforce. It knows nothing about prompt formats or
call syntaxes: `bridle.endpoints.respond` renders, asks, and reads. Drivers state their abilities in
`Supports`, and callers ask those, never a kind's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bridle.grammars.ir import Grammar
from bridle.grammars.profile_servers import Profile
from bridle.messages import JSON, ConstraintCost, Finish, Message, Usage
from bridle.wrappers import Segment

__all__ = ["Answer", "Endpoint", "Request", "Sampling", "Supports"]


@dataclass(frozen=True, slots=True)
class Supports:
    """What an endpoint can do.

    `prompt`: complete a prompt that we rendered. `chat`: take messages and render them itself.
    `grammar`: hold a grammar on the prompt route, `proven` when our own decoder does it. `json_schema`: hold
    a JSON Schema on the chat route, of which `schema_profile` says what is really held
    (`bridle.grammars.profiles`). `tokenize`: count tokens exactly.
    """

    prompt: bool = False
    chat: bool = False
    grammar: bool = False
    proven: bool = False
    json_schema: bool = False
    schema_profile: Profile = "generic"
    tokenize: bool = False


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen; the defaults choose the likeliest one.

    `temperature` 0 is greedy. `top_k` 0, `top_p` 1, `min_p` 0 and `repeat_penalty` 1 are off. The penalty
    looks back `repeat_last` tokens. The same `seed` gives the same text; None draws a new one each time.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    repeat_last: int = 64
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model: `prompt` segments for the prompt route, or `messages` for the chat route.

    `control` lists the format's control strings, which content must not form. `max_tokens` bounds the answer,
    None means what the endpoint's window leaves. `grammar`, or a caller's own `gbnf` text in its place, goes
    with the prompt route; `schema` (of one JSON value that is the whole answer) with the chat route.

    `max_seconds` bounds the wall time of the answer from the call on. `field_tokens` bounds single string
    fields of a held answer, by name, in tokens: a parameter's name, or the key or markup of the thoughts.
    """

    prompt: tuple[Segment, ...] = ()
    messages: tuple[Message, ...] = ()
    control: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    sampling: Sampling = Sampling()
    grammar: Grammar | None = None
    gbnf: str | None = None
    schema: Mapping[str, JSON] | None = None
    max_seconds: float | None = None
    field_tokens: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Answer:
    """The text that came back, without the stop string, and what is known about it.

    `dropped` names fields of the request that could not be honoured; `engine` is what held the grammar, and
    `cost` what that took, where the model runs in this process.
    """

    text: str
    finish: Finish = "stop"
    finish_reason: str = "stop"
    usage: Usage = field(default_factory=Usage)
    engine: str = ""
    dropped: tuple[str, ...] = ()
    cost: ConstraintCost | None = None


class Endpoint(Protocol):
    """A model that can be asked. Use it from one thread at a time; `close` frees what it holds."""

    @property
    def name(self) -> str:
        """The spec it was connected by, for messages and logs (no secrets)."""
        ...

    @property
    def model(self) -> str:
        """The model's name as the endpoint knows it; empty when unknown."""
        ...

    @property
    def supports(self) -> Supports: ...

    @property
    def context_tokens(self) -> int | None:
        """The window in force, in tokens; None when it cannot be known."""
        ...

    @property
    def chat_template(self) -> str | None:
        """The model's own Jinja chat template, where the endpoint can tell it."""
        ...

    def complete(
        self,
        request: Request,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        """Generate. `on_text` gets fragments as they arrive; `should_stop` is asked between tokens.

        Raises:
            EndpointError: and its kinds; see `bridle.errors`.
        """
        ...

    def count_tokens(self, request: Request) -> int | None:
        """The prompt's length in tokens, exactly as the model sees it; None where that cannot be told."""
        ...

    def close(self) -> None:
        """Free the model or the connection; the endpoint cannot be used afterwards."""
        ...
