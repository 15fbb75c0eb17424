"""What LM Studio says of its models, in the three lists that its versions have.

Format: https://lmstudio.ai/docs/developer/rest (0.4, 2026). `/api/v1/models` has the `loaded_instances` of a
model, each with its window. `/api/v0/models` (from 0.3.6 on) has a `state`, and `loaded_context_length` on
what is loaded. `/v1/models`, as OpenAI has it, has names alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridle.endpoints.base import ModelInfo
from bridle.endpoints.json_paths import integer_at, list_at, text_at, value_at
from bridle.messages import JSON

__all__ = ["Listed", "choose", "choose_embedding", "read_names", "read_v0", "read_v1"]

TALKING = frozenset({"llm", "vlm"})
"""The types of models that answer prompts."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A model, or an instance of one in memory: `name` is what a request calls it by, `key` the model's own.

    `form` is the kind of its file: gguf, run by llama.cpp, or mlx. None and empty are not said. One that
    neither makes embeddings nor `talks` is for something else, which bridle has no use for.
    """

    name: str
    key: str
    loaded: bool | None = None
    context_tokens: int | None = None
    trained_tokens: int | None = None
    embedding: bool = False
    architecture: str = ""
    title: str = ""
    size: str = ""
    form: str = ""
    talks: bool = True

    @property
    def info(self) -> ModelInfo:
        return ModelInfo(self.name, self.loaded, self.context_tokens, self.trained_tokens, self.embedding)

    @property
    def metadata(self) -> dict[str, JSON]:
        """What is known of the model's file, by the keys of a GGUF file."""
        known: dict[str, JSON] = {
            "general.architecture": self.architecture,
            "general.name": self.title,
            "general.size_label": self.size,
        }
        if self.architecture and self.trained_tokens is not None:
            known[f"{self.architecture}.context_length"] = self.trained_tokens
        return {name: value for name, value in known.items() if value}


def read_v1(body: JSON) -> list[Listed] | None:
    """Read `/api/v1/models`: each instance, and models that have none. None for another shape."""
    if not isinstance(value_at(body, "models"), list):
        return None
    return [
        Listed(
            text_at(instance, "id") or text_at(one, "key"),
            text_at(one, "key"),
            instance is not None,
            integer_at(instance, "config", "context_length"),
            integer_at(one, "max_context_length"),
            text_at(one, "type") == "embedding",
            text_at(one, "architecture"),
            text_at(one, "display_name"),
            text_at(one, "params_string"),
            text_at(one, "format"),
            text_at(one, "type") in TALKING,
        )
        for one in list_at(body, "models")
        for instance in (list_at(one, "loaded_instances") or [None])
    ]


def read_v0(body: JSON) -> list[Listed] | None:
    """Read `/api/v0/models`; None for another shape."""
    if not any(text_at(one, "state") for one in list_at(body, "data")):
        return None
    return [
        Listed(
            text_at(one, "id"),
            text_at(one, "id"),
            text_at(one, "state") == "loaded",
            integer_at(one, "loaded_context_length"),
            integer_at(one, "max_context_length"),
            text_at(one, "type") == "embeddings",
            text_at(one, "arch"),
            form=text_at(one, "compatibility_type"),
            talks=text_at(one, "type") in TALKING,
        )
        for one in list_at(body, "data")
    ]


def read_names(body: JSON) -> list[Listed] | None:
    """Read `/v1/models`. LM Studio's names of embedding models begin with `text-embedding`."""
    if not isinstance(value_at(body, "data"), list):
        return None
    names = [text_at(one, "id") for one in list_at(body, "data")]
    return [_named(name, name.startswith("text-embedding")) for name in names if name]


def _named(name: str, embeds: bool) -> Listed:
    return Listed(name, name, embedding=embeds, talks=not embeds)


def choose(listed: Sequence[Listed], model: str) -> Listed | None:
    """Find the model that was asked for, or without a name one that is loaded, or else the first.

    >>> choose([Listed("a", "a", False), Listed("b:2", "b", True)], "").name
    'b:2'
    """
    found = [one for one in listed if (model in (one.name, one.key) if model else one.talks)]
    found.sort(key=lambda one: (one.name != model, not one.loaded))
    return found[0] if found else None


def choose_embedding(listed: Sequence[Listed], model: str) -> str:
    """Name the model that makes embeddings: `model` if it does, else one that is loaded, or the first."""
    found = [one for one in listed if one.embedding]
    found.sort(key=lambda one: (model not in (one.name, one.key), not one.loaded))
    return found[0].name if found else ""
