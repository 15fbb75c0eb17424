"""What an endpoint is: something that turns a request into text.

An endpoint knows how to reach a model and what it can enforce. It knows nothing about prompt formats or
call syntaxes: `bridle.endpoints.responding` renders, asks, and reads. Drivers state their abilities in
`Supports`, and callers ask those, never a kind's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from bridle.grammars.gbnf_dialects import Dialect
from bridle.grammars.ir import Grammar
from bridle.grammars.profile_servers import Profile
from bridle.messages import JSON, ConstraintCost, Finish, Message, ToolSpec, Usage
from bridle.wrappers import Segment

__all__ = [
    "GO_TEMPLATE",
    "Answer",
    "Configured",
    "Embeddings",
    "Embeds",
    "Endpoint",
    "ListsModels",
    "ModelInfo",
    "NativeCall",
    "Overflow",
    "Remembers",
    "Request",
    "Sampling",
    "Scored",
    "Supports",
]

GO_TEMPLATE = "ollama.template"
"""The key under which an endpoint's metadata has a template in Go's language, as Ollama tells it."""
Overflow = Literal["error", "silent", "empty", "unknown"]
"""What a server does with a prompt that is too long: it refuses, cuts it, answers nothing, or who knows."""


@dataclass(frozen=True, slots=True)
class Supports:
    """What an endpoint can do. Everything is a claim of the server's but what is `proven`.

    Routes: `prompt`, complete a prompt that we rendered; `chat`, take messages and render them itself.

    Constraints: `grammar` holds a grammar on the prompt route, written in the `dialect`; `proven` when our
    own decoder does it. `json_schema` holds a JSON Schema on the chat route and `prompt_schema` on the prompt
    route; `schema_profile` says what is really held of it (`bridle.grammars.profiles`). `tools` takes native
    tools on the chat route, where it can be `forced` to call one at all, or a `named` one. `json_mode` holds
    any JSON object on the chat route, `regex` a regular expression on the prompt route.

    The rest: `tokenize` counts prompts exactly, `embed` makes embeddings, `logprobs` tells them, `seed` makes
    answers repeatable, `parallel` takes several requests at a time, `overflow` is what happens to a prompt
    that is too long where nobody has counted it.
    """

    prompt: bool = False
    chat: bool = False
    grammar: bool = False
    proven: bool = False
    dialect: Dialect = "llama.cpp"
    json_schema: bool = False
    prompt_schema: bool = False
    schema_profile: Profile = "generic"
    tools: bool = False
    forced: bool = False
    named: bool = False
    json_mode: bool = False
    regex: bool = False
    tokenize: bool = False
    embed: bool = False
    logprobs: bool = False
    seed: bool = False
    parallel: bool = False
    overflow: Overflow = "unknown"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen; the defaults choose the likeliest one.

    `temperature` 0 is greedy. `top_k` 0, `top_p` 1, `min_p` 0 and `repeat_penalty` 1 are off, and so are the
    two penalties at 0. The repeat penalty looks back `repeat_last` tokens. The same `seed` gives the same
    text; None draws a new one each time. `extra` are fields of one server's own, by its names.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    repeat_last: int = 64
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None
    extra: Mapping[str, JSON] = field(default_factory=dict[str, JSON])


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model: `prompt` segments for the prompt route, or `messages` for the chat route.

    `control` lists the format's control strings, which content must not form. `max_tokens` bounds the answer,
    None means what the endpoint's window leaves. `grammar`, or a caller's own `gbnf` text in its place, goes
    with the prompt route, and so does `regex`; `schema` (of one JSON value that is the whole answer) with
    either; `json_mode` (any JSON object), and `tools` with a `tool_choice` of "auto", "required" or a tool's
    name, with the chat route. Of the constraints one is given at most. `think` says whether a reasoning model
    shall think on the chat route; None leaves that to the server.

    `max_seconds` bounds the wall time of the answer from the call on. `field_tokens` bounds single string
    fields of a held answer, by name, in tokens: a parameter's name, or the key or markup of the thoughts.
    `logprobs` asks for so many alternatives of each token. With `strict`, what the endpoint would have to
    drop is an `UnsupportedParameter` before anything is sent.
    """

    prompt: tuple[Segment, ...] = ()
    messages: tuple[Message, ...] = ()
    control: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    sampling: Sampling = Sampling()
    grammar: Grammar | None = None
    gbnf: str | None = None
    regex: str | None = None
    schema: Mapping[str, JSON] | None = None
    json_mode: bool = False
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str = "auto"
    think: bool | None = None
    max_seconds: float | None = None
    field_tokens: Mapping[str, int] = field(default_factory=dict[str, int])
    logprobs: int = 0
    strict: bool = False


@dataclass(frozen=True, slots=True)
class NativeCall:
    """A call as a server parsed it: `arguments` is JSON text, as yet unchecked; `id` is the server's."""

    name: str
    arguments: str = "{}"
    id: str = ""


@dataclass(frozen=True, slots=True)
class Scored:
    """A token of an answer with the natural logarithm of its probability, and of those that were likely."""

    text: str
    logprob: float
    others: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Answer:
    """The text that came back, without the stop string, and what is known about it.

    `thoughts` and `calls` are what the server itself took out of the text. `dropped` names fields of the
    request that could not be honoured; `engine` is what held the grammar, and `cost` what that took, where
    the model runs in this process. `sent` is the body that a server was sent, under its own names, and
    `sent_as` names its members that carried the constraint.
    """

    text: str
    finish: Finish = "stop"
    finish_reason: str = "stop"
    usage: Usage = field(default_factory=Usage)
    engine: str = ""
    dropped: tuple[str, ...] = ()
    cost: ConstraintCost | None = None
    thoughts: str = ""
    calls: tuple[NativeCall, ...] = ()
    tokens: tuple[Scored, ...] = ()
    sent: Mapping[str, JSON] = field(default_factory=dict[str, JSON], compare=False, repr=False)
    sent_as: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that a server has. None where it does not say.

    `context_tokens` is the window that it is loaded with, `trained_tokens` the one that it was made for.
    """

    name: str
    loaded: bool | None = None
    context_tokens: int | None = None
    trained_tokens: int | None = None
    embedding: bool = False


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector for each text, in their order; all have the same length."""

    vectors: tuple[tuple[float, ...], ...]
    model: str = ""
    usage: Usage = field(default_factory=Usage)


class Endpoint(Protocol):
    """A model that can be asked. Use it from one thread at a time, unless `supports.parallel`.

    `close` frees what it holds.
    """

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


@runtime_checkable
class Embeds(Protocol):
    """An endpoint that can make embeddings; `supports.embed` says whether this one's model does."""

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return one vector per text.

        Raises:
            ContextOverflow: for a text that is longer than the model takes; nothing is cut.
            EndpointError: and its other kinds.
        """
        ...


@runtime_checkable
class ListsModels(Protocol):
    """An endpoint that can tell which models its server has."""

    def models(self) -> tuple[ModelInfo, ...]: ...


@runtime_checkable
class Configured(Protocol):
    """An endpoint that knows what its configuration names for "auto"; empty where it names none.

    `wrapper` is the name of one, `constraint` what holds calls (`bridle.endpoints.asking`).
    """

    wrapper: str
    constraint: str


@runtime_checkable
class Remembers(Protocol):
    """An endpoint that keeps which constraints its server refused, and why, and which it has held.

    `bridle.endpoints.ladder` writes both.
    """

    @property
    def refused(self) -> dict[str, str]: ...

    @property
    def held(self) -> set[str]: ...
