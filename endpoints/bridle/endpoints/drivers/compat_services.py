"""What known services make of OpenAI's API, as data: what they lack, and how they spell what they have.

Nothing here is asked of a server: a row holds what its documentation or its source says, and `source` is
where that was read (2026-11). A server that no row describes is taken at its word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urlsplit

from bridle.messages import JSON

__all__ = ["SERVICES", "Service", "service_at", "service_of"]

_OPENAI = {name: name for name in ("top_p", "presence_penalty", "frequency_penalty")}
_OPEN_MODELS = _OPENAI | {
    "top_k": "top_k",
    "min_p": "min_p",
    "repeat_penalty": "repetition_penalty",
    "seed": "seed",
}


@dataclass(frozen=True, slots=True)
class Service:
    """One service: known by its `hosts`, or by the `owner` that it writes beside its models.

    `lacks` and `has` are names of `Supports`. `sampling` gives the service's names for fields of `Sampling`.
    `forced` is its word for "call some tool". At most `most_stops` stop strings are taken, 0 is any number.
    With `plain_messages` a message may not have a name or thoughts; `stream_usage` says whether a stream can
    be asked for its token counts. `always` goes with each request, `with_constraint` where the answer is
    held. `schema_field` and `regex_field` carry a constraint on the prompt route.
    """

    name: str
    source: str
    hosts: frozenset[str] = frozenset()
    owner: str = ""
    lacks: frozenset[str] = frozenset()
    has: frozenset[str] = frozenset()
    sampling: Mapping[str, str] = field(default_factory=lambda: MappingProxyType(_OPENAI))
    forced: str = "required"
    most_stops: int = 0
    plain_messages: bool = False
    stream_usage: bool = True
    always: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    with_constraint: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    schema_field: str = ""
    regex_field: str = ""


SERVICES: tuple[Service, ...] = (
    Service(
        "Groq",
        "https://console.groq.com/docs/openai",
        frozenset({"api.groq.com"}),
        lacks=frozenset({"prompt", "embed", "logprobs"}),
        # The two penalties are taken and "not yet supported by any of our models".
        sampling=MappingProxyType({"top_p": "top_p", "seed": "seed"}),
        most_stops=4,
        plain_messages=True,  # `messages[].name` is refused with status 400
    ),
    Service(
        "OpenRouter",
        "https://openrouter.ai/docs/api-reference/overview and /docs/transforms",
        frozenset({"openrouter.ai", "www.openrouter.ai"}),
        # It takes a `prompt`, which becomes a message for models that only chat: a template in a template.
        lacks=frozenset({"prompt", "embed"}),
        sampling=MappingProxyType(_OPEN_MODELS),
        # Else it removes messages from the middle for models with a small window, without a word.
        always=MappingProxyType({"transforms": []}),
        # Else it may choose a provider that ignores the schema or the tools.
        with_constraint=MappingProxyType({"provider": {"require_parameters": True}}),
    ),
    Service(
        "Together",
        "https://docs.together.ai/reference/completions-1",
        frozenset({"api.together.xyz", "api.together.ai"}),
        sampling=MappingProxyType(_OPEN_MODELS),
    ),
    Service(
        "Mistral",
        "https://docs.mistral.ai/api and github.com/mistralai/platform-docs-public/issues/7",
        frozenset({"api.mistral.ai"}),
        lacks=frozenset({"prompt", "logprobs"}),
        sampling=MappingProxyType(_OPENAI | {"seed": "random_seed"}),
        forced="any",
        plain_messages=True,  # it refuses every field that it does not know with status 422
        stream_usage=False,  # and counts in the last event of a stream anyway
    ),
    Service(
        "DeepSeek",
        "https://api-docs.deepseek.com/api/create-chat-completion",
        frozenset({"api.deepseek.com"}),
        # Its completions fill a gap, below another path; its JSON mode takes no schema.
        lacks=frozenset({"prompt", "embed", "json_schema"}),
        most_stops=16,
    ),
    Service(
        "TabbyAPI",
        "github.com/theroyallab/tabbyAPI, common/sampling.py and endpoints/core/types/model.py",
        owner="tabbyAPI",
        # Its grammars are KBNF, which is no GBNF.
        has=frozenset({"prompt_schema", "regex"}),
        sampling=MappingProxyType({**_OPEN_MODELS, "repeat_last": "penalty_range"}),
        schema_field="json_schema",
        regex_field="regex_pattern",
    ),
)
"""The known services."""


def service_at(url: str) -> Service | None:
    """Find the service that an address belongs to; None for all others.

    >>> service_at("https://api.groq.com/openai/v1").name
    'Groq'
    """
    host = (urlsplit(url).hostname or "").lower()
    return next((one for one in SERVICES if host in one.hosts), None)


def service_of(owner: str) -> Service | None:
    """Find the service that writes such an owner beside its models; None for all others.

    >>> service_of("tabbyAPI").regex_field
    'regex_pattern'
    """
    return next((one for one in SERVICES if one.owner and one.owner == owner), None)
